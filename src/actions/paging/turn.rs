//! Pages as turns of a step: each is an ordinary request, with tries of its own.

use super::{End, Pager, Turn, prepare};
use crate::actions::model::{Output, Tick};
use crate::actions::request::{self, Rendering};
use crate::actions::response::Answer;
use crate::actions::stepper::Stepper;
use crate::actions::trace::Mark;
use crate::actions::turn::Tries;
use crate::definitions::{Pagination, RequestPlan, Step};
use crate::expression::Scope;
use crate::lifecycle::Failure;
use crate::upstream::Request;

/// Renders a request: with a pager the present page's, and without one as the definition writes it.
///
/// # Errors
/// The failure that ends the phase; nothing was sent.
pub(in crate::actions) fn render(
    plan: &RequestPlan,
    mut pager: Option<&mut Pager>,
    with: Rendering<'_>,
) -> Result<Request, Failure> {
    let Some(pagination) = &plan.pagination else { return request::render(plan, with) };
    let Rendering { scope, method, key, timeout, .. } = with;
    let bare = |scope: &mut Scope| request::render(plan, Rendering { scope, method, key: None, timeout, page: None });
    let rendered = prepare(pagination, pager.as_deref_mut(), scope, bare).and_then(|shape| {
        request::render(plan, Rendering { scope: &mut *scope, method, key, timeout, page: shape.as_ref() })
    });
    scope.unset("pagination");
    let request = rendered?;
    if let Some(pager) = pager {
        pager.sent(pagination, &request);
    }
    Ok(request)
}

impl Stepper {
    /// Takes in a page, and goes on to the next page, turn or step. Answers what ends the run instead.
    pub(in crate::actions) fn turn_page(
        &mut self,
        step: &Step,
        mut pager: Box<Pager>,
        pagination: &Pagination,
        answer: Answer,
        tick: Tick,
    ) -> Option<Output> {
        let Answer { result, response } = answer;
        let mut scope = self.scope(tick);
        let turn = pager.turn(pagination, &mut scope, result, &response);
        self.scope = Some(scope);
        match turn {
            Ok(Turn::More) => {
                let turn = &mut self.progress.step.turn;
                turn.pager = Some(pager);
                // A token that is new and still about to expire is as good as it gets, on the next page too.
                turn.tries = Tries { renewed: turn.tries.renewed, ..Tries::default() };
                self.last = None;
                None
            }
            Ok(Turn::Last(end)) => {
                let (result, response) = pager.finish(Some(response), end);
                self.settle(step, Some(result), Some(response))
            }
            Err(failure) => {
                self.note(step, Mark::Error, tick, Some(&failure), None);
                self.give_up(step, failure)
            }
        }
    }

    /// Whether the provider only says that there is no page behind the last one.
    pub(in crate::actions) fn is_past_the_end(&self, request: &RequestPlan, failure: &Failure) -> bool {
        let pager = self.progress.step.turn.pager.as_ref();
        pager
            .zip(request.pagination.as_ref())
            .is_some_and(|(pager, pagination)| pager.is_past_the_end(pagination, failure))
    }

    /// Ends the walk with the pages that there are.
    pub(in crate::actions) fn end_pages(&mut self, step: &Step, tick: Tick) -> Option<Output> {
        let pager = self.progress.step.turn.pager.take()?;
        self.note(step, Mark::Success, tick, None, None);
        self.dirty |= self.progress.intent.take().is_some();
        let (result, response) = pager.finish(None, End::Complete);
        self.settle(step, Some(result), Some(response))
    }
}

//! What a step sees from where it stands.

use std::sync::Arc;

use serde_json::json;

use super::context;
use super::model::Tick;
use super::stepper::{Stepper, steps};
use crate::expression::{Scope, Shared};

impl Stepper {
    /// Takes the scope as the present turn sees it. Whoever takes it puts it back, without names of his own.
    pub(super) fn scope(&mut self, tick: Tick) -> Scope {
        let now_ms = *self.progress.step.turn.began_ms.get_or_insert(tick.now_ms);
        // Turns draw different random numbers, and each of them the same ones again when it is rendered again.
        let seed = self.start.seed ^ self.progress.turn_number().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut scope = self.scope.take().unwrap_or_else(|| self.part_scope());
        scope.restart(now_ms, seed);
        let name = steps(&self.start.plan, self).get(self.progress.index).map(|step| &step.name);
        scope.set("step", json!({ "index": self.progress.index, "name": name }));
        match &self.progress.previous {
            Some(previous) => scope.set("previous", Arc::clone(previous)),
            None => scope.unset("previous"),
        }
        if let Some(items) = &self.progress.step.items
            && let Some(item) = items.item()
        {
            scope.set("item", Arc::clone(item));
            scope.set("index", json!(items.index()));
        }
        scope
    }

    /// A scope with what the steps of this part resulted in so far.
    fn part_scope(&self) -> Scope {
        let plan = &self.start.plan;
        context::scope(&self.context, &self.start.account, &plan.environment_variables, self.results())
    }

    pub(super) fn results(&self) -> Shared {
        self.progress.results(steps(&self.start.plan, self))
    }
}

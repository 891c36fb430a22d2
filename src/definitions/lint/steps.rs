//! Actions: what can never run, what proves nothing, and steps that refer to nothing.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use super::compiled::PHASES;
use super::walk::Walk;
use super::{Finding, KEPT, join, suggestion};
use crate::definitions::REFRESH_TOKEN;
use crate::definitions::vocabulary::{STEP, Shape};
use crate::expression::{Outline, constant_value};

/// A step's place in its action: what it may refer to.
pub(super) struct Place {
    index: usize,
    names: Rc<Names>,
    loops: bool,
}

/// The names of an action's steps.
struct Names {
    /// In order; those without one are empty.
    all: Vec<String>,
    /// The first step of each name.
    first: HashMap<String, usize>,
}

impl Names {
    fn of(steps: &[&Value]) -> Self {
        let name = |step: &&Value| step.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let all: Vec<String> = steps.iter().map(name).collect();
        let first = all.iter().enumerate().rev().map(|(index, name)| (name.clone(), index)).collect();
        Self { all, first }
    }
}

impl Place {
    /// Looks at a reference.
    pub(super) fn refer(&self, path: &[String], pointer: &str, found: &mut Vec<Finding>) {
        match path.first().map(String::as_str) {
            Some("steps") => found.extend(path.get(1).and_then(|name| self.refer_to_step(name, pointer, found.len()))),
            Some("previous") if self.index == 0 => found.push(Finding::warning(
                "no_previous",
                pointer,
                "`previous` has no value here: this is the action's first step",
            )),
            Some("item") if !self.loops => found.push(
                Finding::warning("no_loop", pointer, "`item` has no value here: the step has no `loop_on`")
                    .fix("a key of the context of that name is `context.item`"),
            ),
            _ => {}
        }
    }

    fn refer_to_step(&self, name: &str, pointer: &str, told: usize) -> Option<Finding> {
        let by_index = name.parse::<usize>().ok();
        let at = by_index.or_else(|| self.names.first.get(name).copied());
        let message = match at {
            Some(at) if at < self.index => return None,
            Some(at) if at == self.index => format!("`steps.{name}` is this very step, which has no result yet"),
            Some(at) if at < self.names.all.len() => format!("`steps.{name}` comes later and has no result yet"),
            _ => {
                let finding = Finding::error(
                    "unknown_step",
                    pointer,
                    format!("this action has no step `{name}`: `steps.{name}` has no value"),
                );
                let earlier = self.names.all.iter().take(self.index).map(String::as_str);
                let earlier = earlier.filter(|known| !known.is_empty());
                return Some(match suggestion(told, name, earlier) {
                    Some(meant) => finding.fix(format!("did you mean `steps.{meant}`?")),
                    None => finding.fix("refer to an earlier step by its `name` or its index, counted from 0"),
                });
            }
        };
        Some(Finding::error("unknown_step", pointer, message).fix("refer to an earlier step"))
    }
}

/// Looks at an action, which has a list of steps or is one.
pub(super) fn action(walk: &mut Walk, name: &str, action: &Value, pointer: &str) {
    let runs = PHASES.contains(&name) || name == REFRESH_TOKEN;
    let (steps, pointer): (Vec<&Value>, String) = match action.get("steps") {
        Some(Value::Array(steps)) => (steps.iter().collect(), join(pointer, "steps")),
        _ if action.get("type").is_some() => (vec![action], pointer.to_owned()),
        _ => return,
    };
    let is_bare = action.get("steps").is_none();
    let at = |index: usize| if is_bare { pointer.clone() } else { format!("{pointer}/{index}") };
    if name == "post_connect_user_form" {
        walk.found.push(Finding::info(KEPT, &pointer, format!("`{name}` is kept, and is not executed here")));
    }
    let names = Rc::new(Names::of(&steps));
    let mut form: Option<usize> = None;
    for (index, step) in steps.iter().enumerate() {
        let pointer = at(index);
        let loops = step.get("loop_on").is_some_and(|value| !value.is_null());
        walk.step = Some(Place { index, names: Rc::clone(&names), loops });
        walk.shape(&Shape::Object(&STEP), step, &pointer);
        walk.step = None;
        if let Some(form) = form {
            let message = format!("never runs: step {form} is a form, which needs a person");
            walk.found.push(Finding::warning("unreachable", &pointer, message));
        }
        match step.get("type").and_then(Value::as_str) {
            Some("form") if form.is_none() => form = Some(index),
            _ => {}
        }
        if !runs && let Some(kind @ ("form" | "unified")) = step.get("type").and_then(Value::as_str) {
            let message = format!("a `{kind}` step is kept, and is not executed here");
            walk.found.push(Finding::info("not_executed", join(&pointer, "type"), message));
        }
        condition(walk, step, &pointer);
    }
    if name == "validation"
        && let Some(last) = steps.last()
    {
        verdict(walk, last, &at(steps.len() - 1));
    }
    if name == REFRESH_TOKEN && !brings_token(&steps) {
        walk.found.push(
            Finding::warning(
                "no_token",
                &pointer,
                "brings no token: it writes nothing, and what it results in is no answer",
            )
            .fix(
                "let its last step be the request that answers with `access_token`, or write one with `update_context`",
            ),
        );
    }
}

/// Whether the steps can bring a token: by a write, or by a result that is not the same for every account.
fn brings_token(steps: &[&Value]) -> bool {
    let writes = steps.iter().any(|step| matches!(kind(step), "update_context" | "set_context"));
    writes
        || steps.last().is_some_and(|step| match kind(step) {
            "transform" => {
                let config = step.get("config");
                let source = config.and_then(|config| config.as_str().or_else(|| config.get("expression")?.as_str()));
                source.is_none_or(|source| !Outline::of(source).is_constant)
            }
            "get_context" => false,
            _ => true,
        })
}

fn kind(step: &Value) -> &str {
    step.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// A condition that does not depend on anything.
fn condition(walk: &mut Walk, step: &Value, pointer: &str) {
    let Some(source) = step.get("run_if").and_then(Value::as_str) else { return };
    if Outline::of(source).is_constant {
        let runs = constant_value(source).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)));
        let message = if runs {
            "is the same every time: the step always runs"
        } else {
            "is the same every time: the step never runs"
        };
        walk.found.push(Finding::warning("constant", join(pointer, "run_if"), message).fix(if runs {
            "remove `run_if`"
        } else {
            "remove the step, or compare with a field"
        }));
    }
}

/// The validation's last transform is its verdict.
fn verdict(walk: &mut Walk, step: &Value, pointer: &str) {
    if step.get("type").and_then(Value::as_str) != Some("transform") {
        return;
    }
    let config = join(pointer, "config");
    let (source, pointer) = match step.get("config") {
        Some(Value::String(source)) => (source.as_str(), config),
        Some(Value::Object(members)) => match members.get("expression").and_then(Value::as_str) {
            Some(source) => (source, join(&config, "expression")),
            None => return,
        },
        _ => return,
    };
    if Outline::of(source).is_constant {
        walk.found.push(
            Finding::warning("constant", pointer, "the verdict is the same for every account: it validates nothing")
                .fix("compare with the result of a request, as in `steps.me.result.active = true`"),
        );
    }
}

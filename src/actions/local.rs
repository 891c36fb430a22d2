//! The steps that need nobody: computing values, and reading and writing the account's context.

use serde_json::{Map, Value};

use super::classify::expression_failure;
use super::context::lookup;
use crate::definitions::StepKind;
use crate::expression::Scope;
use crate::lifecycle::{Failure, ReasonCode};

/// What a local step did.
pub(super) enum Local {
    /// It computed what is the previous result from here on; `None` is *undefined*.
    Result(Option<Value>),
    /// It writes these to the context. The previous result stays what it was.
    Writes(Map<String, Value>),
}

/// Performs a step that is no request.
///
/// # Errors
/// The failure that ends the phase.
pub(super) fn perform(
    kind: &StepKind,
    scope: &Scope,
    context: &Map<String, Value>,
    previous: Option<&Value>,
) -> Result<Local, Failure> {
    match kind {
        StepKind::Request(_) => Ok(Local::Result(None)),
        StepKind::Transform(expression) => {
            expression.evaluate(scope).map(Local::Result).map_err(|error| expression_failure("the expression", &error))
        }
        StepKind::UpdateContext(expression) => {
            let value = match expression {
                Some(expression) => {
                    expression.evaluate(scope).map_err(|error| expression_failure("the expression", &error))?
                }
                None => previous.cloned(),
            };
            object(value)
        }
        StepKind::SetContext(template) => {
            object(template.render(scope).map_err(|error| expression_failure("the object", &error))?)
        }
        StepKind::GetContext { paths, list } => {
            let mut values = paths.iter().map(|path| lookup(context, path).cloned());
            Ok(Local::Result(if *list {
                Some(Value::Array(values.map(Option::unwrap_or_default).collect()))
            } else {
                values.next().flatten()
            }))
        }
    }
}

fn object(value: Option<Value>) -> Result<Local, Failure> {
    let found = match value {
        Some(Value::Object(writes)) => return Ok(Local::Writes(writes)),
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "a list",
    };
    Err(Failure::permanent(
        ReasonCode::ExpressionError,
        format!("only an object can be merged into the context, and this step has {found}: mend its expression"),
    ))
}

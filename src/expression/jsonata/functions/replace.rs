//! What bounds `$replace`: the engine looks at a text's length when it is complete, and one that is replaced in thousands
//! of places by a long text fills the memory before.

use jlens_core::{Error, HostFunction};
use serde_json::Value;

use super::call::argument;
use crate::expression::limits;

/// The name that the check is bound to.
pub(in super::super) const NAME: &str = "__within";

/// Puts the check before the engine's function, under the same name and signature.
pub(in super::super) const PRELUDE: &str = "$__replace:=$replace;\
    $replace:=function($a,$b,$c,$d)<s-(sf)(sf)n?:s>{($__within($a,$b,$c,$d);$__replace($a,$b,$c,$d))};";

/// The longest replacement for the matches of a pattern that needs no look at the text: what can be matched in the time
/// of an evaluation, this long each, stays far below a process's memory.
const SHORT: usize = 4 * 1024;

/// Fails where `$replace` of these arguments would get too long; undefined where not.
pub(in super::super) fn check() -> HostFunction {
    HostFunction::new(4, |args, _| if too_long(args) { Err(Error::new("text_too_long")) } else { Ok(None) })
        .without_input()
}

fn too_long(args: &[Option<Value>]) -> bool {
    let text = |index| argument(args, index).and_then(Value::as_str);
    let (Some(whole), Some(by)) = (text(0), text(2)) else { return false };
    let most = argument(args, 3).and_then(Value::as_f64).map_or(usize::MAX, |limit| limit.max(0.0) as usize);
    match text(1) {
        Some("") => false,
        Some(piece) if by.len() > piece.len() => {
            let grown = whole.matches(piece).take(most).count().saturating_mul(by.len() - piece.len());
            whole.len().saturating_add(grown) > limits::STRING_BYTES
        }
        Some(_) => false,
        // A pattern may match at every letter.
        None => {
            by.len() > SHORT
                && whole.len().saturating_add(1).min(most).saturating_mul(by.len()) > 8 * limits::STRING_BYTES
        }
    }
}

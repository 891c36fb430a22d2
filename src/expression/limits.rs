//! What one expression may cost. Definitions are the operator's own code, so these stop mistakes and hostile *data*;
//! they are not a sandbox for hostile authors.

use std::time::Duration;

/// Longest source of one expression, in bytes of UTF-8. The engine's regular expressions are compiled recursively: on
/// a stack of 2 MiB about 29 KB of alternatives (`/a|a|a…/`) ended the process when measured, and nothing can catch that.
pub const SOURCE_BYTES: usize = 16 * 1024;

/// Longest evaluation, wall clock. The engine looks at it between steps and inside regular expressions, but not inside
/// one call of a function, a grouping or an object literal; see [`Expression::is_quadratic`](super::Expression::is_quadratic).
pub const TIME: Duration = Duration::from_millis(250);

/// Deepest nesting of calls, in frames. Tail calls do not nest, so ordinary definitions stay below ten.
pub const DEPTH: usize = 500;

/// Most steps (a node evaluated, a function called back, 1,024 moves of a regular expression) of one evaluation. They
/// are the same on every machine, unlike [`TIME`].
pub const STEPS: u64 = 500_000;

/// Longest array or sequence that an evaluation may build, in items. With 100,000 the worst expression measured took
/// 427 MB; input that is only passed through does not count.
pub const ARRAY_ITEMS: usize = 20_000;

/// Longest string that an evaluation may build, in bytes of UTF-8.
pub const STRING_BYTES: usize = 8 * 1024 * 1024;

/// Largest result, in bytes of compact JSON; also what the arguments of one host function may come to.
pub const RESULT_BYTES: usize = 8 * 1024 * 1024;

/// Most that one template may fill in, in bytes: several of the largest answers (5 MiB), and no process's end.
pub const RENDERED_BYTES: usize = 32 * 1024 * 1024;

/// Longest host name, in characters (RFC 1035, 2.3.4, without the root's dot).
pub const HOST_LENGTH: usize = 253;

/// Longest label of a host name, in characters (RFC 1035, 2.3.4).
pub const LABEL_LENGTH: usize = 63;

/// The official suite's own limits, for expressions that are compared with it and not for definitions: time,
pub const SUITE_TIME: Duration = Duration::from_secs(10);
/// and depth. Its cases say what nests too deep at 302 frames and what just does not.
pub const SUITE_DEPTH: usize = 302;

//! The two languages of a definition, `{{placeholders}}` and JSONata, over one scope.
//!
//! The tour: `scope` is what both see and `shared` how it holds that; `placeholder` is the first language and `jsonata` the second (the only file that
//! names the engine); `segment` cuts a string into literal text, placeholders and `{{= expressions }}`; [`Template`]
//! renders JSON values and is lenient, [`Text`] renders URLs, headers and credentials and is strict; `merge` is
//! `$truto_merge`, `text` is how JavaScript writes values, `xml` is XML as JSON, [`limits`] are the numbers.
//!
//! Pure: no clock, randomness, I/O or logging; an expression's `$now()` and `$uuid()` come from the [`Scope`]. Everything
//! is compiled once, with the definition, and rendered in one pass: a result is never a template again. Errors quote
//! the source and never the data.
//!
//! Not here: which fields hold which language (`definitions`), the `error_expression` and what its result means
//! (`actions`: it sets `response`, `headers`, `status` and `data` on the run's scope, evaluates, and unsets them), and
//! moving a long evaluation off a runtime thread (`runner`, see [`Expression::is_quadratic`]).

mod error;
mod jsonata;
pub mod limits;
mod merge;
mod outline;
mod placeholder;
mod scope;
mod segment;
mod shared;
mod strict;
mod template;
mod text;
pub(crate) mod xml;

pub use error::{ExprError, ExprKind};
pub use jsonata::{Expression, Outline, Profile, Variable, constant_value, function_names, is_function, unsupported};
pub use outline::{Piece, first_template, pieces};
pub use scope::{RESERVED, Scope};
pub use shared::Shared;
pub use strict::{Encoding, Text};
pub use template::Template;

#[cfg(test)]
mod tests;

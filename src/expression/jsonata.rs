//! JSONata: the only file that names the engine.
//!
//! Promises: a compiled expression is shared between threads; an evaluation borrows the scope, ends within
//! [`limits`], never ends the process by panicking, gives the same result for the same scope (clock and
//! randomness come from it), and its errors do not repeat the data. Lacks: a limit on memory as such, and an answer to
//! time spent inside the engine's quadratic functions, see [`Expression::is_quadratic`].

mod input;
mod outline;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};
use jlens_core::{Ast, Bindings, Error, HostFunction, NodeKind, Options};
use serde_json::Value;

use super::error::{ExprError, ExprKind};
use super::limits;
use super::scope::{RESERVED, Scope};
use input::Input;
pub use outline::{Outline, Variable, constant_value, function_names, is_function, unsupported};

/// A compiled JSONata expression. A clone is cheap, and clones are evaluated on many threads at once.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: String,
    engine: jlens_core::Expression,
    /// How much stands before the author's source in the engine's, in bytes.
    prelude: usize,
    functions: Bindings,
    makes_uuids: bool,
    is_quadratic: bool,
    salt: u64,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A definition may write a secret out.
        f.debug_struct("Expression").field("bytes", &self.source().len()).finish_non_exhaustive()
    }
}

impl Expression {
    /// Compiles `source`, of at most [`limits::SOURCE_BYTES`].
    ///
    /// # Errors
    /// [`ExprKind::Syntax`] with the engine's code and the place, or [`ExprKind::Limit`].
    pub fn compile(source: &str) -> Result<Self, ExprError> {
        Self::compile_nth(source, 0)
    }

    /// The `ordinal`th expression of one template: each draws its own random numbers.
    pub(super) fn compile_nth(source: &str, ordinal: u64) -> Result<Self, ExprError> {
        if source.len() > limits::SOURCE_BYTES {
            return Err(ExprError::new(
                ExprKind::Limit,
                "source_too_long",
                format!("an expression has at most {} bytes, this one has {}", limits::SOURCE_BYTES, source.len()),
            ));
        }
        let compiled = jlens_core::Expression::compile(source).map_err(|error| syntax(&error))?;
        let mentions = Mentions::of(compiled.ast());
        let prelude = mentions.prelude();
        let engine = if prelude.is_empty() {
            compiled
        } else {
            // Compiled alone first, so a stray bracket cannot pair with ours.
            jlens_core::Expression::compile(&format!("{prelude}{source})")).map_err(|error| syntax(&error))?
        };
        Ok(Self(Arc::new(Compiled {
            source: source.to_owned(),
            engine,
            prelude: prelude.len(),
            functions: functions(),
            makes_uuids: mentions.uuid,
            is_quadratic: mentions.quadratic,
            salt: mix(hash(source).wrapping_add(ordinal)),
        })))
    }

    /// The source, as the author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether it uses a function that is quadratic in its input and out of the time limit's reach (`$distinct`,
    /// `$merge`, grouping: 10,000 items 0.1 to 0.3 s when measured). On a large input it belongs on a thread of its own.
    #[must_use]
    pub fn is_quadratic(&self) -> bool {
        self.0.is_quadratic
    }

    /// Evaluates it over the scope; `None` is JSONata's *undefined*.
    ///
    /// # Errors
    /// [`ExprKind::Failed`] when the data does not fit or a function is switched off, [`ExprKind::Limit`] when it grew
    /// or took too much.
    pub fn evaluate(&self, scope: &Scope) -> Result<Option<Value>, ExprError> {
        self.run(scope.now_ms(), scope.seed(), |engine, bindings, options| {
            engine.evaluate_source(&Input(scope.root()), bindings, options)
        })
    }

    /// Evaluates it over a document that is no scope, without time and randomness.
    ///
    /// # Errors
    /// Those of [`Expression::evaluate`].
    pub fn evaluate_over(&self, document: &Value) -> Result<Option<Value>, ExprError> {
        self.run(0, 0, |engine, bindings, options| engine.evaluate_with(Some(document), bindings, options))
    }

    fn run(
        &self,
        now_ms: i64,
        seed: u64,
        evaluate: impl FnOnce(&jlens_core::Expression, &Bindings, &Options) -> jlens_core::Result<Option<Value>>,
    ) -> Result<Option<Value>, ExprError> {
        let compiled = &*self.0;
        let seed = seed ^ compiled.salt;
        let options = options(now_ms, seed);
        let with_uuid = compiled.makes_uuids.then(|| compiled.functions.clone().function("uuid", uuid(seed)));
        let bindings = with_uuid.as_ref().unwrap_or(&compiled.functions);
        match catch_unwind(AssertUnwindSafe(|| evaluate(&compiled.engine, bindings, &options))) {
            Ok(result) => result.map_err(|error| compiled.failure(&error)),
            Err(_) => Err(ExprError::new(
                ExprKind::Failed,
                "engine_panicked",
                "the expression engine gave up on this expression and input: simplify the expression, and report it",
            )),
        }
    }
}

/// The engine's guards, and the run's clock and seed.
fn options(now_ms: i64, seed: u64) -> Options {
    Options::new()
        .timeout(limits::TIME)
        .max_depth(limits::DEPTH)
        .max_steps(limits::STEPS)
        .max_array_length(limits::ARRAY_ITEMS)
        .max_string_length(limits::STRING_BYTES)
        .max_result_size(limits::RESULT_BYTES)
        .now(now_ms)
        .seed(seed)
}

/// What a source refers to, by name. A local variable of the same name counts too, which costs little and harms nothing.
#[derive(Default)]
struct Mentions {
    reserved: Vec<&'static str>,
    uuid: bool,
    quadratic: bool,
}

impl Mentions {
    fn of(ast: &Ast) -> Self {
        let mut found = Self::default();
        ast.root.walk(&mut |node| {
            found.quadratic |= node.attrs.group.is_some();
            if let NodeKind::Variable { name } = &node.kind {
                found.uuid |= name == "uuid";
                found.quadratic |= matches!(name.as_str(), "distinct" | "merge");
                if let Some(known) = RESERVED.into_iter().find(|known| known == name)
                    && !found.reserved.contains(&known)
                {
                    found.reserved.push(known);
                }
            }
        });
        found
    }

    /// Binds the reserved names that are used as `$name` inside the expression, where binding costs no copy of the
    /// value and reads none of it (`$lookup` would read a list whole).
    fn prelude(&self) -> String {
        if self.reserved.is_empty() {
            return String::new();
        }
        let bind = |name: &&str| format!("${name}:=$$.{name};");
        std::iter::once("(".to_owned()).chain(self.reserved.iter().map(bind)).collect()
    }
}

/// The functions of ours that every expression sees. Bound functions win over the engine's own.
fn functions() -> Bindings {
    Bindings::new()
        .function("eval", HostFunction::new(1, |_, _| Err(Error::new("eval_disabled"))))
        .function("base64encode", over_text(|text| Ok(STANDARD.encode(text))))
        .function("base64decode", over_text(decode))
}

/// A function from text to text; undefined in, undefined out, like the engine's own.
fn over_text(function: fn(&str) -> Result<String, Error>) -> HostFunction {
    HostFunction::new(1, move |args, call| {
        // Without an argument it takes the context, as the functions it replaces do.
        let given = if args.is_empty() { call.input() } else { args[0].clone() };
        match given {
            None => Ok(None),
            Some(Value::String(text)) => function(&text).map(|text| Some(Value::String(text))),
            Some(_) => Err(Error::new("T0410").with("index", 1)),
        }
    })
}

fn decode(text: &str) -> Result<String, Error> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    LENIENT
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Error::new("invalid_base64"))
}

/// `$uuid()`: version 4 in form, but drawn from the run's seed, so that a request rendered again carries the same id.
fn uuid(seed: u64) -> HostFunction {
    let calls = AtomicU64::new(0);
    HostFunction::new(0, move |_, _| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        let high = mix(mix(seed).wrapping_add(2 * call));
        let low = mix(mix(seed).wrapping_add(2 * call + 1));
        let id = uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes());
        Ok(Some(Value::String(id.into_uuid().to_string())))
    })
    .without_input()
}

/// FNV-1a, which is the same in every build, unlike the standard library's hashers.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The output function of `SplitMix64`.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// An error of compiling: what it quotes is the source.
fn syntax(error: &Error) -> ExprError {
    let kind = if error.code() == "U1001" { ExprKind::Limit } else { ExprKind::Syntax };
    let place = error.span().map(|span| span.start);
    ExprError { kind, code: error.code().to_owned(), message: error.message(), position: place }
}

impl Compiled {
    /// An error of evaluating: of its details only those that stand in the source are quoted.
    fn failure(&self, error: &Error) -> ExprError {
        let code = error.code();
        let (kind, message) = match code {
            "D1011" => {
                (ExprKind::Limit, format!("calls nest deeper than {} levels; does a function end?", limits::DEPTH))
            }
            "D1012" => (ExprKind::Limit, format!("the evaluation took longer than {} ms", limits::TIME.as_millis())),
            "U1006" => (ExprKind::Limit, format!("the evaluation took more than {} steps", limits::STEPS)),
            // The engine's own sentences, which hold sizes and nothing else.
            "U1001" => (ExprKind::Limit, error.message()),
            "D2014" | "D2015" => {
                (ExprKind::Limit, format!("a list would get longer than {} items", limits::ARRAY_ITEMS))
            }
            "D2016" => (ExprKind::Limit, "$pad would make a text that is too long".to_owned()),
            "eval_disabled" => (
                ExprKind::Failed,
                "$eval is switched off, because its source would not be seen by any check: write the expression out"
                    .to_owned(),
            ),
            "invalid_base64" => (ExprKind::Failed, "the argument of $base64decode is not Base64 of text".to_owned()),
            // The author's own words, unless they were put together from data.
            "D3137" | "D3141" => (ExprKind::Failed, self.own_words(&error.message())),
            _ => (ExprKind::Failed, self.fixed_text(error)),
        };
        let position = error.span().and_then(|span| span.start.checked_sub(self.prelude));
        ExprError { kind, code: code.to_owned(), message, position: position.filter(|at| *at <= self.source.len()) }
    }

    fn own_words(&self, message: &str) -> String {
        let quoted = [format!("\"{message}\""), format!("'{message}'")];
        if quoted.iter().any(|literal| self.source.contains(literal.as_str())) {
            return message.to_owned();
        }
        "the expression raised an error of its own; its text was made from data and is not repeated".to_owned()
    }

    /// The message that belongs to the code, with a detail only where it is a name or an operator of the source.
    fn fixed_text(&self, error: &Error) -> String {
        let entry = jlens_core::error::catalog().iter().find(|entry| entry.code == error.code());
        let template = entry.map_or("the expression cannot be evaluated", |entry| entry.template);
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            let (key, after) = after.split_once("}}").unwrap_or((after, ""));
            out.push_str(before);
            let key = key.trim_matches('{');
            match error.detail(key) {
                Some(Value::String(name)) if matches!(key, "token" | "functionName") && self.source.contains(name) => {
                    out.push_str(name);
                }
                // The place and the type of a parameter come from a function's signature.
                Some(Value::String(name)) if key == "type" => out.push_str(name),
                Some(Value::Number(index)) if key == "index" => out.push_str(&index.to_string()),
                _ => out.push('…'),
            }
            rest = after.trim_start_matches('}');
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests;

//! JSONata: the only module that names the engine.
//!
//! Promises: a compiled expression is shared between threads; an evaluation borrows the scope, ends within
//! [`limits`], never ends the process by panicking, gives the same result for the same scope (clock and
//! randomness come from it), and its errors do not repeat the data. Lacks: a limit on memory as such, and an answer to
//! time spent inside the engine's quadratic functions, see [`Expression::is_quadratic`]. Nor to a value that an expression
//! shares with itself over and over (`[[$a], [$a]]`, forty times): what walks through all of it (`=`, `$boolean`, a path)
//! does so without an end. No data is made like that, only a source can do it, and sources are the operator's own.

mod functions;
mod input;
mod mentions;
mod methods;
mod outline;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jlens_core::{Bindings, Error, Options};
use serde_json::{Map, Value};

use super::error::{ExprError, ExprKind};
use super::limits;
use super::scope::Scope;
use functions::seeded::{self, Run};
use functions::{OfARun, objects};
use input::Input;
use mentions::Mentions;
use methods::Edits;
pub use outline::{Outline, Variable, constant_value, function_names, is_function, unsupported};

/// A compiled JSONata expression. A clone is cheap, and clones are evaluated on many threads at once.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

/// What an expression is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Definitions: the pack of functions, the guards of [`limits`], no `$eval`, reserved names as variables.
    #[default]
    Production,
    /// Comparison with the official suite: the engine alone under the suite's own limits.
    Conformance,
}

struct Compiled {
    profile: Profile,
    source: String,
    engine: jlens_core::Expression,
    /// How much stands before the author's source in the engine's, in bytes.
    prelude: usize,
    /// What was put into it, for methods.
    edits: Edits,
    functions: Bindings,
    of_a_run: Vec<OfARun>,
    /// The methods that it calls.
    methods: Vec<&'static str>,
    makes_objects: bool,
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

    /// Compiles `source` for a profile, to be evaluated with these variables of the caller's.
    ///
    /// # Errors
    /// Those of [`Expression::compile`].
    pub fn compile_for(profile: Profile, source: &str, variables: &Map<String, Value>) -> Result<Self, ExprError> {
        match profile {
            Profile::Production => Self::compile_among(source, 0, variables),
            Profile::Conformance => Self::compile_bare(source),
        }
    }

    /// The engine alone.
    fn compile_bare(source: &str) -> Result<Self, ExprError> {
        check_length(source)?;
        let engine = jlens_core::Expression::compile(source).map_err(|error| syntax(&error))?;
        Ok(Self(Arc::new(Compiled {
            profile: Profile::Conformance,
            source: source.to_owned(),
            engine,
            prelude: 0,
            edits: Edits::default(),
            functions: Bindings::new(),
            of_a_run: Vec::new(),
            methods: Vec::new(),
            makes_objects: false,
            is_quadratic: true,
            salt: 0,
        })))
    }

    /// The `ordinal`th expression of one template: each draws its own random numbers.
    pub(super) fn compile_nth(source: &str, ordinal: u64) -> Result<Self, ExprError> {
        Self::compile_among(source, ordinal, &Map::new())
    }

    fn compile_among(source: &str, ordinal: u64, variables: &Map<String, Value>) -> Result<Self, ExprError> {
        check_length(source)?;
        let compiled = jlens_core::Expression::compile(source).map_err(|error| syntax(&error))?;
        let mut mentions = Mentions::of(compiled.ast());
        let functions = mentions.bindings()?;
        let (edits, methods) = if mentions.objects { Edits::of(compiled.ast())? } else { Default::default() };
        let prelude = mentions.prelude(variables);
        let engine = if prelude.is_empty() && methods.is_empty() {
            compiled
        } else {
            // Compiled alone first, so a stray bracket cannot pair with ours.
            let end = if prelude.is_empty() { "" } else { ")" };
            let source = format!("{prelude}{}{end}", edits.applied(source));
            jlens_core::Expression::compile(&source).map_err(|error| syntax(&error))?
        };
        Ok(Self(Arc::new(Compiled {
            profile: Profile::Production,
            source: source.to_owned(),
            engine,
            prelude: prelude.len(),
            edits,
            functions,
            of_a_run: mentions.of_a_run,
            methods,
            makes_objects: mentions.objects,
            is_quadratic: mentions.quadratic,
            salt: seeded::salt(source, ordinal),
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
        self.run(scope.now_ms(), scope.seed(), None, |engine, bindings, options| {
            engine.evaluate_source(&Input(scope.root()), bindings, options)
        })
    }

    /// Evaluates it over any document, or none, with variables of the caller's.
    ///
    /// # Errors
    /// Those of [`Expression::evaluate`].
    pub fn evaluate_with(
        &self,
        document: Option<&Value>,
        variables: &Map<String, Value>,
        now_ms: i64,
        seed: u64,
    ) -> Result<Option<Value>, ExprError> {
        self.run(now_ms, seed, Some(variables), |engine, bindings, options| {
            engine.evaluate_with(document, bindings, options)
        })
    }

    /// Evaluates it over a document that is no scope, without time and randomness.
    ///
    /// # Errors
    /// Those of [`Expression::evaluate`].
    pub fn evaluate_over(&self, document: &Value) -> Result<Option<Value>, ExprError> {
        self.run(0, 0, None, |engine, bindings, options| engine.evaluate_with(Some(document), bindings, options))
    }

    fn run(
        &self,
        now_ms: i64,
        seed: u64,
        variables: Option<&Map<String, Value>>,
        evaluate: impl FnOnce(&jlens_core::Expression, &Bindings, &Options) -> jlens_core::Result<Option<Value>>,
    ) -> Result<Option<Value>, ExprError> {
        let compiled = &*self.0;
        let seed = seed ^ compiled.salt;
        let options = options(compiled.profile, now_ms, seed);
        let has_own = !compiled.of_a_run.is_empty() || !compiled.methods.is_empty() || variables.is_some();
        let own = has_own.then(|| compiled.bindings(Run { now_ms, seed }, variables));
        let bindings = own.as_ref().unwrap_or(&compiled.functions);
        match catch_unwind(AssertUnwindSafe(|| evaluate(&compiled.engine, bindings, &options))) {
            Ok(Ok(Some(mut value))) if compiled.makes_objects => {
                objects::leave(&mut value);
                Ok(Some(value))
            }
            Ok(result) => result.map_err(|error| compiled.failure(&error)),
            Err(_) => Err(ExprError::new(
                ExprKind::Failed,
                "engine_panicked",
                "the expression engine gave up on this expression and input: simplify the expression, and report it",
            )),
        }
    }
}

fn check_length(source: &str) -> Result<(), ExprError> {
    if source.len() <= limits::SOURCE_BYTES {
        return Ok(());
    }
    let message = format!("an expression has at most {} bytes, this one has {}", limits::SOURCE_BYTES, source.len());
    Err(ExprError::new(ExprKind::Limit, "source_too_long", message))
}

/// The engine's guards, and the run's clock and seed.
fn options(profile: Profile, now_ms: i64, seed: u64) -> Options {
    let options = Options::new().now(now_ms).seed(seed);
    if profile == Profile::Conformance {
        return options.timeout(limits::SUITE_TIME).max_depth(limits::SUITE_DEPTH);
    }
    options
        .timeout(limits::TIME)
        .max_depth(limits::DEPTH)
        .max_steps(limits::STEPS)
        .max_array_length(limits::ARRAY_ITEMS)
        .max_string_length(limits::STRING_BYTES)
        .max_result_size(limits::RESULT_BYTES)
}

/// An error of compiling: what it quotes is the source.
fn syntax(error: &Error) -> ExprError {
    let kind = if error.code() == "U1001" { ExprKind::Limit } else { ExprKind::Syntax };
    let place = error.span().map(|span| span.start);
    ExprError { kind, code: error.code().to_owned(), message: error.message(), position: place }
}

impl Compiled {
    /// What one evaluation adds to the functions: those that depend on the run, and the caller's variables.
    fn bindings(&self, run: Run, variables: Option<&Map<String, Value>>) -> Bindings {
        let mut bindings = self.functions.clone();
        for (name, make) in &self.of_a_run {
            bindings = bindings.function(*name, make(run));
        }
        for name in &self.methods {
            bindings = bindings.function(format!("{}{name}", &methods::PREFIX[1..]), objects::function(name, run));
        }
        variables.into_iter().flatten().fold(bindings, |bindings, (name, value)| bindings.var(name, value.clone()))
    }

    /// An error of evaluating: of its details only those that stand in the source are quoted.
    fn failure(&self, error: &Error) -> ExprError {
        let code = error.code();
        let (depth, time) = match self.profile {
            Profile::Production => (limits::DEPTH, limits::TIME),
            Profile::Conformance => (limits::SUITE_DEPTH, limits::SUITE_TIME),
        };
        let (kind, message) = match code {
            "D1011" => (ExprKind::Limit, format!("calls nest deeper than {depth} levels; does a function end?")),
            "D1012" => (ExprKind::Limit, format!("the evaluation took longer than {} ms", time.as_millis())),
            "U1006" => (ExprKind::Limit, format!("the evaluation took more than {} steps", limits::STEPS)),
            // The engine's own sentences, which hold sizes and nothing else.
            "U1001" => (ExprKind::Limit, error.message()),
            "D2014" | "D2015" => {
                (ExprKind::Limit, format!("a list would get longer than {} items", limits::ARRAY_ITEMS))
            }
            "D2016" => (ExprKind::Limit, "$pad would make a text that is too long".to_owned()),
            // The author's own words, unless they were put together from data.
            "D3137" | "D3141" => (ExprKind::Failed, self.own_words(&error.message())),
            _ => (ExprKind::Failed, self.fixed_text(error)),
        };
        let position = error.span().and_then(|span| span.start.checked_sub(self.prelude));
        let position = position.map(|at| self.edits.original(at));
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
        let engines = || jlens_core::error::catalog().iter().find(|entry| entry.code == error.code());
        let template = functions::sentence(error.code())
            .or_else(|| engines().map(|entry| entry.template))
            .unwrap_or("the expression cannot be evaluated");
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            let (key, after) = after.split_once("}}").unwrap_or((after, ""));
            out.push_str(before);
            let key = key.trim_matches('{');
            match error.detail(key) {
                Some(Value::String(name)) if matches!(key, "token" | "functionName") => {
                    let name = name.strip_prefix(&methods::PREFIX[1..]).unwrap_or(name);
                    out.push_str(if self.source.contains(name) { name } else { "…" });
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

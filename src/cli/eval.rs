//! `tidewaiter eval`: one template, text or expression of a definition, tried on JSON, or many, one a line.

mod batch;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value};

use super::process::on_a_large_stack;
use super::{CliError, Exit, Globals, Output};
use crate::clock::{Clock, SystemClock};
use crate::expression::{Encoding, ExprError, Expression, Profile, Scope, Template, Text};

/// Try a template, a text with placeholders or a JSONata expression on JSON.
#[derive(Debug, Args)]
pub(super) struct Eval {
    #[command(flatten)]
    what: What,
    /// What it sees: JSON objects, each evaluated by itself; `-` is standard input. Without it, one empty object.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// What expressions may do: `production` is what definitions get, with our functions and limits; `conformance` is the
    /// engine alone under the limits of JSONata's own test suite.
    #[arg(long, value_name = "PROFILE", default_value = "production")]
    profile: Profiles,
}

/// The names of the profiles.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Profiles {
    Production,
    Conformance,
}

impl From<Profiles> for Profile {
    fn from(name: Profiles) -> Self {
        match name {
            Profiles::Production => Self::Production,
            Profiles::Conformance => Self::Conformance,
        }
    }
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Many of them, from standard input: one JSON object a line, `{"jsonata": "…"}`, `{"template": …}` (every placeholder
    /// must find something) or `{"placeholder": …}` (as the model's engine), each with `input` and `bindings` as it likes.
    /// A line is answered by a line: `{"value": …}`, `{"undefined": true}` or `{"error": {"code", "message", "position"}}`.
    #[arg(long, conflicts_with = "input")]
    batch: bool,
    /// A JSONata expression, as in `{{= … }}`.
    #[arg(long, value_name = "EXPR")]
    jsonata: Option<String>,
    /// A JSON value with placeholders in its texts, as in a body: a placeholder that finds nothing stays as it is.
    #[arg(long, value_name = "JSON")]
    template: Option<String>,
    /// A text with placeholders that must come out complete, as in a URL or a header.
    #[arg(long, value_name = "TEXT")]
    placeholder: Option<String>,
}

/// What was compiled.
enum Compiled {
    Expression(Expression),
    Template(Template),
    Text(Text),
}

/// What came of one input.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    /// A value.
    Result(Value),
    /// No value, which is not `null`.
    Undefined(bool),
    /// A failure.
    Error { code: String, message: String, position: Option<usize> },
}

impl Eval {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let mut output = globals.output();
        on_a_large_stack(|| self.evaluate(&mut output))?
    }

    fn evaluate(&self, output: &mut Output) -> Result<Exit, CliError> {
        if self.what.batch {
            let clock = SystemClock::default();
            return batch::run(self.profile.into(), &clock, io::stdin().lock(), output);
        }
        let compiled = self.what.compile(self.profile.into())?;
        let Some(path) = &self.input else { return one(&compiled, Map::new(), output) };
        all(&compiled, &path.display().to_string(), open(path)?, output)
    }
}

impl What {
    fn compile(&self, profile: Profile) -> Result<Compiled, CliError> {
        let syntax = |error: ExprError| CliError::bad_input(error.to_string());
        if let Some(source) = &self.jsonata {
            return Expression::compile_for(profile, source, &Map::new()).map(Compiled::Expression).map_err(syntax);
        }
        if let Some(source) = &self.placeholder {
            return Text::compile(source, Encoding::None).map(Compiled::Text).map_err(syntax);
        }
        let value = serde_json::from_str(self.template.as_deref().unwrap_or_default()).map_err(|error| {
            CliError::bad_input(format!("--template is not JSON: {error}"))
                .hint("a text is JSON only in double quotes: --template '\"{{subdomain}}\"'")
        })?;
        Template::compile(&value).map(Compiled::Template).map_err(syntax)
    }
}

impl Compiled {
    fn evaluate(&self, scope: &Scope) -> Result<Option<Value>, ExprError> {
        match self {
            Self::Expression(expression) => expression.evaluate(scope),
            Self::Template(template) => template.render(scope),
            Self::Text(text) => text.render(scope).map(|text| Some(text.into())),
        }
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>, CliError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file =
        File::open(path).map_err(|error| CliError::bad_input(format!("{} cannot be read: {error}", path.display())))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Evaluates each of the objects in `input`, which is called `name`.
fn all(compiled: &Compiled, name: &str, input: impl Read, output: &mut Output) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    for (index, value) in serde_json::Deserializer::from_reader(input).into_iter::<Value>().enumerate() {
        let bad = |problem: String| CliError::bad_input(format!("{name}: value {} {problem}", index + 1));
        let Value::Object(root) = value.map_err(|error| bad(format!("is not JSON: {error}")))? else {
            return Err(bad("is not a JSON object".to_owned()));
        };
        if one(compiled, root, output)? != Exit::Done {
            exit = Exit::Findings;
        }
    }
    Ok(exit)
}

fn one(compiled: &Compiled, root: Map<String, Value>, output: &mut Output) -> Result<Exit, CliError> {
    let clock = SystemClock::default();
    let record = match compiled.evaluate(&Scope::new(root, clock.now_ms(), clock.seed())) {
        Ok(Some(value)) => Record::Result(value),
        Ok(None) => Record::Undefined(true),
        Err(error) => Record::Error { code: error.code, message: error.message, position: error.position },
    };
    tell(&record, output)?;
    Ok(if matches!(record, Record::Error { .. }) { Exit::Findings } else { Exit::Done })
}

fn tell(record: &Record, output: &mut Output) -> Result<(), CliError> {
    match record {
        _ if output.is_json() => output.json(record),
        Record::Result(value) => output.json(value),
        Record::Undefined(_) => output.line("undefined"),
        Record::Error { code, message, position } => {
            let at = position.map_or_else(String::new, |position| format!(" at byte {position}"));
            output.line(&format!("error: {message} ({code}{at})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use insta::assert_snapshot;

    use super::super::output::tests::written;
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        eval: Eval,
    }

    /// Evaluates on these inputs; what is printed, and how it ends.
    fn evaluated(json: bool, arguments: &[&str], inputs: &[Value]) -> (String, Result<Exit, CliError>) {
        let line = Line::try_parse_from([&["eval"], arguments].concat()).unwrap();
        let mut exit = Ok(Exit::Done);
        let text = written(json, |output| {
            let text = inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            exit = line
                .eval
                .what
                .compile(Profile::Production)
                .and_then(|compiled| all(&compiled, "inputs", text.as_bytes(), output));
        });
        (text, exit)
    }

    #[test]
    fn each_language_is_evaluated_on_each_input() {
        let inputs = [serde_json::json!({ "a": { "b": 2 } }), serde_json::json!({ "a": { "b": "x" } })];
        let (text, exit) = evaluated(false, &["--jsonata", "$string(a.b) & '!'"], &inputs);
        assert_eq!((text.as_str(), exit), ("\"2!\"\n\"x!\"\n", Ok(Exit::Done)));
        let (text, _) = evaluated(false, &["--template", r#"{"n": "{{a.b}}", "gone": "{{a.c}}"}"#], &inputs[..1]);
        assert!(text.starts_with("{\"n\":"), "{text}");
        let (text, _) = evaluated(false, &["--placeholder", "/v1/{{a.b}}"], &inputs[1..]);
        assert_eq!(text, "\"/v1/x\"\n");
    }

    #[test]
    fn a_failing_input_is_a_finding_and_the_next_one_is_still_evaluated() {
        let inputs = [serde_json::json!({}), serde_json::json!({ "a": 1 })];
        let (text, exit) = evaluated(true, &["--placeholder", "/v1/{{a}}"], &inputs);
        assert_eq!(exit, Ok(Exit::Findings));
        let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(records[0]["error"]["message"].as_str().unwrap().contains("`a`"), "{text}");
        assert_eq!(records[1]["result"], "/v1/1");
        assert_snapshot!(evaluated(true, &["--jsonata", "nothing"], &inputs[..1]).0, @r#"{"undefined":true}"#);
    }

    #[test]
    fn what_cannot_be_compiled_or_read_is_bad_input() {
        for arguments in [["--jsonata", "1 +"], ["--template", "{{a}}"]] {
            assert_eq!(evaluated(false, &arguments, &[]).1.unwrap_err().code, Exit::BadInput, "{arguments:?}");
        }
        let error = evaluated(false, &["--jsonata", "a"], &[serde_json::json!({}), 1.into()]).1.unwrap_err();
        assert_snapshot!(error.to_string(), @"error: inputs: value 2 is not a JSON object");
        assert!(Line::try_parse_from(["eval"]).is_err(), "one of the three must be given");
        assert!(Line::try_parse_from(["eval", "--jsonata", "a", "--template", "1"]).is_err(), "and only one");
    }
}

//! Documents in files, each by itself and held against the others.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::position::Positions;
use super::{Finding, Severity, compiled, join, merge, names, parsed, walk};
use crate::config::nearest;
use crate::definitions::error::LoadError;
use crate::definitions::load::{self, Unreadable, extension};
use crate::definitions::model::{Install, Installs};
use crate::definitions::{Effective, Integration, place_in_layer};

/// A file that was read.
#[derive(Debug)]
pub struct Document {
    /// Its path, as it is to be told.
    pub file: PathBuf,
    text: String,
    value: Result<Value, Unreadable>,
}

/// A finding and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The file.
    pub file: PathBuf,
    /// Line and column in it, from 1, where they are known.
    pub line: Option<(usize, usize)>,
    /// What was found.
    pub finding: Finding,
}

impl Document {
    /// Reads a file of JSON or YAML. What it holds is for [`lint`] to judge.
    ///
    /// # Errors
    /// When the file cannot be read or is too large.
    pub fn read(file: &Path) -> Result<Self, LoadError> {
        Ok(Self::of(file.to_owned(), load::text(file)?))
    }

    /// The same with the file's text.
    #[must_use]
    pub fn of(file: PathBuf, text: String) -> Self {
        let value = load::parse(&file, &text);
        Self { file, text, value }
    }

    /// The name of the integration that it defines.
    #[must_use]
    pub fn integration_name(&self) -> Option<&str> {
        self.integration().and_then(|document| document.get("name")?.as_str())
    }

    /// Whether it installs the integration of that name.
    #[must_use]
    pub fn installs(&self, name: &str) -> bool {
        let installs = self.value.as_ref().ok().and_then(|value| value.get("installs")?.as_array());
        let named = |install: &Value| install.get("integration").and_then(Value::as_str) == Some(name);
        installs.is_some_and(|installs| installs.iter().any(named))
    }

    /// The document, unless it is an environment's installs.
    fn integration(&self) -> Option<&Value> {
        self.value.as_ref().ok().filter(|value| value.get("installs").is_none() && value.get("environment").is_none())
    }

    fn positions(&self) -> Positions {
        match &self.value {
            Ok(_) if extension(&self.file) == "json" => Positions::of_json(&self.text),
            Ok(value) => Positions::of_yaml(&self.text, value),
            Err(_) => Positions::of_value(&Value::Null),
        }
    }

    /// The findings in the order of the document, each with its line.
    fn locate(&self, mut found: Vec<Finding>) -> Vec<Located> {
        let positions = self.positions();
        found.extend(positions.repeated.iter().map(|pointer| {
            Finding::new(Severity::Warning, "written_twice", pointer, "is written more than once; the last one counts")
                .fix("keep one")
        }));
        found.sort_by_key(|finding| (positions.order(&finding.pointer), finding.severity as u8));
        let mut seen = HashSet::new();
        found.retain(|it| seen.insert((it.pointer.clone(), it.message.clone())));
        let located = |finding: Finding| {
            let line = match &self.value {
                Ok(_) => positions.line(&finding.pointer, &self.text),
                Err(unreadable) => unreadable.line,
            };
            Located { file: self.file.clone(), line, finding }
        };
        found.into_iter().map(located).collect()
    }
}

/// Everything about `documents`, file by file. `others` are the definitions that they may refer to.
#[must_use]
pub fn lint(documents: &[Document], others: &[Document]) -> Vec<Located> {
    let integrations: Vec<(&Document, Integration)> = documents
        .iter()
        .chain(others)
        .filter_map(|document| Some((document, parsed(document.integration()?).0?)))
        .collect();
    let mut ids = HashMap::new();
    let mut out = Vec::new();
    for document in documents {
        let mut found = match (&document.value, document.integration()) {
            (Err(unreadable), _) => vec![Finding::error("syntax", "", unreadable.message.clone())],
            (Ok(_), Some(value)) => {
                let mut found = super::integration(value);
                found.extend(name_taken(document, documents));
                claim(&mut ids, value, "", document, &mut found);
                found
            }
            (Ok(value), None) => installs(value, &integrations),
        };
        let listed = document.value.as_ref().ok().and_then(|value| value.get("installs")?.as_array());
        for (index, install) in listed.into_iter().flatten().enumerate() {
            claim(&mut ids, install, &format!("/installs/{index}"), document, &mut found);
        }
        out.extend(document.locate(found));
    }
    out
}

fn name_taken(document: &Document, documents: &[Document]) -> Option<Finding> {
    let name = document.integration_name()?;
    let first = documents.iter().find(|other| other.integration_name() == Some(name))?;
    (first.file != document.file).then(|| {
        Finding::error("name_taken", "/name", format!("{} defines an integration `{name}` too", first.file.display()))
            .fix("rename one")
    })
}

fn claim(
    ids: &mut HashMap<String, PathBuf>,
    value: &Value,
    pointer: &str,
    document: &Document,
    found: &mut Vec<Finding>,
) {
    let Some(id) = value.get("id").and_then(Value::as_str).map(str::to_ascii_lowercase) else { return };
    if let Some(other) = ids.insert(id.clone(), document.file.clone()) {
        let message = format!("{id} is used in {} too: every id is unique", other.display());
        found.push(Finding::error("id_taken", join(pointer, "id"), message).fix("make a new UUID for one of them"));
    }
}

/// What is found in an environment's document.
fn installs(document: &Value, integrations: &[(&Document, Integration)]) -> Vec<Finding> {
    let mut found = Vec::new();
    // The environment and the document's own members, as if there were no installs.
    let mut alone = document.clone();
    let listed = document.get("installs").and_then(Value::as_array);
    if listed.is_some() {
        alone["installs"] = Value::Array(Vec::new());
    }
    let (read, wrong) = Installs::parse(&alone);
    let environment = read.environment.0;
    found.extend(wrong.into_iter().map(Finding::of));
    for (index, value) in listed.into_iter().flatten().enumerate() {
        let pointer = format!("/installs/{index}");
        found.extend(walk::install(value, &pointer));
        match Install::parse(value, &pointer, environment) {
            Err(error) => merge(&mut found, std::iter::once(Finding::of(error))),
            Ok(install) => found.extend(effective(&install, &pointer, integrations)),
        }
    }
    found
}

/// What an install makes of its integration: only what the integration alone does not say too.
fn effective(install: &Install, pointer: &str, integrations: &[(&Document, Integration)]) -> Vec<Finding> {
    let Some((document, integration)) = integrations.iter().find(|(_, known)| known.name == install.integration) else {
        let message = format!("no file defines an integration `{}`", install.integration);
        let finding = Finding::error("unknown_integration", join(pointer, "integration"), message);
        let known = integrations.iter().map(|(_, integration)| integration.name.as_str());
        return vec![match nearest(&install.integration, known) {
            Some(meant) => finding.fix(format!("did you mean `{meant}`?")),
            None => finding,
        }];
    };
    let (plain, layered) = (Effective::of(integration), Effective::merge(integration, install));
    let known: HashSet<String> = compiled::errors(&plain).into_iter().map(|it| it.to_string()).collect();
    let mut found = Vec::new();
    for error in compiled::errors(&layered).into_iter().filter(|error| !known.contains(&error.to_string())) {
        let place = place_in_layer(&install.overrides, &join(pointer, "override"), &error.pointer);
        found.push(Finding::error("override", place, format!("under this override, {error}")));
    }
    for (name, used) in names::missing_variables(&layered) {
        let message = format!(
            "`{}` reads `environment_variables.{name}` at {used} of {}, and this install has no such variable",
            install.integration,
            document.file.display()
        );
        found.push(
            Finding::new(Severity::Warning, "missing_variable", join(pointer, "override"), message)
                .fix(format!("add `{name}` to `environment_variables` or `secret_environment_variables`")),
        );
    }
    found
}

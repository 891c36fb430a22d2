//! The two documents of a definition as their authors write them.
//!
//! An [`Integration`] is the document of the model system's API: what came from there loads unchanged, and members
//! that mean nothing here (team, sharing, timestamps) are dropped with a clear conscience, since they describe the
//! row there. An [`Install`] says that an environment uses an integration, and with which override.

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::IntegrationRef;
use super::error::CompileError;
use super::layer::check_layer;
use super::node::{Node, join};

/// The definition of a third-party service.
#[derive(Clone, PartialEq)]
pub struct Integration {
    /// Its id, written out by its author.
    pub id: Uuid,
    /// Its name, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Its display name: `label`, else `config.label`, else the name.
    pub label: String,
    /// What kind of service it is.
    pub category: Option<String>,
    /// Whether it is offered as unfinished.
    pub is_beta: bool,
    /// All the rest: base URL, credentials, actions.
    pub config: Map<String, Value>,
}

impl fmt::Debug for Integration {
    // The config holds client secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integration").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Integration {
    /// Reads a document.
    ///
    /// # Errors
    /// The first member that is missing or has a value that is not allowed. The config's content is not looked at:
    /// that is `Plan::compile`.
    pub fn parse(document: &Value) -> Result<Self, CompileError> {
        let node = Node::new(document, "");
        let name = name(&node.require("name")?)?;
        let config = node.require("config")?;
        let label = node.get("label").or_else(|| config.get("label")).map(|label| label.text()).transpose()?;
        Ok(Self {
            id: id(&node.require("id")?)?,
            label: label.unwrap_or(&name).to_owned(),
            name,
            category: node.get("category").map(|category| category.text().map(str::to_owned)).transpose()?,
            is_beta: node.get("is_beta").map(|flag| flag.flag()).transpose()?.unwrap_or(false),
            config: config.object()?.clone(),
        })
    }

    /// What the outside sees of it.
    #[must_use]
    pub fn face(&self) -> IntegrationRef {
        IntegrationRef { id: self.id, name: self.name.clone(), label: self.label.clone() }
    }
}

/// An environment's use of an integration.
#[derive(Clone, PartialEq)]
pub struct Install {
    /// Its id: the `environment_integration_id` of import requests.
    pub id: Uuid,
    /// The environment that owns it.
    pub environment_id: Uuid,
    /// The integration's name.
    pub integration: String,
    /// Whether imports are accepted.
    pub is_enabled: bool,
    /// Laid over the integration's config; also `environment_variables` and `secret_environment_variables`.
    pub overrides: Map<String, Value>,
}

impl fmt::Debug for Install {
    // The override holds client secrets and secret environment variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Install")
            .field("id", &self.id)
            .field("environment_id", &self.environment_id)
            .field("integration", &self.integration)
            .field("is_enabled", &self.is_enabled)
            .finish_non_exhaustive()
    }
}

impl Install {
    /// Reads one entry of an installs document, which stands at `pointer` in it.
    pub(super) fn parse(value: &Value, pointer: &str, environment_id: Uuid) -> Result<Self, CompileError> {
        Self::read(&Node::new(value, pointer), environment_id)
    }

    fn read(node: &Node<'_>, environment_id: Uuid) -> Result<Self, CompileError> {
        node.only(&["id", "integration", "is_enabled", "override"])?;
        let overrides =
            node.get("override").map(|overrides| overrides.object().cloned()).transpose()?.unwrap_or_default();
        check_layer(&overrides, &join(&node.pointer, "override"))?;
        Ok(Self {
            id: id(&node.require("id")?)?,
            environment_id,
            integration: name(&node.require("integration")?)?,
            is_enabled: node.get("is_enabled").map(|flag| flag.flag()).transpose()?.unwrap_or(true),
            overrides,
        })
    }
}

/// One installs document: an environment and what it uses.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Installs {
    /// Its id and name.
    pub(super) environment: (Uuid, String),
    /// Each with its pointer.
    pub(super) installs: Vec<(String, Install)>,
}

impl Installs {
    /// Reads of a document what can be used, and tells what is wrong with the rest: members that are missing, unknown or
    /// have a value that is not allowed.
    pub(super) fn parse(document: &Value) -> (Self, Vec<CompileError>) {
        let node = Node::new(document, "");
        let mut wrong: Vec<CompileError> = node.only(&["environment", "installs"]).err().into_iter().collect();
        let environment = environment(&node).unwrap_or_else(|error| {
            wrong.push(error);
            (Uuid::nil(), String::new())
        });
        let mut installs = Vec::new();
        match node.require("installs").and_then(|list| Ok(list.items()?.collect::<Vec<_>>())) {
            Err(error) => wrong.push(error),
            Ok(nodes) => {
                for node in nodes {
                    match Install::read(&node, environment.0) {
                        Ok(install) => installs.push((node.pointer, install)),
                        Err(error) => wrong.push(error),
                    }
                }
            }
        }
        (Self { environment, installs }, wrong)
    }
}

fn environment(document: &Node<'_>) -> Result<(Uuid, String), CompileError> {
    let environment = document.require("environment")?;
    environment.only(&["id", "name"])?;
    Ok((id(&environment.require("id")?)?, environment.require("name")?.text()?.to_owned()))
}

fn id(node: &Node<'_>) -> Result<Uuid, CompileError> {
    node.text()?.parse().map_err(|_| node.refuse("must be a UUID, written out"))
}

fn name(node: &Node<'_>) -> Result<String, CompileError> {
    let name = node.text()?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
        return Err(node.refuse("must be 1 to 64 characters of a-z, 0-9, `_` and `-`"));
    }
    Ok(name.to_owned())
}

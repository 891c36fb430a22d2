//! From an effective definition to a [`Plan`]: whatever can be known to be wrong is refused here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::credential::CredentialPlan;
use super::effective::Effective;
use super::error::CompileError;
use super::names::Names;
use super::node::Node;
use super::pagination;
use super::plan::{Action, OnUnknown, Plan, REFRESH_TOKEN, Step, StepKind};
use super::request::{self, header_name};
use super::vocabulary::STEP;
use super::{size, step};
use crate::lifecycle::{AuthenticationMethod, Phase};

/// Steps of one action.
const MAX_STEPS: usize = 100;

impl Plan {
    /// Compiles a definition. Pointers in errors begin with `/config`, as in the integration's document.
    ///
    /// # Errors
    /// The first thing that cannot be run, with its place and what to mend.
    pub fn compile(definition: &Effective) -> Result<Self, CompileError> {
        let config = Value::Object(definition.config.clone());
        let config = Node::new(&config, "/config");
        size::check(&config)?;
        let mut environment_variables = definition.environment_variables.clone();
        environment_variables.extend(definition.secret_environment_variables.clone());
        Ok(Self {
            integration: definition.integration.clone(),
            post_install: phase(&config, Phase::PostInstall)?,
            validation: phase(&config, Phase::Validation)?,
            actions: custom_actions(&config)?,
            credentials: credentials(&config)?,
            names: Names::of(&definition.config),
            environment_variables: Arc::new(environment_variables),
            secret_environment_variables: definition.secret_environment_variables.clone(),
        })
    }
}

/// One credential with a `format`, or one for each format.
fn credentials(config: &Node<'_>) -> Result<Vec<(AuthenticationMethod, CredentialPlan)>, CompileError> {
    let Some(node) = config.get("credentials") else { return Ok(Vec::new()) };
    if let Some(format) = node.get("format").filter(|format| format.value.is_string()) {
        return Ok(credential(&format, format.text()?, &node)?.into_iter().collect());
    }
    let mut plans = Vec::new();
    for (key, entry) in node.entries()? {
        plans.extend(credential(&entry, key, &entry)?);
    }
    Ok(plans)
}

fn credential(
    place: &Node<'_>,
    format: &str,
    entry: &Node<'_>,
) -> Result<Option<(AuthenticationMethod, CredentialPlan)>, CompileError> {
    // Three-legged OAuth 1.0a accounts cannot be imported, so nothing is to be compiled for them.
    if format == "oauth" {
        return Ok(None);
    }
    let method = format
        .parse::<AuthenticationMethod>()
        .map_err(|error| place.refuse(format!("is not a credential format: {error}, oauth")))?;
    let plan = CredentialPlan::compile(method, entry.value).map_err(|error| error.under(&entry.pointer))?;
    Ok(Some((method, plan)))
}

/// The action of a phase; without steps when the definition has none.
fn phase(config: &Node<'_>, phase: Phase) -> Result<Action, CompileError> {
    let node = config.get("actions").and_then(|actions| actions.get(phase.as_str()));
    node.map_or_else(|| Ok(Action::default()), |node| action(&node, config))
}

/// The actions beside the phases. What is wrong with one of them matters to whoever runs it, and to nobody else.
fn custom_actions(config: &Node<'_>) -> Result<BTreeMap<String, Result<Action, CompileError>>, CompileError> {
    let Some(actions) = config.get("actions") else { return Ok(BTreeMap::new()) };
    let phases = Phase::ALL.iter().map(|phase| phase.as_str());
    let others =
        actions.entries()?.filter(|(name, node)| !node.value.is_null() && !phases.clone().any(|it| it == *name));
    let compiled = others.map(|(name, node)| {
        let action = if name == REFRESH_TOKEN { Ok(renewal(&node, config)?) } else { action(&node, config) };
        Ok((name.to_owned(), action))
    });
    compiled.collect()
}

/// The action that runs perform in the refresh grant's place, for sandbox accounts as for others: its mistakes are those of
/// the runs.
fn renewal(node: &Node<'_>, config: &Node<'_>) -> Result<Action, CompileError> {
    let mut action = action(node, config)?;
    action.steps.iter_mut().for_each(|step| step.allow_in_sandbox = true);
    Ok(action)
}

/// An action: `steps[]`, or a bare step.
fn action(node: &Node<'_>, config: &Node<'_>) -> Result<Action, CompileError> {
    let nodes: Vec<Node<'_>> =
        if node.get("type").is_some() { vec![node.clone()] } else { node.require("steps")?.items()?.collect() };
    if nodes.len() > MAX_STEPS {
        return Err(node.refuse(format!("has {} steps; at most {MAX_STEPS} are allowed", nodes.len())));
    }
    let mut steps: Vec<Step> = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let mut step = step(node, config)?;
        if let Some(name) = &step.name
            && steps.iter().any(|earlier| earlier.name.as_ref() == Some(name))
        {
            return Err(node.refuse(format!("the name `{name}` is taken by an earlier step of this action")));
        }
        step.depends_on = step::depends_on(node, &steps, &nodes)?;
        steps.push(step);
    }
    Ok(Action { steps })
}

fn step(node: &Node<'_>, integration: &Node<'_>) -> Result<Step, CompileError> {
    let mut known = STEP.names();
    known.retain(|name| !request::not_for(node).contains(name));
    node.only(&known)?;
    let mut kind = kind(node, integration)?;
    let reads = match &kind {
        StepKind::Request(request) => request.method.reads(),
        _ => true,
    };
    let flag = |key: &str| node.get(key).map(|flag| flag.flag()).transpose().map(Option::unwrap_or_default);
    let expression = |key: &str| node.get(key).map(|source| source.expression()).transpose();
    let on_unknown = on_unknown(node, reads)?;
    let paginate = pagination::choose(node.get("paginate").as_ref(), &mut kind, on_unknown)?;
    Ok(Step {
        name: node.get("name").map(|name| step_name(&name)).transpose()?,
        run_if: expression("run_if")?,
        loop_on: expression("loop_on")?,
        depends_on: Vec::new(),
        continue_on_error: flag("continue_on_error")?,
        timeout: step::timeout(node, &kind)?,
        on_unknown,
        probe: step::probe(node, integration, &kind, on_unknown)?,
        idempotency_header: idempotency_header(node)?,
        allow_in_sandbox: flag("allow_in_sandbox")?,
        paginate,
        kind,
    })
}

/// A name must not look like an index, since both are keys of `steps`.
fn step_name(node: &Node<'_>) -> Result<String, CompileError> {
    let name = node.text()?;
    if name.is_empty() || name.len() > 64 || name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(node.refuse("must be 1 to 64 characters and not a number"));
    }
    Ok(name.to_owned())
}

fn on_unknown(node: &Node<'_>, reads: bool) -> Result<OnUnknown, CompileError> {
    match node.get("on_unknown") {
        None if reads => Ok(OnUnknown::Retry),
        None => Ok(OnUnknown::Fail),
        Some(word) => word.word(),
    }
}

fn idempotency_header(node: &Node<'_>) -> Result<Option<String>, CompileError> {
    let Some(key) = node.get("idempotency_key") else { return Ok(None) };
    match key.value {
        Value::Bool(true) => Ok(Some("idempotency-key".to_owned())),
        Value::Bool(false) => Ok(None),
        Value::String(name) => header_name(name).map(Some).map_err(|why| key.refuse(why)),
        _ => Err(key.refuse("must be true or the name of the header that carries the key")),
    }
}

fn kind(node: &Node<'_>, integration: &Node<'_>) -> Result<StepKind, CompileError> {
    let word = node.require("type")?;
    let config = node.get("config");
    let needed = || config.clone().ok_or_else(|| node.refuse("`config` is missing"));
    match word.text()? {
        "request" | "proxy" | "unified" => Ok(StepKind::Request(Box::new(request::compile_step(node, integration)?))),
        "transform" => Ok(StepKind::Transform(expression_of(&needed()?)?.expression()?)),
        "update_context" => match &config {
            None => Ok(StepKind::UpdateContext(None)),
            Some(config) if config.value.is_object() && config.get("expression").is_none() => {
                config.only(&["expression"])?;
                Ok(StepKind::UpdateContext(None))
            }
            Some(config) => Ok(StepKind::UpdateContext(Some(expression_of(config)?.expression()?))),
        },
        "set_context" => {
            let config = needed()?;
            config.object()?;
            Ok(StepKind::SetContext(config.template()?))
        }
        "get_context" => get_context(&needed()?),
        "form" => Err(word.refuse("a form needs a person, and nobody is there in this phase: remove the step")),
        other => Err(word.refuse(format!(
            "`{other}` is not a type of step; known are: request, proxy, transform, update_context, set_context, get_context"
        ))),
    }
}

/// An expression given as the config itself, or as its `expression`.
fn expression_of<'a>(config: &Node<'a>) -> Result<Node<'a>, CompileError> {
    if config.value.is_string() {
        return Ok(config.clone());
    }
    config.only(&["expression"])?;
    config.require("expression")
}

/// A path, a list of paths, or an object with one of them as `path` or `paths`.
fn get_context(config: &Node<'_>) -> Result<StepKind, CompileError> {
    let node = match config.value {
        Value::Object(_) => {
            config.only(&["path", "paths"])?;
            config.get("path").or_else(|| config.get("paths")).ok_or_else(|| config.refuse("`path` is missing"))?
        }
        _ => config.clone(),
    };
    if node.value.is_string() {
        return Ok(StepKind::GetContext { paths: vec![node.text()?.to_owned()], list: false });
    }
    let paths = node.items()?.map(|path| path.text().map(str::to_owned)).collect::<Result<_, _>>()?;
    Ok(StepKind::GetContext { paths, list: true })
}

//! A compiled definition: what the stepper walks through. Made once for a definition and shared by its runs.
//!
//! Nothing in here is a secret's home, but templates may hold literals that are (a key written into a header), so the
//! types show nothing of them in `Debug` output.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::request_plan::RequestPlan;
use super::{CompileError, CredentialPlan, IntegrationRef, Names};
use crate::expression::{Expression, Template};
use crate::lifecycle::{AuthenticationMethod, Phase, words};

/// The name of the action that takes the refresh grant's place.
pub const REFRESH_TOKEN: &str = "refresh_token";

/// A definition that can be run.
pub struct Plan {
    /// The integration's face.
    pub integration: IntegrationRef,
    /// What runs after the credentials are stored. Without steps when the definition has none.
    pub post_install: Action,
    /// What proves that the connection works. Without steps when the definition has none.
    pub validation: Action,
    /// The actions beside the two phases, each run only when somebody asks for it: one that cannot be run says why then,
    /// and keeps nobody from loading the definition. [`REFRESH_TOKEN`] is among them, and can be run: whoever needs a new
    /// token asks for it.
    pub actions: BTreeMap<String, Result<Action, CompileError>>,
    /// How each method that the definition offers brings its credential.
    pub credentials: Vec<(AuthenticationMethod, CredentialPlan)>,
    /// The names that the definition's templates and expressions may read.
    pub names: Names,
    /// The environment's variables, the secret ones merged in.
    pub environment_variables: Arc<Map<String, Value>>,
    /// The values of the secret ones: nothing that leaves the process may show them.
    pub secret_environment_variables: Map<String, Value>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("integration", &self.integration)
            .field("post_install", &self.post_install)
            .field("validation", &self.validation)
            .field("actions", &self.actions)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// The action of a phase.
    #[must_use]
    pub const fn action(&self, phase: Phase) -> &Action {
        match phase {
            Phase::PostInstall => &self.post_install,
            Phase::Validation => &self.validation,
        }
    }

    /// How accounts of `method` bring their credential, when the definition offers that method.
    #[must_use]
    pub fn credential(&self, method: AuthenticationMethod) -> Option<&CredentialPlan> {
        self.credentials.iter().find(|(offered, _)| *offered == method).map(|(_, plan)| plan)
    }

    /// The action that renews the tokens of accounts of `method`, where the definition has one with steps. It is there for
    /// OAuth; API keys are renewed by it only where they are all that the definition offers.
    #[must_use]
    pub fn renewal(&self, method: AuthenticationMethod) -> Option<&Action> {
        let is_meant = method != AuthenticationMethod::ApiKey || self.credentials.iter().all(|(it, _)| *it == method);
        let action = self.actions.get(REFRESH_TOKEN).filter(|_| is_meant)?.as_ref().ok()?;
        (!action.steps.is_empty()).then_some(action)
    }
}

impl Plan {
    /// Whether the phases, or the custom action that is performed instead, may hold a thread for long between two requests.
    #[must_use]
    pub fn is_quadratic(&self, custom: Option<&str>) -> bool {
        match custom {
            Some(name) => self.actions.get(name).and_then(|it| it.as_ref().ok()).is_some_and(Action::is_quadratic),
            None => self.post_install.is_quadratic() || self.validation.is_quadratic(),
        }
    }
}

/// A named list of steps.
#[derive(Debug, Default)]
pub struct Action {
    /// In order.
    pub steps: Vec<Step>,
}

impl Action {
    /// Whether it may hold a thread for long between two requests: by a loop, or by an expression that may take long on an
    /// input of ordinary size, out of its time limit's reach.
    #[must_use]
    pub fn is_quadratic(&self) -> bool {
        self.steps.iter().any(|step| step.loop_on.is_some())
            || self.steps.iter().flat_map(Step::expressions).any(Expression::is_quadratic)
    }
}

/// One step of an action.
pub struct Step {
    /// What later steps call it, beside its index.
    pub name: Option<String>,
    /// What it does.
    pub kind: StepKind,
    /// What decides whether it is performed at all.
    pub run_if: Option<Expression>,
    /// What gives the items for each of which it is performed.
    pub loop_on: Option<Expression>,
    /// The earlier steps, by index, without whose success it is skipped.
    pub depends_on: Vec<usize>,
    /// Whether the action goes on when it fails for good.
    pub continue_on_error: bool,
    /// How long one request of it may take, where that is less than any request may.
    pub timeout: Option<Duration>,
    /// How to go on when its answer is lost.
    pub on_unknown: OnUnknown,
    /// What finds out whether a request whose answer was lost had its effect; there for [`OnUnknown::Probe`].
    pub probe: Option<Box<Probe>>,
    /// The header that carries its idempotency key, when the provider honours one. Lower case.
    pub idempotency_header: Option<String>,
    /// Whether a sandbox account may perform it although it writes.
    pub allow_in_sandbox: bool,
    /// Whether it asks for all pages of a list, and not for the first alone.
    pub paginate: bool,
}

impl Step {
    /// Whether doing it twice does no harm: a request whose answer is lost may simply be made again.
    #[must_use]
    pub fn retry_safe(&self) -> bool {
        self.on_unknown == OnUnknown::Retry || self.idempotency_header.is_some()
    }

    /// Whether an intent has to be durable before it is performed.
    #[must_use]
    pub fn needs_intent(&self) -> bool {
        matches!(self.kind, StepKind::Request(_)) && self.on_unknown != OnUnknown::Retry
    }

    /// Whether anything has to be looked at before it is performed.
    #[must_use]
    pub const fn is_conditional(&self) -> bool {
        self.run_if.is_some() || self.loop_on.is_some() || !self.depends_on.is_empty()
    }

    /// The expressions that see data of the provider.
    fn expressions(&self) -> Vec<&Expression> {
        let mut all = self.kind.expressions();
        all.extend(self.run_if.iter().chain(&self.loop_on));
        if let Some(probe) = &self.probe {
            all.push(&probe.expression);
            all.extend(probe.request.expressions());
        }
        all
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("name", &self.name)
            .field("type", &self.kind.word())
            .field("on_unknown", &self.on_unknown)
            .finish_non_exhaustive()
    }
}

/// A read that finds out whether a request whose answer was lost had its effect.
pub struct Probe {
    /// What is asked.
    pub request: RequestPlan,
    /// What the answer means: true or `{happened: true, result}`, false, or nothing where it does not tell.
    pub expression: Expression,
}

/// What a step does.
pub enum StepKind {
    /// Asks the provider.
    Request(Box<RequestPlan>),
    /// Computes a value.
    Transform(Expression),
    /// Merges an expression's object, or the previous result, into the account's context.
    UpdateContext(Option<Expression>),
    /// Merges a fixed object with placeholders into the account's context.
    SetContext(Template),
    /// Reads paths of the context: one value, or (for a list of paths) an array.
    GetContext {
        /// Dotted paths.
        paths: Vec<String>,
        /// Whether the definition gave a list.
        list: bool,
    },
}

impl StepKind {
    fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Request(request) => request.expressions().collect(),
            Self::Transform(expression) | Self::UpdateContext(Some(expression)) => vec![expression],
            Self::UpdateContext(None) | Self::SetContext(_) | Self::GetContext { .. } => Vec::new(),
        }
    }

    /// The step's `type` in the document.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Transform(_) => "transform",
            Self::UpdateContext(_) => "update_context",
            Self::SetContext(_) => "set_context",
            Self::GetContext { .. } => "get_context",
        }
    }
}

words! {
    /// What follows when the answer to a request with side effects is lost.
    OnUnknown {
        /// Make the request again.
        Retry = "retry",
        /// Let a read find out whether it happened.
        Probe = "probe",
        /// Fail the phase with `outcome_unknown`.
        Fail = "fail",
    }
}

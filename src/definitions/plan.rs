//! A compiled definition: what the stepper walks through. Made once for a definition and shared by its runs.
//!
//! Nothing in here is a secret's home, but templates may hold literals that are (a key written into a header), so the
//! types show nothing of them in `Debug` output.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::pagination::Pagination;
use super::{CompileError, CredentialPlan, IntegrationRef, Names, RateLimit};
use crate::expression::{Expression, Template, Text};
use crate::lifecycle::{AuthenticationMethod, Phase, words};

/// A definition that can be run.
pub struct Plan {
    /// The integration's face.
    pub integration: IntegrationRef,
    /// What runs after the credentials are stored. Without steps when the definition has none.
    pub post_install: Action,
    /// What proves that the connection works. Without steps when the definition has none.
    pub validation: Action,
    /// The actions beside the two phases, each run only when somebody asks for it: one that cannot be run says why then,
    /// and keeps nobody from loading the definition. `refresh_token` is among them, and no refresh uses it yet.
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
}

impl Plan {
    /// Whether a phase may hold a thread for long between two requests.
    #[must_use]
    pub fn is_quadratic(&self) -> bool {
        self.post_install.is_quadratic() || self.validation.is_quadratic()
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

words! {
    /// The verbs that a definition may use.
    Method {
        /// Reads.
        Get = "GET",
        /// Reads the headers.
        Head = "HEAD",
        /// Writes.
        Post = "POST",
        /// Writes.
        Put = "PUT",
        /// Writes.
        Patch = "PATCH",
        /// Writes.
        Delete = "DELETE",
    }
}

impl Method {
    /// Whether it promises to change nothing.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }

    /// Whether it carries a body.
    #[must_use]
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

words! {
    /// How arrays are written in a query.
    QueryArrayFormat {
        /// `ids=1,2`
        Comma = "comma",
        /// `ids[]=1&ids[]=2`
        Brackets = "brackets",
        /// `ids[0]=1&ids[1]=2`
        Indices = "indices",
        /// `ids=1&ids=2`
        Repeat = "repeat",
    }
}

/// A request as the definition describes it, integration and step merged.
pub struct RequestPlan {
    /// The verb.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// The headers, each name once.
    pub headers: Vec<Header>,
    /// The query beside what the path holds.
    pub query: Vec<Parameter>,
    /// How arrays in the query are written.
    pub array_format: QueryArrayFormat,
    /// What is sent.
    pub body: Option<Body>,
    /// How it authenticates.
    pub authorization: Authorization,
    /// Which part of the answer is the step's result.
    pub response_path: Option<ResponsePath>,
    /// What tells errors from successes beyond the status code.
    pub error_expression: Option<Expression>,
    /// How its pages are asked for; only where the step walks through them or the templates name `pagination`.
    pub pagination: Option<Box<Pagination>>,
    /// What a step brings for the resource's method that it refers to; `None` where it refers to none.
    pub inputs: Option<Box<Inputs>>,
    /// How an answer's body is read.
    pub answer: AnswerFormat,
    /// Headers without which it is not sent, lower case.
    pub required_headers: Vec<String>,
    /// The scopes it needs, for what is said of a 403.
    pub scopes: Option<Box<Scopes>>,
    /// What the definition says of rate limits beyond the defaults.
    pub rate_limit: Option<RateLimit>,
}

impl RequestPlan {
    /// The expressions that see data of the provider.
    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let paths = self.response_path.iter().map(|path| &path.object);
        let pages = self.pagination.iter().flat_map(|pagination| pagination.expressions());
        paths.chain(&self.error_expression).chain(pages)
    }
}

/// Where a request goes, in parts that are encoded each in its own way.
pub struct Target {
    /// Scheme, host and port as the definition writes them, placeholders and all.
    pub origin: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port.
    pub authority: Text,
    /// How many labels the host has to have once it is rendered, so that a value cannot bring more than one; `None`
    /// where the operator, not the account, decides about the host.
    pub labels: Option<usize>,
    /// Path templates, to be joined with exactly one slash.
    pub path: Vec<Text>,
    /// What follows the `?` of the path.
    pub query: Option<Text>,
}

/// A header: a value, or the removal of what would otherwise be added.
pub struct Header {
    /// The name, lower case.
    pub name: String,
    /// The value; `None` removes.
    pub value: Option<Text>,
}

/// A query parameter, of any shape.
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Template,
    /// The placeholders in it, as written: one that is left in the result was not resolved.
    pub placeholders: Vec<String>,
}

/// A request's body.
pub struct Body {
    /// How it is written.
    pub format: BodyFormat,
    /// Its value; `None` where only a caller or the query brings one.
    pub value: Option<Template>,
    /// The query's parameters that are copied into it, below its own members.
    pub query: Vec<Parameter>,
}

/// How a body is written.
pub enum BodyFormat {
    /// `application/json`
    Json,
    /// JSON's `null`, whatever the body is.
    Null,
    /// `application/x-www-form-urlencoded`, objects nested with brackets.
    Form {
        /// How arrays are written.
        arrays: QueryArrayFormat,
    },
    /// `multipart/form-data`: a part for each value, and for each file.
    Multipart {
        /// How arrays are written.
        arrays: QueryArrayFormat,
    },
    /// A text or bytes, as they are.
    Raw {
        /// Its type.
        content_type: Option<String>,
        /// Whether the value is base64 of what is sent.
        base64: bool,
    },
    /// An XML document.
    Xml {
        /// Its type.
        content_type: Option<String>,
        /// The element that the value is put into.
        root: Option<String>,
        /// Whether it begins with a declaration.
        declaration: bool,
        /// The indentation of each level.
        spaces: usize,
    },
}

/// What a step brings for the resource's method that it refers to.
pub struct Inputs {
    /// `{{id}}` in the method's templates.
    pub id: Option<Parameter>,
    /// `{{query.x}}`, laid over the method's query.
    pub query: Vec<Parameter>,
    /// Which of them the method places itself.
    pub query_taken: Taken,
    /// `{{headers.x}}`, laid over the method's headers. Each has a value.
    pub headers: Vec<Header>,
    /// `{{body.x}}`, laid over the method's body.
    pub body: Option<Parameter>,
    /// Which of its members the method places itself.
    pub body_taken: Taken,
}

/// The members of an input that a method's own templates read: it places them itself, so they are not laid over it.
#[derive(Debug, Default)]
pub struct Taken {
    /// It is read as a whole.
    pub all: bool,
    /// Those that are read by name.
    pub members: Vec<String>,
}

impl Taken {
    /// Whether the member `name` is among them.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        self.all || self.members.iter().any(|member| member == name)
    }
}

words! {
    /// How an answer's body is read, where its content type does not decide.
    ResponseFormat {
        /// JSON.
        Json = "json",
        /// XML, as an object.
        Xml = "xml",
        /// Text as it is.
        Text = "text",
        /// Rows of a table under a row of names, as a list of objects.
        Csv = "csv",
    }
}

/// How an answer's body is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerFormat {
    /// The format, where the definition fixes it.
    pub format: Option<ResponseFormat>,
    /// Whether a body that cannot be read as it should is an error (`throw_error_on_parse_error`).
    pub strict: Option<bool>,
}

/// The OAuth scopes of a method.
pub struct Scopes {
    /// Those that it needs.
    pub needed: Vec<String>,
    /// Gives those that were granted, as the context knows them.
    pub granted: Expression,
    /// What stands between them, where they are one text.
    pub separator: String,
}

/// How a request authenticates.
pub enum Authorization {
    /// Not at all (`no_auth`).
    None,
    /// `Authorization: Bearer …`
    Bearer(Text),
    /// A header of the definition's choice.
    Header {
        /// The name, lower case.
        name: String,
        /// The value.
        value: Text,
    },
    /// HTTP Basic.
    Basic {
        /// The user's name.
        username: Text,
        /// The password.
        password: Text,
    },
    /// An expression that gives headers.
    Expression(Expression),
    /// The definition says nothing: a bearer token for the OAuth family; the `api_key` as a bearer token where the
    /// context has one; and neither where the definition sets `Authorization` itself.
    Default {
        /// The OAuth family's token.
        token: Text,
        /// The API key.
        api_key: Text,
    },
}

/// A path into an answer, evaluated as JSONata with the answer's body as its input.
pub struct ResponsePath {
    /// For bodies that are objects, which are the scope's root.
    pub object: Expression,
    /// For arrays: the same source wrapped, with the body under `data`.
    pub array: Expression,
}

//! The compiled request of a step or a resource's method: all that is needed to render it and to read its answer.
//!
//! The templates may hold secrets as literals, so nothing here but words, names and flags has `Debug` output.

use super::RateLimit;
use super::pagination::Pagination;
use crate::expression::{Expression, Template, Text};
use crate::lifecycle::words;

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
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
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

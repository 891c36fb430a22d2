//! Definitions that are accepted and do harm when they are performed, and answers that do: one table for what is tried on
//! recordings and what a worker performs.
//!
//! What each comes to is what docs/definitions.md, docs/pagination.md and docs/errors.md say.

#![expect(clippy::needless_pass_by_value, reason = "`json!` borrows, and tables of values read better without `&`")]

mod answers;
mod expressions;
mod pages;
mod steps;
mod templates;
mod tokens;

use serde_json::{Map, Value, json};

/// The provider.
pub const HOST: &str = "https://h.test";

/// An expression that never ends: tail calls do not nest.
pub const ENDLESS: &str = "($f := function($x) { $f($x) }; $f(1))";

/// A definition, what the provider answers, and what becomes of the account.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    /// Members of the integration's config, beside the base URL and the credentials.
    pub config: Value,
    pub method: &'static str,
    pub context: Value,
    /// A custom action in place of the import's phases.
    pub action: Option<&'static str>,
    pub exchanges: Vec<Value>,
    pub status: &'static str,
    /// The outcome: the reason's code, or `succeeded`.
    pub outcome: &'static str,
    /// Words of the reason's message.
    pub says: &'static str,
    /// Members of the account's context in the end.
    pub keeps: Value,
    /// The first pause, in milliseconds.
    pub waits: Option<u64>,
    /// Whether a worker need not perform it too: it waits there, or asks a thousand times.
    pub offline: bool,
}

impl Case {
    /// These steps as `post_install`; `active` is expected.
    pub fn of(name: impl Into<String>, steps: Value) -> Self {
        Self {
            name: name.into(),
            config: json!({ "actions": { "post_install": { "steps": steps } } }),
            method: "api_key",
            context: json!({ "api_key": "canary-key" }),
            action: None,
            exchanges: Vec::new(),
            status: "active",
            outcome: "succeeded",
            says: "",
            keeps: json!({}),
            waits: None,
            offline: false,
        }
    }

    /// One request to `/x`, with more of its config.
    pub fn ask(name: impl Into<String>, more: &Value) -> Self {
        Self::of(name, json!([request(more)]))
    }

    /// A member of the integration's config.
    pub fn config(mut self, member: &str, value: Value) -> Self {
        self.config[member] = value;
        self
    }

    pub fn context(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.context[member] = value.into();
        self
    }

    /// What the provider answers to a request, so many times.
    pub fn hears(mut self, method: &str, path: &str, response: &Value, times: u32) -> Self {
        let request = json!({ "method": method, "url": format!("{HOST}{path}") });
        self.exchanges.push(json!({ "request": request, "response": response, "times": times }));
        self
    }

    /// What it answers to `GET /x`, once.
    pub fn answered(self, response: &Value) -> Self {
        self.hears("GET", "/x", response, 1)
    }

    pub fn fails(mut self, outcome: &'static str, says: &'static str) -> Self {
        let status = if self.action.is_some() { "active" } else { "post_install_error" };
        (self.status, self.outcome, self.says) = (status, outcome, says);
        self
    }

    pub fn ends(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }

    pub fn keeps(mut self, members: Value) -> Self {
        self.keeps = members;
        self
    }

    pub const fn waits(mut self, milliseconds: u64) -> Self {
        (self.waits, self.offline) = (Some(milliseconds), true);
        self
    }

    pub const fn offline(mut self) -> Self {
        self.offline = true;
        self
    }

    /// The integration's document, for a provider that listens at `base_url`.
    pub fn integration(&self, id: &str, name: &str, base_url: &str) -> Value {
        let mut config = json!({
            "base_url": base_url,
            "credentials": {
                "api_key": { "format": "api_key" },
                "oauth2": { "format": "oauth2", "config": {
                    "client": { "id": "us", "secret": "canary-client" }, "auth": { "tokenHost": HOST },
                } },
            },
        });
        extend(&mut config, &self.config);
        json!({ "id": id, "name": name, "config": config })
    }

    /// What its end differs in from what is expected, if in anything: the account's status, the outcome, the message and
    /// the context.
    pub fn differs(&self, status: &Value, outcome: &str, message: &str, context: &Value) -> Option<String> {
        let none = Map::new();
        let kept = self.keeps.as_object().unwrap_or(&none).iter().all(|(name, value)| context[name] == *value);
        let good = *status == self.status && outcome == self.outcome && message.contains(self.says) && kept;
        let short = |text: &str| text.chars().take(400).collect::<String>();
        (!good).then(|| {
            format!(
                "{}: {status} {outcome} {:?}, context {}\n    instead of {} {} {:?}, {}",
                self.name,
                short(message),
                short(&context.to_string()),
                self.status,
                self.outcome,
                self.says,
                self.keeps
            )
        })
    }
}

fn extend(config: &mut Value, more: &Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
}

/// A step that asks `/x`, with more of its config.
fn request(more: &Value) -> Value {
    let mut config = json!({ "path": "/x" });
    extend(&mut config, more);
    json!({ "type": "request", "name": "it", "config": config })
}

fn transform(expression: impl Into<Value>) -> Value {
    json!({ "type": "transform", "name": "it", "config": expression.into() })
}

fn keep(expression: impl Into<Value>) -> Value {
    json!({ "type": "update_context", "config": expression.into() })
}

fn ok(body: &Value) -> Value {
    json!({ "status": 200, "body": body })
}

/// All of them, by what they do harm with.
pub fn all() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("pages", pages::cases()),
        ("probes", expressions::probes()),
        ("error expressions", expressions::errors()),
        ("rate limits", expressions::limits()),
        ("loops and conditions", steps::cases()),
        ("templates", templates::cases()),
        ("tokens", tokens::cases()),
        ("actions", steps::actions()),
        ("answers", answers::cases()),
    ]
}

//! The action engine against an upstream that speaks everything: each account exercises one behaviour, all are imported at
//! once, and what became of each is held against a table, together with the requests that the upstream saw.
//!
//! The tables say what docs/pagination.md documents, and docs/definitions.md under "Rate limits", "Requests", "Bodies",
//! "Answers".

#![expect(clippy::needless_pass_by_value, reason = "`json!` borrows, and tables of values read better without `&`")]
#![expect(clippy::too_many_lines, reason = "tables")]

mod answers;
mod limits;
mod pages;
mod requests;
mod statuses;

use serde_json::{Value, json};

use crate::support::{INSTALL, Place, Upstream, Worker, post};

/// What a request's result becomes in the context.
const GOT: &str = "{ 'got': { 'is': steps.it.result } }";

/// An account with a definition of its own, and what is to become of it.
pub struct Case {
    name: &'static str,
    config: Value,
    context: Value,
    status: &'static str,
    code: Option<&'static str>,
    says: &'static str,
    got: Value,
    saw: Option<Vec<String>>,
}

impl Case {
    /// These steps as `post_install`; `active` is expected.
    fn of(name: &'static str, steps: Value) -> Self {
        let config = json!({ "actions": { "post_install": { "steps": steps } } });
        let context = json!({ "api_key": "k-1" });
        Self { name, config, context, status: "active", code: None, says: "", got: Value::Null, saw: None }
    }

    /// One request whose result is kept.
    fn ask(name: &'static str, config: Value) -> Self {
        Self::of(name, json!([{ "type": "request", "name": "it", "config": config }, keep(GOT)]))
    }

    /// A member of the integration's config.
    fn config(mut self, member: &str, value: Value) -> Self {
        self.config[member] = value;
        self
    }

    fn context(mut self, member: &str, value: Value) -> Self {
        self.context[member] = value;
        self
    }

    /// What the context's `got` is at the end.
    fn gets(mut self, got: Value) -> Self {
        self.got = json!({ "is": got });
        self
    }

    fn fails(mut self, code: &'static str) -> Self {
        (self.status, self.code, self.got) = ("post_install_error", Some(code), Value::Null);
        self
    }

    /// A part of the reason's message.
    fn says(mut self, words: &'static str) -> Self {
        self.says = words;
        self
    }

    fn sees<S: Into<String>>(mut self, requests: impl IntoIterator<Item = S>) -> Self {
        self.saw = Some(requests.into_iter().map(Into::into).collect());
        self
    }

    /// So many requests, all alike.
    fn times(self, count: usize, request: &str) -> Self {
        self.sees(vec![request; count])
    }

    fn id(number: usize) -> String {
        format!("5b1f0d52-0000-4000-8000-{number:012}")
    }

    fn integration(&self, number: usize, upstream: &Upstream) -> Value {
        let mut config = json!({
            "label": self.name,
            "base_url": upstream.url(self.name),
            "credentials": { "api_key": {
                "format": "api_key",
                "config": { "fields": [{ "name": "api_key", "type": "password", "required": true }] },
            } },
        });
        config.as_object_mut().unwrap().extend(self.config.as_object().cloned().unwrap());
        json!({ "id": Self::id(1000 + number), "name": self.name, "category": "test", "config": config })
    }

    /// What is wrong with the account, if anything is.
    fn differs(&self, account: &Value, upstream: &Upstream) -> Option<String> {
        let (reason, got, saw) = (&account["reason"], &account["context"]["got"], upstream.saw(self.name));
        let good = account["status"] == self.status
            && reason["code"].as_str() == self.code
            && *got == self.got
            && account["last_error"].as_str().unwrap_or_default().contains(self.says)
            && self.saw.as_ref().is_none_or(|expected| *expected == saw);
        let expected = (self.status, self.code, self.says, self.got.to_string(), &self.saw);
        let found = (&account["status"], &reason["code"], &account["last_error"], got.to_string(), saw);
        (!good).then(|| format!("{}\n  expected {expected:?}\n  found    {found:?}", self.name))
    }
}

fn keep(expression: &str) -> Value {
    json!({ "type": "update_context", "config": { "expression": expression } })
}

/// Runs all cases at once and fails with every one that came to something else.
#[track_caller]
fn play(cases: &[Case]) -> (Upstream, Worker, Place) {
    let upstream = Upstream::start();
    // Few attempts and short waits; one provider stands for many here, so nothing that fails concerns the others.
    let place = Place::offline_with(&[
        "retry.attempts = 2",
        "circuit.failures = 0",
        "limits.max_wait_ms = 3000",
        "limits.request_timeout_ms = 20000",
    ]);
    let mut installs = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let integration = case.integration(number, &upstream);
        place.scratch.write(&format!("integrations/{}.json", case.name), integration.to_string());
        installs.push(json!({ "id": Case::id(number), "integration": case.name, "is_enabled": true }));
    }
    let environment = json!({ "id": Case::id(9999), "name": "engine" });
    let document = json!({ "environment": environment, "installs": installs });
    place.scratch.write("installs/engine.json", document.to_string());
    let worker = place.worker();
    let ids: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(number, case)| {
            let mut body = crate::support::api_key(case.name, &case.context);
            assert_eq!(body["environment_integration_id"], INSTALL);
            body["environment_integration_id"] = json!(Case::id(number));
            post(worker.api, &[], &body).with(201)["id"].clone()
        })
        .collect();
    let wrong: Vec<String> = cases
        .iter()
        .zip(&ids)
        .filter_map(|(case, id)| case.differs(&worker.settled(id.as_str().unwrap()), &upstream))
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    (upstream, worker, place)
}

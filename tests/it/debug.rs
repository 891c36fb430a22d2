//! No `Debug` output shows a secret: whatever is printed in a panic or a log line by mistake.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tidewaiter::accounts::{Ended, FastLane, ImportRequest, Opened, Started};
use tidewaiter::actions::{AccountFacts, Input, Limits, Output, Start, Stepper, Tick};
use tidewaiter::broker::{Arrival, Broker, Outgoing, Properties, Publisher};
use tidewaiter::config::{Settings, Sources};
use tidewaiter::credentials::grant::NewToken;
use tidewaiter::credentials::{Redactor, SecretPaths};
use tidewaiter::definitions::{DefinitionSet, Effective, Install, Integration, Plan};
use tidewaiter::expression::{Encoding, Expression, Scope, Template, Text};
use tidewaiter::intake::{Delivery, Envelope};
use tidewaiter::lifecycle::{AuthenticationMethod, Ending, Phase, Region, RetryPolicy, Task};
use tidewaiter::store::{Claimed, Run};
use tidewaiter::upstream::{Request, Response};
use uuid::Uuid;

use super::store_conformance::rows::{accept, object};

const CANARY: &str = "k4n4ry";

fn secret() -> Map<String, Value> {
    object(json!({ "api_key": CANARY, "oauth": { "token": { "access_token": CANARY } } }))
}

fn shows_nothing(what: &str, shown: &impl std::fmt::Debug) {
    for text in [format!("{shown:?}"), format!("{shown:#?}")] {
        let bytes: Vec<String> = CANARY.bytes().map(|byte| byte.to_string()).collect();
        assert!(!text.contains(CANARY), "{what}: {text}");
        let lists = [bytes.join(", "), bytes.join(",\n        "), bytes.join(",\n    ")];
        assert!(!lists.iter().any(|list| text.contains(list)), "{what}: {text}");
    }
}

#[test]
fn requests_on_their_way_in_show_no_secret() {
    let body = Value::Object(secret());
    shows_nothing("Delivery", &Delivery { bytes: body.to_string().into_bytes(), ..Delivery::default() });
    shows_nothing("Envelope", &Envelope::bare(body));
    let request = ImportRequest {
        tenant_id: "acme-1".to_owned(),
        install: Uuid::nil(),
        authentication_method: AuthenticationMethod::ApiKey,
        region: Region::Eu,
        is_sandbox: false,
        context: secret(),
    };
    shows_nothing("ImportRequest", &request);
}

#[test]
fn runs_show_no_secret() {
    let accepted = accept();
    let run = Run {
        id: accepted.run.id,
        account: accepted.account.id,
        cause: accepted.run.cause,
        task: Task::Phases(Phase::PostInstall),
        fence: 1,
        definition: accepted.run.definition,
        progress: None,
        correlation_id: None,
        traceparent: None,
    };
    let claimed = Claimed { run, account: accepted.account, credential: accepted.credential, elapsed_ms: 0 };
    let (lane, _runs) = FastLane::new(Uuid::nil(), vec![Region::Eu], 1, 1);
    let opened = Opened { context: secret(), redactor: Redactor::new(&secret(), &[], &SecretPaths::of(None)) };
    shows_nothing("Started", &Started { claimed, opened: Some(opened), slot: lane.try_slot().unwrap() });
    let ended =
        Ended { ending: Ending::Succeeded, reason: None, writes: secret(), trace: String::new(), progress: None };
    shows_nothing("Ended", &ended);
    shows_nothing("NewToken", &NewToken(secret()));
    shows_nothing("Redactor", &Redactor::new(&secret(), &[CANARY.to_owned()], &SecretPaths::of(None)));
}

fn definition() -> Integration {
    let step = json!({ "type": "request", "config": {
        "method": "POST", "path": format!("/{CANARY}"), "headers": { "x-key": CANARY }, "body": { "key": CANARY },
        "query": { "key": CANARY }, "error_expression": format!("'{CANARY}'"),
        "authorization": { "format": "header", "config": { "header_name": "x-auth", "header_value": CANARY } },
    } });
    let credentials = json!({ "format": "api_key", "config": {
        "fields": [{ "name": "api_key", "type": "password", "default": CANARY }],
    } });
    let config = json!({
        "base_url": "https://api.example.test", "credentials": { "api_key": credentials },
        "actions": { "post_install": { "steps": [step] } },
    });
    Integration::parse(&json!({ "id": Uuid::nil(), "name": "acme", "config": config })).unwrap()
}

#[test]
fn definitions_show_no_secret() {
    let integration = definition();
    let install = Install {
        id: Uuid::nil(),
        environment_id: Uuid::nil(),
        integration: "acme".to_owned(),
        is_enabled: true,
        overrides: object(json!({ "secret_environment_variables": { "CLIENT_SECRET": CANARY } })),
    };
    let effective = Effective::merge(&integration, &install);
    let plan = Plan::compile(&effective).unwrap();
    shows_nothing("Integration", &integration);
    shows_nothing("Install", &install);
    shows_nothing("Effective", &effective);
    shows_nothing("Plan", &plan);
    for (_, credential) in &plan.credentials {
        shows_nothing("CredentialPlan", credential);
    }
    for action in [&plan.post_install, &plan.validation] {
        shows_nothing("Action", action);
    }
    let set = DefinitionSet { integrations: vec![integration], installs: vec![install], ..DefinitionSet::default() };
    shows_nothing("DefinitionSet", &set);
    shows_nothing("Template", &Template::compile(&json!({ "key": CANARY, "other": "{{api_key}}" })).unwrap());
    shows_nothing("Text", &Text::compile(&format!("Bearer {CANARY}"), Encoding::None).unwrap());
    shows_nothing("Expression", &Expression::compile(&format!("'{CANARY}'")).unwrap());
    shows_nothing("Scope", &Scope::new(secret(), 0, 0));
}

#[test]
fn a_stepper_and_what_goes_in_and_out_of_it_show_no_secret() {
    let plan = Plan::compile(&Effective::of(&definition())).unwrap();
    let start = Start {
        plan: Arc::new(plan),
        run_id: Uuid::nil(),
        account: AccountFacts {
            id: Uuid::nil(),
            tenant_id: "acme-1".to_owned(),
            region: Region::Eu,
            is_sandbox: false,
            authentication_method: AuthenticationMethod::ApiKey,
        },
        context: secret().into(),
        task: Task::Phases(Phase::PostInstall),
        progress: None,
        seed: 0,
        retry: RetryPolicy::default(),
        limits: Limits::default(),
        refreshable: false,
        proven: false,
    };
    let mut stepper = Stepper::new(start);
    let tick = Tick { now_ms: 0, active_ms: 0, jitter: 0 };
    let saved = stepper.next(Input::Begin, tick);
    assert!(matches!(saved, Output::Save), "{saved:?}");
    let sent = stepper.next(Input::Saved, tick);
    assert!(matches!(&sent, Output::Send(request) if request.url.contains(CANARY)), "{sent:?}");
    shows_nothing("Output", &sent);
    shows_nothing("Stepper", &stepper);
    shows_nothing("Progress", &stepper.progress());
    shows_nothing("Input", &Input::Refreshed { context: secret() });
    let headers = vec![("authorization".to_owned(), CANARY.to_owned())];
    let (body, url) = (CANARY.as_bytes().to_vec(), format!("https://api.example.test/{CANARY}"));
    let response = Response { status: 200, headers: headers.clone(), body: body.clone() };
    shows_nothing("Response", &response);
    shows_nothing("Input", &Input::Answered(response));
    let timeout = Duration::from_secs(1);
    shows_nothing("Request", &Request { method: "GET".to_owned(), url, headers, body: Some(body), timeout });
}

#[test]
fn what_comes_from_the_broker_and_goes_to_it_shows_no_secret() {
    let headers = BTreeMap::from([("authorization".to_owned(), CANARY.into())]);
    let properties = Properties { headers, ..Properties::default() };
    let body = CANARY.as_bytes();
    let outgoing = Outgoing { exchange: "x", routing_key: "y", mandatory: false, properties: properties.clone(), body };
    shows_nothing("Outgoing", &outgoing);
    shows_nothing("Arrival", &Arrival::detached(body.to_vec(), properties));
    let url = format!("amqp://tidewaiter:{CANARY}@127.0.0.1");
    let sources = Sources { environment: vec![("AMQP_URL".into(), url.into())], ..Sources::default() };
    let settings = Settings::load(&sources).unwrap().settings;
    shows_nothing("Settings", &settings);
    let broker = Broker::new(&settings.broker.unwrap()).unwrap();
    shows_nothing("Broker", &broker);
    shows_nothing("Publisher", &Publisher::new(broker, "events"));
}

#[test]
fn settings_show_no_secret() {
    let url = format!("postgres://tidewaiter:{CANARY}@127.0.0.1/tidewaiter");
    let sources = Sources { environment: vec![("DATABASE_URL".into(), url.into())], ..Sources::default() };
    shows_nothing("Sources", &sources);
    let loaded = Settings::load(&sources).unwrap();
    shows_nothing("Loaded", &loaded);
    shows_nothing("Settings", &loaded.settings);
}

//! Secrets stay where they belong: canaries in every credential field, looked for in everything the program says and
//! keeps, also when the provider repeats them and when everything is logged.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::renewal::renewed_by_action;
use crate::support::{INSTALL, Place, Provider, Worker, api_key, envelope, eventually, oauth};

/// Characters that encoders change are part of each canary.
fn canary(name: &str) -> String {
    format!("{name}-cAnArY/+=\"é{}", "0123456789abcdef".repeat(2))
}

/// Every form in which a canary could be told.
fn forms(canary: &str) -> Vec<Vec<u8>> {
    let percent = percent_encoding::utf8_percent_encode(canary, percent_encoding::NON_ALPHANUMERIC).to_string();
    let json = Value::from(canary).to_string();
    let hex = canary.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let list = canary.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    let reversed: String = canary.chars().rev().collect();
    let wide: Vec<u8> = canary.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut forms = vec![
        canary.as_bytes().to_vec(),
        json.trim_matches('"').as_bytes().to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        percent.to_lowercase().into_bytes(),
        percent.into_bytes(),
        list.into_bytes(),
        reversed.into_bytes(),
        wide,
    ];
    for skipped in 0..3 {
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            // The characters that depend on the canary alone.
            let bytes = [vec![0; skipped], canary.as_bytes().to_vec()].concat();
            let text = engine.encode(&bytes);
            forms.push(text.as_bytes()[(skipped * 8).div_ceil(6)..bytes.len() * 8 / 6].to_vec());
        }
    }
    forms
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}

#[track_caller]
fn clean(place: &str, bytes: &[u8], canaries: &[String]) {
    for canary in canaries {
        for form in forms(canary) {
            assert!(!holds(bytes, &form), "{place} holds {canary} as {}", String::from_utf8_lossy(&form));
        }
    }
}

/// Every file of the directory except what a test put there: definitions, configuration, imports.
#[track_caller]
fn clean_files(place: &Place, canaries: &[String]) {
    let mut seen = Vec::new();
    for entry in fs::read_dir(&place.scratch.0).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            seen.push(path.file_name().unwrap().to_string_lossy().into_owned());
            clean(&path.display().to_string(), &fs::read(&path).unwrap(), canaries);
        }
    }
    for file in ["stdout", "stderr", "tidewaiter.db", "tidewaiter.db-wal"] {
        assert!(seen.iter().any(|name| name == file), "{file} was not there to be looked at");
    }
}

/// What the API and the command line say about everything.
#[track_caller]
fn clean_answers(place: &Place, worker: &Worker, canaries: &[String]) {
    for account in place.accounts() {
        let id = account["id"].as_str().unwrap().to_owned();
        for path in [format!("/integrated-account/{id}"), format!("/integrated-account/{id}/events")] {
            clean(&path, worker.get(&path).text.as_bytes(), canaries);
        }
        for verb in [&["accounts", "show", &id][..], &["accounts", "show", &id, "--json"]] {
            let ran = place.run(verb).ended(0);
            clean("accounts show", format!("{}{}", ran.stdout, ran.stderr).as_bytes(), canaries);
        }
    }
    clean("the list", worker.get("/integrated-account").text.as_bytes(), canaries);
    clean("the metrics", crate::support::get(worker.probes, "/metrics").text.as_bytes(), canaries);
    for verb in [&["events", "tail", "--all", "--no-follow", "--json"][..], &["accounts", "list"], &["config", "show"]]
    {
        let ran = place.run(verb).ended(0);
        clean(&verb.join(" "), format!("{}{}", ran.stdout, ran.stderr).as_bytes(), canaries);
    }
}

/// A request whose tokens are canaries; `word` steers the provider.
fn request(word: &str, canaries: &mut Vec<String>) -> Value {
    // A bearer token cannot hold every character.
    let access = format!("{word}-access-{}", canary("t").replace(['"', 'é'], "_"));
    let refresh = format!("{word}-refresh-{}", canary("r"));
    let mut body = oauth("acme", &access);
    body["context"]["oauth"]["token"]["refresh_token"] = json!(refresh);
    body["context"]["password"] = json!(canary(&format!("{word}-password")));
    canaries.extend([access, refresh, canary(&format!("{word}-password"))]);
    body
}

#[test]
fn canaries_are_in_no_log_event_answer_or_file() {
    let provider = Provider::start();
    let place = Place::with(&provider, &["log.filter = \"trace\""]);
    let worker = place.worker();
    let mut canaries = vec!["canary-client-secret".to_owned()];
    let words = ["good", "echo", "expired", "expired-revoked", "no-scope", "flaky1-garbage"];
    for word in words {
        let account = worker.import(&request(word, &mut canaries));
        assert_ne!(account["status"], "connecting");
    }
    let key = format!("echo-{}", canary("key").replace(['"', 'é'], "_"));
    worker.import(&api_key("b", &json!({ "api_key": key, "subdomain": "s" })));
    canaries.push(key);
    // What is refused is kept sealed, and its refusal quotes nothing.
    let mut refused = request("refused", &mut canaries);
    refused["region"] = json!("atlantis");
    let ran = place.import(&[refused.clone(), envelope("m-1", &refused)]).ended(1);
    clean("the import", format!("{}{}", ran.stdout, ran.stderr).as_bytes(), &canaries);
    let answer = crate::support::post(worker.api, &[], &refused);
    clean("the problem", answer.text.as_bytes(), &canaries);
    eventually("everything is published", || (worker.published().len() == 14).then_some(()));
    clean_answers(&place, &worker, &canaries);
    clean_files(&place, &canaries);
    // The provider did repeat them, so that there was something to hide.
    let list = worker.get("/integrated-account?reason=upstream_rejected").with(200);
    assert_eq!(list["result"].as_array().map(Vec::len), Some(2));
    assert!(list.to_string().contains("[redacted]"), "{list}");
    worker.stop();
}

#[test]
fn tokens_that_an_action_brought_are_in_no_log_event_answer_or_file() {
    let provider = Provider::start();
    let place = Place::with(&provider, &["log.filter = \"trace\""]);
    renewed_by_action(&place);
    let worker = place.worker();
    let mut canaries = vec!["canary-client-secret".to_owned()];
    for (word, status) in [("expired", "active"), ("expired-revoked", "needs_reauth")] {
        let mut body = request(word, &mut canaries);
        // A new bearer token is made of it.
        let refresh = format!("{word}-refresh-{}", canary("r").replace(['"', 'é'], "_"));
        body["context"]["oauth"]["token"]["refresh_token"] = json!(refresh);
        canaries.push(refresh);
        assert_eq!(worker.import(&body)["status"], status, "{word}");
    }
    assert_eq!(provider.requests("POST /oauth/token"), 2);
    // What the provider makes the new tokens of.
    canaries.push(canary("r").replace(['"', 'é'], "_"));
    eventually("everything is published", || (worker.published().len() == 4).then_some(()));
    clean_answers(&place, &worker, &canaries);
    clean_files(&place, &canaries);
    worker.stop();
}

#[test]
fn a_definition_that_writes_a_secret_under_a_clear_key_does_not_tell_it() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let file = place.path("integrations/harbour.json");
    let text = fs::read_to_string(&file).unwrap();
    let written = text.replace(
        "{ 'account_id': steps.account.result.id,",
        "{ 'account_id': steps.account.result.id, 'copy': oauth.token.access_token, 'link': 'https://x/?t=' & oauth.token.access_token,",
    );
    assert_ne!(text, written);
    fs::write(&file, written).unwrap();
    let worker = place.worker();
    let token = "good-canary-0123456789abcdef".to_owned();
    let account = worker.import(&oauth("acme", &token));
    assert_eq!(account["status"], "active", "the run itself works with the value: {account}");
    assert!(account["context"].get("copy").is_none() && account["context"].get("link").is_none(), "{account}");
    assert_eq!(account["context"]["plan"], "ENTERPRISE");
    assert_eq!(account["environment_integration_id"], INSTALL);
    eventually("both events are published", || (worker.published().len() == 2).then_some(()));
    let canaries = [token];
    clean_answers(&place, &worker, &canaries);
    clean_files(&place, &canaries);
    worker.stop();
}

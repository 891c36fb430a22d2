//! Replays from the command line: planned, started once, told by account, on both stores, with and without a worker.

use serde_json::{Value, json};
use tidewaiter::app::stub::Faults;

use crate::postgres::Server;
use crate::support::{Place, Provider, Worker, envelope, eventually, oauth, post};

/// Accounts of each cause.
const EACH: usize = 100;

/// Access tokens that make an account fail for good, for lack of a permission, and as long as the provider is down:
/// a run tries five times, the next one succeeds.
const CAUSES: [(&str, &str, &str); 3] = [
    ("bad-post-install", "post_install_error", "upstream_rejected"),
    ("no-scope", "validation_error", "forbidden"),
    ("flaky5", "post_install_error", "upstream_unavailable"),
];

/// Each account fails for itself here; a hundred of them in a row look like a provider that is down.
const NO_CIRCUIT: &str = "circuit.failures = 0";

fn settled(place: &Place) -> Vec<Value> {
    eventually("all accounts settle", || {
        let accounts = place.accounts();
        accounts.iter().all(|account| account["status"] != "connecting").then_some(accounts)
    })
}

/// Fails `each` accounts of each cause.
fn fail(place: &Place, each: usize) -> Worker {
    let worker = place.worker();
    let request = |index: usize| {
        let token = format!("{}-{index}", CAUSES[index % 3].0);
        envelope(&format!("m-{index}"), &oauth(&format!("tenant-{}", index % 7), &token))
    };
    let lines: Vec<Value> = (0..3 * each).map(request).collect();
    place.import(&lines).ended(0);
    assert_eq!(settled(place).len(), 3 * each);
    worker
}

fn ids(accounts: &[Value], code: &str) -> Vec<String> {
    let of = |account: &&Value| account["reason"]["code"] == code;
    accounts.iter().filter(of).map(|account| account["id"].as_str().unwrap().to_owned()).collect()
}

/// The whole story of a replay: what is planned, what is started, what a repetition does.
fn replays_exactly_the_chosen_ones(place: &Place, provider: &Provider, with_worker: bool) {
    let mut worker = Some(fail(place, EACH));
    let before = place.accounts();
    let all = place.run(&["replay", "plan", "--integration", "harbour", "--since", "1h", "--json"]).ended(0).json();
    assert_eq!((&all["eligible"], &all["ineligible"]), (&json!(3 * EACH), &json!(0)));
    for (_, status, reason) in CAUSES {
        let cause = json!({ "status": status, "reason": reason, "accounts": EACH });
        assert!(all["causes"].as_array().unwrap().contains(&cause), "{cause} is not in {all}");
    }
    assert_eq!(all["integrations"], json!([{ "integration": "harbour", "accounts": 3 * EACH }]));
    assert_eq!(all["hosts"], json!([provider.url()]));
    let many = place.run(&["replay", "plan", "--integration", "harbour", "--max", "299"]).ended(2).stderr;
    assert!(many.contains("300 failed accounts match") && many.contains("--max 300"), "{many}");

    let plan = place.run(&["replay", "plan", "--reason", "upstream_unavailable", "--json"]).ended(0).json();
    assert_eq!(plan["eligible"], EACH);
    let plan = plan["plan"].as_str().unwrap();
    if !with_worker {
        worker.take().unwrap().stop();
    }
    let start = ["replay", "start", "--plan", plan, "--json"];
    let first = place.run(&start).ended(0).json();
    assert_eq!((&first["accounts"], &first["started"]), (&json!(EACH), &json!(EACH)));
    assert_eq!((&first["replay"], &first["key"]), (&json!(plan), &json!(plan)));
    let chosen = ids(&before, "upstream_unavailable");
    if !with_worker {
        // Its run waits for a worker: another replay has to wait for it.
        let again = place.run(&["replay", "start", &chosen[0], "--json"]).ended(1).json();
        assert_eq!(again["refusals"], json!([{ "account": chosen[0], "code": "run_in_progress" }]));
        worker = Some(place.worker());
    }

    let after = settled(place);
    for account in &after {
        let is_chosen = chosen.iter().any(|id| account["id"] == **id);
        let expected = if is_chosen { (json!("active"), 4) } else { (account["status"].clone(), 2) };
        assert_eq!((account["status"].clone(), account["sequence"].as_i64().unwrap()), expected, "{account}");
    }
    let second = place.run(&start).ended(0).json();
    assert_eq!((&second["started"], &second["runs"]), (&json!(EACH), &json!({ "succeeded": EACH })));
    assert_eq!(place.accounts(), after, "the same key replays nothing a second time");
    let shown = place.run(&["accounts", "show", &chosen[0]]).ended(0).stdout;
    assert!(shown.contains("replay") && shown.contains("import") && shown.contains("upstream_unavailable"), "{shown}");
    let active = place.run(&["replay", "start", &chosen[0], "--json"]).ended(1).json();
    assert_eq!((&active["started"], &active["refused"]), (&json!(0), &json!({ "not_failed": 1 })));
    worker.unwrap().stop();
}

#[test]
fn a_replay_beside_a_worker_replays_exactly_the_chosen_accounts_once() {
    let provider = Provider::start();
    replays_exactly_the_chosen_ones(&Place::with(&provider, &[NO_CIRCUIT]), &provider, true);
}

#[test]
fn a_replay_without_a_worker_is_performed_by_the_next_one() {
    let provider = Provider::start();
    replays_exactly_the_chosen_ones(&Place::with(&provider, &[NO_CIRCUIT]), &provider, false);
}

#[test]
fn a_replay_on_postgresql_replays_exactly_the_chosen_accounts_once() {
    let Some(server) = Server::start() else { return };
    let provider = Provider::start();
    let place = server.place(|settings| Place::with(&provider, &[settings, &[NO_CIRCUIT]].concat()));
    replays_exactly_the_chosen_ones(&place, &provider, false);
}

#[test]
fn the_same_key_is_the_same_replay_and_no_other_choice_has_it() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    fail(&place, 2).stop();
    let forbidden = ["replay", "start", "--reason", "forbidden", "--key", "once", "--json"];
    let first = place.run(&forbidden).ended(0).json();
    assert_eq!((&first["started"], &first["key"]), (&json!(2), &json!("once")));
    assert_eq!(place.run(&forbidden).ended(0).json(), first);
    let other = place.run(&["replay", "start", "--tenant", "tenant-1", "--key", "once"]).ended(2).stderr;
    assert!(other.contains("`once` belongs to replay"), "{other}");
    let plan = place.run(&["replay", "plan", "--reason", "upstream_rejected", "--json"]).ended(0).json();
    let plan = plan["plan"].as_str().unwrap();
    let taken = place.run(&["replay", "start", "--plan", plan, "--key", "once"]).ended(2).stderr;
    assert!(taken.contains("belongs to replay"), "{taken}");
    place.run(&["replay", "start", "--plan", plan, "--key", "twice"]).ended(0);
    let other = place.run(&["replay", "start", "--plan", plan]).ended(2).stderr;
    assert!(other.contains("under the key `twice`"), "{other}");
}

#[test]
fn an_account_that_changed_after_the_plan_is_left_alone() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = fail(&place, 2);
    let plan = |reason| {
        let plan = place.run(&["replay", "plan", "--reason", reason, "--json"]).ended(0).json();
        plan["plan"].as_str().unwrap().to_owned()
    };
    let (one, other) = (plan("forbidden"), plan("forbidden"));
    place.run(&["replay", "start", "--plan", &one]).ended(0);
    settled(&place);
    let dry = place.run(&["replay", "start", "--plan", &other, "--dry-run", "--json"]).ended(0).json();
    assert_eq!((&dry["eligible"], &dry["reasons"][0]["code"]), (&json!(0), &json!("changed")));
    let late = place.run(&["replay", "start", "--plan", &other, "--json"]).ended(1).json();
    assert_eq!(late["refused"], json!({ "changed": 2 }), "they failed again since, perhaps for another reason");
    assert!(place.accounts().iter().all(|account| account["sequence"].as_i64().unwrap() <= 4));
    worker.stop();
}

#[test]
fn an_unknown_outcome_is_resent_or_skipped_as_the_operator_says() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let file = place.path("integrations/harbour.json");
    let harbour = std::fs::read_to_string(&file).unwrap();
    let harbour = harbour.replace("\"on_unknown\": \"retry\",", "");
    std::fs::write(&file, harbour.replace("steps.validate.result.status = 'ok'", "$exists(steps.validate)")).unwrap();
    let validations = || provider.requests("POST /v1/validate");
    for (word, resent, result) in [("--resend", 1, "success"), ("--skip", 0, "skipped")] {
        let worker = place.worker();
        provider.set_faults(Faults { latency_ms: 3000, ..Faults::default() });
        let before = validations();
        let id = post(worker.api, &[], &oauth(word, "good")).with(201)["id"].as_str().unwrap().to_owned();
        eventually("the validation is under way", || (validations() > before).then_some(()));
        worker.kill();
        provider.set_faults(Faults::default());
        let worker = place.worker();
        assert_eq!(worker.settled(&id)["reason"]["code"], "outcome_unknown");
        let (sent, asked) = (validations(), provider.requests("GET /oauth/userinfo"));
        let left = place.run(&["replay", "start", &id, "--json"]).ended(1).json();
        assert_eq!(left["refused"], json!({ "outcome_unknown": 1 }));
        place.run(&["replay", "start", &id, word, "--json"]).ended(0);
        let account = eventually("the account is active", || {
            let account = worker.get(&format!("/integrated-account/{id}")).with(200);
            (account["status"] == "active").then_some(account)
        });
        assert_eq!(validations() - sent, resent, "{word}");
        assert_eq!(provider.requests("GET /oauth/userinfo"), asked, "what was done is not done again");
        let steps = &account["last_action_result"]["validation"]["steps"];
        assert_eq!((&steps[0]["name"], &steps[0]["status"]), (&json!("validate"), &json!(result)), "{steps}");
        worker.stop();
    }
}

#[test]
fn a_dry_run_keeps_nothing_and_a_choice_has_to_be_made() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    fail(&place, 1).stop();
    let before = place.accounts();
    for verb in ["plan", "start"] {
        let dry = place.run(&["replay", verb, "--reason", "forbidden", "--dry-run", "--json"]).ended(0).json();
        assert_eq!((&dry["eligible"], &dry["plan"]), (&json!(1), &Value::Null));
        let said = place.run(&["replay", verb]).ended(2).stderr;
        assert!(said.contains("nothing says which accounts"), "{said}");
        place.run(&["replay", verb, "--reason", "forbidden", "--resend", "--skip"]).ended(2);
        place.run(&["replay", verb, "--status", "active"]).ended(2);
    }
    let stranger = uuid::Uuid::nil().to_string();
    let unknown = place.run(&["replay", "plan", &stranger, "--json"]).ended(0).json();
    assert_eq!((&unknown["reasons"][0]["code"], &unknown["plan"]), (&json!("unknown_account"), &Value::Null));
    place.run(&["replay", "start", "--plan", &stranger]).ended(2);
    assert_eq!(place.accounts(), before);
}

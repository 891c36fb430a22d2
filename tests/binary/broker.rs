//! Imports from RabbitMQ: what is accepted, what is refused, what is answered.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::shared::raw;
use crate::support::{Mq, Place, Provider, Request, Worker, eventually, oauth, with_id};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The queue of the region that [`oauth`] names.
const EU: &str = "tidewaiter.imports.eu";

fn accepted(worker: &Worker) -> u64 {
    worker.count("tidewaiter_intake_total{channel=\"amqp\",outcome=\"accepted\",reason=\"\"}")
}

fn quarantined(worker: &Worker, code: &str) -> u64 {
    worker.count(&format!("tidewaiter_intake_total{{channel=\"amqp\",outcome=\"quarantined\",reason=\"{code}\"}}"))
}

fn duplicates(worker: &Worker) -> u64 {
    worker.count("tidewaiter_intake_total{channel=\"amqp\",outcome=\"duplicate\",reason=\"\"}")
}

fn replies(worker: &Worker, outcome: &str) -> u64 {
    worker.count(&format!("tidewaiter_replies_total{{outcome=\"{outcome}\"}}"))
}

fn becomes(what: &str, wanted: u64, look: impl Fn() -> u64) {
    eventually(what, || (look() >= wanted).then_some(()));
    assert_eq!(look(), wanted, "{what}");
}

fn readiness(worker: &Worker) -> (u16, Value) {
    let ready = Request { method: "GET", path: "/readyz", headers: &[], body: b"" };
    ready.send(worker.probes).map_or((0, Value::Null), |answer| (answer.status, answer.json()))
}

#[test]
fn a_message_becomes_an_account_whose_events_continue_its_trace_and_its_sender_is_told() {
    let Some(mq) = Mq::make() else { return };
    let provider = Provider::start();
    let place = mq.place(&provider, &[]);
    let worker = place.worker();
    mq.declare("answers", &[]);
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(TRACE.into()));
    let properties = with_id("m-1")
        .with_correlation_id("c-1".into())
        .with_reply_to("answers".into())
        .with_type("integrated_account.import.v1".into())
        .with_content_type("application/json".into())
        .with_headers(headers);
    mq.send(EU, properties.clone(), oauth("acme", "good").to_string());
    let (kind, correlation, account) = mq.reply("answers");
    assert_eq!((kind.as_str(), correlation.as_str()), ("integrated_account.import.accepted", "c-1"));
    assert_eq!((&account["tenant_id"], &account["status"]), (&json!("acme"), &json!("connecting")));
    assert!(!account.to_string().contains("good"), "{account}");
    let id = account["id"].as_str().unwrap();
    assert_eq!(worker.settled(id)["status"], "active");
    let events = worker.get(&format!("/integrated-account/{id}/events")).with(200);
    for event in events["result"].as_array().unwrap() {
        let told = (&event["traceparent"], &event["data"]["cause"]["correlation_id"]);
        assert_eq!(told, (&json!(TRACE), &json!("c-1")));
    }
    assert_eq!(events["result"].as_array().unwrap().len(), 2);

    // The same once more, then with another body.
    mq.send(EU, properties.clone(), oauth("acme", "good").to_string());
    let (kind, _, again) = mq.reply("answers");
    assert_eq!((kind.as_str(), &again["id"]), ("integrated_account.import.duplicate", &account["id"]));
    assert_eq!(again["status"], "active");
    mq.send(EU, properties, oauth("acme", "other").to_string());
    let (kind, _, problem) = mq.reply("answers");
    assert_eq!(
        (kind.as_str(), &problem["reason_code"]),
        ("integrated_account.import.refused", &json!("idempotency_conflict"))
    );
    assert_eq!((&problem["status"], &problem["who_acts"]), (&json!(422), &json!("producer")));
    assert_eq!((accepted(&worker), duplicates(&worker)), (1, 1));
    mq.emptied(EU);
    worker.stop();
    assert_eq!(place.accounts().len(), 1);
}

#[test]
fn a_body_without_a_region_is_for_its_queues_region_and_its_fingerprint_is_its_id() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    let mut body = oauth("acme", "good");
    body.as_object_mut().unwrap().remove("region");
    for _ in 0..2 {
        mq.send("tidewaiter.imports.apac", BasicProperties::default(), body.to_string());
    }
    becomes("the second is a duplicate", 1, || duplicates(&worker));
    let accounts = place.accounts();
    assert_eq!((accounts.len(), &accounts[0]["region"]), (1, &json!("apac")));
    worker.stop();
}

#[test]
fn what_cannot_be_accepted_is_kept_with_its_reason_and_never_delivered_again() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[r#"worker.regions = ["eu"]"#]);
    let worker = place.worker();
    let good = || oauth("acme", "canary-token");
    let (mut elsewhere, mut unknown) = (good(), good());
    elsewhere["region"] = json!("wnam");
    unknown["environment_integration_id"] = json!("b179ad55-0000-4bd4-b7a4-d2c173eee9ae");
    let plain = BasicProperties::default;
    let cases: Vec<(BasicProperties, Vec<u8>, &str)> = vec![
        (plain(), b"".to_vec(), "malformed"),
        (plain(), b"{\"tenant_id\":\"\xff\xfe\"}".to_vec(), "malformed"),
        (plain(), b"{\"a\":1,\"a\":2}".to_vec(), "duplicate_key"),
        (plain(), vec![b' '; (1 << 20) + 1], "too_large"),
        (plain(), [vec![b'['; 65], vec![b']'; 65]].concat(), "too_complex"),
        (plain(), good().to_string().replace("acme", "a\\u0000b").into_bytes(), "bad_character"),
        (plain(), elsewhere.to_string().into_bytes(), "wrong_region"),
        (plain(), unknown.to_string().into_bytes(), "unknown_install"),
        (
            plain().with_type("integrated_account.import.v9".into()),
            good().to_string().into_bytes(),
            "unsupported_version",
        ),
        (plain().with_content_type("text/xml".into()), good().to_string().into_bytes(), "invalid"),
    ];
    for (properties, body, code) in cases {
        let before = quarantined(&worker, code);
        mq.send(EU, properties, body);
        becomes(code, before + 1, || quarantined(&worker, code));
    }
    mq.send(EU, with_id(""), oauth("other-1", "canary-token").to_string());
    mq.send(EU, with_id("a\tb"), oauth("other-2", "canary-token").to_string());
    becomes("ids that cannot be used", 3, || quarantined(&worker, "invalid"));
    mq.emptied(EU);
    becomes("all of them are kept", 12, || worker.count("tidewaiter_quarantine_held"));
    assert_eq!(worker.count("tidewaiter_redelivered_total"), 0);
    assert!(!worker.log().contains("canary-token"), "{}", worker.log());
    worker.stop();
    assert_eq!(place.accounts(), Vec::<Value>::new());
}

#[test]
fn what_the_database_refuses_to_write_is_kept_and_does_not_go_round_in_circles() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    mq.sqlite(
        &place.path("tidewaiter.db"),
        "CREATE TRIGGER refuse BEFORE INSERT ON accounts WHEN NEW.tenant_id = 'cursed' BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    for tenant in ["blessed-1", "cursed", "blessed-2"] {
        mq.send(EU, with_id(tenant), oauth(tenant, "good").to_string());
    }
    becomes("its neighbours are accepted", 2, || accepted(&worker));
    becomes("it is kept", 1, || quarantined(&worker, "not_storable"));
    mq.emptied(EU);
    assert_eq!(worker.count("tidewaiter_redelivered_total"), 0);
    assert!(worker.log().contains("cursed"), "the log names the message: {}", worker.log());
    worker.stop();
}

#[test]
fn a_refusal_is_answered_with_a_problem_document_and_without_values() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    mq.declare("answers", &[]);
    let body = json!({ "tenant_id": 7, "context": { "api_key": "canary-key" } });
    mq.send(EU, with_id("m-1").with_reply_to("answers".into()), body.to_string());
    let (kind, correlation, problem) = mq.reply("answers");
    assert_eq!((kind.as_str(), correlation.as_str()), ("integrated_account.import.refused", "m-1"));
    assert_eq!((&problem["reason_code"], &problem["status"]), (&json!("invalid"), &json!(400)));
    assert_eq!(problem["failures"][0]["pointer"], "/tenant_id");
    assert!(!problem.to_string().contains("canary-key"), "{problem}");
    worker.stop();
}

#[test]
fn a_sender_without_a_queue_of_its_own_is_told_by_direct_reply() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    let told = mq.ask(EU, with_id("m-1"), oauth("acme", "good").to_string());
    assert_eq!(told, "integrated_account.import.accepted");
    becomes("it is sent", 1, || replies(&worker, "sent"));
    worker.stop();
}

#[test]
fn a_reply_that_cannot_go_out_holds_nothing_up() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    mq.send(EU, with_id("m-1").with_reply_to(EU.into()), oauth("a", "good-1").to_string());
    mq.send(EU, with_id("m-2").with_reply_to("tidewaiter.dead".into()), oauth("b", "good-2").to_string());
    mq.send(EU, with_id("m-3").with_reply_to("nobodys-queue".into()), oauth("c", "good-3").to_string());
    becomes("all of them are accepted", 3, || accepted(&worker));
    becomes("two name our own queues", 2, || replies(&worker, "own_queue"));
    becomes("one names no queue", 1, || replies(&worker, "unroutable"));
    mq.emptied(EU);
    assert_eq!(worker.log().matches("one of Tidewaiter's own queues").count(), 1, "{}", worker.log());
    worker.stop();
}

#[test]
fn dead_letters_go_to_the_quarantine_but_for_what_was_accepted_before() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    mq.send(EU, with_id("m-1"), oauth("a", "good-1").to_string());
    becomes("one is accepted", 1, || accepted(&worker));
    // A queue whose messages die at once, and lie among the dead letters then.
    let text = |text: &str| AMQPValue::LongString(text.into());
    let dying = [
        ("x-message-ttl", AMQPValue::LongInt(1)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("tidewaiter.dead")),
        ("x-queue-type", text("classic")),
    ];
    mq.declare("dying", &dying);
    mq.send("dying", with_id("m-1"), oauth("a", "good-1").to_string());
    mq.send("dying", with_id("m-2"), oauth("b", "good-2").to_string());
    mq.send("tidewaiter.dead", BasicProperties::default(), "not even JSON");
    becomes("what was not accepted is kept", 2, || quarantined(&worker, "delivery_limit_exceeded"));
    becomes("what was accepted is only counted", 1, || duplicates(&worker));
    mq.emptied("tidewaiter.dead");
    assert_eq!(accepted(&worker), 1);
    worker.stop();
}

#[test]
fn a_dead_letter_with_a_forged_history_is_kept_under_a_name_that_every_database_takes() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    let mut death = FieldTable::default();
    death.insert("reason".into(), AMQPValue::LongString("rejected".into()));
    death.insert("queue".into(), AMQPValue::LongString("for\0ged\n".into()));
    let mut headers = FieldTable::default();
    headers.insert("x-death".into(), AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()));
    mq.send("tidewaiter.dead", with_id("m-1").with_headers(headers), "not even JSON");
    becomes("it is kept", 1, || quarantined(&worker, "delivery_limit_exceeded"));
    let listed = place.run(&["quarantine", "list", "--json"]).ended(0).stdout;
    let row: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!(row["queue"], "forged");
    mq.emptied("tidewaiter.dead");
    worker.stop();
}

#[test]
fn a_dead_letter_that_nobody_can_read_raises_an_alarm_until_it_is_taken_away_and_holds_up_nothing_else() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    raw::publish(&mq.vhost.url(), "tidewaiter.dead", b"id-\xff\xfe", b"{}").unwrap();
    becomes("the alarm is raised", 1, || worker.count("tidewaiter_dead_letters_stuck"));
    eventually("the log says what to do", || worker.log().contains("rabbitmqadmin get").then_some(()));
    mq.send(EU, with_id("m-1"), oauth("a", "good-1").to_string());
    becomes("imports go on", 1, || accepted(&worker));
    assert_eq!(readiness(&worker).0, 200);
    mq.delete("tidewaiter.dead");
    eventually("the alarm ends", || (worker.count("tidewaiter_dead_letters_stuck") == 0).then_some(()));
    worker.stop();
}

#[test]
fn one_queue_for_all_regions_works_without_any_exchange() {
    let Some(mq) = Mq::make() else { return };
    let bare = [
        r#"broker.imports_queue = "bare""#,
        r#"broker.imports_exchange = """#,
        r#"broker.default_exchange = """#,
        r#"broker.dead_queue = """#,
        r#"broker.events_exchange = """#,
        r#"broker.default_region = "enam""#,
        "broker.declare = false",
    ];
    mq.declare("bare", &[]);
    let place = mq.place(&Provider::start(), &bare);
    // As a whole, since the place's own settings name a key once more.
    let config = std::fs::read_to_string(&place.config).unwrap().replace("broker.declare = true\n", "");
    place.scratch.write("tidewaiter.toml", config);
    let worker = place.worker();
    let mut body = oauth("a", "good-1");
    mq.send("bare", BasicProperties::default(), body.to_string());
    body.as_object_mut().unwrap().remove("region");
    mq.send("bare", BasicProperties::default(), body.to_string());
    becomes("both are accepted", 2, || accepted(&worker));
    let mut regions: Vec<_> = place.accounts().iter().map(|account| account["region"].to_string()).collect();
    regions.sort();
    assert_eq!(regions, ["\"enam\"", "\"eu\""]);
    worker.stop();
}

#[test]
fn a_connection_that_is_closed_is_made_anew_and_nothing_is_lost() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    mq.send(EU, with_id("m-1"), oauth("a", "good-1").to_string());
    becomes("one is accepted", 1, || accepted(&worker));
    mq.vhost.close_connections("tidewaiter");
    mq.send(EU, with_id("m-2"), oauth("b", "good-2").to_string());
    becomes("the next one is accepted", 2, || accepted(&worker));
    eventually("the worker is ready", || (readiness(&worker).0 == 200).then_some(()));
    worker.stop();
}

#[test]
fn a_worker_that_is_stopped_leaves_what_it_has_not_accepted_in_the_queue() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let mut worker = place.worker();
    for number in 0..300 {
        mq.send(EU, with_id(&format!("m-{number}")), oauth("a", &format!("good-{number}")).to_string());
    }
    worker.ask_to_stop();
    let (status, _) = worker.ended();
    assert_eq!(status.code(), Some(0), "{}", worker.log());
    let (left, _) = mq.count(EU);
    let accounts = place.accounts().len();
    let again =
        (accounts + left as usize).checked_sub(300).unwrap_or_else(|| panic!("{accounts} accepted, {left} left"));
    let next = place.worker();
    eventually("all are accepted", || (place.accounts().len() == 300).then_some(()));
    // A quorum queue that is behind with acknowledgements when their channel closes forgets them now and then.
    assert!(duplicates(&next) <= again as u64, "{} came again", duplicates(&next));
    assert!(again < 64, "{again} of those in hand were not acknowledged");
    next.stop();
}

#[test]
fn a_worker_starts_without_its_broker_and_says_which_queue_it_misses() {
    let broker = "broker.url = \"amqp://guest:canary-password@127.0.0.1:1/vhost\"";
    let provider = Provider::start();
    let place = Place::with(&provider, &[broker, r#"events.sink = "stdout""#]);
    let worker = Worker::spawn(&place);
    eventually("it is up but for its broker", || {
        let (status, told) = readiness(&worker);
        let up = (&told["worker"], &told["database"]) == (&json!("ok"), &json!("ok"));
        (status == 503 && up && told["intake"].as_str()?.contains(EU)).then_some(())
    });
    assert_eq!(worker.import(&oauth("a", "good"))["status"], "active", "what needs no broker goes on");
    assert!(!worker.log().contains("canary-password"), "{}", worker.log());
    worker.stop();
}

/// Libraries read and drop such a header by recursion, to the end of the stack and of the process.
#[test]
fn headers_that_nest_as_deep_as_a_frame_allows_are_no_worse_than_others() {
    let Some(mq) = Mq::make() else { return };
    let provider = Provider::start();
    let place = mq.place(&provider, &[]);
    let worker = place.worker();
    let body = oauth("acme", "good").to_string();
    raw::publish_nested(&mq.vhost.url(), EU, 26_000, body.as_bytes()).unwrap();
    becomes("the deep one is accepted", 1, || accepted(&worker));
    raw::publish_nested(&mq.vhost.url(), "tidewaiter.dead", 26_000, body.as_bytes()).unwrap();
    becomes("a dead one is recognised", 1, || duplicates(&worker));
}

#[test]
fn a_ca_file_that_cannot_be_read_is_bad_input() {
    let broker = "broker.url = \"amqps://guest:guest@127.0.0.1:1/vhost\"";
    let settings = [broker, r#"broker.ca_file = "missing.pem""#, r#"events.sink = "stdout""#];
    let place = Place::with(&Provider::start(), &settings);
    let said = place.run(&["run"]).ended(2).stderr;
    assert!(said.contains("missing.pem"), "{said}");
}

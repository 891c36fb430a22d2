//! `tidewaiter import` where a broker is configured.

use serde_json::json;

use crate::support::{Mq, Provider, envelope, eventually, oauth};

#[test]
fn lines_are_checked_published_and_accepted_by_a_worker_and_the_same_file_imports_nothing_twice() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let worker = place.worker();
    let text = format!("{}\n{}\n{{\n[]\n", envelope("m-1", &oauth("a", "good-1")), oauth("b", "good-2"));
    for time in 0..2 {
        let told = place.import_bytes(text.as_bytes()).ended(1).json();
        assert_eq!(
            (&told["lines"], &told["published"], &told["accepted"]),
            (&json!(4), &json!(2), &json!(0)),
            "{time}"
        );
        assert_eq!((&told["refused"][0]["line"], &told["refused"][0]["code"]), (&json!(3), &json!("malformed")));
        assert_eq!(told["refused"][1]["line"], 4);
    }
    let series = "tidewaiter_intake_total{channel=\"amqp\",outcome=\"duplicate\",reason=\"\"}";
    eventually("the second time both are duplicates", || (worker.count(series) >= 2).then_some(()));
    assert_eq!(place.accounts().len(), 2);
    assert_eq!(worker.count("tidewaiter_quarantine_held"), 0);
    worker.stop();
}

#[test]
fn a_line_that_no_queue_takes_is_refused_and_says_so() {
    let Some(mq) = Mq::make() else { return };
    // The exchange is there, and nothing is bound to it.
    let place = mq.place(&Provider::start(), &[r#"broker.imports_exchange = "amq.direct""#]);
    let config = std::fs::read_to_string(&place.config).unwrap();
    assert!(config.contains("amq.direct"));
    let ran = place.import(&[oauth("a", "good")]);
    assert_eq!(ran.code, 2, "names of the broker's own are refused: {ran:?}");
    let place = mq.place(&Provider::start(), &[r#"broker.imports_exchange = """#]);
    let told = place.import(&[oauth("a", "good")]).ended(1).json();
    assert_eq!((&told["published"], &told["refused"][0]["code"]), (&json!(0), &json!("unroutable")));
    assert!(told["refused"][0]["message"].as_str().unwrap().contains("tidewaiter.imports.eu"), "{told}");
}

#[test]
fn an_import_may_go_straight_into_the_database() {
    let Some(mq) = Mq::make() else { return };
    let place = mq.place(&Provider::start(), &[]);
    let file = place.scratch.write("in", oauth("a", "good").to_string());
    let told = place.run(&["import", file.to_str().unwrap(), "--direct", "--json"]).ended(0).json();
    assert_eq!((&told["accepted"], &told["published"]), (&json!(1), &json!(0)));
    assert_eq!(place.accounts().len(), 1);
}

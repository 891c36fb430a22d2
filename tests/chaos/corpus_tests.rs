//! The corpus: its shares, its kinds, and that a seed repeats it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::corpus::{Channel, Corpus, SERVED};
use crate::ledger::Expect;
use crate::malformed::{PROPERTIES, ways};
use crate::markers::CANARY;

const NOW: i64 = 1_795_514_400_000;

fn make(seed: u64, count: usize, base_ms: i64) -> Corpus {
    crate::corpus::make(Channel::File, seed, count, base_ms)
}

#[test]
fn five_thousand_lines_have_the_stated_shares() {
    let corpus = make(1, 5000, NOW);
    let count = |test: fn(&Expect) -> bool| corpus.ledger.entries.iter().filter(|entry| test(&entry.expect)).count();
    assert_eq!(corpus.lines.len(), 5000);
    assert_eq!(count(|expect| *expect == Expect::Duplicate), 250);
    assert_eq!(count(|expect| *expect == Expect::Conflict), 50);
    assert_eq!(count(|expect| matches!(expect, Expect::Refused(_))), 100);
    let mut endings = BTreeMap::<_, usize>::new();
    for entry in corpus.ledger.entries.iter().filter(|entry| entry.expect == Expect::Account) {
        *endings.entry(entry.ending).or_default() += 1;
    }
    assert_eq!(endings.len(), 4, "every terminal status is wanted: {endings:?}");
    assert!(endings.values().all(|count| *count > 50), "{endings:?}");
}

#[test]
fn a_seed_and_a_time_repeat_the_same_bytes() {
    assert_eq!(make(5, 400, NOW).text(), make(5, 400, NOW).text());
    assert_ne!(make(5, 400, NOW).text(), make(6, 400, NOW).text());
}

#[test]
fn all_ways_to_be_malformed_occur() {
    for (channel, count) in [(Channel::File, 10), (Channel::Broker, 13)] {
        let corpus = crate::corpus::make(channel, 2, 700, NOW);
        assert_eq!(ways(channel).len(), count);
        for way in ways(channel) {
            let entry = corpus.ledger.entries.iter().find(|entry| entry.kind == way.name).expect(way.name);
            assert_eq!(entry.expect, way.expect);
        }
    }
}

#[test]
fn a_message_for_the_broker_is_a_body_with_properties() {
    let corpus = crate::corpus::make(Channel::Broker, 3, 1000, NOW);
    let mut without_region = 0;
    for (entry, line) in corpus.ledger.entries.iter().zip(&corpus.lines) {
        let message: Value = serde_json::from_str(line).unwrap();
        assert_eq!(message["number"], entry.line);
        assert_eq!(message["routing_key"], entry.region);
        assert_eq!(message["properties"]["message_id"], entry.message_id.as_str());
        assert!(message["properties"]["timestamp"].as_i64().unwrap().abs_diff(NOW / 1000) <= 1);
        let other =
            message["properties"].as_object().unwrap().keys().any(|key| key == "type" || key == "message_id_hex");
        assert_eq!(other, [PROPERTIES[0].name, PROPERTIES[2].name].contains(&entry.kind));
        assert_eq!(SERVED.contains(&entry.region), entry.kind != "a region not served");
        if entry.expect == Expect::Account {
            let body: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
            assert_eq!(body["tenant_id"], entry.tenant.as_str());
            without_region += usize::from(body.get("region").is_none());
        }
    }
    assert!((150..350).contains(&without_region), "{without_region}");
    assert_eq!(corpus.ledger.entries.iter().filter(|entry| entry.kind == "a region not served").count(), 10);
}

#[test]
fn a_malformed_line_is_what_its_name_says() {
    let corpus = make(2, 500, NOW);
    let line = |kind: &str| {
        let entry = corpus.ledger.entries.iter().find(|entry| entry.kind == kind).unwrap();
        corpus.lines[entry.line - 1].as_str()
    };
    for kind in ["not JSON", "truncated"] {
        assert!(serde_json::from_str::<Value>(line(kind)).is_err(), "{kind}");
    }
    assert!(line("an array").starts_with('['));
    assert_eq!(line("a key twice").matches("\"tenant_id\"").count(), 2);
    assert!(line("NUL in the tenant").contains("\\u0000"));
    assert!(line("nested too deep").matches('[').count() > 64);
    assert!(line("an unsafe number").contains("9007199254740993"));
    assert!(corpus.lines.iter().all(|line| !line.contains('\n')), "a line is a line");
}

#[test]
fn a_duplicate_says_what_its_original_said_and_a_conflict_does_not() {
    let corpus = make(3, 1000, NOW);
    let parsed = |line: usize| serde_json::from_str::<Value>(&corpus.lines[line - 1]).unwrap();
    let mut reordered = 0;
    for entry in &corpus.ledger.entries {
        let mut earlier = corpus.ledger.entries[..entry.line - 1].iter().filter(|e| e.message_id == entry.message_id);
        let original = earlier.find(|e| e.expect == Expect::Account);
        match entry.expect {
            Expect::Duplicate => {
                let original = original.expect("an earlier line").line;
                assert_eq!(parsed(original), parsed(entry.line), "the order of keys is of no meaning");
                reordered += usize::from(corpus.lines[original - 1] != corpus.lines[entry.line - 1]);
            }
            Expect::Conflict => {
                assert_ne!(parsed(original.expect("an earlier line").line)["body"], parsed(entry.line)["body"]);
            }
            Expect::Account | Expect::Refused(_) | Expect::Unreadable => {
                assert!(original.is_none(), "line {} is new", entry.line);
            }
        }
    }
    assert!(reordered > 10, "some duplicates have other bytes: {reordered}");
}

#[test]
fn no_canary_is_used_by_two_bodies() {
    let corpus = make(4, 1000, NOW);
    let mut seen = BTreeSet::new();
    for entry in corpus.ledger.entries.iter().filter(|entry| entry.expect != Expect::Duplicate) {
        for (at, _) in corpus.lines[entry.line - 1].match_indices(CANARY) {
            if let Some(found) = corpus.lines[entry.line - 1].get(at..at + 28) {
                assert!(seen.insert(found.to_owned()), "line {}", entry.line);
            }
        }
    }
    assert!(seen.len() > 1800, "two for each good line: {}", seen.len());
}

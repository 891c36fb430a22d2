//! Broken streams of events: lost, reordered, renumbered, rewritten, impossible.

use serde_json::{Value, json};

use super::{any_account, caught, drop_event, rewrite, untorn};
use crate::judge::Rule;
use crate::judge::tests::forged::{edit, receipts};

#[test]
fn a_lost_last_event_is_caught() {
    caught(Rule::Sequence, |history, rng| {
        untorn(history);
        let account = any_account(history, rng);
        drop_event(history, &account, 2);
    });
}

#[test]
fn a_lost_first_event_is_caught() {
    let said = caught(Rule::Sequence, |history, rng| {
        untorn(history);
        let account = any_account(history, rng);
        drop_event(history, &account, 1);
    });
    assert!(said[0].sentence.contains("has a gap: event 1 is missing, event 2 was received."), "{}", said[0]);
}

#[test]
fn an_account_whose_every_event_is_lost_is_caught() {
    caught(Rule::Sequence, |history, rng| {
        untorn(history);
        let account = any_account(history, rng);
        drop_event(history, &account, 1);
        drop_event(history, &account, 2);
    });
}

#[test]
fn a_number_left_out_is_caught() {
    caught(Rule::Sequence, |history, rng| {
        untorn(history);
        let account = any_account(history, rng);
        rewrite(history, &account, 2, |event| {
            event["data"]["sequence"] = json!(3);
            event["sequence"] = json!(format!("{:020}", 3));
            event["id"] = json!(event["id"].as_str().unwrap().replace("/2", "/3"));
        });
        history.accounts.iter_mut().find(|row| row.id == account).unwrap().sequence = Some(3);
    });
}

#[test]
fn events_received_in_the_wrong_order_are_caught() {
    caught(Rule::Order, |history, rng| {
        untorn(history);
        let account = any_account(history, rng);
        edit(history, |all| {
            let (first, second) = (receipts(all, &account, 1), receipts(all, &account, 2));
            all.swap(first[0], second[0]);
            let keep = |place: &usize| *place != first[0] && *place != second[0];
            let mut again: Vec<_> = first.iter().chain(&second).copied().filter(keep).collect();
            again.sort_unstable();
            for place in again.into_iter().rev() {
                all.remove(place);
            }
        });
    });
}

#[test]
fn an_event_repeated_with_other_bytes_is_caught() {
    caught(Rule::SameBytes, |history, rng| {
        let account = any_account(history, rng);
        edit(history, |all| {
            let place = receipts(all, &account, 2)[0];
            let changed = String::from_utf8_lossy(&all[place]).replace("10:00:00.000Z", "10:00:00.001Z");
            all.push(changed.into_bytes());
        });
    });
}

#[test]
fn a_transition_that_cannot_happen_is_caught() {
    caught(Rule::Transition, |history, rng| {
        untorn(history);
        let account = any_account(history, rng);
        rewrite(history, &account, 2, |event| {
            event["type"] = json!("integrated_account.reactivated");
            event["data"]["event"] = json!("integrated_account:reactivated");
        });
    });
}

#[test]
fn a_transition_that_does_not_begin_where_the_last_one_ended_is_caught() {
    let said = caught(Rule::Transition, |history, _| {
        untorn(history);
        // From `active` to `validation_error` is legal in itself, but the account was connecting.
        let account = history.accounts.iter().find(|row| row.status == "validation_error").unwrap().id.clone();
        rewrite(history, &account, 2, |event| event["data"]["previous_status"] = json!("active"));
    });
    assert!(said[0].sentence.contains("begins at Some(\"active\"), but the one before ended at"), "{}", said[0]);
}

#[test]
fn a_first_event_other_than_created_is_caught() {
    caught(Rule::Transition, |history, rng| {
        untorn(history);
        let account = any_account(history, rng);
        rewrite(history, &account, 1, |event| {
            event["type"] = json!("integrated_account.updated");
            event["data"]["event"] = json!("integrated_account:updated");
            event["data"]["previous_status"] = json!("active");
        });
    });
}

#[test]
fn an_envelope_that_contradicts_itself_or_its_import_is_caught() {
    let spoilers: [(&str, Value); 8] = [
        ("/id", json!("another/2")),
        ("/subject", json!("another")),
        ("/source", json!("/tidewaiter/eu/accounts/another")),
        ("/sequence", json!("2")),
        ("/type", json!("integrated_account.deleted")),
        ("/data/cause/correlation_id", json!("another")),
        ("/data/account/tenant_id", json!("another")),
        ("/data/reason", Value::Null),
    ];
    for (pointer, value) in spoilers {
        caught(Rule::Envelope, |history, _| {
            untorn(history);
            let account = history.accounts.iter().find(|row| row.status == "validation_error").unwrap().id.clone();
            rewrite(history, &account, 2, |event| *event.pointer_mut(pointer).unwrap() = value.clone());
        });
    }
}

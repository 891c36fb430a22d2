//! Broken runs with a broker: messages lost on their way, wrong rows in the quarantine, events that differ from their
//! properties, queues that are not empty.

use super::{caught_in, drop_event};
use crate::history::{Brokered, History, QuarantineRow, Receipt};
use crate::judge::tests::forged::{clean_brokered, received};
use crate::judge::{Rule, Violation};
use crate::ledger::Expect;
use crate::rng::Rng;

fn caught(rule: Rule, mutate: impl Fn(&mut Brokered, &mut Rng)) -> Vec<Violation> {
    caught_whole(rule, |history, rng| mutate(history.brokered.as_mut().unwrap(), rng))
}

fn caught_whole(rule: Rule, mutate: impl Fn(&mut History, &mut Rng)) -> Vec<Violation> {
    caught_in(|seed| clean_brokered(seed, 200), rule, mutate)
}

/// Among messages of which none is unreadable.
fn caught_among_readable(rule: Rule, mutate: impl Fn(&mut Brokered)) {
    caught_in(|seed| clean_brokered(seed, 100), rule, |history, _| mutate(history.brokered.as_mut().unwrap()));
}

#[test]
fn a_message_that_was_never_confirmed_is_caught() {
    caught(Rule::Confirmed, |brokered, _| {
        brokered.confirmed.remove(10);
    });
}

#[test]
fn a_confirmed_message_that_made_no_account_is_caught() {
    let said = caught_whole(Rule::OneAccount, |history, rng| {
        let place = rng.below(history.accounts.len());
        let row = history.accounts.remove(place);
        drop_event(history, &row.id, 1);
        drop_event(history, &row.id, 2);
        received(history);
    });
    assert!(said[0].sentence.contains("has no account"), "{}", said[0]);
}

#[test]
fn a_second_account_of_a_message_is_caught() {
    caught_whole(Rule::OneAccount, |history, rng| {
        let mut row = rng.pick(&history.accounts).clone();
        row.id = rng.uuid().to_string();
        history.accounts.push(row);
    });
}

#[test]
fn a_refused_message_that_is_not_in_the_quarantine_is_caught() {
    caught(Rule::Quarantine, |brokered, rng| {
        let place = rng.below(brokered.quarantine.len());
        brokered.quarantine.remove(place);
    });
}

#[test]
fn a_row_of_the_quarantine_with_the_wrong_reason_is_caught() {
    caught(Rule::Quarantine, |brokered, _| "too_large".clone_into(&mut brokered.quarantine[0].reason));
}

#[test]
fn a_row_of_the_quarantine_that_is_there_twice_is_caught() {
    caught(Rule::Quarantine, |brokered, _| brokered.quarantine.push(brokered.quarantine[0].clone()));
}

#[test]
fn a_good_message_in_the_quarantine_is_caught() {
    caught_whole(Rule::Quarantine, |history, _| {
        let good = history.ledger.entries.iter().find(|entry| entry.expect == Expect::Account).unwrap();
        let row = QuarantineRow { message_id: good.message_id.clone(), reason: "delivery_limit_exceeded".to_owned() };
        history.brokered.as_mut().unwrap().quarantine.push(row);
    });
}

#[test]
fn a_row_of_the_quarantine_that_nobody_sent_is_caught() {
    caught(Rule::Quarantine, |brokered, _| {
        brokered.quarantine.push(QuarantineRow { message_id: "another".to_owned(), reason: "malformed".to_owned() });
    });
}

#[test]
fn a_message_left_in_a_queue_is_caught() {
    caught(Rule::Queues, |brokered, _| brokered.queues[0].1 = 1);
}

#[test]
fn dead_letters_that_were_lost_or_not_drained_are_caught() {
    caught(Rule::Queues, |brokered, _| brokered.dead_letters -= 1);
    caught(Rule::Queues, |brokered, _| brokered.dead_letters += 1);
}

#[test]
fn an_alarm_that_is_not_raised_or_has_no_cause_is_caught() {
    caught(Rule::Queues, |brokered, _| brokered.alarm = false);
    caught_among_readable(Rule::Queues, |brokered| brokered.alarm = true);
}

#[test]
fn properties_that_contradict_the_event_are_caught() {
    let spoilers: [fn(&mut Receipt); 8] = [
        |receipt| receipt.routing_key = receipt.routing_key.replace(".eu.", ".wnam."),
        |receipt| receipt.message_id = Some("another/1".to_owned()),
        |receipt| receipt.kind = None,
        |receipt| receipt.correlation_id = None,
        |receipt| receipt.app_id = Some("another".to_owned()),
        |receipt| receipt.content_type = Some("application/json".to_owned()),
        |receipt| receipt.delivery_mode = Some(1),
        |receipt| receipt.timestamp = None,
    ];
    for spoil in spoilers {
        caught(Rule::Properties, |brokered, rng| {
            let place = rng.below(brokered.everything.len());
            spoil(&mut brokered.everything[place]);
        });
    }
}

#[test]
fn an_active_event_that_its_consumer_missed_is_caught() {
    caught(Rule::Binding, |brokered, _| {
        let missed = brokered.active[0].body.clone();
        brokered.active.retain(|receipt| receipt.body != missed);
    });
}

#[test]
fn an_event_that_was_not_asked_for_is_caught() {
    caught(Rule::Binding, |brokered, _| {
        let other = brokered.everything.iter().find(|receipt| receipt.routing_key.contains(".created.")).unwrap();
        brokered.active.push(other.clone());
    });
}

#[test]
fn an_active_event_with_other_bytes_is_caught() {
    caught(Rule::Binding, |brokered, _| {
        let body = brokered.active[0].body.replace("10:00:00.000Z", "10:00:00.001Z");
        brokered.active.push(Receipt { body, ..brokered.active[0].clone() });
    });
}

#[test]
fn events_received_in_the_wrong_order_are_caught() {
    caught_whole(Rule::Order, |history, rng| {
        let account = rng.pick(&history.accounts).id.clone();
        let first = history.brokered.as_ref().unwrap().everything.iter();
        let first = first.filter(|receipt| receipt.message_id.as_deref() == Some(&format!("{account}/1"))).cloned();
        let first: Vec<_> = first.collect();
        drop_event(history, &account, 1);
        history.events.extend(first.iter().flat_map(|receipt| [receipt.body.as_bytes(), b"\n"]).flatten());
        received(history);
    });
}

#[test]
fn a_run_whose_servers_or_connections_were_left_in_peace_is_void() {
    caught_whole(Rule::Void, |history, _| history.faults.broker_kills = 0);
    caught_whole(Rule::Void, |history, _| history.faults.database_kills = 0);
    caught_whole(Rule::Void, |history, _| history.faults.breaks[0].met = 0);
}

#[test]
fn a_delivery_that_is_no_event_is_caught() {
    caught_whole(Rule::Log, |history, _| {
        history.events.extend_from_slice(b"not an event\n");
        history.brokered.as_mut().unwrap().everything.push(Receipt::default());
    });
}

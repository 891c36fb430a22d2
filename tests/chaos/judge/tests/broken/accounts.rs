//! Broken accounts: too many, too few, unfinished, ended in the wrong place.

use serde_json::json;

use super::{any_account, caught, drop_event, rewrite, untorn};
use crate::history::{AccountRow, RowReason};
use crate::judge::Rule;
use crate::judge::tests::forged::{edit, event};
use crate::ledger::Expect;

#[test]
fn an_account_that_no_line_names_is_caught() {
    caught(Rule::Phantom, |history, rng| {
        let mut row = history.accounts[0].clone();
        row.id = rng.uuid().to_string();
        "tenant-of-nobody".clone_into(&mut row.tenant_id);
        history.accounts.push(row);
    });
}

#[test]
fn events_of_an_account_that_does_not_exist_are_caught() {
    caught(Rule::Phantom, |history, rng| {
        let mut row = history.accounts[0].clone();
        row.id = rng.uuid().to_string();
        let event = event(&row, "c", 1, None, "connecting", "created");
        edit(history, |all| all.push(format!("{event}\n").into_bytes()));
    });
}

#[test]
fn a_second_account_of_a_message_is_caught() {
    caught(Rule::OneAccount, |history, rng| {
        let mut row = rng.pick(&history.accounts).clone();
        row.id = rng.uuid().to_string();
        history.accounts.push(row);
    });
}

#[test]
fn an_account_made_of_a_conflicting_body_is_caught() {
    caught(Rule::OneAccount, |history, rng| {
        let conflict = history.ledger.entries.iter().find(|entry| entry.expect == Expect::Conflict).unwrap();
        let row = history.accounts[0].clone();
        history.accounts.push(AccountRow { id: rng.uuid().to_string(), tenant_id: conflict.tenant.clone(), ..row });
    });
}

#[test]
fn an_account_made_of_a_line_to_be_refused_is_caught() {
    caught(Rule::OneAccount, |history, rng| {
        let bad = history.ledger.entries.iter().find(|entry| matches!(entry.expect, Expect::Refused(_))).unwrap();
        let row = history.accounts[0].clone();
        history.accounts.push(AccountRow { id: rng.uuid().to_string(), tenant_id: bad.tenant.clone(), ..row });
    });
}

#[test]
fn a_message_without_an_account_is_caught() {
    caught(Rule::OneAccount, |history, rng| {
        untorn(history);
        let place = rng.below(history.accounts.len());
        let row = history.accounts.remove(place);
        drop_event(history, &row.id, 1);
        drop_event(history, &row.id, 2);
    });
}

#[test]
fn a_row_that_disagrees_with_its_last_event_is_caught() {
    caught(Rule::Row, |history, _| {
        untorn(history);
        let account = history.accounts.iter().find(|row| row.status == "active").unwrap().id.clone();
        rewrite(history, &account, 2, |event| {
            event["type"] = json!("integrated_account.validation_error");
            event["data"]["event"] = json!("integrated_account:validation_error");
            event["data"]["status"] = json!("validation_error");
            event["data"]["reason"] = json!({ "code": "forbidden" });
        });
    });
}

#[test]
fn an_event_beyond_the_rows_sequence_is_caught() {
    caught(Rule::Row, |history, rng| {
        let place = rng.below(history.accounts.len());
        history.accounts[place].sequence = Some(1);
    });
}

#[test]
fn an_account_left_connecting_is_caught() {
    caught(Rule::Connecting, |history, rng| {
        untorn(history);
        let account = any_account(history, rng);
        drop_event(history, &account, 2);
        let row = history.accounts.iter_mut().find(|row| row.id == account).unwrap();
        row.sequence = Some(1);
        "connecting".clone_into(&mut row.status);
    });
}

#[test]
fn an_account_that_ended_elsewhere_than_its_token_leads_is_caught() {
    caught(Rule::Ending, |history, rng| {
        untorn(history);
        let account = any_account(history, rng);
        let row = history.accounts.iter_mut().find(|row| row.id == account).unwrap();
        let (status, word) = match row.status.as_str() {
            "validation_error" => ("needs_reauth", "authentication_error"),
            _ => ("validation_error", "validation_error"),
        };
        status.clone_into(&mut row.status);
        row.reason = Some(RowReason { code: "forbidden".to_owned() });
        rewrite(history, &account, 2, |event| {
            event["type"] = json!(format!("integrated_account.{word}"));
            event["data"]["event"] = json!(format!("integrated_account:{word}"));
            event["data"]["status"] = json!(status);
            event["data"]["reason"] = json!({ "code": "forbidden" });
        });
    });
}

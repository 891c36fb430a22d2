//! What passes, and what must not be mistaken for a fault.

use super::forged::{clean, clean_brokered, edit, received};
use crate::history::{Confirmed, Disposition, Refusal, RowReason};
use crate::judge::{Rule, judge};
use crate::ledger::{Entry, Expect};

#[test]
fn a_clean_history_passes_whatever_its_seed() {
    for seed in 0..20 {
        let verdict = judge(&clean(seed, 300));
        assert_eq!(verdict.violations, [], "seed {seed}");
    }
}

#[test]
fn a_clean_history_over_a_broker_passes_whatever_its_seed() {
    for seed in 0..8 {
        let verdict = judge(&clean_brokered(seed, 300));
        assert_eq!(verdict.violations, [], "seed {seed}");
    }
}

#[test]
fn an_unreadable_message_published_twice_may_be_there_twice() {
    let mut history = clean_brokered(1, 200);
    let unreadable = history.ledger.entries.iter().find(|entry| entry.expect == Expect::Unreadable).unwrap().line;
    let brokered = history.brokered.as_mut().unwrap();
    brokered.dead_letters += 1;
    brokered.confirmed.iter_mut().find(|confirmed| confirmed.number == unreadable).unwrap().tries = 2;
    let verdict = judge(&history);
    assert_eq!((verdict.violations, verdict.figures.republished), (Vec::new(), 1));
}

#[test]
fn a_refused_body_that_came_in_two_forms_may_be_in_the_quarantine_twice() {
    let mut history = clean_brokered(1, 200);
    let conflict = history.ledger.entries.iter().find(|entry| entry.expect == Expect::Conflict).unwrap().clone();
    let brokered = history.brokered.as_mut().unwrap();
    let row = brokered.quarantine.iter().find(|row| row.message_id == conflict.message_id).unwrap().clone();
    brokered.quarantine.push(row);
    assert_eq!(judge(&history).violations.iter().map(|v| v.rule).collect::<Vec<_>>(), [Rule::Quarantine]);
    let line = history.ledger.entries.len() + 1;
    history.ledger.entries.push(Entry { line, expect: Expect::Duplicate, ..conflict });
    history.brokered.as_mut().unwrap().confirmed.push(Confirmed { number: line, tries: 1 });
    assert_eq!(judge(&history).violations, []);
}

#[test]
fn an_event_received_again_over_a_broker_is_no_fault() {
    let mut history = clean_brokered(1, 200);
    let again = history.events.clone();
    history.events.extend(again);
    received(&mut history);
    assert_eq!(judge(&history).violations, []);
}

#[test]
fn the_figures_count_what_happened() {
    let figures = judge(&clean(7, 500)).figures;
    assert_eq!((figures.lines, figures.accounts, figures.events), (500, 460, 920));
    assert_eq!((figures.torn, figures.kills, figures.kill_hits), (1, 2, 1));
    assert!(figures.repeated >= 92, "every tenth event came twice: {}", figures.repeated);
    assert_eq!(figures.by_status.values().sum::<usize>(), 460);
}

#[test]
fn an_event_received_again_later_is_no_fault() {
    let mut history = clean(1, 200);
    edit(&mut history, |all| {
        let again: Vec<_> =
            all.iter().filter(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok()).cloned().collect();
        all.extend(again);
    });
    assert_eq!(judge(&history).violations, []);
}

#[test]
fn the_later_of_two_conflicting_lines_may_win() {
    let mut history = clean(3, 300);
    let conflict = history.ledger.entries.iter().find(|entry| entry.expect == Expect::Conflict).unwrap().clone();
    let entries = history.ledger.entries.clone();
    let first = entries.iter().find(|e| e.message_id == conflict.message_id && e.expect == Expect::Account).unwrap();
    let old = history.accounts.iter().position(|row| row.tenant_id == first.tenant).unwrap();
    let row = &mut history.accounts[old];
    let (id, ending) = (row.id.clone(), conflict.ending);
    row.tenant_id.clone_from(&conflict.tenant);
    conflict.ending.as_str().clone_into(&mut row.status);
    let row = row.clone();
    let stream = [
        super::forged::event(&row, &conflict.correlation_id, 1, None, "connecting", "created"),
        super::forged::event(
            &row,
            &conflict.correlation_id,
            2,
            Some("connecting"),
            ending.as_str(),
            super::forged::word(ending),
        ),
    ];
    edit(&mut history, |all| {
        all.retain(|line| !String::from_utf8_lossy(line).contains(&id));
        all.extend(stream.iter().map(|event| format!("{event}\n").into_bytes()));
    });
    let mut refused = Vec::new();
    for said in &mut history.report {
        let entry = &entries[said.line - 1];
        if entry.message_id == conflict.message_id {
            let wins = entry.line == conflict.line;
            said.disposition = if wins { Disposition::Accepted } else { Disposition::Refused };
            said.account = wins.then(|| id.clone());
            said.code = (!wins).then(|| "idempotency_conflict".to_owned());
        }
        refused.extend(said.code.clone().map(|code| Refusal { line: said.line, code }));
    }
    history.summary.accepted = history.report.iter().filter(|said| said.disposition == Disposition::Accepted).count();
    history.summary.duplicates =
        history.report.iter().filter(|said| said.disposition == Disposition::Duplicate).count();
    history.summary.refused = refused;
    let verdict = judge(&history);
    assert_eq!(verdict.violations, []);
    assert_eq!(verdict.figures.overtaken, 1);
}

#[test]
fn a_line_reported_as_its_own_duplicate_is_excused_by_a_database_kill_only() {
    let mut history = clean(5, 200);
    let line = history.report.iter().position(|said| said.disposition == Disposition::Accepted).unwrap();
    history.report[line].disposition = Disposition::Duplicate;
    history.summary.accepted -= 1;
    history.summary.duplicates += 1;
    assert_eq!(judge(&history).violations.iter().map(|v| v.rule).collect::<Vec<_>>(), [Rule::Lines]);
    history.faults.database_kills = 1;
    assert_eq!(judge(&history).violations, []);
}

#[test]
fn bad_luck_with_the_upstream_is_granted_to_a_few_accounts() {
    let spoiled = |status: &str, code: &str, count: usize| {
        let mut history = clean(9, 400);
        let ended: Vec<_> =
            history.accounts.iter().filter(|row| row.status == status).map(|row| row.id.clone()).collect();
        for id in ended.iter().take(count) {
            let row = history.accounts.iter_mut().find(|row| row.id == *id).unwrap();
            "post_install_error".clone_into(&mut row.status);
            row.reason = Some(RowReason { code: code.to_owned() });
            let row = row.clone();
            let correlation =
                history.ledger.entries.iter().find(|e| e.tenant == row.tenant_id).unwrap().correlation_id.clone();
            let event = super::forged::event(
                &row,
                &correlation,
                2,
                Some("connecting"),
                "post_install_error",
                "post_install_error",
            );
            edit(&mut history, |all| {
                for place in super::forged::receipts(all, id, 2) {
                    all[place] = format!("{event}\n").into_bytes();
                }
            });
        }
        let verdict = judge(&history);
        (verdict.violations.iter().filter(|v| v.rule == Rule::Ending).count(), verdict.figures.exhausted)
    };
    assert_eq!(spoiled("active", "upstream_unavailable", 3), (0, 3));
    assert_eq!(spoiled("active", "upstream_unavailable", 4), (1, 4));
    assert_eq!(spoiled("needs_reauth", "refresh_outcome_unknown", 1), (0, 1));
    assert_eq!(spoiled("active", "refresh_outcome_unknown", 1), (1, 0), "its token was never refreshed");
}

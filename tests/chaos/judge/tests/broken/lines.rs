//! Broken reports: lines left out, told twice, told wrongly.

use super::caught;
use crate::history::Disposition;
use crate::judge::Rule;

#[test]
fn a_line_that_is_not_reported_is_caught() {
    caught(Rule::Lines, |history, _| {
        let place = history.report.iter().position(|said| said.disposition == Disposition::Duplicate).unwrap();
        history.report.remove(place);
        history.summary.lines -= 1;
        history.summary.duplicates -= 1;
    });
}

#[test]
fn a_line_reported_twice_is_caught() {
    caught(Rule::Lines, |history, _| {
        let said = history.report.iter().find(|said| said.disposition == Disposition::Duplicate).unwrap().clone();
        history.report.push(said);
        history.summary.lines += 1;
        history.summary.duplicates += 1;
    });
}

#[test]
fn a_refusal_with_the_wrong_code_is_caught() {
    caught(Rule::Lines, |history, _| {
        let said = history.report.iter_mut().find(|said| said.code.is_some()).unwrap();
        said.code = Some("too_large".to_owned());
        let refusal = history.summary.refused.iter_mut().find(|refusal| refusal.line == said.line).unwrap();
        "too_large".clone_into(&mut refusal.code);
    });
}

#[test]
fn a_duplicate_that_names_another_account_is_caught() {
    caught(Rule::Lines, |history, _| {
        let said = history.report.iter_mut().find(|said| said.disposition == Disposition::Duplicate).unwrap();
        said.account = Some("another".to_owned());
    });
}

#[test]
fn a_duplicate_reported_as_accepted_is_caught() {
    caught(Rule::Lines, |history, _| {
        let said = history.report.iter_mut().find(|said| said.disposition == Disposition::Duplicate).unwrap();
        said.disposition = Disposition::Accepted;
        history.summary.accepted += 1;
        history.summary.duplicates -= 1;
    });
}

#[test]
fn a_summary_that_miscounts_is_caught() {
    caught(Rule::Summary, |history, _| history.summary.accepted += 1);
    caught(Rule::Summary, |history, _| history.summary.lines -= 1);
    caught(Rule::Summary, |history, _| "malformed!".clone_into(&mut history.summary.refused[0].code));
}

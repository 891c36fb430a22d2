//! What intake said about each line, against the ledger.

use std::collections::BTreeMap;

use super::{Message, Rule, Verdict};
use crate::history::{Disposition, History, ReportLine};
use crate::ledger::{Entry, Expect};

pub fn check(history: &History, messages: &[Message<'_>], verdict: &mut Verdict) {
    let mut reported = BTreeMap::<usize, Vec<&ReportLine>>::new();
    for said in &history.report {
        reported.entry(said.line).or_default().push(said);
    }
    verdict.figures.lines = history.ledger.entries.len();
    for entry in &history.ledger.entries {
        match reported.remove(&entry.line).as_deref() {
            Some([said]) => {
                if let Expect::Refused(code) = entry.expect {
                    refused(entry, said, code.as_str(), verdict);
                }
            }
            Some(several) => wrong(entry, &format!("is reported {} times", several.len()), verdict),
            None => wrong(entry, "is neither an account nor a reported refusal", verdict),
        }
    }
    for line in reported.keys() {
        verdict.breaks(Rule::Lines, format!("The report speaks of line {line}, which the file does not have."));
    }
    for message in messages {
        dispositions(history, message, verdict);
    }
    summary(history, verdict);
}

fn wrong(entry: &Entry, what: &str, verdict: &mut Verdict) {
    verdict.breaks(Rule::Lines, format!("Line {} ({}) {what}.", entry.line, entry.kind));
}

fn refused(entry: &Entry, said: &ReportLine, code: &str, verdict: &mut Verdict) {
    if said.disposition != Disposition::Refused || said.code.as_deref() != Some(code) {
        let (disposition, found) = (said.disposition, said.code.as_deref().unwrap_or("no code"));
        wrong(entry, &format!("is reported as {disposition:?} with {found} instead of refused as `{code}`"), verdict);
    }
}

/// Of the lines with one message id those with the account's body are accepted or duplicates, the others conflicts.
///
/// Lines that are on their way into the store together have no order yet, so either body may win; after a database
/// kill the accepted line may have been asked about again and be reported as its own duplicate.
fn dispositions(history: &History, message: &Message<'_>, verdict: &mut Verdict) {
    let Some((account, winner)) = message.account else { return };
    let mut accepted = 0;
    for entry in &message.entries {
        let Some(said) = history.report.iter().find(|said| said.line == entry.line) else { continue };
        if entry.tenant != winner.tenant {
            refused(entry, said, "idempotency_conflict", verdict);
            continue;
        }
        accepted += usize::from(said.disposition == Disposition::Accepted);
        if said.disposition == Disposition::Refused {
            let code = said.code.as_deref().unwrap_or("no code");
            wrong(entry, &format!("is refused ({code}) although account {} has its body", account.id), verdict);
        } else if said.account.as_deref() != Some(account.id.as_str()) {
            let named = said.account.as_deref().unwrap_or("no account");
            wrong(entry, &format!("is reported with {named} instead of account {}", account.id), verdict);
        }
    }
    if accepted > 1 || (accepted == 0 && history.faults.database_kills == 0) {
        wrong(
            winner,
            &format!("and its duplicates are reported as accepted {accepted} times instead of once"),
            verdict,
        );
    }
    verdict.figures.overtaken += usize::from(winner.expect == Expect::Conflict);
}

fn summary(history: &History, verdict: &mut Verdict) {
    let count = |of| history.report.iter().filter(|said| said.disposition == of).count();
    let summary = &history.summary;
    let counts = [
        ("lines", summary.lines, history.report.len()),
        ("accepted", summary.accepted, count(Disposition::Accepted)),
        ("duplicates", summary.duplicates, count(Disposition::Duplicate)),
        ("refused", summary.refused.len(), count(Disposition::Refused)),
    ];
    for (name, found, listed) in counts {
        if found != listed {
            verdict.breaks(Rule::Summary, format!("The summary counts {found} {name}, the report lists {listed}."));
        }
    }
    let coded = |refusal: &crate::history::Refusal| {
        history.report.iter().any(|said| said.line == refusal.line && said.code.as_deref() == Some(&*refusal.code))
    };
    for refusal in summary.refused.iter().filter(|refusal| !coded(refusal)) {
        let (line, code) = (refusal.line, &refusal.code);
        verdict.breaks(Rule::Summary, format!("The summary refuses line {line} as `{code}`, the report does not."));
    }
}

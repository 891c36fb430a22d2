//! The status x trigger table, computed from [`decide`], for docs/state-machine.md and the tests.

use std::fmt::Write as _;

use uuid::Uuid;

use super::{Cause, Decision, Ending, Next, Phase, Snapshot, Status, Trigger, Work, decide, status_word};

/// The run that the table's accounts have unfinished.
pub const RUN: Uuid = Uuid::from_u128(1);

/// Every kind of trigger, endings told by [`RUN`].
#[must_use]
pub fn triggers() -> Vec<Trigger> {
    let mut all = vec![Trigger::Import, Trigger::Reconnect];
    all.extend(
        Cause::ALL
            .iter()
            .filter(|cause| !matches!(cause, Cause::Import | Cause::Reconnect))
            .map(|cause| Trigger::RunRequested(*cause)),
    );
    all.extend([Trigger::Patch { changed: true }, Trigger::Patch { changed: false }]);
    all.extend(
        [
            Ending::Succeeded,
            Ending::PhaseFailed(Phase::PostInstall),
            Ending::PhaseFailed(Phase::Validation),
            Ending::CredentialRefused,
            Ending::DeadlineExceeded(Phase::PostInstall),
            Ending::DeadlineExceeded(Phase::Validation),
            Ending::Beside,
        ]
        .map(|ending| Trigger::RunEnded { run: RUN, ending }),
    );
    all.extend([Trigger::ObservedRefusal, Trigger::ObservedAcceptance, Trigger::Delete]);
    all
}

/// Every account that the table tells apart: absent, deleted, and each status without and with an unfinished run.
#[must_use]
pub fn snapshots() -> Vec<Snapshot> {
    let present = Status::ALL.iter().flat_map(|status| {
        [None, Some(RUN)].map(|unfinished_run| Snapshot::Present { status: *status, unfinished_run })
    });
    std::iter::once(Snapshot::Absent).chain(present).chain([Snapshot::Deleted]).collect()
}

/// The table as Markdown, with a diagram.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    out.push_str(&diagram());
    out.push_str(TABLE_HEAD);
    for trigger in triggers() {
        for snapshot in snapshots() {
            let (status, run) = describe(&snapshot);
            if matters(&trigger, &snapshot) {
                let _ = writeln!(out, "| {} | {status} | {run} | {} |", trigger.name(), cell(&snapshot, &trigger));
            }
        }
    }
    out
}

const HEAD: &str = "# The state machine\n\n\
    Printed from `lifecycle::decide` by `tidewaiter schema state-machine`; a test fails when this page is stale.\n\n\
    Every arrow is exactly one event. Patches (`updated`, status unchanged) are in the table only.\n\n";

const TABLE_HEAD: &str = "\n## Every trigger on every status\n\n\
    A run is an account's only unfinished one. What a refused trigger asks for does not happen; nothing changes. Where a \
    run's end has no event of its own and the run changed the context visibly, that is an `update` besides.\n\n\
    | trigger | status | run | what follows |\n| --- | --- | --- | --- |\n";

/// A trigger that a run raises is told for accounts with that run; the others for both where the run matters.
fn matters(trigger: &Trigger, snapshot: &Snapshot) -> bool {
    let Snapshot::Present { status, unfinished_run } = snapshot else { return true };
    match trigger {
        Trigger::RunEnded { .. } => unfinished_run.is_some(),
        Trigger::RunRequested(_) => unfinished_run.is_some() || *status != Status::Connecting,
        Trigger::Import
        | Trigger::Reconnect
        | Trigger::Patch { .. }
        | Trigger::ObservedRefusal
        | Trigger::ObservedAcceptance
        | Trigger::Delete => unfinished_run.is_some() == (*status == Status::Connecting),
    }
}

fn describe(snapshot: &Snapshot) -> (&'static str, &'static str) {
    match snapshot {
        Snapshot::Absent => ("(none)", "-"),
        Snapshot::Deleted => ("deleted", "-"),
        Snapshot::Present { status, unfinished_run: None } => (status.as_str(), "none"),
        Snapshot::Present { status, unfinished_run: Some(_) } => (status.as_str(), "unfinished"),
    }
}

fn cell(snapshot: &Snapshot, trigger: &Trigger) -> String {
    match decide(snapshot, trigger) {
        Ok(decision) => accepted(decision),
        Err(rejection) => format!("refused: {}", rejection.code()),
    }
}

fn accepted(decision: Decision) -> String {
    let visible = decision
        .transition
        .map_or_else(|| "no event".to_owned(), |t| format!("`{}`, event `{}`", status_word(t.to), t.word));
    let next = match decision.next {
        Next::Run(Work::Phases(phase)) => format!("; a run from `{phase}`"),
        Next::Run(Work::Refresh) => "; a run that refreshes".to_owned(),
        Next::Run(Work::Action) => "; a run of the action".to_owned(),
        Next::Finish => "; the run is finished".to_owned(),
        Next::Keep => String::new(),
    };
    visible + &next
}

fn diagram() -> String {
    let mut lines = std::collections::BTreeMap::<(String, String), Vec<&'static str>>::new();
    for trigger in triggers() {
        for snapshot in snapshots() {
            let Ok(Decision { transition: Some(t), .. }) = decide(&snapshot, &trigger) else { continue };
            if matches!(trigger, Trigger::Patch { .. }) || !matters(&trigger, &snapshot) {
                continue;
            }
            let from = t.from.map_or("[*]", Status::as_str).to_owned();
            let to = t.to.map_or("[*]", Status::as_str).to_owned();
            let names = lines.entry((from, to)).or_default();
            if !names.contains(&trigger.name()) {
                names.push(trigger.name());
            }
        }
    }
    let mut out = String::from("```mermaid\nstateDiagram-v2\n");
    for ((from, to), names) in lines {
        let _ = writeln!(out, "    {from} --> {to}: {}", names.join(", "));
    }
    out.push_str("```\n");
    out
}

//! The table, cell by cell where it matters, and the properties that hold over every path through it.

use proptest::prelude::*;

use super::table::{RUN, snapshots, triggers};
use super::*;

fn present(status: Status, run: bool) -> Snapshot {
    Snapshot::Present { status, unfinished_run: run.then_some(RUN) }
}

/// `status / trigger => status, word` or `status / trigger => -` (no event) or `=> !code` (refused).
fn check(lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (given, expected) = line.split_once(" => ").unwrap();
        let (status, name) = given.split_once(" / ").unwrap();
        let trigger = triggers().into_iter().find(|trigger| trigger.name() == name).expect(name);
        let run = matches!(trigger, Trigger::RunEnded { .. }) || status.ends_with('*');
        let snapshot = match status.trim_end_matches('*') {
            "none" => Snapshot::Absent,
            "deleted" => Snapshot::Deleted,
            word => present(word.parse().unwrap(), run),
        };
        let got = match decide(&snapshot, &trigger) {
            Ok(Decision { transition: Some(t), .. }) => format!("{}, {}", status_word(t.to), t.word),
            Ok(Decision { transition: None, .. }) => "-".to_owned(),
            Err(rejection) => format!("!{}", rejection.code()),
        };
        assert_eq!(got, expected, "{line}");
    }
}

#[test]
fn an_import_makes_new_accounts_only() {
    check(
        "none / import => connecting, created
         connecting* / import => !exists
         active / import => !exists
         deleted / import => !exists",
    );
}

#[test]
fn the_ending_of_a_connecting_run_decides_the_status() {
    check(
        "connecting / run succeeded => active, active
         connecting / post_install failed => post_install_error, post_install_error
         connecting / validation failed => validation_error, validation_error
         connecting / credential refused => needs_reauth, authentication_error
         connecting / deadline in post_install => post_install_error, post_install_error
         connecting / deadline in validation => validation_error, validation_error",
    );
}

#[test]
fn a_run_beside_the_status_changes_only_what_it_proves() {
    check(
        "active / run succeeded => -
         active / validation failed => validation_error, validation_error
         active / post_install failed => !illegal
         active / credential refused => needs_reauth, authentication_error
         active / deadline in validation => -
         needs_reauth / run succeeded => active, reactivated
         needs_reauth / validation failed => -
         post_install_error / run succeeded => -
         validation_error / run succeeded => -",
    );
}

#[test]
fn what_ends_beside_the_phases_changes_no_status() {
    check(
        "active / ended beside the phases => -
         post_install_error / ended beside the phases => -
         validation_error / ended beside the phases => -
         needs_reauth / ended beside the phases => -
         connecting / ended beside the phases => !illegal
         deleted / ended beside the phases => !superseded",
    );
    assert_eq!((Ending::failed(None), Ending::deadline(None)), (Ending::Beside, Ending::Beside));
    assert_eq!(Ending::failed(Some(Phase::Validation)), Ending::PhaseFailed(Phase::Validation));
    assert_eq!(Ending::deadline(Some(Phase::PostInstall)), Ending::DeadlineExceeded(Phase::PostInstall));
}

#[test]
fn a_refused_credential_is_told_once_in_every_status() {
    check(
        "post_install_error / credential refused => needs_reauth, authentication_error
         validation_error / credential refused => needs_reauth, authentication_error
         needs_reauth / credential refused => -
         active / observed refusal => needs_reauth, authentication_error
         needs_reauth / observed refusal => -
         connecting* / observed refusal => -
         needs_reauth / observed acceptance => active, reactivated
         active / observed acceptance => -",
    );
}

#[test]
fn a_new_run_has_to_wait_for_the_unfinished_one_but_reconnect_and_delete_supersede_it() {
    check(
        "connecting* / replay => !run_in_progress
         active* / rerun => !run_in_progress
         active / rerun => connecting, updated
         post_install_error / replay => connecting, updated
         validation_error / revalidate => connecting, updated
         needs_reauth / replay => connecting, updated
         active / refresh => -
         active / schedule => -
         needs_reauth / schedule => !illegal
         connecting* / reconnect => connecting, updated
         active / reconnect => connecting, updated
         connecting* / delete => deleted, deleted
         needs_reauth / delete => deleted, deleted
         deleted / delete => !gone
         deleted / reconnect => !gone
         none / replay => !gone",
    );
    assert_eq!(
        decide(&present(Status::Connecting, true), &Trigger::Delete).unwrap().next,
        Next::Finish,
        "the run of a deleted account is finished with it"
    );
}

#[test]
fn a_patch_is_visible_only_when_it_changes_something() {
    check(
        "active / update => active, updated
         connecting* / update => connecting, updated
         active / update without a change => -
         deleted / update => !gone",
    );
}

#[test]
fn a_revalidation_begins_with_the_validation() {
    let next = |cause| decide(&present(Status::Active, false), &Trigger::RunRequested(cause)).unwrap().next;
    assert_eq!(next(Cause::Revalidate), Next::Run(Work::Phases(Phase::Validation)));
    assert_eq!(next(Cause::Rerun), Next::Run(Work::Phases(Phase::PostInstall)));
    assert_eq!(next(Cause::Refresh), Next::Run(Work::Refresh));
    assert_eq!(next(Cause::Action), Next::Run(Work::Action));
}

#[test]
fn a_rejection_names_both_ends_and_the_trigger() {
    let error = decide(&present(Status::Connecting, true), &Trigger::RunRequested(Cause::Replay)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("connecting") && text.contains("replay") && text.contains(&RUN.to_string()), "{text}");
}

#[test]
fn every_code_says_who_acts_and_what_it_means() {
    for code in ReasonCode::ALL {
        assert!(code.meaning().ends_with('.') && code.as_str().parse() == Ok(*code), "{code}");
    }
    for code in IntakeCode::ALL {
        assert!(code.meaning().ends_with('.') && code.as_str().parse() == Ok(*code), "{code}");
    }
}

/// An account as the drivers keep it, to walk random paths.
#[derive(Debug, Clone, PartialEq)]
struct Walked {
    snapshot: Snapshot,
    words: Vec<Word>,
    runs: u128,
}

impl Walked {
    fn apply(&mut self, trigger: &Trigger) -> Result<Decision, Rejection> {
        let decision = decide(&self.snapshot, trigger)?;
        if let Some(transition) = decision.transition {
            let from = match self.snapshot {
                Snapshot::Present { status, .. } => Some(status),
                Snapshot::Absent | Snapshot::Deleted => None,
            };
            assert_eq!(transition.from, from, "a transition starts where the account is");
            self.words.push(transition.word);
            self.snapshot = match transition.to {
                Some(status) => Snapshot::Present { status, unfinished_run: self.unfinished() },
                None => Snapshot::Deleted,
            };
        }
        if let Snapshot::Present { unfinished_run, .. } = &mut self.snapshot {
            match decision.next {
                Next::Run(_) => {
                    self.runs += 1;
                    *unfinished_run = Some(uuid::Uuid::from_u128(self.runs));
                }
                Next::Finish => *unfinished_run = None,
                Next::Keep => {}
            }
        }
        Ok(decision)
    }

    fn unfinished(&self) -> Option<uuid::Uuid> {
        match self.snapshot {
            Snapshot::Present { unfinished_run, .. } => unfinished_run,
            Snapshot::Absent | Snapshot::Deleted => None,
        }
    }

    /// `trigger`, told by the run that is unfinished now.
    fn current(&self, trigger: Trigger) -> Trigger {
        match (trigger, self.unfinished()) {
            (Trigger::RunEnded { ending, .. }, Some(run)) => Trigger::RunEnded { run, ending },
            (other, _) => other,
        }
    }
}

proptest! {
    #[test]
    fn connecting_means_an_unfinished_run_on_every_path(path in prop::collection::vec(0..triggers().len(), 0..60)) {
        let mut walked = Walked { snapshot: Snapshot::Absent, words: Vec::new(), runs: 0 };
        for index in path {
            let trigger = walked.current(triggers()[index]);
            let before = walked.clone();
            if walked.apply(&trigger).is_err() {
                prop_assert_eq!(&walked, &before, "a refused trigger changes nothing");
            }
            if let Snapshot::Present { status: Status::Connecting, unfinished_run } = walked.snapshot {
                prop_assert!(unfinished_run.is_some());
            }
            prop_assert!(walked.words.len() <= before.words.len() + 1, "a trigger is at most one event");
            if walked.snapshot != before.snapshot {
                let status = |snapshot: &Snapshot| match snapshot {
                    Snapshot::Present { status, .. } => Some(*status),
                    Snapshot::Absent | Snapshot::Deleted => None,
                };
                if status(&walked.snapshot) != status(&before.snapshot) {
                    prop_assert_eq!(walked.words.len(), before.words.len() + 1, "a change of status is an event");
                }
            }
        }
        if let Some(first) = walked.words.first() {
            prop_assert_eq!(*first, Word::Created);
            prop_assert!(!walked.words[1..].contains(&Word::Created));
        }
    }

    #[test]
    fn telling_an_ending_again_changes_nothing(path in prop::collection::vec(0..triggers().len(), 0..30), last in 0..triggers().len()) {
        let mut walked = Walked { snapshot: Snapshot::Absent, words: Vec::new(), runs: 0 };
        for index in path {
            let trigger = walked.current(triggers()[index]);
            let _ = walked.apply(&trigger);
        }
        let trigger = walked.current(triggers()[last]);
        let told = walked.apply(&trigger);
        let after = walked.clone();
        let again = walked.apply(&trigger);
        match trigger {
            Trigger::Import | Trigger::RunEnded { .. } | Trigger::Delete => {
                prop_assert!(again.is_err(), "told twice: {told:?} then {again:?}");
                prop_assert_eq!(walked, after);
            }
            Trigger::RunRequested(_) => prop_assert!(again.is_err()),
            Trigger::ObservedRefusal | Trigger::ObservedAcceptance | Trigger::Patch { changed: false } => {
                prop_assert!(again.is_err() || again.unwrap().transition.is_none());
            }
            // New credentials and new values are new facts, however often they come.
            Trigger::Reconnect | Trigger::Patch { changed: true } => {}
        }
    }
}

#[test]
fn the_table_is_total() {
    for snapshot in snapshots() {
        for trigger in triggers() {
            // `decide` has no wildcard; this shows that no pair panics either.
            let _ = decide(&snapshot, &trigger);
        }
    }
}

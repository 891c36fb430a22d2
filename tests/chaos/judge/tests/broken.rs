//! Breaks clean histories in one way each; the judge has to name exactly the rule that was broken.

mod accounts;
mod broker;
mod lines;
mod others;
mod stream;

use serde_json::Value;

use super::forged::{clean, edit, receipts};
use crate::history::History;
use crate::judge::{Rule, Violation, judge};
use crate::rng::Rng;

/// Applies `mutate` to clean histories of several seeds and demands violations of `rule` and of nothing else.
pub fn caught(rule: Rule, mutate: impl Fn(&mut History, &mut Rng)) -> Vec<Violation> {
    caught_in(|seed| clean(seed, 200), rule, mutate)
}

pub fn caught_in(make: impl Fn(u64) -> History, rule: Rule, mutate: impl Fn(&mut History, &mut Rng)) -> Vec<Violation> {
    let mut last = Vec::new();
    for seed in 0..3 {
        let mut history = make(seed);
        mutate(&mut history, &mut Rng::new(seed));
        last = judge(&history).violations;
        assert!(!last.is_empty(), "seed {seed}: {rule:?} was broken and nothing was said");
        assert!(last.iter().all(|violation| violation.rule == rule), "seed {seed}: {last:#?}");
    }
    last
}

pub fn any_account(history: &History, rng: &mut Rng) -> String {
    rng.pick(&history.accounts).id.clone()
}

pub fn drop_event(history: &mut History, account: &str, sequence: u64) {
    edit(history, |all| {
        for place in receipts(all, account, sequence).into_iter().rev() {
            all.remove(place);
        }
    });
}

/// Rewrites each receipt of an event in the same way.
pub fn rewrite(history: &mut History, account: &str, sequence: u64, change: impl Fn(&mut Value)) {
    edit(history, |all| {
        for place in receipts(all, account, sequence) {
            let mut event: Value = serde_json::from_slice(&all[place]).unwrap();
            change(&mut event);
            all[place] = format!("{event}\n").into_bytes();
        }
    });
}

/// A history without its torn line, for changes that a torn line's event would confuse.
pub fn untorn(history: &mut History) {
    edit(history, |all| all.retain(|line| serde_json::from_slice::<Value>(line).is_ok()));
}

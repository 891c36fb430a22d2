//! Relays that share an outbox, in any order of what can happen to them: first receipts come in order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::ledger::{Ledger, Next, Offer};
use crate::store::{Standing, Unpublished};

const ACCOUNTS: usize = 3;

fn event(account: usize, sequence: i64) -> Unpublished {
    let (account, event_type) = (Uuid::from_u128(account as u128), String::new());
    Unpublished { account, sequence, event_type, envelope: String::new() }
}

fn number(account: Uuid) -> usize {
    account.as_u128() as usize
}

/// A pass whose answer is under way, as the database made it.
struct Pass {
    standing: Standing,
    heads: Vec<Unpublished>,
}

/// A worker's relay and what it has sent.
#[derive(Default)]
struct Worker {
    ledger: Ledger,
    sent: Vec<Unpublished>,
    pass: Option<Pass>,
}

#[derive(Default)]
struct World {
    now: Option<Instant>,
    workers: [Worker; 2],
    live: u32,
    /// Per account, what is in the outbox.
    outbox: [Vec<i64>; ACCOUNTS],
    committed: [i64; ACCOUNTS],
    /// Sent by a worker that died, and may still arrive.
    strays: Vec<Unpublished>,
    received: BTreeMap<usize, Vec<i64>>,
}

impl World {
    fn standing(&self, worker: usize) -> Standing {
        // While one worker is alone, the other one has not noticed and thinks so too.
        let rank = if self.live == 2 { worker as u32 } else { 0 };
        Standing { rank, live: self.live.max(1) }
    }

    fn arrives(&mut self, event: &Unpublished) {
        let first = self.received.entry(number(event.account)).or_default();
        let expected = first.last().map_or(1, |last| last + 1);
        assert!(event.sequence <= expected, "{} came before {expected}", event.sequence);
        if event.sequence == expected {
            first.push(expected);
        }
    }

    /// Commits the account's next event in the process of `worker`.
    fn commit(&mut self, worker: usize, account: usize) {
        self.committed[account] += 1;
        let sequence = self.committed[account];
        self.outbox[account].push(sequence);
        let worker = &mut self.workers[worker];
        if let Offer::Send(event) = worker.ledger.fresh(event(account, sequence)) {
            worker.sent.push(event);
        }
    }

    /// The database performs the pass; its answer comes later.
    fn begin(&mut self, worker: usize) {
        let standing = self.standing(worker);
        let relay = &mut self.workers[worker];
        if relay.pass.is_some() {
            return;
        }
        let except = relay.ledger.except(self.now.unwrap_or_else(Instant::now));
        for (account, sequence) in relay.ledger.take_confirmed() {
            self.outbox[number(account)].retain(|left| *left != sequence);
        }
        let heads = (0..ACCOUNTS)
            .filter_map(|account| self.outbox[account].iter().min().map(|lowest| event(account, *lowest)))
            .filter(|head| standing.relays(head.account) && !except.contains(&head.account))
            .collect();
        relay.pass = Some(Pass { standing, heads });
    }

    fn answer(&mut self, worker: usize) {
        let relay = &mut self.workers[worker];
        let Some(Pass { standing, heads }) = relay.pass.take() else { return };
        relay.ledger.stands(standing);
        relay.sent.extend(heads.into_iter().filter_map(|head| relay.ledger.head(head)));
    }

    /// An event on its way arrives or not, and its relay hears of it or not.
    fn land(&mut self, worker: usize, which: usize, how: usize) {
        if self.workers[worker].sent.is_empty() {
            return;
        }
        let which = which % self.workers[worker].sent.len();
        let event = self.workers[worker].sent.swap_remove(which);
        if how != 1 {
            self.arrives(&event);
        }
        let now = self.now.unwrap_or_else(Instant::now);
        let relay = &mut self.workers[worker];
        match how {
            0 => {
                if let Next::Send(next) = relay.ledger.landed(event.account) {
                    relay.sent.push(next);
                }
            }
            1 | 2 => relay.ledger.lost(event.account),
            _ => relay.ledger.refused(event.account, now),
        }
    }

    /// The process dies; what it had sent may still be under way.
    fn crash(&mut self, worker: usize) {
        let dead = std::mem::take(&mut self.workers[worker]);
        self.strays.extend(dead.sent);
    }

    fn stray(&mut self, which: usize) {
        if !self.strays.is_empty() {
            let event = self.strays.swap_remove(which % self.strays.len());
            self.arrives(&event);
        }
    }

    fn happens(&mut self, (what, worker, which, how): (usize, usize, usize, usize)) {
        match what {
            0..4 => self.commit(worker, which % ACCOUNTS),
            4..7 => self.begin(worker),
            7..10 => self.answer(worker),
            10..16 => self.land(worker, which, how.saturating_sub(4)),
            16 => self.crash(worker),
            17 => self.stray(which),
            18 => self.live = 1 + how as u32 % 2,
            _ => self.now = self.now.map(|now| now + Duration::from_secs(how as u64)),
        }
    }

    /// One worker is left, and nothing goes wrong any more.
    fn settle(&mut self) {
        self.live = 1;
        self.crash(1);
        for _ in 0..200 {
            self.now = self.now.map(|now| now + Duration::from_secs(1));
            self.begin(0);
            self.answer(0);
            while !self.workers[0].sent.is_empty() {
                self.land(0, 0, 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_happens_first_receipts_come_in_order_and_everything_comes(
        steps in prop::collection::vec((0_usize..20, 0_usize..2, 0_usize..8, 0_usize..8), 0..150)
    ) {
        let mut world = World { now: Some(Instant::now()), live: 2, ..World::default() };
        for step in steps {
            world.happens(step);
        }
        world.settle();
        for account in 0..ACCOUNTS {
            let received = world.received.get(&account).cloned().unwrap_or_default();
            let all: Vec<i64> = (1..=world.committed[account]).collect();
            prop_assert_eq!((account, &received), (account, &all));
            prop_assert!(world.outbox[account].is_empty());
        }
    }
}

fn alone() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.stands(Standing { rank: 0, live: 1 });
    ledger
}

#[test]
fn an_event_that_was_told_of_is_sent_at_once_and_the_next_one_after_its_confirm() {
    let mut ledger = alone();
    assert_eq!(ledger.fresh(event(1, 1)), Offer::Send(event(1, 1)));
    assert_eq!(ledger.fresh(event(1, 2)), Offer::Kept);
    assert_eq!(ledger.fresh(event(2, 1)), Offer::Send(event(2, 1)), "nobody waits for another account");
    assert_eq!(ledger.landed(Uuid::from_u128(1)), Next::Send(event(1, 2)));
    assert_eq!(ledger.landed(Uuid::from_u128(1)), Next::Nothing);
    assert_eq!(ledger.fresh(event(1, 3)), Offer::Send(event(1, 3)), "the one before was confirmed here");
}

#[test]
fn an_event_whose_turn_is_not_known_is_looked_for_in_the_outbox() {
    let mut ledger = alone();
    assert_eq!(ledger.fresh(event(1, 2)), Offer::Look);
    assert_eq!(Ledger::default().fresh(event(1, 1)), Offer::Look, "whose shard it is, is not known yet");
    let mut other = Ledger::default();
    other.stands(Standing { rank: 1, live: 2 });
    assert_eq!(other.fresh(event(2, 1)), Offer::Kept, "another worker's");
}

#[test]
fn what_the_outbox_was_faster_with_is_not_sent_twice() {
    let mut ledger = alone();
    assert_eq!(ledger.head(event(1, 1)), Some(event(1, 1)));
    assert_eq!(ledger.fresh(event(1, 1)), Offer::Kept);
    assert_eq!(ledger.landed(Uuid::from_u128(1)), Next::Look, "nobody told what is behind it");
    assert_eq!(ledger.fresh(event(1, 1)), Offer::Kept);
    assert_eq!(ledger.head(event(1, 1)), None, "an answer from before the confirm");
    assert_eq!(ledger.take_confirmed(), [(Uuid::from_u128(1), 1)]);
}

#[test]
fn an_account_whose_event_was_refused_rests_and_is_looked_at_again() {
    let (mut ledger, now) = (alone(), Instant::now());
    let account = Uuid::from_u128(1);
    assert_eq!(ledger.head(event(1, 1)), Some(event(1, 1)));
    ledger.refused(account, now);
    assert_eq!(ledger.fresh(event(1, 2)), Offer::Look);
    assert_eq!(ledger.except(now), [account]);
    let rested = ledger.rested_at(now).unwrap();
    assert!(ledger.except(rested).is_empty());
    assert_eq!(ledger.head(event(1, 1)), Some(event(1, 1)));
    assert!(ledger.any_resting(), "it is trouble until it is confirmed");
    ledger.landed(account);
    assert!(!ledger.any_resting());
}

//! The faults: workers are killed while they hold runs, the servers in full work, and connections break.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::network::Network;
use super::process::Worker;
use super::scene::Scene;
use crate::history::{Faults, Kill};
use crate::ledger::{Expect, Ledger};
use crate::rng::Rng;

/// The metric of the runs that a worker performs right now.
const HELD: &str = "tidewaiter_slots_used";
/// How long a kill waits for its victim to hold a run.
const AIM: Duration = Duration::from_secs(2);

/// The system under trouble.
pub struct Trouble<'a> {
    pub scene: &'a Scene<'a>,
    pub network: Option<&'a mut Network>,
    pub workers: &'a mut Vec<Worker>,
    pub rng: &'a mut Rng,
    pub faults: &'a mut Faults,
}

impl Trouble<'_> {
    /// Makes trouble until the feeding has ended.
    pub fn until_fed<T>(&mut self, feeding: &ScopedJoinHandle<'_, T>) -> anyhow::Result<()> {
        let (begin, options) = (Instant::now(), self.scene.options);
        let (mut kill_due, mut break_due) = (options.kill_every, options.break_every);
        while !feeding.is_finished() {
            thread::sleep(Duration::from_millis(20));
            self.look_after()?;
            if let Some(due) = kill_due.filter(|due| begin.elapsed() >= *due) {
                self.strike()?;
                kill_due = options.kill_every.map(|every| due + every);
            }
            if let (Some(due), Some(network)) = (break_due, &mut self.network)
                && !network.held(false)
                && begin.elapsed() >= due
            {
                self.faults.breaks.push(network.disturb());
                break_due = options.break_every.map(|every| begin.elapsed() + every);
            }
            self.crash(begin.elapsed());
        }
        if let Some(network) = &mut self.network {
            network.held(true);
        }
        Ok(())
    }

    /// Kills a private server when it is time, and starts it again: the database and the broker at other moments.
    fn crash(&mut self, elapsed: Duration) {
        let Scene { options, services: Some(services), .. } = self.scene else { return };
        let due = |kills: usize, done: usize, shift: f64| {
            done < kills && elapsed >= options.over.mul_f64((done as f64 + shift) / (kills as f64 + 0.5))
        };
        let kills = [
            ("pg", options.database_kills, &mut self.faults.database_kills, 1.0),
            ("mq", options.broker_kills, &mut self.faults.broker_kills, 0.6),
        ];
        for (server, wanted, done, shift) in kills {
            if due(wanted, *done, shift) {
                services.ask(&["kill", server]);
                services.ask(&["start", server]);
                *done += 1;
            }
        }
    }

    /// Kills a random worker, or the first one that holds runs if one does soon, and starts it again.
    fn strike(&mut self) -> anyhow::Result<()> {
        let count = self.workers.len();
        let mut victim = self.rng.below(count);
        let aimed = Instant::now();
        let mut running = self.workers[victim].metric(HELD).unwrap_or(0);
        while running == 0 && aimed.elapsed() < AIM {
            victim = (victim + 1) % count;
            running = self.workers[victim].metric(HELD).unwrap_or(0);
        }
        let worker = &mut self.workers[victim];
        let place = self.scene.place;
        let before = place.events_len();
        worker.kill()?;
        // A consumer's log is not torn by the death of a worker.
        let (before, after) = if self.scene.brokerage.is_some() { (u64::MAX, 0) } else { (before, place.events_len()) };
        self.faults.kills.push(Kill { running, before, after });
        worker.restart()
    }

    /// Notes workers that ended although nobody killed them, and starts them again.
    fn look_after(&mut self) -> anyhow::Result<()> {
        for worker in self.workers.iter_mut() {
            if let Some(status) = worker.ended() {
                self.faults.exits.push(format!("Worker {} ended by itself with {status}.", worker.number));
                worker.restart()?;
            }
        }
        Ok(())
    }

    /// Waits until no run is unfinished and no event unpublished, or until patience is at its end: then what is left
    /// is for the judge to name. True when all was finished.
    pub fn until_settled(&mut self, ledger: &Ledger) -> anyhow::Result<bool> {
        let begin = Instant::now();
        let mut quiet_since = None;
        while begin.elapsed() < self.scene.options.patience {
            thread::sleep(Duration::from_millis(250));
            self.look_after()?;
            if self.workers.iter().all(quiet) && self.drained(ledger) {
                // The gauges are renewed at each heartbeat, so one look could be at an older one.
                if quiet_since.get_or_insert_with(Instant::now).elapsed() > Duration::from_secs(7) {
                    return Ok(true);
                }
            } else {
                quiet_since = None;
            }
        }
        Ok(false)
    }

    /// Whether the broker holds nothing any more but the dead letters that nobody can read.
    fn drained(&self, ledger: &Ledger) -> bool {
        let Some(brokerage) = self.scene.brokerage else { return true };
        let unreadable = ledger.entries.iter().filter(|entry| entry.expect == Expect::Unreadable).count() as u64;
        let waiting = brokerage.broker.waiting(self.scene.upstream);
        waiting.is_ok_and(|(queues, dead)| dead >= unreadable && queues.iter().all(|(_, waiting)| *waiting == 0))
    }
}

fn quiet(worker: &Worker) -> bool {
    let series = [
        "tidewaiter_runs{state=\"queued\"}",
        "tidewaiter_runs{state=\"running\"}",
        "tidewaiter_runs{state=\"waiting\"}",
        "tidewaiter_outbox_events",
        HELD,
    ];
    series.iter().all(|series| worker.metric(series) == Some(0))
}

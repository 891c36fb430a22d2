//! The faults: workers are killed while they hold runs, and the database with them in full work.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::database::Database;
use super::options::Options;
use super::place::Place;
use super::process::Worker;
use crate::history::{Faults, Kill};
use crate::rng::Rng;

/// The metric of the runs that a worker performs right now.
const HELD: &str = "tidewaiter_slots_used";
/// How long a kill waits for its victim to hold a run.
const AIM: Duration = Duration::from_secs(2);

/// The system under trouble.
pub struct Trouble<'a> {
    pub options: &'a Options,
    pub place: &'a Place,
    pub database: &'a Database,
    pub workers: &'a mut Vec<Worker>,
    pub rng: &'a mut Rng,
    pub faults: &'a mut Faults,
}

impl Trouble<'_> {
    /// Makes trouble until the feeding has ended.
    pub fn until_fed<T>(&mut self, feeding: &ScopedJoinHandle<'_, T>) -> anyhow::Result<()> {
        let begin = Instant::now();
        let mut kill_due = self.options.kill_every;
        let spacing = self.options.over / (self.options.database_kills as u32 + 1);
        while !feeding.is_finished() {
            thread::sleep(Duration::from_millis(20));
            self.look_after()?;
            if let Some(due) = kill_due.filter(|due| begin.elapsed() >= *due) {
                self.strike()?;
                kill_due = self.options.kill_every.map(|every| due + every);
            }
            let crashes = self.faults.database_kills;
            if crashes < self.options.database_kills && begin.elapsed() >= spacing * (crashes as u32 + 1) {
                self.database.crash()?;
                self.faults.database_kills += 1;
            }
        }
        Ok(())
    }

    /// Kills a random worker, at a moment when it holds runs if there is one soon, and starts it again.
    fn strike(&mut self) -> anyhow::Result<()> {
        let victim = self.rng.below(self.workers.len());
        let worker = &mut self.workers[victim];
        let aimed = Instant::now();
        let mut running = 0;
        while running == 0 && aimed.elapsed() < AIM {
            running = worker.metric(HELD).unwrap_or(0);
        }
        let before = self.place.events_len();
        worker.kill()?;
        let after = self.place.events_len();
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
    pub fn until_settled(&mut self) -> anyhow::Result<bool> {
        let begin = Instant::now();
        let mut quiet_since = None;
        while begin.elapsed() < self.options.patience {
            thread::sleep(Duration::from_millis(250));
            self.look_after()?;
            if self.workers.iter().all(quiet) {
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

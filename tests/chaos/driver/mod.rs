//! Drives a fault run: the built binary, real processes, a stub upstream that fails, and what is left goes to the judge.

mod database;
mod feed;
pub mod options;
mod place;
mod process;
mod scene;
mod trouble;
mod upstream;

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::Context as _;
use tidewaiter::clock::{Clock as _, SystemClock};

use crate::corpus;
use crate::history::Faults;
use crate::judge::{Verdict, judge};
use crate::rng::Rng;
use database::Database;
use options::Options;
use place::Place;
use scene::Scene;
use trouble::Trouble;
use upstream::Upstream;

/// What a run came to.
pub struct Outcome {
    pub verdict: Verdict,
    pub faults: Faults,
    /// From the first line to the last one imported.
    pub fed: Duration,
    /// From there until all was finished.
    pub settled: Duration,
    pub place: PathBuf,
}

/// Performs one run and judges it. The run's directory is kept when promises were broken.
pub fn perform(options: &Options) -> anyhow::Result<Outcome> {
    let unique = SystemClock::default().seed();
    let upstream = Upstream::start(options.seed)?;
    let root = || std::env::temp_dir().join(format!("tidewaiter-chaos-{unique:x}"));
    // Keys and the database's name are new in each run; the corpus and the order of victims are the seed's.
    let place = Place::make(options.keep.clone().unwrap_or_else(root), &upstream, &mut Rng::new(unique))?;
    let database = Database::make(&options.server, &place, &upstream, unique)?;
    let outcome = troubled(&Scene { options, upstream: &upstream, place: &place, database: &database });
    database.remove(&upstream);
    let outcome = outcome.with_context(|| format!("the run in {} came to no end", place.root.display()))?;
    if outcome.verdict.violations.is_empty() && options.keep.is_none() {
        // A private server lives in the directory and is wiped first.
        drop(database);
        fs::remove_dir_all(&place.root)?;
    }
    Ok(outcome)
}

fn troubled(scene: &Scene<'_>) -> anyhow::Result<Outcome> {
    let Scene { options, place, database, .. } = *scene;
    let corpus = corpus::make(options.seed, options.lines, SystemClock::default().now_ms());
    let config = scene.prepare()?;
    let mut workers = scene.workers()?;
    let mut faults = Faults::default();
    let mut rng = Rng::new(options.seed);
    let begin = Instant::now();
    let mut trouble = Trouble { options, place, database, workers: &mut workers, rng: &mut rng, faults: &mut faults };
    let imported = thread::scope(|scope| {
        let feeding = scope.spawn(|| feed::import(place, &config, &corpus.lines, options.over));
        let troubled = trouble.until_fed(&feeding);
        let imported = feeding.join().map_err(|_| anyhow::anyhow!("the feeding thread panicked"))?;
        troubled.and(imported)
    })?;
    let fed = begin.elapsed();
    let finished = trouble.until_settled()?;
    let settled = begin.elapsed().saturating_sub(fed);
    if !finished {
        println!("not everything was finished after {settled:?}; what is left is for the judge");
    }
    scene.stop(&mut workers, &imported, &mut faults)?;
    let history = scene.history(corpus.ledger, &workers, &imported, faults, &config)?;
    Ok(Outcome { verdict: judge(&history), faults: history.faults, fed, settled, place: place.root.clone() })
}

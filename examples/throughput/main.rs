//! Measures the built worker: a stub provider, `tidewaiter run`, load and an event reader, each a process of its own but
//! for the last two, which are this one. `scripts/bench` builds everything and calls it.
//!
//! What it prints is of one machine on one day: the load shares the machine with the worker, so compare figures of one
//! session only, and CPU before rates. A share of foreign CPU above a quarter makes a run void; it is printed for that.

mod load;
mod machine;
mod options;
mod report;
mod scene;
mod tail;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tidewaiter::app::stub::{Stub, StubOptions};
use tidewaiter::tasks::Tasks;

use machine::Usage;
use options::Options;
use report::{Figures, Report};
use scene::Scene;
use tail::Seen;

/// Nothing takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_mins(10);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if words.first().is_some_and(|word| word == "stub") {
        return runtime.block_on(be_the_stub());
    }
    let options = Options::read(&words)?;
    let report = runtime.block_on(measure(&options))?;
    println!("{report}");
    println!("{}", report.json());
    Ok(())
}

/// Answers until the process is killed; says where on standard output.
async fn be_the_stub() -> Result<()> {
    let stub = Stub::start(StubOptions::default(), &Tasks::new()).await?;
    println!("{}", stub.base_url);
    std::future::pending().await
}

async fn measure(options: &Options) -> Result<Report> {
    let mut scene = Scene::set_up(options)?;
    let ready = scene.wait_until_ready().await?;
    let seen = Seen::follow(&scene.events);
    let mut first = 0;
    let mut figures = Vec::new();
    // Connections, compiled definitions and prepared statements are made before the clock runs.
    burst(&scene, options, &seen, &mut first, options.imports.min(200)).await?;
    for _ in 0..options.repeat {
        if options.http {
            figures.push(burst(&scene, options, &seen, &mut first, options.imports).await?);
        }
        if options.file {
            figures.push(from_file(&scene, &seen, &mut first, options.imports).await?);
        }
    }
    if options.rate > 0 {
        figures.push(paced(&scene, options, &seen, &mut first).await?);
    }
    let peaks = scene.workers.iter().map(|worker| machine::peak_kib(worker.id())).collect::<Result<Vec<_>>>()?;
    let drain = scene.stop_workers()?;
    Ok(Report { hardware: machine::hardware()?, options: options.clone(), figures, peaks, ready, drain })
}

/// As many as the clients can send, over HTTP.
async fn burst(scene: &Scene, options: &Options, seen: &Seen, first: &mut usize, count: usize) -> Result<Figures> {
    let numbers = take(first, count);
    let before = Usage::now(scene)?;
    let begun = Instant::now();
    let accepted = load::flood(&scene.apis, options.clients, numbers.clone()).await?;
    let end = until_active(seen, &numbers).await?;
    let usage = Usage::now(scene)?.since(&before);
    Ok(Figures { name: "HTTP, saturated", imports: count, took: end - begun, usage, waits: seen.waits(&accepted) })
}

/// At an even rate, over HTTP: each goes when its time has come, whatever became of those before.
async fn paced(scene: &Scene, options: &Options, seen: &Seen, first: &mut usize) -> Result<Figures> {
    let count = (options.rate * options.seconds) as usize;
    let numbers = take(first, count);
    let before = Usage::now(scene)?;
    let begun = Instant::now();
    let sent = load::pace(&scene.apis, options.clients, numbers.clone(), options.rate).await?;
    let end = until_active(seen, &numbers).await?;
    let usage = Usage::now(scene)?.since(&before);
    Ok(Figures { name: "HTTP, even rate", imports: count, took: end - begun, usage, waits: seen.waits(&sent) })
}

/// By `tidewaiter import`, beside the worker.
async fn from_file(scene: &Scene, seen: &Seen, first: &mut usize, count: usize) -> Result<Figures> {
    let numbers = take(first, count);
    let file = scene.directory.join("imports.ndjson");
    load::write_lines(&file, numbers.clone())?;
    let before = Usage::now(scene)?;
    let begun = Instant::now();
    scene.import(&file)?;
    let end = until_active(seen, &numbers).await?;
    let usage = Usage::now(scene)?.since(&before);
    Ok(Figures { name: "tidewaiter import", imports: count, took: end - begun, usage, waits: Vec::new() })
}

fn take(first: &mut usize, count: usize) -> std::ops::Range<usize> {
    let numbers = *first..*first + count;
    *first = numbers.end;
    numbers
}

/// Waits until each of these accounts is told to be active; answers when the last one was.
async fn until_active(seen: &Seen, numbers: &std::ops::Range<usize>) -> Result<Instant> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(line) = seen.failure() {
            bail!("an account did not become active: {line}");
        }
        if let Some(last) = seen.all_active(numbers) {
            return Ok(last);
        }
        if Instant::now() > until {
            bail!("{} of {} accounts became active in {PATIENCE:?}", seen.count(numbers), numbers.len());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A port that is free now.
fn free_port() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?)
}

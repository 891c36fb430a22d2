//! An upstream that speaks everything that definitions know how to read, and what they can only refuse: pages, limits,
//! bodies, answers. The first part of a path is the name of the case that asks, the second what is to be spoken.

mod answers;
mod echo;
mod limits;
mod pages;
mod recorded;
mod wire;

use std::collections::HashMap;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use recorded::Recorded;
use serde_json::Value;
use wire::{Answer, Asked};

type Log = Arc<Mutex<HashMap<String, Vec<(String, Instant)>>>>;

/// A server on loopback; its threads end with the test's process.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    log: Log,
}

impl Upstream {
    pub fn start() -> Self {
        Self::playing(HashMap::new())
    }

    /// The same, with recorded exchanges for some cases.
    pub fn playing(scripts: HashMap<String, Vec<Value>>) -> Self {
        let recorded = Arc::new(Recorded::of(scripts));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Log::default();
        let all = Arc::clone(&log);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, recorded) = (Arc::clone(&all), Arc::clone(&recorded));
                thread::spawn(move || serve(stream, &log, &recorded));
            }
        });
        Self { address, log }
    }

    /// Where a case asks.
    pub fn url(&self, case: &str) -> String {
        format!("http://{}/{case}", self.address)
    }

    /// What a case asked for: method, path and query behind its name, and what else [`Asked::told`] says.
    pub fn saw(&self, case: &str) -> Vec<String> {
        self.log.lock().unwrap().get(case).into_iter().flatten().map(|(told, _)| told.clone()).collect()
    }

    /// When a case asked.
    pub fn times(&self, case: &str) -> Vec<Instant> {
        self.log.lock().unwrap().get(case).into_iter().flatten().map(|(_, at)| *at).collect()
    }
}

/// One request a connection. A client that goes away while it is answered has its reasons.
fn serve(mut stream: TcpStream, log: &Log, recorded: &Recorded) {
    let Some(asked) = Asked::read(&stream) else { return };
    let before = {
        let mut log = log.lock().unwrap();
        let seen = log.entry(asked.case.clone()).or_default();
        seen.push((asked.told(), Instant::now()));
        seen.len() - 1
    };
    match recorded.answer(&asked).or_else(|| route(&asked, before)) {
        Some(answer) => drop(answer.write(&asked, &mut stream)),
        // No answer at all: until the client has had enough.
        None => drop(stream.read_exact(&mut [0])),
    }
}

/// What is answered to the request that came after `before` others of its case.
fn route(asked: &Asked, before: usize) -> Option<Answer> {
    let (kind, what) = asked.path.split_once('/').unwrap_or((&asked.path, ""));
    Some(match kind {
        "pages" => pages::answer(what, asked),
        "limit" => limits::answer(what, before),
        "echo" => echo::answer(asked),
        "auth" => echo::authorized(what, asked),
        "status" => answers::status(what),
        "answer" => return answers::answer(what),
        _ => panic!("nothing speaks {}", asked.path),
    })
}

//! Reads the file of events as it grows, and notes when each account was told to be active.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::load::Sent;

/// What the tenants' names begin with; a number follows.
pub(crate) const TENANT: &str = "bench-";

/// Between two looks at a file that did not grow.
const LOOK: Duration = Duration::from_millis(1);

/// What the events told so far.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    active: Vec<Option<Instant>>,
    failure: Option<String>,
}

impl Seen {
    /// Follows a file, on a thread of its own, as long as the process lives.
    pub(crate) fn follow(file: &Path) -> Self {
        let (seen, file) = (Self::default(), file.to_owned());
        let told = seen.clone();
        std::thread::spawn(move || {
            let error = told.read(&file).err();
            told.lock().failure = error.map(|error| format!("{} cannot be read: {error}", file.display()));
        });
        seen
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, file: &Path) -> std::io::Result<()> {
        let mut file = File::open(file)?;
        let mut text = Vec::new();
        loop {
            if file.by_ref().take(1 << 20).read_to_end(&mut text)? == 0 {
                std::thread::sleep(LOOK);
                continue;
            }
            let now = Instant::now();
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            for line in String::from_utf8_lossy(&text[..whole]).lines() {
                self.note(line, now);
            }
            text.drain(..whole);
        }
    }

    fn note(&self, line: &str, now: Instant) {
        if line.contains(r#""previous_status":null"#) {
            return;
        }
        let number = line
            .split_once(r#""tenant_id":""#)
            .and_then(|(_, rest)| rest.split_once('"'))
            .and_then(|(tenant, _)| tenant.strip_prefix(TENANT)?.parse::<usize>().ok());
        let mut state = self.lock();
        match number {
            Some(number) if line.contains(r#""status":"active","previous_status""#) => {
                if state.active.len() <= number {
                    state.active.resize(number + 1, None);
                }
                // An event may come twice; the first one counts.
                state.active[number].get_or_insert(now);
            }
            _ => state.failure = Some(line.to_owned()),
        }
    }

    /// What went wrong, if anything did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// How many of these are active.
    pub(crate) fn count(&self, numbers: &Range<usize>) -> usize {
        let state = self.lock();
        numbers.clone().filter(|number| matches!(state.active.get(*number), Some(Some(_)))).count()
    }

    /// When the last of these became active, once all are.
    pub(crate) fn all_active(&self, numbers: &Range<usize>) -> Option<Instant> {
        let state = self.lock();
        let part = state.active.get(numbers.clone())?;
        part.iter().copied().collect::<Option<Vec<Instant>>>()?.into_iter().max()
    }

    /// How long each of these took to become active, in ascending order.
    pub(crate) fn waits(&self, sent: &[Sent]) -> Vec<Duration> {
        let state = self.lock();
        let of = |(number, at): &Sent| Some((*state.active.get(*number)?)?.saturating_duration_since(*at));
        let mut waits: Vec<Duration> = sent.iter().filter_map(of).collect();
        waits.sort_unstable();
        waits
    }
}

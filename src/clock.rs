//! The one door to time and randomness.
//!
//! Everything that needs the hour, an id or a random number asks a [`Clock`]; nothing else in the crate reads the
//! system's (clippy forbids it). Durations of waits and leases come from the database instead, see `store`.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

/// Time and entropy.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Milliseconds since the Unix epoch, UTC.
    fn now_ms(&self) -> i64;

    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);

    /// A new id: UUID version 7, so that ids sort roughly by age.
    fn new_id(&self) -> Uuid {
        let mut entropy = [0; 10];
        self.fill(&mut entropy);
        let millis = u64::try_from(self.now_ms()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &entropy).into_uuid()
    }

    /// A number uniform over its whole range, for jitter.
    fn jitter(&self) -> u32 {
        let mut entropy = [0; 4];
        self.fill(&mut entropy);
        u32::from_le_bytes(entropy)
    }

    /// A seed for the expressions of one run.
    fn seed(&self) -> u64 {
        let mut entropy = [0; 8];
        self.fill(&mut entropy);
        u64::from_le_bytes(entropy)
    }
}

/// The machine's clock and the operating system's entropy.
#[derive(Debug, Default)]
pub struct SystemClock(SystemRandom);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn fill(&self, out: &mut [u8]) {
        // Only a machine without entropy fails here, and no id or nonce made there could be trusted.
        if self.0.fill(out).is_err() {
            std::process::abort();
        }
    }
}

/// A clock that a test moves by hand; its randomness is a counted sequence.
#[derive(Debug)]
pub struct ManualClock(Mutex<(i64, u64)>);

impl ManualClock {
    /// A clock that stands at `now_ms`.
    #[must_use]
    pub const fn at(now_ms: i64) -> Self {
        Self(Mutex::new((now_ms, 0)))
    }

    /// Moves the clock forward.
    pub fn advance_ms(&self, by: i64) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0 += by;
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    fn fill(&self, out: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for byte in out {
            // SplitMix64 (Steele et al. 2014): short, and every counter value gives another byte pattern.
            state.1 = state.1.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = state.1;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *byte = (mixed >> 56) as u8;
        }
    }
}

/// An instant as RFC 3339 in UTC with milliseconds, the form of every time that leaves the process.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |at| format!("{at:.3}"))
}

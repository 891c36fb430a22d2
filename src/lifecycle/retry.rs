//! When a failed attempt is made again: exponential backoff with full jitter.
//!
//! The jitter is drawn by the driver, so the schedule itself is a function that a test can enumerate.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often a step is tried and how long the pauses grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts of one step, the first included.
    pub attempts: u32,
    /// The longest pause after the first attempt, in milliseconds.
    pub base_ms: u64,
    /// The longest pause at all, in milliseconds.
    pub cap_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 5, base_ms: 1_000, cap_ms: 30_000 }
    }
}

impl RetryPolicy {
    /// The pause after `attempt` (counted from 1) failed, or `None` when that was the last one.
    ///
    /// `jitter` is uniform over its whole range; the pause is uniform between nothing and the attempt's ceiling
    /// (full jitter, AWS Architecture Blog, "Exponential Backoff And Jitter").
    #[must_use]
    pub fn pause_after(&self, attempt: u32, jitter: u32) -> Option<Duration> {
        (attempt < self.attempts).then(|| {
            let ceiling = self.ceiling_ms(attempt);
            Duration::from_millis(((u128::from(ceiling) * u128::from(jitter)) >> 32) as u64)
        })
    }

    /// The longest pause after `attempt`, in milliseconds.
    #[must_use]
    pub fn ceiling_ms(&self, attempt: u32) -> u64 {
        let factor = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
        self.base_ms.saturating_mul(factor).min(self.cap_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_schedule_doubles_from_one_second_to_thirty() {
        let policy = RetryPolicy { attempts: 8, ..RetryPolicy::default() };
        let ceilings: Vec<u64> = (1..8).map(|attempt| policy.ceiling_ms(attempt)).collect();
        assert_eq!(ceilings, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    }

    proptest! {
        #[test]
        fn attempts_are_bounded_and_pauses_stay_below_the_cap(
            attempts in 1_u32..20, base_ms in 0_u64..100_000, cap_ms in 0_u64..100_000, jitter in any::<u32>(),
        ) {
            let policy = RetryPolicy { attempts, base_ms, cap_ms };
            let mut made = 1;
            while let Some(pause) = policy.pause_after(made, jitter) {
                prop_assert!(pause <= Duration::from_millis(cap_ms));
                made += 1;
                prop_assert!(made <= attempts, "attempt {made} of {attempts}");
            }
            prop_assert_eq!(made, attempts);
        }
    }
}

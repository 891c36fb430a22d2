//! Fair order: a tenant with many requests does not stand in front of a tenant with one.
//!
//! A run's key is `max(now, the tenant's last key + spacing)`. Keys order claims, they never delay them. The map is of
//! this process and forgets tenants that were quiet longest; a forgotten tenant starts again at `now`, which is fair.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use lru::LruCache;

/// How many tenants are remembered.
const TENANTS: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// How far apart the runs of one tenant stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// Imports and reconnects.
    Live,
    /// Replays, which let live work pass.
    Replay,
}

impl Spacing {
    /// In the keys' unit, microseconds.
    const fn micros(self) -> i64 {
        match self {
            Self::Live => 10_000,
            Self::Replay => 1_000_000,
        }
    }
}

/// Makes fair keys.
#[derive(Debug)]
pub struct FairKeys(Mutex<LruCache<String, i64>>);

impl Default for FairKeys {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(TENANTS)))
    }
}

impl FairKeys {
    /// The key of the tenant's next run, in microseconds of the worker's clock.
    pub fn next(&self, tenant: &str, now_ms: i64, spacing: Spacing) -> i64 {
        let now = now_ms.saturating_mul(1000);
        let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(key) = last.get_mut(tenant) {
            *key = now.max(key.saturating_add(spacing.micros()));
            return *key;
        }
        last.put(tenant.to_owned(), now);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_with_one_import_stands_before_the_tail_of_a_tenant_with_many() {
        let keys = FairKeys::default();
        let many: Vec<i64> = (0..1000).map(|_| keys.next("many", 5, Spacing::Live)).collect();
        let one = keys.next("one", 6, Spacing::Live);
        assert!(many.is_sorted());
        assert_eq!(many.iter().filter(|key| **key < one).count(), 1, "only the first one, which came before");
    }

    #[test]
    fn a_quiet_tenant_starts_at_now_and_a_replay_stands_further_back() {
        let keys = FairKeys::default();
        keys.next("a", 0, Spacing::Live);
        assert_eq!(keys.next("a", 1_000, Spacing::Live), 1_000_000);
        let live = keys.next("b", 1_000, Spacing::Live);
        keys.next("c", 1_000, Spacing::Replay);
        assert!(keys.next("c", 1_000, Spacing::Replay) > live);
    }
}

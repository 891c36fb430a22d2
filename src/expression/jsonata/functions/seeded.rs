//! Functions that draw from the run's seed, so that a request rendered again carries the same values.

use std::sync::atomic::{AtomicU64, Ordering};

use jlens_core::HostFunction;
use serde_json::Value;

/// Their names: they are made anew for each evaluation.
pub(in super::super) const UUID: &str = "uuid";

/// `$uuid()`: version 4 in form, but drawn from `seed`.
pub(in super::super) fn uuid(seed: u64) -> HostFunction {
    let calls = AtomicU64::new(0);
    HostFunction::new(0, move |_, _| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        let high = mix(mix(seed).wrapping_add(2 * call));
        let low = mix(mix(seed).wrapping_add(2 * call + 1));
        let id = uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes());
        Ok(Some(Value::String(id.into_uuid().to_string())))
    })
    .without_input()
}

/// What makes the random numbers of one expression its own: FNV-1a, which is the same in every build, unlike the
/// standard library's hashers.
pub(in super::super) fn salt(source: &str, ordinal: u64) -> u64 {
    let hash = source
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    mix(hash.wrapping_add(ordinal))
}

/// The output function of `SplitMix64`.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

//! The tokens that the stub upstream understands, and the canaries in them.
//!
//! A token is `<marker>.<canary>`: the marker tells the stub how to answer, the canary is never seen twice, so that
//! a token that leaks anywhere is found and traced to its line.

use tidewaiter::lifecycle::Status;

use crate::rng::Rng;

/// How the upstream treats an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Every call succeeds.
    Good,
    /// The first step of `post_install` is refused.
    BadPostInstall,
    /// `validation` is answered 403.
    NoScope,
    /// Every call is answered 401, and the refresh with `invalid_grant`.
    Revoked,
    /// Two calls fail, later ones succeed.
    Flaky,
}

impl Marker {
    /// Those that are not simply good.
    pub const TROUBLED: [Self; 4] = [Self::BadPostInstall, Self::NoScope, Self::Revoked, Self::Flaky];

    /// The word in the token.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::BadPostInstall => "bad-post-install",
            Self::NoScope => "no-scope",
            Self::Revoked => "revoked",
            Self::Flaky => "flaky2",
        }
    }

    /// Where an account with such a token ends.
    pub const fn ending(self) -> Status {
        match self {
            Self::Good | Self::Flaky => Status::Active,
            Self::BadPostInstall => Status::PostInstallError,
            Self::NoScope => Status::ValidationError,
            Self::Revoked => Status::NeedsReauth,
        }
    }
}

/// What every canary begins with; 24 hexadecimal digits follow.
pub const CANARY: &str = "cnry";

/// A token with a canary of its own.
pub fn token(marker: Marker, rng: &mut Rng) -> String {
    format!("{}.{}", marker.word(), canary(rng))
}

/// A new canary.
pub fn canary(rng: &mut Rng) -> String {
    format!("{CANARY}{:016x}{:08x}", rng.next(), rng.next() >> 32)
}

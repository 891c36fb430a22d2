//! The tokens that the stub upstream understands, and the canaries in them.
//!
//! A token is `<marker>.<canary>`: the marker is a word by which `app::stub` is steered, the canary is in no other
//! token, and one that turns up where no secret may be is a leak.

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

    /// The words in the access token and in the refresh token.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Good => ("good", "good"),
            Self::BadPostInstall => ("bad-post-install", "good"),
            Self::NoScope => ("no-scope", "good"),
            Self::Revoked => ("expired", "revoked"),
            Self::Flaky => ("flaky2", "good"),
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

/// An access token and a refresh token, each with a canary of its own.
pub fn tokens(marker: Marker, rng: &mut Rng) -> (String, String) {
    let (access, refresh) = marker.words();
    (format!("{access}.{}", canary(rng)), format!("{refresh}.{}", canary(rng)))
}

/// A new canary.
pub fn canary(rng: &mut Rng) -> String {
    format!("{CANARY}{:016x}{:08x}", rng.next(), rng.next() >> 32)
}

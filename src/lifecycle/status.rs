//! The five statuses of an account, the two phases of a run and the regions.
//!
//! An account without a status is deleted: a tombstone that only keeps its sequence.

/// A word that is not one of a closed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not one of: {expected}")]
pub struct UnknownWord {
    /// What was read.
    pub given: String,
    /// The words that would have been understood.
    pub expected: String,
}

/// Declares a closed set of words with one spelling for JSON, SQL, logs and the command line.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every member, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The one spelling used everywhere.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::lifecycle::UnknownWord;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    other => Err($crate::lifecycle::UnknownWord {
                        given: other.to_owned(),
                        expected: [$($word,)+].join(", "),
                    }),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The status of an account (domain: the model system's closed enum of five).
    Status {
        /// Accepted; `post_install` and `validation` are running or about to.
        Connecting = "connecting",
        /// Usable.
        Active = "active",
        /// A `post_install` step failed.
        PostInstallError = "post_install_error",
        /// A `validation` step failed.
        ValidationError = "validation_error",
        /// The credential was definitively refused.
        NeedsReauth = "needs_reauth",
    }
}

words! {
    /// The part of a run that is being performed.
    Phase {
        /// The integration's `post_install` action.
        PostInstall = "post_install",
        /// The integration's `validation` action.
        Validation = "validation",
    }
}

impl Phase {
    /// The status of an account whose phase failed.
    #[must_use]
    pub const fn error_status(self) -> Status {
        match self {
            Self::PostInstall => Status::PostInstallError,
            Self::Validation => Status::ValidationError,
        }
    }
}

words! {
    /// Where an account lives. Immutable after creation.
    Region {
        /// Western North America, the default.
        Wnam = "wnam",
        /// Eastern North America.
        Enam = "enam",
        /// Asia and the Pacific.
        Apac = "apac",
        /// European Union.
        Eu = "eu",
    }
}

words! {
    /// How an account authenticates at the provider.
    AuthenticationMethod {
        /// OAuth 2 authorization code, usually with a refresh token.
        Oauth2 = "oauth2",
        /// Static credentials in the context.
        ApiKey = "api_key",
        /// Tokens minted from a client id and secret.
        Oauth2ClientCredentials = "oauth2_client_credentials",
        /// Keka's own grant.
        KekaOauth = "keka_oauth",
    }
}

/// `status` as text, with the tombstone spelled `deleted`.
#[must_use]
pub fn status_word(status: Option<Status>) -> &'static str {
    status.map_or("deleted", Status::as_str)
}

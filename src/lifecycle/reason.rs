//! Reason codes: bounded, stable strings that machines may match on. docs/errors.md is printed from these tables.

use serde::{Deserialize, Serialize};

use super::status::{Phase, words};

words! {
    /// Who can do something about a failure.
    WhoActs {
        /// The person who connected the account.
        EndUser = "end_user",
        /// Whoever submits the import.
        Producer = "producer",
        /// Whoever runs Tidewaiter and owns its definitions.
        Operator = "operator",
        /// The upstream provider.
        Provider = "provider",
    }
}

/// Declares a closed set of codes, each with who acts, whether the same thing may succeed later, and what it means.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal, $who:ident, $retryable:literal, $meaning:literal;)+ }) => {
        words! { $(#[$meta])* $name { $(#[doc = $meaning] $variant = $word,)+ } }

        impl $name {
            /// Who can do something about it.
            #[must_use]
            pub const fn who_acts(self) -> WhoActs {
                match self { $(Self::$variant => WhoActs::$who,)+ }
            }

            /// Whether the same request may succeed later without anybody changing anything.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)+ }
            }

            /// What the code means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

codes! {
    /// Why an import request was not accepted.
    IntakeCode {
        Malformed = "malformed", Producer, false, "The body is not one JSON object in UTF-8.";
        TooLarge = "too_large", Producer, false, "The body is larger than 1 MiB.";
        TooComplex = "too_complex", Producer, false, "The body nests deeper than 64 levels, has more than 10,000 keys, a key over 1 KiB or a string over 256 KiB.";
        DuplicateKey = "duplicate_key", Producer, false, "An object holds the same key twice, so parsers would disagree about its value.";
        BadCharacter = "bad_character", Producer, false, "A text holds a NUL, or an identifier holds a control character.";
        UnsafeNumber = "unsafe_number", Producer, false, "A number in `context` cannot pass through expressions unchanged: send it as text.";
        Invalid = "invalid", Producer, false, "A field is missing, unknown, or has a value that is not allowed.";
        UnknownInstall = "unknown_install", Producer, false, "No install has this `environment_integration_id`.";
        DisabledInstall = "disabled_install", Operator, false, "The install is not enabled.";
        NotSupported = "not_supported", Producer, false, "The request uses something that this version does not do yet.";
        IdempotencyConflict = "idempotency_conflict", Producer, false, "The same message id came before with another body.";
        WrongRegion = "wrong_region", Operator, false, "The request came to a worker that does not serve its region.";
        UnsupportedVersion = "unsupported_version", Operator, true, "The message says it is of a newer version than this worker understands.";
        DeliveryLimitExceeded = "delivery_limit_exceeded", Operator, true, "The broker gave up delivering the message and dead-lettered it.";
        NotStorable = "not_storable", Operator, false, "The database refuses what the message would write; the worker's log says why.";
        Unroutable = "unroutable", Operator, true, "The broker has no queue for the message, so nothing took it.";
    }
}

codes! {
    /// Why a run failed.
    ReasonCode {
        UpstreamRejected = "upstream_rejected", EndUser, false, "The provider answered with an error that is about the request itself.";
        Forbidden = "forbidden", EndUser, false, "The provider answered 403: the credential lacks a permission.";
        Unauthorized = "unauthorized", EndUser, false, "The provider answered 401 to a credential that never worked here.";
        RateLimited = "rate_limited", Provider, true, "The provider's rate limit outlasted the time the run may take.";
        UpstreamUnavailable = "upstream_unavailable", Provider, true, "The provider kept failing or could not be reached.";
        Timeout = "timeout", Provider, true, "The provider did not answer in time.";
        BadResponse = "bad_response", Provider, true, "The provider's answer could not be understood or is larger than 5 MiB.";
        RedirectRefused = "redirect_refused", Operator, false, "The provider answered with a redirect; redirects are never followed.";
        AddressRefused = "address_refused", Operator, false, "The request would have gone to a host or an address that the policy forbids.";
        Tls = "tls", Provider, false, "No trusted TLS connection to the provider could be made.";
        Dns = "dns", Provider, true, "The provider's host name could not be resolved.";
        ExpressionError = "expression_error", Operator, false, "An expression or a step of the definition failed on this account's data.";
        ExpressionLimit = "expression_limit", Operator, false, "An expression ran into a limit of time, depth or size.";
        UnresolvedPlaceholder = "unresolved_placeholder", Operator, false, "A URL, header or credential needs a value that is not there; nothing was sent.";
        ValidationFalse = "validation_false", EndUser, false, "The validation's last step said no.";
        DefinitionInvalid = "definition_invalid", Operator, false, "The integration's definition cannot be run.";
        DefinitionMissing = "definition_missing", Operator, false, "The definition that the run had pinned is gone.";
        CredentialRefused = "credential_refused", EndUser, false, "The provider refused the credential for good; the account has to be connected again.";
        ClientRefused = "client_refused", Operator, false, "The provider refused the OAuth client itself, not the account's token.";
        RefreshOutcomeUnknown = "refresh_outcome_unknown", EndUser, false, "The answer to a token refresh was lost and the old token is refused now; the account has to be connected again.";
        OutcomeUnknown = "outcome_unknown", Operator, false, "The answer to a request with side effects was lost, and the definition does not say how to go on.";
        DeadlineExceeded = "deadline_exceeded", Operator, true, "The run did not end within its time.";
    }
}

/// Why an account is not usable: what events, the API and the command line show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// What happened, in a sentence, without secrets.
    pub message: String,
    /// The phase that failed.
    #[serde(default)]
    pub phase: Option<Phase>,
    /// The step's name, or its index in the action.
    #[serde(default)]
    pub step: Option<String>,
    /// The provider's answer, where there was one.
    #[serde(default)]
    pub http_status: Option<u16>,
    /// Who can do something about it.
    pub who_acts: WhoActs,
    /// Whether a replay may succeed without anybody changing anything.
    pub retryable: bool,
}

//! One entry of a definition's `credentials`, compiled: which fields an account must bring, and how its token is
//! refreshed.
//!
//! Member names are those of the model system; where it says nothing, the defaults are those of the `simple-oauth2`
//! library, which has the same member names. Members that this version does not use (`authorizePath`, `scope`,
//! `tokenParams`, `pkce` and the like) are neither checked nor kept: the authorization itself happens elsewhere, and
//! minting tokens from a client's own credentials is not done yet.

mod field;
mod grant;
mod members;
#[cfg(test)]
mod tests;
mod token_url;

use serde_json::Value;

use super::error::CompileError;
use crate::lifecycle::AuthenticationMethod;
use members::Members;

pub use field::{Field, FieldKind, Format, Pattern, Transform};
pub use grant::{BodyFormat, Client, ClientAuth, Param, RefreshPlan};
pub use token_url::TokenUrl;

/// How accounts of one method bring their credential and keep it fresh.
#[derive(Debug)]
pub struct CredentialPlan {
    /// The method.
    pub method: AuthenticationMethod,
    /// The fields of the context that are checked, in order.
    pub fields: Vec<Field>,
    /// How a token is refreshed by the grant; `None` when no token URL is known.
    pub refresh: Option<RefreshPlan>,
    /// Error words, beside `invalid_grant`, that refuse a token for good.
    pub refusal_errors: Vec<String>,
    /// Seconds a token is good for when the provider does not say.
    pub fallback_expiry_s: Option<i64>,
}

impl CredentialPlan {
    /// Compiles one entry: `{"format": …, "config": {…}}`. An entry without `config` asks for nothing.
    ///
    /// # Errors
    /// A [`CompileError`] whose pointer starts at the entry.
    pub fn compile(method: AuthenticationMethod, entry: &Value) -> Result<Self, CompileError> {
        let entry = Members::of(entry, String::new())?;
        if let Some(format) = entry.text("format")?.filter(|format| *format != method.as_str()) {
            let message = format!("is `{format}` where the entry is for `{method}`");
            return Err(entry.error("format", message));
        }
        let Some(config) = entry.object("config")? else {
            let (fields, refusal_errors) = (Vec::new(), Vec::new());
            return Ok(Self { method, fields, refresh: None, refusal_errors, fallback_expiry_s: None });
        };
        let refresh = match method {
            AuthenticationMethod::ApiKey => None,
            AuthenticationMethod::Oauth2
            | AuthenticationMethod::Oauth2ClientCredentials
            | AuthenticationMethod::KekaOauth => RefreshPlan::compile(&config)?,
        };
        Ok(Self {
            method,
            fields: field::compile_all(&config)?,
            refresh,
            refusal_errors: grant::refusal_errors(&config)?,
            fallback_expiry_s: grant::fallback_expiry(&config)?,
        })
    }
}

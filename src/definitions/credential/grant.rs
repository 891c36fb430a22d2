//! How a definition says that tokens are refreshed.

use std::fmt;

use serde_json::Value;

use super::CompileError;
use super::members::Members;
use super::token_url::TokenUrl;
use crate::expression::{Encoding, ExprError, Scope, Text};

/// How a token is refreshed.
pub struct RefreshPlan {
    /// Where the refresh request goes.
    pub url: TokenUrl,
    /// The OAuth client; `None` for providers that ask for none.
    pub client: Option<Client>,
    /// How the client proves itself.
    pub client_auth: ClientAuth,
    /// How the request's body is written.
    pub body_format: BodyFormat,
    /// Whether id and secret are form-encoded before they go into the `Authorization` header (RFC 6749 §2.3.1).
    pub encode_client: bool,
    /// Extra members of the refresh request's body.
    pub params: Vec<(String, Param)>,
}

impl fmt::Debug for RefreshPlan {
    // Client and parameters hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshPlan")
            .field("client_auth", &self.client_auth)
            .field("body_format", &self.body_format)
            .finish_non_exhaustive()
    }
}

/// An OAuth client.
pub struct Client {
    /// Its id.
    pub id: Text,
    /// Its secret; public clients have none.
    pub secret: Option<Text>,
    /// The id's name in a request's body.
    pub id_name: String,
    /// The secret's name in a request's body.
    pub secret_name: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// How a client proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the `Authorization` header (HTTP Basic).
    Header,
    /// In the request's body.
    Body,
}

/// How a token request's body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
}

/// The value of an extra member of a token request.
pub enum Param {
    /// Text, perhaps with placeholders.
    Text(Text),
    /// Any other JSON value, sent as it is.
    Fixed(Value),
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Param")
    }
}

impl RefreshPlan {
    /// Compiles what `config` says about refreshing. `None` when it names no token URL.
    pub(super) fn compile(config: &Members<'_>) -> Result<Option<Self>, CompileError> {
        let Some(auth) = config.object("auth")? else { return Ok(None) };
        let Some(url) = TokenUrl::compile(&auth)? else { return Ok(None) };
        let none = Value::Object(serde_json::Map::new());
        let options = options(config, &none)?;
        Ok(Some(Self {
            url,
            client: client(config)?,
            client_auth: options.word(
                "authorizationMethod",
                &[("header", ClientAuth::Header), ("body", ClientAuth::Body)],
                ClientAuth::Header,
            )?,
            body_format: options.word(
                "bodyFormat",
                &[("form", BodyFormat::Form), ("json", BodyFormat::Json)],
                BodyFormat::Form,
            )?,
            encode_client: options.word("credentialsEncodingMode", &[("strict", true), ("loose", false)], true)?,
            params: params(config)?,
        }))
    }

    /// The secrets that the definition itself holds, rendered for one account, so that they can be redacted. What
    /// cannot be rendered cannot be sent either and is left out.
    #[must_use]
    pub fn secrets(&self, scope: &Scope) -> Vec<String> {
        let secret = self.client.as_ref().and_then(|client| client.secret.as_ref());
        secret.and_then(|secret| secret.render(scope).ok()).into_iter().collect()
    }
}

fn client(config: &Members<'_>) -> Result<Option<Client>, CompileError> {
    let Some(client) = config.object("client")? else { return Ok(None) };
    let template = |key| {
        let compile = |source| Text::compile(source, Encoding::None).map_err(|e| broken_template(&client, key, &e));
        client.text(key)?.map(compile).transpose()
    };
    let name = |key, default: &str| Ok(client.text(key)?.unwrap_or(default).to_owned());
    let (id, secret) = (template("id")?, template("secret")?);
    let Some(id) = id else {
        return if secret.is_some() { Err(client.error("id", "is missing beside `secret`")) } else { Ok(None) };
    };
    Ok(Some(Client {
        id,
        secret,
        id_name: name("idParamName", "client_id")?,
        secret_name: name("secretParamName", "client_secret")?,
    }))
}

fn params(config: &Members<'_>) -> Result<Vec<(String, Param)>, CompileError> {
    let Some(params) = config.object("refreshParams")? else { return Ok(Vec::new()) };
    let compile = |(key, value): (&String, &Value)| {
        let param = match value {
            Value::String(source) => {
                Param::Text(Text::compile(source, Encoding::None).map_err(|e| broken_template(&params, key, &e))?)
            }
            Value::Number(_) | Value::Bool(_) => Param::Fixed(value.clone()),
            _ => return Err(params.error(key, "must be text, a number, true or false")),
        };
        Ok((key.clone(), param))
    };
    params.iter().filter(|(_, value)| !value.is_null()).map(compile).collect()
}

/// The entry's options; `none` stands in for them.
fn options<'a>(config: &Members<'a>, none: &'a Value) -> Result<Members<'a>, CompileError> {
    config.object("options")?.map_or_else(|| Members::of(none, config.pointer("options")), Ok)
}

pub(super) fn refusal_errors(config: &Members<'_>) -> Result<Vec<String>, CompileError> {
    let none = Value::Object(serde_json::Map::new());
    let options = options(config, &none)?;
    let word = |(index, value): (usize, &Value)| {
        value.as_str().map(str::to_owned).ok_or_else(|| {
            CompileError::new(options.pointer("refusal_errors") + &format!("/{index}"), "must be an error word")
        })
    };
    options.list("refusal_errors")?.iter().enumerate().map(word).collect()
}

pub(super) fn fallback_expiry(config: &Members<'_>) -> Result<Option<i64>, CompileError> {
    let Some(value) = config.value("tokenExpiryDuration") else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    match seconds.filter(|seconds| *seconds > 0) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(config.error("tokenExpiryDuration", "must be a number of seconds")),
    }
}

fn broken_template(members: &Members<'_>, key: &str, error: &ExprError) -> CompileError {
    members.error(key, format!("does not compile: {}", error.message))
}

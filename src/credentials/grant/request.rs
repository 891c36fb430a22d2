//! The refresh request.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::credentials::token;
use crate::definitions::CredentialPlan;
use crate::definitions::credential::{BodyFormat, Client, ClientAuth, Param, RefreshPlan};
use crate::expression::{ExprError, ExprKind, Scope};
use crate::lifecycle::{Failure, ReasonCode};
use crate::upstream::Request;

/// The longest a token request may take. Whoever takes over must wait longer than this before trying again.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// The request that refreshes the token of `context`. `scope` is what placeholders see: the same context, and the rest.
///
/// # Errors
/// A permanent [`Failure`] when there is nothing to refresh with, or a template of the definition gives no complete
/// text; nothing is sent then.
pub fn refresh_request(plan: &CredentialPlan, context: &Map<String, Value>, scope: &Scope) -> Result<Request, Failure> {
    let refresh = plan.refresh.as_ref().ok_or_else(|| missing("the definition names no token URL"))?;
    let refresh_token = token::refresh_token(context).ok_or_else(|| missing("the account has no refresh token"))?;
    let url = refresh.url.render(scope).map_err(|error| unrendered("token URL", &error))?;
    let mut body = Map::new();
    for (name, param) in &refresh.params {
        body.insert(name.clone(), rendered(name, param, scope)?);
    }
    body.insert("grant_type".to_owned(), Value::from("refresh_token"));
    body.insert("refresh_token".to_owned(), Value::from(refresh_token));
    let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
    if let Some(client) = &refresh.client {
        authenticate(refresh, client, scope, &mut headers, &mut body)?;
    }
    let (content_type, body) = match refresh.body_format {
        BodyFormat::Form => ("application/x-www-form-urlencoded", form(&body).into_bytes()),
        BodyFormat::Json => ("application/json", Value::Object(body).to_string().into_bytes()),
    };
    headers.push(("content-type".to_owned(), content_type.to_owned()));
    Ok(Request { method: "POST".to_owned(), url: url.into(), headers, body: Some(body), timeout: TIMEOUT })
}

/// Adds the client's proof where the definition wants it. A client without a secret only names itself, in the body.
fn authenticate(
    refresh: &RefreshPlan,
    client: &Client,
    scope: &Scope,
    headers: &mut Vec<(String, String)>,
    body: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let id = client.id.render(scope).map_err(|error| unrendered("client id", &error))?;
    let secret = client.secret.as_ref().map(|secret| secret.render(scope)).transpose();
    let secret = secret.map_err(|error| unrendered("client secret", &error))?;
    match (refresh.client_auth, secret) {
        (ClientAuth::Header, Some(secret)) => {
            let pair = if refresh.encode_client {
                format!("{}:{}", form_encoded(&id), form_encoded(&secret))
            } else {
                format!("{id}:{secret}")
            };
            headers.push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair))));
        }
        (ClientAuth::Body, Some(secret)) => {
            body.insert(client.id_name.clone(), Value::from(id));
            body.insert(client.secret_name.clone(), Value::from(secret));
        }
        (ClientAuth::Header | ClientAuth::Body, None) => {
            body.insert(client.id_name.clone(), Value::from(id));
        }
    }
    Ok(())
}

fn rendered(name: &str, param: &Param, scope: &Scope) -> Result<Value, Failure> {
    match param {
        Param::Text(text) => {
            text.render(scope).map(Value::from).map_err(|error| unrendered(&format!("parameter `{name}`"), &error))
        }
        Param::Fixed(value) => Ok(value.clone()),
    }
}

fn form(body: &Map<String, Value>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in body {
        match value {
            Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    form.finish()
}

fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn missing(what: &str) -> Failure {
    Failure::permanent(ReasonCode::DefinitionInvalid, format!("the token cannot be refreshed: {what}"))
}

fn unrendered(what: &str, error: &ExprError) -> Failure {
    let code = match error.kind {
        ExprKind::Syntax | ExprKind::Failed => ReasonCode::ExpressionError,
        ExprKind::Limit => ReasonCode::ExpressionLimit,
        ExprKind::Unresolved => ReasonCode::UnresolvedPlaceholder,
    };
    Failure::permanent(code, format!("the {what} of the refresh request: {}", error.message))
}

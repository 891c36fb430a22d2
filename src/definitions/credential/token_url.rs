//! The token URL with its placeholders, each encoded as its place in the URL demands.
//!
//! The client's secret goes there, so the definition decides about the host: an account may fill in what stands in front
//! of a literal domain, and more only where the definition says `host_from_tenant`.

use std::fmt;

use url::Url;

use super::CompileError;
use super::members::Members;
use crate::expression::{ExprError, ExprKind, Scope, Text};

/// A host and a path, or a whole URL, that are rendered for each account.
pub struct TokenUrl {
    /// Scheme, host and port as the definition writes them, placeholders and all.
    pub origin: String,
    /// What the path is resolved against.
    base: Option<Text>,
    path: Text,
}

impl fmt::Debug for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenUrl")
    }
}

impl TokenUrl {
    /// Compiles the URL of refresh requests from `auth`: `refreshPath`, else `tokenPath`, else `/oauth/token`, on
    /// `tokenHost`. `None` when neither a host nor a path is there.
    ///
    /// A path that is a whole URL stands for itself; any other is resolved against the host like a link on a page.
    pub(super) fn compile(auth: &Members<'_>) -> Result<Option<Self>, CompileError> {
        let host = auth.text("tokenHost")?;
        let (key, path) = match (auth.text("refreshPath")?, auth.text("tokenPath")?) {
            (Some(path), _) => ("refreshPath", path),
            (None, Some(path)) => ("tokenPath", path),
            (None, None) if host.is_none() => return Ok(None),
            (None, None) => ("tokenPath", "/oauth/token"),
        };
        let from_tenant = auth.flag("host_from_tenant")?.unwrap_or(false);
        let compiled = |key, source| {
            Text::compile_url(source, false)
                .map_err(|error| auth.error(key, format!("does not compile: {}", error.message)))
        };
        let origin = |key, source| check_origin(source, from_tenant).map_err(|message| auth.error(key, message));
        let Some(host) = host.filter(|_| literal_scheme(path).is_none()) else {
            origin(key, path)?;
            return Ok(Some(Self { origin: origin_of(path), base: None, path: compiled(key, path)? }));
        };
        if path.starts_with("{{") || path.starts_with("//") {
            return Err(auth.error(key, "must begin with literal text: `/`, or `https://` for a whole URL"));
        }
        origin("tokenHost", host)?;
        Ok(Some(Self { origin: origin_of(host), base: Some(compiled("tokenHost", host)?), path: compiled(key, path)? }))
    }

    /// The URL of one account.
    ///
    /// # Errors
    /// An [`ExprError`]: `Unresolved` when a placeholder has no value, `Failed` when the result is no `http` or `https`
    /// URL or carries a user name.
    pub fn render(&self, scope: &Scope) -> Result<Url, ExprError> {
        let path = self.path.render(scope)?;
        let url = match &self.base {
            Some(base) => Url::parse(&base.render(scope)?).and_then(|base| base.join(&path)),
            None => Url::parse(&path),
        };
        let url = url.map_err(|error| failed(format!("it is not a URL: {error}")))?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_plain {
            return Err(failed("it must be an http or https URL without a user name".to_owned()));
        }
        Ok(url)
    }
}

fn failed(message: String) -> ExprError {
    ExprError { kind: ExprKind::Failed, code: "token_url".to_owned(), message, position: None }
}

/// What follows a literal scheme.
fn literal_scheme(source: &str) -> Option<&str> {
    source.strip_prefix("https://").or_else(|| source.strip_prefix("http://"))
}

/// Scheme and authority of a URL; of one that is all a placeholder, the placeholder.
fn origin_of(source: &str) -> String {
    let authority_at = literal_scheme(source).map_or(0, |rest| source.len() - rest.len());
    let end = authority_end(source.get(authority_at..).unwrap_or_default());
    source.get(..authority_at + end).unwrap_or(source).to_owned()
}

/// Whether the definition decides about the host of a URL, or says that the account may.
fn check_origin(source: &str, from_tenant: bool) -> Result<(), String> {
    let whole = literal_scheme(source);
    let is_template = source.starts_with("{{");
    if whole.is_none() && !is_template {
        return Err("must be a URL that begins with `https://` (or a path, beside `tokenHost`)".to_owned());
    }
    let authority = whole.map_or(source, |rest| rest.get(..authority_end(rest)).unwrap_or(rest));
    if authority.is_empty() {
        return Err("must name a host".to_owned());
    }
    if authority.contains('@') && !is_template {
        return Err("must not hold a user name".to_owned());
    }
    let Some(last) = authority.rfind("}}") else { return Ok(()) };
    let domain = authority.get(last + 2..).unwrap_or_default();
    let is_pinned = whole.is_some() && domain.starts_with('.') && domain.matches('.').count() >= 2;
    if from_tenant || is_pinned || is_operators(authority) {
        return Ok(());
    }
    Err("lets the account choose the host that gets the client's secret: end it with a literal domain \
         (`https://{{subdomain}}.example.com`), or set `host_from_tenant: true` beside it"
        .to_owned())
}

/// Whether only the operator's environment variables can fill the placeholders.
fn is_operators(authority: &str) -> bool {
    authority.split("{{").skip(1).all(|inside| {
        let inside = inside.split("}}").next().unwrap_or_default();
        inside.trim_start().starts_with("environment_variables.") && !inside.contains('|')
    })
}

/// Where host and port end: at the first slash, question mark or hash that no placeholder holds.
fn authority_end(source: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("{{") {
            at += rest.find("}}").map_or(rest.len(), |end| end + 2);
        } else if rest.starts_with(['/', '?', '#']) {
            return at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    source.len()
}

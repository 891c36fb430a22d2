//! Where requests may go: the definition decides about scheme and host, an account fills in at most one label of it.
//!
//! What is known at load is refused here; the rendered URL is checked again in `actions`, and the address it leads to
//! in `upstream`.

use super::error::CompileError;
use super::node::Node;
use super::request_plan::Target;
use crate::expression::Encoding;

/// A base URL and a path, compiled. An absolute path is used as it is.
pub(super) fn compile(
    base: Option<&Node<'_>>,
    path: Option<&Node<'_>>,
    host_from_tenant: bool,
) -> Result<Option<Target>, CompileError> {
    let absolute = path.map(Node::text).transpose()?.filter(|path| scheme(path).is_some());
    let (origin, relative) = match (absolute, base) {
        (Some(_), _) => (path, None),
        (None, Some(base)) => (Some(base), path),
        (None, None) => return Ok(None),
    };
    let Some(origin) = origin else { return Ok(None) };
    let source = origin.text()?;
    let Some((scheme, rest)) = scheme(source) else {
        return Err(origin.refuse("must begin with a literal `https://` (or `http://`, for hosts the operator allows)"));
    };
    let end = ["/", "?", "#"].iter().filter_map(|mark| find_literal(rest, mark)).min().unwrap_or(rest.len());
    let (authority, below) = rest.split_at(end);
    let labels = check_authority(origin, authority, host_from_tenant)?;
    let encoding = if labels.is_some() { Encoding::Host } else { Encoding::None };
    let mut target = Target {
        origin: format!("{scheme}://{authority}"),
        scheme,
        authority: origin.compile(authority, encoding)?,
        labels,
        path: Vec::new(),
        query: None,
    };
    if absolute.is_none() && find_literal(below, "?").is_some() {
        return Err(origin.refuse("must not hold a query; use `query`"));
    }
    add_path(origin, below, &mut target)?;
    if let Some(relative) = relative {
        add_path(relative, relative.text()?, &mut target)?;
    }
    Ok(Some(target))
}

fn scheme(source: &str) -> Option<(&'static str, &str)> {
    ["https", "http"].into_iter().find_map(|scheme| {
        let head = source.get(..scheme.len())?;
        let rest = source.get(scheme.len()..)?.strip_prefix("://")?;
        head.eq_ignore_ascii_case(scheme).then_some((scheme, rest))
    })
}

fn add_path(node: &Node<'_>, source: &str, target: &mut Target) -> Result<(), CompileError> {
    if find_literal(source, "#").is_some() {
        return Err(node.refuse("must not hold a fragment (`#`); write `%23` for the character"));
    }
    let (path, query) = match find_literal(source, "?") {
        Some(at) => (&source[..at], Some(&source[at + 1..])),
        None => (source, None),
    };
    if !path.is_empty() {
        target.path.push(node.compile(path, Encoding::PathSegment)?);
    }
    if let Some(query) = query {
        target.query = Some(node.compile(query, Encoding::QueryComponent)?);
    }
    Ok(())
}

/// How many labels a host must have, or why its template is refused.
fn check_authority(node: &Node<'_>, authority: &str, host_from_tenant: bool) -> Result<Option<usize>, CompileError> {
    if authority.is_empty() {
        return Err(node.refuse("has no host"));
    }
    if find_literal(authority, "@").is_some() {
        return Err(node.refuse("must not hold a user name; use `authorization`"));
    }
    let tenant: Vec<Span> = placeholders(authority).into_iter().filter(|span| !span.is_operators(authority)).collect();
    let Some(last) = tenant.last() else { return Ok(None) };
    let host_end = find_literal(authority, ":").unwrap_or(authority.len());
    if last.end > host_end {
        return Err(node.refuse("must not take its port from the account"));
    }
    if host_from_tenant {
        return Ok(None);
    }
    let suffix = &authority[last.end..host_end];
    let pinned = suffix.starts_with('.') && (suffix.matches('.').count() >= 2 || suffix.contains("{{"));
    if !pinned {
        return Err(node.refuse(
            "lets the account choose the host: end it with a literal domain (`https://{{subdomain}}.example.com`), or \
             set `host_from_tenant: true` beside `base_url` when every tenant has a host of its own",
        ));
    }
    if placeholders(authority).len() > tenant.len() {
        // An operator's variable may hold several labels, so they cannot be counted here.
        return Err(node.refuse("must not mix the account's values and environment variables in the host"));
    }
    Ok(Some(dots_outside(authority) + 1))
}

fn dots_outside(authority: &str) -> usize {
    let spans = placeholders(authority);
    authority.match_indices('.').filter(|(at, _)| is_outside(&spans, *at)).count()
}

/// A placeholder's place in its source.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Whether only the operator's environment variables can fill it.
    fn is_operators(self, source: &str) -> bool {
        let inside = source[self.start + 2..self.end - 2].trim();
        inside.starts_with("environment_variables.") && !inside.contains('|')
    }
}

fn placeholders(source: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut from = 0;
    while let Some(start) = source[from..].find("{{").map(|at| at + from) {
        let Some(end) = source[start..].find("}}").map(|at| at + start + 2) else { break };
        spans.push(Span { start, end });
        from = end;
    }
    spans
}

/// The placeholders of `source` as they are written.
pub(super) fn placeholder_texts(source: &str) -> Vec<String> {
    placeholders(source).into_iter().map(|span| source[span.start..span.end].to_owned()).collect()
}

/// The first of `placeholders` that is still in `text`, which means that nothing filled it.
pub(crate) fn unresolved<'a>(text: &str, placeholders: &'a [String]) -> Option<&'a str> {
    placeholders.iter().map(String::as_str).find(|placeholder| text.contains(placeholder))
}

/// Where `mark` first stands outside of placeholders.
fn find_literal(source: &str, mark: &str) -> Option<usize> {
    let spans = placeholders(source);
    source.match_indices(mark).map(|(at, _)| at).find(|at| is_outside(&spans, *at))
}

/// Whether `at` is in none of `spans`, which are in order.
fn is_outside(spans: &[Span], at: usize) -> bool {
    let next = spans.partition_point(|span| span.end <= at);
    spans.get(next).is_none_or(|span| at < span.start)
}

//! Links to the next page: reading them, and keeping them at home.
//!
//! The header's parser is RFC 8288's appendix B.2, forgiving: a link that cannot be read does not hide the others. The
//! crates for it (`http-link`, `parse_link_header`, `nom-rfc8288`) give up on a whole header at one of those.

use std::borrow::Cow;

use serde_json::Value;
use url::Url;

use super::{Measure, bad};
use crate::actions::url::check_text;
use crate::lifecycle::{Failure, ReasonCode};

/// The target of the first link whose relation is `next`.
pub(super) fn next(header: &str) -> Option<Cow<'_, str>> {
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return None;
        }
        let Some((target, parameters)) = rest.strip_prefix('<').and_then(|link| link.split_once('>')) else {
            rest = rest.split_once(',')?.1;
            continue;
        };
        let (is_next, behind) = leads_on(parameters);
        if is_next {
            return Some(target.trim().into());
        }
        rest = behind;
    }
}

/// Whether a link with these parameters is the next page's, and what is behind the link.
fn leads_on(mut rest: &str) -> (bool, &str) {
    let (mut relation, mut elsewhere) = (None, false);
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let Some(parameter) = rest.strip_prefix(';') else {
            if rest.is_empty() || rest.starts_with(',') {
                break;
            }
            rest = &rest[rest.find([';', ',']).unwrap_or(rest.len())..];
            continue;
        };
        let parameter = parameter.trim_start_matches([' ', '\t']);
        let (name, behind) = parameter.split_at(parameter.find(['=', ';', ',']).unwrap_or(parameter.len()));
        let value = match behind.strip_prefix('=') {
            None => {
                rest = behind;
                Cow::Borrowed("")
            }
            Some(behind) => {
                let (value, behind) = parameter_value(behind.trim_start_matches([' ', '\t']));
                rest = behind;
                value
            }
        };
        let name = name.trim();
        // Only the first of several counts; a link from another place than this page says nothing about it.
        if name.eq_ignore_ascii_case("rel") && relation.is_none() {
            relation = Some(value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next")));
        }
        elsewhere |= name.eq_ignore_ascii_case("anchor");
    }
    (relation == Some(true) && !elsewhere, rest)
}

/// A token or a quoted string, and what is behind it.
fn parameter_value(rest: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = rest.strip_prefix('"') else {
        let (token, behind) = rest.split_at(rest.find([';', ',']).unwrap_or(rest.len()));
        return (token.trim().into(), behind);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value.into(), &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value.into(), "")
}

/// The URL that a link of the page at `base` leads to.
///
/// # Errors
/// When it is none, or leads to another scheme, host or port: the account's credential goes nowhere that only an answer
/// names.
pub(super) fn resolve(base: &str, target: &str) -> Result<String, Failure> {
    let target = target.trim();
    // A parser would drop or convert these, and the check would be on another text than the one that was given.
    if target.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(bad("the next page's link holds white space, a control character or a backslash"));
    }
    let no_url = |_| bad("the next page's link is no URL");
    let base = Url::parse(base).map_err(no_url)?;
    let mut next = base.join(target).map_err(no_url)?;
    let same = next.scheme() == base.scheme()
        && next.host() == base.host()
        && next.port_or_known_default() == base.port_or_known_default();
    if !same || !next.username().is_empty() || next.password().is_some() {
        return Err(Failure::permanent(
            ReasonCode::AddressRefused,
            "the next page's link leads to another scheme, host or port than its page, where the credential does not \
             belong: `base_url` has to be the address that the provider's links have, or a `cursor` without \
             `is_link` has to be used",
        ));
    }
    next.set_fragment(None);
    let next = String::from(next);
    check_text(&next)?;
    Ok(next)
}

/// What tells a URL from others, however it is written.
pub(super) fn fingerprint(url: &str) -> u64 {
    let url = Url::parse(url).map_or_else(|_| url.to_owned(), String::from);
    Measure::of(&Value::String(url)).fingerprint("link")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others_however_it_is_written() {
        for (header, expected) in [
            (
                r#"<https://a.test/?page=2>; rel="next", <https://a.test/?page=9>; rel="last""#,
                Some("https://a.test/?page=2"),
            ),
            (
                r#"<https://a.test/?page=1>; rel="prev",<https://a.test/?page=3>;rel=next"#,
                Some("https://a.test/?page=3"),
            ),
            (r#"</a?b=1,2>; rel="last", </a?b=3,4>; rel="next""#, Some("/a?b=3,4")),
            (r#"</2>; title="a, \"b\"; rel=next <x>"; rel="last", </3>; Rel = "prev NEXT""#, Some("/3")),
            (r#"</2>; rel="nextish""#, None),
            (r#"</2>; rel="last"; rel="next""#, None),
            (r#"</2>; anchor="/other"; rel="next""#, None),
            ("</2>; rel", None),
            (r#"</2>; rel="next"#, Some("/2")),
            ("</2>junk; rel=next", Some("/2")),
            (r#"broken; rel="next", ,, </2> ; rel=next ;"#, Some("/2")),
            ("<unclosed; rel=next", None),
            ("<>; rel=next", Some("")),
            ("", None),
            (",", None),
        ] {
            assert_eq!(next(header).as_deref(), expected, "{header}");
        }
    }

    #[test]
    fn a_link_leads_to_its_own_origin_or_nowhere() {
        let base = "https://api.test/v1/users?page=1";
        for (target, expected) in [
            ("https://api.test/v1/users?page=2", Some("https://api.test/v1/users?page=2")),
            ("https://API.test:443/v1/users?page=2#top", Some("https://api.test/v1/users?page=2")),
            ("?page=2", Some("https://api.test/v1/users?page=2")),
            ("/v2/users", Some("https://api.test/v2/users")),
            ("next", Some("https://api.test/v1/next")),
            ("//api.test/x", Some("https://api.test/x")),
            ("", Some("https://api.test/v1/users?page=1")),
            ("http://api.test/v1/users", None),
            ("https://api.test:8443/v1/users", None),
            ("https://api.test.evil.test/", None),
            ("https://evil.test/", None),
            ("//evil.test/", None),
            ("https://user:pw@api.test/", None),
            ("https://api.test@evil.test/", None),
            ("https:\\\\evil.test", None),
            ("/\\evil.test", None),
            ("/\t/evil.test", None),
            ("/a b", None),
            ("javascript:alert(1)", None),
            ("ftp://api.test/", None),
            ("https://", None),
        ] {
            assert_eq!(resolve(base, target).ok().as_deref(), expected, "{target}");
        }
        assert!(resolve(base, &format!("?a={}", "x".repeat(9_000))).is_err());
    }
}

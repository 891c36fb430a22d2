//! Addresses that stand bare in a text, as GitHub links them: `https://…`, `www.…`, `ann@example.com`.

use super::escape;

/// Text as HTML, with its addresses as links.
pub(super) fn linked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, link, after)) = next(rest) {
        out.push_str(&escape::but_entities(before));
        let prefix = match link {
            _ if link.starts_with("www.") => "http://",
            _ if is_web(link) => "",
            _ => "mailto:",
        };
        let href = escape::address(&format!("{prefix}{link}"));
        out.extend(["<a href=\"", &href, "\">", &escape::all(link), "</a>"]);
        rest = after;
    }
    out.push_str(&escape::but_entities(rest));
    out
}

fn is_web(text: &str) -> bool {
    ["https://", "http://", "ftp://", "www."].iter().any(|start| text.starts_with(start))
}

/// The first address, with what stands before and after it.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    // A letter or sign that may begin an address: look there only.
    for (at, found) in text.match_indices([':', '.', '@']) {
        let link = match found {
            "@" => mail(text, at),
            "." if text[..at].ends_with("www") => web(text, at - 3, at + 1),
            ":" if text[at..].starts_with("://") => {
                let scheme = ["https", "http", "ftp"].into_iter().find(|scheme| text[..at].ends_with(scheme));
                scheme.and_then(|scheme| web(text, at - scheme.len(), at + 3))
            }
            _ => None,
        };
        if let Some((start, end)) = link {
            return Some((&text[..start], &text[start..end], &text[end..]));
        }
    }
    None
}

/// Where an address ends whose host begins at `host`: before white space, and without the signs of a sentence.
fn web(text: &str, start: usize, host: usize) -> Option<(usize, usize)> {
    text[host..].chars().next().filter(|c| c.is_ascii_alphanumeric() || *c == '-')?;
    let length = text[host..].find(|c: char| c.is_whitespace() || c == '<').unwrap_or(text.len() - host);
    let mut end = host + length;
    let link = &text[start..end];
    // How many brackets are closed that were not opened.
    let mut unopened = link.matches(')').count().saturating_sub(link.matches('(').count());
    while end > host {
        let link = &text[start..end];
        let last = link.chars().next_back()?;
        if let Some(name) = entity(link) {
            end -= name;
        } else if last == ')' && unopened > 0 {
            unopened -= 1;
            end -= 1;
        } else if "?!.,:;*_'\"~&(".contains(last) {
            end -= 1;
        } else {
            return Some((start, end));
        }
    }
    None
}

/// The length of the entity that a text ends with. The longest has 33 letters.
fn entity(text: &str) -> Option<usize> {
    let name = text.strip_suffix(';')?;
    let letters = name.bytes().rev().take(33).take_while(u8::is_ascii_alphanumeric).count();
    (letters > 0 && name[..name.len() - letters].ends_with('&')).then_some(letters + 2)
}

/// Where an address of mail stands whose `@` is at `at`.
fn mail(text: &str, at: usize) -> Option<(usize, usize)> {
    let is_local = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    // No name is longer than this, so a long text without spaces is not searched again and again.
    let from = text[..at].char_indices().rev().take(255).take_while(|(_, c)| is_local(*c)).last()?.0;
    let host = &text[at + 1..];
    let mut length = host.find(|c| !is_host(c)).unwrap_or(host.len());
    length = host[..length].trim_end_matches('.').len();
    let (host, last) = (&host[..length], host[..length].chars().next_back()?);
    let is_name = !host.starts_with('.') && !host.contains("..") && host.contains('.') && last.is_ascii_alphanumeric();
    is_name.then_some((from, at + 1 + length))
}

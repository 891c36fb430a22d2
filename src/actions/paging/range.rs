//! Ranges: `Range: items=0-99` asks, `Content-Range: items 0-99/250` answers (RFC 9110, 14.2 and 14.4).

use serde_json::Value;

use super::{Page, Position};

/// The last item of a range that begins at `first`.
pub(super) const fn last(first: u64, limit: u64) -> u64 {
    first.saturating_add(limit).saturating_sub(1)
}

/// The range behind the one that began at `first` and was answered with `page`.
pub(super) fn after(first: u64, page: &Page<'_>) -> Option<Position> {
    let content = page.headers.get("content-range").and_then(Value::as_str).and_then(parse);
    let (next, total) = match content {
        Some(Content { last, total }) => (last.checked_add(1)?, total),
        // Whoever answers 200 without a range does not know ranges, and gave everything.
        None if page.status == 200 => return None,
        None => (first.checked_add(page.items as u64)?, None),
    };
    (page.items > 0 && next > first && total.is_none_or(|total| next < total)).then_some(Position::At(next))
}

#[derive(Debug, PartialEq, Eq)]
struct Content {
    last: u64,
    total: Option<u64>,
}

/// `[unit] first-last/total`, the total perhaps `*`.
fn parse(header: &str) -> Option<Content> {
    let range = header.trim().rsplit([' ', '=']).next()?;
    let (range, total) = range.split_once('/').unwrap_or((range, "*"));
    let (_, last) = range.split_once('-')?;
    Some(Content { last: last.trim().parse().ok()?, total: total.trim().parse().ok() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_with_and_without_unit_and_total() {
        for (header, expected) in [
            ("items 0-99/250", Some((99, Some(250)))),
            ("items 100-199/*", Some((199, None))),
            ("0-24/3573458", Some((24, Some(3_573_458)))),
            ("items=0-9/20", Some((9, Some(20)))),
            ("items 0-9", Some((9, None))),
            ("items */250", None),
            ("items 0-x/9", None),
            ("", None),
        ] {
            let expected = expected.map(|(last, total)| Content { last, total });
            assert_eq!(parse(header), expected, "{header}");
        }
    }
}

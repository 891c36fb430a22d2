//! The W3C trace context that a producer sends along. Pure.

/// The length of version 00: the only one there is, and what later ones begin with.
const LENGTH: usize = 55;

/// Reads a `traceparent`: version 00, or the part of a later version that this one knows. `None` when it is not valid;
/// then there is no trace, and nothing else follows from it.
#[must_use]
pub fn traceparent(text: &str) -> Option<String> {
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let id = |part: &str, length: usize| hex(part, length) && part.bytes().any(|byte| byte != b'0');
    let is_version = hex(version, 2) && version != "ff";
    let ends = rest.is_empty() || (version != "00" && rest.starts_with('-'));
    let valid = is_version && ends && id(trace, 32) && id(parent, 16) && hex(flags, 2);
    valid.then(|| format!("00-{trace}-{parent}-{flags}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_trace_is_continued_as_it_is_and_anything_else_is_none() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(valid).as_deref(), Some(valid));
        let later = valid.replacen("00", "cc", 1);
        assert_eq!(traceparent(&format!("{later}-what-comes")).as_deref(), Some(valid));
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-001",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            " 0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "\u{e9}\u{e9}\u{e9}0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(traceparent(wrong), None, "{wrong}");
        }
    }
}

//! The text behind percent signs and entities.

/// `%5B` and `%5D` as the brackets they stand for.
pub(super) fn unescape_brackets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let bracket = match rest.as_bytes().get(at + 1..at + 3) {
            Some([b'5', b'B' | b'b']) => Some('['),
            Some([b'5', b'D' | b'd']) => Some(']'),
            _ => None,
        };
        out.push(bracket.unwrap_or('%'));
        rest = &rest[at + if bracket.is_some() { 3 } else { 1 }..];
    }
    out + rest
}

/// Percent decoding; a text that is not well-formed stays as it is, but for the plus signs.
pub(super) fn decode(text: &str, is_latin1: bool) -> String {
    let text = text.replace('+', " ");
    if !text.contains('%') {
        return text;
    }
    let hex = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes = text.as_bytes();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = bytes.get(at + 1).copied().and_then(hex).zip(bytes.get(at + 2).copied().and_then(hex));
        match pair.filter(|_| *byte == b'%') {
            Some((high, low)) if is_latin1 => {
                let mut utf8 = [0; 2];
                out.extend(char::from(high * 16 + low).encode_utf8(&mut utf8).bytes());
                at += 3;
            }
            Some((high, low)) => {
                out.push(high * 16 + low);
                at += 3;
            }
            None if *byte == b'%' && !is_latin1 => return text,
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or(text)
}

/// `&#9786;` as the letter it stands for.
pub(super) fn numeric_entities(text: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("&#") {
        units.extend(rest[..at].encode_utf16());
        let digits = &rest[at + 2..];
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let number = digits[..end].bytes().fold(0_u64, |sum, digit| (sum * 10 + u64::from(digit - b'0')) % 65_536);
        if end > 0 && digits[end..].starts_with(';') {
            units.push(number as u16);
            rest = &digits[end + 1..];
        } else {
            units.extend("&#".encode_utf16());
            rest = digits;
        }
    }
    units.extend(rest.encode_utf16());
    String::from_utf16_lossy(&units)
}

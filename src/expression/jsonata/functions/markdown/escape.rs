//! Text in HTML and in the addresses of links.

/// Text, with every character that means something in HTML written as an entity.
pub(super) fn all(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    text.chars().for_each(|c| push(&mut out, c));
    out
}

/// Text in which entities stay what they are.
pub(super) fn but_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (at, c) in text.char_indices() {
        if c == '&' && is_entity(&text[at + 1..]) { out.push(c) } else { push(&mut out, c) }
    }
    out
}

fn push(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        c => out.push(c),
    }
}

/// Whether `rest`, which follows a `&`, goes on as an entity.
fn is_entity(rest: &str) -> bool {
    // The longest name has 31 letters; a longer word is none.
    let Some(end) = rest.bytes().take(34).position(|byte| byte == b';') else { return false };
    let name = &rest[..end];
    match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => (1..=6).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => (1..=7).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()),
        },
        None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
    }
}

/// The address of a link: what may not stand in one is percent-encoded, what is encoded stays so.
pub(super) fn address(href: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(href.len());
    for c in href.chars() {
        if c.is_ascii_alphanumeric() || ";/?:@&=+$,-_.!~*'()#%".contains(c) {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

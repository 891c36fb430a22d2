//! Text whose signs mean nothing in Markdown.

/// Escapes what would be read as markup. Signs that are markup only where a line begins are escaped where the text does.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    out.push_str(start(text));
    for c in text.chars() {
        if matches!(c, '\\' | '*' | '`' | '[' | ']' | '_') {
            out.push('\\');
        }
        out.push(c);
    }
    // A numbered item: its point is escaped.
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0 && text[digits..].starts_with(". ") {
        out.insert(digits, '\\');
    }
    out
}

/// A backslash where the first sign needs one.
fn start(text: &str) -> &'static str {
    let hashes = text.len() - text.trim_start_matches('#').len();
    let is_markup = text.starts_with(['-', '=', '>'])
        || text.starts_with("+ ")
        || text.starts_with("~~~")
        || ((1..=6).contains(&hashes) && text[hashes..].starts_with(' '));
    if is_markup { "\\" } else { "" }
}

//! Rust source as tokens and paths: enough to see what a file names, without a parser.
//!
//! Comments, strings and character literals are gone, so a word in them never counts. Macros are not expanded; what a
//! macro's definition names counts where it is written.

/// A word, `::`, or one other character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// A path as it is written, groups of `use` expanded: `use a::{b, c::d}` is `a::b` and `a::c::d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
}

impl Path {
    /// Whether `needle` occurs in it: one word only as its first segment (a crate), several anywhere in a row.
    pub fn names(&self, needle: &[&str]) -> bool {
        match needle {
            [only] => self.segments[0] == *only,
            _ => self.segments.windows(needle.len()).any(|window| window.iter().zip(needle).all(|(a, b)| a == b)),
        }
    }
}

/// The tokens of `source`.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = skipped(&chars, at).unwrap_or(at);
        if end > at {
            line += chars[at..end.min(chars.len())].iter().filter(|c| **c == '\n').count();
            at = end;
            continue;
        }
        let mut end = at + 1;
        if is_word(chars[at]) {
            while chars.get(end).copied().is_some_and(is_word) {
                end += 1;
            }
        } else if chars[at] == ':' && chars.get(end) == Some(&':') {
            end += 1;
        }
        found.push(Token { text: chars[at..end].iter().collect(), line });
        at = end;
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the white space, comment, literal or lifetime that begins at `at` ends; `None` if none begins there.
fn skipped(chars: &[char], at: usize) -> Option<usize> {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        c if c.is_whitespace() => Some(at + 1),
        '/' if next == Some('/') => Some((at..chars.len()).find(|i| chars[*i] == '\n').unwrap_or(chars.len())),
        '/' if next == Some('*') => Some(block_comment(chars, at)),
        '"' => Some(quoted(chars, at, '"')),
        '\'' if next == Some('\\') || chars.get(at + 2) == Some(&'\'') => Some(quoted(chars, at, '\'')),
        '\'' => Some((at + 1..chars.len()).find(|i| !is_word(chars[*i])).unwrap_or(chars.len())),
        'r' => raw_string(chars, at),
        'b' | 'c' if next == Some('r') => raw_string(chars, at + 1),
        'b' | 'c' if next == Some('"') => Some(quoted(chars, at + 1, '"')),
        'b' if next == Some('\'') => Some(quoted(chars, at + 1, '\'')),
        _ => None,
    }
    .filter(|_| at == 0 || !is_word(chars[at]) || !is_word(chars[at - 1]))
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start + 2, 1);
    while at < chars.len() && depth > 0 {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

fn quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// `None` when the `r` at `start` begins a word.
fn raw_string(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: &usize| chars[*at] == '"' && chars[at + 1..].iter().take(hashes).all(|c| *c == '#');
    Some((open + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes))
}

/// The tokens that are not under `#[cfg(test)]`.
pub fn product(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if says(&tokens[at..], &["#", "[", "cfg", "(", "test", ")", "]"]) {
            at = item_end(tokens, at + 7);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Whether `tokens` begins with `words`.
pub fn says(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.text == *word)
}

/// Behind the item that begins at `at`: its `;`, or the bracket that closes its body.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Every path of at least two segments, and what `use` alone names.
pub fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let word = |i: usize| tokens.get(i).is_some_and(|token: &Token| token.text.chars().all(is_word));
        let after = |text: &str| at > 0 && tokens[at - 1].text == text;
        let is = |i: usize, text: &str| tokens[i].text == text;
        let goes_on = after("::") && at > 1 && (word(at - 2) && !is(at - 2, "use") || is(at - 2, ">"));
        if word(at) && !is(at, "use") && !after(".") && !goes_on {
            let (used, from) = (after("use") || after("::"), found.len());
            at = path(tokens, at, &[], &mut found);
            if !used && found.len() == from + 1 && found[from].segments.len() == 1 {
                found.pop();
            }
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path, or a tree of `use`, from `at` on, and answers where it ends.
fn path(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let line = tokens[at].line;
    let mut segments = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => return group(tokens, at + 1, &segments, found),
            word if word == "*" || word.chars().all(is_word) => segments.push(word.to_owned()),
            _ => break, // A turbofish.
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
    }
    found.push(Path { segments, line });
    at
}

fn group(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "}" => return at + 1,
            "as" => at += 2,
            word if word == "*" || word.chars().all(is_word) => at = path(tokens, at, prefix, found),
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(source: &str) -> Vec<String> {
        paths(&tokens(source)).into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn groups_of_use_are_expanded() {
        let source = "use a::{b, c::{self, d as e}, f::*};\nuse lone;\nuse ::root::x;";
        assert_eq!(written(source), ["a::b", "a::c::self", "a::c::d", "a::f::*", "lone", "root::x"]);
    }

    #[test]
    fn inline_paths_count_and_single_words_do_not() {
        let source = "fn f(x: a::B<'static, c::D>) { let lone = x.e(); g::<h::I>(); j::k::<L>(); }";
        assert_eq!(written(source), ["a::B", "c::D", "h::I", "j::k"]);
    }

    #[test]
    fn comments_and_literals_do_not_count() {
        let source =
            "// a::b\n/* c::d /* e::f */ g::h */ \"i::j \\\" k::l\" r#\"m::n\"o::p\"# 'q' '\\'' b\"r::s\" t::u";
        assert_eq!(written(source), ["t::u"]);
    }

    #[test]
    fn lines_are_those_of_the_source() {
        let found = paths(&tokens("\n/* \n */ \"x\n\"\na::b"));
        assert_eq!(found[0].line, 5);
    }

    #[test]
    fn code_under_cfg_test_is_no_product() {
        let source = "a::b; #[cfg(test)]\n#[expect(x)]\nmod tests { fn f() { c::d } }\n#[cfg(test)]\nmod more;\ne::f";
        let found = paths(&product(&tokens(source)));
        assert_eq!(found.iter().map(|path| path.segments.join("::")).collect::<Vec<_>>(), ["a::b", "e::f"]);
    }

    #[test]
    fn a_crate_is_named_by_the_first_segment_and_a_function_by_any() {
        let path = |text: &str| Path { segments: text.split("::").map(str::to_owned).collect(), line: 1 };
        assert!(path("sqlx::query").names(&["sqlx"]));
        assert!(!path("crate::store::sqlx").names(&["sqlx"]));
        assert!(path("std::time::SystemTime::now").names(&["SystemTime", "now"]));
        assert!(!path("std::time::SystemTime").names(&["SystemTime", "now"]));
    }
}

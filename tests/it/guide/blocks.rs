//! Finding the examples in a page.

/// What an example is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Trial,
    Expressions,
}

/// One fenced block.
#[derive(Debug)]
pub struct Block {
    pub kind: Kind,
    /// The line of its opening fence, from 1.
    pub line: usize,
    pub text: String,
}

/// The examples of a page, in order. Blocks of other kinds are passed over, and what is in them too.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let text: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
        let kind = match info.trim() {
            "json example" => Kind::Trial,
            "jsonata example" => Kind::Expressions,
            _ => continue,
        };
        found.push(Block { kind, line: at + 1, text: text.join("\n") });
    }
    found
}

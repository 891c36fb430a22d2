//! `recursiveCharacterTextSplitter`: a long text in pieces that overlap, as the npm package `@langchain/textsplitters` (1.0)
//! cuts it: between paragraphs, else lines, else words, else letters.

use std::collections::VecDeque;

use serde_json::Value;

use super::Function;
use super::call::{Outcome, argument, data};
use super::js::{self, Fault};
use crate::expression::limits;
use crate::expression::text::trim;

pub(super) const FUNCTIONS: &[Function] = &[("recursiveCharacterTextSplitter", || data(2, split))];

/// How many separators may be tried, one inside of the pieces of the other.
const MAX_SEPARATORS: usize = 50;

struct Splitter {
    size: f64,
    overlap: f64,
    keeps_separator: bool,
    left: usize,
    room: usize,
    chunks: Vec<Value>,
}

/// A piece and its length as JavaScript counts it.
type Piece<'a> = (&'a str, usize);

fn split(args: &[Option<Value>]) -> Outcome {
    let text = match argument(args, 0) {
        None | Some(Value::Null) => String::new(),
        Some(value @ (Value::Array(_) | Value::Object(_))) => {
            serde_json::to_string_pretty(value).map_err(|_| "wrong_type")?
        }
        scalar => js::text(scalar),
    };
    let options = argument(args, 1);
    let option = |name: &str| options.and_then(|options| options.get(name)).filter(|given| !given.is_null());
    let number = |name: &str, default: f64| match option(name) {
        None => Ok(default),
        Some(given) => given.as_f64().ok_or("invalid_option"),
    };
    let (size, overlap) = if options.is_some() { (1000.0, 200.0) } else { (200.0, 60.0) };
    let (size, overlap) = (number("chunkSize", size)?, number("chunkOverlap", overlap)?);
    if overlap >= size {
        return Err("invalid_option");
    }
    let separators: Vec<&str> = match option("separators") {
        None => vec!["\n\n", "\n", " ", ""],
        Some(Value::Array(given)) if !given.is_empty() && given.len() <= MAX_SEPARATORS => {
            given.iter().map(|one| one.as_str().ok_or("invalid_option")).collect::<Result<_, _>>()?
        }
        Some(_) => return Err("invalid_option"),
    };
    let mut splitter = Splitter {
        size,
        overlap,
        keeps_separator: option("keepSeparator").is_none_or(|given| js::truthy(Some(given))),
        left: js::WORK,
        room: limits::STRING_BYTES,
        chunks: Vec::new(),
    };
    splitter.split(&text, &separators)?;
    js::capped(splitter.chunks)
}

impl Splitter {
    fn split(&mut self, text: &str, separators: &[&str]) -> Result<(), Fault> {
        let found = separators.iter().position(|one| one.is_empty() || text.contains(one));
        let separator = found.or(separators.len().checked_sub(1)).map_or("", |at| separators[at]);
        // The ones that are left for pieces that are still too long.
        let finer = found.filter(|at| !separators[*at].is_empty()).map(|at| &separators[at + 1..]);
        let between = if self.keeps_separator { "" } else { separator };
        let mut good: Vec<Piece<'_>> = Vec::new();
        for piece in self.pieces(text, separator)? {
            if (piece.1 as f64) < self.size {
                good.push(piece);
                continue;
            }
            self.merge(&std::mem::take(&mut good), between)?;
            match finer {
                None => self.push(piece.0)?,
                Some(finer) => self.split(piece.0, finer)?,
            }
        }
        self.merge(&good, between)
    }

    fn pieces<'a>(&mut self, text: &'a str, separator: &str) -> Result<Vec<Piece<'a>>, Fault> {
        js::spend(&mut self.left, (text.len() / 64).saturating_mul(separator.len().max(1)))?;
        let mut pieces = Vec::new();
        let mut add = |piece: &'a str| {
            if !piece.is_empty() {
                pieces.push((piece, piece.encode_utf16().count()));
            }
        };
        if separator.is_empty() {
            text.char_indices().for_each(|(at, c)| add(&text[at..at + c.len_utf8()]));
        } else if self.keeps_separator {
            let mut start = 0;
            for (at, _) in text.char_indices().skip(1).filter(|(at, _)| text[*at..].starts_with(separator)) {
                add(&text[start..at]);
                start = at;
            }
            add(&text[start..]);
        } else {
            text.split(separator).for_each(add);
        }
        Ok(pieces)
    }

    /// Puts neighbours together up to the size, each chunk with the end of the one before it.
    fn merge(&mut self, pieces: &[Piece<'_>], separator: &str) -> Result<(), Fault> {
        let mut current: VecDeque<Piece<'_>> = VecDeque::new();
        let (mut total, length) = (0_usize, separator.encode_utf16().count());
        for piece in pieces {
            let is_over = |total: usize, count: usize| (total + piece.1 + count * length) as f64 > self.size;
            if is_over(total, current.len()) && !current.is_empty() {
                let joined = Self::joined(&current, separator)?;
                while total as f64 > self.overlap || (is_over(total, current.len()) && total > 0) {
                    match current.pop_front() {
                        Some(first) => total -= first.1,
                        None => break,
                    }
                }
                self.push(&joined)?;
            }
            current.push_back(*piece);
            total += piece.1;
        }
        let joined = Self::joined(&current, separator)?;
        self.push(&joined)
    }

    fn joined(pieces: &VecDeque<Piece<'_>>, separator: &str) -> Result<String, Fault> {
        let mut out = js::Text::default();
        for (index, (piece, _)) in pieces.iter().enumerate() {
            if index > 0 {
                out.push(separator)?;
            }
            out.push(piece)?;
        }
        Ok(trim(out.as_str()).to_owned())
    }

    fn push(&mut self, chunk: &str) -> Result<(), Fault> {
        if chunk.is_empty() {
            return Ok(());
        }
        if self.chunks.len() >= limits::ARRAY_ITEMS {
            return Err("list_too_long");
        }
        self.room = self.room.checked_sub(chunk.len()).ok_or("text_too_long")?;
        self.chunks.push(chunk.into());
        Ok(())
    }
}

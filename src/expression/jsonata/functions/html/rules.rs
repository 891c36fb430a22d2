//! What each element becomes.

use std::collections::HashMap;

use super::super::js::{self, Fault};
use super::space::{is_block, is_void};
use super::tree::{Document, Kind};
use super::{escape, table};
use crate::expression::limits;
use crate::expression::text::{is_space, trim};

/// What is known of a node before it is written.
#[derive(Clone, Default)]
struct Facts {
    /// Its place among its parent's nodes, and among the elements of them.
    index: usize,
    element_index: usize,
    is_code: bool,
    is_blank: bool,
}

pub(super) struct Writer<'a> {
    document: &'a Document,
    facts: Vec<Facts>,
    columns: HashMap<usize, usize>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self { document, facts: facts(document), columns: HashMap::new() }
    }

    /// The whole document.
    pub(super) fn document(&mut self) -> Result<String, Fault> {
        self.children(0)
    }

    fn children(&mut self, id: usize) -> Result<String, Fault> {
        let document = self.document;
        let mut out = String::new();
        for child in &document.0[id].children {
            match &document.0[*child].kind {
                Kind::Text(text) if self.facts[id].is_code => join(&mut out, text),
                Kind::Text(text) => join(&mut out, &escape::text(text)),
                Kind::Element(..) => join(&mut out, &self.element(*child)?),
                Kind::Other => {}
            }
            if out.len() > limits::STRING_BYTES {
                return Err("text_too_long");
            }
        }
        Ok(out)
    }

    fn element(&mut self, id: usize) -> Result<String, Fault> {
        let content = self.children(id)?;
        let name = self.document.name(id);
        if is_block(name) {
            return self.replacement(id, name, &content);
        }
        let (leading, trailing) = self.flanks(id);
        if leading.is_empty() && trailing.is_empty() {
            return self.replacement(id, name, &content);
        }
        Ok(leading + &self.replacement(id, name, trim(&content))? + &trailing)
    }

    fn replacement(&mut self, id: usize, name: &str, content: &str) -> Result<String, Fault> {
        if self.facts[id].is_blank {
            return Ok(if is_block(name) { "\n\n" } else { "" }.to_owned());
        }
        if let Some(known) = self.tabular(id, name, content)? {
            return Ok(known);
        }
        let document = self.document;
        Ok(match name {
            "input" if document.attribute(id, "type") == Some("checkbox") && document.parent_name(id) == "li" => {
                if document.attribute(id, "checked").is_some() { "[x] " } else { "[ ] " }.to_owned()
            }
            "del" | "s" | "strike" => format!("~~{content}~~"),
            "div" if self.highlighted(id).is_some() => self.highlighted(id).unwrap_or_default(),
            "p" => format!("\n\n{content}\n\n"),
            "br" => "  \n".to_owned(),
            "h1" | "h2" => {
                let line = if name == "h1" { "=" } else { "-" };
                format!("\n\n{content}\n{}\n\n", line.repeat(content.encode_utf16().count()))
            }
            "h3" | "h4" | "h5" | "h6" => {
                format!("\n\n{} {content}\n\n", "#".repeat(usize::from(name.as_bytes()[1] - b'0')))
            }
            "blockquote" => format!("\n\n> {}\n\n", indented(content.trim_matches('\n'), "> ")?),
            "ul" | "ol" => self.list(id, content),
            "li" => self.item(id, content)?,
            "pre" if self.code_inside(id).is_some() => {
                let code = self.code_inside(id).map(|code| document.text(code)).unwrap_or_default();
                format!("\n\n    {}\n\n", indented(&code, "    ")?)
            }
            "hr" => "\n\n* * *\n\n".to_owned(),
            "a" => match document.attribute(id, "href").filter(|href| !href.is_empty()) {
                Some(href) => link(href, document.attribute(id, "title"), content),
                None => content.to_owned(),
            },
            "em" | "i" | "strong" | "b" if trim(content).is_empty() => String::new(),
            "em" | "i" => format!("_{content}_"),
            "strong" | "b" => format!("**{content}**"),
            "code" if !(document.parent_name(id) == "pre" && self.is_alone(id)) => code(content),
            "img" => image(document, id),
            _ if is_block(name) => format!("\n\n{content}\n\n"),
            _ => content.to_owned(),
        })
    }

    /// The parts of tables.
    fn tabular(&mut self, id: usize, name: &str, content: &str) -> Result<Option<String>, Fault> {
        Ok(Some(match name {
            "td" | "th" => table::cell(self.document, id, self.facts[id].index, content)?,
            "tr" if trim(content).is_empty() => String::new(),
            "tr" => {
                let mut out = js::Text::default();
                out.push("\n")?;
                out.push(content)?;
                let columns = if table::is_head(self.document, id) { self.columns_of(id) } else { 0 };
                if columns > 0 {
                    out.push("\n| --- |")?;
                    out.repeat(" --- |", columns - 1)?;
                }
                out.into_string()
            }
            "table" if table::is_empty(self.document, id) => String::new(),
            "table" => table::table(content)?,
            "thead" | "tbody" | "tfoot" => content.to_owned(),
            "caption" | "colgroup" | "col" => String::new(),
            _ => return Ok(None),
        }))
    }

    fn columns_of(&mut self, row: usize) -> usize {
        let document = self.document;
        let mut at = document.0[row].parent;
        while let Some(id) = at.filter(|id| document.name(*id) != "table") {
            at = document.0[id].parent;
        }
        at.map_or(0, |id| *self.columns.entry(id).or_insert_with(|| table::columns(document, id)))
    }

    fn is_alone(&self, id: usize) -> bool {
        self.document.0[id].parent.is_some_and(|parent| self.document.0[parent].children.len() == 1)
    }

    /// The `code` that a `pre` begins with.
    fn code_inside(&self, id: usize) -> Option<usize> {
        self.document.0[id].children.first().copied().filter(|child| self.document.name(*child) == "code")
    }

    /// The code of a `div` that highlights it.
    fn highlighted(&self, id: usize) -> Option<String> {
        let class = self.document.attribute(id, "class")?;
        let is_language = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let language = class.match_indices("highlight-").find_map(|(at, found)| {
            let rest = &class[at + found.len()..];
            let bare = ["text-", "source-"].iter().find_map(|prefix| rest.strip_prefix(prefix));
            [bare, Some(rest)].into_iter().flatten().find(|rest| rest.starts_with(is_language))
        })?;
        let language = &language[..language.find(|c| !is_language(c)).unwrap_or(language.len())];
        let first = self.document.0[id].children.first().filter(|first| self.document.name(**first) == "pre")?;
        Some(format!("\n\n```{language}\n{}\n```\n\n", self.document.text(*first)))
    }

    fn list(&self, id: usize, content: &str) -> String {
        let is_element = |id: &&usize| matches!(self.document.0[**id].kind, Kind::Element(..));
        let siblings = self.document.0[id].parent.map(|parent| &self.document.0[parent].children);
        let last = siblings.and_then(|siblings| siblings.iter().rev().find(is_element));
        if self.document.parent_name(id) == "li" && last == Some(&id) {
            return format!("\n{content}");
        }
        format!("\n\n{content}\n\n")
    }

    fn item(&self, id: usize, content: &str) -> Result<String, Fault> {
        let content = content.trim_start_matches('\n');
        let bare = content.trim_end_matches('\n');
        let content = if bare.len() < content.len() { format!("{bare}\n") } else { bare.to_owned() };
        let mut out = match self.document.0[id].parent.filter(|parent| self.document.name(*parent) == "ol") {
            None => "*   ".to_owned(),
            Some(list) => {
                let index = self.facts[id].element_index;
                match self.document.attribute(list, "start").filter(|start| !start.is_empty()) {
                    None => format!("{}.  ", index + 1),
                    Some(start) => {
                        let start = js::number(Some(&start.into())) + index as f64;
                        let start =
                            if start.is_finite() { js::text(Some(&js::json_number(start))) } else { "NaN".to_owned() };
                        format!("{start}.  ")
                    }
                }
            }
        };
        out.push_str(&indented(&content, "    ")?);
        let parent = self.document.0[id].parent.unwrap_or(0);
        let has_next = self.facts[id].index + 1 < self.document.0[parent].children.len();
        if has_next {
            out.push('\n');
        }
        Ok(out)
    }

    /// The white space at the edges of an inline element, which goes outside of its marks.
    fn flanks(&self, id: usize) -> (String, String) {
        let text = self.document.text(id);
        let is_ascii = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
        let inner = text.trim_start_matches(is_space);
        let leading = &text[..text.len() - inner.len()];
        let trailing = &inner[inner.trim_end_matches(is_space).len()..];
        let rest_of_leading = leading.trim_start_matches(is_ascii);
        let rest_of_trailing = trailing.trim_end_matches(is_ascii);
        let is_doubled = rest_of_leading.len() < leading.len() && self.is_flanked(id, false);
        let leading = if is_doubled { rest_of_leading } else { leading };
        let is_doubled = rest_of_trailing.len() < trailing.len() && self.is_flanked(id, true);
        let trailing = if is_doubled { rest_of_trailing } else { trailing };
        (leading.to_owned(), trailing.to_owned())
    }

    /// Whether there is a space beside the element already.
    fn is_flanked(&self, id: usize, right: bool) -> bool {
        let Some(parent) = self.document.0[id].parent else { return false };
        let index = self.facts[id].index;
        let beside = if right { Some(index + 1) } else { index.checked_sub(1) };
        let Some(sibling) = beside.and_then(|beside| self.document.0[parent].children.get(beside)) else {
            return false;
        };
        let text = match &self.document.0[*sibling].kind {
            Kind::Text(text) => text.clone(),
            Kind::Element(name, _) if !is_block(name) => self.document.text(*sibling),
            _ => return false,
        };
        if right { text.starts_with(' ') } else { text.ends_with(' ') }
    }
}

/// The facts of all nodes: from the root down, then from the leaves up.
fn facts(document: &Document) -> Vec<Facts> {
    let mut facts = vec![Facts::default(); document.0.len()];
    let mut order = vec![0];
    let mut at = 0;
    while let Some(id) = order.get(at).copied() {
        at += 1;
        let mut elements = 0;
        for (index, child) in document.0[id].children.iter().enumerate() {
            let name = document.name(*child);
            facts[*child] =
                Facts { index, element_index: elements, is_code: name == "code" || facts[id].is_code, is_blank: false };
            elements += usize::from(!name.is_empty());
            order.push(*child);
        }
    }
    // Whether there is anything to see in a node, itself or inside.
    let mut is_seen = vec![false; document.0.len()];
    for id in order.into_iter().rev() {
        let name = document.name(id);
        let is_itself = match &document.0[id].kind {
            Kind::Text(text) => !trim(text).is_empty(),
            _ => is_void(name) || has_meaning(name),
        };
        is_seen[id] = is_itself || document.0[id].children.iter().any(|child| is_seen[*child]);
        facts[id].is_blank = !is_seen[id];
    }
    facts
}

/// Elements that are something even without text.
fn has_meaning(name: &str) -> bool {
    matches!(name, "a" | "table" | "thead" | "tbody" | "tfoot" | "th" | "td" | "iframe" | "script" | "audio" | "video")
}

/// Appends a piece: as many line breaks between as either side asks for, at most two.
fn join(out: &mut String, piece: &str) {
    let kept = out.trim_end_matches('\n').len();
    let rest = piece.trim_start_matches('\n');
    let breaks = (out.len() - kept).max(piece.len() - rest.len()).min(2);
    out.truncate(kept);
    out.push_str(&"\n\n"[..breaks]);
    out.push_str(rest);
}

/// Every line but the first behind `prefix`.
fn indented(text: &str, prefix: &str) -> Result<String, Fault> {
    let breaks = text.bytes().filter(|byte| *byte == b'\n').count();
    if text.len() + breaks * prefix.len() > limits::STRING_BYTES {
        return Err("text_too_long");
    }
    Ok(text.replace('\n', &format!("\n{prefix}")))
}

fn link(href: &str, title: Option<&str>, content: &str) -> String {
    let href = href.replace('(', "\\(").replace(')', "\\)");
    let title = match clean(title) {
        title if title.is_empty() => title,
        title => format!(" \"{}\"", title.replace('"', "\\\"")),
    };
    format!("[{content}]({href}{title})")
}

fn image(document: &Document, id: usize) -> String {
    let source = document.attribute(id, "src").unwrap_or_default();
    if source.is_empty() {
        return String::new();
    }
    let title = match clean(document.attribute(id, "title")) {
        title if title.is_empty() => title,
        title => format!(" \"{title}\""),
    };
    format!("![{}]({source}{title})", clean(document.attribute(id, "alt")))
}

/// An attribute without empty lines and indents.
fn clean(attribute: Option<&str>) -> String {
    let mut out = String::new();
    let mut rest = attribute.unwrap_or_default();
    while let Some(at) = rest.find('\n') {
        out.push_str(&rest[..=at]);
        rest = rest[at..].trim_start_matches(is_space);
    }
    out + rest
}

/// Code in as many marks as it needs.
fn code(content: &str) -> String {
    let content = content.replace("\r\n", " ").replace(['\n', '\r'], " ");
    if content.is_empty() {
        return content;
    }
    let is_padded = content.len() > 2
        && content.starts_with(' ')
        && content.ends_with(' ')
        && !content.trim_matches(' ').is_empty();
    let space = if content.starts_with('`') || content.ends_with('`') || is_padded { " " } else { "" };
    let runs: std::collections::HashSet<usize> =
        content.split(|c| c != '`').map(str::len).filter(|length| *length > 0).collect();
    let marks = "`".repeat((1..=content.len() + 1).find(|length| !runs.contains(length)).unwrap_or(1));
    format!("{marks}{space}{content}{space}{marks}")
}

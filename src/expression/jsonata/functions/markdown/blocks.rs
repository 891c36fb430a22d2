//! From the parser's events to HTML.

use std::ops::Range;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::super::call::Outcome;
use super::super::js::{Fault, Text};
use super::{autolink, escape};

/// Renders a document. With `breaks`, the end of a line is a break.
pub(super) fn html(source: &str, breaks: bool) -> Outcome {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer { source: &source, breaks, ..Writer::default() };
    for (event, range) in Parser::new_ext(&source, options).into_offset_iter() {
        writer.take(event, range)?;
    }
    writer.flush()?;
    Ok(Some(writer.out.into_value()))
}

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "where the writer stands")]
struct Writer<'a> {
    source: &'a str,
    breaks: bool,
    out: Text,
    /// Text not written yet: an address may go on in the parser's next piece.
    pending: String,
    /// The code or the description of an image that is being read.
    captured: Option<String>,
    links: usize,
    in_paragraph: bool,
    images: Vec<(String, String)>,
    alignments: Vec<Alignment>,
    column: usize,
    is_head: bool,
    has_body: bool,
}

impl<'a> Writer<'a> {
    fn take(&mut self, event: Event<'a>, range: Range<usize>) -> Result<(), Fault> {
        if let Event::Text(text) = event {
            return self.text(&text, range);
        }
        if let (Some(captured), true) = (&mut self.captured, !self.images.is_empty()) {
            match &event {
                Event::Code(text) => captured.push_str(text),
                Event::SoftBreak | Event::HardBreak => captured.push(' '),
                _ => {}
            }
        }
        if self.captured.is_some()
            && !matches!(event, Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image | TagEnd::CodeBlock))
        {
            return Ok(());
        }
        self.flush()?;
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag, range),
            Event::Code(code) => self.put(&["<code>", &escape::all(&code), "</code>"]),
            Event::Html(html) | Event::InlineHtml(html) => self.out.push(&html),
            Event::SoftBreak if self.breaks => self.out.push("<br>"),
            Event::SoftBreak => self.out.push("\n"),
            Event::HardBreak => self.out.push("<br>"),
            Event::Rule => self.out.push("<hr>\n"),
            Event::TaskListMarker(is_done) => {
                let checked = if is_done { "checked=\"\" " } else { "" };
                // The reference breaks the line where the items are paragraphs.
                let end = if self.in_paragraph { "> \n" } else { "> " };
                self.put(&["<input ", checked, "disabled=\"\" type=\"checkbox\"", end])
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, parts: &[&str]) -> Result<(), Fault> {
        parts.iter().try_for_each(|part| self.out.push(part))
    }

    fn text(&mut self, text: &str, range: Range<usize>) -> Result<(), Fault> {
        if let Some(captured) = &mut self.captured {
            captured.push_str(text);
            return if captured.len() > crate::expression::limits::STRING_BYTES {
                Err("text_too_long")
            } else {
                Ok(())
            };
        }
        let source = self.source.get(range.clone()).unwrap_or_default();
        if source.starts_with('&') && source.ends_with(';') {
            // An entity, which the parser has replaced.
            self.pending.push_str(source);
        } else if let (Some(rest), true) = (text.strip_prefix('&'), self.source[..range.start].ends_with('\\')) {
            self.pending.push_str("&amp;");
            self.pending.push_str(rest);
        } else {
            self.pending.push_str(text);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.pending);
        let html = if self.links > 0 { escape::but_entities(&text) } else { autolink::linked(&text) };
        self.out.push(&html)
    }

    fn start(&mut self, tag: Tag<'a>) -> Result<(), Fault> {
        match tag {
            Tag::Paragraph => {
                self.in_paragraph = true;
                self.out.push("<p>")
            }
            Tag::Heading { level, .. } => self.put(&["<", &level.to_string(), ">"]),
            Tag::BlockQuote(_) => self.out.push("<blockquote>\n"),
            Tag::CodeBlock(kind) => self.code_block(&kind),
            Tag::List(None) => self.out.push("<ul>\n"),
            Tag::List(Some(1)) => self.out.push("<ol>\n"),
            Tag::List(Some(start)) => self.put(&["<ol start=\"", &start.to_string(), "\">\n"]),
            Tag::Item => self.out.push("<li>"),
            Tag::Table(alignments) => {
                self.alignments = alignments;
                self.has_body = false;
                self.out.push("<table>\n")
            }
            Tag::TableHead => {
                (self.is_head, self.column) = (true, 0);
                self.out.push("<thead>\n<tr>\n")
            }
            Tag::TableRow => {
                self.column = 0;
                let opens = !std::mem::replace(&mut self.has_body, true);
                self.out.push(if opens { "<tbody><tr>\n" } else { "<tr>\n" })
            }
            Tag::TableCell => self.table_cell(),
            Tag::Emphasis => self.out.push("<em>"),
            Tag::Strong => self.out.push("<strong>"),
            Tag::Strikethrough => self.out.push("<del>"),
            Tag::Link { link_type, dest_url, title, .. } => {
                self.links += 1;
                let prefix = if link_type == LinkType::Email { "mailto:" } else { "" };
                // The reference escapes an address that is its own text, and no other.
                let address = match link_type {
                    LinkType::Autolink | LinkType::Email => escape::address(&escape::all(&dest_url)),
                    _ => escape::address(&dest_url),
                };
                self.put(&["<a href=\"", prefix, &address, "\""])?;
                self.title(&title)?;
                self.out.push(">")
            }
            Tag::Image { dest_url, title, .. } => {
                self.images.push((dest_url.into_string(), title.into_string()));
                self.captured.get_or_insert_default();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn code_block(&mut self, kind: &CodeBlockKind<'_>) -> Result<(), Fault> {
        self.captured = Some(String::new());
        let info = match kind {
            CodeBlockKind::Fenced(info) => info.split_whitespace().next().unwrap_or_default(),
            CodeBlockKind::Indented => "",
        };
        match info {
            "" => self.out.push("<pre><code>"),
            language => self.put(&["<pre><code class=\"language-", &escape::all(language), "\">"]),
        }
    }

    fn table_cell(&mut self) -> Result<(), Fault> {
        let align = match self.alignments.get(self.column) {
            Some(Alignment::Left) => " align=\"left\"",
            Some(Alignment::Center) => " align=\"center\"",
            Some(Alignment::Right) => " align=\"right\"",
            _ => "",
        };
        self.column += 1;
        self.put(&["<", self.cell(), align, ">"])
    }

    fn cell(&self) -> &'static str {
        if self.is_head { "th" } else { "td" }
    }

    fn title(&mut self, title: &str) -> Result<(), Fault> {
        if title.is_empty() { Ok(()) } else { self.put(&[" title=\"", &escape::but_entities(title), "\""]) }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) -> Result<(), Fault> {
        match tag {
            TagEnd::Paragraph => {
                self.in_paragraph = false;
                self.out.push("</p>\n")
            }
            TagEnd::Heading(level) => self.put(&["</", &level.to_string(), ">\n"]),
            TagEnd::BlockQuote(_) => self.out.push("</blockquote>\n"),
            TagEnd::CodeBlock => {
                let code = self.captured.take().unwrap_or_default();
                self.put(&[&escape::all(code.trim_end_matches('\n')), "\n</code></pre>\n"])
            }
            TagEnd::HtmlBlock => {
                // The lines that are empty behind it belong to it.
                let rest = self.source.get(range.end..).unwrap_or_default();
                self.out.push(&rest[..rest.len() - rest.trim_start_matches('\n').len()])
            }
            TagEnd::List(false) => self.out.push("</ul>\n"),
            TagEnd::List(true) => self.out.push("</ol>\n"),
            TagEnd::Item => self.out.push("</li>\n"),
            TagEnd::Table => self.out.push(if self.has_body { "</tbody></table>\n" } else { "</table>\n" }),
            TagEnd::TableHead => {
                self.is_head = false;
                self.out.push("</tr>\n</thead>\n")
            }
            TagEnd::TableRow => self.out.push("</tr>\n"),
            TagEnd::TableCell => self.put(&["</", self.cell(), ">\n"]),
            TagEnd::Emphasis => self.out.push("</em>"),
            TagEnd::Strong => self.out.push("</strong>"),
            TagEnd::Strikethrough => self.out.push("</del>"),
            TagEnd::Link => {
                self.links = self.links.saturating_sub(1);
                self.out.push("</a>")
            }
            TagEnd::Image => self.image(),
            _ => Ok(()),
        }
    }

    /// An image inside the description of another one is part of the description.
    fn image(&mut self) -> Result<(), Fault> {
        let Some((address, title)) = self.images.pop() else { return Ok(()) };
        if !self.images.is_empty() {
            return Ok(());
        }
        let description = self.captured.take().unwrap_or_default();
        let address = escape::address(&address);
        self.put(&["<img src=\"", &address, "\" alt=\"", &escape::but_entities(&description), "\""])?;
        self.title(&title)?;
        self.out.push(">")
    }
}

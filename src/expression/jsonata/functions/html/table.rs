//! Tables.

use super::super::js::{Fault, Text};
use super::tree::Document;
use crate::expression::text::{is_space, trim};

fn is_cell(name: &str) -> bool {
    matches!(name, "td" | "th")
}

/// The rows of a table, without those of tables inside.
pub(super) fn rows(document: &Document, table: usize) -> Vec<usize> {
    let mut rows = Vec::new();
    for child in &document.0[table].children {
        match document.name(*child) {
            "tr" => rows.push(*child),
            "thead" | "tbody" | "tfoot" => {
                rows.extend(document.0[*child].children.iter().filter(|row| document.name(**row) == "tr"));
            }
            _ => {}
        }
    }
    rows
}

fn cells(document: &Document, row: usize) -> impl Iterator<Item = usize> {
    document.0[row].children.iter().copied().filter(|cell| is_cell(document.name(*cell)))
}

fn span(document: &Document, cell: usize) -> usize {
    let span = document.attribute(cell, "colspan").unwrap_or("1");
    let digits = span.trim_start_matches(is_space);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(1).max(1)
}

/// How many columns the widest row has.
pub(super) fn columns(document: &Document, table: usize) -> usize {
    let width = |row: usize| cells(document, row).fold(0, |sum: usize, cell| sum.saturating_add(span(document, cell)));
    rows(document, table).into_iter().map(width).max().unwrap_or(0)
}

/// Whether a row is a table's head.
pub(super) fn is_head(document: &Document, row: usize) -> bool {
    let Some(parent) = document.0[row].parent else { return false };
    match document.name(parent) {
        "thead" => true,
        "table" | "tbody" if document.0[parent].children.first() == Some(&row) => {
            let mut elements = document.0[row].children.iter().map(|id| document.name(*id)).filter(|it| !it.is_empty());
            let mut any = false;
            elements.all(|name| {
                any = true;
                name == "th"
            }) && any
        }
        _ => false,
    }
}

/// A table that holds nothing is left out.
pub(super) fn is_empty(document: &Document, table: usize) -> bool {
    let mut all = rows(document, table).into_iter().flat_map(|row| cells(document, row));
    match (all.next(), all.next()) {
        (None, _) => true,
        (Some(cell), None) => trim(&document.text(cell)).is_empty(),
        (Some(_), Some(_)) => false,
    }
}

/// A cell, which is the `index`th node of its row.
pub(super) fn cell(document: &Document, cell: usize, index: usize, content: &str) -> Result<String, Fault> {
    let mut out = Text::default();
    out.push(if index == 0 { "| " } else { " " })?;
    let mut clean: String = trim(content).split(is_space).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    clean = clean.replace('|', "\\|").replace('\\', "\\\\");
    let length = clean.encode_utf16().count();
    out.push(&clean)?;
    out.repeat(" ", 3_usize.saturating_sub(length))?;
    out.push(" |")?;
    out.repeat("   |", span(document, cell) - 1)?;
    Ok(out.into_string())
}

/// The whole table. Without a head, a line is drawn under the first row.
pub(super) fn table(content: &str) -> Result<String, Fault> {
    let lines: Vec<&str> = trim(content).split('\n').filter(|line| !trim(line).is_empty()).collect();
    let Some(first) = lines.first() else { return Ok(String::new()) };
    let is_line = |line: &str| {
        line.match_indices('|').any(|(at, _)| line[at + 1..].trim_start_matches(is_space).starts_with('-'))
    };
    let mut out = Text::default();
    out.push("\n\n")?;
    out.push(first)?;
    if !lines.get(1).is_some_and(|line| is_line(line)) {
        let columns = first.matches('|').count().saturating_sub(1);
        if columns > 0 {
            out.push("\n|")?;
            out.repeat(" --- |", columns)?;
        }
    }
    for line in &lines[1..] {
        out.push("\n")?;
        out.push(line)?;
    }
    out.push("\n\n")?;
    Ok(out.into_string())
}

//! White space as it is seen: runs of it are one space, and none stands at the edges of a block.

use super::tree::{Document, Kind};

pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "audio"
            | "blockquote"
            | "body"
            | "canvas"
            | "center"
            | "dd"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "frameset"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "isindex"
            | "li"
            | "main"
            | "menu"
            | "nav"
            | "noframes"
            | "noscript"
            | "ol"
            | "output"
            | "p"
            | "pre"
            | "section"
            | "table"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
            | "ul"
    )
}

pub(super) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "command"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "keygen"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Collapses the white space of a document, but for that in `pre`, and drops what is no element and no text.
pub(super) fn collapse(document: &mut Document) {
    let order = order(document);
    let mut last: Option<usize> = None;
    let mut keeps_leading = false;
    let mut dropped = vec![false; document.0.len()];
    for (id, is_start) in order {
        let name = document.name(id).to_owned();
        match &mut document.0[id].kind {
            Kind::Text(text) => {
                let mut seen = collapsed(text);
                let ends_in_space = |id: usize, document: &Document| match &document.0[id].kind {
                    Kind::Text(text) => text.ends_with(' '),
                    _ => false,
                };
                let at_edge = last.is_none_or(|last| ends_in_space(last, document));
                if at_edge && !keeps_leading && seen.starts_with(' ') {
                    seen.remove(0);
                }
                if seen.is_empty() {
                    dropped[id] = true;
                    continue;
                }
                document.0[id].kind = Kind::Text(seen);
                last = Some(id);
            }
            // An element counts again at its end, as the walk comes back to it.
            Kind::Element(..) => {
                if is_block(&name) || name == "br" {
                    trim_end(document, last);
                    (last, keeps_leading) = (None, false);
                } else if is_void(&name) || name == "pre" {
                    (last, keeps_leading) = (None, true);
                } else if last.is_some() {
                    keeps_leading = false;
                }
            }
            Kind::Other => dropped[id] = is_start && id != 0,
        }
    }
    trim_end(document, last);
    if let Some(last) = last
        && matches!(&document.0[last].kind, Kind::Text(text) if text.is_empty())
    {
        dropped[last] = true;
    }
    for node in &mut document.0 {
        node.children.retain(|child| !dropped[*child]);
    }
}

/// The walk of the package: an element once when it begins, and once more when the walk comes back from its last child.
fn order(document: &Document) -> Vec<(usize, bool)> {
    let mut order = Vec::with_capacity(document.0.len() * 2);
    let mut open: Vec<(usize, bool)> = document.0[0].children.iter().rev().map(|child| (*child, true)).collect();
    while let Some((id, is_start)) = open.pop() {
        order.push((id, is_start));
        let children = &document.0[id].children;
        if is_start && !children.is_empty() && document.name(id) != "pre" && !matches!(document.0[id].kind, Kind::Other)
        {
            open.push((id, false));
            open.extend(children.iter().rev().map(|child| (*child, true)));
        }
    }
    order
}

fn collapsed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' | '\r' | '\n' | '\t' if out.ends_with(' ') => {}
            ' ' | '\r' | '\n' | '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn trim_end(document: &mut Document, text: Option<usize>) {
    if let Some(Kind::Text(text)) = text.map(|id| &mut document.0[id].kind)
        && text.ends_with(' ')
    {
        text.pop();
    }
}

//! Pages: which request asks for the next one, and when there is none.
//!
//! A [`Pager`] is how far a walk through a list has come; it survives a crash. Before a page's request is rendered it sets
//! `pagination` in the scope and gives the [`Shape`] that is laid over the request; each answer that is a success is
//! its [`Pager::turn`]. Promises: a walk ends (at most `max_pages` pages, no cursor or link twice), what it holds is
//! bounded, and every page is asked for at the first one's scheme, host and port.
//!
//! In here `page` counts, `cursor` reads cursors, `link` reads links and keeps them at home, `range` reads ranges, `dynamic`
//! asks the definition's expressions, `path` finds places in an answer, `shape` changes requests, and `measure` tells
//! values from each other.

mod cursor;
mod dynamic;
mod link;
mod measure;
mod page;
mod path;
mod range;
mod shape;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::definitions::{Pagination, PaginationCompared as Compared, PaginationFormat as Format};
use crate::expression::{Scope, Shared, limits};
use crate::lifecycle::{Failure, ReasonCode};
use crate::upstream::Request;

use measure::Measure;
pub(super) use shape::Shape;
pub(super) use turn::render;

/// The most items that one walk collects: as many as an expression may put into a list.
const MAX_ITEMS: usize = limits::ARRAY_ITEMS;

/// The most bytes of JSON that one walk collects: as many as an expression may result in.
const MAX_BYTES: usize = limits::RESULT_BYTES;

/// How far a walk through the pages of a list has come. It holds answers, so it is as secret as they are.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pager {
    /// Pages that were answered.
    pages: u32,
    /// Their results, one after the other.
    results: Vec<Value>,
    /// What those come to, in bytes of JSON.
    bytes: usize,
    /// What the next page is asked with.
    at: Position,
    /// The request that went out last, as it matters here.
    sent: Option<Sent>,
    /// Fingerprints of the cursors, links and values so far, and of the pages where they are compared.
    seen: BTreeSet<u64>,
    /// The fingerprint of the last page with items, where the next one is compared with it.
    #[serde(default)]
    page: Option<u64>,
    /// The last answer, where the end of a list can be an answer without content.
    last: Option<Shared>,
}

/// What a page is asked with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Position {
    /// Nothing is known yet.
    First,
    /// A page's number, or how many items come before.
    At(u64),
    /// What the answer said.
    Cursor { cursor: Value, prev: Option<Value> },
    /// A URL, which was checked.
    Link(String),
    /// What expressions said.
    Values { values: Map<String, Value>, url: Option<String>, cursor: Option<Value> },
}

/// A request as the next page needs to know it.
#[derive(Clone, Serialize, Deserialize)]
struct Sent {
    url: String,
    /// `{method, headers, body}`, where expressions ask for it.
    #[serde(default)]
    options: Option<Value>,
}

/// What follows from a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Another page is to be asked for.
    More,
    /// There is none.
    Last(End),
}

/// Why a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The list has no more.
    Complete,
    /// What came next came before.
    Repeated,
    /// There may be more, but no more was wanted.
    MaxPages,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Repeated => "repeated",
            Self::MaxPages => "max_pages",
        }
    }
}

/// An answer as a walk reads it.
struct Page<'a> {
    status: u64,
    headers: &'a Map<String, Value>,
    /// The part of the body that paths begin at.
    metadata: &'a Value,
    /// How many items its result has.
    items: usize,
    response: &'a Shared,
}

/// Makes `pagination` visible to the request's templates and answers how its rendering is to be changed: not at all
/// without a pager, which is a request for the first page alone. `bare` renders the request without pagination.
///
/// # Errors
/// The failure that ends the phase.
pub(super) fn prepare<'a>(
    pagination: &'a Pagination,
    pager: Option<&mut Pager>,
    scope: &mut Scope,
    bare: impl FnOnce(&mut Scope) -> Result<Request, Failure>,
) -> Result<Option<Shape<'a>>, Failure> {
    let mut first = Pager::begin(pagination);
    let walks = pager.is_some();
    let pager = pager.unwrap_or(&mut first);
    if let (Format::Dynamic { initial, .. }, Position::First) = (&pagination.format, &pager.at) {
        scope.set("pagination", Value::Object(Map::new()));
        // Where it cannot be rendered without values, the expression does not see it.
        let bare = bare(scope).ok().map(|request| Sent::of(pagination, &request));
        pager.at = dynamic::begin(initial.as_ref(), bare.as_ref(), scope)?;
    }
    scope.set("pagination", Value::Object(pager.names(pagination)));
    if walks { pager.shape(pagination, scope).map(Some) } else { Ok(None) }
}

impl Pager {
    /// A walk that has not begun.
    pub(super) fn begin(pagination: &Pagination) -> Self {
        let at = match &pagination.format {
            Format::Page { start, .. } => Position::At(*start),
            Format::Offset { .. } | Format::Range { .. } => Position::At(0),
            Format::Cursor(_) | Format::LinkHeader | Format::Dynamic { .. } => Position::First,
        };
        Self { pages: 0, results: Vec::new(), bytes: 0, at, sent: None, seen: BTreeSet::new(), page: None, last: None }
    }

    /// Pages that were answered.
    pub(super) const fn pages(&self) -> u32 {
        self.pages
    }

    /// Remembers the request that goes out for the present page.
    pub(super) fn sent(&mut self, pagination: &Pagination, request: &Request) {
        self.sent = Some(Sent::of(pagination, request));
    }

    /// What `pagination` is in the scope: the page's values by their general names and by those of the parameters.
    fn names(&self, pagination: &Pagination) -> Map<String, Value> {
        let mut names = Map::new();
        let mut name = |general: &str, key: Option<&String>, value: Value| {
            if let Some(key) = key {
                names.insert(key.clone(), value.clone());
            }
            names.insert(general.to_owned(), value);
        };
        let limit = &pagination.limit;
        name("limit", limit.key.as_ref(), limit.value.into());
        match (&pagination.format, &self.at) {
            (Format::Page { key, .. }, Position::At(page)) => name("page", key.as_ref(), (*page).into()),
            (Format::Offset { key }, Position::At(offset)) => name("offset", key.as_ref(), (*offset).into()),
            (Format::Range { .. }, Position::At(first)) => {
                name("first", None, (*first).into());
                name("last", None, range::last(*first, limit.value).into());
            }
            (Format::Cursor(plan), Position::Cursor { cursor, prev }) => {
                name("cursor", plan.key.as_ref(), cursor.clone());
                if let Some(prev) = prev {
                    name("prev_cursor", None, prev.clone());
                }
            }
            (_, Position::Link(url)) => name("url", None, url.clone().into()),
            (_, Position::Values { values, cursor, .. }) => {
                names.extend(cursor.iter().map(|cursor| ("cursor".to_owned(), cursor.clone())));
                names.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            _ => {}
        }
        names
    }

    /// Goes on after an answer that is a success, with the step's `result` of it and the `response` as steps see it.
    ///
    /// # Errors
    /// The failure that ends the phase: too much was collected, or the answer leads nowhere that may be gone to.
    pub(super) fn turn(
        &mut self,
        pagination: &Pagination,
        scope: &mut Scope,
        result: Arc<Value>,
        response: &Shared,
    ) -> Result<Turn, Failure> {
        self.pages += 1;
        let items = match &*result {
            Value::Null => 0,
            Value::Array(items) => items.len(),
            _ => 1,
        };
        let measure = Measure::of(&result);
        if items > 0 && self.is_a_repetition(pagination.compared, measure.fingerprint("page")) {
            return Ok(Turn::Last(End::Repeated));
        }
        self.collect(result, items, measure.bytes)?;
        let nothing = Map::new();
        let body = value_of(response, "body");
        let metadata = match &pagination.metadata {
            None => body,
            Some(path) => path::find(body, path).unwrap_or(&Value::Null),
        };
        let headers = match part(response, "headers") {
            Some(Shared::Members(headers)) => headers,
            _ => &nothing,
        };
        let status = value_of(response, "status").as_u64().unwrap_or(0);
        let page = Page { status, headers, metadata, items, response };
        if matches!(pagination.format, Format::Range { .. }) {
            self.last = Some(response.clone());
        }
        if pagination.has_next.as_ref().is_some_and(|path| !path::says_yes(path::find(metadata, path))) {
            return Ok(Turn::Last(End::Complete));
        }
        match self.following(pagination, scope, &page)? {
            None => Ok(Turn::Last(End::Complete)),
            Some(next) if !self.is_new(&next) => Ok(Turn::Last(End::Repeated)),
            Some(_) if self.pages >= pagination.max_pages => Ok(Turn::Last(End::MaxPages)),
            Some(next) => {
                self.at = next;
                Ok(Turn::More)
            }
        }
    }

    /// Whether a page, by its fingerprint, is one that came before.
    fn is_a_repetition(&mut self, compared: Compared, page: u64) -> bool {
        match compared {
            Compared::None => false,
            Compared::Previous => self.page.replace(page) == Some(page),
            Compared::All => !self.seen.insert(page),
        }
    }

    /// Whether a refusal only says that there is nothing behind the last page.
    pub(super) fn is_past_the_end(&self, pagination: &Pagination, failure: &Failure) -> bool {
        matches!(pagination.format, Format::Range { .. }) && self.pages > 0 && failure.http_status == Some(416)
    }

    /// What the step results in, and the last page's answer with what became of the walk; `response` is the answer of
    /// the turn that ended it, if that was one.
    pub(super) fn finish(mut self, response: Option<Shared>, end: End) -> (Arc<Value>, Shared) {
        let response = response.or_else(|| self.last.take()).unwrap_or_else(|| Value::Null.into());
        let told = [("pages", Value::from(self.pages)), ("pages_end", end.as_str().into())];
        let response = match response {
            Shared::Parts(parts) => {
                let mut parts = Arc::unwrap_or_clone(parts);
                parts.extend(told.map(|(name, value)| (name.into(), value.into())));
                Shared::Parts(Arc::new(parts))
            }
            Shared::Members(members) => with_members(Arc::unwrap_or_clone(members), told),
            Shared::Value(value) => match Arc::unwrap_or_clone(value) {
                Value::Object(members) => with_members(members, told),
                _ => with_members(Map::new(), told),
            },
        };
        (Arc::new(Value::Array(self.results)), response)
    }

    fn collect(&mut self, result: Arc<Value>, items: usize, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes);
        let count = self.results.len() + items;
        let (found, bound) = match (count > MAX_ITEMS, self.bytes > MAX_BYTES) {
            (true, _) => (format!("{count} items"), format!("{MAX_ITEMS} items")),
            (_, true) => (format!("{} bytes", self.bytes), format!("{MAX_BYTES} bytes")),
            (false, false) => {
                match Arc::unwrap_or_clone(result) {
                    Value::Null => {}
                    Value::Array(items) => self.results.extend(items),
                    other => self.results.push(other),
                }
                return Ok(());
            }
        };
        let message = format!(
            "the first {} pages hold {found} and a paginated step collects at most {bound}: narrow the query, let \
             `response_path` leave out what is not needed, or set `max_pages`",
            self.pages
        );
        Err(Failure::permanent(ReasonCode::ExpressionLimit, message))
    }

    /// What the page behind `page` is asked with, if there is one.
    fn following(
        &self,
        pagination: &Pagination,
        scope: &mut Scope,
        page: &Page<'_>,
    ) -> Result<Option<Position>, Failure> {
        let base = || self.sent.as_ref().map_or("", |sent| sent.url.as_str());
        match (&pagination.format, &self.at) {
            (Format::Page { .. }, Position::At(number)) => Ok(page::after(*number, page.items)),
            (Format::Offset { .. }, Position::At(offset)) => Ok(page::behind(*offset, page.items)),
            (Format::Range { .. }, Position::At(first)) => Ok(range::after(*first, page)),
            (Format::Cursor(plan), _) => cursor::after(plan, pagination.place.in_query(), page, base()),
            (Format::LinkHeader, _) => {
                let header = page.headers.get("link").and_then(Value::as_str);
                header.and_then(link::next).map(|target| link::resolve(base(), &target).map(Position::Link)).transpose()
            }
            (Format::Dynamic { values, cursor, key, .. }, Position::Values { values: present, .. }) => {
                let asked = dynamic::Asked { values: values.as_ref(), cursor: cursor.as_ref(), key };
                dynamic::after(&asked, present, page, self.sent.as_ref(), scope)
            }
            // A definition's format does not change while a run is under way.
            _ => Ok(None),
        }
    }

    /// Whether `next` leads to where the walk has not been.
    fn is_new(&mut self, next: &Position) -> bool {
        match next {
            // These only grow.
            Position::First | Position::At(_) => true,
            Position::Cursor { cursor, .. } => self.seen.insert(Measure::of(cursor).fingerprint("cursor")),
            Position::Link(url) => {
                if let Some(sent) = &self.sent {
                    self.seen.insert(link::fingerprint(&sent.url));
                }
                self.seen.insert(link::fingerprint(url))
            }
            Position::Values { values, url, .. } => {
                if let Position::Values { values, url, .. } = &self.at {
                    self.seen.insert(fingerprint_of(values, url.as_deref()));
                }
                self.seen.insert(fingerprint_of(values, url.as_deref()))
            }
        }
    }
}

/// It holds what the provider answered.
impl fmt::Debug for Pager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pager").field("pages", &self.pages).field("items", &self.results.len()).finish_non_exhaustive()
    }
}

impl Sent {
    fn of(pagination: &Pagination, request: &Request) -> Self {
        let options = matches!(pagination.format, Format::Dynamic { .. }).then(|| dynamic::options(request));
        Self { url: request.url.clone(), options }
    }
}

fn fingerprint_of(values: &Map<String, Value>, url: Option<&str>) -> u64 {
    let mut measure = Measure::default();
    // Writing to a measure cannot fail.
    let _ = values.iter().try_for_each(|(name, value)| write!(measure, "{name:?}:{value},"));
    let _ = measure.write_str(url.unwrap_or_default());
    measure.fingerprint("values")
}

fn with_members<const N: usize>(mut members: Map<String, Value>, told: [(&str, Value); N]) -> Shared {
    members.extend(told.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(members).into()
}

/// A part of an answer as steps see it.
fn part<'a>(response: &'a Shared, name: &str) -> Option<&'a Shared> {
    match response {
        Shared::Parts(parts) => parts.iter().find(|(known, _)| known == name).map(|(_, part)| part),
        Shared::Value(_) | Shared::Members(_) => None,
    }
}

fn value_of<'a>(response: &'a Shared, name: &str) -> &'a Value {
    match part(response, name) {
        Some(Shared::Value(value)) => value,
        _ => &Value::Null,
    }
}

/// An answer that does not say what it has to.
fn bad(message: impl Into<String>) -> Failure {
    Failure::permanent(ReasonCode::BadResponse, message)
}

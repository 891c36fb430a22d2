//! Pagination: how a definition says that a list goes on.
//!
//! What the model system documents is `format`, the names in `config` and little of their meaning; what those names do
//! here is written in docs/pagination.md and decided by [`compile()`] and `actions::paging`.

mod compile;

#[cfg(test)]
mod tests;

use super::request_plan::{Header, Target};
use crate::expression::Expression;

pub(super) use compile::{choose, compile};

/// Pages of one walk, at most and unless the definition asks for fewer.
pub const MAX_PAGES: u32 = 1_000;

/// Items asked for where neither `limit` nor `max_limit` says how many.
pub const DEFAULT_LIMIT: u64 = 100;

/// How the pages of a list are asked for, one after the other.
pub struct Pagination {
    /// What leads from one page to the next.
    pub format: Format,
    /// How many items a page should have.
    pub limit: Limit,
    /// Pages of one walk.
    pub max_pages: u32,
    /// A dotted path to what says whether there is another page.
    pub has_next: Option<String>,
    /// Headers of the pages' requests.
    pub headers: Vec<Header>,
    /// Where the pagination's values go.
    pub place: Place,
    /// Which pages a page is compared with: one of the same content ends the walk.
    pub compared: Compared,
    /// A dotted path to the part of the body that the paths of this pagination begin at.
    pub metadata: Option<String>,
    /// Where later pages are asked for, if not where the first is.
    pub later: Option<Target>,
    /// Whether later pages are asked for without the body.
    pub drops_body: bool,
    /// Whether the request's own templates name `pagination`.
    pub mentioned: bool,
}

impl Pagination {
    /// The expressions that see data of the provider.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let of_dynamic = match &self.format {
            Format::Dynamic { initial, values, cursor, .. } => [initial, values, cursor].map(Option::as_ref),
            _ => [None; 3],
        };
        of_dynamic.into_iter().flatten()
    }
}

/// Which earlier pages a page is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// None: pages may be alike.
    None,
    /// The one directly before. Where we count, a provider that does not know the parameter answers every request alike.
    Previous,
    /// All of them.
    All,
}

/// Where a pagination's values go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the query.
    Query,
    /// Into the body.
    Body,
    /// Into both.
    Both,
    /// Only where the templates put them.
    Nowhere,
}

impl Place {
    /// Whether they go into the query.
    #[must_use]
    pub const fn in_query(self) -> bool {
        matches!(self, Self::Query | Self::Both)
    }

    /// Whether they go into the body.
    #[must_use]
    pub const fn in_body(self) -> bool {
        matches!(self, Self::Body | Self::Both)
    }
}

/// What leads from one page to the next.
pub enum Format {
    /// The page's number is counted.
    Page {
        /// The name of the parameter; absent where the templates place the number.
        key: Option<String>,
        /// The first page's number.
        start: u64,
    },
    /// The items before the page are counted.
    Offset {
        /// The name of the parameter; absent where the templates place the number.
        key: Option<String>,
    },
    /// The answer holds what the next page is asked with.
    Cursor(Cursor),
    /// The answer's `Link` header holds the next page's URL.
    LinkHeader,
    /// Ranges of items: `Range` asks, `Content-Range` answers.
    Range {
        /// The unit.
        unit: String,
    },
    /// Expressions decide.
    Dynamic {
        /// What the first page is asked with.
        initial: Option<Expression>,
        /// What the next page is asked with; null ends the walk.
        values: Option<Expression>,
        /// The cursor in an answer; undefined ends the walk.
        cursor: Option<Expression>,
        /// What the cursor is called among the values.
        key: String,
    },
}

/// The `cursor` format's own members.
pub struct Cursor {
    /// A dotted path to the cursor, or a header's name.
    pub path: String,
    /// Whether `path` names a header.
    pub in_headers: bool,
    /// A dotted path to the cursor of the page before.
    pub prev: Option<String>,
    /// The name of the parameter; absent where the templates place the cursor, or where it is a link.
    pub key: Option<String>,
    /// What is taken of a cursor that is a link.
    pub link: Option<Link>,
    /// Whether the cursor comes percent-encoded.
    pub encoded: bool,
    /// Whether a page without items may have a successor.
    pub empty_pages: bool,
}

/// What is taken of a cursor that is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Its query, at the definition's own path.
    Query,
    /// All of it.
    Whole,
}

/// How many items a page should have.
pub struct Limit {
    /// The name of the parameter; absent where it is not sent, or placed by the templates.
    pub key: Option<String>,
    /// The number.
    pub value: u64,
    /// Whether a body holds it as text.
    pub as_text: bool,
    /// Whether only the first page's request has it.
    pub first_only: bool,
}

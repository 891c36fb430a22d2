//! Counting: page numbers and offsets.
//!
//! Only a page without items is the end of a list. A short one is not: a provider may give fewer than were asked for, on
//! its first page already, so that a list would lose its rest. That costs one request more, unless `has_next_path` says it.

use super::Position;

/// The page after page `number`.
pub(super) fn after(number: u64, items: usize) -> Option<Position> {
    if items == 0 { None } else { number.checked_add(1).map(Position::At) }
}

/// The page behind the items that came so far: what was answered counts, not what was asked for.
pub(super) fn behind(offset: u64, items: usize) -> Option<Position> {
    if items == 0 { None } else { offset.checked_add(items as u64).map(Position::At) }
}

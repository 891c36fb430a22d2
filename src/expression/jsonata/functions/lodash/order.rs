//! `orderBy`: a stable sort by several criteria, as JavaScript compares.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::super::js::{self, Fault};
use super::iteratee::Iteratee;
use super::path::Path;

/// What to sort by, and in which direction each.
pub(in super::super) struct Order {
    criteria: Vec<Iteratee>,
    descending: Vec<bool>,
}

impl Order {
    /// Reads the arguments of `orderBy`: one criterion or a list of them, one direction or a list.
    pub(in super::super) fn of(by: Option<&Value>, orders: Option<&Value>) -> Self {
        let criteria = match by {
            Some(Value::Array(list)) if !list.is_empty() => list.iter().map(|one| criterion(Some(one))).collect(),
            None | Some(Value::Null | Value::Array(_)) => vec![Iteratee::Identity],
            one => vec![criterion(one)],
        };
        let descending = match orders {
            Some(Value::Array(list)) => list.iter().map(|one| js::text(Some(one)) == "desc").collect(),
            None => Vec::new(),
            one => vec![js::text(one) == "desc"],
        };
        Self { criteria, descending }
    }

    /// The indexes of `items`, sorted. `left` is what it may cost.
    pub(in super::super) fn sort(&self, items: &[Option<&Value>], left: &mut usize) -> Result<Vec<usize>, Fault> {
        js::spend(left, items.len().saturating_mul(self.criteria.len()))?;
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            let asked: Result<Vec<_>, Fault> = self.criteria.iter().map(|by| by.ask(*item, left)).collect();
            keys.push(asked?);
        }
        Ok(merge_sort(items.len(), |a, b| self.compare(&keys[a], &keys[b])))
    }

    fn compare(&self, a: &[Option<Cow<'_, Value>>], b: &[Option<Cow<'_, Value>>]) -> Ordering {
        for (index, (a, b)) in a.iter().zip(b).enumerate() {
            let order = ascending(a.as_deref(), b.as_deref());
            if order.is_ne() {
                return if self.descending.get(index) == Some(&true) { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    }
}

/// In a list of criteria a list is a path, where elsewhere it would be a pair of path and value.
fn criterion(value: Option<&Value>) -> Iteratee {
    match value {
        Some(Value::Array(_)) => Iteratee::Property(Path::of(value)),
        other => Iteratee::of(other),
    }
}

/// Values first, then null, then what is missing; what cannot be compared stays as it stands.
fn ascending(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    let rank = |value: Option<&Value>| match value {
        None => 2,
        Some(Value::Null) => 1,
        Some(_) => 0,
    };
    match (a, b) {
        (Some(a), Some(b)) if !a.is_null() && !b.is_null() => js::compare(a, b).unwrap_or(Ordering::Equal),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// A stable sort that bears a comparison which is no order (`1 < "b"` and `1 > "b"` are both false), where the standard
/// library's may panic.
fn merge_sort(length: usize, compare: impl Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..length).collect();
    let mut merged = Vec::with_capacity(length);
    let mut width = 1;
    while width < length {
        merged.clear();
        for run in sorted.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let (Some((&a, after_a)), Some((&b, after_b))) = (left.split_first(), right.split_first()) {
                if compare(a, b).is_gt() {
                    merged.push(b);
                    right = after_b;
                } else {
                    merged.push(a);
                    left = after_a;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut sorted, &mut merged);
        width *= 2;
    }
    sorted
}

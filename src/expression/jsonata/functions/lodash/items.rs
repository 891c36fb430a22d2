//! Functions that ask each item something: `groupBy`, `keyBy`, `find`, `lofilter`, `orderBy`.

use serde_json::{Map, Value};

use super::super::call::{Outcome, argument};
use super::super::js;
use super::iteratee::Iteratee;
use super::order::Order;
use super::{kept, list};

pub(super) fn group_by(args: &[Option<Value>]) -> Outcome {
    let (by, mut left) = (Iteratee::of(argument(args, 1)), js::WORK);
    let mut groups = Map::new();
    for item in list(argument(args, 0)) {
        let key = js::text(by.ask(item, &mut left)?.as_deref());
        match groups.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(group) => group.push(kept(item)),
            // There is nothing else in it.
            _ => return Ok(None),
        }
    }
    Ok(Some(js::ordered(groups)))
}

pub(super) fn key_by(args: &[Option<Value>]) -> Outcome {
    let (by, mut left) = (Iteratee::of(argument(args, 1)), js::WORK);
    let mut keyed = Map::new();
    for item in list(argument(args, 0)) {
        let key = js::text(by.ask(item, &mut left)?.as_deref());
        if let Some(item) = item {
            keyed.insert(key, item.clone());
        }
    }
    Ok(Some(js::ordered(keyed)))
}

pub(super) fn find(args: &[Option<Value>]) -> Outcome {
    let (by, mut left) = (Iteratee::of(argument(args, 1)), js::WORK);
    for item in list(argument(args, 0)) {
        if js::truthy(by.ask(item, &mut left)?.as_deref()) {
            return Ok(item.cloned());
        }
    }
    Ok(None)
}

pub(super) fn filter(args: &[Option<Value>]) -> Outcome {
    let (by, mut left) = (Iteratee::of(argument(args, 1)), js::WORK);
    let mut found = Vec::new();
    for item in list(argument(args, 0)) {
        if js::truthy(by.ask(item, &mut left)?.as_deref()) {
            found.push(kept(item));
        }
    }
    Ok(Some(Value::Array(found)))
}

pub(super) fn order_by(args: &[Option<Value>]) -> Outcome {
    let (items, mut left) = (list(argument(args, 0)), js::WORK);
    let sorted = Order::of(argument(args, 1), argument(args, 2)).sort(&items, &mut left)?;
    Ok(Some(sorted.into_iter().map(|index| kept(items[index])).collect()))
}

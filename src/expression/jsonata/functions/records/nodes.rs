//! `sortNodes`: a tree given as a flat list, put into the order of reading it: parents before their children.

use std::collections::HashMap;

use serde_json::Value;

use super::super::call::{Outcome, argument};
use super::super::js;
use super::super::lodash::{Order, Path};
use crate::expression::limits;

pub(in super::super) fn sort_nodes(args: &[Option<Value>]) -> Outcome {
    let Some(Value::Array(nodes)) = argument(args, 0) else { return Err("wrong_type") };
    let name = |index: usize, default: &str| argument(args, index).cloned().unwrap_or_else(|| Value::from(default));
    let (id, parent) = (Path::of(Some(&name(1, "id"))), Path::of(Some(&name(2, "parent_id"))));
    let order = Order::of(Some(&name(3, "sequence")), None);

    // Of two nodes with one id the later one counts, in the places of both.
    let mut by_id: HashMap<Option<String>, usize> = HashMap::new();
    let ids: Vec<Option<String>> = nodes.iter().map(|node| id.get(Some(node)).map(|id| identity(&id))).collect();
    ids.iter().enumerate().for_each(|(index, id)| _ = by_id.insert(id.clone(), index));

    let mut roots = Vec::new();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (node, id) in nodes.iter().zip(&ids) {
        let this = by_id[id];
        let parent = parent.get(Some(node)).filter(|parent| js::truthy(Some(parent)));
        match parent.and_then(|parent| by_id.get(&Some(identity(&parent)))) {
            Some(parent) => children[*parent].push(this),
            None => roots.push(this),
        }
    }

    let mut left = js::WORK;
    let mut sort = |list: Vec<usize>| -> Result<Vec<usize>, js::Fault> {
        let items: Vec<Option<&Value>> = list.iter().map(|index| Some(&nodes[*index])).collect();
        Ok(order.sort(&items, &mut left)?.into_iter().map(|index| list[index]).collect())
    };
    let roots = sort(roots)?;
    let children: Result<Vec<Vec<usize>>, _> = children.into_iter().map(sort).collect();
    flatten(&roots, &children?, nodes)
}

/// Two ids are one when they are of one type and value.
fn identity(id: &Value) -> String {
    match id {
        Value::Number(number) => js::text(Some(&js::json_number(number.as_f64().unwrap_or(f64::NAN)))),
        other => other.to_string(),
    }
}

/// The nodes in the order of reading. Without recursion, as a tree may be a chain; and bounded, as ids that repeat make
/// a list grow by powers of two.
fn flatten(roots: &[usize], children: &[Vec<usize>], nodes: &[Value]) -> Outcome {
    let mut out = Vec::new();
    let mut room = limits::RESULT_BYTES;
    let mut open: Vec<usize> = roots.iter().rev().copied().collect();
    while let Some(index) = open.pop() {
        if out.len() >= limits::ARRAY_ITEMS.max(nodes.len()) {
            return Err("list_too_long");
        }
        let mut fields = js::spread(&nodes[index])?;
        fields.shift_remove("children");
        if out.len() >= nodes.len() {
            room = room.checked_sub(Value::Object(fields.clone()).to_string().len()).ok_or("list_too_long")?;
        }
        out.push(Value::Object(fields));
        open.extend(children[index].iter().rev());
        if open.len() > limits::ARRAY_ITEMS.max(nodes.len()) {
            return Err("list_too_long");
        }
    }
    Ok(Some(Value::Array(out)))
}

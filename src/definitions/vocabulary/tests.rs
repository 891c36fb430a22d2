use std::collections::{BTreeSet, HashSet};

use super::*;

/// Every object of the table, each once.
fn objects() -> Vec<&'static Object> {
    fn shape(of: &'static Shape, seen: &mut HashSet<&'static str>, found: &mut Vec<&'static Object>) {
        match of {
            Shape::List(inner) | Shape::Map(inner) => shape(inner, seen, found),
            Shape::Either(shapes) => shapes.iter().for_each(|one| shape(one, seen, found)),
            Shape::Object(one) => object(one, seen, found),
            _ => {}
        }
    }
    fn object(one: &'static Object, seen: &mut HashSet<&'static str>, found: &mut Vec<&'static Object>) {
        if seen.insert(one.name) {
            found.push(one);
            one.members.iter().for_each(|member| shape(&member.shape, seen, found));
            one.variants.iter().flat_map(|it| it.shapes).for_each(|(_, one)| shape(one, seen, found));
        }
    }
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    object(&INTEGRATION, &mut seen, &mut found);
    object(&INSTALLS, &mut seen, &mut found);
    found
}

#[test]
fn every_member_is_explained_once() {
    for object in objects() {
        let names: BTreeSet<&str> = object.names().into_iter().collect();
        assert_eq!(names.len(), object.members.len(), "a member of {} is listed twice", object.name);
        for member in object.members {
            assert!(member.about.ends_with(['.', '`']), "{}.{}", object.name, member.name);
        }
        for name in object.required {
            assert!(object.member(name).is_some(), "{}.{name}", object.name);
        }
    }
}

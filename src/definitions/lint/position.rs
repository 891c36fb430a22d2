//! Where the values of a document are: their order, and their line and column in its text.

mod yaml;

use std::cell::Cell;
use std::collections::HashMap;

use serde_json::Value;

use super::join;

/// The order of each pointer, and its byte in the text where that is known.
type Places = HashMap<String, (usize, Option<usize>)>;

/// The places of a document's values.
pub(super) struct Positions {
    places: Places,
    /// What was found last: byte, line and column. Findings come in order, so a line is not counted anew for each.
    last: Cell<(usize, usize, usize)>,
    /// The members that are written more than once, as far as the text tells.
    pub(super) repeated: Vec<String>,
}

/// Where every text begins.
const BEGIN: (usize, usize, usize) = (0, 1, 1);

impl Positions {
    /// The places in JSON text, which has been read already.
    pub(super) fn of_json(text: &str) -> Self {
        let mut scanner =
            Scanner { text, bytes: text.as_bytes(), at: 0, places: HashMap::new(), repeated: Vec::new(), again: false };
        scanner.value("", None);
        Self { repeated: scanner.repeated, ..Self::of_places(scanner.places) }
    }

    /// The places in YAML text that `value` was read from.
    pub(super) fn of_yaml(text: &str, value: &Value) -> Self {
        yaml::places(text).map_or_else(|| Self::of_value(value), Self::of_places)
    }

    /// The order alone.
    pub(super) fn of_value(value: &Value) -> Self {
        let mut places = HashMap::new();
        order(value, "", &mut places);
        Self::of_places(places)
    }

    const fn of_places(places: Places) -> Self {
        Self { places, last: Cell::new(BEGIN), repeated: Vec::new() }
    }

    /// The order of the value at `pointer`, or of what would hold it.
    pub(super) fn order(&self, pointer: &str) -> usize {
        self.nearest(pointer).map_or(0, |place| place.0)
    }

    /// Line and column (in characters) of the value at `pointer`, or of what would hold it; both count from 1.
    pub(super) fn line(&self, pointer: &str, text: &str) -> Option<(usize, usize)> {
        let to = self.nearest(pointer)?.1?;
        let (from, line, column) = if self.last.get().0 <= to { self.last.get() } else { BEGIN };
        let between = text.get(from..to)?;
        let (line, column) = match between.rfind('\n') {
            Some(end) => (line + between.matches('\n').count(), between[end + 1..].chars().count() + 1),
            None => (line, column + between.chars().count()),
        };
        self.last.set((to, line, column));
        Some((line, column))
    }

    fn nearest(&self, pointer: &str) -> Option<(usize, Option<usize>)> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return Some(*place);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }
}

fn order(value: &Value, pointer: &str, places: &mut Places) {
    places.insert(pointer.to_owned(), (places.len(), None));
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| order(item, &format!("{pointer}/{index}"), places));
        }
        Value::Object(members) => members.iter().for_each(|(key, it)| order(it, &join(pointer, key), places)),
        _ => {}
    }
}

/// Walks over JSON that is known to be sound: nothing is checked, and what is not understood ends the walk.
struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    places: Places,
    repeated: Vec<String>,
    /// Whether this is inside of a member that is written once more: what it holds is no news.
    again: bool,
}

impl Scanner<'_> {
    /// A value; `from` is where its key stands, which is where people look.
    fn value(&mut self, pointer: &str, from: Option<usize>) -> Option<()> {
        self.blank();
        // The last of two equal keys counts, as it does for the reader.
        let place = (self.places.len(), Some(from.unwrap_or(self.at)));
        self.places.insert(pointer.to_owned(), place);
        match self.bytes.get(self.at)? {
            b'{' => self.object(pointer),
            b'[' => self.list(pointer),
            b'"' => self.string().map(drop),
            _ => {
                let end = self.bytes[self.at..].iter().position(|byte| b",]} \t\r\n".contains(byte));
                self.at = end.map_or(self.bytes.len(), |end| self.at + end);
                Some(())
            }
        }
    }

    fn object(&mut self, pointer: &str) -> Option<()> {
        self.at += 1;
        loop {
            self.blank();
            match self.bytes.get(self.at)? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let from = self.at;
                    let key = self.string()?;
                    self.blank();
                    self.at += 1;
                    let member = join(pointer, &key);
                    let was_again = self.again;
                    if !was_again && self.places.contains_key(&member) {
                        self.again = true;
                        self.repeated.push(member.clone());
                    }
                    self.value(&member, Some(from))?;
                    self.again = was_again;
                }
            }
        }
        self.at += 1;
        Some(())
    }

    fn list(&mut self, pointer: &str) -> Option<()> {
        self.at += 1;
        let mut index = 0;
        loop {
            self.blank();
            match self.bytes.get(self.at)? {
                b']' => break,
                b',' => self.at += 1,
                _ => {
                    self.value(&format!("{pointer}/{index}"), None)?;
                    index += 1;
                }
            }
        }
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        let from = self.at;
        self.at += 1;
        while *self.bytes.get(self.at)? != b'"' {
            self.at += if self.bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.text.get(from..self.at)?).ok()
    }

    fn blank(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_at_its_key_and_an_item_at_its_value() {
        let text = "{\n  \"ä\": [1, { \"x/y\": \"}\\\"\" }],\n  \"b\": null\n}\n";
        let positions = Positions::of_json(text);
        for (pointer, line, column) in [
            ("", 1, 1),
            ("/ä", 2, 3),
            ("/ä/0", 2, 9),
            ("/ä/1", 2, 12),
            ("/ä/1/x~1y", 2, 14),
            ("/b", 3, 3),
            ("/b/not/there", 3, 3),
        ] {
            assert_eq!(positions.line(pointer, text), Some((line, column)), "{pointer}");
        }
    }

    #[test]
    fn yaml_is_found_as_well_by_its_keys_and_items() {
        let text = "# of ours\nä: &list\n  - 1\n  - { \"x/y\": '}', 7: null }\nb: *list\nc: |\n  text\nd: {}\n";
        let value = serde_saphyr::from_str(text).unwrap();
        let positions = Positions::of_yaml(text, &value);
        for (pointer, line, column) in [
            ("/ä", 2, 1),
            ("/ä/0", 3, 5),
            ("/ä/1/x~1y", 4, 7),
            ("/ä/1/7", 4, 19),
            ("/b", 5, 1),
            ("/c", 6, 1),
            ("/d/not/there", 8, 1),
        ] {
            assert_eq!(positions.line(pointer, text), Some((line, column)), "{pointer}");
        }
        let orders = ["", "/ä", "/ä/0", "/ä/1", "/ä/1/x~1y"].map(|pointer| positions.order(pointer));
        assert_eq!(orders, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_member_that_is_written_twice_is_told_once_and_found_where_it_counts() {
        let text = "{ \"a\": { \"x\": 1 },\n  \"b\": { \"a\": 1 },\n  \"a\": { \"x\": 2, \"y\": 3 } }";
        let positions = Positions::of_json(text);
        assert_eq!(positions.repeated, ["/a"]);
        assert_eq!(positions.line("/a", text), Some((3, 3)));
    }

    #[test]
    fn the_order_is_the_documents() {
        let text = r#"{"b": {"x": 1, "a": [0, 1]}, "a": 2}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        for positions in [Positions::of_json(text), Positions::of_value(&value)] {
            let orders = ["", "/b", "/b/x", "/b/a", "/b/a/0", "/b/a/1", "/a"].map(|pointer| positions.order(pointer));
            assert_eq!(orders, [0, 1, 2, 3, 4, 5, 6]);
            assert_eq!(positions.order("/b/a/7"), 3);
        }
    }
}

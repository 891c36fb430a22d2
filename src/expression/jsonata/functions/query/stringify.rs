//! `stringifyQuery`.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::call::{Outcome, argument};
use super::super::js::{self, Fault, Text};
use super::Options;

/// How the items of a list are named.
#[derive(Clone, Copy, PartialEq)]
enum ArrayFormat {
    Brackets,
    Comma,
    Indices,
    Repeat,
}

#[allow(clippy::struct_excessive_bools, reason = "the switches of the package's options")]
struct Writer<'a> {
    array_format: ArrayFormat,
    delimiter: String,
    filter: Option<&'a [Value]>,
    allow_dots: bool,
    allow_empty_arrays: bool,
    comma_round_trip: bool,
    encode: bool,
    encode_dots: bool,
    encode_values_only: bool,
    is_latin1: bool,
    is_form: bool,
    skip_nulls: bool,
    strict_nulls: bool,
    out: Text,
    left: usize,
}

pub(in super::super) fn stringify_query(args: &[Option<Value>]) -> Outcome {
    let options = Options::of(argument(args, 1));
    let mut writer = Writer::of(&options)?;
    let Some(object @ (Value::Object(_) | Value::Array(_))) = argument(args, 0) else { return Ok(Some("".into())) };
    match writer.filter {
        Some(names) => {
            for name in names.iter().filter(|name| !name.is_null()) {
                let name = js::text(Some(name));
                if let Some(value) = js::member(object, &name) {
                    writer.top(&value, &name)?;
                }
            }
        }
        None => {
            for (name, value) in js::entries(object)? {
                writer.top(&value, &name)?;
            }
        }
    }
    let joined = writer.out.into_string();
    if joined.is_empty() {
        return Ok(Some("".into()));
    }
    let mut out = Text::default();
    if options.flag("addQueryPrefix", false) {
        out.push("?")?;
    }
    if options.flag("charsetSentinel", false) {
        out.push(if writer.is_latin1 { "utf8=%26%2310003%3B" } else { "utf8=%E2%9C%93" })?;
        out.push(&writer.delimiter)?;
    }
    out.push(&joined)?;
    Ok(Some(out.into_value()))
}

impl<'a> Writer<'a> {
    fn of(options: &Options<'a>) -> Result<Self, Fault> {
        let encode_dots = options.strict_flag("encodeDotInKeys")?;
        let is_form = match options.get("format").map(Value::as_str) {
            None | Some(Some("RFC3986")) => false,
            Some(Some("RFC1738")) => true,
            Some(_) => return Err("invalid_option"),
        };
        let array_format = match (options.get("arrayFormat").and_then(Value::as_str), options.get("indices")) {
            (Some("brackets"), _) => ArrayFormat::Brackets,
            (Some("comma"), _) => ArrayFormat::Comma,
            (Some("repeat"), _) => ArrayFormat::Repeat,
            (Some("indices"), _) | (_, None) => ArrayFormat::Indices,
            (_, given) => {
                if js::truthy(given) {
                    ArrayFormat::Indices
                } else {
                    ArrayFormat::Repeat
                }
            }
        };
        Ok(Self {
            array_format,
            delimiter: options.get("delimiter").map_or_else(|| "&".to_owned(), |given| js::text(Some(given))),
            filter: options.get("filter").and_then(Value::as_array).map(Vec::as_slice),
            allow_dots: options.allow_dots(encode_dots),
            allow_empty_arrays: options.strict_flag("allowEmptyArrays")?,
            comma_round_trip: options.strict_flag("commaRoundTrip")? && array_format == ArrayFormat::Comma,
            encode: options.flag("encode", true),
            encode_dots,
            encode_values_only: options.flag("encodeValuesOnly", false),
            is_latin1: options.is_latin1()?,
            is_form,
            skip_nulls: options.flag("skipNulls", false),
            strict_nulls: options.flag("strictNullHandling", false),
            out: Text::default(),
            left: js::WORK,
        })
    }

    fn top(&mut self, value: &Value, name: &str) -> Result<(), Fault> {
        if self.skip_nulls && value.is_null() { Ok(()) } else { self.write(value, name, self.encode) }
    }

    fn write(&mut self, value: &Value, prefix: &str, encode: bool) -> Result<(), Fault> {
        js::spend(&mut self.left, 1 + prefix.len() / 8)?;
        match value {
            Value::Null if self.strict_nulls => {
                let key = self.key(prefix, encode);
                self.pair(&key, None)
            }
            Value::Null => self.scalar(prefix, "", encode),
            Value::Bool(_) | Value::Number(_) => self.scalar(prefix, &js::text(Some(value)), encode),
            Value::String(text) => self.scalar(prefix, text, encode),
            Value::Array(items) => self.items(value, items, &self.dotless(prefix), encode),
            Value::Object(_) => {
                let prefix = self.dotless(prefix);
                self.fields(value, encode, |this, name| {
                    let name = if this.allow_dots { this.dotless(name) } else { name.to_owned() };
                    if this.allow_dots { format!("{prefix}.{name}") } else { format!("{prefix}[{name}]") }
                })
            }
        }
    }

    fn items(&mut self, list: &Value, items: &[Value], prefix: &str, encode: bool) -> Result<(), Fault> {
        let prefix = if self.comma_round_trip && items.len() == 1 { format!("{prefix}[]") } else { prefix.to_owned() };
        if self.allow_empty_arrays && items.is_empty() {
            return self.pair(&format!("{prefix}[]"), None);
        }
        match self.array_format {
            ArrayFormat::Comma => self.comma(items, &prefix, encode),
            ArrayFormat::Brackets => self.fields(list, encode, |_, _| format!("{prefix}[]")),
            ArrayFormat::Repeat => self.fields(list, encode, |_, _| prefix.clone()),
            ArrayFormat::Indices => self.fields(list, encode, |_, index| format!("{prefix}[{index}]")),
        }
    }

    /// All items in one value.
    fn comma(&mut self, items: &[Value], prefix: &str, encode: bool) -> Result<(), Fault> {
        if items.is_empty() {
            return Ok(());
        }
        let encodes_items = self.encode_values_only && encode;
        let mut joined = Text::default();
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                joined.push(",")?;
            }
            if !item.is_null() {
                let text = js::text(Some(item));
                joined.push(&if encodes_items { percent(&text, false, false) } else { text })?;
            }
        }
        let encode = encode && !self.encode_values_only;
        match joined.as_str() {
            "" if self.skip_nulls => Ok(()),
            "" => self.write(&Value::Null, prefix, encode),
            text => self.scalar(prefix, text, encode),
        }
    }

    /// The members that are asked for, each under the name that `named` makes of its key.
    fn fields(&mut self, value: &Value, encode: bool, named: impl Fn(&Self, &str) -> String) -> Result<(), Fault> {
        let one = |this: &mut Self, key: &str, member: &Value| {
            if this.skip_nulls && member.is_null() {
                return Ok(());
            }
            let name = named(this, key);
            this.write(member, &name, encode)
        };
        if let Some(names) = self.filter {
            js::spend(&mut self.left, names.len())?;
            for name in names {
                let key = js::text(Some(name));
                if let Some(member) = js::member(value, &key) {
                    one(self, &key, &member)?;
                }
            }
            return Ok(());
        }
        match value {
            Value::Array(items) => {
                items.iter().enumerate().try_for_each(|(index, item)| one(self, &index.to_string(), item))
            }
            Value::Object(fields) => fields.iter().try_for_each(|(key, member)| one(self, key, member)),
            _ => Ok(()),
        }
    }

    fn dotless(&self, name: &str) -> String {
        if self.encode_dots { name.replace('.', "%2E") } else { name.to_owned() }
    }

    fn key(&self, prefix: &str, encode: bool) -> String {
        let key = if encode && !self.encode_values_only { self.encoded(prefix) } else { prefix.to_owned() };
        self.formatted(key)
    }

    fn encoded(&self, text: &str) -> String {
        percent(text, self.is_latin1, self.is_form)
    }

    fn formatted(&self, text: String) -> String {
        if self.is_form { text.replace("%20", "+") } else { text }
    }

    fn scalar(&mut self, prefix: &str, text: &str, encode: bool) -> Result<(), Fault> {
        let key = self.key(prefix, encode);
        let text = self.formatted(if encode { self.encoded(text) } else { text.to_owned() });
        self.pair(&key, Some(&text))
    }

    fn pair(&mut self, key: &str, value: Option<&str>) -> Result<(), Fault> {
        if !self.out.as_str().is_empty() {
            self.out.push(&self.delimiter)?;
        }
        self.out.push(key)?;
        if let Some(value) = value {
            self.out.push("=")?;
            self.out.push(value)?;
        }
        Ok(())
    }
}

/// Percent encoding of all but letters, digits and `-._~`, in UTF-8 or, beyond Latin-1, by numeric entities. A form
/// keeps parentheses.
fn percent(text: &str, is_latin1: bool, is_form: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_plain = c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') || (c == '~' && !is_latin1);
        let is_plain = is_plain || (is_form && !is_latin1 && matches!(c, '(' | ')'));
        // What `escape` leaves alone.
        if is_plain || (is_latin1 && matches!(c, '@' | '*' | '+' | '/')) {
            out.push(c);
        } else if !is_latin1 {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else if u32::from(c) < 256 {
            let _ = write!(out, "%{:02X}", u32::from(c));
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "%26%23{unit}%3B");
            }
        }
    }
    out
}

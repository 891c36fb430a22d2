//! ISO 8601, written as Luxon writes it.

use serde_json::{Map, Value};

use super::format::padded;
use super::moment::Moment;

/// What the author may ask for.
#[expect(clippy::struct_excessive_bools, reason = "they are the switches of the reference")]
pub(super) struct Options {
    basic: bool,
    suppress_seconds: bool,
    suppress_milliseconds: bool,
    include_offset: bool,
    include_prefix: bool,
    extended_zone: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::read(None)
    }
}

impl Options {
    pub(super) fn read(given: Option<&Map<String, Value>>) -> Self {
        let switch = |name: &str, default: bool| given.and_then(|given| given.get(name)?.as_bool()).unwrap_or(default);
        Self {
            basic: given.and_then(|given| given.get("format")?.as_str()) == Some("basic"),
            suppress_seconds: switch("suppressSeconds", false),
            suppress_milliseconds: switch("suppressMilliseconds", false),
            include_offset: switch("includeOffset", true),
            include_prefix: switch("includePrefix", false),
            extended_zone: switch("extendedZone", false),
        }
    }
}

pub(super) fn date_time(moment: &Moment, options: &Options) -> String {
    let mut out = date(moment, options);
    out.push('T');
    put_time(&mut out, moment, options);
    out
}

pub(super) fn date(moment: &Moment, options: &Options) -> String {
    let fields = moment.fields();
    let long = fields.year > 9_999 || fields.year < 0;
    let mut out = String::with_capacity(32);
    if long && fields.year >= 0 {
        out.push('+');
    }
    padded(&mut out, fields.year, if long { 6 } else { 4 });
    for part in [fields.month, fields.day] {
        if !options.basic {
            out.push('-');
        }
        padded(&mut out, part, 2);
    }
    out
}

pub(super) fn time(moment: &Moment, options: &Options) -> String {
    let mut out = if options.include_prefix { "T".to_owned() } else { String::new() };
    put_time(&mut out, moment, options);
    out
}

fn put_time(out: &mut String, moment: &Moment, options: &Options) {
    let fields = moment.fields();
    let colon = if options.basic { "" } else { ":" };
    padded(out, fields.hour, 2);
    out.push_str(colon);
    padded(out, fields.minute, 2);
    if fields.millisecond != 0 || fields.second != 0 || !options.suppress_seconds {
        out.push_str(colon);
        padded(out, fields.second, 2);
        if fields.millisecond != 0 || !options.suppress_milliseconds {
            out.push('.');
            padded(out, fields.millisecond, 3);
        }
    }
    let minutes = moment.offset_ms() / 60_000;
    if options.include_offset && moment.zone.is_fixed() && minutes == 0 && !options.extended_zone {
        out.push('Z');
    } else if options.include_offset {
        out.push(if minutes < 0 { '-' } else { '+' });
        padded(out, minutes.abs() / 60, 2);
        out.push(':');
        padded(out, minutes.abs() % 60, 2);
    }
    if options.extended_zone {
        out.push('[');
        out.push_str(&moment.zone.database_name());
        out.push(']');
    }
}

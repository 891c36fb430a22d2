//! Dates: `$dtFromIso`, `$dtFromFormat` and the methods of what they give, which are those of Luxon's `DateTime` in English.
//!
//! The tour: `calendar` counts days, `zone` knows offsets, `moment` is both and what can be done with it, `duration` a
//! length of time; `parse`, `scan` and `fields` read texts, `format` and `iso` write them, `object` is a date as JSON.
//! Time zones come from the database that is built in. Where nothing is named, UTC is meant, and English.

mod calendar;
mod duration;
mod fields;
mod format;
mod iso;
mod methods;
mod moment;
mod object;
mod parse;
mod scan;
mod zone;

use jlens_core::{Error, HostFunction};
use serde_json::{Map, Value};

use super::OfARun;
use super::call::{Outcome, argument, text};
use super::seeded::Run;
pub(super) use methods::{DATE, DURATION, call_length};
use moment::{Date, Moment};
use zone::Zone;

pub(super) const OF_A_RUN: &[OfARun] =
    &[("dtFromIso", |run| of_a_run(2, run, from_iso)), ("dtFromFormat", |run| of_a_run(3, run, from_format))];

/// A function that takes what a text leaves out (the day of `10:30`) from the time of the run.
fn of_a_run(arity: usize, run: Run, function: fn(&[Option<Value>], i64) -> Outcome) -> HostFunction {
    HostFunction::new(arity, move |args, _| function(args, run.now_ms).map_err(Error::new)).without_input()
}

/// Whether an object is a date, and then its text.
pub(super) fn text_of(members: &Map<String, Value>) -> Option<Value> {
    object::text(members)
}

/// Calls a method of the date that an object is; none when it is none.
pub(super) fn call(members: &Map<String, Value>, name: &str, args: &[Option<Value>], now_ms: i64) -> Option<Outcome> {
    object::read(members).map(|date| methods::call(&date, name, args, now_ms))
}

/// Whether an object is a length of time.
pub(super) fn is_length(members: &Map<String, Value>) -> bool {
    duration::Duration::is_one(members)
}

/// `$dtFromIso(text, zone)`.
fn from_iso(args: &[Option<Value>], now_ms: i64) -> Outcome {
    let text = text(args, 0).unwrap_or(None);
    let date = dated(text.as_deref().and_then(parse::iso), None, now_ms)?;
    let date = date.and_then(|moment| moment.in_zone(Zone::System, false));
    let date = match argument(args, 1) {
        Some(Value::String(name)) if !name.is_empty() => {
            date.and_then(|moment| moment.in_zone(Zone::parse(name).ok_or("unsupported zone")?, false))
        }
        _ => date,
    };
    Ok(Some(object::of(&date)))
}

/// `$dtFromFormat(text, format, options)`.
fn from_format(args: &[Option<Value>], now_ms: i64) -> Outcome {
    let (Some(text), Some(format)) = (text(args, 0)?, text(args, 1)?) else { return Err("nothing_to_read") };
    let options = argument(args, 2).and_then(Value::as_object);
    let zone = match options.and_then(|options| options.get("zone")) {
        None | Some(Value::Null) => Ok(Zone::System),
        Some(zone) => zone_of(zone),
    };
    let keeps = options.and_then(|options| options.get("setZone")?.as_bool()).unwrap_or(false);
    let Ok(zone) = zone else { return Ok(Some(object::of(&Err("unsupported zone")))) };
    let date = match &*format {
        "RFC2822" => dated(parse::rfc2822(&text), Some(&zone), now_ms)?,
        "ISO" => dated(parse::iso(&text), Some(&zone), now_ms)?,
        "fromSeconds" => {
            let seconds = crate::expression::text::leading_int(&text).and_then(|seconds| seconds.as_i64());
            Moment::new(seconds.ok_or("not_seconds")?.saturating_mul(1_000), zone.clone())
        }
        format => match scan::scan(&text, format)? {
            None => Err("unparsable"),
            Some((said, _, _)) if said.is_empty() => Err("unparsable"),
            Some((said, named, offset)) => match named.unwrap_or_else(|| Ok(zone.clone())) {
                Ok(zone) => said.moment(zone, offset, now_ms)?,
                Err(()) => Err("unsupported zone"),
            },
        },
    };
    let date = if keeps { date } else { date.and_then(|moment| moment.in_zone(zone, false)) };
    Ok(Some(object::of(&date)))
}

/// What a text of a fixed form says, in its own zone or `zone`.
fn dated(parsed: Option<parse::Parsed>, zone: Option<&Zone>, now_ms: i64) -> Result<Date, &'static str> {
    let Some((said, named)) = parsed else { return Ok(Err("unparsable")) };
    match named.unwrap_or_else(|| Ok(zone.cloned().unwrap_or(Zone::System))) {
        Ok(zone) => said.moment(zone, None, now_ms),
        Err(()) => Ok(Err("unsupported zone")),
    }
}

/// A zone by name, or by its minutes east of UTC.
fn zone_of(value: &Value) -> Result<Zone, &'static str> {
    match value {
        Value::String(name) => Zone::parse(name).ok_or("unsupported zone"),
        Value::Number(minutes) => {
            minutes.as_f64().map(|minutes| Zone::Fixed(calendar::minutes(minutes))).ok_or("unsupported zone")
        }
        _ => Err("unsupported zone"),
    }
}

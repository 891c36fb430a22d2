//! The methods of dates and of lengths of time.

use serde_json::{Map, Value};

use super::super::call::{Outcome, argument, text};
use super::duration::{Duration, Unit};
use super::moment::{Date, Moment};
use super::zone::Zone;
use super::{format, iso, object, zone_of};
use crate::expression::text::json_number;

/// The names of a date's.
pub(in super::super) const DATE: &[&str] = &[
    "diff",
    "diffNow",
    "endOf",
    "equals",
    "hasSame",
    "minus",
    "plus",
    "set",
    "setZone",
    "startOf",
    "toFormat",
    "toHTTP",
    "toISO",
    "toISODate",
    "toISOTime",
    "toISOWeekDate",
    "toJSDate",
    "toLocal",
    "toMillis",
    "toRFC2822",
    "toSQL",
    "toSQLDate",
    "toSQLTime",
    "toSeconds",
    "toUTC",
    "toUnixInteger",
    "valueOf",
];

/// The names of a length's.
pub(in super::super) const DURATION: &[&str] =
    &["as", "get", "minus", "negate", "normalize", "plus", "shiftTo", "toFormat", "toISO", "toMillis", "toObject"];

/// Calls a date's method. A date that is none stays none, and its texts are null.
pub(super) fn call(date: &Date, name: &str, args: &[Option<Value>], now_ms: i64) -> Outcome {
    match date {
        Ok(moment) => of_moment(moment, name, args, now_ms),
        Err(reason) => Ok(Some(of_none(reason, name))),
    }
}

fn of_none(reason: &'static str, name: &str) -> Value {
    match name {
        "endOf" | "minus" | "plus" | "set" | "setZone" | "startOf" | "toLocal" | "toUTC" => object::of(&Err(reason)),
        "toFormat" => "Invalid DateTime".into(),
        "equals" | "hasSame" => false.into(),
        "diff" | "diffNow" => Value::Object(Map::new()),
        _ => Value::Null,
    }
}

fn of_moment(moment: &Moment, name: &str, args: &[Option<Value>], now_ms: i64) -> Outcome {
    let dated = |date: Date| Ok(Some(object::of(&date)));
    let options = |index| argument(args, index).and_then(Value::as_object);
    match name {
        "plus" => dated(moment.plus(&length(args)?)),
        "minus" => dated(moment.plus(&length(args)?.negated())),
        "set" => dated(moment.set(options(0).ok_or("not_a_date_field")?)?),
        "startOf" => dated(moment.start_of(unit(args, 0)?)),
        "endOf" => dated(moment.end_of(unit(args, 0)?)),
        "setZone" | "toUTC" | "toLocal" => {
            let zone = match (name, argument(args, 0)) {
                ("toLocal", _) | ("setZone", None | Some(Value::Null)) => Ok(Zone::System),
                (_, Some(zone)) => zone_of(zone),
                (_, None) => Ok(Zone::UTC),
            };
            let keeps = options(1).is_some_and(|options| {
                ["keepLocalTime", "keepCalendarTime"].iter().any(|name| options.get(*name) == Some(&Value::Bool(true)))
            });
            dated(zone.and_then(|zone| moment.in_zone(zone, keeps)))
        }
        "diff" => match date_argument(args, 0)? {
            Ok(other) => lasted(moment.since(&other, &units(args, 1)?)),
            Err(_) => Ok(Some(Value::Object(Map::new()))),
        },
        "diffNow" => {
            let units = units(args, 0)?;
            lasted(Moment::new(now_ms, Zone::System).and_then(|now| moment.since(&now, &units)))
        }
        "hasSame" => {
            let unit = unit(args, 1)?;
            let same = date_argument(args, 0)?.and_then(|other| moment.is_same(&other, unit));
            Ok(Some(same.unwrap_or(false).into()))
        }
        "equals" => {
            let same = |other: &Moment| other.ts == moment.ts && other.zone.is_same(&moment.zone);
            Ok(Some(date_argument(args, 0)?.is_ok_and(|other| same(&other)).into()))
        }
        _ => of_writing(moment, name, args),
    }
}

/// The methods that write a moment, as a number or a text.
fn of_writing(moment: &Moment, name: &str, args: &[Option<Value>]) -> Outcome {
    let written = |text: String| Ok(Some(Value::String(text)));
    let options = || argument(args, 0).and_then(Value::as_object);
    let iso_options = || iso::Options::read(options());
    match name {
        "toMillis" | "valueOf" => Ok(Some(moment.ts.into())),
        "toSeconds" => Ok(json_number(moment.ts as f64 / 1_000.0)),
        "toUnixInteger" => Ok(Some(moment.ts.div_euclid(1_000).into())),
        "toISO" => written(iso::date_time(moment, &iso_options())),
        "toISODate" => written(iso::date(moment, &iso_options())),
        "toISOTime" => written(iso::time(moment, &iso_options())),
        "toSQLDate" => written(iso::date(moment, &iso::Options::default())),
        "toJSDate" => {
            let there = Moment { ts: moment.ts, zone: Zone::UTC };
            written(iso::date_time(&there, &iso::Options::default()))
        }
        "toFormat" => written(format::write(moment, &text(args, 0)?.ok_or("nothing_to_read")?, false)?),
        "toISOWeekDate" => written(format::write(moment, "kkkk-'W'WW-c", true)?),
        "toRFC2822" => written(format::write(moment, "EEE, dd LLL yyyy HH:mm:ss ZZZ", false)?),
        "toHTTP" => {
            let there = Moment { ts: moment.ts, zone: Zone::UTC };
            written(format::write(&there, "EEE, dd LLL yyyy HH:mm:ss 'GMT'", false)?)
        }
        "toSQL" | "toSQLTime" => {
            let time = format::write(moment, &sql_time(options()), true)?;
            let date = iso::date(moment, &iso::Options::default());
            written(if name == "toSQL" { format!("{date} {time}") } else { time })
        }
        _ => Err("no_such_method"),
    }
}

fn sql_time(options: Option<&Map<String, Value>>) -> String {
    let switch = |name: &str, default: bool| options.and_then(|o| o.get(name)?.as_bool()).unwrap_or(default);
    let (zone, offset) = (switch("includeZone", false), switch("includeOffset", true));
    let space = if (zone || offset) && switch("includeOffsetSpace", true) { " " } else { "" };
    let end = match (zone, offset) {
        (true, _) => "z",
        (false, true) => "ZZ",
        (false, false) => "",
    };
    format!("HH:mm:ss.SSS{space}{end}")
}

/// Calls a length's method.
pub(in super::super) fn call_length(members: &Map<String, Value>, name: &str, args: &[Option<Value>]) -> Outcome {
    let own = Duration::parse(&Value::Object(members.clone()))?;
    let named = |unit: Unit, own: &Duration| Ok(json_number(own.get(unit)));
    match name {
        "plus" => Ok(Some(own.plus(&length(args)?).to_value())),
        "minus" => Ok(Some(own.plus(&length(args)?.negated()).to_value())),
        "negate" => Ok(Some(own.negated().to_value())),
        "normalize" => Ok(Some(own.normalized().to_value())),
        "shiftTo" => {
            let names = (0..args.len()).map(|index| unit(args, index)).collect::<Result<Vec<_>, _>>()?;
            Ok(Some(own.shifted_to(&names).to_value()))
        }
        "as" => {
            let unit = unit(args, 0)?;
            named(unit, &own.shifted_to(&[unit]))
        }
        "get" => named(unit(args, 0)?, &own),
        "toMillis" => Ok(json_number(own.ms())),
        "toISO" => Ok(Some(own.to_iso().into())),
        "toObject" => Ok(Some(own.to_value())),
        "toFormat" => Ok(Some(write_length(&own, &text(args, 0)?.ok_or("nothing_to_read")?).into())),
        _ => Err("no_such_method"),
    }
}

/// Writes a length by tokens (`hh:mm:ss`), in the units that are named.
fn write_length(own: &Duration, format: &str) -> String {
    let unit_of = |token: &format::Token| {
        let found = match token.text.as_bytes().first().filter(|_| !token.literal)? {
            b'S' => Unit::Milliseconds,
            b's' => Unit::Seconds,
            b'm' => Unit::Minutes,
            b'h' => Unit::Hours,
            b'd' => Unit::Days,
            b'w' => Unit::Weeks,
            b'M' => Unit::Months,
            b'y' => Unit::Years,
            _ => return None,
        };
        Some(found)
    };
    let tokens = format::tokens(format);
    let shifted = own.shifted_to(&tokens.iter().filter_map(unit_of).collect::<Vec<_>>());
    let mut out = String::new();
    for token in &tokens {
        match unit_of(token) {
            Some(unit) => format::padded(&mut out, shifted.get(unit).floor() as i64, token.text.len()),
            None => out.push_str(&token.text),
        }
    }
    out
}

/// The first argument as a length of time; nothing is no time at all for the reference, and a mistake here.
fn length(args: &[Option<Value>]) -> Result<Duration, &'static str> {
    argument(args, 0).map_or(Err("not_a_duration"), Duration::parse)
}

fn unit(args: &[Option<Value>], index: usize) -> Result<Unit, &'static str> {
    Unit::parse(&text(args, index)?.ok_or("unknown_unit")?)
}

/// One unit, or a list of them; milliseconds where there is none.
fn units(args: &[Option<Value>], index: usize) -> Result<Vec<Unit>, &'static str> {
    match argument(args, index) {
        None => Ok(vec![Unit::Milliseconds]),
        Some(Value::Array(names)) => {
            names.iter().map(|name| name.as_str().map_or(Err("unknown_unit"), Unit::parse)).collect()
        }
        Some(_) => Ok(vec![unit(args, index)?]),
    }
}

fn date_argument(args: &[Option<Value>], index: usize) -> Result<Date, &'static str> {
    argument(args, index).and_then(Value::as_object).and_then(object::read).ok_or("not_a_date")
}

fn lasted(length: Result<Duration, &'static str>) -> Outcome {
    Ok(Some(length.map_or_else(|_| Value::Object(Map::new()), Duration::to_value)))
}

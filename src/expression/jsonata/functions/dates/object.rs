//! A date as the object that an expression sees: its fields by Luxon's names, from which it is read again.
//!
//! The engine's functions take and give JSON, so a date is JSON while it is worked on. What leaves the expression is its
//! ISO text, as it is from the reference.

use serde_json::{Map, Value, json};

use super::calendar::{Fields, days_in_month, days_in_year, is_leap, minutes, weeks_in_year, whole};
use super::iso;
use super::moment::{Date, Moment};
use super::parse::{MONTHS, WEEKDAYS};
use super::zone::Zone;
use crate::expression::text::json_number;

/// The names, in order.
const NAMES: [&str; 33] = [
    "year",
    "quarter",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "weekYear",
    "weekNumber",
    "weekday",
    "ordinal",
    "monthShort",
    "monthLong",
    "weekdayShort",
    "weekdayLong",
    "offset",
    "offsetNameShort",
    "offsetNameLong",
    "zoneName",
    "daysInMonth",
    "daysInYear",
    "weeksInWeekYear",
    "isInLeapYear",
    "isInDST",
    "isOffsetFixed",
    "isValid",
    "invalidReason",
    "invalidExplanation",
    "locale",
    "numberingSystem",
    "outputCalendar",
    "zone",
];

/// Why a date can be none.
const REASONS: [&str; 5] =
    ["unparsable", "unsupported zone", "unit out of range", "mismatched weekday", "invalid input"];

pub(super) fn of(date: &Date) -> Value {
    let values = match date {
        Ok(moment) => valid(moment),
        Err(reason) => invalid(reason),
    };
    Value::Object(NAMES.into_iter().map(str::to_owned).zip(values).collect())
}

fn valid(moment: &Moment) -> [Value; 33] {
    let fields = moment.fields();
    let (week_year, week) = fields.week();
    let (month, weekday) = (MONTHS[(fields.month - 1) as usize], WEEKDAYS[(fields.weekday() - 1) as usize]);
    let offset = json_number(moment.offset_ms() as f64 / 60_000.0).unwrap_or_default();
    let name = moment.zone.name();
    let long = if moment.zone.is_fixed() { Value::from(name.as_str()) } else { Value::Null };
    [
        fields.year.into(),
        fields.quarter().into(),
        fields.month.into(),
        fields.day.into(),
        fields.hour.into(),
        fields.minute.into(),
        fields.second.into(),
        fields.millisecond.into(),
        week_year.into(),
        week.into(),
        fields.weekday().into(),
        fields.ordinal().into(),
        month[..3].into(),
        month.into(),
        weekday[..3].into(),
        weekday.into(),
        offset,
        moment.zone.short_name(moment.ts).into(),
        long,
        name.as_str().into(),
        days_in_month(fields.year, fields.month).into(),
        days_in_year(fields.year).into(),
        weeks_in_year(week_year).into(),
        is_leap(fields.year).into(),
        is_in_summer(moment, fields).into(),
        moment.zone.is_fixed().into(),
        true.into(),
        Value::Null,
        Value::Null,
        "en-US".into(),
        Value::Null,
        Value::Null,
        name.into(),
    ]
}

/// Whether the clock is ahead of where it is in January or in May.
fn is_in_summer(moment: &Moment, fields: Fields) -> bool {
    let at = |month: i64, day: Option<i64>| {
        let day = day.unwrap_or_else(|| fields.day.min(days_in_month(fields.year, month)));
        let there = Moment::at(Fields { month, day, ..fields }, moment.offset_ms(), moment.zone.clone());
        there.map_or(0, |there| there.offset_ms())
    };
    matches!(moment.zone, Zone::Named(..)) && (moment.offset_ms() > at(1, Some(1)) || moment.offset_ms() > at(5, None))
}

fn invalid(reason: &str) -> [Value; 33] {
    std::array::from_fn(|index| match NAMES[index] {
        "isValid" | "isInDST" | "isInLeapYear" => Value::Bool(false),
        "invalidReason" => Value::from(reason),
        _ => Value::Null,
    })
}

/// The date that an object shows; none when it shows none.
pub(super) fn read(members: &Map<String, Value>) -> Option<Date> {
    if !is_one(members) {
        return None;
    }
    if members["isValid"] == json!(false) {
        let reason = members["invalidReason"].as_str().unwrap_or_default();
        return Some(Err(REASONS.into_iter().find(|known| *known == reason).unwrap_or("invalid input")));
    }
    // The engine counts in doubles.
    let number = |name: &str| members[name].as_f64();
    let field = |name: &str| number(name).map(whole);
    let fields = Fields {
        year: field("year")?,
        month: field("month")?,
        day: field("day")?,
        hour: field("hour")?,
        minute: field("minute")?,
        second: field("second")?,
        millisecond: field("millisecond")?,
    };
    let offset = number("offset")?;
    let name = members["zoneName"].as_str()?;
    let zone = match (members["isOffsetFixed"].as_bool()?, name) {
        (true, _) => Zone::Fixed(minutes(offset)),
        (false, "UTC") => Zone::System,
        (false, name) => Zone::named(name)?,
    };
    Some(Moment::new(fields.local_ms().saturating_sub(whole(offset * 60_000.0)), zone))
}

fn is_one(members: &Map<String, Value>) -> bool {
    members.len() == NAMES.len() && members.keys().zip(NAMES).all(|(key, name)| key == name)
}

/// What leaves the expression for a date: its text, or null where it is none.
pub(super) fn text(members: &Map<String, Value>) -> Option<Value> {
    let date = read(members)?;
    Some(date.map_or(Value::Null, |moment| Value::from(iso::date_time(&moment, &iso::Options::default()))))
}

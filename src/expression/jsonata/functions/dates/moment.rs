//! A moment in a time zone, and what can be done with one: Luxon's `DateTime`, with its ways at the ends of months and in
//! the hours that a change of the clock skips or repeats.

use serde_json::{Map, Value};

use super::calendar::{DAY_MS, Fields, days_in_month, whole};
use super::duration::{Duration, UNITS, Unit, count};
use super::zone::Zone;

/// A moment in a zone.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// Milliseconds since the epoch.
    pub(super) ts: i64,
    pub(super) zone: Zone,
}

/// Why a date is none; it says so itself, and no evaluation stops for it.
pub(super) type Invalid = &'static str;

/// A date, or why it is none.
pub(super) type Date = Result<Moment, Invalid>;

/// What JavaScript's dates reach to, in milliseconds either way.
const REACH_MS: i64 = 8_640_000_000_000_000;

impl Moment {
    pub(super) fn new(ts: i64, zone: Zone) -> Date {
        if !(-REACH_MS..=REACH_MS).contains(&ts) {
            return Err("invalid input");
        }
        Ok(Self { ts, zone })
    }

    /// The moment that a clock in `zone` shows. `guess`, an offset, decides between two: when the clock was put back.
    pub(super) fn at(fields: Fields, guess: i64, zone: Zone) -> Date {
        let local = fields.local_ms();
        let mut ts = local.saturating_sub(guess);
        let second = zone.offset_ms(ts);
        if second != guess {
            ts = ts.saturating_sub(second - guess);
            let third = zone.offset_ms(ts);
            if third != second {
                // An hour that the clock skips.
                ts = local.saturating_sub(second.min(third));
            }
        }
        Self::new(ts, zone)
    }

    pub(super) fn offset_ms(&self) -> i64 {
        self.zone.offset_ms(self.ts)
    }

    pub(super) fn local_ms(&self) -> i64 {
        self.ts + self.offset_ms()
    }

    pub(super) fn fields(&self) -> Fields {
        Fields::of(self.local_ms())
    }

    pub(super) fn plus(&self, length: &Duration) -> Date {
        let whole = |unit| length.get(unit).trunc() as i64;
        let mut fields = self.fields();
        fields.year = fields.year.saturating_add(whole(Unit::Years));
        let months = whole(Unit::Months).saturating_add(whole(Unit::Quarters).saturating_mul(3));
        fields.month = fields.month.saturating_add(months);
        if fields.year.abs() > 1_000_000 || fields.month.abs() > 12_000_000 {
            return Err("invalid input");
        }
        let days = whole(Unit::Days).saturating_add(whole(Unit::Weeks).saturating_mul(7));
        if days.abs() > REACH_MS / DAY_MS * 2 {
            return Err("invalid input");
        }
        fields.day = fields.day.min(days_in_month(fields.year, fields.month)) + days;
        let rest: f64 = UNITS
            .iter()
            .map(|unit| {
                let count = length.get(*unit);
                let part = if *unit < Unit::Hours { count - count.trunc() } else { count };
                Duration::of(*unit, part).ms()
            })
            .sum();
        let moved = Self::at(fields, self.offset_ms(), self.zone.clone())?;
        Self::new(moved.ts.saturating_add(rest.trunc() as i64), moved.zone)
    }

    /// With some of its fields replaced.
    pub(super) fn set(&self, values: &Map<String, Value>) -> Result<Date, &'static str> {
        let mut fields = self.fields();
        let (mut week_year, mut week_number) = fields.week();
        let (mut weekday, mut by_week, mut ordinal, mut by_day) = (fields.weekday(), false, None, false);
        let mut definite = false;
        for (name, value) in values.iter().filter(|(_, value)| !value.is_null()) {
            let value = whole(count(value).ok_or("not_a_date_field")?);
            match name.to_ascii_lowercase().trim_end_matches('s') {
                "year" => fields.year = value,
                "month" => (fields.month, by_day) = (value, true),
                "quarter" => {}
                "day" => (fields.day, by_day) = (value, true),
                "hour" => fields.hour = value,
                "minute" => fields.minute = value,
                "second" => fields.second = value,
                "millisecond" => fields.millisecond = value,
                "weekday" => (weekday, by_week) = (value, true),
                "weeknumber" => (week_number, by_week, definite) = (value, true, true),
                "weekyear" => (week_year, by_week, definite) = (value, true, true),
                "ordinal" => ordinal = Some(value),
                _ => return Err("not_a_date_field"),
            }
        }
        let given = |name: &str| values.keys().any(|key| key.to_ascii_lowercase().trim_end_matches('s') == name);
        if definite && (by_day || ordinal.is_some() || given("year")) || by_day && ordinal.is_some() {
            return Err("conflicting_date_fields");
        }
        if by_week {
            fields = fields.on_week(week_year, week_number, weekday);
        } else if let Some(ordinal) = ordinal {
            (fields.month, fields.day) = (1, ordinal);
        } else if !given("day") {
            fields.day = fields.day.min(days_in_month(fields.year, fields.month));
        }
        Ok(Self::at(fields, self.offset_ms(), self.zone.clone()))
    }

    pub(super) fn start_of(&self, unit: Unit) -> Date {
        let mut fields = self.fields();
        if unit == Unit::Weeks {
            let (year, number) = fields.week();
            fields = fields.on_week(year, number, 1);
        }
        if unit == Unit::Years {
            fields.month = 1;
        }
        if unit == Unit::Quarters {
            fields.month = (fields.quarter() - 1) * 3 + 1;
        }
        if unit <= Unit::Months {
            fields.day = 1;
        }
        if unit <= Unit::Days {
            fields.hour = 0;
        }
        if unit <= Unit::Hours {
            fields.minute = 0;
        }
        if unit <= Unit::Minutes {
            fields.second = 0;
        }
        if unit <= Unit::Seconds {
            fields.millisecond = 0;
        }
        Self::at(fields, self.offset_ms(), self.zone.clone())
    }

    pub(super) fn end_of(&self, unit: Unit) -> Date {
        let next = self.plus(&Duration::of(unit, 1.0))?.start_of(unit)?;
        Self::new(next.ts - 1, next.zone)
    }

    /// The same moment elsewhere, or the same clock with `keep_local`.
    pub(super) fn in_zone(&self, zone: Zone, keep_local: bool) -> Date {
        if keep_local && !zone.is_same(&self.zone) {
            let guess = zone.offset_ms(self.ts);
            return Self::at(self.fields(), guess, zone);
        }
        Self::new(self.ts, zone)
    }

    /// How long it is from `other` until here.
    pub(super) fn since(&self, other: &Self, units: &[Unit]) -> Result<Duration, Invalid> {
        if other.ts > self.ts { Ok(between(self, other, units)?.negated()) } else { between(other, self, units) }
    }

    pub(super) fn is_same(&self, other: &Self, unit: Unit) -> Result<bool, Invalid> {
        let here = self.in_zone(other.zone.clone(), true)?;
        Ok(here.start_of(unit)?.ts <= other.ts && other.ts <= here.end_of(unit)?.ts)
    }
}

/// The larger units are counted on the calendar, the smaller ones in time; what is left becomes a part of the smallest.
fn between(earlier: &Moment, later: &Moment, units: &[Unit]) -> Result<Duration, Invalid> {
    let mut results = Duration::default();
    let mut cursor = earlier.clone();
    let mut next: Option<Moment> = None;
    let mut lowest = None;
    for unit in UNITS.into_iter().filter(|unit| *unit <= Unit::Days && units.contains(unit)) {
        lowest = Some(unit);
        results.set(unit, steps(&cursor, later, unit) as f64);
        let reached = earlier.plus(&results)?;
        if reached.ts <= later.ts {
            (cursor, next) = (reached, None);
            continue;
        }
        results.set(unit, results.get(unit) - 1.0);
        cursor = earlier.plus(&results)?;
        next = Some(reached);
        if cursor.ts > later.ts {
            next = Some(cursor);
            results.set(unit, results.get(unit) - 1.0);
            cursor = earlier.plus(&results)?;
        }
    }
    let rest = (later.ts - cursor.ts) as f64;
    let smaller: Vec<Unit> = units.iter().copied().filter(|unit| *unit >= Unit::Hours).collect();
    if !smaller.is_empty() {
        return Ok(Duration::of(Unit::Milliseconds, rest).shifted_to(&smaller).plus(&results));
    }
    let Some(lowest) = lowest else { return Ok(results) };
    if next.as_ref().unwrap_or(&cursor).ts < later.ts {
        next = Some(cursor.plus(&Duration::of(lowest, 1.0))?);
    }
    if let Some(next) = next {
        results.set(lowest, results.get(lowest) + rest / (next.ts - cursor.ts) as f64);
    }
    Ok(results)
}

/// How often the calendar turns a unit over between two moments.
fn steps(from: &Moment, to: &Moment, unit: Unit) -> i64 {
    let (a, b) = (from.fields(), to.fields());
    let days = || to.local_ms().div_euclid(DAY_MS) - from.local_ms().div_euclid(DAY_MS);
    match unit {
        Unit::Years => b.year - a.year,
        Unit::Quarters => b.quarter() - a.quarter() + (b.year - a.year) * 4,
        Unit::Months => b.month - a.month + (b.year - a.year) * 12,
        Unit::Weeks => days() / 7,
        _ => days(),
    }
}

//! Lengths of time in units that are not of one length, as Luxon counts them: a month is 30 days where it must be days.

use serde_json::{Map, Value};

use super::super::values::number_of;
use crate::expression::text::json_number;

/// Units, the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Years,
    Quarters,
    Months,
    Weeks,
    Days,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

use Unit::{Days, Hours, Milliseconds, Minutes, Months, Quarters, Seconds, Weeks, Years};

pub(super) const UNITS: [Unit; 9] = [Years, Quarters, Months, Weeks, Days, Hours, Minutes, Seconds, Milliseconds];
const NAMES: [&str; 9] =
    ["years", "quarters", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"];

impl Unit {
    /// By its name, in the singular too and in any case.
    pub(super) fn parse(name: &str) -> Result<Self, &'static str> {
        let name = name.to_ascii_lowercase();
        let found = NAMES.iter().position(|plural| *plural == name || plural.strip_suffix('s') == Some(&name));
        found.map(|index| UNITS[index]).ok_or("unknown_unit")
    }

    const fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    const fn ms(self) -> f64 {
        match self {
            Years => 365.0 * 86_400_000.0,
            Quarters => 91.0 * 86_400_000.0,
            Months => 30.0 * 86_400_000.0,
            Weeks => 7.0 * 86_400_000.0,
            Days => 86_400_000.0,
            Hours => 3_600_000.0,
            Minutes => 60_000.0,
            Seconds => 1_000.0,
            Milliseconds => 1.0,
        }
    }

    /// How many of the `smaller` unit it has.
    const fn in_units_of(self, smaller: Self) -> f64 {
        match (self, smaller) {
            (Years, Quarters) | (Months, Weeks) => 4.0,
            (Years, Months) => 12.0,
            (Years, Weeks) => 52.0,
            (Quarters, Months) => 3.0,
            (Quarters, Weeks) => 13.0,
            _ => self.ms() / smaller.ms(),
        }
    }
}

/// A length of time, by unit; what is not named is none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Duration([Option<f64>; 9]);

impl Duration {
    pub(super) fn of(unit: Unit, count: f64) -> Self {
        let mut made = Self::default();
        made.set(unit, count);
        made
    }

    pub(super) const fn named(&self, unit: Unit) -> Option<f64> {
        self.0[unit as usize]
    }

    pub(super) fn get(&self, unit: Unit) -> f64 {
        self.named(unit).unwrap_or(0.0)
    }

    pub(super) const fn set(&mut self, unit: Unit, count: f64) {
        self.0[unit as usize] = Some(count);
    }

    /// From milliseconds, or an object of units and numbers.
    pub(super) fn parse(value: &Value) -> Result<Self, &'static str> {
        match value {
            Value::Number(number) => Ok(Self::of(Milliseconds, number.as_f64().unwrap_or(0.0))),
            Value::Object(members) => {
                let mut made = Self::default();
                for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                    made.set(Unit::parse(name)?, count(value).ok_or("not_a_duration")?);
                }
                Ok(made)
            }
            _ => Err("not_a_duration"),
        }
    }

    /// Whether an object is one: units and numbers only.
    pub(super) fn is_one(members: &Map<String, Value>) -> bool {
        members.iter().all(|(name, value)| NAMES.contains(&name.as_str()) && value.is_number())
    }

    pub(super) fn to_value(self) -> Value {
        let named = UNITS.iter().filter_map(|unit| Some((unit.name().to_owned(), json_number(self.named(*unit)?)?)));
        Value::Object(named.collect())
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let add = |unit: &Unit| {
            let named = self.named(*unit).or(other.named(*unit));
            named.map(|_| self.get(*unit) + other.get(*unit))
        };
        let mut sums = UNITS.iter().map(add);
        Self(std::array::from_fn(|_| sums.next().flatten()))
    }

    pub(super) fn negated(&self) -> Self {
        // Not -0, which is written differently.
        Self(self.0.map(|count| count.map(|count| if count == 0.0 { 0.0 } else { -count })))
    }

    pub(super) fn ms(&self) -> f64 {
        UNITS.iter().rev().map(|unit| self.get(*unit) * unit.ms()).sum()
    }

    /// The same length in these units.
    pub(super) fn shifted_to(&self, units: &[Unit]) -> Self {
        if units.is_empty() {
            return *self;
        }
        let mut built = Self::default();
        let mut waiting = Self::default();
        let mut last = Milliseconds;
        for unit in UNITS {
            let own = self.named(unit);
            if !units.contains(&unit) {
                waiting.0[unit as usize] = own;
                continue;
            }
            last = unit;
            let larger: f64 = UNITS
                .iter()
                .filter(|larger| **larger < unit)
                .filter_map(|larger| Some(waiting.named(*larger)? * larger.in_units_of(unit)))
                .sum();
            waiting.0.iter_mut().for_each(|count| *count = count.map(|_| 0.0));
            let own = larger + own.unwrap_or(0.0);
            built.set(unit, own.trunc());
            waiting.set(unit, (own * 1_000.0 - own.trunc() * 1_000.0) / 1_000.0);
        }
        for unit in UNITS {
            let rest = waiting.get(unit);
            if rest != 0.0 {
                let rest = if unit == last { rest } else { rest / last.in_units_of(unit) };
                built.set(last, built.get(last) + rest);
            }
        }
        built.normalized()
    }

    /// The same units, none of them as large as the next larger one.
    pub(super) fn normalized(mut self) -> Self {
        let factor = if self.ms() < 0.0 { -1.0 } else { 1.0 };
        let named: Vec<Unit> = UNITS.into_iter().filter(|unit| self.named(*unit).is_some()).collect();
        for pair in named.windows(2).rev() {
            let (larger, smaller) = (pair[0], pair[1]);
            let size = larger.in_units_of(smaller);
            let up = (self.get(smaller) * factor / size).floor();
            self.set(larger, self.get(larger) + up * factor);
            self.set(smaller, self.get(smaller) - up * size * factor);
        }
        for pair in named.windows(2) {
            let (larger, smaller) = (pair[0], pair[1]);
            let part = self.get(larger) % 1.0;
            self.set(larger, self.get(larger) - part);
            self.set(smaller, self.get(smaller) + part * larger.in_units_of(smaller));
        }
        self
    }

    /// ISO 8601.
    pub(super) fn to_iso(self) -> String {
        use std::fmt::Write as _;

        let mut out = "P".to_owned();
        let mut put = |count: f64, letter: &str| {
            if count != 0.0 {
                // Writing to a string cannot fail.
                let _ = write!(out, "{count}{letter}");
            }
        };
        put(self.get(Years), "Y");
        put(self.get(Months) + self.get(Quarters) * 3.0, "M");
        put(self.get(Weeks), "W");
        put(self.get(Days), "D");
        let seconds = ((self.get(Seconds) + self.get(Milliseconds) / 1_000.0) * 1_000.0).round() / 1_000.0;
        let has_seconds = self.get(Seconds) != 0.0 || self.get(Milliseconds) != 0.0;
        if self.get(Hours) != 0.0 || self.get(Minutes) != 0.0 || has_seconds {
            out.push('T');
            let mut put = |count: f64, letter: &str| {
                if count != 0.0 {
                    let _ = write!(out, "{count}{letter}");
                }
            };
            put(self.get(Hours), "H");
            put(self.get(Minutes), "M");
            if has_seconds {
                let _ = write!(out, "{seconds}S");
            }
        }
        if out == "P" {
            out.push_str("T0S");
        }
        out
    }
}

/// A number, or a text that is one.
pub(super) fn count(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if !text.is_empty() => number_of(text),
        _ => None,
    }
}

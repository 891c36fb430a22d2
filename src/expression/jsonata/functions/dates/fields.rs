//! From what a text says (some of year, week, day, hour, …) to a moment: the rest is now or the beginning.

use super::calendar::{Fields, days_in_month, days_in_year, weeks_in_year};
use super::moment::{Date, Moment};
use super::zone::Zone;

/// What a text said.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Said {
    pub(super) year: Option<i64>,
    pub(super) month: Option<i64>,
    pub(super) day: Option<i64>,
    pub(super) ordinal: Option<i64>,
    pub(super) week_year: Option<i64>,
    pub(super) week: Option<i64>,
    pub(super) weekday: Option<i64>,
    pub(super) hour: Option<i64>,
    pub(super) minute: Option<i64>,
    pub(super) second: Option<i64>,
    pub(super) millisecond: Option<i64>,
}

impl Said {
    /// Whether nothing was said.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The moment in `zone`; `offset` is what the text said of it, in milliseconds.
    ///
    /// # Errors
    /// `conflicting_date_fields` when a day is named in two ways.
    pub(super) fn moment(&self, zone: Zone, offset: Option<i64>, now_ms: i64) -> Result<Date, &'static str> {
        let by_month = self.month.is_some() || self.day.is_some();
        let gregorian = by_month || self.year.is_some();
        let by_week = self.week_year.is_some_and(|year| year != 0) || self.week.is_some_and(|week| week != 0);
        if by_week && (gregorian || self.ordinal.is_some()) || by_month && self.ordinal.is_some() {
            return Err("conflicting_date_fields");
        }
        let guess = offset.unwrap_or_else(|| zone.offset_ms(now_ms));
        let now = Fields::of(now_ms + guess);
        let fields = if by_week || self.weekday.is_some() && !gregorian {
            self.on_week(now)
        } else if let Some(ordinal) = self.ordinal {
            let year = self.year.unwrap_or(now.year);
            let fields = Fields { year, month: 1, day: ordinal, ..self.time(now, true) };
            (1..=days_in_year(year)).contains(&ordinal).then(|| Fields::of(fields.local_ms()))
        } else {
            self.on_month(now)
        };
        let Some(fields) = fields.filter(|fields| is_time(*fields)) else { return Ok(Err("unit out of range")) };
        let weekday = fields.weekday();
        if gregorian && self.weekday.is_some_and(|said| said != weekday) {
            return Ok(Err("mismatched weekday"));
        }
        Ok(Moment::at(fields, guess, zone))
    }

    /// The time of day: what is below the first unit that was said begins, what is above it is now.
    fn time(&self, now: Fields, day_said: bool) -> Fields {
        let mut found = day_said;
        let mut unit = |said: Option<i64>, now: i64| {
            let value = said.unwrap_or(if found { 0 } else { now });
            found |= said.is_some();
            value
        };
        Fields {
            hour: unit(self.hour, now.hour),
            minute: unit(self.minute, now.minute),
            second: unit(self.second, now.second),
            millisecond: unit(self.millisecond, now.millisecond),
            ..now
        }
    }

    fn on_month(&self, now: Fields) -> Option<Fields> {
        let year = self.year.unwrap_or(now.year);
        let month = self.month.unwrap_or(if self.year.is_some() { 1 } else { now.month });
        let above = self.year.is_some() || self.month.is_some();
        let day = self.day.unwrap_or(if above { 1 } else { now.day });
        let valid = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
        valid.then(|| Fields { year, month, day, ..self.time(now, above || self.day.is_some()) })
    }

    fn on_week(&self, now: Fields) -> Option<Fields> {
        let (now_year, now_week) = now.week();
        let year = self.week_year.unwrap_or(now_year);
        let week = self.week.unwrap_or(if self.week_year.is_some() { 1 } else { now_week });
        let above = self.week_year.is_some() || self.week.is_some();
        let weekday = self.weekday.unwrap_or(if above { 1 } else { now.weekday() });
        let valid = (1..=weeks_in_year(year)).contains(&week) && (1..=7).contains(&weekday);
        valid.then(|| self.time(now, true).on_week(year, week, weekday))
    }
}

/// Whether a clock can show it; midnight is also 24:00 of the day before.
fn is_time(fields: Fields) -> bool {
    let Fields { hour, minute, second, millisecond, .. } = fields;
    let shown = (0..24).contains(&hour) || hour == 24 && minute == 0 && second == 0 && millisecond == 0;
    shown && (0..60).contains(&minute) && (0..60).contains(&second) && (0..1_000).contains(&millisecond)
}

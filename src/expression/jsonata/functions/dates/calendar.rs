//! The Gregorian calendar without end in both directions, counted in milliseconds since 1970 of an unnamed place.

pub(super) const DAY_MS: i64 = 86_400_000;

/// A number of an author's as a whole one, no farther from zero than the calendar can be reckoned with. All dates that
/// can be told are much nearer.
pub(super) fn whole(number: f64) -> i64 {
    const FAR: f64 = 1e16;
    number.clamp(-FAR, FAR) as i64
}

/// Minutes east of UTC; what no zone has stays out of the reckoning's way.
pub(super) fn minutes(number: f64) -> i64 {
    const FAR: f64 = 1e6;
    number.clamp(-FAR, FAR) as i64
}

/// A moment of the calendar. Months and days beyond their range lead into the next or the previous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) millisecond: i64,
}

impl Fields {
    pub(super) fn of(local_ms: i64) -> Self {
        let (days, rest) = (local_ms.div_euclid(DAY_MS), local_ms.rem_euclid(DAY_MS));
        let (year, month, day) = date_of(days);
        let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
        Self { year, month, day, hour, minute, second: rest / 1_000 % 60, millisecond: rest % 1_000 }
    }

    pub(super) fn local_ms(self) -> i64 {
        days_of(self.year, self.month, self.day)
            .saturating_mul(DAY_MS)
            .saturating_add(self.hour.saturating_mul(3_600_000))
            .saturating_add(self.minute.saturating_mul(60_000))
            .saturating_add(self.second.saturating_mul(1_000))
            .saturating_add(self.millisecond)
    }

    /// 1 is Monday.
    pub(super) fn weekday(self) -> i64 {
        (days_of(self.year, self.month, self.day) + 3).rem_euclid(7) + 1
    }

    pub(super) fn ordinal(self) -> i64 {
        days_of(self.year, self.month, self.day) - days_of(self.year, 1, 1) + 1
    }

    pub(super) fn quarter(self) -> i64 {
        (self.month + 2) / 3
    }

    /// Year and number of its week (ISO 8601).
    pub(super) fn week(self) -> (i64, i64) {
        let number = (self.ordinal() - self.weekday() + 10).div_euclid(7);
        if number < 1 {
            (self.year - 1, weeks_in_year(self.year - 1))
        } else if number > weeks_in_year(self.year) {
            (self.year + 1, 1)
        } else {
            (self.year, number)
        }
    }

    /// The same time on the day of a week (ISO 8601).
    pub(super) fn on_week(self, year: i64, number: i64, weekday: i64) -> Self {
        // The week with January 4th is the first.
        let monday = {
            let fourth = days_of(year, 1, 4);
            fourth - (fourth + 3).rem_euclid(7)
        };
        let (year, month, day) = date_of(monday + (number - 1) * 7 + weekday - 1);
        Self { year, month, day, ..self }
    }
}

pub(super) const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) const fn days_in_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

/// Of a month that may lie in another year.
pub(super) const fn days_in_month(year: i64, month: i64) -> i64 {
    let (year, month) = (year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12) + 1);
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(super) fn weeks_in_year(year: i64) -> i64 {
    let first = (days_of(year, 1, 1) + 3).rem_euclid(7) + 1;
    if first == 4 || first == 3 && is_leap(year) { 53 } else { 52 }
}

/// Days since 1970-01-01 (the algorithm of Howard Hinnant's `days_from_civil`).
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = (year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12) + 1);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468 + day - 1
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (years + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_is_the_day_after_the_one_before() {
        let mut before = Fields::of(days_of(1_899, 12, 31) * DAY_MS);
        for day in days_of(1_900, 1, 1)..days_of(2_301, 1, 1) {
            let fields = Fields::of(day * DAY_MS);
            assert_eq!(fields.local_ms(), day * DAY_MS);
            let last = before.day == days_in_month(before.year, before.month);
            let expected = match (last, before.month) {
                (false, month) => (before.year, month, before.day + 1),
                (true, 12) => (before.year + 1, 1, 1),
                (true, month) => (before.year, month + 1, 1),
            };
            assert_eq!((fields.year, fields.month, fields.day), expected);
            assert_eq!(fields.weekday(), before.weekday() % 7 + 1);
            let (year, number) = fields.week();
            assert_eq!(fields.on_week(year, number, fields.weekday()), fields);
            before = fields;
        }
    }
}

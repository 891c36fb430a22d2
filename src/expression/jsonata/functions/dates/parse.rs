//! Texts of a fixed form: ISO 8601 and RFC 2822.

use super::fields::Said;
use super::zone::Zone;

/// What a text said, and the zone in it. A zone that there is not is an error of its own.
pub(super) type Parsed = (Said, Option<Result<Zone, ()>>);

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A text that is read from its start.
struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn eat(&mut self, text: &str) -> bool {
        self.0.strip_prefix(text).map(|rest| self.0 = rest).is_some()
    }

    /// Exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self.0.get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        self.0 = &self.0[count..];
        digits.parse().ok()
    }

    /// Digits that may stand behind a separator, or nothing read.
    fn part(&mut self, separator: &str, count: usize) -> Option<i64> {
        let before = self.0;
        self.eat(separator);
        self.digits(count).or_else(|| {
            self.0 = before;
            None
        })
    }
}

/// A date and a time, or one of them (ISO 8601, as Luxon reads it).
pub(super) fn iso(text: &str) -> Option<Parsed> {
    [by_month, by_week, by_ordinal, time_alone].into_iter().find_map(|form| form(text))
}

fn by_month(text: &str) -> Option<Parsed> {
    let mut cursor = Cursor(text);
    let sign = text.starts_with(['+', '-']);
    let year = if sign {
        let negative = cursor.eat("-");
        cursor.eat("+");
        cursor.digits(6).map(|year| if negative { -year } else { year })
    } else {
        cursor.digits(4)
    };
    let month = cursor.part("-", 2);
    let day = month.and_then(|_| cursor.part("-", 2));
    let said = Said { year: Some(year?), month: month.or(Some(1)), day: day.or(Some(1)), ..Said::default() };
    with_time(cursor, said)
}

fn by_week(text: &str) -> Option<Parsed> {
    let mut cursor = Cursor(text);
    let year = cursor.digits(4)?;
    cursor.eat("-");
    if !cursor.eat("W") {
        return None;
    }
    let week = cursor.digits(2)?;
    let weekday = cursor.part("-", 1);
    with_time(cursor, Said { week_year: Some(year), week: Some(week), weekday, ..Said::default() })
}

fn by_ordinal(text: &str) -> Option<Parsed> {
    let mut cursor = Cursor(text);
    let year = cursor.digits(4)?;
    let ordinal = cursor.part("-", 3)?;
    with_time(cursor, Said { year: Some(year), ordinal: Some(ordinal), ..Said::default() })
}

fn time_alone(text: &str) -> Option<Parsed> {
    time(Cursor(text), Said::default())
}

fn with_time(mut cursor: Cursor<'_>, said: Said) -> Option<Parsed> {
    if cursor.0.is_empty() {
        let said = Said { hour: Some(0), minute: Some(0), second: Some(0), ..said };
        return Some((said, None));
    }
    if cursor.eat("T") { time(cursor, said) } else { None }
}

fn time(mut cursor: Cursor<'_>, said: Said) -> Option<Parsed> {
    let hour = cursor.digits(2)?;
    let minute = cursor.part(":", 2);
    let second = minute.and_then(|_| cursor.part(":", 2));
    let mut millisecond = None;
    if second.is_some() && cursor.0.starts_with(['.', ',']) {
        let digits = cursor.0[1..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 30 {
            return None;
        }
        millisecond = milliseconds(&cursor.0[1..=digits]);
        cursor.0 = &cursor.0[1 + digits..];
    }
    let said = Said { hour: Some(hour), minute: minute.or(Some(0)), second: second.or(Some(0)), millisecond, ..said };
    let zone = zone(&mut cursor)?;
    cursor.0.is_empty().then_some((said, zone))
}

/// `Z`, `+hh:mm`, a name in brackets, or an offset and then a name, which wins.
#[expect(clippy::option_option, reason = "no zone is something else than what is none")]
fn zone(cursor: &mut Cursor<'_>) -> Option<Option<Result<Zone, ()>>> {
    let mut found = None;
    if cursor.eat("Z") {
        found = Some(Ok(Zone::UTC));
    } else if cursor.0.starts_with(['+', '-']) {
        let negative = cursor.0.starts_with('-');
        cursor.0 = &cursor.0[1..];
        let hours = cursor.digits(2)?;
        let minutes = hours * 60 + cursor.part(":", 2).unwrap_or(0);
        found = Some(Ok(Zone::Fixed(if negative { -minutes } else { minutes })));
    }
    if let Some(name) = cursor.0.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        found = Some(Zone::named(name).ok_or(()));
        cursor.0 = "";
    }
    Some(found)
}

/// The milliseconds of a fraction's digits.
pub(super) fn milliseconds(digits: &str) -> Option<i64> {
    format!("0.{digits}").parse::<f64>().ok().map(|part| (part * 1_000.0).floor() as i64)
}

/// RFC 2822, comments and folded lines included.
pub(super) fn rfc2822(text: &str) -> Option<Parsed> {
    let plain = unfolded(text);
    let mut words = plain.split(' ');
    let mut word = words.next()?;
    let mut said = Said::default();
    if let Some(weekday) = word.strip_suffix(',') {
        said.weekday = Some(1 + WEEKDAYS.iter().position(|name| &name[..3] == weekday)? as i64);
        word = words.next()?;
    }
    let whole = |word: &str, lengths: std::ops::RangeInclusive<usize>| {
        let digits = word.bytes().all(|byte| byte.is_ascii_digit()) && lengths.contains(&word.len());
        digits.then(|| word.parse::<i64>().ok()).flatten()
    };
    said.day = Some(whole(word, 1..=2)?);
    let month = words.next()?;
    said.month = Some(1 + MONTHS.iter().position(|name| &name[..3] == month)? as i64);
    let year = words.next()?;
    let number = whole(year, 2..=4)?;
    said.year = Some(if year.len() == 2 { whole_year(number) } else { number });
    let mut clock = words.next()?.split(':');
    said.hour = Some(whole(clock.next()?, 2..=2)?);
    said.minute = Some(whole(clock.next()?, 2..=2)?);
    said.second = clock.next().map(|second| whole(second, 2..=2).ok_or(())).transpose().ok()?;
    let minutes = match words.next()? {
        "UT" | "GMT" | "Z" | "z" => 0,
        "EDT" => -240,
        "EST" | "CDT" => -300,
        "CST" | "MDT" => -360,
        "MST" | "PDT" => -420,
        "PST" => -480,
        offset => {
            let size = whole(offset.strip_prefix(['+', '-'])?, 4..=4)?;
            let minutes = size / 100 * 60 + size % 100;
            if offset.starts_with('-') { -minutes } else { minutes }
        }
    };
    (clock.next().is_none() && words.next().is_none()).then_some((said, Some(Ok(Zone::Fixed(minutes)))))
}

/// Without comments, each row of white space as one space.
fn unfolded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('(') {
        plain.push_str(&rest[..at]);
        plain.push(' ');
        rest = rest[at..].find(')').map_or("", |end| &rest[at + end + 1..]);
    }
    plain.push_str(rest);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A year of two digits: from 1961 to 2060.
pub(super) const fn whole_year(year: i64) -> i64 {
    match year {
        0..=60 => 2_000 + year,
        61..=99 => 1_900 + year,
        _ => year,
    }
}

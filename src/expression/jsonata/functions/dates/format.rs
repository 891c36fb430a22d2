//! Luxon's tokens (`yyyy-MM-dd`), written.

use std::fmt::Write as _;

use super::calendar::Fields;
use super::moment::Moment;
use super::parse::{MONTHS, WEEKDAYS};
use super::zone::narrow;

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) literal: bool,
}

/// Cuts a format at each change of letter; what stands between quotes is as it is.
pub(super) fn tokens(format: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut quoted = false;
    let mut put = |text: &mut String, quoted: bool| {
        if !text.is_empty() {
            let literal = quoted || text.chars().all(char::is_whitespace);
            found.push(Token { text: std::mem::take(text), literal });
        }
    };
    for c in format.chars() {
        if c == '\'' {
            put(&mut current, quoted);
            quoted = !quoted;
        } else if quoted || current.chars().next_back().is_none_or(|last| last == c) {
            current.push(c);
        } else {
            put(&mut current, false);
            current.push(c);
        }
    }
    put(&mut current, quoted);
    found
}

/// Writes a moment. `allow_z` writes UTC as `Z`, as technical formats do.
pub(super) fn write(moment: &Moment, format: &str, allow_z: bool) -> Result<String, &'static str> {
    let mut out = String::new();
    for token in tokens(format) {
        if token.literal {
            out.push_str(&token.text);
        } else {
            put(&mut out, moment, &token.text, allow_z)?;
        }
    }
    Ok(out)
}

fn put(out: &mut String, moment: &Moment, token: &str, allow_z: bool) -> Result<(), &'static str> {
    let fields = moment.fields();
    if let Some((number, width)) = number(moment, fields, token) {
        padded(out, number, width);
        return Ok(());
    }
    let (month, weekday) = (MONTHS[(fields.month - 1) as usize], WEEKDAYS[(fields.weekday() - 1) as usize]);
    let era = if fields.year > 0 { ["AD", "Anno Domini", "A"] } else { ["BC", "Before Christ", "B"] };
    match token {
        "ccc" | "EEE" => out.push_str(&weekday[..3]),
        "cccc" | "EEEE" => out.push_str(weekday),
        "ccccc" | "EEEEE" => out.push_str(&weekday[..1]),
        "LLL" | "MMM" => out.push_str(&month[..3]),
        "LLLL" | "MMMM" => out.push_str(month),
        "LLLLL" | "MMMMM" => out.push_str(&month[..1]),
        "a" => out.push_str(if fields.hour < 12 { "AM" } else { "PM" }),
        "G" => out.push_str(era[0]),
        "GG" => out.push_str(era[1]),
        "GGGGG" => out.push_str(era[2]),
        "z" => out.push_str(&moment.zone.name()),
        "ZZZZ" => out.push_str(&moment.zone.short_name(moment.ts)),
        "Z" | "ZZ" | "ZZZ" => offset(out, moment, token, allow_z),
        "ZZZZZ" | "n" | "nn" | "ii" | "iiii" => return Err("unsupported_format"),
        _ => match macro_format(token) {
            Some(format) => out.push_str(&write(moment, format?, false)?),
            None => out.push_str(token),
        },
    }
    Ok(())
}

/// The number that a token stands for, and how wide it is at least.
fn number(moment: &Moment, fields: Fields, token: &str) -> Option<(i64, usize)> {
    let (week_year, week) = fields.week();
    let hour12 = if fields.hour % 12 == 0 { 12 } else { fields.hour % 12 };
    let numbers = [
        ("S", fields.millisecond, 1),
        ("u", fields.millisecond, 3),
        ("SSS", fields.millisecond, 3),
        ("uu", fields.millisecond / 10, 2),
        ("uuu", fields.millisecond / 100, 1),
        ("s", fields.second, 1),
        ("ss", fields.second, 2),
        ("m", fields.minute, 1),
        ("mm", fields.minute, 2),
        ("h", hour12, 1),
        ("hh", hour12, 2),
        ("H", fields.hour, 1),
        ("HH", fields.hour, 2),
        ("d", fields.day, 1),
        ("dd", fields.day, 2),
        ("c", fields.weekday(), 1),
        ("E", fields.weekday(), 1),
        ("L", fields.month, 1),
        ("M", fields.month, 1),
        ("LL", fields.month, 2),
        ("MM", fields.month, 2),
        ("y", fields.year, 1),
        ("yy", fields.year.abs() % 100, 2),
        ("yyyy", fields.year, 4),
        ("yyyyyy", fields.year, 6),
        ("kk", week_year.abs() % 100, 2),
        ("kkkk", week_year, 4),
        ("W", week, 1),
        ("WW", week, 2),
        ("o", fields.ordinal(), 1),
        ("ooo", fields.ordinal(), 3),
        ("q", fields.quarter(), 1),
        ("qq", fields.quarter(), 2),
        ("X", moment.ts.div_euclid(1_000), 1),
        ("x", moment.ts, 1),
    ];
    numbers.iter().find(|(name, ..)| *name == token).map(|(_, number, width)| (*number, *width))
}

fn offset(out: &mut String, moment: &Moment, token: &str, allow_z: bool) {
    let minutes = moment.offset_ms() / 60_000;
    if allow_z && moment.zone.is_fixed() && minutes == 0 {
        out.push('Z');
        return;
    }
    let (sign, size) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
    // Writing to a string cannot fail.
    let _ = match token {
        "Z" => write!(out, "{}", narrow(minutes)),
        "ZZ" => write!(out, "{sign}{:02}:{:02}", size / 60, size % 60),
        _ => write!(out, "{sign}{:02}{:02}", size / 60, size % 60),
    };
}

/// A token that stands for a whole format of English (US).
fn macro_format(token: &str) -> Option<Result<&'static str, &'static str>> {
    Some(Ok(match token {
        "D" => "L/d/yyyy",
        "DD" => "LLL d, yyyy",
        "DDD" => "LLLL d, yyyy",
        "DDDD" => "EEEE, LLLL d, yyyy",
        "t" => "h:mm a",
        "tt" => "h:mm:ss a",
        "T" => "HH:mm",
        "TT" => "HH:mm:ss",
        "f" => "L/d/yyyy, h:mm a",
        "ff" => "LLL d, yyyy, h:mm a",
        "F" => "L/d/yyyy, h:mm:ss a",
        "FF" => "LLL d, yyyy, h:mm:ss a",
        "ttt" | "tttt" | "TTT" | "TTTT" | "fff" | "ffff" | "FFF" | "FFFF" => return Some(Err("unsupported_format")),
        _ => return None,
    }))
}

/// A number with zeros in front, behind its sign.
pub(super) fn padded(out: &mut String, number: i64, width: usize) {
    if number < 0 {
        out.push('-');
    }
    // Writing to a string cannot fail.
    let _ = write!(out, "{:0width$}", number.unsigned_abs());
}

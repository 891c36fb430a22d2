//! Luxon's tokens (`yyyy-MM-dd`), read. As in the regular expression that Luxon makes of them, each takes as much as it
//! can and gives back what the rest needs; letters are without case.

use super::fields::Said;
use super::format::{Token, tokens};
use super::parse::{MONTHS, WEEKDAYS, milliseconds, whole_year};
use super::zone::Zone;

/// How a token reads.
enum Unit {
    Literal(String),
    Digits(usize, usize),
    Names(Vec<String>),
    /// `+5`, `+05:30`: whether a colon stands in it.
    Offset(bool),
    ZoneName,
}

/// What a token read.
#[derive(Clone)]
enum Read {
    Nothing,
    Number(i64, String),
    Minutes(i64),
    Zone(String),
}

/// What a text said, the zone in it, and its offset in milliseconds; nothing where it does not fit the format.
pub(super) type Scanned = Option<(Said, Option<Result<Zone, ()>>, Option<i64>)>;

/// # Errors
/// `unsupported_format` for a token that stands for the words of a language; `conflicting_date_fields` for AM and PM with
/// hours up to 24.
pub(super) fn scan(text: &str, format: &str) -> Result<Scanned, &'static str> {
    let tokens = tokens(format);
    let units = tokens.iter().map(unit).collect::<Result<Vec<_>, _>>()?;
    let letter = |letter: char| tokens.iter().any(|token| !token.literal && token.text.starts_with(letter));
    let mut reads = vec![Read::Nothing; units.len()];
    // Formats are short; a hostile text must not make the search long.
    let mut budget = 100_000_u32;
    if !fits(text, &units, &mut reads, &mut budget) {
        return Ok(None);
    }
    if letter('a') && letter('H') {
        return Err("conflicting_date_fields");
    }
    Ok(Some(said(&tokens, &reads)))
}

fn unit(token: &Token) -> Result<Unit, &'static str> {
    let text = token.text.as_str();
    if token.literal {
        return Ok(Unit::Literal(text.to_owned()));
    }
    let names = |names: &[&str], length: Option<usize>| {
        Ok(Unit::Names(names.iter().map(|name| length.map_or(*name, |end| &name[..end]).to_owned()).collect()))
    };
    match text {
        "G" => names(&["BC", "AD"], None),
        "GG" => names(&["Before Christ", "Anno Domini"], None),
        "y" => Ok(Unit::Digits(1, 6)),
        "yy" | "kk" => Ok(Unit::Digits(2, 4)),
        "yyyy" | "kkkk" => Ok(Unit::Digits(4, 4)),
        "yyyyy" => Ok(Unit::Digits(4, 6)),
        "yyyyyy" => Ok(Unit::Digits(6, 6)),
        "M" | "L" | "d" | "H" | "h" | "m" | "q" | "s" | "uu" | "W" => Ok(Unit::Digits(1, 2)),
        "MM" | "LL" | "dd" | "HH" | "hh" | "mm" | "qq" | "ss" | "WW" => Ok(Unit::Digits(2, 2)),
        "o" | "S" => Ok(Unit::Digits(1, 3)),
        "ooo" | "SSS" => Ok(Unit::Digits(3, 3)),
        "u" => Ok(Unit::Digits(1, 9)),
        "uuu" | "E" | "c" => Ok(Unit::Digits(1, 1)),
        "MMM" | "LLL" => names(&MONTHS, Some(3)),
        "MMMM" | "LLLL" => names(&MONTHS, None),
        "EEE" | "ccc" => names(&WEEKDAYS, Some(3)),
        "EEEE" | "cccc" => names(&WEEKDAYS, None),
        "a" => names(&["AM", "PM"], None),
        "Z" | "ZZ" => Ok(Unit::Offset(true)),
        "ZZZ" => Ok(Unit::Offset(false)),
        "z" => Ok(Unit::ZoneName),
        _ if text.starts_with(['D', 't', 'T', 'f', 'F']) && text.len() <= 4 => Err("unsupported_format"),
        _ => Ok(Unit::Literal(text.to_owned())),
    }
}

/// Whether `units` read the whole text.
fn fits(text: &str, units: &[Unit], reads: &mut [Read], budget: &mut u32) -> bool {
    let Some((unit, rest)) = units.split_first() else { return text.is_empty() };
    let (read, reads) = reads.split_at_mut(1);
    candidates(text, unit).into_iter().any(|(length, found)| {
        *budget = budget.saturating_sub(1);
        read[0] = found;
        *budget > 0 && fits(&text[length..], rest, reads, budget)
    })
}

/// What a unit can read at the start of a text, in the order in which it is tried.
fn candidates(text: &str, unit: &Unit) -> Vec<(usize, Read)> {
    let starts_with = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    match unit {
        Unit::Literal(literal) => {
            let found = starts_with(literal).then_some((literal.len(), Read::Nothing));
            found.into_iter().collect()
        }
        Unit::Digits(least, most) => {
            let there = text.bytes().take(*most).take_while(u8::is_ascii_digit).count();
            let number = |length: usize| {
                let digits = &text[..length];
                (length, Read::Number(digits.parse().unwrap_or(0), digits.to_owned()))
            };
            (*least..=there).rev().map(number).collect()
        }
        Unit::Names(names) => {
            let found = names.iter().enumerate().filter(|(_, name)| starts_with(name));
            found.map(|(index, name)| (name.len(), Read::Number(index as i64, String::new()))).collect()
        }
        Unit::Offset(colon) => offsets(text, *colon),
        Unit::ZoneName => {
            let letter = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'+'..=b'/');
            let there = text.bytes().take(256).take_while(letter).count();
            (1..=there).map(|length| (length, Read::Zone(text[..length].to_owned()))).collect()
        }
    }
}

fn offsets(text: &str, colon: bool) -> Vec<(usize, Read)> {
    let Some(rest) = text.strip_prefix(['+', '-']) else { return Vec::new() };
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut found = Vec::new();
    let there = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    for hours in (1..=there).rev() {
        let size = rest[..hours].parse::<i64>().unwrap_or(0) * 60;
        let after = &rest[hours..];
        let minutes = if colon { after.strip_prefix(':') } else { Some(after) };
        let digits = minutes.and_then(|rest| rest.get(..2)).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        if let Some(minutes) = digits {
            let length = 1 + hours + usize::from(colon) + 2;
            found.push((length, Read::Minutes(sign * (size + minutes.parse::<i64>().unwrap_or(0)))));
        }
        found.push((1 + hours, Read::Minutes(sign * size)));
    }
    found
}

/// Puts together what the tokens read; of two tokens with one letter the last counts.
fn said(tokens: &[Token], reads: &[Read]) -> (Said, Option<Result<Zone, ()>>, Option<i64>) {
    let mut said = Said::default();
    let (mut zone, mut offset, mut afternoon, mut half, mut before_christ) = (None, None, None, None, false);
    for (token, read) in tokens.iter().zip(reads) {
        let text = token.text.as_str();
        let (number, digits) = match read {
            Read::Nothing => continue,
            Read::Minutes(minutes) => {
                offset = Some(*minutes);
                continue;
            }
            Read::Zone(name) => {
                zone = Some(Zone::named(name).ok_or(()));
                continue;
            }
            Read::Number(number, digits) => (*number, digits),
        };
        // A name is counted from nothing, a month and a weekday from one.
        let named = digits.is_empty();
        let counted = if named { number + 1 } else { number };
        match text.as_bytes()[0] {
            b'G' => before_christ = number == 0,
            b'y' => said.year = Some(if text == "yy" { whole_year(number) } else { number }),
            b'k' => said.week_year = Some(if text == "kk" { whole_year(number) } else { number }),
            b'M' | b'L' => said.month = Some(counted),
            b'd' => said.day = Some(number),
            b'o' => said.ordinal = Some(number),
            b'H' => said.hour = Some(number),
            b'h' => half = Some(number),
            b'm' => said.minute = Some(number),
            b's' => said.second = Some(number),
            b'q' => said.month = Some((number - 1) * 3 + 1),
            b'W' => said.week = Some(number),
            b'E' | b'c' => said.weekday = Some(counted),
            b'a' => afternoon = Some(number == 1),
            b'S' => said.millisecond = Some(number),
            b'u' => said.millisecond = milliseconds(digits),
            _ => {}
        }
    }
    if let Some(half) = half {
        said.hour = Some(match afternoon {
            Some(true) if half < 12 => half + 12,
            Some(false) if half == 12 => 0,
            _ => half,
        });
    }
    if before_christ {
        said.year = said.year.map(|year| -year);
    }
    let zone = zone.or(offset.map(|minutes| Ok(Zone::Fixed(minutes))));
    (said, zone, offset.map(|minutes| minutes * 60_000))
}

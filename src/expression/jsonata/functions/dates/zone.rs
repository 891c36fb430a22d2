//! Time zones: the place of the worker, fixed offsets, and those of the bundled database.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time zone.
#[derive(Debug, Clone)]
pub(super) enum Zone {
    /// The one that is taken where none is named. It is UTC on every machine, but written as an offset, as the reference
    /// does on a machine in UTC.
    System,
    /// So many minutes east of UTC.
    Fixed(i64),
    /// By its name in the database, as the author wrote it.
    Named(String, TimeZone),
}

impl Zone {
    pub(super) const UTC: Self = Self::Fixed(0);

    /// The zone that a name stands for.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let lowered = name.to_ascii_lowercase();
        match lowered.as_str() {
            "default" | "local" | "system" => return Some(Self::System),
            "utc" | "gmt" => return Some(Self::UTC),
            _ => {}
        }
        lowered.strip_prefix("utc").and_then(fixed).map(Self::Fixed).or_else(|| Self::named(name))
    }

    /// The zone of this name in the database.
    pub(super) fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(|zone| Self::Named(name.to_owned(), zone))
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::System | Self::Fixed(0) => "UTC".to_owned(),
            Self::Fixed(minutes) => format!("UTC{}", narrow(*minutes)),
            Self::Named(name, _) => name.clone(),
        }
    }

    /// The name for a text that ends with a zone in brackets.
    pub(super) fn database_name(&self) -> String {
        match self {
            Self::System => "UTC".to_owned(),
            Self::Fixed(0) => "Etc/UTC".to_owned(),
            Self::Fixed(minutes) => format!("Etc/GMT{}", narrow(-minutes)),
            Self::Named(name, _) => name.clone(),
        }
    }

    /// Milliseconds east of UTC at a moment.
    pub(super) fn offset_ms(&self, ts: i64) -> i64 {
        match self {
            Self::System => 0,
            Self::Fixed(minutes) => minutes * 60_000,
            Self::Named(_, zone) => {
                let at = Timestamp::from_millisecond(ts).unwrap_or_default();
                i64::from(zone.to_offset(at).seconds()) * 1_000
            }
        }
    }

    pub(super) const fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::System, Self::System) => true,
            (Self::Fixed(one), Self::Fixed(other)) => one == other,
            (Self::Named(one, _), Self::Named(other, _)) => one == other,
            _ => false,
        }
    }

    /// What it is called at a moment, in short: American zones by letters, others by their distance, as in English (US).
    pub(super) fn short_name(&self, ts: i64) -> String {
        const LETTERS: [&str; 11] = ["EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "AKST", "AKDT", "HST"];
        let Self::Named(name, zone) = self else { return self.name() };
        let american = ["America/", "US/", "Pacific/Honolulu", "Canada/"].iter().any(|start| name.starts_with(start));
        let at = Timestamp::from_millisecond(ts).unwrap_or_default();
        let letters = zone.to_offset_info(at).abbreviation().to_owned();
        match self.offset_ms(ts) / 60_000 {
            _ if american && LETTERS.contains(&letters.as_str()) => letters,
            0 if letters == "UTC" => letters,
            0 => "GMT".to_owned(),
            minutes => format!("GMT{}", narrow(minutes)),
        }
    }
}

/// `+5`, `-3:30`.
pub(super) fn narrow(minutes: i64) -> String {
    let (sign, size) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
    if size % 60 == 0 { format!("{sign}{}", size / 60) } else { format!("{sign}{}:{}", size / 60, size % 60) }
}

/// The minutes of `+5` or `-03:30`.
fn fixed(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':').unwrap_or((&text[1..], "00"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=2).contains(&hours.len()) || minutes.len() != 2 || !digits(hours) || !digits(minutes) {
        return None;
    }
    let size = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some(if negative { -size } else { size })
}

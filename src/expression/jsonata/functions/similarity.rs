//! How alike two texts are: the coefficient of Sørensen and Dice over pairs of letters.

use std::collections::HashMap;

use serde_json::Value;

use super::Function;
use super::call::{Outcome, argument, data};
use super::js::{self, Fault};

pub(super) const FUNCTIONS: &[Function] =
    &[("diceCoefficient", || data(2, dice_coefficient)), ("mostSimilar", || data(3, most_similar))];

/// A text's letters and digits of ASCII in lower case.
fn normal(value: Option<&Value>) -> Result<Vec<u8>, Fault> {
    match value {
        Some(Value::String(text)) => {
            let lower = text.chars().flat_map(char::to_lowercase);
            Ok(lower.filter(char::is_ascii_alphanumeric).map(|c| c as u8).collect())
        }
        _ => Err("not_text"),
    }
}

/// The pairs of neighbours, and how often each occurs; one letter alone counts as a pair.
struct Pairs {
    counts: HashMap<(u8, u8), usize>,
    total: usize,
}

impl Pairs {
    fn of(text: &[u8]) -> Self {
        let mut pairs = Self { counts: HashMap::new(), total: 0 };
        let mut add = |pair| {
            *pairs.counts.entry(pair).or_default() += 1;
            pairs.total += 1;
        };
        match text {
            [one] => add((*one, 0)),
            text => text.windows(2).for_each(|pair| add((pair[0], pair[1]))),
        }
        pairs
    }

    /// From 0 to 1; no number where neither text has a letter.
    fn likeness(&self, other: &Self) -> f64 {
        let shared = |(pair, count): (&(u8, u8), &usize)| other.counts.get(pair).map_or(0, |others| *others.min(count));
        let shared: usize = self.counts.iter().map(shared).sum();
        2.0 * shared as f64 / (self.total + other.total) as f64
    }
}

fn dice_coefficient(args: &[Option<Value>]) -> Outcome {
    let (a, b) = (argument(args, 0), argument(args, 1));
    if a == b {
        return Ok(Some(Value::from(1)));
    }
    let likeness = Pairs::of(&normal(a)?).likeness(&Pairs::of(&normal(b)?));
    Ok(Some(js::json_number(likeness)))
}

fn most_similar(args: &[Option<Value>]) -> Outcome {
    let value = argument(args, 0);
    let pairs = Pairs::of(&normal(value)?);
    let threshold = argument(args, 2).map_or(0.8, |threshold| js::number(Some(threshold)));
    let mut best = (0.0, Value::from(""));
    for (_, candidate) in argument(args, 1).map(js::entries).transpose()?.unwrap_or_default() {
        let likeness = pairs.likeness(&Pairs::of(&normal(Some(&candidate))?));
        if likeness > best.0 {
            best = (likeness, candidate.into_owned());
        }
    }
    Ok(if best.0 >= threshold { Some(best.1) } else { value.cloned() })
}

//! The known name that somebody meant.

/// The candidate most like `word`, when one is close enough to be meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let most = (length / 3).max(2);
    // So many letters more or less are at least as many changes, which need not be counted.
    let near = |it: &&str| last(it) == last(word) || it.chars().count().abs_diff(length) <= most;
    let scored = candidates.filter(near).map(|candidate| {
        // The right name in the wrong section is as near as a slip of the finger.
        let distance = if last(candidate) == last(word) { 1 } else { distance(word, candidate) };
        (distance, candidate)
    });
    let (distance, candidate) = scored.min()?;
    (distance <= most).then_some(candidate)
}

/// The name without its section.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// How many characters must be put in, taken out or changed (Levenshtein 1966).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, from_sign) in from.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (at, to_sign) in to.iter().enumerate() {
            let change = diagonal + usize::from(from_sign != *to_sign);
            diagonal = row[at + 1];
            row[at + 1] = change.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_key_and_nonsense_finds_none() {
        let keys = ["worker.slots", "worker.regions", "log.filter", "api.listen"];
        let nearest = |word| nearest(word, keys.into_iter());
        assert_eq!(nearest("worker.slot"), Some("worker.slots"));
        assert_eq!(nearest("wroker.slots"), Some("worker.slots"));
        assert_eq!(nearest("filter"), Some("log.filter"));
        assert_eq!(nearest("broker.password"), None);
    }
}

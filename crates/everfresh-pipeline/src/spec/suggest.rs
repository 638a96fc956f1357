//! Did you mean …? The nearest name to a mistyped one, and the words that people bring from other tools.

/// Words of other tools, with ours.
const SYNONYMS: [(&str, &str); 24] = [
    ("avg", "mean"),
    ("average", "mean"),
    ("stddev", "std"),
    ("stdev", "std"),
    ("nunique", "count_distinct"),
    ("path", "file"),
    ("glob", "file"),
    ("database", "sqlite"),
    ("db", "sqlite"),
    ("query", "sql"),
    ("query_file", "sql_file"),
    ("input", "from"),
    ("select", "sql"),
    ("retry", "retries"),
    ("expires", "ttl"),
    ("max_age", "ttl"),
    ("separator", "delimiter"),
    ("sep", "delimiter"),
    ("dtypes", "columns"),
    ("parameters", "params"),
    ("outputs", "sinks"),
    ("tests", "checks"),
    ("warning", "warn"),
    ("fatal", "error"),
];

/// The name that `word` was probably meant to be: the same but for case, `-` and `_`, a known synonym, or the nearest
/// by edits, of which one is allowed for every three characters (at least one, at most three).
pub fn closest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(word);
    let most = (wanted.chars().count() / 3).clamp(1, 3);
    let synonym = SYNONYMS.iter().find(|(other, _)| *other == wanted).map(|(_, ours)| *ours);
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        if Some(name) == synonym {
            return Some(name);
        }
        let limit = best.map_or(most, |(distance, _)| distance.saturating_sub(1));
        if name.len().abs_diff(wanted.len()) > limit.saturating_mul(4) {
            continue;
        }
        let distance = strsim::osa_distance(&wanted, &plain(name));
        // An edit of everything is no likeness.
        if distance <= limit && distance < wanted.chars().count() && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

fn plain(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let names = ["file", "ttl", "delimiter", "stale_if_error"];
        assert_eq!(closest("tll", names), Some("ttl"));
        assert_eq!(closest("File", names), Some("file"));
        assert_eq!(closest("stale-if-eror", names), Some("stale_if_error"));
        assert_eq!(closest("sep", names), Some("delimiter"));
        assert_eq!(closest("schedule", names), None);
        assert_eq!(closest("x", ["a", "b"]), None);
        assert_eq!(closest("", names), None);
    }
}

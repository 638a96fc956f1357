//! What changed in a query.

use super::{
    sql_lines::sql_lines,
    style::{BAD, FAINT, GOOD},
};
use similar::TextDiff;
use std::fmt::Write as _;

/// A unified diff of two normal forms.
pub fn query_diff(before: &str, after: &str) -> String {
    let (before, after) = (sql_lines(before) + "\n", sql_lines(after) + "\n");
    let diff = TextDiff::from_lines(before.as_str(), after.as_str());
    let drawn = diff.unified_diff().context_radius(3).header("before", "after").to_string();
    let mut text = String::new();
    for line in drawn.lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => GOOD,
            Some(b'-') => BAD,
            Some(b'@') => FAINT,
            _ => anstyle::Style::new(),
        };
        let _ = writeln!(text, "{style}{line}{style:#}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_the_line_that_changed() {
        let drawn = query_diff("SELECT a FROM t WHERE a > 1", "SELECT a FROM t WHERE a > 2");
        let drawn = anstream::adapter::strip_str(&drawn).to_string();
        assert_eq!(drawn, "--- before\n+++ after\n@@ -1,3 +1,3 @@\n SELECT a\n FROM t\n-WHERE a > 1\n+WHERE a > 2\n");
    }
}

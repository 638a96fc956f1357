//! A query's normal form, which is one long line, broken where people break it, so that two of them can be compared.
//!
//! Lines break before clauses and after the commas of lists, within queries only: the insides of function calls, windows
//! and quotes stay together.

/// Words that begin a line. For those of several words the first one decides, the others stay behind it.
const CLAUSES: [&str; 18] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "QUALIFY",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "JOIN",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "INNER",
];
/// Words that begin a line within a clause.
const CONDITIONS: [&str; 2] = ["AND", "OR"];
/// Pairs that stay on one line though the second word looks like a clause.
const TOGETHER: [(&str, &str); 10] = [
    ("LEFT", "JOIN"),
    ("RIGHT", "JOIN"),
    ("FULL", "JOIN"),
    ("CROSS", "JOIN"),
    ("INNER", "JOIN"),
    ("OUTER", "JOIN"),
    ("SEMI", "JOIN"),
    ("ANTI", "JOIN"),
    ("DISTINCT", "FROM"),
    ("WITHIN", "GROUP"),
];

/// The query over several lines.
pub fn sql_lines(sql: &str) -> String {
    let mut lines = Lines::default();
    let mut tokens = tokens(sql).peekable();
    while let Some(token) = tokens.next() {
        lines.add(token, tokens.peek().map_or("", |next| next.text));
    }
    lines.text
}

fn is(token: &str, word: &str) -> bool {
    token.eq_ignore_ascii_case(word)
}

fn among(token: &str, words: &[&str]) -> bool {
    words.iter().any(|word| is(token, word))
}

#[derive(Default)]
struct Lines<'a> {
    text: String,
    /// The open parentheses: whether a query is in them.
    open: Vec<bool>,
    previous: &'a str,
    /// `BETWEEN` waits for its `AND`.
    between: bool,
}

impl<'a> Lines<'a> {
    fn in_query(&self) -> bool {
        self.open.last().copied().unwrap_or(true)
    }

    fn add(&mut self, token: Token<'a>, next: &str) {
        let Token { text, spaced } = token;
        let breaks = match text {
            ")" => (self.open.pop() == Some(true)).then_some(0),
            _ if !self.in_query() => None,
            _ => self.breaks_before(text, next),
        };
        match breaks {
            Some(more) => self.new_line(more),
            None if spaced && !self.text.ends_with([' ', '\n']) => self.text.push(' '),
            None => {}
        }
        self.text.push_str(text);
        if text == "(" {
            self.open.push(is(next, "SELECT") || is(next, "WITH"));
        } else if text == "," && self.in_query() {
            self.new_line(2);
        }
        self.previous = text;
    }

    /// Whether a new line begins here, and how much deeper than its query.
    fn breaks_before(&mut self, text: &str, next: &str) -> Option<usize> {
        if is(text, "BETWEEN") {
            self.between = true;
        }
        if is(text, "AND") && std::mem::take(&mut self.between) {
            return None;
        }
        if among(text, &CONDITIONS) {
            return Some(1);
        }
        let pair = TOGETHER.iter().any(|(first, second)| is(self.previous, first) && is(text, second));
        // `left(x, 2)` is a function.
        let call = next == "(" && among(text, &["LEFT", "RIGHT"]);
        (among(text, &CLAUSES) && !pair && !call).then_some(0)
    }

    fn new_line(&mut self, more: usize) {
        self.text.truncate(self.text.trim_end().len());
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let depth = self.open.iter().filter(|query| **query).count();
        self.text.push_str(&"  ".repeat(depth + more));
    }
}

#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    /// Whether white space stands in front of it.
    spaced: bool,
}

/// Words, quoted texts, and punctuation one character a token.
fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let trimmed = rest.trim_start();
        let spaced = trimmed.len() < rest.len();
        let first = trimmed.chars().next()?;
        let length = match first {
            '\'' | '"' | '`' => quoted(trimmed, first),
            word if is_word(word) => trimmed.find(|c: char| !is_word(c)).unwrap_or(trimmed.len()),
            other => other.len_utf8(),
        };
        let (text, after) = trimmed.split_at_checked(length)?;
        rest = after;
        Some(Token { text, spaced })
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

/// The length of a quoted text, doubled quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut end = 1;
    while let Some(at) = text.get(end..).and_then(|rest| rest.find(quote)) {
        end += at + 1;
        if !text.get(end..).is_some_and(|rest| rest.starts_with(quote)) {
            return end;
        }
        end += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_and_lists_have_lines_of_their_own() {
        let sql = "SELECT a, coalesce(b, 0) AS b FROM t LEFT JOIN u ON t.id = u.id WHERE a BETWEEN 1 AND 2 AND b <> 'x, FROM y' GROUP BY a, b";
        let lines = "SELECT a,\n    coalesce(b, 0) AS b\nFROM t\nLEFT JOIN u ON t.id = u.id\nWHERE a BETWEEN 1 AND 2\n  AND b <> 'x, FROM y'\nGROUP BY a,\n    b";
        assert_eq!(sql_lines(sql), lines);
    }

    #[test]
    fn a_query_within_a_query_is_indented() {
        let sql = "SELECT x FROM (SELECT sum(a) OVER (PARTITION BY b ORDER BY c) AS x FROM t WHERE a IN (1, 2)) AS s";
        let lines = "SELECT x\nFROM (\n  SELECT sum(a) OVER (PARTITION BY b ORDER BY c) AS x\n  FROM t\n  WHERE a IN (1, 2)\n) AS s";
        assert_eq!(sql_lines(sql), lines);
    }

    #[test]
    fn no_token_is_lost() {
        for sql in ["SELECT 'it''s', \"a \"\"b\"\"\" FROM t WHERE a >= 1 AND b::int != 2", "SELECT '", "ä ( ö", ""] {
            let plain = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(plain(&sql_lines(sql)), plain(sql));
        }
    }
}

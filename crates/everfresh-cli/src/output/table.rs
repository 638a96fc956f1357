//! Tables in columns of text: two spaces between columns, a faint heading, no lines.

use super::style::FAINT;
use anstream::adapter::strip_str;
use unicode_width::UnicodeWidthStr;

/// On which side a column's texts stand in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// The columns between two texts.
const GAP: usize = 2;

/// A table.
#[derive(Debug)]
pub struct Table {
    heading: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and no rows.
    pub fn new<T: AsRef<str>>(columns: &[(T, Align)]) -> Self {
        let heading = columns.iter().map(|(name, align)| (name.as_ref().to_owned(), *align)).collect();
        Self { heading, rows: Vec::new() }
    }

    /// Adds a row; texts may hold styles, but no line breaks.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Draws it. With a width, the columns that do not fit are named below instead.
    pub fn render(&self, width: Option<usize>) -> String {
        let widths: Vec<usize> = (0..self.heading.len()).map(|column| self.column_width(column)).collect();
        let shown = width.map_or(widths.len(), |width| fitting(&widths, width));
        let mut text = String::new();
        let heading: Vec<String> = self
            .heading
            .iter()
            .map(|(name, _)| if name.is_empty() { String::new() } else { format!("{FAINT}{name}{FAINT:#}") })
            .collect();
        for row in std::iter::once(&heading).chain(&self.rows) {
            let mut line = String::new();
            for (index, ((cell, (_, align)), width)) in
                row.iter().zip(&self.heading).zip(&widths).enumerate().take(shown)
            {
                if index > 0 {
                    line.push_str("  ");
                }
                let padding = " ".repeat(width.saturating_sub(visible_width(cell)));
                match align {
                    Align::Left => line.extend([cell.as_str(), padding.as_str()]),
                    Align::Right => line.extend([padding.as_str(), cell.as_str()]),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        let hidden: Vec<&str> = self.heading.iter().skip(shown).map(|(name, _)| name.as_str()).collect();
        if !hidden.is_empty() {
            text.push_str(&format!("{FAINT}… and the columns {}{FAINT:#}\n", hidden.join(", ")));
        }
        text
    }

    fn column_width(&self, column: usize) -> usize {
        let heading = self.heading.get(column).map_or(0, |(name, _)| name.width());
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| visible_width(cell));
        cells.fold(heading, usize::max)
    }
}

/// How many columns fit; at least one.
fn fitting(widths: &[usize], width: usize) -> usize {
    let mut taken = 0;
    let fit = widths.iter().take_while(|column| {
        taken += **column + GAP;
        taken <= width + GAP
    });
    fit.count().max(1)
}

/// The columns that a text takes on a terminal, styles left out.
pub fn visible_width(text: &str) -> usize {
    if text.contains('\x1b') { strip_str(text).to_string().width() } else { text.width() }
}

/// A text from data, made safe to print: control characters are escaped, so that no data can steer a terminal, and it
/// is cut off after `most` characters.
pub fn cell(text: &str, most: Option<usize>) -> String {
    let most = most.unwrap_or(usize::MAX);
    let mut cell = String::new();
    for (index, character) in text.chars().enumerate() {
        if index + 1 == most && text.chars().nth(most).is_some() {
            cell.push('…');
            break;
        }
        match character {
            control if control.is_control() => cell.extend(control.escape_default()),
            other => cell.push(other),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("name", Align::Left), ("rows", Align::Right)]);
        table.row(["ab".into(), "12".into()]);
        table.row(["größer".into(), "3,456".into()]);
        table
    }

    #[test]
    fn columns_stand_in_line() {
        let drawn = strip_str(&table().render(None)).to_string();
        assert_eq!(drawn, "name     rows\nab         12\ngrößer  3,456\n");
    }

    #[test]
    fn columns_that_do_not_fit_are_named() {
        let drawn = strip_str(&table().render(Some(8))).to_string();
        assert_eq!(drawn, "name\nab\ngrößer\n… and the columns rows\n");
    }

    #[test]
    fn data_cannot_steer_the_terminal() {
        assert_eq!(cell("a\x1b[31m\nb", None), "a\\u{1b}[31m\\nb");
        assert_eq!(cell("abcdef", Some(4)), "abc…");
        assert_eq!(cell("abcd", Some(4)), "abcd");
    }
}

//! What a check found, under the table that it is about.

use super::{
    quantity::{grouped, percent},
    rows,
    table::{Align, Table, cell},
};
use everfresh_pipeline::{report::CheckReport, spec::model::CheckKind};

/// The longest text of a cell in a sample.
const MOST_CHARACTERS: usize = 32;
/// The width of a sample where there is no terminal to ask.
const WIDTH: usize = 100;

/// `8,255 of 336,776 rows (2.5 %)`, or what the check says itself if it is not about rows.
pub fn verdict(check: &CheckReport) -> String {
    if check.columns.is_empty() {
        return check.message.clone();
    }
    format!("{} of {} rows ({})", grouped(check.bad), grouped(check.total), percent(check.percent()))
}

/// Further findings, and a table of sample rows in which `first` are the leading columns.
pub fn details(check: &CheckReport, first: &[&str], indent: &str) -> String {
    let mut text = String::new();
    for line in &check.details {
        text += &format!("{indent}{}\n", cell(line, None));
    }
    if check.sample.is_empty() {
        return text;
    }
    let mut order: Vec<usize> =
        first.iter().filter_map(|name| check.columns.iter().position(|column| column == name)).collect();
    let others: Vec<usize> = (0..check.columns.len()).filter(|index| !order.contains(index)).collect();
    order.extend(others);
    let columns: Vec<(String, Align)> =
        order.iter().filter_map(|index| Some((cell(check.columns.get(*index)?, None), Align::Left))).collect();
    let mut table = Table::new(&columns);
    for row in &check.sample {
        table.row(order.iter().filter_map(|index| {
            Some(match row.get(*index)? {
                Some(text) => cell(text, Some(MOST_CHARACTERS)),
                None => rows::null(),
            })
        }));
    }
    let width = super::Out::width().unwrap_or(WIDTH).saturating_sub(indent.len());
    for line in table.render(Some(width)).lines() {
        text += &format!("{indent}{line}\n");
    }
    if let Some(more) = check.bad.checked_sub(check.sample.len() as u64).filter(|more| *more > 0) {
        text += &format!("{indent}… {} more\n", grouped(more));
    }
    text
}

/// The columns that a check is about: they come first in its sample.
pub fn columns(kind: &CheckKind) -> Vec<&str> {
    match kind {
        CheckKind::NotNull(columns) | CheckKind::Unique(columns) => columns.iter().map(String::as_str).collect(),
        CheckKind::Range(ranges) => ranges.iter().map(|(column, ..)| column.as_str()).collect(),
        CheckKind::AcceptedValues(column, _)
        | CheckKind::Regex(column, _)
        | CheckKind::Relationship { column, .. }
        | CheckKind::Freshness { column, .. } => vec![column.as_str()],
        CheckKind::RowCount(..) | CheckKind::Schema { .. } | CheckKind::Sql { .. } => Vec::new(),
    }
}

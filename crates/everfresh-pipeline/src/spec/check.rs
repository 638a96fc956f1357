//! The `checks` part: for each table a list of maps, each with the key of one check.

use super::{
    fields::{Field, Fields},
    keys::{CHECK, FRESHNESS, RELATIONSHIP},
    model::{Check, CheckKind, MaxBad, Severity, Span},
    reader::{Reader, What},
    values::is_null,
    yaml::{Entry, Node, Value},
};
use crate::engine::ParamValue;
use regex::Regex;
use std::collections::HashSet;

/// The key of what stands in a list.
static NOWHERE: Span = 0..0;

/// A check and what it is called unless it has a name.
type Named = (String, CheckKind);

impl<'a> Reader<'a> {
    /// The checks of one table. A check that is wrong is left out.
    pub fn checks_of(&mut self, entry: &'a Entry<'a>, out: &mut Vec<Check>) {
        self.uses.push((entry.key.to_string(), entry.span.clone()));
        let Some(items) = self.items(entry.into(), "[ { not_null: [carrier] } ]") else { return };
        let mut names = HashSet::new();
        for item in items {
            for mut check in self.check(&entry.key, item).unwrap_or_default() {
                check.name = unused(check.name, &mut names);
                out.push(check);
            }
        }
    }

    fn check(&mut self, table: &'a str, item: &'a Node<'a>) -> Option<Vec<Check>> {
        let what = What { kind: "a check of", name: table };
        let fields = self.fields(what, Field { name: "checks", key: &NOWHERE, node: item }, &CHECK)?;
        let severity = fields.get("severity").map_or(Some("error"), |field| self.one_of(field, &["error", "warn"]));
        let max_bad = fields.get("max_bad").map_or(Some(MaxBad::Count(0)), |field| self.max_bad(field));
        let name = fields.get("name").map(|field| self.filled_text(field));
        let (mark, kinds) = self.kinds(&fields)?;
        let (severity, max_bad) = (severity?, max_bad?);
        let name = match name {
            Some(name) => Some(name?.into_owned()),
            None => None,
        };
        let checks = kinds.into_iter().map(|(usual, kind)| Check {
            table: table.to_owned(),
            span: mark.clone(),
            name: name.clone().unwrap_or(usual),
            kind,
            severity: if severity == "warn" { Severity::Warn } else { Severity::Error },
            max_bad,
        });
        Some(checks.collect())
    }

    /// What an item asks, and where it says so. Keys of one column each make a check for each column.
    fn kinds(&mut self, fields: &Fields<'a>) -> Option<(Span, Vec<Named>)> {
        type Read<'a> = fn(&mut Reader<'a>, Field<'a>, &Fields<'a>) -> Option<Vec<Named>>;
        let readers: [(&str, Read<'a>); 11] = [
            ("not_null", |reader, field, _| reader.columns(field, CheckKind::NotNull)),
            ("unique", |reader, field, _| reader.columns(field, CheckKind::Unique)),
            ("range", |reader, field, _| reader.range(field)),
            ("row_count", |reader, field, _| reader.row_count(field)),
            ("accepted_values", |reader, field, _| reader.accepted_values(field)),
            ("regex", |reader, field, _| reader.regex(field)),
            ("relationships", |reader, field, _| reader.relationships(field)),
            ("schema", |reader, field, fields| reader.schema(field, fields)),
            ("freshness", |reader, field, _| reader.freshness(field)),
            ("sql", |reader, _, fields| reader.sql_check(fields)),
            ("sql_file", |reader, _, fields| reader.sql_check(fields)),
        ];
        let (field, read) = readers.into_iter().find_map(|(key, read)| fields.get(key).map(|field| (field, read)))?;
        read(self, field, fields).map(|kinds| (field.key.clone(), kinds))
    }

    fn columns(&mut self, field: Field<'a>, kind: fn(Vec<String>) -> CheckKind) -> Option<Vec<Named>> {
        let columns = self.names(field, false)?;
        Some(vec![(format!("{}({})", field.name, columns.join(", ")), kind(columns))])
    }

    /// The entries of a map from columns, at least one.
    fn of_columns(&mut self, field: Field<'a>, example: &str) -> Option<&'a [Entry<'a>]> {
        let entries = self.map(field, example)?;
        if entries.is_empty() {
            let message = format!("`{}` is an empty map", field.name);
            self.report(self.error(field.span(), message).help(format!("such as `{example}`")));
            return None;
        }
        Some(entries)
    }

    fn range(&mut self, field: Field<'a>) -> Option<Vec<Named>> {
        let entries = self.of_columns(field, "{ distance: [0, 5000] }")?;
        let ranges: Vec<_> = entries
            .iter()
            .map(|entry| {
                let column = Field::from(entry);
                let (low, high) = self.pair(column, |reader, field| reader.bound(field), |low, high| low <= high)?;
                Some((entry.key.to_string(), low, high))
            })
            .collect();
        let ranges: Vec<_> = ranges.into_iter().collect::<Option<_>>()?;
        let columns: Vec<&str> = ranges.iter().map(|(column, ..)| column.as_str()).collect();
        Some(vec![(format!("range({})", columns.join(", ")), CheckKind::Range(ranges))])
    }

    /// `[least, most]`, of which one may be open.
    fn pair<T: Copy>(
        &mut self,
        field: Field<'a>,
        read: impl Fn(&mut Self, Field<'a>) -> Option<Option<T>>,
        ordered: impl Fn(T, T) -> bool,
    ) -> Option<(Option<T>, Option<T>)> {
        let Value::List(items) = &field.node.value else {
            self.wrong(field, "a list of the least and the most", "such as `[0, 100]`, `[0, null]` or `[null, 100]`");
            return None;
        };
        let [low, high] = items.as_slice() else {
            let message = format!("`{}` must be a list of two, the least and the most", field.name);
            let label = format!("this has {}", items.len());
            self.report(self.error(field.span(), message).label(label).help("null is open: `[0, null]`"));
            return None;
        };
        let (low, high) = (read(self, field.item(low)), read(self, field.item(high)));
        let (low, high) = (low?, high?);
        let problem = match (low, high) {
            (None, None) => Some("both bounds are open, so that this asks nothing"),
            (Some(low), Some(high)) if !ordered(low, high) => Some("the least is more than the most"),
            _ => None,
        };
        match problem {
            Some(problem) => {
                self.report(self.error(field.span(), problem));
                None
            }
            None => Some((low, high)),
        }
    }

    fn row_count(&mut self, field: Field<'a>) -> Option<Vec<Named>> {
        let (low, high) = match &field.node.value {
            Value::Scalar { .. } => {
                let count = self.whole(field, i64::MAX.cast_unsigned())?;
                (Some(count), Some(count))
            }
            Value::List(_) | Value::Map(_) => self.pair(
                field,
                |reader, field| match is_null(field.node) {
                    true => Some(None),
                    false => reader.whole(field, i64::MAX.cast_unsigned()).map(Some),
                },
                |low, high| low <= high,
            )?,
        };
        Some(vec![("row_count".into(), CheckKind::RowCount(low, high))])
    }

    fn accepted_values(&mut self, field: Field<'a>) -> Option<Vec<Named>> {
        let entries = self.of_columns(field, "{ origin: [EWR, JFK, LGA] }")?;
        let kinds: Vec<_> = entries
            .iter()
            .map(|entry| {
                let column = Field::from(entry);
                let items = self.items(column, "[EWR, JFK, LGA]")?;
                if items.is_empty() {
                    self.report(self.error(column.span(), format!("`{}` accepts no value at all", entry.key)));
                    return None;
                }
                let values: Vec<Option<ParamValue>> = items.iter().map(|item| self.value(column.item(item))).collect();
                let values = values.into_iter().collect::<Option<_>>()?;
                let name = format!("accepted_values({})", entry.key);
                Some((name, CheckKind::AcceptedValues(entry.key.to_string(), values)))
            })
            .collect();
        kinds.into_iter().collect()
    }

    fn regex(&mut self, field: Field<'a>) -> Option<Vec<Named>> {
        let entries = self.of_columns(field, "{ tailnum: '^N[0-9]' }")?;
        let kinds: Vec<_> = entries
            .iter()
            .map(|entry| {
                let column = Field::from(entry);
                let pattern = self.raw(column)?;
                if let Err(error) = Regex::new(pattern) {
                    let error = error.to_string();
                    let reason = error.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                    let diagnostic = self.error(column.span(), "this is no regular expression").label(reason);
                    self.report(diagnostic);
                    return None;
                }
                let kind = CheckKind::Regex(entry.key.to_string(), pattern.to_owned());
                Some((format!("regex({})", entry.key), kind))
            })
            .collect();
        kinds.into_iter().collect()
    }

    fn relationships(&mut self, field: Field<'a>) -> Option<Vec<Named>> {
        const SHORT: &str = "{ tailnum: planes.tailnum }";
        let entries = self.of_columns(field, SHORT)?;
        let long = |entry: &Entry<'_>| RELATIONSHIP.common.iter().any(|key| key.name == entry.key);
        let dotted = |entry: &Entry<'_>| matches!(&entry.value.value, Value::Scalar { text, .. } if text.contains('.'));
        if entries.iter().any(long) && !entries.iter().all(dotted) {
            let what = What { kind: "`relationships`", name: "" };
            let fields = self.fields(what, field, &RELATIONSHIP)?;
            let column = fields.get("column").and_then(|field| self.filled_text(field));
            let to = fields.get("to").and_then(|field| self.table_use(field));
            let key = fields.get("key").and_then(|field| self.filled_text(field));
            let (column, to, key) = (column?.into_owned(), to?, key?.into_owned());
            return Some(vec![(format!("relationships({column})"), CheckKind::Relationship { column, to, key })]);
        }
        let kinds: Vec<_> = entries
            .iter()
            .map(|entry| {
                let field = Field::from(entry);
                let text = self.text(field)?;
                let Some((table, key)) =
                    text.split_once('.').filter(|(table, key)| !table.is_empty() && !key.is_empty())
                else {
                    let message = format!("`{}` must name a table and its column", entry.key);
                    self.report(self.error(field.span(), message).help(format!("such as `{SHORT}`")));
                    return None;
                };
                let (column, to) = (entry.key.to_string(), (table.to_owned(), field.span()));
                self.uses.push(to.clone());
                Some((format!("relationships({column})"), CheckKind::Relationship { column, to, key: key.to_owned() }))
            })
            .collect();
        kinds.into_iter().collect()
    }

    fn schema(&mut self, field: Field<'a>, fields: &Fields<'a>) -> Option<Vec<Named>> {
        let exact = fields.get("exact").map_or(Some(false), |field| self.boolean(field));
        let entries = self.of_columns(field, "{ carrier: string }")?;
        let columns: Vec<_> =
            entries.iter().map(|entry| Some((entry.key.to_string(), self.column_type(entry)?))).collect();
        let columns = columns.into_iter().collect::<Option<_>>()?;
        Some(vec![("schema".into(), CheckKind::Schema { columns, exact: exact? })])
    }

    fn freshness(&mut self, field: Field<'a>) -> Option<Vec<Named>> {
        let fields = self.fields(What { kind: "`freshness`", name: "" }, field, &FRESHNESS)?;
        let column = fields.get("column").and_then(|field| self.filled_text(field));
        let within = fields.get("within").and_then(|field| self.some_duration(field));
        let (column, within) = (column?.into_owned(), within?);
        Some(vec![(format!("freshness({column})"), CheckKind::Freshness { column, within })])
    }

    fn sql_check(&mut self, fields: &Fields<'a>) -> Option<Vec<Named>> {
        let (text, origin) = self.sql(fields)?;
        Some(vec![("sql".into(), CheckKind::Sql { text, origin })])
    }
}

/// The name, numbered if it is taken: `sql`, `sql#2`.
fn unused(name: String, taken: &mut HashSet<String>) -> String {
    let mut unused = name.clone();
    let mut number = 1;
    while !taken.insert(unused.clone()) {
        number += 1;
        unused = format!("{name}#{number}");
    }
    unused
}

//! The `steps` part.

use super::{
    fields::{Field, Fields},
    keys::{AGGREGATE, FUNCTIONS, STEP, STEP_CACHE},
    model::{AggregateFunction, Step, StepKind},
    reader::{Reader, What},
    settings::Switch,
    yaml::{Entry, Value},
};
use std::{collections::HashSet, time::Duration};

/// `cache` of a step.
struct Keeping {
    enabled: bool,
    ttl: Option<Duration>,
    tags: Vec<String>,
}

impl<'a> Reader<'a> {
    /// One step; `None` if something is wrong with it.
    pub fn step(&mut self, entry: &'a Entry<'a>) -> Option<Step> {
        let named = self.check_name("a step", entry);
        let what = What { kind: "step", name: &entry.key };
        let fields = self.fields(what, entry.into(), &STEP)?;
        let timeout = fields.get("timeout").map(|field| self.some_duration(field));
        let retries = fields.get("retries").map_or(Some(0), |field| self.whole(field, u32::MAX.into()));
        let keeping = self.keeping(what, fields.get("cache"));
        let per = fields.get("per").map(|field| self.one_of(field, &["partition"]));
        let kind = if fields.any(&["sql", "sql_file"]) {
            self.sql(&fields).map(|(text, origin)| StepKind::Sql { text, origin })
        } else if fields.any(&["normalize", "standardize"]) {
            self.scale(&fields)
        } else if let Some(python) = fields.get("python") {
            self.python(&fields, python)
        } else if let Some(aggregate) = fields.get("aggregate") {
            self.aggregate(what, &fields, aggregate)
        } else {
            fields.get("from").and_then(|field| self.table_use(field));
            None
        };
        let keeping = keeping?;
        named.then_some(())?;
        Some(Step {
            name: entry.key.to_string(),
            span: entry.span.clone(),
            kind: kind?,
            per_partition: per.map_or(Some(false), |per| per.map(|_| true))?,
            timeout: timeout.map_or(Some(None), |timeout| timeout.map(Some))?,
            retries: retries.and_then(|retries| u32::try_from(retries).ok())?,
            enabled: keeping.enabled,
            ttl: keeping.ttl,
            tags: keeping.tags,
        })
    }

    fn keeping(&mut self, what: What<'_>, field: Option<Field<'a>>) -> Option<Keeping> {
        let usual = Keeping { enabled: true, ttl: None, tags: Vec::new() };
        let Some(field) = field else { return Some(usual) };
        let kind = format!("`cache` of {what}");
        match self.switch(What { kind: "", name: &kind }, field, &STEP_CACHE)? {
            Switch::Only(enabled) => Some(Keeping { enabled, ..usual }),
            Switch::Fields(fields) => {
                let enabled = fields.get("enabled").map_or(Some(true), |field| self.boolean(field));
                let ttl = fields.get("ttl").map(|field| self.duration(field));
                let tags = fields.get("tags").map_or(Some(Vec::new()), |field| self.names(field, true));
                Some(Keeping { enabled: enabled?, ttl: ttl.map_or(Some(None), |ttl| ttl.map(Some))?, tags: tags? })
            }
        }
    }

    fn scale(&mut self, fields: &Fields<'a>) -> Option<StepKind> {
        let from = fields.get("from").and_then(|field| self.table_use(field));
        let normalize = fields.get("normalize").map_or(Some(Vec::new()), |field| self.names(field, false));
        let standardize = fields.get("standardize").map_or(Some(Vec::new()), |field| self.names(field, false));
        let (normalize, standardize) = (normalize?, standardize?);
        if let Some(both) = normalize.iter().find(|column| standardize.contains(column)) {
            let at = fields.get("standardize").map(Field::span).unwrap_or_default();
            let message = format!("`{both}` is both normalized and standardized");
            self.report(self.error(at, message).help("take it out of one of the lists"));
            return None;
        }
        Some(StepKind::Scale { from: from?, normalize, standardize })
    }

    fn aggregate(&mut self, what: What<'_>, fields: &Fields<'a>, aggregate: Field<'a>) -> Option<StepKind> {
        let from = fields.get("from").and_then(|field| self.table_use(field));
        let name = format!("`aggregate` of {what}");
        let fields = self.fields(What { kind: "", name: &name }, aggregate, &AGGREGATE)?;
        let by = fields.get("by").map_or(Some(Vec::new()), |field| self.names(field, false));
        let columns = fields.get("columns").and_then(|field| {
            let entries = self.map(field, "{ dep_delay: [mean, max] }")?;
            if entries.is_empty() {
                self.report(self.error(field.key.clone(), "`columns` is empty").help("name at least one column"));
                return None;
            }
            let columns: Vec<_> = entries.iter().map(|entry| self.functions(entry)).collect();
            columns.into_iter().collect::<Option<Vec<_>>>()
        });
        let (by, columns) = (by?, columns?);
        let mut outputs: HashSet<String> = by.iter().cloned().collect();
        for (column, functions) in &columns {
            for function in functions {
                let output = format!("{column}_{}", function.name());
                if !outputs.insert(output.clone()) {
                    let message = format!("two columns of the result would be called `{output}`");
                    self.report(self.error(aggregate.key.clone(), message));
                    return None;
                }
            }
        }
        Some(StepKind::Aggregate { from: from?, by, columns })
    }

    fn functions(&mut self, entry: &'a Entry<'a>) -> Option<(String, Vec<AggregateFunction>)> {
        let field = Field::from(entry);
        let names = self.names(field, false)?;
        let mut functions = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            match AggregateFunction::from_name(name) {
                Some(function) => functions.push(function),
                None => {
                    let item = match &field.node.value {
                        Value::List(items) => items.get(at).unwrap_or(field.node),
                        Value::Scalar { .. } | Value::Map(_) => field.node,
                    };
                    self.unknown(item.span.clone(), format!("there is no function `{name}`"), name, &FUNCTIONS);
                }
            }
        }
        (functions.len() == names.len()).then(|| (entry.key.to_string(), functions))
    }
}

impl AggregateFunction {
    /// The function of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "mean" => Self::Mean,
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "count_distinct" => Self::CountDistinct,
            "median" => Self::Median,
            "std" => Self::Std,
            _ => return None,
        })
    }

    /// Its name, which ends the names of its results: `dep_delay_mean`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::CountDistinct => "count_distinct",
            Self::Median => "median",
            Self::Std => "std",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_its_name() {
        for name in FUNCTIONS {
            assert_eq!(AggregateFunction::from_name(name).map(AggregateFunction::name), Some(name));
        }
    }
}

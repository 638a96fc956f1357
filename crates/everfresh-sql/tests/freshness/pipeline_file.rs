//! The pipeline file of a world, and what its steps read: the oracle's own dependency rule.

use crate::world::World;

/// A step that a pipeline may have.
pub struct Template {
    pub name: &'static str,
    pub partitioned: bool,
    /// The tables that it reads, each with the columns that matter to it; `None` is all of them.
    pub reads: &'static [(&'static str, Option<&'static [&'static str]>)],
    /// What it computes, as the file says it, without `per:`.
    text: fn(&World) -> String,
    /// What of the world's settings decides its result.
    pub settings: fn(&World) -> String,
}

fn nothing(_: &World) -> String {
    String::new()
}

/// All steps; those that others read come first and are always there.
pub const STEPS: [Template; 13] = [
    Template {
        name: "clean",
        partitioned: true,
        reads: &[("events", Some(&["id", "grp", "val", "opt"]))],
        text: |world| {
            let sql = format!(
                "select id, grp, val, opt from events where (opt is null or opt >= $min) and id <> {}",
                world.constant + 10
            );
            format!("sql: \"{}\"", dressed(&sql, world.cosmetic))
        },
        settings: |world| format!("{} {}", world.min, world.constant),
    },
    Template {
        name: "totals",
        partitioned: false,
        reads: &[("clean", Some(&["id", "grp", "val"]))],
        text: |_| {
            "from: clean, aggregate: { by: [grp], columns: { val: [sum, mean, min, max, count], id: [count_distinct] } }".into()
        },
        settings: nothing,
    },
    Template {
        name: "joined",
        partitioned: true,
        reads: &[("clean", Some(&["id", "grp", "val"])), ("lookup", None)],
        text: |world| {
            let sql = "select c.id, c.val, l.label, l.weight from clean c left join lookup l on c.grp = l.grp";
            format!("sql: \"{}\"", dressed(sql, world.cosmetic))
        },
        settings: nothing,
    },
    Template {
        name: "matched",
        partitioned: true,
        reads: &[("clean", Some(&["id", "grp"])), ("lookup", Some(&["grp", "label"]))],
        text: |_| "sql: \"select c.id, l.label from clean c join lookup l on c.grp = l.grp\"".into(),
        settings: nothing,
    },
    Template {
        name: "scaled",
        partitioned: false,
        reads: &[("totals", None)],
        text: |_| "from: totals, normalize: [val_sum], standardize: [val_mean]".into(),
        settings: nothing,
    },
    Template {
        name: "counted",
        partitioned: false,
        reads: &[("events", Some(&[]))],
        text: |_| "sql: \"select count(*) as n from events\"".into(),
        settings: nothing,
    },
    Template {
        name: "everything",
        partitioned: false,
        reads: &[("events", None)],
        text: |_| "sql: \"select * from events\"".into(),
        settings: nothing,
    },
    Template {
        name: "ranked",
        partitioned: false,
        reads: &[("clean", Some(&["id", "grp"]))],
        text: |_| "sql: \"select id, grp, rank() over (partition by grp order by id) as place from clean\"".into(),
        settings: nothing,
    },
    Template {
        name: "united",
        partitioned: false,
        reads: &[("clean", Some(&["grp"])), ("lookup", Some(&["grp"]))],
        text: |_| "sql: \"select grp from clean union all select grp from lookup\"".into(),
        settings: nothing,
    },
    Template {
        name: "distinct_groups",
        partitioned: false,
        reads: &[("clean", Some(&["grp"]))],
        text: |_| "sql: \"select distinct grp from clean order by grp\"".into(),
        settings: nothing,
    },
    Template {
        name: "worth",
        partitioned: false,
        reads: &[("clean", Some(&["grp", "val"])), ("rates", None)],
        text: |_| {
            "sql: \"select c.grp, sum(c.val * r.rate) as worth from clean c join rates r on c.grp = r.grp group by c.grp\"".into()
        },
        settings: nothing,
    },
    Template {
        name: "tagged",
        partitioned: false,
        reads: &[("lookup", Some(&["grp"]))],
        text: |_| "sql: \"select grp, $tag as tag from lookup\"".into(),
        settings: |world| world.tag.clone(),
    },
    Template {
        name: "first_groups",
        partitioned: false,
        reads: &[("clean", Some(&["grp"]))],
        text: |_| "sql: \"select grp, count(*) as n from clean group by grp order by grp limit 2\"".into(),
        settings: nothing,
    },
];

/// The same query, written another way.
fn dressed(sql: &str, cosmetic: u64) -> String {
    match cosmetic % 4 {
        1 => sql.replace("select", "SELECT").replace(" from ", "  FROM  ").replace(" where ", " WHERE "),
        2 => format!("/* the same */ {sql}"),
        3 => sql.replace(", ", " ,  "),
        _ => sql.to_owned(),
    }
}

/// The steps of a world's pipeline.
pub fn steps(world: &World) -> impl Iterator<Item = &'static Template> {
    let chosen = world.steps;
    STEPS
        .iter()
        .enumerate()
        .filter(move |(index, _)| *index < 2 || chosen >> (index - 2) & 1 == 1)
        .map(|(_, step)| step)
}

/// The check kinds that the file uses, by the word that its checks' names begin with.
pub const CHECKS: [&str; 10] = [
    "not_null",
    "unique",
    "range",
    "row_count",
    "accepted_values",
    "regex",
    "relationships",
    "schema",
    "freshness",
    "sql",
];

/// The formats and modes of the file's sinks.
pub const SINKS: [&str; 8] = ["csv", "tsv", "json", "ndjson", "parquet", "arrow", "replace", "upsert"];

/// The sink of a step: the kind, and what the file says.
pub fn sink(step: &str, index: usize, out: &str) -> (&'static str, String) {
    if step == "tagged" {
        return ("upsert", format!("sqlite: {out}/upsert.db, table: tagged, mode: upsert, key: [grp]"));
    }
    match SINKS[index % 7] {
        "replace" => ("replace", format!("sqlite: {out}/{step}.db, table: {step}, mode: replace")),
        format => (format, format!("file: {out}/{step}.{format}")),
    }
}

/// The text of the pipeline file.
pub fn text(world: &World, out: &str, partitioned: bool, url: &str) -> String {
    let null = if world.na_is_null && world.reader.is_delimited() { ", null: [\"\", \"NA\"]" } else { "" };
    let per = |step: &Template| if partitioned && step.partitioned { ", per: partition" } else { "" };
    let mut text = format!(
        "name: generated\ncache: {{ version: {} }}\nparams: {{ min: {}, tag: \"${{TAG}}\" }}\nsources:\n",
        world.version, world.min
    );
    text += &format!("  events: {{ file: \"data/part-*.{}\"{null} }}\n", world.reader.extension());
    text += "  lookup: { sqlite: lookup.db, table: lookup }\n";
    text += &format!("  rates: {{ url: \"{url}\", ttl: 0s }}\nsteps:\n");
    for step in steps(world) {
        text += &format!("  {}: {{ {}{} }}\n", step.name, (step.text)(world), per(step));
    }
    text += "checks:\n  events:\n    - { schema: { id: bigint }, severity: warn }\n    - { freshness: { column: day, within: 1d }, severity: warn }\n";
    text += "  clean:\n    - { not_null: [grp], severity: warn }\n    - { unique: [id], severity: warn, max_bad: 1 }\n";
    text += "    - { range: { val: [10.5, 17.5] }, max_bad: 3 }\n    - { row_count: [1, 9] }\n";
    text += "    - { accepted_values: { grp: [a, b, c] }, severity: warn, max_bad: \"10%\" }\n    - { regex: { grp: \"^[a-d]$\" }, severity: warn }\n";
    text += "    - { relationships: { column: grp, to: lookup, key: grp }, severity: warn }\n";
    text += "  totals:\n    - { sql: \"select * from totals where val_sum > 60\", name: small }\nsinks:\n";
    for (index, step) in steps(world).enumerate() {
        text += &format!("  to_{}: {{ from: {}, {} }}\n", step.name, step.name, sink(step.name, index, out).1);
    }
    if steps(world).any(|step| step.name == "counted") {
        text += &format!("  appended: {{ from: counted, sqlite: {out}/append.db, table: counts, mode: append }}\n");
    }
    text
}

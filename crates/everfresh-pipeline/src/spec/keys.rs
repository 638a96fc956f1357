//! The keys of the pipeline file: which there are, what they hold, which exclude each other. The parser and the JSON
//! Schema both work from these tables, so that they cannot drift apart.

/// What a map may hold.
pub(super) struct Table {
    /// What it is, for people ("a source").
    pub about: &'static str,
    /// The keys that every kind of it takes.
    pub common: &'static [Key],
    /// Its kinds. Empty if there is just one, without a mark.
    pub kinds: &'static [Kind],
    /// Whether keys that start with `x-` are allowed, for anchors to stand at.
    pub extensions: bool,
}

/// One kind of a thing: a source that is a file, a step that is SQL.
pub(super) struct Kind {
    /// Its name, for people ("a SQL step").
    pub about: &'static str,
    /// The keys that tell it: at least one of them is there, and no mark of another kind.
    pub marks: &'static [&'static str],
    /// Groups of keys of which exactly one is there.
    pub one_of: &'static [&'static [&'static str]],
    /// The keys that it takes besides the common ones.
    pub keys: &'static [&'static [Key]],
}

/// One key.
pub(super) struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// What it means.
    pub about: &'static str,
    /// Whether it must be there.
    pub required: bool,
}

/// What a key holds.
pub(super) enum Shape {
    /// A text.
    Text,
    /// A text, or a number or boolean that is taken as it is written.
    Loose,
    /// `5m`, or a number of seconds.
    Duration,
    /// `5GB`, or a number of bytes.
    Size,
    /// `true` or `false`.
    Bool,
    /// A whole number, not negative.
    Whole,
    /// A count or a percentage.
    MaxBad,
    /// A boolean, number or text.
    Scalar,
    /// The number of rows: exact, or `[least, most]`.
    RowCount,
    /// `[least, most]`, either of them null.
    Bounds,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A name or a list of names.
    Names,
    /// A text or a list of texts; numbers and booleans are taken as they are written.
    LooseNames,
    /// One or several of these words.
    SomeOf(&'static [&'static str]),
    /// A list.
    ListOf(&'static Shape),
    /// A map from names that people choose.
    MapOf(&'static Shape),
    /// A map of known keys.
    Record(&'static Table),
    /// `true` or `false` for a record with just `enabled`.
    Switch(&'static Table),
    /// A record, or a map from names.
    RecordOrMapOf(&'static Table, &'static Shape),
}

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, about, required: false }
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, about, required: true }
}

const fn record(about: &'static str, common: &'static [Key]) -> Table {
    Table { about, common, kinds: &[], extensions: false }
}

impl Table {
    /// Every key of every kind, each name perhaps more than once.
    pub fn all(&self) -> impl Iterator<Item = &'static Key> {
        self.common.iter().chain(self.kinds.iter().flat_map(Kind::own))
    }

    /// The kind that has this key as a mark.
    pub fn marked(&self, name: &str) -> Option<&'static Kind> {
        self.kinds.iter().find(|kind| kind.marks.contains(&name))
    }
}

impl Kind {
    /// The keys that are not common.
    pub fn own(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().flat_map(|keys| keys.iter())
    }
}

/// The file.
pub(super) static ROOT: Table = Table {
    about: "a pipeline",
    common: &[
        key("name", Shape::Text, "The pipeline's name; its folder's name unless said otherwise."),
        key("cache", Shape::Switch(&CACHE), "Where and how results are kept; `false` keeps none."),
        key(
            "params",
            Shape::MapOf(&Shape::Scalar),
            "Parameters with their values, which `--param NAME=VALUE` replaces: `$name` in SQL, `{name}` in paths.",
        ),
        key(
            "python",
            Shape::Text,
            "The interpreter for `python:` steps, relative to this file; unless said otherwise that of the active virtual \
             environment, of `.venv` beside this file, or the first `python3`.",
        ),
        key("sources", Shape::MapOf(&Shape::Record(&SOURCE)), "Tables that come from outside, by name."),
        key("steps", Shape::MapOf(&Shape::Record(&STEP)), "Computed tables, by name."),
        key(
            "checks",
            Shape::MapOf(&Shape::ListOf(&Shape::Record(&CHECK))),
            "What must hold of a source or a step, by its name.",
        ),
        key("sinks", Shape::MapOf(&Shape::Record(&SINK)), "Where results go, by name."),
    ],
    kinds: &[],
    extensions: true,
};

/// `cache`.
pub(super) static CACHE: Table = record(
    "the cache",
    &[
        key("dir", Shape::Text, "The folder, relative to this file; `.everfresh` unless said otherwise."),
        key("max_size", Shape::Size, "The most bytes it may hold; `5GB` unless said otherwise."),
        key("enabled", Shape::Bool, "Whether results are kept at all; `true` unless said otherwise."),
        key("version", Shape::Whole, "A new version leaves every old entry alone; `0` unless said otherwise."),
    ],
);

const READING: &[Key] = &[
    key("format", Shape::OneOf(&FORMATS), "The format, where the file's name does not tell it."),
    key("columns", Shape::MapOf(&Shape::Text), "The types of columns, such as `{ zip: string }`."),
    key("delimiter", Shape::Text, "What separates the fields of CSV: one character, or `tab`."),
    key("header", Shape::Bool, "Whether the first line of CSV names the columns; `true` unless said otherwise."),
    key("null", Shape::LooseNames, "Texts of CSV that mean null; the empty text unless said otherwise."),
];

/// The formats of [`everfresh_sources::Format`], and of sinks.
pub(super) static FORMATS: [&str; 6] = everfresh_sources::Format::NAMES;

/// A source.
pub(super) static SOURCE: Table = Table {
    about: "a source",
    common: &[],
    kinds: &[
        Kind {
            about: "a file source",
            marks: &["file"],
            one_of: &[],
            keys: &[
                &[
                    key(
                        "file",
                        Shape::Text,
                        "A path or a glob, relative to this file: csv, tsv, json, ndjson, parquet or arrow, also .gz and \
                         .zst. The files of a glob are partitions.",
                    ),
                    key(
                        "check",
                        Shape::OneOf(&["stat", "content"]),
                        "`content` hashes the files on every run instead of trusting their size and times.",
                    ),
                ],
                READING,
            ],
        },
        Kind {
            about: "a SQLite source",
            marks: &["sqlite"],
            one_of: &[&["table", "query"]],
            keys: &[&[
                key("sqlite", Shape::Text, "A SQLite database, relative to this file."),
                key("table", Shape::Text, "The table to read."),
                key("query", Shape::Text, "The query to run on the database."),
                key(
                    "bind",
                    Shape::ListOf(&Shape::Scalar),
                    "Values for the query's `?`; `{name}` is a parameter's value.",
                ),
                key(
                    "ttl",
                    Shape::Duration,
                    "How long what was read is used though the database is unchanged: for queries that hang on the clock \
                     or on chance, which are refused without it.",
                ),
            ]],
        },
        Kind {
            about: "a URL source",
            marks: &["url"],
            one_of: &[],
            keys: &[
                &[
                    key("url", Shape::Text, "An http or https URL to GET; `{name}` is a parameter, percent-encoded."),
                    key("headers", Shape::MapOf(&Shape::Loose), "Headers to send."),
                    key(
                        "ttl",
                        Shape::Duration,
                        "How long an answer is used without asking again; every run asks unless said otherwise.",
                    ),
                    key(
                        "stale_if_error",
                        Shape::Duration,
                        "For how long after its ttl the last good answer stands in when the server cannot be reached or answers with \
                         an error of its own. Unless said otherwise it stands in for a server that cannot be reached, however \
                         old it is, and for no other; `0s`: never.",
                    ),
                    key(
                        "timeout",
                        Shape::Duration,
                        "The longest that one request may take; `30s` unless said otherwise.",
                    ),
                ],
                READING,
            ],
        },
    ],
    extensions: false,
};

/// A step.
pub(super) static STEP: Table = Table {
    about: "a step",
    common: &[
        key("timeout", Shape::Duration, "The longest that one attempt may take."),
        key("retries", Shape::Whole, "How many more attempts follow a failed one; `0` unless said otherwise."),
        key("cache", Shape::Switch(&STEP_CACHE), "How the result is kept; `false` computes it on every run."),
    ],
    kinds: &[
        Kind {
            about: "a SQL step",
            marks: &["sql", "sql_file"],
            one_of: &[&["sql", "sql_file"]],
            keys: &[&[
                key("sql", Shape::Text, "A query. Its inputs are the tables that it reads; `$name` is a parameter."),
                key("sql_file", Shape::Text, "A file with the query, relative to this file."),
                key(
                    "per",
                    Shape::OneOf(&["partition"]),
                    "`partition` runs the query on each file of its input, and again only on those that changed. It \
                     must work row by row.",
                ),
            ]],
        },
        Kind {
            about: "a scaling step",
            marks: &["normalize", "standardize"],
            one_of: &[],
            keys: &[&[
                required("from", Shape::Text, "The table to work on."),
                key("normalize", Shape::Names, "Columns to scale to [0, 1] by their least and greatest value."),
                key("standardize", Shape::Names, "Columns to turn into z-scores: mean 0, standard deviation 1."),
            ]],
        },
        Kind {
            about: "an aggregating step",
            marks: &["aggregate"],
            one_of: &[],
            keys: &[&[
                required("from", Shape::Text, "The table to work on."),
                key("aggregate", Shape::Record(&AGGREGATE), "What to sum up, and by what."),
            ]],
        },
        Kind {
            about: "a Python step",
            marks: &["python"],
            one_of: &[],
            keys: &[&[
                key(
                    "python",
                    Shape::Text,
                    "`FILE.py:FUNCTION`, the file relative to this one. The function gets the tables of `from`, as pandas, \
                     polars or pyarrow as its annotations say, and parameters by name; it returns a table.",
                ),
                key("from", Shape::LooseNames, "The tables that the function gets, by name or in this order; none if absent."),
            ]],
        },
    ],
    extensions: false,
};

/// `cache` of a step.
pub(super) static STEP_CACHE: Table = record(
    "the cache of a step",
    &[
        key("enabled", Shape::Bool, "`false` computes it on every run."),
        key("ttl", Shape::Duration, "How long a result is used; for ever unless said otherwise."),
        key("tags", Shape::LooseNames, "Names for `everfresh clear --tag`."),
    ],
);

/// The functions of `aggregate`.
pub(super) static FUNCTIONS: [&str; 8] = ["mean", "sum", "min", "max", "count", "count_distinct", "median", "std"];

/// `aggregate`.
pub(super) static AGGREGATE: Table = record(
    "an aggregate",
    &[
        key("by", Shape::Names, "The columns to group by; without, the result has one row."),
        required(
            "columns",
            Shape::MapOf(&Shape::SomeOf(&FUNCTIONS)),
            "What to compute of each column; the results are called COLUMN_FUNCTION.",
        ),
    ],
);

const MAX_BAD: Key =
    key("max_bad", Shape::MaxBad, "How many bad rows are still fine: a count, or a share such as `1%`.");

/// A check.
pub(super) static CHECK: Table = Table {
    about: "a check",
    common: &[
        key("name", Shape::Text, "What to call it; else it is called by what it asks, such as `not_null(carrier)`."),
        key(
            "severity",
            Shape::OneOf(&["error", "warn"]),
            "`error` (unless said otherwise) stops what depends on the table; `warn` just tells.",
        ),
    ],
    kinds: &[
        Kind {
            about: "a `not_null` check",
            marks: &["not_null"],
            one_of: &[],
            keys: &[&[key("not_null", Shape::Names, "Columns that have no null."), MAX_BAD]],
        },
        Kind {
            about: "a `unique` check",
            marks: &["unique"],
            one_of: &[],
            keys: &[&[key("unique", Shape::Names, "Columns that no two rows agree in."), MAX_BAD]],
        },
        Kind {
            about: "a `range` check",
            marks: &["range"],
            one_of: &[],
            keys: &[&[
                key("range", Shape::MapOf(&Shape::Bounds), "The least and greatest value of columns; null is open."),
                MAX_BAD,
            ]],
        },
        Kind {
            about: "a `row_count` check",
            marks: &["row_count"],
            one_of: &[],
            keys: &[&[key(
                "row_count",
                Shape::RowCount,
                "The number of rows, or the least and the most; null is open.",
            )]],
        },
        Kind {
            about: "an `accepted_values` check",
            marks: &["accepted_values"],
            one_of: &[],
            keys: &[&[
                key(
                    "accepted_values",
                    Shape::MapOf(&Shape::ListOf(&Shape::Scalar)),
                    "The values that columns may have.",
                ),
                MAX_BAD,
            ]],
        },
        Kind {
            about: "a `regex` check",
            marks: &["regex"],
            one_of: &[],
            keys: &[&[key("regex", Shape::MapOf(&Shape::Text), "Patterns that the texts of columns match."), MAX_BAD]],
        },
        Kind {
            about: "a `relationships` check",
            marks: &["relationships"],
            one_of: &[],
            keys: &[&[
                key(
                    "relationships",
                    Shape::RecordOrMapOf(&RELATIONSHIP, &Shape::Text),
                    "Values that exist in another table: `{ column: tailnum, to: planes, key: tailnum }`, or short \
                     `{ tailnum: planes.tailnum }`.",
                ),
                MAX_BAD,
            ]],
        },
        Kind {
            about: "a `schema` check",
            marks: &["schema"],
            one_of: &[],
            keys: &[&[
                key("schema", Shape::MapOf(&Shape::Text), "Columns and their types."),
                key("exact", Shape::Bool, "Whether other columns are a failure; `false` unless said otherwise."),
            ]],
        },
        Kind {
            about: "a `freshness` check",
            marks: &["freshness"],
            one_of: &[],
            keys: &[&[key("freshness", Shape::Record(&FRESHNESS), "How old the newest timestamp may be.")]],
        },
        Kind {
            about: "a SQL check",
            marks: &["sql", "sql_file"],
            one_of: &[&["sql", "sql_file"]],
            keys: &[&[
                key("sql", Shape::Text, "A query whose rows are failures."),
                key("sql_file", Shape::Text, "A file with the query, relative to this file."),
                MAX_BAD,
            ]],
        },
    ],
    extensions: false,
};

/// `relationships`.
pub(super) static RELATIONSHIP: Table = record(
    "a relationship",
    &[
        required("column", Shape::Text, "The column of the checked table."),
        required("to", Shape::Text, "The other table."),
        required("key", Shape::Text, "The other table's column."),
    ],
);

/// `freshness`.
pub(super) static FRESHNESS: Table = record(
    "a freshness",
    &[
        required("column", Shape::Text, "The column with the timestamps."),
        required("within", Shape::Duration, "The greatest age of the newest of them."),
    ],
);

/// A sink.
pub(super) static SINK: Table = Table {
    about: "a sink",
    common: &[required("from", Shape::Text, "The table to write.")],
    kinds: &[
        Kind {
            about: "a file sink",
            marks: &["file"],
            one_of: &[],
            keys: &[&[
                key("file", Shape::Text, "A path, relative to this file."),
                key("format", Shape::OneOf(&FORMATS), "The format, where the file's name does not tell it."),
            ]],
        },
        Kind {
            about: "a SQLite sink",
            marks: &["sqlite"],
            one_of: &[],
            keys: &[&[
                key("sqlite", Shape::Text, "A SQLite database, relative to this file."),
                required("table", Shape::Text, "The table to write to."),
                key(
                    "mode",
                    Shape::OneOf(&["replace", "append", "upsert"]),
                    "What happens to the rows that are there: `replace` (unless said otherwise) removes them, `append` \
                     adds every version of the input exactly once, `upsert` replaces those with the same key.",
                ),
                key("key", Shape::Names, "The columns that tell rows apart, for `upsert`."),
            ]],
        },
    ],
    extensions: false,
};

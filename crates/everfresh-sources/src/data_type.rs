//! Column types by name: SQL's names, Arrow's names, and the common ones.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use std::sync::Arc;

/// The names to offer where a type's name is not understood.
pub fn type_names() -> &'static [&'static str] {
    &[
        "string",
        "boolean",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "float",
        "double",
        "decimal(10,2)",
        "date",
        "timestamp",
        "timestamp[ns]",
        "timestamptz",
        "time",
        "binary",
    ]
}

/// The type of this name; upper and lower case and spaces are the same. Nested types have no readable name.
///
/// `int` has 32 bits and `bigint` 64, `float` 32 and `double` 64, as in the SQL of the steps. A `timestamp` counts
/// microseconds unless it says otherwise, and has no zone; a `timestamptz` is in UTC.
pub fn parse_type(name: &str) -> Option<DataType> {
    let lower: String = name.trim().to_ascii_lowercase();
    let words = lower.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(data_type) = plain(&words) {
        return Some(data_type);
    }
    let (base, rest) = words.split_at(words.find(['(', '['])?);
    let inner = rest
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .or_else(|| rest.strip_prefix('[')?.strip_suffix(']'))?;
    let round = rest.starts_with('(');
    let arguments: Vec<&str> = inner.split(',').map(str::trim).collect();
    match (base.trim(), round, arguments.as_slice()) {
        ("decimal" | "numeric", true, [precision]) => decimal(precision, "0"),
        ("decimal" | "numeric", true, [precision, scale]) => decimal(precision, scale),
        ("decimal128", true, [precision, scale]) => {
            let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
            fits(precision, scale, 38).then_some(DataType::Decimal128(precision, scale))
        }
        ("decimal256", true, [precision, scale]) => {
            let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
            fits(precision, scale, 76).then_some(DataType::Decimal256(precision, scale))
        }
        ("varchar" | "char" | "character varying", true, [length]) => {
            length.parse::<u32>().ok().map(|_| DataType::Utf8)
        }
        ("binary" | "fixed_size_binary", true, [length]) => {
            length.parse().ok().filter(|length| *length >= 0).map(DataType::FixedSizeBinary)
        }
        ("timestamp" | "datetime", false, [time_unit]) => Some(DataType::Timestamp(unit(time_unit)?, None)),
        ("timestamptz", false, [time_unit]) => Some(DataType::Timestamp(unit(time_unit)?, Some("UTC".into()))),
        ("timestamp" | "datetime", false, [time_unit, _]) => {
            // The zone's name keeps its case: `Europe/Vienna`.
            let zone = name.rsplit_once(',')?.1.trim().trim_end_matches(']').trim_end();
            (!zone.is_empty()).then_some(DataType::Timestamp(unit(time_unit)?, Some(zone.into())))
        }
        ("time", false, [time_unit]) => Some(match unit(time_unit)? {
            time_unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(time_unit),
            time_unit => DataType::Time64(time_unit),
        }),
        ("duration", false, [time_unit]) => Some(DataType::Duration(unit(time_unit)?)),
        _ => None,
    }
}

fn plain(name: &str) -> Option<DataType> {
    Some(match name {
        "string" | "text" | "str" | "utf8" | "varchar" | "char" | "character varying" => DataType::Utf8,
        "large_string" | "large_utf8" | "largeutf8" => DataType::LargeUtf8,
        "boolean" | "bool" => DataType::Boolean,
        "tinyint" | "int8" => DataType::Int8,
        "smallint" | "int16" => DataType::Int16,
        "int" | "integer" | "int32" => DataType::Int32,
        "bigint" | "long" | "int64" => DataType::Int64,
        "uint8" | "tinyint unsigned" => DataType::UInt8,
        "uint16" | "smallint unsigned" => DataType::UInt16,
        "uint32" | "int unsigned" => DataType::UInt32,
        "uint64" | "bigint unsigned" => DataType::UInt64,
        "float16" | "half" => DataType::Float16,
        "float" | "real" | "float32" => DataType::Float32,
        "double" | "double precision" | "float64" => DataType::Float64,
        "decimal" | "numeric" => DataType::Decimal128(38, 10),
        "date" | "date32" => DataType::Date32,
        "date64" => DataType::Date64,
        "timestamp" | "datetime" | "timestamp without time zone" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamptz" | "timestamp with time zone" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "time" => DataType::Time64(TimeUnit::Microsecond),
        "binary" | "bytes" | "blob" | "bytea" => DataType::Binary,
        "large_binary" => DataType::LargeBinary,
        "null" => DataType::Null,
        _ => return None,
    })
}

fn decimal(precision: &str, scale: &str) -> Option<DataType> {
    let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
    if fits(precision, scale, 38) {
        Some(DataType::Decimal128(precision, scale))
    } else {
        fits(precision, scale, 76).then_some(DataType::Decimal256(precision, scale))
    }
}

fn fits(precision: u8, scale: i8, most: u8) -> bool {
    (1..=most).contains(&precision) && (0..=precision.cast_signed()).contains(&scale)
}

fn unit(name: &str) -> Option<TimeUnit> {
    Some(match name {
        "s" => TimeUnit::Second,
        "ms" => TimeUnit::Millisecond,
        "us" | "µs" => TimeUnit::Microsecond,
        "ns" => TimeUnit::Nanosecond,
        _ => return None,
    })
}

/// The name of a type: what schemas show and, but for nested and rare types, what [`parse_type`] reads back.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "null".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "int".into(),
        DataType::Int64 => "bigint".into(),
        DataType::UInt8 => "uint8".into(),
        DataType::UInt16 => "uint16".into(),
        DataType::UInt32 => "uint32".into(),
        DataType::UInt64 => "uint64".into(),
        DataType::Float16 => "float16".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Utf8 => "string".into(),
        DataType::LargeUtf8 => "large_string".into(),
        DataType::Utf8View => "string_view".into(),
        DataType::Binary => "binary".into(),
        DataType::LargeBinary => "large_binary".into(),
        DataType::BinaryView => "binary_view".into(),
        DataType::FixedSizeBinary(length) => format!("binary({length})"),
        DataType::Date32 => "date".into(),
        DataType::Date64 => "date64".into(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp".into(),
        DataType::Timestamp(unit, None) => format!("timestamp[{}]", unit_name(unit)),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => "timestamptz".into(),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp[{}, {zone}]", unit_name(unit)),
        DataType::Time64(TimeUnit::Microsecond) => "time".into(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("time[{}]", unit_name(unit)),
        DataType::Duration(unit) => format!("duration[{}]", unit_name(unit)),
        DataType::Interval(IntervalUnit::YearMonth) => "interval[months]".into(),
        DataType::Interval(IntervalUnit::DayTime) => "interval[days, ms]".into(),
        DataType::Interval(IntervalUnit::MonthDayNano) => "interval".into(),
        DataType::Decimal32(precision, scale) => format!("decimal32({precision},{scale})"),
        DataType::Decimal64(precision, scale) => format!("decimal64({precision},{scale})"),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Decimal256(precision, scale) if *precision <= 38 => format!("decimal256({precision},{scale})"),
        DataType::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::List(item) | DataType::LargeList(item) => format!("list<{}>", type_name(item.data_type())),
        DataType::ListView(item) | DataType::LargeListView(item) => format!("list<{}>", type_name(item.data_type())),
        DataType::FixedSizeList(item, length) => format!("list<{}, {length}>", type_name(item.data_type())),
        DataType::Struct(fields) => format!("struct<{}>", fields.iter().map(named).collect::<Vec<_>>().join(", ")),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let types: Vec<_> = fields.iter().map(|field| type_name(field.data_type())).collect();
                format!("map<{}>", types.join(", "))
            }
            other => format!("map<{}>", type_name(other)),
        },
        DataType::Dictionary(_, value) => format!("dictionary<{}>", type_name(value)),
        DataType::RunEndEncoded(_, value) => format!("runs<{}>", type_name(value.data_type())),
        other => other.to_string().to_lowercase(),
    }
}

fn named(field: &Arc<Field>) -> String {
    format!("{}: {}", field.name(), type_name(field.data_type()))
}

fn unit_name(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_with_any_space() {
        for (name, data_type) in [
            ("STRING", DataType::Utf8),
            ("varchar(20)", DataType::Utf8),
            ("int", DataType::Int32),
            ("BigInt", DataType::Int64),
            ("double  precision", DataType::Float64),
            ("Decimal( 10, 2 )", DataType::Decimal128(10, 2)),
            ("decimal(5)", DataType::Decimal128(5, 0)),
            ("numeric(50,3)", DataType::Decimal256(50, 3)),
            ("timestamp", DataType::Timestamp(TimeUnit::Microsecond, None)),
            ("timestamp[ns]", DataType::Timestamp(TimeUnit::Nanosecond, None)),
            ("Timestamp[ms, Europe/Vienna]", DataType::Timestamp(TimeUnit::Millisecond, Some("Europe/Vienna".into()))),
            ("timestamp with time zone", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            ("time[s]", DataType::Time32(TimeUnit::Second)),
            ("bytea", DataType::Binary),
        ] {
            assert_eq!(parse_type(name), Some(data_type), "{name}");
        }
        for name in
            ["", "strnig", "decimal(0,0)", "decimal(3,4)", "decimal(80,1)", "decimal(1", "timestamp[d]", "int[]"]
        {
            assert_eq!(parse_type(name), None, "{name}");
        }
    }

    #[test]
    fn every_offered_name_is_read_and_shown_names_are_read_back() {
        for name in type_names() {
            let data_type = parse_type(name).unwrap();
            assert_eq!(&type_name(&data_type), name);
        }
        for data_type in [
            DataType::Null,
            DataType::UInt64,
            DataType::Float16,
            DataType::LargeUtf8,
            DataType::LargeBinary,
            DataType::FixedSizeBinary(16),
            DataType::Date64,
            DataType::Time32(TimeUnit::Millisecond),
            DataType::Duration(TimeUnit::Nanosecond),
            DataType::Decimal256(20, 3),
            DataType::Decimal256(76, 0),
            DataType::Timestamp(TimeUnit::Second, Some("+01:00".into())),
            DataType::Timestamp(TimeUnit::Second, Some("UTC".into())),
        ] {
            assert_eq!(parse_type(&type_name(&data_type)), Some(data_type));
        }
    }

    #[test]
    fn nested_types_are_shown() {
        let item = Arc::new(Field::new("item", DataType::Int64, true));
        let fields = vec![Field::new("a", DataType::Utf8, true), Field::new("b", DataType::List(item), true)];
        assert_eq!(type_name(&DataType::Struct(fields.into())), "struct<a: string, b: list<bigint>>");
    }
}

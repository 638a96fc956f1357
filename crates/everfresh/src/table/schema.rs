//! Fingerprints of schemas and types.
//!
//! Types are written by names of our own and not by Arrow's, which may change between its versions. Metadata does not
//! count: two schemas that differ in nothing else hold the same tables.

use crate::{Fingerprint, FingerprintBuilder};
use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, TimeUnit, UnionMode};

/// The fingerprint of column names, types and nullability, in order. Metadata does not count; a dictionary type is a
/// type of its own, other than that of its values.
///
/// ```
/// use arrow::datatypes::{DataType, Field, Schema};
/// use everfresh::table::schema_fingerprint;
///
/// let schema = |name: &str, nullable| Schema::new(vec![Field::new(name, DataType::Int32, nullable)]);
/// let of = |schema: Schema| schema_fingerprint(&schema);
/// assert_eq!(of(schema("id", true)), of(schema("id", true).with_metadata([("by".into(), "me".into())].into())));
/// assert_ne!(of(schema("id", true)), of(schema("key", true)));
/// assert_ne!(of(schema("id", true)), of(schema("id", false)));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn schema_fingerprint(schema: &Schema) -> Fingerprint {
    FingerprintBuilder::new("everfresh.schema.1")
        .list(schema.fields(), |builder, field| add_field(builder, field))
        .finish()
}

fn add_field(builder: FingerprintBuilder, field: &Field) -> FingerprintBuilder {
    add_type(builder.str(field.name()).bool(field.is_nullable()), field.data_type())
}

/// Adds a type, with the names and nullability of the fields inside.
pub(super) fn add_type(builder: FingerprintBuilder, data_type: &DataType) -> FingerprintBuilder {
    let builder = builder.str(type_name(data_type));
    match data_type {
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Date64
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View => builder,
        DataType::Timestamp(unit, zone) => {
            builder.str(unit_name(*unit)).option(zone.as_deref(), FingerprintBuilder::str)
        }
        DataType::Time32(unit) | DataType::Time64(unit) | DataType::Duration(unit) => builder.str(unit_name(*unit)),
        DataType::Interval(unit) => builder.str(match unit {
            IntervalUnit::YearMonth => "year_month",
            IntervalUnit::DayTime => "day_time",
            IntervalUnit::MonthDayNano => "month_day_nano",
        }),
        DataType::FixedSizeBinary(size) => builder.i64(i64::from(*size)),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => builder.u64(u64::from(*precision)).i64(i64::from(*scale)),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            add_field(builder, item)
        }
        DataType::FixedSizeList(item, size) => add_field(builder.i64(i64::from(*size)), item),
        DataType::Struct(fields) => builder.list(fields, |builder, field| add_field(builder, field)),
        DataType::Map(entries, sorted) => add_field(builder.bool(*sorted), entries),
        DataType::Dictionary(keys, values) => add_type(add_type(builder, keys), values),
        DataType::RunEndEncoded(ends, values) => add_field(add_field(builder, ends), values),
        DataType::Union(fields, mode) => {
            let fields: Vec<_> = fields.iter().collect();
            builder
                .bool(matches!(mode, UnionMode::Dense))
                .list(fields, |builder, (id, field)| add_field(builder.i64(i64::from(id)), field))
        }
    }
}

fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Null => "null",
        DataType::Boolean => "bool",
        DataType::Int8 => "int8",
        DataType::Int16 => "int16",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::UInt8 => "uint8",
        DataType::UInt16 => "uint16",
        DataType::UInt32 => "uint32",
        DataType::UInt64 => "uint64",
        DataType::Float16 => "float16",
        DataType::Float32 => "float32",
        DataType::Float64 => "float64",
        DataType::Timestamp(..) => "timestamp",
        DataType::Date32 => "date32",
        DataType::Date64 => "date64",
        DataType::Time32(_) => "time32",
        DataType::Time64(_) => "time64",
        DataType::Duration(_) => "duration",
        DataType::Interval(_) => "interval",
        DataType::Binary => "binary",
        DataType::FixedSizeBinary(_) => "fixed_size_binary",
        DataType::LargeBinary => "large_binary",
        DataType::BinaryView => "binary_view",
        DataType::Utf8 => "utf8",
        DataType::LargeUtf8 => "large_utf8",
        DataType::Utf8View => "utf8_view",
        DataType::List(_) => "list",
        DataType::ListView(_) => "list_view",
        DataType::FixedSizeList(..) => "fixed_size_list",
        DataType::LargeList(_) => "large_list",
        DataType::LargeListView(_) => "large_list_view",
        DataType::Struct(_) => "struct",
        DataType::Union(..) => "union",
        DataType::Dictionary(..) => "dictionary",
        DataType::Decimal32(..) => "decimal32",
        DataType::Decimal64(..) => "decimal64",
        DataType::Decimal128(..) => "decimal128",
        DataType::Decimal256(..) => "decimal256",
        DataType::Map(..) => "map",
        DataType::RunEndEncoded(..) => "run_end_encoded",
    }
}

fn unit_name(unit: TimeUnit) -> &'static str {
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
    use std::{collections::BTreeSet, sync::Arc};

    fn one(name: &str, data_type: DataType, nullable: bool) -> Fingerprint {
        schema_fingerprint(&Schema::new(vec![Field::new(name, data_type, nullable)]))
    }

    #[test]
    fn names_types_nullability_and_order_count() {
        let item = |data_type, nullable| Arc::new(Field::new("item", data_type, nullable));
        let (a, b) = (Field::new("a", DataType::Int32, true), Field::new("b", DataType::Int32, true));
        let all = [
            one("a", DataType::Int32, true),
            one("b", DataType::Int32, true),
            one("a", DataType::Int32, false),
            one("a", DataType::Int64, true),
            one("a", DataType::Utf8, true),
            one("a", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), true),
            one("a", DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)), true),
            one("a", DataType::Timestamp(TimeUnit::Second, None), true),
            one("a", DataType::Timestamp(TimeUnit::Second, Some("".into())), true),
            one("a", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
            one("a", DataType::Decimal128(10, 2), true),
            one("a", DataType::Decimal128(10, 3), true),
            one("a", DataType::List(item(DataType::Int32, true)), true),
            one("a", DataType::List(item(DataType::Int32, false)), true),
            one("a", DataType::FixedSizeList(item(DataType::Int32, true), 2), true),
            one("a", DataType::FixedSizeList(item(DataType::Int32, true), 3), true),
            schema_fingerprint(&Schema::new(vec![a.clone(), b.clone()])),
            schema_fingerprint(&Schema::new(vec![b.clone(), a.clone()])),
            one("a", DataType::Struct(vec![a, b].into()), true),
            schema_fingerprint(&Schema::empty()),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn metadata_does_not_count() {
        let metadata = || [("k".to_string(), "v".to_string())].into();
        let plain = Schema::new(vec![Field::new("a", DataType::Int32, true)]);
        let described = Schema::new(vec![Field::new("a", DataType::Int32, true).with_metadata(metadata())])
            .with_metadata(metadata());
        assert_eq!(schema_fingerprint(&plain), schema_fingerprint(&described));
    }

    #[test]
    fn schema_fingerprints_are_pinned() {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("tags", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), true),
        ]);
        assert_eq!(schema_fingerprint(&schema).short(), "001d7d0c71e4");
    }
}

//! The same rows in another layout have the same fingerprint; any change to a row gives another.

use super::{CHUNK_ROWS, TableHasher, merkle, schema_fingerprint};
use crate::Fingerprint;
use arrow::{
    array::*,
    buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::{cast, concat, interleave},
    datatypes::*,
};
use proptest::prelude::*;
use std::sync::Arc;

/// Small, so that a few rows make many runs.
const RUN: usize = 5;

fn schema_of(column: &ArrayRef) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("c", column.data_type().clone(), true)]))
}

fn hash_pieces(pieces: &[ArrayRef], chunk_rows: usize) -> Fingerprint {
    let schema = schema_of(&pieces[0]);
    let mut hasher = TableHasher::with_chunk_rows(&schema, &[0], chunk_rows).unwrap();
    for piece in pieces {
        hasher.update(&RecordBatch::try_new(schema_of(piece), vec![piece.clone()]).unwrap()).unwrap();
        // Every piece goes through the state that is kept between two rounds of hashing.
        hasher.hash_queued();
    }
    hasher.finish().columns[0]
}

fn hash(column: &ArrayRef) -> Fingerprint {
    hash_pieces(std::slice::from_ref(column), RUN)
}

/// The column inside a larger one, so that it starts at an odd offset.
fn sliced(column: &ArrayRef) -> ArrayRef {
    let around = concat(&[column, column, column]).unwrap();
    around.slice(column.len(), column.len())
}

fn cut(column: &ArrayRef, lengths: &[usize]) -> Vec<ArrayRef> {
    let mut pieces = vec![column.slice(0, 0)];
    let mut at = 0;
    for length in lengths {
        let length = (*length).min(column.len() - at);
        pieces.push(column.slice(at, length));
        at += length;
    }
    pieces.push(column.slice(at, column.len() - at));
    pieces
}

type Row = (Option<i64>, Option<String>, Option<bool>, Option<Vec<Option<i32>>>, Option<(Option<f64>, Option<String>)>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = || proptest::option::of(prop_oneof!["[a-c]{0,3}", "[a-z]{11,15}"]);
    let row = (
        proptest::option::of(any::<i64>()),
        text(),
        any::<Option<bool>>(),
        proptest::option::of(proptest::collection::vec(any::<Option<i32>>(), 0..4)),
        proptest::option::of((any::<Option<f64>>(), text())),
    );
    proptest::collection::vec(row, 0..40)
}

/// One column of every shape that there is, all made from the same rows.
fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    let ints: Int64Array = rows.iter().map(|row| row.0).collect();
    let texts: StringArray = rows.iter().map(|row| row.1.as_deref()).collect();
    let bools: BooleanArray = rows.iter().map(|row| row.2).collect();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(rows.iter().map(|row| row.3.clone()));
    let floats: Float64Array = rows.iter().map(|row| row.4.as_ref().and_then(|inner| inner.0)).collect();
    let inner: StringArray = rows.iter().map(|row| row.4.as_ref().and_then(|inner| inner.1.as_deref())).collect();
    let structs = StructArray::new(
        vec![Field::new("f", DataType::Float64, true), Field::new("s", DataType::Utf8, true)].into(),
        vec![Arc::new(floats), Arc::new(inner)],
        Some(rows.iter().map(|row| row.4.is_some()).collect()),
    );
    let pairs = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        rows.iter().map(|row| row.3.as_ref().map(|list| [list.first().copied().flatten(), Some(1)])),
        2,
    );
    let decimals = cast(&cast(&ints, &DataType::Int8).unwrap(), &DataType::Decimal256(10, 2)).unwrap();
    let texts: ArrayRef = Arc::new(texts);
    let mut all: Vec<ArrayRef> = vec![
        Arc::new(NullArray::new(rows.len())),
        Arc::new(bools),
        Arc::new(lists.clone()),
        Arc::new(pairs),
        Arc::new(structs),
        decimals,
    ];
    for data_type in [
        DataType::Int8,
        DataType::UInt16,
        DataType::Float16,
        DataType::Float32,
        DataType::Timestamp(TimeUnit::Second, Some("UTC".into())),
        DataType::Duration(TimeUnit::Nanosecond),
        DataType::Decimal128(38, 0),
    ] {
        all.push(cast(&ints, &data_type).unwrap());
    }
    let interval = ints.iter().map(|v| v.map(|v| IntervalMonthDayNano::new(v as i32, (v >> 32) as i32, v)));
    all.push(Arc::new(interval.collect::<IntervalMonthDayNanoArray>()));
    for data_type in [
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8View)),
    ] {
        all.push(cast(&texts, &data_type).unwrap());
    }
    let item = || Arc::new(Field::new("item", DataType::Int32, true));
    for data_type in [DataType::LargeList(item()), DataType::ListView(item()), DataType::LargeListView(item())] {
        all.push(cast(&lists, &data_type).unwrap());
    }
    let codes = cast(&texts, &DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8))).unwrap();
    let item = Arc::new(Field::new("item", codes.data_type().clone(), true));
    let one_each = OffsetBuffer::from_lengths(std::iter::repeat_n(1, rows.len()));
    all.push(Arc::new(ListArray::new(item, one_each, codes, None)));
    all.push(run_ends(&texts));
    all.push(map(&texts, &ints));
    let three = texts.as_string::<i32>().iter().map(|text| text.map(|text| [text.len() as u8; 3]));
    all.push(Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(three, 3).unwrap()));
    all.push(texts);
    all.push(Arc::new(ints));
    all
}

fn run_ends(texts: &ArrayRef) -> ArrayRef {
    let mut builder = StringRunBuilder::<Int32Type>::new();
    texts.as_string::<i32>().iter().for_each(|text| builder.append_option(text));
    Arc::new(builder.finish())
}

/// A map of one entry a row, from the text to the integer; null where the text is.
fn map(texts: &ArrayRef, ints: &Int64Array) -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for (text, int) in texts.as_string::<i32>().iter().zip(ints) {
        if let Some(text) = text {
            builder.keys().append_value(text);
            builder.values().append_option(int);
        }
        builder.append(text.is_some()).unwrap();
    }
    Arc::new(builder.finish())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn slices_and_chunks_do_not_count(rows in rows(), lengths in proptest::collection::vec(0usize..9, 0..12)) {
        for column in columns(&rows) {
            let expected = hash(&column);
            if !rows.is_empty() {
                prop_assert_eq!(hash(&sliced(&column)), expected, "slice of {}", column.data_type());
            }
            let pieces = cut(&column, &lengths);
            prop_assert_eq!(hash_pieces(&pieces, RUN), expected, "chunks of {}", column.data_type());
        }
    }

    #[test]
    fn every_change_of_a_row_counts(rows in rows(), at in any::<prop::sample::Index>(), new in rows()) {
        prop_assume!(!rows.is_empty() && !new.is_empty());
        let at = at.index(rows.len());
        let mut changed = rows.clone();
        changed[at] = new[0].clone();
        for (before, after) in columns(&rows).iter().zip(columns(&changed)) {
            let same = same_bits(before, &after);
            prop_assert_eq!(hash(before) == hash(&after), same, "{}", before.data_type());
        }
    }

    #[test]
    fn the_order_and_the_number_of_rows_count(rows in rows()) {
        let mut reversed = rows.clone();
        reversed.reverse();
        for (before, after) in columns(&rows).iter().zip(columns(&reversed)) {
            prop_assert_eq!(hash(before) == hash(&after), same_bits(before, &after), "{}", before.data_type());
        }
        let fewer = rows.get(1..).unwrap_or_default();
        for (before, after) in columns(&rows).iter().zip(columns(fewer)) {
            prop_assert_eq!(hash(before) == hash(&after), rows.is_empty(), "{}", before.data_type());
        }
    }
}

/// Whether two columns look the same to a program: Arrow's printed form, floats by their bits.
fn same_bits(a: &ArrayRef, b: &ArrayRef) -> bool {
    let print = |array: &ArrayRef| -> Vec<String> {
        let plain = match array.data_type() {
            DataType::Struct(_) => return print_struct(array),
            DataType::Float16 => {
                let bits: UInt16Array = array.as_primitive::<Float16Type>().unary(|value| value.to_bits());
                Arc::new(bits) as ArrayRef
            }
            DataType::Float32 => Arc::new(array.as_primitive::<Float32Type>().unary::<_, UInt32Type>(f32::to_bits)),
            DataType::Dictionary(_, values) => cast(array, values).unwrap(),
            DataType::RunEndEncoded(_, values) => cast(array, values.data_type()).unwrap(),
            _ => array.clone(),
        };
        let options = arrow::util::display::FormatOptions::new().with_null("NULL");
        let formatter = arrow::util::display::ArrayFormatter::try_new(&plain, &options).unwrap();
        (0..plain.len()).map(|row| formatter.value(row).to_string()).collect()
    };
    print(a) == print(b)
}

fn print_struct(array: &ArrayRef) -> Vec<String> {
    let array = array.as_struct();
    let (floats, texts) = (array.column(0).as_primitive::<Float64Type>(), array.column(1).as_string::<i32>());
    let row = |row: usize| {
        array.is_valid(row).then(|| {
            let float = floats.is_valid(row).then(|| floats.value(row).to_bits());
            (float, texts.is_valid(row).then(|| texts.value(row)))
        })
    };
    (0..array.len()).map(|index| format!("{:?}", row(index))).collect()
}

#[test]
fn what_stands_under_a_null_does_not_count() {
    let valid = || Some(NullBuffer::from(vec![true, false, true]));
    let pairs: Vec<[ArrayRef; 2]> = vec![
        [
            Arc::new(Int32Array::new(vec![1, 77, 3].into(), valid())),
            Arc::new(Int32Array::new(vec![1, 0, 3].into(), valid())),
        ],
        [
            Arc::new(BooleanArray::new(BooleanBuffer::from(vec![true, true, false]), valid())),
            Arc::new(BooleanArray::new(BooleanBuffer::from(vec![true, false, false]), valid())),
        ],
        [
            Arc::new(StringArray::new(OffsetBuffer::from_lengths([1, 3, 1]), b"ajunkb"[..5].into(), valid())),
            Arc::new(StringArray::from(vec![Some("a"), None, Some("k")])),
        ],
        [
            Arc::new(StringViewArray::new(
                StringViewArray::from(vec!["a", "junk", "k"]).views().clone(),
                Vec::<arrow::buffer::Buffer>::new(),
                valid(),
            )),
            Arc::new(StringViewArray::from(vec![Some("a"), None, Some("k")])),
        ],
        [
            Arc::new(FixedSizeBinaryArray::new(3, b"aaabbbccc".into(), valid())),
            Arc::new(FixedSizeBinaryArray::new(3, b"aaa\0\0\0ccc".into(), valid())),
        ],
        [list([2, 1, 1], valid(), &[1, 2, 99, 3]), list([2, 0, 1], valid(), &[1, 2, 3])],
        [fixed_list(&[1, 2, 98, 99, 3, 4], valid()), fixed_list(&[1, 2, 0, 0, 3, 4], valid())],
        [structure(&[1, 99, 3], valid()), structure(&[1, 0, 3], valid())],
        [
            Arc::new(DictionaryArray::new(Int8Array::new(vec![0, 1, 2].into(), valid()), texts(&["a", "junk", "c"]))),
            Arc::new(DictionaryArray::new(Int8Array::new(vec![1, 0, 0].into(), valid()), texts(&["c", "a"]))),
        ],
        [
            // A key under a null need not be one.
            Arc::new(DictionaryArray::new(Int8Array::new(vec![0, 99, 1].into(), valid()), texts(&["a", "c"]))),
            Arc::new(DictionaryArray::new(Int8Array::new(vec![0, 0, 1].into(), valid()), texts(&["a", "c"]))),
        ],
    ];
    for [junk, clean] in &pairs {
        assert_eq!(hash(junk), hash(clean), "{}", clean.data_type());
        assert_ne!(hash(junk), hash(&junk.slice(0, 2)), "{}", clean.data_type());
    }
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn list(lengths: [usize; 3], nulls: Option<NullBuffer>, items: &[i32]) -> ArrayRef {
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    let items = Arc::new(Int32Array::from(items.to_vec()));
    Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths), items, nulls))
}

fn fixed_list(items: &[i32], nulls: Option<NullBuffer>) -> ArrayRef {
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    Arc::new(FixedSizeListArray::new(item, 2, Arc::new(Int32Array::from(items.to_vec())), nulls))
}

fn structure(items: &[i32], nulls: Option<NullBuffer>) -> ArrayRef {
    let fields = vec![Field::new("a", DataType::Int32, true)].into();
    Arc::new(StructArray::new(fields, vec![Arc::new(Int32Array::from(items.to_vec()))], nulls))
}

#[test]
fn the_indices_of_a_dictionary_do_not_count() {
    let keys = |keys: Vec<Option<i8>>| Int8Array::from(keys);
    let one = DictionaryArray::new(keys(vec![Some(0), Some(1), None, Some(0)]), texts(&["a", "b"]));
    let permuted = DictionaryArray::new(keys(vec![Some(2), Some(0), None, Some(3)]), texts(&["b", "unused", "a", "a"]));
    let null_value: ArrayRef = Arc::new(StringArray::from(vec![None, Some("a"), Some("b")]));
    let null_in_values = DictionaryArray::new(keys(vec![Some(1), Some(2), Some(0), Some(1)]), null_value);
    let different = DictionaryArray::new(keys(vec![Some(0), Some(1), None, Some(1)]), texts(&["a", "b"]));
    let [one, permuted, null_in_values, different] =
        [one, permuted, null_in_values, different].map(|dictionary| hash(&(Arc::new(dictionary) as ArrayRef)));
    assert_eq!(one, permuted);
    assert_eq!(one, null_in_values);
    assert_ne!(one, different);
    let empty: ArrayRef = Arc::new(DictionaryArray::new(keys(vec![None, None]), texts(&[])));
    let unused: ArrayRef = Arc::new(DictionaryArray::new(keys(vec![None, None]), texts(&["unused"])));
    assert_eq!(hash(&empty), hash(&unused));
}

#[test]
fn batches_may_have_dictionaries_of_their_own() {
    let batch = |keys: Vec<Option<i8>>, values: &[&str]| -> ArrayRef {
        Arc::new(DictionaryArray::new(Int8Array::from(keys), texts(values)))
    };
    let whole = batch(vec![Some(0), None, Some(1), Some(0), Some(2)], &["a", "b", "c"]);
    let pieces = [batch(vec![Some(1), None], &["b", "a"]), batch(vec![Some(0), Some(1), Some(2)], &["b", "a", "c"])];
    assert_eq!(hash_pieces(&pieces, RUN), hash(&whole));
    let other = [pieces[0].clone(), batch(vec![Some(1), Some(0), Some(2)], &["b", "a", "c"])];
    assert_ne!(hash_pieces(&other, RUN), hash(&whole));
}

#[test]
fn how_runs_are_encoded_does_not_count() {
    let run = |ends: Vec<i32>, values: &[&str]| -> ArrayRef {
        Arc::new(RunArray::try_new(&Int32Array::from(ends), &texts(values)).unwrap())
    };
    assert_eq!(hash(&run(vec![3, 5], &["a", "b"])), hash(&run(vec![1, 3, 4, 5], &["a", "a", "b", "b"])));
    assert_eq!(hash(&run(vec![3, 5], &["a", "b"]).slice(2, 2)), hash(&run(vec![1, 2], &["a", "b"])));
    assert_ne!(hash(&run(vec![3, 5], &["a", "b"])), hash(&run(vec![2, 5], &["a", "b"])));
}

#[test]
fn the_places_of_list_views_do_not_count() {
    let item = || Arc::new(Field::new("item", DataType::Int32, true));
    let view = |offsets: Vec<i32>, sizes: Vec<i32>, items: Vec<i32>| -> ArrayRef {
        let items = Arc::new(Int32Array::from(items));
        Arc::new(ListViewArray::new(item(), offsets.into(), sizes.into(), items, None))
    };
    assert_eq!(hash(&view(vec![2, 0], vec![1, 2], vec![1, 2, 3])), hash(&view(vec![0, 1], vec![1, 2], vec![3, 1, 2])));
    assert_ne!(hash(&view(vec![0, 1], vec![1, 2], vec![3, 1, 2])), hash(&view(vec![0, 2], vec![2, 1], vec![3, 1, 2])));
}

#[test]
fn floats_count_by_their_bits() {
    let float = |value: f64| hash(&(Arc::new(Float64Array::from(vec![value])) as ArrayRef));
    assert_ne!(float(0.0), float(-0.0));
    assert_ne!(float(f64::NAN), float(-f64::NAN));
    assert_eq!(float(f64::NAN), float(f64::NAN));
}

#[test]
fn a_value_cannot_move_to_a_neighbour_unseen() {
    let text = |values: Vec<Option<&str>>| hash(&(Arc::new(StringArray::from(values)) as ArrayRef));
    let all = [
        text(vec![Some("ab"), Some("")]),
        text(vec![Some("a"), Some("b")]),
        text(vec![Some(""), Some("ab")]),
        text(vec![None, Some("ab")]),
        text(vec![Some("ab"), None]),
        text(vec![Some("ab")]),
    ];
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
}

/// A column of every width that blanks values under nulls block by block, longer than a block.
#[test]
fn long_columns_with_nulls_hash_the_same_in_any_pieces() {
    let rows = 2 * CHUNK_ROWS as i64 + 5000;
    let ints: ArrayRef = Arc::new((0..rows).map(|i| (i % 7 != 0).then_some(i)).collect::<Int64Array>());
    let texts: ArrayRef =
        Arc::new((0..rows).map(|i| (i % 5 != 0).then(|| format!("text number {i}"))).collect::<StringArray>());
    let mut all = vec![texts.clone(), cast(&texts, &DataType::Utf8View).unwrap(), ints.clone()];
    let keys = cast(&ints, &DataType::Int32).unwrap();
    all.push(Arc::new(DictionaryArray::new(keys.as_primitive::<Int32Type>().clone(), texts)));
    for data_type in [DataType::Int32, DataType::Float32, DataType::Decimal256(76, 0), DataType::Boolean] {
        all.push(cast(&ints, &data_type).unwrap());
    }
    for column in all {
        let whole = hash_pieces(std::slice::from_ref(&column), CHUNK_ROWS);
        let pieces = cut(&column, &[3, 8192, 8192, 1, 60_000, 30_000]);
        assert_eq!(hash_pieces(&pieces, CHUNK_ROWS), whole, "{}", column.data_type());
        let last = interleave(&[&column, &column.slice(0, 1)], &changed_last(column.len())).unwrap();
        assert_ne!(hash_pieces(&[last], CHUNK_ROWS), whole, "{}", column.data_type());
    }
}

#[test]
fn a_run_may_have_more_distinct_texts_than_two_bytes_count() {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..CHUNK_ROWS).map(|i| format!("{i}"))));
    let backwards: ArrayRef = Arc::new(StringArray::from_iter_values((0..CHUNK_ROWS).rev().map(|i| format!("{i}"))));
    let last = CHUNK_ROWS as i32 - 1;
    let dictionary = |keys: Vec<i32>, values: &ArrayRef| -> ArrayRef {
        Arc::new(DictionaryArray::new(PrimitiveArray::<Int32Type>::from(keys), values.clone()))
    };
    let forth = dictionary((0..=last).collect(), &texts);
    let whole = hash_pieces(std::slice::from_ref(&forth), CHUNK_ROWS);
    assert_eq!(hash_pieces(&cut(&forth, &[65_530]), CHUNK_ROWS), whole);
    let back = dictionary((0..=last).rev().collect(), &backwards);
    assert_eq!(hash_pieces(&[back], CHUNK_ROWS), whole);
    for other in [last - 1, 0] {
        let changed = dictionary((0..last).chain([other]).collect(), &texts);
        assert_ne!(hash_pieces(&[changed], CHUNK_ROWS), whole);
    }
}

/// Indices for `interleave` that take the first row of the second array, a null, in place of the last row.
fn changed_last(rows: usize) -> Vec<(usize, usize)> {
    (0..rows).map(|row| if row + 1 == rows { (1, 0) } else { (0, row) }).collect()
}

#[test]
fn a_row_next_to_a_run_boundary_counts_once() {
    let ints = |range: std::ops::Range<i64>| -> ArrayRef { Arc::new(Int64Array::from_iter_values(range)) };
    let rows = RUN as i64;
    let all = [ints(0..rows - 1), ints(0..rows), ints(0..rows + 1), ints(0..2 * rows), ints(0..2 * rows + 1)];
    let hashes: std::collections::BTreeSet<_> = all.iter().map(hash).collect();
    assert_eq!(hashes.len(), all.len());
    for column in &all {
        for at in 0..=column.len() {
            assert_eq!(hash_pieces(&cut(column, &[at]), RUN), hash(column));
        }
    }
}

#[test]
fn column_fingerprints_are_pinned() {
    let rows: Vec<Row> = (0..12)
        .map(|i| {
            let text = (i % 4 != 1).then(|| "text".repeat(i));
            let list = (i % 5 != 2).then(|| (0..i as i32 % 3).map(|item| (item != 1).then_some(item)).collect());
            (
                (i % 3 != 0).then_some(i as i64 * 1_000_003),
                text.clone(),
                (i % 4 != 0).then_some(i % 2 == 0),
                list,
                (i % 6 != 0).then_some((Some(i as f64 / 3.0), text)),
            )
        })
        .collect();
    let found: Vec<_> = columns(&rows)
        .iter()
        .map(|column| {
            format!("{} {}", hash_pieces(std::slice::from_ref(column), CHUNK_ROWS).short(), column.data_type())
        })
        .collect();
    let pinned = include_str!("pinned_columns.txt");
    assert_eq!(found.join("\n"), pinned.trim_end(), "the format changed: every stored trace misses");
    let table = merkle(schema_fingerprint(&Schema::empty()), [(12, &[Fingerprint::of_bytes(b"")][..])].into_iter());
    assert_eq!(table.short(), "455ecf16c53f");
}

#[test]
fn fingerprints_over_many_runs_are_pinned() {
    let ints: ArrayRef =
        Arc::new((0..3 * CHUNK_ROWS as i64 - 100).map(|i| (i % 1000 != 0).then_some(i)).collect::<Int64Array>());
    assert_eq!(hash_pieces(&[ints], CHUNK_ROWS).short(), "c5f939dd0209");
    let empty: ArrayRef = Arc::new(Int64Array::new(ScalarBuffer::from(vec![]), None));
    assert_eq!(hash_pieces(&[empty], CHUNK_ROWS).short(), "86b8ed8de93d");
}

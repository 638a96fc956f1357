//! The parts of one run of rows of one column, each a stream of its own.
//!
//! A null row is written into the validity bits; its value is written as zero where values have a fixed width, with
//! length zero where they do not, and what stands under it is never read. Under a null struct or fixed-size list every
//! child counts as null, and a null list has no items. Dictionaries of texts have no validity bits: a null row has place 0.
//! Run-end encodings, and other dictionaries, are written as their values.

use super::{
    dictionary::Dictionary,
    fixed::write_fixed,
    packed::unpack,
    schema::add_type,
    stream::{BitStream, ByteStream, Validity, WINDOW},
    views::extend_views,
};
use crate::{Fingerprint, FingerprintBuilder};
use arrow::{
    array::{Array, AsArray, GenericListViewArray, OffsetSizeTrait},
    buffer::NullBuffer,
    datatypes::DataType,
};
use std::ops::Range;

/// Hashes the rows of one column.
#[derive(Clone, Debug)]
pub(super) enum Column {
    Null,
    Bits { validity: Validity, values: BitStream },
    Fixed { validity: Validity, width: usize, values: ByteStream },
    Bytes { validity: Validity, lengths: ByteStream, bytes: ByteStream },
    Views { validity: Validity, views: ByteStream, bytes: ByteStream },
    List { validity: Validity, lengths: ByteStream, items: Box<Column> },
    FixedSizeList { validity: Validity, size: usize, items: Box<Column> },
    Struct { validity: Validity, children: Vec<Column> },
    Dictionary(Box<Dictionary>),
    Packed(Box<Column>),
}

impl Column {
    /// `None` for a type that has no fingerprint: unions, and whatever holds one.
    pub fn new(data_type: &DataType) -> Option<Self> {
        let validity = Validity::default();
        Some(match data_type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bits { validity, values: BitStream::default() },
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => {
                Self::Bytes { validity, lengths: ByteStream::default(), bytes: ByteStream::default() }
            }
            DataType::Utf8View | DataType::BinaryView => {
                Self::Views { validity, views: ByteStream::default(), bytes: ByteStream::default() }
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::Map(item, _) => {
                let items = Box::new(Self::new(item.data_type())?);
                Self::List { validity, lengths: ByteStream::default(), items }
            }
            DataType::FixedSizeList(item, size) => Self::FixedSizeList {
                validity,
                size: usize::try_from(*size).ok()?,
                items: Box::new(Self::new(item.data_type())?),
            },
            DataType::Struct(fields) => {
                let children = fields.iter().map(|field| Self::new(field.data_type())).collect::<Option<_>>()?;
                Self::Struct { validity, children }
            }
            DataType::Dictionary(_, values) if Dictionary::holds(values) => Self::Dictionary(Box::default()),
            DataType::Dictionary(_, values) => Self::Packed(Box::new(Self::new(values)?)),
            DataType::RunEndEncoded(_, values) => Self::Packed(Box::new(Self::new(values.data_type())?)),
            DataType::Union(..) => return None,
            DataType::FixedSizeBinary(width) => {
                Self::Fixed { validity, width: usize::try_from(*width).ok()?, values: ByteStream::default() }
            }
            primitive => Self::Fixed { validity, width: primitive.primitive_width()?, values: ByteStream::default() },
        })
    }

    /// Adds rows. The array has the type that this was made for; `mask` tells rows that are null in the parent.
    pub fn extend(&mut self, array: &dyn Array, mask: Option<&NullBuffer>) {
        let nulls = NullBuffer::union(array.nulls(), mask).filter(|nulls| nulls.null_count() > 0);
        let nulls = nulls.as_ref();
        match self {
            Self::Null => {}
            Self::Bits { validity, values } => {
                validity.extend(array.len(), nulls);
                values.extend(array.as_boolean().values(), nulls);
            }
            Self::Fixed { validity, width, values } => {
                validity.extend(array.len(), nulls);
                let data = array.to_data();
                let at = data.offset() * *width;
                if let Some(buffer) = data.buffers().first() {
                    write_fixed(&buffer[at..at + data.len() * *width], *width, nulls, values);
                }
            }
            Self::Bytes { validity, lengths, bytes } => {
                validity.extend(array.len(), nulls);
                extend_bytes(array, nulls, lengths, bytes);
            }
            Self::Views { validity, views, bytes } => {
                validity.extend(array.len(), nulls);
                match array.as_string_view_opt() {
                    Some(texts) => extend_views(texts, nulls, views, bytes),
                    None => extend_views(array.as_binary_view(), nulls, views, bytes),
                }
            }
            Self::List { validity, lengths, items } => {
                validity.extend(array.len(), nulls);
                extend_list(array, nulls, lengths, items);
            }
            Self::FixedSizeList { validity, size, items } => {
                validity.extend(array.len(), nulls);
                items.extend(array.as_fixed_size_list().values(), nulls.map(|nulls| nulls.expand(*size)).as_ref());
            }
            Self::Struct { validity, children } => {
                validity.extend(array.len(), nulls);
                for (child, values) in children.iter_mut().zip(array.as_struct().columns()) {
                    child.extend(values, nulls);
                }
            }
            Self::Dictionary(dictionary) => dictionary.extend(array, nulls),
            Self::Packed(values) => unpack(array, nulls, values),
        }
    }

    /// The hash of all rows that were added.
    pub fn finish(self) -> Fingerprint {
        let builder = FingerprintBuilder::new("everfresh.rows.1");
        let add = |builder: FingerprintBuilder, hash: blake3::Hash| builder.fingerprint(&hash.into());
        let start = |validity: Validity| builder.clone().option(validity.finish(), add);
        match self {
            Self::Null => builder.clone(),
            Self::Bits { validity, values } => add(start(validity), values.finish()),
            Self::Fixed { validity, values, .. } => add(start(validity), values.finish()),
            Self::Bytes { validity, lengths, bytes } => add(add(start(validity), lengths.finish()), bytes.finish()),
            Self::Views { validity, views, bytes } => add(add(start(validity), views.finish()), bytes.finish()),
            Self::List { validity, lengths, items } => {
                add(start(validity), lengths.finish()).fingerprint(&items.finish())
            }
            Self::FixedSizeList { validity, items, .. } => start(validity).fingerprint(&items.finish()),
            Self::Struct { validity, children } => {
                start(validity).list(children, |builder, child| builder.fingerprint(&child.finish()))
            }
            Self::Dictionary(dictionary) => dictionary.finish().into_iter().fold(builder.clone(), add),
            Self::Packed(values) => return values.finish(),
        }
        .finish()
    }
}

/// The fingerprint of a whole column, from the hash of the hashes of its runs of rows.
pub(super) fn column_fingerprint(data_type: &DataType, rows: u64, runs: &blake3::Hasher) -> Fingerprint {
    add_type(FingerprintBuilder::new("everfresh.column.1"), data_type)
        .u64(rows)
        .fingerprint(&runs.finalize().into())
        .finish()
}

fn extend_bytes(array: &dyn Array, nulls: Option<&NullBuffer>, lengths: &mut ByteStream, bytes: &mut ByteStream) {
    match array.data_type() {
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            extend_slices(array.value_offsets(), array.value_data(), nulls, lengths, bytes);
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>();
            extend_slices(array.value_offsets(), array.value_data(), nulls, lengths, bytes);
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            extend_slices(array.value_offsets(), array.value_data(), nulls, lengths, bytes);
        }
        _ => {
            let array = array.as_binary::<i64>();
            extend_slices(array.value_offsets(), array.value_data(), nulls, lengths, bytes);
        }
    }
}

fn extend_slices<O: OffsetSizeTrait>(
    offsets: &[O],
    data: &[u8],
    nulls: Option<&NullBuffer>,
    lengths: &mut ByteStream,
    bytes: &mut ByteStream,
) {
    write_lengths(offsets, nulls, lengths);
    for_each_span(offsets, nulls, |span| bytes.write(&data[span]));
}

fn extend_list(array: &dyn Array, nulls: Option<&NullBuffer>, lengths: &mut ByteStream, items: &mut Column) {
    match array.data_type() {
        DataType::List(_) => {
            let array = array.as_list::<i32>();
            extend_items(array.value_offsets(), array.values(), nulls, lengths, items);
        }
        DataType::LargeList(_) => {
            let array = array.as_list::<i64>();
            extend_items(array.value_offsets(), array.values(), nulls, lengths, items);
        }
        DataType::ListView(_) => extend_list_views(array.as_list_view::<i32>(), nulls, lengths, items),
        DataType::LargeListView(_) => extend_list_views(array.as_list_view::<i64>(), nulls, lengths, items),
        _ => {
            let array = array.as_map();
            extend_items(array.value_offsets(), array.entries(), nulls, lengths, items);
        }
    }
}

fn extend_items<O: OffsetSizeTrait>(
    offsets: &[O],
    values: &dyn Array,
    nulls: Option<&NullBuffer>,
    lengths: &mut ByteStream,
    items: &mut Column,
) {
    write_lengths(offsets, nulls, lengths);
    for_each_span(offsets, nulls, |span| items.extend(&values.slice(span.start, span.len()), None));
}

fn extend_list_views<O: OffsetSizeTrait>(
    array: &GenericListViewArray<O>,
    nulls: Option<&NullBuffer>,
    lengths: &mut ByteStream,
    items: &mut Column,
) {
    for (row, (offset, size)) in array.offsets().iter().zip(array.sizes().iter()).enumerate() {
        let valid = nulls.is_none_or(|nulls| nulls.is_valid(row));
        let size = if valid { size.as_usize() } else { 0 };
        write_length::<O>(size, |length| lengths.write(length));
        if size > 0 {
            items.extend(&array.values().slice(offset.as_usize(), size), None);
        }
    }
}

fn write_length<O>(length: usize, write: impl FnOnce(&[u8])) {
    write(&(length as u64).to_le_bytes()[..size_of::<O>()]);
}

/// Writes the distance from each offset to the next, as wide as the offsets are; zero under nulls.
fn write_lengths<O: OffsetSizeTrait>(offsets: &[O], nulls: Option<&NullBuffer>, out: &mut ByteStream) {
    let width = size_of::<O>();
    let rows = offsets.len().saturating_sub(1);
    let mut block = [0; 8 * WINDOW];
    for start in (0..rows).step_by(WINDOW) {
        let end = rows.min(start + WINDOW);
        let ends = &offsets[start + 1..=end];
        for ((length, from), to) in block.chunks_exact_mut(width).zip(&offsets[start..end]).zip(ends) {
            write_length::<O>((*to - *from).as_usize(), |bytes| length.copy_from_slice(bytes));
        }
        let nulls = nulls.map(|nulls| nulls.slice(start, end - start));
        write_fixed(&block[..width * (end - start)], width, nulls.as_ref(), out);
    }
}

/// Calls `each` with the ranges that the valid rows span, neighbours joined.
fn for_each_span<O: OffsetSizeTrait>(offsets: &[O], nulls: Option<&NullBuffer>, mut each: impl FnMut(Range<usize>)) {
    let span = |start: usize, end: usize| offsets[start].as_usize()..offsets[end].as_usize();
    let rows = offsets.len().saturating_sub(1);
    let Some(nulls) = nulls else {
        if rows > 0 {
            each(span(0, rows));
        }
        return;
    };
    let mut open: Option<Range<usize>> = None;
    for (start, end) in nulls.valid_slices() {
        let next = span(start, end);
        open = Some(match open.take() {
            Some(before) if before.end == next.start => before.start..next.end,
            before => {
                before.into_iter().for_each(&mut each);
                next
            }
        });
    }
    open.into_iter().for_each(each);
}

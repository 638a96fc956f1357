//! The first byte of every item.

use super::error::Problem;

macro_rules! tags {
    ($($tag:ident = $byte:literal, $name:literal;)*) => {
        /// What an item is. The numbers are part of the format.
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Tag {
            $($tag = $byte,)*
        }

        impl Tag {
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$tag),*];

            /// For messages.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$tag => $name,)*
                }
            }
        }

        impl TryFrom<u8> for Tag {
            type Error = Problem;

            fn try_from(byte: u8) -> Result<Self, Problem> {
                match byte {
                    $($byte => Ok(Self::$tag),)*
                    _ => Err(Problem::Tag(byte)),
                }
            }
        }
    };
}

tags! {
    Unit = 1, "unit";
    Bool = 2, "bool";
    U8 = 3, "u8";
    U16 = 4, "u16";
    U32 = 5, "u32";
    U64 = 6, "u64";
    U128 = 7, "u128";
    I8 = 8, "i8";
    I16 = 9, "i16";
    I32 = 10, "i32";
    I64 = 11, "i64";
    I128 = 12, "i128";
    F32 = 13, "f32";
    F64 = 14, "f64";
    Char = 15, "char";
    Str = 16, "str";
    Bytes = 17, "bytes";
    None = 18, "None";
    Some = 19, "Some";
    Seq = 20, "sequence";
    Tuple = 21, "tuple";
    Map = 22, "map";
    UnitStruct = 23, "unit struct";
    NewtypeStruct = 24, "newtype struct";
    TupleStruct = 25, "tuple struct";
    Struct = 26, "struct";
    UnitVariant = 27, "unit variant";
    NewtypeVariant = 28, "newtype variant";
    TupleVariant = 29, "tuple variant";
    StructVariant = 30, "struct variant";
    End = 31, "end";
}

/// What stands in the place of a name: the end of a struct, a name in full, and the first of the names so far.
pub(super) const NAMES_END: u64 = 0;
pub(super) const NAME_IN_FULL: u64 = 1;
pub(super) const NAME_AGAIN: u64 = 2;

//! Tables of numbers in static memory, filled on first use.
//!
//! A cell says by itself whether it is filled, so a look loads no flag beside the table. It holds the number, exclusive
//! or a mask, and 0 before it is filled. The one number whose cell is 0 all the same takes the long way.

use super::gate::Gate;
use std::{
    fmt,
    sync::atomic::{
        AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Seldom a result of anything.
const MASK: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number that has room in an atomic.
pub trait Cell: Copy + 'static {
    /// What holds it.
    type Atomic: Send + Sync;
    /// Not filled.
    const EMPTY: Self::Atomic;

    /// The number, unless the cell is 0.
    fn get(cell: &Self::Atomic) -> Option<Self>;

    /// The number in a cell that is filled.
    fn read(cell: &Self::Atomic) -> Self;

    /// Fills a cell.
    fn write(self, cell: &Self::Atomic);
}

macro_rules! cells {
    ($($number:ident in $atomic:ident of $bits:ident: $to:expr, $from:expr;)*) => {$(
        impl Cell for $number {
            type Atomic = $atomic;
            #[allow(clippy::declare_interior_mutable_const)]
            const EMPTY: $atomic = $atomic::new(0);

            #[inline]
            fn get(cell: &$atomic) -> Option<Self> {
                let from: fn($bits) -> Self = $from;
                match cell.load(Relaxed) {
                    0 => None,
                    bits => Some(from(bits ^ MASK as $bits)),
                }
            }

            fn read(cell: &$atomic) -> Self {
                let from: fn($bits) -> Self = $from;
                from(cell.load(Relaxed) ^ MASK as $bits)
            }

            fn write(self, cell: &$atomic) {
                let to: fn(Self) -> $bits = $to;
                cell.store(to(self) ^ MASK as $bits, Relaxed);
            }
        }
    )*};
}

cells! {
    bool in AtomicU8 of u8: u8::from, |bits| bits != 0;
    char in AtomicU32 of u32: u32::from, |bits| char::from_u32(bits).unwrap_or_default();
    f32 in AtomicU32 of u32: f32::to_bits, f32::from_bits;
    f64 in AtomicU64 of u64: f64::to_bits, f64::from_bits;
    i8 in AtomicU8 of u8: i8::cast_unsigned, u8::cast_signed;
    i16 in AtomicU16 of u16: i16::cast_unsigned, u16::cast_signed;
    i32 in AtomicU32 of u32: i32::cast_unsigned, u32::cast_signed;
    i64 in AtomicU64 of u64: i64::cast_unsigned, u64::cast_signed;
    isize in AtomicUsize of usize: isize::cast_unsigned, usize::cast_signed;
    u8 in AtomicU8 of u8: |bits| bits, |bits| bits;
    u16 in AtomicU16 of u16: |bits| bits, |bits| bits;
    u32 in AtomicU32 of u32: |bits| bits, |bits| bits;
    u64 in AtomicU64 of u64: |bits| bits, |bits| bits;
    usize in AtomicUsize of usize: |bits| bits, |bits| bits;
}

/// A table of `N` numbers. Until it is filled, it takes no memory.
pub struct Cells<T: Cell, const N: usize> {
    cells: [T::Atomic; N],
    /// Whether all cells are filled.
    filled: AtomicBool,
    gate: Gate,
}

impl<T: Cell, const N: usize> fmt::Debug for Cells<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells").field("filled", &self.filled.load(Relaxed)).finish_non_exhaustive()
    }
}

impl<T: Cell, const N: usize> Default for Cells<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Cell, const N: usize> Cells<T, N> {
    /// A table that is not filled.
    pub const fn new() -> Self {
        Self { cells: [const { T::EMPTY }; N], filled: AtomicBool::new(false), gate: Gate::new() }
    }

    /// What is at a place; `None` if that is not known without [`at`](Self::at).
    #[inline]
    pub fn get(&self, place: usize) -> Option<T> {
        self.cells.get(place).and_then(T::get)
    }

    /// What is at a place, after the table is filled; `None` if there is no such place, or this thread is filling the table,
    /// so that `compute` came back to it. If `compute` panics, the next caller tries again.
    pub fn at(&self, place: usize, compute: impl Fn(usize) -> T) -> Option<T> {
        let cell = self.cells.get(place)?;
        if !self.filled.load(Acquire) {
            let _filling = self.gate.enter()?;
            if !self.filled.load(Acquire) {
                for (place, cell) in self.cells.iter().enumerate() {
                    compute(place).write(cell);
                }
                self.filled.store(true, Release);
            }
        }
        Some(T::read(cell))
    }
}

/// A table of what is no number.
pub fn boxed<T, const N: usize>(compute: impl Fn(usize) -> T) -> Box<[T; N]> {
    let table: Box<[T]> = (0..N).map(compute).collect();
    table.try_into().unwrap_or_else(|_| unreachable!("it was made of N"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell as Counter, panic::catch_unwind};

    #[test]
    fn numbers_are_what_was_computed_also_where_their_cells_are_0() {
        fn holds<T: Cell + PartialEq + fmt::Debug>(numbers: [T; 3]) {
            let table = Cells::<T, 3>::new();
            assert_eq!([0, 1, 2].map(|place| table.get(place)), [None; 3]);
            assert_eq!(
                [2, 0, 1, 3].map(|place| table.at(place, |at| numbers[at])),
                [Some(numbers[2]), Some(numbers[0]), Some(numbers[1]), None]
            );
            assert_eq!(table.get(0), Some(numbers[0]));
            assert_eq!(table.get(3), None);
        }
        holds([0u8, 1, MASK as u8]);
        holds([0u64, u64::MAX, MASK]);
        holds([0i32, i32::MIN, MASK as i32]);
        holds([0.5f64, -0.0, f64::INFINITY]);
        holds([false, true, false]);
        holds(['a', '\0', char::MAX]);
    }

    #[test]
    fn a_table_is_filled_once() {
        let calls = Counter::new(0);
        let table = Cells::<u8, 4>::new();
        // The second one's cell is 0 for ever.
        let compute = |_| {
            calls.set(calls.get() + 1);
            MASK as u8
        };
        assert_eq!(
            (table.at(1, compute), table.get(1), table.at(1, compute)),
            (Some(MASK as u8), None, Some(MASK as u8))
        );
        assert_eq!(calls.get(), 4);
    }

    #[test]
    fn after_a_panic_the_next_caller_fills_the_table() {
        static TABLE: Cells<u8, 4> = Cells::new();
        assert!(catch_unwind(|| TABLE.at(0, |at| if at == 2 { panic!("two") } else { 0 })).is_err());
        assert_eq!(TABLE.at(2, |at| at as u8), Some(2));
    }
}

//! Types of which a table has room for all values.

/// A type with few values, each of which has a place: an argument of `#[precomputed]`, which takes the type's name
/// where a range would stand.
///
/// It is there for `bool` and integers of up to 16 bits, and `#[derive(Domain)]` makes it for an enum without fields. A
/// `const` function takes no others: it can use none that is written by hand.
///
/// ```
/// use everfresh::precomputed::Domain;
///
/// #[derive(Clone, Copy, Debug, PartialEq, Domain)]
/// enum Color {
///     Red,
///     Green = 7,
/// }
///
/// assert_eq!((Color::LEN, Color::Green.place(), Color::value(0)), (2, 1, Color::Red));
/// ```
pub trait Domain: Copy {
    /// How many values there are.
    const LEN: usize;

    /// The place of this value, below `LEN`: each has its own. For one that is not below, the function itself runs.
    fn place(self) -> usize;

    /// The value with this place. What comes of a place that is not below `LEN` does not matter.
    fn value(place: usize) -> Self;
}

impl Domain for bool {
    const LEN: usize = 2;

    fn place(self) -> usize {
        self.into()
    }

    fn value(place: usize) -> Self {
        place == 1
    }
}

macro_rules! integers {
    ($($integer:ident)*) => {$(
        impl Domain for $integer {
            const LEN: usize = 1 << Self::BITS;

            #[inline]
            fn place(self) -> usize {
                self.wrapping_sub(Self::MIN) as usize & (Self::LEN - 1)
            }

            fn value(place: usize) -> Self {
                (place as Self).wrapping_add(Self::MIN)
            }
        }
    )*};
}

integers!(u8 i8 u16 i16);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn places_and_values_belong_together<T: Domain + PartialEq + Debug>() {
        assert!((0..T::LEN).all(|place| T::value(place).place() == place));
    }

    #[test]
    fn every_place_is_that_of_its_value() {
        places_and_values_belong_together::<bool>();
        places_and_values_belong_together::<u8>();
        places_and_values_belong_together::<i8>();
        places_and_values_belong_together::<u16>();
        places_and_values_belong_together::<i16>();
    }
}

//! What `#[precomputed]` needs: the domains of its arguments, and its tables.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `domain` | [`Domain`]: a type with so few values that a table has room for all |
//! | `cells` | [`Cells`]: a static table of numbers, filled on first use |
//! | `gate` | who fills a table, and who waits |
//! | `stored` | tables in files, mapped |

mod cells;
mod domain;
mod gate;
mod stored;

#[doc(hidden)]
pub use cells::{Cell, Cells, boxed};
pub use domain::Domain;
#[doc(hidden)]
pub use gate::Lazy;
#[doc(hidden)]
pub use stored::{Code, Element, StoredTable};

/// Numbers the values of an enum without fields, in the order in which they are written.
#[cfg(feature = "macros")]
pub use everfresh_macros::Domain;

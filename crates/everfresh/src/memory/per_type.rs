//! One value for each type: what a static in a generic function would be.

use super::sync::RwLock;
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{LazyLock, PoisonError},
};

type Values = HashMap<TypeId, &'static (dyn Any + Send + Sync)>;

/// A value for each type, made when it is first asked for, and never dropped: there are no more than types.
///
/// Of callers that meet on a new type one's value is kept, and all get that one.
///
/// ```
/// use everfresh::memory::{Cache, PerType};
///
/// fn length<T: 'static>() -> usize {
///     static CACHES: PerType = PerType::new();
///     CACHES.get::<T, Cache<u32, usize>>(|| Cache::new(10)).get_or_compute(&0, || size_of::<T>())
/// }
///
/// assert_eq!((length::<u8>(), length::<u64>(), length::<u8>()), (1, 8, 1));
/// ```
pub struct PerType(LazyLock<RwLock<Values>>);

impl fmt::Debug for PerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerType")
    }
}

impl Default for PerType {
    fn default() -> Self {
        Self::new()
    }
}

impl PerType {
    /// None yet.
    ///
    /// ```
    /// use everfresh::memory::PerType;
    ///
    /// static SIZES: PerType = PerType::new();
    /// assert_eq!(*SIZES.get::<u64, _>(|| size_of::<u64>()), 8);
    /// ```
    pub const fn new() -> Self {
        Self(LazyLock::new(RwLock::default))
    }

    /// The value of `T`. No lock is held while `make` runs.
    ///
    /// ```
    /// use everfresh::memory::PerType;
    ///
    /// let names = PerType::new();
    /// assert_eq!(*names.get::<u8, _>(|| "byte"), "byte");
    /// assert_eq!(*names.get::<u8, _>(|| "another"), "byte");
    /// assert_eq!(*names.get::<u16, _>(|| "another"), "another");
    /// ```
    pub fn get<T: 'static, V: Send + Sync + 'static>(&self, make: impl FnOnce() -> V) -> &'static V {
        let of_type = |values: &Values| values.get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref());
        if let Some(value) = of_type(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return value;
        }
        let made = make();
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = of_type(&values) {
            return value;
        }
        let kept: &'static V = Box::leak(Box::new(made));
        values.insert(TypeId::of::<T>(), kept);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_that_meet_on_a_new_type_get_one_value() {
        let values = PerType::new();
        let mut inner = None;
        let outer = values.get::<u8, _>(|| {
            inner = Some(values.get::<u8, _>(|| "first"));
            "second"
        });
        assert_eq!((*outer, inner), ("first", Some(&"first")));
        assert_eq!(*values.get::<u16, _>(|| "other"), "other");
    }
}

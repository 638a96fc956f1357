//! `#[cached]` on methods, as a user writes it.
#![cfg(feature = "macros")]
#![allow(clippy::unwrap_used, clippy::panic)]
#![deny(missing_docs, unused, unreachable_pub)]

use everfresh::{cached, memory::Cache};
use std::{
    cell::Cell,
    fmt::Display,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

thread_local! {
    /// Calls that reached a method itself.
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// How many calls reached a method itself since this was asked.
fn calls() -> u32 {
    CALLS.take()
}

fn count() {
    CALLS.set(CALLS.get() + 1);
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future is not ready"),
    }
}

/// Each has caches of its own.
struct Circles {
    radius: f64,
    areas: Cache<(u32,), f64>,
    names: Cache<(String, u32), String>,
}

#[cached]
impl Circles {
    const UNIT: f64 = 1.0;

    fn new(radius: f64) -> Self {
        Self { radius, areas: Cache::builder().max_entries(1).build(), names: Cache::new(10) }
    }

    /// A method with documentation.
    #[cached(field = areas)]
    #[must_use]
    fn area(&self, scale: u32) -> f64 {
        count();
        self.radius * Self::UNIT * f64::from(scale)
    }

    #[cached(field = names, tags = ["names"])]
    fn name<'a>(&'a self, prefix: &str, times: u32) -> Result<String, &'a f64> {
        count();
        if prefix.is_empty() { Err(&self.radius) } else { Ok(prefix.repeat(times as usize)) }
    }

    #[everfresh::cached(field = names, ignore = [client], key = (prefix.to_owned(), 0) as (String, u32))]
    async fn rename(&self, prefix: &str, client: &Arc<u32>) -> Option<String> {
        count();
        std::future::ready(()).await;
        (!prefix.is_empty()).then(|| format!("{prefix}{client}"))
    }
}

#[test]
fn a_cache_in_a_field_is_that_of_one_value() {
    let (one, two) = (Circles::new(1.0), Circles::new(2.0));
    assert_eq!((one.area(3), one.area(3), two.area(3), calls()), (3.0, 3.0, 6.0, 2));
    assert_eq!((one.area_cache().stats().hits, two.area_cache().stats().hits), (1, 0));
    assert!(one.area_invalidate(3) && !one.area_invalidate(3) && two.area_refresh(3) == 6.0);
    // Its bounds are those of whoever built it.
    assert_eq!((two.area(4), two.areas.len(), calls()), (8.0, 1, 2));
}

#[test]
fn methods_give_results_and_options_and_wait_as_functions_do() {
    let one = Circles::new(1.0);
    assert_eq!(
        [one.name("ab", 2), one.name("ab", 2), one.name("", 2)],
        [Ok("abab".into()), Ok("abab".into()), Err(&1.0)]
    );
    assert_eq!((one.name("", 2), one.name_refresh("", 2), calls()), (Err(&1.0), Err(&1.0), 4));
    assert_eq!((one.names.invalidate_tag("names"), one.name_cache().len()), (1, 0));

    let client = Arc::new(5);
    assert_eq!(
        [ready(one.rename("a", &client)), ready(one.rename("a", &client))],
        [Some("a5".into()), Some("a5".into())]
    );
    assert_eq!(
        (ready(one.rename("", &client)), ready(one.rename_refresh("a", &client)), calls()),
        (None, Some("a5".into()), 3)
    );
    assert!(one.rename_invalidate("a") && one.rename_cache().is_empty());
}

/// Something that is a part of the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word(String);

#[cached]
impl Word {
    /// Has verbs beside it.
    #[cached(shared, max_entries = Self::MOST, max_bytes = "1KB", weigher = |key: &(Self, u32), _| key.0.0.len() as u32)]
    pub fn repeat(&self, times: u32) -> Self {
        count();
        Self(self.0.repeat(times as usize))
    }

    #[cached(shared, ignore = [self])]
    fn double(&self, number: u64) -> u64 {
        count();
        2 * number
    }

    #[cached(shared, key = self.0.len() as usize)]
    fn into_length(self) -> usize {
        count();
        self.0.len()
    }

    #[cached(shared)]
    fn fibonacci(self: Arc<Self>, n: u64) -> u64 {
        count();
        if n < 2 { n } else { Arc::clone(&self).fibonacci(n - 1) + self.fibonacci(n - 2) }
    }

    #[cached(max_entries = 1)]
    pub(crate) fn of(text: &str) -> Self {
        count();
        Self(text.to_owned())
    }

    #[cached]
    async fn parse(text: &str) -> Result<Self, usize> {
        count();
        if text.is_empty() { Err(0) } else { Ok(Self(text.to_owned())) }
    }

    const MOST: usize = 10;
}

#[test]
fn a_shared_cache_has_self_in_its_key() {
    let word = |text: &str| Word(text.to_owned());
    assert_eq!(
        (word("a").repeat(2), word("a").repeat(2), word("b").repeat(2), calls()),
        (word("aa"), word("aa"), word("bb"), 2)
    );
    assert_eq!((Word::repeat_cache().stats().hits, Word::repeat_cache().weight()), (1, 2));
    assert!(word("a").repeat_invalidate(2) && !word("a").repeat_invalidate(2));
    assert_eq!((word("b").repeat_refresh(2), calls()), (word("bb"), 1));

    assert_eq!((word("a").double(1), word("b").double(1), calls()), (2, 2, 1));
    assert!(Word::double_invalidate(1));
    assert_eq!((word("a").double_refresh(1), calls()), (2, 1));

    assert_eq!((word("a").into_length(), word("b").into_length(), calls()), (1, 1, 1));
    assert_eq!((Arc::new(word("a")).fibonacci(50), calls()), (12_586_269_025, 51));
}

#[test]
fn a_function_without_self_is_cached_as_others_are() {
    assert_eq!((Word::of("a"), Word::of("a"), calls()), (Word("a".to_owned()), Word("a".to_owned()), 1));
    assert!(!Word::of_invalidate("b") && Word::of_invalidate("a"));
    assert_eq!((Word::of_refresh("a").0, Word::of_cache().len(), calls()), ("a".to_owned(), 1, 1));
    assert_eq!(
        (ready(Word::parse("")), ready(Word::parse("a")), ready(Word::parse("a")).is_ok(), calls()),
        (Err(0), Ok(Word("a".to_owned())), true, 2)
    );
}

/// With parameters.
struct Table<'a, T, const N: usize> {
    rows: &'a [T; N],
    cells: Cache<(usize,), String>,
    computed: AtomicU32,
}

#[cached]
impl<T: Display, const N: usize> Table<'_, T, N> {
    #[cached(field = cells)]
    fn cell(&self, at: usize) -> Option<String> {
        self.computed.fetch_add(1, Relaxed);
        self.rows.get(at).map(T::to_string)
    }
}

/// Of any type.
struct Of<T>(T);

#[cached]
impl<T: Default + Clone + Send + Sync + 'static> Of<T> {
    #[cached(shared, ignore = [self])]
    fn size(&self, times: usize) -> usize {
        count();
        size_of::<T>() * times
    }

    #[cached]
    fn empty() -> T {
        count();
        T::default()
    }
}

#[test]
fn a_block_may_have_parameters() {
    let table = Table { rows: &[1.5, 2.5], cells: Cache::new(10), computed: AtomicU32::new(0) };
    assert_eq!([table.cell(1), table.cell(1), table.cell(2)], [Some("2.5".into()), Some("2.5".into()), None]);
    assert_eq!((table.computed.load(Relaxed), table.cell_invalidate(1), table.cell_cache().len()), (2, true, 0));

    assert_eq!((Of(0u8).size(2), Of(0u64).size(2), Of(1u8).size(2), calls()), (2, 16, 2, 2));
    assert_eq!((Of::<u8>::size_cache().stats().hits, Of::<u64>::size_cache().stats().hits), (1, 0));
    assert_eq!((Of::<u8>::empty(), Of::<String>::empty(), Of::<u8>::empty(), calls()), (0, String::new(), 0, 2));
    assert_eq!(Of(7u8).0, 7);
}

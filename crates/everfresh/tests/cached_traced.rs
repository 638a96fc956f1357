//! `#[cached]` with traces: the options that it shares with results in memory alone.
#![cfg(feature = "macros")]
#![allow(clippy::unwrap_used)]
#![deny(missing_docs, unused, unreachable_pub)]

use everfresh::{
    cached,
    disk::{Store, StoreOptions},
    memory::ManualClock,
};
use std::{
    cell::{Cell, RefCell},
    fs,
    future::Future,
    path::Path,
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);
type Hands = LazyLock<Arc<ManualClock>>;

thread_local! {
    /// Calls that reached a function itself on this thread.
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static STORE: RefCell<Option<Store>> = const { RefCell::new(None) };
    /// What the world says.
    static WORLD: RefCell<Result<u32, String>> = const { RefCell::new(Ok(4)) };
}

fn count<T>(value: T) -> T {
    CALLS.set(CALLS.get() + 1);
    value
}

/// How many calls reached a function itself since this was asked.
fn calls() -> u32 {
    CALLS.take()
}

fn ask_world() -> Result<u32, String> {
    count(WORLD.with_borrow(Clone::clone))
}

fn down() -> Result<u32, String> {
    Err("down".to_owned())
}

/// A temporary folder, with the store of the functions in this test.
fn place() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    STORE.set(Some(Store::open(&folder.path().join("cache"), StoreOptions::default()).unwrap()));
    folder
}

fn store() -> Store {
    STORE.with_borrow(Clone::clone).unwrap()
}

fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn a_refresh_that_fails_keeps_the_old_result_and_one_that_does_not_reaches_its_callers() {
    let _folder = place();
    #[cached(store = store())]
    fn rate(_currency: &str) -> Result<u32, String> {
        ask_world()
    }
    #[cached(store = store())]
    fn doubled(currency: &str) -> Result<u32, String> {
        count(Ok(2 * rate(currency)?))
    }
    assert_eq!((doubled("EUR"), calls()), (Ok(8), 2));
    WORLD.set(down());
    assert_eq!((rate::refresh("EUR"), calls()), (down(), 1));
    assert_eq!((rate("EUR"), doubled("EUR"), calls()), (Ok(4), Ok(8), 0));
    WORLD.set(Ok(5));
    assert_eq!((rate::refresh("EUR"), calls()), (Ok(5), 1));
    assert_eq!((rate("EUR"), doubled("EUR"), calls()), (Ok(5), Ok(10), 1));

    #[cached(version = 1)]
    async fn later(_currency: &str) -> Result<u32, String> {
        ask_world()
    }
    assert_eq!(ready(later("EUR")), Some(Ok(5)));
    WORLD.set(down());
    assert_eq!((ready(later::refresh("EUR")), ready(later("EUR"))), (Some(down()), Some(Ok(5))));
}

#[test]
fn errors_and_none_may_live_for_a_time_of_their_own() {
    static CLOCK: Hands = LazyLock::new(Arc::default);
    let _folder = place();
    #[cached(store = store(), ttl = "1h", cache_err = "1m", clock = CLOCK.clone())]
    fn parse(text: &str) -> Result<u32, String> {
        count(text.parse().map_err(|_| "no number".to_owned()))
    }
    #[cached(version = 1, cache_none = "1m", clock = CLOCK.clone())]
    fn find(text: &str) -> Option<usize> {
        count(text.find('x'))
    }
    let ask = || (parse("x").is_err(), parse("7"), find("a"), find("x"));
    let answers = (true, Ok(7), None, Some(0));
    assert_eq!((ask(), calls()), (answers.clone(), 4));
    CLOCK.advance(MINUTE - Duration::from_nanos(1));
    assert_eq!((ask(), calls()), (answers.clone(), 0));
    CLOCK.advance(Duration::from_nanos(1));
    assert_eq!((ask(), calls()), (answers.clone(), 2));
    CLOCK.advance(60 * MINUTE);
    assert_eq!((ask(), calls()), (answers, 3));
}

#[test]
fn a_stale_result_takes_the_place_of_an_error_if_what_it_was_made_from_is_unchanged() {
    static CLOCK: Hands = LazyLock::new(Arc::default);
    let folder = place();
    let path = folder.path().join("a");
    fs::write(&path, "one").unwrap();
    // What is ignored keeps it from being computed behind its callers.
    #[cached(store = store(), depends = file(path), ttl = "1m", stale = "1h", clock = CLOCK.clone(), ignore = [world])]
    fn rate(path: &Path, world: &Result<u32, String>) -> Result<u32, String> {
        let _ = path;
        count(world.clone())
    }
    assert_eq!((rate(&path, &Ok(4)), calls()), (Ok(4), 1));
    CLOCK.advance(MINUTE);
    assert_eq!((rate(&path, &down()), calls()), (Ok(4), 1));
    assert!(rate::explain(&path, &down()).is_hit());
    fs::write(&path, "three").unwrap();
    assert_eq!((rate(&path, &down()), calls()), (down(), 1));
    assert_eq!((rate::cache_info().stale, rate::cache_info().rescued), (1, 1));
}

#[test]
fn a_stale_result_makes_nobody_wait() {
    static CLOCK: Hands = LazyLock::new(Arc::default);
    #[cached(version = 1, ttl = "1m", stale = "1h", clock = CLOCK.clone())]
    fn whole(_text: &str, _unit: &'static str, _path: &Path, _days: Vec<u32>, _weight: f64) -> ThreadId {
        thread::current().id()
    }
    #[cached(version = 1, ttl = "1m", refresh_ahead = 1.0, stale = "1h", clock = CLOCK.clone())]
    fn half(key: u32) -> Result<ThreadId, u32> {
        if key == 0 { Err(key) } else { Ok(thread::current().id()) }
    }
    #[cached(version = 1, ttl = "1m", stale = "1h", verify = 0.5, clock = CLOCK.clone())]
    fn maybe(key: u32) -> Option<String> {
        (key > 0).then(|| format!("{:?}", thread::current().id()))
    }
    #[cached(version = 1, ttl = "1m", stale = "1h", clock = CLOCK.clone())]
    fn here<T: serde::Serialize + 'static>(_key: &T) -> ThreadId {
        thread::current().id()
    }
    let call = || whole("a", "m", Path::new("b"), vec![1], 0.5);
    let own = thread::current().id();
    assert_eq!((call(), half(1), half(0), maybe(0), here(&1)), (own, Ok(own), Err(0), None, own));
    let text = maybe(1);
    CLOCK.advance(MINUTE);
    assert_eq!((call(), half(1), maybe(1), here(&1)), (own, Ok(own), text.clone(), own));
    while call() == own || half(1) == Ok(own) || maybe(1) == text {
        thread::yield_now();
    }
    assert_eq!((whole::cache_info().loads, half::cache_info().loads, here::<i32>::cache_info().loads), (2, 2, 2));
}

#[test]
fn what_is_in_memory_is_bounded_by_weight_and_by_use() {
    static CLOCK: Hands = LazyLock::new(Arc::default);
    #[cached(version = 1, max_bytes = "10B", weigher = |text: &String| text.len() as u32, idle = "1m", clock = CLOCK.clone())]
    fn text(text: &str) -> String {
        count(text.to_owned())
    }
    assert_eq!((text("more than ten"), text("more than ten"), calls()).2, 2);
    assert_eq!((text("four"), text("five."), text("four"), calls()).3, 2);
    CLOCK.advance(MINUTE);
    assert_eq!((text("four"), calls()).1, 1);
}

#[test]
fn results_that_were_made_together_do_not_expire_together() {
    static CLOCK: Hands = LazyLock::new(Arc::default);
    #[cached(version = 1, max_entries = 1000, ttl = "1m", jitter = 0.5, clock = CLOCK.clone())]
    fn double(n: u32) -> u32 {
        count(2 * n)
    }
    (0..1000).for_each(|n| _ = double(n));
    CLOCK.advance(45 * MINUTE / 60);
    let left = (0..1000).filter(|n| double::explain(*n).is_hit()).count();
    // Half of them; nine standard deviations.
    assert!((357..643).contains(&left), "{left}");
}

#[test]
fn hits_that_are_verified_show_that_a_function_is_not_pure() {
    let _folder = place();
    #[cached(store = store(), verify = 1.0)]
    fn dice(_sides: u32) -> u32 {
        count(CALLS.get())
    }
    assert_eq!([dice(6), dice(6)], [0, 1]);
    #[cached(version = 1, verify = 1.0)]
    fn double(n: u32) -> Option<u32> {
        n.checked_mul(2)
    }
    assert_eq!([double(6), double(6)], [Some(12); 2]);
    let (dice, double) = (dice::cache_info(), double::cache_info());
    assert_eq!((dice.verified, dice.impure, double.verified, double.impure), (1, 1, 1, 0));
}

//! `#[cached]` on functions, as a user writes it.
#![cfg(feature = "macros")]
#![allow(clippy::unwrap_used, clippy::panic)]
#![deny(missing_docs, unused, unreachable_pub)]

use everfresh::{
    cached,
    memory::{Clock, ManualClock},
};
use std::{
    cell::Cell,
    future::Future,
    path::Path,
    pin::pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Calls that reached the function itself, on this thread.
macro_rules! counted {
    ($name:ident) => {
        thread_local! { static $name: Cell<u32> = const { Cell::new(0) }; }
    };
}

fn count(calls: &'static std::thread::LocalKey<Cell<u32>>) {
    calls.set(calls.get() + 1);
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future is not ready"),
    }
}

#[test]
fn recursion_computes_each_value_once() {
    counted!(CALLS);
    #[cached]
    fn fib(n: u64) -> u64 {
        count(&CALLS);
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    assert_eq!((fib(90), CALLS.get()), (2_880_067_194_370_816_120, 91));
    let info = fib::cache_info();
    assert_eq!((info.loads, info.misses, info.entries), (91, 91, 91));
}

#[test]
fn references_are_looked_up_as_they_are_and_kept_as_what_they_own() {
    counted!(CALLS);
    #[cached]
    fn describe(name: &str, numbers: &[u32], path: &Path, flag: bool, part: impl AsRef<str>, weight: f64) -> String {
        count(&CALLS);
        format!("{name} {numbers:?} {} {flag} {} {weight}", path.display(), part.as_ref())
    }
    let call = |name: &str, number, weight| describe(name, &[number], Path::new("/p"), true, "x", weight);
    assert_eq!(call("a", 1, 0.5), "a [1] /p true x 0.5");
    assert_eq!(describe("a", &[1], Path::new("/p"), true, String::from("x"), 0.5), call("a", 1, 0.5));
    assert_eq!(CALLS.get(), 1);
    assert_eq!((call("b", 1, 0.5), call("a", 2, 0.5), call("a", 1, 0.0), call("a", 1, -0.0)).3, "a [1] /p true x -0");
    assert_eq!(CALLS.get(), 5);
    assert_eq!([call("a", 1, f64::NAN), call("a", 1, f64::NAN)], ["a [1] /p true x NaN"; 2]);
    assert_eq!(CALLS.get(), 6);
    assert!(describe::invalidate("a", &[1], Path::new("/p"), true, "x", 0.5));
    assert!(!describe::invalidate("a", &[1], Path::new("/p"), true, "x", 0.5));
}

#[test]
fn errors_and_none_are_not_kept_unless_asked_for() {
    counted!(CALLS);
    #[cached]
    fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
        count(&CALLS);
        let number: u32 = text.parse()?;
        Ok(number)
    }
    assert!(parse("x").is_err() && parse("x").is_err());
    assert_eq!((parse("7").unwrap(), parse("7").unwrap(), CALLS.get()), (7, 7, 3));

    counted!(FINDS);
    #[cached]
    fn find(text: &str, letter: char) -> Option<usize> {
        count(&FINDS);
        if text.is_empty() {
            return None;
        }
        text.find(letter)
    }
    assert_eq!([find("abc", 'z'), find("abc", 'z'), find("", 'a')], [None; 3]);
    assert_eq!((find("abc", 'c'), find("abc", 'c'), FINDS.get()), (Some(2), Some(2), 4));

    counted!(KEPT);
    #[cached(cache_err)]
    fn kept(text: &str) -> Result<u32, String> {
        count(&KEPT);
        text.parse().map_err(|_| format!("`{text}` is no number"))
    }
    assert_eq!((kept("x"), kept("x"), KEPT.get()), (Err("`x` is no number".into()), Err("`x` is no number".into()), 1));

    counted!(SHORT);
    #[cached(cache_none = "0s")]
    fn short(key: u32) -> Option<u32> {
        count(&SHORT);
        (key > 5).then_some(key)
    }
    assert_eq!((short(1), short(1), short(6), short(6), SHORT.get()), (None, None, Some(6), Some(6), 3));
}

#[test]
fn an_async_function_is_polled_only_if_there_is_no_value() {
    counted!(CALLS);
    struct Client;
    #[cached(ignore = [client], tags = ["rates"], ttl = "5m", max_entries = 10_000)]
    async fn rate(client: &Client, currency: &str) -> Result<f64, String> {
        let _: &Client = client;
        count(&CALLS);
        std::future::ready(()).await;
        if currency == "EUR" { Ok(1.08) } else { Err(format!("no {currency}")) }
    }
    fn sent<T: Send>(future: T) -> T {
        future
    }
    let client = Client;
    assert_eq!([ready(rate(&client, "EUR")), ready(sent(rate(&Client, "EUR")))], [Ok(1.08), Ok(1.08)]);
    assert_eq!(CALLS.get(), 1);
    assert_eq!(ready(rate(&client, "XXX")), Err("no XXX".to_owned()));
    assert_eq!(ready(rate::refresh(&client, "EUR")), Ok(1.08));
    assert_eq!(CALLS.get(), 3);
    assert!(rate::invalidate("EUR"));
    ready(rate(&client, "EUR")).unwrap();
    assert_eq!((rate::invalidate_tag("rates"), rate::cache_info().entries), (1, 0));

    #[cached]
    async fn maybe(key: u32) -> Option<u32> {
        Some(key)
    }
    assert_eq!([ready(maybe(1)), ready(maybe(1))], [Some(1); 2]);
    assert_eq!(maybe::cache_info().hits, 1);
}

#[test]
fn all_options_go_with_each_other_and_no_weigher_is_needed() {
    counted!(CALLS);
    static CLOCK: Hands = LazyLock::new(Arc::default);
    struct Client;
    #[derive(Clone, Debug, PartialEq, serde::Serialize)]
    struct Rate {
        of: String,
        percent: u32,
    }
    // It is no result that is kept, so it is not weighed.
    #[derive(Debug, PartialEq)]
    struct Error;
    #[cached(max_entries = 10_000, max_bytes = "64MB", ttl = "5m", idle = "1m", stale = "1h", tags = ["rates"],
        key = "{currency}", ignore = [client], clock = CLOCK.clone())]
    async fn rate(client: &Client, currency: &str) -> Result<Rate, Error> {
        let _: &Client = client;
        count(&CALLS);
        if currency == "XXX" { Err(Error) } else { Ok(Rate { of: currency.to_owned(), percent: CALLS.get() }) }
    }
    let ask = |currency: &str| ready(rate(&Client, currency)).map(|rate| rate.percent);
    assert_eq!([ask("EUR"), ask("XXX"), ask("EUR")], [Ok(1), Err(Error), Ok(1)]);
    // The key and the result are `String` and `Rate`, with a text of three letters each.
    let weight = size_of::<String>() + 3 + size_of::<Rate>() + 3;
    assert_eq!((rate::cache_info().entries, rate::cache_info().weight), (1, weight as u64));
    assert_eq!(ready(rate::refresh(&Client, "EUR")).map(|rate| rate.percent), Ok(3));
    CLOCK.advance(MINUTE);
    assert_eq!(ask("EUR"), Ok(4), "it went unused for too long");
    assert!(rate::invalidate("EUR"));
    assert_eq!((ask("EUR"), rate::invalidate_tag("rates"), rate::cache_info().entries), (Ok(5), 1, 0));
}

#[test]
fn the_key_may_be_said() {
    counted!(CALLS);
    #[derive(Debug)]
    struct User<'a> {
        id: u64,
        name: &'a str,
    }
    #[cached(key = (user.id, day) as (u64, u32))]
    fn visits(user: &User<'_>, day: u32) -> usize {
        count(&CALLS);
        user.name.len() + day as usize
    }
    assert_eq!((visits(&User { id: 1, name: "Ann" }, 2), visits(&User { id: 1, name: "Anna" }, 2)), (5, 5));
    assert_eq!((visits(&User { id: 2, name: "Anna" }, 2), CALLS.get()), (6, 2));
    assert!(visits::invalidate(&User { id: 1, name: "" }, 2));

    #[cached(key = "{day}", max_entries = 1, policy = lru)]
    fn weekday(day: u32, _format: fn(u32) -> String) -> u32 {
        day % 7
    }
    assert_eq!((weekday(9, |_| String::new()), weekday(9, |day| day.to_string())), (2, 2));
    assert_eq!((weekday::cache_info().hits, weekday::cache_info().entries), (1, 1));
}

#[test]
fn the_key_is_made_once_a_call() {
    counted!(KEYS);
    fn length(text: &str) -> usize {
        count(&KEYS);
        text.len()
    }
    #[cached(key = length(text) as usize)]
    fn first(text: &str) -> Option<char> {
        text.chars().next()
    }
    let calls: [&dyn Fn(); 4] = [
        &|| assert_eq!(first("abc"), Some('a')),
        &|| assert_eq!(first("xyz"), Some('a')),
        &|| assert_eq!(first::refresh("xyz"), Some('x')),
        &|| assert!(first::invalidate("uvw")),
    ];
    for (before, call) in calls.iter().enumerate() {
        call();
        assert_eq!(KEYS.get(), before as u32 + 1);
    }

    counted!(LOOKS);
    struct Counted;
    impl AsRef<str> for Counted {
        fn as_ref(&self) -> &str {
            count(&LOOKS);
            "counted"
        }
    }
    #[cached]
    fn zero(_part: impl AsRef<str>, _weight: f32) -> u32 {
        0
    }
    assert_eq!((zero(Counted, 1.0), LOOKS.get(), zero(Counted, 1.0), LOOKS.get()), (0, 1, 0, 2));
}

/// A function with documentation.
#[cached(max_entries = 2, policy = lru)]
#[must_use]
pub fn square(n: i64) -> i64 {
    n * n
}

#[test]
fn verbs_reach_the_cache_of_their_function() {
    assert_eq!([square(1), square(2), square(1), square(3), square(1)], [1, 4, 1, 9, 1]);
    let info = square::cache_info();
    assert_eq!((info.hits, info.misses, info.evicted, info.entries), (2, 3, 1, 2));
    assert!(square::invalidate(3) && !square::invalidate(2));
    assert_eq!(square::refresh(1), 1);
    assert_eq!(square::cache_info().loads, 4);
    square::cache_clear();
    assert_eq!(square::cache_info().entries, 0);
}

#[test]
fn patterns_no_arguments_and_owned_ones_work() {
    counted!(CALLS);
    #[cached]
    fn add((a, b): (u32, u32), [c, d]: [u32; 2]) -> u32 {
        count(&CALLS);
        a + b + c + d
    }
    assert_eq!((add((1, 2), [3, 4]), add((1, 2), [3, 4]), add((2, 1), [3, 4]), CALLS.get()), (10, 10, 10, 2));

    counted!(CONFIGURED);
    #[cached]
    fn configuration() -> String {
        count(&CONFIGURED);
        "settings".to_owned()
    }
    assert_eq!((configuration(), configuration(), CONFIGURED.get()), ("settings".into(), "settings".into(), 1));
    assert!(configuration::invalidate());

    #[cached]
    fn join(mut words: Vec<String>, end: Option<String>) -> String {
        words.extend(end);
        words.join(" ")
    }
    let words = || vec!["a".to_owned(), "b".to_owned()];
    assert_eq!([join(words(), None), join(words(), Some("c".into())), join(words(), None)], ["a b", "a b c", "a b"]);
    assert_eq!(join::cache_info().hits, 1);
}

#[test]
fn a_bound_on_weights_holds() {
    #[cached(max_bytes = "10B", weigher = |_, text: &String| text.len() as u32)]
    fn repeat(text: &str, times: usize) -> String {
        text.repeat(times)
    }
    (0..10).for_each(|times| assert_eq!(repeat("ab", times).len(), 2 * times));
    assert!(repeat::cache_info().weight <= 10 && repeat::cache_info().refused == 4);
}

#[test]
fn each_instantiation_has_a_cache_of_its_own() {
    counted!(CALLS);
    #[cached(max_entries = 1)]
    fn repeat<T: Clone + Eq + std::hash::Hash + Send + Sync + 'static, const N: usize>(value: &T) -> [T; N] {
        count(&CALLS);
        std::array::from_fn(|_| value.clone())
    }
    assert_eq!(
        (repeat(&1u8), repeat(&2u16), repeat(&3u8), repeat(&"a".to_owned())),
        ([1], [2; 2], [3], ["a"; 0].map(str::to_owned))
    );
    assert_eq!((repeat::<_, 2>(&2u16), repeat::<_, 1>(&3u8), CALLS.get()), ([2; 2], [3], 4));
    let info = (repeat::<u8, 1>::cache_info(), repeat::<u16, 2>::cache_info(), repeat::<u8, 2>::cache_info());
    assert_eq!((info.0.misses, info.0.evicted, info.1.hits, info.2.misses), (2, 1, 1, 0));
    assert!(repeat::<u8, 1>::invalidate(&3) && !repeat::<u8, 1>::invalidate(&1));
    assert_eq!(repeat::<u16, 2>::refresh(&2), [2; 2]);
    repeat::<u16, 2>::cache_clear();
    assert_eq!((repeat::<u16, 2>::cache_info().entries, CALLS.get()), (0, 5));

    #[cached]
    fn size<'a, 'b: 'a, T>(of: &'a str, _within: &'b str) -> Result<usize, &'a str>
    where
        T: ?Sized + ToOwned + 'static,
        &'b str: Into<&'a str>,
    {
        if of.is_empty() { Err(of) } else { Ok(of.len() + size_of::<T::Owned>()) }
    }
    assert_eq!([size::<u64>("abc", "d"), size::<u64>("abc", "d"), size::<str>("", "d")], [Ok(11), Ok(11), Err("")]);
    assert_eq!((size::<u64>::cache_info().hits, size::<str>::cache_info().failures), (1, 1));

    #[cached]
    async fn later<T: Default + Clone + Send + Sync + 'static>(_key: u32) -> Option<T> {
        Some(T::default())
    }
    assert_eq!((ready(later::<String>(1)), ready(later::<u8>(1))), (Some(String::new()), Some(0)));
    assert_eq!(later::<u8>::cache_info().loads, 1);
}

mod inner {
    use super::{cached, count};
    use std::cell::Cell;

    counted!(CALLS);

    /// Seen in this crate.
    #[cached(tags = ["inner"])]
    pub(crate) fn shared(of: &'static str) -> &'static str {
        count(&CALLS);
        &of[1..]
    }

    pub(crate) fn calls() -> u32 {
        CALLS.get()
    }
}

#[test]
fn verbs_are_seen_as_far_as_their_function() {
    assert_eq!((inner::shared("ab"), inner::shared("ab"), inner::calls()), ("b", "b", 1));
    assert_eq!((inner::shared::invalidate_tag("inner"), inner::shared::cache_info().entries), (1, 0));
}

#[test]
fn qualifiers_and_attributes_stay_with_the_function() {
    #[cached]
    #[allow(unsafe_code)]
    unsafe fn first(numbers: &[u32]) -> u32 {
        // SAFETY: the caller gives one at least.
        unsafe { *numbers.get_unchecked(0) }
    }
    // SAFETY: there are two.
    #[allow(unsafe_code)]
    let found = unsafe { (first(&[7, 8]), first(&[7, 8]), first::refresh(&[7, 8])) };
    assert_eq!((found, first::cache_info().hits, first::invalidate(&[7, 8])), ((7, 7, 7), 1, true));

    #[cached]
    extern "C" fn double(n: u32) -> u32 {
        2 * n
    }
    let pointer: extern "C" fn(u32) -> u32 = double;
    assert_eq!((pointer(4), double(4), double::cache_info().hits), (8, 8, 1));

    #[cached]
    #[cfg(any())]
    fn absent(n: NoSuchType) -> u32 {}
    #[cached]
    #[cfg(not(any()))]
    #[expect(clippy::needless_pass_by_value, unused_assignments)]
    fn absent(
        /// Documentation, which the compiler alone would not allow here.
        mut text: String,
        #[allow(unused)] other: u32,
    ) -> usize {
        let mut size = 0;
        text.push('.');
        size = text.len();
        size
    }
    assert_eq!((absent("ab".into(), 1), absent("ab".into(), 1), absent::cache_info().hits), (3, 3, 1));
}

#[test]
fn a_function_in_a_function_may_have_the_name_of_one_outside() {
    #[cached]
    fn square(n: i64) -> i64 {
        #[cached]
        fn square(n: i64) -> i64 {
            n + 1
        }
        square(n) + square::cache_info().entries as i64
    }
    assert_eq!((square(4), square(4), square(5)), (6, 6, 8));

    #[cached]
    fn double(double: u32) -> u32 {
        2 * double
    }
    assert_eq!((double(4), double(4), double::refresh(4), double::invalidate(4)), (8, 8, 8, true));
}

#[test]
fn what_is_neither_kept_nor_looked_up_may_borrow() {
    #[cached(ignore = [log])]
    fn shout<'a>(text: &'a str, log: &mut Vec<&'a str>) -> Result<String, &'a str> {
        log.push(text);
        if text.is_empty() { Err(text) } else { Ok(text.to_uppercase()) }
    }
    let mut log = Vec::new();
    assert_eq!([shout("a", &mut log), shout("a", &mut log)], [Ok("A".to_owned()), Ok("A".to_owned())]);
    assert_eq!(shout::refresh("", &mut log), Err(""));
    assert_eq!(log, ["a", ""]);
}

/// Moved by hand, for one test.
type Hands = LazyLock<Arc<ManualClock>>;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_old_result_is_served_at_once_while_a_thread_computes_anew() {
    static CLOCK: Hands = LazyLock::new(Arc::default);
    static CALLS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = "1m", stale = "1h", clock = CLOCK.clone())]
    fn rate(_currency: &str, _weight: f64, _days: Vec<u32>) -> (u32, ThreadId) {
        (CALLS.fetch_add(1, Relaxed), thread::current().id())
    }
    let call = || rate("EUR", 0.5, vec![1]);
    assert_eq!([call(), call()], [(0, thread::current().id()); 2]);
    CLOCK.advance(MINUTE);
    assert_eq!(call().0, 0);
    while call().0 == 0 {
        thread::yield_now();
    }
    assert_eq!(call().0, 1);
    assert_ne!(call().1, thread::current().id());

    #[cached(ttl = "1m", refresh_ahead = 0.5, clock = CLOCK.clone())]
    fn half(key: u32) -> Result<ThreadId, u32> {
        if key == 0 { Err(key) } else { Ok(thread::current().id()) }
    }
    #[cached(ttl = "1m", refresh_ahead = 0.5, clock = CLOCK.clone())]
    fn maybe(key: u32) -> Option<ThreadId> {
        (key > 0).then(|| thread::current().id())
    }
    let here = thread::current().id();
    assert_eq!((half(1), half(0), maybe(1), maybe(0)), (Ok(here), Err(0), Some(here), None));
    CLOCK.advance(MINUTE / 2);
    assert_eq!((half(1), maybe(1)), (Ok(here), Some(here)));
    while half(1) == Ok(here) || maybe(1) == Some(here) {
        thread::yield_now();
    }
    assert_eq!((half::cache_info().loads, maybe::cache_info().loads), (2, 2));
}

#[test]
fn where_no_thread_can_compute_the_caller_does_and_an_old_result_stands_in_for_its_error() {
    static CLOCK: Hands = LazyLock::new(Arc::default);
    counted!(CALLS);
    #[cached(ttl = "1m", stale = "1h", clock = CLOCK.clone(), ignore = [down])]
    fn rate(_currency: &str, down: bool) -> Result<u32, String> {
        count(&CALLS);
        if down { Err("down".to_owned()) } else { Ok(CALLS.get()) }
    }
    assert_eq!((rate("EUR", false), rate("EUR", false)), (Ok(1), Ok(1)));
    CLOCK.advance(MINUTE);
    assert_eq!((rate("EUR", true), CALLS.get()), (Ok(1), 2));
    CLOCK.advance(MINUTE);
    assert_eq!((rate("EUR", false), rate("EUR", true)), (Ok(3), Ok(3)));
    CLOCK.advance(61 * MINUTE);
    assert_eq!(rate("EUR", true), Err("down".to_owned()));

    counted!(ASKED);
    #[cached(ttl = "1m", stale = "1h", clock = CLOCK.clone())]
    async fn ask(_key: u32) -> u32 {
        count(&ASKED);
        ASKED.get()
    }
    #[cached(ttl = "1m", stale = "1h", clock = CLOCK.clone())]
    fn borrowed<'a>(text: &'a str, _of: &'static str) -> Result<u32, &'a str> {
        if text.is_empty() { Err(text) } else { Ok(1) }
    }
    assert_eq!((ready(ask(1)), borrowed("a", "b")), (1, Ok(1)));
    CLOCK.advance(MINUTE);
    assert_eq!((ready(ask(1)), borrowed("a", "b"), borrowed::cache_info().loads), (2, Ok(1), 2));
}

#[test]
fn a_task_computes_behind_the_callers_of_an_async_function() {
    static CLOCK: Hands = LazyLock::new(Arc::default);
    // Each computation takes one.
    static PERMITS: Semaphore = Semaphore::const_new(2);
    async fn permit() {
        PERMITS.acquire().await.unwrap().forget();
        tokio::task::yield_now().await;
    }
    #[derive(Clone)]
    struct Client(u32);
    #[cached(ttl = "1m", stale = "1h", ignore = [client], clock = CLOCK.clone(), spawn = tokio::spawn)]
    async fn rate(client: &Client, currency: &str) -> Result<u32, String> {
        permit().await;
        Ok(client.0 + currency.len() as u32)
    }
    #[cached(version = 1, ttl = "1m", stale = "1h", clock = CLOCK.clone(), spawn = |task| tokio::spawn(task))]
    async fn twice(of: u32, _names: &[String]) -> Option<u32> {
        permit().await;
        Some(2 * of + CLOCK.now().as_secs() as u32)
    }
    let ask = async || (rate(&Client(7), "EUR").await, twice(1, &[]).await);
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(async {
        assert_eq!((rate(&Client(1), "EUR").await, twice(1, &[]).await), (Ok(4), Some(2)));
        CLOCK.advance(MINUTE);
        // Nobody can compute, and nobody waits.
        for _ in 0..3 {
            assert_eq!(ask().await, (Ok(4), Some(2)));
        }
        PERMITS.add_permits(2);
        while ask().await != (Ok(10), Some(62)) {
            tokio::task::yield_now().await;
        }
        assert_eq!((rate::cache_info().loads, twice::cache_info().loads), (2, 2));
    });
}

#[test]
fn hits_that_are_verified_show_that_a_function_is_not_pure() {
    counted!(CALLS);
    #[cached(verify = 1.0)]
    fn dice(_sides: u32) -> u32 {
        count(&CALLS);
        CALLS.get()
    }
    assert_eq!([dice(6), dice(6)], [1, 2]);
    #[cached(verify = 1.0)]
    fn double(n: &u32) -> Option<u32> {
        n.checked_mul(2)
    }
    assert_eq!([double(&6), double(&6)], [Some(12); 2]);
    let (dice, double) = (dice::cache_info(), double::cache_info());
    assert_eq!((dice.verified, dice.impure, double.verified, double.impure), (1, 1, 1, 0));
    #[cached(verify = 0.0)]
    fn never(_n: u32) -> u32 {
        count(&CALLS);
        CALLS.get()
    }
    assert_eq!([never(6), never(6)], [3, 3]);
}

#[test]
fn attributes_in_the_body_and_raw_names_are_as_good_as_others() {
    #[cached]
    fn r#match(n: u32) -> u32 {
        #![allow(clippy::needless_return)]
        return n + 1;
    }
    struct Kind(u32);
    #[cached]
    impl Kind {
        #[cached(shared, ignore = [self])]
        fn r#type(&self, n: u32) -> u32 {
            self.0 + n
        }
    }
    assert_eq!((r#match(1), r#match(1), r#match::cache_info().loads), (2, 2, 1));
    assert_eq!((Kind(1).r#type(1), Kind(2).r#type(1)), (2, 2));
}

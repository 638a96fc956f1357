//! `#[cached]` with traces, as a user writes it.
#![cfg(feature = "macros")]
#![allow(clippy::unwrap_used, clippy::panic)]
#![deny(missing_docs, unused, unreachable_pub)]

use everfresh::{
    cached,
    disk::{Space, Store, StoreOptions},
    memo::{Explanation, Reason},
    memory::ManualClock,
};
use std::{
    any::type_name,
    cell::{Cell, RefCell},
    fs,
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tempfile::TempDir;

thread_local! {
    /// Calls that reached a function itself.
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static STORE: RefCell<Option<Store>> = const { RefCell::new(None) };
}

fn count<T>(value: T) -> T {
    CALLS.set(CALLS.get() + 1);
    value
}

/// How many calls reached a function itself since this was asked.
fn calls() -> u32 {
    CALLS.take()
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

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn size(path: &Path) -> u64 {
    count(fs::metadata(path).map_or(0, |file| file.len()))
}

fn reason(explanation: Explanation) -> Reason {
    match explanation {
        Explanation::Miss { reason } => reason,
        hit => panic!("{hit}"),
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future is not ready"),
    }
}

#[test]
fn a_store_keeps_a_record_for_each_key() {
    let _folder = place();
    #[cached(store = store(), version = 3)]
    fn join(words: Vec<String>, end: &str, weight: f64, part: impl AsRef<str>, within: Option<&str>) -> String {
        count(format!("{} {end} {weight} {} {within:?}", words.join("-"), part.as_ref()))
    }
    let call = |word: &str| join(vec![word.to_owned()], "end", 0.5, "part", Some("x"));
    assert_eq!([call("a"), call("a")], ["a end 0.5 part Some(\"x\")"; 2]);
    assert_eq!((call("b").as_str(), calls()), ("b end 0.5 part Some(\"x\")", 2));
    // Two records: what each of them holds is for other processes, as the example `levenshtein` shows.
    let mut traces = 0;
    store().for_each(Space::Traces, |_, _| traces += 1).unwrap();
    assert_eq!(traces, 2);
}

#[test]
fn a_folder_that_can_be_no_store_leaves_the_memory() {
    #[cached(store = "/proc/version/no-folder")]
    fn double(n: u32) -> u32 {
        count(2 * n)
    }
    assert_eq!((double(4), double(4), calls(), double::cache_info().memory_hits), (8, 8, 1, 1));
}

#[test]
fn a_file_that_changed_is_a_miss_and_one_that_was_only_written_is_a_hit() {
    let folder = place();
    #[cached(store = store(), depends = file(path))]
    fn length(path: &Path) -> u64 {
        size(path)
    }
    let path = write(&folder, "a", "one");
    assert_eq!((length(&path), length(&path), calls()), (3, 3, 1));
    assert!(length::explain(&path).is_hit());
    write(&folder, "a", "three");
    assert_eq!(reason(length::explain(&path)), Reason::FileChanged { path: path.display().to_string() });
    assert_eq!((length(&path), calls()), (5, 1));
    write(&folder, "a", "three");
    assert_eq!((length(&path), calls()), (5, 0));
    // A key has several traces.
    write(&folder, "a", "one");
    assert_eq!((length(&path), calls()), (3, 0));
}

#[test]
fn all_that_is_declared_counts() {
    struct Settings {
        region: String,
    }
    let folder = place();
    #[cached(
        depends = [file(input), file(folder.join("b")), dir(folder), env("EVERFRESH_NEVER_SET"), value(settings.region)],
        ignore = [settings, folder],
    )]
    fn report(input: PathBuf, folder: &Path, settings: &Settings) -> String {
        count(format!("{} {}", size(&input) + size(&folder.join("b")), settings.region))
    }
    let settings = |region: &str| Settings { region: region.to_owned() };
    let input = write(&folder, "a", "one");
    let call = |region: &str| report(input.clone(), folder.path(), &settings(region));
    let why = |region: &str| reason(report::explain(input.clone(), folder.path(), &settings(region)));
    assert_eq!((call("north"), call("north"), calls()), ("3 north".into(), "3 north".into(), 3));

    let Explanation::Hit { observed, .. } = report::explain(input.clone(), folder.path(), &settings("north")) else {
        panic!("it is kept");
    };
    assert!(observed.contains(&"environment variable EVERFRESH_NEVER_SET (absent)".to_owned()), "{observed:?}");
    let name = format!("settings.region of {}", type_name::<report>());
    assert_eq!(why("south"), Reason::ValueChanged { name });
    let b = write(&folder, "b", "two");
    assert_eq!(why("north"), Reason::FileAppeared { path: b.display().to_string() });
    assert_eq!((call("north"), calls()), ("6 north".into(), 3));
    write(&folder, "c", "");
    assert_eq!(why("north"), Reason::DirChanged { path: folder.path().display().to_string() });
    assert_eq!((call("north"), call("south"), call("north"), calls()).3, 6);
}

#[test]
fn verbs_reach_the_results_of_their_function() {
    let _folder = place();
    #[cached(store = store(), tags = ["rates"], max_entries = 2, policy = lru)]
    fn rate(currency: &str) -> usize {
        count(currency.len())
    }
    assert_eq!((rate("EUR"), rate("EUR"), calls()), (3, 3, 1));
    assert!(rate::invalidate("EUR") && !rate::invalidate("EUR"));
    assert_eq!(reason(rate::explain("EUR")), Reason::New);
    assert_eq!((rate("EUR"), rate::refresh("EUR"), rate("EUR"), calls()), (3, 3, 3, 2));
    rate::invalidate_tag("rates");
    assert!(matches!(reason(rate::explain("EUR")), Reason::Invalidated { .. }));
    assert_eq!((rate("EUR"), calls()), (3, 1));
    rate::cache_clear();
    assert_eq!((rate("EUR"), calls()), (3, 1));
    let info = rate::cache_info();
    assert_eq!((info.memory_hits, info.loads, info.disk_hits), (2, 5, 0));
}

#[test]
fn errors_and_none_are_not_kept_unless_asked_for() {
    let _folder = place();
    #[cached(store = store())]
    fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
        count(text.parse())
    }
    assert!(parse("x").is_err() && parse("x").is_err());
    assert_eq!((parse("7"), parse("7"), calls()), (Ok(7), Ok(7), 3));

    #[cached(version = 1)]
    fn find(text: &str, letter: char) -> Option<usize> {
        count(text.find(letter))
    }
    assert_eq!(
        [find("abc", 'z'), find("abc", 'z'), find("abc", 'c'), find("abc", 'c')],
        [None, None, Some(2), Some(2)]
    );
    assert_eq!(calls(), 3);

    #[cached(store = store(), cache_err)]
    fn kept(text: &str) -> Result<u32, String> {
        count(text.parse().map_err(|_| format!("`{text}` is no number")))
    }
    assert_eq!([kept("x"), kept("x")], ["x"; 2].map(|_| Err("`x` is no number".to_owned())));
    assert_eq!(calls(), 1);
}

#[test]
fn an_async_function_is_polled_only_if_there_is_no_result() {
    let folder = place();
    #[cached(store = store(), depends = file(path.clone()), ignore = [client])]
    async fn length(client: &Cell<u32>, path: PathBuf) -> Result<u64, String> {
        client.set(client.get() + 1);
        std::future::ready(()).await;
        if path.exists() { Ok(size(&path)) } else { Err("none".to_owned()) }
    }
    fn sent<T: Send>(future: T) -> T {
        future
    }
    let (client, path) = (Cell::new(0), folder.path().join("a"));
    assert_eq!(ready(length(&client, path.clone())), Err("none".to_owned()));
    write(&folder, "a", "one");
    let call = || ready(length(&client, path.clone()));
    assert_eq!(([call(), call()], client.get()), ([Ok(3), Ok(3)], 2));
    assert_eq!((ready(length::refresh(&client, path.clone())), client.get()), (Ok(3), 3));
    assert!(length::explain(&client, path.clone()).is_hit() && length::invalidate(path.clone()));

    assert_eq!(calls(), 2);

    #[cached(version = 1)]
    async fn maybe(key: Vec<u32>) -> Option<usize> {
        count(key.first().map(|_| key.len()))
    }
    let call = |key: &[u32]| ready(sent(maybe(key.to_vec())));
    assert_eq!(([call(&[1]), call(&[1]), call(&[]), call(&[])], calls()), ([Some(1), Some(1), None, None], 3));
}

#[test]
fn the_key_may_be_said() {
    struct User<'a> {
        id: u64,
        name: &'a str,
    }
    #[cached(version = 1, key = (user.id, day) as (u64, u32))]
    fn visits(user: &User<'_>, day: u32) -> usize {
        count(user.name.len() + day as usize)
    }
    assert_eq!((visits(&User { id: 1, name: "Ann" }, 2), visits(&User { id: 1, name: "Anna" }, 2)), (5, 5));
    assert_eq!((visits(&User { id: 2, name: "Anna" }, 2), calls()), (6, 2));
    assert!(visits::invalidate(&User { id: 1, name: "" }, 2));
}

#[test]
fn functions_of_one_name_in_blocks_of_one_function_share_nothing() {
    let _folder = place();
    let one = {
        #[cached(store = store(), version = 1)]
        fn number(n: u32) -> u32 {
            n + 1
        }
        number(1)
    };
    let other = {
        #[cached(store = store(), version = 1)]
        fn number(n: u32) -> u32 {
            n + 2
        }
        number(1)
    };
    assert_eq!((one, other), (2, 3));
}

#[test]
fn functions_of_one_name_in_different_functions_share_nothing() {
    fn one() -> u32 {
        #[cached(store = store(), version = 1)]
        fn number() -> u32 {
            1
        }
        number()
    }
    fn two() -> u32 {
        #[cached(store = store(), version = 1)]
        fn number() -> u32 {
            2
        }
        number()
    }
    let _folder = place();
    assert_eq!((one(), two(), one(), two()), (1, 2, 1, 2));
}

#[test]
fn each_instantiation_has_results_of_its_own() {
    let _folder = place();
    #[cached(store = store())]
    fn measure<T: ?Sized + 'static, const N: usize>(factor: u32) -> (String, u32) {
        count((type_name::<T>().to_owned(), N as u32 * factor))
    }
    let (text, byte) = (("str".to_owned(), 6), ("u8".to_owned(), 6));
    assert_eq!([measure::<str, 3>(2), measure::<u8, 3>(2), measure::<str, 3>(2)], [text.clone(), byte, text]);
    assert_eq!((calls(), measure::<str, 3>::cache_info().memory_hits), (2, 1));
    assert!(measure::<u8, 3>::invalidate(2) && !measure::<u8, 4>::invalidate(2));
}

#[test]
fn what_is_read_inside_through_everfresh_needs_no_declaration() {
    let folder = place();
    #[cached(version = 1)]
    fn inner(path: &Path) -> usize {
        count(everfresh::fs::read(path).map_or(0, |bytes| bytes.len()))
    }
    #[cached(store = store())]
    fn outer(path: &Path) -> usize {
        count(inner(path) * 2)
    }
    let path = write(&folder, "a", "one");
    assert_eq!((outer(&path), outer(&path), calls()), (6, 6, 2));
    write(&folder, "a", "three");
    assert_eq!((outer(&path), calls()), (10, 2));
}

#[test]
fn a_result_lives_as_long_as_its_ttl_by_the_clock_that_is_given() {
    static CLOCK: LazyLock<Arc<ManualClock>> = LazyLock::new(Arc::default);
    #[cached(version = 1, ttl = "1m", clock = CLOCK.clone())]
    fn double(n: u32) -> u32 {
        count(2 * n)
    }
    CLOCK.advance(Duration::from_secs(10));
    assert_eq!((double(4), calls()), (8, 1));
    CLOCK.advance(Duration::from_secs(59));
    assert_eq!((double(4), calls()), (8, 0));
    CLOCK.advance(Duration::from_secs(1));
    assert!(matches!(reason(double::explain(4)), Reason::Expired { .. }));
    assert_eq!((double(4), calls()), (8, 1));
}

/// Something that is a part of the key.
#[derive(serde::Serialize)]
struct Folder<'a> {
    path: &'a Path,
}

#[cached]
impl Folder<'_> {
    #[cached(shared, depends = file(self.path.join(name)))]
    fn length(&self, name: &str) -> u64 {
        size(&self.path.join(name))
    }

    #[cached(version = 1)]
    fn double(n: u32) -> u32 {
        count(2 * n)
    }
}

#[test]
fn methods_have_traces_in_a_cache_that_all_share() {
    let folder = place();
    let of = Folder { path: folder.path() };
    write(&folder, "a", "one");
    assert_eq!((of.length("a"), of.length("a"), of.length("b"), calls()), (3, 3, 0, 2));
    write(&folder, "a", "three");
    assert!(!of.length_explain("a").is_hit());
    assert_eq!((of.length("a"), of.length_refresh("a"), calls()), (5, 5, 2));
    assert!(of.length_invalidate("a"));
    assert_eq!(Folder::length_cache().stats().loads, 4);
    assert_eq!((Folder::double(4), Folder::double(4), Folder::double_explain(4).is_hit(), calls()), (8, 8, true, 1));
}

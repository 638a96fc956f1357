//! What does not compile, and what it says.

use crate::{cached, options::Options, precomputed};

/// The error of `#[cached(options)] function`.
fn cached_error(options: &str, function: &str) -> String {
    let function = syn::parse_str(function).unwrap();
    let expanded = syn::parse_str::<Options>(options).and_then(|options| cached::expand(&options, &function));
    expanded.unwrap_err().to_string()
}

fn precomputed_error(ranges: &str, function: &str) -> String {
    let function = syn::parse_str(function).unwrap();
    let expanded = syn::parse_str(ranges).and_then(|ranges| precomputed::expand(&ranges, &function));
    expanded.unwrap_err().to_string()
}

#[test]
fn wrong_options_are_told_with_what_was_meant() {
    let wrong = |options: &str| cached_error(options, "fn f(a: u32) -> u32 { a }");
    assert_eq!(wrong("tll = \"5m\""), "there is no option `tll`: did you mean `ttl`?");
    assert!(wrong("size = 5").starts_with("there is no option `size`: there are `max_entries`, `max_bytes`"));
    assert_eq!(wrong("policy = lru2"), "there is no policy `lru2`: did you mean `lru`?");
    assert_eq!(wrong("ttl = \"5m\", ttl = \"6m\""), "`ttl` is said twice");
    assert!(wrong("ttl = \"5 parsecs\"").starts_with("a duration is a number and `ms`"));
    assert!(wrong("max_bytes = \"64MB\"").starts_with("`max_bytes` needs `weigher"));
    assert_eq!(wrong("jitter = 1.5"), "a part is from 0.0 to 1.0");
    assert_eq!(wrong("ignore = [b]"), "there is no argument `b` to ignore");
    assert!(wrong("key = a").starts_with("a key is a value with its type"));
    assert_eq!(wrong("cache_err"), "`cache_err` is for a function that returns a `Result`");
    assert_eq!(wrong("cache_none"), "`cache_none` is for a function that returns an `Option`");
}

#[test]
fn functions_that_cannot_be_cached_say_why() {
    let wrong = |function: &str| cached_error("", function);
    assert!(wrong("fn f(&self, a: u32) -> u32 { a }").starts_with("a method is cached in an `impl` block"));
    assert!(wrong("const fn f(a: u32) -> u32 { a }").ends_with("see `#[precomputed]`"));
    assert!(wrong("fn f(a: Cow<'_, str>) -> u32 { 1 }").contains("say `key = …`, or leave it out with `ignore = [a]`"));
    assert!(wrong("fn f(a: Option<&str>) -> u32 { 1 }").contains("a type that borrows"));
    assert!(wrong("fn f(a: impl Fn()) -> u32 { 1 }").contains("an `impl` other than `impl AsRef<…>`"));
    assert!(wrong("fn f(a: &str) -> &str { a }").starts_with("a result that borrows cannot be kept"));
    assert!(wrong("fn f(a: &str) -> Option<&str> { None }").starts_with("a result that borrows cannot be kept"));
    assert!(wrong("fn f(a: u32) -> impl Iterator<Item = u32> { 0..a }").starts_with("an `impl` has no name"));
}

#[test]
fn static_references_and_lifetimes_in_references_are_fine() {
    let fine = "fn f<'a>(a: &'a str, b: &'static [u8], c: Cow<'static, str>) -> &'static str { \"\" }";
    cached::expand(&Options::default(), &syn::parse_str(fine).unwrap()).unwrap();
}

#[test]
fn tables_need_integers_and_a_range_for_each() {
    assert!(precomputed_error("0..", "fn f(a: u8) -> u8 { a }").starts_with("a range with both ends is needed"));
    assert!(precomputed_error("5", "fn f(a: u8) -> u8 { a }").starts_with("a range with both ends is needed"));
    assert_eq!(
        precomputed_error("0..2", "fn f(a: u8, b: u8) -> u8 { a }"),
        "2 arguments need as many ranges, one each: there are 1"
    );
    assert!(
        precomputed_error("0..2", "fn f(a: f32) -> f32 { a }")
            .starts_with("an argument with a range has to be an integer")
    );
    assert!(
        precomputed_error("0..2", "fn f(a: u128) -> u8 { 0 }")
            .starts_with("an argument with a range has to be an integer")
    );
    assert!(precomputed_error("0..2", "async fn f(a: u8) -> u8 { a }").starts_with("an async function"));
    assert!(precomputed_error("0..2", "fn f(a: u8) { }").starts_with("there is no result"));
    assert!(precomputed_error("0..2", "fn f<T>(a: u8) -> u8 { a }").starts_with("a function with parameters"));
}

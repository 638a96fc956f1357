//! The attributes of Everfresh. Use them through the crate `everfresh`, which has what they expand to, and examples.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `options` | what stands in the attribute's brackets |
//! | `signature` | which arguments are the key, and what is kept of the result |
//! | `cached`, `precomputed` | what the attributes make of a function |
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cached;
#[cfg(test)]
mod error_tests;
mod options;
mod precomputed;
mod quantity;
mod signature;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

/// Keeps the results of a function, so that equal arguments compute once.
///
/// The function keeps its name, visibility, docs and attributes. Beside it stands an empty enum of the same name, whose
/// functions are the cache's verbs: `name::cache_info()`, `name::cache_clear()`, `name::invalidate(arguments)`,
/// `name::refresh(arguments)` and `name::invalidate_tag(tag)`.
///
/// Of all threads and tasks that call with the same arguments at once, one computes and the others wait. A call that comes
/// back to its own arguments while it computes them computes once more. Errors and `None` are not kept.
///
/// | option | what it says | default |
/// | --- | --- | --- |
/// | `max_entries = 1000` | how many results are kept; 0 keeps none | 128 |
/// | `max_bytes = "64MB", weigher = …` | how much all of them may weigh; the weigher is a function or closure of `(&Key, &Value)` that gives a `u32` | |
/// | `ttl = "5m"` | how long a result is kept (`ms`, `s`, `m`, `h`, `d`) | until there is no room |
/// | `idle = "1m"` | how long a result may go unused | |
/// | `jitter = 0.1` | a random part of its life by which each result lives shorter | 0 |
/// | `policy = lru` | which one goes when there is no room: `adaptive`, `tinylfu`, `s3fifo`, `lru`, `lfu`, `fifo` | `adaptive` |
/// | `tags = ["rates"]` | names under which `invalidate_tag` finds the results | |
/// | `ignore = [client]` | arguments that do not count | |
/// | `key = (a.id, b.len()) as (u64, usize)`, `key = "{a}"` | what counts in place of the arguments: a value with its type, or a format string | |
/// | `cache_err`, `cache_err = "10s"` | errors are kept too, for so long | no |
/// | `cache_none`, `cache_none = "10s"` | `None` is kept too, for so long | no |
///
/// The key is made of the arguments: an owned one must be `Clone + Eq + Hash`, of a reference its owned form (`String` for
/// `&str`, `Vec<T>` for `&[T]`) and of an `impl AsRef<T>` the owned form of `T` is kept, and a hit allocates nothing. Floats
/// count by their bits. The result must be `Clone + Send + Sync + 'static`.
///
/// # Errors
/// It does not compile on methods with `self`, `const` functions, generic types, and arguments or results that borrow in a
/// way that it does not know: `key` helps with the latter.
#[proc_macro_attribute]
pub fn cached(options: TokenStream, function: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as options::Options);
    let function = parse_macro_input!(function as ItemFn);
    cached::expand(&options, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Computes the results of a function for a whole range of integers beforehand, so that a call is a look into a table.
///
/// The brackets hold one range for each argument, with both ends known (`0..=255`, `0..MAX`). The table holds their product
/// and is computed by the compiler where the function is `const`, else on the first call. Outside the ranges the function
/// itself runs. Results must be `Copy`; of a function that is not `const`, also `Send + Sync + 'static`.
#[proc_macro_attribute]
pub fn precomputed(ranges: TokenStream, function: TokenStream) -> TokenStream {
    let ranges = parse_macro_input!(ranges as precomputed::Ranges);
    let function = parse_macro_input!(function as ItemFn);
    precomputed::expand(&ranges, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

//! The attributes of Everfresh. Use them through the crate `everfresh`, which has what they expand to, and examples.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `options` | what stands in the attribute's brackets |
//! | `signature` | which arguments are the key, and what is kept of the result |
//! | `cached` | what `#[cached]` makes of a function, and `methods` what of an `impl` block |
//! | `behind` | a function that is computed behind its callers |
//! | `built` | the cache or the memo that holds the results |
//! | `precomputed`, `axis`, `table` | what `#[precomputed]` makes of a function: of its arguments, of its results |
//! | `domain` | what `#[derive(Domain)]` makes of an enum |
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod axis;
mod behind;
mod built;
mod cached;
mod domain;
mod methods;
mod options;
mod precomputed;
mod quantity;
mod signature;
mod table;

use proc_macro::TokenStream;
use syn::{DeriveInput, Item, ItemFn, parse_macro_input};

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
/// | `max_bytes = "64MB"` | how much all of them may weigh | |
/// | `weigher = …` | what one weighs: a function or closure of `(&Key, &Value)` that gives a `u32` | `everfresh::memory::estimated_bytes`, for which key and value must be `Serialize` |
/// | `ttl = "5m"` | how long a result is kept (`ms`, `s`, `m`, `h`, `d`) | until there is no room |
/// | `idle = "1m"` | how long a result may go unused | |
/// | `jitter = 0.1` | a random part of its life by which each result lives shorter | 0 |
/// | `stale = "1h"` | for how long after its ttl a result is still served while it is computed anew, or in place of an error | |
/// | `refresh_ahead = 0.8` | from which part of its ttl on a result is computed anew while it is served | |
/// | `spawn = tokio::spawn` | what runs an `async` function behind its callers: given a `Pin<Box<dyn Future<Output = ()> + Send>>`, whatever it gives is dropped | |
/// | `clock = …` | an `Arc<dyn Clock>`, or an `Arc` of a clock | the system's |
/// | `verify = 0.01` | which share of hits is computed once more and compared: the result must be `PartialEq`, and each call makes a key | none |
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
/// With `stale` or `refresh_ahead`, a result that is to be computed anew makes nobody wait: a thread of its own computes it
/// from the key. Where that cannot be, the caller who finds the old result computes, and all others have the old one: in
/// `unsafe` functions and `async` ones without `spawn`, with `key`, `ignore`, `self`, `impl AsRef` or a named lifetime among the
/// arguments, and where the result or its error borrows.
///
/// With `spawn` an `async` function is computed by a task, from copies of all its arguments, those that are ignored too:
/// they must be `Clone + Send + 'static` in their owned form, and the future must be `Send`. A call that finds nothing is
/// not spawned. What names no executor but runs on one, as `|task| runtime().spawn(task)`, is as good.
///
/// # Results with traces
/// With any of these options the results are in a `Memo`, which serves one only while all that it was made from is
/// unchanged:
///
/// | option | what it says |
/// | --- | --- |
/// | `store` | results are kept on disk too, for other processes and later ones, in the user's own store |
/// | `store = "folder"`, `store = …` | in the store in this folder; in this `everfresh::disk::Store`, asked for once |
/// | `depends = file(path)`, `depends = [dir(folder), env("REGION"), value(limit)]` | what the function reads: expressions over its arguments, evaluated on each call |
/// | `version = 2` | the version of what the function calls, a `u64`, beside its own text; without it, every build of the executable is another version |
///
/// What the function reads through `everfresh::fs` and `everfresh::env` counts without being declared. The arguments must be
/// `Serialize` and may borrow; with a store the result must be `Serialize + DeserializeOwned`. A store that cannot be opened
/// is logged as a warning, and results are kept in memory alone.
///
/// All other options go with these. `max_entries`, `max_bytes`, `idle` and `policy` bound what is in memory, not the
/// store; the weigher is of `(&Value)`, since of the key only a fingerprint is kept, and
/// `everfresh::memo::estimated_bytes` unless said; `verify` needs a result that is
/// `Serialize`, and compares fingerprints. Only a result's time may be stale, never what it was made from, and nothing
/// that another cached function makes of a stale one is kept. With `stale` or `refresh_ahead` a thread of its own
/// computes from a copy of the arguments, which must then be `Clone + Send + 'static` in their owned form; with type
/// parameters, or an argument that borrows within (`Option<&str>`), the caller computes. `name::refresh(arguments)`
/// makes whatever was made with the old result out of date, once there is a new one.
///
/// Beside the verbs of all caches there is `name::explain(arguments)`: what a call would do now, and why.
/// `name::cache_info()` gives `MemoStats`, and `name::invalidate_tag(tag)` gives nothing.
///
/// The results are stored under the function's path, as `std::any::type_name` gives it: whoever moves it computes anew, and
/// two functions of one name in blocks of one function would share results: give them different names.
///
/// # Type parameters
/// A function with type or const parameters has a cache for each instantiation, and the verbs are `name::<T>::…`. Its
/// types must be `'static`. Such a cache is looked up by type on every call, and never dropped.
///
/// # Methods
/// The attribute stands above the `impl` block and, with options, above each method that is to be cached. One of two
/// options says where its results are:
///
/// | option | what it says |
/// | --- | --- |
/// | `field = areas` | in this field of `self`, a `Cache<(u32,), f64>` for `fn area(&self, n: u32) -> f64`: the key is the other arguments, and who builds the cache says its bounds |
/// | `shared` | in one cache for all; `self` is a part of the key, so it must be `Clone + Eq + Hash`, unless `ignore = [self]` leaves it out |
///
/// Since an `impl` block holds no types, the verbs of `area` stand beside it: `area_cache()`, which gives the cache,
/// `area_invalidate(arguments)` and `area_refresh(arguments)`, with traces also `area_explain(arguments)`. Results with
/// traces are `shared`. Functions without `self` in such a block are cached as
/// others are, with verbs of the same form.
///
/// # Errors
/// It does not compile on `const` functions, on methods that take `&mut self` or have type parameters of their own, in
/// the `impl` of a trait, and with arguments or results that borrow in a way that it does not know: `key` helps with the
/// latter.
#[proc_macro_attribute]
pub fn cached(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = match parse_macro_input!(item as Item) {
        Item::Fn(function) => {
            let options = parse_macro_input!(options as options::Options);
            cached::expand(&options, &function)
        }
        Item::Impl(block) if options.is_empty() => methods::expand(block),
        Item::Impl(_) => {
            let options = proc_macro2::TokenStream::from(options);
            Err(syn::Error::new_spanned(options, "options stand above the methods, not above the `impl`"))
        }
        other => Err(syn::Error::new_spanned(other, "functions are cached, and `impl` blocks with methods")),
    };
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Computes the results of a function for all arguments of a domain beforehand, so that a call is a look into a table.
///
/// The brackets hold one domain for each argument: a range of integers or of `char` with both ends known (`0..=255`,
/// `'a'..='z'`, `0..MAX`), or a type of few values (`bool`, `u8`, an enum with `#[derive(Domain)]`). The table holds their
/// product, of up to 1 GiB, and is computed by the compiler where the function is `const`, else on the first call. Outside
/// the ranges the function itself runs. Results must be `Copy`; of a function that is not `const`, also
/// `Send + Sync + 'static`. A look is quickest where they are numbers, `bool` or `char`.
///
/// | option | what it says |
/// | --- | --- |
/// | `file = "…"` | the table, of numbers or `bool`, is stored in this file (a text or another expression; a relative path starts at the process's current folder), and mapped by the next process; anything amiss with the file only means computing |
/// | `version = 3` | the file's table is good as long as this number stays; without it, until the executable changes |
#[proc_macro_attribute]
pub fn precomputed(options: TokenStream, function: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as precomputed::Options);
    let function = parse_macro_input!(function as ItemFn);
    precomputed::expand(&options, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Numbers the values of an enum without fields.
#[proc_macro_derive(Domain)]
pub fn domain(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    domain::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

//! What holds a function's results, built as its options say.

use crate::options::{Options, Place};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use std::time::Duration;
use syn::{ItemFn, Type};

/// A cache in memory alone.
pub fn cache(options: &Options, key: &TokenStream, kept: &Type, name: &TokenStream) -> TokenStream {
    let mut built = quote!(::everfresh::memory::Cache::<#key, #kept>::builder().name(#name));
    add_common(&mut built, options);
    if let Some(ttl) = ttl_of_bad(options) {
        built.extend(quote!(.ttl_by(|_, kept: &#kept| #ttl)));
    }
    quote!(#built.build())
}

/// A memo, which has traces.
pub fn memo(options: &Options, kept: &Type, name: &TokenStream, function: &ItemFn) -> TokenStream {
    let source = text_hash(&function.to_token_stream().to_string());
    let mut built = quote!(::everfresh::Memo::<#kept>::builder(#name).source(#source));
    built.extend(match &options.store {
        Some(Place::Own) => quote!(.default_store()),
        Some(Place::Folder(folder)) => quote!(.store_in(#folder)),
        Some(Place::Open(store)) => quote!(.store(#store)),
        None => TokenStream::new(),
    });
    add(&mut built, "version", options.version.as_ref().map(|version| quote!(#version)));
    add_common(&mut built, options);
    if let Some(ttl) = ttl_of_bad(options) {
        built.extend(quote!(.ttl_by(|kept: &#kept| #ttl)));
    }
    let tags = &options.tags;
    quote!(#built #(.tag(#tags))*.build())
}

/// What both have.
fn add_common(built: &mut TokenStream, options: &Options) {
    let Options { max_entries, ttl, idle, jitter, stale, refresh_ahead, .. } = options;
    add(built, "max_entries", max_entries.as_ref().map(|entries| quote!(#entries)));
    if let Some((name, bytes)) = &options.max_bytes {
        let estimated = || match options.traced() {
            true => quote_spanned!(name.span()=> ::everfresh::memo::estimated_bytes),
            false => quote_spanned!(name.span()=> ::everfresh::memory::estimated_bytes),
        };
        let weigher = options.weigher.as_ref().map_or_else(estimated, ToTokens::to_token_stream);
        built.extend(quote!(.max_bytes(#bytes, #weigher)));
    }
    add(built, "ttl", ttl.map(written));
    add(built, "idle", idle.map(written));
    add(built, "jitter", jitter.map(|part| quote!(#part)));
    add(built, "stale", stale.map(written));
    add(built, "refresh_ahead", refresh_ahead.map(|part| quote!(#part)));
    add(built, "policy", options.policy.as_ref().map(|policy| quote!(::everfresh::memory::Policy::#policy)));
    // By a name, so that it becomes an `Arc<dyn Clock>` after its own type is known.
    add(built, "clock", options.clock.as_ref().map(|clock| quote!({ let __clock = #clock; __clock })));
}

/// For how long an error or `None` in `kept` lives, where that is said.
fn ttl_of_bad(options: &Options) -> Option<TokenStream> {
    let bad = options.cache_err.as_ref().map(|bad| (bad, quote!(is_err)));
    let (bad, is_bad) = bad.or(options.cache_none.as_ref().map(|bad| (bad, quote!(is_none))))?;
    let ttl = written(bad.ttl?);
    Some(quote!(kept.#is_bad().then_some(#ttl)))
}

fn add(built: &mut TokenStream, method: &str, argument: Option<TokenStream>) {
    if let Some(argument) = argument {
        let method = syn::Ident::new(method, proc_macro2::Span::call_site());
        built.extend(quote!(.#method(#argument)));
    }
}

/// FNV-1a, which is the same in every build.
fn text_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn written(duration: Duration) -> TokenStream {
    let (seconds, rest) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::std::time::Duration::new(#seconds, #rest))
}

//! `#[cached]`: the function that looks first, the function that computes, and the companion with the verbs.

use crate::{
    options::Options,
    signature::{Argument, Output, Wrapper, arguments, named, without_lifetimes},
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use std::time::Duration;
use syn::{Attribute, Ident, ItemFn, Result};

/// What `#[cached]` makes of a function.
pub fn expand(options: &Options, function: ItemFn) -> Result<TokenStream> {
    if let Some(constant) = &function.sig.constness {
        return Err(syn::Error::new_spanned(constant, "a `const` function has no cache: see `#[precomputed]`"));
    }
    let arguments = arguments(&function, options)?;
    let output = Output::of(&function, options)?;
    let key = Key::of(&arguments, options);
    let outer = outer(&function, options, &arguments, &output, &key);
    let companion = companion(&function, options, &arguments, &output, &key);
    Ok(quote!(#outer #companion))
}

/// The key: its type, and how it is made of the arguments.
struct Key {
    declared: TokenStream,
    /// A type of references that the lookup needs.
    item: TokenStream,
    /// What is looked up, from the arguments.
    borrowed: TokenStream,
}

impl Key {
    fn of(arguments: &[Argument], options: &Options) -> Self {
        if let Some(key) = &options.key {
            let (declared, value) = (&key.declared, &key.value);
            // The value may be a reference to what it is made of.
            let borrowed = quote!({ let __key: #declared = #value; __key });
            return Self { declared: quote!(#declared), item: TokenStream::new(), borrowed };
        }
        let owned: Vec<_> = arguments.iter().filter_map(|argument| argument.key.owned()).collect();
        let targets: Vec<_> = arguments.iter().filter_map(|argument| argument.key.target()).collect();
        let references: Vec<_> =
            arguments.iter().filter_map(|argument| argument.key.reference(&argument.name)).collect();
        let declared = quote!((#(#owned,)*));
        if owned.is_empty() {
            return Self { declared, item: TokenStream::new(), borrowed: quote!(()) };
        }
        let at: Vec<_> = (0..owned.len()).map(syn::Index::from).collect();
        let item = quote! {
            struct __Key<'key>(#(&'key #targets,)*);
            impl ::std::hash::Hash for __Key<'_> {
                fn hash<H: ::std::hash::Hasher>(&self, state: &mut H) {
                    #(::std::hash::Hash::hash(self.#at, state);)*
                }
            }
            impl ::everfresh::memory::KeyRef<#declared> for __Key<'_> {
                fn is(&self, key: &#declared) -> bool {
                    #(*self.#at == *::std::borrow::Borrow::<#targets>::borrow(&key.#at))&&*
                }
                fn to_key(&self) -> #declared {
                    (#(::std::borrow::ToOwned::to_owned(self.#at),)*)
                }
            }
        };
        Self { declared, item, borrowed: quote!(__Key(#(#references),*)) }
    }
}

/// The function under its own name.
fn outer(function: &ItemFn, options: &Options, arguments: &[Argument], output: &Output, key: &Key) -> TokenStream {
    let ItemFn { attrs, vis, sig, .. } = function;
    let name = &sig.ident;
    let compute = compute(function);
    let names: Vec<_> = arguments.iter().map(|argument| &argument.name).collect();
    let sig = named(sig, names.iter().copied());
    let Key { item, borrowed, .. } = key;
    let tags = &options.tags;
    let lookup = quote!(#name::__cache().lookup(&__key)#(.tag(#tags))*);
    let call = quote!(__compute(#(#names),*));
    let is_async = sig.asyncness.is_some();
    let (found, computed) = match (output, is_async) {
        (Output::Whole(_), false) => (quote!(__found), quote!(#lookup.or_compute(move || #call))),
        (Output::Whole(_), true) => (quote!(__found), quote!(#lookup.or_compute_async(#call).await)),
        (Output::Good(_, Wrapper::Result), false) => {
            (quote!(::std::result::Result::Ok(__found)), quote!(#lookup.or_try_compute(move || #call)))
        }
        (Output::Good(_, Wrapper::Result), true) => {
            (quote!(::std::result::Result::Ok(__found)), quote!(#lookup.or_try_compute_async(#call).await))
        }
        (Output::Good(_, Wrapper::Option), false) => {
            (quote!(::std::option::Option::Some(__found)), quote!(#lookup.or_try_compute(move || #call.ok_or(())).ok()))
        }
        (Output::Good(_, Wrapper::Option), true) => (
            quote!(::std::option::Option::Some(__found)),
            quote!(#lookup.or_try_compute_async(async move { #call.await.ok_or(()) }).await.ok()),
        ),
    };
    quote! {
        #(#attrs)*
        #vis #sig {
            #item
            #compute
            // First by reference, so that a hit makes no key.
            if let ::std::option::Option::Some(__found) = #name::__cache().hit(&#borrowed) {
                return #found;
            }
            let __key = ::everfresh::memory::KeyRef::to_key(&#borrowed);
            #computed
        }
    }
}

/// The function as it was written, under another name.
fn compute(function: &ItemFn) -> TokenStream {
    let (mut sig, block) = (function.sig.clone(), &function.block);
    sig.ident = format_ident!("__compute");
    quote!(#[allow(clippy::items_after_statements)] #sig #block)
}

/// The enum of the function's name, with the cache and its verbs.
fn companion(function: &ItemFn, options: &Options, arguments: &[Argument], output: &Output, key: &Key) -> TokenStream {
    let ItemFn { attrs, vis, sig, .. } = function;
    let (name, asyncness, result) = (&sig.ident, &sig.asyncness, &sig.output);
    let conditions: Vec<&Attribute> = attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
    let Key { declared, item, borrowed } = key;
    let kept = output.kept();
    let settings = settings(options, declared, kept);
    let awaited = asyncness.map(|_| quote!(.await));

    let parameter = |argument: &Argument| {
        let (name, declared) = (&argument.name, without_lifetimes(&argument.declared));
        quote!(#name: #declared)
    };
    let all: Vec<_> = arguments.iter().map(parameter).collect();
    let counts = |argument: &&Argument| options.key.is_some() || !options.ignore.contains(&argument.name);
    let counting: Vec<_> = arguments.iter().filter(counts).map(parameter).collect();
    let names: Vec<&Ident> = arguments.iter().map(|argument| &argument.name).collect();
    let doc = format!("The cache of the function [`{name}`](fn@{name}).");
    quote! {
        #(#conditions)*
        #[doc = #doc]
        #[allow(non_camel_case_types, missing_debug_implementations)]
        #vis enum #name {}

        #(#conditions)*
        #[allow(dead_code, unreachable_pub, clippy::needless_pass_by_value, clippy::unused_async)]
        impl #name {
            fn __cache() -> &'static ::everfresh::memory::Cache<#declared, #kept> {
                static CACHE: ::std::sync::LazyLock<::everfresh::memory::Cache<#declared, #kept>> =
                    ::std::sync::LazyLock::new(|| ::everfresh::memory::Cache::builder()#settings.build());
                &CACHE
            }

            /// What the cache did and holds. Looks at every result.
            pub fn cache_info() -> ::everfresh::memory::Stats {
                Self::__cache().stats()
            }

            /// Forgets all results. What is being computed now is not kept either.
            pub fn cache_clear() {
                Self::__cache().clear();
            }

            /// Forgets the result of these arguments. Whether there was one. What is being computed for them now is not kept.
            pub fn invalidate(#(#counting),*) -> bool {
                #item
                let __key = ::everfresh::memory::KeyRef::<#declared>::to_key(&#borrowed);
                Self::__cache().remove(&__key).is_some()
            }

            /// Forgets all results that have this tag. How many there were.
            pub fn invalidate_tag(tag: &str) -> usize {
                Self::__cache().invalidate_tag(tag)
            }

            /// Computes the result of these arguments anew.
            pub #asyncness fn refresh(#(#all),*) #result {
                {
                    #item
                    let __key = ::everfresh::memory::KeyRef::<#declared>::to_key(&#borrowed);
                    Self::__cache().remove(&__key);
                }
                #name(#(#names),*)#awaited
            }
        }
    }
}

/// The calls on the cache's builder.
fn settings(options: &Options, key: &TokenStream, kept: &syn::Type) -> TokenStream {
    let mut settings = TokenStream::new();
    let nanoseconds = |duration: Duration| {
        let (seconds, rest) = (duration.as_secs(), duration.subsec_nanos());
        quote!(::std::time::Duration::new(#seconds, #rest))
    };
    if let Some(entries) = &options.max_entries {
        settings.extend(quote!(.max_entries(#entries)));
    }
    if let (Some((_, bytes)), Some(weigher)) = (&options.max_bytes, &options.weigher) {
        settings.extend(quote!(.max_bytes(#bytes, #weigher)));
    }
    if let Some(ttl) = options.ttl.map(nanoseconds) {
        settings.extend(quote!(.ttl(#ttl)));
    }
    if let Some(idle) = options.idle.map(nanoseconds) {
        settings.extend(quote!(.idle(#idle)));
    }
    if let Some(jitter) = options.jitter {
        settings.extend(quote!(.jitter(#jitter)));
    }
    if let Some(policy) = &options.policy {
        settings.extend(quote!(.policy(::everfresh::memory::Policy::#policy)));
    }
    let bad = options.cache_err.as_ref().map(|kept| (kept, quote!(is_err)));
    if let Some((kept_bad, is_bad)) = bad.or(options.cache_none.as_ref().map(|kept| (kept, quote!(is_none))))
        && let Some(ttl) = kept_bad.ttl.map(nanoseconds)
    {
        settings.extend(quote!(.ttl_by(|_: &#key, kept: &#kept| kept.#is_bad().then_some(#ttl))));
    }
    settings
}

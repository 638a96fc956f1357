//! `#[cached]` on a function: the one that looks first, and the companion with the verbs and the function as written.

use crate::{
    options::Options,
    signature::{Argument, Output, Wrapper, arguments, named, undocumented},
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use std::time::Duration;
use syn::{Attribute, GenericParam, Generics, Ident, ItemFn, Result, Signature, parse_quote};

/// What `#[cached]` makes of a function.
pub fn expand(options: &Options, function: &ItemFn) -> Result<TokenStream> {
    if let Some(receiver) = function.sig.receiver() {
        let help = "a method is cached in an `impl` block that has `#[cached]` too: put it above the `impl`";
        return Err(syn::Error::new_spanned(receiver, help));
    }
    options.check_function()?;
    let (name, generics) = (&function.sig.ident, Companion::of(&function.sig.generics));
    let turbofish = &generics.turbofish;
    let (cache, compute) = (quote!(#name #turbofish::__cache()), quote!(#name #turbofish::__compute));
    let cached = Cached::of(options, function, cache, compute)?;
    let (outer, companion) = (cached.outer(), companion(&cached, &generics));
    Ok(quote!(#outer #companion))
}

/// A function with what `#[cached]` is to make of it.
pub struct Cached<'a> {
    options: &'a Options,
    function: &'a ItemFn,
    arguments: Vec<Argument>,
    output: Output,
    /// The key's type.
    key: TokenStream,
    /// What is looked up, from the arguments.
    borrowed: TokenStream,
    /// The cache, as the function reaches it.
    cache: TokenStream,
    /// The function as it was written, as the function reaches it.
    compute: TokenStream,
}

impl<'a> Cached<'a> {
    pub fn of(options: &'a Options, function: &'a ItemFn, cache: TokenStream, compute: TokenStream) -> Result<Self> {
        if let Some(constant) = &function.sig.constness {
            return Err(syn::Error::new_spanned(constant, "a `const` function has no cache: see `#[precomputed]`"));
        }
        let arguments = arguments(function, options)?;
        let output = Output::of(function, options)?;
        let owned: Vec<_> = arguments.iter().filter_map(|argument| argument.key.owned()).collect();
        let references: Vec<_> =
            arguments.iter().filter_map(|argument| argument.key.reference(&argument.name)).collect();
        let (key, borrowed) = match &options.key {
            Some(key) => {
                let (declared, value) = (&key.declared, &key.value);
                (quote!(#declared), quote!({ let __key: #declared = #value; __key }))
            }
            None if owned.is_empty() => (quote!(()), quote!(())),
            None => (quote!((#(#owned,)*)), quote!(::everfresh::memory::KeyParts((#(#references,)*)))),
        };
        Ok(Self { options, function, arguments, output, key, borrowed, cache, compute })
    }

    /// The cache's type.
    pub fn cache_type(&self) -> TokenStream {
        let (key, kept) = (&self.key, self.output.kept());
        quote!(::everfresh::memory::Cache<#key, #kept>)
    }

    fn names(&self) -> impl Iterator<Item = &Ident> {
        self.arguments.iter().map(|argument| &argument.name)
    }

    /// The parameters of a verb that needs all arguments.
    pub fn parameters(&self) -> TokenStream {
        parameters(&self.arguments, |_| true)
    }

    /// The parameters of a verb that needs those that count.
    pub fn counting(&self) -> TokenStream {
        let Options { key, ignore, field, .. } = self.options;
        parameters(&self.arguments, |argument| {
            key.is_some() || !ignore.contains(&argument.name) || (argument.name == "self" && field.is_some())
        })
    }

    /// The function under its own name.
    pub fn outer(&self) -> TokenStream {
        let ItemFn { attrs, vis, sig, .. } = self.function;
        let (attrs, sig) = (attrs.iter().map(allowing), named(&undocumented(sig), self.names()));
        let found = match &self.output {
            Output::Whole(_) => quote!(__found),
            Output::Good(_, Wrapper::Result) => quote!(::std::result::Result::Ok(__found)),
            Output::Good(_, Wrapper::Option) => quote!(::std::option::Option::Some(__found)),
        };
        // First by reference, so that a hit makes no key.
        let look = quote! {
            if let ::std::option::Option::Some(__found) = __cache.hit(&__look_up) {
                return #found;
            }
        };
        let body = self.body(&look, &TokenStream::new());
        quote!(#(#attrs)* #vis #sig #body)
    }

    /// The body of `refresh`.
    pub fn refresh(&self) -> TokenStream {
        self.body(&TokenStream::new(), &quote!(__cache.remove(&__key);))
    }

    /// The body of `invalidate`: whether there was a result.
    pub fn invalidate(&self) -> TokenStream {
        let (cache, key) = (&self.cache, self.key(&TokenStream::new()));
        quote!({ let __key = #key; let __cache = #cache; __cache.remove(&__key).is_some() })
    }

    /// The key, from the arguments: made once, and no longer borrowed from them.
    fn key(&self, look: &TokenStream) -> TokenStream {
        let Self { key, borrowed, .. } = self;
        quote! {
            {
                let __look_up = #borrowed;
                #look
                ::everfresh::memory::KeyRef::<#key>::to_key(&__look_up)
            }
        }
    }

    /// A body that looks a key up and computes what is not there; `look` has the borrowed key, `then` the owned one.
    fn body(&self, look: &TokenStream, then: &TokenStream) -> TokenStream {
        let (Self { cache, compute, .. }, key) = (self, self.key(look));
        let (tags, names) = (&self.options.tags, self.names());
        let lookup = quote!(__cache.lookup(&__key)#(.tag(#tags))*);
        let call = match self.function.sig.unsafety {
            // SAFETY: what the caller promised is what the function as written asks for.
            Some(_) => quote!(unsafe { #compute(#(#names),*) }),
            None => quote!(#compute(#(#names),*)),
        };
        let computed = match (&self.output, self.function.sig.asyncness.is_some()) {
            (Output::Whole(_), false) => quote!(#lookup.or_compute(move || #call)),
            (Output::Whole(_), true) => quote!(#lookup.or_compute_async(#call).await),
            (Output::Good(_, Wrapper::Result), false) => quote!(#lookup.or_try_compute(move || #call)),
            (Output::Good(_, Wrapper::Result), true) => quote!(#lookup.or_try_compute_async(#call).await),
            (Output::Good(_, Wrapper::Option), false) => {
                quote!(#lookup.or_try_compute(move || #call.ok_or(())).ok())
            }
            (Output::Good(_, Wrapper::Option), true) => {
                quote!(#lookup.or_try_compute_async(async move { #call.await.ok_or(()) }).await.ok())
            }
        };
        quote!({ let __cache = #cache; let __key = #key; #then #computed })
    }

    /// The function as it was written, under another name and with these generic parameters.
    pub fn compute(&self, name: Ident, generics: Generics) -> TokenStream {
        let ItemFn { attrs, sig, block, .. } = self.function;
        let attrs = attrs.iter().filter(|attribute| is_condition(attribute) || is_lint(attribute)).map(allowing);
        let sig = Signature { ident: name, generics, ..undocumented(sig) };
        quote!(#(#attrs)* #sig #block)
    }

    /// A static cache, as an expression.
    pub fn fixed_cache(&self) -> TokenStream {
        let (cache_type, built) = (self.cache_type(), self.built());
        quote! {
            static __CACHE: ::std::sync::LazyLock<#cache_type> = ::std::sync::LazyLock::new(|| #built);
            &__CACHE
        }
    }

    /// A static cache for each `Self`, as an expression.
    pub fn cache_per_type(&self) -> TokenStream {
        let built = self.built();
        quote! {
            static __CACHES: ::everfresh::memory::PerType = ::everfresh::memory::PerType::new();
            __CACHES.get::<Self, _>(|| #built)
        }
    }

    /// The cache, built.
    fn built(&self) -> TokenStream {
        let Self { options, key, output, .. } = self;
        let kept = output.kept();
        let mut built = quote!(::everfresh::memory::Cache::<#key, #kept>::builder());
        let nanoseconds = |duration: Duration| {
            let (seconds, rest) = (duration.as_secs(), duration.subsec_nanos());
            quote!(::std::time::Duration::new(#seconds, #rest))
        };
        if let Some(entries) = &options.max_entries {
            built.extend(quote!(.max_entries(#entries)));
        }
        if let (Some((_, bytes)), Some(weigher)) = (&options.max_bytes, &options.weigher) {
            built.extend(quote!(.max_bytes(#bytes, #weigher)));
        }
        if let Some(ttl) = options.ttl.map(nanoseconds) {
            built.extend(quote!(.ttl(#ttl)));
        }
        if let Some(idle) = options.idle.map(nanoseconds) {
            built.extend(quote!(.idle(#idle)));
        }
        if let Some(jitter) = options.jitter {
            built.extend(quote!(.jitter(#jitter)));
        }
        if let Some(policy) = &options.policy {
            built.extend(quote!(.policy(::everfresh::memory::Policy::#policy)));
        }
        let bad = options.cache_err.as_ref().map(|kept| (kept, quote!(is_err)));
        if let Some((kept_bad, is_bad)) = bad.or(options.cache_none.as_ref().map(|kept| (kept, quote!(is_none))))
            && let Some(ttl) = kept_bad.ttl.map(nanoseconds)
        {
            built.extend(quote!(.ttl_by(|_, kept: &#kept| kept.#is_bad().then_some(#ttl))));
        }
        quote!(#built.build())
    }
}

fn parameters(arguments: &[Argument], has: impl Fn(&Argument) -> bool) -> TokenStream {
    let parameters = arguments
        .iter()
        .filter(|argument| has(argument))
        .map(|Argument { name, declared, .. }| quote!(#name: #declared));
    quote!(#(#parameters),*)
}

pub fn is_condition(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
}

fn is_lint(attribute: &Attribute) -> bool {
    ["allow", "expect", "warn", "deny", "forbid"].iter().any(|level| attribute.path().is_ident(level))
}

/// An attribute as it stands on each of several functions: what an `expect` expects happens in one of them.
fn allowing(attribute: &Attribute) -> Attribute {
    match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("expect") => {
            let lints = &list.tokens;
            parse_quote!(#[allow(#lints)])
        }
        _ => attribute.clone(),
    }
}

/// The generic parameters of a companion: all but lifetimes.
struct Companion {
    /// As they are declared.
    declared: TokenStream,
    /// What the enum is made of, so that it has no value and uses them all.
    variant: TokenStream,
    /// As they are given, in a path of an expression.
    turbofish: TokenStream,
    /// The same in a type.
    given: TokenStream,
}

impl Companion {
    fn of(generics: &Generics) -> Self {
        let (mut declared, mut given, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for parameter in &generics.params {
            match parameter {
                GenericParam::Lifetime(_) => {}
                GenericParam::Type(parameter) => {
                    let name = &parameter.ident;
                    declared.push(quote!(#name: ?::std::marker::Sized));
                    given.push(name);
                    types.push(name);
                }
                GenericParam::Const(parameter) => {
                    let (name, declared_type) = (&parameter.ident, &parameter.ty);
                    declared.push(quote!(const #name: #declared_type));
                    given.push(name);
                }
            }
        }
        if given.is_empty() {
            let none = TokenStream::new;
            return Self { declared: none(), variant: none(), turbofish: none(), given: none() };
        }
        Self {
            declared: quote!(<#(#declared),*>),
            variant: quote! {
                #[doc(hidden)]
                __Never(::std::convert::Infallible, #(::std::marker::PhantomData<#types>),*)
            },
            turbofish: quote!(::<#(#given),*>),
            given: quote!(<#(#given),*>),
        }
    }
}

/// The enum of the function's name, with the cache and its verbs.
fn companion(cached: &Cached<'_>, generics: &Companion) -> TokenStream {
    let ItemFn { attrs, vis, sig, .. } = cached.function;
    let Signature { ident: name, asyncness, unsafety, output, .. } = sig;
    let conditions: Vec<&Attribute> = attrs.iter().filter(|attribute| is_condition(attribute)).collect();
    let lints = attrs.iter().filter(|attribute| is_lint(attribute)).map(allowing);
    let Companion { declared, variant, given, .. } = generics;
    let (parameters, _, clause) = sig.generics.split_for_impl();
    let cache = if given.is_empty() { cached.fixed_cache() } else { cached.cache_per_type() };
    // Its parameters are those of the `impl`.
    let compute = cached.compute(format_ident!("__compute"), Generics::default());
    let (cache_type, all, counting) = (cached.cache_type(), cached.parameters(), cached.counting());
    let (invalidate, refresh) = (cached.invalidate(), cached.refresh());
    let doc = format!("The cache of the function [`{name}`](fn@{name}).");
    quote! {
        #(#conditions)*
        #[doc = #doc]
        #[allow(non_camel_case_types, missing_debug_implementations, dead_code)]
        #vis enum #name #declared { #variant }

        #(#conditions)*
        impl #parameters #name #given #clause {
            #compute
        }

        #(#conditions)*
        #(#lints)*
        #[allow(dead_code, unused_variables, unreachable_pub, clippy::needless_pass_by_value)]
        #[allow(clippy::unused_async, clippy::missing_errors_doc, clippy::missing_safety_doc)]
        impl #parameters #name #given #clause {
            fn __cache() -> &'static #cache_type {
                #cache
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
            pub fn invalidate(#counting) -> bool #invalidate

            /// Forgets all results that have this tag. How many there were.
            pub fn invalidate_tag(tag: &str) -> usize {
                Self::__cache().invalidate_tag(tag)
            }

            /// Computes the result of these arguments anew.
            pub #asyncness #unsafety fn refresh(#all) #output #refresh
        }
    }
}

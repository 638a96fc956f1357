//! `#[cached]` on a function: the one that looks first, and the companion with the verbs and the function as written.

use crate::{
    built::{cache, memo},
    options::{Dependency, Options},
    signature::{Argument, Output, Wrapper, arguments, named, undocumented},
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    AttrStyle, Attribute, GenericParam, Generics, Ident, ItemFn, Result, Signature, ext::IdentExt, parse_quote,
    spanned::Spanned,
};

/// What `#[cached]` makes of a function.
pub fn expand(options: &Options, function: &ItemFn) -> Result<TokenStream> {
    if let Some(receiver) = function.sig.receiver() {
        let help = "a method is cached in an `impl` block that has `#[cached]` too: put it above the `impl`";
        return Err(syn::Error::new_spanned(receiver, help));
    }
    options.check_function()?;
    let (name, generics) = (&function.sig.ident, Companion::of(&function.sig.generics));
    let Companion { turbofish, given, .. } = &generics;
    let reached = Reached {
        cache: quote!(#name #turbofish::__cache()),
        compute: quote!(#name #turbofish::__compute),
        name: quote!(::std::any::type_name::<#name #given>()),
    };
    let cached = Cached::of(options, function, reached)?;
    let (outer, companion) = (cached.outer(), companion(&cached, &generics));
    Ok(quote!(#outer #companion))
}

/// A function with what `#[cached]` is to make of it.
pub struct Cached<'a> {
    pub options: &'a Options,
    pub function: &'a ItemFn,
    pub arguments: Vec<Argument>,
    pub output: Output,
    /// The key's type.
    key: TokenStream,
    /// What is looked up, from the arguments.
    borrowed: TokenStream,
    pub reached: Reached,
}

/// How a function reaches its parts.
pub struct Reached {
    /// The cache.
    pub cache: TokenStream,
    /// The function as it was written.
    pub compute: TokenStream,
    /// What the cache is called.
    pub name: TokenStream,
}

impl<'a> Cached<'a> {
    pub fn of(options: &'a Options, function: &'a ItemFn, reached: Reached) -> Result<Self> {
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
            None if options.traced() => (quote!(_), quote!((#(#references,)*))),
            None if owned.is_empty() => (quote!(()), quote!(())),
            None => (quote!((#(#owned,)*)), quote!(::everfresh::memory::KeyParts((#(#references,)*)))),
        };
        let cached = Self { options, function, arguments, output, key, borrowed, reached };
        cached.check_spawn()?;
        Ok(cached)
    }

    /// The cache's type.
    pub fn cache_type(&self) -> TokenStream {
        let (key, kept) = (&self.key, self.output.kept());
        match self.options.traced() {
            true => quote!(::everfresh::Memo<#kept>),
            false => quote!(::everfresh::memory::Cache<#key, #kept>),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &Ident> {
        self.arguments.iter().map(|argument| &argument.name)
    }

    /// The parameters of a verb that needs all arguments.
    pub fn parameters(&self) -> TokenStream {
        parameters(&self.arguments, |_| true)
    }

    /// The parameters of a verb that needs those that count.
    pub fn counting(&self) -> TokenStream {
        let Options { ignore, field, .. } = self.options;
        parameters(&self.arguments, |argument| {
            !ignore.contains(&argument.name) || (argument.name == "self" && field.is_some())
        })
    }

    /// The function under its own name.
    pub fn outer(&self) -> TokenStream {
        let ItemFn { attrs, vis, sig, .. } = self.function;
        let (attrs, sig) = (attrs.iter().map(allowing), named(&undocumented(sig), self.names()));
        let found = self.found();
        // First by reference, so that a hit makes no key. Where hits are verified, one may have to be computed.
        let look = match self.options.verify {
            Some(_) => TokenStream::new(),
            None => quote! {
                if let ::std::option::Option::Some(__found) = __cache.hit(&__look_up) {
                    return #found;
                }
            },
        };
        let body = self.body(&look, false);
        quote!(#(#attrs)* #vis #sig #body)
    }

    /// What the function gives for a value that was found.
    pub fn found(&self) -> TokenStream {
        match &self.output {
            Output::Whole(_) => quote!(__found),
            Output::Good(_, Wrapper::Result) => quote!(::std::result::Result::Ok(__found)),
            Output::Good(_, Wrapper::Option) => quote!(::std::option::Option::Some(__found)),
        }
    }

    /// The body of `refresh`.
    pub fn refresh(&self) -> TokenStream {
        self.body(&TokenStream::new(), true)
    }

    /// The body of `invalidate`: whether there was a result.
    pub fn invalidate(&self) -> TokenStream {
        let (cache, key) = (&self.reached.cache, self.key(&TokenStream::new()));
        let forget = if self.options.traced() { quote!(invalidate(&__key)) } else { quote!(remove(&__key).is_some()) };
        quote!({ let __key = #key; let __cache = #cache; __cache.#forget })
    }

    /// The body of `explain`, where there are traces.
    pub fn explain(&self) -> Option<TokenStream> {
        let (cache, key, lookup) = (&self.reached.cache, self.key(&TokenStream::new()), self.lookup());
        let body = quote!({ let __cache = #cache; let __key = #key; let __call = #lookup; __call.explain() });
        self.options.traced().then_some(body)
    }

    /// The key, from the arguments: made once, and no longer borrowed from them.
    fn key(&self, look: &TokenStream) -> TokenStream {
        let Self { key, borrowed, .. } = self;
        if self.options.traced() {
            return quote!(::everfresh::memo::Arguments::of(&#borrowed));
        }
        quote! {
            {
                let __look_up = #borrowed;
                #look
                ::everfresh::memory::KeyRef::<#key>::to_key(&__look_up)
            }
        }
    }

    /// What is asked for the value of a key.
    fn lookup(&self) -> TokenStream {
        let Options { tags, verify, depends, .. } = self.options;
        let verify = verify.map(|share| quote!(.verify(#share)));
        if self.options.traced() {
            let depends = depends.iter().map(|Dependency { kind, on }| {
                // What does not fit is told at its place.
                let borrowed = quote_spanned!(on.span()=> &(#on));
                match kind.to_string().as_str() {
                    "value" => {
                        let name = quote!(#on).to_string();
                        quote!(.value(#name, #borrowed))
                    }
                    "env" => quote!(.env(::std::string::ToString::to_string(#borrowed))),
                    _ => quote!(.#kind(#borrowed)),
                }
            });
            return quote!(__cache.call(&__key)#(#depends)*#verify);
        }
        quote!(__cache.lookup(&__key)#(.tag(#tags))*#verify)
    }

    /// A body that looks a key up and computes what is not there, or in any case; `look` has the borrowed key.
    fn body(&self, look: &TokenStream, anew: bool) -> TokenStream {
        let (Reached { cache, compute, .. }, key, mut lookup) = (&self.reached, self.key(look), self.lookup());
        if anew {
            lookup.extend(quote!(.anew()));
        }
        let names = self.names();
        let call = match self.function.sig.unsafety {
            // SAFETY: what the caller promised is what the function as written asks for.
            Some(_) => quote!(unsafe { #compute(#(#names),*) }),
            None => quote!(#compute(#(#names),*)),
        };
        if let Some(owned) = self.owned().filter(|_| !anew) {
            return self.behind(&owned, &key, &lookup);
        }
        let computed = match (&self.output, self.function.sig.asyncness.is_some()) {
            (Output::Whole(_), false) => quote!(or_compute(move || #call)),
            (Output::Whole(_), true) => quote!(or_compute_async(#call).await),
            (Output::Good(_, Wrapper::Result), false) => quote!(or_try_compute(move || #call)),
            (Output::Good(_, Wrapper::Result), true) => quote!(or_try_compute_async(#call).await),
            (Output::Good(_, Wrapper::Option), false) => quote!(or_try_compute(move || #call.ok_or(())).ok()),
            (Output::Good(_, Wrapper::Option), true) => {
                quote!(or_try_compute_async(async move { #call.await.ok_or(()) }).await.ok())
            }
        };
        match self.options.traced() {
            // Apart, so that what the dependencies borrow from the arguments is let go.
            true => quote!({ let __cache = #cache; let __key = #key; let __call = #lookup; __call.#computed }),
            false => quote!({ let __cache = #cache; let __key = #key; #lookup.#computed }),
        }
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
        let (key, name) = (&self.key, &self.reached.name);
        match self.options.traced() {
            true => memo(self.options, self.output.kept(), name, self.function),
            false => cache(self.options, key, self.output.kept(), name),
        }
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
pub fn allowing(attribute: &Attribute) -> Attribute {
    // One that stands in the body.
    let attribute = Attribute { style: AttrStyle::Outer, ..attribute.clone() };
    match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("expect") => {
            let lints = &list.tokens;
            parse_quote!(#[allow(#lints)])
        }
        _ => attribute,
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
    let own_verbs = match cached.explain() {
        Some(explain) => quote! {
            /// What was done so far, in this process.
            pub fn cache_info() -> ::everfresh::memo::MemoStats {
                Self::__cache().stats()
            }

            /// Makes all results that have this tag out of date, and whatever was made with them.
            pub fn invalidate_tag(tag: &str) {
                Self::__cache().invalidate_tag(tag);
            }

            /// What a call with these arguments would do now, and why. Computes nothing.
            pub fn explain(#all) -> ::everfresh::memo::Explanation #explain
        },
        None => quote! {
            /// What the cache did and holds. Looks at every result.
            pub fn cache_info() -> ::everfresh::memory::Stats {
                Self::__cache().stats()
            }

            /// Forgets all results that have this tag. How many there were.
            pub fn invalidate_tag(tag: &str) -> usize {
                Self::__cache().invalidate_tag(tag)
            }
        },
    };
    let plain = name.unraw();
    let doc = format!("The cache of the function [`{plain}`](fn@{plain}).");
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

            #own_verbs

            /// Forgets all results. What is being computed now is not kept either.
            pub fn cache_clear() {
                Self::__cache().clear();
            }

            /// Forgets the result of these arguments. Whether there was one. What is being computed for them now is not kept.
            pub fn invalidate(#counting) -> bool #invalidate

            /// Computes the result of these arguments anew.
            pub #asyncness #unsafety fn refresh(#all) #output #refresh
        }
    }
}

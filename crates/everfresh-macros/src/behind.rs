//! A function that is computed behind its callers, from arguments of its own.

use crate::{
    cached::{Cached, Reached},
    options::Options,
    signature::{Argument, Output, Part, Wrapper, borrows, returns_borrowed},
};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Result, Type};

/// What a function that is computed behind its callers gets.
pub struct Owned {
    /// A tuple of what its arguments are made of, as an expression.
    made: TokenStream,
    /// The arguments, of the parts of the tuple by their names.
    arguments: Vec<TokenStream>,
}

impl Cached<'_> {
    /// A body that serves the old result of a key while a thread or a task computes the next one.
    pub fn behind(
        &self,
        Owned { made, arguments: own }: &Owned,
        key: &TokenStream,
        lookup: &TokenStream,
    ) -> TokenStream {
        let Reached { cache, compute, .. } = &self.reached;
        let all = self.names();
        let (unpacked, called) = (quote!(let (#(#all,)*) = __owned;), quote!(#compute(#(#own),*)));
        let or_error = matches!(self.output, Output::Good(_, Wrapper::Option)).then(|| quote!(.ok_or(())));
        let (or_compute, or_try_serve) = match &self.options.spawn {
            None => {
                let call = quote!((move || { #unpacked #called #or_error }));
                (quote!(or_compute_behind #call), quote!(or_try_serve_behind #call))
            }
            Some((_, spawn)) => {
                let call = quote!((async move { #unpacked #called.await #or_error }, #spawn).await);
                (quote!(or_compute_async_behind #call), quote!(or_try_serve_async_behind #call))
            }
        };
        let computed = match &self.output {
            Output::Whole(_) => or_compute,
            Output::Good(_, Wrapper::Result) => quote!(#or_try_serve.map(|__served| __served.value)),
            Output::Good(_, Wrapper::Option) => quote!(#or_try_serve.map(|__served| __served.value).ok()),
        };
        let found = self.found();
        // Where there are traces, so that a hit makes nothing owned.
        let hit = (self.options.traced() && self.options.verify.is_none()).then(|| {
            quote! {
                if let ::std::option::Option::Some(__found) = __call.hit() {
                    return #found;
                }
            }
        });
        quote! {
            {
                let __cache = #cache;
                let __key = #key;
                let __call = #lookup;
                #hit
                let __owned = #made;
                __call.#computed
            }
        }
    }

    /// How the function gets arguments of its own, to be computed behind its callers. `None` where it cannot, or need not.
    pub fn owned(&self) -> Option<Owned> {
        let (Options { stale, refresh_ahead, key, spawn, .. }, sig) = (self.options, &self.function.sig);
        if spawn.is_some() {
            // All is as it has to be.
            return Some(Owned::of(self.arguments.iter().filter_map(owned_argument)));
        }
        let ages = stale.is_some() || refresh_ahead.is_some();
        let plain = sig.asyncness.is_none() && sig.unsafety.is_none() && sig.receiver().is_none() && key.is_none();
        if !ages || !plain || sig.generics.lifetimes().next().is_some() || returns_borrowed(sig) {
            return None;
        }
        if self.options.traced() {
            // What its type parameters can do is not known.
            return if sig.generics.type_params().next().is_some() { None } else { self.owned_arguments() };
        }
        let own = self.arguments.iter().map(|Argument { name, declared, key }| match key {
            Part::Value(_) => Some(quote!(#name)),
            Part::Float(_) => Some(quote!(<#declared>::from_bits(#name))),
            Part::Borrowed(of) if !is_static(declared) => Some(quote!(::std::borrow::Borrow::<#of>::borrow(&#name))),
            // Not any type can stand in for an `impl`.
            Part::Borrowed(_) | Part::AsRef(_) | Part::Ignored => None,
        });
        Some(Owned { made: quote!(::std::clone::Clone::clone(&__key)), arguments: own.collect::<Option<_>>()? })
    }

    /// The same from the arguments themselves, since of a key with traces only a fingerprint is kept.
    fn owned_arguments(&self) -> Option<Owned> {
        let own = self.arguments.iter().map(|argument| match argument.key {
            Part::Value(_) => owned_argument(argument),
            _ => None,
        });
        Some(Owned::of(own.collect::<Option<Vec<_>>>()?))
    }

    /// Whether a task can compute the function behind its callers, where that is asked for.
    pub fn check_spawn(&self) -> Result<()> {
        let (Some((name, _)), sig) = (&self.options.spawn, &self.function.sig) else { return Ok(()) };
        let wrong = |help: &str| Err(Error::new(name.span(), help));
        if sig.asyncness.is_none() {
            return wrong("`spawn` is for `async` functions: others are computed behind their callers by a thread");
        }
        if sig.receiver().is_some() || sig.unsafety.is_some() {
            return wrong("`spawn` is not for methods and `unsafe` functions");
        }
        if sig.generics.lifetimes().next().is_some() || returns_borrowed(sig) {
            return wrong("`spawn` is not for functions with named lifetimes, or whose result borrows");
        }
        match self.arguments.iter().find(|argument| owned_argument(argument).is_none()) {
            Some(Argument { name, declared, .. }) => {
                let help =
                    format!("`{name}` cannot go into a task (`spawn`): it must be a value, or a reference to one");
                Err(Error::new_spanned(declared, help))
            }
            None => Ok(()),
        }
    }
}

impl Owned {
    /// Of what is made of each argument, and the argument made of that.
    fn of(own: impl IntoIterator<Item = (TokenStream, TokenStream)>) -> Self {
        let (made, arguments): (Vec<_>, _) = own.into_iter().unzip();
        Self { made: quote!((#(#made,)*)), arguments }
    }
}

/// What of its own is made of an argument, and the argument made of that.
fn owned_argument(Argument { name, declared, .. }: &Argument) -> Option<(TokenStream, TokenStream)> {
    match declared {
        Type::Reference(reference) if !is_static(declared) => {
            let of = &reference.elem;
            let made = quote!(<#of as ::std::borrow::ToOwned>::to_owned(#name));
            let is_owned = reference.mutability.is_none() && !borrows(of);
            is_owned.then(|| (made, quote!(::std::borrow::Borrow::<#of>::borrow(&#name))))
        }
        Type::ImplTrait(_) => None,
        _ if borrows(declared) => None,
        _ => Some((quote!(<#declared as ::std::clone::Clone>::clone(&#name)), quote!(#name))),
    }
}

fn is_static(declared: &Type) -> bool {
    matches!(declared, Type::Reference(reference) if reference.lifetime.is_some())
}

//! A function that is computed behind its callers, from arguments of its own.

use crate::{
    cached::{Cached, Reached},
    options::Options,
    signature::{Argument, Output, Part, Wrapper, borrows, returns_borrowed},
};
use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

/// What a function that is computed behind its callers gets.
pub struct Owned {
    /// A tuple of what its arguments are made of, as an expression.
    made: TokenStream,
    /// The arguments, of the parts of the tuple by their names.
    arguments: Vec<TokenStream>,
}

impl Cached<'_> {
    /// A body that serves the old result of a key while a thread computes the next one.
    pub fn behind(
        &self,
        Owned { made, arguments: own }: &Owned,
        key: &TokenStream,
        lookup: &TokenStream,
    ) -> TokenStream {
        let Reached { cache, compute, .. } = &self.reached;
        let all = self.names();
        let call = quote!({ let (#(#all,)*) = __owned; #compute(#(#own),*) });
        let computed = match &self.output {
            Output::Whole(_) => quote!(or_compute_behind(move || #call)),
            Output::Good(_, Wrapper::Result) => {
                quote!(or_try_serve_behind(move || #call).map(|__served| __served.value))
            }
            Output::Good(_, Wrapper::Option) => {
                quote!(or_try_serve_behind(move || #call.ok_or(())).map(|__served| __served.value).ok())
            }
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
        let (Options { stale, refresh_ahead, key, .. }, sig) = (self.options, &self.function.sig);
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
        let own = self.arguments.iter().map(|Argument { name, declared, key }| match (key, declared) {
            (Part::Value(_), Type::Reference(reference)) if !is_static(declared) && !borrows(&reference.elem) => {
                let of = &reference.elem;
                let made = quote!(<#of as ::std::borrow::ToOwned>::to_owned(#name));
                Some((made, quote!(::std::borrow::Borrow::<#of>::borrow(&#name))))
            }
            (Part::Value(_), _) if !borrows(declared) => {
                Some((quote!(<#declared as ::std::clone::Clone>::clone(&#name)), quote!(#name)))
            }
            _ => None,
        });
        let (made, arguments): (Vec<_>, _) = own.collect::<Option<Vec<_>>>()?.into_iter().unzip();
        Some(Owned { made: quote!((#(#made,)*)), arguments })
    }
}

fn is_static(declared: &Type) -> bool {
    matches!(declared, Type::Reference(reference) if reference.lifetime.is_some())
}

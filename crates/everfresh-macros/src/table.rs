//! The tables of `#[precomputed]`: where the results lie, and how one is got.

use crate::axis::Simple;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, LitInt, Signature, Type};

/// A table by the name of `__TABLE`, of `__LENGTH` results.
pub struct Table {
    pub declared: TokenStream,
    /// Returns the result at `__index`, if it is there.
    pub look: TokenStream,
    /// Does the same after it filled the table, where that is another way.
    pub fill: Option<TokenStream>,
}

impl Table {
    /// The table of a `const` function; `computed` is the result at the place `__at`.
    pub fn constant(output: &Type, computed: &TokenStream) -> Self {
        let declared = quote! {
            #[allow(long_running_const_eval)]
            const __TABLE: &[#output; __LENGTH] = &{
                let mut __at = 0;
                let mut __table = [#computed; __LENGTH];
                while __at < __LENGTH {
                    __table[__at] = #computed;
                    __at += 1;
                }
                __table
            };
        };
        Self { declared, look: quote!(return __TABLE[__index];), fill: None }
    }

    /// A table that is filled on first use.
    pub fn lazy(output: &Type, computed: &TokenStream) -> Self {
        if matches!(Simple::of(output), None | Some(Simple::Wide)) {
            let declared = quote! {
                static __TABLE: ::everfresh::precomputed::Lazy<::std::boxed::Box<[#output; __LENGTH]>> =
                    ::everfresh::precomputed::Lazy::new();
            };
            let got = |table| returned(&quote!(#table.map(|__table| __table[__index])));
            let fill = got(quote!(__TABLE.at(|| ::everfresh::precomputed::boxed(|__at| #computed))));
            return Self { declared, look: got(quote!(__TABLE.get())), fill: Some(fill) };
        }
        let declared = quote! {
            static __TABLE: ::everfresh::precomputed::Cells<#output, __LENGTH> =
                ::everfresh::precomputed::Cells::new();
        };
        let fill = returned(&quote!(__TABLE.at(__index, |__at| #computed)));
        Self { declared, look: returned(&quote!(__TABLE.get(__index))), fill: Some(fill) }
    }

    /// A table in a file. The domains are the first value and the number of values of each argument.
    pub fn stored(
        (path, version): (&Expr, Option<&LitInt>),
        signature: &Signature,
        domains: &TokenStream,
        output: &Type,
        computed: &TokenStream,
    ) -> Self {
        let name = signature.ident.to_string();
        let version = match version {
            Some(version) => quote!(::std::option::Option::Some(#version)),
            None => quote!(::std::option::Option::None),
        };
        let declared = quote! {
            static __TABLE: ::everfresh::precomputed::Lazy<::everfresh::precomputed::StoredTable<#output>> =
                ::everfresh::precomputed::Lazy::new();
        };
        let open = quote! {
            __TABLE.at(|| {
                let __code = ::everfresh::precomputed::Code {
                    function: ::std::concat!(::std::module_path!(), "::", #name),
                    domains: &[#domains],
                    version: #version,
                };
                ::everfresh::precomputed::StoredTable::open(#path, __LENGTH, &__code, |__at| #computed)
            })
        };
        let got = |table| returned(&quote!(#table.and_then(|__table| __table.get(__index))));
        Self { declared, look: got(quote!(__TABLE.get())), fill: Some(got(open)) }
    }
}

/// Returns what is in an option.
fn returned(option: &TokenStream) -> TokenStream {
    quote! {
        if let ::std::option::Option::Some(__found) = #option {
            return __found;
        }
    }
}

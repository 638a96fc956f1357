//! `#[precomputed]`: a table over a product of integer ranges.

use crate::signature::{named, plain_arguments};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Expr, ExprRange, Ident, ItemFn, RangeLimits, Result, ReturnType, Token, Type,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// One range for each argument.
pub struct Ranges(Vec<ExprRange>);

impl Parse for Ranges {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let ranges = Punctuated::<Expr, Token![,]>::parse_terminated(input)?.into_iter().map(|range| match range {
            Expr::Range(range) if range.start.is_some() && range.end.is_some() => Ok(range),
            other => Err(syn::Error::new_spanned(other, "a range with both ends is needed, as in `0..=255`")),
        });
        Ok(Self(ranges.collect::<Result<_>>()?))
    }
}

/// What `#[precomputed]` makes of a function.
pub fn expand(Ranges(ranges): &Ranges, function: ItemFn) -> Result<TokenStream> {
    let ItemFn { attrs, vis, sig, block } = &function;
    if let Some(asyncness) = &sig.asyncness {
        return Err(syn::Error::new_spanned(asyncness, "an async function cannot be computed beforehand"));
    }
    if !sig.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&sig.generics, "a function with parameters of its own has no one table"));
    }
    let arguments = plain_arguments(&function)?;
    if arguments.len() != ranges.len() || ranges.is_empty() {
        let message =
            format!("{} arguments need as many ranges, one each: there are {}", arguments.len(), ranges.len());
        return Err(syn::Error::new_spanned(&sig.inputs, message));
    }
    let unsigned = arguments.iter().map(|(_, declared)| unsigned(declared)).collect::<Result<Vec<_>>>()?;
    let output = match &sig.output {
        ReturnType::Type(_, output) => output,
        ReturnType::Default => return Err(syn::Error::new_spanned(sig, "there is no result to compute beforehand")),
    };

    let (names, types): (Vec<_>, Vec<_>) = arguments.iter().cloned().unzip();
    let starts: Vec<_> = (0..ranges.len()).map(|at| format_ident!("__START_{at}")).collect();
    let lengths: Vec<_> = (0..ranges.len()).map(|at| format_ident!("__LENGTH_{at}")).collect();
    let places: Vec<_> = (0..ranges.len()).map(|at| format_ident!("__place_{at}")).collect();
    let first = ranges.iter().map(|range| &range.start);
    let last = ranges.iter().map(|range| &range.end);
    let more = ranges.iter().map(|range| i128::from(matches!(range.limits, RangeLimits::Closed(_))));

    // The table has the last argument's values next to each other.
    let mut values = Vec::new();
    let mut stride = quote!(1usize);
    for ((start, length), declared) in starts.iter().zip(&lengths).zip(&types).rev() {
        values.push(quote!((#start as i128 + (__at / (#stride) % #length) as i128) as #declared));
        stride = quote!(#stride * #length);
    }
    values.reverse();
    let mut index = quote!(0usize);
    for (place, length) in places.iter().zip(&lengths) {
        index = quote!((#index) * #length + #place as usize);
    }
    let compute = &sig.ident;
    let (table, look) = match sig.constness {
        Some(_) => (
            quote! {
                #[allow(long_running_const_eval)]
                const __TABLE: &[#output; __LENGTH] = &{
                    let mut __at = 0;
                    let mut __table = [#compute(#(#values),*); __LENGTH];
                    while __at < __LENGTH {
                        __table[__at] = #compute(#(#values),*);
                        __at += 1;
                    }
                    __table
                };
            },
            quote!(__TABLE[#index]),
        ),
        None => (
            quote! {
                static __TABLE: ::std::sync::LazyLock<::std::boxed::Box<[#output]>> =
                    ::std::sync::LazyLock::new(|| (0..__LENGTH).map(|__at| #compute(#(#values),*)).collect());
            },
            quote!(__TABLE[#index]),
        ),
    };
    let outer = named(sig, &names);
    Ok(quote! {
        #(#attrs)*
        #vis #outer {
            // Under its own name, so that a recursive function does not wait for the table that it fills.
            #sig #block
            #(const #starts: #types = #first;)*
            #(const #lengths: usize = {
                let length = (#last) as i128 - #starts as i128 + #more;
                assert!(length > 0, "the range is empty");
                length as usize
            };)*
            const __LENGTH: usize = 1 #(* #lengths)*;
            #table
            #(let #places = #names.wrapping_sub(#starts) as #unsigned as u64;)*
            if #(#places < #lengths as u64)&&* { #look } else { #compute(#(#names),*) }
        }
    })
}

/// The unsigned integer as wide as an argument.
fn unsigned(declared: &Type) -> Result<Ident> {
    let name = match declared {
        Type::Path(path) => path.path.get_ident(),
        _ => None,
    };
    let width = name.and_then(|name| {
        let name = name.to_string();
        let width = name.strip_prefix(['u', 'i'])?.to_owned();
        ["8", "16", "32", "64", "size"].contains(&width.as_str()).then_some(width)
    });
    match width {
        Some(width) => Ok(format_ident!("u{width}")),
        None => Err(syn::Error::new_spanned(declared, "an argument has to be an integer of up to 64 bits")),
    }
}

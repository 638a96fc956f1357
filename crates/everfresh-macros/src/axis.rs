//! The domains of `#[precomputed]`: what values an argument has, and how the place of one is told.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Expr, ExprPath, ExprRange, Ident, RangeLimits, Result, Type, TypePath,
    parse::{Parse, ParseStream},
};

/// The values of an argument for which there are results in the table.
pub enum Domain {
    Range(ExprRange),
    /// All values of a type.
    All(Type),
}

impl Parse for Domain {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        match input.parse()? {
            Expr::Range(range) if range.start.is_some() && range.end.is_some() => Ok(Self::Range(range)),
            Expr::Path(ExprPath { qself, path, .. }) => Ok(Self::All(Type::Path(TypePath { qself, path }))),
            other => Err(syn::Error::new_spanned(
                other,
                "a range with both ends is needed, as in `0..=255`, or a type of few values, as in `bool`",
            )),
        }
    }
}

/// An argument, its domain, and how a value's place in that is told.
pub struct Axis {
    /// Constants, and the variable that holds the place.
    pub start: Ident,
    pub length: Ident,
    pub place: Ident,
    /// What the constants are.
    pub constants: TokenStream,
    /// The place of an argument, as a `u64` that is not below the length if the argument is outside.
    pub place_of: TokenStream,
    /// The value at the place `__place`.
    pub value: TokenStream,
}

impl Axis {
    pub fn of(at: usize, name: &Ident, declared: &Type, domain: &Domain, is_const: bool) -> Result<Self> {
        let [start, length, place] = ["START", "LENGTH", "place"].map(|what| format_ident!("__{what}_{at}"));
        let (constants, place_of, value) = match domain {
            Domain::All(kind) => {
                let simple = Simple::of(kind);
                let (place_of, value) = match simple {
                    Some(Simple::Bool) if is_const => (quote!(#name as u64), quote!(__place == 1)),
                    Some(Simple::Integer(unsigned)) if is_const => (
                        quote!(#name.wrapping_sub(#kind::MIN) as #unsigned as u64),
                        quote!((__place as #kind).wrapping_add(#kind::MIN)),
                    ),
                    _ if is_const => (quote!(<#kind>::__place(#name) as u64), quote!(<#kind>::__value(__place))),
                    _ => (
                        quote!(::everfresh::precomputed::Domain::place(#name) as u64),
                        quote!(<#kind as ::everfresh::precomputed::Domain>::value(__place)),
                    ),
                };
                let constants = quote! {
                    const #start: i128 = 0;
                    const #length: usize = <#kind as ::everfresh::precomputed::Domain>::LEN;
                };
                (constants, place_of, value)
            }
            Domain::Range(ExprRange { start: first, end, limits, .. }) => {
                let more = i128::from(matches!(limits, RangeLimits::Closed(_)));
                let (number, place_of, value) = match Simple::of(declared) {
                    Some(Simple::Integer(unsigned)) => (
                        quote!(i128),
                        quote!(#name.wrapping_sub(#start as #declared) as #unsigned as u64),
                        quote!((#start + __place as i128) as #declared),
                    ),
                    Some(Simple::Char) => (
                        quote!(u32 as i128),
                        quote!((#name as u32).wrapping_sub(#start as u32) as u64),
                        // No `char` has the place of a surrogate, so any will do there.
                        quote!(match ::std::char::from_u32(#start as u32 + __place as u32) {
                            ::std::option::Option::Some(letter) => letter,
                            ::std::option::Option::None => '\0',
                        }),
                    ),
                    _ => {
                        let help = "an argument with a range has to be an integer of up to 64 bits or a `char`; for a \
                                    `bool` or an enum, the type's name takes the range's place";
                        return Err(syn::Error::new_spanned(declared, help));
                    }
                };
                let constants = quote! {
                    const #start: i128 = { let first: #declared = #first; first as #number };
                    const #length: usize = {
                        let last: #declared = #end;
                        let length = last as #number - #start + #more;
                        assert!(length > 0, "the range is empty");
                        length as usize
                    };
                };
                (constants, place_of, value)
            }
        };
        Ok(Self { start, length, place, constants, place_of, value })
    }
}

/// A type that is known by its name.
pub enum Simple {
    Bool,
    Char,
    /// With the unsigned one that is as wide.
    Integer(Ident),
    Float,
    Wide,
}

impl Simple {
    pub fn of(declared: &Type) -> Option<Self> {
        let Type::Path(path) = declared else { return None };
        let name = path.path.get_ident()?.to_string();
        match name.as_str() {
            "bool" => Some(Self::Bool),
            "char" => Some(Self::Char),
            "f32" | "f64" => Some(Self::Float),
            "u128" | "i128" => Some(Self::Wide),
            _ => {
                let width = name.strip_prefix(['u', 'i'])?;
                let known = ["8", "16", "32", "64", "size"].contains(&width);
                known.then(|| Self::Integer(format_ident!("u{width}")))
            }
        }
    }
}

//! `#[precomputed]`: a table over a product of domains.

use crate::signature::{named, plain_arguments, undocumented};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Expr, ExprPath, ExprRange, Ident, ItemFn, LitInt, RangeLimits, Result, ReturnType, Signature, Token, Type,
    TypePath,
    parse::{Parse, ParseStream},
};

/// What stands in the brackets of `#[precomputed]`.
pub struct Options {
    /// One for each argument.
    domains: Vec<Domain>,
    /// Where the table is stored.
    file: Option<Expr>,
    version: Option<LitInt>,
}

/// The values of an argument for which there are results in the table.
enum Domain {
    Range(ExprRange),
    /// All values of a type.
    All(Type),
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self { domains: Vec::new(), file: None, version: None };
        while !input.is_empty() {
            if input.peek(syn::Ident) && input.peek2(Token![=]) {
                options.named(input)?;
            } else {
                options.domains.push(domain(input.parse()?)?);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        match (&options.file, &options.version) {
            (None, Some(version)) => Err(syn::Error::new(version.span(), "`version` is for a table in a `file`")),
            _ => Ok(options),
        }
    }
}

impl Options {
    fn named(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        match name.to_string().as_str() {
            "file" if self.file.is_none() => self.file = Some(input.parse()?),
            "version" if self.version.is_none() => self.version = Some(input.parse()?),
            "file" | "version" => return Err(syn::Error::new(name.span(), format!("`{name}` is said twice"))),
            _ => {
                let help = format!("there is no option `{name}`: there are `file`, `version`");
                return Err(syn::Error::new(name.span(), help));
            }
        }
        Ok(())
    }
}

fn domain(written: Expr) -> Result<Domain> {
    match written {
        Expr::Range(range) if range.start.is_some() && range.end.is_some() => Ok(Domain::Range(range)),
        Expr::Path(ExprPath { qself, path, .. }) => Ok(Domain::All(Type::Path(TypePath { qself, path }))),
        other => Err(syn::Error::new_spanned(
            other,
            "a range with both ends is needed, as in `0..=255`, or a type of few values, as in `bool`",
        )),
    }
}

/// An argument, its domain, and how a value's place in that is told.
struct Axis {
    /// Constants, and the variable that holds the place.
    start: Ident,
    length: Ident,
    place: Ident,
    /// What the constants are.
    constants: TokenStream,
    /// The place of an argument, as a `u64` that is not below the length if the argument is outside.
    place_of: TokenStream,
    /// The value at the place `__place`.
    value: TokenStream,
}

impl Axis {
    fn of(at: usize, name: &Ident, declared: &Type, domain: &Domain, is_const: bool) -> Result<Self> {
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
enum Simple {
    Bool,
    Char,
    /// With the unsigned one that is as wide.
    Integer(Ident),
    Float,
    Wide,
}

impl Simple {
    fn of(declared: &Type) -> Option<Self> {
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

/// What `#[precomputed]` makes of a function.
pub fn expand(options: &Options, function: &ItemFn) -> Result<TokenStream> {
    let (axes, output) = check(options, function)?;
    let ItemFn { attrs, vis, sig, block } = function;
    let undocumented = undocumented(sig);
    let names: Vec<_> = arguments(sig)?.into_iter().map(|(name, _)| name).collect();
    let (starts, lengths): (Vec<_>, Vec<_>) = axes.iter().map(|axis| (&axis.start, &axis.length)).unzip();
    let (places, constants): (Vec<_>, Vec<_>) = axes.iter().map(|axis| (&axis.place, &axis.constants)).unzip();
    let places_of = axes.iter().map(|axis| &axis.place_of);

    // The table has the last argument's values next to each other.
    let mut values = Vec::new();
    let mut stride = quote!(1usize);
    for Axis { length, value, .. } in axes.iter().rev() {
        values.push(quote!({ let __place = __at / (#stride) % #length; #value }));
        stride = quote!(#stride * #length);
    }
    values.reverse();
    let index = places
        .iter()
        .zip(&lengths)
        .fold(quote!(0usize), |index, (place, length)| quote!((#index) * #length + #place as usize));
    let compute = &sig.ident;
    let computed = quote!(#compute(#(#values),*));
    let number = !matches!(Simple::of(output), None | Some(Simple::Wide));
    let (table, look, fill) = match (&sig.constness, &options.file) {
        (Some(_), _) => (
            quote! {
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
            },
            quote!(return __TABLE[__index];),
            quote!(),
        ),
        (None, Some(path)) => {
            let version = match &options.version {
                Some(version) => quote!(::std::option::Option::Some(#version)),
                None => quote!(::std::option::Option::None),
            };
            let name = sig.ident.to_string();
            let table = quote! {
                static __TABLE: ::std::sync::LazyLock<::everfresh::precomputed::StoredTable<#output>> =
                    ::std::sync::LazyLock::new(|| {
                        let __code = ::everfresh::precomputed::Code {
                            function: ::std::concat!(::std::module_path!(), "::", #name),
                            domains: &[#((#starts, #lengths)),*],
                            version: #version,
                        };
                        ::everfresh::precomputed::StoredTable::open(#path, __LENGTH, &__code, |__at| #computed)
                    });
            };
            (
                table,
                quote!(if let ::std::option::Option::Some(__found) = __TABLE.get(__index) {
                    return __found;
                }),
                quote!(),
            )
        }
        (None, None) if number => (
            quote! {
                static __TABLE: ::everfresh::precomputed::Cells<#output, __LENGTH> =
                    ::everfresh::precomputed::Cells::new();
            },
            quote!(if let ::std::option::Option::Some(__found) = __TABLE.get(__index) {
                return __found;
            }),
            quote! {
                if let ::std::option::Option::Some(__found) = __TABLE.at(__index, |__at| #computed) {
                    return __found;
                }
            },
        ),
        (None, None) => (
            quote! {
                static __TABLE: ::std::sync::LazyLock<::std::boxed::Box<[#output; __LENGTH]>> =
                    ::std::sync::LazyLock::new(|| ::everfresh::precomputed::boxed(|__at| #computed));
            },
            quote!(return __TABLE[__index];),
            quote!(),
        ),
    };
    let places = quote!(#(let #places: u64 = #places_of;)*);
    let inside: TokenStream =
        axes.iter().map(|Axis { place, length, .. }| quote!(#place < #length as u64 &&)).collect();
    let inside = quote!(#inside true);
    let outer = named(&undocumented, &names);
    let mut rest = outer.clone();
    rest.ident = format_ident!("__rest");
    // Where the table is filled by this way, it has to tell once more where it is.
    let rest_body = match fill.is_empty() {
        true => quote!(#compute(#(#names),*)),
        false => quote!(#places if #inside { let __index = #index; #fill } #compute(#(#names),*)),
    };
    Ok(quote! {
        #(#attrs)*
        #[inline]
        #vis #outer {
            // Under its own name, so that a recursive function does not wait for the table that it fills.
            #undocumented #block
            #(#constants)*
            // Judged before a table of that size is.
            const __LENGTH: usize = {
                let bytes = ::std::mem::size_of::<#output>() as u128 #(* #lengths as u128)*;
                assert!(bytes <= 1 << 30, "the table would be larger than 1 GiB");
                1 #(* #lengths)*
            };
            #table
            // Out of the way of what is in the table.
            #[cold]
            #rest { #rest_body }
            #places
            if #inside {
                let __index = #index;
                #look
            }
            __rest(#(#names),*)
        }
    })
}

/// The arguments by names that do not hide the function.
fn arguments(signature: &Signature) -> Result<Vec<(Ident, Type)>> {
    let mut arguments = plain_arguments(signature)?;
    for (name, _) in &mut arguments {
        if *name == signature.ident {
            *name = format_ident!("__{name}");
        }
    }
    Ok(arguments)
}

/// One axis for each argument, and the type of the results.
fn check<'a>(options: &Options, function: &'a ItemFn) -> Result<(Vec<Axis>, &'a Type)> {
    let sig = &function.sig;
    if let Some(asyncness) = &sig.asyncness {
        return Err(syn::Error::new_spanned(asyncness, "an async function cannot be computed beforehand"));
    }
    if let Some(unsafety) = &sig.unsafety {
        return Err(syn::Error::new_spanned(unsafety, "an unsafe function cannot be called for all its arguments"));
    }
    if !sig.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&sig.generics, "a function with parameters of its own has no one table"));
    }
    if let Some(receiver) = sig.receiver() {
        return Err(syn::Error::new_spanned(receiver, "a method has no table: put the attribute on a function"));
    }
    let arguments = arguments(sig)?;
    let Options { domains, file, .. } = options;
    if arguments.is_empty() {
        return Err(syn::Error::new_spanned(
            sig,
            "a function without arguments has one result: say `const` or `LazyLock`",
        ));
    }
    if arguments.len() != domains.len() {
        let message =
            format!("there are {} arguments, which need a range each, and {} ranges", arguments.len(), domains.len());
        return Err(syn::Error::new_spanned(&sig.inputs, message));
    }
    let axes = arguments
        .iter()
        .zip(domains)
        .enumerate()
        .map(|(at, ((name, declared), domain))| Axis::of(at, name, declared, domain, sig.constness.is_some()));
    let axes = axes.collect::<Result<_>>()?;
    let output = match &sig.output {
        ReturnType::Type(_, output) => output.as_ref(),
        ReturnType::Default => return Err(syn::Error::new_spanned(sig, "there is no result to compute beforehand")),
    };
    match file {
        Some(file) if sig.constness.is_some() => {
            Err(syn::Error::new_spanned(file, "the table of a `const` function is in the program, not in a file"))
        }
        Some(_) if matches!(Simple::of(output), None | Some(Simple::Char)) => {
            Err(syn::Error::new_spanned(output, "a table in a file holds integers, floats or `bool`"))
        }
        _ => Ok((axes, output)),
    }
}

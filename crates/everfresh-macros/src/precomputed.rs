//! `#[precomputed]`: a table over a product of domains.

use crate::{
    axis::{Axis, Domain, Simple},
    cached::allowing,
    signature::{named, plain_arguments, undocumented},
    table::Table,
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Expr, Ident, ItemFn, LitInt, Result, ReturnType, Signature, Token, Type,
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

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self { domains: Vec::new(), file: None, version: None };
        while !input.is_empty() {
            if input.peek(syn::Ident) && input.peek2(Token![=]) {
                options.named(input)?;
            } else {
                options.domains.push(input.parse()?);
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
    let Table { declared: table, look, fill } = match &options.file {
        _ if sig.constness.is_some() => Table::constant(output, &computed),
        None => Table::lazy(output, &computed),
        Some(file) => {
            let domains = quote!(#((#starts, #lengths)),*);
            Table::stored((file, options.version.as_ref()), sig, &domains, output, &computed)
        }
    };
    let places = quote!(#(let #places: u64 = #places_of;)*);
    let inside: TokenStream =
        axes.iter().map(|Axis { place, length, .. }| quote!(#place < #length as u64 &&)).collect();
    let inside = quote!(#inside true);
    let outer = named(&undocumented, &names);
    let mut rest = outer.clone();
    rest.ident = format_ident!("__rest");
    // Where the table is filled by this way, it has to tell once more where it is.
    let fill = fill.map(|fill| quote!(#places if #inside { let __index = #index; #fill }));
    let inline = match attrs.iter().any(|attribute| attribute.path().is_ident("inline")) {
        true => quote!(),
        false => quote!(#[inline]),
    };
    let outer_attrs = attrs.iter().map(allowing);
    Ok(quote! {
        #(#outer_attrs)*
        #inline
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
            #rest { #fill #compute(#(#names),*) }
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

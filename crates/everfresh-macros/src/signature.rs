//! What a function's signature says: which arguments are the key, and what is kept of the result.

use crate::options::Options;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    FnArg, GenericArgument, Ident, ItemFn, Lifetime, Pat, PathArguments, Result, ReturnType, Signature, Type,
    TypeParamBound, parse_quote, visit_mut::VisitMut,
};

/// One argument.
pub struct Argument {
    /// Its name, or one made for a pattern.
    pub name: Ident,
    /// Its type as it is written.
    pub declared: Type,
    pub key: Part,
}

/// What an argument is in the key.
pub enum Part {
    /// Nothing.
    Ignored,
    /// A value: its type is the key's.
    Value(Type),
    /// A float: its bits.
    Float(Ident),
    /// A reference: what it refers to, whose owned form is the key's.
    Borrowed(Type),
    /// An `impl AsRef<T>`.
    AsRef(Type),
}

/// What is kept of the result.
pub enum Output {
    /// All of it.
    Whole(Type),
    /// What a `Result` has if it is no error, or an `Option` if it is not `None`.
    Good(Type, Wrapper),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    Result,
    Option,
}

/// The arguments of a function, a receiver by the name of `self`.
pub fn arguments(function: &ItemFn, options: &Options) -> Result<Vec<Argument>> {
    let arguments = plain_arguments(&function.sig)?;
    for ignored in &options.ignore {
        if !arguments.iter().any(|(name, _)| name == ignored) {
            return Err(syn::Error::new(ignored.span(), format!("there is no argument `{ignored}` to ignore")));
        }
    }
    let arguments = arguments.into_iter().map(|(name, declared)| {
        // Where the cache is a field of `self`, each `self` has a cache of its own.
        let is_place = name == "self" && options.field.is_some();
        let ignored = options.key.is_some() || is_place || options.ignore.contains(&name);
        let key = match (ignored, options.traced()) {
            (true, _) => Part::Ignored,
            (false, true) => traced_part(&name, &declared)?,
            (false, false) => part(&name, &declared)?,
        };
        Ok(Argument { name, declared, key })
    });
    arguments.collect()
}

/// The arguments by name, patterns by a name that is made for them.
pub fn plain_arguments(signature: &Signature) -> Result<Vec<(Ident, Type)>> {
    if let Some(variadic) = &signature.variadic {
        return Err(syn::Error::new_spanned(variadic, "a function with any number of arguments has no key"));
    }
    let arguments = signature.inputs.iter().enumerate().map(|(at, argument)| match argument {
        FnArg::Receiver(receiver) => Ok((Ident::from(receiver.self_token), receiver.ty.as_ref().clone())),
        FnArg::Typed(argument) => {
            if let Some(cfg) = argument.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
                let help = "an argument that is there in some builds only: write one function for each";
                return Err(syn::Error::new_spanned(cfg, help));
            }
            let name = match argument.pat.as_ref() {
                Pat::Ident(name) if name.subpat.is_none() => name.ident.clone(),
                _ => format_ident!("__argument_{at}"),
            };
            Ok((name, argument.ty.as_ref().clone()))
        }
    });
    arguments.collect()
}

/// The signature with plain names in place of patterns.
pub fn named<'a>(signature: &Signature, names: impl IntoIterator<Item = &'a Ident>) -> Signature {
    let mut named = signature.clone();
    for (argument, name) in named.inputs.iter_mut().zip(names) {
        if let FnArg::Typed(argument) = argument {
            *argument.pat = parse_quote!(#name);
        }
    }
    named
}

/// The signature without docs on its arguments, where the compiler allows none.
pub fn undocumented(signature: &Signature) -> Signature {
    let mut undocumented = signature.clone();
    for argument in &mut undocumented.inputs {
        if let FnArg::Typed(argument) = argument {
            argument.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
        }
    }
    undocumented
}

fn part(name: &Ident, declared: &Type) -> Result<Part> {
    let part = match declared {
        Type::Reference(reference) if reference.mutability.is_none() => Part::Borrowed((*reference.elem).clone()),
        Type::ImplTrait(bounds) => match bounds.bounds.iter().find_map(as_ref_target) {
            Some(target) => Part::AsRef(target),
            None => return Err(needs_key(name, declared, "an `impl` other than `impl AsRef<…>`")),
        },
        Type::Path(path) if path.path.is_ident("f32") || path.path.is_ident("f64") => {
            Part::Float(format_ident!("u{}", if path.path.is_ident("f32") { 32u32 } else { 64 }))
        }
        other => Part::Value(other.clone()),
    };
    match &part {
        Part::Value(kept) | Part::Borrowed(kept) | Part::AsRef(kept) if borrows(kept) => {
            Err(needs_key(name, declared, "a type that borrows"))
        }
        _ => Ok(part),
    }
}

/// Where only a fingerprint is kept of the key, an argument may borrow.
fn traced_part(name: &Ident, declared: &Type) -> Result<Part> {
    match declared {
        Type::Reference(reference) if reference.mutability.is_some() => {
            Err(needs_key(name, declared, "a type that may change"))
        }
        Type::ImplTrait(bounds) => match bounds.bounds.iter().find_map(as_ref_target) {
            Some(target) => Ok(Part::AsRef(target)),
            None => Err(needs_key(name, declared, "an `impl` other than `impl AsRef<…>`")),
        },
        other => Ok(Part::Value(other.clone())),
    }
}

fn needs_key(name: &Ident, declared: &Type, what: &str) -> syn::Error {
    let help = format!("`{name}` has {what}, which is no key: say `key = …`, or leave it out with `ignore = [{name}]`");
    syn::Error::new_spanned(declared, help)
}

fn as_ref_target(bound: &TypeParamBound) -> Option<Type> {
    let TypeParamBound::Trait(bound) = bound else { return None };
    let last = bound.path.segments.last().filter(|last| last.ident == "AsRef")?;
    first_type(&last.arguments)
}

fn first_type(arguments: &PathArguments) -> Option<Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(first) => Some(first.clone()),
        _ => None,
    })
}

/// Whether any part of a result borrows.
pub fn returns_borrowed(signature: &Signature) -> bool {
    matches!(&signature.output, ReturnType::Type(_, whole) if borrows(whole))
}

/// Whether a type holds a reference or a lifetime, other than `'static`.
pub fn borrows(kept: &Type) -> bool {
    struct Search(bool);
    impl VisitMut for Search {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            self.0 |= lifetime.ident != "static";
        }
        fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
            self.0 |= reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static");
            self.visit_type_mut(&mut reference.elem);
        }
    }
    let mut search = Search(false);
    search.visit_type_mut(&mut kept.clone());
    search.0
}

impl Output {
    pub fn of(function: &ItemFn, options: &Options) -> Result<Self> {
        let whole: Type = match &function.sig.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, whole) => whole.as_ref().clone(),
        };
        if let Type::ImplTrait(_) = whole {
            return Err(syn::Error::new_spanned(&whole, "an `impl` has no name, so it cannot be kept: name the type"));
        }
        let wrapped = wrapped(&whole)?;
        let wrong = |kept: &crate::options::Kept, name: &str| {
            syn::Error::new(kept.name.span(), format!("`{}` is for a function that returns {name}", kept.name))
        };
        let keep = match (&options.cache_err, &options.cache_none, &wrapped) {
            (Some(kept), _, None | Some((_, Wrapper::Option))) => return Err(wrong(kept, "a `Result`")),
            (_, Some(kept), None | Some((_, Wrapper::Result))) => return Err(wrong(kept, "an `Option`")),
            (None, None, _) => false,
            _ => true,
        };
        let output = match wrapped {
            Some((good, wrapper)) if !keep => Self::Good(good, wrapper),
            _ => Self::Whole(whole),
        };
        match &output {
            Self::Whole(kept) | Self::Good(kept, _) if borrows(kept) => {
                Err(syn::Error::new_spanned(kept, "a result that borrows cannot be kept: return an owned one"))
            }
            _ => Ok(output),
        }
    }

    pub fn kept(&self) -> &Type {
        match self {
            Self::Whole(kept) | Self::Good(kept, _) => kept,
        }
    }
}

/// The good part of a `Result` or an `Option` that is written as such.
fn wrapped(whole: &Type) -> Result<Option<(Type, Wrapper)>> {
    let Type::Path(path) = whole else { return Ok(None) };
    let Some(last) = path.path.segments.last() else { return Ok(None) };
    let wrapper = match last.ident.to_string().as_str() {
        "Result" => Wrapper::Result,
        "Option" => Wrapper::Option,
        _ => return Ok(None),
    };
    match first_type(&last.arguments) {
        Some(good) => Ok(Some((good, wrapper))),
        None => {
            Err(syn::Error::new_spanned(whole, "what is kept of this does not show: write out the type of its value"))
        }
    }
}

impl Part {
    /// The type of the key's part.
    pub fn owned(&self) -> Option<TokenStream> {
        match self {
            Self::Ignored => None,
            Self::Value(kept) => Some(quote!(#kept)),
            Self::Float(bits) => Some(quote!(#bits)),
            Self::Borrowed(of) | Self::AsRef(of) => Some(quote!(<#of as ::std::borrow::ToOwned>::Owned)),
        }
    }

    /// What the borrowed key has of the argument.
    pub fn reference(&self, name: &Ident) -> Option<TokenStream> {
        match self {
            Self::Ignored => None,
            Self::Value(_) => Some(quote!(&#name)),
            Self::Float(_) => Some(quote!(&#name.to_bits())),
            Self::Borrowed(_) => Some(quote!(#name)),
            Self::AsRef(of) => Some(quote!(::std::convert::AsRef::<#of>::as_ref(&#name))),
        }
    }
}

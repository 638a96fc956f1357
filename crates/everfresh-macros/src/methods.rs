//! `#[cached]` on an `impl` block: its methods that have `#[cached]` look first.

use crate::{
    cached::{Cached, Reached, is_condition},
    options::Options,
};
use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::{
    Attribute, GenericParam, Ident, ImplItem, ImplItemFn, ItemFn, ItemImpl, Lifetime, Meta, Result, Signature, Type,
    ext::IdentExt, spanned::Spanned, visit_mut::VisitMut,
};

/// What `#[cached]` makes of an `impl` block.
pub fn expand(mut block: ItemImpl) -> Result<TokenStream> {
    if let Some((_, of, _)) = &block.trait_ {
        let help =
            "the verbs have no place in the `impl` of a trait: cache a method of the type, and call it from here";
        return Err(syn::Error::new_spanned(of, help));
    }
    let mut items = Vec::new();
    let mut errors: Option<syn::Error> = None;
    for item in std::mem::take(&mut block.items) {
        match item {
            ImplItem::Fn(mut method) => match take_attribute(&mut method) {
                Some(attribute) => match expand_method(&block, &attribute, method) {
                    Ok(expanded) => items.push(ImplItem::Verbatim(expanded)),
                    Err(error) => match &mut errors {
                        Some(errors) => errors.combine(error),
                        None => errors = Some(error),
                    },
                },
                None => items.push(ImplItem::Fn(method)),
            },
            other => items.push(other),
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    if !items.iter().any(|item| matches!(item, ImplItem::Verbatim(_))) {
        let help = "no method has `#[cached]`: put it above those that are to be cached";
        return Err(syn::Error::new(block.impl_token.span(), help));
    }
    block.items = items;
    Ok(quote!(#block))
}

/// Takes `#[cached]` off a method, by whatever path it is written.
fn take_attribute(method: &mut ImplItemFn) -> Option<Attribute> {
    let is_cached = |attribute: &Attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "cached");
    let at = method.attrs.iter().position(is_cached)?;
    Some(method.attrs.remove(at))
}

/// A method that looks first, and its verbs beside it.
fn expand_method(block: &ItemImpl, attribute: &Attribute, method: ImplItemFn) -> Result<TokenStream> {
    let options: Options = match &attribute.meta {
        Meta::Path(_) => Options::default(),
        meta => syn::parse2(meta.require_list()?.tokens.clone())?,
    };
    let ImplItemFn { attrs, vis, sig, block: body, .. } = method;
    let function = ItemFn { attrs, vis, sig, block: Box::new(body) };
    let Signature { ident: name, generics, asyncness, unsafety, output, .. } = &function.sig;
    options.check_method(name, function.sig.receiver())?;
    if let Some(parameter) = generics.params.iter().find(|one| !matches!(one, GenericParam::Lifetime(_))) {
        let help =
            "a cached method has no type or const parameters of its own: give them to the `impl`, or cache a function";
        return Err(syn::Error::new_spanned(parameter, help));
    }
    let verb = |verb: &str| format_ident!("{}_{}", name, verb);
    let (cache_verb, invalidate_verb, refresh_verb) = (verb("cache"), verb("invalidate"), verb("refresh"));
    let compute_name = format_ident!("__{}_compute", name);
    let cache = match &options.field {
        Some(field) => quote!(&self.#field),
        None => quote!(Self::#cache_verb()),
    };
    let (this, method) = (elided(&block.self_ty), name.to_string());
    let reached = Reached {
        cache: cache.clone(),
        compute: quote!(Self::#compute_name),
        name: quote!(::std::format!("{}::{}", ::std::any::type_name::<#this>(), #method)),
    };
    let cached = Cached::of(&options, &function, reached)?;

    let conditions: Vec<&Attribute> = function.attrs.iter().filter(|attribute| is_condition(attribute)).collect();
    let (vis, clause, cache_type) = (&function.vis, &generics.where_clause, cached.cache_type());
    let (outer, compute) = (cached.outer(), cached.compute(compute_name, generics.clone()));
    let (all, counting) = (cached.parameters(), cached.counting());
    let (invalidate, refresh) = (cached.invalidate(), cached.refresh());
    let cache = match (&options.field, function.sig.receiver()) {
        (Some(_), Some(receiver)) => {
            let declared = &receiver.ty;
            quote!(#cache_verb #generics(self: #declared) -> &#cache_type #clause { #cache })
        }
        _ => {
            let cache = if block.generics.params.iter().all(|one| matches!(one, GenericParam::Lifetime(_))) {
                with_alias(cached.fixed_cache(), block)
            } else {
                cached.cache_per_type()
            };
            quote!(#cache_verb() -> &'static #cache_type { #cache })
        }
    };
    let plain = name.unraw();
    let [cache_doc, invalidate_doc, refresh_doc, explain_doc] = [
        "The cache of",
        "Forgets what there is for these arguments of",
        "Computes anew for these arguments, and keeps, what comes of",
        "What a call with these arguments would do now, and why, of",
    ]
    .map(|what| format!("{what} [`{plain}`](Self::{plain})."));
    let allowed = quote! {
        #[allow(dead_code, unused_variables, unreachable_pub, clippy::needless_arbitrary_self_type)]
        #[allow(clippy::needless_pass_by_value, clippy::trivially_copy_pass_by_ref)]
        #[allow( clippy::missing_errors_doc, clippy::missing_safety_doc)]
    };
    let explain_verb = verb("explain");
    let explain = cached.explain().map(|explain| {
        quote! {
            #(#conditions)*
            #[doc = #explain_doc]
            /// Computes nothing.
            #allowed
            #vis fn #explain_verb #generics(#all) -> ::everfresh::memo::Explanation #clause #explain
        }
    });
    Ok(quote! {
        #outer
        #compute
        #explain

        #(#conditions)*
        #[doc = #cache_doc]
        #allowed
        #vis fn #cache

        #(#conditions)*
        #[doc = #invalidate_doc]
        /// Whether there was something. What is being computed for them now is not kept.
        #allowed
        #vis fn #invalidate_verb #generics(#counting) -> bool #clause #invalidate

        #(#conditions)*
        #[doc = #refresh_doc]
        #allowed
        #vis #asyncness #unsafety fn #refresh_verb #generics(#all) #output #clause #refresh
    })
}

/// A type without the names of its lifetimes, which a static does not have.
fn elided(named: &Type) -> Type {
    struct Elide;
    impl VisitMut for Elide {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            *lifetime = Lifetime::new("'_", lifetime.span());
        }
    }
    let mut elided = named.clone();
    Elide.visit_type_mut(&mut elided);
    elided
}

/// The expression with another name for `Self`, which a static must not name.
fn with_alias(expression: TokenStream, block: &ItemImpl) -> TokenStream {
    fn rename(tokens: TokenStream, found: &mut bool) -> TokenStream {
        let renamed = tokens.into_iter().map(|token| match token {
            TokenTree::Ident(name) if name == "Self" => {
                *found = true;
                TokenTree::Ident(Ident::new("__This", name.span()))
            }
            TokenTree::Group(group) => {
                let mut renamed = Group::new(group.delimiter(), rename(group.stream(), found));
                renamed.set_span(group.span());
                TokenTree::Group(renamed)
            }
            other => other,
        });
        renamed.collect()
    }
    let mut found = false;
    let renamed = rename(expression, &mut found);
    let this = &block.self_ty;
    if found { quote!(type __This = #this; #renamed) } else { renamed }
}

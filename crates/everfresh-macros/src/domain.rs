//! `#[derive(Domain)]`: the values of an enum without fields, numbered.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

pub fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "only an enum has values that can be numbered"));
    };
    let with_fields = data.variants.iter().filter(|variant| variant.fields != Fields::Unit);
    let errors =
        with_fields.map(|variant| Error::new_spanned(&variant.fields, "a variant with fields has more than one value"));
    if let Some(errors) = errors.reduce(|mut all, error| {
        all.combine(error);
        all
    }) {
        return Err(errors);
    }
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let Some((last, others)) = variants.split_last() else {
        return Err(Error::new_spanned(&input.ident, "an enum without variants has no values"));
    };
    let (len, before) = (variants.len(), 0..others.len());
    let (name, last_place) = (&input.ident, others.len());
    let (places, again) = (before.clone(), before);
    Ok(quote! {
        #[automatically_derived]
        impl #name {
            // Beside the trait's, since those of a trait cannot be called in a `const` function.
            #[doc(hidden)]
            #[inline]
            #[allow(dead_code)]
            pub const fn __place(self) -> usize {
                match self {
                    #(Self::#others => #places,)*
                    Self::#last => #last_place,
                }
            }

            #[doc(hidden)]
            #[allow(dead_code)]
            pub const fn __value(place: usize) -> Self {
                match place {
                    #(#again => Self::#others,)*
                    _ => Self::#last,
                }
            }
        }

        #[automatically_derived]
        impl ::everfresh::precomputed::Domain for #name {
            const LEN: usize = #len;

            #[inline]
            fn place(self) -> usize {
                self.__place()
            }

            fn value(place: usize) -> Self {
                Self::__value(place)
            }
        }
    })
}

//! The options of `#[cached]`, each with its span, every error at the place where it is.

use crate::quantity;
use std::time::Duration;
use syn::{
    Expr, ExprCast, ExprLit, Ident, Lit, LitFloat, LitStr, Result, Token, Type, bracketed,
    parse::{Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
};

/// What stands in the brackets of `#[cached]`.
#[derive(Default)]
pub struct Options {
    pub max_entries: Option<Expr>,
    pub max_bytes: Option<(Ident, u64)>,
    pub weigher: Option<Expr>,
    pub ttl: Option<Duration>,
    pub idle: Option<Duration>,
    pub jitter: Option<f64>,
    pub policy: Option<Ident>,
    pub tags: Vec<LitStr>,
    pub ignore: Vec<Ident>,
    pub key: Option<OwnKey>,
    pub cache_err: Option<Kept>,
    pub cache_none: Option<Kept>,
}

/// What counts in place of the arguments.
pub struct OwnKey {
    pub value: Expr,
    pub declared: Type,
}

/// That errors or `None` are kept, and for how long.
pub struct Kept {
    pub name: Ident,
    pub ttl: Option<Duration>,
}

const NAMES: [&str; 12] = [
    "max_entries",
    "max_bytes",
    "weigher",
    "ttl",
    "idle",
    "jitter",
    "policy",
    "tags",
    "ignore",
    "key",
    "cache_err",
    "cache_none",
];

/// The policies by name, and what they are called in `everfresh::memory::Policy`.
const POLICIES: [(&str, &str); 6] = [
    ("adaptive", "Adaptive"),
    ("tinylfu", "TinyLfu"),
    ("s3fifo", "S3Fifo"),
    ("lru", "Lru"),
    ("lfu", "Lfu"),
    ("fifo", "Fifo"),
];

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            if seen.contains(&name) {
                return Err(syn::Error::new(name.span(), format!("`{name}` is said twice")));
            }
            options.option(&name, input)?;
            seen.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        match (&options.max_bytes, &options.weigher) {
            (Some((name, _)), None) => Err(syn::Error::new(
                name.span(),
                "`max_bytes` needs `weigher = …`, a function or closure of `(&Key, &Value)` that gives a `u32`",
            )),
            _ => Ok(options),
        }
    }
}

impl Options {
    fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        match name.to_string().as_str() {
            "max_entries" => self.max_entries = Some(value(input)?),
            "max_bytes" => self.max_bytes = Some((name.clone(), quantity::bytes(&value(input)?)?)),
            "weigher" => self.weigher = Some(value(input)?),
            "ttl" => self.ttl = Some(quantity::duration(&value(input)?)?),
            "idle" => self.idle = Some(quantity::duration(&value(input)?)?),
            "jitter" => {
                let part: LitFloat = value(input)?;
                self.jitter = match part.base10_parse()? {
                    part if (0.0..=1.0).contains(&part) => Some(part),
                    _ => return Err(syn::Error::new(part.span(), "a part is from 0.0 to 1.0")),
                };
            }
            "policy" => self.policy = Some(policy(&value(input)?)?),
            "tags" => self.tags = list(input)?,
            "ignore" => self.ignore = list(input)?,
            "key" => self.key = Some(own_key(value(input)?)?),
            "cache_err" => self.cache_err = Some(kept(name, input)?),
            "cache_none" => self.cache_none = Some(kept(name, input)?),
            _ => return Err(unknown(name, "option", &NAMES)),
        }
        Ok(())
    }
}

fn value<T: Parse>(input: ParseStream<'_>) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn list<T: Parse>(input: ParseStream<'_>) -> Result<Vec<T>> {
    input.parse::<Token![=]>()?;
    let items;
    bracketed!(items in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&items)?.into_iter().collect())
}

fn kept(name: &Ident, input: ParseStream<'_>) -> Result<Kept> {
    let ttl = match input.peek(Token![=]) {
        true => Some(quantity::duration(&value(input)?)?),
        false => None,
    };
    Ok(Kept { name: name.clone(), ttl })
}

/// A format string, or a value with its type.
fn own_key(written: Expr) -> Result<OwnKey> {
    match written {
        Expr::Lit(ExprLit { lit: Lit::Str(format), .. }) => {
            Ok(OwnKey { value: parse_quote!(::std::format!(#format)), declared: parse_quote!(::std::string::String) })
        }
        Expr::Cast(ExprCast { expr, ty, .. }) => Ok(OwnKey { value: *expr, declared: *ty }),
        other => Err(syn::Error::new_spanned(
            other,
            "a key is a value with its type, as in `key = (user.id, day) as (u64, u32)`, or a format string, as in \
             `key = \"{day}\"`",
        )),
    }
}

fn policy(name: &Ident) -> Result<Ident> {
    match POLICIES.iter().find(|(policy, _)| name == policy) {
        Some((_, variant)) => Ok(Ident::new(variant, name.span())),
        None => Err(unknown(name, "policy", &POLICIES.map(|(policy, _)| policy))),
    }
}

fn unknown(name: &Ident, what: &str, known: &[&str]) -> syn::Error {
    let text = name.to_string();
    let near = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, &text));
    let near = near.filter(|near| strsim::damerau_levenshtein(near, &text) <= 2);
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are `{}`", known.join("`, `")),
    };
    syn::Error::new(name.span(), format!("there is no {what} `{text}`: {help}"))
}

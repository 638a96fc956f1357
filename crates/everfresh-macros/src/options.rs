//! The options of `#[cached]`, each with its span, every error at the place where it is.

use crate::quantity;
use std::time::Duration;
use syn::{
    Expr, ExprCast, ExprLit, Ident, Lit, LitFloat, LitStr, Receiver, Result, Token, Type, bracketed,
    ext::IdentExt,
    parenthesized,
    parse::{Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
    token::Bracket,
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
    pub stale: Option<Duration>,
    pub refresh_ahead: Option<f64>,
    /// What runs a future behind its callers, after the option's name.
    pub spawn: Option<(Ident, Expr)>,
    pub verify: Option<f64>,
    pub clock: Option<Expr>,
    pub policy: Option<Ident>,
    pub tags: Vec<LitStr>,
    pub ignore: Vec<Ident>,
    pub key: Option<OwnKey>,
    pub cache_err: Option<Kept>,
    pub cache_none: Option<Kept>,
    /// The field of `self` that is the cache.
    pub field: Option<Ident>,
    pub shared: Option<Ident>,
    pub store: Option<Place>,
    pub depends: Vec<Dependency>,
    pub version: Option<Expr>,
    /// The names of all that was said.
    said: Vec<Ident>,
}

/// Which store results are kept in.
pub enum Place {
    /// The user's own.
    Own,
    /// The one in this folder.
    Folder(LitStr),
    /// One that is open.
    Open(Expr),
}

/// What a result depends on: `file(path)`.
pub struct Dependency {
    /// As the methods of `everfresh::memo::Call` are called.
    pub kind: Ident,
    pub on: Expr,
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

const NAMES: [&str; 22] = [
    "max_entries",
    "max_bytes",
    "weigher",
    "ttl",
    "idle",
    "jitter",
    "stale",
    "refresh_ahead",
    "spawn",
    "verify",
    "clock",
    "policy",
    "tags",
    "ignore",
    "key",
    "cache_err",
    "cache_none",
    "field",
    "shared",
    "store",
    "depends",
    "version",
];

/// Those of them that say how a cache in memory is built.
const BOUNDS: [&str; 10] =
    ["max_entries", "max_bytes", "weigher", "ttl", "idle", "jitter", "stale", "refresh_ahead", "clock", "policy"];

/// Those that make results be kept with traces.
const TRACED: [&str; 3] = ["store", "depends", "version"];

/// What a result can depend on.
const KINDS: [&str; 4] = ["file", "dir", "env", "value"];

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
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            if options.said.contains(&name) {
                return Err(syn::Error::new(name.span(), format!("`{name}` is said twice")));
            }
            options.option(&name, input)?;
            options.said.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        options.check_together()?;
        Ok(options)
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
            "jitter" => self.jitter = Some(part(input)?),
            "stale" => self.stale = Some(quantity::duration(&value(input)?)?),
            "refresh_ahead" => self.refresh_ahead = Some(part(input)?),
            "spawn" => self.spawn = Some((name.clone(), value(input)?)),
            "verify" => self.verify = Some(part(input)?),
            "clock" => self.clock = Some(value(input)?),
            "policy" => self.policy = Some(policy(&value(input)?)?),
            "tags" => self.tags = list(input, Parse::parse)?,
            "ignore" => self.ignore = list(input, Ident::parse_any)?,
            "key" => self.key = Some(own_key(value(input)?)?),
            "cache_err" => self.cache_err = Some(kept(name, input)?),
            "cache_none" => self.cache_none = Some(kept(name, input)?),
            "field" => self.field = Some(value(input)?),
            "shared" => self.shared = Some(name.clone()),
            "store" => self.store = Some(place(input)?),
            "depends" => self.depends = depends(input)?,
            "version" => self.version = Some(value(input)?),
            _ => return Err(unknown(name, "option", &NAMES)),
        }
        Ok(())
    }
}

impl Options {
    /// The first of these that was said.
    fn said(&self, names: &[&str]) -> Option<&Ident> {
        self.said.iter().find(|said| names.iter().any(|name| *said == name))
    }

    /// Whether results are kept with traces.
    pub fn traced(&self) -> bool {
        self.said(&TRACED).is_some()
    }

    /// Errors or `None` that have a ttl of their own.
    fn kept_for(&self) -> Option<&Ident> {
        self.cache_err.iter().chain(&self.cache_none).find(|kept| kept.ttl.is_some()).map(|kept| &kept.name)
    }

    /// Whether they go with each other.
    fn check_together(&self) -> Result<()> {
        let aging = self.said(&["stale", "refresh_ahead"]);
        if let (Some((name, _)), None) = (&self.spawn, aging) {
            return Err(syn::Error::new(name.span(), "`spawn` needs `stale = …` or `refresh_ahead = …`"));
        }
        match (aging, self.ttl) {
            (Some(aging), None) => Err(syn::Error::new(aging.span(), format!("`{aging}` needs `ttl = …`"))),
            _ => Ok(()),
        }
    }

    /// Whether they can stand on a function outside an `impl` block.
    pub fn check_function(&self) -> Result<()> {
        match self.field.as_ref().or(self.shared.as_ref()) {
            Some(name) => {
                Err(syn::Error::new(name.span(), "this is for a method, in an `impl` block with `#[cached]`"))
            }
            None => Ok(()),
        }
    }

    /// Whether they can stand on a method, or a function in an `impl` block.
    pub fn check_method(&self, name: &Ident, receiver: Option<&Receiver>) -> Result<()> {
        let Some(receiver) = receiver else {
            return match &self.field {
                Some(field) => Err(syn::Error::new(field.span(), "a cache in a field needs an argument `&self`")),
                None => Ok(()),
            };
        };
        let reference = match receiver.ty.as_ref() {
            Type::Reference(reference) => Some(reference),
            _ => None,
        };
        if reference.is_some_and(|reference| reference.mutability.is_some()) {
            return Err(syn::Error::new_spanned(receiver, "a method that may change `self` is not cached"));
        }
        match (&self.field, &self.shared) {
            (Some(_), Some(shared)) => Err(syn::Error::new(shared.span(), "a cache in a field is not shared: say one")),
            (None, None) => Err(syn::Error::new(
                name.span(),
                "say where its results are: `field = …` names a field, which is a `Cache`; `shared` makes one cache for \
                 all, with `self` in the key",
            )),
            (Some(field), None) if reference.is_none() => {
                Err(syn::Error::new(field.span(), "a cache in a field needs an argument `&self`"))
            }
            (Some(field), None) if self.traced() => {
                Err(syn::Error::new(field.span(), "results with traces are in no field: say `shared`"))
            }
            (Some(_), None) => match self.said(&BOUNDS).or(self.kept_for()) {
                Some(bound) => {
                    let help = format!("`{bound}` is said where the cache in the field is built");
                    Err(syn::Error::new(bound.span(), help))
                }
                None => Ok(()),
            },
            (None, Some(_)) => Ok(()),
        }
    }
}

fn value<T: Parse>(input: ParseStream<'_>) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn list<T>(input: ParseStream<'_>, item: fn(ParseStream<'_>) -> Result<T>) -> Result<Vec<T>> {
    input.parse::<Token![=]>()?;
    let items;
    bracketed!(items in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated_with(&items, item)?.into_iter().collect())
}

fn part(input: ParseStream<'_>) -> Result<f64> {
    let part: LitFloat = value(input)?;
    match part.base10_parse()? {
        number if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err(syn::Error::new(part.span(), "a part is from 0.0 to 1.0")),
    }
}

fn place(input: ParseStream<'_>) -> Result<Place> {
    if !input.peek(Token![=]) {
        return Ok(Place::Own);
    }
    Ok(match value(input)? {
        Expr::Lit(ExprLit { lit: Lit::Str(folder), .. }) => Place::Folder(folder),
        open => Place::Open(open),
    })
}

/// One dependency, or several in brackets.
fn depends(input: ParseStream<'_>) -> Result<Vec<Dependency>> {
    fn one(input: ParseStream<'_>) -> Result<Dependency> {
        let kind: Ident = input.parse()?;
        if !KINDS.iter().any(|known| kind == known) {
            return Err(unknown(&kind, "kind of dependency", &KINDS));
        }
        let on;
        parenthesized!(on in input);
        let dependency = Dependency { kind, on: on.parse()? };
        match on.is_empty() {
            true => Ok(dependency),
            false => Err(on.error("a dependency has one argument: several ones are `[file(a), file(b)]`")),
        }
    }
    if input.peek2(Bracket) {
        return list(input, one);
    }
    input.parse::<Token![=]>()?;
    Ok(vec![one(input)?])
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

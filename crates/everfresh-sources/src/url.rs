//! One GET of one URL, revalidated where the server allows it.
//!
//! What may be secret goes to nobody else: user and password of the URL are sent as basic authentication, and they, the
//! headers and the validators go to the URL's own origin (or from `http` to `https` on the same host), not to where a
//! redirect leads. Errors show the redacted URL, and of a redirect's target nothing at all.
//!
//! The body goes to a temporary file as it comes and is hashed on the way; gzip is undone first. A body that ends early
//! is an error.

use crate::Secret;
use base64::{Engine, prelude::BASE64_STANDARD};
use everfresh::{Fingerprint, FingerprintBuilder};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};
use tempfile::NamedTempFile;
use ureq::{
    Agent, Body,
    http::{HeaderMap, Response, StatusCode, header},
};
use url::Url;

/// The longest body that [`fetch`] takes, after gzip is undone: 2 GiB.
pub const MAX_BODY: u64 = 2 << 30;

const MAX_REDIRECTS: usize = 10;

/// What to ask for.
#[derive(Clone, Debug)]
pub struct UrlRequest<'a> {
    /// An `http` or `https` URL.
    pub url: &'a Secret,
    /// Headers to send besides. One named `Authorization` stands in place of the URL's own user and password.
    pub headers: &'a [(String, Secret)],
    /// The longest that everything together may take, redirects and body included.
    pub timeout: Duration,
}

/// What a server told about an answer, by which it can be asked whether that still holds.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
pub struct Validators {
    /// The entity tag, as it came.
    pub etag: Option<String>,
    /// The date of the last change, as it came.
    pub last_modified: Option<String>,
    /// The URL that a redirect led to, hashed: validators hold for the URL that gave them and for no other. `None` if
    /// there was no redirect.
    pub redirected_to: Option<Fingerprint>,
}

/// An answer.
#[derive(Debug)]
pub enum Fetched {
    /// What was fetched before still holds.
    NotModified,
    /// A new body.
    Body {
        /// The body; the file goes when this is dropped.
        file: NamedTempFile,
        /// What to revalidate it by.
        validators: Validators,
        /// The fingerprint of the body.
        content: Fingerprint,
    },
}

/// Why there is no answer. The URLs in it are redacted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The URL or a header cannot be sent.
    #[error("cannot ask `{url}`: {message}")]
    Invalid {
        /// The URL.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// The server answered something other than success.
    #[error("`{url}` answers {status}{help}")]
    Status {
        /// The URL.
        url: String,
        /// The status: 404, 500.
        status: u16,
        /// The rest of the message.
        help: String,
    },
    /// The server cannot be reached, or broke off.
    #[error("cannot reach `{url}`: {message}")]
    Transport {
        /// The URL.
        url: String,
        /// What happened.
        message: String,
    },
    /// It took too long.
    #[error("`{url}` did not answer in full within {timeout:?}: raise its `timeout` or try again")]
    TimedOut {
        /// The URL.
        url: String,
        /// The time that was allowed.
        timeout: Duration,
    },
    /// The body is too long.
    #[error("the body of `{url}` is longer than {limit} bytes")]
    TooLarge {
        /// The URL.
        url: String,
        /// The longest that is allowed, in bytes.
        limit: u64,
    },
    /// A redirect leads nowhere.
    #[error("`{url}` redirects {message}")]
    Redirect {
        /// The URL.
        url: String,
        /// Where to.
        message: String,
    },
    /// The body cannot be put on disk.
    #[error("cannot store the body of `{url}` in a temporary file: {source}")]
    Store {
        /// The URL.
        url: String,
        /// What the system said.
        source: io::Error,
    },
}

impl UrlError {
    /// Whether nobody answered: there is no network, or nobody at home.
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Transport { .. } | Self::TimedOut { .. })
    }

    /// Whether the same request may work later: no connection, a timeout, a server that is busy or broken.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            other => other.is_offline(),
        }
    }
}

/// Asks for a URL; with the validators of an earlier answer, whether that still holds.
///
/// # Errors
/// [`UrlError`]; every status but success and a 304 that was asked for is one. Bodies of up to [`MAX_BODY`] bytes.
pub fn fetch(request: &UrlRequest<'_>, previous: Option<&Validators>) -> Result<Fetched, UrlError> {
    fetch_at_most(request, previous, MAX_BODY)
}

/// Like [`fetch`], with a limit of its own on the body, in bytes.
///
/// # Errors
/// Those of [`fetch`].
pub fn fetch_at_most(request: &UrlRequest<'_>, previous: Option<&Validators>, limit: u64) -> Result<Fetched, UrlError> {
    Exchange::new(request, previous)?.run(limit)
}

struct Exchange<'a> {
    request: &'a UrlRequest<'a>,
    previous: Option<&'a Validators>,
    /// The URL for messages.
    shown: String,
    /// The URL without user and password.
    start: Url,
    /// `Authorization`, if the URL has a user or a password.
    basic: Option<String>,
    deadline: Instant,
}

impl<'a> Exchange<'a> {
    fn new(request: &'a UrlRequest<'a>, previous: Option<&'a Validators>) -> Result<Self, UrlError> {
        let shown = without_userinfo(request.url.redacted());
        let invalid = |message: &str| UrlError::Invalid { url: shown.clone(), message: message.into() };
        let mut start = Url::parse(request.url.expose()).map_err(|error| invalid(&error.to_string()))?;
        if !is_http(&start) {
            return Err(invalid("only `http` and `https` URLs can be fetched"));
        }
        let basic = basic_authentication(&start);
        if start.set_username("").and_then(|()| start.set_password(None)).is_err() {
            return Err(invalid("it has no host"));
        }
        start.set_fragment(None);
        Ok(Self { request, previous, shown, start, basic, deadline: Instant::now() + request.timeout })
    }

    fn run(&self, limit: u64) -> Result<Fetched, UrlError> {
        let mut url = self.start.clone();
        for _ in 0..=MAX_REDIRECTS {
            let redirected_to = (url != self.start).then(|| url_fingerprint(&url));
            let validators = self.previous.filter(|validators| validators.redirected_to == redirected_to);
            let response = self.get(&url, validators)?;
            let status = response.status();
            match status {
                StatusCode::NOT_MODIFIED if validators.is_some_and(Validators::can_be_asked) => {
                    return Ok(Fetched::NotModified);
                }
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => url = self.redirect(&url, response.headers())?,
                StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                    let validators = Validators::of(response.headers(), redirected_to);
                    return self.store(response, validators, limit);
                }
                _ => return Err(self.status_error(status)),
            }
        }
        Err(self.redirect_error(format!("more than {MAX_REDIRECTS} times")))
    }

    fn get(&self, url: &Url, validators: Option<&Validators>) -> Result<Response<Body>, UrlError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.timed_out());
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("everfresh/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(left));
        if is_loopback(url) {
            config = config.proxy(None);
        }
        let mut get = config.build().new_agent().get(url.as_str());
        if self.may_see_secrets(url) {
            let own = |name: &str| self.request.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
            for (name, value) in self.request.headers {
                get = get.header(name, value.expose());
            }
            if let Some(basic) = self.basic.as_ref().filter(|_| !own("authorization")) {
                get = get.header(header::AUTHORIZATION, basic);
            }
        }
        if let Some(etag) = validators.and_then(|validators| validators.etag.as_ref()) {
            get = get.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(date) = validators.and_then(|validators| validators.last_modified.as_ref()) {
            get = get.header(header::IF_MODIFIED_SINCE, date);
        }
        get.call().map_err(|error| self.transport_error(error))
    }

    fn may_see_secrets(&self, url: &Url) -> bool {
        let upgraded = self.start.scheme() == "http"
            && url.scheme() == "https"
            && self.start.host() == url.host()
            && self.start.port().is_none()
            && url.port().is_none();
        upgraded || self.start.origin() == url.origin()
    }

    fn redirect(&self, from: &Url, headers: &HeaderMap) -> Result<Url, UrlError> {
        let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        let to = location.and_then(|location| from.join(location).ok());
        let mut to = to.ok_or_else(|| self.redirect_error("without saying where to".into()))?;
        if !is_http(&to) {
            return Err(self.redirect_error(format!("to a `{}` URL, which cannot be fetched", to.scheme())));
        }
        if from.scheme() == "https" && to.scheme() == "http" {
            return Err(self.redirect_error("from `https` to `http`, where anybody could change the answer".into()));
        }
        to.set_fragment(None);
        Ok(to)
    }

    fn store(&self, response: Response<Body>, validators: Validators, limit: u64) -> Result<Fetched, UrlError> {
        let disk = |source| UrlError::Store { url: self.shown.clone(), source };
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut file = NamedTempFile::new().map_err(disk)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 128 << 10];
        let mut length = 0;
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.transport_error(error.into())),
            };
            length += read as u64;
            if length > limit {
                return Err(UrlError::TooLarge { url: self.shown.clone(), limit });
            }
            let bytes = buffer.get(..read).unwrap_or_default();
            hasher.update(bytes);
            file.write_all(bytes).map_err(disk)?;
        }
        file.flush().map_err(disk)?;
        Ok(Fetched::Body { file, validators, content: hasher.finalize().into() })
    }

    fn status_error(&self, status: StatusCode) -> UrlError {
        let reason = status.canonical_reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let advice = match status.as_u16() {
            401 | 403 => ": check the credentials in its URL and headers",
            404 | 410 => ": check the URL",
            408 | 429 | 500.. => ": try again later",
            304 => ", though nothing was asked that it could confirm",
            _ => "",
        };
        UrlError::Status { url: self.shown.clone(), status: status.as_u16(), help: reason + advice }
    }

    fn redirect_error(&self, message: String) -> UrlError {
        UrlError::Redirect { url: self.shown.clone(), message }
    }

    fn timed_out(&self) -> UrlError {
        UrlError::TimedOut { url: self.shown.clone(), timeout: self.request.timeout }
    }

    /// Errors of the connection, in words that cannot hold a part of the URL or of a header.
    fn transport_error(&self, error: ureq::Error) -> UrlError {
        let message = match error {
            ureq::Error::Timeout(_) => return self.timed_out(),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => return self.timed_out(),
            ureq::Error::Http(_) => {
                let message = "a header's name or value holds characters that HTTP does not allow".into();
                return UrlError::Invalid { url: self.shown.clone(), message };
            }
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "connection refused: does the server run?".into(),
                io::ErrorKind::UnexpectedEof => "the answer ends too early".into(),
                kind => kind.to_string(),
            },
            ureq::Error::HostNotFound => "no such host, or no network".into(),
            ureq::Error::ConnectionFailed => "connection failed".into(),
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "the server's certificate or TLS is not accepted".into(),
            ureq::Error::Protocol(_) => "the answer is not valid HTTP, or ends too early".into(),
            ureq::Error::Decompress(..) => "the body is damaged: it does not decompress".into(),
            ureq::Error::LargeResponseHeader(..) => "the answer's headers are too long".into(),
            ureq::Error::InvalidProxyUrl | ureq::Error::ConnectProxyFailed(_) => "the proxy cannot be used".into(),
            _ => "the request failed".to_owned(),
        };
        UrlError::Transport { url: self.shown.clone(), message }
    }
}

impl Validators {
    fn of(headers: &HeaderMap, redirected_to: Option<Fingerprint>) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED), redirected_to }
    }

    fn can_be_asked(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn basic_authentication(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

fn url_fingerprint(url: &Url) -> Fingerprint {
    FingerprintBuilder::new("everfresh.url").str(url.as_str()).finish()
}

/// A URL for people: its user and password are hidden even where nobody declared them a secret.
fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((userinfo, _)) => format!("{scheme}://***{}", rest.get(userinfo.len()..).unwrap_or_default()),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;

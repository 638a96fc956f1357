//! Skeleton; being written.
#![allow(missing_docs)]
use crate::Secret;
use everfresh::Fingerprint;
use serde::{Deserialize, Serialize};
use std::time::Duration;
pub struct UrlRequest<'a> { pub url: &'a Secret, pub headers: &'a [(String, Secret)], pub timeout: Duration }
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Validators { pub etag: Option<String>, pub last_modified: Option<String> }
pub enum Fetched { NotModified, Body { file: tempfile::NamedTempFile, validators: Validators, content: Fingerprint } }
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(pub String);
pub fn fetch(_request: &UrlRequest<'_>, _previous: Option<&Validators>) -> Result<Fetched, UrlError> { Err(UrlError(String::new())) }

//! Texts that may hold a secret: usable, comparable by fingerprint, never printed.

use everfresh::{Fingerprint, FingerprintBuilder};
use std::fmt;

/// A text that may hold a secret.
///
/// `Display` and `Debug` show the redacted form; only [`Secret::expose`] gives the text. Its fingerprint is keyed where
/// a secret is in it, so that a cache folder cannot be used to guess the secret by trying.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    redacted: String,
    fingerprint: Fingerprint,
}

impl Secret {
    /// A text without any secret.
    pub fn public(text: impl Into<String>) -> Self {
        let text = text.into();
        let fingerprint = FingerprintBuilder::new("everfresh.text").str(&text).finish();
        Self { redacted: text.clone(), text, fingerprint }
    }

    /// A text with a secret in it: `redacted` is what people see, `key` the machine's own key for the keyed hash.
    pub fn keyed(text: impl Into<String>, redacted: impl Into<String>, key: &[u8; 32]) -> Self {
        let text = text.into();
        let fingerprint = blake3::keyed_hash(key, text.as_bytes()).into();
        Self { text, redacted: redacted.into(), fingerprint }
    }

    /// The text itself. Give it to what needs it, and to nothing that prints, logs or stores.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What may be shown.
    pub fn redacted(&self) -> &str {
        &self.redacted
    }

    /// What enters a key.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.redacted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown_and_its_fingerprint_needs_the_key() {
        let secret = Secret::keyed("https://u:hunter2@h/", "https://***@h/", &[1; 32]);
        assert!(!format!("{secret} {secret:?}").contains("hunter2"));
        let elsewhere = Secret::keyed("https://u:hunter2@h/", "https://***@h/", &[2; 32]);
        assert_ne!(secret.fingerprint(), elsewhere.fingerprint());
    }
}

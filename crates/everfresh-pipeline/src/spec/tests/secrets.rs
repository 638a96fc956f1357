//! What is secret stays secret.

use super::{load, read};
use crate::spec::{
    model::{Source, SourceKind},
    render,
};
use everfresh_sources::Secret;

const PASSWORD: &str = "hunter2";

fn url_source(text: &str, env: &[(&str, &str)]) -> (Secret, Vec<(String, Secret)>, String) {
    let loaded = load(text, &[], env).unwrap_or_else(|error| panic!("{error}"));
    let shown = format!("{loaded:?}{}", render(&loaded.warnings, true));
    let Some(Source { kind: SourceKind::Url { url, headers, .. }, .. }) = loaded.spec.sources.into_iter().next() else {
        panic!("no URL")
    };
    (url, headers, shown)
}

#[test]
fn secrets_reach_urls_and_headers_and_are_shown_as_references() {
    let text = "sources: { a: { url: 'https://me:${secret:PW}@host/x.csv?q=${Q}', headers: { authorization: 'Bearer ${secret:PW}', x: '${secret:PW}' } } }";
    let env = [("PW", PASSWORD), ("Q", "1")];
    let (url, headers, shown) = url_source(text, &env);
    assert_eq!(url.expose(), "https://me:hunter2@host/x.csv?q=1");
    assert_eq!(url.redacted(), "https://***${secret:PW}@host/x.csv?q=1");
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.expose(), value.redacted())).collect();
    assert_eq!(headers, [("authorization", "Bearer hunter2", "Bearer ${secret:PW}"), ("x", "hunter2", "${secret:PW}")]);
    assert!(!shown.contains(PASSWORD));
    let reads = load(text, &[], &env).unwrap().env;
    assert_eq!(
        reads.iter().map(|read| (read.name.as_str(), read.secret)).collect::<Vec<_>>(),
        [("PW", true), ("Q", false)]
    );
    assert!(load(text, &[], &env).unwrap().warnings.is_empty());
    assert_eq!(reads[0].value, Some(*Secret::keyed(PASSWORD, "", &[7; 32]).fingerprint()));
}

#[test]
fn a_credential_in_a_variable_is_a_secret_even_if_it_is_not_called_one() {
    let text = "sources: { a: { url: '${BASE}/x.csv', headers: { X-Api-Key: '${KEY}' } } }";
    let env = [("BASE", "https://me:hunter2@host"), ("KEY", "hunter2")];
    let (url, headers, shown) = url_source(text, &env);
    assert_eq!((url.redacted(), headers[0].1.redacted()), ("https://***@host/x.csv", "***"));
    assert!(!shown.contains(PASSWORD));
    let reads = load(text, &[], &env).unwrap().env;
    assert!(reads.iter().all(|read| read.secret), "{reads:?}");
}

#[test]
fn a_credential_in_the_file_is_masked_and_warned_of() {
    let text =
        "sources: { a: { url: 'https://me:hunter2@host/x.csv?api_key=hunter2', headers: { cookie: sid=hunter2 } } }";
    let (url, headers, shown) = url_source(text, &[]);
    assert_eq!(url.redacted(), "https://***@host/x.csv?api_key=***");
    assert_eq!((headers[0].1.expose(), headers[0].1.redacted()), ("sid=hunter2", "***"));
    assert!(!shown.contains(PASSWORD));
    let warnings = load(text, &[], &[]).unwrap().warnings;
    insta::assert_snapshot!(render(&warnings, false));
}

#[test]
fn no_error_shows_a_secret() {
    let env = [("PW", PASSWORD), ("BASE", "hunter2 is no URL")];
    for text in [
        "sources: { a: { url: 'https://me:hunter2@host/', tll: 1 } }",
        "sources: { a: { url: 'me:${secret:PW}@host' } }",
        "sources: { a: { url: '${BASE}' } }",
        "sources: { a: { url: 'https://h/', headers: { authorization: [a] } } }",
        "sources: { a: { url: 'https://h/', headers: { authorization: hunter2, x: { y: 1 } }, tll: 1 } }",
        "sources: { a: { url: 'https://h/', headers: { x: \"${secret:PW}\\n\" } } }",
        "sources: { a: { file: '${secret:PW}.csv' } }",
        "sources: { a: { url: 'https://h/', headers: { authorization: '${T:-hunter2}', x: [] } } }",
        "sources:\n  a:\n    headers:\n      authorization: hunter2: x\n",
        "sources:\n  a: { url: https://me:hunter2@host/, [ }\n",
        "sources:\n  a:\n    url: http://h/\n    headers: { authorization: Bearer hunter2\n",
        "steps: { a: { sql: \"select '${secret:PW}'\" } }",
    ] {
        let error = load(text, &[], &env).map(|_| ()).unwrap_err();
        assert!(!error.render(true).contains(PASSWORD) && !format!("{error:?}").contains(PASSWORD), "{error}");
    }
    let given = read("params: { a: 1 }", &[("a", "https://me:hunter2@host")], &[]).unwrap().errors;
    assert!(!render(&given, false).contains(PASSWORD));
}

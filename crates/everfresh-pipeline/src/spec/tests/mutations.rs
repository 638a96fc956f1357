//! No text makes the loader panic, and what it accepts the schema accepts.

use super::{
    example::EVERY_KEY,
    read,
    schema::{invalid, to_json},
};
use crate::spec::{LoadError, json_schema, render};
use proptest::prelude::*;

/// One edit of a text: at a place, so many bytes go, and something comes in.
fn edit() -> impl Strategy<Value = (prop::sample::Index, usize, String)> {
    let words = prop::sample::select(vec![
        "",
        " ",
        "\n",
        "\t",
        ":",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        "\"",
        "#",
        "&a ",
        "*a",
        "<<: ",
        "|\n",
        ">\n",
        "~",
        "null",
        "true",
        "-1",
        "0",
        "1e999",
        ".nan",
        "99999999999999999999",
        "${X}",
        "${X",
        "${secret:X}",
        "$${",
        "{year}",
        "{{",
        "{x}",
        "sql",
        "file",
        "from: ",
        "é",
        "\u{feff}",
        "\r\n",
        "---\n",
        "!x ",
        "!!str ",
        "%",
        "\\",
        "\u{0}",
        "5m",
        "5GB",
        "://a:b@c",
    ]);
    let cut = prop_oneof![Just(0), Just(0), 0..4usize, 0..200usize];
    let insert = prop_oneof![words.prop_map(str::to_owned), ".{0,3}"];
    (any::<prop::sample::Index>(), cut, insert)
}

fn mutated(edits: &[(prop::sample::Index, usize, String)]) -> String {
    let mut text = EVERY_KEY.to_owned();
    for (at, cut, insert) in edits {
        let start = text.floor_char_boundary(at.index(text.len() + 1));
        let end = text.floor_char_boundary((start + cut).min(text.len())).max(start);
        text.replace_range(start..end, insert);
    }
    text
}

fn check(text: &str) {
    let diagnostics = match read(text, &[("year", "7")], &[("X", "x")]) {
        Ok(partial) => {
            assert_eq!(partial.loaded.text.len(), text.len());
            if partial.errors.is_empty() {
                let schema = json_schema();
                assert_eq!(invalid(&schema, &schema, &to_json(text).unwrap()), None, "{text}");
            }
            partial.errors.into_iter().chain(partial.loaded.warnings).collect()
        }
        Err(LoadError::Invalid(diagnostics)) => diagnostics,
        Err(other) => panic!("{other}"),
    };
    for diagnostic in &diagnostics {
        assert!(!diagnostic.message.is_empty());
        let origin = &diagnostic.file;
        assert!(
            diagnostic.span.end <= origin.text().len() && diagnostic.span.start <= diagnostic.span.end,
            "{diagnostic:?}"
        );
    }
    render(&diagnostics, true);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_good_file_with_random_edits_never_panics(edits in prop::collection::vec(edit(), 1..6)) {
        check(&mutated(&edits));
    }

    #[test]
    fn any_text_never_panics(text in "[-a-z0-9:{}\\[\\],'\"#&*!|>~$ \n\té]{0,80}") {
        check(&text);
    }
}

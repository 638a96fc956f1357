//! Why a text is no YAML, in the words of people who write pipelines.

use super::yaml::Problem;
use granit_parser::{ErrorKind, ScanError};

/// What is wrong, where, and what to do.
pub(super) fn problem(text: &str, error: &ScanError) -> Problem {
    let mark = error.marker();
    let at =
        mark.byte_offset().or_else(|| text.char_indices().nth(mark.index()).map(|(at, _)| at)).unwrap_or(text.len());
    let end = text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8());
    let (message, help) = match error.kind() {
        ErrorKind::UnknownAnchor => ("this alias names no anchor", "put a text that starts with `*` in quotes"),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidMappingValueWhitespace => (
            "a `: ` cannot stand here",
            "put a text with `: ` in quotes, or write it below `|`; else check the indentation",
        ),
        ErrorKind::TabInIndentation | ErrorKind::TabInBlockIndentation | ErrorKind::TabNotAllowed => {
            ("a tab cannot indent", "use spaces")
        }
        ErrorKind::UnclosedQuotedScalar => ("a quote is opened and never closed", "close it, or put the text in `'…'`"),
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::UnexpectedEofFlowMapping => {
            ("this map is not closed", "put `,` between its entries and `}` at its end; a text with `{` needs quotes")
        }
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::UnexpectedEofFlowSequence => {
            ("this list is not closed", "put `,` between its items and `]` at its end; a text with `[` needs quotes")
        }
        ErrorKind::UnclosedFlowCollection { .. } => {
            ("this is opened and never closed", "close it, or put it in quotes")
        }
        ErrorKind::UnexpectedCharacter { .. } => ("a text cannot start like this", "put it in quotes"),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::SimpleKeyExpected => {
            ("this is no `key: value`", "check the indentation, and that the key is followed by `: `")
        }
        ErrorKind::RecursionLimitExceeded => ("this is nested too deeply", "make it flatter"),
        ErrorKind::UnknownQuotedScalarEscape => {
            ("this escape does not exist", "put the text in `'…'`, where `\\` is itself")
        }
        _ => return Problem::new(at..end, format!("this is not YAML: {}", error.info()), None),
    };
    Problem::new(at..end, message, Some(help))
}

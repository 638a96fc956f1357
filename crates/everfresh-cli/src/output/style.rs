//! Colours, by what they mean.

use anstyle::{AnsiColor, Style};

/// Served from the cache, or as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Computed.
pub const FRESH: Style = AnsiColor::Blue.on_default();
/// Something to look at.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Failed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What matters less.
pub const FAINT: Style = Style::new().dimmed();
/// A heading.
pub const TITLE: Style = Style::new().bold();
/// The word in front of an error.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The word in front of what to do.
pub const HELP: Style = AnsiColor::Cyan.on_default().bold();

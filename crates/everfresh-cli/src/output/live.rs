//! Live lines: what computes right now, on a terminal's standard error. Nothing is started before something computes.

use super::quantity::grouped;
use everfresh_pipeline::reason::Reason;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{collections::HashMap, io::IsTerminal, sync::OnceLock, time::Duration};

/// The one set of live lines of this process: whoever writes to the terminal must move it away first.
static LINES: OnceLock<MultiProgress> = OnceLock::new();

/// Does something while no live line is in the way.
pub fn above<T>(write: impl FnOnce() -> T) -> T {
    match LINES.get() {
        Some(lines) => lines.suspend(write),
        None => write(),
    }
}

/// The live lines of a run.
pub struct Live {
    wanted: bool,
    running: HashMap<String, (ProgressBar, String)>,
}

impl Live {
    /// None yet; and none ever if standard error is no terminal.
    pub fn new() -> Self {
        Self { wanted: std::io::stderr().is_terminal(), running: HashMap::new() }
    }

    /// A node begins to compute.
    pub fn start(&mut self, name: &str, reason: &Reason) {
        if !self.wanted {
            return;
        }
        let bar = LINES.get_or_init(MultiProgress::new).add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{spinner} {prefix}  {elapsed}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(name.to_owned());
        bar.set_message(reason.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running.insert(name.to_owned(), (bar, reason.to_string()));
    }

    /// A node has so many rows.
    pub fn progress(&mut self, name: &str, rows: u64) {
        if let Some((bar, reason)) = self.running.get(name) {
            bar.set_message(format!("{} rows  {reason}", grouped(rows)));
        }
    }

    /// A node ended.
    pub fn end(&mut self, name: &str) {
        if let Some((bar, _)) = self.running.remove(name) {
            bar.finish_and_clear();
        }
    }
}

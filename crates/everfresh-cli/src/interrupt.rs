//! Ctrl-C: the first one asks to stop, the second one ends the process.

use everfresh_pipeline::engine::Cancel;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a process that a signal ended exits with, by convention: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// From now on SIGINT, SIGTERM and SIGHUP set `cancel`; the second one exits at once, which the cache survives.
pub fn stop_on_signal(cancel: Cancel) {
    let asked = AtomicBool::new(false);
    let handled = ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
        cancel.cancel();
        crate::output::live::above(|| {
            let _ = crate::output::print_error("stopping; press Ctrl-C again to end at once\n");
        });
    });
    if let Err(error) = handled {
        tracing::warn!(%error, "Ctrl-C will end this process without cleaning up");
    }
}

//! Logs, on standard error. Without `-v` and RUST_LOG only warnings are told, and no filter is built.

use std::io::{self, IsTerminal, Write};
use tracing::Level;
use tracing_subscriber::EnvFilter;

/// Starts logging: `-v` is information, `-vv` everything of our own; RUST_LOG wins.
pub fn start(verbose: u8) {
    let colour =
        io::stderr().is_terminal() && anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let builder = tracing_subscriber::fmt().with_writer(|| AboveLiveLines).with_ansi(colour).with_target(false);
    let chosen = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    match (chosen, verbose) {
        (None, 0) => builder.without_time().with_max_level(Level::WARN).init(),
        (chosen, verbose) => {
            let filter = chosen.unwrap_or_else(|| {
                match verbose {
                    0 | 1 => "warn,everfresh=info",
                    2 => "info,everfresh=debug",
                    _ => "debug,everfresh=trace",
                }
                .to_owned()
            });
            let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
                let _ = crate::output::print_error(&format!("RUST_LOG `{filter}` is not understood: {error}\n"));
                EnvFilter::new("warn")
            });
            builder.with_env_filter(filter).with_timer(tracing_subscriber::fmt::time::uptime()).init();
        }
    }
}

/// Standard error, with live lines out of the way while it is written.
struct AboveLiveLines;

impl Write for AboveLiveLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        crate::output::live::above(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

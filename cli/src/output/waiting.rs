//! What is being waited for, and since when, on stderr: on a terminal one line that is refreshed, else a line whenever
//! something changes.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

use super::age::human;
use super::{note, printable};

/// How often the line is to be refreshed on a terminal.
pub(crate) const REFRESH: Duration = Duration::from_secs(1);

/// One wait.
#[derive(Debug)]
pub(crate) struct Waiting {
    since: Instant,
    terminal: bool,
    last: Option<String>,
}

impl Waiting {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), terminal: std::io::stderr().is_terminal(), last: None }
    }

    /// Whether the line shows time, and is to be shown again every [`REFRESH`].
    pub(crate) fn is_refreshed(&self) -> bool {
        self.terminal
    }

    /// Shows what is waited for and what it lacks.
    pub(crate) fn show(&mut self, what: &str) {
        let what = printable(what);
        let waited = human(self.since.elapsed().as_secs());
        if self.terminal {
            // No longer than the terminal is wide: it does not wrap meanwhile.
            let line = format!("\r\u{1b}[?7l\u{1b}[2Kwaiting for {what} ({waited})\u{1b}[?7h");
            let mut stderr = std::io::stderr();
            let _ = stderr.write_all(line.as_bytes()).and_then(|()| stderr.flush());
        } else if self.last.as_deref() != Some(&what) {
            match self.last {
                None => note(&format!("waiting for {what}")),
                Some(_) => note(&format!("waiting for {what} (since {waited})")),
            }
        }
        self.last = Some(what);
    }

    /// Takes the line away, so that something else can be printed.
    pub(crate) fn clear(&mut self) {
        if self.terminal && self.last.take().is_some() {
            let mut stderr = std::io::stderr();
            let _ = stderr.write_all(b"\r\x1b[2K").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.clear();
    }
}

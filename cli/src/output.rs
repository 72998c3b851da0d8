//! Data goes to stdout, everything else to stderr. A reader that went away is no failure.

pub(crate) mod age;
pub(crate) mod color;
pub(crate) mod describe;
pub(crate) mod format;
pub(crate) mod held;
pub(crate) mod list;
pub(crate) mod object;
pub(crate) mod order;
pub(crate) mod rows;
pub(crate) mod sync;
pub(crate) mod table;
pub(crate) mod upload;
pub(crate) mod waiting;

use std::io::{ErrorKind, Write};

/// Nobody reads stdout any more: the edge ends quietly, with success.
#[derive(Debug, thiserror::Error)]
#[error("stdout is closed")]
pub(crate) struct StdoutClosed;

/// Writes `text` to stdout as it is, at once.
pub(crate) fn data(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// Writes a help text to stdout, coloured where that is wanted.
pub(crate) fn help(text: &clap::builder::StyledStr) -> anyhow::Result<()> {
    if color::stdout() { data(&text.ansi().to_string()) } else { data(&text.to_string()) }
}

/// Writes bytes to stdout as they are, at once.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(StdoutClosed.into()),
        Err(error) => Err(anyhow::Error::new(error).context("cannot write to stdout")),
    }
}

/// Writes one line to stderr; there is nobody to tell when that fails.
pub(crate) fn note(text: &str) {
    if !held::keep(text) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Text of others, fit for a terminal and for one line: what would steer it becomes a space, what would turn the order of
/// letters a mark.
pub(crate) fn printable(text: &str) -> String {
    let fit = |letter: char| match letter {
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    text.chars().map(fit).collect()
}

/// `1 item`, `3 items`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

//! Verdicts: one line each, bounded, safe to print.

use std::error::Error;
use std::fmt::Display;

/// Longest verdict, in characters.
const LIMIT: usize = 400;

/// A text on one line, with nothing that a terminal obeys, cut at 400 characters.
#[must_use]
pub fn line(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars().take(LIMIT) {
        if matches!(c, '"' | '\'' | '\\') { line.push(c) } else { line.extend(c.escape_debug()) }
    }
    if text.chars().nth(LIMIT).is_some() {
        line.push('…');
    }
    line
}

/// The verdict on an input that was taken.
#[must_use]
pub fn accepted(what: impl Display) -> String {
    line(&format!("accepted: {what}"))
}

/// The verdict on an input that was not, with every cause.
#[must_use]
pub fn refused(error: &dyn Error) -> String {
    let mut text = format!("refused: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line(&text)
}

//! What is read from files and stdin.

use std::io::{self, Read};

/// All of a text, if it has at most so many bytes; no more of a longer one is read.
///
/// # Errors
/// It can't be read, or is not UTF-8.
pub(crate) fn text_within(most: u64, from: impl Read) -> io::Result<Option<String>> {
    let mut text = String::new();
    from.take(most.saturating_add(1)).read_to_string(&mut text)?;
    Ok((text.len() as u64 <= most).then_some(text))
}

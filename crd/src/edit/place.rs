//! Where in a text an edit is made: values replaced, entries put in and taken out, by the places of the tree.

use crate::manifest::{Node, Value, looks_like_another_type};
use crate::quantity::Memory;

/// Names of fields and words that need no quotes, in any version of YAML.
const NOT_WORDS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];

/// A value to write.
pub(super) enum Scalar {
    Number(u32),
    Amount(Memory),
    Text(String),
}

impl Scalar {
    /// On a line of its own.
    fn on_a_line(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Amount(amount) => amount.to_string(),
            Self::Text(text) => quoted(text),
        }
    }

    /// Within braces, which may be JSON's.
    fn in_braces(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Amount(amount) => quoted(&amount.to_string()),
            Self::Text(text) => quoted(text),
        }
    }

    /// In the way of what stood there.
    fn instead_of(&self, old: &Node) -> String {
        let plain = old.scalar().is_some_and(|(_, plain)| plain);
        match self {
            Self::Text(text) if plain && is_word(text) => text.clone(),
            Self::Amount(amount) if plain => amount.to_string(),
            other => other.in_braces(),
        }
    }
}

/// JSON's quoting is valid in YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether every reader of YAML takes it for this very text without quotes.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_'))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b':'))
        && !text.ends_with(':')
        && !looks_like_another_type(text)
        && !NOT_WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The text with this value at the end of the path, whose missing keys are put in.
pub(super) fn set(text: &str, root: &Node, path: &[&str], value: &Scalar) -> Option<String> {
    let mut node = root;
    for (depth, name) in path.iter().enumerate() {
        let missing = path.get(depth..)?;
        let Some((key, next)) = node.entry(name) else {
            return match &node.value {
                Value::Map { entries, flow: false } => insert_lines(text, &entries.first()?.0, missing, value),
                Value::Map { entries, flow: true } => insert_in_braces(text, node, entries.is_empty(), missing, value),
                Value::Scalar { .. } | Value::Sequence(_) => None,
            };
        };
        if next.is_null() {
            return fill(text, key, next, missing.get(1..)?, value);
        }
        node = next;
    }
    let Value::Scalar { .. } = node.value else { return None };
    splice(text, offset(text, node.start)?, end_of(text, node)?, &value.instead_of(node))
}

/// The text without the entry at the end of the path, and without the mappings that held nothing else.
pub(super) fn remove(text: &str, map: &Node, path: &[&str]) -> Option<String> {
    let (name, rest) = path.split_first()?;
    let Value::Map { entries, flow } = &map.value else { return None };
    let at = entries.iter().position(|(key, _)| key.scalar().is_some_and(|(text, _)| text == *name))?;
    let (key, value) = entries.get(at)?;
    let whole = rest.is_empty() || holds_no_more(text, key, value, rest);
    if !whole {
        return remove(text, value, rest);
    }
    match flow {
        true => remove_in_braces(text, map, entries, at),
        false => remove_lines(text, key, value),
    }
}

/// Whether an entry holds nothing but the one at the end of the path, and no comment before it.
fn holds_no_more(text: &str, key: &Node, value: &Node, path: &[&str]) -> bool {
    let (mut node, mut leaf) = (value, key);
    for name in path {
        match &node.value {
            Value::Map { entries, .. } if entries.len() == 1 => {}
            _ => return false,
        }
        let Some((key, next)) = node.entry(name) else { return false };
        (node, leaf) = (next, key);
    }
    let between = offset(text, key.end).zip(offset(text, leaf.start)).and_then(|(from, to)| text.get(from..to));
    between.is_some_and(|between| !between.contains('#'))
}

/// Takes an entry out of a mapping in braces, with the comma beside it.
fn remove_in_braces(text: &str, map: &Node, entries: &[(Node, Node)], at: usize) -> Option<String> {
    let (key, value) = entries.get(at)?;
    let (from, to) = match (entries.get(at + 1), at.checked_sub(1).and_then(|before| entries.get(before))) {
        (Some((next, _)), _) => (offset(text, key.start)?, offset(text, next.start)?),
        (None, Some((_, before))) => (end_of(text, before)?, end_of(text, value)?),
        (None, None) => (offset(text, map.start)? + 1, offset(text, map.end)?.checked_sub(1)?),
    };
    splice(text, from, to, "")
}

/// Takes the lines of an entry out, with the comment behind its value.
fn remove_lines(text: &str, key: &Node, value: &Node) -> Option<String> {
    let from = offset(text, (key.start.0, 1))?;
    if !text.get(from..offset(text, key.start)?)?.bytes().all(|b| b == b' ') {
        return None;
    }
    let end = end_of(text, last(value))?;
    // A text over several lines ends where the next line begins.
    if text.get(..end)?.ends_with('\n') {
        return splice(text, from, end, "");
    }
    let (line, more) = text.get(end..)?.split_once('\n').unwrap_or((text.get(end..)?, ""));
    let behind = line.trim_start();
    if !(behind.is_empty() || behind.starts_with('#') && behind.len() < line.len()) {
        return None;
    }
    splice(text, from, text.len() - more.len(), "")
}

/// What of a value stands last in the text.
fn last(value: &Node) -> &Node {
    match &value.value {
        // A mapping without braces ends with the next thing behind it.
        Value::Map { entries, flow: false } => entries.last().map_or(value, |(_, value)| last(value)),
        _ => value,
    }
}

/// The byte behind a value. Of a quoted one the parser tells the place of what follows, behind any comment.
fn end_of(text: &str, value: &Node) -> Option<usize> {
    let (start, end) = (offset(text, value.start)?, offset(text, value.end)?);
    let written = text.get(start..end)?;
    let quote = written.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote.filter(|_| value.scalar().is_some()) else { return Some(end) };
    let mut escaped = false;
    for (at, c) in written.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            // Two single quotes are one within the text.
            '\'' if quote == '\'' && written.get(at + 1..)?.starts_with('\'') => escaped = true,
            c if c == quote => return Some(start + at + 1),
            _ => {}
        }
    }
    Some(end)
}

fn splice(text: &str, start: usize, end: usize, new: &str) -> Option<String> {
    Some(format!("{}{new}{}", text.get(..start)?, text.get(end..)?))
}

/// A value within mappings of these keys, in braces.
fn nested(keys: &[&str], value: &Scalar) -> String {
    keys.iter().rev().fold(value.in_braces(), |inner, key| format!("{{{}: {inner}}}", quoted(key)))
}

/// Gives a key that has no value, or null, one.
fn fill(text: &str, key: &Node, null: &Node, missing: &[&str], value: &Scalar) -> Option<String> {
    let value = nested(missing, value);
    if null.start < null.end {
        return splice(text, offset(text, null.start)?, offset(text, null.end)?, &value);
    }
    // The place of a value that is not written is somewhere behind its key's colon.
    let end = offset(text, key.end)?;
    let colon = end + text.get(end..)?.find(':')? + 1;
    splice(text, colon, colon, &format!(" {value}"))
}

/// Puts missing keys in as the first entry of a mapping in braces.
fn insert_in_braces(text: &str, map: &Node, empty: bool, missing: &[&str], value: &Scalar) -> Option<String> {
    let at = offset(text, map.start)? + 1;
    let (key, inner) = missing.split_first()?;
    let end = match text.get(at..)? {
        _ if empty => "",
        rest if rest.starts_with(char::is_whitespace) => ",",
        _ => ", ",
    };
    splice(text, at, at, &format!("{}: {}{end}", quoted(key), nested(inner, value)))
}

/// Puts missing keys in before the first entry of a block mapping, at its indentation.
fn insert_lines(text: &str, first: &Node, missing: &[&str], value: &Scalar) -> Option<String> {
    let (line, column) = first.start;
    let at = offset(text, (line, 1))?;
    let indent = " ".repeat(column as usize - 1);
    if text.get(at..)?.get(..indent.len())? != indent {
        return None;
    }
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines = String::new();
    for (depth, key) in missing.iter().enumerate() {
        let end = if depth + 1 == missing.len() { format!(" {}", value.on_a_line()) } else { String::new() };
        let key = if is_word(key) && !key.contains(['/', ':']) { (*key).to_owned() } else { quoted(key) };
        lines.push_str(&format!("{indent}{}{key}:{end}{line_end}", "  ".repeat(depth)));
    }
    splice(text, at, at, &lines)
}

/// The byte at which a place stands.
fn offset(text: &str, (line, column): (u32, u32)) -> Option<usize> {
    let mut start = 0;
    for _ in 1..line {
        start += text.get(start..)?.find('\n')? + 1;
    }
    let rest = text.get(start..)?;
    let within = rest.char_indices().map(|(i, _)| i).chain([rest.len()]).nth(column as usize - 1)?;
    Some(start + within)
}

//! Regular expressions, which match the whole text. They take linear time, so look-around and back-references are refused.

use std::cell::RefCell;
use std::collections::HashMap;
use std::thread::LocalKey;

use regex::{Regex, RegexBuilder};

use super::{Group, count, given, text};
use crate::value::Value;

/// A compiled pattern's size, in bytes.
const SIZE: usize = 1 << 20;
/// Patterns that a thread keeps.
const KEPT: usize = 256;

type Cache = LocalKey<RefCell<HashMap<String, Regex>>>;

thread_local! {
    /// For the whole text.
    static WHOLE: RefCell<HashMap<String, Regex>> = RefCell::default();
    /// For its parts.
    static PARTS: RefCell<HashMap<String, Regex>> = RefCell::default();
}

pub(super) const ALL: Group = &[
    ("REGEXP_MATCH", |_, arguments| {
        let Some(input) = text(arguments, 0, "input")? else { return Ok(false.into()) };
        let patterns = match given(arguments, 1, "pattern")? {
            Value::List(patterns) => patterns.to_vec(),
            one => vec![one.clone()],
        };
        for pattern in patterns.iter().filter(|pattern| !pattern.is_null()) {
            if compiled(&WHOLE, &pattern.to_string(), anchored)?.is_match(input) {
                return Ok(true.into());
            }
        }
        Ok(false.into())
    }),
    ("REGEXP_GROUP_VAL", |_, arguments| {
        let (input, pattern) = (text(arguments, 0, "input")?, text(arguments, 1, "pattern")?);
        let group = count(arguments, 2, "group")?;
        let (Some(input), Some(pattern), Some(group)) = (input, pattern, group) else { return Ok(Value::Null) };
        let regex = compiled(&WHOLE, pattern, anchored)?;
        let found = regex.captures(input).and_then(|captures| captures.get(group));
        Ok(found.map(|found| found.as_str()).into())
    }),
    ("REGEXP_REPLACE", |_, arguments| {
        let (input, pattern) = (text(arguments, 0, "input")?, text(arguments, 1, "pattern")?);
        let replacement = text(arguments, 2, "replacement")?;
        let Some(input) = input.filter(|input| !input.is_empty()) else { return Ok(Value::Null) };
        let (Some(pattern), Some(replacement)) = (pattern, replacement) else { return Ok(input.into()) };
        if pattern.is_empty() || replacement.is_empty() {
            return Ok(input.into());
        }
        let regex = compiled(&PARTS, pattern, str::to_owned)?;
        Ok(regex.replace_all(input, braced(replacement)).into_owned().into())
    }),
];

/// Compiled once a thread. `full` is what stands for the pattern in this cache.
fn compiled(cache: &'static Cache, pattern: &str, full: fn(&str) -> String) -> Result<Regex, String> {
    cache.with_borrow_mut(|known| {
        if let Some(regex) = known.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = build(&full(pattern))?;
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    })
}

fn anchored(pattern: &str) -> String {
    format!(r"\A(?:{pattern})\z")
}

fn build(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(SIZE).build().map_err(|error| {
        let reason = error.to_string();
        format!("the pattern cannot be used: {}", reason.lines().last().unwrap_or_default().trim())
    })
}

/// Java's `$1x` is group 1 and an `x`; the crate reads `$1x` as a name, so numbers get braces. `\$` is the character.
fn braced(replacement: &str) -> String {
    let mut out = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next)) => {
                chars.next();
                out.push_str(if next == '$' { "$$" } else { "" });
                if next != '$' {
                    out.push(next);
                }
            }
            ('$', Some(next)) if next.is_ascii_digit() => {
                let digit = chars.next().unwrap_or_default();
                out.push_str(&format!("${{{digit}}}"));
            }
            _ => out.push(c),
        }
    }
    out
}

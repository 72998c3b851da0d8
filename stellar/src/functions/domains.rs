//! Domain names, with the public suffix list, its private section included.

use super::{Group, text};
use crate::value::Value;

pub(super) const ALL: Group = &[
    ("DOMAIN_REMOVE_SUBDOMAINS", |_, arguments| {
        part(arguments, |name, suffix| {
            let before = before_suffix(name, suffix);
            let last = before.rsplit('.').next().unwrap_or(before);
            if last.is_empty() { suffix.to_owned() } else { format!("{last}.{suffix}") }
        })
    }),
    ("DOMAIN_REMOVE_TLD", |_, arguments| part(arguments, |name, suffix| before_suffix(name, suffix).to_owned())),
    ("DOMAIN_TO_TLD", |_, arguments| part(arguments, |_, suffix| suffix.to_owned())),
    ("IS_DOMAIN", |_, arguments| {
        Ok(text(arguments, 0, "domain")?.is_some_and(|name| is_valid(name) && name.contains('.')).into())
    }),
];

/// Null for null and for what is no domain name.
fn part(arguments: &[Value], part: fn(&str, &str) -> String) -> Result<Value, String> {
    let name = text(arguments, 0, "domain")?.filter(|name| is_valid(name));
    Ok(name.map(|name| part(name, suffix(name))).into())
}

/// The public suffix; of a name under none, the last label.
fn suffix(name: &str) -> &str {
    let lower = name.to_ascii_lowercase();
    let known = psl::suffix(lower.as_bytes()).filter(psl::Suffix::is_known).map(|suffix| suffix.as_bytes().len());
    let last = name.rsplit('.').next().map_or(name.len(), str::len);
    name.get(name.len() - known.unwrap_or(last).min(name.len())..).unwrap_or(name)
}

fn before_suffix<'a>(name: &'a str, suffix: &str) -> &'a str {
    name.strip_suffix(suffix).unwrap_or_default().trim_end_matches('.')
}

/// As Guava's InternetDomainName: labels of 1 to 63 letters, digits, `-` and `_`, no `-` at their ends, the last not
/// starting with a digit, 253 characters in all.
fn is_valid(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii();
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last_starts_with_digit =
        name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(label) && !last_starts_with_digit
}

//! Labels and annotations on the command line: `key=value` sets, `key-` takes out. Kubernetes' rules for keys and values.

/// Longest name and longest value of a label, in bytes.
const NAME_LIMIT: usize = 63;
/// Longest prefix of a key, in bytes.
const PREFIX_LIMIT: usize = 253;

/// One change of labels, annotations or variables: a key, and its value if it is not to be taken out.
pub(crate) type Pair = (String, Option<String>);

/// Why words were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LabelError {
    /// A name behind a change.
    #[error("all resources must be specified before {what} changes: {word}")]
    Order {
        /// Labels, annotations or variables.
        what: &'static str,
        /// The name.
        word: String,
    },
    /// The same key twice.
    #[error("{0} is given twice: say once what it shall be")]
    Twice(String),
    /// A key that cannot be one.
    #[error(
        "{0:?} is no key: write NAME or PREFIX/NAME, NAME of letters, digits, '-', '_' and '.', a letter or digit at both ends, 63 bytes at most, and PREFIX a DNS name"
    )]
    Key(String),
    /// A value that a label cannot have.
    #[error(
        "{value:?} is no value of the label {key}: use letters, digits, '-', '_' and '.', a letter or digit at both ends, 63 bytes at most, or nothing"
    )]
    Value {
        /// Whose.
        key: String,
        /// As given.
        value: String,
    },
}

/// Splits words into names and changes: those with `=`, and those that end in `-`, which no name does.
pub(crate) fn split(words: &[String], what: &'static str) -> Result<(Vec<String>, Vec<Pair>), LabelError> {
    let (mut names, mut pairs): (Vec<String>, Vec<Pair>) = (Vec::new(), Vec::new());
    for word in words {
        let pair = match (word.split_once('='), word.strip_suffix('-')) {
            (Some((key, value)), _) => (key.to_owned(), Some(value.to_owned())),
            (None, Some(key)) => (key.to_owned(), None),
            (None, None) if pairs.is_empty() => {
                names.push(word.clone());
                continue;
            }
            (None, None) => return Err(LabelError::Order { what, word: word.clone() }),
        };
        if pairs.iter().any(|(key, _)| *key == pair.0) {
            return Err(LabelError::Twice(pair.0));
        }
        pairs.push(pair);
    }
    Ok((names, pairs))
}

/// Whether a text may be a key of labels and annotations.
pub(crate) fn check_key(key: &str) -> Result<(), LabelError> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let label = |part: &str| {
        let inner = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        inner && is_bounded(part)
    };
    let prefix = prefix.is_none_or(|prefix| prefix.len() <= PREFIX_LIMIT && prefix.split('.').all(label));
    if prefix && is_name(name) { Ok(()) } else { Err(LabelError::Key(key.chars().take(80).collect())) }
}

/// Whether a text may be the value of this label.
pub(crate) fn check_value(key: &str, value: &str) -> Result<(), LabelError> {
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    Err(LabelError::Value { key: key.to_owned(), value: value.chars().take(80).collect() })
}

fn is_name(text: &str) -> bool {
    let inner = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    inner && text.len() <= NAME_LIMIT && is_bounded(text)
}

/// Whether a letter or digit stands at both ends.
fn is_bounded(text: &str) -> bool {
    let end = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(end) && text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(Vec<String>, Vec<Pair>), LabelError> {
        split(&line.split(' ').map(str::to_owned).collect::<Vec<_>>(), "label")
    }

    #[test]
    fn names_come_first_and_changes_after() {
        let (names, pairs) = read("md dga-1.0 md/b team=soc note=a=b- empty= old-").unwrap();
        assert_eq!(names, ["md", "dga-1.0", "md/b"]);
        let wanted = [("team", Some("soc")), ("note", Some("a=b-")), ("empty", Some("")), ("old", None)];
        assert!(pairs.iter().map(|(key, value)| (key.as_str(), value.as_deref())).eq(wanted));
        assert_eq!(read("a k=v b"), Err(LabelError::Order { what: "label", word: "b".into() }));
        assert_eq!(read("a k=v k-"), Err(LabelError::Twice("k".into())));
    }

    #[test]
    fn keys_and_values_follow_kubernetes() {
        let long = "a".repeat(64);
        for good in ["team", "a.b/c", "maas/edits", "A_b-c.9", "example.com/x"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a/b/c", "A/b", "/a", "a/", "a..b/c", "ä", &long] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
        assert!(check_value("k", "").is_ok() && check_value("k", "v1.0_x").is_ok());
        for bad in ["a b", "-a", "a/b", "ä", &long] {
            assert!(check_value("k", bad).is_err(), "{bad}");
        }
    }
}

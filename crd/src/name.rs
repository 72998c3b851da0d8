//! Checked names: they become path components and are validated, never escaped.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Longest name of any kind, in bytes.
pub const NAME_LIMIT: usize = 63;

/// Why a text is no name of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    given: String,
    rule: &'static str,
}

impl NameError {
    fn new(kind: &'static str, given: &str, rule: &'static str) -> Self {
        // What is shown of a hostile name is bounded.
        Self { kind, given: given.chars().take(80).collect(), rule }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $rule:literal, $pattern:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if text.len() <= NAME_LIMIT && check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError::new($kind, text, $rule))
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": $pattern, "description": $rule })
            }
        }
    };
}

name!(
    /// The name of a deployment: lower case, DNS-1123 subdomain.
    Name, "name",
    "use lower-case letters, digits, '-' and '.', a letter or digit at both ends and beside each '.', 63 bytes at most",
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    |text| text.split('.').all(is_label)
);
name!(
    /// A namespace: DNS-1123 label.
    Namespace, "namespace",
    "use lower-case letters, digits and '-', a letter or digit at both ends, 63 bytes at most",
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    is_label
);
name!(
    /// A model's name.
    ModelName, "model name",
    "use letters, digits, '.', '_' and '-', a letter or digit first, 63 bytes at most",
    "^[A-Za-z0-9][A-Za-z0-9._-]*$",
    is_model_word
);
name!(
    /// A model's version.
    ModelVersion, "model version",
    "use letters, digits, '.', '_' and '-', a letter or digit first, 63 bytes at most",
    "^[A-Za-z0-9][A-Za-z0-9._-]*$",
    is_model_word
);

fn is_label(text: &str) -> bool {
    let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    inner && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-')
}

fn is_model_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

impl Default for Namespace {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl Name {
    /// The name of a deployment that names none: `<model>-<version>`, lower-cased, mapped and cut as needed, with
    /// eight hex digits of a hash when that changed anything.
    #[must_use]
    pub fn of_model(model: &ModelName, version: &ModelVersion) -> Self {
        let plain = format!("{model}-{version}");
        if let Ok(name) = plain.parse() {
            return name;
        }
        let mapped: String =
            plain.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let digest: String = Sha256::digest(plain.as_bytes()).iter().take(4).map(|b| format!("{b:02x}")).collect();
        let cut: String = mapped.chars().take(NAME_LIMIT - 9).collect();
        Self(format!("{}-{digest}", cut.trim_end_matches('-')))
    }
}

impl ModelVersion {
    /// Orders versions as people count: runs of digits by number, so that 10.0 is newer than 9.0. A tie of
    /// numbers (1.0 and 1.00) is settled by the text.
    #[must_use]
    pub fn cmp_newest(&self, other: &Self) -> std::cmp::Ordering {
        runs(&self.0).cmp(runs(&other.0)).then_with(|| self.0.cmp(&other.0))
    }
}

/// Runs of digits (length without leading zeros, then digits: any size compares) and runs of other characters.
fn runs(text: &str) -> impl Iterator<Item = (bool, usize, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        rest = tail;
        let run = if digits { run.trim_start_matches('0') } else { run };
        Some((digits, if digits { run.len() } else { 0 }, run))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_are_refused() {
        let long = "a".repeat(300);
        for bad in [
            "",
            "/",
            "a/b",
            "..",
            ".",
            "a..b",
            "a b",
            "a'b",
            "a\"b",
            "a;b",
            "a\0b",
            "ä",
            "-a",
            "a-",
            "a\u{202e}",
            &long,
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
            assert!(bad.parse::<Namespace>().is_err(), "{bad:?}");
        }
        for bad in ["", "/", "a/b", "..", ".", ".a", "-a", "a b", "a'b", "a;b", "a\0b", "ä", &long] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad:?}");
            assert!(bad.parse::<ModelVersion>().is_err(), "{bad:?}");
        }
        assert!("dga-1.0".parse::<Name>().is_ok());
        assert!("Dga_x".parse::<ModelName>().is_ok());
    }

    #[test]
    fn names_of_models_stay_readable() {
        let name = |m: &str, v: &str| Name::of_model(&m.parse().unwrap(), &v.parse().unwrap()).to_string();
        assert_eq!(name("dga", "1.0"), "dga-1.0");
        assert!(name("DGA", "1.0").starts_with("dga-1-0-"));
        assert_ne!(name("DGA", "1.0"), name("dGA", "1.0"));
    }

    proptest! {
        #[test]
        fn a_model_always_has_a_valid_name(m in "[A-Za-z0-9][A-Za-z0-9._-]{0,62}", v in "[A-Za-z0-9][A-Za-z0-9._-]{0,62}") {
            let name = Name::of_model(&m.parse().unwrap(), &v.parse().unwrap());
            prop_assert_eq!(name.as_str().parse::<Name>(), Ok(name.clone()));
        }

        #[test]
        fn the_order_of_versions_is_total(a in "[0-9a-z._-]{1,8}", b in "[0-9a-z._-]{1,8}", c in "[0-9a-z._-]{1,8}") {
            let (a, b, c) = (ModelVersion(a), ModelVersion(b), ModelVersion(c));
            prop_assert_eq!(a.cmp_newest(&b), b.cmp_newest(&a).reverse());
            if a.cmp_newest(&b).is_le() && b.cmp_newest(&c).is_le() { prop_assert!(a.cmp_newest(&c).is_le()); }
        }
    }

    #[test]
    fn ten_is_newer_than_nine() {
        let v = |t: &str| t.parse::<ModelVersion>().unwrap();
        assert!(v("10.0").cmp_newest(&v("9.0")).is_gt());
        assert!(v("1.10").cmp_newest(&v("1.9")).is_gt());
        assert!(v("99999999999999999999999").cmp_newest(&v("99999999999999999999998")).is_gt());
    }
}

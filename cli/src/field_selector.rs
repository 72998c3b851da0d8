//! `--field-selector`: `type=Warning,involvedObject.name!=dga-1.0`. Any field of the whole can be named.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde_json::Value;

use crate::jsonpath::{self, Path};
use crate::selector::Selector;

/// What fields must be; without any requirement it selects everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    path: Path,
    values: BTreeSet<String>,
    /// Whether it must have one of these values, or none of them.
    within: bool,
}

impl FieldSelector {
    /// Whether it selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this object meets every requirement. A field that is not there is empty.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| {
            let values = requirement.path.values(object).unwrap_or_default();
            let text = values.first().map(|value| jsonpath::text(value)).unwrap_or_default();
            requirement.values.contains(&text) == requirement.within
        })
    }
}

impl FromStr for FieldSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read: Selector = text.parse().map_err(|error: crate::selector::SelectorError| error.to_string())?;
        let tests = read.values().ok_or("a field selector compares: FIELD=VALUE, FIELD!=VALUE, 'FIELD in (A,B)'")?;
        let requirement = |(key, values, within): (&str, &BTreeSet<String>, bool)| {
            let path = Path::parse(key).map_err(|error| error.to_string())?;
            Ok(Requirement { path, values: values.clone(), within })
        };
        tests.into_iter().map(requirement).collect::<Result<_, String>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn fields_are_equal_or_not() {
        let object = json!({"type": "Warning", "count": 5, "involvedObject": {"name": "dga-1.0"}});
        for (text, selects) in [
            ("", true),
            ("type=Warning", true),
            ("type!=Warning", false),
            ("type==Warning,involvedObject.name=dga-1.0,count=5", true),
            ("type=Warning,count!=5", false),
            ("type notin (Normal, Other),count in (4,5)", true),
            ("nothing=", true),
            ("nothing!=x", true),
        ] {
            assert_eq!(text.parse::<FieldSelector>().unwrap().matches(&object), selects, "{text}");
        }
    }

    #[test]
    fn other_tests_are_refused() {
        for text in ["type", "!type", "type=a=b", "a..=b", &"(".repeat(10_000)] {
            assert!(text.parse::<FieldSelector>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c.,=!\\[\\]0 ]{0,20}|.{0,20}") {
            if let Ok(selector) = text.parse::<FieldSelector>() {
                selector.matches(&json!({"a": {"b": 1}}));
            }
        }
    }
}

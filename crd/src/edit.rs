//! Edits of a user's own text that keep its comments and layout: a value is replaced or an entry is put in where
//! the tree of the document says, and the result is read again. Where that does not come out as meant, the
//! document is written anew.

use serde::Serialize;

use crate::deployment::{API_VERSION, KIND, Metadata, ModelDeployment, Template};
use crate::manifest::{Faults, Manifest, Node, Value, parse_one, parse_tree};

/// Why a text could not be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no valid manifest.
    #[error("the manifest as it stands is not valid")]
    Invalid(#[source] Faults),
    /// It would be none any longer: too long, or more replicas than there may be.
    #[error("the manifest would not be valid after the change")]
    Unfit(#[source] Faults),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: &'a Metadata,
    spec: WrittenSpec<'a>,
}

#[derive(Serialize)]
struct WrittenSpec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<u32>,
    #[serde(flatten)]
    template: &'a Template,
}

/// A resource as YAML, every field written out.
#[must_use]
pub fn render(resource: &ModelDeployment) -> String {
    write(resource, true)
}

fn write(resource: &ModelDeployment, replicas: bool) -> String {
    let replicas = replicas.then_some(resource.spec.replicas);
    let spec = WrittenSpec { replicas, template: &resource.spec.template };
    let written = Written { api_version: API_VERSION, kind: KIND, metadata: &resource.metadata, spec };
    // Only maps with keys other than texts fail, and there are none.
    serde_yaml::to_string(&written).unwrap_or_default()
}

/// The text with another number of replicas.
///
/// # Errors
/// The text is no valid manifest, or would not be one.
pub fn set_replicas(text: &str, replicas: u32) -> Result<String, EditError> {
    edit(text, &["spec", "replicas"], &replicas.to_string(), |wanted| {
        wanted.resource.spec.replicas = replicas;
        wanted.replicas_given = true;
    })
}

/// The text with one annotation set.
///
/// # Errors
/// The text is no valid manifest, or would not be one.
pub fn set_annotation(text: &str, key: &str, value: &str) -> Result<String, EditError> {
    edit(text, &["metadata", "annotations", key], &quoted(value), |wanted| {
        wanted.resource.metadata.annotations.insert(key.to_owned(), value.to_owned());
    })
}

/// JSON's quoting is valid in YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn edit(text: &str, path: &[&str], value: &str, change: impl FnOnce(&mut Manifest)) -> Result<String, EditError> {
    let mut wanted = parse_one(text.as_bytes()).map_err(EditError::Invalid)?;
    let in_place = in_place(&wanted.text, path, value);
    let before = wanted.clone();
    change(&mut wanted);
    if wanted == before {
        return Ok(before.text);
    }
    if let Some(edited) = in_place.filter(|edited| is_as_meant(edited, &wanted)) {
        return Ok(edited);
    }
    let anew = write(&wanted.resource, wanted.replicas_given);
    parse_one(anew.as_bytes()).map(|_| anew).map_err(EditError::Unfit)
}

fn is_as_meant(text: &str, wanted: &Manifest) -> bool {
    parse_one(text.as_bytes()).is_ok_and(|m| m.resource == wanted.resource && m.replicas_given == wanted.replicas_given)
}

fn in_place(text: &str, path: &[&str], value: &str) -> Option<String> {
    let root = parse_tree(text).0?;
    let mut node = &root;
    for (depth, name) in path.iter().enumerate() {
        let missing = path.get(depth..)?;
        let Some((key, next)) = node.entry(name) else {
            return match &node.value {
                Value::Map { entries, flow: false } => insert_lines(text, &entries.first()?.0, missing, value),
                Value::Map { entries, flow: true } => insert_in_braces(text, node, entries.is_empty(), missing, value),
                Value::Scalar { .. } | Value::Sequence => None,
            };
        };
        if next.is_null() {
            return fill(text, key, next, missing.get(1..)?, value);
        }
        node = next;
    }
    let Value::Scalar { .. } = node.value else { return None };
    splice(text, offset(text, node.start)?, offset(text, node.end)?, value)
}

fn splice(text: &str, start: usize, end: usize, new: &str) -> Option<String> {
    Some(format!("{}{new}{}", text.get(..start)?, text.get(end..)?))
}

/// A value within mappings of these keys, in braces.
fn nested(keys: &[&str], value: &str) -> String {
    keys.iter().rev().fold(value.to_owned(), |inner, key| format!("{{{}: {inner}}}", quoted(key)))
}

/// Gives a key that has no value, or null, one.
fn fill(text: &str, key: &Node, null: &Node, missing: &[&str], value: &str) -> Option<String> {
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
fn insert_in_braces(text: &str, map: &Node, empty: bool, missing: &[&str], value: &str) -> Option<String> {
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
fn insert_lines(text: &str, first: &Node, missing: &[&str], value: &str) -> Option<String> {
    let (line, column) = first.start;
    let at = offset(text, (line, 1))?;
    let indent = " ".repeat(column as usize - 1);
    if text.get(at..)?.get(..indent.len())? != indent {
        return None;
    }
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines = String::new();
    for (depth, key) in missing.iter().enumerate() {
        let end = if depth + 1 == missing.len() { format!(" {value}") } else { String::new() };
        // The fields' own names are words; what a caller names may be anything.
        let word = matches!(*key, "spec" | "replicas" | "metadata" | "annotations");
        let key = if word { (*key).to_owned() } else { quoted(key) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMMENTED: &str = "# ours\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0 # the first\nspec:\n  model: {name: dga, version: \"1.0\"}\n  replicas: 3   # three\n  payload: {path: /m}\n";

    #[test]
    fn comments_and_layout_stay() {
        let edited = set_replicas(COMMENTED, 12).unwrap();
        assert_eq!(edited, COMMENTED.replace("replicas: 3 ", "replicas: 12 "));
        let noted = set_annotation(&edited, "maas/edits", "a b").unwrap();
        assert_eq!(
            noted,
            edited.replace("  name: dga-1.0", "  annotations:\n    \"maas/edits\": \"a b\"\n  name: dga-1.0")
        );
        let again = set_annotation(&noted, "maas/edits", "c: \"d\"").unwrap();
        assert_eq!(parse_one(again.as_bytes()).unwrap().resource.metadata.annotations["maas/edits"], "c: \"d\"");
    }

    #[test]
    fn an_edit_that_changes_nothing_leaves_every_byte() {
        let noted = COMMENTED.replace("  name:", "  annotations: {k: 'v'} # mine\n  name:");
        assert_eq!(set_annotation(&noted, "k", "v").unwrap(), noted);
        assert_eq!(set_replicas(COMMENTED, 3).unwrap(), COMMENTED);
    }

    #[test]
    fn replicas_that_were_not_there_are_put_in() {
        let text = COMMENTED.replace("  replicas: 3   # three\n", "");
        let edited = set_replicas(&text, 2).unwrap();
        assert!(edited.contains("# ours") && edited.contains("spec:\n  replicas: 2\n  model"), "{edited}");
    }

    #[test]
    fn entries_in_braces_and_without_values_keep_their_layout() {
        let note = |text: &str| set_annotation(text, "k", "v").unwrap();
        let start = "apiVersion: maas/v1\nkind: ModelDeployment\n";
        let end = "spec: {model: {name: a, version: '1'}, payload: {path: /m}} # end\n";
        for (before, after) in [
            ("", "metadata:\n  annotations:\n    \"k\": \"v\"\n"),
            ("metadata:\n", "metadata: {\"annotations\": {\"k\": \"v\"}}\n"),
            ("metadata: # none\n", "metadata: {\"annotations\": {\"k\": \"v\"}} # none\n"),
            ("metadata: {}\n", "metadata: {\"annotations\": {\"k\": \"v\"}}\n"),
            ("metadata: {name: b}\n", "metadata: {\"annotations\": {\"k\": \"v\"}, name: b}\n"),
            ("metadata: { name: b }\n", "metadata: {\"annotations\": {\"k\": \"v\"}, name: b }\n"),
            ("metadata:\n  annotations: ~ # c\n", "metadata:\n  annotations: {\"k\": \"v\"} # c\n"),
            ("metadata:\n  annotations: {'k': w}\n", "metadata:\n  annotations: {'k': \"v\"}\n"),
            ("metadata:\r\n  name: b\r\n", "metadata:\r\n  annotations:\r\n    \"k\": \"v\"\r\n  name: b\r\n"),
        ] {
            let edited = note(&format!("{start}{before}{end}"));
            let wanted =
                if before.is_empty() { format!("{after}{start}{end}") } else { format!("{start}{after}{end}") };
            assert_eq!(edited, wanted);
        }
        let scaled = set_replicas(&format!("{start}{end}"), 4).unwrap();
        assert_eq!(scaled, format!("{start}{}", end.replace("{model", "{\"replicas\": 4, model")));
    }

    #[test]
    fn an_edit_that_no_manifest_can_hold_is_refused() {
        let refused = |edit: Result<String, EditError>| match edit {
            Err(EditError::Unfit(faults)) => faults.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(refused(set_replicas(COMMENTED, 1001)).contains("1001 must be a whole number from 0 to 1000"));
        assert!(refused(set_annotation(COMMENTED, "k", &"x".repeat(70_000))).contains("more than 65536"));
        assert!(matches!(set_replicas("a: b", 1), Err(EditError::Invalid(_))));
    }

    #[test]
    fn json_is_edited_too() {
        let json = r#"{"apiVersion": "maas/v1", "kind": "ModelDeployment", "spec": {"model": {"name": "a", "version": "1"}, "payload": {"path": "/m"}}}"#;
        let edited = set_replicas(json, 2).unwrap();
        assert_eq!(parse_one(edited.as_bytes()).unwrap().resource.spec.replicas, 2);
        let noted = set_annotation(json, "k", "v").unwrap();
        assert_eq!(parse_one(noted.as_bytes()).unwrap().resource.metadata.annotations["k"], "v");
        let still: serde_json::Value = serde_json::from_str(&edited).unwrap();
        assert_eq!(still["spec"]["replicas"], 2);
        assert!(serde_json::from_str::<serde_json::Value>(&noted).is_ok(), "{noted}");
    }

    proptest! {
        #[test]
        fn an_annotation_of_any_text_comes_back(value in "\\PC{0,40}") {
            let edited = set_annotation(COMMENTED, "maas/edits", &value).unwrap();
            let resource = parse_one(edited.as_bytes()).unwrap().resource;
            prop_assert_eq!(&resource.metadata.annotations["maas/edits"], &value);
            prop_assert_eq!(resource.spec.replicas, 3);
        }
    }
}

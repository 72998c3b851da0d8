//! Edits of a user's own YAML that keep its comments and layout: a value is replaced or a line is put in where
//! the tree of the document says, and the result is read again. Where that does not come out as meant (JSON, or
//! braces), the document is written anew.

use serde::Serialize;

use crate::deployment::{API_VERSION, KIND, Metadata, ModelDeployment, Spec};
use crate::manifest::{Faults, Manifest, Node, Value, parse_one, parse_tree};

/// Why a text could not be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no valid manifest.
    #[error("the manifest as it stands is not valid")]
    Invalid(#[source] Faults),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: &'a Metadata,
    spec: &'a Spec,
}

/// A resource as YAML, every field written out.
#[must_use]
pub fn render(resource: &ModelDeployment) -> String {
    let written = Written { api_version: API_VERSION, kind: KIND, metadata: &resource.metadata, spec: &resource.spec };
    // Only maps with keys other than texts fail, and there are none.
    serde_yaml::to_string(&written).unwrap_or_default()
}

/// The text with another number of replicas.
///
/// # Errors
/// The text is no valid manifest.
pub fn set_replicas(text: &str, replicas: u32) -> Result<String, EditError> {
    edit(text, &["spec", "replicas"], &replicas.to_string(), |wanted| wanted.spec.replicas = replicas)
}

/// The text with one annotation set.
///
/// # Errors
/// The text is no valid manifest.
pub fn set_annotation(text: &str, key: &str, value: &str) -> Result<String, EditError> {
    // JSON's quoting is valid in YAML.
    let quoted = serde_json::Value::from(value).to_string();
    edit(text, &["metadata", "annotations", key], &quoted, |wanted| {
        wanted.metadata.annotations.insert(key.to_owned(), value.to_owned());
    })
}

fn edit(
    text: &str,
    path: &[&str],
    value: &str,
    change: impl FnOnce(&mut ModelDeployment),
) -> Result<String, EditError> {
    let before = parse_one(text.as_bytes()).map_err(EditError::Invalid)?;
    let mut wanted = before.resource;
    change(&mut wanted);
    let edited = in_place(&before.text, path, value).filter(|edited| is_as_meant(edited, &wanted));
    Ok(edited.unwrap_or_else(|| render(&wanted)))
}

fn is_as_meant(text: &str, wanted: &ModelDeployment) -> bool {
    matches!(parse_one(text.as_bytes()), Ok(Manifest { resource, .. }) if resource == *wanted)
}

fn in_place(text: &str, path: &[&str], value: &str) -> Option<String> {
    let root = parse_tree(text).ok()??;
    let mut node = &root;
    for (depth, key) in path.iter().enumerate() {
        match node.get(key) {
            Some(next) => node = next,
            None => return insert(text, node, path.get(depth..)?, value),
        }
    }
    let Value::Scalar { .. } = node.value else { return None };
    let (start, end) = (offset(text, node.start)?, offset(text, node.end)?);
    Some(format!("{}{value}{}", text.get(..start)?, text.get(end..)?))
}

/// Puts missing keys in as the first entry of a block mapping, at its own indentation.
fn insert(text: &str, map: &Node, missing: &[&str], value: &str) -> Option<String> {
    let Value::Map { entries, flow: false } = &map.value else { return None };
    let (line, column) = entries.first()?.0.start;
    let at = offset(text, (line, 1))?;
    let indent = " ".repeat(column as usize - 1);
    if text.get(at..)?.get(..indent.len())? != indent {
        return None;
    }
    let mut lines = String::new();
    for (depth, key) in missing.iter().enumerate() {
        let end = if depth + 1 == missing.len() { format!(" {value}") } else { String::new() };
        let key = if key.contains('/') { serde_json::Value::from(*key).to_string() } else { (*key).to_owned() };
        lines.push_str(&format!("{indent}{}{key}:{end}\n", "  ".repeat(depth)));
    }
    Some(format!("{}{lines}{}", text.get(..at)?, text.get(at..)?))
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
    fn replicas_that_were_not_there_are_put_in() {
        let text = COMMENTED.replace("  replicas: 3   # three\n", "");
        let edited = set_replicas(&text, 2).unwrap();
        assert!(edited.contains("# ours") && edited.contains("spec:\n  replicas: 2\n  model"), "{edited}");
    }

    #[test]
    fn json_is_edited_too() {
        let json = r#"{"apiVersion": "maas/v1", "kind": "ModelDeployment", "spec": {"model": {"name": "a", "version": "1"}, "payload": {"path": "/m"}}}"#;
        let edited = set_replicas(json, 2).unwrap();
        assert_eq!(parse_one(edited.as_bytes()).unwrap().resource.spec.replicas, 2);
        let noted = set_annotation(json, "k", "v").unwrap();
        assert_eq!(parse_one(noted.as_bytes()).unwrap().resource.metadata.annotations["k"], "v");
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

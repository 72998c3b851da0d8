//! `kind: List`, as `get -o yaml` prints it: its items are manifests, each with its own part of the text.

use std::ops::Range;

use super::fields::{self, Known, Reader};
use super::tree::{Node, Value};
use super::{DOCUMENT_LIMIT, DOCUMENTS_LIMIT, Fault, Manifest, parse_one, too_long};
use crate::edit::write;

pub(super) const KIND: &str = "List";
const LIST: Known = Known { fields: &["apiVersion", "kind", "items"], later: &[], servers: &["metadata"] };
/// kubectl's lists bear its own version.
const VERSIONS: [&str; 2] = [crate::deployment::API_VERSION, "v1"];

/// Whether a document is a list.
pub(super) fn is_list(root: &Node) -> bool {
    root.get("kind").and_then(Node::scalar).is_some_and(|(kind, _)| kind == KIND)
}

/// The items of a list, and of the lists among them; every fault of each.
pub(super) fn read(root: &Node, text: &str, line: u32) -> Result<Vec<Manifest>, Vec<Fault>> {
    let mut found = Found { text, line, starts: starts(text), manifests: Vec::new(), faults: Vec::new() };
    found.list(root);
    if found.faults.is_empty() { Ok(found.manifests) } else { Err(found.faults) }
}

/// Where each line starts.
fn starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

struct Found<'a> {
    text: &'a str,
    /// The line at which the text starts in the input.
    line: u32,
    starts: Vec<usize>,
    manifests: Vec<Manifest>,
    faults: Vec<Fault>,
}

impl Found<'_> {
    fn list(&mut self, list: &Node) {
        let mut reader = Reader::default();
        reader.map(list, "", &LIST);
        reader.version(list, &VERSIONS);
        self.faults.extend(reader.into_faults());
        match list.get("items").map(|items| (items, &items.value)) {
            Some((_, Value::Sequence(items))) => items.iter().for_each(|item| self.item(item)),
            Some((items, _)) if items.is_null() => {}
            Some((items, _)) => self.faults.push(items.fault("items", "must be a sequence of manifests")),
            None => self.faults.push(list.fault("items", "is required")),
        }
    }

    fn item(&mut self, item: &Node) {
        if self.manifests.len() > DOCUMENTS_LIMIT || self.faults.len() > super::FAULTS_LIMIT {
            return;
        }
        if is_list(item) {
            return self.list(item);
        }
        match fields::read(item) {
            Ok((resource, replicas_given)) => {
                let is_meant = |m: &Manifest| m.resource == resource && m.replicas_given == replicas_given;
                let own = self.cut(item).and_then(|text| parse_one(text.as_bytes()).ok()).filter(is_meant);
                let text = own.map_or_else(|| write(&resource, replicas_given), |own| own.text);
                if text.len() > DOCUMENT_LIMIT {
                    return self.faults.extend(too_long(item.start.0, text.len()).0);
                }
                let line = item.start.0.saturating_add(self.line - 1);
                self.manifests.push(Manifest { resource, replicas_given, text, line });
            }
            Err(faults) => self.faults.extend(faults),
        }
    }

    /// The item's own lines, moved to the left by as much as it is indented.
    fn cut(&self, item: &Node) -> Option<String> {
        let range = Range { start: self.offset(item.start)?, end: self.offset(item.end)? };
        let indent = item.start.1 as usize - 1;
        let mut lines: Vec<&str> = self.text.get(range)?.split_inclusive('\n').collect();
        let blank = |line: &str| line.len() - line.trim_start_matches(' ').len();
        // Comments between this item and the next one's dash are the next one's.
        while lines.len() > 1
            && lines.last().is_some_and(|line| {
                let rest = line.trim();
                rest.is_empty() || rest.starts_with('#') && blank(line) < indent
            })
        {
            lines.pop();
        }
        let mut own = lines.first()?.to_string();
        for line in lines.get(1..)? {
            own.push_str(line.get(blank(line).min(indent)..)?);
        }
        Some(own)
    }

    fn offset(&self, (line, column): (u32, u32)) -> Option<usize> {
        let start = *self.starts.get(line as usize - 1)?;
        let rest = self.text.get(start..)?;
        let within = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(column as usize - 1)?;
        Some(start + within)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const ITEMS: &str = "\
apiVersion: v1
kind: List
items:
# the first
- apiVersion: maas/v1
  kind: ModelDeployment # of ours
  metadata: {name: a}
  spec:
    model: {name: dga, version: \"1.0\"}
    payload:
      path: /m
# the second
- apiVersion: v1
  kind: List
  items:
  - {\"apiVersion\": maas/v1, kind: ModelDeployment, metadata: {name: b},
    spec: {model: {name: dga, version: \"1.0\"}, replicas: 2, payload: {path: /m}}}
";

    #[test]
    fn each_item_is_a_manifest_with_its_own_text() {
        let found = parse(ITEMS.as_bytes()).unwrap();
        let about: Vec<_> = found.iter().map(|m| (m.resource.metadata.name.as_str(), m.line)).collect();
        assert_eq!(about, [("a", 5), ("b", 16)]);
        assert_eq!(
            found[0].text,
            "apiVersion: maas/v1\nkind: ModelDeployment # of ours\nmetadata: {name: a}\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload:\n    path: /m\n"
        );
        assert!(found[1].text.starts_with("{\"apiVersion\": maas/v1, ") && found[1].text.ends_with("}}}"));
        for manifest in found {
            assert_eq!(parse_one(manifest.text.as_bytes()).unwrap().resource, manifest.resource);
        }
    }

    #[test]
    fn faults_of_items_are_told_at_their_lines_in_the_input() {
        let text = format!("---\n{}", ITEMS.replace("path: /m\n", "path: 5\n").replace("replicas: 2", "replicas: x"));
        let faults = parse(text.as_bytes()).unwrap_err().0;
        let places: Vec<_> = faults.iter().map(|f| (f.line, f.column, f.width, f.path.as_str())).collect();
        assert_eq!(places, [(12, 13, 1, "spec.payload.path"), (18, 58, 1, "spec.replicas")]);
    }

    #[test]
    fn what_is_no_list_of_manifests_is_refused() {
        for (list, fault) in [
            ("apiVersion: v1\nkind: List\n", "line 1, column 1: items: is required"),
            ("apiVersion: v1\nkind: List\nitems: {a: b}\n", "items: must be a sequence of manifests"),
            ("apiVersion: v2\nkind: List\nitems: []\n", "apiVersion: \"v2\" is not known (write maas/v1)"),
            ("kind: List\nitems: []\n", "apiVersion: is required"),
            ("apiVersion: v1\nkind: List\nitem: []\n", "item: unknown field (did you mean items?)"),
            ("apiVersion: v1\nkind: List\nitems: [a]\n", "this is no manifest"),
            (
                "apiVersion: v1\nkind: List\nitems: [{apiVersion: apps/v1, kind: Deployment}]\n",
                "\"Deployment\" is not known",
            ),
        ] {
            let faults = parse(list.as_bytes()).unwrap_err().to_string();
            assert!(faults.contains(fault), "{list}: {faults}");
        }
        assert_eq!(parse(b"apiVersion: v1\nkind: List\nitems: []\nmetadata: {resourceVersion: \"\"}\n").unwrap(), []);
        assert!(parse_one(ITEMS.as_bytes()).unwrap_err().to_string().contains("List is not supported"));
    }

    #[test]
    fn a_list_may_be_longer_than_its_items_and_each_of_them_not() {
        let item = |name: &str, note: usize| {
            format!(
                "- {{apiVersion: maas/v1, kind: ModelDeployment, metadata: {{name: {name}, annotations: {{k: \"{}\"}}}}, spec: {{model: {{name: a, version: \"1\"}}, payload: {{path: /m}}}}}}\n",
                "x".repeat(note)
            )
        };
        let list = |items: &[String]| format!("apiVersion: maas/v1\nkind: List\nitems:\n{}", items.concat());
        let many: Vec<String> = (0..10).map(|n| item(&format!("m{n}"), 60_000)).collect();
        assert_eq!(parse(list(&many).as_bytes()).unwrap().len(), 10);
        let faults = parse(list(&[item("a", 10), item("b", 66_000)]).as_bytes()).unwrap_err().0;
        assert!(faults[0].line == 5 && faults[0].message.contains("more than 65536"), "{faults:?}");
        let most: Vec<String> = (0..=DOCUMENTS_LIMIT).map(|n| item(&format!("m{n}"), 1)).collect();
        assert!(parse(list(&most).as_bytes()).unwrap_err().to_string().contains("more than 1000 manifests"));
    }
}

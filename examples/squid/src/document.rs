//! Documents for the search engine: names, bulk requests and what is said about them. Pure.

use std::collections::BTreeMap;

use maas_stellar::Value;
use serde_json::{Map, json};

/// A message's fields.
pub type Fields = BTreeMap<String, Value>;

/// How the names of fields are written in the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// A colon for each dot: Elasticsearch 2 refuses dots.
    #[default]
    Dedot,
    /// As they are.
    Noop,
}

/// The document of a message. A null field, or one that JSON has no word for, is left out.
#[must_use]
pub fn document(fields: &Fields, names: Names) -> Map<String, serde_json::Value> {
    let name = |name: &String| match names {
        Names::Dedot => name.replace('.', ":"),
        Names::Noop => name.clone(),
    };
    fields.iter().map(|(key, value)| (name(key), value.to_json())).filter(|(_, value)| !value.is_null()).collect()
}

/// A document and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The index.
    pub index: String,
    /// The document's id: the same one again replaces it.
    pub id: String,
    /// Elasticsearch 2's type.
    pub kind: String,
    /// The document as JSON.
    pub source: String,
}

/// The body of a bulk request. `typed`: Elasticsearch before 7 wants types.
#[must_use]
pub fn bulk<'a>(entries: impl IntoIterator<Item = &'a Entry>, typed: bool) -> String {
    let mut body = String::new();
    for entry in entries {
        let mut place = json!({"_index": entry.index, "_id": entry.id});
        if let (true, Some(place)) = (typed, place.as_object_mut()) {
            place.insert("_type".to_owned(), entry.kind.as_str().into());
        }
        body += &json!({ "index": place }).to_string();
        body.push('\n');
        body += &entry.source;
        body.push('\n');
    }
    body
}

/// What the search engine said about one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has it.
    Indexed,
    /// Not now.
    Later(String),
    /// Never, as it is.
    Refused(String),
}

/// The verdicts of a bulk answer, in the order of its request.
///
/// Only what says that the document itself is at fault (400, 413) is a refusal; all else may pass: a full disk makes an
/// index read-only (403), a queue is full (429).
///
/// # Errors
/// It is no answer to `count` documents.
pub fn verdicts(answer: &[u8], count: usize) -> Result<Vec<Verdict>, String> {
    let answer: serde_json::Value =
        serde_json::from_slice(answer).map_err(|error| format!("the bulk answer is no JSON: {error}"))?;
    let items = answer.get("items").and_then(serde_json::Value::as_array).ok_or("the bulk answer has no items")?;
    if items.len() != count {
        return Err(format!("the bulk answer is about {} documents, not {count}", items.len()));
    }
    Ok(items.iter().map(verdict).collect())
}

fn verdict(item: &serde_json::Value) -> Verdict {
    let inner = item.as_object().and_then(|item| item.values().next());
    let status = inner.and_then(|inner| inner.get("status")).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let reason = || {
        let error = inner.and_then(|inner| inner.get("error")).unwrap_or(item);
        let mut text = match (error.get("type"), error.get("reason")) {
            (Some(kind), Some(reason)) => format!("{} ({})", plain(reason), plain(kind)),
            _ => plain(error),
        };
        if let Some(cause) = error.get("caused_by").and_then(|cause| cause.get("reason")) {
            text += &format!(": {}", plain(cause));
        }
        format!("{status}: {}", text.chars().take(1000).collect::<String>())
    };
    match status {
        200..=299 => Verdict::Indexed,
        400 | 413 => Verdict::Refused(reason()),
        _ => Verdict::Later(reason()),
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Whether the search engine that greets so wants types in bulk requests; none when it is no search engine.
#[must_use]
pub fn wants_types(greeting: &[u8]) -> Option<bool> {
    let greeting: serde_json::Value = serde_json::from_slice(greeting).ok()?;
    let version = greeting.get("version")?;
    if version.get("distribution").and_then(serde_json::Value::as_str) == Some("opensearch") {
        return Some(false);
    }
    let major: u32 = version.get("number")?.as_str()?.split('.').next()?.parse().ok()?;
    Some(major < 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_become_colons_and_nulls_nothing() {
        let fields = Fields::from([
            ("threat.triage.level".to_owned(), Value::from(100.0)),
            ("code".to_owned(), Value::from(200)),
            ("x".to_owned(), Value::Null),
            ("n".to_owned(), Value::from(f64::NAN)),
        ]);
        assert_eq!(
            serde_json::to_string(&document(&fields, Names::Dedot)).unwrap(),
            r#"{"code":200,"threat:triage:level":100.0}"#
        );
        assert!(document(&fields, Names::Noop).contains_key("threat.triage.level"));
    }

    #[test]
    fn types_are_sent_to_those_that_want_them() {
        let entry = Entry {
            index: "squid_index_2026".to_owned(),
            id: "a\"b".to_owned(),
            kind: "squid_doc".to_owned(),
            source: "{}".to_owned(),
        };
        assert_eq!(bulk([&entry], false), "{\"index\":{\"_id\":\"a\\\"b\",\"_index\":\"squid_index_2026\"}}\n{}\n");
        assert!(bulk([&entry], true).contains("\"_type\":\"squid_doc\""));
        let greeting = |version: &str| wants_types(format!("{{\"version\":{version}}}").as_bytes());
        assert_eq!(greeting(r#"{"number":"2.4.6"}"#), Some(true));
        assert_eq!(greeting(r#"{"distribution":"opensearch","number":"2.19.3"}"#), Some(false));
        assert_eq!(greeting(r#"{"number":"8.1.0"}"#), Some(false));
        assert_eq!(greeting("{}"), None);
        assert_eq!(wants_types(b"<html>"), None);
    }

    #[test]
    fn each_document_gets_its_verdict() {
        let answer = br#"{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":429,"error":{"type":"q","reason":"full"}}},
            {"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse","caused_by":{"reason":"no date"}}}},
            {"index":{"status":403,"error":"old text"}},{"create":{}}]}"#;
        assert_eq!(
            verdicts(answer, 5).unwrap(),
            [
                Verdict::Indexed,
                Verdict::Later("429: full (q)".to_owned()),
                Verdict::Refused("400: failed to parse (mapper_parsing_exception): no date".to_owned()),
                Verdict::Later("403: old text".to_owned()),
                Verdict::Later("0: {\"create\":{}}".to_owned()),
            ]
        );
        assert!(verdicts(answer, 4).is_err() && verdicts(b"<html>", 1).is_err() && verdicts(b"{}", 1).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes: Vec<u8>, json in "[\\[\\]{}:,\"a-z0-9]{0,60}") {
            let _ = (verdicts(&bytes, 1), verdicts(json.as_bytes(), 1), wants_types(&bytes), wants_types(json.as_bytes()));
        }
    }
}

//! Manifests.

use std::sync::LazyLock;

use maas_crd::{Fault, Faults, Manifest, parse, parse_one, render, schema};

use crate::{Target, accepted, line};

/// Each document that is read means the same by itself, when it is rendered, and to the JSON Schema; of one that is
/// refused, every fault is one safe, short line at a place within the input. JSON that the schema takes is refused for
/// nothing but what a schema cannot say.
pub const TARGET: Target = Target { name: "manifest", check, verdict };

static SCHEMA: LazyLock<Option<jsonschema::Validator>> = LazyLock::new(|| jsonschema::validator_for(&schema()).ok());

/// Whether the published schema takes a document.
#[must_use]
pub fn schema_takes(document: &serde_json::Value) -> bool {
    SCHEMA.as_ref().is_some_and(|schema| schema.is_valid(document))
}

/// Whether a fault is beyond a schema's words: amounts and durations are compared, texts measured in bytes, a whole
/// number has one spelling (1e2 and -0 are whole to a schema), and YAML's own faults are gone once it is JSON.
#[must_use]
pub fn is_beyond_schema(fault: &Fault) -> bool {
    let amounts = [".memory", ".timeout", ".period", ".terminationGracePeriod", ".progressDeadline"];
    let spelling = fault.message.split_once(" must be a whole number").map(|(number, _)| number);
    amounts.iter().any(|end| fault.path.ends_with(end))
        || spelling.is_some_and(|number| number.contains(['e', 'E', '.', '+', '-']))
        || fault.message == "is longer than 4096 bytes"
        || fault.message == "merge keys are not supported: write the values out"
        || fault.path.is_empty()
}

fn check(bytes: &[u8]) {
    match parse(bytes) {
        Ok(manifests) => manifests.iter().for_each(read),
        Err(faults) => {
            told(bytes, &faults);
            json(bytes, &faults);
        }
    }
}

fn read(manifest: &Manifest) {
    let Manifest { resource, replicas_given, text, .. } = manifest;
    let alone = parse_one(text.as_bytes()).map(|m| (m.resource, m.replicas_given));
    assert_eq!(alone.as_ref(), Ok(&(resource.clone(), *replicas_given)), "{text}");
    let rendered = render(resource);
    let again = parse_one(rendered.as_bytes()).map(|m| m.resource);
    // What takes nearly all of a document has no room for its defaults.
    if rendered.len() <= 64 * 1024 {
        assert_eq!(again.as_ref(), Ok(resource), "{rendered}");
    }
    if let Ok(document) = serde_yaml::from_str::<serde_json::Value>(&rendered) {
        assert!(schema_takes(&document), "the schema refuses {rendered}");
    }
}

fn told(bytes: &[u8], faults: &Faults) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    let carriage = bytes.iter().filter(|byte| **byte == b'\r').count();
    assert!((1..=200).contains(&faults.0.len()));
    for fault in &faults.0 {
        let text = fault.to_string();
        assert!(!text.chars().any(char::is_control) && !text.contains('\u{202e}'), "{text:?}");
        assert!(text.len() < 2000, "{} bytes: {text}", text.len());
        assert!(fault.line >= 1 && fault.line as usize <= lines + carriage, "{text}");
        assert!(fault.column >= 1 && fault.column as usize <= bytes.len() + 1, "{text}");
    }
}

fn json(bytes: &[u8], faults: &Faults) {
    if bytes.trim_ascii_start().first() != Some(&b'{') || bytes.len() > 64 * 1024 {
        return;
    }
    let Ok(document) = serde_json::from_slice(bytes) else { return };
    // Of a key that stands twice, JSON's readers keep the last: they see another document.
    let twice = faults.0.iter().any(|fault| fault.message.ends_with("stands here a second time"));
    if !twice && schema_takes(&document) {
        let all = faults.0.iter().all(is_beyond_schema);
        assert!(all, "the schema takes what is refused: {faults}\n{document}");
    }
}

fn verdict(bytes: &[u8]) -> String {
    match parse(bytes) {
        Ok(manifests) => {
            let one = |m: &Manifest| {
                let metadata = &m.resource.metadata;
                format!("{}/{} x{}", metadata.namespace, metadata.name, m.resource.spec.replicas)
            };
            let first: Vec<String> = manifests.iter().take(3).map(one).collect();
            accepted(format!("{} documents: {}", manifests.len(), first.join(", ")))
        }
        Err(Faults(faults)) => {
            let one = |f: &Fault| format!("{}:{} {}: {}", f.line, f.column, f.path, f.message);
            let first: Vec<String> = faults.iter().take(3).map(one).collect();
            line(&format!("refused: {} faults: {}", faults.len(), first.join("; ")))
        }
    }
}

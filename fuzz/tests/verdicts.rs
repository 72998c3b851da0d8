//! The command line, the operator and the published JSON Schema give the same verdict on every manifest of the corpus
//! and on every hostile one; where they cannot, the reason stands here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use maas_crd::{ConditionStatus, parse, set_replicas};
use maas_fuzz::targets::manifest::{is_beyond_schema, schema_takes};
use maas_sim::World;
use maas_store::{Op, SPEC_LIMIT, decode_status};

/// What the schema takes and nobody else, beside what `is_beyond_schema` says of amounts, lengths and spellings.
const ONLY_THE_SCHEMA_TAKES: [(&str, &str); 2] = [
    ("yaml-json-duplicate-spec-hides-a-fault.yaml", "of a key that stands twice, JSON's readers keep the last"),
    ("yaml-tag-str-on-a-number.yaml", "the tag is gone once the document is JSON"),
];
/// What only the schema refuses.
const ONLY_THE_SCHEMA_REFUSES: [(&str, &str); 3] = [
    ("list-in-a-list.yaml", "it is the schema of one resource: the tree never holds a list"),
    ("list-with-texts-over-lines.yaml", "as above"),
    ("namespace-null-is-the-default.yaml", "a field without a value counts as left out, which editors may warn of"),
];

fn manifests() -> BTreeMap<String, (PathBuf, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for kind in ["corpus", "hostile"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join("manifest");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), (path, bytes));
        }
    }
    found
}

/// Not a test of its own: the command line in a process of its own, which the others start.
#[test]
#[ignore = "is the command line itself, run by another test"]
fn command_line() {
    let words = std::env::var("MAAS_FUZZ_WORDS").unwrap();
    let _ = maasctl::run(words.split('\n').map(OsString::from).collect());
}

/// What `maasctl apply` says of these files. One bad file keeps it from looking for a ZooKeeper.
fn apply(files: &[&Path]) -> String {
    let mut words = vec!["maasctl", "--zookeeper", "127.0.0.1:1", "apply", "--dry-run"];
    for file in files {
        words.extend(["-f", file.to_str().unwrap()]);
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "command_line", "--ignored", "--nocapture", "--test-threads=1"])
        .env("MAAS_FUZZ_WORDS", words.join("\n"))
        // As a program's main thread has it; a test's has a fourth.
        .env("RUST_MIN_STACK", "8388608")
        .output()
        .unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_command_line_refuses_what_the_parser_refuses() {
    let manifests = manifests();
    let taken = |bytes: &[u8]| parse(bytes).is_ok_and(|found| !found.is_empty());
    let said = apply(&manifests.values().map(|(path, _)| path.as_path()).collect::<Vec<_>>());
    assert!(said.contains("nothing was changed"), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let mut wrong = Vec::new();
    for (path, bytes) in manifests.values() {
        let is_of = |line: &str| {
            let place =
                line.trim_start().strip_prefix("--> ").and_then(|place| place.strip_prefix(path.to_str().unwrap()));
            place.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        // Of two that declare the same, the second is told so: it was read.
        let refused = lines.windows(2).any(|pair| is_of(pair[1]) && !pair[0].contains(" is declared in "));
        if refused == taken(bytes) {
            wrong.push(format!("{}: refused by the command line: {refused}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether an operator that finds this under a name takes it.
fn operator_takes(namespace: &str, name: &str, bytes: &[u8]) -> bool {
    let mut world = World::new(&[]);
    let folder = format!("/maas/specs/ModelDeployment/{namespace}");
    let create = |path: &str, data: &[u8]| Op::Create { path: path.to_owned(), data: data.to_vec(), ephemeral: false };
    match std::str::from_utf8(bytes) {
        Ok(text) if namespace == "default" => world.put_spec(name, text),
        // The simulation's own count of what is wanted knows only the default namespace.
        Ok(text) => {
            let text = set_replicas(text, 0).unwrap();
            world.write(&[create(&folder, b""), create(&format!("{folder}/{name}"), text.as_bytes())]);
        }
        Err(_) => world.write(&[create(&format!("{folder}/{name}"), bytes)]),
    }
    let at = format!("/maas/status/ModelDeployment/{namespace}/{name}");
    let status = |world: &World| world.tree.get(&at).map(|(data, _)| decode_status(&at, data).unwrap());
    assert!(world.run_until(60_000, |world| status(world).is_some()), "no status of {name}");
    let status = status(&world).unwrap();
    let progressing = status.condition("Progressing").unwrap();
    let refused = progressing.reason == "InvalidSpec";
    assert!(!refused || progressing.status == ConditionStatus::False);
    !refused
}

#[test]
fn the_operator_takes_what_the_command_line_takes() {
    let mut wrong = Vec::new();
    for (file, (_, bytes)) in manifests() {
        match parse(&bytes) {
            Ok(found) => {
                for manifest in found {
                    let metadata = &manifest.resource.metadata;
                    let (namespace, name) = (metadata.namespace.as_str(), metadata.name.as_str());
                    if !operator_takes(namespace, name, manifest.text.as_bytes()) {
                        wrong.push(format!("{file}: the operator refuses {namespace}/{name}"));
                    }
                    // Under another name than its own it is nobody's.
                    assert!(!operator_takes(namespace, "another", manifest.text.as_bytes()), "{file}");
                }
            }
            Err(_) if bytes.len() > SPEC_LIMIT => {}
            Err(_) => {
                if operator_takes("default", "dga", &bytes) {
                    wrong.push(format!("{file}: the operator takes it"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_takes_what_the_parser_takes() {
    let (mut taken, mut refused) = (BTreeMap::new(), Vec::new());
    for (file, (_, bytes)) in manifests() {
        // Of several documents, and of what is no YAML to others either, a schema says nothing.
        let Ok(document) = serde_yaml::from_slice::<serde_json::Value>(&bytes) else { continue };
        match (parse(&bytes), schema_takes(&document)) {
            (Ok(found), false) if !found.is_empty() => refused.push(file),
            (Err(faults), true) if !faults.0.iter().all(is_beyond_schema) => {
                drop(taken.insert(file, faults.to_string()))
            }
            _ => {}
        }
    }
    let known = |table: &[(&'static str, &str)]| table.iter().map(|(file, _)| *file).collect::<Vec<_>>();
    assert_eq!(taken.keys().collect::<Vec<_>>(), known(&ONLY_THE_SCHEMA_TAKES), "{taken:#?}");
    assert_eq!(refused, known(&ONLY_THE_SCHEMA_REFUSES));
}

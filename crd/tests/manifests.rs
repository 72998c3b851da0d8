//! What manifests may say, and every word about what they may not: one table, held against the JSON Schema too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use maas_crd::{Faults, parse, parse_one, schema};
use proptest::prelude::*;

const GOOD: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload: {path: /m/dga}\n";

/// The good manifest with more lines in its spec.
fn spec(more: &str) -> String {
    format!("{GOOD}  {more}\n")
}

/// The good manifest with one text replaced.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

fn faults(text: &str) -> String {
    parse(text.as_bytes()).expect_err("it should be refused").to_string()
}

#[test]
fn every_fault_is_told_at_its_place_with_what_to_do() {
    let table: &[(String, &str)] = &[
        (spec("replicas: -1"), "line 8, column 13: spec.replicas: -1 must be a whole number from 0 to 1000"),
        (spec("replicas: 1000000"), "line 8, column 13: spec.replicas: 1000000 must be a whole number from 0 to 1000"),
        (spec("replicas: \"3\""), "line 8, column 13: spec.replicas: must be a whole number from 0 to 1000"),
        (spec("replicas: 1.5"), "line 8, column 13: spec.replicas: 1.5 must be a whole number from 0 to 1000"),
        (spec("replicas: 0x10"), "line 8, column 13: spec.replicas: 0x10 must be a whole number from 0 to 1000"),
        (spec("replicsa: 3"), "line 8, column 3: spec.replicsa: unknown field (did you mean replicas?)"),
        (spec("strategy: {type: Recreate}"), "line 8, column 3: spec.strategy: is not supported yet (leave it out)"),
        (spec("placement: {nodeLabel: gpu}"), "line 8, column 3: spec.placement: is not supported yet (leave it out)"),
        (
            spec("probes: {liveness: {}}"),
            "line 8, column 12: spec.probes.liveness: is not supported yet (leave it out)",
        ),
        (
            spec("resources: {yarn.io/gpu: 1}"),
            "line 8, column 15: spec.resources.yarn.io/gpu: is not supported yet (leave it out)",
        ),
        (
            spec("resources: {memory: 0}"),
            "line 8, column 23: spec.resources.memory: 0 has no unit: write 0Mi for MiB, or Gi",
        ),
        (spec("resources: {memory: 0Mi}"), "line 8, column 23: spec.resources.memory: memory must be at least 1Mi"),
        (
            spec("resources: {memory: -1}"),
            "line 8, column 23: spec.resources.memory: \"-1\" is no amount of memory: write for example 512Mi or 2Gi",
        ),
        (
            spec("resources: {memory: 1000000000000Mi}"),
            "line 8, column 23: spec.resources.memory: 1000000000000Mi is more than the largest amount, 1Ti",
        ),
        (
            spec("resources: {vcores: 0}"),
            "line 8, column 23: spec.resources.vcores: 0 must be a whole number from 1 to 1024",
        ),
        (
            spec("startup: {script: ../x.sh}"),
            "line 8, column 21: spec.startup.script: must be a path within the payload, without . and ..",
        ),
        (spec("startup: {script: run.py}"), "line 8, column 21: spec.startup.script: must end in .sh"),
        (
            spec("startup: {timeout: 5}"),
            "line 8, column 22: spec.startup.timeout: \"5\" is no duration: write for example 30s, 10m or 1h30m",
        ),
        (
            spec("env: {1A: x}"),
            "line 8, column 9: spec.env.1A: a variable's name is made of letters, digits and _, with no digit first",
        ),
        (spec("env: {A: 7}"), "line 8, column 12: spec.env.A: 7 is not a text (write \"7\" in quotes)"),
        (spec("env: {MAAS_X: a}"), "line 8, column 9: spec.env.MAAS_X: is reserved"),
        (
            spec("probes: {readiness: {tcp: {}}}"),
            "line 8, column 24: spec.probes.readiness.tcp: is not supported yet (leave it out)\nline 8, column 23: spec.probes.readiness.http: is required (for example {path: /health})",
        ),
        (spec("replicas: &a 3"), "line 8, column 16: anchors are not supported: write the value out"),
        (spec("replicas: !!int 3"), "tags are not supported: leave the type to the value"),
        (spec("model: {name: b, version: \"2\"}"), "line 8, column 3: model stands here a second time"),
        (with("\"1.0\"", "1.0"), "line 6, column 31: spec.model.version: 1.0 is not a text (write \"1.0\" in quotes)"),
        (with("name: dga, ", ""), "line 6, column 10: spec.model.name: is required (for example dga)"),
        (with("/m/dga", "m/dga"), "spec.payload.path: must be hdfs://host:port/path, hdfs:///path or /path"),
        (with("/m/dga", "/m/../dga"), "spec.payload.path: must not hold . or .. as a part"),
        (with("/m/dga", "hdfs://nn"), "spec.payload.path: must be hdfs://host:port/path, hdfs:///path or /path"),
        (
            with("  payload: {path: /m/dga}\n", ""),
            "spec.payload: is required (for example {path: /user/me/models/dga/1.0})",
        ),
        (with("maas/v1", "maas/v2"), "line 1, column 13: apiVersion: \"maas/v2\" is not known (write maas/v1)"),
        (
            with("ModelDeployment", "ModelDeploymnet"),
            "line 2, column 7: kind: \"ModelDeploymnet\" is not known (did you mean ModelDeployment?)",
        ),
        (
            with("ModelDeployment", "ModelRoute"),
            "line 2, column 7: kind: ModelRoute is not supported yet (the only kind is ModelDeployment)",
        ),
        (
            with("ModelDeployment", "List"),
            "line 2, column 7: kind: List is not supported (put each item into a document of its own, with --- between)",
        ),
        (with("  name: dga\n", "  name: Dga\n"), "metadata.name: \"Dga\" is not a name"),
        (with("  name: dga\n", "  name: ../x\n"), "metadata.name: \"../x\" is not a name"),
        (with("  name: dga\n", "  name: \"a b\"\n"), "metadata.name: \"a b\" is not a name"),
        ("just text".to_owned(), "this is no manifest (it needs apiVersion, kind, metadata and spec)"),
        ("a: [".to_owned(), "not YAML: "),
        ("a:\n\t- b".to_owned(), "not YAML: "),
        ("a: b\0".to_owned(), "a NUL character"),
    ];
    for (text, expected) in table {
        let got = faults(text);
        let sorted = |t: &str| {
            let mut lines: Vec<String> = t.lines().map(ToOwned::to_owned).collect();
            lines.sort();
            lines
        };
        let good = got.contains(expected) || sorted(&got) == sorted(expected);
        assert!(good, "of {text}\n got {got}\nwant {expected}");
    }
}

#[test]
fn all_faults_of_all_documents_come_at_once() {
    let text = format!("{}---\n{}---\n{GOOD}", spec("replicas: -1\n  env: {A: 1}\n  x: 1"), with("maas/v1", "v1"));
    let Err(Faults(faults)) = parse(text.as_bytes()) else { panic!("it should be refused") };
    let places: Vec<(u32, &str)> = faults.iter().map(|f| (f.line, f.path.as_str())).collect();
    assert_eq!(places, [(8, "spec.replicas"), (9, "spec.env.A"), (10, "spec.x"), (12, "apiVersion")]);
}

#[test]
fn what_is_left_out_has_its_default() {
    let manifest = parse_one(GOOD.as_bytes()).unwrap();
    let spec = &manifest.resource.spec;
    assert_eq!((spec.replicas, manifest.replicas_given), (1, false));
    assert_eq!((spec.template.resources.memory.mib(), spec.template.resources.vcores), (512, 1));
    assert_eq!(spec.template.startup.announce_file, "endpoint.dat");
    assert_eq!(spec.template.startup.timeout, Duration::from_secs(600));
    assert_eq!(spec.template.termination_grace_period, Duration::from_secs(30));
    let unnamed = with("metadata:\n  name: dga\n", "");
    assert_eq!(parse_one(unnamed.as_bytes()).unwrap().resource.metadata.name.as_str(), "dga-1.0");
}

#[test]
fn a_rendered_resource_and_a_stored_template_read_back() {
    let text = spec(
        "replicas: 7\n  env: {A: \"1\"}\n  startup: {script: a/b.sh, timeout: 1m30s}\n  probes: {readiness: {http: {path: /x}, period: 500ms}}\n  terminationGracePeriod: 0s",
    );
    let resource = parse_one(text.as_bytes()).unwrap().resource;
    assert_eq!(parse_one(maas_crd::render(&resource).as_bytes()).unwrap().resource, resource);
    let json = serde_json::to_string(&resource.spec.template).unwrap();
    assert_eq!(serde_json::from_str::<maas_crd::Template>(&json).unwrap(), resource.spec.template);
}

#[test]
fn line_ends_and_marks_of_other_systems_are_read() {
    let crlf = GOOD.replace('\n', "\r\n");
    assert!(parse_one(crlf.as_bytes()).is_ok());
    assert!(parse_one(format!("\u{feff}{GOOD}").as_bytes()).is_ok());
    assert!(parse_one(b"\xff\xfe").unwrap_err().to_string().contains("not UTF-8"));
    assert!(parse_one(b"").unwrap_err().to_string().contains("empty"));
    assert!(parse(b"---\n---\n# nothing\n").unwrap().is_empty());
}

#[test]
fn bombs_are_refused_at_once() {
    let since = Instant::now();
    let deep = format!("a: {}", "[".repeat(20_000));
    let wide = format!("a: {}", "x".repeat(70_000));
    let laughs = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n".to_owned();
    let many = "---\na: b\n".repeat(3_000);
    for text in [deep, wide, laughs, many] {
        assert!(parse(text.as_bytes()).is_err());
    }
    assert!(parse_one(&vec![b'#'; 900 * 1024]).is_err());
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[test]
fn the_examples_that_users_copy_are_valid() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut seen = 0;
    for folder in ["manifests", "examples/mock_dga", "examples/entropy_perl"] {
        for entry in std::fs::read_dir(format!("{root}/{folder}")).unwrap().flatten() {
            if entry.path().extension().is_some_and(|e| e == "yaml") {
                let text = std::fs::read(entry.path()).unwrap();
                assert!(parse(&text).is_ok(), "{}: {}", entry.path().display(), parse(&text).unwrap_err());
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn parser_and_schema_give_the_same_verdict() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let verdict = |text: &str| {
        let json: serde_json::Value = serde_yaml::from_str(text).unwrap();
        (parse(text.as_bytes()).is_ok(), validator.is_valid(&json))
    };
    for good in [
        GOOD.to_owned(),
        spec("replicas: 0"),
        spec("env: {A: b}"),
        spec("resources: {memory: 2Gi, vcores: 2}"),
        spec("startup: {timeout: 1h30m}"),
    ] {
        assert_eq!(verdict(&good), (true, true), "{good}");
    }
    let bad = [
        spec("replicas: -1"),
        spec("replicas: 1001"),
        spec("replicas: \"1\""),
        spec("strategy: {}"),
        spec("resources: {memory: 512}"),
        spec("resources: {memory: 100m}"),
        spec("resources: {vcores: 0}"),
        spec("resources: {cpu: 1}"),
        spec("startup: {timeout: 5}"),
        spec("env: {A: 7}"),
        spec("probes: {readiness: {}}"),
        spec("probes: {readiness: {http: {path: health}}}"),
        with("\"1.0\"", "1.0"),
        with("/m/dga", "m/dga"),
        with("maas/v1", "maas/v2"),
        with("ModelDeployment", "Other"),
        with("name: dga, ", ""),
        with("  name: dga\n", "  name: Dga\n"),
        with("  name: dga\n", "  name: a..b\n"),
    ];
    for text in bad {
        assert_eq!(verdict(&text), (false, false), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_manifest_with_anything_in_it_is_read_or_refused(at in 0usize..GOOD.len(), insert in ".{0,12}") {
        if GOOD.is_char_boundary(at) {
            let text = format!("{}{insert}{}", &GOOD[..at], &GOOD[at..]);
            if let Ok(manifests) = parse(text.as_bytes()) {
                for manifest in manifests { prop_assert!(parse_one(manifest.text.as_bytes()).is_ok()); }
            }
        }
    }
}

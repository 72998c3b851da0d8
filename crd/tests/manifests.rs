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
            "line 8, column 23: spec.resources.memory: 0 has no unit: write for example 512Mi or 2Gi",
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
            "line 8, column 23: spec.probes.readiness.http: is required (for example {path: /health})\nline 8, column 24: spec.probes.readiness.tcp: is not supported yet (leave it out)",
        ),
        (spec("replicas: &a 3"), "line 8, column 16: anchors are not supported: write the value out"),
        (spec("replicas: !!int 3"), "line 8, column 19: tags are not supported: leave the type to the value"),
        (spec("model: {name: b, version: \"2\"}"), "line 8, column 3: model stands here a second time"),
        (with("\"1.0\"", "1.0"), "line 6, column 31: spec.model.version: 1.0 is not a text (write \"1.0\" in quotes)"),
        (with("name: dga, ", ""), "line 6, column 10: spec.model.name: is required (for example dga)"),
        (
            with("/m/dga", "m/dga"),
            "line 7, column 19: spec.payload.path: must be hdfs://host:port/path, hdfs:///path or /path",
        ),
        (with("/m/dga", "/m/../dga"), "line 7, column 19: spec.payload.path: must not hold . or .. as a part"),
        (
            with("/m/dga", "hdfs://nn"),
            "line 7, column 19: spec.payload.path: must be hdfs://host:port/path, hdfs:///path or /path",
        ),
        (
            with("  payload: {path: /m/dga}\n", ""),
            "line 6, column 3: spec.payload: is required (for example {path: /user/me/models/dga/1.0})",
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
            "line 1, column 1: items: is required\nline 5, column 1: spec: unknown field (known ones are apiVersion, kind, items)",
        ),
        (
            with("  name: dga\n", "  name: Dga\n"),
            "line 4, column 9: metadata.name: \"Dga\" is not a name: use lower-case letters, digits, '-' and '.', a letter or digit at both ends and beside each '.', 63 bytes at most",
        ),
        (
            with("  name: dga\n", "  name: ../x\n"),
            "line 4, column 9: metadata.name: \"../x\" is not a name: use lower-case letters, digits, '-' and '.', a letter or digit at both ends and beside each '.', 63 bytes at most",
        ),
        (
            with("  name: dga\n", "  name: \"a b\"\n"),
            "line 4, column 9: metadata.name: \"a b\" is not a name: use lower-case letters, digits, '-' and '.', a letter or digit at both ends and beside each '.', 63 bytes at most",
        ),
        (
            with("ModelDeployment", "Deployment").replace("maas/v1", "apps/v1"),
            "line 1, column 13: apiVersion: \"apps/v1\" is not known (write maas/v1)\nline 2, column 7: kind: \"Deployment\" is not known (did you mean ModelDeployment?)",
        ),
        (
            spec("replicas: -1").replace("maas/v1", "maas/v1beta1"),
            "line 1, column 13: apiVersion: \"maas/v1beta1\" is not known (write maas/v1)\nline 8, column 13: spec.replicas: -1 must be a whole number from 0 to 1000",
        ),
        (
            spec("resources: {memory: 1.5Gi, vcores: x}"),
            "line 8, column 23: spec.resources.memory: \"1.5Gi\" is a fraction: write whole numbers, such as 1536Mi for 1.5Gi\nline 8, column 38: spec.resources.vcores: x must be a whole number from 1 to 1024",
        ),
        (
            spec("resources: {memory: 100m}"),
            "line 8, column 23: spec.resources.memory: 100m means thousandths of a byte: write for example 512Mi or 2Gi",
        ),
        (spec("resources: {memory: 512}"), "line 8, column 23: spec.resources.memory: 512 has no unit: write 512Mi"),
        (
            spec("resources: {memory: 536870912}"),
            "line 8, column 23: spec.resources.memory: 536870912 has no unit: write 512Mi for so many bytes",
        ),
        (
            spec("resources: {memory: 1Ki}"),
            "line 8, column 23: spec.resources.memory: 1Ki is not a whole number of MiB: write for example 512Mi",
        ),
        (
            spec("resources: {example.com/tpu: 1, cpu: 1}"),
            "line 8, column 15: spec.resources.example.com/tpu: is not supported yet (leave it out)\nline 8, column 35: spec.resources.cpu: unknown field (known ones are memory, vcores)",
        ),
        (
            spec("startup: {script: x.py, announceFile: /a, timeout: 0s}"),
            "line 8, column 21: spec.startup.script: must end in .sh\nline 8, column 41: spec.startup.announceFile: must be a path within the payload, without . and ..\nline 8, column 54: spec.startup.timeout: must be at least 1s",
        ),
        (
            spec("probes: {readiness: {http: {path: a}, period: 1ms}}"),
            "line 8, column 37: spec.probes.readiness.http.path: must start with / and hold no spaces\nline 8, column 49: spec.probes.readiness.period: must be at least 100ms",
        ),
        (
            spec("env: {A: \"\\0\", B: yes, C: ~, D: [], <<: {E: f}}"),
            "line 8, column 12: spec.env.A: must not hold a NUL character\nline 8, column 29: spec.env.C: ~ is not a text (write \"~\" in quotes)\nline 8, column 35: spec.env.D: must be a text\nline 8, column 39: merge keys are not supported: write the values out",
        ),
        (spec("env: [A=b]"), "line 8, column 8: spec.env: must be a mapping of texts"),
        (
            spec("payload_: {path: /m, sha256: a}"),
            "line 8, column 3: spec.payload_: unknown field (did you mean payload?)",
        ),
        (
            spec("\"a\\e[2J\\nb\u{202e}\": 1"),
            "line 8, column 3: spec.a\\u{1b}[2J\\nb\\u{202e}: unknown field (known ones are model, replicas, payload, resources, env, startup, probes, terminationGracePeriod, progressDeadline, restartedAt)",
        ),
        (
            spec("env: {\"A\\e[2J\": 1}"),
            "line 8, column 9: spec.env.A\\u{1b}[2J: a variable's name is made of letters, digits and _, with no digit first\nline 8, column 19: spec.env.A\\u{1b}[2J: 1 is not a text (write \"1\" in quotes)",
        ),
        (spec("replicas: *a"), "line 8, column 13: aliases are not supported: write the value out"),
        (
            spec("env: {A: &a b, C: *a}\n  x: 1"),
            "line 8, column 15: anchors are not supported: write the value out\nline 8, column 21: aliases are not supported: write the value out",
        ),
        (
            spec("replicas: 1\n  replicas: x\n  x: &a 1"),
            "line 9, column 3: replicas stands here a second time\nline 10, column 3: spec.x: unknown field (known ones are model, replicas, payload, resources, env, startup, probes, terminationGracePeriod, progressDeadline, restartedAt)\nline 10, column 9: anchors are not supported: write the value out",
        ),
        (spec("? [a]\n  : b"), "line 8, column 5: a key must be a word"),
        (spec("<<: {replicas: 3}"), "line 8, column 3: merge keys are not supported: write the values out"),
        (
            spec("strategy: {}\n  revisionHistoryLimit: 3\n  probes: {startup: {}}"),
            "line 8, column 3: spec.strategy: is not supported yet (leave it out)\nline 9, column 3: spec.revisionHistoryLimit: is not supported yet (leave it out)\nline 10, column 12: spec.probes.startup: is not supported yet (leave it out)",
        ),
        (
            with("{path: /m/dga}", "{path: /m, sha256: a}"),
            "line 7, column 23: spec.payload.sha256: is not supported yet (leave it out)",
        ),
        (with("{path: /m/dga}", "/m"), "line 7, column 12: spec.payload: must be a mapping (its fields are path)"),
        (
            with("{path: /m/dga}", "{path: /}"),
            "line 7, column 19: spec.payload.path: must name a directory, not the whole file system",
        ),
        (
            spec("restartedAt: 2026-02-29T10:00:00Z"),
            "line 8, column 16: spec.restartedAt: 2026-02-29T10:00:00Z is no time (write for example 2026-01-31T12:00:00Z)",
        ),
        (
            spec("restartedAt: 2026"),
            "line 8, column 16: spec.restartedAt: 2026 is not a text (write \"2026\" in quotes)",
        ),
        (
            with("{path: /m/dga}", "{path: \"/m\\0\"}"),
            "line 7, column 19: spec.payload.path: must not hold control characters",
        ),
        (
            with("  name: dga\n", "  names: dga\n  namespace: A\n  labels: {a: 1}\n  finalizers: []\n"),
            "line 4, column 3: metadata.names: unknown field (did you mean name?)\nline 5, column 14: metadata.namespace: \"A\" is not a namespace: use lower-case letters, digits and '-', a letter or digit at both ends, 63 bytes at most\nline 6, column 15: metadata.labels.a: 1 is not a text (write \"1\" in quotes)\nline 7, column 3: metadata.finalizers: is not supported yet (leave it out)",
        ),
        (
            with("\"1.0\"", "yes no"),
            "line 6, column 31: spec.model.version: \"yes no\" is not a model version: use letters, digits, '.', '_' and '-', a letter or digit first, 63 bytes at most",
        ),
        (with("kind: ModelDeployment\n", ""), "line 1, column 1: kind: is required (write kind: ModelDeployment)"),
        (
            "a: b".to_owned(),
            "line 1, column 1: apiVersion: is required (write apiVersion: maas/v1)\nline 1, column 1: kind: is required (write kind: ModelDeployment)",
        ),
        ("- a\n".to_owned(), "line 1, column 1: this is no manifest (it needs apiVersion, kind, metadata and spec)"),
        (format!("{}a", "- ".repeat(40)), "line 1, column 67: nested more than 32 deep"),
        (
            format!("# {}", "x".repeat(65_536)),
            "line 1, column 1: the document has 65538 bytes, more than 65536 (put data into the payload)",
        ),
        (format!("{GOOD}---\n# é\né\0"), "line 10, column 2: a NUL character (take it out)"),
        (format!("{GOOD}...\na: b\n"), "line 9, column 1: a second document: begin it with a line ---"),
        (
            "just text".to_owned(),
            "line 1, column 1: this is no manifest (it needs apiVersion, kind, metadata and spec)",
        ),
        (
            "%YAML 1.2\n---\n".to_owned() + GOOD,
            "line 1, column 10: directives such as %YAML are not supported: leave the line out",
        ),
        ("a: 'b\nc\n".to_owned(), "line 1, column 4: not YAML: invalid indentation in quoted scalar"),
        ("a: [".to_owned(), "line 1, column 5: not YAML: while parsing a node, did not find expected node content"),
        ("a:\n\t- b".to_owned(), "line 2, column 2: not YAML: tabs disallowed within this context (block indentation)"),
        (
            "a: 1\n? ".to_owned(),
            "line 1, column 1: apiVersion: is required (write apiVersion: maas/v1)\nline 1, column 1: kind: is required (write kind: ModelDeployment)",
        ),
        (format!("{GOOD}? "), "line 8, column 3: ~: unknown field (known ones are apiVersion, kind, metadata, spec)"),
        ("a: b\0".to_owned(), "line 1, column 5: a NUL character (take it out)"),
    ];
    let wrong: Vec<String> = table
        .iter()
        .map(|(text, expected)| (text, faults(text), expected))
        .filter(|(_, got, expected)| got != *expected)
        .map(|(text, got, expected)| format!("of {text}\n got {got}\nwant {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
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
    assert_eq!(spec.progress_deadline, Duration::from_secs(600));
    let unnamed = with("metadata:\n  name: dga\n", "");
    assert_eq!(parse_one(unnamed.as_bytes()).unwrap().resource.metadata.name.as_str(), "dga-1.0");
}

#[test]
fn a_rendered_resource_and_a_stored_template_read_back() {
    let text = spec(
        "replicas: 7\n  env: {A: \"1\"}\n  startup: {script: a/b.sh, timeout: 1m30s}\n  probes: {readiness: {http: {path: /x}, period: 500ms}}\n  terminationGracePeriod: 0s\n  progressDeadline: 2m\n  restartedAt: 2024-02-29T23:59:59.25+14:00",
    );
    let resource = parse_one(text.as_bytes()).unwrap().resource;
    assert_eq!(parse_one(maas_crd::render(&resource).as_bytes()).unwrap().resource, resource);
    let json = serde_json::to_string(&resource.spec.template).unwrap();
    assert_eq!(serde_json::from_str::<maas_crd::Template>(&json).unwrap(), resource.spec.template);
}

#[test]
fn a_template_of_another_binary_reads_with_the_defaults_of_this_one() {
    let older = r#"{"model": {"name": "dga", "version": "1.0"}, "payload": {"path": "/m/dga"}}"#;
    let read: maas_crd::Template = serde_json::from_str(older).unwrap();
    assert_eq!(read, parse_one(GOOD.as_bytes()).unwrap().resource.spec.template);
    let newer = older.replace("\"1.0\"}", "\"1.0\", \"flavour\": \"x\"}, \"strategy\": {}");
    assert_eq!(serde_json::from_str::<maas_crd::Template>(&newer).unwrap(), read);
    let none = spec("probes: {readiness: }");
    assert_eq!(parse_one(none.as_bytes()).unwrap().resource.spec.template, read);
}

#[test]
fn documents_keep_their_own_text_and_line() {
    let second = GOOD.replace("  name: dga\n", "");
    let text = format!("# all\n---\n{GOOD}--- # next\n{second}...\n---\n\n---\n{{}}\n");
    let Err(Faults(faults)) = parse(text.as_bytes()) else { panic!("it should be refused") };
    assert!(faults.iter().all(|f| f.line == 21), "{faults:?}");
    let read = parse(text.replace("{}\n", "").as_bytes()).unwrap();
    let texts: Vec<(u32, &str)> = read.iter().map(|m| (m.line, m.text.as_str())).collect();
    assert_eq!(texts, [(3, GOOD), (10, format!("--- # next\n{second}...\n").as_str())]);
    for manifest in &read {
        assert_eq!(parse_one(manifest.text.as_bytes()).unwrap().resource, manifest.resource);
    }
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

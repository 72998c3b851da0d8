//! Manifests that nobody means well by: whatever stands in them is read or refused, quickly, and what is told of
//! them is one safe line a fault. And what is read means the same to the schema and survives edits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use maas_crd::{Edit, Manifest, edit, parse, parse_one, render, schema, set_annotation, set_replicas};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const DOCUMENT: usize = 64 * 1024;

/// What a document of `text` and then as many copies of `again` as may stand in one costs.
fn time_of(start: &str, again: &str, end: &str) -> Duration {
    let copies = (DOCUMENT - start.len() - end.len()) / again.len();
    let text = format!("{start}{}{end}", again.repeat(copies));
    let since = Instant::now();
    let _ = parse(text.as_bytes());
    since.elapsed()
}

#[test]
fn no_document_takes_long() {
    let keys: String = (0..9000)
        .map(|n| format!("k{n}: 1\n"))
        .take_while({
            let mut sum = 0;
            move |key| {
                sum += key.len();
                sum < DOCUMENT
            }
        })
        .collect();
    let since = Instant::now();
    assert!(parse(keys.as_bytes()).is_err());
    let mut worst = (since.elapsed(), "keys".to_owned());
    for (start, again, end) in [
        ("a: ", "[", ""),
        ("a: ", "{", ""),
        ("a: ", "{a: ", ""),
        ("", "- ", ""),
        ("", "? ", ""),
        ("", "a: ", ""),
        ("a: \"", "\n", "\""),
        ("a: \"", "\\", "\""),
        ("a: '", "''", "'"),
        ("a: |\n", " \n", ""),
        ("a: |\n", "\n", " b"),
        ("a: >\n", " a\n", ""),
        ("a: ", "b\n ", ""),
        ("a: ", "b\n", ""),
        ("a: {", "a,", "}"),
        ("a: [", "a,", "]"),
        ("a: [", "[],", "]"),
        ("a: [", "&a a,", "]"),
        ("a: [&a a,", "*a,", "]"),
        ("", "#\n", ""),
        ("", "a: b\n", ""),
        ("", "&a ", ""),
        ("", "!a ", ""),
        ("", "%", ""),
        ("", "%YAML 1.2\n", ""),
        ("", "%TAG !e! tag:e,2000:\n", ""),
        ("!", "%41", " a"),
        ("", "\r", ""),
        ("", "\t", ""),
        ("", "---\n", ""),
        ("", "...\n", ""),
        ("", "--- a\n", ""),
        ("", "\u{feff}", ""),
        ("", "\u{85}", ""),
        ("", "\u{1f600}: ", ""),
        ("apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  ", "a", ": b"),
        ("apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  model: {name: a, version: ", "1", "}"),
        ("apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  resources: {memory: ", "1", "Mi}"),
        ("apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  replicas: ", "1", ""),
        ("apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  payload: {path: ", "/..", "}"),
    ] {
        worst = worst.max((time_of(start, again, end), format!("{start}{again}…")));
    }
    println!("slowest: {worst:?}");
    assert!(worst.0 < Duration::from_secs(2), "{worst:?}");
}

/// A document where each of the fields is absent or one of its values.
fn document() -> impl Strategy<Value = Value> {
    let pick = |values: &'static [&'static str]| {
        let values: Vec<Option<Value>> =
            values.iter().map(|v| Some(serde_json::from_str(v).unwrap())).chain([None]).collect();
        prop::sample::select(values)
    };
    let good_or = move |good: &'static str, others: &'static [&'static str]| {
        let good: Value = serde_json::from_str(good).unwrap();
        prop_oneof![12 => Just(Some(good)), 1 => pick(others)]
    };
    let map = |fields: &[(&str, Option<Value>)]| {
        let fields = fields.iter().filter_map(|(k, v)| Some(((*k).to_owned(), v.clone()?)));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    let metadata = (
        good_or("\"dga\"", &["\"Dga\"", "\"a..b\"", "\"a.b\"", "\"-a\"", "\"\"", "7", "{}"]),
        good_or("\"soc\"", &["\"a.b\"", "\"A\"", "true"]),
        good_or("{\"a\": \"b\"}", &["{\"a\": 1}", "{\"a\": \"1\"}", "\"a\"", "{}"]),
        good_or("3", &["\"x\"", "[1]", "{}"]),
    )
        .prop_map(move |(name, namespace, labels, uid)| {
            map(&[("name", name), ("namespace", namespace), ("labels", labels), ("uid", uid)])
        });
    let model = (
        good_or("\"dga\"", &["\"a_B.c-\"", "\"-a\"", "\"a b\"", "1"]),
        good_or("\"1.0\"", &["1.0", "1", "true", "\"v2\"", "\"1/2\"", "\".1\""]),
    )
        .prop_map(move |(name, version)| map(&[("name", name), ("version", version)]));
    let payload = good_or(
        "{\"path\": \"/m/dga\"}",
        &[
            "{\"path\": \"m\"}",
            "{\"path\": \"/\"}",
            "{\"path\": \"//\"}",
            "{\"path\": \"/m/..\"}",
            "{\"path\": \"/..m\"}",
            "{\"path\": \"/./m\"}",
            "{\"path\": \"/m/\"}",
            "{\"path\": \"//m\"}",
            "{\"path\": \"/m\\u0000\"}",
            "{\"path\": \"/m\\n\"}",
            "{\"path\": \"hdfs://nn:8020/m\"}",
            "{\"path\": \"hdfs:///m\"}",
            "{\"path\": \"hdfs:///\"}",
            "{\"path\": \"hdfs://nn\"}",
            "{\"path\": \"hdfs:/m\"}",
            "{\"path\": \"file:///m\"}",
            "{\"path\": \"hdfs://nn/../m\"}",
            "{\"path\": \"/m\", \"sha256\": \"a\"}",
            "{}",
            "\"/m\"",
        ],
    );
    let resources = good_or(
        "{\"memory\": \"1Gi\", \"vcores\": 2}",
        &[
            "{}",
            "{\"memory\": \"0Mi\"}",
            "{\"memory\": \"1Ti\"}",
            "{\"memory\": \"100m\"}",
            "{\"memory\": 512}",
            "{\"memory\": \"1.5Gi\"}",
            "{\"memory\": \"2G\"}",
            "{\"vcores\": 0}",
            "{\"vcores\": 1025}",
            "{\"vcores\": \"1\"}",
            "{\"yarn.io/gpu\": 1}",
            "[]",
        ],
    );
    let env = good_or(
        "{\"A\": \"b\"}",
        &[
            "{\"1A\": \"b\"}",
            "{\"A-B\": \"b\"}",
            "{\"_a\": \"\"}",
            "{\"MAAS_A\": \"b\"}",
            "{\"MAAS\": \"b\"}",
            "{\"HADOOP_TOKEN_FILE_LOCATION\": \"b\"}",
            "{\"HADOOP_TOKEN_FILE_LOCATION2\": \"b\"}",
            "{\"A\": 1}",
            "{\"A\": \"a\\u0000\"}",
            "[]",
        ],
    );
    let startup = good_or(
        "{\"script\": \"rest.sh\", \"timeout\": \"5m\"}",
        &[
            "{}",
            "{\"script\": \"a/b.sh\"}",
            "{\"script\": \"/b.sh\"}",
            "{\"script\": \"../b.sh\"}",
            "{\"script\": \"a/../b.sh\"}",
            "{\"script\": \"..b.sh\"}",
            "{\"script\": \"a//b.sh\"}",
            "{\"script\": \"b.py\"}",
            "{\"script\": \".sh\"}",
            "{\"script\": \"a\\nb.sh\"}",
            "{\"announceFile\": \"a/b\"}",
            "{\"announceFile\": \"..\"}",
            "{\"announceFile\": \"\"}",
            "{\"announceFile\": \"a/.\"}",
            "{\"timeout\": \"\"}",
            "{\"timeout\": \"1h30m\"}",
            "{\"timeout\": \"30m1h\"}",
            "{\"timeout\": 5}",
            "{\"shell\": \"sh\"}",
        ],
    );
    let probes = good_or(
        "{\"readiness\": {\"http\": {\"path\": \"/health\"}}}",
        &[
            "{}",
            "{\"readiness\": {}}",
            "{\"readiness\": {\"http\": {}}}",
            "{\"readiness\": {\"http\": {\"path\": \"health\"}}}",
            "{\"readiness\": {\"http\": {\"path\": \"/a b\"}}}",
            "{\"readiness\": {\"http\": {\"path\": \"/a\\tb\"}}}",
            "{\"readiness\": {\"http\": {\"path\": \"/\"}, \"period\": \"1s\"}}",
            "{\"readiness\": {\"http\": {\"path\": \"/\"}, \"period\": \"s\"}}",
            "{\"readiness\": {\"tcp\": {}}}",
            "{\"liveness\": {}}",
        ],
    );
    let rest = (
        good_or("3", &["0", "1000", "1001", "-1", "1.5", "\"3\"", "true"]),
        good_or("\"30s\"", &["\"0s\"", "\"1d\"", "30"]),
        good_or("\"2m\"", &["\"1d\"", "30", "{}"]),
        prop_oneof![12 => Just(None), 1 => Just(Some(json!({})))],
        good_or(
            "\"2026-01-31T12:00:00Z\"",
            &["\"2026-01-31\"", "\"2026-13-01T00:00:00Z\"", "\"now\"", "\"\"", "2026", "true"],
        ),
    );
    let spec = (model, payload, resources, env, startup, probes, rest).prop_map(
        move |(model, payload, resources, env, startup, probes, (replicas, grace, deadline, strategy, restarted))| {
            map(&[
                ("model", Some(model)),
                ("payload", payload),
                ("resources", resources),
                ("env", env),
                ("startup", startup),
                ("probes", probes),
                ("replicas", replicas),
                ("terminationGracePeriod", grace),
                ("progressDeadline", deadline),
                ("strategy", strategy),
                ("restartedAt", restarted),
            ])
        },
    );
    let version = good_or("\"maas/v1\"", &["\"v1\"", "1"]);
    let kind = good_or("\"ModelDeployment\"", &["\"Deployment\"", "\"List\""]);
    (version, kind, prop::option::weighted(0.8, metadata), spec).prop_map(move |(version, kind, metadata, spec)| {
        map(&[("apiVersion", version), ("kind", kind), ("metadata", metadata), ("spec", Some(spec))])
    })
}

/// A document in one of the ways people and tools write them.
fn written(document: &Value, how: u8) -> String {
    match how {
        0 => document.to_string(),
        1 => serde_json::to_string_pretty(document).unwrap(),
        2 => serde_yaml::to_string(document).unwrap(),
        _ => format!("# mine\n---\n{}# end\n", serde_yaml::to_string(document).unwrap()).replace('\n', "\r\n"),
    }
}

fn means_the_same(edited: &str, before: &Manifest, change: impl FnOnce(&mut Manifest)) -> Result<(), TestCaseError> {
    let after = parse_one(edited.as_bytes()).map_err(|e| TestCaseError::fail(format!("{e}\n{edited}")))?;
    let mut wanted = before.clone();
    change(&mut wanted);
    prop_assert_eq!((&after.resource, after.replicas_given), (&wanted.resource, wanted.replicas_given), "{}", edited);
    Ok(())
}

fn agreed_on(document: &Value) -> Result<(), TestCaseError> {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| jsonschema::validator_for(&schema()).unwrap());
    let read = parse(document.to_string().as_bytes());
    let told: Vec<String> = SCHEMA.iter_errors(document).map(|e| e.to_string()).collect();
    prop_assert_eq!(read.is_ok(), told.is_empty(), "{}\nparser: {:?}\nschema: {:?}", document, read.err(), told);
    Ok(())
}

proptest! {
    #[test]
    fn parser_and_schema_agree_on_every_field(document in document()) {
        agreed_on(&document)?;
    }

    #[test]
    fn parser_and_schema_agree_on_every_letter(
        field in prop::sample::select(vec![
            "/metadata/name", "/metadata/namespace", "/spec/model/name", "/spec/model/version", "/spec/payload/path",
            "/spec/startup/script", "/spec/startup/announceFile", "/spec/probes/readiness/http/path", "env",
            "/spec/restartedAt",
        ]),
        text in prop_oneof![
            "(hdfs://|/)?[/.a]{0,5}(\\.sh)?", "[a-zA-Z0-9._/-]{0,8}", "[Aa7/.: \\x00-\\x20\\x7f-\\xa0é]{0,4}(\\.sh)?",
            "[012][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,11})?(Z|[+-][0-2][0-9]:[0-6][0-9]|)",
            "(19|20)0[04]-(0[26]|1[12])-(29|3[01])T00:00:00Z", "[a.-]{60,66}", "/?a{4088,4100}", "MAAS_?[A-Z]?", "(X|_)?HADOOP_TOKEN_FILE_LOCATION[A-Z]?", ".{0,6}",
        ],
    ) {
        let mut document = json!({
            "apiVersion": "maas/v1", "kind": "ModelDeployment", "metadata": {"name": "a", "namespace": "a"},
            "spec": {
                "model": {"name": "a", "version": "1"}, "payload": {"path": "/m"}, "env": {},
                "restartedAt": "2026-01-31T12:00:00Z",
                "startup": {"script": "a.sh", "announceFile": "a"},
                "probes": {"readiness": {"http": {"path": "/"}}},
            },
        });
        match field {
            "env" => document["spec"]["env"] = json!({ text: "" }),
            field => *document.pointer_mut(field).unwrap() = Value::String(text),
        }
        agreed_on(&document)?;
    }

    #[test]
    fn edits_change_just_what_they_say(
        document in document(), how in 0u8..4, replicas in 0u32..=1000,
        key in prop_oneof!["[a-z/.]{1,9}", ".{0,5}", Just("<<".to_owned()), Just("null".to_owned())],
        value in any::<String>(),
    ) {
        let text = written(&document, how);
        let Ok(before) = parse_one(text.as_bytes()) else { return Ok(()) };
        means_the_same(&render(&before.resource), &before, |m| m.replicas_given = true)?;
        let scaled = set_replicas(&text, replicas).unwrap();
        means_the_same(&scaled, &before, |m| {
            m.resource.spec.replicas = replicas;
            m.replicas_given = true;
        })?;
        match set_annotation(&text, &key, &value) {
            Ok(noted) => means_the_same(&noted, &before, |m| {
                m.resource.metadata.annotations.insert(key, value);
            })?,
            Err(error) => prop_assert!(key == "<<" , "{error:?} of {key:?}: {value:?}"),
        }
    }

    #[test]
    fn entries_are_put_in_and_taken_out_and_all_else_stays(
        document in document(), how in 0u8..4,
        key in prop_oneof!["[a-z/.]{1,9}", ".{0,5}", Just("a".to_owned()), Just("null".to_owned())],
        variable in prop_oneof!["[A-Z_]{1,9}", Just("A".to_owned()), Just("_a".to_owned())],
        value in "[^\\x00]{0,12}", script in "[a-z]{1,4}(/[a-z]{1,4})?\\.sh", mib in 1u64..9999, vcores in 1u32..=1024,
    ) {
        let text = written(&document, how);
        let Ok(before) = parse_one(text.as_bytes()) else { return Ok(()) };
        let (path, time) = (format!("/{script}"), "2026-01-31T12:00:00Z");
        let memory = maas_crd::Memory::from_mib(mib).unwrap();
        prop_assume!(key != "<<");
        let changes = [
            Edit::Label(&key, Some(&value)), Edit::Env(&variable, Some(&value)), Edit::Memory(memory),
            Edit::Vcores(vcores), Edit::PayloadPath(&path), Edit::Script(Some(&script)), Edit::RestartedAt(time),
        ];
        let edited = edit(&text, &changes).unwrap();
        let set = |m: &mut Manifest| {
            m.resource.metadata.labels.insert(key.clone(), value.clone());
            let template = &mut m.resource.spec.template;
            template.env.insert(variable.clone(), value.clone());
            (template.resources.memory, template.resources.vcores) = (memory, vcores);
            template.payload.path = path.clone();
            template.startup.script = Some(script.clone());
            template.restarted_at = Some(time.to_owned());
        };
        means_the_same(&edited, &before, set)?;
        prop_assert_eq!(&edit(&edited, &changes).unwrap(), &edited, "made twice");
        let out = [Edit::Label(&key, None), Edit::Env(&variable, None), Edit::Script(None), Edit::Annotation(&key, None)];
        let bare = edit(&edited, &out).unwrap();
        means_the_same(&bare, &before, |m| {
            set(m);
            m.resource.metadata.labels.remove(&key);
            m.resource.metadata.annotations.remove(&key);
            m.resource.spec.template.env.remove(&variable);
            m.resource.spec.template.startup.script = None;
        })?;
        // JSON stays JSON, and comments stay.
        prop_assert!(how > 1 || serde_json::from_str::<Value>(&bare).is_ok(), "{}", bare);
        prop_assert_eq!(bare.contains("# end"), how == 3, "{}", bare);
    }

    #[test]
    fn any_soup_of_yaml_is_read_or_refused_in_safe_lines(tokens in prop::collection::vec(prop::sample::select(vec![
        "a", "apiVersion: maas/v1\n", "kind: ModelDeployment\n", "spec:\n", "  model: ", "metadata:", "{", "}", "[", "]",
        ": ", ":", "- ", "? ", ", ", "\n", "\r\n", "\r", "  ", "\t", "\"", "'", "|\n", ">-\n", "#", "&x ", "*x", "!t ",
        "!!binary ", "%YAML 1.2\n", "---", "\n---\n", "\n...\n", "<<", "\\x1b", "\u{1b}[2J", "\u{202e}", "\u{feff}", "\0",
        "\u{85}", "\u{2028}", "é", "1.0", "~",
    ]), 0..60)) {
        let text = tokens.concat();
        match parse(text.as_bytes()) {
            Ok(manifests) => for manifest in manifests { prop_assert!(parse_one(manifest.text.as_bytes()).is_ok()); },
            Err(faults) => for fault in faults.0 {
                let line = fault.to_string();
                prop_assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
                prop_assert!(line.len() < 1000, "{line}");
                let place = text.lines().nth(fault.line as usize - 1).unwrap_or_default();
                prop_assert!(fault.line == 1 || text.contains(place), "{line}");
                prop_assert!(fault.column as usize <= text.chars().count() + 1, "{line}");
            },
        }
    }
}

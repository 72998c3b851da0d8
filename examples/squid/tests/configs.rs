//! Configs and messages without any daemon: what the seed's page has, what is refused and in which words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(missing_docs)]

use std::collections::BTreeMap;

use maas_pipeline::config::{COMMON, Files, Kind, ModelDown, PatternFiles, Place, Plan, check, pattern_paths, plan};
use maas_pipeline::fault::{Fault, Origin, Step};
use maas_pipeline::message::{Finished, process};
use maas_pipeline::shipped;
use maas_stellar::{Functions, Value};
use serde_json::{Value as Json, json};

const PARSER: &str = include_str!("../config/zookeeper/parsers/squid.json");
const ENRICHMENT: &str = include_str!("../config/zookeeper/enrichments/squid.json");
const GLOBAL: &str = include_str!("../config/zookeeper/global.json");
const YAHOO: &str =
    "1461576382.642    161 127.0.0.1 TCP_MISS/200 103701 GET http://www.yahoo.com/ - DIRECT/199.27.79.73 text/html";
const CNN: &str =
    "1461576383.001    161 127.0.0.1 TCP_MISS/200 103701 GET http://cnn.com/ - DIRECT/199.27.79.73 text/html";

/// Those of an evaluation, with a model that knows as much as the mock DGA.
fn functions() -> Functions {
    Functions::standard().with("MAAS_GET_ENDPOINT", |_, _| Ok(Value::from("endpoint"))).with(
        "MAAS_MODEL_APPLY",
        |_, arguments| {
            let Some(Value::Map(model)) = arguments.last() else { return Err("no arguments".to_owned()) };
            let host = model.get("host").map(ToString::to_string).unwrap_or_default();
            let verdict = if matches!(host.as_str(), "yahoo.com" | "amazon.com") { "legit" } else { "malicious" };
            Ok(Value::from(&json!({ "is_malicious": verdict })))
        },
    )
}

fn patterns() -> PatternFiles {
    ["/patterns/squid", COMMON].map(|path| (path.to_owned(), shipped::pattern(path).map(ToOwned::to_owned))).into()
}

fn place(kind: Kind) -> Place {
    Place::of(kind, "squid").unwrap()
}

fn files(parser: &str, enrichment: &str) -> Files {
    BTreeMap::from([
        (Place::global(), GLOBAL.as_bytes().to_vec()),
        (place(Kind::Parser), parser.as_bytes().to_vec()),
        (place(Kind::Enrichment), enrichment.as_bytes().to_vec()),
    ])
}

fn planned(parser: &str, enrichment: &str) -> Plan {
    plan("squid", &files(parser, enrichment), &patterns(), &functions()).unwrap().unwrap()
}

fn origin() -> Origin {
    Origin { topic: "squid".to_owned(), partition: 0, offset: 4, arrived: Some(1_461_576_384_000) }
}

fn run(plan: &Plan, raw: &[u8]) -> Result<Finished, Fault> {
    process(plan, &origin(), raw, 1_795_512_257_000, &functions())
}

fn refused(kind: Kind, text: &str) -> String {
    check(&place(kind), text.as_bytes(), &patterns(), &functions()).unwrap_err().to_string()
}

/// The page's parser config with one thing in another's place.
fn parser(from: &str, to: &str) -> String {
    assert!(PARSER.contains(from), "{from}");
    PARSER.replacen(from, to, 1)
}

#[test]
fn the_pages_lines_and_configs_give_its_documents() {
    let plan = planned(PARSER, ENRICHMENT);
    assert_eq!(
        (plan.topic.as_str(), plan.error_topic.as_str(), plan.model_down),
        ("squid", "parser_error", ModelDown::Wait)
    );
    assert_eq!(plan.global.search, ["http://127.0.0.1:9200"]);
    let yahoo = run(&plan, YAHOO.as_bytes()).unwrap();
    assert_eq!((yahoo.entry.index.as_str(), yahoo.entry.kind.as_str()), ("squid_index_2016.04.25.09", "squid_doc"));
    assert_eq!(yahoo.entry.id, origin().guid(YAHOO.as_bytes()));
    assert_eq!(
        serde_json::from_str::<Json>(&yahoo.entry.source).unwrap(),
        json!({
            "source:type": "squid", "guid": yahoo.entry.id, "original_string": YAHOO, "timestamp": 1_461_576_382_642_i64,
            "elapsed": 161, "ip_src_addr": "127.0.0.1", "action": "TCP_MISS", "code": 200, "bytes": 103_701,
            "method": "GET", "url": "http://www.yahoo.com/", "ip_dst_addr": "199.27.79.73",
            "full_hostname": "www.yahoo.com", "domain_without_subdomains": "yahoo.com", "is_malicious": "legit",
        })
    );
    let cnn: Json = serde_json::from_str(&run(&plan, CNN.as_bytes()).unwrap().entry.source).unwrap();
    assert_eq!((&cnn["is_alert"], &cnn["is_malicious"]), (&json!("true"), &json!("malicious")));
    assert_eq!((&cnn["threat:triage:level"], &cnn["threat:triage:score"]), (&json!(100.0), &json!(100.0)));
    assert_eq!(cnn["threat:triage:rules:0:score"], "100");
}

#[test]
fn a_message_that_cannot_go_on_says_where_and_why() {
    let plan = planned(PARSER, ENRICHMENT);
    let fault = |raw: &[u8]| run(&plan, raw).unwrap_err();
    assert_eq!(fault(b""), Fault::parse("the message is empty"));
    assert_eq!(fault(b"hello"), Fault::parse("the pattern SQUID_DELIMITED does not match"));
    assert!(fault(b"caf\xe9").reason.contains("not UTF-8 (from byte 3 on)"));
    assert!(fault(&vec![b'x'; 10 * 1024 * 1024]).reason.contains("10485760 bytes"));
    let zero = fault(YAHOO.replace("1461576382.642", "0.0").as_bytes());
    assert_eq!((zero.step, zero.reason.contains("above 0, but it is 0")), (Step::Invalid, true));
    let fails = planned(&parser("\"if is_malicious == 'malicious' then 'true' else null\"", "\"1 / 0\""), ENRICHMENT);
    assert!(run(&fails, CNN.as_bytes()).unwrap_err().reason.starts_with("is_alert: column 5: a whole number"));
    let triage = planned(PARSER, &ENRICHMENT.replace("is_malicious == 'malicious'", "is_malicious < 5"));
    let fault = run(&triage, CNN.as_bytes()).unwrap_err();
    assert_eq!(fault.step, Step::Triage);
    assert!(fault.reason.starts_with("the rule of riskLevelRules[0]: column"), "{}", fault.reason);
}

#[test]
fn other_settings_do_what_they_say() {
    let topic = planned(
        &parser(
            "\"sensorTopic\": \"squid\"",
            "\"sensorTopic\": \"in\", \"outputTopic\": \"out\", \"errorTopic\": \"bad\"",
        ),
        "{}",
    );
    assert_eq!((topic.topic.as_str(), topic.error_topic.as_str()), ("in", "bad"));
    let message: Json = serde_json::from_str(&run(&topic, CNN.as_bytes()).unwrap().message.unwrap()).unwrap();
    assert_eq!(message["source.type"], "squid");
    assert_eq!(message["is_alert"], "true", "an alert without rules has no level");
    assert_eq!(message.get("threat.triage.level"), None);
    let latin = planned(
        &parser("\"timestampField\"", "\"readCharset\": \"ISO-8859-1\", \"modelDown\": \"skip\", \"timestampField\""),
        "{}",
    );
    assert_eq!(latin.model_down, ModelDown::Skip);
    let raw: Vec<u8> = YAHOO.replace("yahoo.com/", "yahoo.com/caf\u{e9}").chars().map(|letter| letter as u8).collect();
    assert!(run(&latin, &raw).unwrap().entry.source.contains("yahoo.com/café"));

    let mut all = files(PARSER, ENRICHMENT);
    all.insert(
        place(Kind::Indexing),
        br#"{"elasticsearch": {"index": "proxies", "batchSize": 50, "batchTimeout": 2, "fieldNameConverter": "NOOP"},
        "hdfs": {"enabled": false}}"#
            .to_vec(),
    );
    all.insert(Place::global(), br#"{"es.ip": ["a", "b:1"], "es.port": 9201, "es.date.format": "yyyy.MM", "parser.error.topic": "e", "profiler.x": 1}"#.to_vec());
    let plan = plan("squid", &all, &patterns(), &functions()).unwrap().unwrap();
    assert_eq!((plan.index.batch_size, plan.index.batch_timeout_ms, plan.error_topic.as_str()), (50, 2000, "e"));
    assert_eq!(plan.global.search, ["http://a:9201", "http://b:1"]);
    let cnn = run(&plan, CNN.as_bytes()).unwrap().entry;
    assert_eq!(cnn.index, "proxies_index_2016.04");
    assert!(cnn.source.contains("\"threat.triage.level\""));
}

#[test]
fn a_bad_parser_config_is_refused_with_its_place_and_reason() {
    for (from, to, expected) in [
        ("\"sensorTopic\"", "\"sensorTopics\"", "parsers/squid.json: line 3 column 16: unknown field `sensorTopics`"),
        (
            "\"sensorTopic\"",
            "\"numWorkers\": 1, \"sensorTopic\"",
            "parsers/squid.json: line 3 column 14: numWorkers is not supported: it is Storm's",
        ),
        (
            "\"sensorTopic\": \"squid\"",
            "\"sensorTopic\": \"a b\"",
            "parsers/squid.json: sensorTopic: \"a b\" is no topic's name",
        ),
        ("\"sensorTopic\": \"squid\"", "\"outputTopic\": \"squid\"", "outputTopic: squid is the topic that is read"),
        ("GrokParser", "CSVParser", "parserClassName: org.apache.metron.parsers.CSVParser is not supported"),
        ("/patterns/squid", "/patterns/other", "parserConfig.grokPath: there is no /patterns/other in HDFS"),
        ("SQUID_DELIMITED", "SQUID", "parserConfig.patternLabel: /patterns/squid: there is no pattern SQUID"),
        (
            "\"timestampField\": \"timestamp\"",
            "\"timestampField\": \"time\"",
            "timestampField: the pattern SQUID_DELIMITED has no field time",
        ),
        ("\"timestampField\"", "\"multiLine\": \"true\", \"timestampField\"", "multiLine: a message is one line here"),
        ("\"timestampField\"", "\"dateFormat\": \"YYYY\", \"timestampField\"", "dateFormat: YYYY in the date pattern"),
        (
            "\"timestampField\"",
            "\"modelDown\": \"drop\", \"timestampField\"",
            "unknown variant `drop`, expected `wait` or `skip`",
        ),
        ("\"STELLAR\"", "\"REMOVE\"", "fieldTransformations[0].transformation: REMOVE is not supported"),
        ("URL_TO_HOST(url)", "URL_TO_HOST(url", "fieldTransformations[0].config.full_hostname: column 16: "),
        (
            "URL_TO_HOST(url)",
            "URL_TO_HOTS(url)",
            "column 1: there is no function URL_TO_HOTS: did you mean URL_TO_HOST?",
        ),
        (
            "URL_TO_HOST(url)",
            "is_alert",
            "fieldTransformations[0].config: each needs the other first: domain_without_subdomains → full_hostname → is_alert → is_malicious → domain_without_subdomains",
        ),
        ("\"is_alert\" ]", "\"is_alerted\" ]", "output: is_alerted has no expression in config"),
        (",\"is_alert\" :", ",\"is_malicious\" :", "is_malicious is given twice"),
        ("{\n", "", "parsers/squid.json: line 1 column "),
    ] {
        let error = refused(Kind::Parser, &parser(from, to));
        assert!(error.contains(expected), "{to}: {error}");
    }
    let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let error = refused(Kind::Parser, &parser("URL_TO_HOST(url)", &deep));
    assert!(error.contains("full_hostname: column"), "{error}");
}

#[test]
fn other_bad_configs_are_refused_too() {
    let rule = |text: &str| ENRICHMENT.replacen("is_malicious == 'malicious'", text, 1);
    for (text, expected) in [
        (rule("is_malicious =="), "enrichments/squid.json: threatIntel.triageConfig.riskLevelRules[0].rule: column "),
        (
            ENRICHMENT.replace("MAX", "MOST"),
            "unknown variant `MOST`, expected one of `MAX`, `MIN`, `SUM`, `MEAN`, `POSITIVE_MEAN`",
        ),
        (
            ENRICHMENT.replace("\"score\" : 100", "\"score\" : true"),
            "score: true is neither a number nor an expression",
        ),
        (
            ENRICHMENT.replace("\"fieldMap\": {}", "\"fieldMap\": {\"geo\": [\"ip\"]}"),
            "enrichment.fieldMap: enrichment is not supported",
        ),
        (ENRICHMENT.replace("\"batchSize\": 1", "\"batchSize\": 0"), "batchSize: it must be from 1 to 10000, not 0"),
        (ENRICHMENT.replace("\"index\": \"squid\"", "\"index\": \"Squid\""), "\"Squid\" cannot begin an index' name"),
    ] {
        let error = refused(Kind::Enrichment, &text);
        assert!(error.contains(expected), "{error}");
    }
    for (text, expected) in [
        (r#"{"hdfs": {"index": "squid"}}"#, "hdfs: documents are not written there"),
        (r#"{"elasticsearch": {"enabled": false}}"#, "elasticsearch.enabled: the index is where messages end"),
        (r#"{"elasticsearch": {"setDocumentId": false}}"#, "would be there twice"),
        (r#"{"elasticsearch": {"fieldNameConverter": "UPPER"}}"#, "UPPER is not supported"),
    ] {
        let error = refused(Kind::Indexing, text);
        assert!(error.contains(expected), "{error}");
    }
    for (text, expected) in [
        (
            r#"{"fieldValidations": [{"validation": "IP"}]}"#,
            "fieldValidations: validations of fields are not supported",
        ),
        (r#"{"es.ip": "a b"}"#, "es.ip: \"a b:9200\" is no host and port"),
        (r#"{"es.date.format": "ww"}"#, "es.date.format: ww in the date pattern"),
        (r#"{"source.type.field": "kind"}"#, "source.type.field: the field is called source.type here"),
        ("[]", "global.json: line 1 column"),
    ] {
        let error = check(&Place::global(), text.as_bytes(), &patterns(), &functions()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut files = files(PARSER, ENRICHMENT);
    assert_eq!(pattern_paths(&files).into_iter().collect::<Vec<_>>(), [COMMON, "/patterns/squid"]);
    files.remove(&place(Kind::Parser));
    assert!(plan("squid", &files, &patterns(), &functions()).unwrap().is_none());
}

#[test]
fn a_pattern_that_explodes_is_refused() {
    let mut own = "A0 x\n".to_owned();
    own.extend((1..40).map(|level| format!("A{level} %{{A{}:UNWANTED}}%{{A{}:UNWANTED}}\n", level - 1, level - 1)));
    let patterns = PatternFiles::from([("/patterns/bomb".to_owned(), Some(own))]);
    let text = parser("/patterns/squid", "/patterns/bomb").replace("SQUID_DELIMITED", "A39");
    let error = check(&place(Kind::Parser), text.as_bytes(), &patterns, &functions()).unwrap_err().to_string();
    assert!(error.contains("/patterns/bomb: the pattern A39 is too large"), "{error}");
}

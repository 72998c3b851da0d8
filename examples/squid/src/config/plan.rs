//! From a sensor's config files to what is done with its messages.

use std::collections::{BTreeMap, BTreeSet};

use maas_stellar::{Expression, Functions, Value};
use serde::Deserialize;

use super::{
    Bad, EnrichmentFile, IndexingFile, Kind, ParserFile, Place, RuleFile, TransformationFile, TriageFile, WriterFile,
    parse,
};
use crate::dates::{self, Pattern};
use crate::document::Names;
use crate::grok::{self, Grok};
use crate::message::{Charset, GrokParser, Times};
use crate::transform::Transformation;
use crate::triage::{Rule, Triage};

/// The file of patterns that all others may use.
pub const COMMON: &str = "/patterns/common";
/// Where what is set aside goes, unless a config says otherwise.
const ERROR_TOPIC: &str = "parser_error";
/// The form of the date in an index' name, unless the global config says otherwise.
const DATE: &str = "yyyy.MM.dd.HH";
/// Most documents that a config may let wait for each other.
const LARGEST_BATCH: u32 = 10_000;

/// What happens to a message while no instance of the model answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelDown {
    /// It waits until one does.
    #[default]
    Wait,
    /// It goes on with null as the model's answer.
    Skip,
}

/// Where documents go.
#[derive(Clone, Debug)]
pub struct Index {
    /// The first part of the index' name.
    pub name: String,
    /// The form of the last.
    pub date: Pattern,
    /// How many documents wait for each other at most.
    pub batch_size: usize,
    /// How long they wait, in milliseconds.
    pub batch_timeout_ms: u64,
    /// How fields are named.
    pub names: Names,
}

/// The global config, as far as it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Global {
    /// URLs of the search engine.
    pub search: Vec<String>,
    /// Its name, which is checked.
    pub cluster: Option<String>,
    date: Option<String>,
    error_topic: Option<String>,
}

/// What is done with a sensor's messages.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The sensor.
    pub sensor: String,
    /// The topic that is read.
    pub topic: String,
    /// The topic that finished messages go to, beside the index.
    pub output_topic: Option<String>,
    /// The topic that takes what is set aside.
    pub error_topic: String,
    /// Bytes to fields.
    pub parser: GrokParser,
    /// Then these, in order.
    pub transformations: Vec<Transformation>,
    /// Then this.
    pub triage: Triage,
    /// Then there.
    pub index: Index,
    /// What happens while no model answers.
    pub model_down: ModelDown,
    /// The search engine.
    pub global: Global,
}

/// Pattern files by path; none for one that is nowhere.
pub type PatternFiles = BTreeMap<String, Option<String>>;

/// Config files by their place.
pub type Files = BTreeMap<Place, Vec<u8>>;

/// The pattern files that these configs need, as far as they can be read.
#[must_use]
pub fn pattern_paths(files: &Files) -> BTreeSet<String> {
    let parsers = files.iter().filter(|(place, _)| place.kind() == Kind::Parser);
    let own = parsers.filter_map(|(place, text)| parse::<ParserFile>(place, text).ok()?.parser_config.grok_path);
    own.chain([COMMON.to_owned()]).collect()
}

/// Checks one config by itself.
///
/// # Errors
/// What is wrong with it.
pub fn check(place: &Place, text: &[u8], patterns: &PatternFiles, functions: &Functions) -> Result<(), Bad> {
    match place.kind() {
        Kind::Global => global(place, text).map(drop),
        Kind::Parser => parser(place, text, patterns, functions).map(drop),
        Kind::Enrichment => enrichment(place, text, functions).map(drop),
        Kind::Indexing => indexing(place, text).map(drop),
    }
}

/// What a sensor's configs say together; none while it has no parser config.
///
/// # Errors
/// What is wrong with one of them.
pub fn plan(sensor: &str, files: &Files, patterns: &PatternFiles, functions: &Functions) -> Result<Option<Plan>, Bad> {
    let place = |kind| Place::of(kind, sensor).map_err(|reason| Bad { place: Place::global(), at: None, reason });
    let [parser_place, enrichment_place, indexing_place] =
        [place(Kind::Parser)?, place(Kind::Enrichment)?, place(Kind::Indexing)?];
    let Some(text) = files.get(&parser_place) else { return Ok(None) };
    let mut plan = parser(&parser_place, text, patterns, functions)?;
    if let Some(text) = files.get(&enrichment_place) {
        let file = enrichment(&enrichment_place, text, functions)?;
        plan.triage = file.0;
        plan.index = Index {
            name: file.1.unwrap_or(plan.index.name),
            batch_size: file.2.unwrap_or(plan.index.batch_size),
            ..plan.index
        };
    }
    if let Some(text) = files.get(&indexing_place) {
        let writer = indexing(&indexing_place, text)?;
        plan.index.name = writer.index.unwrap_or(plan.index.name);
        plan.index.batch_size = writer.batch_size.map_or(plan.index.batch_size, |size| size as usize);
        plan.index.batch_timeout_ms = writer.batch_timeout.map_or(plan.index.batch_timeout_ms, |s| u64::from(s) * 1000);
        if writer.field_name_converter.as_deref() == Some("NOOP") {
            plan.index.names = Names::Noop;
        }
    }
    index_name(&parser_place, &plan.index.name)?;
    if let Some(text) = files.get(&Place::global()) {
        plan.global = global(&Place::global(), text)?;
        let date = plan.global.date.as_deref().unwrap_or(DATE);
        plan.index.date = Pattern::read(date).map_err(|reason| bad(&Place::global(), "es.date.format", reason))?;
        if let (Some(topic), true) = (&plan.global.error_topic, plan.error_topic.is_empty()) {
            plan.error_topic.clone_from(topic);
        }
    }
    if plan.error_topic.is_empty() {
        ERROR_TOPIC.clone_into(&mut plan.error_topic);
    }
    Ok(Some(plan))
}

fn bad(place: &Place, at: impl Into<String>, reason: impl Into<String>) -> Bad {
    Bad { place: place.clone(), at: Some(at.into()), reason: reason.into() }
}

fn topic(place: &Place, at: &str, name: &str) -> Result<(), Bad> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.bytes().all(good) {
        return Err(bad(place, at, format!("{name:?} is no topic's name: use letters, digits, '.', '_' and '-'")));
    }
    Ok(())
}

fn index_name(place: &Place, name: &str) -> Result<(), Bad> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !first || name.len() > 100 || !name.bytes().all(good) {
        return Err(bad(
            place,
            "index",
            format!("{name:?} cannot begin an index' name: use lower-case letters, digits, '.', '_' and '-'"),
        ));
    }
    Ok(())
}

fn batch_size(place: &Place, size: Option<u32>) -> Result<Option<usize>, Bad> {
    match size {
        Some(size) if !(1..=LARGEST_BATCH).contains(&size) => {
            Err(bad(place, "batchSize", format!("it must be from 1 to {LARGEST_BATCH}, not {size}")))
        }
        other => Ok(other.map(|size| size as usize)),
    }
}

/// A text, or a list of texts, of the global config.
fn words(place: &Place, key: &str, value: &serde_json::Value) -> Result<Vec<String>, Bad> {
    let word = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let all = match value {
        serde_json::Value::Array(values) => values.iter().map(word).collect(),
        other => word(other).map(|text| vec![text]),
    };
    let words = all.ok_or_else(|| bad(place, key, format!("{value} is no text")))?;
    Ok(words
        .iter()
        .flat_map(|text| text.split(','))
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect())
}

fn global(place: &Place, text: &[u8]) -> Result<Global, Bad> {
    let all: BTreeMap<String, serde_json::Value> = parse(place, text)?;
    let word = |key: &str| -> Result<Option<String>, Bad> {
        let words = all.get(key).map(|value| words(place, key, value)).transpose()?;
        Ok(words.and_then(|words| words.into_iter().next()))
    };
    if all.get("fieldValidations").and_then(serde_json::Value::as_array).is_some_and(|list| !list.is_empty()) {
        return Err(bad(place, "fieldValidations", "validations of fields are not supported: take them out"));
    }
    for (key, only) in [("source.type.field", "source.type"), ("threat.triage.score.field", "threat.triage.score")] {
        let colons = only.replace('.', ":");
        if let Some(name) = word(key)?.filter(|name| name != only && *name != colons) {
            return Err(bad(place, key, format!("the field is called {only} here, not {name}")));
        }
    }
    let port = word("es.port")?;
    let port = port.as_deref().unwrap_or("9200");
    let mut search = Vec::new();
    for host in all.get("es.ip").map(|value| words(place, "es.ip", value)).transpose()?.unwrap_or_default() {
        let address = if host.contains(':') { host } else { format!("{host}:{port}") };
        let url = format!("http://{address}");
        if reqwest::Url::parse(&url).is_err() {
            return Err(bad(place, "es.ip", format!("{address:?} is no host and port")));
        }
        search.push(url);
    }
    let date = word("es.date.format")?;
    if let Some(date) = &date {
        Pattern::read(date).map_err(|reason| bad(place, "es.date.format", reason))?;
    }
    let error_topic = word("parser.error.topic")?;
    if let Some(name) = &error_topic {
        topic(place, "parser.error.topic", name)?;
    }
    Ok(Global { search, cluster: word("es.clustername")?, date, error_topic })
}

/// A plan without what the other files say.
fn parser(place: &Place, text: &[u8], patterns: &PatternFiles, functions: &Functions) -> Result<Plan, Bad> {
    let file: ParserFile = parse(place, text)?;
    let class = file.parser_class_name.as_str();
    if class != "org.apache.metron.parsers.GrokParser" {
        return Err(bad(
            place,
            "parserClassName",
            format!("{class} is not supported: org.apache.metron.parsers.GrokParser is"),
        ));
    }
    for (name, value) in [("readMetadata", file.read_metadata), ("mergeMetadata", file.merge_metadata)] {
        if value == Some(true) {
            return Err(bad(place, name, "keys of Kafka messages are not read here: set it to false"));
        }
    }
    if let Some(strategy) = file.raw_message_strategy.filter(|strategy| strategy != "DEFAULT") {
        return Err(bad(place, "rawMessageStrategy", format!("{strategy} is not supported: DEFAULT is")));
    }
    let sensor = place.sensor().to_owned();
    let topic_name = file.sensor_topic.unwrap_or_else(|| sensor.clone());
    let error_topic = file.error_topic.unwrap_or_default();
    let topics = [
        ("sensorTopic", Some(&topic_name)),
        ("outputTopic", file.output_topic.as_ref()),
        ("errorTopic", Some(&error_topic).filter(|name| !name.is_empty())),
    ];
    for (at, name) in topics {
        if let Some(name) = name {
            topic(place, at, name)?;
        }
    }
    for (at, name) in [("outputTopic", file.output_topic.as_ref()), ("errorTopic", Some(&error_topic))] {
        if name == Some(&topic_name) {
            return Err(bad(
                place,
                at,
                format!("{topic_name} is the topic that is read: its own messages would come back"),
            ));
        }
    }
    let settings = file.parser_config;
    let at = |name: &str| format!("parserConfig.{name}");
    if settings.multi_line.as_deref().is_some_and(|text| !text.trim().eq_ignore_ascii_case("false")) {
        return Err(bad(place, at("multiLine"), "a message is one line here: send each by itself"));
    }
    let charset = settings.read_charset.as_deref().map(Charset::named).transpose();
    let charset = charset.map_err(|reason| bad(place, at("readCharset"), reason))?.unwrap_or_default();
    let date = settings.date_format.as_deref().unwrap_or("yyyy-MM-dd HH:mm:ss.S z");
    let pattern = Pattern::read(date).map_err(|reason| bad(place, at("dateFormat"), reason))?;
    let zone = dates::zone(settings.time_zone.as_deref().unwrap_or("UTC"));
    let zone = zone.map_err(|reason| bad(place, at("timeZone"), reason))?;
    let path =
        settings.grok_path.ok_or_else(|| bad(place, at("grokPath"), "it is missing: name the file of the pattern"))?;
    let label =
        settings.pattern_label.ok_or_else(|| bad(place, at("patternLabel"), "it is missing: name the pattern"))?;
    let mut definitions = grok::Patterns::new();
    for (path, own) in [(COMMON, false), (path.as_str(), true)] {
        match patterns.get(path) {
            Some(Some(text)) => grok::read(text, &mut definitions)
                .map_err(|error| bad(place, at("grokPath"), format!("{path}: {error}")))?,
            _ if own => {
                let reason = format!("there is no {path} in HDFS (as HADOOP_CONF_DIR says), and none is shipped");
                return Err(bad(place, at("grokPath"), reason));
            }
            _ => {}
        }
    }
    let grok = Grok::compile(&definitions, &label)
        .map_err(|error| bad(place, at("patternLabel"), format!("{path}: {error}")))?;
    let named: BTreeSet<String> = grok.fields().map(ToOwned::to_owned).collect();
    for (name, fields) in [
        ("timestampField", settings.timestamp_field.iter().collect::<Vec<_>>()),
        ("timeFields", settings.time_fields.iter().collect()),
    ] {
        if let Some(field) = fields.into_iter().find(|field| !named.contains(*field)) {
            return Err(bad(place, at(name), format!("the pattern {label} has no field {field}")));
        }
    }
    // What the message has before the first transformation.
    let mut known = named;
    known.extend(["original_string", "timestamp", "source.type"].map(ToOwned::to_owned));
    let variables = settings_as_variables(text);
    let mut transformations = Vec::new();
    for (number, one) in file.field_transformations.into_iter().enumerate() {
        let made = transformation(place, number, one, &variables, functions)?;
        if let Some(cycle) = made.cycle(&known) {
            let reason = format!("each needs the other first: {}", cycle.join(" → "));
            return Err(bad(place, format!("fieldTransformations[{number}].config"), reason));
        }
        known.extend(made.output.iter().cloned());
        transformations.push(made);
    }
    let times = Times { fields: settings.time_fields, pattern, zone };
    Ok(Plan {
        topic: topic_name,
        output_topic: file.output_topic,
        error_topic,
        parser: GrokParser { grok, label, timestamp: settings.timestamp_field, times, charset },
        transformations,
        triage: Triage::default(),
        index: Index {
            name: sensor.clone(),
            date: Pattern::read(DATE).map_err(|reason| bad(place, "es.date.format", reason))?,
            batch_size: 1,
            batch_timeout_ms: 1000,
            names: Names::default(),
        },
        model_down: settings.model_down.unwrap_or_default(),
        global: Global::default(),
        sensor,
    })
}

/// `parserConfig` as variables, as it is written.
fn settings_as_variables(text: &[u8]) -> BTreeMap<String, Value> {
    let file: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    let settings = file.get("parserConfig").and_then(serde_json::Value::as_object);
    settings.into_iter().flatten().map(|(name, value)| (name.clone(), value.into())).collect()
}

fn expression(place: &Place, at: &str, text: &str, functions: &Functions) -> Result<Expression, Bad> {
    let parsed = Expression::parse(text).map_err(|error| bad(place, at, error.to_string()))?;
    parsed.check(functions).map_err(|error| bad(place, at, error.to_string()))?;
    Ok(parsed)
}

fn transformation(
    place: &Place,
    number: usize,
    file: TransformationFile,
    settings: &BTreeMap<String, Value>,
    functions: &Functions,
) -> Result<Transformation, Bad> {
    let at = |name: &str| format!("fieldTransformations[{number}].{name}");
    if file.transformation != "STELLAR" {
        let reason = format!("{} is not supported: STELLAR is, which can do the same", file.transformation);
        return Err(bad(place, at("transformation"), reason));
    }
    let names = |names: Option<super::Names>| -> BTreeSet<String> {
        names.map(|names| names.all().iter().cloned().collect()).unwrap_or_default()
    };
    let (input, mut output) = (names(file.input), names(file.output));
    if output.is_empty() {
        output.clone_from(&input);
    }
    if output.is_empty() {
        return Err(bad(place, at("output"), "it is missing: name the fields that go into the message"));
    }
    let mut steps = Vec::new();
    for (name, value) in file.config.0 {
        let at = at(&format!("config.{name}"));
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            scalar @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => scalar.to_string(),
            other => return Err(bad(place, at, format!("{other} is no expression: write a text"))),
        };
        let parsed = expression(place, &at, &text, functions)?;
        steps.push((name, parsed));
    }
    if let Some(name) = output.iter().find(|name| !steps.iter().any(|(step, _)| step == *name)) {
        return Err(bad(place, at("output"), format!("{name} has no expression in config")));
    }
    let input = (!input.is_empty()).then_some(input);
    Ok(Transformation { input, output, steps, settings: settings.clone() })
}

type Enrichment = (Triage, Option<String>, Option<usize>);

fn enrichment(place: &Place, text: &[u8], functions: &Functions) -> Result<Enrichment, Bad> {
    let file: EnrichmentFile = parse(place, text)?;
    let threat = file.threat_intel;
    let unsupported = [
        ("enrichment.fieldMap", &file.enrichment.field_map),
        ("enrichment.fieldToTypeMap", &file.enrichment.field_to_type_map),
        ("enrichment.config", &file.enrichment.config),
        ("threatIntel.fieldMap", &threat.field_map),
        ("threatIntel.fieldToTypeMap", &threat.field_to_type_map),
    ];
    for (at, map) in unsupported {
        if !map.is_empty() {
            return Err(bad(
                place,
                at,
                "enrichment is not supported: leave it empty; a STELLAR field transformation can add fields",
            ));
        }
    }
    let TriageFile { risk_level_rules, aggregator, aggregation_config } = threat.triage_config;
    let rules = risk_level_rules.into_iter().enumerate().map(|(number, file)| rule(place, number, file, functions));
    let rules = Triage::without_twins(rules.collect::<Result<_, Bad>>()?);
    let variables = threat.config.iter().chain(&file.configuration).map(|(name, value)| (name.clone(), value.into()));
    let trump = aggregation_config.negative_values_trump.unwrap_or(true);
    let triage = Triage { rules, aggregator, trump, variables: variables.collect() };
    if let Some(name) = &file.index {
        index_name(place, name)?;
    }
    Ok((triage, file.index, batch_size(place, file.batch_size)?))
}

fn rule(place: &Place, number: usize, file: RuleFile, functions: &Functions) -> Result<(String, Rule), Bad> {
    let at = |name: &str| format!("threatIntel.triageConfig.riskLevelRules[{number}].{name}");
    let score_text = match file.score {
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::String(text) => text,
        other => return Err(bad(place, at("score"), format!("{other} is neither a number nor an expression"))),
    };
    let parsed = |name: &str, text: &str| expression(place, &at(name), text, functions);
    let rule = Rule {
        rule: parsed("rule", &file.rule)?,
        score: parsed("score", &score_text)?,
        reason: file.reason.as_deref().map(|text| parsed("reason", text)).transpose()?,
        name: file.name,
        comment: file.comment,
        score_text,
    };
    Ok((file.rule, rule))
}

fn indexing(place: &Place, text: &[u8]) -> Result<WriterFile, Bad> {
    let file: IndexingFile = parse(place, text)?;
    for (name, writer) in [("hdfs", &file.hdfs), ("solr", &file.solr)] {
        if writer.as_ref().is_some_and(|writer| writer.enabled != Some(false)) {
            return Err(bad(place, name, "documents are not written there: set its \"enabled\" to false"));
        }
    }
    let (index, size) = (file.index, file.batch_size);
    let writer = file.elasticsearch.unwrap_or_default();
    let at = |name: &str| format!("elasticsearch.{name}");
    if writer.enabled == Some(false) {
        return Err(bad(place, at("enabled"), "the index is where messages end: it cannot be switched off"));
    }
    if writer.set_document_id == Some(false) {
        let reason = "documents always have the message's id here: a message that is read again would be there twice";
        return Err(bad(place, at("setDocumentId"), reason));
    }
    if let Some(path) = writer.output_path_function {
        return Err(bad(place, at("outputPathFunction"), format!("{path:?} is for HDFS, where nothing is written")));
    }
    match writer.field_name_converter.as_deref() {
        None | Some("DEDOT" | "NOOP") => {}
        Some(other) => {
            return Err(bad(place, at("fieldNameConverter"), format!("{other} is not supported: DEDOT and NOOP are")));
        }
    }
    let writer = WriterFile { index: writer.index.or(index), batch_size: writer.batch_size.or(size), ..writer };
    if let Some(name) = &writer.index {
        index_name(place, name)?;
    }
    batch_size(place, writer.batch_size)?;
    Ok(writer)
}

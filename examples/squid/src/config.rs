//! Metron's config files: global, parser, enrichment and indexing, as they are written. Pure.
//!
//! What a field of them means stands in `plan`. A field that this program does not have is refused, one of Metron's by what
//! to do about it.

mod place;
mod plan;

pub use place::{Kind, Place};
pub use plan::{COMMON, Files, Global, Index, ModelDown, PatternFiles, Plan, check, pattern_paths, plan};

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What is wrong with a config, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {}{reason}", .at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
pub struct Bad {
    /// Which config.
    pub place: Place,
    /// Where in it, as far as is known.
    pub at: Option<String>,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// A map in the order in which it is written, without duplicates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ordered(pub Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries: Vec<(String, Value)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if entries.iter().any(|(known, _)| *known == key) {
                        return Err(de::Error::custom(format!("{key} is given twice")));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// One name or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a name or a list of names")]
pub enum Names {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Names {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// `parsers/<sensor>.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParserFile {
    /// Java's class; only Metron's `GrokParser`.
    pub parser_class_name: String,
    /// The topic to read; the sensor's name if not given.
    pub sensor_topic: Option<String>,
    /// A topic for the finished documents beside the index.
    pub output_topic: Option<String>,
    /// The topic for what is set aside.
    pub error_topic: Option<String>,
    /// Whether the key of the Kafka message is read; only `false`.
    pub read_metadata: Option<bool>,
    /// Whether that is put into the message; only `false`.
    pub merge_metadata: Option<bool>,
    /// How a message is wrapped; only `DEFAULT`.
    pub raw_message_strategy: Option<String>,
    /// Settings of the parser.
    #[serde(default)]
    pub parser_config: ParserSettings,
    /// In the order in which they are applied.
    #[serde(default)]
    pub field_transformations: Vec<TransformationFile>,
}

/// `parserConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParserSettings {
    /// The file of the pattern.
    pub grok_path: Option<String>,
    /// The pattern's name.
    pub pattern_label: Option<String>,
    /// The field that becomes `timestamp`.
    pub timestamp_field: Option<String>,
    /// Fields that hold dates and become milliseconds.
    #[serde(default)]
    pub time_fields: Vec<String>,
    /// Their form.
    pub date_format: Option<String>,
    /// Their zone.
    pub time_zone: Option<String>,
    /// The message's character set.
    pub read_charset: Option<String>,
    /// Only `"false"`.
    pub multi_line: Option<String>,
    /// This program's own: what happens while no instance of the model answers.
    pub model_down: Option<ModelDown>,
}

/// One of `fieldTransformations`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformationFile {
    /// Only `STELLAR`.
    pub transformation: String,
    /// The fields that its expressions see; all, if none.
    pub input: Option<Names>,
    /// The fields that it writes.
    pub output: Option<Names>,
    /// Expressions by name.
    #[serde(default)]
    pub config: Ordered,
}

/// `enrichments/<sensor>.json`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrichmentFile {
    /// Of the seed's time: the index' name.
    pub index: Option<String>,
    /// Of the seed's time: how many documents go together.
    pub batch_size: Option<u32>,
    /// Nothing of it is supported.
    #[serde(default)]
    pub enrichment: EnrichmentSettings,
    /// Of it, triage.
    #[serde(default)]
    pub threat_intel: ThreatFile,
    /// Variables of the rules.
    #[serde(default)]
    pub configuration: BTreeMap<String, Value>,
}

/// `enrichment`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrichmentSettings {
    /// Only empty.
    #[serde(default)]
    pub field_map: BTreeMap<String, Value>,
    /// Only empty.
    #[serde(default)]
    pub field_to_type_map: BTreeMap<String, Value>,
    /// Variables of the rules, within `threatIntel`.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
}

/// `threatIntel`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThreatFile {
    /// Only empty.
    #[serde(default)]
    pub field_map: BTreeMap<String, Value>,
    /// Only empty.
    #[serde(default)]
    pub field_to_type_map: BTreeMap<String, Value>,
    /// Variables of the rules.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
    /// The rules.
    #[serde(default)]
    pub triage_config: TriageFile,
}

/// `triageConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TriageFile {
    /// In order.
    #[serde(default)]
    pub risk_level_rules: Vec<RuleFile>,
    /// How the scores of the rules that fired become one.
    #[serde(default)]
    pub aggregator: crate::triage::Aggregator,
    /// The aggregator's own.
    #[serde(default)]
    pub aggregation_config: AggregationFile,
}

/// `aggregationConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AggregationFile {
    /// Whether one negative score is the last word; true if not given.
    pub negative_values_trump: Option<bool>,
}

/// One of `riskLevelRules`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub comment: Option<String>,
    /// When it fires: an expression.
    pub rule: String,
    /// A number, or an expression.
    pub score: Value,
    /// An expression that says why it fired.
    pub reason: Option<String>,
}

/// `indexing/<sensor>.json`: one writer's settings by its name, or, as in the seed's time, those of all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IndexingFile {
    /// The search engine's, OpenSearch too.
    pub elasticsearch: Option<WriterFile>,
    /// Only with `"enabled": false`.
    pub hdfs: Option<WriterFile>,
    /// Only with `"enabled": false`.
    pub solr: Option<WriterFile>,
    /// As the writer's.
    pub index: Option<String>,
    /// As the writer's.
    pub batch_size: Option<u32>,
}

/// One writer's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriterFile {
    /// The index' name; the sensor's if not given.
    pub index: Option<String>,
    /// How many documents wait for each other at most.
    pub batch_size: Option<u32>,
    /// How long they wait, in seconds.
    pub batch_timeout: Option<u32>,
    /// Whether it writes at all.
    pub enabled: Option<bool>,
    /// `DEDOT` or `NOOP`.
    pub field_name_converter: Option<String>,
    /// Only true.
    pub set_document_id: Option<bool>,
    /// HDFS' own.
    pub output_path_function: Option<String>,
}

/// Parses a file.
///
/// # Errors
/// What is wrong, with line and column.
fn parse<'a, T: Deserialize<'a>>(place: &Place, text: &'a [u8]) -> Result<T, Bad> {
    serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let tail = format!(" at line {line} column {column}");
        let mut reason = text.strip_suffix(&tail).unwrap_or(&text).to_owned();
        if let Some(hint) =
            reason.split('`').nth(1).filter(|_| reason.starts_with("unknown field")).and_then(place::hint)
        {
            reason = hint;
        }
        Bad { place: place.clone(), at: (line > 0).then(|| format!("line {line} column {column}")), reason }
    })
}

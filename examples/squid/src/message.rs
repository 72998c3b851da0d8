//! A message's way from its bytes to its document. Pure but for what the configs' expressions call.

use jiff::tz::TimeZone;
use maas_stellar::{Functions, Value};

use crate::config::Plan;
use crate::dates::Pattern;
use crate::document::{Entry, Fields, document};
use crate::fault::{Fault, Origin, Step};
use crate::grok::Grok;

/// Longest message that is parsed, in bytes.
pub const LONGEST: usize = 1024 * 1024;

/// How bytes are letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// The default.
    #[default]
    Utf8,
    /// ISO-8859-1.
    Latin1,
    /// US-ASCII.
    Ascii,
}

impl Charset {
    /// By its name in Java.
    ///
    /// # Errors
    /// It is another one.
    pub fn named(name: &str) -> Result<Self, String> {
        match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => Ok(Self::Utf8),
            "ISO-8859-1" | "LATIN1" => Ok(Self::Latin1),
            "US-ASCII" | "ASCII" => Ok(Self::Ascii),
            _ => Err(format!("the character set {name:?} is not supported: use UTF-8, ISO-8859-1 or US-ASCII")),
        }
    }

    fn decode(self, raw: &[u8]) -> Result<String, String> {
        match self {
            Self::Latin1 => Ok(raw.iter().map(|byte| char::from(*byte)).collect()),
            Self::Ascii if !raw.is_ascii() => Err("it is not US-ASCII".to_owned()),
            Self::Utf8 | Self::Ascii => std::str::from_utf8(raw).map(ToOwned::to_owned).map_err(|error| {
                format!("it is not UTF-8 (from byte {} on): readCharset names others", error.valid_up_to())
            }),
        }
    }
}

/// The fields that hold dates, and how.
#[derive(Clone, Debug)]
pub struct Times {
    /// Their names.
    pub fields: Vec<String>,
    /// Their form.
    pub pattern: Pattern,
    /// Their zone, where they do not name it.
    pub zone: TimeZone,
}

/// A sensor's parser.
#[derive(Clone, Debug)]
pub struct GrokParser {
    /// Its pattern.
    pub grok: Grok,
    /// The pattern's name, whose own capture is no field.
    pub label: String,
    /// The field that becomes `timestamp`.
    pub timestamp: Option<String>,
    /// Fields that hold dates.
    pub times: Times,
    /// How bytes are letters.
    pub charset: Charset,
}

impl GrokParser {
    /// The fields of a message.
    ///
    /// # Errors
    /// Why it has none.
    pub fn parse(&self, raw: &[u8]) -> Result<Fields, String> {
        if raw.is_empty() {
            return Err("the message is empty".to_owned());
        }
        if raw.len() > LONGEST {
            return Err(format!("the message has {} bytes, and more than {LONGEST} are not parsed", raw.len()));
        }
        let text = self.charset.decode(raw)?;
        let Some(mut fields) = self.grok.matches(&text) else {
            return Err(format!("the pattern {} does not match", self.label));
        };
        fields.remove(&self.label);
        for name in &self.times.fields {
            if let Some(value) = fields.get_mut(name) {
                let moment = self.times.pattern.moment(&value.to_string(), &self.times.zone);
                *value = Value::Long(moment.map_err(|reason| format!("{name}: {reason}"))?);
            }
        }
        if let Some(name) = &self.timestamp {
            let value =
                fields.get(name).ok_or_else(|| format!("it has no field {name}, which is to be its timestamp"))?;
            let number = match value {
                Value::Text(text) => text.replace('.', "").parse().ok(),
                other => other.as_long(),
            };
            let number = number.ok_or_else(|| format!("its {name} is {value}, which is no timestamp"))?;
            fields.insert("timestamp".to_owned(), Value::Long(number));
        }
        fields.insert("original_string".to_owned(), text.into());
        Ok(fields)
    }
}

/// What a message became.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// For the index.
    pub entry: Entry,
    /// For the output topic, with the names as they are; none where there is no such topic.
    pub message: Option<String>,
}

/// The fields of a message, parsed and transformed.
fn fields(plan: &Plan, origin: &Origin, raw: &[u8], functions: &Functions) -> Result<Fields, Fault> {
    let mut fields = plan.parser.parse(raw).map_err(Fault::parse)?;
    fields.insert("source.type".to_owned(), plan.sensor.as_str().into());
    for transformation in &plan.transformations {
        transformation.apply(&mut fields, functions).map_err(Fault::parse)?;
    }
    if fields.get("guid").is_none_or(Value::is_null) {
        fields.insert("guid".to_owned(), origin.guid(raw).into());
    }
    match fields.get("timestamp") {
        Some(Value::Long(timestamp)) if *timestamp > 0 => Ok(fields),
        other => {
            let found =
                other.map_or_else(|| "it has none".to_owned(), |value| format!("it is {value} ({})", value.kind()));
            let reason = format!("the timestamp must be a whole number of milliseconds above 0, but {found}");
            Err(Fault { step: Step::Invalid, reason })
        }
    }
}

/// Takes a message all the way.
///
/// The index is that of the time when Kafka took the message, not of the clock: one that is read again an hour later is
/// the same document. `now_ms` stands in where Kafka has no time.
///
/// # Errors
/// Why it is to be set aside.
pub fn process(
    plan: &Plan,
    origin: &Origin,
    raw: &[u8],
    now_ms: i64,
    functions: &Functions,
) -> Result<Finished, Fault> {
    let mut fields = fields(plan, origin, raw, functions)?;
    plan.triage.judge(&mut fields, functions).map_err(|reason| Fault { step: Step::Triage, reason })?;
    let date = [origin.arrived.unwrap_or(now_ms), now_ms].into_iter().find_map(|moment| plan.index.date.write(moment));
    let entry = Entry {
        index: format!("{}_index_{}", plan.index.name, date.unwrap_or_default()),
        id: fields.get("guid").map(ToString::to_string).unwrap_or_default(),
        kind: format!("{}_doc", plan.sensor),
        source: serde_json::Value::Object(document(&fields, plan.index.names)).to_string(),
    };
    let message = plan
        .output_topic
        .as_ref()
        .map(|_| serde_json::Value::Object(document(&fields, crate::document::Names::Noop)).to_string());
    Ok(Finished { entry, message })
}

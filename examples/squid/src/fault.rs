//! Messages that are set aside: why, and the record in the error topic, with the names of Metron's. Pure.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Of a message that the error topic does not take whole, so much is kept.
const KEPT: usize = 64 * 1024;

/// Where a message could not go on, by Metron's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It does not parse, or a transformation fails.
    Parse,
    /// It parses, but what comes out is no message.
    Invalid,
    /// Triage fails.
    Triage,
    /// The search engine refuses it.
    Index,
}

impl Step {
    /// `error_type` of the record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parse => "parser_error",
            Self::Invalid => "parser_invalid",
            Self::Triage => "threatintel_error",
            Self::Index => "indexing_error",
        }
    }
}

/// Why a message is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it could not go on.
    pub step: Step,
    /// Why.
    pub reason: String,
}

impl Fault {
    /// One of the parser.
    pub fn parse(reason: impl Into<String>) -> Self {
        Self { step: Step::Parse, reason: reason.into() }
    }
}

/// Which message it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The topic that it was read from.
    pub topic: String,
    /// The partition of it.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When Kafka took it, in milliseconds; none of a topic without timestamps.
    pub arrived: Option<i64>,
}

impl Origin {
    /// The id of the message's document, a UUID. Metron's is random; this one is made of where and when the message came
    /// and what it says, so that one that is read again after a crash is the same document.
    #[must_use]
    pub fn guid(&self, raw: &[u8]) -> String {
        let mut digest = Sha256::new();
        for part in [self.topic.as_bytes(), &[0]] {
            digest.update(part);
        }
        digest.update(self.partition.to_be_bytes());
        digest.update(self.offset.to_be_bytes());
        digest.update(self.arrived.unwrap_or(-1).to_be_bytes());
        digest.update(raw);
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        // Version 8: made by a rule of one's own.
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
    }
}

/// The record for the error topic. `whole`: with all of the message, else with its beginning.
#[must_use]
pub fn record(sensor: &str, origin: &Origin, raw: &[u8], fault: &Fault, now_ms: i64, host: &str, whole: bool) -> Value {
    let kept = if whole { raw } else { raw.get(..KEPT).unwrap_or(raw) };
    let hash: String = Sha256::digest(raw).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut record = json!({
        "guid": origin.guid(raw),
        "source.type": "error",
        "error_type": fault.step.name(),
        "failed_sensor_type": sensor,
        "message": fault.reason,
        "timestamp": now_ms,
        "hostname": host,
        "raw_message": String::from_utf8_lossy(kept),
        "error_hash": hash,
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
    });
    if let Some(fields) = record.as_object_mut() {
        if std::str::from_utf8(kept).is_err() {
            fields.insert("raw_message_bytes".to_owned(), BASE64_STANDARD.encode(kept).into());
        }
        if kept.len() < raw.len() {
            fields.insert("raw_message_length".to_owned(), raw.len().into());
        }
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(offset: i64) -> Origin {
        Origin { topic: "squid".to_owned(), partition: 0, offset, arrived: Some(7) }
    }

    #[test]
    fn a_message_that_is_read_again_has_the_same_id_and_no_other_has_it() {
        let guid = origin(1).guid(b"x");
        assert_eq!(guid, origin(1).guid(b"x"));
        assert_ne!(guid, origin(2).guid(b"x"));
        assert_ne!(guid, origin(1).guid(b"y"));
        assert_ne!(guid, Origin { arrived: None, ..origin(1) }.guid(b"x"));
        let form: String = guid.chars().map(|letter| if letter == '-' { '-' } else { 'x' }).collect();
        assert_eq!(form, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    }

    #[test]
    fn the_record_has_metrons_names_and_all_bytes() {
        let fault = Fault::parse("no match");
        let text = record("squid", &origin(3), b"caf\xe9", &fault, 9, "node1", true);
        assert_eq!(text["error_type"], "parser_error");
        assert_eq!(text["failed_sensor_type"], "squid");
        assert_eq!(text["source.type"], "error");
        assert_eq!(text["message"], "no match");
        assert_eq!(text["raw_message"], "caf\u{fffd}");
        assert_eq!(text["raw_message_bytes"], "Y2Fm6Q==");
        assert_eq!(text["error_hash"].as_str().unwrap().len(), 64);
        let empty = record("squid", &origin(3), b"", &fault, 9, "node1", true);
        assert_eq!((&empty["raw_message"], empty.get("raw_message_bytes")), (&json!(""), None));
        let large = vec![b'x'; 10 * 1024 * 1024];
        let cut = record("squid", &origin(3), &large, &fault, 9, "node1", false);
        assert_eq!(cut["raw_message"].as_str().unwrap().len(), KEPT);
        assert_eq!(cut["raw_message_length"], 10 * 1024 * 1024);
    }
}

//! An item of Metron's queue: the JSON of its `ModelRequest`, as Jackson 1.9 writes it.

use serde::Deserialize;

use super::Known;
use crate::manifest::shown;
use crate::{ModelRef, NameError};

/// Longest item that is read, in bytes: the longest path and names fit in it several times.
pub const ITEM_LIMIT: usize = 16 * 1024;

/// What an item asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Create the deployment, or add instances to it.
    Add {
        /// Of which model.
        model: ModelRef,
        /// How many, and how they shall be. The path is as the client gave it.
        asked: Known,
    },
    /// Take instances away.
    Remove {
        /// Of which model.
        model: ModelRef,
        /// How many.
        instances: u32,
    },
}

/// Why an item is no request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Longer than any request.
    #[error("it has {0} bytes, more than the {ITEM_LIMIT} that a request may have")]
    TooLarge(usize),
    /// Not text.
    #[error("it is not UTF-8")]
    NotText,
    /// Not the JSON of a request, or with a field that no request has.
    #[error("it is not the JSON of a request: {0}")]
    Json(String),
    /// A field that must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Neither ADD nor REMOVE.
    #[error("action {0}: expected ADD or REMOVE")]
    Action(String),
    /// A number that counts nothing.
    #[error("{field} {given}: expected a whole number above 0")]
    Number {
        /// The field.
        field: &'static str,
        /// What it holds.
        given: i64,
    },
    /// A model's name or version that none can have.
    #[error("{field}: {why}")]
    Name {
        /// The field.
        field: &'static str,
        /// Why.
        why: NameError,
    },
}

/// Every field may be absent or null, as Jackson has it; an unknown one is refused, as Jackson refuses it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Raw {
    name: Option<String>,
    version: Option<String>,
    num_instances: Option<i64>,
    memory: Option<i64>,
    action: Option<String>,
    path: Option<String>,
}

impl Request {
    /// Reads an item. None for `null`, which Metron's clients offer with every LIST and which asks for nothing.
    ///
    /// # Errors
    /// Anything that is no request.
    pub fn read(data: &[u8]) -> Result<Option<Self>, RequestError> {
        if data.len() > ITEM_LIMIT {
            return Err(RequestError::TooLarge(data.len()));
        }
        let text = std::str::from_utf8(data).map_err(|_| RequestError::NotText)?;
        // The parser would take a list of a request's fields for one, which Jackson does not.
        if text.trim_start().starts_with('[') {
            return Err(RequestError::Json("it is a list".to_owned()));
        }
        let raw: Option<Raw> =
            serde_json::from_str(text).map_err(|error| RequestError::Json(shown(&error.to_string())))?;
        raw.map(Raw::check).transpose()
    }

    /// The model that it speaks of.
    #[must_use]
    pub fn model(&self) -> &ModelRef {
        match self {
            Self::Add { model, .. } | Self::Remove { model, .. } => model,
        }
    }
}

impl Raw {
    fn check(self) -> Result<Request, RequestError> {
        let action = self.action.ok_or(RequestError::Missing("action"))?;
        let name = self.name.filter(|text| !text.is_empty()).ok_or(RequestError::Missing("name"))?;
        let version = self.version.filter(|text| !text.is_empty()).ok_or(RequestError::Missing("version"))?;
        let named = |field| move |why| RequestError::Name { field, why };
        let model = ModelRef {
            name: name.parse().map_err(named("name"))?,
            version: version.parse().map_err(named("version"))?,
        };
        let given = self.num_instances.unwrap_or(0);
        let instances = u32::try_from(given).ok().filter(|number| *number > 0);
        let instances = instances.ok_or(RequestError::Number { field: "numInstances", given })?;
        match action.as_str() {
            "ADD" => {
                let given = self.memory.unwrap_or(0);
                let memory_mib = u64::try_from(given).ok().filter(|number| *number > 0);
                let memory_mib = memory_mib.ok_or(RequestError::Number { field: "memory", given })?;
                let payload = self.path.filter(|text| !text.is_empty()).ok_or(RequestError::Missing("path"))?;
                Ok(Request::Add { model, asked: Known { replicas: instances, memory_mib, payload } })
            }
            "REMOVE" => Ok(Request::Remove { model, instances }),
            _ => Err(RequestError::Action(shown(&action))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADD: &str =
        r#"{"name":"dga","version":"1.0","numInstances":1,"memory":512,"action":"ADD","path":"/user/root/models"}"#;
    const REMOVE: &str = r#"{"name":"dga","version":"1.0","numInstances":1,"memory":0,"action":"REMOVE","path":null}"#;

    fn model() -> ModelRef {
        ModelRef { name: "dga".parse().unwrap(), version: "1.0".parse().unwrap() }
    }

    #[test]
    fn what_metrons_clients_were_seen_to_offer_is_read() {
        let asked = Known { replicas: 1, memory_mib: 512, payload: "/user/root/models".to_owned() };
        assert_eq!(Request::read(ADD.as_bytes()).unwrap(), Some(Request::Add { model: model(), asked }));
        assert_eq!(Request::read(REMOVE.as_bytes()).unwrap(), Some(Request::Remove { model: model(), instances: 1 }));
        assert_eq!(Request::read(b"null").unwrap(), None);
    }

    #[test]
    fn fields_come_in_any_order_and_what_remove_does_not_need_may_be_absent() {
        let text = r#"{"action":"REMOVE","numInstances":2,"version":"1.0","name":"dga"}"#;
        assert_eq!(Request::read(text.as_bytes()).unwrap(), Some(Request::Remove { model: model(), instances: 2 }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let huge = " ".repeat(ITEM_LIMIT + 1);
        for (text, told) in [
            ("", "not the JSON of a request"),
            ("[]", "not the JSON of a request"),
            ("[\"dga\",\"1.0\",1,512,\"ADD\",\"/m\"]", "not the JSON of a request"),
            ("{\"name\":", "not the JSON of a request"),
            ("\"ADD\"", "not the JSON of a request"),
            ("{}", "action is missing"),
            (&ADD.replace("ADD", "LIST"), "action LIST: expected ADD or REMOVE"),
            (&ADD.replace("ADD", "add"), "action add"),
            (&ADD.replace("\"name\":\"dga\",", ""), "name is missing"),
            (&ADD.replace("\"1.0\"", "null"), "version is missing"),
            (&ADD.replace("\"dga\"", "\"a b\""), "name: "),
            (&ADD.replace("512", "0"), "memory 0: expected a whole number above 0"),
            (&ADD.replace("512", "-1"), "memory -1"),
            (&ADD.replace(":1,", ":0,"), "numInstances 0"),
            (&ADD.replace(":1,", ":99999999999,"), "numInstances 99999999999"),
            (&ADD.replace("\"/user/root/models\"", "null"), "path is missing"),
            (&ADD.replace("\"path\"", "\"paths\""), "unknown field `paths`"),
            (&ADD.replace("{\"name\"", "{\"\\u001b[31m\":1,\"name\""), "unknown field"),
            (&huge, "more than the 16384"),
        ] {
            let error = Request::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains('\u{1b}'), "{text}: {error}");
        }
        assert!(Request::read(b"{\"name\":\"\xff\"}").unwrap_err().to_string().contains("UTF-8"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::read(&data);
        }
    }
}

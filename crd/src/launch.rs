//! What processes of ours are told at their start: one environment variable each, JSON in base64, since a
//! NodeManager writes environment values into a shell script as they are.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::deployment::{ModelRef, Readiness};
use crate::iid::Iid;
use crate::name::{Name, Namespace};

/// Longest variable that is read, in bytes: the kernel takes no longer one either (MAX_ARG_STRLEN).
const LIMIT: usize = 128 * 1024;

/// Why a variable could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Longer than any that was written here.
    #[error("the variable has {0} bytes, more than {LIMIT}")]
    TooLong(usize),
    /// No base64.
    #[error("the variable is not base64")]
    Base64(#[source] base64::DecodeError),
    /// Not the JSON that is expected.
    #[error("the variable does not hold what is expected")]
    Json(#[source] serde_json::Error),
}

/// What the operator tells the runner of one instance, in `MAAS_LAUNCH`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// ZooKeeper's connect string.
    pub quorum: String,
    /// The tree's root.
    pub root: String,
    /// Session timeout to ask for, in milliseconds.
    pub session_timeout_ms: u64,
    /// The deployment's namespace.
    pub namespace: Namespace,
    /// The deployment's name.
    pub name: Name,
    /// The deployment's uid.
    pub uid: i64,
    /// The instance.
    pub iid: Iid,
    /// The revision it is of.
    pub revision: u32,
    /// Model and version.
    pub model: ModelRef,
    /// The YARN application.
    pub application: String,
    /// The script, when named.
    pub script: Option<String>,
    /// The announcement's file.
    pub announce_file: String,
    /// How long until ready, in milliseconds.
    pub startup_timeout_ms: u64,
    /// The readiness probe, if any.
    pub readiness: Option<Readiness>,
    /// From the request to end until the kill, in milliseconds.
    pub grace_ms: u64,
    /// The model's own variables.
    pub env: BTreeMap<String, String>,
    /// Publish for Metron's clients too.
    pub metron: bool,
}

/// A file in HDFS as YARN localises it: it must still have this size and modification time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteFile {
    /// `hdfs://…`
    pub url: String,
    /// In bytes.
    pub size: u64,
    /// Modification time, milliseconds since the epoch.
    pub mtime_ms: i64,
}

/// What `maasctl service start` tells the operator, in `MAAS_OPERATOR`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorLaunch {
    /// ZooKeeper's connect string.
    pub quorum: String,
    /// The tree's root.
    pub root: String,
    /// Session timeout to ask for, in milliseconds.
    pub session_timeout_ms: u64,
    /// The operator's program in HDFS.
    #[serde(default)]
    pub operator: String,
    /// The runner's binary.
    pub runner: RemoteFile,
    /// The user who submitted.
    pub user: String,
    /// Variables given to every model.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The znode of Metron's queue, if it is to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metron_queue: Option<String>,
}

impl Launch {
    /// As the variable's value.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }

    /// From the variable's value.
    ///
    /// # Errors
    /// A value that no operator wrote.
    pub fn decode(value: &str) -> Result<Self, LaunchError> {
        decode(value)
    }
}

impl OperatorLaunch {
    /// As the variable's value.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }

    /// From the variable's value.
    ///
    /// # Errors
    /// A value that no client wrote.
    pub fn decode(value: &str) -> Result<Self, LaunchError> {
        decode(value)
    }
}

fn encode<T: Serialize>(value: &T) -> String {
    // Only maps with keys other than texts fail, and there are none.
    STANDARD.encode(serde_json::to_vec(value).unwrap_or_default())
}

fn decode<T: DeserializeOwned>(value: &str) -> Result<T, LaunchError> {
    if value.len() > LIMIT {
        return Err(LaunchError::TooLong(value.len()));
    }
    let json = STANDARD.decode(value).map_err(LaunchError::Base64)?;
    serde_json::from_slice(&json).map_err(LaunchError::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        Launch {
            quorum: "zk1:2181,zk2:2181".to_owned(),
            root: "/maas".to_owned(),
            session_timeout_ms: 10_000,
            namespace: Namespace::default(),
            name: "dga-1.0".parse().unwrap(),
            uid: 77,
            iid: Iid::new(3, 17),
            revision: 2,
            model: ModelRef { name: "dga".parse().unwrap(), version: "1.0".parse().unwrap() },
            application: "application_1_0001".to_owned(),
            script: None,
            announce_file: "endpoint.dat".to_owned(),
            startup_timeout_ms: 600_000,
            readiness: None,
            grace_ms: 30_000,
            env: [("A".to_owned(), "$(rm -rf ~)'\"\n\u{1f600}".to_owned())].into(),
            metron: true,
        }
    }

    #[test]
    fn a_launch_comes_back_through_what_a_shell_leaves_alone() {
        let value = launch().encode();
        assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)), "{value}");
        assert_eq!(Launch::decode(&value).unwrap(), launch());
    }

    #[test]
    fn what_no_operator_wrote_is_refused() {
        assert!(matches!(Launch::decode(&"A".repeat(LIMIT + 1)), Err(LaunchError::TooLong(_))));
        assert!(matches!(Launch::decode("$HOME"), Err(LaunchError::Base64(_))));
        for json in ["", "{}", "null", "[1]"] {
            assert!(matches!(Launch::decode(&STANDARD.encode(json)), Err(LaunchError::Json(_))), "{json}");
        }
        let mut hostile = serde_json::to_value(launch()).unwrap();
        hostile["name"] = "../other".into();
        assert!(matches!(Launch::decode(&STANDARD.encode(hostile.to_string())), Err(LaunchError::Json(_))));
    }
}

//! `kind: ModelDeployment`: one model version and how many instances of it should serve.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ModelName, ModelVersion, Name, Namespace};
use crate::quantity::{Memory, period};

/// The only version of the resources.
pub const API_VERSION: &str = "maas/v1";
/// The kind's name.
pub const KIND: &str = "ModelDeployment";
/// How the name of a directory of ours begins.
const UPLOAD: &str = "maas-upload-";
/// Most replicas of one deployment.
pub const REPLICAS_LIMIT: u32 = 1000;
/// Most vcores of one instance.
pub const VCORES_LIMIT: u32 = 1024;

const DURATION: &str = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
/// A path within the payload: no part is empty, `.` or `..`.
const INSIDE: &str = r"^(?!(.*/)?\.{1,2}(/|$))[^/\x00-\x1f\x7f-\x9f]+(/[^/\x00-\x1f\x7f-\x9f]+)*$";
const SCRIPT: &str = r"^(?!(.*/)?\.{1,2}/)([^/\x00-\x1f\x7f-\x9f]+/)*[^/\x00-\x1f\x7f-\x9f]*\.sh$";
const PAYLOAD: &str = r"^(?!(hdfs://[^/]*)?/(.*/)?\.{1,2}(/|$))(hdfs://[^/\x00-\x1f\x7f-\x9f]*)?/+[^/\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";
/// A time of RFC 3339, with its date's leap years. No leap seconds: no clock here shows them.
const TIME: &str = r"^([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";
const VARIABLE: &str = "^(?!MAAS_|HADOOP_TOKEN_FILE_LOCATION$)[A-Za-z_][A-Za-z0-9_]*$";

/// One model version and how many instances of it should serve: checked, with its defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelDeployment {
    /// Who it is.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
}

/// Name and notes of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name; by default `<model name>-<model version>`.
    pub name: Name,
    /// The namespace; by default `default`.
    #[serde(default)]
    pub namespace: Namespace,
    /// Labels to select by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Notes of tools and people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What is wanted of one deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// How many instances should serve.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: u32,
    /// How long it may go without progress until it counts as failed, at least 1s; 10m by default.
    #[serde(default = "ten_minutes", with = "period")]
    #[schemars(with = "String", length(min = 2), regex(pattern = DURATION))]
    pub progress_deadline: Duration,
    /// What each of them is; a change of it replaces instances one after another.
    #[serde(flatten)]
    pub template: Template,
}

/// What each instance is. A revision stores it, and an older record reads with the defaults of today.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The model and its version.
    pub model: ModelRef,
    /// The files of the model.
    pub payload: Payload,
    /// What one instance gets.
    #[serde(default)]
    pub resources: Resources,
    /// Environment variables of the model.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = { "pattern": VARIABLE }, "additionalProperties" = { "type": "string", "pattern": r"^[^\x00]*$" }))]
    pub env: BTreeMap<String, String>,
    /// How it is started.
    #[serde(default)]
    pub startup: Startup,
    /// How it is asked whether it can serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    /// From the request to end until the kill.
    #[serde(default = "thirty_seconds", with = "period")]
    #[schemars(with = "String", length(min = 2), regex(pattern = DURATION))]
    pub termination_grace_period: Duration,
    /// When it was asked to be restarted, in RFC 3339: another time replaces the instances one after another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TIME))]
    pub restarted_at: Option<String>,
}

/// A model and its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelRef {
    /// The model's name.
    pub name: ModelName,
    /// Its version, in quotes: "1.0".
    pub version: ModelVersion,
}

/// The files of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    /// A directory in HDFS: `hdfs://host:port/path`, or `/path` in the cluster's own file system.
    #[schemars(length(max = 4096), regex(pattern = PAYLOAD))]
    pub path: String,
}

impl Payload {
    /// The name of the directory of one upload: of this content (64 hex digits of its sha256), and of no other upload
    /// (`id`), so that one deployment's end never takes another's files.
    #[must_use]
    pub fn upload_name(digest: &str, id: u64) -> String {
        format!("{UPLOAD}{digest}-{id:016x}")
    }

    /// The name of the directory, if maas uploaded it, which then deletes it when nothing uses it any more. Two spellings
    /// of one path (`hdfs:///m/x` and `/m/x/`) have one name.
    #[must_use]
    pub fn upload(&self) -> Option<&str> {
        self.split_upload().map(|(_, name, _)| name)
    }

    /// The directory that an upload was put into, and the digest of its content.
    #[must_use]
    pub fn uploaded(&self) -> Option<(&str, &str)> {
        self.split_upload().map(|(directory, _, digest)| (directory, digest))
    }

    fn split_upload(&self) -> Option<(&str, &str, &str)> {
        let (directory, name) = self.path.trim_end_matches('/').rsplit_once('/')?;
        let (digest, id) = name.strip_prefix(UPLOAD)?.split_once('-')?;
        let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (digest.len() == 64 && id.len() == 16 && hex(digest) && hex(id)).then_some((directory, name, digest))
    }
}

/// What one instance gets of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Memory; 512Mi by default.
    pub memory: Memory,
    /// Virtual cores; 1 by default.
    #[schemars(range(min = 1, max = 1024))]
    pub vcores: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self { memory: Memory::DEFAULT, vcores: 1 }
    }
}

/// How a model is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Startup {
    /// The script; by default the payload's only `.sh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), regex(pattern = SCRIPT))]
    pub script: Option<String>,
    /// The file in which the model says where it listens; `endpoint.dat` by default.
    #[schemars(length(max = 4096), regex(pattern = INSIDE))]
    pub announce_file: String,
    /// How long it may take until it is ready; 10m by default.
    #[serde(with = "period")]
    #[schemars(with = "String", length(min = 2), regex(pattern = DURATION))]
    pub timeout: Duration,
}

impl Default for Startup {
    fn default() -> Self {
        Self { script: None, announce_file: "endpoint.dat".to_owned(), timeout: Duration::from_secs(600) }
    }
}

/// How a model is asked whether it can serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Probes {
    /// Whether it may be called; without one, its port must be open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
}

/// A readiness probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// An HTTP GET that must be answered with 2xx or 3xx.
    pub http: HttpGet,
    /// How often it is asked; 5s by default.
    #[serde(default = "five_seconds", with = "period")]
    #[schemars(with = "String", length(min = 2), regex(pattern = DURATION))]
    pub period: Duration,
}

/// An HTTP GET on the announced port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpGet {
    /// Its path, from `/` on.
    #[schemars(length(max = 4096), regex(pattern = r"^/[^\x00-\x20\x7f]*$"))]
    pub path: String,
}

fn one() -> u32 {
    1
}

/// As Kubernetes' `progressDeadlineSeconds`.
fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

fn thirty_seconds() -> Duration {
    Duration::from_secs(30)
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

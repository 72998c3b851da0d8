//! What the znodes hold, as JSON. Unknown fields are tolerated, so that an older part reads a newer one's records.

use std::collections::BTreeMap;

use maas_crd::{Iid, RemoteFile, Status, Template};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A znode that does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("{path} does not hold a {what}")]
pub struct RecordError {
    path: String,
    what: &'static str,
    #[source]
    source: serde_json::Error,
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // In `make failpoints`, an optimised build; not where tests run with all features.
    #[cfg(all(feature = "newer-records", not(debug_assertions)))]
    if let Ok(serde_json::Value::Object(mut record)) = serde_json::to_value(value) {
        record.insert("aLaterField".to_owned(), serde_json::json!({"of": ["a later build"]}));
        return serde_json::Value::Object(record).to_string().into_bytes();
    }
    // Only maps with keys other than texts fail, and there are none.
    serde_json::to_vec(value).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(path: &str, what: &'static str, data: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(data).map_err(|source| RecordError { path: path.to_owned(), what, source })
}

macro_rules! record {
    ($type:ty, $what:literal) => {
        impl $type {
            /// As the znode holds it.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                encode(self)
            }

            /// From what the znode at `path` holds.
            ///
            /// # Errors
            /// It holds something else.
            pub fn decode(path: &str, data: &[u8]) -> Result<Self, RecordError> {
                decode(path, $what, data)
            }
        }
    };
}

mod sync;

pub use sync::{SyncCondition, SyncDrift, SyncFault, SyncInventory, SyncOwner, SyncRecord, SyncSpec, SyncStatus};

/// instances/…/IID: written before YARN is asked for anything. Version 0 may serve, any later one is stopping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRecord {
    /// uid of the deployment it belongs to.
    pub uid: i64,
    /// Its revision.
    pub revision: u32,
    /// The YARN application.
    pub application: String,
    /// Why and how it is to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
}
record!(InstanceRecord, "record of an instance");

/// The end that an instance is to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopping {
    /// Why, in one word.
    pub reason: String,
    /// From SIGTERM to SIGKILL, in milliseconds.
    pub grace_ms: u64,
}

/// What a runner says of its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Started, not ready yet.
    Starting,
    /// Was ready, does not answer now.
    Unready,
    /// Published.
    Ready,
    /// Crashed; started again after a wait.
    BackingOff,
    /// On its way out.
    Stopping,
}

/// instances/…/IID/runner: while the runner's session lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunnerReport {
    /// YARN's container.
    pub container: String,
    /// The node's host name.
    pub node: String,
    /// host:port of the NodeManager's web server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_http: Option<String>,
    /// How the model is.
    pub phase: Phase,
    /// What it lacks to be ready, while it starts or is unready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
    /// Since when the phase is so, in milliseconds since the epoch.
    pub since_ms: i64,
}
record!(RunnerReport, "runner's report");

/// What a model lacks to be ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The check that fails, in one word.
    pub reason: String,
    /// What was seen.
    pub message: String,
}

/// How a model ended; as instances/…/IID/exit, the runner's last words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default)]
    pub message: String,
    /// The end of what it wrote to stderr.
    #[serde(default)]
    pub stderr_tail: String,
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
}
record!(Exit, "runner's last words");

/// endpoints/…/IID: it exists exactly while the instance may be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Where it answers.
    pub url: String,
    /// Paths by function.
    #[serde(default)]
    pub functions: BTreeMap<String, String>,
    /// The model's name.
    pub model: String,
    /// Its version.
    pub version: String,
    /// Its revision.
    pub revision: u32,
    /// YARN's container.
    pub container: String,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: i64,
}
record!(Endpoint, "endpoint");

/// operator/epoch: who may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochRecord {
    /// Counts take-overs.
    pub epoch: u32,
    /// The YARN application; empty when it was handed over.
    pub application: String,
    /// Its attempt.
    pub attempt: u32,
    /// Tells the process apart, so that a lost answer is settled by reading.
    pub nonce: String,
}
record!(EpochRecord, "epoch");

/// operator/leader: while the operator's session lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderRecord {
    /// The epoch it holds.
    pub epoch: u32,
    /// The YARN application.
    pub application: String,
    /// Its attempt.
    pub attempt: u32,
    /// The host it runs on.
    pub host: String,
    /// It has listed the tree, is registered with YARN, and reconciles.
    pub ready: bool,
    /// Its version.
    pub version: String,
    /// Its programs.
    #[serde(default)]
    pub build: Build,
    /// The request to upgrade that it was to make way for, and why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedUpgrade>,
    /// The path of Metron's queue, if it reads that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metron_queue: Option<String>,
}
record!(LeaderRecord, "leader");

/// The programs of a service, as files in HDFS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// The operator.
    pub operator: String,
    /// The runner that it starts in new containers.
    pub runner: String,
}

/// A request to upgrade that could not be followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedUpgrade {
    /// The operator that was asked for.
    pub operator: String,
    /// When it was asked for, in milliseconds since the epoch.
    pub requested_ms: i64,
    /// Why.
    pub why: String,
}
record!(RefusedUpgrade, "refusal of an upgrade");

/// operator/stop: a request to drain every model and end the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopRequest {
    /// The application that is meant.
    pub application: String,
    /// When, in milliseconds since the epoch.
    pub requested_ms: i64,
}
record!(StopRequest, "request to stop");

/// operator/upgrade: the programs that an application is to run instead of those that it was submitted with. It stays, since
/// YARN starts every attempt with the program of the submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRequest {
    /// The application that is meant.
    pub application: String,
    /// What is asked for.
    pub programs: Programs,
    /// What an earlier request asked for and ran when this one was made; without it that was the submission's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Programs>,
    /// When, in milliseconds since the epoch.
    pub requested_ms: i64,
}
record!(UpgradeRequest, "request to upgrade");

/// The programs of a service, as YARN localises them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Programs {
    /// The operator.
    pub operator: RemoteFile,
    /// The runner that it starts in new containers.
    pub runner: RemoteFile,
}

record!(Programs, "service's programs");

impl Programs {
    /// Their names.
    #[must_use]
    pub fn build(&self) -> Build {
        Build { operator: self.operator.url.clone(), runner: self.runner.url.clone() }
    }
}

/// revisions/…/N: a template, and the payload's files once they are pinned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// uid of the deployment it belongs to.
    pub uid: i64,
    /// Its number.
    pub number: u32,
    /// What its instances are.
    pub template: Template,
    /// The files, pinned before the first start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Vec<PinnedFile>>,
}
record!(Revision, "revision");

/// One file of a payload as it was when it was pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PinnedFile {
    /// Path within the payload.
    pub path: String,
    /// `hdfs://…`
    pub url: String,
    /// In bytes.
    pub size: u64,
    /// Modification time, milliseconds since the epoch.
    pub mtime_ms: i64,
}

/// Whether an event is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// It is.
    Normal,
    /// Someone should look.
    Warning,
}

/// Something that happened to a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// As it should be, or not.
    pub kind: EventKind,
    /// What, in one word.
    pub reason: String,
    /// What, in a sentence.
    pub message: String,
    /// The instance it happened to; empty for the deployment as a whole. Of Metron's queue, the item.
    #[serde(default)]
    pub object: String,
    /// How often.
    pub count: u32,
    /// First time, in milliseconds since the epoch.
    pub first_ms: i64,
    /// Last time.
    pub last_ms: i64,
}

impl Event {
    /// The reason of the event that tells where an instance runs.
    pub const STARTED: &'static str = "Started";
    /// The reason of the event that an item of Metron's queue was set aside.
    pub const SET_ASIDE: &'static str = "ItemSetAside";

    /// The message of that event. `node_http` is the NodeManager's web server, host:port.
    #[must_use]
    pub fn started(iid: Iid, container: &str, node_http: &str) -> String {
        format!("Instance {iid} runs in {container} on {node_http}.")
    }

    /// Container and NodeManager's web server of an event that tells where an instance runs; none for any other.
    #[must_use]
    pub fn place(&self) -> Option<(&str, &str)> {
        let message = self.message.strip_prefix(&format!("Instance {} runs in ", self.object))?;
        (self.reason == Self::STARTED).then_some(())?;
        message.strip_suffix('.')?.split_once(" on ")
    }
}

/// events/NAMESPACE/NAME: the last events of a deployment, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventRing(pub Vec<Event>);
record!(EventRing, "ring of events");

impl EventRing {
    /// Most events that are kept.
    pub const ENTRIES: usize = 50;
    /// Most bytes that they take.
    pub const BYTES: usize = 32 * 1024;
    /// Most bytes of a message; a longer one is cut.
    pub const MESSAGE: usize = 2048;

    /// So many last starts of instances stay whatever else happens: they alone tell where an ended one's output is.
    pub const STARTS: usize = 16;

    /// Adds an event: one that says the same of the same instance counts up, and the oldest give way.
    pub fn push(&mut self, mut event: Event) {
        event.message.truncate(event.message.floor_char_boundary(Self::MESSAGE));
        let same = |e: &Event| e.reason == event.reason && e.object == event.object && e.message == event.message;
        let event = match self.0.iter().position(same) {
            Some(at) => {
                let before = self.0.remove(at);
                let count = before.count.saturating_add(event.count);
                Event { count, first_ms: before.first_ms, ..event }
            }
            None => event,
        };
        self.0.push(event);
        while self.0.len() > Self::ENTRIES || (self.0.len() > 1 && self.encode().len() > Self::BYTES) {
            self.0.remove(self.least_needed());
        }
    }

    /// The oldest that is none of the last starts.
    fn least_needed(&self) -> usize {
        let is_start = |event: &Event| event.reason == Event::STARTED;
        let mut later_starts = self.0.iter().filter(|event| is_start(event)).count();
        let is_needed = |event: &Event| {
            later_starts -= usize::from(is_start(event));
            is_start(event) && later_starts < Self::STARTS
        };
        let needed: Vec<bool> = self.0.iter().map(is_needed).collect();
        needed.iter().position(|needed| !needed).unwrap_or(0)
    }
}

/// A status as the znode holds it.
#[must_use]
pub fn encode_status(status: &Status) -> Vec<u8> {
    encode(status)
}

/// A status from what the znode at `path` holds.
///
/// # Errors
/// It holds something else.
pub fn decode_status(path: &str, data: &[u8]) -> Result<Status, RecordError> {
    decode(path, "status", data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(message: &str, at: i64) -> Event {
        let (reason, object) = ("Ready".to_owned(), "1-1".to_owned());
        Event {
            kind: EventKind::Normal,
            reason,
            message: message.to_owned(),
            object,
            count: 1,
            first_ms: at,
            last_ms: at,
        }
    }

    #[test]
    fn repeated_events_count_up_and_move_to_the_end() {
        let mut ring = EventRing::default();
        ring.push(event("a", 1));
        ring.push(event("b", 2));
        ring.push(event("a", 3));
        assert_eq!(ring.0.len(), 2);
        assert_eq!((ring.0[1].count, ring.0[1].first_ms, ring.0[1].last_ms), (2, 1, 3));
    }

    #[test]
    fn where_an_instance_runs_is_read_from_its_event_alone() {
        let mut told = event(&Event::started(Iid::new(1, 1), "container_1_0001_01_000002", "node1:8042"), 1);
        assert_eq!(told.place(), None, "another reason");
        told.reason = Event::STARTED.to_owned();
        assert_eq!(told.place(), Some(("container_1_0001_01_000002", "node1:8042")));
        told.object = "1-2".to_owned();
        assert_eq!(told.place(), None, "another instance");
    }

    #[test]
    fn the_ring_is_bounded() {
        let mut ring = EventRing::default();
        for n in 0..500 {
            ring.push(event(&format!("{n} {}", "x".repeat(2000)), n));
        }
        assert!(ring.0.len() <= EventRing::ENTRIES && ring.encode().len() <= EventRing::BYTES);
        assert_eq!(ring.0.last().unwrap().last_ms, 499);
    }

    #[test]
    fn the_last_starts_stay_whatever_else_happens() {
        let start = |n: u32| Event {
            reason: Event::STARTED.to_owned(),
            object: Iid::new(1, n).to_string(),
            ..event(&Event::started(Iid::new(1, n), &format!("container_1_0001_01_{n:06}"), "node1:8042"), n.into())
        };
        let mut ring = EventRing::default();
        for n in 0..30 {
            ring.push(start(n));
        }
        for n in 0..500 {
            ring.push(event(&format!("{n} {}", "x".repeat(500)), 100 + n));
        }
        let kept: Vec<String> = ring.0.iter().filter(|e| e.place().is_some()).map(|e| e.object.clone()).collect();
        let last: Vec<String> = (14..30).map(|n| Iid::new(1, n).to_string()).collect();
        assert_eq!(kept, last);
        assert!(ring.0.len() <= EventRing::ENTRIES && ring.encode().len() <= EventRing::BYTES);
        assert_eq!(ring.0.last().unwrap().last_ms, 599);
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let mut ring = EventRing::default();
        ring.push(event(&"ü€\0".repeat(100_000), 1));
        assert!(ring.0[0].message.len() <= EventRing::MESSAGE && ring.encode().len() <= EventRing::BYTES);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = InstanceRecord::decode("/p", &data);
            let _ = RunnerReport::decode("/p", &data);
            let _ = Endpoint::decode("/p", &data);
            let _ = EpochRecord::decode("/p", &data);
            let _ = Revision::decode("/p", &data);
            let _ = EventRing::decode("/p", &data);
        }
    }

    #[test]
    fn the_fields_are_named_as_other_readers_know_them() {
        let stopping = Some(Stopping { reason: "ScaledDown".to_owned(), grace_ms: 30_000 });
        let record = InstanceRecord { uid: 7, revision: 2, application: "application_1_0001".to_owned(), stopping };
        let text = r#"{"uid":7,"revision":2,"application":"application_1_0001","stopping":{"reason":"ScaledDown","graceMs":30000}}"#;
        assert_eq!(String::from_utf8(record.encode()).unwrap(), text);
        let endpoint = Endpoint {
            url: "http://node1:1500".to_owned(),
            functions: BTreeMap::from([("apply".to_owned(), "apply".to_owned())]),
            model: "dga".to_owned(),
            version: "1.0".to_owned(),
            revision: 2,
            container: "container_1_0001_01_000002".to_owned(),
            since_ms: 5,
        };
        let text = r#"{"url":"http://node1:1500","functions":{"apply":"apply"},"model":"dga","version":"1.0","revision":2,"container":"container_1_0001_01_000002","sinceMs":5}"#;
        assert_eq!(String::from_utf8(endpoint.encode()).unwrap(), text);
        assert_eq!(Endpoint::decode("/p", text.as_bytes()).unwrap(), endpoint);
        let error = Endpoint::decode("/maas/endpoints/x", b"{}").unwrap_err();
        assert!(error.to_string().contains("/maas/endpoints/x"), "{error}");
    }

    #[test]
    fn newer_records_with_more_fields_are_read() {
        let data = br#"{"uid":1,"revision":2,"application":"a","later":{"x":1}}"#;
        assert_eq!(InstanceRecord::decode("/p", data).unwrap().revision, 2);
    }
}

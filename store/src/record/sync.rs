//! Syncs: what keeps the tree as a directory or a repository says, and how far it is.

use maas_crd::ConditionStatus;
use serde::{Deserialize, Serialize};

use super::{RecordError, decode, encode};

/// syncs/NAMESPACE/NAME: what is wanted of a sync, by its users, and what its syncer says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncRecord {
    /// What is wanted.
    pub spec: SyncSpec,
    /// What the syncer says.
    #[serde(default)]
    pub status: SyncStatus,
}
record!(SyncRecord, "record of a sync");

/// What is wanted of a sync: written by its syncer when that starts, by suspend, resume and reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncSpec {
    /// The directory or repository, without any password.
    pub source: String,
    /// The branch; without one what the repository's HEAD names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Only what stands below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Time between two looks at the source, in milliseconds.
    pub interval_ms: u64,
    /// Whether what is no longer in the source goes from the tree.
    pub prune: bool,
    /// Whether what was changed by others is changed back.
    pub heal: bool,
    /// Nothing is to be done until it is resumed.
    #[serde(default)]
    pub suspended: bool,
    /// When someone last asked for a round at once, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<i64>,
}

/// What the syncer says of a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncStatus {
    /// The newest request that a round has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_at: Option<i64>,
    /// The revision of the last round that came to an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<String>,
    /// The last revision that is in the tree as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<String>,
    /// Ready; Reconciling and Stalled only while they hold.
    pub conditions: Vec<SyncCondition>,
    /// Rounds that failed, one after another.
    pub failures: u32,
    /// What is wrong with single files and objects; the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<SyncFault>,
    /// How many faults there are, also those that are not kept.
    pub fault_count: u32,
    /// Valid objects that could not be applied or pruned.
    pub failed_objects: u32,
    /// What the source declares, by its health.
    pub inventory: SyncInventory,
    /// What others changed that the source says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<SyncDrift>,
}

/// One condition of a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncCondition {
    /// Its name, in PascalCase.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// When `status` last changed, in milliseconds since the epoch.
    pub last_transition_time: i64,
}

/// What is wrong with one file, or with an object that it declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncFault {
    /// The file, by its path in the source.
    pub file: String,
    /// Line, from 1; 0 for the file as a whole.
    #[serde(default)]
    pub line: u32,
    /// Column, from 1; 0 for the line as a whole.
    #[serde(default)]
    pub column: u32,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for SyncFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}: {}", self.file, self.message),
            (line, 0) => write!(f, "{}: line {line}: {}", self.file, self.message),
            (line, column) => write!(f, "{}: line {line}, column {column}: {}", self.file, self.message),
        }
    }
}

/// The objects that a source declares, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncInventory {
    /// All of them.
    pub objects: u32,
    /// Served whole.
    pub ready: u32,
    /// On the way there.
    pub progressing: u32,
    /// Failing, by their own status.
    pub degraded: u32,
}

/// What others changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncDrift {
    /// How many objects.
    pub count: u32,
    /// Their namespaces and names; the first of them.
    pub objects: Vec<String>,
    /// When it was seen, in milliseconds since the epoch.
    pub seen_at: i64,
    /// Whether it was changed back; otherwise it still stands.
    pub healed: bool,
}

/// syncs/NAMESPACE/NAME/owner: while the syncer's session lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncOwner {
    /// The host it runs on.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Where this pid names a process: one boot of one machine, one space of pids.
    pub pid_space: String,
    /// When the process was started, in the kernel's ticks since boot: tells it apart from a later one of its pid.
    pub started: u64,
    /// Since when it owns the sync, in milliseconds since the epoch.
    pub since_ms: i64,
}
record!(SyncOwner, "owner of a sync");

impl SyncStatus {
    /// Most faults that are kept.
    pub const FAULTS: usize = 10;
    /// Most names of objects that are kept.
    pub const NAMES: usize = 5;
    /// Most bytes of one text.
    pub const TEXT: usize = 512;

    /// A condition by its type.
    #[must_use]
    pub fn condition(&self, type_: &str) -> Option<&SyncCondition> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// The same, cut to a few KiB: counts stay whole, lists and texts keep their start.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.faults.truncate(Self::FAULTS);
        for fault in &mut self.faults {
            cut(&mut fault.file);
            cut(&mut fault.message);
        }
        if let Some(drift) = &mut self.drift {
            drift.objects.truncate(Self::NAMES);
        }
        for condition in &mut self.conditions {
            cut(&mut condition.message);
        }
        self
    }
}

fn cut(text: &mut String) {
    if text.len() > SyncStatus::TEXT {
        text.truncate(text.floor_char_boundary(SyncStatus::TEXT));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spec() -> SyncSpec {
        SyncSpec {
            source: "/srv/models".to_owned(),
            branch: None,
            path: None,
            interval_ms: 30_000,
            prune: true,
            heal: true,
            suspended: false,
            requested_at: None,
        }
    }

    #[test]
    fn a_record_of_any_faults_stays_small() {
        let long = "ü".repeat(100_000);
        let fault = SyncFault { file: long.clone(), line: 1, column: 2, message: long.clone() };
        let names = vec!["n".repeat(127); 1000];
        let condition = |type_: &str| SyncCondition {
            type_: type_.to_owned(),
            status: ConditionStatus::False,
            reason: "BuildFailed".to_owned(),
            message: long.clone(),
            last_transition_time: 1,
        };
        let status = SyncStatus {
            faults: vec![fault; 1000],
            fault_count: 1000,
            conditions: ["Ready", "Reconciling", "Stalled"].map(condition).to_vec(),
            drift: Some(SyncDrift { count: 1000, objects: names, seen_at: 1, healed: false }),
            ..SyncStatus::default()
        }
        .bounded();
        let record = SyncRecord { spec: spec(), status };
        let data = record.encode();
        assert!(data.len() < 16 * 1024, "{}", data.len());
        assert_eq!(SyncRecord::decode("/p", &data).unwrap(), record);
        assert_eq!(record.status.fault_count, 1000);
    }

    #[test]
    fn the_fields_are_named_as_other_readers_know_them() {
        let text = r#"{"spec":{"source":"/srv/models","intervalMs":30000,"prune":true,"heal":true}}"#;
        let read = SyncRecord::decode("/p", text.as_bytes()).unwrap();
        assert_eq!(read, SyncRecord { spec: spec(), status: SyncStatus::default() });
        let fault = |line, column| SyncFault { file: "a.yaml".into(), line, column, message: "bad".into() };
        assert_eq!(fault(3, 7).to_string(), "a.yaml: line 3, column 7: bad");
        assert_eq!(fault(0, 0).to_string(), "a.yaml: bad");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = SyncRecord::decode("/p", &data);
            let _ = SyncOwner::decode("/p", &data);
        }
    }
}

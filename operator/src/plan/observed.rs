//! What is known of one deployment when it is planned. Observations may be stale: every write that follows
//! from them names the version it saw, so being wrong is refused and not harmful.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use maas_crd::{Faults, Iid, Manifest, Status};
use maas_store::{Endpoint, Event, EventRing, Exit, InstanceRecord, PinnedFile, Revision, RunnerReport, Stat};

use crate::allot::Waiting;
use crate::key::Key;

/// Revisions kept beside those in use.
const REVISION_HISTORY: usize = 10;

/// One deployment as the tree and YARN show it.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// Its name.
    pub key: &'a Key,
    /// The spec znode, if there is one.
    pub spec: Option<SpecSeen>,
    /// The status znode: what it says (nothing when it does not parse) and its version.
    pub status: Option<(Option<Status>, i32)>,
    /// The ring of events and its version.
    pub events: Option<(EventRing, i32)>,
    /// Revisions by number; `None` for one that does not parse.
    pub revisions: BTreeMap<u32, RevisionSeen>,
    /// Instances by id.
    pub instances: BTreeMap<Iid, Instance>,
    /// Which directories that this deployment needs exist.
    pub directories: BTreeSet<String>,
    /// Metron's directories of its models that nobody else uses; looked for once the spec is gone.
    pub idle_models: BTreeSet<String>,
    /// Uploads of ours, by the revision to go that alone uses them.
    pub idle_uploads: BTreeMap<u32, String>,
    /// Paths of endpoints whose instance has no record.
    pub strays: BTreeSet<String>,
    /// What no part of maas has put among them.
    pub foreign: BTreeSet<String>,
}

impl Observed<'_> {
    /// The revisions that are to go, with their last instance: those of another uid than the spec's, and of its own all
    /// but the newest few.
    pub(crate) fn past_revisions(&self) -> impl Iterator<Item = (u32, &RevisionSeen)> {
        let uid = self.spec.as_ref().map(|spec| spec.stat.czxid);
        let newest = self.revisions.len().saturating_sub(REVISION_HISTORY);
        let past = move |place: usize, seen: &RevisionSeen| {
            place < newest || seen.record.as_ref().is_none_or(|record| Some(record.uid) != uid)
        };
        self.revisions
            .iter()
            .enumerate()
            .filter(move |(place, (_, seen))| past(*place, seen))
            .map(|(_, (number, seen))| (*number, seen))
    }
}

/// A spec znode.
#[derive(Clone, Debug)]
pub struct SpecSeen {
    /// What it holds: checked, or every fault in it.
    pub manifest: Arc<Result<Manifest, Faults>>,
    /// Its czxid is the deployment's uid, its version + 1 the generation.
    pub stat: Stat,
}

/// A revision znode.
#[derive(Clone, Debug)]
pub struct RevisionSeen {
    /// The record; `None` when it does not parse.
    pub record: Option<Arc<Revision>>,
    /// The znode's version.
    pub version: i32,
}

/// One instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its record; `None` when the znode does not parse, which ends the instance.
    pub record: Option<InstanceRecord>,
    /// Version of the record: 0 may serve, any later one is stopping.
    pub version: i32,
    /// The runner's report, while its session lives.
    pub runner: Option<RunnerReport>,
    /// The runner's last words.
    pub exit: Option<Exit>,
    /// The endpoint, while it may be called.
    pub endpoint: Option<Endpoint>,
    /// Where it is published: paths of the endpoint and of Metron's record that exist.
    pub published: Vec<String>,
    /// All paths below the record that exist, whether they parse or not.
    pub children: Vec<String>,
    /// What YARN says of its container.
    pub container: Container,
    /// YARN has said that it will take the container away.
    pub eviction: Option<Eviction>,
}

/// Why YARN will take away a container that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Another queue is owed its room: soon, and no replacement finds room before.
    Preempted,
    /// Its node is being decommissioned: at the end of a time that the cluster's people have set.
    NodeLeaves,
}

/// The container of an instance, as far as the operator knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Container {
    /// None: asked for, or to be asked for.
    None(Option<Waiting>),
    /// Given by the ResourceManager, not started.
    Granted,
    /// The start was sent and its answer is not here yet.
    Starting,
    /// Started.
    Running,
    /// Started, on a node that has not come back to the ResourceManager since that restarted: nobody will tell of its end.
    Unheard,
    /// Over.
    Ended(Ended),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// YARN's exit status (`ContainerExitStatus`): negative ones are the platform's.
    pub exit_status: i32,
    /// YARN's words.
    pub diagnostics: String,
}

impl Ended {
    /// Whether the end says something of the model or its container, and not of the platform: a lost node
    /// or released (-100), failed disk (-101), preempted (-102), stopped by the operator (-105), by the RM
    /// (-106) or with the application (-107) do not.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        !matches!(self.exit_status, -100 | -101 | -102 | -105 | -106 | -107)
    }
}

/// What the operator remembers of one deployment between two plans. Lost with the process, and derived anew.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The last manifest that parsed, with the uid it belongs to.
    pub last_good: Option<(i64, Arc<Result<Manifest, Faults>>)>,
    /// Listings of payloads by revision.
    pub payloads: BTreeMap<u32, Payload>,
    /// Deletions of uploads, by path.
    pub uploads: BTreeMap<String, Deletion>,
    /// Failed listings in a row, by revision.
    pub payload_tries: BTreeMap<u32, u32>,
    /// Instances whose record was perhaps written, since the answer was lost.
    pub unsure: BTreeMap<Iid, Unsure>,
    /// When each stopping instance was first seen to be, and how far its end was pressed.
    pub stopping: BTreeMap<Iid, Stopping>,
    /// When to ask the NodeManager after each instance that runs, as far as YARN says, and whose runner is not there.
    pub silent: BTreeMap<Iid, u64>,
    /// Restarts already told as events.
    pub restarts: BTreeMap<Iid, u32>,
    /// This operator has looked at it before.
    pub looked: bool,
    /// Instances already told as ready.
    pub ready: BTreeSet<Iid>,
    /// Instances whose runner was seen.
    pub started: BTreeSet<Iid>,
    /// Ended containers already counted as failures.
    pub counted: BTreeSet<Iid>,
    /// Since when each instance has lacked something to be ready.
    pub lacking: BTreeMap<Iid, u64>,
    /// Back-off of new containers after failures.
    pub backoff: Backoff,
    /// Events not yet written.
    pub unwritten: Vec<Event>,
    /// Events of what the plan on its way does: they are told once it is accepted.
    pub steps: Vec<Event>,
    /// When status was last written.
    pub status_at: Option<u64>,
    /// The last failure of a container, for status until all are ready: a reason in one word and a sentence.
    pub last_failure: Option<(String, String)>,
    /// The last progress that status tells of, in milliseconds since the epoch, and when it counts as too long ago, on the
    /// monotonic clock.
    pub progress: Option<(i64, u64)>,
    /// The last reason for waiting that was told as an event.
    pub told: Option<String>,
}

/// A creation whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsure {
    /// Lists of the tree that had begun by then: a later one settles it.
    pub lists: u64,
    /// When it counts as not written at the latest.
    pub until: u64,
}

/// The listing of a revision's payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// The listing is on its way.
    Listing,
    /// Listed; to be pinned in the revision.
    Listed(Vec<PinnedFile>),
    /// It could not be listed, or can't be used.
    Failed {
        /// One word for the condition.
        reason: &'static str,
        /// What was wrong and what to do.
        message: String,
        /// When to look again.
        until: u64,
    },
}

/// How far the deletion of an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// On its way, after so many failures.
    Asked(u32),
    /// Done, or given up.
    Over,
    /// It failed so often in a row; tried again at this time.
    Failed(u32, u64),
}

/// How far the end of a stopping instance was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopping {
    /// Since when, on the monotonic clock.
    pub since: u64,
    /// The NodeManager was asked to signal it.
    pub signalled: bool,
    /// The NodeManager was told to stop it.
    pub stopped: bool,
}

/// Back-off of one deployment's new containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    /// Failures in a row.
    pub failures: u32,
    /// No new container before this time.
    pub until: u64,
    /// The update revision that failed.
    pub revision: u32,
}

impl Backoff {
    /// A container that fails so long after the last wait owes nothing to the failures before it.
    const FORGOTTEN_AFTER: u64 = 600_000;

    /// Counts one more failure of `revision` at `now`: at once, then 1 s doubling to 5 min.
    pub fn failed(&mut self, revision: u32, now: u64) {
        if self.revision != revision || now >= self.until.saturating_add(Self::FORGOTTEN_AFTER) {
            *self = Self { revision, ..Self::default() };
        }
        self.failures = self.failures.saturating_add(1);
        let delay = match self.failures {
            1 => 0,
            n => 1_000u64.saturating_mul(1 << (n - 2).min(20)).min(300_000),
        };
        self.until = now + delay;
    }
}

//! What happens to the core and what it wants done. One effect is one request; its answer is an event.

use std::collections::BTreeSet;

use hadoop_yarn::{
    AllocateRequest, AllocateResponse, Container, ContainerId, ContainerStatus, LaunchContext, MasterError, NodeId,
    NodeReport, RegisterResponse,
};
use maas_crd::Iid;
use maas_store::{Change, CommitError, Done, Op, PinnedFile, QueueSeen, Stat};

use crate::key::Key;

/// Tells the answers of commits apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(pub u64);

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// Time passed.
    Wake,
    /// A ZooKeeper session is established: the first, or a new one after an expiry.
    Session,
    /// The operator's own places were read.
    OperatorRead(Result<OperatorSeen, String>),
    /// The mirror of the tree moved.
    Tree(Change),
    /// The answer of a commit.
    Committed(Tag, Result<Vec<Done>, CommitError>),
    /// The answer of a registration.
    Registered(Result<RegisterResponse, MasterError>),
    /// The answer of a heartbeat.
    Allocated(Result<AllocateResponse, MasterError>),
    /// The answer of a start; a text says why not, and `true` that it may have happened.
    Started(ContainerId, Result<(), (String, bool)>),
    /// What a NodeManager has of a container, or why it did not say.
    Looked(ContainerId, Result<Option<ContainerStatus>, String>),
    /// The nodes that are being decommissioned, or why nobody said.
    NodesSeen(Result<Vec<NodeReport>, String>),
    /// The answer of a listing: files, or a reason in one word and a message.
    Listed(Key, u32, Result<Vec<PinnedFile>, (&'static str, String)>),
    /// The answer of the deletion of an upload.
    UploadDeleted(Key, String, Result<(), String>),
    /// Something may have come to Metron's queue.
    QueueMoved,
    /// Metron's queue was read.
    QueueRead(Result<QueueSeen, String>),
    /// The payload that an item of Metron's queue names was looked at; a text says why no model can be there.
    PayloadLooked(Result<(), String>),
    /// The application is unregistered.
    Finished(Result<(), MasterError>),
}

/// The operator's own places in the tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperatorSeen {
    /// operator/epoch.
    pub epoch: Option<(Vec<u8>, Stat)>,
    /// operator/leader.
    pub leader: Option<(Vec<u8>, Stat)>,
    /// The highest epoch in any instance's id; read only when there is no epoch.
    pub highest: u32,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Read the operator's own places.
    ReadOperator,
    /// List the tree and follow it from now on.
    Follow,
    /// Commit one multi.
    Commit(Tag, Vec<Op>),
    /// Register with the ResourceManager.
    Register,
    /// One heartbeat.
    Allocate(AllocateRequest),
    /// Start a container.
    Start(Box<Container>, Box<LaunchContext>),
    /// Have its NodeManager signal a container to end.
    Signal(ContainerId, NodeId),
    /// Have its NodeManager stop a container.
    Stop(ContainerId, NodeId),
    /// Ask its NodeManager what it has of a container.
    Look(ContainerId, NodeId),
    /// Ask the ResourceManager which nodes are being decommissioned.
    LookAtNodes,
    /// Remember NodeManager tokens.
    Tokens(Vec<hadoop_yarn::NmToken>),
    /// List a payload's files, for a revision of a deployment.
    List(Key, u32, String),
    /// Delete an upload of a deployment.
    DeleteUpload(Key, String),
    /// Read the first items of Metron's queue, but for these.
    ReadQueue(BTreeSet<String>),
    /// Look at the payload that an item of Metron's queue names.
    LookAtPayload(String),
    /// Unregister: the application ends well (true) or failed, with these words.
    Finish(bool, String),
    /// Say something to the log.
    Say(Level, String),
    /// End the process with this exit code. Nothing is unregistered.
    Exit(i32),
}

/// How loud the log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Info,
    /// Someone should look.
    Warn,
}

/// An instance and the container it has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) iid: Iid,
    pub(crate) container: Container,
    pub(crate) stage: Stage,
    /// It is being given back as unknown.
    pub(crate) leaving: bool,
    /// The scheduler will take it for another queue.
    pub(crate) preempted: bool,
    /// Times in a row that its NodeManager, asked after it, did not say, and the last of them.
    pub(crate) unanswered: (u32, u64),
}

/// How far a held container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Granted,
    Starting {
        tries: u32,
    },
    /// The answer of so many starts was lost: to be started again.
    Unsure {
        tries: u32,
    },
    Running,
    /// Its node did not come back to a ResourceManager that restarted.
    Unheard,
}

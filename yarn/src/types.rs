//! What YARN's protocols speak of: resources, containers, nodes, launches. Plain data.

use std::{collections::BTreeMap, fmt};

use hadoop_rpc::{Credentials, Token};

use crate::ids::{ContainerId, NodeId};

/// An amount of a cluster's resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// Memory in MiB.
    pub memory_mb: i64,
    /// Virtual cores.
    pub vcores: i32,
    /// Further resource types by name, such as `yarn.io/gpu`, in the unit the cluster counts them in.
    pub others: BTreeMap<String, i64>,
}

impl Resource {
    /// Memory and cores alone.
    pub fn new(memory_mb: i64, vcores: i32) -> Self {
        Self { memory_mb, vcores, others: BTreeMap::new() }
    }

    /// No amount in here exceeds the one in `room`.
    pub fn fits(&self, room: &Self) -> bool {
        let other = |name: &String| room.others.get(name).copied().unwrap_or_default();
        self.memory_mb <= room.memory_mb
            && self.vcores <= room.vcores
            && self.others.iter().all(|(name, amount)| *amount <= other(name))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB, {} vcores", self.memory_mb, self.vcores)?;
        self.others.iter().try_for_each(|(name, amount)| write!(f, ", {amount} {name}"))
    }
}

/// An allocated container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// The NodeManager that it is on.
    pub node: NodeId,
    /// `host:port` of that NodeManager's web server.
    pub node_http: String,
    /// What it has; memory is at least what was asked.
    pub resource: Resource,
    /// Priority of the ask.
    pub priority: i32,
    /// Lets its bearer start the container; expires 10 minutes after the allocation by default.
    pub token: Token,
    /// The id that was given with the ask; -1 or 0 when none was.
    pub allocation_request_id: i64,
}

/// State of a container as its NodeManager has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerState {
    /// Known, not started.
    #[default]
    New,
    /// Started: localising, running, or being started again by the NodeManager. Says nothing of readiness.
    Running,
    /// Over.
    Complete,
}

/// What is said of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerStatus {
    /// The container.
    pub id: ContainerId,
    /// Its state.
    pub state: ContainerState,
    /// How it ended: the process's exit code, 128 + a signal, or one of [`exit`](crate::exit). Has no meaning before.
    pub exit_status: i32,
    /// Words about the end, and the tail of its output.
    pub diagnostics: String,
}

/// State of a node as the ResourceManager has it (`NodeStateProto`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeState {
    /// Registered, not yet heard of.
    #[default]
    New,
    /// In use.
    Running,
    /// Its health check fails: nothing new is placed there.
    Unhealthy,
    /// Taken out by an administrator.
    Decommissioned,
    /// Not heard of for long; its containers count as ended.
    Lost,
    /// Restarted without its state.
    Rebooted,
    /// Being taken out.
    Decommissioning,
    /// Ended in order.
    Shutdown,
}

/// What the ResourceManager says of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeReport {
    /// The node.
    pub id: NodeId,
    /// `host:port` of its web server.
    pub http: String,
    /// Rack.
    pub rack: String,
    /// What is in use.
    pub used: Resource,
    /// What it offers.
    pub capability: Resource,
    /// State.
    pub state: NodeState,
    /// Words about its health; empty when well.
    pub health: String,
}

/// What a file becomes in a container's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// A link to the file.
    File,
    /// A link to a directory with the archive's content, shared by all containers of the node that use it. The
    /// NodeManager cannot start such a container a second time (its own retries and re-initialisation fail).
    Archive,
}

/// Who shares a localised file on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// All; everyone must be able to read the file and its directories.
    Public,
    /// The applications of the user.
    Private,
    /// The application.
    Application,
}

/// A file that the NodeManager fetches before the container starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalResource {
    /// Full URL, such as `hdfs://namenode:8020/path`.
    pub url: String,
    /// Bytes; must be the file's.
    pub size: u64,
    /// Modification time in ms; must be the file's.
    pub timestamp: i64,
    /// What it becomes.
    pub kind: ResourceKind,
    /// Who shares it.
    pub visibility: Visibility,
}

impl LocalResource {
    /// A file as it is, for the containers of its user alone; size in bytes, modification time in ms.
    #[must_use]
    pub fn private_file(url: String, size: u64, timestamp: i64) -> Self {
        Self { url, size, timestamp, kind: ResourceKind::File, visibility: Visibility::Private }
    }
}

/// How a container is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchContext {
    /// Files by the name of their link; a name may contain `/`.
    pub resources: BTreeMap<String, LocalResource>,
    /// Environment. The NodeManager writes the values unescaped between double quotes into a shell script, and
    /// replaces `{{NAME}}`.
    pub env: BTreeMap<String, String>,
    /// A line for `bash -c`, itself within double quotes: `"` breaks it, `$NAME` is replaced by the outer shell,
    /// `<LOG_DIR>` by the NodeManager.
    pub command: String,
    /// Tokens and secrets, written to the file that `HADOOP_TOKEN_FILE_LOCATION` names in the container. For an
    /// application master the ResourceManager adds the AMRM token.
    pub tokens: Option<Credentials>,
}

/// What an application came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FinalStatus {
    /// Not known yet.
    #[default]
    Undefined,
    /// Well.
    Succeeded,
    /// Badly.
    Failed,
    /// Killed.
    Killed,
    /// Over, without a statement.
    Ended,
}

/// A token for one NodeManager.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NmToken {
    /// The NodeManager.
    pub node: NodeId,
    /// The token.
    pub token: Token,
}

//! Requests and answers between an application master and the ResourceManager. Plain data, so that a simulation can
//! answer them as the ResourceManager would.

use std::collections::BTreeSet;

use hadoop_rpc::Token;

use crate::{
    ids::ContainerId,
    types::{Container, ContainerStatus, NmToken, NodeReport, Resource},
};

/// Registration of an application master (`RegisterApplicationMasterRequestProto`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisterRequest {
    /// Host shown in reports.
    pub host: String,
    /// Port shown in reports; -1 for none.
    pub rpc_port: i32,
    /// Web page behind the ResourceManager's proxy; empty for none.
    pub tracking_url: String,
}

/// Answer to a registration (`RegisterApplicationMasterResponseProto`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegisterResponse {
    /// The largest container that may be asked for.
    pub maximum: Resource,
    /// Full path of the queue, such as `root.default`.
    pub queue: String,
    /// Containers of earlier attempts that run on. Empty after a restart of the ResourceManager within one attempt.
    pub previous_containers: Vec<Container>,
    /// Tokens for their nodes.
    pub nm_tokens: Vec<NmToken>,
    /// Resource types that the cluster counts, such as `memory-mb`. The ResourceManager silently ignores others in
    /// asks, and grants containers without them.
    pub resource_types: BTreeSet<String>,
}

/// Why a resource may not be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskFault {
    /// Larger than the cluster's largest container.
    #[error("{wanted} is above the largest container of this cluster, {maximum}")]
    TooLarge {
        /// What is wanted.
        wanted: Resource,
        /// The cluster's maximum.
        maximum: Resource,
    },
    /// Of a type that the cluster does not have.
    #[error("this cluster has no resource type {name}")]
    UnknownType {
        /// The type's name.
        name: String,
    },
}

impl RegisterResponse {
    /// Whether a container of this size may be asked for. One ask that may not makes the ResourceManager refuse the
    /// whole request, so this is checked first.
    pub fn check(&self, wanted: &Resource) -> Result<(), AskFault> {
        if let Some(name) = wanted.others.keys().find(|name| !self.resource_types.contains(*name)) {
            return Err(AskFault::UnknownType { name: name.clone() });
        }
        if !wanted.fits(&self.maximum) {
            return Err(AskFault::TooLarge { wanted: wanted.clone(), maximum: self.maximum.clone() });
        }
        Ok(())
    }
}

/// One row of an allocate request (`ResourceRequestProto` for any node).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskRow {
    /// Tells this ask from others; comes back in [`Container::allocation_request_id`].
    pub id: i64,
    /// Lower numbers are served first.
    pub priority: i32,
    /// Size of each container.
    pub capability: Resource,
    /// How many are outstanding: an absolute number, which the ResourceManager lowers with each container it grants;
    /// 0 cancels.
    pub count: u32,
}

/// A heartbeat of an application master (`AllocateRequestProto`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllocateRequest {
    /// The last answer's id; 0 at first. Sent again with the same one, the ResourceManager answers as before.
    pub response_id: i32,
    /// Changed asks.
    pub asks: Vec<AskRow>,
    /// Containers given back.
    pub releases: Vec<ContainerId>,
    /// Hosts on which nothing more may be placed.
    pub blacklist_add: Vec<String>,
    /// Hosts that are welcome again.
    pub blacklist_remove: Vec<String>,
    /// 0 to 1, shown in reports.
    pub progress: f32,
}

/// An order of the ResourceManager (`AMCommandProto`; newer ResourceManagers throw exceptions instead).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmCommand {
    /// Register again and ask for everything anew.
    Resync,
    /// The attempt is over: exit.
    Shutdown,
}

/// Answer to a heartbeat (`AllocateResponseProto`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllocateResponse {
    /// Id of this answer; goes into the next request.
    pub response_id: i32,
    /// An order.
    pub command: Option<AmCommand>,
    /// New containers.
    pub allocated: Vec<Container>,
    /// Containers that ended.
    pub completed: Vec<ContainerStatus>,
    /// What the application may still get in its queue.
    pub headroom: Option<Resource>,
    /// Nodes whose state changed.
    pub updated_nodes: Vec<NodeReport>,
    /// Nodes in the cluster.
    pub cluster_nodes: i32,
    /// Containers that the scheduler will take for other queues, now or unless as much is released.
    pub preempted: Vec<ContainerId>,
    /// New tokens for NodeManagers.
    pub nm_tokens: Vec<NmToken>,
    /// A new AMRM token; [`MasterClient`](crate::MasterClient) uses it by itself. Needed by who keeps the token file.
    pub am_rm_token: Option<Token>,
    /// More containers of earlier attempts, whose nodes were heard of late.
    pub previous_containers: Vec<Container>,
}

impl AllocateResponse {
    /// The ResourceManager wants a new registration.
    pub fn is_resync(&self) -> bool {
        self.command == Some(AmCommand::Resync)
    }

    /// The ResourceManager wants the master to end.
    pub fn is_shutdown(&self) -> bool {
        self.command == Some(AmCommand::Shutdown)
    }
}

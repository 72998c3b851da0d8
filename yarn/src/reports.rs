//! What the ResourceManager says of applications, attempts and containers to a user of the cluster. Plain data.

use crate::{
    ids::{ApplicationId, AttemptId, ContainerId, NodeId},
    types::{ContainerState, FinalStatus, Resource},
};

/// State of an application (`YarnApplicationStateProto`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplicationState {
    /// Just submitted.
    #[default]
    New,
    /// Being written to the ResourceManager's store.
    NewSaving,
    /// Written.
    Submitted,
    /// In its queue; the master is waited for.
    Accepted,
    /// Its master has registered.
    Running,
    /// Unregistered by its master.
    Finished,
    /// Refused, or its attempts are used up.
    Failed,
    /// Killed.
    Killed,
}

impl ApplicationState {
    /// Finished, failed or killed.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

/// State of an attempt (`YarnApplicationAttemptStateProto`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttemptState {
    /// Just made.
    #[default]
    New,
    /// Known to the scheduler.
    Submitted,
    /// Its master's container is asked for.
    Scheduled,
    /// That container is being written to the ResourceManager's store.
    AllocatedSaving,
    /// That container is there.
    Allocated,
    /// The master is started and has not registered.
    Launched,
    /// Over, badly.
    Failed,
    /// The master has registered.
    Running,
    /// The master has unregistered and not ended.
    Finishing,
    /// Over, by its own word.
    Finished,
    /// Killed.
    Killed,
}

/// What is said of an application.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplicationReport {
    /// The application.
    pub id: ApplicationId,
    /// Who submitted it.
    pub user: String,
    /// Its queue.
    pub queue: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// State.
    pub state: ApplicationState,
    /// What its master said at the end.
    pub final_status: FinalStatus,
    /// Why it is as it is; a refused submission says here why.
    pub diagnostics: String,
    /// Its web page, through the ResourceManager's proxy.
    pub tracking_url: String,
    /// Host that its master registered.
    pub am_host: String,
    /// The newest attempt.
    pub attempt: Option<AttemptId>,
    /// Submission, ms since 1970.
    pub started_ms: i64,
    /// End, ms since 1970.
    pub finished_ms: Option<i64>,
}

/// What is said of an attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttemptReport {
    /// The attempt.
    pub id: AttemptId,
    /// State.
    pub state: AttemptState,
    /// Host that it registered.
    pub host: String,
    /// Why it ended.
    pub diagnostics: String,
    /// The master's own container.
    pub am_container: Option<ContainerId>,
}

/// What is said of a container to a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerReport {
    /// The container.
    pub id: ContainerId,
    /// Its node.
    pub node: NodeId,
    /// URL of the node's web server, as the ResourceManager writes it.
    pub node_http: String,
    /// What it has.
    pub resource: Resource,
    /// Priority of the ask.
    pub priority: i32,
    /// State.
    pub state: ContainerState,
    /// Allocation, ms since 1970.
    pub created_ms: i64,
    /// How it ended, if it has.
    pub exit_status: i32,
    /// Words about the end.
    pub diagnostics: String,
}

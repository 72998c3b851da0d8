//! Between messages and types. What a message lacks becomes the type's default, except what identifies it: a list's
//! entry without its id is left out.

use crate::{
    error::Error,
    ids::{ApplicationId, AttemptId, ContainerId, NodeId},
    messages as m,
    protocol::{AllocateRequest, AllocateResponse, AmCommand, AskRow, RegisterRequest, RegisterResponse},
    reports::{ApplicationReport, ApplicationState, AttemptReport, AttemptState, ContainerReport},
    types::{
        Container, ContainerState, ContainerStatus, FinalStatus, LaunchContext, LocalResource, NmToken, NodeReport,
        NodeState, Resource, ResourceKind, Visibility,
    },
};

/// Bytes of diagnostics that are kept.
const MAX_SAID: usize = 16 * 1024;
/// Units of resource values are the cluster's own; memory is in MiB and has a field of its own.
const OWN_FIELDS: [&str; 2] = ["memory-mb", "vcores"];

impl From<ApplicationId> for m::ApplicationId {
    fn from(id: ApplicationId) -> Self {
        Self { id: Some(id.id), cluster_timestamp: Some(id.cluster_timestamp) }
    }
}

impl From<m::ApplicationId> for ApplicationId {
    fn from(message: m::ApplicationId) -> Self {
        Self { cluster_timestamp: message.cluster_timestamp(), id: message.id() }
    }
}

impl From<AttemptId> for m::AttemptId {
    fn from(id: AttemptId) -> Self {
        Self { application: Some(id.application.into()), attempt: Some(id.attempt) }
    }
}

impl From<m::AttemptId> for AttemptId {
    fn from(message: m::AttemptId) -> Self {
        Self { application: message.application.map(Into::into).unwrap_or_default(), attempt: message.attempt() }
    }
}

impl From<ContainerId> for m::ContainerId {
    fn from(id: ContainerId) -> Self {
        Self { attempt: Some(id.attempt.into()), id: Some(id.id) }
    }
}

impl From<m::ContainerId> for ContainerId {
    fn from(message: m::ContainerId) -> Self {
        Self { attempt: message.attempt.map(Into::into).unwrap_or_default(), id: message.id() }
    }
}

impl From<m::NodeId> for NodeId {
    fn from(message: m::NodeId) -> Self {
        let port = u16::try_from(message.port()).unwrap_or_default();
        Self { host: message.host.unwrap_or_default(), port }
    }
}

impl From<Resource> for m::Resource {
    fn from(resource: Resource) -> Self {
        let other = |(key, value)| m::ResourceInformation { key, value: Some(value) };
        Self {
            memory: Some(resource.memory_mb),
            vcores: Some(resource.vcores),
            others: resource.others.into_iter().map(other).collect(),
        }
    }
}

impl From<m::Resource> for Resource {
    fn from(message: m::Resource) -> Self {
        let (memory_mb, vcores) = (message.memory(), message.vcores());
        let others = message.others.into_iter().filter(|other| !OWN_FIELDS.contains(&other.key.as_str()));
        Self { memory_mb, vcores, others: others.map(|other| (other.key, other.value.unwrap_or_default())).collect() }
    }
}

fn priority(priority: Option<m::Priority>) -> i32 {
    priority.unwrap_or_default().priority()
}

impl m::Container {
    fn read(self) -> Option<Container> {
        let allocation_request_id = self.allocation_request_id();
        Some(Container {
            id: self.id?.into(),
            node: self.node.unwrap_or_default().into(),
            node_http: self.node_http.unwrap_or_default(),
            resource: self.resource.unwrap_or_default().into(),
            priority: priority(self.priority),
            token: self.token.unwrap_or_default().into(),
            allocation_request_id,
        })
    }
}

fn container_state(state: i32) -> ContainerState {
    match state {
        1 => ContainerState::New,
        3 => ContainerState::Complete,
        _ => ContainerState::Running,
    }
}

impl m::ContainerStatus {
    pub(crate) fn read(self) -> Option<ContainerStatus> {
        Some(ContainerStatus {
            id: self.id?.into(),
            state: container_state(self.state.unwrap_or_default()),
            exit_status: self.exit_status(),
            diagnostics: said(self.diagnostics),
        })
    }
}

/// Names and numbers of `NodeStateProto`.
const NODE_STATES: [NodeState; 8] = [
    NodeState::New,
    NodeState::Running,
    NodeState::Unhealthy,
    NodeState::Decommissioned,
    NodeState::Lost,
    NodeState::Rebooted,
    NodeState::Decommissioning,
    NodeState::Shutdown,
];

/// The `number`th of `all`, counted from 1 as these enumerations are.
fn nth<T: Copy + Default>(all: &[T], number: i32) -> T {
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    index.and_then(|index| all.get(index)).copied().unwrap_or_default()
}

impl m::NodeReport {
    pub(crate) fn read(self) -> Option<NodeReport> {
        Some(NodeReport {
            id: self.id?.into(),
            http: self.http.unwrap_or_default(),
            rack: self.rack.unwrap_or_default(),
            used: self.used.unwrap_or_default().into(),
            capability: self.capability.unwrap_or_default().into(),
            state: nth(&NODE_STATES, self.state.unwrap_or_default()),
            health: self.health.unwrap_or_default(),
        })
    }
}

impl m::NmToken {
    fn read(self) -> Option<NmToken> {
        Some(NmToken { node: self.node?.into(), token: self.token?.into() })
    }
}

impl From<RegisterRequest> for m::RegisterRequest {
    fn from(request: RegisterRequest) -> Self {
        let RegisterRequest { host, rpc_port, tracking_url } = request;
        Self { host: Some(host), rpc_port: Some(rpc_port), tracking_url: Some(tracking_url) }
    }
}

impl From<m::RegisterResponse> for RegisterResponse {
    fn from(message: m::RegisterResponse) -> Self {
        Self {
            maximum: message.maximum.unwrap_or_default().into(),
            queue: message.queue.unwrap_or_default(),
            previous_containers: message.previous_containers.into_iter().filter_map(m::Container::read).collect(),
            nm_tokens: message.nm_tokens.into_iter().filter_map(m::NmToken::read).collect(),
            resource_types: message.resource_types.into_iter().map(|kind| kind.name).collect(),
        }
    }
}

impl From<AskRow> for m::ResourceRequest {
    fn from(row: AskRow) -> Self {
        Self {
            priority: Some(m::Priority { priority: Some(row.priority) }),
            resource_name: Some("*".to_owned()),
            capability: Some(row.capability.into()),
            count: Some(i32::try_from(row.count).unwrap_or(i32::MAX)),
            relax_locality: Some(true),
            allocation_request_id: Some(row.id),
        }
    }
}

impl From<AllocateRequest> for m::AllocateRequest {
    fn from(request: AllocateRequest) -> Self {
        let AllocateRequest { response_id, asks, releases, blacklist_add, blacklist_remove, progress } = request;
        let blacklist = m::BlacklistRequest { add: blacklist_add, remove: blacklist_remove };
        Self {
            asks: asks.into_iter().map(Into::into).collect(),
            releases: releases.into_iter().map(Into::into).collect(),
            blacklist: Some(blacklist).filter(|b| !b.add.is_empty() || !b.remove.is_empty()),
            response_id: Some(response_id),
            progress: Some(progress),
        }
    }
}

impl m::AllocateResponse {
    /// Refuses an answer whose id is missing: the next request could not be made.
    pub(crate) fn read(self) -> Result<AllocateResponse, Error> {
        let preempt = self.preempt.unwrap_or_default();
        let strict = preempt.strict.unwrap_or_default().containers;
        let contract = preempt.contract.unwrap_or_default().containers;
        Ok(AllocateResponse {
            response_id: self.response_id.ok_or(Error::Incomplete { method: "allocate", field: "response id" })?,
            command: match self.command {
                Some(1) => Some(AmCommand::Resync),
                Some(2) => Some(AmCommand::Shutdown),
                _ => None,
            },
            allocated: self.allocated.into_iter().filter_map(m::Container::read).collect(),
            completed: self.completed.into_iter().filter_map(m::ContainerStatus::read).collect(),
            headroom: self.headroom.map(Into::into),
            updated_nodes: self.updated_nodes.into_iter().filter_map(m::NodeReport::read).collect(),
            cluster_nodes: self.cluster_nodes.unwrap_or_default(),
            preempted: strict.into_iter().chain(contract).filter_map(|c| c.id.map(Into::into)).collect(),
            nm_tokens: self.nm_tokens.into_iter().filter_map(m::NmToken::read).collect(),
            am_rm_token: self.am_rm_token.map(Into::into),
            previous_containers: self.previous_containers.into_iter().filter_map(m::Container::read).collect(),
        })
    }
}

/// Takes a URL apart as `org.apache.hadoop.yarn.api.records.URL` has it.
fn url(text: &str) -> Option<m::Url> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, file) = rest.split_at_checked(rest.find('/')?)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse::<u16>().ok()?)),
        None => (authority, None),
    };
    (!scheme.is_empty() && file.len() > 1).then(|| m::Url {
        scheme: Some(scheme.to_owned()),
        host: Some(host.to_owned()).filter(|host| !host.is_empty()),
        port: Some(port.map_or(-1, i32::from)),
        file: Some(file.to_owned()),
    })
}

impl LocalResource {
    fn message(&self) -> Result<m::LocalResource, Error> {
        Ok(m::LocalResource {
            url: Some(url(&self.url).ok_or_else(|| Error::Url { url: self.url.clone() })?),
            size: Some(i64::try_from(self.size).unwrap_or(i64::MAX)),
            timestamp: Some(self.timestamp),
            kind: Some(match self.kind {
                ResourceKind::Archive => 1,
                ResourceKind::File => 2,
            }),
            visibility: Some(match self.visibility {
                Visibility::Public => 1,
                Visibility::Private => 2,
                Visibility::Application => 3,
            }),
        })
    }
}

impl LaunchContext {
    pub(crate) fn message(&self) -> Result<m::LaunchContext, Error> {
        let resource = |(key, value): (&String, &LocalResource)| {
            Ok(m::NamedResource { key: Some(key.clone()), value: Some(value.message()?) })
        };
        let text =
            |(key, value): (&String, &String)| m::NamedText { key: Some(key.clone()), value: Some(value.clone()) };
        Ok(m::LaunchContext {
            resources: self.resources.iter().map(resource).collect::<Result<_, Error>>()?,
            tokens: self.tokens.as_ref().map(hadoop_rpc::Credentials::to_bytes),
            env: self.env.iter().map(text).collect(),
            command: vec![self.command.clone()],
            acls: Vec::new(),
        })
    }
}

/// Names and numbers of `YarnApplicationStateProto`.
const APPLICATION_STATES: [ApplicationState; 8] = [
    ApplicationState::New,
    ApplicationState::NewSaving,
    ApplicationState::Submitted,
    ApplicationState::Accepted,
    ApplicationState::Running,
    ApplicationState::Finished,
    ApplicationState::Failed,
    ApplicationState::Killed,
];

/// Names and numbers of `YarnApplicationAttemptStateProto`.
const ATTEMPT_STATES: [AttemptState; 11] = [
    AttemptState::New,
    AttemptState::Submitted,
    AttemptState::Scheduled,
    AttemptState::AllocatedSaving,
    AttemptState::Allocated,
    AttemptState::Launched,
    AttemptState::Failed,
    AttemptState::Running,
    AttemptState::Finishing,
    AttemptState::Finished,
    AttemptState::Killed,
];

/// The number of a state, from 1.
pub(crate) fn application_state_number(state: ApplicationState) -> i32 {
    let index = APPLICATION_STATES.iter().position(|s| *s == state).unwrap_or_default();
    i32::try_from(index + 1).unwrap_or_default()
}

pub(crate) fn node_state_number(state: NodeState) -> i32 {
    let index = NODE_STATES.iter().position(|s| *s == state).unwrap_or_default();
    i32::try_from(index + 1).unwrap_or_default()
}

pub(crate) fn final_status_number(status: FinalStatus) -> i32 {
    match status {
        FinalStatus::Undefined => 0,
        FinalStatus::Succeeded => 1,
        FinalStatus::Failed => 2,
        FinalStatus::Killed => 3,
        FinalStatus::Ended => 4,
    }
}

fn final_status(number: i32) -> FinalStatus {
    match number {
        1 => FinalStatus::Succeeded,
        2 => FinalStatus::Failed,
        3 => FinalStatus::Killed,
        4 => FinalStatus::Ended,
        _ => FinalStatus::Undefined,
    }
}

/// What is said to people: without Java's stack traces, which make up most of it, and bounded. YARN writes "N/A" where
/// it has nothing to say.
fn said(text: Option<String>) -> String {
    let text = text.filter(|text| text != "N/A").unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with("\tat ") && !line.starts_with("\t... "));
    let mut kept = lines.collect::<Vec<_>>().join("\n");
    kept.truncate(kept.floor_char_boundary(MAX_SAID));
    kept
}

impl m::ApplicationReport {
    pub(crate) fn read(self) -> Option<ApplicationReport> {
        Some(ApplicationReport {
            id: self.id?.into(),
            user: self.user.unwrap_or_default(),
            queue: self.queue.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            kind: self.kind.unwrap_or_default(),
            tags: self.tags,
            state: nth(&APPLICATION_STATES, self.state.unwrap_or_default()),
            final_status: final_status(self.final_status.unwrap_or_default()),
            diagnostics: said(self.diagnostics),
            tracking_url: said(self.tracking_url),
            am_host: said(self.host),
            // A new application names attempt -1.
            attempt: self.attempt.map(AttemptId::from).filter(|id| id.attempt > 0),
            started_ms: self.started.unwrap_or_default(),
            finished_ms: self.finished.filter(|at| *at > 0),
        })
    }
}

impl m::NewApplication {
    pub(crate) fn read(self) -> Result<(ApplicationId, Resource), Error> {
        let id = self.id.ok_or(Error::Incomplete { method: "getNewApplication", field: "application id" })?;
        Ok((id.into(), self.maximum.unwrap_or_default().into()))
    }
}

impl m::ReportResponse {
    pub(crate) fn read(self) -> Result<ApplicationReport, Error> {
        let report = self.report.and_then(m::ApplicationReport::read);
        report.ok_or(Error::Incomplete { method: "getApplicationReport", field: "report" })
    }
}

impl m::AttemptReport {
    pub(crate) fn read(self) -> Option<AttemptReport> {
        Some(AttemptReport {
            id: self.id?.into(),
            state: nth(&ATTEMPT_STATES, self.state.unwrap_or_default()),
            host: said(self.host),
            diagnostics: said(self.diagnostics),
            am_container: self.am_container.map(Into::into),
        })
    }
}

impl m::ContainerReport {
    pub(crate) fn read(self) -> Option<ContainerReport> {
        Some(ContainerReport {
            id: self.id?.into(),
            node: self.node.unwrap_or_default().into(),
            node_http: self.node_http.unwrap_or_default(),
            resource: self.resource.unwrap_or_default().into(),
            priority: priority(self.priority),
            state: container_state(self.state.unwrap_or_default()),
            created_ms: self.created.unwrap_or_default(),
            exit_status: self.exit_status.unwrap_or_default(),
            diagnostics: said(self.diagnostics),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart_as_hadoop_has_them() {
        let parts = |text| url(text).map(|u| (u.scheme.unwrap(), u.host, u.port.unwrap(), u.file.unwrap()));
        let host = |text: &str| Some(text.to_owned());
        assert_eq!(parts("hdfs://nn:8020/a/b c"), Some(("hdfs".into(), host("nn"), 8020, "/a/b c".into())));
        assert_eq!(parts("hdfs://name/a"), Some(("hdfs".into(), host("name"), -1, "/a".into())));
        assert_eq!(parts("file:///a"), Some(("file".into(), None, -1, "/a".into())));
        for text in ["", "/a", "hdfs://nn", "hdfs://nn:x/a", "hdfs://nn:1/"] {
            assert!(url(text).is_none(), "{text}");
        }
    }

    #[test]
    fn diagnostics_lose_their_stack_traces() {
        let text = "Call failed\njava.net.ConnectException: refused\n\tat a.b(C.java:1)\n\t... 39 more\nCaused by: x\n";
        assert_eq!(said(Some(text.to_owned())), "Call failed\njava.net.ConnectException: refused\nCaused by: x");
        assert_eq!(said(Some("N/A".to_owned())), "");
        assert_eq!(said(Some("é".repeat(10_000))).len(), MAX_SAID);
    }

    #[test]
    fn an_answer_without_its_id_is_refused_and_entries_without_theirs_are_left_out() {
        assert!(m::AllocateResponse::default().read().is_err());
        let message = m::AllocateResponse {
            response_id: Some(1),
            allocated: vec![m::Container::default()],
            completed: vec![m::ContainerStatus::default()],
            ..Default::default()
        };
        let response = message.read().unwrap();
        assert_eq!(response, AllocateResponse { response_id: 1, ..Default::default() });
    }
}

//! The protobuf messages of YARN 3.x (yarn_protos.proto, yarn_service_protos.proto), as far as their fields are used.
//! Field numbers are those of the descriptors in Hadoop 3.5.0. Names follow the protocol without `Proto`.

use hadoop_rpc::token::TokenMessage;
use prost::Message;

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct ApplicationId {
    #[prost(int32, optional, tag = "1")]
    pub(crate) id: Option<i32>,
    #[prost(int64, optional, tag = "2")]
    pub(crate) cluster_timestamp: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct AttemptId {
    #[prost(message, optional, tag = "1")]
    pub(crate) application: Option<ApplicationId>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) attempt: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct ContainerId {
    #[prost(message, optional, tag = "2")]
    pub(crate) attempt: Option<AttemptId>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) id: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodeId {
    #[prost(string, optional, tag = "1")]
    pub(crate) host: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) port: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Priority {
    #[prost(int32, optional, tag = "1")]
    pub(crate) priority: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(int64, optional, tag = "1")]
    pub(crate) memory: Option<i64>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) vcores: Option<i32>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) others: Vec<ResourceInformation>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourceInformation {
    #[prost(string, required, tag = "1")]
    pub(crate) key: String,
    #[prost(int64, optional, tag = "2")]
    pub(crate) value: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourceTypeInfo {
    #[prost(string, required, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SerializedException {
    #[prost(string, optional, tag = "1")]
    pub(crate) message: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) class_name: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Container {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ContainerId>,
    #[prost(message, optional, tag = "2")]
    pub(crate) node: Option<NodeId>,
    #[prost(string, optional, tag = "3")]
    pub(crate) node_http: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, optional, tag = "5")]
    pub(crate) priority: Option<Priority>,
    #[prost(message, optional, tag = "6")]
    pub(crate) token: Option<TokenMessage>,
    #[prost(int64, optional, tag = "8", default = "-1")]
    pub(crate) allocation_request_id: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerStatus {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ContainerId>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) state: Option<i32>,
    #[prost(string, optional, tag = "3")]
    pub(crate) diagnostics: Option<String>,
    #[prost(int32, optional, tag = "4", default = "-1000")]
    pub(crate) exit_status: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodeReport {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<NodeId>,
    #[prost(string, optional, tag = "2")]
    pub(crate) http: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) rack: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub(crate) used: Option<Resource>,
    #[prost(message, optional, tag = "5")]
    pub(crate) capability: Option<Resource>,
    #[prost(int32, optional, tag = "7")]
    pub(crate) state: Option<i32>,
    #[prost(string, optional, tag = "8")]
    pub(crate) health: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NmToken {
    #[prost(message, optional, tag = "1")]
    pub(crate) node: Option<NodeId>,
    #[prost(message, optional, tag = "2")]
    pub(crate) token: Option<TokenMessage>,
}

// ApplicationMasterProtocol

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RegisterRequest {
    #[prost(string, optional, tag = "1")]
    pub(crate) host: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) rpc_port: Option<i32>,
    #[prost(string, optional, tag = "3")]
    pub(crate) tracking_url: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RegisterResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) maximum: Option<Resource>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) previous_containers: Vec<Container>,
    #[prost(string, optional, tag = "5")]
    pub(crate) queue: Option<String>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) nm_tokens: Vec<NmToken>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) resource_types: Vec<ResourceTypeInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourceRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) priority: Option<Priority>,
    #[prost(string, optional, tag = "2")]
    pub(crate) resource_name: Option<String>,
    #[prost(message, optional, tag = "3")]
    pub(crate) capability: Option<Resource>,
    #[prost(int32, optional, tag = "4")]
    pub(crate) count: Option<i32>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) relax_locality: Option<bool>,
    #[prost(int64, optional, tag = "8")]
    pub(crate) allocation_request_id: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BlacklistRequest {
    #[prost(string, repeated, tag = "1")]
    pub(crate) add: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) remove: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AllocateRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) asks: Vec<ResourceRequest>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) releases: Vec<ContainerId>,
    #[prost(message, optional, tag = "3")]
    pub(crate) blacklist: Option<BlacklistRequest>,
    #[prost(int32, optional, tag = "4")]
    pub(crate) response_id: Option<i32>,
    #[prost(float, optional, tag = "5")]
    pub(crate) progress: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AllocateResponse {
    #[prost(int32, optional, tag = "1")]
    pub(crate) command: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) response_id: Option<i32>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) allocated: Vec<Container>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) completed: Vec<ContainerStatus>,
    #[prost(message, optional, tag = "5")]
    pub(crate) headroom: Option<Resource>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) updated_nodes: Vec<NodeReport>,
    #[prost(int32, optional, tag = "7")]
    pub(crate) cluster_nodes: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub(crate) preempt: Option<Preemption>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) nm_tokens: Vec<NmToken>,
    #[prost(message, optional, tag = "12")]
    pub(crate) am_rm_token: Option<TokenMessage>,
    #[prost(message, repeated, tag = "17")]
    pub(crate) previous_containers: Vec<Container>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Preemption {
    #[prost(message, optional, tag = "1")]
    pub(crate) strict: Option<StrictContract>,
    #[prost(message, optional, tag = "2")]
    pub(crate) contract: Option<Contract>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StrictContract {
    #[prost(message, repeated, tag = "1")]
    pub(crate) containers: Vec<PreemptedContainer>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Contract {
    #[prost(message, repeated, tag = "2")]
    pub(crate) containers: Vec<PreemptedContainer>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct PreemptedContainer {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ContainerId>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FinishRequest {
    #[prost(string, optional, tag = "1")]
    pub(crate) diagnostics: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) tracking_url: Option<String>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) status: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct FinishResponse {
    #[prost(bool, optional, tag = "1")]
    pub(crate) unregistered: Option<bool>,
}

// ContainerManagementProtocol

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Url {
    #[prost(string, optional, tag = "1")]
    pub(crate) scheme: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) host: Option<String>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) port: Option<i32>,
    #[prost(string, optional, tag = "4")]
    pub(crate) file: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LocalResource {
    #[prost(message, optional, tag = "1")]
    pub(crate) url: Option<Url>,
    #[prost(int64, optional, tag = "2")]
    pub(crate) size: Option<i64>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) timestamp: Option<i64>,
    #[prost(int32, optional, tag = "4")]
    pub(crate) kind: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    pub(crate) visibility: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NamedResource {
    #[prost(string, optional, tag = "1")]
    pub(crate) key: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<LocalResource>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NamedText {
    #[prost(string, optional, tag = "1")]
    pub(crate) key: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Acl {
    #[prost(int32, optional, tag = "1")]
    pub(crate) access: Option<i32>,
    #[prost(string, optional, tag = "2")]
    pub(crate) acl: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LaunchContext {
    #[prost(message, repeated, tag = "1")]
    pub(crate) resources: Vec<NamedResource>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) tokens: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) env: Vec<NamedText>,
    #[prost(string, repeated, tag = "5")]
    pub(crate) command: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) acls: Vec<Acl>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StartRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) context: Option<LaunchContext>,
    #[prost(message, optional, tag = "2")]
    pub(crate) token: Option<TokenMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StartRequests {
    #[prost(message, repeated, tag = "1")]
    pub(crate) requests: Vec<StartRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerFault {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ContainerId>,
    #[prost(message, optional, tag = "2")]
    pub(crate) exception: Option<SerializedException>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StartResponse {
    #[prost(message, repeated, tag = "2")]
    pub(crate) succeeded: Vec<ContainerId>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) failed: Vec<ContainerFault>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerIds {
    #[prost(message, repeated, tag = "1")]
    pub(crate) ids: Vec<ContainerId>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StopResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) succeeded: Vec<ContainerId>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) failed: Vec<ContainerFault>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StatusesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) statuses: Vec<ContainerStatus>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) failed: Vec<ContainerFault>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct SignalRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ContainerId>,
    #[prost(int32, required, tag = "2")]
    pub(crate) command: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Empty {}

// ApplicationClientProtocol

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NewApplication {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ApplicationId>,
    #[prost(message, optional, tag = "2")]
    pub(crate) maximum: Option<Resource>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LogContext {
    #[prost(string, optional, tag = "1")]
    pub(crate) include: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) exclude: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) rolled_include: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) rolled_exclude: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SubmissionContext {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ApplicationId>,
    #[prost(string, optional, tag = "2")]
    pub(crate) name: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) queue: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub(crate) priority: Option<Priority>,
    #[prost(message, optional, tag = "5")]
    pub(crate) am: Option<LaunchContext>,
    #[prost(int32, optional, tag = "8")]
    pub(crate) max_attempts: Option<i32>,
    #[prost(message, optional, tag = "9")]
    pub(crate) resource: Option<Resource>,
    #[prost(string, optional, tag = "10")]
    pub(crate) kind: Option<String>,
    #[prost(bool, optional, tag = "11")]
    pub(crate) keep_containers: Option<bool>,
    #[prost(string, repeated, tag = "12")]
    pub(crate) tags: Vec<String>,
    #[prost(int64, optional, tag = "13")]
    pub(crate) failures_validity_ms: Option<i64>,
    #[prost(message, optional, tag = "14")]
    pub(crate) logs: Option<LogContext>,
    #[prost(string, optional, tag = "16")]
    pub(crate) node_label: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SubmitRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) context: Option<SubmissionContext>,
}

/// Any request whose only field, 1, is an application.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct OfApplication {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ApplicationId>,
}

/// Any request whose only field, 1, is an attempt.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct OfAttempt {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<AttemptId>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ApplicationReport {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ApplicationId>,
    #[prost(string, optional, tag = "2")]
    pub(crate) user: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) queue: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) name: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub(crate) host: Option<String>,
    #[prost(int32, optional, tag = "8")]
    pub(crate) state: Option<i32>,
    #[prost(string, optional, tag = "9")]
    pub(crate) tracking_url: Option<String>,
    #[prost(string, optional, tag = "10")]
    pub(crate) diagnostics: Option<String>,
    #[prost(int64, optional, tag = "11")]
    pub(crate) started: Option<i64>,
    #[prost(int64, optional, tag = "12")]
    pub(crate) finished: Option<i64>,
    #[prost(int32, optional, tag = "13")]
    pub(crate) final_status: Option<i32>,
    #[prost(message, optional, tag = "16")]
    pub(crate) attempt: Option<AttemptId>,
    #[prost(string, optional, tag = "18")]
    pub(crate) kind: Option<String>,
    #[prost(string, repeated, tag = "20")]
    pub(crate) tags: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReportResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) report: Option<ApplicationReport>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ApplicationsRequest {
    #[prost(string, repeated, tag = "1")]
    pub(crate) kinds: Vec<String>,
    #[prost(int32, repeated, packed = "false", tag = "2")]
    pub(crate) states: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ApplicationsResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) applications: Vec<ApplicationReport>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KillRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ApplicationId>,
    #[prost(string, optional, tag = "2")]
    pub(crate) diagnostics: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct KillResponse {
    #[prost(bool, optional, tag = "1")]
    pub(crate) done: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodesRequest {
    #[prost(int32, repeated, packed = "false", tag = "1")]
    pub(crate) states: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) nodes: Vec<NodeReport>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AttemptReport {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<AttemptId>,
    #[prost(string, optional, tag = "2")]
    pub(crate) host: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub(crate) diagnostics: Option<String>,
    #[prost(int32, optional, tag = "6")]
    pub(crate) state: Option<i32>,
    #[prost(message, optional, tag = "7")]
    pub(crate) am_container: Option<ContainerId>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AttemptsResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) attempts: Vec<AttemptReport>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerReport {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<ContainerId>,
    #[prost(message, optional, tag = "2")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, optional, tag = "3")]
    pub(crate) node: Option<NodeId>,
    #[prost(message, optional, tag = "4")]
    pub(crate) priority: Option<Priority>,
    #[prost(int64, optional, tag = "5")]
    pub(crate) created: Option<i64>,
    #[prost(string, optional, tag = "7")]
    pub(crate) diagnostics: Option<String>,
    #[prost(int32, optional, tag = "9")]
    pub(crate) exit_status: Option<i32>,
    #[prost(int32, optional, tag = "10")]
    pub(crate) state: Option<i32>,
    #[prost(string, optional, tag = "11")]
    pub(crate) node_http: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) containers: Vec<ContainerReport>,
}

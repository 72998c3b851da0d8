//! The clients' own reading of answers, for tests that have the bytes and no peer. Only with the feature `testing`.

use prost::{DecodeError, Message};

use crate::{
    error::Error,
    ids::ApplicationId,
    messages as m, node,
    protocol::{AllocateResponse, RegisterResponse},
    reports::{ApplicationReport, AttemptReport, ContainerReport},
    types::{ContainerStatus, NodeReport, Resource},
};

/// What an answer says.
#[derive(Debug)]
pub enum Answer {
    /// registerApplicationMaster
    Registered(RegisterResponse),
    /// allocate
    Allocated(Result<AllocateResponse, Error>),
    /// finishApplicationMaster, forceKillApplication: whether it is done.
    Done(bool),
    /// startContainers and stopContainers, of one container.
    Settled(Result<(), Error>),
    /// getContainerStatuses
    Statuses(Vec<ContainerStatus>),
    /// getNewApplication
    Application(Result<(ApplicationId, Resource), Error>),
    /// getApplicationReport
    Report(Result<Box<ApplicationReport>, Error>),
    /// getApplications
    Applications(Vec<ApplicationReport>),
    /// getApplicationAttempts
    Attempts(Vec<AttemptReport>),
    /// getContainers
    Containers(Vec<ContainerReport>),
    /// getClusterNodes
    Nodes(Vec<NodeReport>),
}

/// Reads a method's answer, a length-delimited message; `None` for a method that is never called.
///
/// # Errors
/// It is no message of that method.
pub fn read(method: &str, bytes: &[u8]) -> Option<Result<Answer, DecodeError>> {
    let read = match method {
        "registerApplicationMaster" => decode(bytes, |m: m::RegisterResponse| Answer::Registered(m.into())),
        "allocate" => decode(bytes, |m: m::AllocateResponse| Answer::Allocated(m.read())),
        "finishApplicationMaster" => decode(bytes, |m: m::FinishResponse| Answer::Done(m.unregistered())),
        "forceKillApplication" => decode(bytes, |m: m::KillResponse| Answer::Done(m.done())),
        "startContainers" => decode(bytes, |m: m::StartResponse| {
            Answer::Settled(node::settle("startContainers", &m.succeeded, m.failed))
        }),
        "stopContainers" => {
            decode(bytes, |m: m::StopResponse| Answer::Settled(node::settle("stopContainers", &m.succeeded, m.failed)))
        }
        "getContainerStatuses" => decode(bytes, |m: m::StatusesResponse| {
            Answer::Statuses(m.statuses.into_iter().filter_map(m::ContainerStatus::read).collect())
        }),
        "getNewApplication" => decode(bytes, |m: m::NewApplication| Answer::Application(m.read())),
        "getApplicationReport" => decode(bytes, |m: m::ReportResponse| Answer::Report(m.read().map(Box::new))),
        "getApplications" => decode(bytes, |m: m::ApplicationsResponse| {
            Answer::Applications(m.applications.into_iter().filter_map(m::ApplicationReport::read).collect())
        }),
        "getApplicationAttempts" => decode(bytes, |m: m::AttemptsResponse| {
            Answer::Attempts(m.attempts.into_iter().filter_map(m::AttemptReport::read).collect())
        }),
        "getContainers" => decode(bytes, |m: m::ContainersResponse| {
            Answer::Containers(m.containers.into_iter().filter_map(m::ContainerReport::read).collect())
        }),
        "getClusterNodes" => decode(bytes, |m: m::NodesResponse| {
            Answer::Nodes(m.nodes.into_iter().filter_map(m::NodeReport::read).collect())
        }),
        _ => return None,
    };
    Some(read)
}

fn decode<M: Message + Default>(bytes: &[u8], read: impl FnOnce(M) -> Answer) -> Result<Answer, DecodeError> {
    M::decode_length_delimited(bytes).map(read)
}

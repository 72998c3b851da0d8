//! What an application master says to the ResourceManager (`ApplicationMasterProtocol`).

use std::time::Duration;

use hadoop_rpc::{Address, Auth, Client, Protocol, Token};
use tokio::time::Instant;

use crate::{
    convert,
    error::Error,
    messages as m,
    protocol::{AllocateRequest, AllocateResponse, RegisterRequest, RegisterResponse},
    types::FinalStatus,
};

const PROTOCOL: Protocol = Protocol { name: "org.apache.hadoop.yarn.api.ApplicationMasterProtocolPB", version: 1 };
/// How often an unfinished unregistration is repeated.
const FINISH_PAUSE: Duration = Duration::from_millis(100);

/// Kind of the token that lets an application master in; it stands in the token file that the NodeManager writes.
pub const AM_RM_TOKEN: &str = "YARN_AM_RM_TOKEN";

/// An application master's line to the ResourceManager. Calls go one after another: allocate's numbers demand it.
#[derive(Clone, Debug)]
pub struct MasterClient {
    client: Client,
    deadline: Duration,
}

impl MasterClient {
    /// A client for `yarn.resourcemanager.scheduler.address` of each ResourceManager. `token` is the one of kind
    /// [`AM_RM_TOKEN`]; `deadline` bounds each call.
    pub fn new(addresses: Vec<Address>, token: Token, deadline: Duration) -> Self {
        Self { client: Client::new(PROTOCOL, addresses, Auth::Token(token)), deadline }
    }

    /// Registers. A second time: [`Error::AlreadyRegistered`].
    pub async fn register(&self, request: RegisterRequest) -> Result<RegisterResponse, Error> {
        let request = m::RegisterRequest::from(request);
        let answer: m::RegisterResponse =
            self.client.call("registerApplicationMaster", &request, self.deadline).await?;
        Ok(answer.into())
    }

    /// One heartbeat. Repeatable with the same request. A new AMRM token in the answer is used from the next call on;
    /// it must be, since the old one stops being taken.
    pub async fn allocate(&self, request: AllocateRequest) -> Result<AllocateResponse, Error> {
        let request = m::AllocateRequest::from(request);
        let answer: m::AllocateResponse = self.client.call("allocate", &request, self.deadline).await?;
        let answer = answer.read()?;
        if let Some(token) = &answer.am_rm_token {
            // It is repeated in every answer until a connection uses it.
            if !matches!(self.client.auth(), Auth::Token(used) if used == *token) {
                self.client.replace_token(token.clone());
            }
        }
        Ok(answer)
    }

    /// Unregisters; the application is over and its remaining containers are killed. Repeats itself until the
    /// ResourceManager has stored that, within the deadline. Repeatable: after a restart of the ResourceManager register first.
    pub async fn finish(&self, status: FinalStatus, diagnostics: &str, tracking_url: &str) -> Result<(), Error> {
        let request = m::FinishRequest {
            diagnostics: Some(diagnostics.to_owned()),
            tracking_url: Some(tracking_url.to_owned()),
            status: Some(convert::final_status_number(status)),
        };
        let method = "finishApplicationMaster";
        let until = Instant::now() + self.deadline;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let answer: m::FinishResponse = self.client.call(method, &request, left).await?;
            if answer.unregistered() {
                return Ok(());
            }
            tokio::time::sleep(FINISH_PAUSE).await;
        }
    }
}

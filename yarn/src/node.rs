//! What an application master says to NodeManagers (`ContainerManagementProtocol`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hadoop_rpc::{Address, Auth, Client, Protocol, Remote, Token};

use crate::{
    error::Error,
    ids::{ContainerId, NodeId},
    messages as m,
    types::{Container, ContainerStatus, LaunchContext, NmToken},
};

const PROTOCOL: Protocol = Protocol { name: "org.apache.hadoop.yarn.api.ContainerManagementProtocolPB", version: 1 };

/// A signal to a container's process (`SignalContainerCommandProto`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGQUIT.
    Quit,
    /// SIGTERM, and nothing after it: the container's own exit code is reported.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// An application master's line to one NodeManager. Every method ends within the deadline; clones share one connection.
#[derive(Clone, Debug)]
pub struct NodeClient {
    client: Client,
    deadline: Duration,
}

impl NodeClient {
    /// A client for one node with its token, which comes with the first container there, or at registration.
    pub fn new(node: &NodeId, token: Token, deadline: Duration) -> Self {
        let address = Address { host: node.host.clone(), port: node.port };
        Self { client: Client::new(PROTOCOL, vec![address], Auth::Token(token)), deadline }
    }

    /// Uses another token from the next call on.
    pub fn replace_token(&self, token: Token) {
        self.client.replace_token(token);
    }

    async fn call<Q, A>(&self, method: &'static str, request: &Q) -> Result<A, Error>
    where
        Q: prost::Message,
        A: prost::Message + Default,
    {
        Ok(self.client.call(method, request, self.deadline).await?)
    }

    /// Starts a container: success means that the NodeManager has taken it on. After a lost answer repeat it; if the
    /// first had its effect, the second fails with [`Error::is_already_started`].
    pub async fn start(&self, container: &Container, context: &LaunchContext) -> Result<(), Error> {
        let start = m::StartRequest { context: Some(context.message()?), token: Some(container.token.clone().into()) };
        let request = m::StartRequests { requests: vec![start] };
        let answer: m::StartResponse = self.call("startContainers", &request).await?;
        settle("startContainers", &answer.succeeded, answer.failed)
    }

    /// Stops a container: SIGTERM, SIGKILL a quarter of a second later by default; it ends as
    /// [`KILLED_BY_APPMASTER`](crate::exit::KILLED_BY_APPMASTER). Repeatable; one that is over or unknown is no error.
    pub async fn stop(&self, id: ContainerId) -> Result<(), Error> {
        let request = m::ContainerIds { ids: vec![id.into()] };
        let answer: m::StopResponse = self.call("stopContainers", &request).await?;
        match settle("stopContainers", &answer.succeeded, answer.failed) {
            Err(error) if error.is_unknown_container() => Ok(()),
            outcome => outcome,
        }
    }

    /// Sends a signal to the container's process group. Repeatable as far as the process takes it twice. To a container
    /// that is over it does nothing.
    pub async fn signal(&self, id: ContainerId, signal: Signal) -> Result<(), Error> {
        let command = match signal {
            Signal::Quit => 1,
            Signal::Terminate => 2,
            Signal::Kill => 3,
        };
        let _: m::Empty = self.call("signalToContainer", &m::SignalRequest { id: Some(id.into()), command }).await?;
        Ok(())
    }

    /// What the NodeManager has of a container: none when it does not know it, or not any more, so that nothing of it runs
    /// under that NodeManager's hand. Changes nothing.
    pub async fn status(&self, id: ContainerId) -> Result<Option<ContainerStatus>, Error> {
        let request = m::ContainerIds { ids: vec![id.into()] };
        let answer: m::StatusesResponse = self.call("getContainerStatuses", &request).await?;
        let status = answer.statuses.into_iter().filter_map(m::ContainerStatus::read).find(|status| status.id == id);
        if status.is_some() {
            return Ok(status);
        }
        match settle("getContainerStatuses", &[], answer.failed) {
            Err(error) if error.is_unknown_container() => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Err(Error::Incomplete { method: "getContainerStatuses", field: "status" }),
        }
    }
}

/// The outcome for the one container of a call.
pub(crate) fn settle(
    method: &'static str,
    succeeded: &[m::ContainerId],
    failed: Vec<m::ContainerFault>,
) -> Result<(), Error> {
    if let Some(fault) = failed.into_iter().next() {
        let exception = fault.exception.unwrap_or_default();
        let class = exception.class_name.unwrap_or_default();
        let remote = Remote::new(class, &exception.message.unwrap_or_default(), false);
        return Err(Error::Container { remote });
    }
    if succeeded.is_empty() { Err(Error::Incomplete { method, field: "outcome" }) } else { Ok(()) }
}

/// The NodeManagers that an application master talks to: one client each, and the newest token of each. Clones share them.
#[derive(Clone, Debug)]
pub struct Nodes {
    clients: Arc<Mutex<BTreeMap<NodeId, NodeClient>>>,
    deadline: Duration,
}

impl Nodes {
    /// None known yet. `deadline` bounds each call.
    pub fn new(deadline: Duration) -> Self {
        Self { clients: Arc::default(), deadline }
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<NodeId, NodeClient>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the tokens of a registration or a heartbeat in. One for a known node replaces its connection.
    pub fn remember(&self, tokens: &[NmToken]) {
        let mut clients = self.clients();
        for NmToken { node, token } in tokens {
            match clients.get(node) {
                Some(client) => client.replace_token(token.clone()),
                None => {
                    clients.insert(node.clone(), NodeClient::new(node, token.clone(), self.deadline));
                }
            }
        }
    }

    /// The client of a node; [`Error::NoToken`] when no token for it came yet.
    pub fn get(&self, node: &NodeId) -> Result<NodeClient, Error> {
        self.clients().get(node).cloned().ok_or_else(|| Error::NoToken { node: node.clone() })
    }
}

//! A session with a real ZooKeeper. One that expires is followed by a new one; who owns ephemerals sees its id change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use zookeeper_client as zk;

use crate::acl::Acls;
use crate::path::{Node, Root};
use crate::read::told;

/// Wait between two tries to open a new session.
const REOPEN_AFTER: Duration = Duration::from_millis(200);

/// How to reach a tree.
#[derive(Clone, Debug)]
pub struct Config {
    /// ZooKeeper's connect string: host:port, separated by commas.
    pub quorum: String,
    /// The tree's root.
    pub root: Root,
    /// The session timeout to ask for; the server may cut it.
    pub session_timeout: Duration,
    /// How long opening, and any single request, may take.
    pub deadline: Duration,
}

impl Config {
    /// The default tree of a ZooKeeper, with a session timeout of 6 s and deadlines of 5 s.
    #[must_use]
    pub fn new(quorum: impl Into<String>) -> Self {
        let (session_timeout, deadline) = (Duration::from_secs(6), Duration::from_secs(5));
        Self { quorum: quorum.into(), root: Root::default(), session_timeout, deadline }
    }
}

/// What ZooKeeper or its client says.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ClientError(pub(crate) zk::Error);

/// Why no session could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The connect string is none; nothing was tried.
    #[error("{0:?} is no ZooKeeper quorum: write host:port, several separated by commas")]
    Quorum(String),
    /// Nobody answered.
    #[error("no ZooKeeper answered at {quorum} within {seconds:.0} s: is it running, and is the address right?")]
    Unreachable {
        /// What was tried.
        quorum: String,
        /// How long.
        seconds: f64,
        /// What the client said last.
        #[source]
        source: Option<ClientError>,
    },
}

/// A handle on the tree; clones, and mirrors made from it, share one session. The last one dropped closes it, and its
/// ephemerals go at once.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

/// The session's client; none once it was closed.
type Current = Option<zk::Client>;

pub(crate) struct Shared {
    config: Config,
    current: Arc<watch::Sender<Current>>,
    /// Opens new sessions.
    keeper: tokio::task::AbortHandle,
    pub(crate) acls: Acls,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.keeper.abort();
        self.current.send_replace(None);
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("quorum", &self.shared.config.quorum).finish_non_exhaustive()
    }
}

/// Whether a text looks like `host:port[,host:port…]`.
fn is_quorum(text: &str) -> bool {
    let server = |one: &str| {
        let (host, port) = one.rsplit_once(':').unwrap_or((one, "2181"));
        let host_good =
            host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
        !host.is_empty() && host_good && port.parse::<u16>().is_ok_and(|p| p > 0)
    };
    !text.is_empty() && text.split(',').all(server)
}

async fn connect(config: &Config) -> Result<zk::Client, OpenError> {
    let connector = zk::Client::connector()
        .with_session_timeout(config.session_timeout)
        .with_connection_timeout(config.deadline.min(config.session_timeout));
    let unreachable = |source| OpenError::Unreachable {
        quorum: config.quorum.clone(),
        seconds: config.deadline.as_secs_f64(),
        source,
    };
    match timeout(config.deadline, connector.connect(&config.quorum)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(zk::Error::BadArguments(_))) => Err(OpenError::Quorum(config.quorum.clone())),
        Ok(Err(error)) => Err(unreachable(Some(ClientError(error)))),
        Err(_) => Err(unreachable(None)),
    }
}

/// Waits for the end of each session and opens the next one, until the store is closed.
async fn keep(config: Config, current: Arc<watch::Sender<Current>>) {
    loop {
        let Some(mut states) = current.borrow().as_ref().map(zk::Client::state_watcher) else { return };
        let mut state = states.state();
        while !state.is_terminated() {
            state = states.changed().await;
        }
        tracing::warn!(?state, "the ZooKeeper session is over; opening a new one");
        let client = loop {
            match connect(&config).await {
                Ok(client) => break client,
                Err(error) => {
                    tracing::debug!(%error, "no new session yet");
                    tokio::time::sleep(REOPEN_AFTER).await;
                }
            }
        };
        // Closed meanwhile: then it stays closed.
        current.send_if_modified(|current| current.is_some() && current.replace(client).is_some());
    }
}

impl Store {
    /// Opens a session.
    ///
    /// # Errors
    /// A connect string that is none; no answer within the deadline.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        if !is_quorum(&config.quorum) {
            return Err(OpenError::Quorum(config.quorum));
        }
        let begun = Instant::now();
        let client = connect(&config).await;
        told("connect", &config.quorum, begun, client.as_ref().err().map(ToString::to_string));
        let client = client?;
        let current = Arc::new(watch::channel(Some(client)).0);
        // Ended by `close`, and by the last handle's drop.
        let keeper = tokio::spawn(keep(config.clone(), current.clone())).abort_handle();
        Ok(Self { shared: Arc::new(Shared { config, current, keeper, acls: Acls::default() }) })
    }

    /// Closes the session, also for clones and mirrors, and waits until the server knows, for the deadline at most.
    /// Its ephemerals are gone then. A process that ends without it leaves them for a session timeout.
    pub async fn close(self) {
        self.shared.keeper.abort();
        let Some(client) = self.shared.current.send_replace(None) else { return };
        let mut states = client.state_watcher();
        drop(client);
        let closed = async {
            let mut state = states.state();
            while !state.is_terminated() {
                state = states.changed().await;
            }
        };
        if timeout(self.deadline(), closed).await.is_err() {
            tracing::debug!("ZooKeeper was not told that the session is over; it will expire");
        }
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.shared.config.root
    }

    /// The path of a place in this tree.
    #[must_use]
    pub fn path(&self, node: &Node) -> String {
        node.path(self.root())
    }

    /// The id of the session as it now is; another one than before means that the ephemerals of the old one go. 0 for
    /// one that was closed.
    #[must_use]
    pub fn session_id(&self) -> i64 {
        self.shared.current.borrow().as_ref().map_or(0, id_of)
    }

    /// The session timeout as negotiated.
    #[must_use]
    pub fn session_timeout(&self) -> Duration {
        self.shared.current.borrow().as_ref().map_or(self.shared.config.session_timeout, zk::Client::session_timeout)
    }

    pub(crate) fn client(&self) -> Result<zk::Client, zk::Error> {
        self.shared.current.borrow().clone().ok_or(zk::Error::ClientClosed)
    }

    pub(crate) fn clients(&self) -> watch::Receiver<Current> {
        self.shared.current.subscribe()
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.shared.config.deadline
    }
}

pub(crate) fn id_of(client: &zk::Client) -> i64 {
    client.session_id().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_are_checked_before_any_network() {
        for good in ["node1:2181", "a:1,b:2", "localhost", "127.0.0.1:2181", "[::1]:2181"] {
            assert!(is_quorum(good), "{good}");
        }
        for bad in ["", ",", "a:0", "a:99999", "a:x", "http://a:1", "a b:1", "a:1,,b:2", ":2181"] {
            assert!(!is_quorum(bad), "{bad}");
        }
    }
}

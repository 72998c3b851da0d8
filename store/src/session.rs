//! A session with a real ZooKeeper: conditional commits and reads, each with a deadline. A session that expires
//! is followed by a new one; who owns ephemerals sees its id change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use zookeeper_client as zk;

use crate::op::{CommitError, Done, Op, Refusal, Stat};
use crate::path::{Node, Root};

/// Most bytes of one request: the server's default `jute.maxbuffer` is 1 MiB, and what passes it closes the connection.
const REQUEST_LIMIT: usize = 1_000_000;
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
        source: Option<zk::Error>,
    },
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The server refused it.
    #[error("reading {path} failed")]
    Failed {
        /// What was read.
        path: String,
        /// Why.
        #[source]
        source: zk::Error,
    },
    /// The deadline passed.
    #[error("reading {path} failed: ZooKeeper did not answer within {seconds:.0} s")]
    Deadline {
        /// What was read.
        path: String,
        /// How long was waited.
        seconds: f64,
    },
}

/// A handle on the tree; clones share one session. The last one dropped closes it, and its ephemerals go at once.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    current: watch::Receiver<zk::Client>,
    /// Ends the task that opens new sessions.
    keeper: tokio::task::AbortHandle,
    acls: Mutex<BTreeMap<String, Arc<Vec<zk::Acl>>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.keeper.abort();
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
    match tokio::time::timeout(config.deadline, connector.connect(&config.quorum)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(zk::Error::BadArguments(_))) => Err(OpenError::Quorum(config.quorum.clone())),
        Ok(Err(error)) => Err(unreachable(Some(error))),
        Err(_) => Err(unreachable(None)),
    }
}

/// Waits for the end of each session and opens the next one.
async fn keep(config: Config, sender: watch::Sender<zk::Client>) {
    loop {
        let mut states = sender.borrow().state_watcher();
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
        sender.send_replace(client);
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
        let client = connect(&config).await?;
        let (sender, current) = watch::channel(client);
        // Ended by the last handle's drop.
        let keeper = tokio::spawn(keep(config.clone(), sender)).abort_handle();
        Ok(Self { shared: Arc::new(Shared { config, current, keeper, acls: Mutex::default() }) })
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

    /// The id of the session as it now is; another one than before means that the ephemerals of the old one go.
    #[must_use]
    pub fn session_id(&self) -> i64 {
        id_of(&self.client())
    }

    /// The session timeout as negotiated.
    #[must_use]
    pub fn session_timeout(&self) -> Duration {
        self.client().session_timeout()
    }

    pub(crate) fn client(&self) -> zk::Client {
        self.shared.current.borrow().clone()
    }

    pub(crate) fn clients(&self) -> watch::Receiver<zk::Client> {
        self.shared.current.clone()
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.shared.config.deadline
    }

    async fn read<T>(
        &self,
        path: &str,
        request: impl Future<Output = Result<T, zk::Error>>,
    ) -> Result<Option<T>, ReadError> {
        let deadline = self.deadline();
        match tokio::time::timeout(deadline, request).await {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(zk::Error::NoNode)) => Ok(None),
            Ok(Err(source)) => Err(ReadError::Failed { path: path.to_owned(), source }),
            Err(_) => Err(ReadError::Deadline { path: path.to_owned(), seconds: deadline.as_secs_f64() }),
        }
    }

    /// A node's data and stat; none when it does not exist.
    ///
    /// # Errors
    /// The server refused it or did not answer in time.
    pub async fn get(&self, path: &str) -> Result<Option<(Vec<u8>, Stat)>, ReadError> {
        let client = self.client();
        let found = self.read(path, client.get_data(path)).await?;
        Ok(found.map(|(data, stat)| (data, stat_of(&stat))))
    }

    /// The names of a node's children, sorted; none when it does not exist.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn children(&self, path: &str) -> Result<Option<Vec<String>>, ReadError> {
        let client = self.client();
        let mut found = self.read(path, client.list_children(path)).await?;
        if let Some(names) = &mut found {
            names.sort();
        }
        Ok(found)
    }

    /// A node and everything below it, parents before children. What vanishes meanwhile is left out.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn list(&self, path: &str) -> Result<Vec<(String, Vec<u8>, Stat)>, ReadError> {
        let mut found = Vec::new();
        let mut level = vec![path.to_owned()];
        while !level.is_empty() {
            // A level of the tree at a time, its requests pipelined on the one connection.
            let nodes = futures::future::try_join_all(level.into_iter().map(|path| async move {
                let Some((data, stat)) = self.get(&path).await? else { return Ok(None) };
                let children =
                    if stat.num_children > 0 { self.children(&path).await?.unwrap_or_default() } else { Vec::new() };
                Ok::<_, ReadError>(Some((path, data, stat, children)))
            }))
            .await?;
            level = Vec::new();
            for (path, data, stat, children) in nodes.into_iter().flatten() {
                level.extend(children.iter().map(|child| format!("{path}/{child}")));
                found.push((path, data, stat));
            }
        }
        Ok(found)
    }

    /// Commits one multi; a create takes its parent's ACL. Not cancel-safe in effect: a request whose future was
    /// dropped may still be applied, which is why every write should name a version.
    ///
    /// # Errors
    /// The operation that was refused; or nobody knows whether it happened.
    pub async fn commit(&self, ops: &[Op]) -> Result<Vec<Done>, CommitError> {
        let size: usize = ops.iter().map(Op::size).sum();
        if size > REQUEST_LIMIT {
            let path = ops.iter().max_by_key(|op| op.size()).map(|op| op.path().to_owned()).unwrap_or_default();
            return Err(CommitError::TooLarge { path, size, limit: REQUEST_LIMIT });
        }
        let deadline = self.deadline();
        let client = self.client();
        let request = async {
            let acls = self.acls(&client, ops).await?;
            let mut writer = client.new_multi_writer();
            for (op, acl) in ops.iter().zip(&acls) {
                add(&mut writer, op, acl).map_err(|source| CommitError::Unavailable(source.to_string()))?;
            }
            writer.commit().await.map_err(|error| classify(ops, error))
        };
        match tokio::time::timeout(deadline, request).await {
            Ok(result) => Ok(result?.into_iter().map(done).collect()),
            Err(_) => Err(CommitError::Unknown(format!("no answer within {:.0} s", deadline.as_secs_f64()))),
        }
    }

    /// The ACL of each operation's parent; a parent that the same multi creates has its own parent's.
    async fn acls(&self, client: &zk::Client, ops: &[Op]) -> Result<Vec<Arc<Vec<zk::Acl>>>, CommitError> {
        let mut acls = Vec::with_capacity(ops.len());
        for op in ops {
            let Op::Create { path, .. } = op else {
                acls.push(Arc::default());
                continue;
            };
            let mut above = parent(path);
            while ops.iter().any(|other| matches!(other, Op::Create { path, .. } if path == above)) {
                above = parent(above);
            }
            acls.push(self.acl(client, above).await?);
        }
        Ok(acls)
    }

    async fn acl(&self, client: &zk::Client, path: &str) -> Result<Arc<Vec<zk::Acl>>, CommitError> {
        let cached = |shared: &Shared| shared.acls.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some(acl) = cached(&self.shared) {
            return Ok(acl);
        }
        match client.get_acl(path).await {
            Ok((acl, _)) => {
                let acl = Arc::new(acl);
                let mut acls = self.shared.acls.lock().unwrap_or_else(PoisonError::into_inner);
                // A namespace's worth of parents; started anew rather than grown without end.
                if acls.len() > 10_000 {
                    acls.clear();
                }
                acls.insert(path.to_owned(), acl.clone());
                Ok(acl)
            }
            // The create will be refused for the same reason, in its place among the operations.
            Err(zk::Error::NoNode) => Ok(Arc::new(zk::Acls::anyone_all().to_vec())),
            Err(error) => Err(CommitError::Unavailable(format!("the ACL of {path} could not be read: {error}"))),
        }
    }

    /// Makes the root and its folders where they are missing. Safe to repeat and to run side by side. Returns
    /// whether anyone may write the tree: an open ZooKeeper is used as Metron did, and deserves a warning.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn init(&self) -> Result<bool, CommitError> {
        let folders = Node::folders();
        let paths = self.root().with_ancestors().into_iter().chain(folders.iter().map(|f| self.path(f)));
        for path in paths {
            let create = Op::Create { path, data: Vec::new(), ephemeral: false };
            match self.commit(&[create]).await {
                Err(error) if error.refusal() == Some(Refusal::NodeExists) => {}
                other => drop(other?),
            }
        }
        let acl = self.acl(&self.client(), &self.root().to_string()).await?;
        Ok(acl.iter().any(|a| a.scheme() == "world" && a.permission().has(zk::Permission::WRITE)))
    }

    /// Whether the tree was made: its folder of specs exists.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn is_initialised(&self) -> Result<bool, ReadError> {
        Ok(self.get(&self.path(&Node::Folder("specs/ModelDeployment".to_owned()))).await?.is_some())
    }
}

pub(crate) fn id_of(client: &zk::Client) -> i64 {
    client.session_id().0
}

pub(crate) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => path.get(..at).unwrap_or("/"),
    }
}

fn add(writer: &mut zk::MultiWriter<'_>, op: &Op, acl: &Arc<Vec<zk::Acl>>) -> Result<(), zk::Error> {
    match op {
        Op::Create { path, data, ephemeral } => {
            let mode = if *ephemeral { zk::CreateMode::Ephemeral } else { zk::CreateMode::Persistent };
            writer.add_create(path, data, &mode.with_acls(zk::Acls::new(acl)))
        }
        Op::Set { path, data, version } => writer.add_set_data(path, data, *version),
        Op::Delete { path, version } => writer.add_delete(path, *version),
        Op::Check { path, version } => writer.add_check_version(path, *version),
    }
}

fn done(result: zk::MultiWriteResult) -> Done {
    match result {
        zk::MultiWriteResult::Delete => Done::Deleted,
        // ZOOKEEPER-4026: a created node's stat may be missing.
        zk::MultiWriteResult::Create { stat, .. } if stat.czxid <= 0 => Done::Created(Stat::default()),
        zk::MultiWriteResult::Create { stat, .. } => Done::Created(stat_of(&stat)),
        zk::MultiWriteResult::SetData { stat } => Done::Set(stat_of(&stat)),
        _ => Done::Checked,
    }
}

fn classify(ops: &[Op], error: zk::MultiWriteError) -> CommitError {
    match error {
        zk::MultiWriteError::OperationFailed { index, source } => {
            let path = ops.get(index).map_or("", Op::path).to_owned();
            let why = match source {
                zk::Error::NodeExists => Refusal::NodeExists,
                zk::Error::NoNode => Refusal::NoNode,
                zk::Error::BadVersion => Refusal::BadVersion,
                zk::Error::NotEmpty => Refusal::NotEmpty,
                zk::Error::NoChildrenForEphemerals => Refusal::NoChildrenForEphemerals,
                zk::Error::NoAuth | zk::Error::InvalidAcl => Refusal::NoAuth,
                _ => Refusal::Other,
            };
            CommitError::Refused { index, path, why }
        }
        zk::MultiWriteError::RequestFailed { source } => match source {
            zk::Error::NoHosts | zk::Error::AuthFailed => CommitError::Unavailable(source.to_string()),
            // An expired session too: the request may have been applied before.
            _ => CommitError::Unknown(source.to_string()),
        },
    }
}

pub(crate) fn stat_of(stat: &zk::Stat) -> Stat {
    Stat {
        czxid: stat.czxid,
        mzxid: stat.mzxid,
        version: stat.version,
        ephemeral_owner: stat.ephemeral_owner,
        ctime_ms: stat.ctime,
        mtime_ms: stat.mtime,
        num_children: stat.num_children,
    }
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

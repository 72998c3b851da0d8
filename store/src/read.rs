//! Reads, each with a deadline.

use std::collections::BTreeMap;

use futures::StreamExt;
use tokio::time::{Instant, timeout};
use zk::MultiReadResult::{Children, Data, Error};
use zookeeper_client as zk;

use crate::acl::IDENTITY;
use crate::op::Stat;
use crate::path::Node;
use crate::session::{ClientError, Store};

/// Nodes that one request of a list reads: a request each would cost client and server three times as much.
const TOGETHER: usize = 32;
/// Requests of one list that are under way at a time.
const AT_ONCE: usize = 16;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The server refused it, or the connection was lost.
    #[error("reading {path} failed")]
    Failed {
        /// What was read.
        path: String,
        /// Why.
        #[source]
        source: ClientError,
    },
    /// Its access control list gives this identity no right to read.
    #[error(
        "reading {0} failed: its access control list lets {IDENTITY}, as whom ZooKeeper was asked, not read it: let who administers it add the right r (`setAcl {0} ...,{IDENTITY}:r` in zkCli.sh), or work in another namespace or below another root"
    )]
    Denied(String),
    /// The deadline passed.
    #[error("reading {path} failed: ZooKeeper did not answer within {seconds:.0} s")]
    Deadline {
        /// What was read.
        path: String,
        /// How long was waited.
        seconds: f64,
    },
}

impl ReadError {
    /// Whether this identity may not read it: trying again can't help.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied(_))
    }

    /// Whether nobody answered: trying again may help.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        use zk::Error::{ConnectionLoss, NoHosts, SessionExpired, SessionMoved, Throttled, Timeout};
        match self {
            Self::Deadline { .. } => true,
            Self::Denied(_) => false,
            Self::Failed { source: ClientError(error), .. } => {
                matches!(error, ConnectionLoss | NoHosts | SessionExpired | SessionMoved | Throttled | Timeout)
            }
        }
    }

    fn cause(&self) -> String {
        match self {
            Self::Failed { source, .. } => source.to_string(),
            Self::Denied(_) => "no right to read it".to_owned(),
            Self::Deadline { seconds, .. } => format!("no answer within {seconds:.0} s"),
        }
    }
}

/// Tells those who listen of a request that is over, and why it failed if it did.
pub(crate) fn told(what: &str, path: &str, begun: Instant, failed: Option<String>) {
    let answer = failed.as_deref().unwrap_or("ok");
    tracing::debug!(target: "call", to = "zookeeper", what = format!("{what} {path}"), answer, took = ?begun.elapsed());
}

/// A node below which was listed: its path, data and stat.
type Listed = (String, Vec<u8>, Stat);

/// What one read of a list showed.
enum Seen {
    /// A node, and the names of its children, sorted.
    Node(Listed, Vec<String>),
    /// It vanished meanwhile.
    Gone,
    /// This identity may not read it.
    Denied(String),
}

impl Store {
    pub(crate) async fn within<T>(
        &self,
        what: &str,
        path: &str,
        request: impl Future<Output = Result<T, zk::Error>>,
    ) -> Result<T, ReadError> {
        let (deadline, begun) = (self.deadline(), Instant::now());
        let answer = match timeout(deadline, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(zk::Error::NoAuth)) => Err(ReadError::Denied(path.to_owned())),
            Ok(Err(source)) => Err(ReadError::Failed { path: path.to_owned(), source: ClientError(source) }),
            Err(_) => Err(ReadError::Deadline { path: path.to_owned(), seconds: deadline.as_secs_f64() }),
        };
        told(what, path, begun, answer.as_ref().err().map(ReadError::cause));
        answer
    }

    /// A node's data and stat; none when it does not exist.
    ///
    /// # Errors
    /// The server refused it or did not answer in time.
    pub async fn get(&self, path: &str) -> Result<Option<(Vec<u8>, Stat)>, ReadError> {
        let request = async { self.client()?.get_data(path).await };
        let found = if_there(self.within("get", path, request).await)?;
        Ok(found.map(|(data, stat)| (data, stat_of(&stat))))
    }

    /// The names of a node's children, sorted; none when it does not exist.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn children(&self, path: &str) -> Result<Option<Vec<String>>, ReadError> {
        let request = async { self.client()?.list_children(path).await };
        let mut found = if_there(self.within("children", path, request).await)?;
        if let Some(names) = &mut found {
            names.sort();
        }
        Ok(found)
    }

    /// A node and everything below it, parents before children. What vanishes meanwhile is left out, and so is what
    /// this identity may not read below it, with a warning: one closed node does not hide the others.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn list(&self, path: &str) -> Result<Vec<Listed>, ReadError> {
        let mut found = Vec::new();
        let mut denied = Vec::new();
        let mut level = vec![path.to_owned()];
        while !level.is_empty() {
            // A level of the tree at a time, many nodes a request, the requests pipelined on the one connection.
            let reads: Vec<_> = level.chunks(TOGETHER).map(|paths| self.together(paths.to_vec())).collect();
            level = Vec::new();
            let mut nodes = futures::stream::iter(reads).buffered(AT_ONCE);
            while let Some(nodes) = nodes.next().await {
                for node in nodes? {
                    match node {
                        Seen::Node(node, children) => level.extend(hold(&mut found, (node, children))),
                        Seen::Gone => {}
                        Seen::Denied(at) if at == path => {
                            return Err(ReadError::Denied(at));
                        }
                        Seen::Denied(at) => denied.push(at),
                    }
                }
            }
        }
        if let Some(first) = denied.first() {
            let others = if denied.len() > 1 { format!(" (and {} others)", denied.len() - 1) } else { String::new() };
            tracing::warn!(
                "{first}{others} may not be read by {IDENTITY}: left out; who administers it can add the right r"
            );
        }
        Ok(found)
    }

    /// Several nodes by one request, and the children of those that have some by a second.
    async fn together(&self, paths: Vec<String>) -> Result<Vec<Seen>, ReadError> {
        let nodes = self.multi(&paths, |reader, path| reader.add_get_data(path)).await?;
        let is_parent = |node: &zk::MultiReadResult| matches!(node, Data { stat, .. } if stat.num_children > 0);
        let parents: Vec<String> =
            paths.iter().zip(&nodes).filter(|(_, node)| is_parent(node)).map(|(path, _)| path.clone()).collect();
        let children = self.multi(&parents, |reader, path| reader.add_get_children(path)).await?;
        let mut children: BTreeMap<_, _> = parents.into_iter().zip(children).collect();
        let mut seen = Vec::with_capacity(paths.len());
        for (path, node) in paths.into_iter().zip(nodes) {
            seen.push(match node {
                Data { data, stat } => {
                    let below = match children.remove(&path) {
                        Some(Children { mut children }) => {
                            children.sort();
                            children
                        }
                        _ => Vec::new(),
                    };
                    Seen::Node((path, data, stat_of(&stat)), below)
                }
                Error { err: zk::Error::NoNode } => Seen::Gone,
                Error { err: zk::Error::NoAuth } => Seen::Denied(path),
                Error { err } => return Err(ReadError::Failed { path, source: ClientError(err) }),
                _ => Seen::Gone,
            });
        }
        Ok(seen)
    }

    /// One request of several reads; a result for each, in order.
    async fn multi(
        &self,
        paths: &[String],
        add: for<'a> fn(&mut zk::MultiReader<'a>, &str) -> Result<(), zk::Error>,
    ) -> Result<Vec<zk::MultiReadResult>, ReadError> {
        let Some(first) = paths.first() else { return Ok(Vec::new()) };
        let request = async {
            let client = self.client()?;
            let mut reader = client.new_multi_reader();
            for path in paths {
                add(&mut reader, path)?;
            }
            let results = reader.commit().await?;
            if results.len() == paths.len() {
                return Ok(results);
            }
            Err(zk::Error::UnexpectedError(format!("{} answers to {} reads", results.len(), paths.len())))
        };
        let what = if paths.len() == 1 { "read" } else { &format!("read {} nodes from", paths.len()) };
        self.within(what, first, request).await
    }

    /// Whether the tree was made: its folder of specs exists.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn is_initialised(&self) -> Result<bool, ReadError> {
        Ok(self.get(&self.path(&Node::Folder("specs/ModelDeployment".to_owned()))).await?.is_some())
    }
}

/// Keeps a node and returns the paths of its children.
fn hold(found: &mut Vec<Listed>, (node, children): (Listed, Vec<String>)) -> Vec<String> {
    let paths = children.iter().map(|child| format!("{}/{child}", node.0.trim_end_matches('/'))).collect();
    found.push(node);
    paths
}

fn if_there<T>(result: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Failed { source: ClientError(zk::Error::NoNode), .. }) => Ok(None),
        Err(error) => Err(error),
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

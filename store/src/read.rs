//! Reads, each with a deadline.

use futures::StreamExt;
use tokio::time::timeout;
use zookeeper_client as zk;

use crate::op::Stat;
use crate::path::Node;
use crate::session::{ClientError, Store};

/// Requests of one list that are under way at a time.
const AT_ONCE: usize = 256;

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
        matches!(self, Self::Failed { source: ClientError(zk::Error::NoAuth), .. })
    }
}

/// A node below which was listed: its path, data and stat.
type Listed = (String, Vec<u8>, Stat);

impl Store {
    pub(crate) async fn within<T>(
        &self,
        path: &str,
        request: impl Future<Output = Result<T, zk::Error>>,
    ) -> Result<T, ReadError> {
        let deadline = self.deadline();
        match timeout(deadline, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(ReadError::Failed { path: path.to_owned(), source: ClientError(source) }),
            Err(_) => Err(ReadError::Deadline { path: path.to_owned(), seconds: deadline.as_secs_f64() }),
        }
    }

    /// A node's data and stat; none when it does not exist.
    ///
    /// # Errors
    /// The server refused it or did not answer in time.
    pub async fn get(&self, path: &str) -> Result<Option<(Vec<u8>, Stat)>, ReadError> {
        let request = async { self.client()?.get_data(path).await };
        let found = if_there(self.within(path, request).await)?;
        Ok(found.map(|(data, stat)| (data, stat_of(&stat))))
    }

    /// The names of a node's children, sorted; none when it does not exist.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn children(&self, path: &str) -> Result<Option<Vec<String>>, ReadError> {
        let request = async { self.client()?.list_children(path).await };
        let mut found = if_there(self.within(path, request).await)?;
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
        let mut level = Vec::new();
        if let Some(top) = self.with_children(path).await? {
            level.extend(hold(&mut found, top));
        }
        while !level.is_empty() {
            // A level of the tree at a time, its requests pipelined on the one connection.
            let reads = std::mem::take(&mut level).into_iter().map(|path| async move {
                let node = self.with_children(&path).await;
                (path, node)
            });
            let mut nodes = futures::stream::iter(reads).buffered(AT_ONCE);
            while let Some((path, node)) = nodes.next().await {
                match node {
                    Ok(Some(node)) => level.extend(hold(&mut found, node)),
                    Ok(None) => {}
                    Err(error) if error.is_denied() => denied.push(path),
                    Err(error) => return Err(error),
                }
            }
        }
        if let Some(first) = denied.first() {
            tracing::warn!("this identity may not read {first} (and {} others): left out", denied.len() - 1);
        }
        Ok(found)
    }

    async fn with_children(&self, path: &str) -> Result<Option<(Listed, Vec<String>)>, ReadError> {
        let Some((data, stat)) = self.get(path).await? else { return Ok(None) };
        let children = if stat.num_children > 0 { self.children(path).await?.unwrap_or_default() } else { Vec::new() };
        Ok(Some(((path.to_owned(), data, stat), children)))
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

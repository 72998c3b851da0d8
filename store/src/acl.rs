//! Access control lists: a new node takes its parent's, and none is created without one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zookeeper_client as zk;

use crate::op::{CommitError, Op, Refusal};
use crate::path::parent;

/// A list that was read longer ago is read again: an administrator may have changed it.
const FRESH: Duration = Duration::from_secs(30);
/// Lists kept; started anew rather than grown without end.
const MOST: usize = 10_000;

/// As whom ZooKeeper is asked: no session gives credentials.
pub(crate) const IDENTITY: &str = "world:anyone";

type List = Arc<Vec<zk::Acl>>;

/// The lists that were read lately, by path.
#[derive(Default)]
pub(crate) struct Acls(Mutex<BTreeMap<String, (Instant, List)>>);

/// What an operation takes from above.
pub(crate) enum Above<'a> {
    /// Nothing: it creates nothing.
    Nothing,
    /// This list.
    List(List),
    /// There is no such parent as yet.
    Missing(&'a str),
}

impl Acls {
    /// What each operation takes; a parent that the same multi creates has its own parent's.
    pub(crate) async fn above<'a>(&self, client: &zk::Client, ops: &'a [Op]) -> Result<Vec<Above<'a>>, CommitError> {
        let mut found = Vec::with_capacity(ops.len());
        for (index, op) in ops.iter().enumerate() {
            let Op::Create { path, .. } = op else {
                found.push(Above::Nothing);
                continue;
            };
            let mut above = parent(path);
            while ops.iter().any(|other| matches!(other, Op::Create { path, .. } if path == above)) {
                above = parent(above);
            }
            found.push(match self.of(client, above).await {
                Ok(list) => Above::List(list),
                Err(zk::Error::NoNode) => Above::Missing(above),
                Err(zk::Error::NoAuth) => {
                    return Err(CommitError::Refused { index, path: path.clone(), why: Refusal::NoAuth });
                }
                Err(zk::Error::BadArguments(_)) => {
                    return Err(CommitError::Refused { index, path: path.clone(), why: Refusal::Other });
                }
                Err(error) => {
                    let message = format!("the access control list of {above} could not be read: {error}");
                    return Err(CommitError::Unavailable(message));
                }
            });
        }
        Ok(found)
    }

    /// The list of a node.
    pub(crate) async fn of(&self, client: &zk::Client, path: &str) -> Result<List, zk::Error> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some((_, list)) = known.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(list);
        }
        let list = Arc::new(client.get_acl(path).await?.0);
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= MOST {
            lists.clear();
        }
        lists.insert(path.to_owned(), (Instant::now(), list.clone()));
        Ok(list)
    }
}

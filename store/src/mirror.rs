//! A mirror of parts of the tree: list, then watch, and list again on every reconnect, every new session and every
//! 30 s. Watches only shorten the wait; the list is the truth.
//!
//! zookeeper-client 0.11 re-registers persistent watches wrongly after a reconnect, so that they are silent from
//! then on: a new one is made each time, before the list.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use zookeeper_client as zk;

use crate::op::Stat;
use crate::session::{ReadError, Store};

/// How often the whole is listed although nothing seems wrong.
const RELIST: Duration = Duration::from_secs(30);
/// Wait after a list that failed.
const RETRY: Duration = Duration::from_millis(100);
/// Changes that may wait for the reader; then the mirror waits for it.
const QUEUE: usize = 1024;
/// Most events whose nodes are read at one time.
const BATCH: usize = 256;

/// One step of a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A session stands; another id than before means that the old one's ephemerals go.
    Session {
        /// Its id.
        id: i64,
    },
    /// The connection is lost: what is known may be old.
    Lost,
    /// A whole list begins: what it does not name is told as gone before [`Change::Listed`].
    Listing,
    /// A node as it now is.
    Put {
        /// Its path.
        path: String,
        /// What it holds.
        data: Vec<u8>,
        /// Its stat.
        stat: Stat,
    },
    /// A node is no more.
    Gone {
        /// Its path.
        path: String,
    },
    /// The list is whole.
    Listed,
}

/// A stream of changes. Dropping it ends it.
#[derive(Debug)]
pub struct Mirror {
    changes: mpsc::Receiver<Change>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mirror {
    /// The next change; waits for it. Cancel-safe. It never ends by itself.
    pub async fn next(&mut self) -> Change {
        match self.changes.recv().await {
            Some(change) => change,
            // The task ends with this handle only.
            None => std::future::pending().await,
        }
    }
}

/// Follows everything at and below the given paths of the tree.
#[must_use]
pub fn mirror(store: &Store, subtrees: Vec<String>) -> Mirror {
    let (sender, changes) = mpsc::channel(QUEUE);
    let follower = Follower {
        clients: store.clients(),
        store: store.clone(),
        subtrees,
        sender,
        known: BTreeMap::new(),
        lost: false,
    };
    // Owned by the handle, which aborts it.
    Mirror { changes, task: tokio::spawn(follower.run()) }
}

struct Follower {
    store: Store,
    clients: watch::Receiver<zk::Client>,
    subtrees: Vec<String>,
    sender: mpsc::Sender<Change>,
    /// mzxid of every node told.
    known: BTreeMap<String, i64>,
    lost: bool,
}

/// Why following stopped.
enum Stop {
    /// List again.
    Again,
    /// The reader is gone.
    Done,
}

impl Follower {
    async fn run(mut self) {
        loop {
            let client = self.clients.borrow_and_update().clone();
            match self.follow(&client).await {
                Ok(Stop::Done) => return,
                Ok(Stop::Again) => {}
                Err(error) => {
                    tracing::debug!(%error, "listing again");
                    if self.tell_lost().await.is_err() {
                        return;
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn tell(&self, change: Change) -> Result<(), Stop> {
        self.sender.send(change).await.map_err(|_| Stop::Done)
    }

    async fn tell_lost(&mut self) -> Result<(), Stop> {
        if !std::mem::replace(&mut self.lost, true) {
            self.tell(Change::Lost).await?;
        }
        Ok(())
    }

    /// One watch and list, and what follows, until something calls for the next.
    async fn follow(&mut self, client: &zk::Client) -> Result<Stop, ReadError> {
        let root = self.store.root().to_string();
        let mut states = client.state_watcher();
        if !matches!(states.state(), zk::SessionState::SyncConnected) {
            if self.tell_lost().await.is_err() {
                return Ok(Stop::Done);
            }
            tokio::select! {
                _ = states.changed() => {}
                changed = self.clients.changed() => if changed.is_err() { return Ok(Stop::Done) },
            }
            return Ok(Stop::Again);
        }
        let deadline = self.store.deadline();
        let watching = client.watch(&root, zk::AddWatchMode::PersistentRecursive);
        let mut watcher = match timeout(deadline, watching).await {
            Ok(Ok(watcher)) => watcher,
            Ok(Err(source)) => return Err(ReadError::Failed { path: root, source }),
            Err(_) => return Err(ReadError::Deadline { path: root, seconds: deadline.as_secs_f64() }),
        };
        if self.tell(Change::Session { id: crate::session::id_of(client) }).await.is_err()
            || self.list().await?.is_err()
        {
            return Ok(Stop::Done);
        }
        let mut relist = Instant::now() + RELIST;
        loop {
            let event = tokio::select! {
                event = watcher.changed() => event,
                changed = self.clients.changed() => {
                    return Ok(if changed.is_err() { Stop::Done } else { Stop::Again });
                }
                () = self.sender.closed() => return Ok(Stop::Done),
                () = tokio::time::sleep_until(relist) => {
                    if self.list().await?.is_err() {
                        return Ok(Stop::Done);
                    }
                    relist = Instant::now() + RELIST;
                    continue;
                }
            };
            let mut events = vec![event];
            // What has come already is read together.
            while events.len() < BATCH && !is_session(&events) {
                match watcher.changed().now_or_never() {
                    Some(event) => events.push(event),
                    None => break,
                }
            }
            let over = is_session(&events);
            if over {
                events.pop();
            }
            if self.refresh(events).await?.is_err() {
                return Ok(Stop::Done);
            }
            if over {
                let told = self.tell_lost().await;
                return Ok(if told.is_err() { Stop::Done } else { Stop::Again });
            }
        }
    }

    fn is_followed(&self, path: &str) -> bool {
        self.subtrees
            .iter()
            .any(|top| path.strip_prefix(top.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    /// Reads the nodes that events speak of, all at once, and tells them in the order of the events.
    async fn refresh(&mut self, events: Vec<zk::WatchedEvent>) -> Result<Result<(), Stop>, ReadError> {
        let mut paths: Vec<String> = Vec::new();
        for event in events {
            if self.is_followed(&event.path) && !paths.contains(&event.path) {
                paths.push(event.path);
            }
        }
        let store = self.store.clone();
        let nodes = futures::future::try_join_all(paths.iter().map(|path| store.get(path))).await?;
        for (path, node) in paths.into_iter().zip(nodes) {
            let told = match node {
                Some((data, stat)) => self.put(path, data, stat).await,
                None => self.gone(path).await,
            };
            if told.is_err() {
                return Ok(told);
            }
        }
        Ok(Ok(()))
    }

    async fn put(&mut self, path: String, data: Vec<u8>, stat: Stat) -> Result<(), Stop> {
        if self.known.get(&path) != Some(&stat.mzxid) {
            self.known.insert(path.clone(), stat.mzxid);
            self.tell(Change::Put { path, data, stat }).await?;
        }
        Ok(())
    }

    async fn gone(&mut self, path: String) -> Result<(), Stop> {
        if self.known.remove(&path).is_some() {
            self.tell(Change::Gone { path }).await?;
        }
        Ok(())
    }

    /// Lists everything and tells what differs from what was told before.
    async fn list(&mut self) -> Result<Result<(), Stop>, ReadError> {
        let mut listed = Vec::new();
        for top in &self.subtrees {
            listed.extend(self.store.list(top).await?);
        }
        Ok(self.tell_list(listed).await)
    }

    async fn tell_list(&mut self, listed: Vec<(String, Vec<u8>, Stat)>) -> Result<(), Stop> {
        self.lost = false;
        self.tell(Change::Listing).await?;
        let mut vanished = std::mem::take(&mut self.known);
        let mut news = Vec::new();
        for (path, data, stat) in listed {
            if vanished.remove(&path) != Some(stat.mzxid) {
                news.push((path.clone(), data, stat));
            }
            self.known.insert(path, stat.mzxid);
        }
        // Children before their parents.
        for path in vanished.into_keys().rev() {
            self.tell(Change::Gone { path }).await?;
        }
        for (path, data, stat) in news {
            self.tell(Change::Put { path, data, stat }).await?;
        }
        self.tell(Change::Listed).await
    }
}

fn is_session(events: &[zk::WatchedEvent]) -> bool {
    events.last().is_some_and(|e| e.event_type == zk::EventType::Session)
}

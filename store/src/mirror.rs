//! A mirror of parts of the tree: list, then watch, and list again on every reconnect, every new session and every
//! 30 s. Watches only shorten the wait; the list is the truth.
//!
//! zookeeper-client 0.11 re-registers persistent watches wrongly after a reconnect, so that they are silent from
//! then on: a new one is made each time, before the list.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use zookeeper_client as zk;

use crate::op::Stat;
use crate::path::{is_within, parent};
use crate::read::ReadError;
use crate::session::Store;

/// How often the whole is listed although nothing seems wrong.
const RELIST: Duration = Duration::from_secs(30);
/// Wait after a list that failed; doubled up to the longest until one is whole.
const RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// Changes that may wait for the reader; then the mirror waits for it.
const QUEUE: usize = 1024;
/// Most nodes that are read at one time.
const BATCH: usize = 256;
/// Changed nodes that may wait to be read; at more, the whole is listed instead.
const CHANGED: usize = 10_000;

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
    /// A node is no more; perhaps one that came and went without having been told.
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

/// Follows everything at and below the given paths of the tree. They are watched together, at the lowest path above all
/// of them.
#[must_use]
pub fn mirror(store: &Store, subtrees: Vec<String>) -> Mirror {
    let (sender, changes) = mpsc::channel(QUEUE);
    let follower = Follower {
        clients: store.clients(),
        store: store.clone(),
        top: lowest_above(&subtrees),
        subtrees,
        known: BTreeMap::new(),
        outbox: VecDeque::new(),
        lost: false,
        retry: RETRY,
    };
    // Owned by the handle, which aborts it.
    Mirror { changes, task: tokio::spawn(follower.run(sender)) }
}

fn lowest_above(paths: &[String]) -> String {
    let Some((first, others)) = paths.split_first() else { return "/".to_owned() };
    let mut top = first.as_str();
    while !others.iter().all(|path| is_within(path, top)) {
        top = parent(top);
    }
    top.to_owned()
}

struct Follower {
    store: Store,
    clients: watch::Receiver<Option<zk::Client>>,
    subtrees: Vec<String>,
    /// What is watched.
    top: String,
    /// mzxid of every node told.
    known: BTreeMap<String, i64>,
    /// What is to be told next, of one list or one batch.
    outbox: VecDeque<Change>,
    /// That the view is lost was the last word on it.
    lost: bool,
    /// Wait after the next list that fails.
    retry: Duration,
}

/// Nodes to read, in the order in which they first changed. Events that the reader is too slow for end up here, where
/// there is one entry a node.
#[derive(Default)]
struct Changed {
    order: VecDeque<String>,
    members: BTreeSet<String>,
}

impl Changed {
    fn add(&mut self, path: String) {
        if self.members.insert(path.clone()) {
            self.order.push_back(path);
        }
    }

    fn take(&mut self, most: usize) -> Vec<String> {
        let taken: Vec<String> = self.order.drain(..most.min(self.order.len())).collect();
        for path in &taken {
            self.members.remove(path);
        }
        taken
    }
}

impl Follower {
    async fn run(mut self, sender: mpsc::Sender<Change>) {
        loop {
            let Some(client) = self.clients.borrow_and_update().clone() else {
                // The store was closed.
                drop(sender.send(Change::Lost).await);
                return;
            };
            let mut states = client.state_watcher();
            let mut failed = false;
            if states.state() == zk::SessionState::SyncConnected {
                if let Err(error) = self.follow(&client, &sender).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "listing again");
                    failed = true;
                }
                self.outbox.clear();
            }
            let told = std::mem::replace(&mut self.lost, true) || sender.send(Change::Lost).await.is_ok();
            if !told || sender.is_closed() {
                return;
            }
            if failed {
                tokio::time::sleep(self.retry).await;
                self.retry = LONGEST_RETRY.min(self.retry * 2);
            }
            while states.state() != zk::SessionState::SyncConnected {
                tokio::select! {
                    _ = states.changed() => {}
                    _ = self.clients.changed() => break,
                }
            }
        }
    }

    /// One watch, list, and what follows, until something calls for the next or the reader is gone.
    async fn follow(&mut self, client: &zk::Client, sender: &mpsc::Sender<Change>) -> Result<(), ReadError> {
        let watching = client.watch(&self.top, zk::AddWatchMode::PersistentRecursive);
        let mut watcher = self.store.within("watch", &self.top, watching).await?;
        // A new session may be with a server that lags behind what the old one showed.
        self.store.within("sync", &self.top, client.sync(&self.top)).await?;
        self.outbox.push_back(Change::Session { id: crate::session::id_of(client) });
        let mut changed = Changed::default();
        let mut relist = Instant::now();
        loop {
            // Nothing is read before what was read is told: what is known is then what was told.
            if self.outbox.is_empty() && !changed.order.is_empty() {
                self.read(changed.take(BATCH)).await?;
            }
            tokio::select! {
                event = watcher.changed() => {
                    let mut next = Some(event);
                    let mut room = BATCH;
                    // What has come already is read together. Nothing may be asked for after a session's event.
                    while let Some(event) = next.take() {
                        if event.event_type == zk::EventType::Session {
                            return Ok(());
                        }
                        if self.subtrees.iter().any(|top| is_within(&event.path, top)) {
                            changed.add(event.path);
                        }
                        room -= 1;
                        if room > 0 {
                            next = watcher.changed().now_or_never();
                        }
                    }
                    if changed.order.len() > CHANGED {
                        changed = Changed::default();
                        relist = Instant::now();
                    }
                }
                _ = self.clients.changed() => {
                    // Not seen yet by who calls this.
                    self.clients.mark_changed();
                    return Ok(());
                }
                permit = sender.reserve(), if !self.outbox.is_empty() => {
                    let Ok(permit) = permit else { return Ok(()) };
                    self.tell(permit);
                    while !self.outbox.is_empty() && let Ok(permit) = sender.try_reserve() {
                        self.tell(permit);
                    }
                }
                () = sender.closed() => return Ok(()),
                () = tokio::time::sleep_until(relist), if self.outbox.is_empty() => {
                    self.list().await?;
                    relist = Instant::now() + RELIST;
                }
            }
        }
    }

    fn tell(&mut self, permit: mpsc::Permit<'_, Change>) {
        let Some(change) = self.outbox.pop_front() else { return };
        match &change {
            Change::Put { path, stat, .. } => drop(self.known.insert(path.clone(), stat.mzxid)),
            Change::Gone { path } => drop(self.known.remove(path)),
            Change::Session { .. } => self.lost = false,
            Change::Listed => self.retry = RETRY,
            Change::Lost | Change::Listing => {}
        }
        permit.send(change);
    }

    /// Reads nodes that changed, all at once.
    async fn read(&mut self, paths: Vec<String>) -> Result<(), ReadError> {
        let store = self.store.clone();
        let reads = paths.into_iter().map(|path| {
            let store = store.clone();
            async move {
                match store.get(&path).await {
                    // As a list leaves it out.
                    Err(error) if error.is_denied() => Ok((path, None)),
                    other => other.map(|node| (path, node)),
                }
            }
        });
        let nodes: Vec<_> = futures::stream::iter(reads).buffered(BATCH).try_collect().await?;
        for (path, node) in nodes {
            match node {
                Some((_, stat)) if self.known.get(&path) == Some(&stat.mzxid) => {}
                Some((data, stat)) => self.outbox.push_back(Change::Put { path, data, stat }),
                // Also of one that was never told: who made it knows it, and may not know that it is gone.
                None => self.outbox.push_back(Change::Gone { path }),
            }
        }
        Ok(())
    }

    /// Lists everything and finds what differs from what was told before.
    async fn list(&mut self) -> Result<(), ReadError> {
        let mut news = Vec::new();
        let mut there = BTreeSet::new();
        for top in &self.subtrees {
            for (path, data, stat) in self.store.list(top).await? {
                if self.known.get(&path) != Some(&stat.mzxid) {
                    news.push(Change::Put { path: path.clone(), data, stat });
                }
                there.insert(path);
            }
        }
        self.outbox.push_back(Change::Listing);
        // Children before their parents.
        let vanished = self.known.keys().rev().filter(|path| !there.contains(*path)).cloned();
        self.outbox.extend(vanished.map(|path| Change::Gone { path }));
        self.outbox.extend(news);
        self.outbox.push_back(Change::Listed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_are_watched_at_the_lowest_path_above_them() {
        let above = |paths: &[&str]| lowest_above(&paths.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(above(&["/maas/specs"]), "/maas/specs");
        assert_eq!(above(&["/maas/specs/a", "/maas/status"]), "/maas");
        assert_eq!(above(&["/maas", "/maas/status"]), "/maas");
        assert_eq!(above(&["/ab", "/a"]), "/");
        assert_eq!(above(&[]), "/");
    }

    #[test]
    fn a_node_that_changes_often_waits_once() {
        let mut changed = Changed::default();
        for n in 0..5_000 {
            changed.add(format!("/{}", n % 3));
        }
        assert_eq!(changed.take(2), ["/0", "/1"]);
        changed.add("/0".to_owned());
        assert_eq!(changed.take(9), ["/2", "/0"]);
    }
}

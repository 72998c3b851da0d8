//! Metron's queue as its clients fill it: Curator's SimpleDistributedQueue, a persistent sequential node an item. Who reads it
//! hears by push that it moved, and reads some items at a time; it may be endless.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use zookeeper_client as zk;

use crate::read::ReadError;
use crate::session::Store;

/// How the names of items begin; what else stands there is no item.
pub const QUEUE_PREFIX: &str = "qn-";
/// Most items that are read at a time, and bytes after which no further one is.
const MOST: usize = 64;
const BYTES: usize = 256 * 1024;
/// How often it is looked at although nothing seems to move.
const AGAIN: Duration = Duration::from_secs(30);
/// Wait after a watch that could not be set.
const RETRY: Duration = Duration::from_secs(1);

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueItem {
    /// The name of its node.
    pub name: String,
    /// What it holds.
    pub data: Vec<u8>,
    /// The version of its node.
    pub version: i32,
}

/// The first items of a queue, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSeen {
    /// The items.
    pub items: Vec<QueueItem>,
    /// There are more.
    pub more: bool,
}

impl Store {
    /// The first items of the queue at `path`, but for those named in `except`; none where there is no queue.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn queue_items(&self, path: &str, except: &BTreeSet<String>) -> Result<QueueSeen, ReadError> {
        let mut seen = QueueSeen::default();
        let mut bytes = 0;
        for name in self.queue_names(path).await?.into_iter().filter(|name| !except.contains(name)) {
            if seen.items.len() >= MOST || bytes >= BYTES {
                seen.more = true;
                break;
            }
            // Somebody else may have taken it.
            let Some((data, stat)) = self.get(&format!("{path}/{name}")).await? else { continue };
            bytes += data.len();
            seen.items.push(QueueItem { name, data, version: stat.version });
        }
        Ok(seen)
    }

    /// The names of all items of the queue at `path`, in their order.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn queue_names(&self, path: &str) -> Result<Vec<String>, ReadError> {
        let mut names = self.children(path).await?.unwrap_or_default();
        names.retain(|name| name.starts_with(QUEUE_PREFIX));
        Ok(names)
    }
}

/// Says when a queue moved. Dropping it ends it.
#[derive(Debug)]
pub struct QueueWatch {
    moved: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for QueueWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl QueueWatch {
    /// Waits until there may be something new: at first, after a change, after a reconnect, and every 30 s. However much
    /// moves, it is said once until it is heard. Cancel-safe.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }
}

/// Watches the queue at `path`, which need not exist.
#[must_use]
pub fn watch_queue(store: &Store, path: String) -> QueueWatch {
    let moved = Arc::new(Notify::new());
    // Owned by the handle, which aborts it.
    let task = tokio::spawn(follow(store.clone(), store.clients(), path, moved.clone()));
    QueueWatch { moved, task }
}

async fn follow(store: Store, mut clients: watch::Receiver<Option<zk::Client>>, path: String, moved: Arc<Notify>) {
    loop {
        // None once the store was closed.
        let Some(client) = clients.borrow_and_update().clone() else { return };
        let mut states = client.state_watcher();
        if states.state() == zk::SessionState::SyncConnected {
            // As with the mirror, one that outlived a reconnect would be silent: a new one is made each time.
            match store.within("watch", &path, client.watch(&path, zk::AddWatchMode::Persistent)).await {
                Ok(watcher) => listen(watcher, &mut clients, &moved).await,
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "watching the queue again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        while states.state() != zk::SessionState::SyncConnected {
            tokio::select! {
                _ = states.changed() => {}
                _ = clients.changed() => break,
            }
        }
    }
}

/// Until the connection or the session is another.
async fn listen(mut watcher: zk::PersistentWatcher, clients: &mut watch::Receiver<Option<zk::Client>>, moved: &Notify) {
    // What came before the watch stood.
    moved.notify_one();
    loop {
        tokio::select! {
            event = watcher.changed() => {
                if event.event_type == zk::EventType::Session {
                    return;
                }
            }
            _ = clients.changed() => {
                // Not seen yet by who calls this.
                clients.mark_changed();
                return;
            }
            () = tokio::time::sleep(AGAIN) => {}
        }
        moved.notify_one();
    }
}

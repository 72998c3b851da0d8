//! Metron's queue, looked at: whether anybody reads it, what waits on it, what was set aside.

use maas_store::{Event, EventRing, LeaderRecord, Node, Store};

use crate::legacy::DEFAULT_CONFIG_PATH;
use crate::legacy::root::{queue, tree_root};
use crate::output::age::age;
use crate::output::counted;

/// What was seen of it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Seen {
    /// Its znode.
    pub(crate) path: String,
    /// Whether the living operator reads it.
    pub(crate) is_read: bool,
    /// Items that lie there.
    pub(crate) items: usize,
    /// Items that could not be applied, as far as they are remembered.
    pub(crate) set_aside: usize,
    /// When that was last, in milliseconds since the epoch.
    pub(crate) last_ms: i64,
}

/// Looks at the queue that `leader` reads; without one, at the queue where Metron's clients put their items.
pub(crate) async fn look(store: &Store, leader: Option<&LeaderRecord>) -> anyhow::Result<Seen> {
    let read = leader.and_then(|leader| leader.metron_queue.clone());
    let mut seen = Seen { is_read: read.is_some(), ..Seen::default() };
    seen.path = match read {
        Some(path) => path,
        // A config that names no queue leaves the one that is usual.
        None => match of_config(store, DEFAULT_CONFIG_PATH).await {
            Ok(path) => path,
            Err(_) => store.path(&Node::Folder("queue".to_owned())),
        },
    };
    seen.items = store.queue_names(&seen.path).await?.len();
    let path = store.path(&Node::QueueEvents);
    if let Some((data, _)) = store.get(&path).await? {
        let ring = EventRing::decode(&path, &data).unwrap_or_default();
        for event in ring.0.iter().filter(|event| event.reason == Event::SET_ASIDE) {
            seen.set_aside += usize::try_from(event.count).unwrap_or(usize::MAX);
            seen.last_ms = seen.last_ms.max(event.last_ms);
        }
    }
    Ok(seen)
}

/// Where the clients that read the config at `config_path` put their items. They must look for endpoints in this tree.
///
/// # Errors
/// They look in another one, or the config can't be read.
pub(crate) async fn of_config(store: &Store, config_path: &str) -> anyhow::Result<String> {
    let config = store.get(config_path).await?;
    let content = config.as_ref().map(|(data, _)| data.as_slice());
    let root = tree_root(config_path, content)?;
    if root != store.root().to_string() {
        anyhow::bail!(
            "Metron's clients look for endpoints below {root}/service, by the config at {config_path}, and this is the tree {}: \
             use --root {root}, or write serviceRoot and queueConfig.zk_path of this tree into that config",
            store.root()
        );
    }
    Ok(queue(config_path, content)?)
}

impl Seen {
    /// In a line; none for a queue that nobody reads and nothing lies on.
    pub(crate) fn words(&self, now_ms: i64) -> Option<String> {
        let items = counted(self.items as u64, "item");
        let mut words = match (self.is_read, self.items) {
            (true, 0) => format!("{} is read", self.path),
            (true, _) => format!("{} is read, {items} to go", self.path),
            (false, 0) if self.set_aside == 0 => return None,
            (false, 0) => format!("{} is not read", self.path),
            (false, _) => {
                format!("{} is not read, and {items} on it: start the service with --metron-queue", self.path)
            }
        };
        if self.set_aside > 0 {
            let last = age(self.last_ms, now_ms);
            words.push_str(&format!("; {} set aside, the last {last} ago: see maasctl events", self.set_aside));
        }
        Some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_the_queue() {
        let seen = |is_read, items, set_aside| Seen { path: "/q".into(), is_read, items, set_aside, last_ms: 1_000 };
        let words = |seen: Seen| seen.words(61_000);
        assert_eq!(words(seen(false, 0, 0)), None);
        assert_eq!(words(seen(true, 0, 0)).unwrap(), "/q is read");
        assert_eq!(words(seen(true, 1, 0)).unwrap(), "/q is read, 1 item to go");
        let unread = words(seen(false, 3, 0)).unwrap();
        assert_eq!(unread, "/q is not read, and 3 items on it: start the service with --metron-queue");
        assert!(words(seen(true, 0, 2)).unwrap().ends_with("2 set aside, the last 60s ago: see maasctl events"));
        assert!(words(seen(false, 0, 2)).unwrap().starts_with("/q is not read; 2 set aside"));
    }
}

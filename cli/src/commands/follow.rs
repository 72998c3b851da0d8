//! The tree as it moves: a mirror's changes, folded into what is known.

use std::time::Duration;

use maas_crd::{Name, Namespace};
use maas_store::{Change, Mirror, Node, Store, mirror};
use tokio::time::{Instant, timeout_at};

use crate::tree::{Tree, deployment_of};

/// Changes that come together are taken together.
const TOGETHER: Duration = Duration::from_millis(20);
/// And no more than so many.
const MOST: usize = 1024;

/// Parts of the tree, kept up to date.
pub(crate) struct Followed {
    store: Store,
    subtrees: Vec<String>,
    mirror: Mirror,
    pub(crate) tree: Tree,
    /// Everything was listed at least once.
    pub(crate) whole: bool,
    /// The connection is there, as far as is known.
    pub(crate) connected: bool,
}

impl Followed {
    /// Follows everything at and below these paths.
    pub(crate) fn new(store: &Store, subtrees: Vec<String>) -> Self {
        Self {
            store: store.clone(),
            mirror: mirror(store, subtrees.clone()),
            subtrees,
            tree: Tree::new(store.root().clone()),
            whole: false,
            connected: true,
        }
    }

    /// Waits for the next change and takes it in, and those that come right after it. `before` is called with each
    /// deployment of which something is about to change, while the tree is as it was. Cancel-safe: what was
    /// taken in stays.
    ///
    /// # Errors
    /// This identity may not read it.
    pub(crate) async fn step(&mut self, mut before: impl FnMut(&Tree, &Namespace, &Name)) -> anyhow::Result<()> {
        let change = self.mirror.next().await;
        self.fold(change, &mut before).await?;
        let until = Instant::now() + TOGETHER;
        for _ in 1..MOST {
            let Ok(change) = timeout_at(until, self.mirror.next()).await else { break };
            self.fold(change, &mut before).await?;
        }
        Ok(())
    }

    async fn fold(&mut self, change: Change, before: &mut impl FnMut(&Tree, &Namespace, &Name)) -> anyhow::Result<()> {
        let path = match &change {
            Change::Put { path, .. } | Change::Gone { path } => Some(path),
            _ => None,
        };
        let node = path.and_then(|path| Node::parse(self.store.root(), path));
        if let (true, Some((namespace, name))) = (self.whole, node.as_ref().and_then(deployment_of)) {
            before(&self.tree, namespace, name);
        }
        match change {
            Change::Put { path, data, stat } => drop(self.tree.put(&path, data, stat)),
            Change::Gone { path } => drop(self.tree.remove(&path)),
            Change::Lost => {
                self.connected = false;
                // The mirror tries for ever, also what is refused.
                if !self.whole {
                    for path in &self.subtrees {
                        match self.store.get(path).await {
                            Err(error) if error.is_denied() => return Err(error.into()),
                            _ => {}
                        }
                    }
                }
            }
            Change::Listed => (self.whole, self.connected) = (true, true),
            Change::Session { .. } | Change::Listing => {}
        }
        Ok(())
    }
}

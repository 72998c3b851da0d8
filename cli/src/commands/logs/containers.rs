//! Which containers a deployment has and had.

use std::collections::BTreeSet;

use maas_crd::{Iid, Name, Namespace};
use maas_store::{EventRing, Node, Store};

use crate::commands::connection::load_one;
use crate::tree::Tree;

/// A container that runs a model, or ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) iid: Iid,
    /// YARN's name of it.
    pub(super) id: String,
    /// The NodeManager's web server, host:port.
    pub(super) node_http: String,
    pub(super) runs: bool,
}

/// All that are known of a deployment.
#[derive(Debug, Default)]
pub(super) struct Containers {
    /// By instance.
    pub(super) running: Vec<Container>,
    /// The last that ended first: as many as the deployment's events tell of.
    pub(super) ended: Vec<Container>,
    exists: bool,
}

impl Containers {
    pub(super) async fn find(store: &Store, namespace: &Namespace, name: &Name) -> anyhow::Result<Self> {
        let tree = load_one(store, namespace, name).await?;
        let path = store.path(&Node::Events { namespace: namespace.clone(), name: name.clone() });
        let events = match store.get(&path).await? {
            // Events that cannot be read are no reason to print nothing.
            Some((data, _)) => EventRing::decode(&path, &data).unwrap_or_default(),
            None => EventRing::default(),
        };
        Ok(Self::of(&tree, &events, namespace, name))
    }

    fn of(tree: &Tree, events: &EventRing, namespace: &Namespace, name: &Name) -> Self {
        let instances = tree.instances_of(namespace, name);
        let exists = !instances.is_empty() || tree.deployment(namespace, name).is_some();
        let running: Vec<Container> = instances
            .into_iter()
            .filter_map(|instance| {
                let runner = instance.runner?;
                let node_http = runner.node_http.unwrap_or(runner.node);
                Some(Container { iid: instance.iid, id: runner.container, node_http, runs: true })
            })
            .collect();
        let mut seen: BTreeSet<&str> = running.iter().map(|container| container.id.as_str()).collect();
        let mut ended: Vec<Container> = Vec::new();
        for event in events.0.iter().rev() {
            let (Some((id, node_http)), Ok(iid)) = (event.place(), event.object.parse()) else { continue };
            if seen.insert(id) {
                ended.push(Container { iid, id: id.to_owned(), node_http: node_http.to_owned(), runs: false });
            }
        }
        drop(seen);
        Self { running, ended, exists }
    }

    /// Whether there is such a deployment, or anything left of one.
    pub(super) fn is_known(&self) -> bool {
        self.exists || !self.ended.is_empty()
    }
}

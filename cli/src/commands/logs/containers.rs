//! Which containers deployments have and had.

use std::collections::BTreeSet;

use maas_crd::{Iid, Name, Namespace};
use maas_store::Store;

use super::Of;
use crate::commands::connection::{Part, load_paths};
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
#[derive(Debug)]
pub(super) struct Containers {
    pub(super) name: Name,
    /// By instance.
    pub(super) running: Vec<Container>,
    /// The last that ended first: as many as the deployment's events tell of.
    pub(super) ended: Vec<Container>,
    exists: bool,
}

/// What is read of the tree to know them.
pub(super) fn paths(store: &Store, namespace: &Namespace, of: &Of) -> Vec<String> {
    let parts = [Part::Specs, Part::Instances, Part::Events];
    match of {
        Of::One { name, .. } => {
            parts.iter().map(|part| store.path(&part.node(namespace.clone(), name.clone()))).collect()
        }
        Of::Selected(_) => parts.iter().map(|part| part.path(store, Some(namespace))).collect(),
    }
}

/// Of the deployment that is named, or of each that has the labels.
pub(super) fn find(tree: &Tree, namespace: &Namespace, of: &Of) -> Vec<Containers> {
    match of {
        Of::One { name, .. } => vec![Containers::of(tree, namespace, name)],
        Of::Selected(selector) => {
            let has = |name: &Name| selector.matches(&tree.labels(namespace, name));
            let names = tree.deployments(Some(namespace)).into_iter().map(|deployment| deployment.name);
            names.filter(has).map(|name| Containers::of(tree, namespace, &name)).collect()
        }
    }
}

/// As [`find`], read once.
pub(super) async fn load(store: &Store, namespace: &Namespace, of: &Of) -> anyhow::Result<Vec<Containers>> {
    let tree = load_paths(store, &paths(store, namespace, of)).await?;
    Ok(find(&tree, namespace, of))
}

impl Containers {
    fn of(tree: &Tree, namespace: &Namespace, name: &Name) -> Self {
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
        // Events that cannot be read are no reason to print nothing.
        let events = tree.events_of(namespace, name).unwrap_or_default();
        for event in events.0.iter().rev() {
            let (Some((id, node_http)), Ok(iid)) = (event.place(), event.object.parse()) else { continue };
            if seen.insert(id) {
                ended.push(Container { iid, id: id.to_owned(), node_http: node_http.to_owned(), runs: false });
            }
        }
        drop(seen);
        Self { name: name.clone(), running, ended, exists }
    }

    /// Whether there is such a deployment, or anything left of one.
    pub(super) fn is_known(&self) -> bool {
        self.exists || !self.ended.is_empty()
    }
}

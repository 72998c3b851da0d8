//! Sessions with the tree, and what is read of it.

use maas_crd::{Name, Namespace};
use maas_store::{Node, Store};

use crate::output;
use crate::settings::Settings;
use crate::tree::Tree;

/// Opens a session; fails within seconds when nobody answers.
pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Store> {
    Ok(Store::open(settings.tree()).await?)
}

/// Parts of the tree that commands read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Specs,
    Status,
    Instances,
    Endpoints,
    Events,
    Syncs,
}

impl Part {
    /// The path of this part, of one namespace or of all.
    pub(crate) fn path(self, store: &Store, namespace: Option<&Namespace>) -> String {
        let folder = match self {
            Self::Specs => format!("specs/{}", maas_crd::KIND),
            Self::Status => format!("status/{}", maas_crd::KIND),
            Self::Instances => "instances".to_owned(),
            Self::Endpoints => "endpoints".to_owned(),
            Self::Events => "events".to_owned(),
            Self::Syncs => "syncs".to_owned(),
        };
        store.path(&Node::Folder(match namespace {
            Some(namespace) => format!("{folder}/{namespace}"),
            None => folder,
        }))
    }

    /// The place, in this part, of one deployment; of syncs, of one sync.
    pub(crate) fn node(self, namespace: Namespace, name: Name) -> Node {
        match self {
            Self::Specs => Node::Spec { namespace, name },
            Self::Status => Node::Status { namespace, name },
            Self::Instances => Node::InstancesOf { namespace, name },
            Self::Endpoints => Node::EndpointsOf { namespace, name },
            Self::Events => Node::Events { namespace, name },
            Self::Syncs => Node::Sync { namespace, name },
        }
    }
}

/// Reads these parts of one namespace, or of all; what is not there reads as empty.
pub(crate) async fn load(store: &Store, parts: &[Part], namespace: Option<&Namespace>) -> anyhow::Result<Tree> {
    let paths: Vec<String> = parts.iter().map(|part| part.path(store, namespace)).collect();
    load_paths(store, &paths).await
}

/// Reads everything at and below these paths, all at once.
pub(crate) async fn load_paths(store: &Store, paths: &[String]) -> anyhow::Result<Tree> {
    let lists = futures::future::try_join_all(paths.iter().map(|path| store.list(path))).await?;
    let mut tree = Tree::new(store.root().clone());
    for (path, data, stat) in lists.into_iter().flatten() {
        tree.put(&path, data, stat);
    }
    Ok(tree)
}

/// Reads what there is of one deployment, and the operator's nodes.
pub(crate) async fn load_one(store: &Store, namespace: &Namespace, name: &Name) -> anyhow::Result<Tree> {
    let (namespace, name) = (namespace.clone(), name.clone());
    let node = |make: fn(Namespace, Name) -> Node| store.path(&make(namespace.clone(), name.clone()));
    let single = [
        node(|namespace, name| Node::Spec { namespace, name }),
        node(|namespace, name| Node::Status { namespace, name }),
        store.path(&Node::Leader),
    ];
    let below = [
        node(|namespace, name| Node::InstancesOf { namespace, name }),
        node(|namespace, name| Node::EndpointsOf { namespace, name }),
    ];
    let mut tree = Tree::new(store.root().clone());
    for path in single {
        if let Some((data, stat)) = store.get(&path).await? {
            tree.put(&path, data, stat);
        }
    }
    for path in below {
        for (path, data, stat) in store.list(&path).await? {
            tree.put(&path, data, stat);
        }
    }
    Ok(tree)
}

/// Whether a living operator leads the tree.
pub(crate) async fn has_leader(store: &Store) -> anyhow::Result<bool> {
    Ok(store.get(&store.path(&Node::Leader)).await?.is_some())
}

/// Without an operator an edit is kept, and its author should know that nothing follows it.
pub(crate) async fn warn_without_operator(store: &Store) -> anyhow::Result<()> {
    if !has_leader(store).await? {
        output::note(
            "warning: no operator is running: the edit is kept, and nothing will start or stop until `maasctl service start`",
        );
    }
    Ok(())
}

/// Makes the tree's folders when this is its first use.
pub(crate) async fn ensure_tree(store: &Store) -> anyhow::Result<()> {
    if !store.is_initialised().await? {
        store.init().await?;
    }
    Ok(())
}

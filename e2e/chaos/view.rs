//! The tree as a watching client sees it.

use std::collections::BTreeMap;

use maas_crd::Status;
use maas_store::{Change, Endpoint, InstanceRecord, LeaderRecord, Node, Root, Stat, Store, decode_status, mirror};
use tokio::sync::watch;

/// Data and stat by path, as last heard.
#[derive(Default)]
pub(crate) struct View {
    root: Root,
    nodes: BTreeMap<String, (Vec<u8>, Stat)>,
    /// The list is whole and the connection stands.
    pub(crate) whole: bool,
}

/// What is wanted of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) uid: i64,
    pub(crate) generation: i64,
    /// None: the manifest can't be read.
    pub(crate) replicas: Option<u32>,
}

impl View {
    /// Specs by name.
    pub(crate) fn specs(&self) -> BTreeMap<String, Wanted> {
        let spec = |path: &str, text: &[u8], stat: &Stat| match Node::parse(&self.root, path)? {
            Node::Spec { name, .. } => {
                let replicas = maas_crd::parse_one(text).ok().map(|read| read.resource.spec.replicas);
                let wanted = Wanted { uid: stat.czxid, generation: i64::from(stat.version) + 1, replicas };
                Some((name.to_string(), wanted))
            }
            _ => None,
        };
        self.nodes.iter().filter_map(|(path, (text, stat))| spec(path, text, stat)).collect()
    }

    /// Statuses by name.
    pub(crate) fn statuses(&self) -> BTreeMap<String, Status> {
        let status = |path: &str, data: &[u8]| match Node::parse(&self.root, path)? {
            Node::Status { name, .. } => Some((name.to_string(), decode_status(path, data).ok()?)),
            _ => None,
        };
        self.nodes.iter().filter_map(|(path, (data, _))| status(path, data)).collect()
    }

    /// Whether a condition of a deployment has that reason, or these words in its message.
    pub(crate) fn says(&self, name: &str, words: &str) -> bool {
        let status = self.statuses().remove(name);
        status.is_some_and(|status| {
            status.conditions.iter().any(|one| one.reason == words || one.message.contains(words))
        })
    }

    /// How many endpoints a deployment has.
    pub(crate) fn served(&self, name: &str) -> usize {
        self.endpoints().keys().filter(|(of, _)| of == name).count()
    }

    /// (deployment, instance) of every record; whether it may serve.
    pub(crate) fn records(&self) -> BTreeMap<(String, String), bool> {
        let record = |path: &str, data: &[u8], stat: &Stat| match Node::parse(&self.root, path)? {
            Node::Instance { name, iid, .. } => {
                InstanceRecord::decode(path, data).ok()?;
                Some(((name.to_string(), iid.to_string()), stat.version == 0))
            }
            _ => None,
        };
        self.nodes.iter().filter_map(|(path, (data, stat))| record(path, data, stat)).collect()
    }

    /// Endpoints by (deployment, instance).
    pub(crate) fn endpoints(&self) -> BTreeMap<(String, String), Endpoint> {
        let endpoint = |path: &str, data: &[u8]| match Node::parse(&self.root, path)? {
            Node::Endpoint { name, iid, .. } => {
                Some(((name.to_string(), iid.to_string()), Endpoint::decode(path, data).ok()?))
            }
            _ => None,
        };
        self.nodes.iter().filter_map(|(path, (data, _))| endpoint(path, data)).collect()
    }

    /// The living operator.
    pub(crate) fn leader(&self) -> Option<LeaderRecord> {
        let path = Node::Leader.path(&self.root);
        LeaderRecord::decode(&path, &self.nodes.get(&path)?.0).ok()
    }

    /// Epoch of an operator that is ready.
    pub(crate) fn epoch(&self) -> Option<u32> {
        self.leader().filter(|leader| leader.ready).map(|leader| leader.epoch)
    }

    /// Every path that speaks of a deployment.
    pub(crate) fn traces(&self, name: &str) -> Vec<String> {
        let of = |path: &&String| path.split('/').any(|part| part == name);
        self.nodes.keys().filter(of).cloned().collect()
    }

    /// Changes whenever something of the deployments does, events aside.
    pub(crate) fn fingerprint(&self) -> Vec<(String, i64)> {
        let events = Node::Folder("events".to_owned()).path(&self.root);
        let kept = self.nodes.iter().filter(|(path, _)| !path.starts_with(&events));
        kept.map(|(path, (_, stat))| (path.clone(), stat.mzxid)).collect()
    }
}

/// Follows the whole tree below the root.
pub(crate) fn watched(store: &Store) -> watch::Receiver<View> {
    let (sender, receiver) = watch::channel(View { root: store.root().clone(), ..View::default() });
    let store = store.clone();
    // It ends with the last receiver.
    tokio::spawn(async move {
        let mut changes = mirror(&store, vec![store.path(&Node::Root)]);
        while !sender.is_closed() {
            let change = changes.next().await;
            sender.send_modify(|view| match change {
                Change::Put { path, data, stat } => drop(view.nodes.insert(path, (data, stat))),
                Change::Gone { path } => drop(view.nodes.remove(&path)),
                Change::Lost => view.whole = false,
                Change::Listed => view.whole = true,
                Change::Session { .. } | Change::Listing => {}
            });
        }
    });
    receiver
}

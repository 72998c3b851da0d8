//! The specs and statuses of the tree as a mirror shows them, each read once, at its arrival. Pure.

use std::collections::BTreeMap;

use maas_crd::{ConditionStatus, Faults, Manifest, Name, Namespace, Status};
use maas_store::{Node, Root, SpecRead, Stat, SyncInventory, decode_status};

/// The place of an object.
pub(crate) type Key = (Namespace, Name);

/// A spec as it stands.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) stat: Stat,
    pub(crate) manifest: Result<Manifest, Faults>,
}

/// What is known of the tree.
#[derive(Debug)]
pub(crate) struct View {
    root: Root,
    pub(crate) specs: BTreeMap<Key, Live>,
    statuses: BTreeMap<Key, Status>,
}

/// What a change was of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    Spec(Key),
    Status(Key),
    Other,
}

impl View {
    pub(crate) fn new(root: Root) -> Self {
        Self { root, specs: BTreeMap::new(), statuses: BTreeMap::new() }
    }

    /// Takes a node in, unless a newer state of it is known.
    pub(crate) fn put(&mut self, path: &str, data: &[u8], stat: Stat) -> Changed {
        match Node::parse(&self.root, path) {
            Some(Node::Spec { namespace, name }) => {
                let key = (namespace, name);
                if self.specs.get(&key).is_some_and(|known| known.stat.mzxid >= stat.mzxid) {
                    return Changed::Other;
                }
                let manifest = maas_crd::parse_one(data).and_then(|manifest| manifest.named(&key.0, &key.1));
                self.specs.insert(key.clone(), Live { stat, manifest });
                Changed::Spec(key)
            }
            Some(Node::Status { namespace, name }) => {
                let key = (namespace, name);
                match decode_status(path, data) {
                    Ok(status) => drop(self.statuses.insert(key.clone(), status)),
                    Err(_) => drop(self.statuses.remove(&key)),
                }
                Changed::Status(key)
            }
            _ => Changed::Other,
        }
    }

    /// Takes in what reading a spec has given.
    pub(crate) fn know(&mut self, namespace: &Namespace, name: &Name, read: Option<SpecRead>) {
        let path = Node::Spec { namespace: namespace.clone(), name: name.clone() }.path(&self.root);
        match read {
            Some(read) => drop(self.put(&path, &read.text, read.stat)),
            None => drop(self.gone(&path)),
        }
    }

    /// Takes a node out.
    pub(crate) fn gone(&mut self, path: &str) -> Changed {
        match Node::parse(&self.root, path) {
            Some(Node::Spec { namespace, name }) => {
                let key = (namespace, name);
                if self.specs.remove(&key).is_some() { Changed::Spec(key) } else { Changed::Other }
            }
            Some(Node::Status { namespace, name }) => {
                let key = (namespace, name);
                if self.statuses.remove(&key).is_some() { Changed::Status(key) } else { Changed::Other }
            }
            _ => Changed::Other,
        }
    }

    /// The health of these objects, counted.
    pub(crate) fn inventory<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> SyncInventory {
        let mut counted = SyncInventory::default();
        for key in keys {
            counted.objects += 1;
            match self.health(key) {
                Health::Ready => counted.ready += 1,
                Health::Progressing => counted.progressing += 1,
                Health::Degraded => counted.degraded += 1,
            }
        }
        counted
    }

    /// How one object is, by its own status.
    pub(crate) fn health(&self, key: &Key) -> Health {
        let (Some(live), Some(status)) = (self.specs.get(key), self.statuses.get(key)) else {
            return Health::Progressing;
        };
        let Ok(manifest) = &live.manifest else { return Health::Degraded };
        // A status of another life, or of an older spec, says nothing of this one.
        if status.uid != live.stat.czxid || status.observed_generation != i64::from(live.stat.version) + 1 {
            return Health::Progressing;
        }
        let holds = |type_, wanted| status.condition(type_).is_some_and(|condition| condition.status == wanted);
        if holds("ReplicaFailure", ConditionStatus::True) || holds("Progressing", ConditionStatus::False) {
            return Health::Degraded;
        }
        let numbers = [status.replicas, status.updated_replicas, status.ready_replicas];
        if numbers.iter().all(|number| *number == manifest.resource.spec.replicas) {
            Health::Ready
        } else {
            Health::Progressing
        }
    }
}

/// The health of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// Its newest spec is served whole.
    Ready,
    /// It is on the way there.
    Progressing,
    /// It fails.
    Degraded,
}

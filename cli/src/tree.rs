//! What stands in the tree, as the commands look at it. Pure: filled from a listing or from a mirror's changes.

use std::collections::BTreeMap;

use maas_crd::{Faults, Iid, Manifest, Name, Namespace, Status};
use maas_store::{
    Endpoint, EventRing, Exit, InstanceRecord, LeaderRecord, Node, Root, RunnerReport, Stat, SyncOwner, SyncRecord,
};

/// The name under which events of Metron's queue are listed.
const METRON_QUEUE: &str = "metron-queue";

/// Nodes by place.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: Root,
    nodes: BTreeMap<Node, (Vec<u8>, Stat)>,
}

/// An endpoint and whose it is.
pub(crate) type Published = (Namespace, Name, Iid, Endpoint);

/// The deployment, or sync, that a node is of; none for one that is of none.
pub(crate) fn deployment_of(node: &Node) -> Option<(&Namespace, &Name)> {
    match node {
        Node::Spec { namespace, name }
        | Node::Status { namespace, name }
        | Node::RevisionsOf { namespace, name }
        | Node::Revision { namespace, name, .. }
        | Node::InstancesOf { namespace, name }
        | Node::Instance { namespace, name, .. }
        | Node::Runner { namespace, name, .. }
        | Node::Exit { namespace, name, .. }
        | Node::EndpointsOf { namespace, name }
        | Node::Endpoint { namespace, name, .. }
        | Node::Events { namespace, name }
        | Node::Sync { namespace, name }
        | Node::SyncOwner { namespace, name } => Some((namespace, name)),
        _ => None,
    }
}

/// A deployment and what is known of it.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
    /// The spec's znode.
    pub(crate) stat: Stat,
    /// What is wanted; a manifest that some other tool broke stays listed.
    pub(crate) spec: Result<Manifest, Faults>,
    /// What the operator says of this very spec; none when it has not seen it.
    pub(crate) status: Option<Status>,
}

/// A sync and who runs it.
#[derive(Debug)]
pub(crate) struct Syncing {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
    pub(crate) stat: Stat,
    /// None when it cannot be read.
    pub(crate) record: Option<SyncRecord>,
    pub(crate) owner: Option<SyncOwner>,
}

/// One instance.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
    pub(crate) iid: Iid,
    pub(crate) stat: Stat,
    /// None when its record cannot be read.
    pub(crate) record: Option<InstanceRecord>,
    pub(crate) runner: Option<RunnerReport>,
    /// The runner's last words.
    pub(crate) exit: Option<Exit>,
    pub(crate) endpoint: Option<Endpoint>,
}

impl Tree {
    pub(crate) fn new(root: Root) -> Self {
        Self { root, nodes: BTreeMap::new() }
    }

    /// Takes a node in; what no part of maas writes is passed over. Whether it was.
    pub(crate) fn put(&mut self, path: &str, data: Vec<u8>, stat: Stat) -> bool {
        match Node::parse(&self.root, path) {
            Some(node) => self.nodes.insert(node, (data, stat)).is_none_or(|(_, before)| before != stat),
            None => false,
        }
    }

    /// Takes a node out. Whether it was there.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        Node::parse(&self.root, path).is_some_and(|node| self.nodes.remove(&node).is_some())
    }

    fn read<T, E>(&self, node: &Node, decode: impl FnOnce(&str, &[u8]) -> Result<T, E>) -> Option<T> {
        let (data, _) = self.nodes.get(node)?;
        decode(&node.path(&self.root), data).ok()
    }

    /// The living operator, if there is one.
    pub(crate) fn leader(&self) -> Option<LeaderRecord> {
        self.read(&Node::Leader, LeaderRecord::decode)
    }

    /// The deployments of one namespace, or of all, by namespace and name.
    pub(crate) fn deployments(&self, of: Option<&Namespace>) -> Vec<Deployment> {
        let named = self.nodes.keys().filter_map(|node| match node {
            Node::Spec { namespace, name } if of.is_none_or(|of| of == namespace) => Some((namespace, name)),
            _ => None,
        });
        named.filter_map(|(namespace, name)| self.deployment(namespace, name)).collect()
    }

    /// The labels of a deployment; none when it has none, or is not there, or cannot be read.
    pub(crate) fn labels(&self, namespace: &Namespace, name: &Name) -> BTreeMap<String, String> {
        let spec = self.deployment(namespace, name).map(|deployment| deployment.spec);
        spec.and_then(Result::ok).map(|manifest| manifest.resource.metadata.labels).unwrap_or_default()
    }

    /// One deployment.
    pub(crate) fn deployment(&self, namespace: &Namespace, name: &Name) -> Option<Deployment> {
        let (namespace, name) = (namespace.clone(), name.clone());
        let (text, stat) = self.nodes.get(&Node::Spec { namespace: namespace.clone(), name: name.clone() })?;
        let spec = maas_crd::parse_one(text).and_then(|manifest| manifest.named(&namespace, &name));
        let status =
            self.read(&Node::Status { namespace: namespace.clone(), name: name.clone() }, maas_store::decode_status);
        let status = status.filter(|status| status.uid == stat.czxid);
        Some(Deployment { namespace, name, stat: *stat, spec, status })
    }

    /// The syncs of one namespace, or of all, by namespace and name.
    pub(crate) fn syncs(&self, of: Option<&Namespace>) -> Vec<Syncing> {
        let named = self.nodes.keys().filter_map(|node| match node {
            Node::Sync { namespace, name } if of.is_none_or(|of| of == namespace) => Some((namespace, name)),
            _ => None,
        });
        named.filter_map(|(namespace, name)| self.sync(namespace, name)).collect()
    }

    /// One sync.
    pub(crate) fn sync(&self, namespace: &Namespace, name: &Name) -> Option<Syncing> {
        let (namespace, name) = (namespace.clone(), name.clone());
        let node = Node::Sync { namespace: namespace.clone(), name: name.clone() };
        let owner = Node::SyncOwner { namespace: namespace.clone(), name: name.clone() };
        let (_, stat) = self.nodes.get(&node)?;
        let (record, owner) = (self.read(&node, SyncRecord::decode), self.read(&owner, SyncOwner::decode));
        Some(Syncing { namespace, name, stat: *stat, record, owner })
    }

    /// The instances of one namespace, or of all, by deployment and age.
    pub(crate) fn instances(&self, of: Option<&Namespace>) -> Vec<Instance> {
        // Nodes of one kind are sorted by their names.
        let wanted =
            |node: &&Node| matches!(node, Node::Instance { namespace, .. } if of.is_none_or(|of| of == namespace));
        self.nodes.keys().filter(wanted).filter_map(|node| self.instance(node)).collect()
    }

    /// The instances of one deployment, by age.
    pub(crate) fn instances_of(&self, namespace: &Namespace, name: &Name) -> Vec<Instance> {
        let at = |iid| Node::Instance { namespace: namespace.clone(), name: name.clone(), iid };
        let all = at(Iid::new(0, 0))..=at(Iid::new(u32::MAX, u32::MAX));
        self.nodes.range(all).filter_map(|(node, _)| self.instance(node)).collect()
    }

    fn instance(&self, node: &Node) -> Option<Instance> {
        let Node::Instance { namespace, name, iid } = node else { return None };
        let (data, stat) = self.nodes.get(node)?;
        let (namespace, name, iid) = (namespace.clone(), name.clone(), *iid);
        let place = |make: fn(Namespace, Name, Iid) -> Node| make(namespace.clone(), name.clone(), iid);
        let runner = place(|namespace, name, iid| Node::Runner { namespace, name, iid });
        let endpoint = place(|namespace, name, iid| Node::Endpoint { namespace, name, iid });
        let exit = place(|namespace, name, iid| Node::Exit { namespace, name, iid });
        Some(Instance {
            record: InstanceRecord::decode(&node.path(&self.root), data).ok(),
            runner: self.read(&runner, RunnerReport::decode),
            exit: self.read(&exit, Exit::decode),
            endpoint: self.read(&endpoint, Endpoint::decode),
            stat: *stat,
            namespace,
            name,
            iid,
        })
    }

    /// The endpoints of one namespace, or of all, by deployment and age; one that cannot be read is left out.
    pub(crate) fn endpoints(&self, of: Option<&Namespace>) -> Vec<Published> {
        let wanted =
            |node: &&Node| matches!(node, Node::Endpoint { namespace, .. } if of.is_none_or(|of| of == namespace));
        self.nodes.keys().filter(wanted).filter_map(|node| self.endpoint(node)).collect()
    }

    /// The endpoints of one deployment, by age.
    pub(crate) fn endpoints_of(&self, namespace: &Namespace, name: &Name) -> Vec<Published> {
        let at = |iid| Node::Endpoint { namespace: namespace.clone(), name: name.clone(), iid };
        let all = at(Iid::new(0, 0))..=at(Iid::new(u32::MAX, u32::MAX));
        self.nodes.range(all).filter_map(|(node, _)| self.endpoint(node)).collect()
    }

    fn endpoint(&self, node: &Node) -> Option<Published> {
        let Node::Endpoint { namespace, name, iid } = node else { return None };
        Some((namespace.clone(), name.clone(), *iid, self.read(node, Endpoint::decode)?))
    }

    /// The events of every deployment of one namespace, or of all; Metron's queue is in the default one.
    pub(crate) fn events(&self, of: Option<&Namespace>) -> Vec<(Namespace, Name, EventRing)> {
        let named = self.nodes.keys().filter_map(|node| match node {
            Node::Events { namespace, name } if of.is_none_or(|of| of == namespace) => Some((namespace, name)),
            _ => None,
        });
        let queue = Namespace::default();
        let queue = (of.is_none_or(|of| *of == queue)).then_some(queue).and_then(|namespace| {
            Some((namespace, METRON_QUEUE.parse().ok()?, self.read(&Node::QueueEvents, EventRing::decode)?))
        });
        named
            .filter_map(|(namespace, name)| Some((namespace.clone(), name.clone(), self.events_of(namespace, name)?)))
            .chain(queue)
            .collect()
    }

    /// The events of one deployment.
    pub(crate) fn events_of(&self, namespace: &Namespace, name: &Name) -> Option<EventRing> {
        self.read(&Node::Events { namespace: namespace.clone(), name: name.clone() }, EventRing::decode)
    }

    /// Whether anything of a deployment is left: a status, an instance or an endpoint.
    pub(crate) fn remains(&self, of: &Namespace, named: &Name) -> Vec<&'static str> {
        let mut left = Vec::new();
        for node in self.nodes.keys() {
            let what = match node {
                Node::Endpoint { namespace, name, .. } if namespace == of && name == named => "endpoints",
                Node::Instance { namespace, name, .. } if namespace == of && name == named => "instances",
                Node::Status { namespace, name } if namespace == of && name == named => "status",
                _ => continue,
            };
            if !left.contains(&what) {
                left.push(what);
            }
        }
        left
    }
}

impl Deployment {
    /// How many instances are wanted; none when the manifest cannot be read.
    pub(crate) fn replicas(&self) -> Option<u32> {
        self.spec.as_ref().ok().map(|manifest| manifest.resource.spec.replicas)
    }

    /// spec znode's version + 1.
    pub(crate) fn generation(&self) -> i64 {
        i64::from(self.stat.version) + 1
    }

    /// Whether the newest spec is served whole: as many updated instances ready as are wanted, and none of another revision.
    pub(crate) fn is_complete(&self) -> bool {
        let (Some(wanted), Some(status)) = (self.replicas(), &self.status) else { return false };
        let all = [status.replicas, status.updated_replicas, status.ready_replicas];
        status.observed_generation == self.generation() && all.iter().all(|number| *number == wanted)
    }
}

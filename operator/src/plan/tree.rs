//! The writes of a plan as operations on znodes. Every one names the version it saw.

use std::collections::BTreeSet;

use maas_crd::{Iid, ModelRef, Status, Template};
use maas_store::{Event, EventRing, InstanceRecord, Node, Op, PinnedFile, Revision, Root, Stopping};

use super::observed::{Instance, Observed};
use crate::key::Key;

/// The places of one deployment.
pub(super) struct Paths<'a> {
    root: &'a Root,
    key: &'a Key,
}

impl<'a> Paths<'a> {
    pub(super) fn new(root: &'a Root, key: &'a Key) -> Self {
        Self { root, key }
    }

    fn path(&self, node: &Node) -> String {
        node.path(self.root)
    }

    fn instance(&self, iid: Iid) -> Node {
        Node::Instance { namespace: self.key.namespace.clone(), name: self.key.name.clone(), iid }
    }

    fn endpoint(&self, iid: Iid) -> Node {
        Node::Endpoint { namespace: self.key.namespace.clone(), name: self.key.name.clone(), iid }
    }

    fn revision(&self, number: u32) -> Node {
        Node::Revision { namespace: self.key.namespace.clone(), name: self.key.name.clone(), number }
    }

    fn status(&self) -> Node {
        Node::Status { namespace: self.key.namespace.clone(), name: self.key.name.clone() }
    }

    fn events(&self) -> Node {
        Node::Events { namespace: self.key.namespace.clone(), name: self.key.name.clone() }
    }

    fn create(&self, path: String, data: Vec<u8>) -> Op {
        Op::Create { path, data, ephemeral: false }
    }

    /// Directories a first revision and instance need.
    pub(super) fn create_directories(&self, observed: &Observed<'_>, model: &ModelRef, ops: &mut Vec<Op>) {
        let mut nodes = self.instance(Iid::new(1, 1)).parents();
        nodes.extend(self.endpoint(Iid::new(1, 1)).parents());
        nodes.extend(self.revision(1).parents());
        if self.key.namespace.as_str() == "default" {
            nodes.push(Node::MetronModel { model: model.name.clone() });
        }
        self.create_missing(observed, nodes, ops);
    }

    /// Directories status and events need.
    pub(super) fn create_status_directories(&self, observed: &Observed<'_>, ops: &mut Vec<Op>) {
        let mut nodes = self.status().parents();
        nodes.extend(self.events().parents());
        self.create_missing(observed, nodes, ops);
    }

    fn create_missing(&self, observed: &Observed<'_>, nodes: Vec<Node>, ops: &mut Vec<Op>) {
        let mut made = BTreeSet::new();
        for path in nodes.iter().map(|n| self.path(n)) {
            if !observed.directories.contains(&path) && made.insert(path.clone()) {
                ops.push(self.create(path, Vec::new()));
            }
        }
    }

    pub(super) fn create_revision(&self, number: u32, uid: i64, template: &Template) -> Op {
        let revision = Revision { uid, number, template: template.clone(), payload: None };
        self.create(self.path(&self.revision(number)), revision.encode())
    }

    pub(super) fn pin_payload(&self, number: u32, revision: &Revision, files: &[PinnedFile], version: i32) -> Op {
        let pinned = Revision { payload: Some(files.to_vec()), ..revision.clone() };
        Op::Set { path: self.path(&self.revision(number)), data: pinned.encode(), version: Some(version) }
    }

    pub(super) fn delete_revision(&self, number: u32, version: i32) -> Op {
        Op::Delete { path: self.path(&self.revision(number)), version: Some(version) }
    }

    pub(super) fn create_instance(&self, iid: Iid, uid: i64, revision: u32, application: &str) -> Op {
        let record = InstanceRecord { uid, revision, application: application.to_owned(), stopping: None };
        self.create(self.path(&self.instance(iid)), record.encode())
    }

    /// The record stands, and may serve.
    pub(super) fn check_instance(&self, iid: Iid) -> Op {
        Op::Check { path: self.path(&self.instance(iid)), version: 0 }
    }

    /// Writes the record anew: any version but 0 means that it may serve no longer.
    pub(super) fn revoke(&self, iid: Iid, instance: &Instance, reason: &str, grace_ms: u64) -> Op {
        let stopping = Some(Stopping { reason: reason.to_owned(), grace_ms });
        let record = match &instance.record {
            Some(record) => InstanceRecord { stopping, ..record.clone() },
            None => InstanceRecord { uid: 0, revision: 0, application: String::new(), stopping },
        };
        Op::Set { path: self.path(&self.instance(iid)), data: record.encode(), version: Some(instance.version) }
    }

    /// Takes the endpoint away, if there is one.
    pub(super) fn unpublish(instance: &Instance) -> impl Iterator<Item = Op> + '_ {
        instance.published.iter().map(|path| Op::Delete { path: path.clone(), version: None })
    }

    /// Removes every trace of one instance.
    pub(super) fn delete_instance(&self, iid: Iid, instance: &Instance, ops: &mut Vec<Op>) {
        ops.extend(Self::unpublish(instance));
        // What is deeper sorts later.
        ops.extend(instance.children.iter().rev().map(|path| Op::Delete { path: path.clone(), version: None }));
        ops.push(Op::Delete { path: self.path(&self.instance(iid)), version: Some(instance.version) });
    }

    /// All that is left of a removed deployment, its status last.
    pub(super) fn delete_rest(&self, observed: &Observed<'_>, ops: &mut Vec<Op>) {
        ops.extend(observed.foreign.iter().rev().map(|path| Op::Delete { path: path.clone(), version: None }));
        for (number, seen) in &observed.revisions {
            ops.push(self.delete_revision(*number, seen.version));
        }
        for directory in [
            Node::RevisionsOf { namespace: self.key.namespace.clone(), name: self.key.name.clone() },
            Node::EndpointsOf { namespace: self.key.namespace.clone(), name: self.key.name.clone() },
            Node::InstancesOf { namespace: self.key.namespace.clone(), name: self.key.name.clone() },
        ] {
            let path = self.path(&directory);
            if observed.directories.contains(&path) {
                ops.push(Op::Delete { path, version: None });
            }
        }
        ops.extend(observed.idle_models.iter().map(|path| Op::Delete { path: path.clone(), version: None }));
        if let Some((_, version)) = &observed.events {
            ops.push(Op::Delete { path: self.path(&self.events()), version: Some(*version) });
        }
        if let Some((_, version)) = &observed.status {
            ops.push(Op::Delete { path: self.path(&self.status()), version: Some(*version) });
        }
    }

    pub(super) fn write_status(&self, status: &Status, version: Option<i32>) -> Op {
        let (path, data) = (self.path(&self.status()), maas_store::encode_status(status));
        match version {
            Some(version) => Op::Set { path, data, version: Some(version) },
            None => self.create(path, data),
        }
    }

    pub(super) fn write_events(&self, observed: &Observed<'_>, unwritten: &[Event]) -> Op {
        add_events(self.path(&self.events()), observed.events.clone(), unwritten.iter().cloned())
    }
}

/// The write of more events; `before` is the ring that stands at `path`, with its znode's version.
pub(crate) fn add_events(
    path: String,
    before: Option<(EventRing, i32)>,
    events: impl IntoIterator<Item = Event>,
) -> Op {
    let (mut ring, version) = before.map_or_else(Default::default, |(ring, version)| (ring, Some(version)));
    events.into_iter().for_each(|event| ring.push(event));
    let data = ring.encode();
    match version {
        Some(_) => Op::Set { path, data, version },
        None => Op::Create { path, data, ephemeral: false },
    }
}

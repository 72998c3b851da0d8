//! Metron's queue: clients that offer items, and what becomes of each.

use std::collections::BTreeSet;

use maas_operator::core::event::Event;
use maas_store::{EventRing, Node, Op, QueueItem, QueueSeen};

use crate::{Occurrence, QUEUE, World, root};

/// So few at a time that a handful of items takes several readings.
const TOGETHER: usize = 3;

/// An ADD as Metron's client writes it.
pub fn add(name: &str, instances: u32, memory: u32, path: &str) -> String {
    format!(
        r#"{{"name":"{name}","version":"1","numInstances":{instances},"memory":{memory},"action":"ADD","path":"{path}"}}"#
    )
}

/// A REMOVE.
pub fn remove(name: &str, instances: u32) -> String {
    format!(r#"{{"name":"{name}","version":"1","numInstances":{instances},"memory":0,"action":"REMOVE","path":null}}"#)
}

impl World {
    /// A client offers an item.
    pub fn offer(&mut self, data: &str) {
        let path = format!("{QUEUE}/qn-{:010}", self.watch.offered);
        self.watch.offered += 1;
        self.note(format!("client offers {path} {}", data.chars().take(200).collect::<String>()));
        self.write(&[Op::Create { path, data: data.as_bytes().to_vec(), ephemeral: false }]);
    }

    /// What was offered of a deployment may come to so many instances.
    pub fn may_want(&mut self, name: &str, most: usize) {
        self.watch.allow(name, most);
    }

    /// The reasons in the events of the queue, the oldest first, each as often as it was told.
    pub fn queue_events(&self) -> Vec<String> {
        let path = Node::QueueEvents.path(&root());
        let ring = self.tree.get(&path).map(|(data, _)| EventRing::decode(&path, data).unwrap()).unwrap_or_default();
        ring.0.iter().flat_map(|event| vec![event.reason.clone(); event.count as usize]).collect()
    }

    pub(crate) fn queue_moved(&mut self, n: usize) {
        if self.slots[n].alive && self.slots[n].following && !self.slots[n].cut {
            self.later(2, Occurrence::Core(n, Event::QueueMoved));
        }
    }

    pub(crate) fn read_queue(&mut self, n: usize, except: &BTreeSet<String>) {
        if self.slots[n].cut {
            return self.later(500, Occurrence::Core(n, Event::QueueRead(Err("no session".to_owned()))));
        }
        let mut names = self.tree.children(QUEUE);
        names.retain(|name| !except.contains(name));
        names.sort();
        let more = names.len() > TOGETHER;
        names.truncate(TOGETHER);
        let items = names.into_iter().filter_map(|name| {
            let (data, stat) = self.tree.get(&format!("{QUEUE}/{name}"))?;
            Some(QueueItem { name, data: data.to_vec(), version: stat.version })
        });
        let seen = QueueSeen { items: items.collect(), more };
        self.later(2, Occurrence::Core(n, Event::QueueRead(Ok(seen))));
    }

    pub(crate) fn look_at_payload(&mut self, n: usize, path: &str) {
        let there = self.hdfs.contains_key(path);
        let answer = if there { Ok(()) } else { Err(format!("path: {path} does not exist")) };
        let takes = self.hdfs_takes;
        self.later(takes, Occurrence::Core(n, Event::PayloadLooked(answer)));
    }

    /// A multi of an operator was accepted: what it writes of specs and of the queue's events ends one item, the first that
    /// was there.
    pub(crate) fn judge_queue(&mut self, ops: &[Op]) {
        let events = Node::QueueEvents.path(&root());
        let writes = |op: &&Op| {
            let spec = matches!(Node::parse(&root(), op.path()), Some(Node::Spec { .. }));
            (spec || op.path() == events) && !matches!(op, Op::Check { .. })
        };
        let written = ops.iter().filter(writes).count();
        let ended: Vec<&str> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Delete { path, .. } => path.strip_prefix(QUEUE)?.strip_prefix('/'),
                _ => None,
            })
            .collect();
        match ended.as_slice() {
            [] => assert!(written == 0, "an edit ends no item: {ops:?}\n{}", self.tail()),
            [item] => {
                // Sequential names sort as they were offered.
                let in_order = self.watch.ended.last().is_none_or(|last| last.as_str() < *item)
                    && self
                        .tree
                        .children(QUEUE)
                        .iter()
                        .all(|left| left.as_str() > *item || self.watch.stuck.contains(left));
                assert!(in_order, "{item} is out of its turn after {:?}\n{}", self.watch.ended.last(), self.tail());
                assert!(written <= 1, "{item} is several edits: {ops:?}\n{}", self.tail());
                self.watch.edits += written;
                self.watch.ended.push((*item).to_owned());
            }
            several => panic!("{several:?} end at once\n{}", self.tail()),
        }
    }

    /// Every item that was offered has ended, this many with an edit or an event, the others without.
    #[track_caller]
    pub fn all_taken(&self, edits: usize) {
        assert_eq!(self.watch.ended.len(), self.watch.offered, "{}", self.tail());
        assert_eq!(self.watch.edits, edits, "{}", self.tail());
    }
}

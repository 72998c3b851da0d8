//! An operator's mirror, as `maas_store::mirror` is: an event only says which node to read, and what is told is what
//! stands when it is read. So two changes of a node may be told as one, a node made again without a word of its end, a
//! newer state ahead of what changed before it; and neither a multi nor a list is seen as of one moment.

use std::collections::{BTreeMap, VecDeque};

use maas_operator::core::event::Event;
use maas_store::{Change, Stat};

use crate::{Occurrence, World};

const FOLLOWED: [&str; 8] = ["specs", "status", "revisions", "instances", "endpoints", "events", "operator", "service"];

type Node = Option<(Vec<u8>, Stat)>;

/// What a mirror is at.
#[derive(Debug, Default)]
enum Work {
    #[default]
    Nothing,
    /// There is something to read; it begins soon.
    Noticed,
    /// Nodes that are still to be read, and those that were.
    Nodes(VecDeque<String>, Vec<(String, Node)>),
    /// Folders that are still to be listed, and what stands in the others.
    List(VecDeque<&'static str>, BTreeMap<String, (Vec<u8>, Stat)>),
}

#[derive(Debug, Default)]
pub struct Mirror {
    work: Work,
    /// mzxid of every node told.
    known: BTreeMap<String, i64>,
    /// Nodes to read, in the order in which they first changed.
    changed: VecDeque<String>,
    list_due: bool,
    /// What was begun before the connection was lost is void.
    connection: u64,
    /// When it told something last: it tells in order.
    told_at: u64,
    /// So much later than usual it looks at what changes next.
    pub(crate) slow: u64,
}

impl World {
    /// Mirrors hear that nodes have changed.
    pub(crate) fn notice(&mut self, path: &str) {
        if !FOLLOWED.iter().any(|f| path.starts_with(&format!("/maas/{f}/"))) {
            return;
        }
        for n in 0..self.slots.len() {
            let slot = &mut self.slots[n];
            if slot.following && !slot.lost {
                if !slot.mirror.changed.iter().any(|known| known == path) {
                    slot.mirror.changed.push_back(path.to_owned());
                }
                self.look(n);
            }
        }
    }

    /// A mirror of a new connection: the whole is listed.
    pub(crate) fn follow(&mut self, n: usize) {
        self.void(n);
        let session = self.slots[n].session;
        self.tell_of(n, 1, Change::Session { id: session });
        self.list(n);
    }

    pub(crate) fn list(&mut self, n: usize) {
        self.slots[n].mirror.list_due = true;
        self.look(n);
    }

    pub(crate) fn void(&mut self, n: usize) {
        let mirror = &mut self.slots[n].mirror;
        mirror.connection += 1;
        (mirror.work, mirror.list_due) = (Work::Nothing, false);
        mirror.changed.clear();
    }

    fn look(&mut self, n: usize) {
        if matches!(self.slots[n].mirror.work, Work::Nothing) {
            self.slots[n].mirror.work = Work::Noticed;
            let slow = std::mem::take(&mut self.slots[n].mirror.slow);
            let hiccup = self.hiccup();
            self.read_on(n, 1 + slow + hiccup);
        }
    }

    /// Mostly nothing, at times long enough for much to happen.
    fn hiccup(&mut self) -> u64 {
        if self.draw(24) == 0 { self.draw(700) } else { self.draw(3) }
    }

    fn read_on(&mut self, n: usize, after: u64) {
        let connection = self.slots[n].mirror.connection;
        self.at(self.now + after, Occurrence::Mirror(n, connection));
    }

    /// A mirror reads the next node, or tells what it has read.
    pub(crate) fn step_mirror(&mut self, n: usize, connection: u64) {
        let slot = &mut self.slots[n];
        if slot.mirror.connection != connection || slot.lost || !slot.following {
            return;
        }
        if matches!(slot.mirror.work, Work::Noticed) {
            slot.mirror.work = if std::mem::take(&mut slot.mirror.list_due) {
                Work::List(FOLLOWED.into(), BTreeMap::new())
            } else {
                Work::Nodes(std::mem::take(&mut slot.mirror.changed), Vec::new())
            };
        }
        match std::mem::take(&mut slot.mirror.work) {
            Work::Nothing | Work::Noticed => {}
            Work::Nodes(mut left, mut read) => match left.pop_front() {
                Some(path) => {
                    let node = self.tree.get(&path).map(|(data, stat)| (data.to_vec(), stat));
                    read.push((path, node));
                    self.slots[n].mirror.work = Work::Nodes(left, read);
                    let hiccup = self.hiccup();
                    self.read_on(n, hiccup);
                }
                None => self.tell_nodes(n, read),
            },
            Work::List(mut left, mut there) => match left.pop_front() {
                Some(folder) => {
                    let top = format!("/maas/{folder}");
                    let all = self.tree.list(&top);
                    there.extend(all.map(|(path, data, stat)| (path.to_owned(), (data.to_vec(), stat))));
                    self.slots[n].mirror.work = Work::List(left, there);
                    let hiccup = self.hiccup();
                    self.read_on(n, hiccup);
                }
                None => self.tell_list(n, there),
            },
        }
        let mirror = &self.slots[n].mirror;
        if mirror.list_due || !mirror.changed.is_empty() {
            self.look(n);
        }
    }

    fn tell_nodes(&mut self, n: usize, read: Vec<(String, Node)>) {
        for (path, node) in read {
            let known = self.slots[n].mirror.known.get(&path).copied();
            match node {
                Some((_, stat)) if known == Some(stat.mzxid) => {}
                Some((data, stat)) => self.tell_of(n, 1, Change::Put { path, data, stat }),
                None => self.tell_of(n, 1, Change::Gone { path }),
            }
        }
    }

    fn tell_list(&mut self, n: usize, there: BTreeMap<String, (Vec<u8>, Stat)>) {
        self.tell_of(n, 1, Change::Listing);
        let known = self.slots[n].mirror.known.clone();
        for path in known.keys().rev().filter(|path| !there.contains_key(*path)) {
            self.tell_of(n, 1, Change::Gone { path: path.clone() });
        }
        for (path, (data, stat)) in there {
            if known.get(&path) != Some(&stat.mzxid) {
                self.tell_of(n, 1, Change::Put { path, data, stat });
            }
        }
        self.tell_of(n, 1, Change::Listed);
    }

    /// It tells in order.
    pub(crate) fn tell_of(&mut self, n: usize, after: u64, change: Change) {
        let at = self.now + self.jitter(after);
        let mirror = &mut self.slots[n].mirror;
        match &change {
            Change::Put { path, stat, .. } => drop(mirror.known.insert(path.clone(), stat.mzxid)),
            Change::Gone { path } => drop(mirror.known.remove(path)),
            _ => {}
        }
        mirror.told_at = mirror.told_at.max(at);
        let at = mirror.told_at;
        self.at(at, Occurrence::Core(n, Event::Tree(change)));
    }
}

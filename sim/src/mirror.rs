//! An operator's mirror, as `maas_store::mirror` is: an event only says which node to read, and what is told is what
//! stands when it is read. So two changes of a node may be told as one, a node made again without a word of its end, a
//! newer state ahead of what changed before it; and neither a multi nor a list is seen as of one moment.

use std::collections::{BTreeMap, VecDeque};

use maas_operator::core::event::Event;
use maas_store::twin::Session;
use maas_store::{Change, Stat};

use crate::{Occurrence, World};

const FOLLOWED: [&str; 8] = ["specs", "status", "revisions", "instances", "endpoints", "events", "operator", "service"];

/// What a client follows.
const ENDPOINTS: [&str; 1] = ["endpoints"];

/// Whose mirror it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Operator(usize),
    Client(usize),
}

impl Reader {
    fn follows(self) -> &'static [&'static str] {
        match self {
            Self::Operator(_) => &FOLLOWED,
            Self::Client(_) => &ENDPOINTS,
        }
    }
}

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

impl Mirror {
    pub(crate) fn connection(&self) -> u64 {
        self.connection
    }
}

impl World {
    /// Mirrors hear that nodes have changed.
    pub(crate) fn notice(&mut self, path: &str) {
        let Some(folder) = path.strip_prefix("/maas/").and_then(|below| below.split_once('/')).map(|(top, _)| top)
        else {
            return;
        };
        let operators = (0..self.slots.len()).map(Reader::Operator);
        for who in operators.chain((0..self.clients.len()).map(Reader::Client)) {
            if who.follows().contains(&folder) && self.hears(who) {
                let mirror = self.mirror(who);
                if !mirror.changed.iter().any(|known| known == path) {
                    mirror.changed.push_back(path.to_owned());
                }
                self.look(who);
            }
        }
    }

    pub(crate) fn mirror(&mut self, who: Reader) -> &mut Mirror {
        match who {
            Reader::Operator(n) => &mut self.slots[n].mirror,
            Reader::Client(n) => &mut self.clients[n].mirror,
        }
    }

    /// It follows, and its connection stands.
    fn hears(&self, who: Reader) -> bool {
        match who {
            Reader::Operator(n) => self.slots[n].following && !self.slots[n].lost,
            Reader::Client(n) => !self.clients[n].lost,
        }
    }

    fn session_of(&self, who: Reader) -> Session {
        match who {
            Reader::Operator(n) => self.slots[n].session,
            Reader::Client(n) => self.clients[n].session,
        }
    }

    /// A mirror of a new connection: the whole is listed.
    pub(crate) fn follow(&mut self, who: Reader) {
        self.void(who);
        let session = self.session_of(who);
        self.tell_of(who, 1, Change::Session { id: session });
        self.list(who);
    }

    pub(crate) fn list(&mut self, who: Reader) {
        self.mirror(who).list_due = true;
        self.look(who);
    }

    pub(crate) fn void(&mut self, who: Reader) {
        let mirror = self.mirror(who);
        mirror.connection += 1;
        (mirror.work, mirror.list_due) = (Work::Nothing, false);
        mirror.changed.clear();
    }

    fn look(&mut self, who: Reader) {
        if matches!(self.mirror(who).work, Work::Nothing) {
            self.mirror(who).work = Work::Noticed;
            let slow = std::mem::take(&mut self.mirror(who).slow);
            let hiccup = self.hiccup();
            self.read_on(who, 1 + slow + hiccup);
        }
    }

    /// Mostly nothing, at times long enough for much to happen.
    fn hiccup(&mut self) -> u64 {
        if self.draw(24) == 0 { self.draw(700) } else { self.draw(3) }
    }

    fn read_on(&mut self, who: Reader, after: u64) {
        let connection = self.mirror(who).connection;
        self.at(self.now + after, Occurrence::Mirror(who, connection));
    }

    /// A mirror reads the next node, or tells what it has read.
    pub(crate) fn step_mirror(&mut self, who: Reader, connection: u64) {
        let hears = self.hears(who);
        let mirror = self.mirror(who);
        if mirror.connection != connection || !hears {
            return;
        }
        if matches!(mirror.work, Work::Noticed) {
            mirror.work = if std::mem::take(&mut mirror.list_due) {
                Work::List(who.follows().iter().copied().collect(), BTreeMap::new())
            } else {
                Work::Nodes(std::mem::take(&mut mirror.changed), Vec::new())
            };
        }
        match std::mem::take(&mut mirror.work) {
            Work::Nothing | Work::Noticed => {}
            Work::Nodes(mut left, mut read) => match left.pop_front() {
                Some(path) => {
                    let node = self.tree.get(&path).map(|(data, stat)| (data.to_vec(), stat));
                    read.push((path, node));
                    self.mirror(who).work = Work::Nodes(left, read);
                    let hiccup = self.hiccup();
                    self.read_on(who, hiccup);
                }
                None => self.tell_nodes(who, read),
            },
            Work::List(mut left, mut there) => match left.pop_front() {
                Some(folder) => {
                    let top = format!("/maas/{folder}");
                    let all = self.tree.list(&top);
                    there.extend(all.map(|(path, data, stat)| (path.to_owned(), (data.to_vec(), stat))));
                    self.mirror(who).work = Work::List(left, there);
                    let hiccup = self.hiccup();
                    self.read_on(who, hiccup);
                }
                None => self.tell_list(who, there),
            },
        }
        let mirror = self.mirror(who);
        if mirror.list_due || !mirror.changed.is_empty() {
            self.look(who);
        }
    }

    fn tell_nodes(&mut self, who: Reader, read: Vec<(String, Node)>) {
        for (path, node) in read {
            let known = self.mirror(who).known.get(&path).copied();
            match node {
                Some((_, stat)) if known == Some(stat.mzxid) => {}
                Some((data, stat)) => self.tell_of(who, 1, Change::Put { path, data, stat }),
                None => self.tell_of(who, 1, Change::Gone { path }),
            }
        }
    }

    fn tell_list(&mut self, who: Reader, there: BTreeMap<String, (Vec<u8>, Stat)>) {
        self.tell_of(who, 1, Change::Listing);
        let known = self.mirror(who).known.clone();
        for path in known.keys().rev().filter(|path| !there.contains_key(*path)) {
            self.tell_of(who, 1, Change::Gone { path: path.clone() });
        }
        for (path, (data, stat)) in there {
            if known.get(&path) != Some(&stat.mzxid) {
                self.tell_of(who, 1, Change::Put { path, data, stat });
            }
        }
        self.tell_of(who, 1, Change::Listed);
    }

    /// It tells in order.
    pub(crate) fn tell_of(&mut self, who: Reader, after: u64, change: Change) {
        let at = self.now + self.jitter(after);
        let mirror = self.mirror(who);
        match &change {
            Change::Put { path, stat, .. } => drop(mirror.known.insert(path.clone(), stat.mzxid)),
            Change::Gone { path } => drop(mirror.known.remove(path)),
            _ => {}
        }
        mirror.told_at = mirror.told_at.max(at);
        let at = mirror.told_at;
        let told = match who {
            Reader::Operator(n) => Occurrence::Core(n, Event::Tree(change)),
            Reader::Client(n) => Occurrence::Told(n, change),
        };
        self.at(at, told);
    }
}

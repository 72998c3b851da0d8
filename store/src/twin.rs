//! The tree in memory, for simulation: the same words and the same refusals as a ZooKeeper server. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::op::{CommitError, Done, Op, Refusal, Stat, check_size};
use crate::path::{is_path, is_within, parent};

/// A session of the twin.
pub type Session = i64;

#[derive(Clone, Debug)]
struct Entry {
    data: Vec<u8>,
    stat: Stat,
}

/// A tree of znodes and the sessions that stand.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: BTreeMap<String, Entry>,
    sessions: BTreeSet<Session>,
    last_session: Session,
    zxid: i64,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Entry { data: Vec::new(), stat: Stat::default() };
        Self { nodes: BTreeMap::from([("/".to_owned(), root)]), sessions: BTreeSet::new(), last_session: 0, zxid: 0 }
    }
}

impl Tree {
    /// Opens a session.
    pub fn open(&mut self) -> Session {
        self.last_session += 1;
        self.sessions.insert(self.last_session);
        self.last_session
    }

    /// Ends a session; its ephemerals go. Returns their paths.
    pub fn expire(&mut self, session: Session) -> Vec<String> {
        if !self.sessions.remove(&session) {
            return Vec::new();
        }
        self.zxid += 1;
        let own = self.nodes.iter().filter(|(_, e)| e.stat.ephemeral_owner == session).map(|(p, _)| p.clone());
        let own: Vec<String> = own.collect();
        for path in &own {
            self.remove(path);
        }
        own
    }

    /// Commits one multi. Returns what became of each operation and the paths that changed, in order.
    ///
    /// # Errors
    /// The first operation that is refused; then nothing happened.
    pub fn commit(
        &mut self,
        session: Session,
        ops: &[Op],
        now_ms: i64,
    ) -> Result<(Vec<Done>, Vec<String>), CommitError> {
        if !self.sessions.contains(&session) {
            return Err(CommitError::Unavailable("the session is expired".to_owned()));
        }
        check_size(ops)?;
        // A refused transaction has a zxid of its own on the server too.
        self.zxid += 1;
        let mut before = Vec::new();
        let mut done = Vec::new();
        let mut changed = Vec::new();
        for (index, op) in ops.iter().enumerate() {
            if !matches!(op, Op::Check { .. }) {
                let touched = [parent(op.path()), op.path()];
                before.extend(touched.map(|path| (path, self.nodes.get(path).cloned())));
            }
            match self.apply(session, op, now_ms) {
                Ok(one) => {
                    done.push(one);
                    if one != Done::Checked {
                        changed.push(op.path().to_owned());
                    }
                }
                Err(why) => {
                    self.undo(before);
                    return Err(CommitError::Refused { index, path: op.path().to_owned(), why });
                }
            }
        }
        Ok((done, changed))
    }

    fn undo(&mut self, before: Vec<(&str, Option<Entry>)>) {
        for (path, entry) in before.into_iter().rev() {
            match entry {
                Some(entry) => drop(self.nodes.insert(path.to_owned(), entry)),
                None => drop(self.nodes.remove(path)),
            }
        }
    }

    fn apply(&mut self, session: Session, op: &Op, now_ms: i64) -> Result<Done, Refusal> {
        if !is_path(op.path()) {
            return Err(Refusal::Other);
        }
        match op {
            Op::Create { path, data, ephemeral } => {
                let above = self.nodes.get_mut(parent(path)).ok_or(Refusal::NoNode)?;
                if above.stat.ephemeral_owner != 0 {
                    return Err(Refusal::NoChildrenForEphemerals);
                }
                if self.nodes.contains_key(path) {
                    return Err(Refusal::NodeExists);
                }
                if let Some(above) = self.nodes.get_mut(parent(path)) {
                    above.stat.num_children += 1;
                }
                let stat = Stat {
                    czxid: self.zxid,
                    mzxid: self.zxid,
                    version: 0,
                    ephemeral_owner: if *ephemeral { session } else { 0 },
                    ctime_ms: now_ms,
                    mtime_ms: now_ms,
                    num_children: 0,
                };
                self.nodes.insert(path.clone(), Entry { data: data.clone(), stat });
                Ok(Done::Created(stat))
            }
            Op::Set { path, data, version } => {
                let zxid = self.zxid;
                let entry = self.expect(path, *version)?;
                entry.data.clone_from(data);
                entry.stat.version = entry.stat.version.wrapping_add(1);
                entry.stat.mzxid = zxid;
                entry.stat.mtime_ms = now_ms;
                Ok(Done::Set(entry.stat))
            }
            Op::Delete { path, version } => {
                if self.expect(path, *version)?.stat.num_children > 0 {
                    return Err(Refusal::NotEmpty);
                }
                self.remove(path);
                Ok(Done::Deleted)
            }
            Op::Check { path, version } => self.expect(path, Some(*version)).map(|_| Done::Checked),
        }
    }

    fn expect(&mut self, path: &str, version: Option<i32>) -> Result<&mut Entry, Refusal> {
        let entry = self.nodes.get_mut(path).ok_or(Refusal::NoNode)?;
        // The server takes -1 for any version.
        if version.is_some_and(|v| v != -1 && v != entry.stat.version) { Err(Refusal::BadVersion) } else { Ok(entry) }
    }

    fn remove(&mut self, path: &str) {
        self.nodes.remove(path);
        if let Some(above) = self.nodes.get_mut(parent(path)) {
            above.stat.num_children -= 1;
        }
    }

    /// A node's data and stat.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<(&[u8], Stat)> {
        self.nodes.get(path).map(|e| (e.data.as_slice(), e.stat))
    }

    /// The names of a node's children, sorted.
    #[must_use]
    pub fn children(&self, path: &str) -> Vec<String> {
        let below = format!("{}/", path.trim_end_matches('/'));
        let names = self.from(&below).map_while(|(p, _)| p.strip_prefix(below.as_str()));
        names.filter(|rest| !rest.is_empty() && !rest.contains('/')).map(ToOwned::to_owned).collect()
    }

    /// A node and everything below it, by path.
    pub fn list<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8], Stat)> + 'a {
        let same_start = self.from(path).take_while(move |(p, _)| p.starts_with(path));
        same_start.filter(move |(p, _)| is_within(p, path)).map(|(p, e)| (p.as_str(), e.data.as_slice(), e.stat))
    }

    fn from(&self, path: &str) -> impl Iterator<Item = (&String, &Entry)> {
        self.nodes.range::<str, _>((Bound::Included(path), Bound::Unbounded))
    }
}

//! Plays a script on a server and on the twin, and compares every answer, every delivery of every mirror and the tree
//! that is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use maas_store::twin::{Session, Tree};
use maas_store::{Change, CommitError, Config, Done, Mirror, Op, Stat, Store, mirror};

use super::proxy::Proxy;
use super::script::{SESSIONS, Step};

const DEADLINE: Duration = Duration::from_secs(20);

/// A server, and a folder for each run on it.
pub struct Server {
    quorum: String,
    runs: AtomicU32,
}

/// The two did not agree.
#[derive(Debug)]
pub struct Disagreement {
    pub step: usize,
    what: String,
}

impl Disagreement {
    /// In what the two did not agree, over how the script came there.
    pub fn about(&self) -> String {
        crate::shrink::gist(&self.what)
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.step, self.what)
    }
}

/// What was played and agreed on.
#[derive(Debug, Default)]
pub struct Played {
    pub operations: usize,
    accepted: usize,
    refused: BTreeMap<(usize, String), usize>,
    deliveries: usize,
    nodes_left: usize,
    transactions_in_order: usize,
}

/// One session on both sides.
struct Party {
    proxy: Proxy,
    store: Store,
    twin: Session,
    follower: Follower,
}

/// A mirror, and what it told so far: data and stat by path.
struct Follower {
    mirror: Mirror,
    view: BTreeMap<String, (Vec<u8>, Stat)>,
    /// Between a loss, or the begin of a list, and that list's end.
    listing: bool,
    /// Nodes of which an event may be under way whose change was told already: the mirror reads what stands then, so that
    /// the next change of such a node may be told in that event's place, ahead of what came before it.
    early: BTreeSet<String>,
}

/// What a mirror tells of one node.
type Told = (String, Option<(Vec<u8>, Stat)>);

impl Follower {
    fn new(store: &Store, folder: &str) -> Self {
        Self {
            mirror: mirror(store, vec![folder.to_owned()]),
            view: BTreeMap::new(),
            listing: true,
            early: BTreeSet::new(),
        }
    }

    /// The next word that changes the view, or none when a list is whole. Says, too, whether it was part of a list:
    /// then its place means nothing.
    async fn next(&mut self) -> Result<(Option<Told>, bool), String> {
        loop {
            let change = tokio::time::timeout(DEADLINE, self.mirror.next()).await;
            match change.map_err(|_| "the mirror is silent".to_owned())? {
                // Also every half minute, though nothing was lost.
                Change::Lost | Change::Listing => self.listing = true,
                Change::Listed if self.listing => {
                    self.listing = false;
                    return Ok((None, true));
                }
                Change::Session { .. } | Change::Listed => {}
                Change::Gone { path } => {
                    if self.view.remove(&path).is_some() {
                        return Ok((Some((path, None)), self.listing));
                    }
                }
                Change::Put { path, data, stat } => {
                    let before = self.view.insert(path.clone(), (data.clone(), stat));
                    if before.is_none_or(|(_, old)| old.mzxid != stat.mzxid) {
                        return Ok((Some((path, Some((data, stat)))), self.listing));
                    }
                }
            }
        }
    }

    /// Follows a list that comes after a loss, to its end.
    async fn list(&mut self) -> Result<(), String> {
        self.listing = true;
        while self.next().await?.0.is_some() {}
        self.early = self.view.keys().cloned().collect();
        Ok(())
    }
}

/// Both sides' numbers for the same things: transactions, of which only the order matters, and sessions.
#[derive(Default)]
struct Numbers {
    zxids: BTreeMap<i64, i64>,
    sessions: BTreeMap<i64, Session>,
}

impl Numbers {
    /// Whether two transactions have the same place among all that were seen.
    fn same_place(&mut self, real: i64, twin: i64) -> bool {
        if let Some(known) = self.zxids.get(&real) {
            return *known == twin;
        }
        let below = self.zxids.range(..real).next_back().is_none_or(|(_, t)| *t < twin);
        let above = self.zxids.range(real..).next().is_none_or(|(_, t)| twin < *t);
        self.zxids.insert(real, twin);
        below && above
    }

    fn stats(&mut self, what: &str, real: &Stat, twin: &Stat) -> Result<(), String> {
        let owner = if real.ephemeral_owner == 0 { Some(0) } else { self.sessions.get(&real.ephemeral_owner).copied() };
        let same = owner == Some(twin.ephemeral_owner)
            && (real.version, real.num_children) == (twin.version, twin.num_children)
            && self.same_place(real.czxid, twin.czxid)
            && self.same_place(real.mzxid, twin.mzxid);
        if same { Ok(()) } else { Err(format!("{what}: the server has {real:?}, the twin {twin:?}")) }
    }
}

fn differ(what: &str, real: impl fmt::Debug, twin: impl fmt::Debug) -> String {
    format!("{what}: the server says {real:?}, the twin {twin:?}")
}

fn kind(error: &CommitError) -> (Option<usize>, String) {
    let word = match error {
        CommitError::Refused { why, .. } => format!("{why:?}"),
        CommitError::TooLarge { .. } => "TooLarge".to_owned(),
        CommitError::Unknown(_) => "Unknown".to_owned(),
        CommitError::Unavailable(_) => "Unavailable".to_owned(),
    };
    (error.refused_at(), word)
}

impl Server {
    pub fn new(quorum: String) -> Self {
        Self { quorum, runs: AtomicU32::new(0) }
    }

    /// Plays a script in a folder of its own.
    pub async fn run(&self, script: &[Step]) -> Result<Played, Disagreement> {
        let folder = format!("/run{}", self.runs.fetch_add(1, Ordering::Relaxed));
        let mut run = Run::start(&self.quorum, folder).await;
        for (step, what) in script.iter().enumerate() {
            run.play(what).await.map_err(|what| Disagreement { step, what })?;
        }
        let last = script.len().saturating_sub(1);
        run.finish().await.map_err(|what| Disagreement { step: last, what })
    }
}

struct Run {
    folder: String,
    tree: Tree,
    numbers: Numbers,
    parties: Vec<Party>,
    played: Played,
    now: i64,
}

impl Run {
    async fn start(quorum: &str, folder: String) -> Self {
        let mut tree = Tree::default();
        let mut numbers = Numbers::default();
        let mut parties = Vec::new();
        let top = [Op::Create { path: folder.clone(), data: Vec::new(), ephemeral: false }];
        for n in 0..SESSIONS {
            let proxy = Proxy::start(quorum).await;
            let store = open(&proxy).await;
            let twin = tree.open();
            numbers.sessions.insert(store.session_id(), twin);
            if n == 0 {
                store.commit(&top).await.unwrap();
                tree.commit(twin, &top, 0).unwrap();
            }
            let follower = Follower::new(&store, &folder);
            parties.push(Party { proxy, store, twin, follower });
        }
        for party in &mut parties {
            party.follower.list().await.unwrap();
        }
        Self { folder, tree, numbers, parties, played: Played::default(), now: 0 }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.folder)
    }

    fn here(&self, op: &Op) -> Op {
        let mut op = op.clone();
        let (Op::Create { path, .. } | Op::Set { path, .. } | Op::Delete { path, .. } | Op::Check { path, .. }) =
            &mut op;
        *path = self.at(path);
        op
    }

    async fn play(&mut self, step: &Step) -> Result<(), String> {
        self.now += 1;
        self.played.operations += step.operations();
        match step {
            Step::Commit(who, ops) => {
                let ops: Vec<Op> = ops.iter().map(|op| self.here(op)).collect();
                let changed = self.commit(*who, &ops).await?;
                self.deliver(&changed, true, None).await
            }
            Step::Get(who, path) => self.get(*who, &self.at(path)).await,
            Step::Children(who, path) => self.children(*who, &self.at(path)).await,
            Step::List(who) => self.list(*who).await,
            Step::Close(who) => {
                let (party, folder) = (&mut self.parties[*who], &self.folder);
                let left = party.store.clone();
                let old = std::mem::replace(&mut party.store, open(&party.proxy).await);
                old.close().await;
                party.follower = Follower::new(&party.store, folder);
                let gone = self.tree.expire(party.twin);
                let late = [Op::Create { path: format!("{folder}/late"), data: Vec::new(), ephemeral: false }];
                let real = left.commit(&late).await.map(drop).map_err(|e| kind(&e));
                let twin = self.tree.commit(party.twin, &late, 0).map(drop).map_err(|e| kind(&e));
                if real != twin {
                    return Err(differ("a write after the end of a session", real, twin));
                }
                self.renew(*who);
                self.deliver(&gone, false, Some(*who)).await
            }
            Step::Expire(who) => {
                let party = &mut self.parties[*who];
                let before = party.store.session_id();
                party.proxy.expire().await;
                let gone = self.tree.expire(party.twin);
                let until = Instant::now() + DEADLINE;
                while [before, 0].contains(&party.store.session_id()) {
                    if Instant::now() > until {
                        return Err("no new session after an expired one".to_owned());
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                self.renew(*who);
                self.deliver(&gone, false, Some(*who)).await
            }
            Step::Cut(who) => {
                let party = &mut self.parties[*who];
                let before = party.store.session_id();
                party.proxy.cut();
                party.follower.list().await?;
                if party.store.session_id() != before {
                    return Err("a cut connection cost the session".to_owned());
                }
                Ok(())
            }
        }
    }

    /// The twin's side of a new session.
    fn renew(&mut self, who: usize) {
        let party = &mut self.parties[who];
        party.twin = self.tree.open();
        self.numbers.sessions.insert(party.store.session_id(), party.twin);
    }

    async fn commit(&mut self, who: usize, ops: &[Op]) -> Result<Vec<String>, String> {
        let party = &self.parties[who];
        let real = party.store.commit(ops).await;
        let twin = self.tree.commit(party.twin, ops, self.now);
        match (real, twin) {
            (Ok(real), Ok((twin, changed))) => {
                if real.len() != twin.len() {
                    return Err(differ("answers", real, twin));
                }
                for (real, twin) in real.iter().zip(&twin) {
                    match (real, twin) {
                        (Done::Created(r), Done::Created(t)) | (Done::Set(r), Done::Set(t)) => {
                            self.numbers.stats("answer", r, t)?;
                        }
                        (real, twin) if real == twin => {}
                        _ => return Err(differ("answer", real, twin)),
                    }
                }
                self.played.accepted += real.len();
                Ok(changed)
            }
            (Err(real), Err(twin)) => {
                let (r, t) = (kind(&real), kind(&twin));
                if r != t {
                    return Err(differ("refusal", r, t));
                }
                if let Some(index) = r.0 {
                    *self.played.refused.entry((index, r.1)).or_default() += 1;
                }
                Ok(Vec::new())
            }
            (real, twin) => Err(differ("answer", real, twin)),
        }
    }

    async fn get(&mut self, who: usize, path: &str) -> Result<(), String> {
        let real = self.parties[who].store.get(path).await.map_err(|e| e.to_string())?;
        match (real, self.tree.get(path)) {
            (None, None) => Ok(()),
            (Some((data, real)), Some((twin_data, twin))) if data == twin_data => {
                self.numbers.stats(path, &real, &twin)
            }
            (real, twin) => Err(differ(path, real, twin)),
        }
    }

    async fn children(&mut self, who: usize, path: &str) -> Result<(), String> {
        let real = self.parties[who].store.children(path).await.map_err(|e| e.to_string())?;
        let twin = self.tree.get(path).map(|_| self.tree.children(path));
        if real == twin { Ok(()) } else { Err(differ(path, real, twin)) }
    }

    async fn list(&mut self, who: usize) -> Result<(), String> {
        let mut real = self.parties[who].store.list(&self.folder).await.map_err(|e| e.to_string())?;
        // The twin lists by path.
        real.sort_by(|a, b| a.0.cmp(&b.0));
        let twin: Vec<_> = self.tree.list(&self.folder).map(|(p, d, s)| (p.to_owned(), d.to_vec(), s)).collect();
        let paths =
            |all: &[(String, Vec<u8>, Stat)]| all.iter().map(|(p, d, _)| (p.clone(), d.clone())).collect::<Vec<_>>();
        if paths(&real) != paths(&twin) {
            return Err(differ("list", paths(&real), paths(&twin)));
        }
        self.played.nodes_left = real.len();
        real.iter().zip(&twin).try_for_each(|((path, _, r), (_, _, t))| self.numbers.stats(path, r, t))
    }

    /// Every mirror tells what the twin says has changed and nothing else; in order, unless a session's end changed it.
    /// The mirror of the session that ended lists anew.
    async fn deliver(&mut self, changed: &[String], in_order: bool, ended: Option<usize>) -> Result<(), String> {
        for who in 0..SESSIONS {
            if ended == Some(who) {
                self.parties[who].follower.list().await?;
                continue;
            }
            let mut expected = self.expected(who, changed);
            let mut ordered = in_order;
            // Once the last of these is told, no earlier event is under way.
            let told_any = !expected.is_empty();
            while !expected.is_empty() {
                let follower = &mut self.parties[who].follower;
                let (told, of_a_list) = follower.next().await?;
                ordered &= !of_a_list;
                let Some((path, node)) = told else { continue };
                let ordered = ordered && !follower.early.contains(&path);
                let at = expected.iter().position(|(p, _)| *p == path).filter(|at| *at == 0 || !ordered);
                let Some(at) = at else {
                    return Err(differ(&format!("mirror {who}"), (path, node), expected));
                };
                match (node, expected.remove(at).1) {
                    (None, None) => {}
                    (Some((data, real)), Some((twin_data, twin))) if data == twin_data => {
                        self.numbers.stats(&format!("mirror {who} of {path}"), &real, &twin)?;
                    }
                    (real, twin) => return Err(differ(&format!("mirror {who} of {path}"), real, twin)),
                }
                self.played.deliveries += 1;
            }
            let early = &mut self.parties[who].follower.early;
            if told_any {
                early.clear();
            }
            let mut once = BTreeSet::new();
            early.extend(changed.iter().filter(|path| !once.insert(*path)).cloned());
        }
        Ok(())
    }

    /// What the simulation would tell a mirror that knows what this one knows: each changed node as it is after the whole.
    fn expected(&self, who: usize, changed: &[String]) -> Vec<Told> {
        let view = &self.parties[who].follower.view;
        let mut seen = BTreeSet::new();
        let first = changed.iter().filter(|path| seen.insert(*path));
        let told = first.map(|path| (path.clone(), self.tree.get(path).map(|(d, s)| (d.to_vec(), s))));
        told.filter(|(path, node)| node.is_some() || view.contains_key(path)).collect()
    }

    async fn finish(mut self) -> Result<Played, String> {
        self.list(0).await?;
        for who in 0..SESSIONS {
            // A write of its own is the last thing that each mirror tells: nothing else is under way.
            let path = self.at(&format!("/last{who}"));
            let changed = self.commit(who, &[Op::Create { path, data: Vec::new(), ephemeral: true }]).await?;
            self.deliver(&changed, true, None).await?;
            let paths: Vec<&str> = self.tree.list(&self.folder).map(|(path, ..)| path).collect();
            let view: Vec<&str> = self.parties[who].follower.view.keys().map(String::as_str).collect();
            if view != paths {
                return Err(differ(&format!("the view of mirror {who}"), view, paths));
            }
        }
        self.played.transactions_in_order = self.numbers.zxids.len();
        Ok(self.played)
    }
}

async fn open(proxy: &Proxy) -> Store {
    let mut config = Config::new(proxy.address.to_string());
    // A busy machine must cost no session.
    (config.session_timeout, config.deadline) = (Duration::from_secs(30), DEADLINE);
    Store::open(config).await.unwrap()
}

//! A world around the real core: ZooKeeper's twin, YARN, runners and users, on virtual time from one heap of
//! occurrences. Nothing sleeps, nothing is random but the seed's.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod runner;
pub mod yarn;

use std::collections::{BTreeMap, BTreeSet};

use hadoop_yarn::{ApplicationId, ContainerId, LocalResource, ResourceKind, Visibility};
use maas_operator::core::Core;
use maas_operator::core::event::{Effect, Event, OperatorSeen, Tag};
use maas_operator::plan::Time;
use maas_operator::settings::Settings;
use maas_store::twin::{Session, Tree};
use maas_store::{Change, CommitError, Node, Op, PinnedFile, Root};

use runner::Runner;
use yarn::Yarn;

const FOLLOWED: [&str; 8] = ["specs", "status", "revisions", "instances", "endpoints", "events", "operator", "service"];
pub const SESSION: u64 = 6_000;

/// One thing that goes wrong, at a step counted over the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The n-th commit is applied, and its answer lost.
    CommitAnswerLost(usize),
    /// The n-th commit is never applied, and nobody knows.
    CommitLost(usize),
    /// The operator dies before the n-th commit is applied.
    CrashBefore(usize),
    /// The operator dies after the n-th commit is applied, before it hears of it.
    CrashAfter(usize),
    /// The n-th heartbeat's answer is lost.
    HeartbeatAnswerLost(usize),
    /// The ResourceManager restarts at the n-th heartbeat.
    RmRestart(usize),
    /// The mirror is lost for a second at the n-th commit.
    MirrorLost(usize),
    /// The operator dies at the n-th start, which happens.
    CrashAtStart(usize),
    /// The n-th start's answer is lost; it happened.
    StartAnswerLost(usize),
}

#[derive(Debug)]
enum Occurrence {
    Core(usize, Event),
    Wake(usize),
    Apply(usize, Tag, Vec<Op>),
    Register(usize),
    Allocate(usize, hadoop_yarn::AllocateRequest),
    Start(usize, Box<hadoop_yarn::Container>),
    Runner(ContainerId, runner::Step),
    Expire(Session),
    NewAttempt,
    Relist(usize),
}

pub struct Slot {
    pub core: Core,
    attempt: i32,
    session: Session,
    following: bool,
    lost: bool,
    /// Paths told to it: what a list no longer has is told as gone.
    known: BTreeSet<String>,
    pub alive: bool,
    pub exit: Option<i32>,
    pub finished: Option<bool>,
    wake: Option<u64>,
    /// Paused: what comes is kept for later.
    paused: Option<Vec<Event>>,
}

pub struct World {
    pub now: u64,
    heap: BTreeMap<(u64, u64), Occurrence>,
    seq: u64,
    pub tree: Tree,
    pub user: Session,
    pub slots: Vec<Slot>,
    pub yarn: Yarn,
    pub runners: BTreeMap<ContainerId, Runner>,
    pub fault: Option<Fault>,
    pub commits: usize,
    pub heartbeats: usize,
    pub starts: usize,
    pub last_commit: u64,
    /// No model becomes ready, no payload is found.
    pub hdfs: BTreeMap<String, Result<Vec<PinnedFile>, (&'static str, String)>>,
    pub model_start: u64,
    pub trace: Vec<String>,
    /// Lowest number of endpoints of a deployment seen since it was first complete.
    pub fewest: BTreeMap<String, usize>,
    pub watched: BTreeMap<String, usize>,
    pub most_live: BTreeMap<String, usize>,
}

pub fn root() -> Root {
    Root::default()
}

pub fn manifest(name: &str, replicas: u32, memory: &str, more: &str) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {{name: {name}}}\nspec:\n  model: {{name: {name}, version: \"1\"}}\n  replicas: {replicas}\n  payload: {{path: /m}}\n  resources: {{memory: {memory}}}\n{more}"
    )
}

fn good_payload() -> Vec<PinnedFile> {
    vec![PinnedFile { path: "rest.sh".to_owned(), url: "hdfs://n/m/rest.sh".to_owned(), size: 1, mtime_ms: 1 }]
}

impl World {
    pub fn new(memory: &[i64]) -> Self {
        let application = ApplicationId { cluster_timestamp: 1, id: 1 };
        let mut tree = Tree::default();
        let user = tree.open();
        let mut world = Self {
            now: 0,
            heap: BTreeMap::new(),
            seq: 0,
            tree,
            user,
            slots: Vec::new(),
            yarn: Yarn::new(application, memory),
            runners: BTreeMap::new(),
            fault: None,
            commits: 0,
            heartbeats: 0,
            starts: 0,
            last_commit: 0,
            hdfs: BTreeMap::from([("/m".to_owned(), Ok(good_payload()))]),
            model_start: 50,
            trace: Vec::new(),
            fewest: BTreeMap::new(),
            watched: BTreeMap::new(),
            most_live: BTreeMap::new(),
        };
        world.write(&[Op::Create { path: "/maas".to_owned(), data: Vec::new(), ephemeral: false }]);
        for folder in Node::folders() {
            world.write(&[Op::Create { path: folder.path(&root()), data: Vec::new(), ephemeral: false }]);
        }
        let namespace = "/maas/specs/ModelDeployment/default".to_owned();
        world.write(&[Op::Create { path: namespace, data: Vec::new(), ephemeral: false }]);
        world.boot(1, "a");
        world
    }

    /// Starts an operator process.
    pub fn boot(&mut self, attempt: i32, nonce: &str) -> usize {
        self.boot_as(self.yarn.application.to_string(), attempt, nonce)
    }

    pub fn boot_as(&mut self, application: String, attempt: i32, nonce: &str) -> usize {
        let settings = Settings {
            quorum: "zk".to_owned(),
            root: root(),
            session_timeout_ms: SESSION,
            application,
            attempt: u32::try_from(attempt).unwrap(),
            host: "h".to_owned(),
            nonce: format!("{nonce}{}", self.slots.len()),
            runner: LocalResource {
                url: "hdfs://n/r".to_owned(),
                size: 1,
                timestamp: 1,
                kind: ResourceKind::File,
                visibility: Visibility::Private,
            },
            env: BTreeMap::new(),
        };
        let slot = Slot {
            core: Core::new(settings),
            attempt,
            session: self.tree.open(),
            following: false,
            lost: false,
            known: BTreeSet::new(),
            alive: true,
            exit: None,
            finished: None,
            wake: None,
            paused: None,
        };
        self.slots.push(slot);
        let n = self.slots.len() - 1;
        self.later(1, Occurrence::Core(n, Event::Wake));
        self.later(10, Occurrence::Core(n, Event::Session));
        n
    }

    fn later(&mut self, after: u64, what: Occurrence) {
        self.seq += 1;
        self.heap.insert((self.now + after, self.seq), what);
    }

    pub fn note(&mut self, text: String) {
        self.trace.push(format!("{:>7} {text}", self.now));
    }

    // --- the tree -----------------------------------------------------------------------------------------------

    /// A user's write; it must be accepted.
    pub fn write(&mut self, ops: &[Op]) {
        let now = i64::try_from(self.now).unwrap();
        let (_, changed) = self.tree.commit(self.user, ops, now).expect("the user's write");
        self.changed(&changed);
    }

    pub fn spec_path(name: &str) -> String {
        format!("/maas/specs/ModelDeployment/default/{name}")
    }

    pub fn put_spec(&mut self, name: &str, text: &str) {
        self.note(format!("user writes {name}"));
        let (path, data) = (Self::spec_path(name), text.as_bytes().to_vec());
        let op = if self.tree.get(&path).is_some() {
            Op::Set { path, data, version: None }
        } else {
            Op::Create { path, data, ephemeral: false }
        };
        self.write(&[op]);
    }

    pub fn delete_spec(&mut self, name: &str) {
        self.note(format!("user deletes {name}"));
        self.write(&[Op::Delete { path: Self::spec_path(name), version: None }]);
    }

    /// Tells everyone who watches.
    pub fn changed(&mut self, paths: &[String]) {
        for path in paths {
            let change = match self.tree.get(path) {
                Some((data, stat)) => Change::Put { path: path.clone(), data: data.to_vec(), stat },
                None => Change::Gone { path: path.clone() },
            };
            let followed = FOLLOWED.iter().any(|f| path.starts_with(&format!("/maas/{f}/")));
            for n in 0..self.slots.len() {
                if followed && self.slots[n].following && !self.slots[n].lost {
                    match &change {
                        Change::Put { path, .. } => drop(self.slots[n].known.insert(path.clone())),
                        _ => drop(self.slots[n].known.remove(path)),
                    }
                    self.later(2, Occurrence::Core(n, Event::Tree(change.clone())));
                }
            }
            for id in self.runners.keys().copied().collect::<Vec<_>>() {
                if self.runners[&id].record_path() == *path {
                    self.later(2, Occurrence::Runner(id, runner::Step::Look));
                }
            }
        }
        self.watch_counts();
    }

    fn list(&mut self, n: usize) {
        let mut events = vec![Change::Session { id: self.slots[n].session }, Change::Listing];
        let mut vanished = std::mem::take(&mut self.slots[n].known);
        let mut puts = Vec::new();
        for folder in FOLLOWED {
            let top = format!("/maas/{folder}");
            for (path, data, stat) in self.tree.list(&top) {
                let (path, data): (String, Vec<u8>) = (path.to_owned(), data.to_vec());
                vanished.remove(&path);
                self.slots[n].known.insert(path.clone());
                puts.push(Change::Put { path, data, stat });
            }
        }
        events.extend(vanished.into_iter().rev().map(|path| Change::Gone { path }));
        events.extend(puts);
        events.push(Change::Listed);
        for change in events {
            self.later(3, Occurrence::Core(n, Event::Tree(change)));
        }
    }

    /// The connection of an operator to ZooKeeper is lost for some time.
    pub fn lose_mirror(&mut self, n: usize, how_long: u64) {
        self.slots[n].lost = true;
        self.later(1, Occurrence::Core(n, Event::Tree(Change::Lost)));
        self.later(how_long, Occurrence::Relist(n));
    }

    pub fn count(&self, folder: &str, name: &str) -> usize {
        self.tree.children(&format!("/maas/{folder}/default/{name}")).len()
    }

    pub fn endpoints(&self, name: &str) -> usize {
        self.count("endpoints", name)
    }

    fn watch_counts(&mut self) {
        for (name, wanted) in self.watched.clone() {
            let now = self.endpoints(&name);
            match self.fewest.get(&name).copied() {
                Some(least) => drop(self.fewest.insert(name.clone(), least.min(now))),
                None if now >= wanted => drop(self.fewest.insert(name.clone(), now)),
                None => {}
            }
            let folder = format!("/maas/instances/default/{name}");
            let all = self.tree.children(&folder);
            let serves = |iid: &&String| self.tree.get(&format!("{folder}/{iid}")).is_some_and(|(_, s)| s.version == 0);
            let live = all.iter().filter(serves).count();
            let most = self.most_live.entry(name).or_default();
            *most = (*most).max(live);
        }
    }

    // --- the operator -------------------------------------------------------------------------------------------

    pub fn leader(&self) -> usize {
        self.slots.iter().rposition(|s| s.alive && s.paused.is_none()).expect("an operator lives")
    }

    /// kill -9 of an operator process: YARN starts the next attempt.
    pub fn kill_operator(&mut self, n: usize) {
        self.note(format!("operator {n} dies"));
        self.slots[n].alive = false;
        self.slots[n].following = false;
        let session = self.slots[n].session;
        self.later(SESSION, Occurrence::Expire(session));
        if self.slots[n].attempt == self.yarn.attempt {
            self.yarn.next_attempt();
            self.later(150, Occurrence::NewAttempt);
        }
    }

    pub fn pause(&mut self, n: usize) {
        self.slots[n].paused = Some(Vec::new());
    }

    pub fn resume(&mut self, n: usize) {
        for event in self.slots[n].paused.take().into_iter().flatten() {
            self.later(1, Occurrence::Core(n, event));
        }
        self.later(1, Occurrence::Core(n, Event::Wake));
    }

    fn tell(&mut self, n: usize, event: Event) {
        if !self.slots[n].alive {
            return;
        }
        if let Some(kept) = &mut self.slots[n].paused {
            kept.push(event);
            return;
        }
        let time = Time { mono: self.now, wall: i64::try_from(self.now).unwrap() };
        let effects = self.slots[n].core.step(time, event);
        for effect in effects {
            self.perform(n, effect);
        }
        if let Some(at) = self.slots[n].core.wake().filter(|_| self.slots[n].alive) {
            let at = at.max(self.now + 1);
            if self.slots[n].wake.is_none_or(|w| w <= self.now || at < w) {
                self.slots[n].wake = Some(at);
                self.later(at - self.now, Occurrence::Wake(n));
            }
        }
    }

    fn hits(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn perform(&mut self, n: usize, effect: Effect) {
        match effect {
            Effect::Say(_, text) => self.note(format!("operator {n}: {text}")),
            Effect::Tokens(_) => {}
            Effect::ReadOperator => {
                let get = |node: Node| self.tree.get(&node.path(&root())).map(|(d, s)| (d.to_vec(), s));
                let seen = OperatorSeen { epoch: get(Node::Epoch), leader: get(Node::Leader), highest: 0 };
                self.later(2, Occurrence::Core(n, Event::OperatorRead(Ok(seen))));
            }
            Effect::Follow => {
                self.slots[n].following = true;
                self.list(n);
            }
            Effect::Commit(tag, ops) => self.later(1, Occurrence::Apply(n, tag, ops)),
            Effect::Register => self.later(2, Occurrence::Register(n)),
            Effect::Allocate(request) => self.later(2, Occurrence::Allocate(n, request)),
            Effect::Start(container, _) => self.later(4, Occurrence::Start(n, container)),
            Effect::Signal(id, _) => self.later(3, Occurrence::Runner(id, runner::Step::Signal)),
            Effect::Stop(id, _) => {
                self.note(format!("operator {n} stops {id}"));
                self.end_container(id, -105);
            }
            Effect::List(key, number, path) => {
                let answer = self.hdfs.get(&path).cloned();
                let answer = answer.unwrap_or_else(|| Err(("PayloadMissing", format!("{path} does not exist"))));
                self.later(20, Occurrence::Core(n, Event::Listed(key, number, answer)));
            }
            Effect::DeleteUpload(key, path) => {
                self.note(format!("operator {n} deletes {path}"));
                self.hdfs.remove(&path);
                self.later(20, Occurrence::Core(n, Event::UploadDeleted(key, path, Ok(()))));
            }
            Effect::Finish(well, words) => {
                self.note(format!("operator {n} finishes: {well} {words}"));
                self.slots[n].finished = Some(well);
                for id in self.yarn.containers.keys().copied().collect::<Vec<_>>() {
                    if well {
                        self.end_container(id, -107);
                    }
                }
                self.later(2, Occurrence::Core(n, Event::Finished(Ok(()))));
            }
            Effect::Exit(code) => {
                self.note(format!("operator {n} exits {code}"));
                self.slots[n].exit = Some(code);
                if self.slots[n].finished.is_none() {
                    self.kill_operator(n);
                } else {
                    self.slots[n].alive = false;
                }
            }
        }
    }

    fn apply(&mut self, n: usize, tag: Tag, ops: &[Op]) {
        let at = self.commits;
        self.commits += 1;
        self.last_commit = self.now;
        if self.hits(Fault::CrashBefore(at)) {
            return self.kill_operator(n);
        }
        if self.hits(Fault::MirrorLost(at)) {
            self.lose_mirror(n, 1_000);
        }
        let unknown = || Err(CommitError::Unknown("cut".to_owned()));
        if self.hits(Fault::CommitLost(at)) {
            return self.later(500, Occurrence::Core(n, Event::Committed(tag, unknown())));
        }
        let result = self.tree.commit(self.slots[n].session, ops, i64::try_from(self.now).unwrap());
        let answer = match result {
            Ok((done, changed)) => {
                self.changed(&changed);
                Ok(done)
            }
            Err(error) => Err(error),
        };
        if self.hits(Fault::CrashAfter(at)) {
            return self.kill_operator(n);
        }
        let answer = if self.hits(Fault::CommitAnswerLost(at)) { unknown() } else { answer };
        self.later(1, Occurrence::Core(n, Event::Committed(tag, answer)));
    }

    fn allocate(&mut self, n: usize, request: &hadoop_yarn::AllocateRequest) {
        let at = self.heartbeats;
        self.heartbeats += 1;
        if self.hits(Fault::RmRestart(at)) {
            self.note("the ResourceManager restarts".to_owned());
            self.yarn.restart();
        }
        let answer = self.yarn.allocate(self.slots[n].attempt, request);
        for id in &request.releases {
            if answer.is_ok() {
                self.end_runner(*id);
            }
        }
        let answer = if self.hits(Fault::HeartbeatAnswerLost(at)) {
            Err(hadoop_yarn::Error::Incomplete { method: "allocate", field: "answer, which was lost" })
        } else {
            answer
        };
        self.later(2, Occurrence::Core(n, Event::Allocated(answer)));
    }

    fn start(&mut self, n: usize, container: &hadoop_yarn::Container) {
        let at = self.starts;
        self.starts += 1;
        let known = self.yarn.containers.get_mut(&container.id).map(|k| k.running = true).is_some();
        if known && !self.runners.contains_key(&container.id) {
            let runner = Runner::new(container, &mut self.tree);
            self.note(format!("{} starts for {}", container.id, runner.iid));
            let twice = self.runners.values().any(|r| r.iid == runner.iid);
            assert!(!twice, "two containers of {}\n{}", runner.iid, self.trace.join("\n"));
            self.runners.insert(container.id, runner);
            self.later(20, Occurrence::Runner(container.id, runner::Step::Report));
        }
        if self.hits(Fault::CrashAtStart(at)) {
            return self.kill_operator(n);
        }
        let answer = match known {
            _ if self.hits(Fault::StartAnswerLost(at)) => Err(("cut".to_owned(), true)),
            true => Ok(()),
            false => Err(("unknown container".to_owned(), false)),
        };
        self.later(2, Occurrence::Core(n, Event::Started(container.id, answer)));
    }

    // --- containers ---------------------------------------------------------------------------------------------

    /// A container ends, its processes with it; its session lives on until it times out.
    pub fn end_container(&mut self, id: ContainerId, exit_status: i32) {
        self.yarn.end(id, exit_status, "ended");
        self.end_runner(id);
    }

    fn end_runner(&mut self, id: ContainerId) {
        if let Some(runner) = self.runners.remove(&id) {
            self.later(SESSION, Occurrence::Expire(runner.session));
        }
    }

    pub fn lose_node(&mut self, n: usize) {
        self.note(format!("node {n} is lost"));
        for id in self.yarn.lose(n) {
            self.end_runner(id);
        }
    }

    // --- time ---------------------------------------------------------------------------------------------------

    pub fn run_for(&mut self, how_long: u64) {
        let end = self.now + how_long;
        while let Some((&(at, seq), _)) = self.heap.iter().next().filter(|((at, _), _)| *at <= end) {
            let what = self.heap.remove(&(at, seq)).expect("it is there");
            self.now = at;
            self.happen(what);
        }
        self.now = end;
    }

    /// Runs until it is so, at most this long.
    pub fn run_until(&mut self, how_long: u64, good: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + how_long;
        while !good(self) {
            if self.now >= end {
                return false;
            }
            self.run_for(10);
        }
        true
    }

    fn happen(&mut self, what: Occurrence) {
        match what {
            Occurrence::Core(n, event) => self.tell(n, event),
            Occurrence::Wake(n) => {
                if self.slots[n].wake == Some(self.now) {
                    self.slots[n].wake = None;
                    self.tell(n, Event::Wake);
                }
            }
            Occurrence::Apply(n, tag, ops) => {
                // A request that left is applied even when its sender is paused; a dead one's may be too.
                self.apply(n, tag, &ops);
            }
            Occurrence::Register(n) => {
                let answer = self.yarn.register(self.slots[n].attempt);
                self.later(2, Occurrence::Core(n, Event::Registered(answer)));
            }
            Occurrence::Allocate(n, request) => {
                if self.slots[n].alive {
                    self.allocate(n, &request);
                }
            }
            Occurrence::Start(n, container) => {
                if self.slots[n].alive {
                    self.start(n, &container);
                }
            }
            Occurrence::Runner(id, step) => self.step_runner(id, step),
            Occurrence::Expire(session) => {
                let gone = self.tree.expire(session);
                self.changed(&gone);
            }
            Occurrence::NewAttempt => {
                let attempt = self.yarn.attempt;
                self.boot(attempt, "b");
            }
            Occurrence::Relist(n) => {
                self.slots[n].lost = false;
                if self.slots[n].alive && self.slots[n].following {
                    self.list(n);
                }
            }
        }
    }

    // --- oracles ------------------------------------------------------------------------------------------------

    /// Desired is so, and stays so without another word: no commit and no ask for a virtual minute.
    #[track_caller]
    pub fn settled(&mut self, wanted: &[(&str, usize)]) {
        let good =
            |w: &Self| wanted.iter().all(|(name, n)| w.endpoints(name) == *n && w.count("instances", name) == *n);
        let converged = self.run_until(120_000, good);
        assert!(converged, "never came to {wanted:?}\n{}\n{}", self.trace.join("\n"), self.show());
        self.run_for(30_000);
        let since = self.now;
        self.run_for(60_000);
        let total: usize = wanted.iter().map(|(_, n)| n).sum();
        let trace = self.trace.join("\n");
        assert!(self.last_commit <= since, "not quiet\n{trace}\n{}", self.show());
        assert_eq!(self.yarn.containers.len(), total, "containers\n{trace}\n{}", self.show());
        assert_eq!(self.runners.len(), total, "runners\n{trace}");
        assert!(self.yarn.asks.is_empty(), "asks {:?}\n{trace}", self.yarn.asks);
        assert!(good(self), "it did not stay so\n{trace}\n{}", self.show());
    }

    /// Nothing of a deployment is left in the tree.
    #[track_caller]
    pub fn without_trace(&mut self, name: &str) {
        let left = |w: &Self| -> BTreeSet<String> {
            let all = w.tree.list("/maas").map(|(p, _, _)| p.to_owned());
            all.filter(|p| p.split('/').any(|part| part == name)).collect()
        };
        let gone = self.run_until(60_000, |w| left(w).is_empty());
        assert!(gone, "left: {:?}\n{}", left(self), self.trace.join("\n"));
    }

    pub fn condition(&self, name: &str, type_: &str) -> Option<(String, String)> {
        let (data, _) = self.tree.get(&format!("/maas/status/ModelDeployment/default/{name}"))?;
        let status = maas_store::decode_status("", data).ok()?;
        status.condition(type_).map(|c| (format!("{:?}", c.status), c.reason.clone()))
    }

    pub fn show(&self) -> String {
        self.tree
            .list("/maas")
            .map(|(p, d, s)| format!("{p} v{} {}\n", s.version, String::from_utf8_lossy(d)))
            .collect()
    }
}

//! A world around the real core: ZooKeeper's twin, YARN, runners and users, on virtual time from one heap of
//! occurrences. Nothing sleeps, nothing is random but the seed's.
#![allow(missing_docs, clippy::missing_panics_doc, clippy::must_use_candidate)]
// It is made to fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod client;
pub mod fault;
pub mod mirror;
pub mod operator;
pub mod oracle;
pub mod queue;
pub mod runner;
pub mod tree;
pub mod workload;
pub mod yarn;

use std::collections::{BTreeMap, BTreeSet};

use hadoop_yarn::{AllocateRequest, ApplicationId, Container, ContainerId, LocalResource};
use maas_crd::Launch;
use maas_operator::core::Core;
use maas_operator::core::event::{Event, Tag};
use maas_operator::settings::{MetronQueue, Settings};
use maas_store::twin::{Session, Tree};
use maas_store::{Change, Node, Op, PinnedFile, Root, UpgradeRequest};

use client::Client;
use fault::{Fault, Steps};
use mirror::Reader;
use operator::Slot;
use oracle::Watch;
use runner::Runner;
use yarn::Yarn;

pub const SESSION: u64 = 6_000;
/// Metron's queue.
pub const QUEUE: &str = "/maas/queue";
/// How often a mirror lists the whole although nothing seems wrong.
const RELIST: u64 = 30_000;

type Listing = Result<Vec<PinnedFile>, (&'static str, String)>;

#[derive(Debug)]
pub enum Occurrence {
    Core(usize, Event),
    Wake(usize),
    Apply(usize, Tag, Vec<Op>),
    Register(usize),
    Allocate(usize, AllocateRequest),
    Start(usize, Box<Container>, Box<Launch>),
    Runner(ContainerId, runner::Step),
    /// The ResourceManager has a NodeManager end a container that it does not know.
    CleanUp(ContainerId),
    Expire(Session),
    NewAttempt,
    Relist(usize),
    ListAgain(usize),
    /// An operator reads Metron's queue.
    ReadQueue(usize, BTreeSet<String>),
    /// A mirror of such a connection reads on.
    Mirror(Reader, u64),
    /// A client's mirror tells.
    Told(usize, Change),
    ClientBack(usize),
    ClientLists(usize),
    /// What a client names, of this connection, of this model: no longer this.
    Judge(usize, u64, String, String),
    Resume(usize),
}

pub struct World {
    pub now: u64,
    heap: BTreeMap<(u64, u64), Occurrence>,
    seq: u64,
    /// 0: every wait is the same each time.
    random: u64,
    pub tree: Tree,
    pub user: Session,
    pub slots: Vec<Slot>,
    pub clients: Vec<Client>,
    pub yarn: Yarn,
    pub runners: BTreeMap<ContainerId, Runner>,
    pub faults: Vec<Fault>,
    pub steps: Steps,
    pub hdfs: BTreeMap<String, Listing>,
    /// How long a listing takes.
    pub hdfs_takes: u64,
    pub model_start: u64,
    /// Runners do not drain.
    pub deaf: bool,
    /// Operators can't write, and know it.
    pub unsent: bool,
    pub trace: Vec<String>,
    /// Occurrences so far: in the state after each, all that must always hold was looked at.
    pub states: u64,
    pub watch: Watch,
}

pub fn root() -> Root {
    Root::default()
}

pub fn manifest(name: &str, replicas: u32, memory: &str, more: &str) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {{name: {name}}}\nspec:\n  model: {{name: {name}, version: \"1\"}}\n  replicas: {replicas}\n  payload: {{path: /m}}\n  resources: {{memory: {memory}}}\n{more}"
    )
}

pub fn payload(name: &str) -> Vec<PinnedFile> {
    vec![PinnedFile { path: format!("{name}.sh"), url: format!("hdfs://n/m/{name}.sh"), size: 1, mtime_ms: 1 }]
}

impl World {
    pub fn new(memory: &[i64]) -> Self {
        Self::seeded(memory, 0)
    }

    /// With another seed than 0, every wait differs from its usual length.
    pub fn seeded(memory: &[i64], seed: u64) -> Self {
        let application = ApplicationId { cluster_timestamp: 1, id: 1 };
        let mut tree = Tree::default();
        let user = tree.open();
        let mut world = Self {
            now: 0,
            heap: BTreeMap::new(),
            seq: 0,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            tree,
            user,
            slots: Vec::new(),
            clients: Vec::new(),
            yarn: Yarn::new(application, memory),
            runners: BTreeMap::new(),
            faults: Vec::new(),
            steps: Steps::default(),
            hdfs: BTreeMap::from([("/m".to_owned(), Ok(payload("rest")))]),
            hdfs_takes: 20,
            model_start: 50,
            deaf: false,
            unsent: false,
            trace: Vec::new(),
            states: 0,
            watch: Watch::default(),
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
        // As the program of the submission does: it becomes the one that is asked for.
        let path = Node::Upgrade.path(&root());
        let asked = self.tree.get(&path).and_then(|(data, _)| UpgradeRequest::decode(&path, data).ok());
        let asked = asked.filter(|asked| asked.application == application);
        let (program, runner) = asked.map_or_else(
            || ("hdfs://n/o".to_owned(), "hdfs://n/r".to_owned()),
            |asked| (asked.programs.operator.url, asked.programs.runner.url),
        );
        let settings = Settings {
            quorum: "zk".to_owned(),
            root: root(),
            session_timeout_ms: SESSION,
            application,
            attempt: u32::try_from(attempt).unwrap(),
            host: "h".to_owned(),
            nonce: format!("{nonce}{}", self.slots.len()),
            program,
            refused: None,
            runner: LocalResource::private_file(runner, 1, 1),
            env: BTreeMap::new(),
            metron_queue: Some(MetronQueue { path: QUEUE.to_owned(), user: "u".to_owned() }),
        };
        let session = self.tree.open();
        self.slots.push(Slot::new(Core::new(settings), attempt, session));
        let n = self.slots.len() - 1;
        self.later(1, Occurrence::Core(n, Event::Wake));
        self.later(10, Occurrence::Core(n, Event::Session));
        n
    }

    /// A number below `bound`, from the seed (xorshift).
    pub fn draw(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if bound == 0 { 0 } else { self.random % bound }
    }

    pub(crate) fn jitter(&mut self, usual: u64) -> u64 {
        // Mostly near the usual, at times much longer.
        let stretch = if self.draw(16) == 0 { 40 } else { 3 };
        usual + self.draw((usual * stretch).min(500))
    }

    pub(crate) fn later(&mut self, after: u64, what: Occurrence) {
        let at = self.now + self.jitter(after);
        self.at(at, what);
    }

    pub(crate) fn at(&mut self, at: u64, what: Occurrence) {
        self.seq += 1;
        self.heap.insert((at.max(self.now), self.seq), what);
    }

    pub fn note(&mut self, text: String) {
        self.trace.push(format!("{:>7} {text}", self.now));
    }

    // --- containers ---------------------------------------------------------------------------------------------

    /// A container ends, its processes with it; its session lives on until it times out.
    pub fn end_container(&mut self, id: ContainerId, exit_status: i32) {
        self.yarn.end(id, exit_status, "ended");
        self.end_runner(id);
    }

    /// A container ends, and nobody is told.
    pub fn end_container_untold(&mut self, id: ContainerId) {
        self.note(format!("{id} ends while its NodeManager and the ResourceManager restart, and is forgotten"));
        self.yarn.end_untold(id);
        self.end_runner(id);
    }

    pub(crate) fn end_runner(&mut self, id: ContainerId) {
        if let Some(runner) = self.runners.remove(&id) {
            self.later(SESSION, Occurrence::Expire(runner.session));
        }
    }

    /// A host dies with all on it.
    pub fn lose_host(&mut self, n: usize) {
        self.note(format!("host {n} dies"));
        for id in self.yarn.lose(n) {
            self.end_runner(id);
        }
    }

    /// A host dies with all on it while the ResourceManager restarts.
    pub fn lose_host_unseen(&mut self, n: usize) {
        self.note(format!("host {n} dies while the ResourceManager restarts"));
        for id in self.yarn.lose_unseen(n) {
            self.end_runner(id);
        }
        self.yarn.restart();
    }

    /// The ResourceManager takes a node for lost whose containers run on.
    pub fn lose_node(&mut self, n: usize) {
        self.note(format!("node {n} is lost"));
        self.yarn.lose(n);
    }

    pub fn node_returns(&mut self, n: usize) {
        self.note(format!("node {n} is back"));
        let living: BTreeSet<ContainerId> = self.runners.keys().copied().collect();
        for id in self.yarn.revive(n, |id| living.contains(id)) {
            self.later(100, Occurrence::CleanUp(id));
        }
    }

    // --- time ---------------------------------------------------------------------------------------------------

    pub fn run_for(&mut self, how_long: u64) {
        let end = self.now + how_long;
        while let Some((&(at, seq), _)) = self.heap.first_key_value().filter(|((at, _), _)| *at <= end) {
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
        self.states += 1;
        match what {
            Occurrence::Core(n, event) => self.tell(n, event),
            Occurrence::Wake(n) => self.wake(n),
            // A request that left is taken even when its sender is frozen or dead.
            Occurrence::Apply(n, tag, ops) => self.apply(n, tag, &ops),
            Occurrence::Register(n) => self.register(n),
            Occurrence::Allocate(n, request) => self.allocate(n, &request),
            Occurrence::Start(n, container, launch) => self.start(n, &container, *launch),
            Occurrence::Runner(id, step) => self.step_runner(id, step),
            // Unless its node came back meanwhile, and it with it.
            Occurrence::CleanUp(id) if self.yarn.containers.contains_key(&id) => {}
            Occurrence::CleanUp(id) => self.end_runner(id),
            Occurrence::Expire(session) => {
                let gone = self.tree.expire(session);
                self.changed(&gone);
            }
            Occurrence::NewAttempt => {
                let attempt = self.yarn.attempt;
                self.boot(attempt, "b");
            }
            Occurrence::Relist(n) => self.relist(n),
            Occurrence::Mirror(who, connection) => self.step_mirror(who, connection),
            Occurrence::Told(n, change) => self.tell_client(n, change),
            Occurrence::ClientBack(n) => self.client_back(n),
            Occurrence::ClientLists(n) => self.client_lists(n),
            Occurrence::Judge(n, connection, model, url) => self.judge_client(n, connection, &model, &url),
            Occurrence::ListAgain(n) => {
                if self.slots[n].alive && !self.slots[n].lost {
                    self.list(Reader::Operator(n));
                    self.queue_moved(n);
                }
                self.later(RELIST, Occurrence::ListAgain(n));
            }
            Occurrence::ReadQueue(n, except) => self.read_queue(n, &except),
            Occurrence::Resume(n) => self.resume(n),
        }
    }
}

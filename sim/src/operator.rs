//! Operator processes: the real core, what it is told and what it has done.

use std::collections::BTreeMap;

use hadoop_yarn::{AllocateRequest, Container};
use maas_crd::Launch;
use maas_operator::core::Core;
use maas_operator::core::event::{Effect, Event, OperatorSeen, Tag};
use maas_operator::plan::Time;
use maas_runner::life::Event::Tick;
use maas_store::twin::Session;
use maas_store::{Change, CommitError, Node, Op};

use crate::fault::Fault;
use crate::mirror::{Mirror, Reader};
use crate::runner::{self, Runner};
use crate::yarn::Start;
use crate::{Occurrence, SESSION, World, root};

pub struct Slot {
    pub core: Core,
    pub(crate) attempt: i32,
    pub(crate) session: Session,
    pub(crate) expired: bool,
    pub(crate) following: bool,
    /// It hears nothing of the tree.
    pub(crate) lost: bool,
    /// Nor can it write.
    pub(crate) cut: bool,
    /// What it was told last is a whole view.
    pub(crate) view: bool,
    pub(crate) mirror: Mirror,
    commit_at: u64,
    pub alive: bool,
    pub exit: Option<i32>,
    pub finished: Option<bool>,
    wake: Option<u64>,
    /// Frozen: what comes is kept for later.
    paused: Option<Vec<Event>>,
    paused_at: u64,
    /// Effects of each kind in the current second.
    pub(crate) busy: (u64, BTreeMap<&'static str, u32>),
    /// When it was told an answer of the ResourceManager last.
    pub(crate) heard: Option<u64>,
    /// It is told the answer of a write that was accepted.
    pub(crate) answered: bool,
}

impl Slot {
    pub fn new(core: Core, attempt: i32, session: Session) -> Self {
        Self {
            core,
            attempt,
            session,
            expired: false,
            following: false,
            lost: false,
            cut: false,
            view: false,
            mirror: Mirror::default(),
            commit_at: 0,
            alive: true,
            exit: None,
            finished: None,
            wake: None,
            paused: None,
            paused_at: 0,
            busy: (0, BTreeMap::new()),
            heard: None,
            answered: false,
        }
    }
}

impl Slot {
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }
}

impl World {
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
            self.next_attempt();
        }
    }

    /// kill -9 of whichever operator acts, if one does.
    pub fn kill_leader(&mut self) {
        if let Some(n) = self.slots.iter().rposition(|s| s.alive && s.paused.is_none()) {
            self.kill_operator(n);
        }
    }

    fn next_attempt(&mut self) {
        for id in self.yarn.next_attempt(self.now) {
            self.end_runner(id);
        }
        self.later(150, Occurrence::NewAttempt);
    }

    /// An operator is frozen for so long, and YARN starts the next attempt.
    pub fn supersede(&mut self, n: usize, how_long: u64) {
        self.note(format!("operator {n} is frozen and superseded"));
        let slot = &mut self.slots[n];
        (slot.paused, slot.paused_at, slot.lost) = (Some(Vec::new()), self.now, true);
        if how_long >= SESSION {
            slot.expired = true;
            let session = slot.session;
            self.later(SESSION, Occurrence::Expire(session));
        }
        self.next_attempt();
        self.at(self.now + how_long, Occurrence::Resume(n));
    }

    pub(crate) fn resume(&mut self, n: usize) {
        self.note(format!("operator {n} runs on"));
        for event in self.slots[n].paused.take().into_iter().flatten() {
            self.at(self.now, Occurrence::Core(n, event));
        }
        self.at(self.now, Occurrence::Core(n, Event::Tree(Change::Lost)));
        self.at(self.now, Occurrence::Core(n, Event::Wake));
        self.later(50, Occurrence::Relist(n));
    }

    pub(crate) fn wake(&mut self, n: usize) {
        if self.slots[n].wake == Some(self.now) {
            self.slots[n].wake = None;
            self.tell(n, Event::Wake);
        }
    }

    pub(crate) fn tell(&mut self, n: usize, event: Event) {
        if !self.slots[n].alive {
            return;
        }
        let slot = &mut self.slots[n];
        if let Some(kept) = &mut slot.paused {
            kept.push(event);
            return;
        }
        match &event {
            Event::Tree(Change::Listed) => slot.view = true,
            Event::Tree(Change::Lost | Change::Listing) => slot.view = false,
            Event::Allocated(Ok(_)) | Event::Registered(Ok(_)) => slot.heard = Some(self.now),
            Event::Registered(Err(error)) if error.is_already_registered() => slot.heard = Some(self.now),
            _ => {}
        }
        slot.answered = matches!(event, Event::Committed(_, Ok(_)));
        let time = Time { mono: self.now, wall: i64::try_from(self.now).unwrap() };
        let effects = slot.core.step(time, event);
        for effect in effects {
            self.perform(n, effect);
        }
        if let Some(at) = self.slots[n].core.wake().filter(|_| self.slots[n].alive) {
            let at = at.max(self.now + 1);
            if self.slots[n].wake.is_none_or(|w| w <= self.now || at < w) {
                self.slots[n].wake = Some(at);
                self.at(at, Occurrence::Wake(n));
            }
        }
    }

    fn perform(&mut self, n: usize, effect: Effect) {
        if !self.slots[n].alive {
            return;
        }
        if !matches!(effect, Effect::Say(..) | Effect::Tokens(_) | Effect::Allocate(_)) {
            let at = self.steps.effects;
            self.steps.effects += 1;
            if self.hits(Fault::CrashAtEffect(at)) {
                return self.kill_operator(n);
            }
        }
        self.judge_effect(n, &effect);
        match effect {
            Effect::Say(_, text) => self.note(format!("operator {n}: {text}")),
            Effect::Tokens(_) => {}
            Effect::ReadOperator => {
                let get = |node: Node| self.tree.get(&node.path(&root())).map(|(d, s)| (d.to_vec(), s));
                let ids = self.tree.list("/maas/instances").filter_map(|(p, _, _)| match Node::parse(&root(), p) {
                    Some(Node::Instance { iid, .. }) => Some(iid.epoch()),
                    _ => None,
                });
                let highest = ids.max().unwrap_or(0);
                let seen = OperatorSeen { epoch: get(Node::Epoch), leader: get(Node::Leader), highest };
                let answer = if self.slots[n].cut { Err("no session".to_owned()) } else { Ok(seen) };
                self.later(2, Occurrence::Core(n, Event::OperatorRead(answer)));
            }
            Effect::Follow => {
                self.slots[n].following = true;
                self.later(crate::RELIST, Occurrence::ListAgain(n));
                if !self.slots[n].lost {
                    self.follow(Reader::Operator(n));
                }
                self.queue_moved(n);
            }
            Effect::Commit(tag, ops) => {
                // Requests of one session arrive in order.
                let at = self.now + self.jitter(1);
                let slot = &mut self.slots[n];
                slot.commit_at = slot.commit_at.max(at);
                let at = slot.commit_at;
                self.at(at, Occurrence::Apply(n, tag, ops));
            }
            Effect::Register => self.later(2, Occurrence::Register(n)),
            Effect::Allocate(request) => self.later(2, Occurrence::Allocate(n, request)),
            Effect::Start(container, context) => {
                let launch = Launch::decode(&context.env["MAAS_LAUNCH"]).expect("the operator's own words");
                self.later(4, Occurrence::Start(n, container, Box::new(launch)));
            }
            Effect::Signal(id, _) => self.later(3, Occurrence::Runner(id, runner::Step::Signal)),
            Effect::Stop(id, _) => {
                self.note(format!("operator {n} stops {id}"));
                if self.yarn.stop(id) {
                    self.end_runner(id);
                }
            }
            Effect::Look(id, node) => {
                let answer = self.yarn.look(id, &node);
                self.later(3, Occurrence::Core(n, Event::Looked(id, answer)));
            }
            Effect::LookAtNodes => {
                let answer = self.yarn.leaving();
                self.later(3, Occurrence::Core(n, Event::NodesSeen(answer)));
            }
            Effect::List(key, number, path) => {
                let answer = self.hdfs.get(&path).cloned();
                let answer = answer.unwrap_or_else(|| Err(("PayloadMissing", format!("{path} does not exist"))));
                let takes = self.hdfs_takes;
                self.later(takes, Occurrence::Core(n, Event::Listed(key, number, answer)));
            }
            Effect::DeleteUpload(key, path) => {
                self.hdfs.remove(&path);
                self.later(5, Occurrence::Core(n, Event::UploadDeleted(key, path, Ok(()))));
            }
            Effect::ReadQueue(except) => self.later(2, Occurrence::ReadQueue(n, except)),
            Effect::LookAtPayload(path) => self.look_at_payload(n, &path),
            Effect::Finish(well, words) => {
                self.note(format!("operator {n} finishes: {well} {words}"));
                self.slots[n].finished = Some(well);
                for id in self.yarn.containers.keys().copied().filter(|_| well).collect::<Vec<_>>() {
                    self.end_container(id, -107);
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

    pub(crate) fn apply(&mut self, n: usize, tag: Tag, ops: &[Op]) {
        let at = self.steps.commits;
        self.steps.commits += 1;
        self.watch.last_commit = self.now;
        if self.hits(Fault::CrashBefore(at)) {
            return self.kill_operator(n);
        }
        for pause in [3_000, 20_000] {
            if self.hits(Fault::CommitLate(at, pause)) {
                self.supersede(n, pause);
                return self.at(self.now + pause, Occurrence::Apply(n, tag, ops.to_vec()));
            }
        }
        self.trouble_at_commit(n, at);
        let unknown = || Err(CommitError::Unknown("cut".to_owned()));
        let lost = self.hits(Fault::CommitLost(at)) || self.hits(Fault::CommitAnswerLost(at));
        if lost && at.is_multiple_of(2) {
            // Mostly an answer is lost with the connection, which the mirror sees too.
            self.lose_mirror(n, 300);
        }
        if self.hits(Fault::CommitLost(at)) || self.slots[n].cut {
            return self.later(500, Occurrence::Core(n, Event::Committed(tag, unknown())));
        }
        let result = if self.unsent || self.hits(Fault::CommitUnsent(at)) {
            Err(CommitError::Unavailable("cut".to_owned()))
        } else {
            self.tree.commit(self.slots[n].session, ops, i64::try_from(self.now).unwrap())
        };
        let answer = match result {
            Ok((done, changed)) => {
                self.judge_commit(n, ops);
                self.judge_queue(ops);
                self.changed(&changed);
                Ok(done)
            }
            Err(error) => {
                self.watch.refused += usize::from(error.refused_at().is_some());
                Err(error)
            }
        };
        if self.hits(Fault::CrashAfter(at)) {
            return self.kill_operator(n);
        }
        let answer = if self.hits(Fault::CommitAnswerLost(at)) { unknown() } else { answer };
        self.later(1, Occurrence::Core(n, Event::Committed(tag, answer)));
    }

    pub(crate) fn register(&mut self, n: usize) {
        let at = self.steps.registrations;
        self.steps.registrations += 1;
        let mut answer = self.yarn.register(self.slots[n].attempt);
        if self.hits(Fault::RegisterAnswerLost(at)) {
            answer = Err(hadoop_yarn::Error::Incomplete { method: "register", field: "answer, which was lost" });
        }
        self.later(2, Occurrence::Core(n, Event::Registered(answer)));
    }

    pub(crate) fn allocate(&mut self, n: usize, request: &AllocateRequest) {
        let at = self.steps.heartbeats;
        self.steps.heartbeats += 1;
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

    pub(crate) fn start(&mut self, n: usize, container: &Container, launch: Launch) {
        let at = self.steps.starts;
        self.steps.starts += 1;
        let cut = || Err(("cut".to_owned(), true));
        if self.hits(Fault::StartLost(at)) {
            return self.later(200, Occurrence::Core(n, Event::Started(container.id, cut())));
        }
        let known = self.yarn.containers.contains_key(&container.id);
        // A NodeManager takes the token of a container that the ResourceManager has dropped, until it is told so.
        let start = self.yarn.start(container.id, self.now);
        if start == Start::Begun {
            self.begin(container, launch);
            if !known {
                self.later(1_000, Occurrence::CleanUp(container.id));
            }
        }
        if self.hits(Fault::CrashAtStart(at)) {
            return self.kill_operator(n);
        }
        let answer = match start {
            _ if self.hits(Fault::StartAnswerLost(at)) => cut(),
            Start::Begun | Start::Again => Ok(()),
            Start::Refused => Err(("unknown container".to_owned(), false)),
        };
        self.later(2, Occurrence::Core(n, Event::Started(container.id, answer)));
    }

    fn begin(&mut self, container: &Container, launch: Launch) {
        let id = container.id;
        let runner = Runner::new(id, &container.node.host, launch, &mut self.tree, self.now);
        self.note(format!("{id} starts for {}", runner.iid));
        let twice = self.runners.values().any(|r| r.iid == runner.iid);
        assert!(!twice, "two containers of {}\n{}", runner.iid, self.tail());
        self.runners.insert(id, runner);
        self.later(20, Occurrence::Runner(id, runner::Step::Life(Tick)));
        self.later(20, Occurrence::Runner(id, runner::Step::Verify));
    }
}

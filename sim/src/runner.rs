//! Runners: the real [`Life`] decides. What answers its effects is simulated: a model that answers after a while and ends
//! when it is told to, and znodes that are kept as `maas_runner::registration` keeps them.

use std::time::Duration;

use hadoop_yarn::ContainerId;
use maas_crd::{Iid, Launch};
use maas_runner::life::{Address, Cause, Effect, Ending, Event, Exit, Life, Moment, Phase, Stop, Times};
use maas_runner::report::{Author, Dated, exit};
use maas_store::twin::{Session, Tree};
use maas_store::{CommitError, Endpoint, InstanceRecord, Node, Op, Refusal, RunnerReport};

use crate::{Occurrence, World, root};

/// How often a runner looks whether what it wrote stands.
const VERIFY_EVERY: u64 = 2_000;
/// A model that has ended is called no longer than this.
const DEAD_UNSERVED: u64 = 1_000;
/// A model that is told to end takes so long.
const MODEL_END: u64 = 10;

#[derive(Clone, Debug)]
pub enum Step {
    Life(Event),
    /// The model's processes end; with this code by themselves.
    ModelEnds(Option<i32>),
    /// The record may be another.
    Look,
    /// What is so is made what should be so.
    Settle,
    /// The same, since it failed.
    Retry,
    Verify,
    /// The container's processes are sent SIGTERM.
    Signal,
    Reconnect,
}

#[derive(Debug)]
pub struct Runner {
    pub iid: Iid,
    pub session: Session,
    /// Its session is over, and the next not open yet.
    expired: bool,
    author: Author,
    record: String,
    began: u64,
    life: Life,
    wake: Option<u64>,
    /// The model's processes live.
    model: bool,
    /// When they ended last.
    ended: u64,
    wanted: Wanted,
    settles: bool,
    retries: bool,
    // What `Keeper` knows of the tree.
    clean: bool,
    doubted: bool,
    published: Option<u32>,
    heeded: bool,
    may_serve: bool,
    reported: bool,
}

#[derive(Debug, Default)]
struct Wanted {
    endpoint: Option<(u32, Address)>,
    withdrawn: bool,
    report: Option<Dated>,
    words: Option<(u8, Ending)>,
}

impl Runner {
    pub fn new(container: ContainerId, node: &str, launch: Launch, tree: &mut Tree, now: u64) -> Self {
        let times = Times {
            startup: Duration::from_millis(launch.startup_timeout_ms),
            grace: Duration::from_millis(launch.grace_ms),
        };
        let (namespace, name, iid) = (launch.namespace.clone(), launch.name.clone(), launch.iid);
        let author = Author { launch, container: container.to_string(), node: node.to_owned(), node_http: None };
        Self {
            iid,
            session: tree.open(),
            expired: false,
            author,
            record: Node::Instance { namespace, name, iid }.path(&root()),
            began: now,
            life: Life::new(times),
            wake: None,
            model: false,
            ended: now,
            wanted: Wanted::default(),
            settles: false,
            retries: false,
            clean: false,
            doubted: false,
            published: None,
            heeded: false,
            may_serve: false,
            reported: false,
        }
    }

    pub fn record_path(&self) -> &str {
        &self.record
    }

    pub fn is_ready(&self) -> bool {
        self.life.report().phase == Phase::Ready
    }

    fn paths(&self) -> Paths {
        let (namespace, name, iid) = (&self.author.launch.namespace, &self.author.launch.name, self.iid);
        let model = self.author.launch.model.name.clone();
        let at = |node: Node| node.path(&root());
        let metron = Node::MetronInstance { model: model.clone(), container: self.author.container.clone() };
        Paths {
            runner: at(Node::Runner { namespace: namespace.clone(), name: name.clone(), iid }),
            exit: at(Node::Exit { namespace: namespace.clone(), name: name.clone(), iid }),
            endpoint: at(Node::Endpoint { namespace: namespace.clone(), name: name.clone(), iid }),
            metron_model: at(Node::MetronModel { model }),
            metron: self.author.launch.metron.then(|| at(metron)),
        }
    }
}

/// Where it writes.
struct Paths {
    runner: String,
    exit: String,
    endpoint: String,
    metron_model: String,
    metron: Option<String>,
}

fn delete(path: &str) -> Op {
    Op::Delete { path: path.to_owned(), version: None }
}

fn ephemeral(path: &str, data: Vec<u8>) -> Op {
    Op::Create { path: path.to_owned(), data, ephemeral: true }
}

impl World {
    pub(crate) fn step_runner(&mut self, id: ContainerId, step: Step) {
        let Some(runner) = self.runners.get_mut(&id) else { return };
        match step {
            // Nobody looks at a model that is no more.
            Step::Life(Event::Answered { .. }) if !runner.model => {}
            Step::Life(event) => self.tell_runner(id, event),
            Step::ModelEnds(_) if !runner.model => {}
            // One that no signal ends.
            Step::ModelEnds(None) if self.deaf => {}
            Step::ModelEnds(code) => {
                (runner.model, runner.ended) = (false, self.now);
                let exit = code.map_or(Exit::Signal(15), Exit::Code);
                self.tell_runner(id, Event::ScriptExited { exit, survivors: false });
            }
            Step::Look => {
                runner.heeded = false;
                self.settle_soon(id);
            }
            Step::Verify => {
                runner.doubted = true;
                let dead = !runner.model && self.now > runner.ended + DEAD_UNSERVED;
                assert!(!dead || !self.is_served(id), "{id} is served without a model\n{}", self.tail());
                self.settle_soon(id);
                self.later(VERIFY_EVERY, Occurrence::Runner(id, Step::Verify));
            }
            Step::Settle | Step::Retry => {
                match step {
                    Step::Retry => runner.retries = false,
                    _ => runner.settles = false,
                }
                if !runner.expired {
                    self.settle_runner(id);
                }
            }
            Step::Signal => {
                let stop = Stop { cause: Cause::Signal, message: "ended by SIGTERM".to_owned(), grace: None };
                self.tell_runner(id, Event::StopOrdered(stop));
                self.later(MODEL_END, Occurrence::Runner(id, Step::ModelEnds(None)));
            }
            Step::Reconnect => {
                // It has one session at a time, also when two expired in short order.
                let gone = self.tree.expire(runner.session);
                runner.session = self.tree.open();
                runner.expired = false;
                (runner.clean, runner.heeded, runner.reported) = (false, false, false);
                self.changed(&gone);
                self.settle_soon(id);
            }
        }
    }

    fn tell_runner(&mut self, id: ContainerId, event: Event) {
        let Some(runner) = self.runners.get_mut(&id) else { return };
        let now = Moment::from_millis(self.now - runner.began);
        for effect in runner.life.step(now, event) {
            self.perform_of_runner(id, effect);
        }
        let Some(runner) = self.runners.get_mut(&id) else { return };
        let due = runner.life.wake().map(|at| runner.began + u64::try_from(at.as_micros().div_ceil(1_000)).unwrap());
        if runner.wake != due {
            runner.wake = due;
            if let Some(at) = due {
                self.at(at, Occurrence::Runner(id, Step::Life(Event::Tick)));
            }
        }
    }

    fn perform_of_runner(&mut self, id: ContainerId, effect: Effect) {
        let now = i64::try_from(self.now).unwrap();
        let runner = self.runners.get_mut(&id).expect("it lives");
        match effect {
            Effect::Start { run } => {
                runner.model = true;
                let address = Address { url: format!("http://{id}"), functions: std::collections::BTreeMap::new() };
                let after = self.model_start;
                self.later(after, Occurrence::Runner(id, Step::Life(Event::Answered { run, address })));
            }
            Effect::Terminate => {
                assert!(!self.is_served(id), "{id} is served while its model is told to end\n{}", self.tail());
                self.later(MODEL_END, Occurrence::Runner(id, Step::ModelEnds(None)));
            }
            Effect::Kill => self.later(1, Occurrence::Runner(id, Step::ModelEnds(None))),
            Effect::Publish { run, address } => runner.wanted.endpoint = Some((run, address)),
            Effect::Withdraw => (runner.wanted.endpoint, runner.wanted.withdrawn) = (None, true),
            Effect::Report(report) => {
                runner.wanted.report = Some(Dated::after(runner.wanted.report.as_ref(), report, now));
                runner.reported = false;
            }
            Effect::Leave { code, ending } => {
                (runner.wanted.endpoint, runner.wanted.words) = (None, Some((code, ending)));
            }
        }
        self.settle_soon(id);
    }

    /// Clients call this container's model.
    fn is_served(&self, id: ContainerId) -> bool {
        let runner = &self.runners[&id];
        let endpoint = self.tree.get(&runner.paths().endpoint);
        let container = endpoint.and_then(|(data, _)| Endpoint::decode("", data).ok()).map(|e| e.container);
        container.as_ref() == Some(&runner.author.container)
    }

    fn settle_soon(&mut self, id: ContainerId) {
        let runner = self.runners.get_mut(&id).expect("it lives");
        if !std::mem::replace(&mut runner.settles, true) {
            self.later(1, Occurrence::Runner(id, Step::Settle));
        }
    }

    fn settle_later(&mut self, id: ContainerId) {
        let runner = self.runners.get_mut(&id).expect("it lives");
        if !std::mem::replace(&mut runner.retries, true) {
            self.later(200, Occurrence::Runner(id, Step::Retry));
        }
    }

    /// As `Keeper::settle`.
    fn settle_runner(&mut self, id: ContainerId) {
        let paths = self.runners[&id].paths();
        self.tidy_of_runner(id, &paths);
        let runner = self.runners.get_mut(&id).expect("it lives");
        let withdrawn = runner.wanted.endpoint.is_none() && std::mem::take(&mut runner.wanted.withdrawn);
        if let Some((code, ending)) = runner.wanted.words.clone() {
            return self.leave_of_runner(id, &paths, code, &ending);
        }
        self.heed_record(id);
        self.publish_of_runner(id, &paths);
        self.report_of_runner(id, &paths);
        if withdrawn {
            self.tell_runner(id, Event::Withdrawn);
        }
    }

    /// What is not wanted goes: of an earlier session, of an earlier run, or all.
    fn tidy_of_runner(&mut self, id: ContainerId, paths: &Paths) {
        let stands = |w: &Self, path: &str| w.tree.get(path).is_some();
        let runner = self.runners.get_mut(&id).expect("it lives");
        if !std::mem::replace(&mut runner.clean, true) {
            runner.published = None;
            self.remove_of_runner(id, paths);
        }
        let runner = &self.runners[&id];
        let (published, doubted) = (runner.published.is_some(), runner.doubted);
        let stolen = published
            && doubted
            && !(stands(self, &paths.endpoint) && paths.metron.as_ref().is_none_or(|at| stands(self, at)));
        let unreported = doubted && !stands(self, &paths.runner);
        let wanted = runner.wanted.endpoint.as_ref().map(|(run, _)| *run);
        let unwanted = published && runner.published != wanted;
        let runner = self.runners.get_mut(&id).expect("it lives");
        runner.reported &= !unreported;
        runner.doubted = false;
        if stolen || unwanted {
            runner.published = None;
            for path in [Some(&paths.endpoint), paths.metron.as_ref()].into_iter().flatten() {
                _ = self.as_runner(id, &[delete(path)]);
            }
        }
    }

    /// All of this container's that stands.
    fn remove_of_runner(&mut self, id: ContainerId, paths: &Paths) {
        let own = self.runners[&id].author.container.clone();
        let endpoint = |data: &[u8]| Endpoint::decode("", data).map(|e| e.container);
        let report = |data: &[u8]| RunnerReport::decode("", data).map(|r| r.container);
        let all = [
            self.tree
                .get(&paths.endpoint)
                .filter(|(d, _)| endpoint(d).is_ok_and(|c| c == own))
                .map(|_| &paths.endpoint),
            self.tree.get(&paths.runner).filter(|(d, _)| report(d).is_ok_and(|c| c == own)).map(|_| &paths.runner),
            paths.metron.as_ref().filter(|at| self.tree.get(at).is_some()),
        ];
        for path in all.into_iter().flatten().cloned().collect::<Vec<_>>() {
            _ = self.as_runner(id, &[delete(&path)]);
        }
    }

    fn leave_of_runner(&mut self, id: ContainerId, paths: &Paths, code: u8, ending: &Ending) {
        let words = exit(ending, "", i64::try_from(self.now).unwrap()).encode();
        // Refused where the record is gone.
        _ = self.as_runner(id, &[Op::Create { path: paths.exit.clone(), data: words, ephemeral: false }]);
        self.remove_of_runner(id, paths);
        let session = self.runners[&id].session;
        self.yarn.end(id, i32::from(code), &ending.message);
        self.runners.remove(&id);
        let gone = self.tree.expire(session);
        self.changed(&gone);
    }

    /// As `Nodes::record` and `Keeper::heed_record`.
    fn heed_record(&mut self, id: ContainerId) {
        let path = self.runners[&id].record.clone();
        let record = self.tree.get(&path).map(|(data, stat)| (InstanceRecord::decode(&path, data).ok(), stat.version));
        let runner = self.runners.get_mut(&id).expect("it lives");
        if std::mem::replace(&mut runner.heeded, true) {
            return;
        }
        runner.may_serve = matches!(record, Some((_, 0)));
        let stop = match record {
            Some((_, 0)) => return,
            Some((record, _)) => {
                let stopping = record.and_then(|r| r.stopping);
                let grace = stopping.as_ref().map(|s| Duration::from_millis(s.grace_ms));
                Stop { cause: Cause::RecordStopping, message: stopping.map_or(String::new(), |s| s.reason), grace }
            }
            None => Stop { cause: Cause::RecordGone, message: "no record".to_owned(), grace: None },
        };
        self.tell_runner(id, Event::StopOrdered(stop));
    }

    /// In one multi with the check of its record.
    fn publish_of_runner(&mut self, id: ContainerId, paths: &Paths) {
        let runner = &self.runners[&id];
        let Some((run, address)) = runner.wanted.endpoint.clone() else { return };
        if runner.published.is_some() || !runner.may_serve {
            return;
        }
        let now = i64::try_from(self.now).unwrap();
        let mut ops = vec![
            Op::Check { path: runner.record.clone(), version: 0 },
            ephemeral(&paths.endpoint, runner.author.endpoint(&address, now).encode()),
        ];
        ops.extend(paths.metron.as_ref().map(|at| ephemeral(at, runner.author.metron(&address, now).encode())));
        let mut done = self.as_runner(id, &ops);
        if matches!(&done, Err(CommitError::Refused { index: 2, why: Refusal::NoNode, .. })) {
            ops.insert(2, Op::Create { path: paths.metron_model.clone(), data: Vec::new(), ephemeral: false });
            done = self.as_runner(id, &ops);
        }
        let runner = self.runners.get_mut(&id).expect("it lives");
        match done {
            Ok(()) => runner.published = Some(run),
            Err(CommitError::Refused { index: 0, .. }) => {
                runner.heeded = false;
                self.heed_record(id);
            }
            Err(_) => self.settle_later(id),
        }
    }

    fn report_of_runner(&mut self, id: ContainerId, paths: &Paths) {
        let runner = &self.runners[&id];
        let Some(dated) = runner.wanted.report.clone().filter(|_| !runner.reported) else { return };
        let (path, data) = (paths.runner.clone(), runner.author.report(&dated, "").encode());
        let done = match self.tree.get(&path) {
            Some(_) => self.as_runner(id, &[Op::Set { path, data, version: None }]),
            None => self.as_runner(id, &[ephemeral(&path, data)]),
        };
        match done {
            Ok(()) => self.runners.get_mut(&id).expect("it lives").reported = true,
            // Also when the record is gone, and the report's place with it.
            Err(_) => self.settle_later(id),
        }
    }

    /// A model crashes; its runner starts it again in place.
    pub fn crash_model(&mut self, id: ContainerId) {
        if self.runners.get(&id).is_some_and(Runner::is_ready) {
            self.step_runner(id, Step::ModelEnds(Some(1)));
        }
    }

    /// A runner's session expires; it opens another one.
    pub fn expire_runner(&mut self, id: ContainerId) {
        if let Some(runner) = self.runners.get_mut(&id) {
            runner.expired = true;
            let (session, iid) = (runner.session, runner.iid);
            let gone = self.tree.expire(session);
            self.note(format!("the session of {iid}'s runner expires"));
            self.changed(&gone);
            self.later(200, Occurrence::Runner(id, Step::Reconnect));
        }
    }

    fn as_runner(&mut self, id: ContainerId, ops: &[Op]) -> Result<(), CommitError> {
        let session = self.runners[&id].session;
        let (_, changed) = self.tree.commit(session, ops, i64::try_from(self.now).unwrap())?;
        self.changed(&changed);
        Ok(())
    }
}

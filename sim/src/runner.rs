//! A runner as the operator sees it: it reports, publishes beside a record at version 0, starts its model again in
//! place, drains when the record is stopping or gone, and its ephemerals outlive it by a session timeout when killed.

use hadoop_yarn::{Container, ContainerId};
use maas_crd::Iid;
use maas_store::twin::{Session, Tree};
use maas_store::{Endpoint, Node, Op, Phase, RunnerReport};

use crate::{Occurrence, World, root};

#[derive(Debug)]
pub struct Runner {
    pub iid: Iid,
    pub session: Session,
    pub ready: bool,
    container: ContainerId,
    node: String,
    path: String,
    stopping: bool,
    restarts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Report,
    Ready,
    Look,
    Signal,
    Leave,
    Reconnect,
}

impl Runner {
    pub fn new(container: &Container, tree: &mut Tree) -> Self {
        let iid = Iid::from_i64(container.allocation_request_id).expect("an id of ours");
        let all = tree.list("/maas/instances").map(|(p, _, _)| p.to_owned()).collect::<Vec<_>>();
        let path = all.into_iter().find(|p| p.ends_with(&format!("/{iid}"))).unwrap_or_default();
        let (session, node) = (tree.open(), container.node.host.clone());
        Self { iid, session, container: container.id, node, path, ready: false, stopping: false, restarts: 0 }
    }

    pub fn record_path(&self) -> &str {
        &self.path
    }

    fn report(&self, phase: Phase) -> Op {
        let report = RunnerReport {
            container: self.container.to_string(),
            node: self.node.clone(),
            node_http: None,
            phase,
            waiting: None,
            restarts: self.restarts,
            last_exit: None,
            since_ms: 0,
        };
        Op::Set { path: format!("{}/runner", self.path), data: report.encode(), version: None }
    }

    fn place(&self) -> Option<Node> {
        match Node::parse(&root(), &self.path)? {
            Node::Instance { namespace, name, iid } => Some(Node::Endpoint { namespace, name, iid }),
            _ => None,
        }
    }

    /// Publishes in one multi with the check of its record.
    fn publish(&self) -> Option<Vec<Op>> {
        let at = self.place()?;
        let endpoint = Endpoint {
            url: format!("http://{}", self.container.id),
            functions: std::collections::BTreeMap::new(),
            model: "m".to_owned(),
            version: "1".to_owned(),
            revision: 1,
            container: self.container.to_string(),
            since_ms: 0,
        };
        Some(vec![
            Op::Check { path: self.path.clone(), version: 0 },
            Op::Create { path: at.path(&root()), data: endpoint.encode(), ephemeral: true },
            self.report(Phase::Ready),
        ])
    }
}

impl World {
    pub(crate) fn step_runner(&mut self, id: ContainerId, step: Step) {
        let Some(runner) = self.runners.get(&id) else { return };
        let (session, path) = (runner.session, runner.path.clone());
        let record = self.tree.get(&path).map(|(_, stat)| stat.version);
        match step {
            // The record is gone or was made stopping before it began.
            Step::Report | Step::Look if record != Some(0) => self.drain(id, record.is_some()),
            Step::Report => {
                self.create_report(id);
                let after = self.model_start;
                self.later(after, Occurrence::Runner(id, Step::Ready));
            }
            Step::Ready if !runner.stopping => {
                let done = runner.publish().is_some_and(|ops| self.as_runner(session, &ops));
                self.runners.get_mut(&id).expect("it lives").ready = done;
                if !done && record == Some(0) {
                    // Between two sessions.
                    self.later(200, Occurrence::Runner(id, Step::Ready));
                }
            }
            Step::Signal => self.drain(id, true),
            Step::Leave => {
                self.yarn.end(id, 0, "drained");
                self.runners.remove(&id);
                let gone = self.tree.expire(session);
                self.changed(&gone);
            }
            Step::Reconnect => {
                // It has one session at a time, also when two expired in short order.
                let gone = self.tree.expire(session);
                self.changed(&gone);
                let session = self.tree.open();
                self.runners.get_mut(&id).expect("it lives").session = session;
                if record != Some(0) {
                    return self.drain(id, record.is_some());
                }
                self.create_report(id);
                if self.runners[&id].ready {
                    self.step_runner(id, Step::Ready);
                }
            }
            Step::Ready | Step::Look => {}
        }
    }

    fn create_report(&mut self, id: ContainerId) {
        let runner = &self.runners[&id];
        if let Op::Set { path, data, .. } = runner.report(Phase::Starting) {
            self.as_runner(runner.session, &[Op::Create { path, data, ephemeral: true }]);
        }
    }

    /// A model crashes; its runner starts it again in place.
    pub fn crash_model(&mut self, id: ContainerId) {
        let Some(runner) = self.runners.get_mut(&id).filter(|r| r.ready) else { return };
        runner.ready = false;
        runner.restarts += 1;
        let (session, report) = (runner.session, runner.report(Phase::BackingOff));
        let endpoint = runner.place().expect("it has published").path(&root());
        self.as_runner(session, &[Op::Delete { path: endpoint, version: None }, report]);
        self.later(100, Occurrence::Runner(id, Step::Ready));
    }

    /// A runner's session expires; it opens another one.
    pub fn expire_runner(&mut self, id: ContainerId) {
        if let Some(runner) = self.runners.get(&id) {
            let gone = self.tree.expire(runner.session);
            self.note(format!("the session of {}'s runner expires", self.runners[&id].iid));
            self.changed(&gone);
            self.later(200, Occurrence::Runner(id, Step::Reconnect));
        }
    }

    fn as_runner(&mut self, session: Session, ops: &[Op]) -> bool {
        match self.tree.commit(session, ops, i64::try_from(self.now).unwrap()) {
            Ok((_, changed)) => {
                self.changed(&changed);
                true
            }
            Err(_) => false,
        }
    }

    fn drain(&mut self, id: ContainerId, politely: bool) {
        let Some(runner) = self.runners.get_mut(&id).filter(|r| !r.stopping) else { return };
        (runner.stopping, runner.ready) = (true, false);
        let (session, report, place) = (runner.session, runner.report(Phase::Stopping), runner.place());
        if let Some(at) = place {
            self.as_runner(session, &[Op::Delete { path: at.path(&root()), version: None }]);
        }
        self.as_runner(session, &[report]);
        if !self.deaf {
            self.later(if politely { 1_000 } else { 10 }, Occurrence::Runner(id, Step::Leave));
        }
    }
}

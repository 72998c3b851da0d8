//! A runner as the operator sees it: it reports, publishes beside a record at version 0, drains when that is
//! stopping or gone, and its ephemerals outlive it by a session timeout when it is killed.

use hadoop_yarn::{Container, ContainerId};
use maas_crd::Iid;
use maas_store::twin::{Session, Tree};
use maas_store::{Endpoint, Node, Op, Phase, RunnerReport};

use super::{Occurrence, World, root};

#[derive(Debug)]
pub struct Runner {
    pub iid: Iid,
    pub session: Session,
    container: ContainerId,
    node: String,
    path: Option<String>,
    stopping: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Report,
    Ready,
    Look,
    Signal,
    Leave,
}

impl Runner {
    pub fn new(container: &Container, tree: &mut Tree) -> Self {
        let iid = Iid::from_i64(container.allocation_request_id).expect("an id of ours");
        let all = tree.list("/maas/instances").map(|(p, _, _)| p.to_owned()).collect::<Vec<_>>();
        let path = all.into_iter().find(|p| p.ends_with(&format!("/{iid}")));
        let (session, node) = (tree.open(), container.node.host.clone());
        Self { iid, session, container: container.id, node, path, stopping: false }
    }

    pub fn record_path(&self) -> String {
        self.path.clone().unwrap_or_default()
    }

    fn report(&self, phase: Phase) -> Vec<u8> {
        RunnerReport {
            container: self.container.to_string(),
            node: self.node.clone(),
            node_http: None,
            phase,
            waiting: None,
            restarts: 0,
            last_exit: None,
            since_ms: 0,
        }
        .encode()
    }
}

impl World {
    pub(super) fn step_runner(&mut self, id: ContainerId, step: Step) {
        let Some(runner) = self.runners.get(&id) else { return };
        let (session, path) = (runner.session, runner.record_path());
        let record = self.tree.get(&path).map(|(_, stat)| stat.version);
        let own = format!("{path}/runner");
        match step {
            // The record is gone or was made stopping before it began.
            Step::Report | Step::Look if record != Some(0) => self.drain(id, record.is_some()),
            Step::Report => {
                let op = Op::Create { path: own, data: runner.report(Phase::Starting), ephemeral: true };
                self.as_runner(session, &[op]);
                self.later(self.model_start, Occurrence::Runner(id, Step::Ready));
            }
            Step::Ready if !runner.stopping => {
                let Some(Node::Instance { namespace, name, iid }) = Node::parse(&root(), &path) else { return };
                let endpoint = Endpoint {
                    url: format!("http://{}", id.id),
                    functions: std::collections::BTreeMap::new(),
                    model: name.to_string(),
                    version: "1".to_owned(),
                    revision: 1,
                    container: id.to_string(),
                    since_ms: 0,
                };
                let at = Node::Endpoint { namespace, name, iid }.path(&root());
                let ops = [
                    Op::Check { path, version: 0 },
                    Op::Create { path: at, data: endpoint.encode(), ephemeral: true },
                    Op::Set { path: own, data: runner.report(Phase::Ready), version: None },
                ];
                self.as_runner(session, &ops);
            }
            Step::Signal => self.drain(id, true),
            Step::Leave => {
                self.yarn.end(id, 0, "drained");
                self.runners.remove(&id);
                let gone = self.tree.expire(session);
                self.changed(&gone);
            }
            Step::Ready | Step::Look => {}
        }
    }

    fn as_runner(&mut self, session: Session, ops: &[Op]) {
        if let Ok((_, changed)) = self.tree.commit(session, ops, i64::try_from(self.now).unwrap()) {
            self.changed(&changed);
        }
    }

    fn drain(&mut self, id: ContainerId, politely: bool) {
        let Some(runner) = self.runners.get_mut(&id).filter(|r| !r.stopping) else { return };
        runner.stopping = true;
        let (session, path) = (runner.session, runner.record_path());
        if let Some(Node::Instance { namespace, name, iid }) = Node::parse(&root(), &path) {
            let at = Node::Endpoint { namespace, name, iid }.path(&root());
            self.as_runner(session, &[Op::Delete { path: at, version: None }]);
        }
        let report = self.runners[&id].report(Phase::Stopping);
        self.as_runner(session, &[Op::Set { path: format!("{path}/runner"), data: report, version: None }]);
        self.later(if politely { 1_000 } else { 10 }, Occurrence::Runner(id, Step::Leave));
    }
}

//! A view that is fed by hand and drawn on a backend of text.

mod keys;
mod picture;
mod screens;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use maas_crd::{Condition, ConditionStatus, Iid, Name, Namespace, Status};
use maas_store::{
    Build, Change, Endpoint, Event, EventKind, EventRing, Exit, InstanceRecord, LeaderRecord, Node, Phase, Root,
    RunnerReport, Stat, encode_status,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::draw::{Look, Tops, draw};
use super::keys::Effect;
use super::model::Place;
use super::state::State;

const BORN: i64 = 1_700_000_000_000;
const NOW: i64 = BORN + 100_000;

fn place(name: &str) -> Place {
    Place { namespace: Namespace::default(), name: name.parse().unwrap() }
}

fn stat(czxid: i64, version: i32) -> Stat {
    Stat { czxid, mzxid: czxid, version, ephemeral_owner: 0, ctime_ms: BORN, mtime_ms: BORN, num_children: 0 }
}

struct View {
    state: State,
    tops: Tops,
    terminal: Terminal<TestBackend>,
}

impl View {
    /// An empty tree of which the list is whole.
    fn new(columns: u16, lines: u16) -> Self {
        let scope = Some(Namespace::default());
        let mut state = State::new("zk1:2181".to_owned(), Root::default(), scope, (columns, lines));
        state.take(Change::Listed, NOW);
        Self { state, tops: Tops::default(), terminal: Terminal::new(TestBackend::new(columns, lines)).unwrap() }
    }

    fn put(&mut self, node: &Node, data: Vec<u8>, stat: Stat) {
        self.state.take(Change::Put { path: node.path(&Root::default()), data, stat }, NOW);
    }

    fn leader(&mut self) {
        let (application, host, version) = ("application_1_0001".into(), "node1".into(), "0.1.0".into());
        let record = LeaderRecord {
            epoch: 3,
            application,
            attempt: 1,
            host,
            ready: true,
            version,
            build: Build::default(),
            refused: None,
            metron_queue: None,
        };
        self.put(&Node::Leader, record.encode(), stat(1, 0));
    }

    fn spec(&mut self, name: &str, replicas: u32) {
        self.spec_in("default", name, replicas);
    }

    fn spec_in(&mut self, namespace: &str, name: &str, replicas: u32) {
        let text = format!(
            "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  model: {{name: dga, version: \"1.0\"}}\n  replicas: {replicas}\n  payload: {{path: /m}}\n"
        );
        let (namespace, name): (Namespace, Name) = (namespace.parse().unwrap(), name.parse().unwrap());
        self.put(&Node::Spec { namespace, name }, text.into_bytes(), stat(7, 0));
    }

    /// A status with so many ready, and with a condition that is true.
    fn status(&mut self, name: &str, ready: u32, condition: Option<(&str, &str, &str)>) {
        let condition = condition.map(|(type_, reason, message)| Condition {
            type_: type_.into(),
            status: ConditionStatus::True,
            reason: reason.into(),
            message: message.into(),
            last_transition_time: BORN,
            last_update_time: None,
            observed_generation: 1,
        });
        let status = Status {
            uid: 7,
            observed_generation: 1,
            replicas: ready,
            updated_replicas: ready,
            ready_replicas: ready,
            available_replicas: ready,
            conditions: condition.into_iter().collect(),
            ..Status::default()
        };
        let Place { namespace, name } = place(name);
        self.put(&Node::Status { namespace, name }, encode_status(&status), stat(8, 0));
    }

    fn instance(&mut self, name: &str, counter: u32, report: Option<RunnerReport>, url: Option<&str>) {
        let Place { namespace, name } = place(name);
        let at = |make: fn(Namespace, Name, Iid) -> Node| make(namespace.clone(), name.clone(), Iid::new(3, counter));
        let record = InstanceRecord { uid: 7, revision: 1, application: "a".into(), stopping: None };
        self.put(&at(|namespace, name, iid| Node::Instance { namespace, name, iid }), record.encode(), stat(9, 0));
        if let Some(report) = report {
            self.put(&at(|namespace, name, iid| Node::Runner { namespace, name, iid }), report.encode(), stat(9, 0));
        }
        if let Some(url) = url {
            let endpoint = Endpoint {
                url: url.into(),
                functions: [].into(),
                model: "dga".into(),
                version: "1.0".into(),
                revision: 1,
                container: "c".into(),
                since_ms: BORN,
            };
            self.put(
                &at(|namespace, name, iid| Node::Endpoint { namespace, name, iid }),
                endpoint.encode(),
                stat(9, 0),
            );
        }
    }

    fn event(&mut self, name: &str, object: &str, kind: EventKind, reason: &str, message: &str) {
        let Place { namespace, name } = place(name);
        let event = Event {
            kind,
            reason: reason.into(),
            message: message.into(),
            object: object.into(),
            count: 1,
            first_ms: BORN,
            last_ms: BORN,
        };
        self.put(&Node::Events { namespace, name }, EventRing(vec![event]).encode(), stat(9, 0));
    }

    /// One model that is well, one that is not, one that nobody saw.
    fn filled(columns: u16, lines: u16) -> Self {
        let mut view = Self::new(columns, lines);
        view.leader();
        view.spec("dga-1.0", 2);
        view.status("dga-1.0", 2, Some(("Available", "MinimumReplicasAvailable", "2 of 2")));
        view.instance("dga-1.0", 1, Some(report(Phase::Ready)), Some("http://node1:1500"));
        view.instance("dga-1.0", 2, Some(report(Phase::Ready)), Some("http://node1:1501"));
        view.event("dga-1.0", "3-1", EventKind::Normal, "Ready", "Instance 3-1 answers.");
        view.spec("entropy", 3);
        view.status("entropy", 1, Some(("ReplicaFailure", "InsufficientCapacity", "2 of 3 instances wait for room")));
        view.spec("new", 1);
        view
    }

    fn key(&mut self, key: KeyCode) -> Option<Effect> {
        self.state.key(KeyEvent::new(key, KeyModifiers::NONE))
    }

    /// Types a text; the effect of its last letter.
    fn keys(&mut self, text: &str) -> Option<Effect> {
        let keys = text.chars().map(|letter| if letter == '\n' { KeyCode::Enter } else { KeyCode::Char(letter) });
        keys.map(|key| self.key(key)).last().flatten()
    }

    fn resize(&mut self, columns: u16, lines: u16) {
        self.terminal.backend_mut().resize(columns, lines);
        self.state.size = (columns, lines);
    }

    fn draw(&mut self, colour: bool) {
        let (state, tops) = (&self.state, &mut self.tops);
        self.terminal.draw(|frame| draw(frame, state, tops, Look { colour }, NOW)).unwrap();
    }

    /// The screen's text.
    fn text(&mut self) -> String {
        self.draw(false);
        let buffer = self.terminal.backend().buffer();
        let lines = buffer.content().chunks(usize::from(buffer.area.width));
        let line = |cells: &[ratatui::buffer::Cell]| cells.iter().map(|cell| cell.symbol()).collect::<String>();
        lines.map(|cells| line(cells).trim_end().to_owned() + "\n").collect()
    }

    fn shows(&mut self, texts: &[&str]) {
        let screen = self.text();
        for text in texts {
            assert!(screen.contains(text), "{text:?} is not in\n{screen}");
        }
    }

    fn shows_not(&mut self, text: &str) {
        let screen = self.text();
        assert!(!screen.contains(text), "{text:?} is in\n{screen}");
    }
}

fn report(phase: Phase) -> RunnerReport {
    RunnerReport {
        container: "c".into(),
        node: "node1".into(),
        node_http: Some("node1:8042".into()),
        phase,
        waiting: None,
        restarts: 0,
        last_exit: None,
        since_ms: BORN,
    }
}

fn exit(message: &str) -> Exit {
    let (reason, message, stderr_tail) = ("Exited".into(), message.into(), String::new());
    Exit { code: Some(7), signal: None, reason, message, stderr_tail, at_ms: BORN }
}

//! `maasctl watch` in a real pseudo-terminal, on a real ZooKeeper. What an operator would write is planted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/terminal.rs"]
mod terminal;
#[path = "support/tree.rs"]
mod tree_support;

use std::io::Read;
use std::time::{Duration, Instant};

use maas_crd::{Condition, ConditionStatus, Iid, Name, Namespace, Status};
use maas_e2e::Cluster;
use maas_store::{
    Event, EventKind, EventRing, Exit, InstanceRecord, Node, Phase, RunnerReport, Waiting, encode_status,
};
use rustix::process::Signal;
use support::{VARIABLES, maasctl};
use terminal::Terminal;
use tree_support::{Tree, runtime};

fn manifest(name: &str, replicas: u32) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {{name: {name}}}\nspec:\n  model: {{name: dga, version: \"1.0\"}}\n  replicas: {replicas}\n  payload: {{path: /models/dga}}\n"
    )
}

fn watch(tree: &Tree, columns: u16, lines: u16, words: &[&str], variables: &[(&str, &str)]) -> Terminal {
    let mut all = vec!["watch", "-z", &tree.quorum, "--root", &tree.root];
    all.extend(words);
    Terminal::run(columns, lines, &all, variables)
}

fn place(name: &str) -> (Namespace, Name) {
    (Namespace::default(), name.parse().unwrap())
}

fn plant_events(tree: &Tree, name: &str, events: &[(EventKind, &str, &str)]) {
    let events = events.iter().zip(1..).map(|((kind, reason, message), at)| Event {
        kind: *kind,
        reason: (*reason).to_owned(),
        message: (*message).to_owned(),
        object: "3-1".to_owned(),
        count: 1,
        first_ms: at,
        last_ms: at,
    });
    tree.plant_events(name, &EventRing(events.collect()));
}

#[test]
fn a_person_follows_narrows_drills_down_scales_and_leaves() {
    let tree = Tree::new();
    tree.plant_leader("application_1_0001");
    tree.apply(&manifest("dga-1.0", 2)).ok();
    let mut screen = watch(&tree, 80, 24, &[], &[]);
    screen.see(&["namespace default", "operator node1 (epoch 3)"]);
    screen.see(&["> dga-1.0", "0/2", "the operator has not seen it yet"]);

    // What is written is seen, without a key.
    tree.plant_ready("dga-1.0", 2);
    screen.see(&["> dga-1.0", "2/2"]);
    tree.plant_instance("dga-1.0", 1, "dga", "1.0", "http://node1:1500");
    screen.see(&["3-1", "1/1", "Running", "node1", "http://node1:1500"]);
    plant_events(&tree, "dga-1.0", &[(EventKind::Warning, "Crashed", "exit 7 after 3 s")]);
    screen.see(&["Warning", "Crashed", "3-1", "exit 7 after 3 s"]);
    tree.apply(&manifest("entropy", 1)).ok();
    tree.apply(&manifest("zebra", 1)).ok();
    screen.see(&["Models (3)"]);

    // The lists are narrowed while one types, and Esc shows all again.
    screen.keys("/ebr");
    screen.see(&["Models (1 of 3 with \"ebr\")"]);
    screen.see_without("> zebra", "dga-1.0");
    screen.keys("\r");
    screen.see(&["q quit"]);
    screen.keys("\x1b");
    screen.see(&["Models (3)"]);
    screen.see(&["> zebra"]);
    screen.keys("g");
    screen.see(&["> dga-1.0"]);

    screen.keys("\r");
    screen.see(&["Replicas:", "2 desired | 2 updated | 2 total | 2 available"]);
    screen.see(&["3-1", "Running"]);
    screen.keys("q\t\r");
    screen.see(&["Instance dga-1.0/3-1"]);
    screen.see(&["Container:", "container_1_0001_01_000001"]);
    screen.see(&["Restarts:", "0"]);
    screen.see(&["Last Exit:", "<none>"]);
    screen.keys("q\t");
    screen.see(&["Models (3)"]);
    screen.keys("p");
    screen.see(&["dga-1.0/3-1", "http://node1:1500"]);
    screen.keys("e");
    screen.see(&["instance/dga-1.0/3-1", "exit 7 after 3 s"]);
    screen.keys("q?");
    screen.see(&["scale the chosen model"]);
    screen.keys("q");
    screen.see_without("Models (3)", "scale the chosen model");

    // Nothing is changed but by y.
    screen.keys("s9999\r");
    screen.see(&["expected a whole number from 0 to 1000"]);
    screen.keys("s5\r");
    screen.see(&["Scale dga-1.0 from 2 to 5?"]);
    screen.keys("n");
    screen.see(&["nothing was changed"]);
    assert!(tree.spec("dga-1.0").contains("replicas: 2"));
    screen.keys("s5\r");
    screen.see(&["Scale dga-1.0 from 2 to 5?"]);
    screen.keys("y");
    screen.see(&["modeldeployment.maas/dga-1.0 scaled"]);
    screen.see(&["> dga-1.0", "2/5"]);
    assert!(tree.spec("dga-1.0").contains("replicas: 5"));

    screen.keys("ry");
    screen.see(&["modeldeployment.maas/dga-1.0 restarted"]);
    assert!(tree.spec("dga-1.0").contains("restartedAt"), "{}", tree.spec("dga-1.0"));

    screen.resize(120, 40);
    screen.see(&["ENDPOINT, OR WHAT IT LACKS", "NODE"]);
    screen.see(&["dga-1.0", "2/5"]);
    screen.resize(34, 8);
    screen.see(&["maasctl watch needs 40 columns"]);
    screen.resize(80, 24);
    screen.see(&["> dga-1.0", "2/5"]);

    // One that is deleted goes, and the choice stays where it was.
    tree.ctl(&["delete", "dga-1.0"]).ok();
    screen.see(&["Models (2)"]);
    screen.see(&["> entropy"]);
    screen.keys("q");
    let (status, left) = screen.ended();
    assert_eq!((status.code(), left.trim()), (Some(0), ""));
}

#[test]
fn namespaces_are_changed_on_the_way() {
    let tree = Tree::new();
    tree.apply(&manifest("here", 1)).ok();
    tree.apply(&manifest("there", 1).replace("{name: there}", "{name: there, namespace: soc}")).ok();
    let mut screen = watch(&tree, 80, 24, &[], &[]);
    screen.see(&["no operator is running", "namespace default"]);
    screen.see(&["> here"]);
    screen.keys("n");
    screen.see(&["default"]);
    screen.see(&["soc"]);
    screen.keys("G\r");
    screen.see(&["namespace soc"]);
    screen.see_without("> there", "> here");
    screen.keys("n");
    screen.see(&["(all)"]);
    screen.keys("g\r");
    screen.see(&["all namespaces"]);
    screen.see(&["soc", "there"]);
    screen.see(&["default", "here"]);
    // Ctrl-C, which no longer is a signal.
    screen.keys("\x03");
    assert_eq!(screen.ended().0.code(), Some(0));
    let mut screen = watch(&tree, 80, 24, &["-n", "none"], &[]);
    screen.see(&["No resources found in none namespace."]);
    screen.keys("\x1b");
    assert_eq!(screen.ended().0.code(), Some(0));
}

#[test]
fn hostile_texts_reach_the_terminal_as_letters_alone() {
    const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{1b}c\u{9b}31m\r\n\u{202e}txet";
    let tree = Tree::new();
    tree.plant_leader("application_1_0001");
    tree.apply(&manifest("evil", 1)).ok();
    let (namespace, name) = place("evil");
    let (_, stat) = tree.read(&Node::Spec { namespace: namespace.clone(), name: name.clone() });
    let condition = Condition {
        type_: "ReplicaFailure".into(),
        status: ConditionStatus::True,
        reason: "CrashLoopBackOff".into(),
        message: format!("condition {EVIL}"),
        last_transition_time: 1,
        last_update_time: None,
        observed_generation: 1,
    };
    let status = Status { uid: stat.czxid, observed_generation: 1, conditions: vec![condition], ..Status::default() };
    tree.plant(&Node::Status { namespace: namespace.clone(), name: name.clone() }, &encode_status(&status));
    plant_events(&tree, "evil", &[(EventKind::Warning, EVIL, EVIL)]);
    let at = |iid| (namespace.clone(), name.clone(), Iid::new(3, iid));
    for counter in [1, 2] {
        let (namespace, name, iid) = at(counter);
        let record = InstanceRecord { uid: 1, revision: 1, application: EVIL.into(), stopping: None };
        tree.plant(&Node::Instance { namespace: namespace.clone(), name: name.clone(), iid }, &record.encode());
        let report = RunnerReport {
            container: EVIL.into(),
            node: EVIL.into(),
            node_http: Some(EVIL.into()),
            phase: Phase::BackingOff,
            waiting: (counter == 1).then(|| Waiting { reason: EVIL.into(), message: format!("lacks {EVIL}") }),
            restarts: 3,
            last_exit: Some(Exit {
                code: Some(7),
                signal: None,
                reason: EVIL.into(),
                message: format!("last words {EVIL}"),
                stderr_tail: EVIL.repeat(20),
                at_ms: 1,
            }),
            since_ms: 1,
        };
        tree.plant(&Node::Runner { namespace, name, iid }, &report.encode());
    }
    let mut screen = watch(&tree, 200, 30, &[], &[]);
    screen.see(&["> evil", "0/1", "CrashLoopBackOff: condition"]);
    screen.see(&["3-1", "lacks"]);
    screen.see(&["3-2", "exit code 7: last words"]);
    screen.keys("\r");
    screen.see(&["condition"]);
    screen.keys("l");
    screen.see(&["-- cannot read"]);
    screen.keys("qe");
    screen.see(&["instance/evil/3-1"]);
    screen.keys("\x03");
    let (status, _) = screen.ended();
    assert_eq!(status.code(), Some(0));
    let raw = String::from_utf8(screen.raw()).unwrap();
    for steering in ["\u{1b}]", "\u{1b}c", "\u{7}", "\u{9b}", "\u{202e}"] {
        assert!(!raw.contains(steering), "{steering:?} came through");
    }
    assert!(raw.contains("pwned"), "its letters are shown");
}

#[test]
fn without_colour_the_same_is_shown() {
    let tree = Tree::new();
    tree.apply(&manifest("dga-1.0", 2)).ok();
    let mut plain = watch(&tree, 80, 24, &[], &[("NO_COLOR", "1")]);
    plain.see(&["> dga-1.0", "0/2"]);
    assert!(!plain.is_coloured(), "{}", plain.text());
    plain.keys("q");
    assert_eq!(plain.ended().0.code(), Some(0));
    let mut coloured = watch(&tree, 80, 24, &[], &[]);
    coloured.see(&["> dga-1.0", "0/2"]);
    assert!(coloured.is_coloured());
    coloured.keys("q");
    assert_eq!(coloured.ended().0.code(), Some(0));
}

#[test]
fn a_trace_waits_until_the_screen_is_given_back() {
    let tree = Tree::new();
    tree.apply(&manifest("dga-1.0", 2)).ok();
    let mut screen = watch(&tree, 80, 24, &["-v"], &[]);
    screen.see(&["> dga-1.0"]);
    screen.keys("n");
    screen.see(&["(all)"]);
    assert!(!screen.text().contains("zookeeper: "), "{}", screen.text());
    screen.keys("\x03");
    let (status, left) = screen.ended();
    assert_eq!(status.code(), Some(0));
    assert!(left.contains("zookeeper: "), "{left}");
}

#[test]
fn signals_give_the_terminal_back() {
    let tree = Tree::new();
    tree.apply(&manifest("dga-1.0", 2)).ok();
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let mut screen = watch(&tree, 80, 24, &[], &[]);
        screen.see(&["> dga-1.0"]);
        screen.signal(signal);
        assert_eq!(screen.ended().0.code(), Some(code), "{signal:?}");
    }
}

#[test]
fn it_ends_with_its_terminal() {
    let tree = Tree::new();
    tree.apply(&manifest("dga-1.0", 2)).ok();
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    pty.resize(pty_process::Size::new(24, 80)).unwrap();
    let words = ["watch", "-z", &tree.quorum, "--root", &tree.root];
    let mut command =
        pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_maasctl")).args(words).env("TERM", "xterm");
    for name in VARIABLES {
        command = command.env_remove(name);
    }
    let mut child = command.env("MAASCONFIG", "/dev/null").spawn(pts).unwrap();
    let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&seen).contains("dga-1.0") {
        let read = pty.read(&mut bytes).unwrap();
        seen.extend_from_slice(&bytes[..read]);
    }
    // As when an ssh session breaks.
    drop(pty);
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it runs on without a terminal");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let message = maasctl(&["watch", "-z", "127.0.0.1:1"]).failed();
    assert!(message.starts_with("error: watch ") && message.contains("`maasctl get models -w`"), "{message}");
    let mut dumb = Terminal::run(80, 24, &["watch", "-z", "127.0.0.1:1"], &[("TERM", "dumb")]);
    let (status, said) = dumb.ended();
    assert!(status.code() == Some(1) && said.contains("maasctl get models -w"), "{said}");
    let mut nobody = Terminal::run(80, 24, &["watch", "-z", "127.0.0.1:1"], &[]);
    let (status, said) = nobody.ended();
    assert!(status.code() == Some(1) && said.contains("no ZooKeeper answered at 127.0.0.1:1"), "{said}");
}

#[test]
fn a_lost_zookeeper_is_told_and_the_view_comes_back_by_itself() {
    let cluster = runtime().block_on(Cluster::builder().zookeeper_only().start()).unwrap();
    let tree = Tree::at(&cluster.quorum(), "/maas");
    tree.apply(&manifest("before", 1)).ok();
    let mut screen = watch(&tree, 80, 24, &[], &[]);
    screen.see(&["> before"]);
    cluster.zookeeper().kill().unwrap();
    screen.see(&["STALE since", "no ZooKeeper"]);
    screen.see(&["> before"]);
    // What is asked for meanwhile fails with words, and the view stays.
    screen.keys("n");
    screen.see(&["reading the namespaces failed"]);
    runtime().block_on(cluster.zookeeper().start()).unwrap();
    tree.ctl(&["get", "md"]).ok();
    screen.see_without("> before", "STALE");
    tree.apply(&manifest("later", 1)).ok();
    screen.see(&["later", "0/1"]);
    screen.keys("q");
    assert_eq!(screen.ended().0.code(), Some(0));
}

//! `get -w`, `events -w` and `wait` against a real ZooKeeper: what changes is pushed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/terminal.rs"]
mod terminal;
#[path = "support/tree.rs"]
mod tree_support;

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use maas_store::{Event, EventKind, EventRing};
use support::Ran;
use terminal::Terminal;
use tree_support::Tree;

const DGA: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0\n  labels: {team: soc}\nspec:\n  model: {name: dga, version: \"1.0\"}\n  replicas: 2\n  payload: {path: /models/dga}\n";

/// How long a line is waited for, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running maasctl and the lines that it prints.
struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    lines
}

impl Running {
    fn new(tree: &Tree, words: &[&str]) -> Self {
        let mut child = tree.spawn(words);
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    /// The next line of stdout, its columns by one space.
    fn next(&mut self) -> String {
        let line = self.out.recv_timeout(PATIENCE).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The next line of stderr.
    fn note(&mut self) -> String {
        self.err.recv_timeout(PATIENCE).unwrap()
    }

    /// How it ends, and what it has still printed on stdout.
    fn ended(mut self) -> (Option<i32>, Vec<String>) {
        let mut rest = Vec::new();
        loop {
            match self.out.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => return (self.child.wait().unwrap().code(), rest),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watch_prints_what_comes_changes_and_goes() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    let mut rows = Running::new(&tree, &["get", "md", "-w"]);
    let mut events = Running::new(&tree, &["get", "md", "-w", "--output-watch-events", "-L", "team"]);
    let mut selected =
        Running::new(&tree, &["get", "md", "-l", "team=soc", "-o", "name", "-w", "--output-watch-events"]);
    assert_eq!(rows.next(), "NAME READY UP-TO-DATE AVAILABLE AGE");
    assert!(rows.next().starts_with("dga-1.0 0/2 "));
    assert_eq!(events.next(), "EVENT NAME READY UP-TO-DATE AVAILABLE AGE TEAM");
    assert!(events.next().starts_with("ADDED dga-1.0 0/2 "));
    assert_eq!(selected.next(), "ADDED modeldeployment.maas/dga-1.0");
    tree.ctl(&["scale", "dga-1.0", "--replicas", "4"]).ok();
    assert!(rows.next().starts_with("dga-1.0 0/4 "));
    assert!(events.next().starts_with("MODIFIED dga-1.0 0/4 "));
    assert_eq!(selected.next(), "MODIFIED modeldeployment.maas/dga-1.0");
    tree.plant_ready("dga-1.0", 4);
    assert!(rows.next().starts_with("dga-1.0 4/4 "));
    assert!(events.next().starts_with("MODIFIED dga-1.0 4/4 "));
    assert_eq!(selected.next(), "MODIFIED modeldeployment.maas/dga-1.0");
    // What is selected no more is gone for who selects.
    tree.apply(&DGA.replace("team: soc", "team: lab").replace("  replicas: 2\n", "")).ok();
    assert!(events.next().ends_with(" lab"));
    assert_eq!(selected.next(), "DELETED modeldeployment.maas/dga-1.0");
    assert!(rows.next().starts_with("dga-1.0 "));
    tree.ctl(&["delete", "dga-1.0"]).ok();
    assert!(rows.next().starts_with("dga-1.0 "), "as kubectl, once more when it goes");
    assert!(events.next().starts_with("DELETED dga-1.0 "));
    tree.apply(DGA).ok();
    assert!(events.next().starts_with("ADDED dga-1.0 0/2 "));
    assert_eq!(selected.next(), "ADDED modeldeployment.maas/dga-1.0");
}

#[test]
fn a_watch_speaks_every_format() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    let mut columns =
        Running::new(&tree, &["get", "md", "-w", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas"]);
    let mut path = Running::new(&tree, &["get", "md", "dga-1.0", "-w", "-o", "jsonpath={.spec.replicas}{\"\\n\"}"]);
    let mut json = Running::new(&tree, &["get", "md", "-A", "-w", "--output-watch-events", "-o", "json"]);
    let mut only = Running::new(&tree, &["get", "md", "absent", "--watch-only", "-o", "name"]);
    assert_eq!([columns.next(), columns.next(), path.next()], ["N R", "dga-1.0 2", "2"]);
    assert_eq!([json.next(), json.next()], ["{", "\"object\": {"]);
    assert_eq!(only.note(), "note: absent is not there yet; waiting for it");
    tree.ctl(&["scale", "dga-1.0", "--replicas", "4"]).ok();
    assert_eq!([columns.next(), path.next()], ["dga-1.0 4", "4"]);
    tree.apply(&DGA.replace("dga-1.0", "absent")).ok();
    assert_eq!(only.next(), "modeldeployment.maas/absent");
    assert_eq!(columns.next(), "absent 2");
    let mut types = Vec::new();
    while types.len() < 3 {
        types.extend(json.next().strip_prefix("\"type\": ").map(str::to_owned));
    }
    assert_eq!(types, ["\"ADDED\"", "\"MODIFIED\"", "\"ADDED\""]);
}

#[test]
fn an_instance_is_watched_with_its_runner_and_its_endpoint() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    let mut rows = Running::new(&tree, &["get", "instances", "dga-1.0", "-w", "--no-headers", "-o", "wide"]);
    assert_eq!(rows.note(), "note: dga-1.0 is not there yet; waiting for it");
    tree.plant_instance("dga-1.0", 1, "dga", "1.0", "http://node1:2");
    // It may be seen before it is whole.
    while !rows.next().ends_with("node1 container_1_0001_01_000001 http://node1:2 <none>") {}
}

#[test]
fn events_are_printed_as_they_come_and_again_when_they_repeat() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    let event = |reason: &str, count| Event {
        kind: EventKind::Warning,
        reason: reason.into(),
        message: "m".into(),
        object: String::new(),
        count,
        first_ms: 0,
        last_ms: jiff::Timestamp::now().as_millisecond(),
    };
    tree.plant_events("dga-1.0", &EventRing(vec![event("One", 1)]));
    let mut rows = Running::new(&tree, &["events", "-w", "--no-headers"]);
    assert!(rows.next().ends_with("Warning One modeldeployment/dga-1.0 m"));
    tree.plant_events("dga-1.0", &EventRing(vec![event("One", 2), event("Two", 1)]));
    let (one, two) = (rows.next(), rows.next());
    assert!(one.contains("(x2 over ") && one.contains("One") && two.contains("Two"), "{one}\n{two}");
    // Forgotten is not gone.
    tree.plant_events("dga-1.0", &EventRing(vec![event("Three", 1)]));
    assert!(rows.next().contains("Three"));
}

#[test]
fn wait_ends_when_it_is_so_or_time_is_up() {
    let tree = Tree::new();
    tree.plant_leader("application_1_0001");
    let message = tree.ctl(&["wait", "dga-1.0", "--timeout", "0s"]).failed();
    assert_eq!(message, "error: timed out waiting for the condition on modeldeployments/dga-1.0: it does not exist\n");
    tree.apply(DGA).ok();
    tree.plant_ready("dga-1.0", 2);
    let met =
        Ran { code: Some(0), stdout: "modeldeployment.maas/dga-1.0 condition met\n".into(), stderr: String::new() };
    for condition in
        ["ready", "create", "condition=Ready", "jsonpath={.status.readyReplicas}=2", "jsonpath=.spec.replicas"]
    {
        assert_eq!(tree.ctl(&["wait", "md/dga-1.0", "--for", condition]), met, "{condition}");
    }
    let late = |condition: &str| {
        let ran = tree.ctl(&["wait", "dga-1.0", "--timeout", "0s", "--for", condition]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        ran.stderr
    };
    assert!(late("jsonpath={.spec.replicas}=3").contains("the field is 2"));
    assert!(late("condition=Availible").contains("it has no condition Availible, only none yet"));
    tree.apply(&DGA.replace("/models/dga", "/other")).ok();
    assert!(late("ready").contains("2 of 2 ready"), "an old generation's status is not the new one's");
    assert!(late("condition=Ready").contains("its status is of generation 1, the newest is 2"));
    assert!(late("jsonpath={.spec.payload}=x").contains("nested object or list"));
}

#[test]
fn wait_says_what_it_waits_for_and_sees_it_come() {
    let tree = Tree::new();
    let mut created = Running::new(&tree, &["wait", "dga-1.0", "--for=create", "--timeout", "120s"]);
    let mut ready = Running::new(&tree, &["wait", "md", "-l", "team=soc", "--timeout", "120s"]);
    assert_eq!(created.note(), "waiting for modeldeployments/dga-1.0: it does not exist; no operator is running");
    assert_eq!(ready.note(), "waiting for modeldeployments: no matching resources found");
    tree.apply(DGA).ok();
    assert_eq!(created.next(), "modeldeployment.maas/dga-1.0 condition met");
    let note = ready.note();
    assert!(
        note.starts_with(
            "waiting for modeldeployments/dga-1.0: no operator has seen it; no operator is running (since "
        ),
        "{note}"
    );
    tree.plant_leader("application_1_0001");
    tree.plant_ready("dga-1.0", 2);
    assert_eq!(ready.next(), "modeldeployment.maas/dga-1.0 condition met");
    assert_eq!(ready.ended(), (Some(0), vec![]));
    assert_eq!(created.ended(), (Some(0), vec![]));
}

#[test]
fn on_a_terminal_one_line_says_how_long_it_takes_and_goes() {
    let tree = Tree::new();
    let words = ["wait", "dga-1.0", "--for=create", "--timeout", "300s", "-z", &tree.quorum, "--root", &tree.root];
    let mut screen = Terminal::run(120, 10, &words, &[]);
    screen.see(&["waiting for modeldeployments/dga-1.0: it does not exist; no operator is running (", "s)"]);
    screen.see_without("waiting for", "(0s)");
    tree.apply(DGA).ok();
    let (status, left) = screen.ended();
    assert!(status.success());
    assert_eq!(left.trim(), "modeldeployment.maas/dga-1.0 condition met");
}

#[test]
fn wait_for_delete_waits_for_all_that_is_left() {
    let tree = Tree::new();
    tree.plant_leader("application_1_0001");
    assert_eq!(tree.ctl(&["wait", "md", "--all", "--for=delete"]).ok(), "");
    assert_eq!(tree.ctl(&["wait", "dga-1.0", "--for=delete"]).ok(), "modeldeployment.maas/dga-1.0 condition met\n");
    tree.apply(DGA).ok();
    tree.plant_endpoint_alone("dga-1.0", 1);
    let mut one = Running::new(&tree, &["wait", "dga-1.0", "--for=delete", "--timeout", "120s"]);
    let mut all = Running::new(&tree, &["wait", "md,ep", "--all", "--for=delete", "--timeout", "120s"]);
    assert_eq!(one.note(), "waiting for modeldeployments/dga-1.0: its spec is still there");
    assert_eq!(all.note(), "waiting for modeldeployments/dga-1.0: its spec is still there (and 1 more)");
    tree.ctl(&["delete", "dga-1.0"]).ok();
    assert!(one.note().starts_with("waiting for modeldeployments/dga-1.0: its endpoints are still there (since "));
    assert!(all.note().starts_with("waiting for endpoints/dga-1.0/3-1: it is still there"));
    tree.remove_endpoint("dga-1.0", 1);
    assert_eq!(one.next(), "modeldeployment.maas/dga-1.0 condition met");
    assert_eq!(one.ended(), (Some(0), vec![]));
    let (code, mut met) = all.ended();
    met.sort();
    assert_eq!(met, ["endpoint/dga-1.0/3-1 condition met", "modeldeployment.maas/dga-1.0 condition met"]);
    assert_eq!(code, Some(0));
}

#[test]
fn waits_that_make_no_sense_are_refused() {
    let tree = Tree::new();
    let failed = |words: &[&str]| tree.ctl(&[&["wait"], words].concat()).failed();
    assert!(failed(&["md"]).contains("no name was specified"));
    assert!(failed(&["x", "--all"]).contains("names cannot be provided"));
    assert!(failed(&["events", "--all"]).contains("events -w"));
    assert!(failed(&["ep", "--all", "--for", "condition=Ready"]).contains("endpoints have no conditions"));
    assert!(failed(&["x", "--for", "gone"]).contains("unrecognized condition: \"gone\""));
    assert!(failed(&["md", "-l", "a", "--timeout", "0s"]).contains("error: no matching resources found"));
}

#[test]
fn a_watch_and_a_wait_live_through_a_restart_of_the_server() {
    let runtime = tree_support::runtime();
    let cluster = runtime.block_on(maas_e2e::Cluster::builder().zookeeper_only().start()).unwrap();
    let tree = Tree::at(&cluster.quorum(), "/maas");
    tree.apply(DGA).ok();
    let mut rows = Running::new(&tree, &["get", "md", "-w", "--no-headers", "--output-watch-events"]);
    let mut wait = Running::new(&tree, &["wait", "dga-1.0", "--for=jsonpath={.spec.replicas}=7", "--timeout", "300s"]);
    assert!(rows.next().starts_with("ADDED dga-1.0 0/2 "));
    assert!(wait.note().starts_with("waiting for modeldeployments/dga-1.0: the field is 2"));
    cluster.zookeeper().kill().unwrap();
    assert_eq!(rows.note(), "note: the connection to ZooKeeper is lost; trying to get it back");
    assert!(wait.note().contains("; the connection to ZooKeeper is lost (since "));
    runtime.block_on(cluster.zookeeper().restart()).unwrap();
    // Nothing is printed twice: the next row is what was changed.
    let again = Tree::at(&cluster.quorum(), "/maas");
    again.ctl(&["scale", "dga-1.0", "--replicas", "7"]).ok();
    assert!(rows.next().starts_with("MODIFIED dga-1.0 0/7 "));
    assert_eq!(wait.next(), "modeldeployment.maas/dga-1.0 condition met");
    assert_eq!(wait.ended(), (Some(0), vec![]));
    again.ctl(&["delete", "dga-1.0"]).ok();
    assert!(rows.next().starts_with("DELETED dga-1.0 0/7 "));
}

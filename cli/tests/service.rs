//! The commands that need YARN and HDFS, against real ones. A script stands in for the operator; what an operator
//! would write is planted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/terminal.rs"]
mod terminal;
#[path = "support/tree.rs"]
mod tree_support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use support::{Ran, command};
use terminal::Terminal;
use tree_support::{Tree, runtime};

struct Site {
    cluster: Cluster,
    tree: Tree,
    directory: tempfile::TempDir,
}

impl Site {
    /// A whole cluster, and an operator that prints lines until it is killed.
    fn new() -> Self {
        let cluster = runtime().block_on(Cluster::builder().start()).unwrap();
        let tree = Tree::at(&cluster.quorum(), "/maas");
        let site = Self { cluster, tree, directory: tempfile::tempdir().unwrap() };
        // Its second file is named as a model's.
        let second = "echo \"\u{1b}[31mword $i\" >> ${LOG_DIRS%%,*}/model.err";
        site.program("maas-operator", &format!("i=0; while :; do i=$((i+1)); echo line $i; {second}; sleep 0.2; done"));
        site.program("maas-runner", "exit 0");
        site
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.directory.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = command();
        command.env("MAAS_ZOOKEEPER", self.cluster.quorum()).env("HADOOP_CONF_DIR", self.cluster.conf_dir());
        command.env("MAAS_LIBEXEC", self.directory.path()).env("HADOOP_USER_NAME", "root");
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        self.command(words).output().unwrap().into()
    }

    fn deploy(&self, words: &[&str]) -> Ran {
        let quorum = self.cluster.quorum();
        let mut all = vec!["legacy", "deploy", "-zq", &quorum];
        all.extend(words);
        self.run(&all)
    }
}

#[test]
fn the_service_and_its_models_payloads() {
    let site = Site::new();
    a_service_is_started_looked_at_and_stopped(&site);
    an_operator_that_does_not_work_is_told_and_killed(&site);
    payloads_are_uploaded_once_and_checked(&site);
    weather_is_told_within_seconds(&site);
}

fn a_service_is_started_looked_at_and_stopped(site: &Site) {
    assert_eq!(
        site.run(&["service", "status"]).failed(),
        "no service is running: `maasctl service start` starts one\n"
    );
    assert_eq!(site.run(&["service", "stop"]).ok(), "");

    let mut start = site.command(&["service", "start"]).spawn().unwrap();
    let mut told = BufReader::new(start.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    assert_eq!(told.next().unwrap(), "warning: anyone who reaches ZooKeeper may write /maas");
    let submitted = told.next().unwrap();
    let id = submitted.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(submitted, format!("submitted {id} to queue default"));
    // What says that it works is written once it runs.
    let accepted = format!("waiting for the operator of {id}: the application is ACCEPTED");
    assert!(told.any(|line| line.starts_with(&accepted)));
    site.tree.plant_leader(&id);
    std::thread::spawn(move || told.for_each(drop));
    let output: Ran = start.wait_with_output().unwrap().into();
    assert!(output.clone_ok().starts_with(&format!("{id} serves /maas from node1 after ")), "{output:?}");

    let status = site.run(&["service", "status"]).ok();
    for line in [
        &format!("Application: {id}"),
        "State:       ACCEPTED",
        "Leader:      node1 (epoch 3, maas-operator 0.1.0)",
        "Models:      0 (0 of 0 instances ready)",
    ] {
        assert!(status.lines().any(|found| found == line), "{line} in\n{status}");
    }
    let again = site.run(&["service", "start"]).failed();
    assert_eq!(again, format!("error: {id} runs the service of /maas already: `maasctl service stop` ends it\n"));
    logs_are_read_from_the_node(site, &id);
    logs_are_followed_on_the_screen(site);

    let stopped = site.run(&["service", "stop", "--timeout", "1s"]);
    assert_eq!((stopped.code, stopped.stdout.as_str()), (Some(0), format!("{id} killed\n").as_str()), "{stopped:?}");
    assert!(stopped.stderr.contains(&format!("warning: {id} had not ended after 1 s, and was killed")));
    assert!(site.run(&["service", "status"]).failed().starts_with("no service is running"));
}

/// The operator's own container stands in for an instance's.
fn logs_are_read_from_the_node(site: &Site, id: &str) {
    let container = format!("{}_01_000001", id.replacen("application", "container", 1));
    site.tree.plant_container("dga-1.0", 1, "dga", "1.0", "http://x:1", &site.cluster.node_http(0), &container);
    let deadline = Instant::now() + Duration::from_secs(30);
    let text = loop {
        let ran = site.run(&["logs", "dga-1.0", "--file", "operator.out"]);
        if ran.stdout.lines().count() > 3 || Instant::now() > deadline {
            break ran.ok();
        }
    };
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let expect: Vec<String> = (1..=lines.len()).map(|number| format!("line {number}")).collect();
    assert_eq!(lines, expect);
    let tail = site.run(&["logs", "dga-1.0/3-1", "--file", "operator.out", "--tail", "2"]).ok();
    assert_eq!(tail.lines().count(), 2);
    let missing = site.run(&["logs", "dga-1.0"]).failed();
    assert!(missing.contains("there is no file model.out, only ") && missing.contains("operator.out"), "{missing}");

    let mut follow = site.command(&["logs", "-f", "dga-1.0", "--file", "operator.out", "--tail", "1"]).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let first: u32 = lines.next().unwrap().strip_prefix("line ").unwrap().parse().unwrap();
    for number in first + 1..first + 12 {
        assert_eq!(lines.next().unwrap(), format!("line {number}"));
    }
    follow.kill().unwrap();
    follow.wait().unwrap();
}

/// The same instance, in the full-screen view.
fn logs_are_followed_on_the_screen(site: &Site) {
    site.tree.apply("apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload: {path: /m}\n").ok();
    let mut screen = Terminal::run(80, 24, &["watch", "-z", &site.cluster.quorum()], &[]);
    screen.see(&["> dga-1.0"]);
    screen.see(&["3-1", "Running"]);
    screen.keys("l");
    screen.see(&["-- nothing was written yet"]);
    screen.keys("o");
    screen.see(&["model.err of dga-1.0/3-1 (following)"]);
    screen.see(&["word "]);
    let text = screen.text();
    let last = text.lines().filter_map(|line| line.strip_prefix("word ")?.parse::<u32>().ok()).max().unwrap();
    for number in last + 1..last + 8 {
        screen.see(&[&format!("word {number}")]);
    }
    screen.keys("qq");
    assert_eq!(screen.ended().0.code(), Some(0));
    site.tree.ctl(&["delete", "dga-1.0"]).ok();
}

fn an_operator_that_does_not_work_is_told_and_killed(site: &Site) {
    let message = site.run(&["service", "start", "--queue", "nowhere"]);
    assert!(
        message.stderr.contains("ended as FAILED") && message.stderr.contains("unknown queue: nowhere"),
        "{message:?}"
    );
    let message = site.run(&["service", "start", "--memory", "999999"]);
    assert!(message.stderr.contains("more than the cluster's largest container"), "{message:?}");
    let quorum = site.cluster.quorum();
    let message = site.run(&["legacy", "service", "-zq", &quorum, "-t", "3000", "-j", "x.jar", "-e", "A=b c"]);
    assert_eq!(message.code, Some(1));
    assert!(message.stderr.contains("note: -j has no meaning here"), "{message:?}");
    assert!(
        message.stderr.contains("was not ready within 3 s (state ACCEPTED") && message.stderr.contains("it was killed"),
        "{message:?}"
    );
}

fn payloads_are_uploaded_once_and_checked(site: &Site) {
    let model = tempfile::tempdir().unwrap();
    std::fs::create_dir(model.path().join("lib")).unwrap();
    for name in ["rest.sh", "lib/words.txt", "endpoint.dat"] {
        std::fs::write(model.path().join(name), name).unwrap();
    }
    let local = model.path().to_str().unwrap();
    let add = |count: &str| {
        site.deploy(&[
            "-mo",
            "ADD",
            "-n",
            "dga",
            "-v",
            "1.0",
            "-m",
            "512",
            "-ni",
            count,
            "-lmp",
            local,
            "-hmp",
            "/models/dga",
        ])
    };
    assert_eq!(add("1").ok(), "modeldeployment.maas/dga-1.0 created: 1 instance of dga 1.0\n");

    let hdfs = maas_hdfs::Hdfs::open(&site.cluster.conf_dir(), Some("root")).unwrap();
    let files = || runtime().block_on(hdfs.list("/models/dga", 100)).unwrap();
    let before = files();
    let names: Vec<&str> = before.iter().map(|file| file.path.splitn(5, '/').nth(4).unwrap()).collect();
    assert_eq!(names, ["lib/words.txt", "rest.sh"]);
    let path = Path::new(&before[1].path).parent().unwrap().to_str().unwrap().to_owned();

    // Sixteen at a time lose nothing and write no file.
    let many: Vec<_> = (0..16)
        .map(|_| {
            let quorum = site.cluster.quorum();
            let words = [
                "legacy",
                "deploy",
                "-zq",
                &quorum,
                "-mo",
                "ADD",
                "-n",
                "dga",
                "-v",
                "1.0",
                "-m",
                "512",
                "-ni",
                "2",
                "-lmp",
                local,
                "-hmp",
                "/models/dga/",
            ];
            site.command(&words).spawn().unwrap()
        })
        .collect();
    for one in many {
        Ran::from(one.wait_with_output().unwrap()).ok();
    }
    assert!(site.tree.spec("dga-1.0").contains("replicas: 33"), "{}", site.tree.spec("dga-1.0"));
    assert_eq!(files(), before);

    std::fs::write(model.path().join("lib/words.txt"), "other").unwrap();
    let refused = add("1").failed();
    assert!(refused.contains("dga 1.0 is deployed with other settings: spec.payload.path is"), "{refused}");
    assert_eq!(files(), before, "refused before anything was uploaded");

    let there = |hmp: &str, version: &str| {
        site.deploy(&["-mo", "ADD", "-n", "dga", "-v", version, "-m", "512", "-ni", "1", "-hmp", hmp])
    };
    assert_eq!(there(&path, "2.0").ok(), "modeldeployment.maas/dga-2.0 created: 1 instance of dga 2.0\n");
    assert!(there("/nowhere", "3.0").failed().contains("/nowhere does not exist"));
    assert!(there(&before[1].path, "3.0").failed().contains("is a file, not a directory"));
}

fn weather_is_told_within_seconds(site: &Site) {
    let quickly = |words: &[&str], expect: &[&str]| {
        let begun = Instant::now();
        let ran = site.run(words);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        expect.iter().for_each(|part| assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr));
        assert!(begun.elapsed() < Duration::from_secs(15), "{words:?} took {:?}", begun.elapsed());
    };
    site.cluster.name_node().kill().unwrap();
    quickly(&["service", "start"], &["error: ", "NameNode running"]);
    let quorum = site.cluster.quorum();
    let add =
        ["legacy", "deploy", "-zq", &quorum, "-mo", "ADD", "-n", "x", "-v", "1", "-m", "1", "-ni", "1", "-hmp", "/m"];
    quickly(&add, &["error: ", "NameNode running"]);
    assert_eq!(site.run(&["get", "md", "x-1", "--no-headers"]).code, Some(1), "nothing is half done");
    site.cluster.resource_manager().kill().unwrap();
    let rm = site.cluster.rm_address();
    quickly(&["service", "start"], &["error: ", &rm, "is YARN running"]);
    site.cluster.zookeeper().kill().unwrap();
    quickly(&["get", "md"], &["error: ", &quorum, "is it running"]);
}

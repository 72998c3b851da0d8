//! The commands against a real ZooKeeper. What an operator would write is planted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use support::{Ran, maasctl};
use tree_support::Tree;

const DGA: &str = "# ours\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0\nspec:\n  model: {name: dga, version: \"1.0\"}\n  replicas: 2\n  payload: {path: /models/dga}\n";
const NOBODY: &str =
    "warning: no operator is running: the edit is kept, and nothing will start or stop until `maasctl service start`\n";

fn said(stdout: &str, stderr: &str) -> Ran {
    Ran { code: Some(0), stdout: stdout.into(), stderr: stderr.into() }
}

#[test]
fn apply_creates_configures_and_leaves_what_does_not_differ() {
    let tree = Tree::new();
    assert_eq!(tree.apply(DGA), said("modeldeployment.maas/dga-1.0 created\n", NOBODY));
    assert_eq!(tree.apply(DGA), said("modeldeployment.maas/dga-1.0 unchanged\n", ""));
    let same =
        DGA.replace("# ours", "# theirs").replace("  replicas: 2", "  resources: {memory: 512Mi}\n  replicas: 2");
    assert_eq!(tree.apply(&same), said("modeldeployment.maas/dga-1.0 unchanged\n", ""));
    assert_eq!(
        tree.apply(&DGA.replace("replicas: 2", "replicas: 3")).ok(),
        "modeldeployment.maas/dga-1.0 configured\n"
    );
    assert!(tree.spec("dga-1.0").starts_with("# ours\n"));
}

#[test]
fn a_manifest_without_replicas_keeps_the_live_number() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    assert_eq!(
        tree.ctl(&["scale", "dga-1.0", "--replicas", "5"]),
        said("modeldeployment.maas/dga-1.0 scaled\n", NOBODY)
    );
    let silent = DGA.replace("  replicas: 2\n", "");
    assert_eq!(tree.apply(&silent).ok(), "modeldeployment.maas/dga-1.0 unchanged\n");
    assert_eq!(
        tree.apply(&silent.replace("/models/dga", "/models/new")).ok(),
        "modeldeployment.maas/dga-1.0 configured\n"
    );
    let text = tree.spec("dga-1.0");
    assert!(text.contains("replicas: 5") && text.contains("/models/new"), "{text}");
}

#[test]
fn nothing_is_written_when_any_manifest_has_a_fault() {
    let tree = Tree::new();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.yaml"), DGA).unwrap();
    std::fs::write(directory.path().join("b.yaml"), DGA.replace("dga-1.0", "x").replace("payload", "paylod")).unwrap();
    let message = tree.ctl(&["apply", "-f", directory.path().to_str().unwrap()]).failed();
    assert!(message.contains("b.yaml:9:3\n  |\n9 |   paylod: "), "{message}");
    assert_eq!(tree.ctl(&["get", "md"]), said("", "No resources found in default namespace.\n"));
}

#[test]
fn get_shows_deployments_as_kubectl_does() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    let columns = |text: &str| {
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let rows = columns(&tree.ctl(&["get", "md"]).ok());
    assert_eq!(rows[0], ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    assert_eq!(rows[1][..4], ["dga-1.0", "0/2", "0", "0"]);
    tree.plant_ready("dga-1.0", 2);
    let rows = columns(&tree.ctl(&["get", "models", "-A", "-o", "wide", "--no-headers"]).ok());
    assert_eq!(rows[0][..5], ["default", "dga-1.0", "2/2", "2", "2"]);
    assert_eq!(rows[0][6..], ["dga", "1.0", "1", "/models/dga"]);
    assert_eq!(tree.ctl(&["get", "md", "-o", "name"]).ok(), "modeldeployment.maas/dga-1.0\n");
    let yaml = tree.ctl(&["get", "md", "dga-1.0", "-o", "yaml"]).ok();
    assert!(yaml.contains("readyReplicas: 2") && yaml.contains("generation: 1"), "{yaml}");
    assert_eq!(tree.apply(&yaml).ok(), "modeldeployment.maas/dga-1.0 unchanged\n");
    let all = tree.ctl(&["get", "md", "-o", "yaml"]).ok();
    assert_eq!(tree.apply(&all).ok(), "modeldeployment.maas/dga-1.0 unchanged\n");
    let json: serde_json::Value = serde_json::from_str(&tree.ctl(&["get", "md", "-o", "json"]).ok()).unwrap();
    assert_eq!((&json["kind"], &json["items"][0]["spec"]["replicas"]), (&"List".into(), &2.into()));
}

#[test]
fn what_is_not_there_is_told_in_kubectls_words() {
    let tree = Tree::new();
    const WORDS: &str = "Error from server (NotFound): modeldeployments.maas \"x\" not found\n";
    // And what to do next.
    for words in [
        &["get", "md", "x"][..],
        &["describe", "x"],
        &["delete", "md", "x"],
        &["scale", "x", "--replicas", "1"],
        &["logs", "x"],
    ] {
        let message = tree.ctl(words).failed();
        assert!(message.starts_with(WORDS) && message.contains("hint: "), "{message}");
    }
    assert_eq!(tree.ctl(&["delete", "x", "--ignore-not-found"]), said("", ""));
    assert!(tree.ctl(&["get", "pods"]).failed().contains("resource type \"pods\""));
}

#[test]
fn delete_takes_the_spec_away() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    let deleted = "modeldeployment.maas \"dga-1.0\" deleted from default namespace\n";
    assert_eq!(tree.ctl(&["delete", "md/dga-1.0"]), said(deleted, NOBODY));
    tree.apply(DGA).ok();
    tree.plant_leader("application_1_0001");
    assert_eq!(tree.ctl(&["delete", "dga-1.0", "--wait", "--timeout", "5s"]), said(deleted, ""));
}

#[test]
fn waiting_without_an_operator_fails_at_once_and_keeps_the_edit() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    let ran = tree.ctl(&["scale", "dga-1.0", "--replicas", "3", "--wait"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "modeldeployment.maas/dga-1.0 scaled\n"));
    assert!(ran.stderr.starts_with("error: no operator is running"), "{}", ran.stderr);
    assert!(tree.spec("dga-1.0").contains("replicas: 3"));
}

#[test]
fn list_prints_metrons_format_to_the_byte() {
    let tree = Tree::new();
    assert_eq!(maasctl(&tree.deploy(&["-mo", "LIST"])), said("", "no model is live\n"));
    tree.plant_instance("dga-10.0", 1, "dga", "10.0", "http://node1:2");
    tree.plant_instance("dga-9.0", 2, "dga", "9.0", "http://node1:1");
    let nine = "Model dga @ 9.0\ndga:9.0 @ http://node1:1 serving:\n\tapply=apply\n";
    let ten = "Model dga @ 10.0\ndga:10.0 @ http://node1:2 serving:\n\tapply=apply\n";
    assert_eq!(maasctl(&tree.deploy(&["-mo", "list"])), said(&format!("{nine}{ten}"), ""));
    assert_eq!(maasctl(&tree.deploy(&["-mo", "LIST", "-n", "dga", "-v", "9.0"])), said(nine, ""));
    assert_eq!(maasctl(&tree.deploy(&["-mo", "LIST", "-n", "other"])), said("", "no model is live\n"));
}

#[test]
fn instances_and_endpoints_are_listed() {
    let tree = Tree::new();
    tree.plant_instance("dga-1.0", 1, "dga", "1.0", "http://node1:2");
    let instances = tree.ctl(&["get", "instances", "-o", "wide"]).ok();
    let row: Vec<_> = instances.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["dga-1.0/3-1", "1/1", "Running", "0"]);
    assert_eq!(row[5..], ["node1", "container_1_0001_01_000001", "http://node1:2", "<none>"]);
    let endpoints = tree.ctl(&["get", "endpoints", "--no-headers"]).ok();
    assert_eq!(endpoints.split_whitespace().collect::<Vec<_>>()[..4], ["dga-1.0/3-1", "dga", "1.0", "http://node1:2"]);
    let refused = tree.ctl(&["logs", "dga-1.0/3-9"]).failed();
    assert!(refused.contains("dga-1.0 has no instance 3-9"), "{refused}");
    let refused = tree.ctl(&["logs", "dga-1.0"]).failed();
    assert!(refused.contains("http://127.0.0.1:1/") && refused.contains("must be reachable"), "{refused}");
}

#[test]
fn remove_takes_away_and_deletes_at_none() {
    let tree = Tree::new();
    tree.apply(&DGA.replace("replicas: 2", "replicas: 5")).ok();
    let remove =
        |count: &'static str| maasctl(&tree.deploy(&["-mo", "REMOVE", "-n", "dga", "-v", "1.0", "-ni", count]));
    let words = "modeldeployment.maas/dga-1.0 configured: 2 instances of dga 1.0 removed, 3 left\n";
    assert_eq!(remove("2"), said(words, NOBODY));
    assert!(tree.spec("dga-1.0").contains("replicas: 3") && tree.spec("dga-1.0").starts_with("# ours\n"));
    let words = "modeldeployment.maas/dga-1.0 deleted: 3 instances of dga 1.0 removed, none left (7 were asked)\n";
    assert_eq!(remove("7"), said(words, NOBODY));
    assert_eq!(remove("1"), said("", "no model dga 1.0 is deployed: nothing to remove\n"));
    assert_eq!(tree.ctl(&["get", "md"]).ok(), "");
}

#[test]
fn sixteen_parallel_edits_lose_nothing() {
    let tree = Tree::new();
    tree.apply(&DGA.replace("replicas: 2", "replicas: 100")).ok();
    let words = tree.deploy(&["-mo", "REMOVE", "-n", "dga", "-v", "1.0", "-ni", "2"]);
    let children: Vec<_> = (0..16)
        .map(|_| {
            support::command()
                .args(&words)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(tree.spec("dga-1.0").contains("replicas: 68"), "{}", tree.spec("dga-1.0"));
}

#[test]
fn hostile_names_and_numbers_are_refused_with_the_flag() {
    let tree = Tree::new();
    let long = "a".repeat(300);
    for name in ["a/b", "..", "a b", "a'b", "a;b", "ä", &long, ""] {
        let message =
            maasctl(&tree.deploy(&["-mo", "ADD", "-n", name, "-v", "1.0", "-m", "512", "-ni", "1", "-hmp", "/m"]))
                .failed();
        assert!(message.starts_with("error: -n: "), "{name}: {message}");
    }
    for (memory, instances, flag) in [
        ("0", "1", "-m"),
        ("-1", "1", "-m"),
        ("1000000000000", "1", "-m"),
        ("512", "0", "-ni"),
        ("512", "-1", "-ni"),
        ("512", "2000", "spec.replicas"),
    ] {
        let message =
            maasctl(&tree.deploy(&["-mo", "ADD", "-n", "a", "-v", "1", "-m", memory, "-ni", instances, "-hmp", "/m"]))
                .failed();
        assert!(message.starts_with(&format!("error: {flag}")), "{memory} {instances}: {message}");
    }
}

#[test]
fn a_config_that_names_no_tree_of_ours_is_refused() {
    let tree = Tree::new();
    let words = tree.deploy(&["-mo", "LIST"]);
    tree.put(words[5], br#"{"serviceRoot":"/models"}"#);
    let message = maasctl(&words).failed();
    assert!(
        message.contains("serviceRoot \"/models\", which must be an absolute path that ends in /service"),
        "{message}"
    );
}

#[test]
fn a_queue_whose_clients_look_into_another_tree_is_refused() {
    let tree = Tree::new();
    let programs = tempfile::tempdir().unwrap();
    for name in ["maas-operator", "maas-runner"] {
        std::fs::write(programs.path().join(name), "").unwrap();
    }
    let start = ["service", "start", "--metron-queue", "--libexec", programs.path().to_str().unwrap()];
    let message = tree.ctl(&start).failed();
    assert!(message.contains("Metron's clients look for endpoints below /maas/service"), "{message}");
    assert!(message.contains(&format!("this is the tree {}: use --root /maas", tree.root)), "{message}");
}

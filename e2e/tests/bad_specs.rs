//! Specs that are wrong: refused by the commands with path and reason; written past them into ZooKeeper, told in that
//! one's status and harmless to all others.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use maas_store::{Node, Op};
use serde_json::Value;
use support::{Maas, RUNNER, http, kill, manifest, until};

const MANIFEST: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {name: NAME}\nspec:\n  model: {name: MODEL, version: VERSION}\n  replicas: REPLICAS\n  payload: {path: /user/root/x}\n  resources: {memory: MEMORY}\n";

/// A manifest with one field as given, in YAML.
fn with(field: &str, value: &str) -> String {
    let fields = [("NAME", "ok"), ("MODEL", "ok"), ("VERSION", "\"1.0\""), ("REPLICAS", "1"), ("MEMORY", "128Mi")];
    fields
        .iter()
        .fold(MANIFEST.to_owned(), |text, (name, good)| text.replace(name, if *name == field { value } else { good }))
}

fn bad_names() -> Vec<String> {
    let mut names: Vec<String> =
        ["a/b", "../../etc", "..", "a b", "a'b\\\"c", "a;reboot", "a\\0b", "ümlaut", "", "-a", "$(id)"]
            .map(String::from)
            .into();
    names.push("n".repeat(300));
    names
}

/// Every path and version below a folder.
async fn tree(maas: &Maas, folder: &str) -> Vec<(String, i32)> {
    let path = maas.store.path(&Node::Folder(folder.to_owned()));
    maas.store.list(&path).await.unwrap().into_iter().map(|(path, _, stat)| (path, stat.version)).collect()
}

fn status(maas: &Maas, name: &str) -> Value {
    let said = maas.ctl(&["get", "models", name, "-o", "json"]);
    serde_json::from_str::<Value>(&said.out).unwrap_or_default()["status"].clone()
}

fn condition<'a>(status: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let mut all = status["conditions"].as_array().into_iter().flatten();
    let found = all.find(|condition| condition["type"] == kind);
    let word = |field: &str| found.and_then(|condition| condition[field].as_str()).unwrap_or_default();
    (word("reason"), word("message"))
}

#[track_caller]
fn until_said(maas: &Maas, name: &str, kind: &str, reason: &str, words: &str) {
    let said = until(Duration::from_secs(20), || {
        let status = status(maas, name);
        let (is, message) = condition(&status, kind);
        is == reason && message.contains(words)
    });
    assert!(said, "{name} never said {reason} with {words:?}:\n{}", maas.ctl(&["describe", "model", name]).out);
}

async fn write(maas: &Maas, path: String, data: &[u8]) {
    let create = Op::Create { path, data: data.to_vec(), ephemeral: false };
    maas.store.commit(&[create]).await.unwrap();
}

fn spec_path(maas: &Maas, name: &str) -> String {
    let node = Node::Spec { namespace: "default".parse().unwrap(), name: name.parse().unwrap() };
    maas.store.path(&node)
}

/// Past every check, as another tool could.
async fn overwrite(maas: &Maas, name: &str, data: &[u8]) {
    let set = Op::Set { path: spec_path(maas, name), data: data.to_vec(), version: None };
    maas.store.commit(&[set]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_spec_is_refused_or_told_and_harms_no_other() {
    let maas = Maas::start().await;
    let payload = maas.dga().await;
    maas.apply(&manifest("good", 1, "128Mi", &payload, "")).good();
    maas.until_ready("good", "1/1");

    commands_refuse_it_with_path_and_reason(&maas).await;
    more_than_the_cluster_grants_is_said(&maas, &payload);
    written_raw_it_is_told_in_its_own_status(&maas, &payload).await;
    a_spec_that_turns_invalid_keeps_its_instances(&maas, &payload).await;

    // All others have gone on, and go on.
    maas.ctl(&["scale", "good", "--replicas", "2", "--wait", "--timeout", "30s"]).good();
}

async fn commands_refuse_it_with_path_and_reason(maas: &Maas) {
    let before = tree(maas, "specs").await;
    let mut refused = 0;
    let mut refuse = |field: &str, value: &str, words: &[&str]| {
        maas.apply(&with(field, value)).bad(words);
        refused += 1;
    };
    for name in bad_names() {
        let quoted = format!("\"{name}\"");
        refuse("NAME", &quoted, &["metadata.name", "nothing was changed", ".yaml:3:"]);
        if name != "-a" {
            refuse("MODEL", &quoted, &["spec.model.name", ".yaml:5:"]);
            refuse("VERSION", &quoted, &["spec.model.version", ".yaml:5:"]);
        }
    }
    for memory in ["0", "0Mi", "-1", "-1Mi", "1000000000000", "1000000000000Mi", "\"\"", "lots"] {
        refuse("MEMORY", memory, &["spec.resources.memory", ".yaml:8:"]);
    }
    for replicas in ["-1", "1000000", "1.5", "many", "99999999999999999999"] {
        refuse("REPLICAS", replicas, &["spec.replicas", ".yaml:6:"]);
    }
    maas.ctl(&["scale", "good", "--replicas", "-1"]).bad(&["replicas", "-1"]);
    maas.ctl(&["scale", "good", "--replicas", "1000000"]).bad(&["replicas", "1000"]);

    let deploy = |name: &str, version: &str, memory: &str, instances: &str, words: &[&str]| {
        let words_of =
            ["-mo", "ADD", "-hmp", "/user/root/x", "-n", name, "-v", version, "-m", memory, "-ni", instances];
        maas.deploy(&words_of).bad(words);
    };
    // A NUL can't be in an argument.
    for name in bad_names().into_iter().filter(|name| name != "a\\0b") {
        deploy(&name, "1.0", "128", "1", &["-n", "letters, digits"]);
        deploy("ok", &name, "128", "1", &["-v", "letters, digits"]);
    }
    for memory in ["0", "-1", "1000000000000", "512Mi", ""] {
        deploy("ok", "1.0", memory, "1", &["-m"]);
    }
    for instances in ["0", "-1", "1000000", "99999999999", "x"] {
        deploy("ok", "1.0", "128", instances, &[if instances == "1000000" { "replicas" } else { "-ni" }]);
    }
    assert_eq!(tree(maas, "specs").await, before, "nothing was written");
    println!("{refused} manifests were refused");
}

fn more_than_the_cluster_grants_is_said(maas: &Maas, payload: &str) {
    maas.apply(&manifest("giant", 1, "100Gi", payload, "")).good();
    until_said(maas, "giant", "ReplicaFailure", "InsufficientCapacity", "asks for 102400 MiB");
    maas.ctl(&["delete", "model", "giant", "--wait", "--timeout", "20s"]).good();
}

async fn written_raw_it_is_told_in_its_own_status(maas: &Maas, payload: &str) {
    let good = manifest("whole", 1, "128Mi", payload, "");
    let large = format!("{good}# {}\n", "x".repeat(900 * 1024));
    let future = good.replace("maas/v1", "maas/v9");
    let cases: [(&str, &[u8], &str); 6] = [
        ("garbage", b"\xff\xfe\x00{{{]", "UTF-8"),
        ("no-yaml", b"spec: [unclosed\n  - {", "line"),
        ("empty", b"", ""),
        ("large", large.as_bytes(), "bytes"),
        ("future", future.as_bytes(), "apiVersion"),
        ("mismatch", good.as_bytes(), "names default/whole and stands at default/mismatch"),
    ];
    for (name, data, _) in cases {
        write(maas, spec_path(maas, name), data).await;
    }
    // Under names that are none, where no tool of ours ever looks.
    let folder = maas.store.path(&Node::Folder("specs/ModelDeployment".to_owned()));
    for name in ["Bad_Name!", "a b", "ü", "x;y"] {
        write(maas, format!("{folder}/default/{name}"), good.as_bytes()).await;
    }
    write(maas, format!("{folder}/Bad NS"), b"").await;
    write(maas, format!("{folder}/Bad NS/whole"), good.as_bytes()).await;
    write(maas, format!("{folder}/default/garbage/below"), b"?").await;

    for (name, _, words) in cases {
        until_said(maas, name, "Progressing", "InvalidSpec", words);
        let status = status(maas, name);
        assert_eq!((&status["observedGeneration"], &status["replicas"]), (&1.into(), &0.into()), "{status}");
        let node = Node::Status { namespace: "default".parse().unwrap(), name: name.parse().unwrap() };
        let (data, _) = maas.store.get(&maas.store.path(&node)).await.unwrap().expect("a status of its own");
        assert!(data.len() < 8 * 1024, "{name}: {} bytes", data.len());
        println!("{name}: {}", condition(&status, "Progressing").1);
    }
    let listed = maas.ctl(&["get", "models"]).good();
    assert!(!listed.contains("Bad") && listed.contains("garbage"), "{listed}");
    let described = maas.ctl(&["describe", "model", "future"]).good();
    assert!(described.contains("InvalidSpec") && described.contains("maas/v9"), "{described}");
    let events = maas.ctl(&["events", "future"]).good();
    assert!(events.contains("InvalidSpec"), "{events}");
    maas.ctl(&["apply", "--wait", "--timeout", "1s", "-f", "/dev/null"]).bad(&["no manifest"]);

    // Others have noticed nothing, also not of what a new operator finds.
    assert_eq!(maas.ready("good").as_deref(), Some("1/1"));
    replace_operator(maas).await;
    assert_eq!(maas.ready("good").as_deref(), Some("1/1"));

    // Mended, or taken away.
    maas.apply(&manifest("future", 1, "128Mi", payload, "")).good();
    maas.until_ready("future", "1/1");
    let remove = Op::Delete { path: format!("{folder}/default/garbage/below"), version: None };
    maas.store.commit(&[remove]).await.unwrap();
    let mut delete = vec!["delete", "--wait", "--timeout", "30s"];
    delete.extend(cases.iter().map(|(name, ..)| *name));
    maas.ctl(&delete).good();
}

async fn a_spec_that_turns_invalid_keeps_its_instances(maas: &Maas, payload: &str) {
    let text = manifest("turns", 2, "128Mi", payload, "");
    maas.apply(&text).good();
    maas.until_ready("turns", "2/2");
    let endpoints = || -> Vec<(String, String)> {
        maas.endpoints().into_iter().filter(|(name, _)| name.starts_with("turns/")).collect()
    };
    let before = endpoints();
    overwrite(maas, "turns", b"kind: [").await;
    until_said(maas, "turns", "Progressing", "InvalidSpec", "line");
    let now = status(maas, "turns");
    assert_eq!((&now["observedGeneration"], &now["readyReplicas"]), (&2.into(), &2.into()), "{now}");
    assert_eq!(endpoints(), before);

    // A new operator has never seen the good spec, and keeps them all the same.
    replace_operator(maas).await;
    assert_eq!(endpoints(), before);
    // One that dies meanwhile is replaced by another of the last revision.
    kill(runner(maas, &before[0].0));
    let replaced = until(Duration::from_secs(30), || {
        let now = endpoints();
        now.len() == 2 && now != before
    });
    assert!(replaced, "{}", maas.ctl(&["describe", "model", "turns"]).out);
    until_said(maas, "turns", "Progressing", "InvalidSpec", "line");

    let before = endpoints();
    overwrite(maas, "turns", text.as_bytes()).await;
    until_said(maas, "turns", "Progressing", "NewRevisionAvailable", "");
    assert_eq!(endpoints(), before, "nothing was restarted");
    maas.ctl(&["delete", "model", "turns", "--wait", "--timeout", "30s"]).good();
}

/// Kills the operator and waits until the next attempt works.
async fn replace_operator(maas: &Maas) {
    // YARN keeps containers that the ResourceManager has as RUNNING; of one just started it learns with a heartbeat. Its
    // log alone tells: to those who ask, RMContainerImpl.getContainerState says RUNNING from the start.
    let end = Instant::now() + Duration::from_secs(20);
    while !all_known_as_running(maas).await {
        assert!(Instant::now() < end, "YARN never had all containers as RUNNING");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let old = maas.pids("maas-operator");
    assert_eq!(old.len(), 1, "{old:?}");
    kill(old[0]);
    let works = || maas.ctl(&["service", "status"]).out.lines().any(|l| l.starts_with("Ready:") && l.ends_with("true"));
    let replaced = until(Duration::from_secs(30), || {
        let now = maas.pids("maas-operator");
        now.len() == 1 && now != old && works()
    });
    assert!(replaced, "no operator works");
}

async fn all_known_as_running(maas: &Maas) -> bool {
    let apps = format!("{}/ws/v1/cluster/apps", maas.cluster.rm_http());
    let get = async |url: String| serde_json::from_str::<Value>(&http(&url).await.unwrap().1).unwrap();
    let app = get(apps.clone()).await["apps"]["app"][0]["id"].as_str().unwrap().to_owned();
    let attempts = get(format!("{apps}/{app}/appattempts")).await;
    let attempts = attempts["appAttempts"]["appAttempt"].as_array().unwrap().clone();
    let attempt = attempts.iter().max_by_key(|one| one["id"].as_i64()).unwrap()["appAttemptId"].as_str().unwrap();
    let containers = get(format!("{apps}/{app}/appattempts/{attempt}/containers")).await;
    let log = std::fs::read_to_string(maas.cluster.resource_manager().log_path()).unwrap();
    let runs = |id: &str| log.contains(&format!("{id} Container Transitioned from ACQUIRED to RUNNING"));
    containers["container"].as_array().unwrap().iter().all(|one| runs(one["containerId"].as_str().unwrap()))
}

/// The runner of an instance (`NAME/IID`), by its container's directory.
fn runner(maas: &Maas, instance: &str) -> u32 {
    let said: Value = serde_json::from_str(&maas.ctl(&["get", "instances", instance, "-o", "json"]).good()).unwrap();
    let container = said["runner"]["container"].as_str().unwrap().to_owned();
    let of = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.ends_with(&container));
    maas.pids(RUNNER).into_iter().find(of).expect("its runner")
}

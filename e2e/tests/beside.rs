//! What stands beside a cluster: each part starts, answers, comes back after a kill with its data, and leaves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;

use maas_e2e::{Daemon, Error, Kafka, Search, Squid};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_what_it_was_sent_through_a_kill() {
    let kafka = Kafka::start(None).await.unwrap();
    kafka.create_topic("squid", 1).await.unwrap();
    let twice = kafka.create_topic("squid", 1).await.unwrap_err();
    assert!(twice.to_string().contains("already exists"), "{twice}");
    kafka.produce("squid", b"first\nsecond\n").await.unwrap();

    killed_and_paused(kafka.daemon()).await;
    assert_eq!(kafka.consume("squid", 2).await.unwrap(), ["first", "second"]);
    // The topics are those that were made, and no other comes into being by use.
    let unknown = kafka.produce("unknown", b"lost\n").await.unwrap_err();
    assert!(unknown.to_string().contains("unknown"), "{unknown}");

    let dir = kafka.dir().to_owned();
    leaves_nothing(kafka.daemon().pid().unwrap(), &dir, kafka);
}

#[tokio::test(flavor = "multi_thread")]
async fn opensearch_keeps_what_it_was_given_through_a_kill() {
    keeps_documents(Search::opensearch(None).await.unwrap(), "2.19.3", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch_of_the_seeds_generation_does_too_and_never_as_root() {
    let search = Search::elasticsearch(None).await.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", search.daemon().pid().unwrap())).unwrap();
    let uid = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    assert_ne!(uid.split_whitespace().nth(2), Some("0"), "{uid}");
    keeps_documents(search, "2.4.6", Some("squid_doc")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn squid_logs_requests_that_no_other_machine_answers() {
    let squid = match Squid::start(None).await {
        Err(error @ Error::MissingProgram { .. }) => {
            assert!(error.to_string().contains("apt-get install squid"), "{error}");
            println!("skipped: {error}");
            return;
        }
        started => started.unwrap(),
    };
    killed_and_paused(squid.daemon()).await;
    let proxy = reqwest::Proxy::http(format!("http://{}", squid.proxy())).unwrap();
    let client = reqwest::Client::builder().proxy(proxy).build().unwrap();
    for host in ["yahoo.com", "cnn.com"] {
        let answer = client.get(format!("http://{host}/")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{host}");
        assert!(answer.text().await.unwrap().contains("local origin"));
    }
    squid.daemon().terminate().await.unwrap();
    let log = std::fs::read_to_string(squid.access_log()).unwrap();
    let urls: Vec<&str> = log.lines().map(|line| line.split_whitespace().nth(6).unwrap()).collect();
    assert_eq!(urls, ["http://yahoo.com/", "http://cnn.com/"], "{log}");
    squid.daemon().start().await.unwrap();

    let dir = squid.dir().to_owned();
    leaves_nothing(squid.daemon().pid().unwrap(), &dir, squid);
}

async fn keeps_documents(search: Search, version: &str, kind: Option<&str>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let root: Value = client.get(search.url()).send().await.unwrap().json().await.unwrap();
    assert_eq!(root["version"]["number"], json!(version));
    assert_eq!(search.documents("squid_index_*").await.unwrap(), Vec::<Value>::new());
    let mut action = json!({"index": {"_index": "squid_index_2016.04.25.12", "_id": "one"}});
    if let Some(kind) = kind {
        action["index"]["_type"] = json!(kind);
    }
    let bulk = format!("{action}\n{}\n", json!({"threat:triage:level": 100}));
    let bulk = client.post(format!("{}/_bulk", search.url())).header("content-type", "application/x-ndjson").body(bulk);
    let said: Value = bulk.send().await.unwrap().json().await.unwrap();
    assert_eq!(said["errors"], json!(false), "{said}");

    killed_and_paused(search.daemon()).await;
    let found = search.documents("squid_index_*").await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["_id"], &found[0]["_source"]), (&json!("one"), &json!({"threat:triage:level": 100})));

    let dir = search.dir().to_owned();
    leaves_nothing(search.daemon().pid().unwrap(), &dir, search);
}

async fn killed_and_paused(daemon: &Daemon) {
    let before = daemon.pid().unwrap();
    daemon.pause().unwrap();
    daemon.resume().unwrap();
    daemon.restart().await.unwrap();
    assert_ne!(daemon.pid().unwrap(), before);
}

/// Dropping a part ends its process and removes its directory.
fn leaves_nothing<T>(pid: u32, dir: &Path, part: T) {
    assert!(dir.exists() && Path::new(&format!("/proc/{pid}")).exists());
    drop(part);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} runs on");
    assert!(!dir.exists(), "{} is left", dir.display());
}

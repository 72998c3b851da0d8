//! What becomes of the znodes when the model, the runner, the session or ZooKeeper itself goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use rustix::process::Pid;
use support::{Container, SERVE, Tree, eventually, kill, lives, model_pid, shared};

async fn begun(script: &str) -> (Tree, Container) {
    let tree = Tree::new(shared().await).await;
    let container = Container::of(&tree, &[("rest.sh", script)]);
    tree.intend(container.iid()).await;
    (tree, container)
}

fn metron(tree: &Tree) -> String {
    format!("{}/service/m/container_1_0001_01_000002", tree.root)
}

#[tokio::test]
async fn metrons_clients_find_their_bytes() {
    let (tree, container) = begun(SERVE).await;
    let running = container.start();
    let url = tree.published(running.iid()).await;
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let (bytes, stat) = tree.client.get_data(&metron(&tree)).await.unwrap();
    assert_ne!(stat.ephemeral_owner, 0);
    let text = String::from_utf8(bytes).unwrap();
    let at = text.find(r#""registrationTimeUTC":"#).unwrap();
    assert_eq!(
        text[..at],
        format!(
            r#"{{"name":"m","id":"container_1_0001_01_000002","address":"localhost","port":{port},"sslPort":null,"payload":{{"@class":"org.apache.metron.maas.config.ModelEndpoint","endpoint":{{"url":"http://localhost:{port}","functions":{{"apply":"apply"}}}},"name":"m","version":"1.0","containerId":"container_1_0001_01_000002"}},"#
        )
    );
    assert!(text.ends_with(r#","serviceType":"STATIC","uriSpec":null}"#), "{text}");
}

#[tokio::test]
async fn a_killed_model_is_gone_from_the_tree_at_once_and_back_soon() {
    let (tree, container) = begun(SERVE).await;
    let running = container.start();
    let mut gone_after = Vec::new();
    let mut before = model_pid(&tree.published(running.iid()).await).await;
    for _ in 0..3 {
        let (_, _, watch) = tree.client.get_and_watch_data(&tree.endpoint(running.iid())).await.unwrap();
        let killed = Instant::now();
        kill(before);
        watch.changed().await;
        gone_after.push(killed.elapsed());
        let url = eventually("another", async || {
            let (endpoint, _) = tree.get(&tree.endpoint(running.iid())).await?;
            Some(endpoint["url"].as_str()?.to_owned())
        });
        let after = model_pid(&url.await).await;
        assert_ne!(after, before);
        before = after;
    }
    println!("model killed -> endpoint gone: {gone_after:?}");
    assert!(gone_after.iter().min().unwrap() < &Duration::from_millis(300), "{gone_after:?}");
    let report = tree.reported(running.iid(), "3 restarts", |report| report["restarts"] == 3).await;
    assert_eq!(report["lastExit"]["signal"], 9);
}

#[tokio::test]
async fn what_somebody_takes_away_comes_back() {
    let (tree, container) = begun(SERVE).await;
    let running = container.start();
    let url = tree.published(running.iid()).await;
    for path in [tree.endpoint(running.iid()), metron(&tree)] {
        let (_, before) = tree.client.get_data(&path).await.unwrap();
        tree.client.delete(&path, None).await.unwrap();
        eventually("it stands again", async || {
            let (_, stat) = tree.client.get_data(&path).await.ok()?;
            (stat.czxid != before.czxid).then_some(())
        })
        .await;
    }
    assert_eq!(tree.published(running.iid()).await, url);
}

#[tokio::test]
async fn a_stopping_record_drains_the_model_and_leaves_last_words() {
    let script = "trap 'echo drained >&2; kill $!; exit 0' TERM; perl model.pl & wait";
    let (tree, container) = begun(script).await;
    let mut running = container.start();
    let model = model_pid(&tree.published(running.iid()).await).await;
    let ordered = Instant::now();
    tree.revoke(running.iid(), Duration::from_secs(10)).await;
    tree.withdrawn(running.iid()).await;
    println!("revoked -> endpoint gone: {:?}", ordered.elapsed());
    assert!(lives(model), "clients get a second to hear of it");
    assert!(tree.client.check_stat(&metron(&tree)).await.unwrap().is_none());
    assert_eq!(running.exit_code().await, 0);
    assert!(ordered.elapsed() > Duration::from_millis(900), "{:?}", ordered.elapsed());
    assert!(!lives(model));
    let words = tree.last_words(running.iid()).await;
    assert_eq!(words["reason"], "Stopped", "{words}");
    assert_eq!(words["message"], "ScaledDown");
    assert!(words["stderrTail"].as_str().unwrap().starts_with("drained"), "{words}");
    assert_eq!(tree.report(running.iid()).await, None);
}

#[tokio::test]
async fn a_removed_record_ends_the_container() {
    let (tree, container) = begun(SERVE).await;
    let mut running = container.start();
    let model = model_pid(&tree.published(running.iid()).await).await;
    tree.reported(running.iid(), "ready", |report| report["phase"] == "Ready").await;
    // The operator removes a record with all that stands below it.
    eventually("the record's removal", async || {
        let _ = tree.client.delete(&format!("{}/runner", tree.record(running.iid())), None).await;
        tree.client.delete(&tree.record(running.iid()), None).await.ok()
    })
    .await;
    assert_eq!(running.exit_code().await, 0);
    assert!(!lives(model));
    tree.withdrawn(running.iid()).await;
}

#[tokio::test]
async fn without_a_record_nothing_is_ever_published() {
    let tree = Tree::new(shared().await).await;
    let mut running = Container::of(&tree, &[("rest.sh", SERVE)]).start();
    assert_eq!(running.exit_code().await, 0);
    assert!(running.output().contains("record is not there"), "{}", running.output());
    assert!(tree.get(&tree.endpoint(running.iid())).await.is_none());
}

#[tokio::test]
async fn a_record_that_is_stopping_already_is_never_published() {
    let (tree, container) = begun(SERVE).await;
    tree.revoke(container.iid(), Duration::from_secs(1)).await;
    let mut running = container.start();
    assert_eq!(running.exit_code().await, 0);
    assert_eq!(tree.last_words(running.iid()).await["reason"], "Stopped");
    assert!(tree.get(&tree.endpoint(running.iid())).await.is_none());
}

#[tokio::test]
async fn a_sigterm_unpublishes_before_the_model_ends() {
    let (tree, container) = begun("trap 'sleep 1; kill $!; exit 0' TERM; perl model.pl & wait").await;
    let mut running = container.start();
    let model = model_pid(&tree.published(running.iid()).await).await;
    let (_, _, watch) = tree.client.get_and_watch_data(&tree.endpoint(running.iid())).await.unwrap();
    let asked = Instant::now();
    running.terminate();
    watch.changed().await;
    println!("SIGTERM -> endpoint gone: {:?}", asked.elapsed());
    assert_eq!(running.exit_code().await, 143);
    assert!(!lives(model));
}

#[tokio::test]
async fn a_sigterm_to_the_whole_group_is_no_crash_of_the_model() {
    let (tree, container) = begun(SERVE).await;
    let mut running = container.start();
    tree.published(running.iid()).await;
    // As the NodeManager does it.
    rustix::process::kill_process_group(running.pid(), rustix::process::Signal::TERM).unwrap();
    assert_eq!(running.exit_code().await, 143);
    assert_eq!(tree.last_words(running.iid()).await["reason"], "Terminated");
    assert!(!running.output().contains("run 2"), "{}", running.output());
}

#[tokio::test]
async fn a_killed_runner_leaves_no_endpoint_past_its_session() {
    let (tree, container) = begun(SERVE).await;
    let mut running = container.start();
    let model = model_pid(&tree.published(running.iid()).await).await;
    let killed = Instant::now();
    running.kill_group();
    tree.withdrawn(running.iid()).await;
    println!("runner and group killed -> endpoint gone: {:?} (session timeout 4 s)", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    assert!(tree.client.check_stat(&metron(&tree)).await.unwrap().is_none());
    assert!(!lives(model), "it was in the container's process group");
}

#[tokio::test]
async fn a_killed_runner_takes_along_all_that_it_started() {
    let script = "#!/bin/sh\nsetsid sh -c 'echo $$ > away; sleep 1000' &\nperl model.pl &\nwait\n";
    let (tree, container) = begun(script).await;
    let away = container.model().join("away");
    let mut running = container.start();
    let model = model_pid(&tree.published(running.iid()).await).await;
    let away = async || Pid::from_raw(std::fs::read_to_string(&away).ok()?.trim().parse().ok()?);
    let away = eventually("what left the process group", away).await;
    kill(running.runner().await);
    assert_eq!(running.exit_code().await, 137);
    assert!(!lives(model) && !lives(away), "nobody else ends them");
}

#[tokio::test]
async fn a_runner_whose_guard_is_killed_drains() {
    let (tree, container) = begun(SERVE).await;
    let mut running = container.start();
    let model = model_pid(&tree.published(running.iid()).await).await;
    kill(running.pid());
    running.exited().await;
    tree.withdrawn(running.iid()).await;
    assert_eq!(tree.last_words(running.iid()).await["reason"], "Terminated");
    assert!(!lives(model));
}

#[tokio::test]
async fn a_model_starts_before_zookeeper_is_there_and_is_published_when_it_comes() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let tree = Tree::new(&cluster).await;
    let container = Container::of(&tree, &[("rest.sh", SERVE)]);
    tree.intend(container.iid()).await;
    cluster.zookeeper().kill().unwrap();
    let running = container.start();
    running.logged("ready at").await;
    cluster.zookeeper().start().await.unwrap();
    let url = tree.published(running.iid()).await;
    assert!(lives(model_pid(&url).await));
}

#[tokio::test]
async fn after_an_expired_session_the_endpoint_comes_back_and_the_model_is_the_same() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let tree = Tree::new(&cluster).await;
    let container = Container::of(&tree, &[("rest.sh", SERVE)]);
    tree.intend(container.iid()).await;
    let running = container.start();
    let url = tree.published(running.iid()).await;
    let model = model_pid(&url).await;
    let (_, before) = tree.get(&tree.endpoint(running.iid())).await.unwrap();
    // The runner alone is frozen for longer than its session, as by a network that is cut.
    rustix::process::kill_process(running.runner().await, rustix::process::Signal::STOP).unwrap();
    tree.withdrawn(running.iid()).await;
    rustix::process::kill_process(running.runner().await, rustix::process::Signal::CONT).unwrap();
    let back = Instant::now();
    assert_eq!(tree.published(running.iid()).await, url);
    println!("after the session's expiry, published again after {:?}", back.elapsed());
    let (_, after) = tree.get(&tree.endpoint(running.iid())).await.unwrap();
    assert_ne!(before.ephemeral_owner, after.ephemeral_owner);
    assert_eq!(model_pid(&url).await, model);

    // A restart of ZooKeeper within the session's time changes nothing.
    cluster.zookeeper().restart().await.unwrap();
    tree.reported(running.iid(), "ready", |report| report["phase"] == "Ready").await;
    assert_eq!(model_pid(&url).await, model);
    tree.revoke(running.iid(), Duration::from_secs(5)).await;
    tree.withdrawn(running.iid()).await;
}

//! The starter itself: daemons come and go one at a time, and nothing of a cluster outlives it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    future::Future,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use maas_e2e::{Cluster, Daemon, Error};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

#[tokio::test(flavor = "multi_thread")]
async fn each_daemon_comes_back_after_a_kill_a_pause_and_an_orderly_end() {
    // By stock settings a NodeManager may try only after 30 s again to reach a ResourceManager that went away.
    let builder = Cluster::builder().yarn("yarn.resourcemanager.connect.retry-interval.ms", "1000");
    let mut cluster = builder.start().await.unwrap();
    for daemon in cluster.daemons() {
        let before = daemon.pid().unwrap();
        daemon.kill().unwrap();
        assert_eq!(daemon.pid(), None, "{}", daemon.name());
        assert!(matches!(daemon.pause(), Err(Error::State { .. })), "{}", daemon.name());
        let since = Instant::now();
        daemon.start().await.unwrap();
        println!("{} serves again after {} ms", daemon.name(), since.elapsed().as_millis());
        assert_ne!(daemon.pid().unwrap(), before, "{}", daemon.name());
        assert!(matches!(daemon.start().await, Err(Error::State { .. })), "{}", daemon.name());
        cluster.await_ready().await.unwrap();
        println!("the whole cluster after {} ms", since.elapsed().as_millis());
    }
    for daemon in cluster.daemons() {
        daemon.pause().unwrap();
        until("it is stopped", async || state(daemon.pid().unwrap()) == Some('T')).await;
        daemon.resume().unwrap();
        until("it goes on", async || state(daemon.pid().unwrap()) != Some('T')).await;
        daemon.terminate().await.unwrap();
        daemon.restart().await.unwrap();
    }
    cluster.await_ready().await.unwrap();

    let added = cluster.add_node_manager(1024).await.unwrap();
    let nodes = get(&format!("{}/ws/v1/cluster/nodes", cluster.rm_http())).await;
    let nodes = nodes["nodes"]["node"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["id"] == json!(cluster.node_id(added))).unwrap();
    assert_eq!(node["availMemoryMB"], json!(1024));

    let (dir, pids): (PathBuf, Vec<u32>) = (cluster.dir().into(), cluster.daemons().filter_map(Daemon::pid).collect());
    assert_eq!(pids.len(), 6);
    drop(cluster);
    assert!(pids.iter().all(|pid| is_gone(*pid)));
    assert!(!dir.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_that_outlive_their_node_manager_end_with_the_cluster() {
    let cluster = Cluster::builder().start().await.unwrap();
    // A number of seconds that no other test sleeps, by which the processes are found; the first of them has left session
    // and directory.
    let seconds = (1_000_000 + std::process::id()).to_string();
    submit(&cluster, &format!("(cd / && exec setsid sleep {seconds}) & exec sleep {seconds}")).await;
    until("both processes run", async || sleepers(&seconds).len() == 2).await;
    cluster.node_manager(0).kill().unwrap();
    let containers = sleepers(&seconds);
    assert_eq!(containers.len(), 2, "a killed NodeManager leaves its containers running");

    let dir = cluster.dir().to_owned();
    drop(cluster);
    assert!(containers.iter().all(|pid| is_gone(*pid)));
    assert!(!dir.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_says_in_one_line_what_it_runs_and_killed_it_leaves_nothing() {
    let (mut owner, ready) = cluster_up();
    let pids = ready["pids"].as_object().unwrap().values().map(|pid| u32::try_from(pid.as_u64().unwrap()).unwrap());
    let pids: Vec<u32> = pids.collect();
    assert_eq!(pids.len(), 5, "{ready}");
    let dir = PathBuf::from(ready["dir"].as_str().unwrap());
    assert!(dir.join("conf/yarn-site.xml").is_file());
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("no process is left", async || pids.iter().all(|pid| is_gone(*pid))).await;
    until("no directory is left", async || !dir.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_ends_its_cluster_when_its_input_ends() {
    let (mut owner, ready) = cluster_up();
    let dir = PathBuf::from(ready["dir"].as_str().unwrap());
    drop(owner.stdin.take());
    assert!(owner.wait().unwrap().success());
    assert!(!dir.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_zookeepers_run_side_by_side_and_a_paused_one_is_silent() {
    let (one, two) =
        tokio::join!(Cluster::builder().zookeeper_only().start(), Cluster::builder().zookeeper_only().start());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.quorum(), two.quorum());
    one.zookeeper().pause().unwrap();
    let silence = timeout(Duration::from_millis(500), ask_zookeeper(&one.quorum())).await;
    assert!(silence.is_err(), "a paused ZooKeeper answered {silence:?}");
    assert!(ask_zookeeper(&two.quorum()).await.contains("Mode: standalone"));
    one.zookeeper().resume().unwrap();
    assert!(ask_zookeeper(&one.quorum()).await.contains("Mode: standalone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hdfs_alone_serves_and_a_directory_in_use_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("cluster");
    let cluster = Cluster::builder().hdfs_only().dir(&dir).start().await.unwrap();
    let made = format!("{}/webhdfs/v1/a/b?op=MKDIRS&user.name=root", cluster.name_node_http());
    assert!(client().put(made).send().await.unwrap().status().is_success());
    let refused = Cluster::builder().zookeeper_only().dir(&dir).start().await.unwrap_err();
    assert!(matches!(refused, Error::DirectoryInUse { .. }), "{refused}");
    drop(cluster);
    assert!(!dir.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_cannot_start_is_reported_with_the_end_of_its_log_which_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("cluster");
    let builder = Cluster::builder().hdfs_only().dir(&dir).core("fs.defaultFS", "hdfs://no-such-host:1");
    let error = builder.hdfs("dfs.namenode.rpc-address", "no-such-host:1").start().await.unwrap_err();
    let Error::Ended { daemon, log, tail } = error else { panic!("{error}") };
    assert_eq!(daemon, "namenode");
    assert!(tail.contains("no-such-host"), "{tail}");
    assert!(log.is_file());
}

fn cluster_up() -> (Child, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    let mut owner =
        command.arg("up").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (owner, serde_json::from_str(&line).unwrap())
}

async fn submit(cluster: &Cluster, command: &str) {
    let apps = format!("{}/ws/v1/cluster/apps", cluster.rm_http());
    let new = client().post(format!("{apps}/new-application?user.name=tester")).send().await.unwrap();
    let new: Value = new.json().await.unwrap();
    let body = json!({
        "application-id": new["application-id"],
        "application-name": "left behind",
        "am-container-spec": {"commands": {"command": command}},
        "resource": {"memory": 128, "vCores": 1},
    });
    let answer = client().post(format!("{apps}?user.name=tester")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 202);
}

async fn ask_zookeeper(quorum: &str) -> String {
    let mut stream = TcpStream::connect(quorum).await.unwrap();
    stream.write_all(b"srvr").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(url: &str) -> Value {
    client().get(url).send().await.unwrap().json().await.unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < end, "never seen: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The letter of a process's state, `None` when there is no such process.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// A zombie runs no more; whoever adopted it has only not asked yet.
fn is_gone(pid: u32) -> bool {
    matches!(state(pid), None | Some('Z'))
}

fn sleepers(seconds: &str) -> Vec<u32> {
    let wanted = format!("sleep\0{seconds}\0");
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == wanted.as_bytes()))
        .collect()
}

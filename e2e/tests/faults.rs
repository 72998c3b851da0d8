//! Real faults on real daemons, one after another on one cluster: what must serve on serves on.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use support::{Maas, RUNNER, epoch, kill, manifest, until};

/// Calls every endpoint, each call on a connection of its own, about 200 times a second, until it is ended.
struct Caller {
    end: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Caller {
    fn start(urls: Vec<String>) -> Self {
        let (end, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, counted) = (Arc::clone(&end), Arc::clone(&good));
        let task = tokio::spawn(async move {
            let client =
                reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(5)).build().unwrap();
            let mut failed = Vec::new();
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            for url in urls.iter().cycle() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                tick.tick().await;
                match client.get(format!("{url}/apply?host=yahoo.com")).send().await {
                    Ok(answer) if answer.status().is_success() => drop(counted.fetch_add(1, Ordering::Relaxed)),
                    other => failed.push(format!("{url}: {other:?}")),
                }
            }
            failed
        });
        Self { end, good, task }
    }

    async fn stop(self, what: &str) -> u64 {
        self.end.store(true, Ordering::Relaxed);
        let failed = self.task.await.unwrap();
        let good = self.good.load(Ordering::Relaxed);
        assert!(failed.is_empty(), "{what}: {} of {} calls failed: {}", failed.len(), good, failed[0]);
        assert!(good > 0, "{what}: nothing was called");
        good
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

fn containers(maas: &Maas) -> BTreeSet<String> {
    let out = maas.ctl(&["get", "instances", "-o", "wide", "--no-headers"]).good();
    out.split_whitespace().filter(|w| w.starts_with("container_")).map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_serves_serves_on_through_every_fault() {
    let builder = Cluster::builder()
        .node_managers(2)
        // Stock: a NodeManager looks for its restarted ResourceManager every 30 s, and a lost node is noticed after
        // 10 min, a hung operator after 15 min. The story can't wait for either.
        .yarn("yarn.resourcemanager.connect.retry-interval.ms", "1000")
        .yarn("yarn.nm.liveness-monitor.expiry-interval-ms", "12000")
        .yarn("yarn.am.liveness-monitor.expiry-interval-ms", "12000");
    let maas = Maas::without_service(builder).await;
    maas.start_service();
    let payload = maas.dga().await;
    maas.apply(&manifest("one", 2, "256Mi", &payload, "")).good();
    maas.apply(&manifest("two", 1, "256Mi", &payload, "")).good();
    maas.until_ready("one", "2/2");
    maas.until_ready("two", "1/1");
    let urls = |maas: &Maas| maas.endpoints().into_iter().map(|(_, url)| url).collect::<Vec<_>>();

    // A model is killed: started again in place, in the container that it had.
    let before = (containers(&maas), maas.endpoints());
    kill(maas.pids("dga.py")[0]);
    // One look: between two, the killed model's endpoint goes.
    let again = until(Duration::from_secs(60), || {
        let now = maas.endpoints();
        now.len() == 3 && now != before.1
    });
    assert!(again, "{:?} after {:?}", maas.endpoints(), before.1);
    let instances = |all: &[(String, String)]| all.iter().map(|(instance, _)| instance.clone()).collect::<Vec<_>>();
    assert_eq!((containers(&maas), instances(&maas.endpoints())), (before.0, instances(&before.1)));

    // The operator is killed, five times.
    let before = (containers(&maas), urls(&maas));
    let processes = |maas: &Maas| (maas.pids(RUNNER), maas.pids("dga.py"));
    let running = processes(&maas);
    let caller = Caller::start(before.1.clone());
    for _ in 0..5 {
        let old = epoch(&maas).expect("an operator is ready");
        let since = Instant::now();
        kill(maas.pids("maas-operator")[0]);
        assert!(until(Duration::from_secs(60), || epoch(&maas).is_some_and(|e| e > old)), "no operator came back");
        println!("fault=operator-killed took={} ms", since.elapsed().as_millis());
        // Two ends within a second end an application, by the failure window that the service is submitted with: the
        // guard against an operator that can't start.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    let calls = caller.stop("operator killed").await;
    assert_eq!((containers(&maas), urls(&maas)), before, "containers were kept");
    assert_eq!(processes(&maas), running, "no process was started anew");
    println!("fault=operator-killed calls={calls} failed=0");

    // ZooKeeper is killed and started again: what serves serves on, and an edit made afterwards is followed.
    let caller = Caller::start(urls(&maas));
    maas.cluster.zookeeper().kill().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    maas.cluster.zookeeper().restart().await.unwrap();
    maas.ctl(&["scale", "two", "--replicas", "2", "--wait"]).good();
    println!("fault=zookeeper-restarted calls={} failed=0", caller.stop("ZooKeeper restarted").await);
    assert!(containers(&maas).is_superset(&before.0), "containers were kept");

    // The operator's session expires while it is stopped; it goes on with the same epoch or the next attempt does.
    let operator = maas.pids("maas-operator")[0];
    signal(operator, rustix::process::Signal::STOP);
    tokio::time::sleep(Duration::from_secs(9)).await;
    signal(operator, rustix::process::Signal::CONT);
    assert!(until(Duration::from_secs(60), || epoch(&maas).is_some()));
    maas.ctl(&["scale", "two", "--replicas", "1", "--wait"]).good();
    assert!(containers(&maas).is_superset(&before.0), "containers were kept");

    // The one that is wanted no longer has left.
    assert!(until(Duration::from_secs(60), || maas.pids(RUNNER).len() == 3));
    // A runner's session expires while it is stopped: its endpoint goes, and comes back once.
    let runner = maas.pids(RUNNER)[0];
    let (count, running, listed) = (maas.endpoints().len(), processes(&maas), maas.endpoints());
    signal(runner, rustix::process::Signal::STOP);
    assert!(until(Duration::from_secs(60), || maas.endpoints().len() == count - 1), "the endpoint did not go");
    signal(runner, rustix::process::Signal::CONT);
    assert!(until(Duration::from_secs(60), || maas.endpoints().len() == count), "the endpoint did not come back");
    assert_eq!((processes(&maas), maas.endpoints()), (running, listed), "nothing is doubled or moved");
    let metron = maas.store.list("/maas/service").await.unwrap();
    let records = metron.iter().filter(|(path, _, _)| path.matches('/').count() == 4).count();
    assert_eq!(records, count, "{metron:?}");

    // A runner is killed: its model ends with it, and another instance comes.
    let models = maas.pids("dga.py").len();
    let victim = maas.pids(RUNNER)[0];
    kill(victim);
    let replaced = until(Duration::from_secs(60), || {
        let runners = maas.pids(RUNNER);
        !runners.contains(&victim) && runners.len() == count && maas.endpoints().len() == count
    });
    assert!(replaced, "the killed runner was not replaced");
    assert!(until(Duration::from_secs(60), || maas.pids("dga.py").len() == models), "a model is left behind");

    // The ResourceManager is killed and started again, work-preserving.
    let kept = containers(&maas);
    let caller = Caller::start(urls(&maas));
    maas.cluster.resource_manager().kill().unwrap();
    maas.cluster.resource_manager().restart().await.unwrap();
    maas.cluster.await_ready().await.unwrap();
    maas.ctl(&["scale", "two", "--replicas", "2"]).good();
    maas.until_ready("two", "2/2");
    println!("fault=resourcemanager-restarted calls={} failed=0", caller.stop("ResourceManager restarted").await);
    assert!(containers(&maas).is_superset(&kept), "containers were kept");

    // A hung operator is superseded; when it runs on, it changes nothing and leaves.
    let old = epoch(&maas).unwrap();
    let hung = maas.pids("maas-operator")[0];
    signal(hung, rustix::process::Signal::STOP);
    assert!(until(Duration::from_secs(60), || epoch(&maas).is_some_and(|e| e > old)), "no second attempt came");
    let kept = containers(&maas);
    // YARN may have ended it by now, or do so at this moment.
    let pid = rustix::process::Pid::from_raw(i32::try_from(hung).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::CONT);
    assert!(until(Duration::from_secs(60), || !maas.pids("maas-operator").contains(&hung)), "the old one stays");
    assert_eq!(containers(&maas), kept);

    // A second service on the same tree is refused, and names the first.
    let refused = maas.ctl(&["service", "start"]).bad(&["application_"]);
    assert!(refused.contains("stop"), "{refused}");

    // A NodeManager dies with its containers' processes living on: replaced elsewhere, and the orphans end.
    let doomed = usize::from(maas.cluster.node_id(1).split(':').next() == operator_host(&maas).as_deref());
    let doomed = 1 - doomed;
    let host = maas.cluster.node_id(doomed).split(':').next().unwrap().to_owned();
    maas.cluster.node_manager(doomed).kill().unwrap();
    let gone = until(Duration::from_secs(120), || {
        let urls = urls(&maas);
        urls.len() == 4 && urls.iter().all(|url| !url.contains(&format!("//{host}:")))
    });
    assert!(
        gone,
        "instances of {host} were not replaced: {:?}\n{}",
        urls(&maas),
        maas.ctl(&["describe", "model", "one"]).out
    );
    assert!(until(Duration::from_secs(60), || maas.pids(RUNNER).len() == 4), "orphans stay: {:?}", maas.pids(RUNNER));
    maas.ctl(&["service", "stop"]).good();
}

fn operator_host(maas: &Maas) -> Option<String> {
    let out = maas.ctl(&["service", "status"]).out;
    out.lines().find(|l| l.starts_with("Leader:")).and_then(|l| l.split_whitespace().nth(1)).map(ToOwned::to_owned)
}

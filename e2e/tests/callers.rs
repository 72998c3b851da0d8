//! Callers at full speed through the client library, while everything under them is killed, replaced and scaled: no call
//! fails. MAAS_CALLERS_SECONDS=120 lets the story go on for so long; by itself it goes through each fault once.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use maas_client::{Client, Options, Wanted};
use maas_e2e::Cluster;
use maas_store::Config;
use support::{Maas, RUNNER, epoch, kill, manifest, until};

const CALLERS: usize = 64;
/// More than anything here takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(90);

/// Calls until it is ended, or until a call fails.
async fn call(client: Client, end: Arc<AtomicBool>) -> Result<u64, String> {
    let mut calls = 0;
    while !end.load(Ordering::Relaxed) {
        let answer = client.apply(Wanted::newest("dga"), "apply", &[("host", Some("yahoo.com"))]).await;
        let answer = answer.map_err(|error| format!("call {calls}: {error}"))?;
        if answer["is_malicious"] != "legit" {
            return Err(format!("call {calls}: {answer:?}"));
        }
        calls += 1;
    }
    Ok(calls)
}

async fn until_stale(client: &mut Client, stale: bool) {
    let changed = async {
        while client.is_stale() != stale {
            client.changed().await;
        }
    };
    assert!(tokio::time::timeout(WITHIN, changed).await.is_ok(), "stale is not {stale}: {:?}", client.view());
}

/// Waits until so many endpoints are published, others than these.
fn until_replaced(maas: &Maas, before: &[(String, String)]) {
    let replaced = || {
        let now = maas.endpoints();
        now.len() == before.len() && now != before
    };
    assert!(until(WITHIN, replaced), "{:?} after {before:?}", maas.endpoints());
}

/// Each fault once, and what it broke whole again.
async fn faults(maas: &Maas, client: &mut Client) {
    // A model: started again in place, on another port.
    let before = maas.endpoints();
    kill(maas.pids("dga.py")[0]);
    until_replaced(maas, &before);
    // A runner: another instance takes its place.
    let before = maas.endpoints();
    kill(maas.pids(RUNNER)[0]);
    until_replaced(maas, &before);
    maas.ctl(&["scale", "dga", "--replicas", "5", "--wait"]).good();
    maas.ctl(&["scale", "dga", "--replicas", "3", "--wait"]).good();
    let old = epoch(maas).expect("an operator is ready");
    kill(maas.pids("maas-operator")[0]);
    assert!(until(WITHIN, || epoch(maas).is_some_and(|epoch| epoch > old)), "no operator came back");
    maas.cluster.zookeeper().kill().unwrap();
    until_stale(client, true).await;
    maas.cluster.zookeeper().restart().await.unwrap();
    until_stale(client, false).await;
    // All that run are replaced, one after another; the new operator does it.
    maas.ctl(&["rollout", "restart", "dga"]).good();
    maas.ctl(&["rollout", "status", "dga", "--timeout", "90s"]).good();
    assert!(until(WITHIN, || maas.endpoints().len() == 3), "{:?}", maas.endpoints());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_everything_under_it_is_killed_replaced_and_scaled() {
    let seconds = std::env::var("MAAS_CALLERS_SECONDS").map_or(0, |text| text.parse().expect("a number of seconds"));
    let maas = Maas::without_service(Cluster::builder().node_managers(2)).await;
    maas.start_service();
    let payload = maas.dga().await;
    maas.apply(&manifest("dga", 3, "256Mi", &payload, "")).good();
    maas.until_ready("dga", "3/3");
    // Bounds that say only that there is an end: how fast it is, `make bench` says.
    let options = Options { deadline: WITHIN, connect_timeout: Duration::from_secs(20), ..Options::default() };
    let mut client = Client::open(Config::new(maas.cluster.quorum()), options).await.unwrap();
    let (end, since) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(call(client.clone(), end.clone()))).collect();
    let mut rounds = 0;
    while rounds == 0 || since.elapsed() < Duration::from_secs(seconds) {
        faults(&maas, &mut client).await;
        rounds += 1;
        assert_eq!(client.metrics().failed, 0, "a call failed");
    }
    end.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap().unwrap_or_else(|failed| panic!("{failed}\n{:?}", client.metrics()));
    }
    let metrics = client.metrics();
    assert!(calls > 0 && metrics.failed == 0, "{metrics:?}");
    println!(
        "callers={CALLERS} seconds={} rounds={rounds} calls={calls} failed={} repeated={} ejected={}",
        since.elapsed().as_secs(),
        metrics.failed,
        metrics.repeated,
        metrics.ejected
    );
    maas.ctl(&["service", "stop"]).good();
}

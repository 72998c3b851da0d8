//! Faults of YARN's daemons and of the way to the scheduler.

use std::time::{Duration, Instant};

use anyhow::bail;
use maas_e2e::Weather;
use rustix::process::Signal;

use super::{Step, pause, settled};
use crate::bed::{Bed, STEP};
use crate::procs::{Role, on_node, send};

/// Instances of both models.
const ALL: usize = 5;

/// F8: the node's containers live on, unknown to anybody: replaced elsewhere, and they leave.
pub(crate) async fn node_manager_killed(bed: &Bed) -> anyhow::Result<Step> {
    let node = bed.node_to_harm().await?;
    let since = Instant::now();
    bed.cluster.node_manager(node).kill()?;
    let took = elsewhere(bed, node).await?;
    bed.judge("replaced", took, Duration::from_secs(20));
    bed.until("the orphans have left", STEP, |bed| bed.processes(Role::Runner).len() == ALL).await?;
    let all = since.elapsed();
    bed.cluster.node_manager(node).start().await?;
    bed.cluster.await_node_running(node).await?;
    Ok(Step::Took(all))
}

/// F9: a host that says nothing any more, and closes nothing: all its processes are stopped. No client calls it after the
/// session timeout; and when it runs on, what it held leaves.
pub(crate) async fn host_silent(bed: &Bed) -> anyhow::Result<Step> {
    let node = bed.node_to_harm().await?;
    let host = url_of(bed, node);
    let since = Instant::now();
    bed.cluster.node_manager(node).pause()?;
    let stopped = on_node(bed.cluster.dir(), &format!("nm{}", node + 1));
    for pid in &stopped {
        send(*pid, Signal::STOP)?;
    }
    let unserved = |bed: &Bed| bed.calls.urls().iter().all(|url| !url.contains(&host));
    bed.until("no client calls the host", STEP, unserved).await?;
    let took = since.elapsed();
    elsewhere(bed, node).await?;
    bed.cluster.node_manager(node).resume()?;
    for pid in stopped {
        // Those that the NodeManager ended meanwhile are gone.
        drop(send(pid, Signal::CONT));
    }
    bed.cluster.await_node_running(node).await?;
    Ok(Step::Took(took))
}

/// F10: with recovery; nothing is unpublished or started anew.
pub(crate) async fn node_manager_restart(bed: &Bed) -> anyhow::Result<Step> {
    let node = bed.node_to_harm().await?;
    let state = |bed: &Bed| (bed.view.borrow().endpoints(), bed.processes(Role::Runner).len());
    let before = state(bed);
    bed.cluster.node_manager(node).restart().await?;
    let since = Instant::now();
    bed.cluster.await_node_running(node).await?;
    pause(2.0).await;
    if state(bed) != before {
        bed.findings.add(format!("{:?} became {:?}", before, state(bed)));
    }
    Ok(Step::Since(since))
}

/// F11: work-preserving; an edit made meanwhile is followed.
pub(crate) async fn resource_manager_restart(bed: &Bed) -> anyhow::Result<Step> {
    bed.cluster.resource_manager().kill()?;
    bed.scale("two", 3).await?;
    bed.cluster.resource_manager().start().await?;
    let since = Instant::now();
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.cluster.await_ready().await?;
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// F13: a ResourceManager that has forgotten everything ends the containers; the specs are there for the next service.
pub(crate) async fn resource_manager_forgets(bed: &Bed) -> anyhow::Result<Step> {
    let site = bed.cluster.conf_dir().join("yarn-site.xml");
    let text = std::fs::read_to_string(&site)?;
    let name = "<name>yarn.resourcemanager.recovery.enabled</name><value>";
    let changed = text.replace(&format!("{name}true"), &format!("{name}false"));
    if changed == text {
        bail!("no recovery to switch off in {}", site.display());
    }
    bed.cluster.resource_manager().kill()?;
    std::fs::write(&site, changed)?;
    bed.cluster.resource_manager().start().await?;
    let since = Instant::now();
    let told = |bed: &Bed| bed.view.borrow().leader().is_none();
    bed.until("the tree says that nobody leads", STEP, told).await?;
    let took = since.elapsed();
    bed.until("the containers are ended", STEP, |bed| bed.processes(Role::Runner).is_empty()).await?;
    bed.cluster.await_ready().await?;
    bed.start_service().await?;
    Ok(Step::Took(took))
}

/// F16: operator and scheduler can't reach each other; an edit made meanwhile is followed afterwards, nothing is ended.
pub(crate) async fn scheduler_cut(bed: &Bed, seconds: f64) -> anyhow::Result<Step> {
    let before = bed.processes(Role::Runner).len();
    bed.scheduler.set("", Weather::Stall);
    bed.scale("two", 3).await?;
    pause(seconds).await;
    let now = bed.processes(Role::Runner).len();
    if now < before {
        bed.findings.add(format!("of {before} runners {now} were left while the scheduler was away"));
    }
    bed.scheduler.clear();
    let since = Instant::now();
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// F23: more is wanted than there is; it says so, others are followed meanwhile, and what fits comes when there is space.
pub(crate) async fn full(bed: &Bed) -> anyhow::Result<Step> {
    let text = bed.dga("greedy", 6).replace("memory: 128Mi", "memory: 2500Mi");
    bed.put("greedy", &text).await?;
    bed.until("it says so", STEP, |bed| bed.view.borrow().says("greedy", "InsufficientCapacity")).await?;
    bed.scale("two", 3).await?;
    let took = bed.until("another is followed", STEP, |bed| bed.view.borrow().served("two") == 3).await?;
    bed.judge("another model's new instance", took, Duration::from_secs(4));
    bed.scale("two", 2).await?;
    let since = Instant::now();
    bed.put("greedy", &text.replace("replicas: 6", "replicas: 1")).await?;
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.delete("greedy").await?;
    Ok(Step::Took(took))
}

/// F27: keys are rolled every 61 s here; after three rolls all that needs a token still works.
pub(crate) async fn tokens_rolled(bed: &Bed) -> anyhow::Result<Step> {
    let log = std::fs::read_to_string(bed.cluster.resource_manager().log_path())?;
    let rolls =
        |whose: &str| log.lines().filter(|line| line.contains(whose) && line.contains("Rolling master-key")).count();
    let managers = ["AMRMTokenSecretManager", "RMContainerTokenSecretManager", "NMTokenSecretManagerInRM"];
    // One of each at every start of the ResourceManager.
    if managers.iter().any(|whose| rolls(whose) < 4) {
        return Ok(Step::Skipped("fewer-than-three-rolls-yet"));
    }
    let since = Instant::now();
    bed.scale("two", 3).await?;
    settled(bed).await?;
    super::operator::kill(bed).await?;
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// F33: a node calls itself sick: what runs there is moved.
pub(crate) async fn node_sick(bed: &Bed) -> anyhow::Result<Step> {
    let node = bed.node_to_harm().await?;
    let sick = bed.scratch.path().join(format!("sick-conf-nm{}", node + 1));
    std::fs::write(&sick, "ERROR disks are full\n")?;
    let took = elsewhere(bed, node).await;
    std::fs::remove_file(&sick)?;
    Ok(Step::Took(took?))
}

/// F34: what the scheduler says comes broken; an edit is followed all the same.
pub(crate) async fn scheduler_weather(bed: &Bed, weather: Weather) -> anyhow::Result<Step> {
    let since = Instant::now();
    bed.scheduler.set("", weather);
    bed.scale("two", 3).await?;
    let end = settled(bed).await;
    bed.scheduler.clear();
    let took = end?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// Waits until all instances are served from other nodes.
pub(super) async fn elsewhere(bed: &Bed, node: usize) -> anyhow::Result<Duration> {
    let host = url_of(bed, node);
    let moved = |bed: &Bed| {
        let endpoints = bed.view.borrow().endpoints();
        endpoints.len() == ALL && endpoints.values().all(|endpoint| !endpoint.url.contains(&host))
    };
    bed.until("all are served from elsewhere", STEP, moved).await
}

/// How the URLs of a node's models begin.
fn url_of(bed: &Bed, node: usize) -> String {
    format!("//{}:", bed.host(node))
}

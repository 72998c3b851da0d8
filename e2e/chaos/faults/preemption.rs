//! F24: another queue takes back what it is owed.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hadoop_yarn::{ApplicationId, LaunchContext, Resource, RmClient, Submission};
use maas_e2e::Cluster;
use rustix::process::Signal;

use super::{Step, settled};
use crate::bed::{Bed, STEP};
use crate::procs::send;

/// Instances of `two`, of 1 GiB each: with the rest, two thirds of the cluster, of which half is owed to our queue.
const WANTED: u32 = 8;
/// The stranger's masters, of 1 GiB each: all that is owed to its queue.
const STRANGERS: usize = 6;
/// What of it must have come, in MiB, before the stranger leaves again. Its last masters may find no node with a whole GiB.
const TAKEN: u64 = 3 * 1024;
/// From the first word to the kill the policy here waits 8 s.
const IN_TIME: Duration = Duration::from_secs(25);

/// The scheduler says ahead whose containers it will take: they are drained first, and come back with the room.
pub(crate) async fn with_a_word(bed: &Bed) -> anyhow::Result<Step> {
    grow(bed).await?;
    let since = Instant::now();
    let stranger = Stranger::come(bed).await?;
    let taken = stranger.has_room(bed).await;
    let said = preempted(bed, "drained first").await;
    bed.judge("the other queue's room", since.elapsed(), IN_TIME);
    let full = bed.until("it says so", STEP, |bed| bed.view.borrow().says("two", "InsufficientCapacity")).await;
    let leaves = stranger.leave().await;
    taken.and(said).and(full)?;
    come_back(bed, leaves?).await
}

/// The operator hears nothing of it until it is over: what was taken is no failure of the model's.
pub(crate) async fn unheard(bed: &Bed) -> anyhow::Result<Step> {
    grow(bed).await?;
    let operator = bed.operator()?.pid;
    send(operator, Signal::STOP)?;
    let stranger = Stranger::come(bed).await?;
    let taken = stranger.has_room(bed).await;
    send(operator, Signal::CONT)?;
    let said = preempted(bed, "with status -102").await;
    let leaves = stranger.leave().await;
    taken.and(said)?;
    come_back(bed, leaves?).await
}

/// Makes `two` larger than what is owed to its queue.
async fn grow(bed: &Bed) -> anyhow::Result<()> {
    bed.put("two", &bed.dga("two", WANTED).replace("memory: 128Mi", "memory: 1Gi")).await?;
    settled(bed).await.map(drop)
}

/// Waits until all are back, counted from when the stranger left; then `two` is as it was.
async fn come_back(bed: &Bed, since: Instant) -> anyhow::Result<Step> {
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// Waits until `two` has lost instances and its events say so in these words; and that nothing calls them failures.
async fn preempted(bed: &Bed, words: &str) -> anyhow::Result<()> {
    bed.until("instances are taken", STEP, |bed| bed.view.borrow().served("two") < WANTED as usize).await?;
    let end = Instant::now() + STEP;
    loop {
        let (_, events) = bed.ctl(&["events", "two"]).await?;
        if events.contains("Preempted") && events.contains(words) {
            break;
        }
        if Instant::now() > end {
            bail!("no event has the words {words:?}: {events}");
        }
        super::pause(0.2).await;
    }
    let told = bed.told("two");
    if told.iter().any(|one| {
        one.starts_with("ReplicaFailure") && !one.contains("InsufficientCapacity") && !one.contains("AsExpected")
    }) {
        bed.findings.add(format!("preemption is told as a failure: {told:?}"));
    }
    Ok(())
}

/// Somebody else's applications in the other queue.
struct Stranger {
    client: RmClient,
    applications: Vec<ApplicationId>,
}

impl Stranger {
    async fn come(bed: &Bed) -> anyhow::Result<Self> {
        let conf = hadoop_rpc::Conf::load(&bed.cluster.conf_dir())?;
        let client = RmClient::new(hadoop_yarn::config::rm_addresses(&conf)?, "root", Duration::from_secs(20));
        let mut applications = Vec::new();
        for _ in 0..STRANGERS {
            let (id, _) = client.new_application().await?;
            let submission = Submission {
                id,
                name: "stranger".to_owned(),
                kind: "STRANGER".to_owned(),
                queue: "other".to_owned(),
                resource: Resource::new(1024, 1),
                launch: LaunchContext { command: "exec sleep 3600".to_owned(), ..LaunchContext::default() },
                ..Submission::default()
            };
            client.submit(&submission).await?;
            applications.push(id);
        }
        Ok(Self { client, applications })
    }

    /// Waits until the other queue has most of what it asked for.
    async fn has_room(&self, bed: &Bed) -> anyhow::Result<()> {
        let end = Instant::now() + STEP;
        loop {
            let taken = allocated_mb(&bed.cluster).await;
            if taken.as_ref().is_ok_and(|taken| *taken >= TAKEN) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("the stranger got no room: {taken:?} MiB");
            }
            super::pause(0.1).await;
        }
    }

    /// Ends them all, and says when the last one was gone.
    async fn leave(&self) -> anyhow::Result<Instant> {
        for id in &self.applications {
            let end = Instant::now() + STEP;
            while !self.client.kill(*id, "it was only a test").await? {
                if Instant::now() > end {
                    bail!("{id} does not end");
                }
                super::pause(0.1).await;
            }
        }
        Ok(Instant::now())
    }
}

/// What the applications of the other queue have, in MiB.
async fn allocated_mb(cluster: &Cluster) -> anyhow::Result<u64> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    let url = format!("{}/ws/v1/cluster/apps?queue=other", cluster.rm_http());
    let said: serde_json::Value = http.get(url).send().await?.error_for_status()?.json().await?;
    let all = said.pointer("/apps/app").and_then(serde_json::Value::as_array).context("no applications")?;
    let has = |one: &serde_json::Value| one.get("allocatedMB").and_then(serde_json::Value::as_i64);
    Ok(all.iter().filter_map(has).filter_map(|mb| u64::try_from(mb).ok()).sum())
}

//! Faults of YARN's daemons.

use std::time::{Duration, Instant};

use super::Step;
use crate::bed::{Bed, STEP};

/// F8: the node's containers live on, unknown to anybody: replaced elsewhere, and they leave.
pub(crate) async fn node_manager_killed(bed: &Bed) -> anyhow::Result<Step> {
    let node = bed.node_to_harm()?;
    let host = format!("//{}:", bed.host(node));
    let since = Instant::now();
    bed.cluster.node_manager(node).kill()?;
    let wanted: usize = 5;
    let replaced = |bed: &Bed| {
        let endpoints = bed.view.borrow().endpoints();
        endpoints.len() == wanted && endpoints.values().all(|endpoint| !endpoint.url.contains(&host))
    };
    let took = bed.until("all are served from elsewhere", STEP, replaced).await?;
    bed.judge("replaced", took, Duration::from_secs(20));
    bed.until("the orphans have left", STEP, |bed| bed.processes(crate::procs::Role::Runner).len() == wanted).await?;
    let all = since.elapsed();
    bed.cluster.node_manager(node).start().await?;
    bed.cluster.await_node_running(node).await?;
    Ok(Step::Took(all))
}

/// F11: work-preserving; an edit made meanwhile is followed.
pub(crate) async fn resource_manager_restart(bed: &Bed) -> anyhow::Result<Step> {
    bed.cluster.resource_manager().kill()?;
    bed.scale("two", 3).await?;
    bed.cluster.resource_manager().start().await?;
    let since = Instant::now();
    let took = super::settled(bed).await?.saturating_duration_since(since);
    bed.cluster.await_ready().await?;
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

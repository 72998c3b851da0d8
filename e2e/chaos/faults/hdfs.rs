//! Faults of HDFS and of what lies in it.

use std::time::{Duration, Instant};

use super::{Step, settled};
use crate::bed::{Bed, STEP, manifest};

/// F21: what runs goes on; a new model waits, says why, and comes by itself.
pub(crate) async fn name_node_down(bed: &Bed) -> anyhow::Result<Step> {
    bed.cluster.name_node().kill()?;
    bed.put("late", &bed.dga("late", 1)).await?;
    let said = bed.until("it says why", STEP, |bed| bed.view.borrow().says("late", "PayloadUnavailable")).await;
    bed.cluster.name_node().start().await?;
    let since = Instant::now();
    said?;
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.delete("late").await?;
    Ok(Step::Took(took))
}

/// F21: one that takes connections and says nothing, while an edit asks nothing of it.
pub(crate) async fn name_node_hung(bed: &Bed) -> anyhow::Result<Step> {
    bed.cluster.name_node().pause()?;
    bed.put("late", &bed.dga("late", 1)).await?;
    bed.scale("two", 1).await?;
    let followed = bed.until("another is followed", STEP, |bed| bed.view.borrow().served("two") == 1).await;
    bed.cluster.name_node().resume()?;
    let since = Instant::now();
    bed.judge("an edit of another", followed?, Duration::from_secs(3));
    bed.scale("two", 2).await?;
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.delete("late").await?;
    Ok(Step::Took(took))
}

/// F21: the payload's blocks can't be read; the start fails, and comes by itself.
pub(crate) async fn data_node_down(bed: &Bed) -> anyhow::Result<Step> {
    let payload = copy(bed, "blocks").await?;
    bed.cluster.data_node().kill()?;
    bed.put("late", &manifest("late", 1, &payload, "128Mi", "  terminationGracePeriod: 2s\n")).await?;
    super::pause(5.0).await;
    bed.cluster.data_node().start().await?;
    let since = Instant::now();
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.delete("late").await?;
    Ok(Step::Took(took))
}

/// F22: a payload is changed after it was taken: told, not taken silently, and what serves serves on.
pub(crate) async fn payload_changed(bed: &Bed) -> anyhow::Result<Step> {
    let payload = copy(bed, "pinned").await?;
    let wants = |replicas| manifest("pinned", replicas, &payload, "128Mi", "  terminationGracePeriod: 2s\n");
    bed.put("pinned", &wants(1)).await?;
    settled(bed).await?;
    let endpoints = bed.view.borrow().endpoints();
    bed.upload("pinned", &[("rest.sh", "#!/bin/sh\n# another one\nexit 1\n")]).await?;
    bed.put("pinned", &wants(2)).await?;
    let said = bed.until("it says so", STEP, |bed| bed.view.borrow().says("pinned", "PayloadChanged")).await;
    if bed.view.borrow().endpoints() != endpoints {
        bed.findings.add("endpoints changed with the payload".to_owned());
    }
    bed.delete("pinned").await?;
    Ok(Step::Took(said?))
}

/// A payload of its own, with the mock model.
async fn copy(bed: &Bed, name: &str) -> anyhow::Result<String> {
    let dga = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/mock_dga/dga.py"))?;
    bed.upload(name, &[("rest.sh", "#!/bin/sh\nexec python3 -I -S dga.py\n"), ("dga.py", &dga)]).await
}

//! Faults of models and their runners.

use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::Signal;

use super::{Step, settled};
use crate::bed::{Bed, STEP, manifest};
use crate::procs::{in_container, send};

/// F5: unpublished within a second, started again in its container.
pub(crate) async fn killed(bed: &Bed) -> anyhow::Result<Step> {
    let (model, instance, _) = bed.victim("one")?;
    let old = bed.view.borrow().endpoints().get(&instance).map(|endpoint| endpoint.since_ms);
    let since = Instant::now();
    send(model.pid, Signal::KILL)?;
    let is_old = |bed: &Bed| bed.view.borrow().endpoints().get(&instance).map(|one| one.since_ms) == old;
    let took = bed.until("the endpoint is gone", STEP, |bed| !is_old(bed)).await?;
    bed.judge("unpublished", took, Duration::from_secs(1));
    Ok(Step::Since(since))
}

/// F5: a model that does not answer is served no longer, and again when it does.
pub(crate) async fn hung(bed: &Bed) -> anyhow::Result<Step> {
    let (model, instance, _) = bed.victim("one")?;
    send(model.pid, Signal::STOP)?;
    let gone = |bed: &Bed| !bed.view.borrow().endpoints().contains_key(&instance);
    let took = bed.until("the endpoint is gone", STEP, gone).await;
    send(model.pid, Signal::CONT)?;
    Ok(Step::Took(took?))
}

/// F6: the NodeManager ends the model, and another instance comes.
pub(crate) async fn runner_killed(bed: &Bed) -> anyhow::Result<Step> {
    let (model, instance, _) = bed.victim("one")?;
    let runners = bed.runners("one");
    let since = Instant::now();
    for runner in runners.iter().filter(|runner| runner.container() == model.container()) {
        send(runner.pid, Signal::KILL)?;
    }
    let gone = |bed: &Bed| !bed.view.borrow().endpoints().contains_key(&instance);
    let took = bed.until("the endpoint is gone", STEP, gone).await?;
    bed.judge("unpublished", took, Duration::from_secs(7));
    bed.until("the model is gone", STEP, |_| send(model.pid, Signal::CONT).is_err()).await?;
    Ok(Step::Since(since))
}

/// Takes 500 MB in a container of 128.
const HUNGRY: &str = "#!/bin/sh\nexec python3 -c 'x = b\"x\" * 500_000_000; import time; time.sleep(1000)'\n";
/// Ten megabytes on an output that nobody reads, and a daemon that leaves the session.
const LOUD: &str =
    "#!/bin/sh\nhead -c 10000000 /dev/zero | tr '\\0' x\nsetsid sleep 1000 &\nexec python3 -I -S dga.py\n";

/// F5: more memory than asked for; the NodeManager ends it, its condition says so, and the others don't notice.
pub(crate) async fn out_of_memory(bed: &Bed) -> anyhow::Result<Step> {
    let payload = bed.upload("hungry", &[("run.sh", HUNGRY)]).await?;
    bed.put("hungry", &manifest("hungry", 1, &payload, "128Mi", "")).await?;
    let said = |bed: &Bed| bed.view.borrow().says("hungry", "memory");
    let took = bed.until("a condition speaks of memory", STEP / 3, said).await;
    let took = took.with_context(|| format!("conditions: {:?}", bed.told("hungry")));
    bed.delete("hungry").await?;
    Ok(Step::Took(took?))
}

/// F7: it never blocks, and its whole tree goes.
pub(crate) async fn loud(bed: &Bed) -> anyhow::Result<Step> {
    let dga = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/mock_dga/dga.py"))?;
    let payload = bed.upload("loud", &[("run.sh", LOUD), ("dga.py", &dga)]).await?;
    bed.put("loud", &manifest("loud", 1, &payload, "128Mi", "  terminationGracePeriod: 2s\n")).await?;
    settled(bed).await?;
    let (model, _, _) = bed.victim("loud")?;
    let container = model.container().unwrap_or_default();
    let since = Instant::now();
    bed.delete("loud").await?;
    bed.until("its processes are gone", STEP, |_| in_container(&container).is_empty()).await?;
    Ok(Step::Took(since.elapsed()))
}

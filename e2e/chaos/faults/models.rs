//! Faults of models and their runners.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Step;
use crate::bed::{Bed, STEP};
use crate::procs::send;

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

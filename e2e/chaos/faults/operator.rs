//! Faults of the operator.

use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::Signal;

use super::Step;
use crate::bed::{Bed, STEP};
use crate::procs::{Role, send};

/// F1: the next attempt takes over what runs.
pub(crate) async fn killed(bed: &Bed) -> anyhow::Result<Step> {
    let epoch = bed.epoch().context("no operator is ready")?;
    let running = bed.processes(Role::Runner).len();
    let pids = pids(bed, Role::Runner);
    send(bed.operator()?.pid, Signal::KILL)?;
    let took = bed.next_operator(epoch).await?;
    // Two ends within a second end an application, by the failure window that the service is submitted with.
    super::pause(1.2).await;
    if pids != pids_now(bed) {
        bed.findings.add(format!("of {running} runners some were restarted"));
    }
    Ok(Step::Took(took))
}

/// F3: a hung operator is superseded; when it runs on, it changes nothing and leaves.
pub(crate) async fn hung(bed: &Bed) -> anyhow::Result<Step> {
    let epoch = bed.epoch().context("no operator is ready")?;
    let runners = pids(bed, Role::Runner);
    let hung = bed.operator()?.pid;
    send(hung, Signal::STOP)?;
    let took = bed.next_operator(epoch).await?;
    // The NodeManager may have ended it already.
    drop(send(hung, Signal::CONT));
    let left = |bed: &Bed| !pids(bed, Role::Operator).contains(&hung);
    bed.until("the old operator has left", STEP, left).await?;
    if runners != pids_now(bed) {
        bed.findings.add("runners were restarted".to_owned());
    }
    Ok(Step::Took(took))
}

fn pids(bed: &Bed, role: Role) -> Vec<u32> {
    let mut pids: Vec<u32> = bed.processes(role).into_iter().map(|process| process.pid).collect();
    pids.sort_unstable();
    pids
}

fn pids_now(bed: &Bed) -> Vec<u32> {
    pids(bed, Role::Runner)
}

//! The faults, in the order in which they are tried.

mod models;
mod operator;
mod yarn;
mod zookeeper;

use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::bed::Bed;
use crate::procs;

/// From when the time of a fault is counted.
pub(crate) enum Step {
    /// Until all is well, from then on.
    Since(Instant),
    /// What was measured by the fault itself; all being well comes after it, without a bound.
    Took(Duration),
    /// This machine or this build can't.
    Skipped(&'static str),
}

/// What an injection leads to.
pub(crate) type Injected<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Step>> + 'a>>;

/// One fault.
pub(crate) struct Fault {
    /// As in the fault matrix.
    pub(crate) number: &'static str,
    pub(crate) name: &'static str,
    /// Seconds.
    pub(crate) bound: f64,
    /// Requests that may fail after one retry.
    pub(crate) allowed: u64,
    /// Among the most telling.
    pub(crate) quick: bool,
    pub(crate) skipped: Option<&'static str>,
    pub(crate) inject: for<'a> fn(&'a mut Bed) -> Injected<'a>,
}

const fn fault(
    number: &'static str,
    name: &'static str,
    bound: f64,
    inject: for<'a> fn(&'a mut Bed) -> Injected<'a>,
) -> Fault {
    Fault { number, name, bound, allowed: 0, quick: false, skipped: None, inject }
}

const fn quick(mut fault: Fault) -> Fault {
    fault.quick = true;
    fault
}

/// A fault that can't be tried here.
const fn skipped(number: &'static str, name: &'static str, reason: &'static str) -> Fault {
    let mut fault = fault(number, name, 0.0, |_| Box::pin(async { Ok(Step::Skipped("")) }));
    fault.skipped = Some(reason);
    fault
}

/// All of them.
pub(crate) const FAULTS: &[Fault] = &[
    quick(fault("F1", "operator-killed", 1.0, |bed| Box::pin(operator::killed(bed)))),
    quick(fault("F3", "operator-hung", 20.0, |bed| Box::pin(operator::hung(bed)))),
    quick(fault("F5", "model-killed", 10.0, |bed| Box::pin(models::killed(bed)))),
    fault("F5", "model-hung", 6.0, |bed| Box::pin(models::hung(bed))),
    quick(fault("F6", "runner-killed", 12.0, |bed| Box::pin(models::runner_killed(bed)))),
    quick(fault("F8", "nm-killed", 30.0, |bed| Box::pin(yarn::node_manager_killed(bed)))),
    skipped("F12", "rm-failover", "one-resourcemanager"),
    quick(fault("F11", "rm-restart", 15.0, |bed| Box::pin(yarn::resource_manager_restart(bed)))),
    quick(fault("F14", "zk-restart", 3.0, |bed| Box::pin(zookeeper::restart(bed)))),
    fault("F15", "session-expired-operator", 3.0, |bed| Box::pin(zookeeper::expired(bed, "operator:"))),
    fault("F15", "session-expired-runner", 3.0, |bed| Box::pin(zookeeper::expired(bed, "runner:"))),
    fault("F15", "session-expired-client", 3.0, |bed| Box::pin(zookeeper::expired(bed, "self:"))),
    quick(fault("F16", "zk-cut-operator", 3.0, |bed| Box::pin(zookeeper::cut(bed, "operator:")))),
];

/// Ends whatever a fault that broke off may have left.
pub(crate) async fn heal(bed: &Bed) {
    bed.zookeeper.clear();
    bed.scheduler.clear();
    for process in procs::scan(bed.cluster.dir()) {
        // One that is gone needs no help.
        drop(procs::send(process.pid, rustix::process::Signal::CONT));
    }
    for daemon in bed.cluster.daemons() {
        let healed = if daemon.pid().is_some() { daemon.resume() } else { daemon.start().await };
        if let Err(error) = healed {
            eprintln!("  {}: {error}", daemon.name());
        }
    }
}

/// Waits until all is as wanted in the middle of a fault.
async fn settled(bed: &Bed) -> anyhow::Result<Instant> {
    crate::converge::converge(bed, crate::bed::STEP).await.map_err(anyhow::Error::msg)
}

async fn pause(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

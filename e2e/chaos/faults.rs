//! The faults, in the order in which they are tried.

mod clock;
mod decommission;
mod ensemble;
mod hdfs;
mod models;
mod operator;
mod preemption;
mod specs;
mod yarn;
mod zookeeper;

use std::pin::Pin;
use std::time::{Duration, Instant};

use maas_e2e::Weather;

use crate::bed::{Bed, MODELS, Shape};
use crate::procs;
use ensemble::Whose;

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
    /// The bed that it needs.
    pub(crate) shape: Shape,
    pub(crate) inject: for<'a> fn(&'a mut Bed) -> Injected<'a>,
}

const fn fault(
    number: &'static str,
    name: &'static str,
    bound: f64,
    inject: for<'a> fn(&'a mut Bed) -> Injected<'a>,
) -> Fault {
    Fault { number, name, bound, allowed: 0, quick: false, skipped: None, shape: Shape::Usual, inject }
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

/// Whole models may stand on what is harmed: requests may fail until they are replaced.
const fn harmful(mut fault: Fault) -> Fault {
    fault.allowed = u64::MAX;
    fault
}

/// On the large bed.
const fn large(mut fault: Fault) -> Fault {
    fault.shape = Shape::Large;
    fault
}

/// All of them. The last ones of the usual bed end its service; those of the large one come after them.
pub(crate) const FAULTS: &[Fault] = &[
    quick(fault("F1", "operator-killed", 1.0, |bed| Box::pin(operator::killed(bed)))),
    fault("F2", "operator-killed-at-12-effects", 8.0, |bed| Box::pin(operator::killed_at_effects(bed))),
    quick(fault("F3", "operator-hung", 20.0, |bed| Box::pin(operator::hung(bed)))),
    fault("F4", "operator-killed-thrice", 8.0, |bed| Box::pin(operator::killed_thrice(bed))),
    quick(fault("F5", "model-killed", 10.0, |bed| Box::pin(models::killed(bed)))),
    fault("F5", "model-hung", 6.0, |bed| Box::pin(models::hung(bed))),
    fault("F5", "model-out-of-memory", 20.0, |bed| Box::pin(models::out_of_memory(bed))),
    quick(fault("F6", "runner-killed", 12.0, |bed| Box::pin(models::runner_killed(bed)))),
    fault("F7", "model-loud-with-daemon", 10.0, |bed| Box::pin(models::loud(bed))),
    quick(harmful(fault("F8", "nm-killed", 30.0, |bed| Box::pin(yarn::node_manager_killed(bed))))),
    harmful(fault("F9", "host-silent", 7.0, |bed| Box::pin(yarn::host_silent(bed)))),
    fault("F10", "nm-restart", 15.0, |bed| Box::pin(yarn::node_manager_restart(bed))),
    quick(fault("F11", "rm-restart", 15.0, |bed| Box::pin(yarn::resource_manager_restart(bed)))),
    quick(fault("F14", "zk-restart", 3.0, |bed| Box::pin(zookeeper::restart(bed)))),
    fault("F15", "session-expired-operator", 3.0, |bed| Box::pin(zookeeper::expired(bed, "operator:"))),
    fault("F15", "session-expired-runner", 3.0, |bed| Box::pin(zookeeper::expired(bed, "runner:"))),
    fault("F15", "session-expired-client", 3.0, |bed| Box::pin(zookeeper::expired(bed, "self:"))),
    quick(fault("F16", "zk-silent-operator", 3.0, |bed| Box::pin(zookeeper::away(bed, "operator:", Weather::Stall)))),
    fault("F16", "zk-silent-runner", 3.0, |bed| Box::pin(zookeeper::away(bed, "runner:", Weather::Stall))),
    fault("F16", "zk-silent-client", 3.0, |bed| Box::pin(zookeeper::away(bed, "self:", Weather::Stall))),
    // Refused for 4 s, ZooKeeper's client doubles its pauses: the next try comes up to 3.3 s later.
    fault("F16", "zk-refused-operator", 5.0, |bed| Box::pin(zookeeper::away(bed, "operator:", Weather::Cut))),
    fault("F16", "rm-stalled-8s", 5.0, |bed| Box::pin(yarn::scheduler_cut(bed, 8.0))),
    // Longer than the operator's expiry: attempts come and can't register.
    fault("F16", "rm-stalled-30s", 20.0, |bed| Box::pin(yarn::scheduler_cut(bed, 30.0))),
    fault("F17", "zk-down-20s", 5.0, |bed| Box::pin(zookeeper::down(bed))),
    fault("F18", "zk-slow", 5.0, |bed| Box::pin(zookeeper::slow(bed))),
    fault("F18", "zk-stutters", 5.0, |bed| Box::pin(zookeeper::stutters(bed))),
    fault("F19", "operator-answers-lost", 5.0, |bed| Box::pin(zookeeper::operator_answers_lost(bed))),
    fault("F19", "runner-answers-lost", 5.0, |bed| Box::pin(zookeeper::runner_answers_lost(bed))),
    fault("F19", "take-over-answer-lost", 5.0, |bed| Box::pin(zookeeper::take_over_answer_lost(bed))),
    fault("F21", "nn-down", 35.0, |bed| Box::pin(hdfs::name_node_down(bed))),
    fault("F21", "nn-hung", 35.0, |bed| Box::pin(hdfs::name_node_hung(bed))),
    fault("F21", "dn-down", 60.0, |bed| Box::pin(hdfs::data_node_down(bed))),
    fault("F22", "payload-changed", 10.0, |bed| Box::pin(hdfs::payload_changed(bed))),
    fault("F23", "cluster-full", 5.0, |bed| Box::pin(yarn::full(bed))),
    fault("F25", "node-decommissioning", 30.0, |bed| Box::pin(decommission::in_time(bed))),
    harmful(fault("F25", "node-decommissioned", 15.0, |bed| Box::pin(decommission::at_once(bed)))),
    fault("F28", "spec-unreadable", 1.0, |bed| Box::pin(specs::unreadable(bed))),
    // 800 processes of the command line on two cores, under load.
    fault("F29", "16-writers-50-edits", 180.0, |bed| Box::pin(specs::many_writers(bed))),
    fault("F30", "foreign-nodes", 5.0, |bed| Box::pin(specs::foreign_nodes(bed))),
    fault("F30", "epoch-deleted", 10.0, |bed| Box::pin(specs::epoch_deleted(bed))),
    fault("F31", "oversized-spec", 5.0, |bed| Box::pin(specs::oversized(bed))),
    skipped("F32", "10000-models", "measured-by-make-bench"),
    harmful(fault("F33", "node-sick", 15.0, |bed| Box::pin(yarn::node_sick(bed)))),
    fault("F34", "rm-answer-torn", 10.0, |bed| Box::pin(yarn::scheduler_weather(bed, Weather::Tear))),
    fault("F34", "rm-answer-garbled", 10.0, |bed| Box::pin(yarn::scheduler_weather(bed, Weather::Garble))),
    fault("F34", "rm-answers-drip", 10.0, |bed| {
        Box::pin(yarn::scheduler_weather(bed, Weather::Drip(Duration::from_millis(1))))
    }),
    skipped("F35", "kerberos", "not-built"),
    fault("F36", "two-services", 60.0, |bed| Box::pin(operator::two_services(bed))),
    fault("F26", "clock-jump", 10.0, |bed| Box::pin(clock::jumps(bed))),
    fault("F37", "upgrade", 8.0, |bed| Box::pin(operator::upgraded(bed))),
    fault("F27", "tokens-rolled", 15.0, |bed| Box::pin(yarn::tokens_rolled(bed))),
    harmful(fault("F4", "operator-given-up", 5.0, |bed| Box::pin(operator::given_up(bed)))),
    harmful(fault("F13", "rm-forgets", 15.0, |bed| Box::pin(yarn::resource_manager_forgets(bed)))),
    large(fault("F24", "preemption", 10.0, |bed| Box::pin(preemption::with_a_word(bed)))),
    large(fault("F24", "preemption-unheard", 10.0, |bed| Box::pin(preemption::unheard(bed)))),
    large(fault("F12", "rm-failover", 20.0, |bed| Box::pin(ensemble::active_killed(bed)))),
    large(fault("F12", "rm-failover-back", 20.0, |bed| Box::pin(ensemble::active_killed(bed)))),
    large(fault("F20", "zk-server-of-operator-lags", 5.0, |bed| Box::pin(ensemble::server_lags(bed, Whose::Operator)))),
    large(fault("F20", "zk-server-of-runner-lags", 5.0, |bed| Box::pin(ensemble::server_lags(bed, Whose::Runner)))),
    large(fault("F20", "zk-server-of-client-lags", 5.0, |bed| Box::pin(ensemble::server_lags(bed, Whose::Client)))),
    large(fault("F20", "zk-leader-killed", 5.0, |bed| Box::pin(ensemble::leader_killed(bed)))),
];

/// Kills the operator until every node has held it: the first start on a node also brings the binary there.
pub(crate) async fn warm_up(bed: &Bed) -> anyhow::Result<()> {
    let mut held = std::collections::BTreeSet::new();
    for _ in 0..8 {
        held.insert(bed.operator()?.node(bed.cluster.dir()));
        if held.len() == 3 {
            break;
        }
        operator::kill(bed).await?;
        pause(1.2).await;
    }
    settled(bed).await.map(drop)
}

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
    for (name, replicas) in MODELS {
        if let Err(error) = bed.scale(name, replicas).await {
            eprintln!("  {name}: {error:#}");
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

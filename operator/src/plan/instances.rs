//! The end of instances: revoke, unpublish, drain, signal, stop, delete.
//!
//! ```text
//! version 0 ──stop──► stopping ──runner drains──► container ended ──► record deleted
//!                        │ 2 s: SIGTERM by the NodeManager
//!                        │ grace + 5 s: stopContainers
//! ```

use maas_crd::Iid;
use maas_store::{EventKind, Op};

use super::observed::{Container, Ended, Instance, Memory, Observed, Stopping};
use super::tree::Paths;
use super::{Act, Context, Plan, Time, is_live};
use crate::seeded::{Bug, seeded};

/// How long a runner may take to notice that it is revoked, before the NodeManager signals it.
const SIGNAL_AFTER: u64 = 2_000;
/// How long after the end of its grace a container is stopped.
const STOP_AFTER: u64 = 5_000;
/// How long a runner may be away before its NodeManager is asked after the container, and again after that.
const LOOK_AFTER: u64 = 30_000;
/// The reason of events about containers that another queue is owed.
pub(super) const PREEMPTED: &str = "Preempted";
/// Grace of an instance whose revision is not known.
const DEFAULT_GRACE: u64 = 30_000;

/// A record that an earlier attempt wrote and that neither YARN nor a runner knows: never started, or ended unseen.
pub(super) fn is_abandoned(instance: &Instance, iid: Iid, epoch: u32) -> bool {
    !seeded(Bug::AbandonedKept)
        && iid.epoch() != epoch
        && instance.runner.is_none()
        && matches!(instance.container, Container::None(_))
}

/// Moves every instance that is not to live one step nearer to its end.
pub(super) fn settle(
    plan: &mut Plan,
    context: &Context<'_>,
    paths: &Paths<'_>,
    observed: &Observed<'_>,
    memory: &mut Memory,
    uid: i64,
    now: Time,
) {
    let strays = observed.strays.iter().filter(|_| !seeded(Bug::StraysKept));
    plan.ops.extend(strays.map(|path| Op::Delete { path: path.clone(), version: None }));
    for (iid, instance) in &observed.instances {
        if plan.is_full() {
            plan.wake_at(now.mono);
            return;
        }
        look(plan, memory, *iid, instance, now);
        if let Container::Ended(ended) = &instance.container {
            count_failure(memory, *iid, instance, ended, now);
            paths.delete_instance(*iid, instance, &mut plan.ops);
        } else if instance.container == Container::Unheard && instance.runner.is_none() {
            let message =
                format!("Instance {iid} is lost: YARN has not seen its node since the ResourceManager restarted.");
            memory.tell_step("ContainerLost", message, iid.to_string(), now);
            paths.delete_instance(*iid, instance, &mut plan.ops);
            plan.acts.push(Act::Release(*iid));
        } else if is_live(instance, uid) {
            if is_abandoned(instance, *iid, context.epoch) {
                paths.delete_instance(*iid, instance, &mut plan.ops);
            }
        } else if instance.version == 0 {
            let reason = if uid == -1 { "Removed" } else { "Recreated" };
            stop(plan, paths, observed, memory, *iid, instance, reason, now);
        } else {
            press(plan, paths, memory, *iid, instance, now);
        }
    }
}

/// Has the NodeManager asked after a container whose runner has been away for long. It may be loading a large payload, or
/// cut from ZooKeeper; or it has ended, and all who knew of it have forgotten that.
fn look(plan: &mut Plan, memory: &mut Memory, iid: Iid, instance: &Instance, now: Time) {
    if instance.container != Container::Running || instance.runner.is_some() || seeded(Bug::SilenceIsTrusted) {
        memory.silent.remove(&iid);
        return;
    }
    let at = memory.silent.entry(iid).or_insert(now.mono + LOOK_AFTER);
    if now.mono >= *at {
        plan.acts.push(Act::Look(iid));
        *at = now.mono + LOOK_AFTER;
    }
    plan.wake_at(*at);
}

/// Revokes one instance: from the record's write on, its runner can publish nothing.
#[allow(clippy::too_many_arguments)]
pub(super) fn stop(
    plan: &mut Plan,
    paths: &Paths<'_>,
    observed: &Observed<'_>,
    memory: &mut Memory,
    iid: Iid,
    instance: &Instance,
    reason: &str,
    now: Time,
) {
    memory.tell_step("Killing", format!("Stopping instance {iid}: {reason}."), iid.to_string(), now);
    match instance.container {
        Container::None(_) if instance.runner.is_none() => paths.delete_instance(iid, instance, &mut plan.ops),
        Container::Granted => {
            paths.delete_instance(iid, instance, &mut plan.ops);
            plan.acts.push(Act::Release(iid));
        }
        Container::Running if seeded(Bug::RecordGoesFirst) => {
            paths.delete_instance(iid, instance, &mut plan.ops);
            plan.acts.push(Act::Release(iid));
        }
        Container::None(_) | Container::Starting | Container::Running | Container::Unheard | Container::Ended(_) => {
            let grace = instance
                .record
                .as_ref()
                .and_then(|r| observed.revisions.get(&r.revision))
                .and_then(|r| r.record.as_ref())
                .map_or(DEFAULT_GRACE, |r| super::launch::millis(r.template.termination_grace_period));
            plan.ops.push(paths.revoke(iid, instance, reason, grace));
            if seeded(Bug::StopBeforeUnpublish) {
                return plan.acts.push(Act::Stop(iid));
            }
            plan.ops.extend(Paths::unpublish(instance));
        }
    }
}

fn press(plan: &mut Plan, paths: &Paths<'_>, memory: &mut Memory, iid: Iid, instance: &Instance, now: Time) {
    match instance.container {
        Container::None(_) | Container::Ended(_) => {
            // With a runner it is an earlier attempt's container that the ResourceManager has yet to report.
            if instance.runner.is_none() {
                paths.delete_instance(iid, instance, &mut plan.ops);
            } else {
                plan.ops.extend(Paths::unpublish(instance));
            }
        }
        Container::Granted => {
            paths.delete_instance(iid, instance, &mut plan.ops);
            plan.acts.push(Act::Release(iid));
        }
        Container::Starting | Container::Running | Container::Unheard => {
            plan.ops.extend(Paths::unpublish(instance));
            let grace =
                instance.record.as_ref().and_then(|r| r.stopping.as_ref()).map_or(DEFAULT_GRACE, |s| s.grace_ms);
            let stopping =
                memory.stopping.entry(iid).or_insert(Stopping { since: now.mono, signalled: false, stopped: false });
            let (signal, stop) = (stopping.since + SIGNAL_AFTER, stopping.since + grace + STOP_AFTER);
            if now.mono >= stop {
                // Stop may be lost on its way; the release, which the ledger repeats, ends the container all the same.
                if !stopping.stopped && !seeded(Bug::NeverPressed) {
                    plan.acts.push(Act::Stop(iid));
                    plan.acts.push(Act::Release(iid));
                    stopping.stopped = true;
                }
            } else if now.mono >= signal {
                let drains = instance.runner.as_ref().is_some_and(|r| r.phase == maas_store::Phase::Stopping);
                if !drains && !stopping.signalled && !seeded(Bug::NeverPressed) {
                    plan.acts.push(Act::Signal(iid));
                    stopping.signalled = true;
                }
                plan.wake_at(stop);
            } else {
                plan.wake_at(signal);
            }
        }
    }
}

/// Counts an end that nobody asked for, once, and tells it.
fn count_failure(memory: &mut Memory, iid: Iid, instance: &Instance, ended: &Ended, now: Time) {
    let stopping = instance.version > 0 || instance.record.as_ref().is_none_or(|r| r.stopping.is_some());
    if stopping || !memory.counted.insert(iid) {
        return;
    }
    if ended.is_failure() || seeded(Bug::PreemptionIsFailure) {
        let revision = instance.record.as_ref().map_or(0, |r| r.revision);
        if !seeded(Bug::FailuresNotCounted) {
            memory.backoff.failed(revision, now.mono);
        }
        let (reason, message) = super::status::container_failed(iid, revision, instance.exit.as_ref(), ended);
        memory.last_failure = Some((reason.clone(), message.clone()));
        memory.tell(EventKind::Warning, &reason, message, iid.to_string(), now);
    } else {
        let (status, diagnostics) = (ended.exit_status, ended.diagnostics.trim());
        let (reason, what) = match status {
            // PREEMPTED of ContainerExitStatus.
            -102 => (PREEMPTED, "was taken for another queue"),
            _ => ("ContainerLost", "is lost"),
        };
        let message = format!("The container of instance {iid} {what}, with status {status}: {diagnostics}");
        memory.tell(EventKind::Normal, reason, message, iid.to_string(), now);
    }
}

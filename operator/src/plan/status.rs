//! The status of one deployment: counts and the three conditions, each with a reason that explains.

use maas_crd::{Condition, ConditionStatus, Status};
use maas_store::Phase;

use super::observed::{Container, Instance, Memory, Observed, Payload};
use super::{Desired, Time, is_live, is_ready};
use crate::allot::{Shape, Waiting};

/// Longest condition message, in bytes: the whole status stays within 8 KiB.
const MESSAGE_LIMIT: usize = 1_500;

/// A reason in one word and a sentence.
type Why = (&'static str, String);

/// Status as it should stand; times of conditions that did not change are kept from `previous`.
pub(super) fn status(
    desired: &Desired,
    observed: &Observed<'_>,
    memory: &Memory,
    maximum: Shape,
    previous: Option<&Status>,
    now: Time,
) -> Status {
    let live: Vec<&Instance> = observed.instances.values().filter(|i| is_live(i, desired.uid)).collect();
    let updated = live.iter().filter(|i| revision(i) == desired.revision).count();
    let ready = live.iter().filter(|i| is_ready(i)).count();
    let replicas = desired.replicas as usize;
    let failure = failure(desired, observed, memory, maximum, &live);
    let complete = updated == replicas && ready == replicas && live.len() == replicas;

    let available = if ready >= replicas {
        (ConditionStatus::True, ("MinimumReplicasAvailable", format!("{ready} of {replicas} instances are ready.")))
    } else {
        (ConditionStatus::False, ("MinimumReplicasUnavailable", format!("{ready} of {replicas} instances are ready.")))
    };
    let progressing = if let Some(message) = &desired.invalid {
        (ConditionStatus::False, ("InvalidSpec", message.clone()))
    } else if complete {
        (
            ConditionStatus::True,
            ("NewRevisionAvailable", format!("Revision {} is live.", desired.revision.unwrap_or(0))),
        )
    } else {
        let what = format!(
            "{updated} of {replicas} instances are of revision {}, {ready} are ready.",
            desired.revision.unwrap_or(0)
        );
        (ConditionStatus::True, ("ReplicasUpdating", what))
    };
    let failing = match failure {
        Some(why) => (ConditionStatus::True, why),
        None => (ConditionStatus::False, ("AsExpected", "No instance is failing.".to_owned())),
    };
    let before = previous.filter(|s| s.uid == desired.uid);
    let condition = |name: &str, (status, (reason, message)): (ConditionStatus, Why)| {
        let was = before.and_then(|s| s.conditions.iter().find(|c| c.type_ == name));
        let kept = was.filter(|c| c.status == status).map(|c| c.last_transition_time);
        Condition {
            type_: name.to_owned(),
            status,
            reason: reason.to_owned(),
            message: cut(message),
            last_transition_time: kept.unwrap_or(now.wall),
            observed_generation: desired.generation,
        }
    };
    Status {
        uid: desired.uid,
        observed_generation: desired.generation,
        replicas: count(live.len()),
        updated_replicas: count(updated),
        ready_replicas: count(ready),
        available_replicas: count(ready),
        unavailable_replicas: count(replicas.saturating_sub(ready)),
        current_revision: current_revision(desired, &live, complete, before),
        update_revision: desired.revision,
        conditions: vec![
            condition("Available", available),
            condition("Progressing", progressing),
            condition("ReplicaFailure", failing),
        ],
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn revision(instance: &Instance) -> Option<u32> {
    instance.record.as_ref().map(|r| r.revision)
}

/// The revision that serves: the newest one, once all of it is live; until then the oldest still live.
fn current_revision(desired: &Desired, live: &[&Instance], complete: bool, before: Option<&Status>) -> Option<u32> {
    if complete {
        return desired.revision;
    }
    live.iter().filter_map(|i| revision(i)).min().or(before.and_then(|s| s.current_revision))
}

/// What keeps instances from being live, the most telling first.
fn failure(
    desired: &Desired,
    observed: &Observed<'_>,
    memory: &Memory,
    maximum: Shape,
    live: &[&Instance],
) -> Option<Why> {
    if let Some(Payload::Failed { reason, message, .. }) =
        desired.revision.filter(|_| desired.replicas > 0).and_then(|r| memory.payloads.get(&r))
    {
        return Some((reason, message.clone()));
    }
    let waiting = |want: Waiting| live.iter().filter(|i| i.container == Container::None(Some(want))).count();
    let too_large = waiting(Waiting::TooLarge);
    if too_large > 0 {
        let asked = desired.template.as_ref().map(super::launch::shape);
        let asked = asked.map_or(String::new(), |s| format!("{} MiB and {} vcores", s.memory_mb, s.vcores));
        return Some((
            "InsufficientCapacity",
            format!(
                "An instance asks for {asked}; the largest container this cluster grants has {} MiB and {} vcores. \
                 Lower spec.resources, or raise yarn.scheduler.maximum-allocation-mb and -vcores.",
                maximum.memory_mb, maximum.vcores
            ),
        ));
    }
    let looping = live.iter().filter_map(|i| i.runner.as_ref()).find(|r| r.phase == Phase::BackingOff);
    if let Some(report) = looping {
        return Some(("CrashLoopBackOff", crashed(report.restarts, report.last_exit.as_ref())));
    }
    let no_room = waiting(Waiting::NoRoom);
    if no_room > 0 {
        return Some((
            "InsufficientCapacity",
            format!(
                "{no_room} of {} instances wait for room: the queue or the nodes have too little left. \
                 They start by themselves when room comes.",
                desired.replicas
            ),
        ));
    }
    let failed = live
        .iter()
        .filter_map(|i| i.runner.as_ref())
        .find(|r| matches!(r.phase, Phase::Starting | Phase::Unready) && r.restarts > 0 && r.last_exit.is_some());
    if let Some(report) = failed {
        return Some(("ModelExited", crashed(report.restarts, report.last_exit.as_ref())));
    }
    if memory.backoff.failures > 0
        && let Some(last) = &memory.last_failure
        && observed.instances.values().filter(|i| is_live(i, desired.uid) && is_ready(i)).count()
            < desired.replicas as usize
    {
        return Some(("ContainerFailed", last.clone()));
    }
    None
}

/// The last exit of a model, in words.
pub(super) fn crashed(restarts: u32, exit: Option<&maas_store::Exit>) -> String {
    let Some(exit) = exit else { return format!("The model was restarted {restarts} times.") };
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    };
    let tail = exit.stderr_tail.trim();
    let tail = if tail.is_empty() { String::new() } else { format!(" Its last words: {tail}") };
    format!("{} ({how}), restarted {restarts} times.{tail}", exit.reason)
}

fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_LIMIT {
        let end = (0..=MESSAGE_LIMIT).rev().find(|&i| message.is_char_boundary(i)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

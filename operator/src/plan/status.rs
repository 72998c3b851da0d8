//! The status of one deployment: counts and the three conditions, each with a reason that explains.

use std::time::Duration;

use maas_crd::quantity::period;
use maas_crd::{Condition, ConditionStatus, Iid, Status};
use maas_store::{Exit, Phase};

use super::observed::{Container, Ended, Instance, Memory, Observed, Payload};
use super::{Desired, LACKING_AFTER, Time, is_live, is_ready};
use crate::allot::{Shape, Waiting};
use crate::seeded::{Bug, seeded};

/// Longest condition message, in bytes: the whole status stays within 8 KiB.
const MESSAGE_LIMIT: usize = 1_500;
/// Most bytes of a model's last words in it.
const TAIL_LIMIT: usize = 800;
/// The runner's word for a run that was not ready in time.
const STARTUP_TIMEOUT: &str = "StartupTimeout";

const PROGRESSING: &str = "Progressing";
const NEW_REVISION_AVAILABLE: &str = "NewRevisionAvailable";
const REPLICAS_UPDATING: &str = "ReplicasUpdating";
const INVALID_SPEC: &str = "InvalidSpec";
const DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";

/// A reason in one word and a sentence.
type Why = (String, String);

/// Status as it should stand; times of conditions that did not change are kept from `previous`. Remembers when the
/// progress that it tells of will be too long ago.
pub(super) fn status(
    desired: &Desired,
    observed: &Observed<'_>,
    memory: &mut Memory,
    maximum: Shape,
    previous: Option<&Status>,
    now: Time,
) -> Status {
    let live: Vec<(Iid, &Instance)> =
        observed.instances.iter().filter(|(_, i)| is_live(i, desired.uid)).map(|(iid, i)| (*iid, i)).collect();
    let updated = live.iter().filter(|(_, i)| revision(i) == desired.revision).count();
    let ready = live.iter().filter(|(_, i)| is_ready(i)).count();
    let replicas = desired.replicas as usize;
    let failure = failure(desired, observed, memory, maximum, &live);
    let complete = updated == replicas && ready == replicas && live.len() == replicas;

    let counted = format!("{ready} of {replicas} instances are ready.");
    let available = if ready >= replicas {
        (ConditionStatus::True, ("MinimumReplicasAvailable".to_owned(), counted))
    } else {
        (ConditionStatus::False, ("MinimumReplicasUnavailable".to_owned(), counted))
    };
    let before = previous.filter(|s| s.uid == desired.uid);
    let counts = Counts { live: live.len(), updated, ready };
    let last_progress = last_progress(desired, complete, &counts, before, now);
    let awaited = desired.invalid.is_none() && !complete;
    let progressing = if let Some(message) = &desired.invalid {
        (ConditionStatus::False, (INVALID_SPEC.to_owned(), message.clone()))
    } else if complete {
        (
            ConditionStatus::True,
            (NEW_REVISION_AVAILABLE.to_owned(), format!("Revision {} is live.", desired.revision.unwrap_or(0))),
        )
    } else {
        let (reason, message) = lacking(&live, memory, now).unwrap_or_else(|| {
            let revision = desired.revision.unwrap_or(0);
            let what = format!("{updated} of {replicas} instances are of revision {revision}, {ready} are ready.");
            (REPLICAS_UPDATING.to_owned(), what)
        });
        if is_too_late(desired, memory, last_progress, before, now) {
            let deadline = period::print(Duration::from_millis(desired.deadline));
            let message = format!("No progress for {deadline} (spec.progressDeadline). {message}");
            (ConditionStatus::False, (DEADLINE_EXCEEDED.to_owned(), message))
        } else {
            (ConditionStatus::True, (reason, message))
        }
    };
    if !awaited {
        memory.progress = None;
    }
    let failing = match failure {
        Some(why) => (ConditionStatus::True, why),
        None => (ConditionStatus::False, ("AsExpected".to_owned(), "No instance is failing.".to_owned())),
    };
    let condition = |name: &str, (status, (reason, message)): (ConditionStatus, Why)| {
        let was = before.and_then(|s| s.conditions.iter().find(|c| c.type_ == name));
        let kept =
            was.filter(|c| c.status == status && !seeded(Bug::TransitionTimeMoves)).map(|c| c.last_transition_time);
        Condition {
            type_: name.to_owned(),
            status,
            reason,
            message: cut(message),
            last_transition_time: kept.unwrap_or(now.wall),
            last_update_time: (name == PROGRESSING).then_some(last_progress),
            observed_generation: desired.generation,
        }
    };
    Status {
        uid: desired.uid,
        observed_generation: desired.generation + i64::from(seeded(Bug::GenerationAhead)),
        replicas: count(live.len()),
        updated_replicas: count(updated),
        ready_replicas: count(ready),
        available_replicas: count(ready),
        unavailable_replicas: count(replicas.saturating_sub(ready)),
        current_revision: current_revision(desired, &live, complete, before),
        update_revision: desired.revision,
        conditions: vec![
            condition("Available", available),
            condition(PROGRESSING, progressing),
            condition("ReplicaFailure", failing),
        ],
    }
}

/// Live instances, those of the newest revision, and those that are ready.
struct Counts {
    live: usize,
    updated: usize,
    ready: usize,
}

/// When progress was last seen, on the clock of the wall: as Kubernetes has it (`DeploymentProgressing`), more updated,
/// more ready or fewer old instances than status tells of; and each new generation is a new try.
fn last_progress(desired: &Desired, complete: bool, counts: &Counts, before: Option<&Status>, now: Time) -> i64 {
    let Some((before, was)) = before.and_then(|s| s.condition(PROGRESSING).map(|c| (s, c))) else { return now.wall };
    let Some(then) = was.last_update_time else { return now.wall };
    let was_complete = was.reason == NEW_REVISION_AVAILABLE;
    let rests = match &desired.invalid {
        Some(_) => was.reason == INVALID_SPEC,
        None => complete && was_complete,
    };
    if rests {
        return then;
    }
    let (updated, ready) = (count(counts.updated), count(counts.ready));
    let old = count(counts.live).saturating_sub(updated);
    let progressed = before.observed_generation != desired.generation
        || before.update_revision != desired.revision
        || updated > before.updated_replicas
        || ready > before.ready_replicas
        || old < before.replicas.saturating_sub(before.updated_replicas);
    if progressed || complete || was_complete || was.reason == INVALID_SPEC { now.wall } else { then }
}

/// Whether the last progress is too long ago. Its age is measured on the monotonic clock; only that of before this
/// operator's first look is taken from the wall's.
fn is_too_late(desired: &Desired, memory: &mut Memory, progress: i64, before: Option<&Status>, now: Time) -> bool {
    let due = match memory.progress {
        Some((of, due)) if of == progress => due,
        _ if seeded(Bug::ProgressForgotten) => now.mono.saturating_add(desired.deadline),
        _ => {
            let age = u64::try_from(now.wall.saturating_sub(progress)).unwrap_or(0);
            now.mono.saturating_add(desired.deadline.saturating_sub(age))
        }
    };
    memory.progress = Some((progress, due));
    let was = before.and_then(|s| s.condition(PROGRESSING));
    let said = was.is_some_and(|c| c.reason == DEADLINE_EXCEEDED && c.last_update_time == Some(progress));
    said || now.mono >= due
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn revision(instance: &Instance) -> Option<u32> {
    instance.record.as_ref().map(|r| r.revision)
}

/// The revision that serves: the newest one, once all of it is live; until then the oldest still live.
fn current_revision(
    desired: &Desired,
    live: &[(Iid, &Instance)],
    complete: bool,
    before: Option<&Status>,
) -> Option<u32> {
    if complete {
        return desired.revision;
    }
    live.iter().filter_map(|(_, i)| revision(i)).min().or(before.and_then(|s| s.current_revision))
}

/// What keeps instances from being live, the most telling first.
fn failure(
    desired: &Desired,
    observed: &Observed<'_>,
    memory: &Memory,
    maximum: Shape,
    live: &[(Iid, &Instance)],
) -> Option<Why> {
    if let Some(Payload::Failed { reason, message, .. }) =
        desired.revision.filter(|_| desired.replicas > 0).and_then(|r| memory.payloads.get(&r))
    {
        return Some(((*reason).to_owned(), message.clone()));
    }
    let waiting = |want: Waiting| live.iter().filter(|(_, i)| i.container == Container::None(Some(want))).count();
    let too_large = waiting(Waiting::TooLarge);
    if too_large > 0 {
        let asked = desired.template.as_ref().map(super::launch::shape);
        let asked = asked.map_or(String::new(), |s| format!("{} MiB and {} vcores", s.memory_mb, s.vcores));
        return Some((
            "InsufficientCapacity".to_owned(),
            format!(
                "An instance asks for {asked}; the largest container this cluster grants has {} MiB and {} vcores. \
                 Lower spec.resources, or raise yarn.scheduler.maximum-allocation-mb and -vcores.",
                maximum.memory_mb, maximum.vcores
            ),
        ));
    }
    if let Some(why) = live.iter().find_map(|(iid, instance)| ailing(*iid, instance)) {
        return Some(why);
    }
    let no_room = waiting(Waiting::NoRoom);
    if no_room > 0 {
        return Some((
            "InsufficientCapacity".to_owned(),
            format!(
                "{no_room} of {} instances wait for room: the queue or the nodes have too little left. \
                 They start by themselves when room comes.",
                desired.replicas
            ),
        ));
    }
    let ready = observed.instances.values().filter(|i| is_live(i, desired.uid) && is_ready(i)).count();
    memory.last_failure.clone().filter(|_| ready < desired.replicas as usize)
}

/// A model whose last run failed and that is not ready since, or that was ready and does not answer now.
fn ailing(iid: Iid, instance: &Instance) -> Option<Why> {
    let report = instance.runner.as_ref().filter(|_| !is_ready(instance))?;
    match (report.phase, &report.waiting, &report.last_exit) {
        (Phase::Unready, Some(lacks), _) => {
            let message = format!("Instance {iid} is ready no longer: {}.", lacks.message.trim_end_matches('.'));
            Some((lacks.reason.clone(), message))
        }
        // It lacks again what it had lacked until its time was over: that is what to mend.
        (Phase::Starting, Some(lacks), Some(exit)) if exit.reason == STARTUP_TIMEOUT => {
            let message = format!("Instance {iid}: {}", crashed(None, Some(exit)));
            Some((lacks.reason.clone(), message))
        }
        (Phase::Starting | Phase::Unready | Phase::BackingOff, _, Some(exit)) => {
            // The first restart comes at once: that is no loop yet.
            let loops = report.restarts > 1 || (report.restarts == 1 && report.phase == Phase::BackingOff);
            let reason = if loops && exit.reason != STARTUP_TIMEOUT { "CrashLoopBackOff" } else { &exit.reason };
            Some((reason.to_owned(), format!("Instance {iid}: {}", crashed(Some(report.restarts), Some(exit)))))
        }
        _ => None,
    }
}

/// What an instance lacks to be ready, before anything has failed; said once that has lasted.
fn lacking(live: &[(Iid, &Instance)], memory: &Memory, now: Time) -> Option<Why> {
    live.iter().find_map(|(iid, instance)| {
        let lacks = instance.runner.as_ref().filter(|_| !is_ready(instance))?.waiting.as_ref()?;
        let since = memory.lacking.get(iid)?;
        let lasts = now.mono >= since.saturating_add(LACKING_AFTER);
        let message = format!("Instance {iid} is not ready: {}.", lacks.message.trim_end_matches('.'));
        lasts.then(|| (lacks.reason.clone(), message))
    })
}

/// Whether a condition that is no failure yet should be told as an event.
pub(super) fn is_trouble(condition: &Condition) -> bool {
    condition.type_ == PROGRESSING && !matches!(condition.reason.as_str(), NEW_REVISION_AVAILABLE | REPLICAS_UPDATING)
}

/// The last end of a model, in words.
pub(super) fn crashed(restarts: Option<u32>, exit: Option<&Exit>) -> String {
    let restarted = match restarts {
        None => String::new(),
        Some(0) => "; it is restarted at once".to_owned(),
        Some(1) => "; restarted 1 time".to_owned(),
        Some(times) => format!("; restarted {times} times"),
    };
    let Some(exit) = exit else { return format!("the model has ended{restarted}.") };
    format!("{}{restarted}.{}", how(exit), last_words(exit))
}

fn how(exit: &Exit) -> String {
    match (exit.message.trim().trim_end_matches('.'), exit.code, exit.signal) {
        ("", Some(code), _) => format!("{}: exit code {code}", exit.reason),
        ("", None, Some(signal)) => format!("{}: ended by signal {signal}", exit.reason),
        ("", None, None) => exit.reason.clone(),
        (message, ..) => message.to_owned(),
    }
}

fn last_words(exit: &Exit) -> String {
    let tail = exit.stderr_tail.trim();
    if tail.is_empty() {
        return String::new();
    }
    // What was said last tells most.
    let from = tail.ceil_char_boundary(tail.len().saturating_sub(TAIL_LIMIT));
    let (dots, tail) = (if from > 0 { "…" } else { "" }, tail.get(from..).unwrap_or_default());
    format!(" Its last words: {dots}{tail}")
}

/// Why a container has failed: the runner's own last words, else what YARN says of it.
pub(super) fn container_failed(iid: Iid, revision: u32, exit: Option<&Exit>, ended: &Ended) -> Why {
    let diagnostics = ended.diagnostics.trim();
    // The runner was only asked to end, and does not know why: KILLED_EXCEEDED_VMEM and KILLED_EXCEEDED_PMEM of
    // ContainerExitStatus.
    if matches!(ended.exit_status, -103 | -104) {
        let message = format!(
            "Instance {iid} took more memory than its container has, and YARN ended it: raise spec.resources.memory. ({diagnostics})"
        );
        return ("OutOfMemory".to_owned(), message);
    }
    if let Some(exit) = exit {
        return (exit.reason.clone(), format!("Instance {iid}: {}", crashed(None, Some(exit))));
    }
    // FSDownload.verifyAndCopy: the NodeManager compares a resource with the time that it was asked for with.
    if diagnostics.contains("changed on src filesystem") {
        let message = format!(
            "Instance {iid} can't start: the payload was changed after revision {revision} took it; what runs is kept. \
             Put the new files into another directory and name that in spec.payload.path. ({diagnostics})"
        );
        return ("PayloadChanged".to_owned(), message);
    }
    let message = format!("The container of instance {iid} ended with status {}: {diagnostics}", ended.exit_status);
    ("ContainerFailed".to_owned(), message)
}

fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_LIMIT {
        let end = (0..=MESSAGE_LIMIT).rev().find(|&i| message.is_char_boundary(i)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use maas_store::{Endpoint, InstanceRecord, RunnerReport, Waiting as Lacks};

    use super::*;

    fn exit(reason: &str, message: &str, tail: &str) -> Exit {
        let (code, signal) = (None, Some(9));
        Exit { code, signal, reason: reason.into(), message: message.into(), stderr_tail: tail.into(), at_ms: 0 }
    }

    fn instance(phase: Phase, restarts: u32, lacks: Option<&str>, last_exit: Option<Exit>) -> Instance {
        let waiting = lacks.map(|reason| Lacks { reason: reason.into(), message: "nothing announced yet".into() });
        let (container, node) = ("c".to_owned(), "n".to_owned());
        let report =
            RunnerReport { container, node, node_http: None, phase, waiting, restarts, last_exit, since_ms: 0 };
        Instance {
            record: Some(InstanceRecord { uid: 1, revision: 1, application: String::new(), stopping: None }),
            version: 0,
            runner: Some(report),
            exit: None,
            endpoint: None,
            published: Vec::new(),
            children: Vec::new(),
            container: Container::Running,
            eviction: None,
        }
    }

    #[test]
    fn a_first_crash_is_no_loop_and_its_message_reads_well() {
        let crash = || Some(exit("ModelExited", "the script was ended by signal 9", "out of\nmemory\n"));
        let said = |phase, restarts| ailing(Iid::new(1, 1), &instance(phase, restarts, None, crash())).unwrap();
        let (reason, message) = said(Phase::Starting, 1);
        assert_eq!(reason, "ModelExited");
        assert_eq!(
            message,
            "Instance 1-1: the script was ended by signal 9; restarted 1 time. Its last words: out of\nmemory"
        );
        assert_eq!(said(Phase::BackingOff, 0).0, "ModelExited");
        assert_eq!(said(Phase::BackingOff, 1).0, "CrashLoopBackOff");
        assert_eq!(said(Phase::Starting, 2).0, "CrashLoopBackOff");
        assert!(said(Phase::Starting, 2).1.contains("restarted 2 times"));
    }

    #[test]
    fn a_run_that_was_not_ready_in_time_names_what_it_lacks() {
        let late = Some(exit("StartupTimeout", "not ready within 3 s: AnnouncementMissing: nothing announced yet", ""));
        let starting = instance(Phase::Starting, 4, Some("AnnouncementMissing"), late.clone());
        assert_eq!(ailing(Iid::new(1, 1), &starting).unwrap().0, "AnnouncementMissing");
        let waiting = instance(Phase::BackingOff, 4, None, late);
        assert_eq!(ailing(Iid::new(1, 1), &waiting).unwrap().0, "StartupTimeout");
    }

    #[test]
    fn what_is_lacking_is_said_once_that_has_lasted() {
        let (iid, starting) = (Iid::new(1, 1), instance(Phase::Starting, 0, Some("NotReady"), None));
        assert_eq!(ailing(iid, &starting), None);
        let memory = Memory { lacking: [(iid, 1_000)].into(), ..Memory::default() };
        let at = |mono| lacking(&[(iid, &starting)], &memory, Time { mono, wall: 0 });
        assert_eq!(at(1_000 + LACKING_AFTER - 1), None);
        let (reason, message) = at(1_000 + LACKING_AFTER).unwrap();
        assert_eq!(
            (reason.as_str(), message.as_str()),
            ("NotReady", "Instance 1-1 is not ready: nothing announced yet.")
        );
    }

    /// One of two instances of revision 1 is ready, and the second does not come.
    #[test]
    fn progress_is_timed_from_what_status_tells_whoever_wrote_it() {
        let wanted = |generation, deadline| Desired {
            uid: 1,
            generation,
            replicas: 2,
            deadline,
            template: None,
            revision: Some(1),
            invalid: None,
        };
        let first = instance(Phase::Starting, 0, None, None);
        let endpoint = Endpoint {
            url: "http://h:1".into(),
            functions: std::collections::BTreeMap::new(),
            model: "m".into(),
            version: "1".into(),
            revision: 1,
            container: "c".into(),
            since_ms: 0,
        };
        let ready = Instance { endpoint: Some(endpoint), ..first.clone() };
        let key = crate::key::Key { namespace: maas_crd::Namespace::default(), name: "m".parse().unwrap() };
        let look = |ready_ones: usize, desired: &Desired, memory: &mut Memory, before: Option<&Status>, now| {
            let mut observed = Observed {
                key: &key,
                spec: None,
                status: None,
                events: None,
                revisions: Default::default(),
                instances: Default::default(),
                directories: Default::default(),
                idle_models: Default::default(),
                idle_uploads: Default::default(),
                strays: Default::default(),
                foreign: Default::default(),
            };
            for n in 0..2 {
                let instance = if n < ready_ones { ready.clone() } else { first.clone() };
                observed.instances.insert(Iid::new(1, n as u32 + 1), instance);
            }
            status(desired, &observed, memory, Shape { memory_mb: 1, vcores: 1 }, before, now)
        };
        let progressing = |status: &Status| {
            let c = status.condition(PROGRESSING).unwrap();
            (c.status, c.reason.clone(), c.last_update_time.unwrap())
        };
        let (on, late) = (|at| (ConditionStatus::True, REPLICAS_UPDATING.to_owned(), at), DEADLINE_EXCEEDED.to_owned());
        let (desired, mut memory) = (wanted(1, 1_000), Memory::default());
        let at = |mono, wall| Time { mono, wall };
        let begun = look(0, &desired, &mut memory, None, at(10, 5_000));
        assert_eq!(progressing(&begun), on(5_000));
        // One more is ready: counted from then. The wall's clock may jump meanwhile.
        let one = look(1, &desired, &mut memory, Some(&begun), at(510, 5_500));
        assert_eq!(progressing(&one), on(5_500));
        let again = look(1, &desired, &mut memory, Some(&one), at(1_509, 999_999));
        assert_eq!(progressing(&again), on(5_500));
        assert_eq!(memory.progress, Some((5_500, 1_510)));
        let over = look(1, &desired, &mut memory, Some(&one), at(1_510, 6_500));
        assert_eq!(progressing(&over), (ConditionStatus::False, late.clone(), 5_500));
        assert!(
            over.condition(PROGRESSING).unwrap().message.starts_with("No progress for 1s (spec.progressDeadline). ")
        );
        // Another operator takes its time from status, and does not take back what was said.
        let mut other = Memory::default();
        assert_eq!(progressing(&look(1, &desired, &mut other, Some(&one), at(3, 6_400))), on(5_500));
        assert_eq!(other.progress, Some((5_500, 103)));
        let set_back = look(1, &desired, &mut Memory::default(), Some(&over), at(3, 100));
        assert_eq!(progressing(&set_back), (ConditionStatus::False, late, 5_500));
        // Progress, or another spec, is another try.
        let edited = look(1, &wanted(2, 1_000), &mut memory, Some(&over), at(2_000, 7_000));
        assert_eq!(progressing(&edited), on(7_000));
        let done = look(2, &desired, &mut memory, Some(&over), at(2_000, 7_000));
        assert_eq!((progressing(&done).1.as_str(), memory.progress), (NEW_REVISION_AVAILABLE, None));
        assert_eq!(
            look(2, &desired, &mut memory, Some(&done), at(9_000, 14_000)),
            done,
            "nothing new is nothing to write"
        );
        let lost = look(1, &desired, &mut memory, Some(&done), at(9_000, 14_000));
        assert_eq!(progressing(&lost), on(14_000));
    }

    #[test]
    fn long_last_words_keep_their_end() {
        let message = crashed(None, Some(&exit("ModelExited", "it ended", &format!("{}the cause", "ü".repeat(9_000)))));
        assert!(message.len() < 900 && message.ends_with("the cause"), "{message}");
    }

    #[test]
    fn a_failed_container_is_explained_by_its_runner_or_by_yarn() {
        let ended = |text: &str| Ended { exit_status: -1000, diagnostics: text.to_owned() };
        let said = |exit: Option<&Exit>, text| container_failed(Iid::new(1, 2), 3, exit, &ended(text));
        let words = exit("ScriptHasCRLF", "rest.sh has Windows line ends", "");
        assert_eq!(said(Some(&words), "Exception from container-launch").0, "ScriptHasCRLF");
        let (reason, message) = said(None, "Resource hdfs://n/f changed on src filesystem - expected: 1, was: 2");
        assert!(reason == "PayloadChanged" && message.contains("revision 3 took it"), "{message}");
        assert_eq!(said(None, "exit 137").0, "ContainerFailed");
        let killed = Ended { exit_status: -104, diagnostics: "Current usage: 300 MB of 256 MB".to_owned() };
        let (reason, message) = container_failed(Iid::new(1, 2), 3, Some(&words), &killed);
        assert!(reason == "OutOfMemory" && message.contains("raise spec.resources.memory"), "{message}");
    }
}

//! What a round says of itself in the sync's record, and when the next try is due. Pure.

use std::time::Duration;

use maas_crd::ConditionStatus;
use maas_store::{SyncCondition, SyncDrift, SyncFault, SyncInventory, SyncStatus};

use super::source::Revision;
use super::view::Key;

/// The wait after a first failure; doubled with each that follows it.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// How long to wait after this many failures in a row.
pub(crate) fn retry_after(failures: u32) -> Duration {
    let doubled = 2u32.checked_pow(failures.saturating_sub(1)).and_then(|times| FIRST_RETRY.checked_mul(times));
    doubled.unwrap_or(LONGEST_RETRY).min(LONGEST_RETRY)
}

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// What was read; none when that failed.
    pub(crate) revision: Option<Revision>,
    /// Why the source could not be read.
    pub(crate) unread: Option<String>,
    /// Files that declare nothing now.
    pub(crate) faults: Vec<SyncFault>,
    /// Objects of another set.
    pub(crate) refused: Vec<SyncFault>,
    /// Objects that could not be written.
    pub(crate) failed: Vec<SyncFault>,
    /// Why nothing was pruned, although something would have been.
    pub(crate) unpruned: Option<String>,
    /// What others changed.
    pub(crate) drifted: Vec<Key>,
    /// Whether that was changed back.
    pub(crate) healed: bool,
    /// What is declared, by its health.
    pub(crate) inventory: SyncInventory,
    /// The request that it answers.
    pub(crate) handled: Option<i64>,
    /// When it was, in milliseconds since the epoch.
    pub(crate) at_ms: i64,
}

impl Round {
    /// Whether trying again may help, with nothing changed in the source or in the tree.
    pub(crate) fn is_to_be_tried_again(&self) -> bool {
        self.unread.is_some() || !self.failed.is_empty()
    }

    /// Whether all that the source says was read and applied.
    pub(crate) fn is_whole(&self) -> bool {
        self.failure().is_none()
    }

    /// Why it did not come to its end: a reason of Flux's, and a sentence.
    fn failure(&self) -> Option<(&'static str, String)> {
        if let Some(why) = &self.unread {
            return Some(("ArtifactFailed", why.clone()));
        }
        let some = |faults: &[SyncFault], what: &str| {
            let first = faults.first().map(ToString::to_string)?;
            Some(match faults.len() {
                1 => first,
                more => format!("{more} {what}, the first: {first}"),
            })
        };
        if let Some(message) = some(&self.faults, "faults in files") {
            return Some(("BuildFailed", message));
        }
        if let Some(message) = some(&self.refused, "objects of others").or_else(|| some(&self.failed, "objects failed"))
        {
            return Some(("ReconciliationFailed", message));
        }
        if let Some(why) = &self.unpruned {
            return Some(("PruneFailed", why.clone()));
        }
        None
    }
}

/// Whether all that `revision` declares was applied before, so that what differs now was changed by others.
pub(crate) fn is_settled(status: &SyncStatus, revision: &Revision) -> bool {
    status.last_attempted_revision.as_deref() == Some(&revision.to_string()) && status.failed_objects == 0
}

/// The status after `round`. `looked`: the source was asked for it, so that a failure is one more in a row.
pub(crate) fn report(before: &SyncStatus, round: &Round, looked: bool, now_ms: i64) -> SyncStatus {
    let mut after = before.clone();
    let failure = round.failure();
    if looked {
        after.failures = if round.is_to_be_tried_again() { before.failures.saturating_add(1) } else { 0 };
    }
    after.handled_at = round.handled.max(before.handled_at);
    after.faults = round.faults.iter().chain(&round.refused).chain(&round.failed).cloned().collect();
    after.fault_count = count(after.faults.len());
    if let Some(revision) = &round.revision {
        after.last_attempted_revision = Some(revision.to_string());
        after.failed_objects = count(round.failed.len());
        after.inventory = round.inventory;
        if failure.is_none() {
            after.last_applied_revision = Some(revision.to_string());
        }
        after.drift = drift(before, round);
    }
    let shown = after.last_applied_revision.clone().unwrap_or_default();
    after.conditions = conditions(round, failure, after.failures, &shown)
        .into_iter()
        .map(|(type_, status, reason, message)| {
            let was = before.condition(type_).filter(|was| was.status == status);
            SyncCondition {
                type_: type_.to_owned(),
                status,
                reason: reason.to_owned(),
                message,
                last_transition_time: was.map_or(now_ms, |was| was.last_transition_time),
            }
        })
        .collect();
    after.bounded()
}

fn drift(before: &SyncStatus, round: &Round) -> Option<SyncDrift> {
    let objects: Vec<String> =
        round.drifted.iter().take(SyncStatus::NAMES).map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    let known = before.drift.as_ref();
    if objects.is_empty() {
        // What was healed is remembered; what was only shown is over.
        return known.filter(|drift| drift.healed).cloned();
    }
    let count = count(round.drifted.len());
    let seen_at = known
        .filter(|known| !round.healed && !known.healed && known.objects == objects)
        .map_or(round.at_ms, |known| known.seen_at);
    Some(SyncDrift { count, objects, seen_at, healed: round.healed })
}

type Told = (&'static str, ConditionStatus, &'static str, String);

fn conditions(round: &Round, failure: Option<(&'static str, String)>, failures: u32, shown: &str) -> Vec<Told> {
    use ConditionStatus::{False, True, Unknown};
    let SyncInventory { objects, ready, degraded, .. } = round.inventory;
    let retry = |message: &str| {
        let message = format!("{message}; trying again in {} s", retry_after(failures).as_secs());
        ("Reconciling", True, "ProgressingWithRetry", message)
    };
    if let Some((reason, message)) = failure {
        let next =
            if round.is_to_be_tried_again() { retry(&message) } else { ("Stalled", True, reason, message.clone()) };
        return vec![("Ready", False, reason, message), next];
    }
    if degraded > 0 {
        let message = format!("{degraded} of {objects} objects are degraded, {ready} are ready: {shown}");
        return vec![("Ready", False, "HealthCheckFailed", message)];
    }
    let standing = round.drifted.len();
    let drift = match standing {
        _ if round.healed => String::new(),
        0 => String::new(),
        1 => "; 1 object was changed by others, and is left so".to_owned(),
        more => format!("; {more} objects were changed by others, and are left so"),
    };
    if ready < objects {
        let message = format!("{ready} of {objects} objects are ready{drift}: {shown}");
        return vec![("Ready", Unknown, "Progressing", message.clone()), ("Reconciling", True, "Progressing", message)];
    }
    vec![("Ready", True, "ReconciliationSucceeded", format!("Applied revision: {shown}{drift}"))]
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKED: bool = true;
    const AGAIN: bool = false;

    fn round() -> Round {
        let revision = Some(Revision { branch: Some("main".to_owned()), id: "a".repeat(40) });
        let inventory = SyncInventory { objects: 2, ready: 2, ..SyncInventory::default() };
        Round { revision, inventory, ..Round::default() }
    }

    fn fault(file: &str) -> SyncFault {
        SyncFault { file: file.to_owned(), line: 3, column: 1, message: "bad".to_owned() }
    }

    fn said(status: &SyncStatus) -> Vec<String> {
        status.conditions.iter().map(|c| format!("{}={:?} {}", c.type_, c.status, c.reason)).collect()
    }

    #[test]
    fn waits_double_from_five_seconds_to_five_minutes() {
        let waits: Vec<u64> = (1..9).map(|failures| retry_after(failures).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(retry_after(u32::MAX).as_secs(), 300);
    }

    #[test]
    fn a_good_round_is_ready_once_its_objects_are() {
        let mut progressing = round();
        progressing.inventory.ready = 1;
        let first = report(&SyncStatus::default(), &progressing, LOOKED, 1);
        assert_eq!(said(&first), ["Ready=Unknown Progressing", "Reconciling=True Progressing"]);
        let done = report(&first, &round(), AGAIN, 2);
        assert_eq!(said(&done), ["Ready=True ReconciliationSucceeded"]);
        let revision = format!("main@sha1:{}", "a".repeat(40));
        assert_eq!(done.last_applied_revision, Some(revision.clone()));
        assert_eq!(done.condition("Ready").unwrap().message, format!("Applied revision: {revision}"));
        assert_eq!(done.condition("Ready").unwrap().last_transition_time, 2);
        assert_eq!(report(&done, &round(), LOOKED, 9), done, "nothing new is nothing to write");
        let mut degraded = round();
        degraded.inventory = SyncInventory { objects: 2, ready: 1, progressing: 0, degraded: 1 };
        assert_eq!(said(&report(&done, &degraded, AGAIN, 3)), ["Ready=False HealthCheckFailed"]);
    }

    #[test]
    fn a_broken_file_is_told_and_the_applied_revision_stays() {
        let before = report(&SyncStatus::default(), &round(), LOOKED, 1);
        let mut broken = Round { faults: vec![fault("x.yaml"), fault("y.yaml")], ..round() };
        broken.revision = Some(Revision { branch: None, id: "b".repeat(40) });
        let after = report(&before, &broken, LOOKED, 2);
        assert_eq!(said(&after), ["Ready=False BuildFailed", "Stalled=True BuildFailed"]);
        assert!(after.condition("Ready").unwrap().message.contains("the first: x.yaml: line 3, column 1: bad"));
        assert_eq!(after.last_applied_revision, before.last_applied_revision);
        assert_eq!((after.fault_count, after.failures), (2, 0));
        assert!(is_settled(&after, broken.revision.as_ref().unwrap()), "all that is valid was applied");
    }

    #[test]
    fn failures_are_counted_and_tried_again() {
        let unread = Round { unread: Some("no answer".to_owned()), ..Round::default() };
        let mut status = report(&SyncStatus::default(), &round(), LOOKED, 1);
        for failures in 1..4 {
            status = report(&status, &unread, LOOKED, 2);
            assert_eq!(status.failures, failures);
        }
        assert_eq!(report(&status, &unread, AGAIN, 3).failures, 3);
        assert_eq!(said(&status), ["Ready=False ArtifactFailed", "Reconciling=True ProgressingWithRetry"]);
        assert!(status.condition("Reconciling").unwrap().message.ends_with("trying again in 20 s"));
        assert_eq!(status.inventory.objects, 2, "what was applied is still there");
        let failed = Round { failed: vec![fault("x.yaml")], ..round() };
        let after = report(&status, &failed, LOOKED, 4);
        assert!(!is_settled(&after, failed.revision.as_ref().unwrap()));
        assert_eq!(report(&after, &round(), LOOKED, 5).failures, 0);
    }

    #[test]
    fn drift_is_told_with_what_became_of_it() {
        let key = |name: &str| ("default".parse().unwrap(), name.parse().unwrap());
        let shown = Round { drifted: vec![key("a")], ..round() };
        let at = |at_ms: i64, round: &Round| Round { at_ms, ..round.clone() };
        let first = report(&SyncStatus::default(), &at(1, &shown), LOOKED, 1);
        assert!(first.condition("Ready").unwrap().message.contains("1 object was changed by others"));
        let again = report(&first, &at(9, &shown), LOOKED, 9);
        assert_eq!(again.drift.as_ref().unwrap().seen_at, 1);
        assert_eq!(report(&again, &round(), LOOKED, 10).drift, None);
        let healed = report(&again, &at(11, &Round { healed: true, ..shown }), LOOKED, 11);
        assert_eq!(report(&healed, &round(), LOOKED, 12).drift.unwrap().seen_at, 11);
    }

    #[test]
    fn a_refused_prune_stalls() {
        let round = Round { unpruned: Some("it declares nothing".to_owned()), ..round() };
        let after = report(&SyncStatus::default(), &round, LOOKED, 1);
        assert_eq!(said(&after), ["Ready=False PruneFailed", "Stalled=True PruneFailed"]);
        assert_eq!(after.last_applied_revision, None);
    }
}

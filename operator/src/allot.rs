//! `allot`: which of the wanted containers are asked for right now.
//!
//! YARN's CapacityScheduler serves an application's asks in order of priority, and one that does not fit
//! stops every later one at that priority and below. Two rules keep one deployment from blocking another:
//!
//! 1. An ask's priority follows its size, so that a large ask which finds no room stands behind all smaller ones.
//! 2. An ask unserved for [`PATIENCE`] is cancelled and parked; one that a smaller ask waits behind, sooner: an ask
//!    that fits the headroom but no node makes the scheduler reserve a node for it, which takes the headroom of all
//!    others away, whatever their priority. One parked ask at a time is shown again, at the worst priority of all,
//!    deployment by deployment in turn, and only while no fresh ask stands; when the headroom grows enough, it is
//!    asked afresh.
//!
//! Pure: state in, changes out; the caller hands them to the ledger of asks.

use std::collections::BTreeMap;

use maas_crd::Iid;

use crate::key::Key;
use crate::seeded::{Bug, seeded};

/// How long an ask may stand unserved before it is parked, in milliseconds.
pub const PATIENCE: u64 = 3_000;
/// How long it may stand while a smaller one waits: the scheduler serves what fits well within it.
const PATIENCE_BESIDE_SMALLER: u64 = 300;
/// How many fresh asks one deployment may have standing at once.
const FRESH_PER_DEPLOYMENT: usize = 32;
/// The priority of the one parked ask that is shown: behind every fresh one.
const TURN_PRIORITY: i32 = 1_000_000;

/// The size of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Virtual cores.
    pub vcores: u32,
}

impl Shape {
    fn fits(self, room: Shape) -> bool {
        self.memory_mb <= room.memory_mb && self.vcores <= room.vcores
    }

    fn priority(self) -> i32 {
        if seeded(Bug::SizesShareAPriority) {
            return 10;
        }
        // 64 MiB a step: the scheduler rounds up to at least that in practice, so equal sizes share a priority.
        i32::try_from(self.memory_mb / 64).unwrap_or(i32::MAX).saturating_add(10).min(TURN_PRIORITY - 1)
    }
}

/// One change to the standing asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Ask for one container of this shape.
    Ask(Iid, i32, Shape),
    /// Ask for it no longer.
    Cancel(Iid),
}

/// Why a deployment's instances wait for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Asked or about to be; too early to say more.
    Fresh,
    /// Unserved for [`PATIENCE`]: the queue or the cluster has no room.
    NoRoom,
    /// Larger than any container of this cluster may be.
    TooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Queued,
    Fresh { since: u64 },
    Parked { headroom: Shape },
    Turn { since: u64 },
    TooLarge,
}

#[derive(Clone, Debug)]
struct Entry {
    key: Key,
    shape: Shape,
    stage: Stage,
}

impl Entry {
    fn park(&mut self, iid: Iid, room: Room, changes: &mut Vec<Change>) {
        // What may have been reserved for it comes back with the cancel: that is no new room.
        let headroom = Shape { memory_mb: room.headroom.memory_mb + self.shape.memory_mb, ..room.headroom };
        self.stage = Stage::Parked { headroom };
        changes.push(Change::Cancel(iid));
    }
}

/// What the ResourceManager last said of room.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// What the application may still get in its queue.
    pub headroom: Shape,
    /// The largest single container.
    pub maximum: Shape,
}

/// The asks of all deployments and how each one stands.
#[derive(Clone, Debug, Default)]
pub struct Allotment {
    entries: BTreeMap<Iid, Entry>,
    /// When a deployment last had its turn among the parked.
    turns: BTreeMap<Key, u64>,
}

impl Allotment {
    /// Brings the standing asks to `want`: every instance that has no container yet.
    pub fn allot(&mut self, want: &BTreeMap<Iid, (Key, Shape)>, room: Room, now: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        self.entries.retain(|iid, entry| {
            let kept = want.get(iid).is_some_and(|(_, shape)| *shape == entry.shape);
            if !kept && matches!(entry.stage, Stage::Fresh { .. } | Stage::Turn { .. }) {
                changes.push(Change::Cancel(*iid));
            }
            kept
        });
        for (iid, (key, shape)) in want {
            self.entries.entry(*iid).or_insert_with(|| Entry { key: key.clone(), shape: *shape, stage: Stage::Queued });
        }
        self.turns.retain(|key, _| want.values().any(|(k, _)| k == key));
        self.age(room, now, &mut changes);
        self.freshen(room, now, &mut changes);
        self.give_turn(now, &mut changes);
        changes
    }

    /// Takes up what fits since the headroom grew, then parks what stood too long.
    fn age(&mut self, room: Room, now: u64, changes: &mut Vec<Change>) {
        for entry in self.entries.values_mut() {
            match entry.stage {
                Stage::Queued if !entry.shape.fits(room.maximum) => entry.stage = Stage::TooLarge,
                Stage::TooLarge if entry.shape.fits(room.maximum) => entry.stage = Stage::Queued,
                Stage::Parked { headroom } => {
                    if entry.shape.fits(room.headroom) && !entry.shape.fits(headroom) {
                        entry.stage = Stage::Queued;
                    } else if room.headroom < headroom {
                        // Remember the low-water mark, so that room which comes back counts as new.
                        entry.stage = Stage::Parked { headroom: room.headroom };
                    }
                }
                Stage::Queued | Stage::TooLarge | Stage::Fresh { .. } | Stage::Turn { .. } => {}
            }
        }
        let parked = self.entries.values().any(|e| matches!(e.stage, Stage::Parked { .. }));
        let eager = |e: &&Entry| matches!(e.stage, Stage::Queued | Stage::Fresh { .. }) && e.shape.fits(room.maximum);
        let smallest = self.entries.values().filter(eager).map(|e| e.shape).min();
        for (iid, entry) in &mut self.entries {
            let over = match entry.stage {
                Stage::Fresh { since } => {
                    let beside_smaller = smallest.is_some_and(|s| s < entry.shape);
                    let patience = if beside_smaller { PATIENCE_BESIDE_SMALLER } else { PATIENCE };
                    now >= since + patience || !entry.shape.fits(room.maximum)
                }
                // A turn is for when nothing fresh stands.
                Stage::Turn { since } => smallest.is_some() || (now >= since + PATIENCE && parked),
                Stage::Queued | Stage::Parked { .. } | Stage::TooLarge => false,
            };
            if over && !seeded(Bug::AsksNeverParked) {
                entry.park(*iid, room, changes);
            }
        }
    }

    fn freshen(&mut self, room: Room, now: u64, changes: &mut Vec<Change>) {
        let mut standing: BTreeMap<Key, usize> = BTreeMap::new();
        for entry in self.entries.values() {
            if matches!(entry.stage, Stage::Fresh { .. }) {
                *standing.entry(entry.key.clone()).or_default() += 1;
            }
        }
        for (iid, entry) in &mut self.entries {
            if entry.stage != Stage::Queued || !entry.shape.fits(room.maximum) {
                continue;
            }
            let standing = standing.entry(entry.key.clone()).or_default();
            if *standing < FRESH_PER_DEPLOYMENT {
                *standing += 1;
                entry.stage = Stage::Fresh { since: now };
                changes.push(Change::Ask(*iid, entry.shape.priority(), entry.shape));
            }
        }
    }

    fn give_turn(&mut self, now: u64, changes: &mut Vec<Change>) {
        let taken = self.entries.values().any(|e| matches!(e.stage, Stage::Turn { .. } | Stage::Fresh { .. }));
        if taken || seeded(Bug::ParkedNeverShown) {
            return;
        }
        let next = self
            .entries
            .iter()
            .filter(|(_, e)| matches!(e.stage, Stage::Parked { .. }))
            .min_by_key(|(iid, e)| (self.turns.get(&e.key).copied().unwrap_or(0), **iid))
            .map(|(iid, _)| *iid);
        if let Some(entry) = next.and_then(|iid| self.entries.get_mut(&iid))
            && let Some(iid) = next
        {
            entry.stage = Stage::Turn { since: now };
            self.turns.insert(entry.key.clone(), now);
            changes.push(Change::Ask(iid, TURN_PRIORITY, entry.shape));
        }
    }

    /// How the ask of one instance stands; `None` when none is wanted for it.
    #[must_use]
    pub fn waiting(&self, iid: Iid) -> Option<Waiting> {
        self.entries.get(&iid).map(|entry| match entry.stage {
            Stage::Queued | Stage::Fresh { .. } => Waiting::Fresh,
            Stage::Parked { .. } | Stage::Turn { .. } => Waiting::NoRoom,
            Stage::TooLarge => Waiting::TooLarge,
        })
    }

    /// When `allot` must run again although nothing else happens.
    #[must_use]
    pub fn wake(&self) -> Option<u64> {
        let parked = self.entries.values().any(|e| matches!(e.stage, Stage::Parked { .. }));
        let smallest = self.entries.values().filter(|e| matches!(e.stage, Stage::Fresh { .. })).map(|e| e.shape).min();
        self.entries
            .values()
            .filter_map(|e| match e.stage {
                Stage::Fresh { since } if smallest.is_some_and(|s| s < e.shape) => {
                    Some(since + PATIENCE_BESIDE_SMALLER)
                }
                Stage::Fresh { since } => Some(since + PATIENCE),
                Stage::Turn { since } if parked => Some(since + PATIENCE),
                Stage::Turn { .. } | Stage::Queued | Stage::Parked { .. } | Stage::TooLarge => None,
            })
            .min()
    }
}

#[cfg(test)]
mod tests;

//! The fence: at most one operator acts, because every write of an older one is refused.
//!
//! ```text
//! Unread ──read──► Waiting ──its leader stands longer than a dead one's would──► refused
//!    │                │ its leader is gone for a whole session timeout
//!    ▼                ▼
//!  Taking ──accepted──► Held ──check refused──► Lost
//!    └──answer lost: read again, the nonce tells──┘
//! ```

use maas_store::{EpochRecord, LeaderRecord, Node, Op};

use super::event::OperatorSeen;
use crate::plan::Time;
use crate::seeded::{Bug, seeded};
use crate::settings::Settings;

/// How often the places are read again while another leader stands in the way, in milliseconds.
pub(crate) const LOOK_AGAIN: u64 = 500;

/// Where the take-over stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// Nothing was read yet.
    Unread,
    /// Another application has the epoch: its leader node stands since `present`, or is gone since `absent`.
    Waiting { present: Option<u64>, absent: Option<u64> },
    /// The multi that takes the epoch is on its way.
    Taking { epoch: u32 },
    /// The epoch is ours at this version of its znode.
    Held { epoch: u32, version: i32 },
    /// It is another's now: nothing may be done any more.
    Lost,
}

/// What a reading of the operator's places leads to.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Commit this, which takes `epoch`.
    Take { epoch: u32, ops: Vec<Op> },
    /// The epoch is ours already, at this version; `leader_stands` says whether our leader node does too.
    Ours { epoch: u32, version: i32, ops: Vec<Op> },
    /// A newer attempt of this application has it: leave without a word to YARN.
    Superseded(String),
    /// Another application's operator lives: refuse to start.
    Refused(String),
    /// Another application has the epoch: too early to say whether its operator lives.
    Wait(Fence),
}

/// Decides on a take-over.
pub(crate) fn judge(settings: &Settings, fence: &Fence, seen: &OperatorSeen, now: Time) -> Verdict {
    let leader_path = Node::Leader.path(&settings.root);
    let epoch_path = Node::Epoch.path(&settings.root);
    let leader = seen.leader.as_ref().map(|(data, stat)| (LeaderRecord::decode(&leader_path, data).ok(), stat));
    let record = seen.epoch.as_ref().map(|(data, stat)| (EpochRecord::decode(&epoch_path, data).ok(), stat));
    let mut ops = Vec::new();
    if seen.leader.is_some() {
        ops.push(Op::Delete { path: leader_path.clone(), version: None });
    }
    let (before, version) = match &record {
        Some((Some(before), stat)) => (Some(before), Some(stat.version)),
        Some((None, stat)) => (None, Some(stat.version)),
        None => (None, None),
    };
    if let (Some(before), Some(version)) = (before, version) {
        if before.nonce == settings.nonce && !seeded(Bug::OwnEpochUnknown) {
            ops.push(create_leader(settings, before.epoch, false));
            return Verdict::Ours { epoch: before.epoch, version, ops };
        }
        if before.application == settings.application {
            if before.attempt >= settings.attempt && !seeded(Bug::OlderAttemptTakesOver) {
                return Verdict::Superseded(format!(
                    "attempt {} of {} holds epoch {}; this is attempt {}",
                    before.attempt, before.application, before.epoch, settings.attempt
                ));
            }
        } else if !before.application.is_empty() && !seeded(Bug::OtherLeaderNotAwaited) {
            let patience = settings.session_timeout_ms;
            let (present, absent) = match fence {
                Fence::Waiting { present, absent } => (*present, *absent),
                Fence::Unread | Fence::Taking { .. } | Fence::Held { .. } | Fence::Lost => (None, None),
            };
            if let Some((leader, _)) = leader {
                // A dead operator's node stands until its session times out; a living one's stays.
                let since = present.unwrap_or(now.mono);
                if now.mono < since + patience + LOOK_AGAIN {
                    return Verdict::Wait(Fence::Waiting { present: Some(since), absent: None });
                }
                let other = leader.map_or_else(|| before.application.clone(), |l| l.application);
                return Verdict::Refused(format!(
                    "{other} reconciles the tree {} already. Stop it first: maasctl service stop, or yarn application -kill {other}",
                    settings.root
                ));
            }
            let since = absent.unwrap_or(now.mono);
            if now.mono < since + patience {
                return Verdict::Wait(Fence::Waiting { present: None, absent: Some(since) });
            }
        }
    }
    let epoch = before.map_or(seen.highest, |b| b.epoch.max(seen.highest)).saturating_add(1);
    let taken = EpochRecord {
        epoch,
        application: settings.application.clone(),
        attempt: settings.attempt,
        nonce: settings.nonce.clone(),
    };
    let set = match version {
        Some(_) if seeded(Bug::EpochTakenBlindly) => Op::Set { path: epoch_path, data: taken.encode(), version: None },
        Some(version) => Op::Set { path: epoch_path, data: taken.encode(), version: Some(version) },
        None => Op::Create { path: epoch_path, data: taken.encode(), ephemeral: false },
    };
    ops.insert(0, set);
    ops.push(create_leader(settings, epoch, false));
    Verdict::Take { epoch, ops }
}

fn leader(settings: &Settings, epoch: u32, ready: bool) -> Vec<u8> {
    LeaderRecord {
        epoch,
        application: settings.application.clone(),
        attempt: settings.attempt,
        host: settings.host.clone(),
        ready,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: settings.build(),
        refused: settings.refused.clone(),
        metron_queue: settings.metron_queue.as_ref().map(|queue| queue.path.clone()),
    }
    .encode()
}

fn create_leader(settings: &Settings, epoch: u32, ready: bool) -> Op {
    Op::Create { path: Node::Leader.path(&settings.root), data: leader(settings, epoch, ready), ephemeral: true }
}

/// Says that the operator reconciles.
pub(crate) fn announce_ready(settings: &Settings, epoch: u32) -> Op {
    Op::Set { path: Node::Leader.path(&settings.root), data: leader(settings, epoch, true), version: None }
}

/// The check that stands first in every multi of the operator.
pub(crate) fn check(settings: &Settings, version: i32) -> Op {
    let version = if seeded(Bug::NoFence) { -1 } else { version };
    Op::Check { path: Node::Epoch.path(&settings.root), version }
}

/// Whether this operator's epoch was handed over.
pub(crate) fn is_handed_over(settings: &Settings, epoch: u32, seen: &OperatorSeen) -> bool {
    let path = Node::Epoch.path(&settings.root);
    let record = seen.epoch.as_ref().and_then(|(data, _)| EpochRecord::decode(&path, data).ok());
    record.is_some_and(|record| record.epoch == epoch && record.application.is_empty())
}

/// Leaves the tree to whoever comes next: no wait, no leader.
pub(crate) fn hand_over(settings: &Settings, epoch: u32) -> Vec<Op> {
    let free = EpochRecord { epoch, application: String::new(), attempt: 0, nonce: String::new() };
    vec![
        Op::Set { path: Node::Epoch.path(&settings.root), data: free.encode(), version: None },
        Op::Delete { path: Node::Leader.path(&settings.root), version: None },
    ]
}

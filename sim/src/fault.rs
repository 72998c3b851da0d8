//! What can go wrong, and where: at a step counted over the whole run.

use hadoop_yarn::ContainerId;

use crate::World;

/// Long enough for instances to come and go.
const SLOW: u64 = 400;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The n-th commit is applied, and its answer lost.
    CommitAnswerLost(usize),
    /// The n-th commit is never applied, and nobody knows.
    CommitLost(usize),
    /// The n-th commit is never sent, and its sender knows.
    CommitUnsent(usize),
    /// The operator dies before the n-th commit is applied.
    CrashBefore(usize),
    /// The operator dies after the n-th commit is applied, before it hears of it.
    CrashAfter(usize),
    /// The mirror is lost for a second at the n-th commit.
    MirrorLost(usize),
    /// The operator's mirror looks late at what the n-th commit and others change.
    MirrorSlow(usize),
    /// The operator's session expires at the n-th commit, which is not applied.
    SessionExpired(usize),
    /// A client is cut off at the n-th commit, for so long.
    ClientCut(usize, u64),
    /// The session of some runner expires at the n-th commit.
    RunnerExpired(usize),
    /// Some container is killed at the n-th commit.
    ContainerKilled(usize),
    /// Some container ends at the n-th commit, and nobody who knew of it is left to tell.
    EndUntold(usize),
    /// The operator is frozen at the n-th commit, superseded, and runs on later: before or after its session has timed out.
    Superseded(usize, u64),
    /// The operator is frozen before it sends its n-th commit, superseded, and sends it when it runs on.
    CommitLate(usize, u64),
    /// The n-th heartbeat's answer is lost.
    HeartbeatAnswerLost(usize),
    /// The ResourceManager restarts at the n-th heartbeat.
    RmRestart(usize),
    /// The answer of the n-th registration is lost.
    RegisterAnswerLost(usize),
    /// The operator dies at the n-th start, which happens.
    CrashAtStart(usize),
    /// The n-th start's answer is lost; it happened.
    StartAnswerLost(usize),
    /// The n-th start does not happen, and nobody knows.
    StartLost(usize),
    /// The operator dies at its n-th effect, which does not happen.
    CrashAtEffect(usize),
}

/// How often each kind of step came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    pub commits: usize,
    pub heartbeats: usize,
    pub registrations: usize,
    pub starts: usize,
    pub effects: usize,
}

impl Steps {
    /// Every single fault at every step.
    pub fn placements(&self) -> Vec<Fault> {
        use Fault::*;
        let mut all = Vec::new();
        for n in 0..self.commits {
            all.extend([CommitAnswerLost(n), CommitLost(n), CommitUnsent(n), CrashBefore(n), CrashAfter(n)]);
            all.extend([MirrorLost(n), MirrorSlow(n), SessionExpired(n), RunnerExpired(n), ContainerKilled(n)]);
            all.extend([EndUntold(n), ClientCut(n, 1_000), ClientCut(n, 9_000)]);
            all.extend([3_000, 20_000].map(|pause| Superseded(n, pause)));
            all.extend([3_000, 20_000].map(|pause| CommitLate(n, pause)));
        }
        all.extend((0..self.heartbeats).flat_map(|n| [HeartbeatAnswerLost(n), RmRestart(n)]));
        all.extend((0..self.registrations).map(RegisterAnswerLost));
        all.extend((0..self.starts).flat_map(|n| [CrashAtStart(n), StartAnswerLost(n), StartLost(n)]));
        all.extend((0..self.effects).map(CrashAtEffect));
        all
    }
}

impl World {
    pub(crate) fn hits(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// What goes wrong around the n-th commit of an operator, beside the commit itself.
    pub(crate) fn trouble_at_commit(&mut self, n: usize, at: usize) {
        let some = |w: &Self| -> Option<ContainerId> { w.runners.keys().nth(at % w.runners.len().max(1)).copied() };
        if self.hits(Fault::MirrorLost(at)) {
            self.lose_mirror(n, 1_000);
        }
        if self.hits(Fault::MirrorSlow(at)) {
            self.slots[n].mirror.slow = SLOW;
        }
        if self.hits(Fault::SessionExpired(at)) {
            self.expire_operator(n);
        }
        if let Some(id) = some(self).filter(|_| self.hits(Fault::RunnerExpired(at))) {
            self.expire_runner(id);
        }
        if let Some(id) = some(self).filter(|_| self.hits(Fault::ContainerKilled(at))) {
            self.note(format!("{id} is killed"));
            self.end_container(id, 137);
        }
        if let Some(id) = some(self).filter(|_| self.hits(Fault::EndUntold(at))) {
            self.end_container_untold(id);
        }
        for cut in [1_000, 9_000] {
            if self.hits(Fault::ClientCut(at, cut)) && !self.clients.is_empty() {
                self.lose_client(0, cut);
            }
        }
        for pause in [3_000, 20_000] {
            if self.hits(Fault::Superseded(at, pause)) {
                self.supersede(n, pause);
            }
        }
    }
}

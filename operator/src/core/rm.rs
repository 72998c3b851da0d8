//! What YARN knows: registration, heartbeats, containers held and ended. The ledger of asks is `hadoop_yarn`'s.

use std::collections::{BTreeMap, BTreeSet};

use hadoop_yarn::{
    AllocateResponse, Ask, Container as Granted, ContainerId, ContainerState, ContainerStatus, LaunchContext, Ledger,
    MasterError, NodeId, NodeReport, NodeState, RegisterResponse, Resource,
};
use maas_crd::Iid;

use super::event::{Effect, Held, Level, Stage};
use crate::allot::{Allotment, Change, Room, Shape};
use crate::plan::Time;
use crate::plan::observed::{Container, Ended, Eviction};
use crate::seeded::{Bug, seeded};

/// Heartbeat when nothing is expected.
const IDLE: u64 = 500;
/// Heartbeat while something asked is outstanding: quick at first, then slower. A start is answered by its NodeManager;
/// heartbeats tell only of one that fails, and quick ones would take the processor from what starts.
const QUICK: u64 = 10;
const BRISK: u64 = 100;
const QUICK_FOR: u64 = 2_000;
const BRISK_FOR: u64 = 15_000;
const START_WATCHED_FOR: u64 = 2_000;
/// Wait before a registration or heartbeat that failed is tried again.
const RETRY: u64 = 200;
/// Wait before it is asked again which nodes are being decommissioned.
const NODES_AGAIN: u64 = 60_000;
/// A node that has not come back so long after the ResourceManager's restart is lost, though nobody says so: the
/// ResourceManager's own patience (yarn.nm.liveness-monitor.expiry-interval-ms, by default) with nodes that it knows.
const NODE_AWAITED_FOR: u64 = 600_000;
/// Without a heartbeat this recent, nothing is decided.
const FRESH: u64 = 30_000;
/// Times a start whose answer was lost is sent again.
const START_TRIES: u32 = 3;
/// Times in a row that a NodeManager does not say what it has of a container, whose runner is away all the while, until
/// that is over: five minutes. One that has lost what it remembers refuses the token that it took before.
const UNANSWERED: u32 = 10;
/// Such answers further apart than this are not in a row.
const IN_A_ROW: u64 = 90_000;
/// The exit status given to a container that could not be started; YARN uses none of this value.
const START_FAILED: i32 = -2_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Registration {
    #[default]
    None,
    Sent,
    Done,
}

/// The ResourceManager's and the NodeManagers' side of the state.
#[derive(Debug)]
pub(crate) struct Rm {
    ledger: Ledger,
    registration: Registration,
    in_flight: bool,
    last_heard: Option<u64>,
    /// The last call brought no answer: the next one waits for its time, whatever there is to say.
    unheard: bool,
    next_at: u64,
    /// When something was last asked of YARN that is answered by a later heartbeat.
    expecting_since: Option<u64>,
    /// Until then, brisk at least.
    brisk_until: u64,
    pub(crate) room: Room,
    registered_maximum: Shape,
    held: BTreeMap<ContainerId, Held>,
    by_iid: BTreeMap<Iid, ContainerId>,
    ended: BTreeMap<Iid, Ended>,
    /// Containers of lost nodes: a node that returns revives them, untold.
    lost: BTreeMap<NodeId, BTreeSet<ContainerId>>,
    /// Nodes with containers of ours that were not seen since the ResourceManager restarted, and since when.
    awaited: BTreeMap<NodeId, u64>,
    /// Nodes that are being decommissioned: what runs there runs on for a while.
    leaving: BTreeSet<NodeId>,
    /// When to ask for those: a ResourceManager tells a change once, perhaps to an attempt that is no more.
    nodes_at: Option<u64>,
    adopted: bool,
    said_lost: bool,
    finishing: Option<(bool, String)>,
    /// The attempt is over: nothing may be asked any more.
    pub(crate) over: bool,
}

impl Default for Rm {
    fn default() -> Self {
        let none = Shape { memory_mb: 0, vcores: 0 };
        Self {
            ledger: Ledger::default(),
            registration: Registration::None,
            in_flight: false,
            last_heard: None,
            unheard: false,
            next_at: 0,
            expecting_since: None,
            brisk_until: 0,
            room: Room { headroom: none, maximum: none },
            registered_maximum: none,
            held: BTreeMap::new(),
            by_iid: BTreeMap::new(),
            ended: BTreeMap::new(),
            lost: BTreeMap::new(),
            awaited: BTreeMap::new(),
            leaving: BTreeSet::new(),
            nodes_at: None,
            adopted: false,
            said_lost: false,
            finishing: None,
            over: false,
        }
    }
}

fn shape(resource: &Resource) -> Shape {
    Shape {
        memory_mb: u64::try_from(resource.memory_mb).unwrap_or(0),
        vcores: u32::try_from(resource.vcores).unwrap_or(0),
    }
}

fn iid_of(container: &Granted) -> Option<Iid> {
    Iid::from_i64(container.allocation_request_id)
}

impl Rm {
    /// Sends the registration when none stands.
    pub(crate) fn register(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.registration == Registration::None && now.mono >= self.next_at && !self.over {
            self.registration = Registration::Sent;
            out.push(Effect::Register);
        }
    }

    /// Takes the answer of a registration in; returns the instances it tells of.
    pub(crate) fn registered(
        &mut self,
        now: Time,
        answer: Result<RegisterResponse, MasterError>,
        out: &mut Vec<Effect>,
    ) -> Vec<Iid> {
        match answer {
            Ok(response) => {
                self.registration = Registration::Done;
                self.last_heard = Some(now.mono);
                self.nodes_at = Some(now.mono);
                self.room.maximum = shape(&response.maximum);
                self.registered_maximum = self.room.maximum;
                self.room.headroom = self.room.maximum;
                self.next_at = now.mono;
                out.push(Effect::Tokens(response.nm_tokens.clone()));
                let kept = response.previous_containers.len();
                if kept > 0 {
                    out.push(Effect::Say(Level::Info, format!("{kept} containers of earlier attempts are kept")));
                }
                self.adopt(response.previous_containers)
            }
            // Only a lost answer of our own leads here. Containers of earlier attempts in it are known by their runners
            // alone; the largest container is learnt from refusals.
            Err(error) if error.is_already_registered() => {
                self.registration = Registration::Done;
                if self.registered_maximum.memory_mb == 0 {
                    self.registered_maximum = Shape { memory_mb: u64::MAX / 2, vcores: u32::MAX };
                    self.room = Room { headroom: self.registered_maximum, maximum: self.registered_maximum };
                }
                self.last_heard = Some(now.mono);
                Vec::new()
            }
            Err(error) => {
                self.failed(now, &error, out);
                self.registration = Registration::None;
                Vec::new()
            }
        }
    }

    fn adopt(&mut self, containers: Vec<Granted>) -> Vec<Iid> {
        if seeded(Bug::RunningContainersDropped) {
            return Vec::new();
        }
        let mut iids = Vec::new();
        for container in containers {
            if self.held.contains_key(&container.id) {
                continue;
            }
            self.adopted = true;
            let Some(iid) = iid_of(&container) else { continue };
            iids.push(iid);
            // A second container of one instance has no place here: it is given back as unknown.
            self.by_iid.entry(iid).or_insert_with(|| container.id);
            let held =
                Held { iid, container, stage: Stage::Running, leaving: false, preempted: false, unanswered: (0, 0) };
            self.held.insert(held.container.id, held);
        }
        iids
    }

    fn failed(&mut self, now: Time, error: &MasterError, out: &mut Vec<Effect>) {
        self.next_at = now.mono + RETRY;
        self.unheard = !matches!(error, MasterError::Refused { .. } | MasterError::ResponseId { .. });
        if error.is_attempt_gone() {
            out.push(Effect::Say(Level::Warn, format!("YARN has ended this attempt: {error}")));
            self.over = true;
        } else {
            out.push(Effect::Say(Level::Warn, format!("the ResourceManager did not answer: {error}; trying again")));
        }
    }

    /// Sends a heartbeat when one is due.
    pub(crate) fn heartbeat(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.registration != Registration::Done || self.in_flight || self.over {
            return;
        }
        if let Some((well, words)) = self.finishing.take() {
            self.registration = Registration::Sent;
            out.push(Effect::Finish(well, words));
        } else if now.mono >= self.next_at || (!self.unheard && self.ledger.has_unsent()) {
            self.in_flight = true;
            out.push(Effect::Allocate(self.ledger.request()));
        }
    }

    /// Takes the answer of a heartbeat in; returns the instances whose container changed.
    pub(crate) fn allocated(
        &mut self,
        now: Time,
        answer: Result<AllocateResponse, MasterError>,
        out: &mut Vec<Effect>,
    ) -> Vec<Iid> {
        self.in_flight = false;
        let response = match answer {
            Ok(response) => response,
            Err(error) if error.is_not_registered() => {
                out.push(Effect::Say(Level::Info, "the ResourceManager restarted: registering again".to_owned()));
                self.resync(now);
                return Vec::new();
            }
            Err(error) => {
                self.ledger.failed(&error);
                self.too_large();
                self.failed(now, &error, out);
                return Vec::new();
            }
        };
        self.last_heard = Some(now.mono);
        self.unheard = false;
        if response.is_shutdown() {
            out.push(Effect::Say(Level::Warn, "the ResourceManager told this attempt to end".to_owned()));
            self.over = true;
            return Vec::new();
        }
        if response.is_resync() {
            self.resync(now);
            return Vec::new();
        }
        let granted = self.ledger.answer(&response);
        if let Some(headroom) = &response.headroom {
            self.room.headroom = shape(headroom);
        }
        if !response.nm_tokens.is_empty() {
            out.push(Effect::Tokens(response.nm_tokens.clone()));
        }
        let late = if seeded(Bug::LateContainersDropped) { Vec::new() } else { response.previous_containers.clone() };
        let mut moved = self.adopt(late);
        for container in granted {
            let Some(iid) = iid_of(&container) else { continue };
            moved.push(iid);
            self.by_iid.insert(iid, container.id);
            self.held.insert(
                container.id,
                Held { iid, container, stage: Stage::Granted, leaving: false, preempted: false, unanswered: (0, 0) },
            );
        }
        moved.extend(response.completed.iter().filter_map(|status| self.completed(status)));
        moved.extend(self.preempted(&response.preempted));
        for node in &response.updated_nodes {
            self.awaited.remove(&node.id);
            moved.extend(self.node_leaves(&node.id, node.state == NodeState::Decommissioning));
            if node.state == NodeState::Running {
                self.room.maximum = self.registered_maximum;
                for held in self.held.values_mut().filter(|held| held.container.node == node.id) {
                    if held.stage == Stage::Unheard {
                        held.stage = Stage::Running;
                    }
                }
                let lost = self.lost.remove(&node.id).filter(|_| !seeded(Bug::ReturnedNodeKeepsContainers));
                for id in lost.into_iter().flatten() {
                    self.ledger.release(id);
                }
            }
        }
        if !moved.is_empty() {
            self.expecting_since = self.ledger.has_open().then_some(now.mono);
        }
        self.next_at = now.mono + self.pace(now);
        moved
    }

    /// The ResourceManager has forgotten this attempt: it is registered again, and told everything again.
    fn resync(&mut self, now: Time) {
        if seeded(Bug::NoRegistrationAfterRestart) {
            return;
        }
        self.ledger.resync();
        if seeded(Bug::AsksDroppedOnResync) {
            self.ledger = Ledger::default();
        }
        self.registration = Registration::None;
        self.next_at = now.mono;
        for held in self.held.values() {
            self.awaited.entry(held.container.node.clone()).or_insert(now.mono);
        }
    }

    /// Once after its time, for each node that did not come back: the instances that were there.
    pub(crate) fn stop_awaiting(&mut self, now: Time) -> Vec<Iid> {
        let over = |since: u64| now.mono >= since.saturating_add(NODE_AWAITED_FOR);
        let gone: Vec<NodeId> =
            self.awaited.iter().filter(|(_, since)| over(**since)).map(|(node, _)| node.clone()).collect();
        if gone.is_empty() {
            return Vec::new();
        }
        self.awaited.retain(|_, since| !over(*since));
        let mut iids = Vec::new();
        for held in self.held.values_mut().filter(|held| gone.contains(&held.container.node)) {
            held.stage = Stage::Unheard;
            iids.push(held.iid);
        }
        iids
    }

    /// The largest node may be smaller than the largest container that a registration names: an ask which was refused
    /// for its size says so, until a node joins.
    fn too_large(&mut self) {
        let refused = self.ledger.refused_asks().iter().filter_map(|id| self.ledger.open().get(id));
        if let Some(least) = refused.map(|ask| shape(&ask.capability).memory_mb).min() {
            self.room.maximum.memory_mb = self.room.maximum.memory_mb.min(least.saturating_sub(1));
        }
    }

    /// Notes which containers the scheduler will take, said once of each; returns their instances.
    fn preempted(&mut self, ids: &[ContainerId]) -> Vec<Iid> {
        let mut iids = Vec::new();
        for id in ids.iter().filter(|_| !seeded(Bug::PreemptionNotHeeded)) {
            if let Some(held) = self.held.get_mut(id) {
                held.preempted = true;
                iids.push(held.iid);
            }
        }
        iids
    }

    /// Notes whether a node is being decommissioned; returns the instances there, where that changed.
    fn node_leaves(&mut self, node: &NodeId, leaves: bool) -> Vec<Iid> {
        let leaves = leaves && !seeded(Bug::LeavingNodeKept);
        let changed = if leaves { self.leaving.insert(node.clone()) } else { self.leaving.remove(node) };
        let there = self.held.values().filter(|held| changed && held.container.node == *node);
        there.map(|held| held.iid).collect()
    }

    /// Asks once after each registration which nodes are being decommissioned.
    pub(crate) fn look_at_nodes(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.nodes_at.is_some_and(|at| now.mono >= at) && !seeded(Bug::LeavingNodesNotAskedFor) {
            self.nodes_at = None;
            out.push(Effect::LookAtNodes);
        }
    }

    /// Takes in which nodes are being decommissioned; returns the instances there.
    pub(crate) fn nodes_seen(
        &mut self,
        now: Time,
        answer: Result<Vec<NodeReport>, String>,
        out: &mut Vec<Effect>,
    ) -> Vec<Iid> {
        match answer {
            Ok(nodes) => nodes.iter().flat_map(|node| self.node_leaves(&node.id, true)).collect(),
            Err(why) => {
                let message = format!("the ResourceManager did not say which nodes are being decommissioned: {why}");
                out.push(Effect::Say(Level::Warn, message));
                self.nodes_at = Some(now.mono + NODES_AGAIN);
                Vec::new()
            }
        }
    }

    /// Whether YARN has said that it will take the container of an instance away.
    pub(crate) fn eviction(&self, iid: Iid) -> Option<Eviction> {
        let held = self.by_iid.get(&iid).and_then(|id| self.held.get(id))?;
        if held.preempted {
            return Some(Eviction::Preempted);
        }
        self.leaving.contains(&held.container.node).then_some(Eviction::NodeLeaves)
    }

    fn completed(&mut self, status: &ContainerStatus) -> Option<Iid> {
        let held = self.held.remove(&status.id)?;
        if status.exit_status == hadoop_yarn::exit::ABORTED {
            self.lost.entry(held.container.node.clone()).or_default().insert(status.id);
        }
        if self.by_iid.get(&held.iid) == Some(&status.id) {
            self.by_iid.remove(&held.iid);
            let ended = Ended { exit_status: status.exit_status, diagnostics: status.diagnostics.clone() };
            self.ended.entry(held.iid).or_insert(ended);
        }
        Some(held.iid)
    }

    fn pace(&self, now: Time) -> u64 {
        match self.expecting_since.map(|since| now.mono.saturating_sub(since)) {
            // The scheduler takes an ask up within a few milliseconds (5 by default, where it is asynchronous).
            Some(waited) if waited < QUICK => QUICK / 2,
            Some(waited) if waited < QUICK_FOR => QUICK,
            Some(waited) if waited < BRISK_FOR => BRISK,
            _ if now.mono < self.brisk_until => BRISK,
            _ => IDLE,
        }
    }

    fn expect(&mut self, now: Time) {
        self.expecting_since = Some(now.mono);
        self.next_at = self.next_at.min(now.mono + QUICK);
    }

    /// When a heartbeat or a registration is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        match self.registration {
            Registration::None => Some(self.next_at),
            Registration::Done if !self.in_flight => Some(self.next_at),
            Registration::Sent | Registration::Done => None,
        }
    }

    /// Registered, and heard of lately.
    pub(crate) fn is_fresh(&self, now: Time) -> bool {
        self.registration == Registration::Done && self.last_heard.is_some_and(|at| now.mono <= at + FRESH)
    }

    /// Brings changed asks to the ledger.
    pub(crate) fn ask(&mut self, now: Time, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Ask(iid, priority, shape) => {
                    let capability = Resource {
                        memory_mb: i64::try_from(shape.memory_mb).unwrap_or(i64::MAX),
                        vcores: i32::try_from(shape.vcores).unwrap_or(i32::MAX),
                        ..Resource::default()
                    };
                    self.ledger.ask(iid.get(), Ask { priority: *priority, capability });
                }
                Change::Cancel(iid) => self.ledger.cancel(iid.get()),
            }
        }
        // To take back what was granted meanwhile brings no news.
        if !changes.is_empty() && (self.ledger.has_open() || self.ledger.has_unsent()) {
            self.expect(now);
        }
    }

    /// What is known of an instance's container.
    pub(crate) fn container(&self, iid: Iid, allotment: &Allotment) -> Container {
        if let Some(ended) = self.ended.get(&iid) {
            return Container::Ended(ended.clone());
        }
        match self.by_iid.get(&iid).and_then(|id| self.held.get(id)).map(|held| held.stage) {
            Some(Stage::Unsure { .. }) if seeded(Bug::StartNotRepeated) => Container::Starting,
            Some(Stage::Granted | Stage::Unsure { .. }) => Container::Granted,
            Some(Stage::Starting { .. }) => Container::Starting,
            Some(Stage::Running) => Container::Running,
            Some(Stage::Unheard) => Container::Unheard,
            None => Container::None(allotment.waiting(iid)),
        }
    }

    /// Starts the granted container of an instance.
    pub(crate) fn start(&mut self, now: Time, iid: Iid, context: LaunchContext, out: &mut Vec<Effect>) {
        let Some(held) = self.by_iid.get(&iid).and_then(|id| self.held.get_mut(id)) else { return };
        let before = match held.stage {
            Stage::Granted => 0,
            Stage::Unsure { tries } => tries,
            Stage::Starting { .. } | Stage::Running | Stage::Unheard => return,
        };
        held.stage = Stage::Starting { tries: before + 1 };
        out.push(Effect::Start(Box::new(held.container.clone()), Box::new(context)));
        self.brisk_until = now.mono + START_WATCHED_FOR;
        self.next_at = self.next_at.min(now.mono + BRISK);
    }

    /// Takes the answer of a start in. Nothing follows at once from one that failed: a superseded operator may hear it
    /// late. It is started again, or stopped once its record is gone, behind the next check of the epoch.
    pub(crate) fn started(
        &mut self,
        id: &ContainerId,
        result: Result<(), (String, bool)>,
        out: &mut Vec<Effect>,
    ) -> Option<Iid> {
        let held = self.held.get_mut(id)?;
        let Stage::Starting { tries } = held.stage else { return None };
        match result {
            Ok(()) => held.stage = Stage::Running,
            Err((why, may_have_happened)) => {
                out.push(Effect::Say(Level::Warn, format!("{id} was not started: {why}")));
                if may_have_happened && tries < START_TRIES {
                    held.stage = Stage::Unsure { tries };
                } else {
                    let diagnostics = format!("could not be started: {why}");
                    self.ended.entry(held.iid).or_insert(Ended { exit_status: START_FAILED, diagnostics });
                }
            }
        }
        Some(held.iid)
    }

    fn drop_container(&mut self, now: Time, id: &ContainerId, out: &mut Vec<Effect>) {
        if let Some(held) = self.held.remove(id) {
            if self.by_iid.get(&held.iid) == Some(id) {
                self.by_iid.remove(&held.iid);
            }
            if held.stage != Stage::Granted {
                out.push(Effect::Stop(*id, held.container.node.clone()));
            }
            self.ledger.release(*id);
            self.expect(now);
        }
    }

    /// Asks the NodeManager to signal the container of an instance.
    pub(crate) fn signal(&mut self, iid: Iid, out: &mut Vec<Effect>) {
        if let Some(held) = self.by_iid.get(&iid).and_then(|id| self.held.get(id)) {
            out.push(Effect::Signal(held.container.id, held.container.node.clone()));
        }
    }

    /// Asks the NodeManager what it has of the container of an instance.
    pub(crate) fn look(&self, iid: Iid, out: &mut Vec<Effect>) {
        if let Some(held) = self.by_iid.get(&iid).and_then(|id| self.held.get(id)) {
            out.push(Effect::Look(held.container.id, held.container.node.clone()));
        }
    }

    /// Takes in what a NodeManager has of a container. One that it does not know, or that is over there, is over: of an end
    /// that was told to a ResourceManager which died with it nobody says another word. Returns its instance then.
    pub(crate) fn looked(
        &mut self,
        now: Time,
        id: &ContainerId,
        answer: Result<Option<ContainerStatus>, String>,
        out: &mut Vec<Effect>,
    ) -> Option<Iid> {
        let held = self.held.get_mut(id)?;
        let ended = match answer {
            Ok(Some(status)) if status.state != ContainerState::Complete => {
                held.unanswered = (0, 0);
                return None;
            }
            Ok(Some(status)) => Ended { exit_status: status.exit_status, diagnostics: status.diagnostics },
            Ok(None) => Ended {
                exit_status: hadoop_yarn::exit::ABORTED,
                diagnostics: "its NodeManager does not know it any more".to_owned(),
            },
            Err(why) => {
                let (times, last) = held.unanswered;
                let times = if now.mono > last + IN_A_ROW { 1 } else { times + 1 };
                held.unanswered = (times, now.mono);
                if times < UNANSWERED {
                    let message = format!("{id}: its runner is gone, and its node does not say: {why}");
                    out.push(Effect::Say(Level::Warn, message));
                    return None;
                }
                Ended {
                    exit_status: hadoop_yarn::exit::ABORTED,
                    diagnostics: format!(
                        "its runner is gone, and its NodeManager has not said for five minutes: {why}"
                    ),
                }
            }
        };
        out.push(Effect::Say(Level::Warn, format!("{id} has ended, which YARN did not tell: {}", ended.diagnostics)));
        self.ended.entry(held.iid).or_insert(ended);
        Some(held.iid)
    }

    /// Has the NodeManager stop the container of an instance.
    pub(crate) fn stop(&mut self, now: Time, iid: Iid, out: &mut Vec<Effect>) {
        if let Some(held) = self.by_iid.get(&iid).and_then(|id| self.held.get(id)) {
            out.push(Effect::Stop(held.container.id, held.container.node.clone()));
            self.expect(now);
        }
    }

    /// Gives the container of an instance back. One that was never started is forgotten at once; one that
    /// runs is held until YARN says that it is over.
    pub(crate) fn release(&mut self, now: Time, iid: Iid, out: &mut Vec<Effect>) {
        let Some(id) = self.by_iid.get(&iid).copied() else { return };
        if self.held.get(&id).is_some_and(|held| matches!(held.stage, Stage::Granted | Stage::Unsure { .. })) {
            self.drop_container(now, &id, out);
        } else {
            self.ledger.release(id);
            self.expect(now);
        }
    }

    /// Containers whose instance has no record, and second containers of one instance.
    pub(crate) fn unknown(&mut self, known: impl Fn(Iid) -> bool) -> Vec<ContainerId> {
        let unknown: Vec<ContainerId> = self
            .held
            .iter()
            .filter(|(id, held)| {
                let second = self.by_iid.get(&held.iid) != Some(id) && !seeded(Bug::SecondContainerKept);
                !held.leaving && (!known(held.iid) || second)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in &unknown {
            if let Some(held) = self.held.get_mut(id) {
                held.leaving = true;
            }
        }
        unknown
    }

    /// Gives containers back that belong to no instance.
    pub(crate) fn give_back(&mut self, now: Time, ids: &[ContainerId], out: &mut Vec<Effect>) {
        for id in ids {
            self.drop_container(now, id, out);
        }
    }

    /// A commit that was to precede giving these back failed: they are unknown still.
    pub(crate) fn keep(&mut self, ids: &[ContainerId]) {
        for id in ids {
            if let Some(held) = self.held.get_mut(id) {
                held.leaving = false;
            }
        }
    }

    /// Forgets the ends of instances that have no record any more.
    pub(crate) fn forget_ended(&mut self, known: impl Fn(Iid) -> bool) {
        self.ended.retain(|iid, _| known(*iid));
    }

    /// Whether containers of an earlier attempt were taken over.
    pub(crate) fn has_adopted(&self) -> bool {
        self.adopted && !self.held.is_empty()
    }

    /// True once: that the tree is lost is said one time.
    pub(crate) fn say_lost(&mut self) -> bool {
        !std::mem::replace(&mut self.said_lost, true)
    }

    /// Unregisters, as soon as a registration stands.
    pub(crate) fn finish(&mut self, well: bool, words: String) {
        self.finishing = Some((well, words));
    }
}

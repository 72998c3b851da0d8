//! YARN as the simulation knows it: absolute asks, a scheduler that stops at the first ask that does not fit and
//! reserves a node for one that fits nowhere, containers that outlive attempts, restarts that forget asks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hadoop_rpc::Remote;
use hadoop_yarn::{
    AllocateRequest, AllocateResponse, ApplicationId, AttemptId, Container, ContainerId, ContainerState,
    ContainerStatus, MasterError, NodeId, NodeReport, NodeState, RegisterResponse, Resource,
};

/// A container is kept over attempts only once the NodeManager has told of it.
const NODE_HEARTBEAT: u64 = 300;
/// `yarn.scheduler.minimum-allocation-mb`: what is asked is rounded up to a multiple of it
/// (`DefaultResourceCalculator.normalize`).
const MINIMUM: i64 = 128;

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub id: NodeId,
    pub memory: i64,
    pub up: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub container: Container,
    pub started: Option<u64>,
}

/// What a NodeManager has of a container that it has started and that is over.
///
/// It has it in memory until the ResourceManager says that the master knows, which is once the master's next heartbeat has
/// come (`RMAppAttemptImpl.pullJustFinishedContainers`), and on disk for ten minutes more
/// (`yarn.nodemanager.duration-to-track-stopped-containers`; longer than runs here). What is in memory it tells to every
/// ResourceManager that starts (`NodeStatusUpdaterImpl.getNMContainerStatuses`), and that one tells the master
/// (`RMContainerImpl.ContainerRecoveredTransition`). A NodeManager that starts has all in memory again that is on disk.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    node: NodeId,
    status: i32,
    /// How the process ended, which is what the disk has, whoever ended it and why.
    process: i32,
    in_memory: bool,
}

/// A process that a NodeManager ended by SIGTERM.
const TERMINATED: i32 = 143;
/// `ContainerExitStatus.KILLED_BY_APPMASTER` and `KILLED_BY_RESOURCEMANAGER`.
const BY_MASTER: i32 = -105;
const BY_RESOURCE_MANAGER: i32 = -106;

/// Priority and allocation request id.
pub type AskKey = (i32, i64);

/// What became of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Begun,
    Again,
    Refused,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Yarn {
    pub application: ApplicationId,
    pub attempt: i32,
    pub nodes: Vec<Node>,
    pub containers: BTreeMap<ContainerId, Known>,
    pub asks: BTreeMap<AskKey, (i64, u32)>,
    /// The ResourceManager does not answer.
    pub down: bool,
    /// NodeManagers do not say what they have.
    pub mute: bool,
    /// Containers of earlier attempts are told with a later heartbeat, not with the registration.
    pub late: bool,
    /// Granted, and not seen to end by a NodeManager: a start may still be taken there.
    startable: BTreeMap<ContainerId, NodeId>,
    /// What the next containers of an ask are, as far as they fit there: a run beside a real scheduler has its choices.
    pub places: BTreeMap<AskKey, VecDeque<(NodeId, ContainerId)>>,
    /// Where the next reservation goes; the node with most room unless said.
    pub reserve_on: Option<NodeId>,
    /// Nodes that are being decommissioned: nothing more is placed there.
    leaving: BTreeSet<NodeId>,
    /// What the next answer names as to be preempted.
    preempted: Vec<ContainerId>,
    /// Started by a NodeManager at some time.
    taken: BTreeSet<ContainerId>,
    kept: BTreeMap<ContainerId, Kept>,
    /// Nodes that this ResourceManager has taken for lost.
    lost: BTreeSet<NodeId>,
    registered: bool,
    response_id: i32,
    last: Option<AllocateResponse>,
    allocated: Vec<Container>,
    completed: Vec<ContainerStatus>,
    updated: Vec<NodeReport>,
    previous: Vec<Container>,
    reserved: Option<(AskKey, NodeId, i64)>,
    /// What runs on nodes that are taken for lost, and whether this ResourceManager has ever known it.
    orphans: BTreeMap<ContainerId, (Known, bool)>,
    serial: i64,
}

impl Yarn {
    pub fn new(application: ApplicationId, memory: &[i64]) -> Self {
        let node = |n: usize, memory: i64| Node { id: NodeId { host: format!("nm{n}"), port: 1 }, memory, up: true };
        Self {
            application,
            attempt: 1,
            nodes: memory.iter().enumerate().map(|(n, m)| node(n, *m)).collect(),
            containers: BTreeMap::new(),
            asks: BTreeMap::new(),
            down: false,
            mute: false,
            late: false,
            startable: BTreeMap::new(),
            places: BTreeMap::new(),
            reserve_on: None,
            leaving: BTreeSet::new(),
            preempted: Vec::new(),
            taken: BTreeSet::new(),
            kept: BTreeMap::new(),
            lost: BTreeSet::new(),
            registered: false,
            response_id: 0,
            last: None,
            allocated: Vec::new(),
            completed: Vec::new(),
            updated: Vec::new(),
            previous: Vec::new(),
            reserved: None,
            orphans: BTreeMap::new(),
            serial: 1,
        }
    }

    fn free(&self, node: &Node) -> i64 {
        let used = self.containers.values().filter(|k| k.container.node == node.id);
        if node.up && !self.leaving.contains(&node.id) {
            node.memory - used.map(|k| k.container.resource.memory_mb).sum::<i64>()
        } else {
            0
        }
    }

    fn free_on(&self, id: &NodeId) -> i64 {
        self.nodes.iter().find(|n| n.id == *id).map_or(0, |n| self.free(n))
    }

    fn headroom(&self) -> i64 {
        let free: i64 = self.nodes.iter().map(|n| self.free(n)).sum();
        // More may be in use than there is, after the loss of a node with room kept elsewhere.
        (free - self.reserved.as_ref().map_or(0, |(_, _, memory)| *memory)).max(0)
    }

    fn largest(&self) -> i64 {
        self.nodes.iter().filter(|n| n.up).map(|n| n.memory).max().unwrap_or(0)
    }

    fn no_answer() -> MasterError {
        MasterError::Incomplete { method: "allocate", field: "answer, which was lost" }
    }

    pub fn register(&mut self, attempt: i32) -> Result<RegisterResponse, MasterError> {
        if self.down {
            return Err(Self::no_answer());
        }
        self.check_attempt(attempt)?;
        if self.registered {
            return Err(MasterError::AlreadyRegistered);
        }
        self.registered = true;
        (self.response_id, self.last) = (0, None);
        let earlier = self.containers.values().filter(|k| k.started.is_some());
        // All that it has, of this attempt too after a restart (`AbstractYarnScheduler.getTransferredContainers`).
        let earlier = earlier.map(|k| k.container.clone());
        let earlier: Vec<Container> = earlier.collect();
        let (previous_containers, previous) = if self.late { (Vec::new(), earlier) } else { (earlier, Vec::new()) };
        self.previous = previous;
        Ok(RegisterResponse {
            maximum: Resource::new(self.nodes.iter().map(|n| n.memory).max().unwrap_or(0), 64),
            previous_containers,
            ..RegisterResponse::default()
        })
    }

    fn check_attempt(&self, attempt: i32) -> Result<(), MasterError> {
        if attempt == self.attempt {
            Ok(())
        } else {
            Err(MasterError::AttemptGone { message: "superseded".to_owned() })
        }
    }

    pub fn allocate(&mut self, attempt: i32, request: &AllocateRequest) -> Result<AllocateResponse, MasterError> {
        if self.down {
            return Err(Self::no_answer());
        }
        self.check_attempt(attempt)?;
        if !self.registered {
            return Err(MasterError::NotRegistered);
        }
        if let Some(last) = self.last.clone().filter(|l| request.response_id + 1 == l.response_id) {
            return Ok(last);
        }
        if request.response_id != self.response_id {
            return Err(MasterError::ResponseId { expected: self.response_id });
        }
        if request.asks.iter().any(|row| row.capability.memory_mb > self.largest()) {
            let class = "org.apache.hadoop.yarn.exceptions.InvalidResourceRequestException".to_owned();
            let remote = Remote { class, message: "too large".to_owned(), fatal: false };
            return Err(MasterError::Refused { remote });
        }
        for row in &request.asks {
            match row.count {
                0 => drop(self.asks.remove(&(row.priority, row.id))),
                n => {
                    let memory = (row.capability.memory_mb.max(1) + MINIMUM - 1) / MINIMUM * MINIMUM;
                    self.asks.insert((row.priority, row.id), (memory, n));
                }
            }
        }
        for status in self.last.take().into_iter().flat_map(|last| last.completed) {
            self.forget(status.id);
        }
        for id in &request.releases {
            self.over(*id, -100, "released", BY_RESOURCE_MANAGER, TERMINATED);
        }
        self.response_id += 1;
        let response = AllocateResponse {
            response_id: self.response_id,
            allocated: std::mem::take(&mut self.allocated),
            completed: std::mem::take(&mut self.completed),
            updated_nodes: std::mem::take(&mut self.updated),
            preempted: std::mem::take(&mut self.preempted),
            previous_containers: if self.response_id > 3 { std::mem::take(&mut self.previous) } else { Vec::new() },
            headroom: Some(Resource::new(self.headroom(), 64)),
            ..AllocateResponse::default()
        };
        self.last = Some(response.clone());
        // Granted now, fetched by the next heartbeat: a cancel may cross it.
        self.schedule();
        Ok(response)
    }

    fn schedule(&mut self) {
        if self.reserved.as_ref().is_some_and(|(key, _, _)| !self.asks.contains_key(key)) {
            self.reserved = None;
        }
        loop {
            // A node with a reservation serves that alone, whatever comes before it (`allocateFromReservedContainer`), and
            // with the size that it was made with, though the ask may have another by now: the container stands.
            if let Some((key, node, size)) = self.reserved.clone()
                && self.free_on(&node) >= size
                && self.places.get(&key).and_then(VecDeque::front).is_none_or(|(at, _)| *at == node)
            {
                self.reserved = None;
                let place = self.places.get_mut(&key).and_then(VecDeque::pop_front);
                self.grant(key, size, node, place.map(|(_, id)| id));
                continue;
            }
            let Some((key, memory)) = self.asks.iter().next().map(|(k, (m, _))| (*k, *m)) else { return };
            let own = self.reserved.take_if(|(of, _, _)| *of == key);
            let place = self.places.get_mut(&key).and_then(VecDeque::pop_front);
            let other = own.as_ref().filter(|(_, _, size)| *size != memory).map(|(_, node, _)| node);
            let reserved = self.reserved.as_ref().map(|(_, node, _)| node);
            let usable = self
                .nodes
                .iter()
                .filter(|n| n.up && !self.leaving.contains(&n.id) && reserved != Some(&n.id) && other != Some(&n.id));
            // The first that does not fit stops all others; where only the nodes are too full, one is reserved.
            if memory > self.headroom() {
                self.reserved = self.reserved.take().or(own);
                return;
            }
            let fitting = usable.filter(|n| self.free(n) >= memory).map(|n| n.id.clone()).collect::<Vec<_>>();
            let place = place.filter(|(node, _)| fitting.contains(node));
            let node = place.as_ref().map(|(node, _)| node.clone()).or_else(|| fitting.first().cloned());
            let Some(node) = node else {
                let up = || self.nodes.iter().filter(|n| n.up && !self.leaving.contains(&n.id));
                let said = up().find(|n| self.reserve_on.as_ref() == Some(&n.id));
                let new = said.or_else(|| up().max_by_key(|n| self.free(n))).map(|n| (key, n.id.clone(), memory));
                self.reserved = self.reserved.take().or(own).or(new);
                return;
            };
            self.grant(key, memory, node, place.map(|(_, id)| id));
        }
    }

    fn grant(&mut self, key: AskKey, memory: i64, node: NodeId, id: Option<ContainerId>) {
        self.serial += 1;
        let attempt = AttemptId { application: self.application, attempt: self.attempt };
        let id = id.unwrap_or(ContainerId { attempt, id: self.serial });
        let container = Container {
            id,
            node,
            resource: Resource::new(memory, 1),
            priority: key.0,
            allocation_request_id: key.1,
            ..Container::default()
        };
        self.startable.insert(id, container.node.clone());
        self.containers.insert(id, Known { container: container.clone(), started: None });
        self.allocated.push(container);
        if let Some((_, n)) = self.asks.get_mut(&key) {
            *n -= 1;
            if *n == 0 {
                self.asks.remove(&key);
            }
        }
    }

    /// A NodeManager is told to start a container. It takes each once, and says of a second start that it has had the first,
    /// also when that one is over (`ContainerManagerImpl`, "Attempt to relaunch the same container").
    pub fn start(&mut self, id: ContainerId, now: u64) -> Start {
        let Some(node) = self.startable.remove(&id) else {
            return if self.taken.contains(&id) { Start::Again } else { Start::Refused };
        };
        self.taken.insert(id);
        match self.containers.get_mut(&id) {
            Some(known) => _ = known.started.get_or_insert(now),
            // The ResourceManager has it ended as soon as it hears of it.
            None => self.keep(id, node, BY_RESOURCE_MANAGER, TERMINATED, false),
        }
        Start::Begun
    }

    /// A NodeManager is told to stop a container; whether it has ever had it. Else the container stays allocated, and may
    /// be started still.
    pub fn stop(&mut self, id: ContainerId) -> bool {
        let had = self.taken.contains(&id);
        if had {
            self.over(id, BY_MASTER, "stopped", BY_MASTER, TERMINATED);
        }
        had
    }

    /// What a NodeManager says of a container.
    pub fn look(&self, id: ContainerId, node: &NodeId) -> Result<Option<ContainerStatus>, String> {
        if self.mute || !self.nodes.iter().any(|n| n.up && n.id == *node) {
            return Err("it does not answer".to_owned());
        }
        let runs = self.containers.get(&id).is_some_and(|known| known.started.is_some());
        let status = |state, exit_status| ContainerStatus { id, state, exit_status, diagnostics: String::new() };
        Ok(match self.kept.get(&id).filter(|kept| kept.in_memory) {
            Some(kept) => Some(status(ContainerState::Complete, kept.status)),
            None => runs.then(|| status(ContainerState::Running, -1_000)),
        })
    }

    /// A container's process ends, and its NodeManager with all that it remembers, while the ResourceManager restarts: that
    /// one learns of the node, and of nothing there.
    pub fn end_untold(&mut self, id: ContainerId) {
        self.containers.remove(&id);
        self.previous.retain(|c| c.id != id);
        self.taken.remove(&id);
        self.restart();
        self.completed.retain(|status| status.id != id);
    }

    /// A container's process has ended; whether the ResourceManager knew it.
    pub fn end(&mut self, id: ContainerId, exit_status: i32, words: &str) -> bool {
        self.over(id, exit_status, words, exit_status, exit_status)
    }

    /// A container is over, for the ResourceManager with the first status, for its NodeManager, if it was started, with the
    /// second, and on that one's disk with the third.
    fn over(&mut self, id: ContainerId, exit_status: i32, words: &str, status: i32, process: i32) -> bool {
        self.previous.retain(|c| c.id != id);
        let orphan = self.orphans.remove(&id).map(|(known, _)| known);
        let known = self.containers.remove(&id);
        if let Some(known) = known.as_ref().or(orphan.as_ref()).filter(|k| k.started.is_some()) {
            self.keep(id, known.container.node.clone(), status, process, true);
        }
        if let Some(known) = &known {
            if known.started.is_some() {
                self.startable.remove(&id);
            }
            self.completed.push(complete(id, exit_status, words));
            self.allocated.retain(|c| c.id != id);
        }
        known.is_some()
    }

    fn keep(&mut self, id: ContainerId, node: NodeId, status: i32, process: i32, in_memory: bool) {
        self.kept.insert(id, Kept { node, status, process, in_memory });
    }

    /// A NodeManager is told that nobody needs to hear of this end any more.
    fn forget(&mut self, id: ContainerId) {
        if let Some(kept) = self.kept.get_mut(&id) {
            kept.in_memory = false;
        }
    }

    /// The process of a master has ended, which no master is told.
    pub fn end_master(&mut self, id: ContainerId, process: i32) {
        if let Some(known) = self.containers.remove(&id) {
            self.keep(id, known.container.node, process, process, false);
        }
    }

    /// The ends that NodeManagers would tell a ResourceManager that starts now.
    pub fn untold(&self) -> BTreeMap<ContainerId, i32> {
        let up = |kept: &Kept| self.nodes.iter().any(|n| n.up && n.id == kept.node);
        self.kept.iter().filter(|(_, k)| k.in_memory && up(k)).map(|(id, k)| (*id, k.status)).collect()
    }

    /// The master's process ended: the next attempt keeps what runs, and is told of what has ended, which is also what was
    /// not started or too lately for that, and what the last one was told without a heartbeat since
    /// (`RMAppAttemptImpl.transferStateFromAttempt`). Returns what was not kept.
    pub fn next_attempt(&mut self, now: u64) -> Vec<ContainerId> {
        self.attempt += 1;
        self.completed.extend(self.last.take().into_iter().flat_map(|last| last.completed));
        self.registered = false;
        self.reserved = None;
        self.asks.clear();
        self.allocated.clear();
        self.previous.clear();
        let runs = |k: &Known| k.started.is_some_and(|at| now >= at + NODE_HEARTBEAT);
        let lost = self.containers.iter().filter(|(_, k)| !runs(k)).map(|(id, _)| *id).collect::<Vec<_>>();
        for id in &lost {
            self.over(*id, -100, "not kept", BY_RESOURCE_MANAGER, TERMINATED);
        }
        lost
    }

    /// The ResourceManager itself starts anew, work-preserving: asks and what was not started are forgotten, untold. It
    /// knows of ends what NodeManagers have in memory, and tells that, also what its predecessor has told already.
    pub fn restart(&mut self) {
        self.last = None;
        self.completed = self.untold().into_iter().map(|(id, status)| complete(id, status, "told again")).collect();
        self.lost.clear();
        self.registered = false;
        self.reserved = None;
        self.asks.clear();
        self.allocated.clear();
        self.containers.retain(|_, k| k.started.is_some());
        self.orphans.values_mut().for_each(|(_, lost_here)| *lost_here = false);
        // A NodeManager takes no token of an earlier ResourceManager.
        self.startable.clear();
        for id in self.nodes.iter().filter(|node| node.up).map(|node| node.id.clone()).collect::<Vec<_>>() {
            self.report(id, NodeState::Running);
        }
    }

    /// A node dies while the ResourceManager is away, which then never knew it. Returns its containers.
    pub fn lose_unseen(&mut self, n: usize) -> Vec<ContainerId> {
        self.nodes[n].up = false;
        let id = self.nodes[n].id.clone();
        let on = self.containers.iter().filter(|(_, k)| k.container.node == id).map(|(id, _)| *id);
        let on = on.collect::<Vec<ContainerId>>();
        self.containers.retain(|id, _| !on.contains(id));
        on
    }

    /// The scheduler says once that it will take a container for another queue.
    pub fn preempt(&mut self, id: ContainerId) {
        self.preempted.push(id);
    }

    /// A node is to be decommissioned once nothing runs there, or is not to be any more.
    pub fn decommission(&mut self, n: usize, leaves: bool) {
        let id = self.nodes[n].id.clone();
        if leaves {
            self.reserved.take_if(|(_, node, _)| *node == id);
            self.leaving.insert(id.clone());
        } else {
            self.leaving.remove(&id);
        }
        self.report(id, if leaves { NodeState::Decommissioning } else { NodeState::Running });
    }

    /// The same, told to an attempt that is no more.
    pub fn decommission_untold(&mut self, n: usize) {
        let before = self.updated.len();
        self.decommission(n, true);
        self.updated.truncate(before);
    }

    /// The nodes that are being decommissioned.
    pub fn leaving(&self) -> Result<Vec<NodeReport>, String> {
        if self.down {
            return Err("it does not answer".to_owned());
        }
        let report =
            |id: &NodeId| NodeReport { id: id.clone(), state: NodeState::Decommissioning, ..NodeReport::default() };
        Ok(self.leaving.iter().map(report).collect())
    }

    fn report(&mut self, id: NodeId, state: NodeState) {
        self.updated.push(NodeReport { id, state, ..NodeReport::default() });
    }

    /// A node is lost, with all on it. Returns its containers.
    pub fn lose(&mut self, n: usize) -> Vec<ContainerId> {
        self.nodes[n].up = false;
        let id = self.nodes[n].id.clone();
        self.reserved.take_if(|(_, node, _)| *node == id);
        let on = self.containers.iter().filter(|(_, k)| k.container.node == id).map(|(id, _)| *id);
        let on = on.collect::<Vec<ContainerId>>();
        for id in &on {
            let known = self.containers[id].clone();
            self.end(*id, -100, "lost");
            self.kept.remove(id);
            self.orphans.insert(*id, (known, true));
        }
        self.lost.insert(id.clone());
        self.report(id, NodeState::Lost);
        on
    }

    /// Its NodeManager starts again. What still runs there is ended by it: the ResourceManager takes in the containers and
    /// ends only of a node that it has not taken for lost itself (`RMNodeImpl.AddNodeTransition`). After a restart since,
    /// containers have their place again, untold. Returns what is ended.
    pub fn revive(&mut self, n: usize, lives: impl Fn(&ContainerId) -> bool) -> Vec<ContainerId> {
        self.nodes[n].up = true;
        let id = self.nodes[n].id.clone();
        let lost_here = self.lost.remove(&id);
        for (container, kept) in self.kept.iter_mut().filter(|(_, k)| k.node == id) {
            (kept.in_memory, kept.status) = (true, kept.process);
            if !lost_here {
                self.completed.push(complete(*container, kept.status, "told again"));
            }
        }
        let mut ended = Vec::new();
        for (container, (known, lost_here)) in std::mem::take(&mut self.orphans) {
            if known.container.node != id {
                self.orphans.insert(container, (known, lost_here));
            } else if lost_here {
                ended.push(container);
                if lives(&container) && known.started.is_some() {
                    let unheard = self.last.iter().flat_map(|last| &last.completed).chain(&self.completed);
                    let unheard = unheard.into_iter().any(|status| status.id == container);
                    self.keep(container, id.clone(), BY_RESOURCE_MANAGER, TERMINATED, unheard);
                }
            } else if lives(&container) {
                self.containers.insert(container, known);
            }
        }
        self.report(id, NodeState::Running);
        ended
    }
}

fn complete(id: ContainerId, exit_status: i32, words: &str) -> ContainerStatus {
    ContainerStatus { id, state: ContainerState::Complete, exit_status, diagnostics: words.to_owned() }
}

//! YARN as the simulation knows it: absolute asks, the scheduler that stops at the first ask that does not fit,
//! containers that outlive attempts, restarts that forget asks.

use std::collections::{BTreeMap, BTreeSet};

use hadoop_yarn::{
    AllocateRequest, AllocateResponse, ApplicationId, AttemptId, Container, ContainerId, ContainerState,
    ContainerStatus, MasterError, NodeId, NodeReport, NodeState, RegisterResponse, Resource,
};

#[derive(Clone, Debug)]
pub struct Node {
    pub id: NodeId,
    pub memory: i64,
    pub up: bool,
}

#[derive(Clone, Debug)]
pub struct Known {
    pub container: Container,
    pub running: bool,
}

#[derive(Clone, Debug)]
pub struct Yarn {
    pub application: ApplicationId,
    pub attempt: i32,
    pub nodes: Vec<Node>,
    pub containers: BTreeMap<ContainerId, Known>,
    pub asks: BTreeMap<(i32, i64), (i64, u32)>,
    registered: bool,
    response_id: i32,
    last: Option<AllocateResponse>,
    allocated: Vec<Container>,
    completed: Vec<ContainerStatus>,
    updated: Vec<NodeReport>,
    serial: i64,
    /// Every id ever granted a container, for the oracle: one id, at most one container at a time.
    pub granted: BTreeSet<ContainerId>,
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
            registered: false,
            response_id: 0,
            last: None,
            allocated: Vec::new(),
            completed: Vec::new(),
            updated: Vec::new(),
            serial: 1,
            granted: BTreeSet::new(),
        }
    }

    fn free(&self, node: &Node) -> i64 {
        let used = self.containers.values().filter(|k| k.container.node == node.id);
        if node.up { node.memory - used.map(|k| k.container.resource.memory_mb).sum::<i64>() } else { 0 }
    }

    pub fn headroom(&self) -> i64 {
        self.nodes.iter().map(|n| self.free(n)).sum()
    }

    pub fn register(&mut self, attempt: i32) -> Result<RegisterResponse, MasterError> {
        self.check_attempt(attempt)?;
        if self.registered {
            return Err(MasterError::AlreadyRegistered);
        }
        self.registered = true;
        (self.response_id, self.last) = (0, None);
        let earlier = self.containers.values().filter(|k| k.running && k.container.id.attempt.attempt < attempt);
        Ok(RegisterResponse {
            maximum: Resource::new(self.nodes.iter().map(|n| n.memory).max().unwrap_or(0), 64),
            previous_containers: earlier.map(|k| k.container.clone()).collect(),
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
        for row in &request.asks {
            match row.count {
                0 => drop(self.asks.remove(&(row.priority, row.id))),
                n => drop(self.asks.insert((row.priority, row.id), (row.capability.memory_mb, n))),
            }
        }
        for id in &request.releases {
            self.end(*id, -100, "released");
        }
        self.response_id += 1;
        let response = AllocateResponse {
            response_id: self.response_id,
            allocated: std::mem::take(&mut self.allocated),
            completed: std::mem::take(&mut self.completed),
            updated_nodes: std::mem::take(&mut self.updated),
            headroom: Some(Resource::new(self.headroom(), 64)),
            ..AllocateResponse::default()
        };
        self.last = Some(response.clone());
        // Granted now, fetched by the next heartbeat: a cancel may cross it.
        self.schedule();
        Ok(response)
    }

    fn schedule(&mut self) {
        while let Some((key, memory)) = self.asks.iter().next().map(|(k, (m, _))| (*k, *m)) {
            let fitting = self.nodes.iter().find(|n| n.up && self.free(n) >= memory).map(|n| n.id.clone());
            // The first that does not fit stops all others.
            let Some(node) = fitting else { return };
            self.serial += 1;
            let id = ContainerId {
                attempt: AttemptId { application: self.application, attempt: self.attempt },
                id: self.serial,
            };
            let container = Container {
                id,
                node,
                resource: Resource::new(memory, 1),
                priority: key.0,
                allocation_request_id: key.1,
                ..Container::default()
            };
            self.containers.insert(id, Known { container: container.clone(), running: false });
            self.allocated.push(container);
            self.granted.insert(id);
            let left = self.asks.get_mut(&key).map(|(_, n)| {
                *n -= 1;
                *n
            });
            if left == Some(0) {
                self.asks.remove(&key);
            }
        }
    }

    /// A container is over; whether it was known.
    pub fn end(&mut self, id: ContainerId, exit_status: i32, words: &str) -> bool {
        let known = self.containers.remove(&id).is_some();
        if known {
            self.allocated.retain(|c| c.id != id);
            let diagnostics = words.to_owned();
            self.completed.push(ContainerStatus { id, state: ContainerState::Complete, exit_status, diagnostics });
        }
        known
    }

    /// The master's process ended: the next attempt keeps what runs.
    pub fn next_attempt(&mut self) {
        self.attempt += 1;
        self.registered = false;
        self.asks.clear();
        self.allocated.clear();
        self.completed.clear();
        let lost: Vec<ContainerId> = self.containers.iter().filter(|(_, k)| !k.running).map(|(id, _)| *id).collect();
        for id in lost {
            self.containers.remove(&id);
        }
    }

    /// The ResourceManager itself starts anew, work-preserving.
    pub fn restart(&mut self) {
        self.registered = false;
        self.asks.clear();
        self.allocated.clear();
        self.completed.clear();
        let lost: Vec<ContainerId> = self.containers.iter().filter(|(_, k)| !k.running).map(|(id, _)| *id).collect();
        for id in lost {
            self.end(id, -100, "not fetched");
        }
    }

    /// A node is lost, with all on it. Returns its containers.
    pub fn lose(&mut self, n: usize) -> Vec<ContainerId> {
        self.nodes[n].up = false;
        let id = self.nodes[n].id.clone();
        let on: Vec<ContainerId> =
            self.containers.iter().filter(|(_, k)| k.container.node == id).map(|(id, _)| *id).collect();
        for id in &on {
            self.end(*id, -100, "lost");
        }
        self.updated.push(NodeReport { id, state: NodeState::Lost, ..NodeReport::default() });
        on
    }
}

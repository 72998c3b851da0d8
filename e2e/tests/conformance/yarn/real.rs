//! The real ResourceManager, and an application on it whose master is this test: what YARN started for it only sleeps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hadoop_rpc::{Address, Conf, Credentials};
use hadoop_yarn::{
    AM_RM_TOKEN, ApplicationId, AttemptId, ContainerId, LaunchContext, MasterClient, NodeId, NodeState, Nodes,
    Resource, RmClient, Submission, config,
};
use maas_e2e::Cluster;

const DEADLINE: Duration = Duration::from_secs(10);
pub const MASTER_MEMORY: i64 = 256;

pub struct Real {
    pub cluster: Cluster,
    pub rm: RmClient,
    scheduler: Vec<Address>,
    http: reqwest::Client,
}

/// One attempt of the application.
pub struct Attempt {
    pub id: AttemptId,
    pub master: MasterClient,
    pub nodes: Nodes,
    pub container: ContainerId,
    pub node: NodeId,
}

/// A container as its NodeManager has it.
struct NodeRow {
    id: ContainerId,
    state: String,
    exit_code: String,
}

/// Waits for something, at most a minute.
pub async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < end, "never seen: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Real {
    pub async fn start() -> Self {
        let builder = Cluster::builder()
            .node_managers(2)
            .node_memory_mb(2_048)
            // The script can't wait for the stock 1 s, 10 min, 30 s and 10 s.
            .yarn("yarn.resourcemanager.nodemanagers.heartbeat-interval-ms", "100")
            .yarn("yarn.nm.liveness-monitor.expiry-interval-ms", "3000")
            .yarn("yarn.resourcemanager.connect.retry-interval.ms", "300")
            .yarn("yarn.resourcemanager.work-preserving-recovery.scheduling-wait-ms", "500")
            .yarn("yarn.resourcemanager.am.max-attempts", "50");
        let cluster = builder.start().await.unwrap();
        let conf = Conf::load(&cluster.conf_dir()).unwrap();
        let rm = RmClient::new(config::rm_addresses(&conf).unwrap(), "root", DEADLINE);
        let scheduler = config::scheduler_addresses(&conf).unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
        Self { cluster, rm, scheduler, http }
    }

    pub async fn submit(&self) -> (ApplicationId, Attempt) {
        let (id, _) = self.rm.new_application().await.unwrap();
        let submission = Submission {
            id,
            name: "conformance".to_owned(),
            kind: "conformance".to_owned(),
            resource: Resource::new(MASTER_MEMORY, 1),
            launch: LaunchContext { command: format!("exec sleep {}", seconds(id)), ..LaunchContext::default() },
            max_attempts: Some(50),
            keep_containers: true,
            failures_validity: Some(Duration::from_secs(1)),
            ..Submission::default()
        };
        self.rm.submit(&submission).await.unwrap();
        (id, self.attempt(id, 1).await)
    }

    /// An attempt once its process runs: its token stands in the directory of its container.
    pub async fn attempt(&self, application: ApplicationId, attempt: i32) -> Attempt {
        let id = AttemptId { application, attempt };
        let (container, node, token) = until("the master's token", async || {
            let report = self.rm.attempts(application).await.ok()?.into_iter().find(|a| a.id == id)?;
            let container = report.am_container?;
            let all = self.rm.containers(id).await.ok()?;
            let node = all.into_iter().find(|c| c.id == container)?.node;
            let token = Credentials::load(&self.tokens(container)?).ok()?.of_kind(AM_RM_TOKEN)?.clone();
            (!self.sleepers(application).is_empty()).then_some((container, node, token))
        })
        .await;
        let master = MasterClient::new(self.scheduler.clone(), token, DEADLINE);
        Attempt { id, master, nodes: Nodes::new(DEADLINE), container, node }
    }

    fn tokens(&self, container: ContainerId) -> Option<PathBuf> {
        let application = container.attempt.application;
        (1..=2)
            .map(|n| {
                let user = self.cluster.dir().join(format!("nm{n}/local/usercache/root/appcache/{application}"));
                user.join(container.to_string()).join("container_tokens")
            })
            .find(|path| path.exists())
    }

    fn sleepers(&self, application: ApplicationId) -> Vec<i32> {
        let wanted = format!("sleep\0{}\0", seconds(application));
        let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
        let mine = |pid: &i32| {
            let process = Path::new("/proc").join(pid.to_string());
            std::fs::read(process.join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
                && std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(self.cluster.dir()))
        };
        pids.filter(mine).collect()
    }

    /// kill -9 of the master's process, and the next attempt.
    pub async fn next_attempt(&self, old: &Attempt) -> Attempt {
        let application = old.id.application;
        let pids = self.sleepers(application);
        for pid in &pids {
            let pid = rustix::process::Pid::from_raw(*pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        until("the old master's end", async || {
            self.sleepers(application).iter().all(|p| !pids.contains(p)).then_some(())
        })
        .await;
        self.attempt(application, old.id.attempt + 1).await
    }

    /// Index of the NodeManager that this is.
    pub fn index(&self, node: &NodeId) -> usize {
        (0..2).find(|n| self.cluster.node_id(*n) == node.to_string()).unwrap()
    }

    pub async fn until_lost(&self, node: &NodeId) {
        until("the node is lost", async || {
            let lost = self.rm.nodes(&[NodeState::Lost]).await.ok()?;
            lost.iter().any(|n| n.id == *node).then_some(())
        })
        .await;
    }

    /// Waits until a container's process is there and the ResourceManager has heard of it: it is kept from then on, whatever
    /// becomes of the master.
    pub async fn until_running(&self, id: ContainerId) {
        until("a container runs", async || {
            let log = std::fs::read_to_string(self.cluster.resource_manager().log_path()).ok()?;
            let of = format!("{id} Container Transitioned from ");
            log.lines().any(|line| line.contains(&of) && line.ends_with(" to RUNNING")).then_some(())
        })
        .await;
        until("a container's process", async || {
            self.node_rows().await.iter().any(|row| row.id == id && row.state == "RUNNING").then_some(())
        })
        .await;
    }

    /// The containers of an application that NodeManagers have in memory: those that live, and how the others ended.
    pub async fn on_nodes(&self, application: ApplicationId) -> (BTreeSet<ContainerId>, BTreeMap<ContainerId, i32>) {
        let (mut living, mut over) = (BTreeSet::new(), BTreeMap::new());
        for row in self.node_rows().await.into_iter().filter(|row| row.id.attempt.application == application) {
            // `ContainerImpl`'s last state; its exit code is not final before that.
            match row.state == "DONE" {
                true => drop(over.insert(row.id, row.exit_code.parse().unwrap())),
                false => drop(living.insert(row.id)),
            }
        }
        (living, over)
    }

    async fn node_rows(&self) -> Vec<NodeRow> {
        let mut all = Vec::new();
        for n in 0..2 {
            let url = format!("http://{}/ws/v1/node/containers", self.cluster.node_http(n));
            let answer: serde_json::Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
            let rows = &answer["containers"]["container"];
            // One alone is not in a list.
            let rows = rows
                .as_array()
                .cloned()
                .unwrap_or_else(|| rows.as_object().map(|_| rows.clone()).into_iter().collect());
            all.extend(rows.iter().map(|row| {
                let word = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
                NodeRow { id: word("id").parse().unwrap(), state: word("state"), exit_code: word("exitCode") }
            }));
        }
        all
    }

    /// Containers outstanding, by priority and id, as the ResourceManager has them.
    pub async fn outstanding(&self, application: ApplicationId) -> Vec<(i32, i64, i64)> {
        let url = format!("{}/ws/v1/cluster/apps/{application}", self.cluster.rm_http());
        let answer: serde_json::Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let rows = answer["app"]["resourceRequests"].as_array().cloned().unwrap_or_default();
        let mut all: Vec<(i32, i64, i64)> = rows
            .iter()
            .filter(|row| row["resourceName"] == "*")
            .map(|row| {
                let number = |name: &str| row[name].as_i64().unwrap_or(-1);
                (i32::try_from(number("priority")).unwrap(), number("allocationRequestId"), number("numContainers"))
            })
            .filter(|row| row.2 > 0)
            .collect();
        all.sort_unstable();
        all
    }
}

/// What the master of an application sleeps: found by it.
fn seconds(application: ApplicationId) -> i64 {
    1_000_000 + i64::from(application.id)
}

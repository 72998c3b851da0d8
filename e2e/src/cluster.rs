//! A running cluster: its daemons, its addresses, its readiness and its end.

mod builder;
mod launch;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use builder::ClusterBuilder;

use crate::{
    Daemon, Error,
    config::{Addresses, Capacity, Overrides, RmAddresses},
    install::Installation,
    place::Place,
    probe::{self, wait_for},
};

const READY_DEADLINE: Duration = Duration::from_secs(120);

/// Running daemons. Dropping it kills them and all containers and removes the cluster's directory, unless the thread is
/// panicking or [`Cluster::keep`] was called: then the directory stays and its path is printed.
///
/// Set `MAAS_E2E_KEEP` in the environment to keep the directory in any case, also when the process is killed.
#[derive(Debug)]
pub struct Cluster {
    addresses: Addresses,
    overrides: Overrides,
    installation: Installation,
    class_lists: Option<PathBuf>,
    capacity: Capacity,
    // They are dropped in this order, in which they are best ended, and what is left of them goes with the place.
    node_managers: Vec<Node>,
    resource_managers: Vec<Daemon>,
    data_node: Option<Daemon>,
    name_node: Option<Daemon>,
    zookeepers: Vec<Daemon>,
    place: Place,
}

#[derive(Debug)]
struct Node {
    daemon: Daemon,
    rpc: SocketAddr,
    http: SocketAddr,
}

impl Cluster {
    /// A cluster to be: all daemons, one NodeManager of 4096 MiB and 8 virtual cores.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::new()
    }

    /// ZooKeeper; the first server, when there are several.
    ///
    /// # Panics
    /// As the next ones: when the cluster was built without it.
    pub fn zookeeper(&self) -> &Daemon {
        part(self.zookeepers.first())
    }

    /// Every ZooKeeper server with the address where clients connect.
    pub fn zookeepers(&self) -> impl Iterator<Item = (&Daemon, SocketAddr)> {
        self.zookeepers.iter().zip(self.addresses.zookeepers.iter().map(|server| server.client))
    }

    /// The NameNode.
    pub fn name_node(&self) -> &Daemon {
        part(self.name_node.as_ref())
    }

    /// The DataNode.
    pub fn data_node(&self) -> &Daemon {
        part(self.data_node.as_ref())
    }

    /// The ResourceManager; the first, when there are several.
    pub fn resource_manager(&self) -> &Daemon {
        part(self.resource_managers.first())
    }

    /// The ResourceManager that is active, of several.
    ///
    /// # Errors
    /// [`Error::Deadline`] when none is within two minutes.
    pub async fn active_resource_manager(&self) -> Result<&Daemon, Error> {
        let active = async || {
            let mut seen = Vec::new();
            for (daemon, at) in self.resource_managers.iter().zip(&self.addresses.resource_managers) {
                match probe::ha_state(self.place.http(), at.http).await {
                    Ok(state) if state == "ACTIVE" => return Ok(daemon),
                    other => seen.push(format!("{}: {other:?}", daemon.name())),
                }
            }
            Err(seen.join(", "))
        };
        wait_for("an active ResourceManager", READY_DEADLINE, active).await
    }

    /// A NodeManager, counted from 0 (its name, `nm1`, counts from 1).
    pub fn node_manager(&self, index: usize) -> &Daemon {
        part(self.node_managers.get(index).map(|node| &node.daemon))
    }

    /// The node id (`host:port`) by which the ResourceManager knows a NodeManager. Each has a loopback address of its own.
    pub fn node_id(&self, index: usize) -> String {
        part(self.node_managers.get(index)).rpc.to_string()
    }

    /// The `host:port` of a NodeManager's web services.
    pub fn node_http(&self, index: usize) -> String {
        part(self.node_managers.get(index)).http.to_string()
    }

    /// All daemons, in the order in which they are best ended.
    pub fn daemons(&self) -> impl Iterator<Item = &Daemon> {
        let nodes = self.node_managers.iter().map(|node| &node.daemon);
        let hdfs = [&self.data_node, &self.name_node].into_iter().flatten();
        nodes.chain(&self.resource_managers).chain(hdfs).chain(&self.zookeepers)
    }

    /// The cluster's directory.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// The directory with core-site.xml, hdfs-site.xml and yarn-site.xml for clients: their HADOOP_CONF_DIR.
    pub fn conf_dir(&self) -> PathBuf {
        self.dir().join("conf")
    }

    /// ZooKeeper's connect string.
    pub fn quorum(&self) -> String {
        self.addresses.quorum()
    }

    /// `hdfs://host:port`.
    pub fn hdfs_url(&self) -> String {
        format!("hdfs://{}", self.addresses.name_node)
    }

    /// `http://host:port` of the NameNode, for WebHDFS.
    pub fn name_node_http(&self) -> String {
        format!("http://{}", self.addresses.name_node_http)
    }

    /// `host:port` of ApplicationClientProtocol; here and below of the first ResourceManager, when there are several.
    pub fn rm_address(&self) -> String {
        self.rm().client.to_string()
    }

    /// `host:port` of ApplicationMasterProtocol.
    pub fn rm_scheduler(&self) -> String {
        self.rm().scheduler.to_string()
    }

    /// `host:port` of ResourceManagerAdministrationProtocol.
    pub fn rm_admin(&self) -> String {
        self.rm().admin.to_string()
    }

    /// `http://host:port` of the ResourceManager's web services.
    pub fn rm_http(&self) -> String {
        format!("http://{}", self.rm().http)
    }

    /// The same of every ResourceManager: one on standby sends on to the active one.
    pub fn rm_https(&self) -> impl Iterator<Item = String> {
        self.addresses.resource_managers.iter().map(|at| format!("http://{}", at.http))
    }

    fn rm(&self) -> RmAddresses {
        part(self.addresses.resource_managers.first().copied())
    }

    /// Keeps the directory when the cluster ends, for a test that finds something wrong without panicking.
    pub fn keep(&self) {
        self.place.keep();
    }

    /// Starts one more NodeManager with that memory and waits until it is RUNNING. Returns its index.
    ///
    /// # Errors
    /// As [`ClusterBuilder::start`].
    pub async fn add_node_manager(&mut self, memory_mb: u64) -> Result<usize, Error> {
        self.launch_node_manager(Capacity { memory_mb, ..self.capacity })?;
        let index = self.node_managers.len() - 1;
        self.node_manager(index).serves().await?;
        self.await_node_running(index).await?;
        Ok(index)
    }

    /// Waits until every daemon serves, the NameNode is out of safe mode with a live DataNode, and the ResourceManager has
    /// every NodeManager as RUNNING. Daemons that are not running make it fail.
    ///
    /// After a restart of the ResourceManager this takes up to half a minute, since by stock settings a NodeManager that was
    /// cut off tries again after 30 s (`yarn.resourcemanager.connect.retry-interval.ms`).
    ///
    /// # Errors
    /// [`Error::Ended`] or [`Error::Deadline`], which says what was missing.
    pub async fn await_ready(&self) -> Result<(), Error> {
        for daemon in self.daemons() {
            daemon.serves().await?;
        }
        if self.name_node.is_some() {
            let live = async || match probe::live_data_nodes(self.place.http(), self.addresses.name_node_http).await? {
                0 => Err("no live DataNode".to_owned()),
                _ => Ok(()),
            };
            wait_for("a live DataNode", READY_DEADLINE, live).await?;
            let registered =
                async || probe::data_node_registered(self.place.http(), self.addresses.data_node_http).await;
            wait_for("the DataNode registered", READY_DEADLINE, registered).await?;
        }
        for index in 0..self.node_managers.len() {
            self.await_node_running(index).await?;
        }
        Ok(())
    }

    /// Waits until the ResourceManager has that NodeManager as RUNNING and has heard of it since its last start.
    ///
    /// # Errors
    /// [`Error::Deadline`] after two minutes.
    pub async fn await_node_running(&self, index: usize) -> Result<(), Error> {
        let id = self.node_id(index);
        let listed = async || {
            // A node that went away stays RUNNING for minutes in the ResourceManager's eyes.
            let since = self.node_manager(index).started_ms().ok_or("the NodeManager is not running")?;
            let running = probe::running_nodes(self.place.http(), self.rm_https()).await?;
            let heard = running.iter().any(|(node, last)| *node == id && *last >= since);
            if heard { Ok(()) } else { Err(format!("RUNNING are {running:?}, started at {since}")) }
        };
        wait_for(&format!("node {id} RUNNING"), READY_DEADLINE, listed).await
    }
}

#[expect(clippy::expect_used, reason = "asking for a part that was not built is a mistake in the test itself")]
fn part<T>(part: Option<T>) -> T {
    part.expect("the cluster was built without this daemon")
}

//! How a cluster is to be, and starting it.

use std::path::{Path, PathBuf};

use super::Cluster;
use crate::{
    Error,
    config::{Addresses, Capacity, Overrides, RmAddresses, ZooKeeperAddresses},
    install::{self, Installation},
    place::Place,
};

/// Which daemons a cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    All,
    ZooKeeper,
    Hdfs,
}

/// How a cluster is to be. Made by [`Cluster::builder`].
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    parts: Parts,
    zookeepers: usize,
    resource_managers: usize,
    node_managers: usize,
    capacity: Capacity,
    overrides: Overrides,
    dir: Option<PathBuf>,
    keep: bool,
    class_lists: Option<PathBuf>,
}

impl ClusterBuilder {
    pub(super) fn new() -> Self {
        Self {
            parts: Parts::All,
            zookeepers: 1,
            resource_managers: 1,
            node_managers: 1,
            capacity: Capacity { memory_mb: 4096, vcores: 8 },
            overrides: Overrides::default(),
            dir: None,
            keep: false,
            class_lists: None,
        }
    }

    /// How many ZooKeeper servers, 1 to 5; 1 unless said.
    #[must_use]
    pub fn zookeepers(mut self, count: usize) -> Self {
        self.zookeepers = count.clamp(1, 5);
        self
    }

    /// How many ResourceManagers, 1 to 3, of which one is active; 1 unless said.
    #[must_use]
    pub fn resource_managers(mut self, count: usize) -> Self {
        self.resource_managers = count.clamp(1, 3);
        self
    }

    /// How many NodeManagers to start with; 1 unless said.
    #[must_use]
    pub fn node_managers(mut self, count: usize) -> Self {
        self.node_managers = count;
        self
    }

    /// Memory that each NodeManager offers, in MiB; 4096 unless said.
    #[must_use]
    pub fn node_memory_mb(mut self, memory_mb: u64) -> Self {
        self.capacity.memory_mb = memory_mb;
        self
    }

    /// Virtual cores that each NodeManager offers; 8 unless said.
    #[must_use]
    pub fn node_vcores(mut self, vcores: u32) -> Self {
        self.capacity.vcores = vcores;
        self
    }

    /// A property of yarn-site.xml for ResourceManager, NodeManagers and clients; most keys are read by one of them only.
    #[must_use]
    pub fn yarn(mut self, key: &str, value: &str) -> Self {
        self.overrides.yarn.insert(key.into(), value.into());
        self
    }

    /// A property of core-site.xml, for all.
    #[must_use]
    pub fn core(mut self, key: &str, value: &str) -> Self {
        self.overrides.core.insert(key.into(), value.into());
        self
    }

    /// A property of hdfs-site.xml, for all.
    #[must_use]
    pub fn hdfs(mut self, key: &str, value: &str) -> Self {
        self.overrides.hdfs.insert(key.into(), value.into());
        self
    }

    /// A property of capacity-scheduler.xml.
    #[must_use]
    pub fn capacity_scheduler(mut self, key: &str, value: &str) -> Self {
        self.overrides.capacity_scheduler.insert(key.into(), value.into());
        self
    }

    /// ZooKeeper alone.
    #[must_use]
    pub fn zookeeper_only(mut self) -> Self {
        self.parts = Parts::ZooKeeper;
        self
    }

    /// NameNode and DataNode alone.
    #[must_use]
    pub fn hdfs_only(mut self) -> Self {
        self.parts = Parts::Hdfs;
        self
    }

    /// The directory for all data and logs, which must be new or empty; one in the system's temporary directory unless said.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Keep the directory in any case.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Make every daemon write there which classes it loads.
    pub(crate) fn class_lists(mut self, dir: &Path) -> Self {
        self.class_lists = Some(dir.to_owned());
        self
    }

    /// Starts the daemons and waits until they serve (see [`Cluster::await_ready`]).
    ///
    /// # Errors
    /// A missing system package by name; a daemon that ended, with the end of its log; a deadline of two minutes.
    /// What was started is ended again, and the logs are kept.
    pub async fn start(self) -> Result<Cluster, Error> {
        let installation = install::prepare().await?;
        self.start_from(installation).await
    }

    pub(crate) async fn start_from(self, installation: Installation) -> Result<Cluster, Error> {
        let (parts, count, capacity) = (self.parts, self.node_managers, self.capacity);
        let mut cluster = self.lay_out(installation)?;
        let started = async {
            cluster.launch_first(parts)?;
            // The others would only compete for the processor, and then sleep until their next try to connect.
            if let Some(name_node) = &cluster.name_node {
                name_node.serves().await?;
                cluster.launch_data_node()?;
            }
            if parts == Parts::All {
                for resource_manager in &cluster.resource_managers {
                    resource_manager.serves().await?;
                }
                cluster.active_resource_manager().await?;
                for _ in 0..count {
                    cluster.launch_node_manager(capacity)?;
                }
            }
            cluster.await_ready().await
        }
        .await;
        cluster.place.keep_on_failure(started)?;
        Ok(cluster)
    }

    /// Directory, ports, configuration and guard of a cluster with no daemon yet.
    fn lay_out(self, installation: Installation) -> Result<Cluster, Error> {
        let mut place = Place::claim(self.dir, self.keep)?;
        let mut next = || place.address();
        let several = self.zookeepers > 1;
        let zookeepers = (0..self.zookeepers).map(|_| {
            let client = next()?;
            let peers = if several { Some([next()?, next()?]) } else { None };
            Ok(ZooKeeperAddresses { client, peers })
        });
        let zookeepers = zookeepers.collect::<Result<_, Error>>()?;
        let resource_managers = (0..self.resource_managers).map(|_| {
            Ok(RmAddresses { client: next()?, scheduler: next()?, tracker: next()?, admin: next()?, http: next()? })
        });
        let resource_managers = resource_managers.collect::<Result<_, Error>>()?;
        let addresses = Addresses {
            zookeepers,
            name_node: next()?,
            name_node_http: next()?,
            data_node: next()?,
            data_node_http: next()?,
            data_node_ipc: next()?,
            resource_managers,
        };
        let cluster = Cluster {
            addresses,
            overrides: self.overrides,
            installation,
            class_lists: self.class_lists,
            capacity: self.capacity,
            node_managers: Vec::new(),
            resource_managers: Vec::new(),
            data_node: None,
            name_node: None,
            zookeepers: Vec::new(),
            place,
        };
        cluster.write_files()?;
        Ok(cluster)
    }
}

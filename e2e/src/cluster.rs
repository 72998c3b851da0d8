//! A whole cluster: building, readiness, and its end.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    Daemon, Error,
    config::{self, Addresses, Capacity, NodeAddresses, Overrides},
    daemon::Launch,
    guard::Guard,
    install::{self, Installation},
    ports::Ports,
    probe::{self, Probe, wait_for},
};

const READY_DEADLINE: Duration = Duration::from_secs(120);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Which daemons a cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    All,
    ZooKeeper,
    Hdfs,
}

/// How a cluster is to be. Made by [`Cluster::builder`].
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    parts: Parts,
    node_managers: usize,
    capacity: Capacity,
    overrides: Overrides,
    dir: Option<PathBuf>,
    keep: bool,
    class_lists: Option<PathBuf>,
}

/// Running daemons. Dropping it kills them and all containers and removes the cluster's directory, unless the thread is
/// panicking or [`Cluster::keep`] was called: then the directory stays and its path is printed.
///
/// Set `MAAS_E2E_KEEP` in the environment to keep the directory in any case, also when the process is killed.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    addresses: Addresses,
    ports: Ports,
    overrides: Overrides,
    installation: Installation,
    class_lists: Option<PathBuf>,
    http: reqwest::Client,
    capacity: Capacity,
    zookeeper: Option<Daemon>,
    name_node: Option<Daemon>,
    data_node: Option<Daemon>,
    resource_manager: Option<Daemon>,
    node_managers: Vec<Node>,
    keep: AtomicBool,
    guard: Guard,
}

#[derive(Debug)]
struct Node {
    daemon: Daemon,
    rpc: SocketAddr,
    http: SocketAddr,
}

impl ClusterBuilder {
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
            if let Some(resource_manager) = &cluster.resource_manager {
                resource_manager.serves().await?;
                for _ in 0..count {
                    cluster.launch_node_manager(capacity)?;
                }
            }
            cluster.await_ready().await
        }
        .await;
        if started.is_err() {
            cluster.keep();
        }
        started.map(|()| cluster)
    }

    /// Directory, ports, configuration and guard of a cluster with no daemon yet.
    fn lay_out(self, installation: Installation) -> Result<Cluster, Error> {
        let dir = claim_directory(self.dir)?;
        let keep = self.keep || std::env::var_os("MAAS_E2E_KEEP").is_some();
        let guard = Guard::start(&dir, keep)?;
        let mut ports = Ports::claim()?;
        let mut next = || Ok::<_, Error>(SocketAddr::new(LOCAL, ports.next()?));
        let addresses = Addresses {
            zookeeper: next()?,
            name_node: next()?,
            name_node_http: next()?,
            data_node: next()?,
            data_node_http: next()?,
            data_node_ipc: next()?,
            rm: next()?,
            rm_scheduler: next()?,
            rm_tracker: next()?,
            rm_admin: next()?,
            rm_http: next()?,
        };
        let cluster = Cluster {
            addresses,
            ports,
            overrides: self.overrides,
            installation,
            class_lists: self.class_lists,
            // Nothing of the machine's proxy settings concerns 127.0.0.1.
            http: reqwest::Client::builder().no_proxy().build().map_err(Error::Http)?,
            capacity: self.capacity,
            zookeeper: None,
            name_node: None,
            data_node: None,
            resource_manager: None,
            node_managers: Vec::new(),
            keep: AtomicBool::new(keep),
            guard,
            dir,
        };
        cluster.write_files()?;
        Ok(cluster)
    }
}

/// Makes the directory, or takes an empty one: it will be removed with all that is in it.
fn claim_directory(wanted: Option<PathBuf>) -> Result<PathBuf, Error> {
    let Some(dir) = wanted else {
        let temporary = std::env::temp_dir();
        let made = tempfile::Builder::new().prefix("maas-e2e-").tempdir_in(&temporary);
        return Ok(made.map_err(Error::file("create a directory in", temporary))?.keep());
    };
    fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
    let dir = fs::canonicalize(&dir).map_err(Error::file("resolve", &dir))?;
    match fs::read_dir(&dir).map_err(Error::file("list", &dir))?.next() {
        Some(_) => Err(Error::DirectoryInUse { path: dir }),
        None => Ok(dir),
    }
}

impl Cluster {
    /// A cluster to be: all daemons, one NodeManager of 4096 MiB and 8 virtual cores.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder {
            parts: Parts::All,
            node_managers: 1,
            capacity: Capacity { memory_mb: 4096, vcores: 8 },
            overrides: Overrides::default(),
            dir: None,
            keep: false,
            class_lists: None,
        }
    }

    /// ZooKeeper.
    ///
    /// # Panics
    /// As the next ones: when the cluster was built without it.
    pub fn zookeeper(&self) -> &Daemon {
        part(self.zookeeper.as_ref())
    }

    /// The NameNode.
    pub fn name_node(&self) -> &Daemon {
        part(self.name_node.as_ref())
    }

    /// The DataNode.
    pub fn data_node(&self) -> &Daemon {
        part(self.data_node.as_ref())
    }

    /// The ResourceManager.
    pub fn resource_manager(&self) -> &Daemon {
        part(self.resource_manager.as_ref())
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
        let others = [&self.resource_manager, &self.data_node, &self.name_node, &self.zookeeper];
        nodes.chain(others.into_iter().flatten())
    }

    /// The cluster's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory with core-site.xml, hdfs-site.xml and yarn-site.xml for clients: their HADOOP_CONF_DIR.
    pub fn conf_dir(&self) -> PathBuf {
        self.dir.join("conf")
    }

    /// ZooKeeper's connect string.
    pub fn quorum(&self) -> String {
        self.addresses.zookeeper.to_string()
    }

    /// `hdfs://host:port`.
    pub fn hdfs_url(&self) -> String {
        format!("hdfs://{}", self.addresses.name_node)
    }

    /// `http://host:port` of the NameNode, for WebHDFS.
    pub fn name_node_http(&self) -> String {
        format!("http://{}", self.addresses.name_node_http)
    }

    /// `host:port` of ApplicationClientProtocol.
    pub fn rm_address(&self) -> String {
        self.addresses.rm.to_string()
    }

    /// `host:port` of ApplicationMasterProtocol.
    pub fn rm_scheduler(&self) -> String {
        self.addresses.rm_scheduler.to_string()
    }

    /// `http://host:port` of the ResourceManager's web services.
    pub fn rm_http(&self) -> String {
        format!("http://{}", self.addresses.rm_http)
    }

    /// Keeps the directory when the cluster ends, for a test that finds something wrong without panicking.
    pub fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
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
            let live = async || match probe::live_data_nodes(&self.http, self.addresses.name_node_http).await? {
                0 => Err("no live DataNode".to_owned()),
                _ => Ok(()),
            };
            wait_for("a live DataNode", READY_DEADLINE, live).await?;
            let registered = async || probe::data_node_registered(&self.http, self.addresses.data_node_http).await;
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
            let running = probe::running_nodes(&self.http, self.addresses.rm_http).await?;
            let heard = running.iter().any(|(node, last)| *node == id && *last >= since);
            if heard { Ok(()) } else { Err(format!("RUNNING are {running:?}, started at {since}")) }
        };
        wait_for(&format!("node {id} RUNNING"), READY_DEADLINE, listed).await
    }

    fn write_files(&self) -> Result<(), Error> {
        let dir = &self.dir;
        // The NameNode and DataNode refuse to start when these are not on the class path, empty though they are.
        for name in ["logs", "tmp", "zookeeper", "webroot/webapps/hdfs/WEB-INF", "webroot/webapps/datanode/WEB-INF"] {
            let path = dir.join(name);
            fs::create_dir_all(&path).map_err(Error::file("create", &path))?;
        }
        // Names are looked up here and nowhere else: a resolver that is slow or absent must not slow the daemons down.
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        write(&dir.join("hosts"), &format!("127.0.0.1 localhost\n127.0.0.1 {}\n", host.trim()))?;
        write(&dir.join("zoo.cfg"), &config::zoo_cfg(self.addresses.zookeeper, dir))?;
        self.write_conf(&self.conf_dir(), config::Properties::new())
    }

    /// One configuration directory; `node` is what its yarn-site.xml has beyond the common part.
    fn write_conf(&self, conf: &Path, node: config::Properties) -> Result<(), Error> {
        fs::create_dir_all(conf).map_err(Error::file("create", conf))?;
        let Self { addresses, overrides, dir, .. } = self;
        let mut yarn = config::yarn_site(addresses, dir);
        yarn.extend(node);
        config::write_site(&conf.join("core-site.xml"), config::core_site(addresses, dir), &overrides.core)?;
        config::write_site(&conf.join("hdfs-site.xml"), config::hdfs_site(addresses, dir), &overrides.hdfs)?;
        config::write_site(&conf.join("yarn-site.xml"), yarn, &overrides.yarn)?;
        let scheduler = conf.join("capacity-scheduler.xml");
        config::write_site(&scheduler, config::capacity_scheduler(), &overrides.capacity_scheduler)?;
        write(&conf.join("log4j.properties"), config::LOG4J)
    }

    /// The daemons that the others register with.
    fn launch_first(&mut self, parts: Parts) -> Result<(), Error> {
        let at = self.addresses;
        let conf = self.conf_dir();
        if parts != Parts::Hdfs {
            let main = ["org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned(), self.path("zoo.cfg")];
            self.zookeeper = Some(self.spawn("zookeeper", &conf, 128, &main, Probe::ZooKeeper(at.zookeeper))?);
        }
        if parts != Parts::ZooKeeper {
            copy_directory(&self.installation.name_template, &self.dir.join("namenode"))?;
            let main = ["org.apache.hadoop.hdfs.server.namenode.NameNode".to_owned()];
            let probe = Probe::NameNode { rpc: at.name_node, http: at.name_node_http };
            self.name_node = Some(self.spawn("namenode", &conf, 256, &main, probe)?);
        }
        if parts == Parts::All {
            let main = ["org.apache.hadoop.yarn.server.resourcemanager.ResourceManager".to_owned()];
            let probe = Probe::ResourceManager { scheduler: at.rm_scheduler, http: at.rm_http };
            self.resource_manager = Some(self.spawn("resourcemanager", &conf, 384, &main, probe)?);
        }
        Ok(())
    }

    fn launch_data_node(&mut self) -> Result<(), Error> {
        let main = ["org.apache.hadoop.hdfs.server.datanode.DataNode".to_owned()];
        let probe = Probe::DataNode { data: self.addresses.data_node, http: self.addresses.data_node_http };
        self.data_node = Some(self.spawn("datanode", &self.conf_dir(), 256, &main, probe)?);
        Ok(())
    }

    fn launch_node_manager(&mut self, capacity: Capacity) -> Result<(), Error> {
        let number = self.node_managers.len() + 1;
        let name = format!("nm{number}");
        // An address of its own for each, so that they count as different hosts: 127.0.0.11, .12, …
        let last = u8::try_from(number + 10).unwrap_or(u8::MAX);
        let host = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let mut next = || Ok::<_, Error>(SocketAddr::new(host, self.ports.next()?));
        let node = NodeAddresses { rpc: next()?, localizer: next()?, http: next()?, collector: next()? };
        let conf = self.dir.join(format!("conf-{name}"));
        self.write_conf(&conf, config::node_manager_site(&node, capacity, &self.dir.join(&name)))?;
        let main = ["org.apache.hadoop.yarn.server.nodemanager.NodeManager".to_owned()];
        let probe = Probe::NodeManager { rpc: node.rpc, http: node.http };
        let daemon = self.spawn(&name, &conf, 256, &main, probe)?;
        self.node_managers.push(Node { daemon, rpc: node.rpc, http: node.http });
        Ok(())
    }

    fn spawn(&self, name: &str, conf: &Path, heap_mb: u32, main: &[String], probe: Probe) -> Result<Daemon, Error> {
        tracing::info!("starting {name}");
        let mut arguments = vec![
            format!("-Xmx{heap_mb}m"),
            // Many small Java processes on few cores: least threads, and no second compiler for what runs a minute.
            "-XX:+UseSerialGC".into(),
            "-XX:TieredStopAtLevel=1".into(),
            "-XX:-UsePerfData".into(),
            "-XX:+ExitOnOutOfMemoryError".into(),
            "--add-opens=java.base/java.lang=ALL-UNNAMED".into(),
            format!("-Djava.io.tmpdir={}", self.path("tmp")),
            format!("-Djdk.net.hosts.file={}", self.path("hosts")),
            format!("-Dlog4j.configuration=file:{}", conf.join("log4j.properties").display()),
            format!("-Dhadoop.log.dir={}", self.path("logs")),
            format!("-Dyarn.log.dir={}", self.path("logs")),
        ];
        if let Some(archive) = &self.installation.archive {
            arguments.push(format!("-XX:SharedArchiveFile={}", archive.display()));
        }
        if let Some(lists) = &self.class_lists {
            arguments.push(format!("-XX:DumpLoadedClassList={}", lists.join(name).display()));
        }
        // The archive is valid only when its own class path comes first, and it must hold no directories.
        let class_path = format!("{}:{}:{}", self.installation.class_path, conf.display(), self.path("webroot"));
        arguments.extend(["-cp".into(), class_path]);
        arguments.extend_from_slice(main);
        let launch = Launch {
            name: name.into(),
            java: self.installation.java.clone(),
            arguments,
            dir: self.dir.clone(),
            log: self.dir.join("logs").join(format!("{name}.log")),
            probe,
        };
        Daemon::spawn(launch, self.http.clone())
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for daemon in self.daemons() {
            if let Err(error) = daemon.kill() {
                tracing::warn!("{}: {error}", daemon.name());
            }
        }
        let keep = *self.keep.get_mut() || std::thread::panicking();
        self.guard.finish(keep);
        if keep {
            // To standard error and not to the log: a failing test has no subscriber, and this is where to look.
            eprintln!(
                "cluster directory kept: {} (daemons' logs in logs/, containers' in nm*/log/)",
                self.dir.display()
            );
        }
    }
}

#[expect(clippy::expect_used, reason = "asking for a part that was not built is a mistake in the test itself")]
fn part<T>(part: Option<T>) -> T {
    part.expect("the cluster was built without this daemon")
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file("write", path))
}

fn copy_directory(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::file("create", to))?;
    for entry in fs::read_dir(from).map_err(Error::file("list", from))?.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_directory(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(Error::file("copy", &source))?;
        }
    }
    Ok(())
}

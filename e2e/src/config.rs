//! The configuration files of the daemons and of their clients.
//!
//! Everything is as Hadoop 3.5.0 has it by default, except for the settings below, each with its reason.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path};

use crate::Error;

/// The properties of one `*-site.xml`.
pub(crate) type Properties = BTreeMap<String, String>;

/// Where each daemon listens.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) zookeepers: Vec<ZooKeeperAddresses>,
    pub(crate) name_node: SocketAddr,
    pub(crate) name_node_http: SocketAddr,
    pub(crate) data_node: SocketAddr,
    pub(crate) data_node_http: SocketAddr,
    pub(crate) data_node_ipc: SocketAddr,
    pub(crate) resource_managers: Vec<RmAddresses>,
}

impl Addresses {
    /// ZooKeeper's connect string.
    pub(crate) fn quorum(&self) -> String {
        let clients: Vec<String> = self.zookeepers.iter().map(|server| server.client.to_string()).collect();
        clients.join(",")
    }
}

/// Where one ZooKeeper server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ZooKeeperAddresses {
    pub(crate) client: SocketAddr,
    /// For followers, and for elections; a server alone has neither.
    pub(crate) peers: Option<[SocketAddr; 2]>,
}

/// Where one ResourceManager listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RmAddresses {
    pub(crate) client: SocketAddr,
    pub(crate) scheduler: SocketAddr,
    pub(crate) tracker: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) http: SocketAddr,
}

/// Where one NodeManager listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeAddresses {
    pub(crate) rpc: SocketAddr,
    pub(crate) localizer: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) collector: SocketAddr,
}

/// What one NodeManager offers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    pub(crate) memory_mb: u64,
    pub(crate) vcores: u32,
}

/// Properties that a test sets on top, by file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) core: Properties,
    pub(crate) hdfs: Properties,
    pub(crate) yarn: Properties,
    pub(crate) capacity_scheduler: Properties,
}

fn properties<const N: usize>(entries: [(&str, String); N]) -> Properties {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(crate) fn core_site(addresses: &Addresses, dir: &Path) -> Properties {
    properties([
        ("fs.defaultFS", format!("hdfs://{}", addresses.name_node)),
        ("hadoop.tmp.dir", dir.join("tmp").display().to_string()),
    ])
}

pub(crate) fn hdfs_site(addresses: &Addresses, dir: &Path) -> Properties {
    let file = |name: &str| format!("file://{}", dir.join(name).display());
    properties([
        // There is one DataNode.
        ("dfs.replication", "1".into()),
        ("dfs.namenode.rpc-address", addresses.name_node.to_string()),
        ("dfs.namenode.http-address", addresses.name_node_http.to_string()),
        ("dfs.datanode.address", addresses.data_node.to_string()),
        ("dfs.datanode.http.address", addresses.data_node_http.to_string()),
        ("dfs.datanode.ipc.address", addresses.data_node_ipc.to_string()),
        ("dfs.namenode.name.dir", file("namenode")),
        ("dfs.datanode.data.dir", file("datanode")),
        // A restarted NameNode would stay read-only for 30 s after its blocks are reported.
        ("dfs.namenode.safemode.extension", "0".into()),
    ])
}

pub(crate) fn yarn_site(addresses: &Addresses, dir: &Path) -> Properties {
    let store = |name: &str| format!("file://{}", dir.join("resourcemanager").join(name).display());
    let mut site = properties([
        // A restarted ResourceManager must know its applications, as every serious cluster has it.
        ("yarn.resourcemanager.recovery.enabled", "true".into()),
        (
            "yarn.resourcemanager.store.class",
            "org.apache.hadoop.yarn.server.resourcemanager.recovery.ZKRMStateStore".into(),
        ),
        ("hadoop.zk.address", addresses.quorum()),
        // By default all ResourceManagers of one user on a machine would share these, under /tmp.
        ("yarn.node-attribute.fs-store.root-dir", store("node-attributes")),
        ("yarn.node-labels.fs-store.root-dir", store("node-labels")),
        // A model of some MB should not take the stock 1024 MB of a small machine.
        ("yarn.scheduler.minimum-allocation-mb", "128".into()),
    ]);
    let several = addresses.resource_managers.len() > 1;
    for (index, at) in addresses.resource_managers.iter().enumerate() {
        let suffix = if several { format!(".{}", rm_id(index)) } else { String::new() };
        let own = [
            ("hostname", at.client.ip().to_string()),
            ("address", at.client.to_string()),
            ("scheduler.address", at.scheduler.to_string()),
            ("resource-tracker.address", at.tracker.to_string()),
            ("admin.address", at.admin.to_string()),
            ("webapp.address", at.http.to_string()),
        ];
        site.extend(own.map(|(name, value)| (format!("yarn.resourcemanager.{name}{suffix}"), value)));
    }
    if several {
        let ids: Vec<String> = (0..addresses.resource_managers.len()).map(rm_id).collect();
        site.extend(properties([
            ("yarn.resourcemanager.ha.enabled", "true".into()),
            ("yarn.resourcemanager.ha.rm-ids", ids.join(",")),
            ("yarn.resourcemanager.cluster-id", "maas-e2e".into()),
            // The elector still looks for the old name alone.
            ("yarn.resourcemanager.zk-address", addresses.quorum()),
        ]));
    }
    site
}

/// The name of one of several ResourceManagers, counted from 0.
pub(crate) fn rm_id(index: usize) -> String {
    format!("rm{}", index + 1)
}

/// What one of several ResourceManagers is told beyond the common part: which of them it is.
pub(crate) fn resource_manager_site(index: usize) -> Properties {
    properties([("yarn.resourcemanager.ha.id", rm_id(index))])
}

pub(crate) fn node_manager_site(node: &NodeAddresses, capacity: Capacity, dir: &Path) -> Properties {
    properties([
        ("yarn.nodemanager.address", node.rpc.to_string()),
        ("yarn.nodemanager.localizer.address", node.localizer.to_string()),
        ("yarn.nodemanager.webapp.address", node.http.to_string()),
        ("yarn.nodemanager.collector-service.address", node.collector.to_string()),
        ("yarn.nodemanager.local-dirs", dir.join("local").display().to_string()),
        ("yarn.nodemanager.log-dirs", dir.join("log").display().to_string()),
        ("yarn.nodemanager.resource.memory-mb", capacity.memory_mb.to_string()),
        ("yarn.nodemanager.resource.cpu-vcores", capacity.vcores.to_string()),
        // A restarted NodeManager must find its containers again.
        ("yarn.nodemanager.recovery.enabled", "true".into()),
        ("yarn.nodemanager.recovery.dir", dir.join("recovery").display().to_string()),
        // Address space is no memory: the stock check kills programs that only map much.
        ("yarn.nodemanager.vmem-check-enabled", "false".into()),
        // A developer's nearly full disk would make the node UNHEALTHY at the stock 90 %.
        ("yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage", "100".into()),
    ])
}

pub(crate) fn capacity_scheduler() -> Properties {
    properties([
        ("yarn.scheduler.capacity.root.queues", "default".into()),
        ("yarn.scheduler.capacity.root.default.capacity", "100".into()),
        // On so small a cluster the stock 10 % would hold no second application master.
        ("yarn.scheduler.capacity.maximum-am-resource-percent", "0.5".into()),
    ])
}

/// The file of one ZooKeeper server, which keeps its data in `data`.
pub(crate) fn zoo_cfg(all: &[ZooKeeperAddresses], own: SocketAddr, data: &Path) -> String {
    // The tick is a quarter of the stock one, so that tests may ask for sessions as short as a second; the longest session
    // is then set back to the stock 40 s. The admin server's port is not needed; connections from one address are many.
    let mut text = format!(
        "tickTime=500\nmaxSessionTimeout=40000\ndataDir={}\nclientPort={}\nclientPortAddress={}\n\
         admin.enableServer=false\nmaxClientCnxns=0\n4lw.commands.whitelist=*\n",
        data.display(),
        own.port(),
        own.ip()
    );
    let peers = all.iter().zip(1..).filter_map(|(server, number)| Some((number, server.peers?)));
    for (number, [follow, elect]) in peers {
        text += &format!("server.{number}={}:{}:{}\n", follow.ip(), follow.port(), elect.port());
    }
    // Counted in ticks: 10 s to join, and as far as a follower may fall behind by stock settings, 10 s.
    text + "initLimit=20\nsyncLimit=20\n"
}

/// To standard output, which the starter sends to the daemon's log file.
pub(crate) const LOG4J: &str = "\
log4j.rootLogger=INFO,out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c: %m%n
";

/// Writes one `*-site.xml`, `base` overlaid with `top`.
pub(crate) fn write_site(path: &Path, base: Properties, top: &Properties) -> Result<(), Error> {
    let mut all = base;
    all.extend(top.clone());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<configuration>\n");
    for (key, value) in &all {
        xml += &format!("<property><name>{}</name><value>{}</value></property>\n", escape(key), escape(value));
    }
    xml += "</configuration>\n";
    fs::write(path, xml).map_err(Error::file("write", path))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_file_holds_the_overriding_value_with_markup_escaped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let base = properties([("a", "1".into()), ("b", "x".into())]);
        write_site(file.path(), base, &properties([("b", "<y> & z".into())])).unwrap();
        let xml = fs::read_to_string(file.path()).unwrap();
        assert!(xml.contains("<name>a</name><value>1</value>"), "{xml}");
        assert!(xml.contains("<name>b</name><value>&lt;y&gt; &amp; z</value>"), "{xml}");
        assert!(!xml.contains("<value>x</value>"), "{xml}");
    }
}

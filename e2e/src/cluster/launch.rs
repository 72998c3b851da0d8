//! A cluster's files and processes.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use super::{Cluster, Node, builder::Parts};
use crate::{
    Daemon, Error,
    config::{self, Capacity, NodeAddresses},
    library::{copy, write},
    probe::Probe,
};

impl Cluster {
    pub(super) fn write_files(&self) -> Result<(), Error> {
        let dir = self.dir();
        // The NameNode and DataNode refuse to start when these are not on the class path, empty though they are.
        for name in ["webroot/webapps/hdfs/WEB-INF", "webroot/webapps/datanode/WEB-INF"] {
            let path = dir.join(name);
            fs::create_dir_all(&path).map_err(Error::file("create", &path))?;
        }
        // Names are looked up here and nowhere else: a resolver that is slow or absent must not slow the daemons down.
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        write(&dir.join("hosts"), &format!("127.0.0.1 localhost\n127.0.0.1 {}\n", host.trim()))?;
        let servers = &self.addresses.zookeepers;
        for (index, server) in servers.iter().enumerate() {
            let name = numbered("zookeeper", index, servers.len());
            let data = dir.join(&name);
            fs::create_dir_all(&data).map_err(Error::file("create", &data))?;
            write(&data.join("myid"), &(index + 1).to_string())?;
            write(&dir.join(format!("{name}.cfg")), &config::zoo_cfg(servers, server.client, &data))?;
        }
        self.write_conf(&self.conf_dir(), config::Properties::new())
    }

    /// One configuration directory; `node` is what its yarn-site.xml has beyond the common part.
    fn write_conf(&self, conf: &Path, node: config::Properties) -> Result<(), Error> {
        fs::create_dir_all(conf).map_err(Error::file("create", conf))?;
        let (Self { addresses, overrides, .. }, dir) = (self, self.dir());
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
    pub(super) fn launch_first(&mut self, parts: Parts) -> Result<(), Error> {
        let at = self.addresses.clone();
        let conf = self.conf_dir();
        if parts != Parts::Hdfs {
            for (index, server) in at.zookeepers.iter().enumerate() {
                let name = numbered("zookeeper", index, at.zookeepers.len());
                let file = self.place.path(&format!("{name}.cfg"));
                let main = ["org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned(), file];
                let daemon = self.spawn(&name, &conf, 128, &main, Probe::ZooKeeper(server.client))?;
                self.zookeepers.push(daemon);
            }
        }
        if parts != Parts::ZooKeeper {
            copy(&self.installation.name_template, &self.dir().join("namenode"))?;
            let main = ["org.apache.hadoop.hdfs.server.namenode.NameNode".to_owned()];
            let probe = Probe::NameNode { rpc: at.name_node, http: at.name_node_http };
            self.name_node = Some(self.spawn("namenode", &conf, 256, &main, probe)?);
        }
        if parts == Parts::All {
            let main = ["org.apache.hadoop.yarn.server.resourcemanager.ResourceManager".to_owned()];
            for (index, own) in at.resource_managers.iter().enumerate() {
                let several = at.resource_managers.len() > 1;
                let name = numbered("resourcemanager", index, at.resource_managers.len());
                let mut own_conf = conf.clone();
                if several {
                    own_conf = self.dir().join(format!("conf-{}", config::rm_id(index)));
                    self.write_conf(&own_conf, config::resource_manager_site(index))?;
                }
                // One on standby opens no other port than this one.
                let scheduler = (!several).then_some(own.scheduler);
                let probe = Probe::ResourceManager { scheduler, http: own.http };
                let daemon = self.spawn(&name, &own_conf, 384, &main, probe)?;
                self.resource_managers.push(daemon);
            }
        }
        Ok(())
    }

    pub(super) fn launch_data_node(&mut self) -> Result<(), Error> {
        let main = ["org.apache.hadoop.hdfs.server.datanode.DataNode".to_owned()];
        let probe = Probe::DataNode { data: self.addresses.data_node, http: self.addresses.data_node_http };
        self.data_node = Some(self.spawn("datanode", &self.conf_dir(), 256, &main, probe)?);
        Ok(())
    }

    pub(super) fn launch_node_manager(&mut self, capacity: Capacity) -> Result<(), Error> {
        let number = self.node_managers.len() + 1;
        let name = format!("nm{number}");
        // An address of its own for each, so that they count as different hosts: 127.0.0.11, .12, …
        let last = u8::try_from(number + 10).unwrap_or(u8::MAX);
        let host = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let mut next = || self.place.address_on(host);
        let node = NodeAddresses { rpc: next()?, localizer: next()?, http: next()?, collector: next()? };
        let conf = self.dir().join(format!("conf-{name}"));
        self.write_conf(&conf, config::node_manager_site(&node, capacity, &self.dir().join(&name)))?;
        let main = ["org.apache.hadoop.yarn.server.nodemanager.NodeManager".to_owned()];
        let probe = Probe::NodeManager { rpc: node.rpc, http: node.http };
        let daemon = self.spawn(&name, &conf, 256, &main, probe)?;
        self.node_managers.push(Node { daemon, rpc: node.rpc, http: node.http });
        Ok(())
    }

    fn spawn(&self, name: &str, conf: &Path, heap_mb: u32, main: &[String], probe: Probe) -> Result<Daemon, Error> {
        let mut arguments = self.place.java_arguments(heap_mb);
        arguments.extend([
            format!("-Djdk.net.hosts.file={}", self.place.path("hosts")),
            format!("-Dlog4j.configuration=file:{}", conf.join("log4j.properties").display()),
            format!("-Dhadoop.log.dir={}", self.place.path("logs")),
            format!("-Dyarn.log.dir={}", self.place.path("logs")),
        ]);
        if let Some(archive) = &self.installation.archive {
            arguments.push(format!("-XX:SharedArchiveFile={}", archive.display()));
        }
        if let Some(lists) = &self.class_lists {
            arguments.push(format!("-XX:DumpLoadedClassList={}", lists.join(name).display()));
        }
        // The archive is valid only when its own class path comes first, and it must hold no directories.
        let class_path = format!("{}:{}:{}", self.installation.class_path, conf.display(), self.place.path("webroot"));
        arguments.extend(["-cp".into(), class_path]);
        arguments.extend_from_slice(main);
        self.place.spawn(name, &self.installation.java, arguments, None, probe)
    }
}

/// The name of one of several, which one alone has without a number.
fn numbered(name: &str, index: usize, count: usize) -> String {
    if count > 1 { format!("{name}{}", index + 1) } else { name.to_owned() }
}

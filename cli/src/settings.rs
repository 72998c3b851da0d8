//! What every command needs to know, checked once: where the tree is, whose name we act in, where Hadoop's files are.
//!
//! Of each value the first that is given counts: the command line, the context that `--context` names, the environment,
//! the current context, Hadoop's configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hadoop_rpc::Conf;
use maas_crd::Namespace;
use maas_store::{Config, Root};

use crate::args::Global;
use crate::contexts::{self, Context};

/// Settings of one run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// ZooKeeper's servers, `host:port,host:port`.
    pub quorum: String,
    /// The tree's root.
    pub root: Root,
    /// The namespace that was asked for; where none was, `default`.
    pub namespace: Option<Namespace>,
    /// Hadoop's client configuration.
    pub conf_dir: Option<PathBuf>,
    /// How long any one request may take; none is what each kind of request has by default.
    pub request_timeout: Option<Duration>,
}

/// What one source says of each value.
#[derive(Debug, Clone, Default)]
struct Said {
    quorum: Option<String>,
    root: Option<String>,
    namespace: Option<String>,
    conf_dir: Option<PathBuf>,
}

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// No quorum at all.
    #[error(
        "no ZooKeeper is named: give --zookeeper host:port[,host:port] or set MAAS_ZOOKEEPER; `maasctl config set-context NAME --zookeeper ...` and `use-context NAME` keep it"
    )]
    NoQuorum,
    /// A quorum that cannot be one.
    #[error("--zookeeper {quorum:?}: {problem}; expected host:port[,host:port]")]
    Quorum {
        /// As given.
        quorum: String,
        /// What is wrong.
        problem: String,
    },
    /// A root that cannot be one.
    #[error("--root")]
    Root(#[source] maas_store::RootError),
    /// A namespace that cannot be one.
    #[error("--namespace")]
    Namespace(#[source] maas_crd::NameError),
    /// Nobody to act as.
    #[error("cannot tell which user to submit as: set HADOOP_USER_NAME")]
    NoUser,
    /// No configuration directory.
    #[error(
        "no Hadoop configuration is named: give --conf-dir or set HADOOP_CONF_DIR to the directory of core-site.xml and yarn-site.xml"
    )]
    NoConfDir,
    /// Named, but not there.
    #[error(
        "{0:?} is not a directory: --conf-dir or HADOOP_CONF_DIR must name the directory of core-site.xml and yarn-site.xml"
    )]
    ConfDir(PathBuf),
}

impl Said {
    fn flags(global: &Global) -> Self {
        let Global { zookeeper, root, namespace, conf_dir, .. } = global.clone();
        Self { quorum: zookeeper, root, namespace, conf_dir }
    }

    fn context(context: &Context) -> Self {
        let Context { zookeeper, root, namespace, conf_dir } = context.clone();
        Self { quorum: zookeeper, root, namespace, conf_dir }
    }

    /// HADOOP_CONF_DIR is set by every gateway's profile, so it speaks after the contexts.
    fn environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (quorum, root, namespace) = (variable("MAAS_ZOOKEEPER"), variable("MAAS_ROOT"), variable("MAAS_NAMESPACE"));
        Self { quorum, root, namespace, conf_dir: None }
    }

    fn or(self, next: Self) -> Self {
        Self {
            quorum: self.quorum.or(next.quorum),
            root: self.root.or(next.root),
            namespace: self.namespace.or(next.namespace),
            conf_dir: self.conf_dir.or(next.conf_dir),
        }
    }
}

/// Which Hadoop configuration the environment names.
fn hadoop_conf_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("HADOOP_CONF_DIR").or_else(|| set("HADOOP_HOME").map(|home| home.join("etc/hadoop")))
}

/// The ZooKeeper that a cluster's own services use, if its configuration names one.
fn clusters_quorum(conf_dir: &Path) -> Option<String> {
    let conf = Conf::load(conf_dir).ok()?;
    let names = ["hadoop.zk.address", "yarn.resourcemanager.zk-address", "ha.zookeeper.quorum"];
    names.iter().find_map(|name| conf.get(name).filter(|value| !value.trim().is_empty()))
}

impl Settings {
    /// Chooses and checks what holds for this run; the file of contexts and Hadoop's configuration are read, nothing is
    /// connected to.
    ///
    /// # Errors
    /// A value that can't be one, no ZooKeeper at all, a context that is not there, a broken file of contexts.
    pub(crate) fn resolve(global: &Global) -> anyhow::Result<Self> {
        let mut said = Said::flags(global);
        let mut current = Said::default();
        if let Some(file) = contexts::path() {
            let contexts = contexts::read(&file)?;
            let chosen = contexts.chosen(global.context.as_deref(), &file)?.map(Said::context).unwrap_or_default();
            match global.context {
                Some(_) => said = said.or(chosen),
                None => current = chosen,
            }
        } else if global.context.is_some() {
            contexts::required_path()?;
        }
        let mut said = said.or(Said::environment()).or(current);
        said.conf_dir = said.conf_dir.or_else(hadoop_conf_dir);
        if said.quorum.is_none() {
            said.quorum = said.conf_dir.as_deref().and_then(clusters_quorum);
        }
        let root = said.root.as_deref().unwrap_or("/maas");
        let settings = Self::check(said.quorum, root, said.namespace.as_deref(), said.conf_dir)?;
        Ok(Self { request_timeout: global.request_timeout, ..settings })
    }

    /// How long a request may take of which the default is `usual`.
    pub(crate) fn deadline(&self, usual: Duration) -> Duration {
        self.request_timeout.unwrap_or(usual)
    }

    /// How to reach the tree.
    pub(crate) fn tree(&self) -> Config {
        let config = Config { root: self.root.clone(), ..Config::new(self.quorum.clone()) };
        Config { deadline: self.deadline(config.deadline), ..config }
    }

    /// Checks the raw values; nothing is connected to.
    pub(crate) fn check(
        quorum: Option<String>,
        root: &str,
        namespace: Option<&str>,
        conf_dir: Option<PathBuf>,
    ) -> Result<Self, SettingsError> {
        let quorum = check_quorum(&quorum.unwrap_or_default())?;
        let root = root.parse().map_err(SettingsError::Root)?;
        let namespace = namespace.map(str::parse).transpose().map_err(SettingsError::Namespace)?;
        Ok(Self { quorum, root, namespace, conf_dir, request_timeout: None })
    }

    /// The namespace to act in.
    pub(crate) fn namespace(&self) -> Namespace {
        self.namespace.clone().unwrap_or_default()
    }

    /// Hadoop's configuration directory, which must exist.
    pub(crate) fn conf_dir(&self) -> Result<PathBuf, SettingsError> {
        let directory = self.conf_dir.clone().or_else(hadoop_conf_dir).ok_or(SettingsError::NoConfDir)?;
        if directory.is_dir() { Ok(directory) } else { Err(SettingsError::ConfDir(directory)) }
    }
}

/// Servers separated by commas, each with a port or 2181; Metron's users write both.
fn check_quorum(text: &str) -> Result<String, SettingsError> {
    if text.trim().is_empty() {
        return Err(SettingsError::NoQuorum);
    }
    let refuse = |problem: String| SettingsError::Quorum { quorum: text.to_owned(), problem };
    let mut servers = Vec::new();
    for server in text.split(',').map(str::trim) {
        if server.contains('/') {
            return Err(refuse(format!("{server:?} holds a path; the tree's place is --root")));
        }
        // An IPv6 address stands in brackets, so the last colon outside of them is the port's.
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (server, "2181"),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let plain = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if !plain && bare.is_none_or(|bare| bare.parse::<std::net::Ipv6Addr>().is_err()) {
            return Err(refuse(format!("{server:?} is no host")));
        }
        if !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(refuse(format!("{port:?} is no port")));
        }
        servers.push(format!("{host}:{port}"));
    }
    Ok(servers.join(","))
}

/// Whose name jobs and files bear: HADOOP_USER_NAME, else the login name. YARN would take a request without one, as `dr.who`.
pub(crate) fn user() -> Result<String, SettingsError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    variable("HADOOP_USER_NAME")
        .or_else(account)
        .or_else(|| variable("LOGNAME"))
        .or_else(|| variable("USER"))
        .ok_or(SettingsError::NoUser)
}

fn account() -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&uid.as_str()))?
        .first()
        .map(|name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_one_or_more_servers_with_ports() {
        assert_eq!(check_quorum("node1:2181").unwrap(), "node1:2181");
        assert_eq!(check_quorum("a, b:2182,[::1]:2183,[::1]").unwrap(), "a:2181,b:2182,[::1]:2183,[::1]:2181");
    }

    #[test]
    fn a_quorum_that_cannot_be_one_is_refused_with_the_reason() {
        for (text, expect) in [
            ("a:x", "is no port"),
            ("a:0", "is no port"),
            ("a,,b", "is no host"),
            ("a:1/maas", "holds a path"),
            ("a b:1", "is no host"),
            ("", "no ZooKeeper"),
        ] {
            let message = check_quorum(text).unwrap_err().to_string();
            assert!(message.contains(expect), "{text}: {message}");
        }
    }
}

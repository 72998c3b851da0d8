//! What the operator is told once, at its start.

use std::collections::BTreeMap;

use hadoop_yarn::LocalResource;
use maas_store::{Build, Programs, RefusedUpgrade, Root};

/// Metron's queue, and for whom it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetronQueue {
    /// Its znode.
    pub path: String,
    /// The user who started the service: paths in items are resolved against this one's home.
    pub user: String,
}

/// Settings of one operator process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// ZooKeeper's connect string.
    pub quorum: String,
    /// The tree's root.
    pub root: Root,
    /// The session timeout that operator and runners ask for.
    pub session_timeout_ms: u64,
    /// This application, as YARN prints it.
    pub application: String,
    /// This attempt of it.
    pub attempt: u32,
    /// The host this operator runs on.
    pub host: String,
    /// Tells this process apart from every other one.
    pub nonce: String,
    /// This program's file in HDFS.
    pub program: String,
    /// The request to upgrade that could not be followed.
    pub refused: Option<RefusedUpgrade>,
    /// The runner's binary in HDFS.
    pub runner: LocalResource,
    /// Variables given to every model (`maas_service.sh -e`).
    pub env: BTreeMap<String, String>,
    /// Metron's queue, if it is to be read.
    pub metron_queue: Option<MetronQueue>,
}

impl Settings {
    /// Takes in which programs the service has, and which request was not followed.
    pub(crate) fn set_programs(&mut self, programs: Programs, refused: Option<RefusedUpgrade>) {
        self.program = programs.operator.url;
        let runner = programs.runner;
        self.runner = LocalResource::private_file(runner.url, runner.size, runner.mtime_ms);
        self.refused = refused;
    }

    /// The service's programs.
    #[must_use]
    pub fn build(&self) -> Build {
        Build { operator: self.program.clone(), runner: self.runner.url.clone() }
    }
}

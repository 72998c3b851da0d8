//! What the operator is told once, at its start.

use std::collections::BTreeMap;

use maas_store::Root;

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
    /// The runner's binary in HDFS.
    pub runner: hadoop_yarn::LocalResource,
    /// Variables given to every model (`maas_service.sh -e`).
    pub env: BTreeMap<String, String>,
}

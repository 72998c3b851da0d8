//! `maasctl doctor` on real daemons: what a stock cluster is told, what changed settings change, what a daemon that is
//! away or hangs leads to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use support::{Ran, command};
use tree_support::{Tree, runtime};

/// A cluster as the starter makes it: Hadoop 3.5.0 and ZooKeeper 3.9 with stock timers and recovery on.
const STOCK: [(&str, &str); 33] = [
    ("zk-reachable", "ok"),
    ("zk-version", "ok"),
    ("zk-ensemble", "warning"),
    ("zk-session", "ok"),
    ("zk-acl", "warning"),
    ("zk-clock", "ok"),
    ("rm-reachable", "ok"),
    ("rm-http", "ok"),
    ("rm-state", "ok"),
    ("rm-version", "ok"),
    ("rm-clock", "ok"),
    ("rm-recovery", "ok"),
    ("rm-store", "ok"),
    ("rm-am-expiry", "warning"),
    ("rm-am-attempts", "ok"),
    ("rm-nm-expiry", "info"),
    ("rm-async-scheduling", "ok"),
    ("yarn-acl", "warning"),
    ("yarn-http-auth", "warning"),
    ("yarn-security", "warning"),
    ("yarn-log-aggregation", "info"),
    ("nm-nodes", "info"),
    ("rm-container-size", "info"),
    ("rm-queue", "ok"),
    ("nm-recovery", "info"),
    ("nm-executor", "warning"),
    ("nm-clock", "ok"),
    ("hdfs-reachable", "ok"),
    ("hdfs-safe-mode", "ok"),
    ("hdfs-home", "ok"),
    ("hdfs-clock", "ok"),
    ("hadoop-conf", "ok"),
    ("maas-tree", "info"),
];
/// And before anything was started on it.
const FRESH: [(&str, &str); 4] =
    [("maas-acl", "skipped"), ("maas-operator", "info"), ("maas-metron-queue", "ok"), ("maas-payloads", "ok")];

/// Long enough for a busy machine; what hangs is given up after 5 to 10 s.
const SECONDS: Duration = Duration::from_secs(20);

struct Site {
    cluster: Cluster,
    tree: Tree,
}

impl Site {
    fn run(&self, words: &[&str]) -> Ran {
        let mut command = command();
        command.env("MAAS_ZOOKEEPER", self.cluster.quorum()).env("HADOOP_CONF_DIR", self.cluster.conf_dir());
        command.env("HADOOP_USER_NAME", "root").args(words).output().unwrap().into()
    }

    /// The findings by id, with the exit code.
    fn doctor(&self, words: &[&str]) -> (BTreeMap<String, serde_json::Value>, i32) {
        let begun = Instant::now();
        let ran = self.run(&[&["doctor", "-o", "json"], words].concat());
        assert!(begun.elapsed() < SECONDS, "took {:?}", begun.elapsed());
        println!("{words:?} took {:.1?}", begun.elapsed());
        assert_eq!(ran.stderr, "");
        let all: Vec<serde_json::Value> = serde_json::from_str(&ran.stdout).unwrap();
        let by_id = all.into_iter().map(|one| (one["id"].as_str().unwrap().to_owned(), one)).collect();
        (by_id, ran.code.unwrap())
    }

    /// Asserts what differs from a stock, fresh cluster; gives the findings.
    #[track_caller]
    fn differs(&self, words: &[&str], code: i32, expect: &[(&str, &str)]) -> BTreeMap<String, serde_json::Value> {
        let (found, ended) = self.doctor(words);
        let usual: BTreeMap<&str, &str> = STOCK.into_iter().chain(FRESH).collect();
        let severities: BTreeMap<&str, &str> =
            found.iter().map(|(id, one)| (id.as_str(), one["severity"].as_str().unwrap())).collect();
        assert_eq!(severities.keys().collect::<Vec<_>>(), usual.keys().collect::<Vec<_>>(), "the same checks always");
        let other: BTreeMap<&str, &str> =
            severities.into_iter().filter(|(id, severity)| usual[id] != *severity).collect();
        assert_eq!(other, expect.iter().copied().collect(), "{found:#?}");
        assert_eq!(ended, code);
        found
    }

    fn files(&self) -> Vec<String> {
        let hdfs = maas_hdfs::Hdfs::open(&self.cluster.conf_dir(), Some("root")).unwrap();
        runtime().block_on(hdfs.list("/", 1000)).unwrap().into_iter().map(|file| file.path).collect()
    }
}

/// Adds properties to a site file.
fn set(directory: &Path, properties: &[(&str, &str)]) {
    let path = directory.join("yarn-site.xml");
    let text = std::fs::read_to_string(&path).unwrap();
    let more: String = properties
        .iter()
        .map(|(name, value)| format!("<property><name>{name}</name><value>{value}</value></property>\n"))
        .collect();
    std::fs::write(&path, text.replace("</configuration>", &format!("{more}</configuration>"))).unwrap();
}

/// `[(id, "skipped")…]` for all whose id begins so, but the one that is the error.
fn gone(error: &'static str, prefixes: &[&str]) -> Vec<(&'static str, &'static str)> {
    let all = STOCK.into_iter().chain(FRESH).map(|(id, _)| id);
    let dependent = all.filter(|id| *id != error && prefixes.iter().any(|prefix| id.starts_with(prefix)));
    dependent.map(|id| (id, "skipped")).chain([(error, "error")]).filter(|(id, _)| *id != "maas-acl").collect()
}

#[test]
fn a_cluster_is_looked_at_whole_and_in_part() {
    let cluster = runtime().block_on(Cluster::builder().start()).unwrap();
    let tree = Tree::at(&cluster.quorum(), "/maas");
    let site = Site { cluster, tree };
    a_stock_cluster_is_told_its_risks(&site);
    daemons_that_hang_are_told_within_seconds_and_the_others_are_looked_at(&site);
    what_a_daemon_runs_with_counts_and_not_what_its_file_says(&site);
    the_tree_its_operator_and_its_payloads_are_looked_at(&site);
    daemons_that_are_away_are_told_within_seconds(&site);
}

fn a_stock_cluster_is_told_its_risks(site: &Site) {
    let before = (site.tree.below("/"), site.files());
    let found = site.differs(&[], 0, &[]);
    assert_eq!((site.tree.below("/"), site.files()), before, "nothing is left behind");
    for (id, seen) in [
        ("zk-version", "3.9.5 at"),
        ("zk-ensemble", "one server"),
        ("zk-session", "session timeout 6000 ms"),
        ("rm-version", "3.5.0"),
        ("rm-am-expiry", "900 s"),
        ("rm-store", "ZKRMStateStore"),
        ("nm-nodes", "1 running with 4096 MiB"),
        ("rm-queue", "0 of 2048 MiB for application masters taken"),
        ("hdfs-home", "a file was written to /"),
    ] {
        assert!(found[id]["seen"].as_str().unwrap().contains(seen), "{}", found[id]);
    }
    site.differs(&["--strict"], 3, &[]);
    let lost = site.differs(&["--queue", "nowhere"], 1, &[("rm-queue", "error")]);
    assert_eq!(lost["rm-queue"]["seen"], "there is no leaf queue nowhere");

    let text = site.run(&["doctor"]).ok();
    for part in [
        "ZooKeeper\n",
        "\nYARN\n",
        "\nHDFS\n",
        "\nmaas\n",
        "  warning  rm-am-expiry",
        "             change  set yarn.am",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }

    let mut nowhere = command();
    nowhere.env("MAAS_ZOOKEEPER", site.cluster.quorum()).args(["doctor", "--conf-dir", "/nowhere"]);
    let ran: Ran = nowhere.output().unwrap().into();
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("  error    hadoop-conf           \"/nowhere\" is not a directory"), "{}", ran.stdout);
    assert!(ran.stdout.contains("  skipped  rm-recovery           needs hadoop-conf\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("  ok       zk-reachable"), "{}", ran.stdout);
}

fn daemons_that_hang_are_told_within_seconds_and_the_others_are_looked_at(site: &Site) {
    site.cluster.resource_manager().pause().unwrap();
    let found = site.differs(&[], 1, &gone("rm-reachable", &["rm-", "nm-", "yarn-"]));
    site.cluster.resource_manager().resume().unwrap();
    assert_eq!(found["nm-recovery"]["seen"], "needs rm-reachable");
    site.cluster.name_node().pause().unwrap();
    site.differs(&[], 1, &gone("hdfs-reachable", &["hdfs-", "maas-payloads"]));
    site.cluster.name_node().resume().unwrap();
    site.cluster.node_manager(0).pause().unwrap();
    let silent = [("nm-recovery", "skipped"), ("nm-executor", "skipped"), ("nm-clock", "skipped")];
    site.differs(&[], 0, &silent);
    site.cluster.node_manager(0).resume().unwrap();
    site.cluster.zookeeper().pause().unwrap();
    site.differs(&[], 1, &gone("zk-reachable", &["zk-", "maas-"]));
    site.cluster.zookeeper().resume().unwrap();
    runtime().block_on(site.cluster.await_ready()).unwrap();
}

fn what_a_daemon_runs_with_counts_and_not_what_its_file_says(site: &Site) {
    let changes = [
        ("yarn.am.liveness-monitor.expiry-interval-ms", "60000"),
        ("yarn.resourcemanager.recovery.enabled", "false"),
        ("yarn.acl.enable", "true"),
        ("yarn.admin.acl", "yarn"),
        ("yarn.resourcemanager.am.max-attempts", "1"),
        // Else its NodeManagers look for it only every 30 s.
        ("yarn.resourcemanager.connect.retry-interval.ms", "1000"),
    ];
    set(&site.cluster.conf_dir(), &changes);
    let node = site.cluster.dir().join("conf-nm1");
    set(&node, &[("yarn.nodemanager.recovery.enabled", "false"), changes[5]]);
    site.differs(&[], 0, &[]);

    runtime().block_on(site.cluster.node_manager(0).restart()).unwrap();
    runtime().block_on(site.cluster.await_ready()).unwrap();
    let found = site.differs(&[], 0, &[("nm-recovery", "warning")]);
    assert!(found["nm-recovery"]["seen"].as_str().unwrap().starts_with("off on 1 of 1 nodes: "));
    runtime().block_on(site.cluster.resource_manager().restart()).unwrap();
    runtime().block_on(site.cluster.await_ready()).unwrap();
    // It takes nodes some tenths of a second before it calls itself active.
    let deadline = Instant::now() + Duration::from_secs(30);
    while site.doctor(&[]).0["rm-state"]["severity"] != "ok" && Instant::now() < deadline {}
    let changed = [
        ("nm-recovery", "warning"),
        ("rm-am-expiry", "ok"),
        ("rm-recovery", "warning"),
        ("rm-store", "skipped"),
        ("yarn-acl", "ok"),
        ("rm-am-attempts", "warning"),
    ];
    site.differs(&[], 0, &changed);
}

fn the_tree_its_operator_and_its_payloads_are_looked_at(site: &Site) {
    let spec = "spec: {model: {name: lost, version: '1'}, replicas: 1, payload: {path: /models/lost}}\n";
    site.tree.apply(&format!("apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {{name: lost-1}}\n{spec}")).ok();
    let severity = |found: &BTreeMap<String, serde_json::Value>, id: &str| found[id]["severity"].clone();
    let (found, code) = site.doctor(&[]);
    assert_eq!(code, 0);
    let expect =
        [("maas-tree", "ok"), ("maas-acl", "warning"), ("maas-operator", "warning"), ("maas-payloads", "warning")];
    for (id, word) in expect {
        assert_eq!(severity(&found, id), word, "{}", found[id]);
    }
    let lost = found["maas-payloads"]["seen"].as_str().unwrap();
    assert!(lost.starts_with("default/lost-1: hdfs://") && lost.ends_with("/models/lost does not exist"), "{lost}");

    // What one of Metron's clients offered, and nobody reads.
    site.tree.put("/maas/queue/qn-0000000000", b"null");
    let (found, _) = site.doctor(&[]);
    assert_eq!(severity(&found, "maas-metron-queue"), "warning");
    let said = found["maas-metron-queue"]["seen"].as_str().unwrap();
    assert!(said.contains("/maas/queue is not read, and 1 item on it"), "{said}");

    site.tree.plant_leader("application_1_0001");
    let before = site.tree.below("/maas");
    let (found, _) = site.doctor(&[]);
    let said = found["maas-operator"]["seen"].as_str().unwrap();
    assert!(said.starts_with("application_1_0001 attempt ") && said.contains(" leads since 20"), "{said}");
    assert_eq!(severity(&found, "maas-operator"), "ok");
    assert_eq!(site.tree.below("/maas"), before, "nothing is left behind");
}

fn daemons_that_are_away_are_told_within_seconds(site: &Site) {
    let errors = |expect: &[&str]| {
        let (found, code) = site.doctor(&[]);
        let of = |word: &str| {
            let all = found.iter().filter(|(_, one)| one["severity"] == word);
            all.map(|(id, _)| id.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((of("error"), code), (expect.to_vec(), 1));
        found
    };
    site.cluster.name_node().kill().unwrap();
    let found = errors(&["hdfs-reachable"]);
    assert_eq!(found["rm-version"]["severity"], "ok");
    site.cluster.resource_manager().kill().unwrap();
    let found = errors(&["hdfs-reachable", "rm-reachable"]);
    assert_eq!(found["maas-operator"]["severity"], "ok");
    site.cluster.zookeeper().kill().unwrap();
    errors(&["hdfs-reachable", "rm-reachable", "zk-reachable"]);
}

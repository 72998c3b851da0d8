//! A real ZooKeeper, shared by the tests of one process, and a tree of its own for each test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use maas_crd::{Iid, Name, Namespace, Status};
use maas_e2e::Cluster;
use maas_store::{
    Build, Config, Endpoint, EventRing, Exit, InstanceRecord, LeaderRecord, Node, Op, Phase, RunnerReport, Stat, Store,
    encode_status,
};
use tokio::runtime::Runtime;

use crate::support::{Ran, command, maasctl, with_stdin};

pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

fn quorum() -> &'static str {
    // Never dropped: the guard ends ZooKeeper with this process.
    static CLUSTER: OnceLock<(Cluster, String)> = OnceLock::new();
    let (_, quorum) = CLUSTER.get_or_init(|| {
        let cluster = runtime().block_on(Cluster::builder().zookeeper_only().start()).unwrap();
        let quorum = cluster.quorum();
        (cluster, quorum)
    });
    quorum
}

/// One test's own tree.
pub struct Tree {
    pub root: String,
    pub quorum: String,
    store: Store,
}

impl Tree {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self::at(quorum(), &format!("/test{}/maas", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// A tree of another ZooKeeper.
    pub fn at(quorum: &str, root: &str) -> Self {
        let config = Config { root: root.parse().unwrap(), ..Config::new(quorum) };
        let store = runtime().block_on(Store::open(config)).unwrap();
        Self { root: root.to_owned(), quorum: quorum.to_owned(), store }
    }

    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["-z", &self.quorum, "--root", &self.root];
        all.extend(words);
        all
    }

    /// Runs maasctl on this tree.
    pub fn ctl(&self, words: &[&str]) -> Ran {
        maasctl(&self.words(words))
    }

    /// maasctl on this tree, not yet running.
    pub fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = command();
        command.args(self.words(words)).stdin(std::process::Stdio::null());
        command
    }

    /// Runs maasctl on this tree with this text on stdin.
    pub fn ctl_with(&self, words: &[&str], stdin: &str) -> Ran {
        with_stdin(&self.words(words), stdin)
    }

    /// Applies this text.
    pub fn apply(&self, text: &str) -> Ran {
        self.ctl_with(&["apply", "-f", "-"], text)
    }

    /// A running maasctl on this tree.
    pub fn spawn(&self, words: &[&str]) -> std::process::Child {
        let mut command = self.command(words);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    }

    /// The words of maas_deploy.sh on this tree; its root stands in a config of Metron's.
    pub fn deploy<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let parent = self.root.rsplit_once('/').unwrap().0;
        let path = format!("{parent}/config");
        self.put(parent, b"");
        self.put(&path, format!("{{\"serviceRoot\":\"{}/service\"}}", self.root).as_bytes());
        let mut all = vec!["legacy", "deploy", "-zq", &self.quorum, "-zr", Box::leak(path.into_boxed_str())];
        all.extend(words);
        all
    }

    pub fn put(&self, path: &str, data: &[u8]) {
        let create = Op::Create { path: path.into(), data: data.into(), ephemeral: false };
        if runtime().block_on(self.store.commit(&[create])).is_err() {
            let set = Op::Set { path: path.into(), data: data.into(), version: None };
            runtime().block_on(self.store.commit(&[set])).unwrap();
        }
    }

    /// Any node, with the folders above it.
    pub fn plant(&self, node: &Node, data: &[u8]) {
        runtime().block_on(self.store.init()).unwrap();
        for parent in node.parents() {
            let path = self.store.path(&parent);
            if runtime().block_on(self.store.get(&path)).unwrap().is_none() {
                self.put(&path, b"");
            }
        }
        self.put(&self.store.path(node), data);
    }

    /// A living operator.
    pub fn plant_leader(&self, application: &str) {
        let record = LeaderRecord {
            epoch: 3,
            application: application.into(),
            attempt: 1,
            host: "node1".into(),
            ready: true,
            version: "0.1.0".into(),
            build: Build::default(),
            refused: None,
            metron_queue: None,
        };
        self.plant(&Node::Leader, &record.encode());
    }

    /// The status of a deployment's newest spec, all of it ready.
    pub fn plant_ready(&self, name: &str, replicas: u32) {
        self.plant_progress(name, replicas, replicas, replicas);
    }

    /// The status of a deployment's newest spec, half-way.
    pub fn plant_progress(&self, name: &str, replicas: u32, updated: u32, available: u32) {
        let (namespace, name): (Namespace, Name) = (Namespace::default(), name.parse().unwrap());
        let spec = Node::Spec { namespace: namespace.clone(), name: name.clone() };
        let (_, stat) = self.read(&spec);
        let status = Status {
            uid: stat.czxid,
            observed_generation: i64::from(stat.version) + 1,
            replicas,
            updated_replicas: updated,
            ready_replicas: available,
            available_replicas: available,
            current_revision: Some(1),
            update_revision: Some(1),
            ..Status::default()
        };
        self.plant(&Node::Status { namespace, name }, &encode_status(&status));
    }

    /// One instance that serves.
    pub fn plant_instance(&self, name: &str, counter: u32, model: &str, version: &str, url: &str) {
        let container = format!("container_1_0001_01_{counter:06}");
        self.plant_container(name, counter, model, version, url, "127.0.0.1:1", &container);
    }

    /// One instance that serves, in this container of a NodeManager.
    #[allow(clippy::too_many_arguments)]
    pub fn plant_container(
        &self,
        name: &str,
        counter: u32,
        model: &str,
        version: &str,
        url: &str,
        node_http: &str,
        container: &str,
    ) {
        let (namespace, name): (Namespace, Name) = (Namespace::default(), name.parse().unwrap());
        let iid = Iid::new(3, counter);
        let record = InstanceRecord { uid: 1, revision: 1, application: "application_1_0001".into(), stopping: None };
        self.plant(&Node::Instance { namespace: namespace.clone(), name: name.clone(), iid }, &record.encode());
        let report = RunnerReport {
            container: container.to_owned(),
            node: "node1".into(),
            node_http: Some(node_http.to_owned()),
            phase: Phase::Ready,
            waiting: None,
            restarts: 0,
            last_exit: None,
            since_ms: 0,
        };
        self.plant(&Node::Runner { namespace: namespace.clone(), name: name.clone(), iid }, &report.encode());
        let endpoint = Endpoint {
            url: url.into(),
            functions: [("apply".into(), "apply".into())].into(),
            model: model.into(),
            version: version.into(),
            revision: 1,
            container: container.to_owned(),
            since_ms: 0,
        };
        self.plant(&Node::Endpoint { namespace, name, iid }, &endpoint.encode());
    }

    /// The events of a deployment, instead of those that it had.
    pub fn plant_events(&self, name: &str, ring: &EventRing) {
        self.plant(&Node::Events { namespace: Namespace::default(), name: name.parse().unwrap() }, &ring.encode());
    }

    /// One instance that waits to be started again after its fourth crash.
    pub fn plant_crashed(&self, name: &str, counter: u32, stderr: &str) {
        let (namespace, name): (Namespace, Name) = (Namespace::default(), name.parse().unwrap());
        let iid = Iid::new(3, counter);
        let record = InstanceRecord { uid: 1, revision: 1, application: "application_1_0001".into(), stopping: None };
        self.plant(&Node::Instance { namespace: namespace.clone(), name: name.clone(), iid }, &record.encode());
        let exit = Exit {
            code: Some(3),
            signal: None,
            reason: "Crashed".into(),
            message: String::new(),
            stderr_tail: stderr.into(),
            at_ms: 0,
        };
        let report = RunnerReport {
            container: format!("container_1_0001_01_{counter:06}"),
            node: "node1".into(),
            node_http: None,
            phase: Phase::BackingOff,
            waiting: None,
            restarts: 4,
            last_exit: Some(exit),
            since_ms: 0,
        };
        self.plant(&Node::Runner { namespace, name, iid }, &report.encode());
    }

    /// An endpoint of which nothing else is left.
    pub fn plant_endpoint_alone(&self, name: &str, counter: u32) {
        let endpoint = Endpoint {
            url: "http://node1:1".into(),
            functions: [("apply".into(), "apply".into())].into(),
            model: "dga".into(),
            version: "1.0".into(),
            revision: 1,
            container: "container_1_0001_01_000001".into(),
            since_ms: 0,
        };
        self.plant(&Self::endpoint(name, counter), &endpoint.encode());
    }

    /// Takes that endpoint away.
    pub fn remove_endpoint(&self, name: &str, counter: u32) {
        let path = self.store.path(&Self::endpoint(name, counter));
        runtime().block_on(self.store.commit(&[Op::Delete { path, version: None }])).unwrap();
    }

    fn endpoint(name: &str, counter: u32) -> Node {
        Node::Endpoint { namespace: Namespace::default(), name: name.parse().unwrap(), iid: Iid::new(3, counter) }
    }

    /// The names of the nodes below one; none where it does not exist.
    pub fn below(&self, path: &str) -> Vec<String> {
        let mut names = runtime().block_on(self.store.children(path)).unwrap().unwrap_or_default();
        names.sort();
        names
    }

    /// What a node holds.
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        runtime().block_on(self.store.get(path)).unwrap().map(|(data, _)| data)
    }

    /// A node that must be there.
    pub fn read(&self, node: &Node) -> (Vec<u8>, Stat) {
        runtime().block_on(self.store.get(&self.store.path(node))).unwrap().unwrap()
    }

    /// The stored manifest.
    pub fn spec(&self, name: &str) -> String {
        let node = Node::Spec { namespace: Namespace::default(), name: name.parse().unwrap() };
        let (text, _) = self.read(&node);
        String::from_utf8(text).unwrap()
    }
}

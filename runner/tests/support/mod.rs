//! A container without YARN: the runner's binary in a directory and environment as the NodeManager would make them, and
//! a real ZooKeeper in which the operator's part is played by the test.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use maas_crd::{HttpGet, Iid, Launch, ModelRef, Readiness};
use maas_e2e::Cluster;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use serde_json::Value;
use tokio::sync::OnceCell;
use zookeeper_client as zk;

/// Longer than anything here takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A script that runs the test model in the foreground.
pub(crate) const SERVE: &str = "#!/bin/sh\nexec perl model.pl\n";

pub(crate) const MODEL: &str = include_str!("model.pl");

/// ZooKeeper for all tests of a file that do not harm it.
pub(crate) async fn shared() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(async || Cluster::builder().zookeeper_only().start().await.unwrap()).await
}

/// The operator's and a reader's view of one tree, which no other test uses.
pub(crate) struct Tree {
    pub(crate) client: zk::Client,
    pub(crate) root: String,
    pub(crate) quorum: String,
}

impl Tree {
    pub(crate) async fn new(cluster: &Cluster) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let root = format!("/maas{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let quorum = cluster.quorum();
        let client = zk::Client::connector().with_session_timeout(PATIENCE).connect(&quorum).await.unwrap();
        let options = zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all());
        for folder in ["instances/default/m-1.0", "endpoints/default/m-1.0", "service/m", "events"] {
            client.mkdir(&format!("{root}/{folder}"), &options).await.unwrap();
        }
        Self { client, root, quorum }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    pub(crate) fn record(&self, iid: Iid) -> String {
        self.at(&format!("instances/default/m-1.0/{iid}"))
    }

    pub(crate) fn endpoint(&self, iid: Iid) -> String {
        self.at(&format!("endpoints/default/m-1.0/{iid}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Option<(Value, zk::Stat)> {
        match self.client.get_data(path).await {
            Ok((data, stat)) => Some((serde_json::from_slice(&data).unwrap(), stat)),
            Err(zk::Error::NoNode) => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// The record, as the operator makes it before it asks for a container.
    pub(crate) async fn intend(&self, iid: Iid) {
        let options = zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all());
        let record = serde_json::json!({"uid": 7, "revision": 1, "application": "application_1_0001"}).to_string();
        self.client.create(&self.record(iid), record.as_bytes(), &options).await.unwrap();
    }

    pub(crate) async fn revoke(&self, iid: Iid, grace: Duration) {
        let stopping = serde_json::json!({"reason": "ScaledDown", "graceMs": grace.as_millis() as u64});
        let record =
            serde_json::json!({"uid": 7, "revision": 1, "application": "application_1_0001", "stopping": stopping});
        self.client.set_data(&self.record(iid), record.to_string().as_bytes(), Some(0)).await.unwrap();
    }

    /// The endpoint's URL, once it is there.
    pub(crate) async fn published(&self, iid: Iid) -> String {
        let (endpoint, _) = eventually("an endpoint", async || self.get(&self.endpoint(iid)).await).await;
        endpoint["url"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn withdrawn(&self, iid: Iid) {
        eventually("no endpoint", async || self.get(&self.endpoint(iid)).await.is_none().then_some(())).await;
    }

    pub(crate) async fn report(&self, iid: Iid) -> Option<Value> {
        self.get(&format!("{}/runner", self.record(iid))).await.map(|(report, _)| report)
    }

    pub(crate) async fn reported(&self, iid: Iid, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(what, async || self.report(iid).await.filter(|report| is(report))).await
    }

    pub(crate) async fn last_words(&self, iid: Iid) -> Value {
        let path = format!("{}/exit", self.record(iid));
        eventually("last words", async || self.get(&path).await).await.0
    }
}

/// Tries until it is there; the deadline is far beyond what any of the tests needs.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The runner under test: the one that was just built, or the one that is to be shipped if MAAS_RUNNER names it.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("MAAS_RUNNER").map_or_else(|| env!("CARGO_BIN_EXE_maas-runner").into(), PathBuf::from)
}

/// A container that may be started.
pub(crate) struct Container {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) launch: Launch,
    pub(crate) node: String,
}

impl Container {
    pub(crate) fn of(tree: &Tree, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let payload = dir.path().join("cache");
        std::fs::create_dir_all(&payload).unwrap();
        std::fs::create_dir(dir.path().join("model")).unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        for (name, content) in files.iter().copied().chain([("model.pl", MODEL)]) {
            // As localised: a file that is read-only, and a link to it in the container's directory.
            let file = payload.join(name);
            std::fs::write(&file, content).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o500)).unwrap();
            std::os::unix::fs::symlink(&file, dir.path().join("model").join(name)).unwrap();
        }
        let launch = Launch {
            quorum: tree.quorum.clone(),
            root: tree.root.clone(),
            session_timeout_ms: 4000,
            namespace: "default".parse().unwrap(),
            name: "m-1.0".parse().unwrap(),
            uid: 7,
            iid: Iid::new(1, 2),
            revision: 1,
            model: ModelRef { name: "m".parse().unwrap(), version: "1.0".parse().unwrap() },
            application: "application_1_0001".to_owned(),
            script: None,
            announce_file: "endpoint.dat".to_owned(),
            startup_timeout_ms: 60_000,
            readiness: None,
            grace_ms: 5000,
            env: BTreeMap::new(),
            metron: true,
        };
        Self { dir, launch, node: "localhost".to_owned() }
    }

    pub(crate) fn iid(&self) -> Iid {
        self.launch.iid
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.launch.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn probed_at(mut self, path: &str, period: Duration) -> Self {
        self.launch.readiness = Some(Readiness { http: HttpGet { path: path.to_owned() }, period });
        self
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.dir.path().join("model")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(name)
    }

    /// Starts the runner as the NodeManager does: in a session and process group of its own.
    pub(crate) fn start(self) -> Running {
        let out = std::fs::File::create(self.log("runner.out")).unwrap();
        let child = Command::new(binary())
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("MAAS_LAUNCH", self.launch.encode())
            .env("HADOOP_TOKEN_FILE_LOCATION", "/token-canary")
            .env("CONTAINER_ID", "container_1_0001_01_000002")
            .env("NM_HOST", &self.node)
            .env("NM_HTTP_PORT", "8042")
            .env("LOG_DIRS", self.dir.path().join("logs"))
            .env("PWD", self.dir.path())
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .process_group(0)
            .spawn()
            .unwrap();
        Running { container: self, child }
    }
}

/// A container whose runner was started. Dropped, it ends in order, and by force if that takes too long.
pub(crate) struct Running {
    pub(crate) container: Container,
    child: Child,
}

impl Running {
    pub(crate) fn iid(&self) -> Iid {
        self.container.iid()
    }

    /// The container's first process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The runner proper, below it.
    pub(crate) async fn runner(&self) -> Pid {
        let guard = self.pid().as_raw_pid();
        let children = format!("/proc/{guard}/task/{guard}/children");
        let of = async || Pid::from_raw(std::fs::read_to_string(&children).unwrap().trim().parse().ok()?);
        eventually("the runner proper", of).await
    }

    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// What the NodeManager does when the container's first process is gone.
    pub(crate) fn kill_group(&mut self) {
        kill_process_group(self.pid(), Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) async fn exited(&mut self) -> ExitStatus {
        eventually("the runner's end", async || self.child.try_wait().unwrap()).await
    }

    pub(crate) async fn exit_code(&mut self) -> i32 {
        let status = self.exited().await;
        status.code().unwrap_or_else(|| panic!("the runner was ended by signal {:?}", status.signal()))
    }

    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(self.container.log("runner.out")).unwrap()
    }

    /// The line of the runner's log that holds `what`, once there is one.
    pub(crate) async fn logged(&self, what: &str) -> String {
        eventually(what, async || self.output().lines().find(|line| line.contains(what)).map(str::to_owned)).await
    }

    /// The resident memory of both in KiB, as the kernel counts it.
    pub(crate) async fn resident_kib(&self) -> u64 {
        let of = |pid: Pid| -> u64 {
            let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid())).unwrap();
            let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
            line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
        };
        of(self.pid()) + of(self.runner().await)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- runner.out\n{}", self.output());
        }
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            // Twice does no harm; the first may come before the handler stands.
            let _ = kill_process(self.pid(), Signal::TERM);
            if began.elapsed() > Duration::from_secs(10) {
                let _ = kill_process_group(self.pid(), Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Asks the model behind `url` for its process number.
pub(crate) async fn model_pid(url: &str) -> Pid {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let authority = url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(authority).await.unwrap();
    stream.write_all(format!("GET /pid HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}"));
    Pid::from_raw(body.trim().parse().unwrap()).unwrap()
}

pub(crate) fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).unwrap();
}

pub(crate) fn lives(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

pub(crate) fn number_in(path: &Path) -> Option<Pid> {
    Pid::from_raw(std::fs::read_to_string(path).ok()?.trim().parse().ok()?)
}

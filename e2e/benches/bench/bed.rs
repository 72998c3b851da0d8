//! What every figure is measured on: a cluster with the service, a client that watches the tree, and the usual acts.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use maas_crd::{Name, Namespace};
use maas_e2e::Cluster;
use maas_hdfs::Hdfs;
use maas_store::{
    Change, Config, Endpoint, Node, Store, create_spec, delete_spec, get_spec, list_specs, mirror, update_spec,
};
use tokio::process::Command;
use tokio::sync::watch;

/// Nothing that is measured takes as long.
const DEADLINE: Duration = Duration::from_secs(60);
/// Containers launched before anything is measured.
const LAUNCHES: usize = 60;
/// By stock settings a NodeManager tells the ResourceManager of its containers each second; those that it has not heard
/// of are not kept when an operator dies.
const SETTLED: Duration = Duration::from_millis(2_500);

/// The watched part of the tree: data by path.
pub(crate) type View = BTreeMap<String, Vec<u8>>;

pub(crate) struct Bed {
    pub(crate) cluster: Cluster,
    pub(crate) store: Store,
    pub(crate) hdfs: Hdfs,
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) http: reqwest::Client,
    /// The environment that YARN gives to a model: scripts started by hand get the same.
    pub(crate) model_env: Vec<(OsString, OsString)>,
    /// The mock DGA model, in HDFS.
    pub(crate) payload: String,
    view: watch::Receiver<View>,
    bin: PathBuf,
}

impl Bed {
    pub(crate) async fn make() -> anyhow::Result<Self> {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/dist");
        let bin = std::env::var_os("MAAS_BIN").map_or(default, PathBuf::from);
        let cluster = Cluster::builder().node_managers(2).start().await?;
        let store = Store::open(Config::new(cluster.quorum())).await?;
        let hdfs = Hdfs::open(&cluster.conf_dir(), Some("root"))?;
        // A session of its own, as a client has.
        let client = Store::open(Config::new(cluster.quorum())).await?;
        let scratch = tempfile::tempdir()?;
        // Nothing of the machine's proxy settings concerns these; a connection for each call, as a new client has.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(2));
        let bed = Self {
            cluster,
            store,
            hdfs,
            scratch,
            http: http.build()?,
            model_env: Vec::new(),
            payload: "/user/root/bench/dga".to_owned(),
            view: watched(client),
            bin,
        };
        bed.ctl(&["service", "start"]).await?;
        bed.upload(&mock_dga(), &bed.payload).await?;
        Ok(bed)
    }

    /// Every node has seen the binaries and the payload, and its NodeManager has launched what one that is up for an hour
    /// has: code not yet compiled takes half as long again.
    pub(crate) async fn warm_up(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        self.write("warm", &self.dga("warm", 6)).await?;
        self.live("warm", 6).await?;
        let (model, _) = self.processes("dga.py").pop().context("no model")?;
        self.model_env = environment(model)?;
        println!("part=first_start_on_two_nodes_ms median={0:.1} worst={0:.1}", began.elapsed().as_secs_f64() * 1e3);
        self.clear().await?;
        for _ in 0..LAUNCHES / 20 {
            self.write("warm", &self.dga("warm", 20)).await?;
            self.live("warm", 20).await?;
            self.clear().await?;
        }
        Ok(())
    }

    pub(crate) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .args(args)
            .env("MAAS_ZOOKEEPER", self.cluster.quorum())
            .env("HADOOP_CONF_DIR", self.cluster.conf_dir())
            .env("HADOOP_USER_NAME", "root")
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<String> {
        let output = self.command(program, args).output().await.with_context(|| format!("run {program}"))?;
        if !output.status.success() {
            bail!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) async fn ctl(&self, args: &[&str]) -> anyhow::Result<String> {
        self.run("maasctl", args).await
    }

    /// Puts the files of a flat directory into HDFS, side by side as the command line does.
    pub(crate) async fn upload(&self, from: &Path, to: &str) -> anyhow::Result<()> {
        let mut uploads = tokio::task::JoinSet::new();
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let (hdfs, to) = (self.hdfs.clone(), format!("{to}/{}", entry.file_name().to_string_lossy()));
            uploads.spawn(async move { hdfs.upload(&entry.path(), &to).await });
        }
        while let Some(uploaded) = uploads.join_next().await {
            uploaded??;
        }
        Ok(())
    }

    /// A manifest of the mock DGA model.
    pub(crate) fn dga(&self, name: &str, replicas: u32) -> String {
        manifest(name, replicas, &self.payload, "")
    }

    /// Creates a spec or replaces it.
    pub(crate) async fn write(&self, name: &str, manifest: &str) -> anyhow::Result<()> {
        let (namespace, name) = (Namespace::default(), name.parse::<Name>()?);
        match get_spec(&self.store, &namespace, &name).await? {
            None => create_spec(&self.store, &namespace, &name, manifest.as_bytes()).await?,
            Some(read) => drop(update_spec(&self.store, &read, manifest.as_bytes()).await?),
        }
        Ok(())
    }

    /// Deploys so many models of one instance, `m0` and on, and waits until all are live.
    pub(crate) async fn deploy_many(&self, count: usize) -> anyhow::Result<()> {
        for number in 0..count {
            let name = format!("m{number}");
            self.write(&name, &self.dga(&name, 1)).await?;
        }
        for number in 0..count {
            self.live(&format!("m{number}"), 1).await?;
        }
        tokio::time::sleep(SETTLED).await;
        Ok(())
    }

    /// Deletes every spec and waits until nothing is left of any.
    pub(crate) async fn clear(&self) -> anyhow::Result<()> {
        for read in list_specs(&self.store, None).await? {
            delete_spec(&self.store, &read).await?;
        }
        let instances = self.path("instances/default/");
        self.until("no instance", |view| (!view.keys().any(|path| path.starts_with(&instances))).then_some(())).await?;
        let end = Instant::now() + DEADLINE;
        while !self.pids("maas-runner").is_empty() {
            if Instant::now() > end {
                bail!("runners are left");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(())
    }

    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.clear().await?;
        self.ctl(&["service", "stop"]).await.map(drop)
    }

    /// A session like that of a client that has just started.
    pub(crate) async fn another_session(&self) -> anyhow::Result<Store> {
        Ok(Store::open(Config::new(self.cluster.quorum())).await?)
    }

    /// A path below the tree's root.
    pub(crate) fn path(&self, below: &str) -> String {
        self.store.path(&Node::Folder(below.to_owned()))
    }

    /// Waits until the watching client sees what `found` looks for.
    pub(crate) async fn until<T>(&self, what: &str, found: impl Fn(&View) -> Option<T>) -> anyhow::Result<T> {
        let mut view = self.view.clone();
        let seen = async {
            loop {
                if let Some(found) = found(&view.borrow_and_update()) {
                    return Ok(found);
                }
                view.changed().await?;
            }
        };
        tokio::time::timeout(DEADLINE, seen).await.with_context(|| format!("{what}: not within {DEADLINE:?}"))?
    }

    /// Endpoints of a deployment, as the watching client sees them.
    pub(crate) async fn live(&self, name: &str, count: usize) -> anyhow::Result<Vec<(String, Endpoint)>> {
        let below = self.path(&format!("endpoints/default/{name}/"));
        let found = |view: &View| {
            let all: Vec<_> = view
                .range(below.clone()..)
                .take_while(|(path, _)| path.starts_with(&below))
                .filter_map(|(path, data)| Some((path.clone(), Endpoint::decode(path, data).ok()?)))
                .collect();
            (all.len() >= count).then_some(all)
        };
        self.until(&format!("{count} endpoints of {name}"), found).await
    }

    /// Calls a model until it answers 200.
    pub(crate) async fn answers(&self, url: &str) -> anyhow::Result<()> {
        let url = format!("{url}/apply?host=yahoo.com");
        let end = Instant::now() + DEADLINE;
        loop {
            if self.http.get(&url).send().await.is_ok_and(|answer| answer.status().as_u16() == 200) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{url} does not answer");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Processes of this cluster's containers whose command line has that word; with their working directories.
    pub(crate) fn processes(&self, word: &str) -> Vec<(u32, PathBuf)> {
        let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
        let process = |entry: std::fs::DirEntry| {
            let pid = entry.file_name().to_string_lossy().parse().ok()?;
            let cwd = std::fs::read_link(entry.path().join("cwd")).ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line);
            let shell = line.starts_with("bash") || line.starts_with("/bin/bash");
            (cwd.starts_with(self.cluster.dir()) && !shell && line.contains(word)).then_some((pid, cwd))
        };
        all.flatten().filter_map(process).collect()
    }

    pub(crate) fn pids(&self, word: &str) -> Vec<u32> {
        let mut pids: Vec<u32> = self.processes(word).into_iter().map(|(pid, _)| pid).collect();
        pids.sort_unstable();
        pids
    }

    /// Waits until what runs would outlive its operator.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(SETTLED).await;
    }
}

fn watched(client: Store) -> watch::Receiver<View> {
    let (sender, receiver) = watch::channel(View::new());
    // It ends with the last receiver.
    tokio::spawn(async move {
        let folders = ["specs", "instances", "endpoints", "operator"];
        let mut changes = mirror(&client, folders.map(|f| client.path(&Node::Folder(f.to_owned()))).to_vec());
        while !sender.is_closed() {
            match changes.next().await {
                Change::Put { path, data, .. } => sender.send_modify(|view| drop(view.insert(path, data))),
                Change::Gone { path } => sender.send_modify(|view| drop(view.remove(&path))),
                _ => {}
            }
        }
    });
    receiver
}

fn environment(pid: u32) -> anyhow::Result<Vec<(OsString, OsString)>> {
    let text = std::fs::read(format!("/proc/{pid}/environ"))?;
    let pair = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (line.get(..at)?, line.get(at + 1..)?);
        Some((OsStr::from_bytes(name).to_owned(), OsStr::from_bytes(value).to_owned()))
    };
    Ok(text.split(|byte| *byte == 0).filter_map(pair).collect())
}

/// The mock DGA model's folder.
pub(crate) fn mock_dga() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mock_dga");
    folder.canonicalize().unwrap_or(folder)
}

/// A manifest; `more` are further lines of the spec.
pub(crate) fn manifest(name: &str, replicas: u32, payload: &str, more: &str) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: {name}\nspec:\n  model: {{name: {name}, version: \"1.0\"}}\n  replicas: {replicas}\n  payload: {{path: {payload}}}\n  resources: {{memory: 128Mi}}\n{more}"
    )
}

pub(crate) fn kill(pid: u32) -> anyhow::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).context("no pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    Ok(())
}

/// Waits until a script has written its first word: the time it then had, in ns since the epoch.
pub(crate) async fn stamp(file: &Path) -> anyhow::Result<u64> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Ok(text) = std::fs::read_to_string(file)
            && let Some(line) = text.strip_suffix('\n')
        {
            return line.trim().parse().with_context(|| format!("{line:?} in {}", file.display()));
        }
        if Instant::now() > end {
            bail!("{} was not written", file.display());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Wall clock, in ns since the epoch.
pub(crate) fn wall() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// From one wall clock time to another, in ms.
#[expect(clippy::cast_precision_loss, reason = "differences are far below 2^52 ns")]
pub(crate) fn between(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}

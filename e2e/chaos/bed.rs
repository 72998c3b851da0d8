//! What every fault is tried on: one cluster with the service behind proxies, two models, a caller and a sampler.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use maas_crd::{Name, Namespace};
use maas_e2e::{Cluster, ClusterBuilder, Protocol, Proxy};
use maas_hdfs::Hdfs;
use maas_store::{Config, Node, Op, Store, create_spec, delete_spec, get_spec, update_spec};
use rustix::process::Signal;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::caller::{self, Calls};
use crate::procs::{self, Process, Role};
use crate::sampler::{self, Findings};
use crate::view::{View, watched};

/// The models that are called all the time, and their replicas.
pub(crate) const MODELS: [(&str, u32); 2] = [("one", 3), ("two", 2)];
const NAMES: [&str; 2] = ["one", "two"];
/// No step of a fault takes as long.
pub(crate) const STEP: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);

/// What daemons a bed has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One of each and three NodeManagers; ZooKeeper and the scheduler behind proxies.
    Usual,
    /// As a cluster in production has it: three ZooKeeper servers, two ResourceManagers, and a second queue that preempts.
    /// No proxies.
    Large,
}

pub(crate) struct Bed {
    pub(crate) shape: Shape,
    pub(crate) cluster: Cluster,
    /// Not behind a proxy.
    pub(crate) store: Store,
    pub(crate) hdfs: Hdfs,
    /// The caller's own session.
    pub(crate) client: Store,
    pub(crate) zookeeper: Proxy,
    pub(crate) scheduler: Proxy,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) findings: Arc<Findings>,
    pub(crate) scratch: tempfile::TempDir,
    /// The mock DGA model, in HDFS.
    pub(crate) payload: String,
    /// The client configuration: in the usual shape the scheduler is the proxy.
    conf: PathBuf,
    /// ZooKeeper as operator, runners and caller know it.
    quorum: String,
    /// Ended with the bed.
    tasks: Vec<AbortHandle>,
    pub(crate) bin: PathBuf,
    /// The operator's test build, when it was made.
    pub(crate) has_fail_points: bool,
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Bed {
    pub(crate) async fn make(shape: Shape) -> anyhow::Result<Self> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let fail_points = target.join("failpoints");
        let has_fail_points = fail_points.join("maas-operator").exists();
        let default = if has_fail_points { fail_points } else { target.join("dist") };
        let bin = std::env::var_os("MAAS_CHAOS_BIN").map_or(default, PathBuf::from);
        let scratch = tempfile::tempdir()?;
        let mut builder = profile(scratch.path())?;
        if shape == Shape::Large {
            builder = large(builder);
        }
        let cluster = builder.start().await?;
        let dir = cluster.dir().to_owned();
        let namer = move |peer| procs::who(peer, &dir);
        let (_, server) = cluster.zookeepers().next().context("no ZooKeeper")?;
        let zookeeper = Proxy::start(server, Protocol::ZooKeeper, namer).await?;
        let scheduler = Proxy::start(cluster.rm_scheduler().parse()?, Protocol::Hadoop, |_| "operator:".into()).await?;
        let (conf, quorum) = match shape {
            Shape::Usual => {
                let conf = scratch.path().join("conf");
                behind_proxy(&cluster, &scheduler, &conf)?;
                (conf, zookeeper.address().to_string())
            }
            Shape::Large => (cluster.conf_dir(), cluster.quorum()),
        };
        let store = Store::open(Config::new(cluster.quorum())).await?;
        let view = watched(&Store::open(Config::new(cluster.quorum())).await?);
        let hdfs = Hdfs::open(&cluster.conf_dir(), Some("root"))?;
        let client = Store::open(Config::new(quorum.clone())).await?;
        let findings = Arc::new(Findings::default());
        let (calls, mut tasks) = caller::start(&client, &NAMES, Arc::clone(&findings))?;
        let dir = cluster.dir().to_owned();
        tasks.push(sampler::start(dir, view.clone(), Arc::clone(&calls), Arc::clone(&findings)));
        let payload = "/user/root/chaos/dga".to_owned();
        let bed = Self {
            shape,
            cluster,
            store,
            hdfs,
            client,
            zookeeper,
            scheduler,
            view,
            calls,
            findings,
            scratch,
            payload,
            conf,
            quorum,
            tasks,
            bin,
            has_fail_points,
        };
        bed.start_service().await?;
        let dga = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mock_dga");
        let text = |file: &str| std::fs::read_to_string(dga.join(file));
        bed.upload("dga", &[("rest.sh", &text("rest.sh")?), ("dga.py", &text("dga.py")?)]).await?;
        for (name, replicas) in MODELS {
            bed.put(name, &bed.dga(name, replicas)).await?;
        }
        Ok(bed)
    }

    /// Submits the operator and waits until it leads.
    pub(crate) async fn start_service(&self) -> anyhow::Result<()> {
        let started = self.ctl(&["service", "start"]).await?;
        if !started.0 {
            bail!("the service does not start: {}", started.1);
        }
        Ok(())
    }

    /// A program of ours as the operator's submitter runs it: in the usual shape with ZooKeeper and the scheduler behind the
    /// proxies.
    pub(crate) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .args(args)
            .env("MAAS_ZOOKEEPER", &self.quorum)
            .env("HADOOP_CONF_DIR", &self.conf)
            .env("HADOOP_USER_NAME", "root")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// ZooKeeper as operator, runners and caller know it.
    pub(crate) fn quorum(&self) -> &str {
        &self.quorum
    }

    /// `maasctl`: whether it succeeded, and all that it said.
    pub(crate) async fn ctl(&self, args: &[&str]) -> anyhow::Result<(bool, String)> {
        let output = tokio::time::timeout(STEP, self.command("maasctl", args).output()).await;
        let output = output.with_context(|| format!("maasctl {args:?} hangs"))??;
        let both = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&both).into_owned()))
    }

    /// A manifest of the mock DGA model.
    pub(crate) fn dga(&self, name: &str, replicas: u32) -> String {
        let more = "  probes: {readiness: {http: {path: /health}, period: 1s}}\n  terminationGracePeriod: 5s\n";
        manifest(name, replicas, &self.payload, "128Mi", more)
    }

    /// Creates a spec or replaces it.
    pub(crate) async fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let (namespace, name) = (Namespace::default(), name.parse::<Name>()?);
        patiently(async || {
            match get_spec(&self.store, &namespace, &name).await? {
                None => create_spec(&self.store, &namespace, &name, text.as_bytes()).await?,
                Some(read) => drop(update_spec(&self.store, &read, text.as_bytes()).await?),
            }
            Ok(())
        })
        .await
    }

    /// Puts a payload of these files into HDFS and returns its path.
    pub(crate) async fn upload(&self, name: &str, files: &[(&str, &str)]) -> anyhow::Result<String> {
        let path = format!("/user/root/chaos/{name}");
        for (file, text) in files {
            let (local, remote) = (self.scratch.path().join("upload"), format!("{path}/{file}"));
            std::fs::write(&local, text)?;
            self.hdfs.delete(&remote).await?;
            self.hdfs.upload(&local, &remote).await?;
        }
        Ok(path)
    }

    /// Writes at any version, whatever it is.
    pub(crate) async fn raw(&self, path: String, data: Vec<u8>) -> anyhow::Result<()> {
        self.store.commit(&[Op::Set { path, data, version: None }]).await?;
        Ok(())
    }

    /// Path of a deployment's spec.
    pub(crate) fn spec_path(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.store.path(&Node::Spec { namespace: Namespace::default(), name: name.parse()? }))
    }

    /// Sets a model's number of instances.
    pub(crate) async fn scale(&self, name: &str, replicas: u32) -> anyhow::Result<()> {
        self.put(name, &self.dga(name, replicas)).await
    }

    /// Reasons and messages of a deployment's conditions.
    pub(crate) fn told(&self, name: &str) -> Vec<String> {
        let status = self.view.borrow().statuses().remove(name).unwrap_or_default();
        status.conditions.iter().map(|one| format!("{}: {} {}", one.type_, one.reason, one.message)).collect()
    }

    /// Deletes a spec and waits until nothing is left of it.
    pub(crate) async fn delete(&self, name: &str) -> anyhow::Result<()> {
        patiently(async || {
            if let Some(read) = get_spec(&self.store, &Namespace::default(), &name.parse()?).await? {
                delete_spec(&self.store, &read).await?;
            }
            Ok(())
        })
        .await?;
        self.until(&format!("nothing is left of {name}"), STEP, |bed| {
            let runs = bed.processes(Role::Runner).iter().any(|one| one.instance.as_ref().is_some_and(|i| i.0 == name));
            !runs && bed.view.borrow().traces(name).is_empty()
        })
        .await
        .with_context(|| format!("traces: {:?}", self.view.borrow().traces(name)))
        .map(drop)
    }

    /// Waits until it is so, and says how long that took.
    pub(crate) async fn until(
        &self,
        what: &str,
        within: Duration,
        good: impl Fn(&Self) -> bool,
    ) -> anyhow::Result<Duration> {
        let began = Instant::now();
        while !good(self) {
            if began.elapsed() > within {
                bail!("not within {within:?}: {what}");
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(began.elapsed())
    }

    /// Notes a violation when it took longer than it may.
    pub(crate) fn judge(&self, what: &str, took: Duration, most: Duration) {
        if took > most {
            self.findings.add(format!("{what}: {:.2} s, at most {:.2} s", took.as_secs_f64(), most.as_secs_f64()));
        }
    }

    pub(crate) fn processes(&self, role: Role) -> Vec<Process> {
        procs::scan(self.cluster.dir()).into_iter().filter(|process| process.role == role).collect()
    }

    /// The operator's process; the newest, when an old one still runs.
    pub(crate) fn operator(&self) -> anyhow::Result<Process> {
        self.processes(Role::Operator).into_iter().max_by_key(|process| process.pid).context("no operator runs")
    }

    /// Runners of a model.
    pub(crate) fn runners(&self, name: &str) -> Vec<Process> {
        let of = |process: &Process| process.instance.as_ref().is_some_and(|(model, _)| model == name);
        self.processes(Role::Runner).into_iter().filter(of).collect()
    }

    /// A model's process that has an endpoint, and that endpoint's place and URL.
    pub(crate) fn victim(&self, name: &str) -> anyhow::Result<(Process, (String, String), String)> {
        let endpoints = self.view.borrow().endpoints();
        let (instance, endpoint) = endpoints.into_iter().find(|(of, _)| of.0 == name).context("no endpoint")?;
        let models = self.processes(Role::Model);
        let model = models.into_iter().find(|process| process.container().as_deref() == Some(&endpoint.container));
        Ok((model.with_context(|| format!("no process in {}", endpoint.container))?, instance, endpoint.url))
    }

    /// Index of a NodeManager with runners and without the operator. YARN may have put them all on one: the operator is killed
    /// then until an attempt of it stands elsewhere.
    pub(crate) async fn node_to_harm(&self) -> anyhow::Result<usize> {
        let dir = self.cluster.dir();
        for _ in 0..16 {
            let operator = self.operator()?;
            let spared = operator.node(dir).context("the operator's node")?;
            let runners = self.processes(Role::Runner);
            if let Some(name) = runners.iter().filter_map(|runner| runner.node(dir)).find(|node| *node != spared) {
                let number: usize = name.trim_start_matches("nm").parse()?;
                return Ok(number - 1);
            }
            let epoch = self.epoch().context("no operator is ready")?;
            procs::send(operator.pid, Signal::KILL)?;
            self.next_operator(epoch).await?;
            // Two ends within a second would end the application.
            tokio::time::sleep(Duration::from_millis(1200)).await;
        }
        anyhow::bail!("every runner stands beside the operator")
    }

    /// Address of a NodeManager, as in the URLs of what runs there.
    pub(crate) fn host(&self, node: usize) -> String {
        let id = self.cluster.node_id(node);
        id.split(':').next().unwrap_or_default().to_owned()
    }

    pub(crate) fn epoch(&self) -> Option<u32> {
        self.view.borrow().epoch()
    }

    /// Waits for an operator of a later epoch that is ready.
    pub(crate) async fn next_operator(&self, after: u32) -> anyhow::Result<Duration> {
        self.until("a new operator is ready", STEP, |bed| bed.epoch().is_some_and(|epoch| epoch > after)).await
    }
}

/// Repeats what changes nothing when it is done again: a fault may have come to our own session.
pub(crate) async fn patiently<T>(work: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        match work().await {
            Err(_) if began.elapsed() < STEP => tokio::time::sleep(LOOK).await,
            result => return result,
        }
    }
}

/// The cluster's client configuration with the scheduler behind a proxy.
fn behind_proxy(cluster: &Cluster, scheduler: &Proxy, conf: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(conf)?;
    for entry in std::fs::read_dir(cluster.conf_dir())? {
        let entry = entry?;
        let text = std::fs::read_to_string(entry.path())?;
        let text = text.replace(&cluster.rm_scheduler(), &scheduler.address().to_string());
        std::fs::write(conf.join(entry.file_name()), text)?;
    }
    Ok(())
}

/// Adds what only the large shape has.
fn large(builder: ClusterBuilder) -> ClusterBuilder {
    let policy = "yarn.resourcemanager.monitor.capacity.preemption";
    builder
        .zookeepers(3)
        .resource_managers(2)
        // F24: half of the cluster is owed to either queue, each may have all of it while the other does not want it.
        .capacity_scheduler("yarn.scheduler.capacity.root.queues", "default,other")
        .capacity_scheduler("yarn.scheduler.capacity.root.default.capacity", "50")
        .capacity_scheduler("yarn.scheduler.capacity.root.other.capacity", "50")
        .capacity_scheduler("yarn.scheduler.capacity.root.default.user-limit-factor", "2")
        .capacity_scheduler("yarn.scheduler.capacity.maximum-am-resource-percent", "1")
        .yarn("yarn.resourcemanager.scheduler.monitor.enable", "true")
        .yarn(&format!("{policy}.monitoring_interval"), "500")
        // From the word to the kill; 15 s by stock settings. All at once instead of a tenth of the cluster a round.
        .yarn(&format!("{policy}.max_wait_before_kill"), "8000")
        .yarn(&format!("{policy}.total_preemption_per_round"), "1.0")
        .yarn(&format!("{policy}.natural_termination_factor"), "1.0")
        // The stranger's masters never register, and an operator is paused for longer than F3's expiry.
        .yarn("yarn.am.liveness-monitor.expiry-interval-ms", "60000")
        .yarn("yarn.resourcemanager.am-rm-tokens.master-key-rolling-interval-secs", "200")
        // F12: the standby takes over when the session of the active one is over, after 10 s by stock settings.
        .yarn("yarn.resourcemanager.zk-timeout-ms", "4000")
}

/// A cluster as it is by default, but for timers that faults need shorter.
fn profile(scratch: &Path) -> anyhow::Result<ClusterBuilder> {
    // F25: nobody is excluded.
    let excluded = scratch.join("excluded");
    std::fs::write(&excluded, "")?;
    let health = scratch.join("health.sh");
    std::fs::write(&health, health_script(scratch))?;
    std::fs::set_permissions(&health, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(Cluster::builder()
        .node_managers(3)
        // F3: a hung operator is noticed after 15 min by stock settings; F8, F9: a silent node after 10 min.
        .yarn("yarn.am.liveness-monitor.expiry-interval-ms", "12000")
        .yarn("yarn.nm.liveness-monitor.expiry-interval-ms", "12000")
        // F11: a NodeManager looks for its restarted ResourceManager every 30 s, which then waits 10 s to give out anything.
        .yarn("yarn.resourcemanager.connect.retry-interval.ms", "1000")
        .yarn("yarn.resourcemanager.work-preserving-recovery.scheduling-wait-ms", "1000")
        // F27: keys are rolled once a day; at least three expiries are asked for.
        .yarn("yarn.resourcemanager.rm.container-allocation.expiry-interval-ms", "20000")
        .yarn("yarn.resourcemanager.am-rm-tokens.master-key-rolling-interval-secs", "61")
        .yarn("yarn.resourcemanager.container-tokens.master-key-rolling-interval-secs", "61")
        .yarn("yarn.resourcemanager.nm-tokens.master-key-rolling-interval-secs", "61")
        // F5: by stock settings memory is left to cgroups, which the default executor has not, so that nobody looks at it.
        .yarn("yarn.nodemanager.resource.memory.enforced", "false")
        .yarn("yarn.resourcemanager.nodes.exclude-path", &excluded.display().to_string())
        // F33: a node is sick while its health script says ERROR.
        .yarn("yarn.nodemanager.health-checker.script.path", &health.display().to_string())
        .yarn("yarn.nodemanager.health-checker.interval-ms", "1000"))
}

/// Says ERROR on the node for which a file `sick-conf-nm1` exists: the script's parent, the NodeManager, has that name in its
/// class path.
fn health_script(scratch: &Path) -> String {
    let own = "tr '\\0' '\\n' </proc/$PPID/cmdline | grep -o 'conf-nm[0-9]*' | head -1";
    format!("#!/bin/sh\ncat \"{}/sick-$({own})\" 2>/dev/null\ntrue\n", scratch.display())
}

/// A manifest; `more` are further lines of the spec.
pub(crate) fn manifest(name: &str, replicas: u32, payload: &str, memory: &str, more: &str) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: {name}\nspec:\n  model: {{name: {name}, version: \"1.0\"}}\n  replicas: {replicas}\n  payload: {{path: {payload}}}\n  resources: {{memory: {memory}}}\n{more}"
    )
}

//! A cluster with the service on it, driven by the binaries as a user has them.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use maas_e2e::{Cluster, ClusterBuilder};
use maas_store::{Config, Store};

/// Answers with the value of WORD.
pub const WORD_MODEL: &str = r#"import http.server, json, os
class Model(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["WORD"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Model)
with open("endpoint.tmp", "w") as out:
    json.dump({"url": f"http://0.0.0.0:{server.server_address[1]}"}, out)
os.rename("endpoint.tmp", "endpoint.dat")
server.serve_forever()
"#;

/// The runner proper in its command line; the container's first process only guards it.
pub const RUNNER: &str = "maas-runner\0supervise";

pub struct Maas {
    pub cluster: Cluster,
    pub store: Store,
    pub scratch: tempfile::TempDir,
}

/// Where the binaries stand side by side; `make build` puts them there.
pub fn bin() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/dist");
    let bin = std::env::var_os("MAAS_BIN").map_or(default, PathBuf::from);
    assert!(bin.join("maasctl").exists(), "no maasctl in {}: run make build", bin.display());
    bin
}

/// The mock DGA model's folder.
pub fn mock_dga() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mock_dga")
}

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.out, self.err);
        self.out
    }

    /// Failed, and said so with these words on stderr.
    #[track_caller]
    pub fn bad(self, words: &[&str]) -> String {
        assert_ne!(self.code, 0, "it should have failed; stdout: {}", self.out);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
        self.err
    }
}

impl Maas {
    /// A cluster of two NodeManagers with the service running.
    pub async fn start() -> Self {
        let maas = Self::without_service(Cluster::builder().node_managers(2)).await;
        maas.start_service();
        maas
    }

    pub async fn without_service(builder: ClusterBuilder) -> Self {
        let cluster = builder.start().await.expect("the cluster starts");
        let store = Store::open(Config::new(cluster.quorum())).await.expect("ZooKeeper answers");
        Self { cluster, store, scratch: tempfile::tempdir().unwrap() }
    }

    pub fn start_service(&self) {
        self.ctl(&["service", "start"]).good();
    }

    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(bin().join(program));
        command
            .args(args)
            .env("MAASCONFIG", "/dev/null")
            .env("MAAS_ZOOKEEPER", self.cluster.quorum())
            .env("HADOOP_CONF_DIR", self.cluster.conf_dir())
            .env("HADOOP_USER_NAME", "root");
        command
    }

    pub fn ctl(&self, args: &[&str]) -> Said {
        said(self.command("maasctl", args).output().unwrap())
    }

    /// maas_deploy.sh with the quorum given.
    pub fn deploy(&self, args: &[&str]) -> Said {
        let quorum = self.cluster.quorum();
        let mut all = vec!["-zq", quorum.as_str()];
        all.extend(args);
        said(self.command("maas_deploy.sh", &all).output().unwrap())
    }

    /// Applies a manifest given as text.
    pub fn apply(&self, yaml: &str) -> Said {
        let file = self.scratch.path().join(format!("{}.yaml", fresh()));
        std::fs::write(&file, yaml).unwrap();
        self.ctl(&["apply", "-f", file.to_str().unwrap()])
    }

    /// A payload folder made of (name, text) pairs, uploaded; returns its HDFS path. Files ending in .sh are executable.
    pub async fn payload(&self, files: &[(&str, &str)]) -> String {
        let path = format!("/user/root/payloads/{}", fresh());
        let hdfs = maas_hdfs::Hdfs::open(&self.cluster.conf_dir(), Some("root")).unwrap();
        hdfs.mkdirs(&path).await.unwrap();
        for (name, text) in files {
            let local = self.scratch.path().join(fresh());
            std::fs::write(&local, text).unwrap();
            hdfs.upload(&local, &format!("{path}/{name}")).await.unwrap();
        }
        path
    }

    /// The mock DGA's payload, uploaded.
    pub async fn dga(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(mock_dga().join(name)).unwrap();
        self.payload(&[("rest.sh", &read("rest.sh")), ("dga.py", &read("dga.py"))]).await
    }

    /// READY of `maasctl get models`, as in "1/3"; none when the model is unknown.
    pub fn ready(&self, name: &str) -> Option<String> {
        let said = self.ctl(&["get", "models", name, "--no-headers"]);
        said.out.split_whitespace().nth(1).map(ToOwned::to_owned)
    }

    #[track_caller]
    pub fn until_ready(&self, name: &str, ready: &str) {
        let good = until(Duration::from_secs(60), || self.ready(name).as_deref() == Some(ready));
        assert!(good, "{name} never was {ready}:\n{}", self.ctl(&["describe", "model", name]).out);
    }

    /// (instance, url) of every live endpoint, sorted.
    pub fn endpoints(&self) -> Vec<(String, String)> {
        let out = self.ctl(&["get", "endpoints", "-A", "--no-headers"]).good();
        let mut all: Vec<_> = out
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let url = words.iter().find(|w| w.contains("://")).unwrap();
                let name = words.iter().find(|w| w.contains('/')).unwrap();
                ((*name).to_owned(), (*url).to_owned())
            })
            .collect();
        all.sort();
        all
    }

    /// Pids of processes of a name whose working directory is this cluster's.
    pub fn pids(&self, name: &str) -> Vec<u32> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let ours =
                std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(self.cluster.dir()));
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if ours
                && String::from_utf8_lossy(&line).contains(name)
                && !line.starts_with(b"bash")
                && !line.starts_with(b"/bin/bash")
            {
                found.push(pid);
            }
        }
        found
    }
}

/// The living operator's epoch; none while no operator is ready.
pub fn epoch(maas: &Maas) -> Option<u32> {
    let said = maas.ctl(&["service", "status"]);
    let ready = said.out.lines().any(|l| l.starts_with("Ready:") && l.ends_with("true"));
    let line = said.out.lines().find(|l| l.starts_with("Leader:"))?.to_owned();
    let number = line.split("(epoch ").nth(1)?.split(',').next()?.parse().ok()?;
    ready.then_some(number)
}

/// A word that was not used before.
pub fn fresh() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("p{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Looks again and again until it is so, at most this long.
pub fn until(deadline: Duration, mut good: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    loop {
        if good() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// A manifest of one model.
pub fn manifest(model: &str, replicas: u32, memory: &str, payload: &str, more: &str) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: {model}\nspec:\n  model: {{name: {model}, version: \"1.0\"}}\n  replicas: {replicas}\n  payload: {{path: {payload}}}\n  resources: {{memory: {memory}}}\n{more}"
    )
}

pub fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// GET of a URL: status and body.
pub async fn http(url: &str) -> Result<(u16, String), reqwest::Error> {
    let answer = reqwest::Client::new().get(url).timeout(Duration::from_secs(5)).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

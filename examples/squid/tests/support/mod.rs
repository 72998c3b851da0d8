//! The pipeline's program with all that is around it: ZooKeeper, Kafka, a search engine, and a model.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use maas_e2e::{Cluster, Kafka, Search};
use maas_pipeline::kafka::{Raw, Reader, Writer};
use maas_pipeline::tree;
use maas_store::{Config, Endpoint, Op, Store};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// How long any state is waited for.
const DEADLINE: Duration = Duration::from_secs(120);

/// Waits for a state.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}

/// A model as the mock DGA, that can be away.
#[derive(Clone)]
pub struct Model {
    pub url: String,
    up: Arc<AtomicBool>,
}

impl Model {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let up = Arc::new(AtomicBool::new(true));
        let model = Self { url, up: up.clone() };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let up = up.clone();
                tokio::spawn(async move {
                    let (read, mut write) = stream.into_split();
                    let mut lines = BufReader::new(read).lines();
                    let mut path = String::new();
                    while let Ok(Some(line)) = lines.next_line().await {
                        if let Some(rest) = line.strip_prefix("GET ") {
                            path = rest.to_owned();
                        }
                        if !line.is_empty() {
                            continue;
                        }
                        if !up.load(Ordering::SeqCst) {
                            return;
                        }
                        let legit = path.contains("host=yahoo.com") || path.contains("host=amazon.com");
                        let verdict = if legit { "legit" } else { "malicious" };
                        let (status, body) = if path.contains("host=poison.com") {
                            ("400 Bad Request", "no such host".to_owned())
                        } else {
                            ("200 OK", format!("{{\"is_malicious\": \"{verdict}\"}}"))
                        };
                        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                        if write.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        model
    }

    /// Answers, or breaks off every request.
    pub fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }
}

/// A running `maas-pipeline run`.
pub struct Pipeline {
    child: Child,
    metrics: String,
}

impl Pipeline {
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// By SIGTERM; it must end by itself, and well.
    pub async fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = until("the pipeline ends", async || self.child.try_wait().unwrap()).await;
        assert!(status.success(), "{status}");
    }

    /// A counter, or 0 when it does not answer.
    pub async fn metric(&self, name: &str) -> u64 {
        let Ok(mut stream) = tokio::net::TcpStream::connect(&self.metrics).await else { return 0 };
        let mut text = String::new();
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await;
        let _ = stream.read_to_string(&mut text).await;
        let name = format!("maas_pipeline_{name}_total ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Bed {
    pub zookeeper: Cluster,
    pub store: Store,
    pub model: Model,
    pub writer: Writer,
    pub kafka: Kafka,
    pub search: Search,
    log: std::path::PathBuf,
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

/// One bed at a time: several would only slow each other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Bed {
    /// Everything up, the page's configs pushed, the model published and the topic made.
    pub async fn make(search: impl Future<Output = Result<Search, maas_e2e::Error>>) -> Self {
        let alone = ALONE.lock().await;
        let zookeeper = Cluster::builder().zookeeper_only().start().await.unwrap();
        let kafka = Kafka::start(None).await.unwrap();
        let search = search.await.unwrap();
        let store = Store::open(Config::new(zookeeper.quorum())).await.unwrap();
        store.init().await.unwrap();
        let model = Model::start().await;
        let writer = Writer::open(&kafka.bootstrap()).unwrap();
        writer.make("squid").await;
        let log = zookeeper.dir().join("pipeline.log");
        let bed = Self { zookeeper, store, model, writer, kafka, search, log, _alone: alone };
        let files = tree::read_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/zookeeper")).unwrap();
        tree::write(&bed.store, &files).await.unwrap();
        bed.publish().await;
        bed
    }

    async fn publish(&self) {
        let endpoint = Endpoint {
            url: self.model.url.clone(),
            functions: BTreeMap::from([("apply".to_owned(), "apply".to_owned())]),
            model: "dga".to_owned(),
            version: "1.0".to_owned(),
            revision: 1,
            container: "container_1".to_owned(),
            since_ms: 0,
        };
        let folders = ["/maas/endpoints/default", "/maas/endpoints/default/dga-1.0"];
        for path in folders {
            // It may be there.
            let _ =
                self.store.commit(&[Op::Create { path: path.to_owned(), data: Vec::new(), ephemeral: false }]).await;
        }
        let path = format!("{}/1-1", folders[1]);
        self.store.commit(&[Op::Create { path, data: endpoint.encode(), ephemeral: false }]).await.unwrap();
    }

    /// Starts the program; its log goes on in one file.
    pub fn start(&self, more: &[&str]) -> Pipeline {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let metrics = format!("127.0.0.1:{port}");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_maas-pipeline"))
            .args(["run", "-k", &self.kafka.bootstrap(), "-z", &self.zookeeper.quorum(), "-s", "squid"])
            .args(["--search-url", &self.search.url(), "--metrics-listen", &metrics, "--instance", "one"])
            .args(more)
            .env_remove("HADOOP_CONF_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Pipeline { child, metrics }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Writes messages to the topic, all at once.
    pub async fn send(&self, messages: impl IntoIterator<Item = Vec<u8>>) {
        let sent = messages.into_iter().map(|message| {
            let writer = self.writer.clone();
            async move { writer.write("squid", "k", &message).await.unwrap() }
        });
        futures::future::join_all(sent).await;
    }

    /// All documents of the sensor; none while the search engine does not answer.
    pub async fn documents(&self) -> Option<Vec<Value>> {
        reqwest::Client::new().post(format!("{}/squid_index_*/_refresh", self.search.url())).send().await.ok()?;
        let url = format!("{}/squid_index_*/_search?size=10000", self.search.url());
        let answer: Value = reqwest::get(url).await.ok()?.json().await.ok()?;
        let hits = answer["hits"]["hits"].as_array()?;
        Some(hits.iter().map(|hit| hit["_source"].clone()).collect())
    }

    pub async fn count(&self) -> Option<u64> {
        reqwest::Client::new().post(format!("{}/squid_index_*/_refresh", self.search.url())).send().await.ok()?;
        let answer: Value =
            reqwest::get(format!("{}/squid_index_*/_count", self.search.url())).await.ok()?.json().await.ok()?;
        answer["count"].as_u64()
    }

    /// Records of a topic, from its beginning.
    pub async fn records(&self, topic: &str, count: usize) -> Vec<Value> {
        let group = format!("test-{}", std::process::id());
        let reader = Reader::join(&self.kafka.bootstrap(), &group, topic, None).unwrap();
        let mut found = Vec::new();
        while found.len() < count {
            let Raw { bytes, .. } =
                tokio::time::timeout(DEADLINE, reader.next()).await.expect("a record in time").unwrap();
            found.push(serde_json::from_slice(&bytes).unwrap());
        }
        reader.leave().await;
        found
    }
}

/// A line as squid writes it.
pub fn line(host: &str, number: usize) -> String {
    format!(
        "1461576382.642    161 127.0.0.1 TCP_MISS/200 {number} GET http://{host}/{number} - DIRECT/199.27.79.73 text/html"
    )
}

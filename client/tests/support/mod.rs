//! A real ZooKeeper with a client, and models of every bad manner.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maas_client::{CallError, Client, Options, Wanted};
use maas_e2e::Cluster;
use maas_store::{Config, Endpoint, Op, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// More than any call takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// What a model does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manner {
    Good,
    Garbage,
    List,
    Huge,
    Silent,
    Failing,
    Half,
    Elsewhere,
    /// Names this place in its stead.
    Sending(&'static str),
    Refusing,
    /// Answers when so many have asked.
    Meeting(usize),
    /// Never ends its head.
    EndlessHead,
    /// Never ends its answer, and says no length.
    Endless,
    /// A byte now and then, so that no read takes long.
    Dripping,
    /// Closes without a word.
    Mute,
    /// What is no HTTP.
    Binary,
}

/// A model: where it listens, and how often it was asked.
pub struct Model {
    pub url: String,
    pub asked: Arc<AtomicUsize>,
    pub last: Arc<std::sync::Mutex<String>>,
}

pub async fn model(manner: Manner) -> Model {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::Mutex::new(String::new())));
    let model = Model { url, asked: asked.clone(), last: last.clone() };
    if manner == Manner::Refusing {
        return model;
    }
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (asked, last) = (asked.clone(), last.clone());
            tokio::spawn(async move {
                let mut request = Vec::new();
                loop {
                    let mut part = [0; 4096];
                    let read = stream.read(&mut part).await.unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    request.extend(&part[..read]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                    if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
                        continue;
                    }
                    asked.fetch_add(1, Ordering::SeqCst);
                    *last.lock().unwrap() = text.clone();
                    request.clear();
                    let (status, more, body) = match manner {
                        Manner::Meeting(count) => {
                            while asked.load(Ordering::SeqCst) < count {
                                tokio::time::sleep(Duration::from_millis(5)).await;
                            }
                            ("200 OK", "", "{}".to_owned())
                        }
                        Manner::Good => ("200 OK", "", r#"{"is_malicious": "legit"}"#.to_owned()),
                        Manner::Garbage => ("200 OK", "", "<html>\u{1b}[2J".to_owned()),
                        Manner::List => ("200 OK", "", "[1]".to_owned()),
                        Manner::Huge => ("200 OK", "", format!("{{\"a\": \"{}\"}}", "x".repeat(100_000))),
                        Manner::Failing => ("500 Oh", "", "no\nidea".to_owned()),
                        Manner::Elsewhere => ("302 Found", "location: http://example.com/\r\n", String::new()),
                        Manner::Sending(place) => ("302 Found", place, String::new()),
                        Manner::Half => {
                            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"is").await;
                            return;
                        }
                        Manner::EndlessHead => {
                            return pour(stream, "HTTP/1.1 200 OK\r\n", &"x: y\r\n".repeat(10_000), NONE).await;
                        }
                        Manner::Endless => {
                            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                            return pour(stream, head, &"8\r\n{\"a\": {}\r\n".repeat(1_000), NONE).await;
                        }
                        Manner::Dripping => {
                            let head = "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{";
                            return pour(stream, head, " ", Duration::from_millis(20)).await;
                        }
                        Manner::Mute => return,
                        Manner::Binary => {
                            let _ = stream.write_all(&[0, 0xff, 0x1b, b'\n', 0xfe, b'\r', b'\n']).await;
                            return;
                        }
                        Manner::Silent | Manner::Refusing => std::future::pending().await,
                    };
                    let answer = format!("HTTP/1.1 {status}\r\n{more}content-length: {}\r\n\r\n{body}", body.len());
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    model
}

const NONE: Duration = Duration::ZERO;

/// Writes without end, until nobody reads.
async fn pour(mut stream: TcpStream, head: &str, part: &str, pause: Duration) {
    let mut written = stream.write_all(head.as_bytes()).await;
    while written.is_ok() {
        tokio::time::sleep(pause).await;
        written = stream.write_all(part.as_bytes()).await;
    }
}

pub struct Bed {
    pub cluster: Cluster,
    pub store: Store,
    pub client: Client,
}

impl Bed {
    /// A client whose calls take so long at most.
    pub async fn make(deadline: Duration) -> Self {
        let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
        let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
        store.init().await.unwrap();
        let options = Options { deadline, longest_answer: 10_000, ..Options::default() };
        // While nothing is published at all, it is ready too.
        let client = Client::open(Config::new(cluster.quorum()), options).await.unwrap();
        Self { cluster, store, client }
    }

    /// Publishes, and waits until the client knows.
    pub async fn publish(&self, model: &str, version: &str, number: u32, url: &str) -> String {
        let endpoint = Endpoint {
            url: url.to_owned(),
            functions: BTreeMap::from([("apply".to_owned(), "apply".to_owned())]),
            model: model.to_owned(),
            version: version.to_owned(),
            revision: 1,
            container: format!("container_{number}"),
            since_ms: 0,
        };
        let create = |path: &str, data: Vec<u8>| Op::Create { path: path.to_owned(), data, ephemeral: false };
        let name = format!("/maas/endpoints/default/{model}-{version}");
        for folder in ["/maas/endpoints/default", &name] {
            // It may be there.
            let _ = self.store.commit(&[create(folder, Vec::new())]).await;
        }
        let path = format!("{name}/1-{number}");
        self.store.commit(&[create(&path, endpoint.encode())]).await.unwrap();
        let wanted = Wanted::newest(model).version(version);
        self.until(|client| client.view().targets(wanted).iter().any(|target| target.endpoint().url == url)).await;
        path
    }

    pub async fn retire(&self, path: &str) {
        self.store.commit(&[Op::Delete { path: path.to_owned(), version: None }]).await.unwrap();
    }

    pub async fn until(&self, good: impl Fn(&Client) -> bool) {
        let mut client = self.client.clone();
        let seen = async {
            while !good(&client) {
                client.changed().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), seen).await.is_ok(), "{:?}", self.client.view());
    }

    pub async fn get(&self, model: &str) -> Result<serde_json::Map<String, serde_json::Value>, CallError> {
        self.client.apply(Wanted::newest(model), "apply", &[("host", Some("yahoo.com"))]).await
    }
}

//! The client against a real ZooKeeper and models of every bad manner.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maas_client::{CallError, Client, Options, Wanted};
use maas_e2e::Cluster;
use maas_store::{Config, Endpoint, Op, Store};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a model does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Good,
    Garbage,
    List,
    Huge,
    Silent,
    Failing,
    Half,
    Elsewhere,
    Refusing,
}

/// A model: where it listens, and how often it was asked.
struct Model {
    url: String,
    asked: Arc<AtomicUsize>,
    last: Arc<std::sync::Mutex<String>>,
}

async fn model(manner: Manner) -> Model {
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
                        Manner::Good => ("200 OK", "", r#"{"is_malicious": "legit"}"#.to_owned()),
                        Manner::Garbage => ("200 OK", "", "<html>\u{1b}[2J".to_owned()),
                        Manner::List => ("200 OK", "", "[1]".to_owned()),
                        Manner::Huge => ("200 OK", "", format!("{{\"a\": \"{}\"}}", "x".repeat(100_000))),
                        Manner::Failing => ("500 Oh", "", "no\nidea".to_owned()),
                        Manner::Elsewhere => ("302 Found", "location: http://example.com/\r\n", String::new()),
                        Manner::Half => {
                            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"is").await;
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

struct Bed {
    cluster: Cluster,
    store: Store,
    client: Client,
}

impl Bed {
    async fn make() -> Self {
        let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
        let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
        store.init().await.unwrap();
        let options = Options { deadline: Duration::from_secs(2), longest_answer: 10_000, ..Options::default() };
        // While nothing is published at all, it is ready too.
        let client = Client::open(Config::new(cluster.quorum()), options).await.unwrap();
        Self { cluster, store, client }
    }

    /// Publishes, and waits until the client knows.
    async fn publish(&self, model: &str, version: &str, number: u32, url: &str) -> String {
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

    async fn retire(&self, path: &str) {
        self.store.commit(&[Op::Delete { path: path.to_owned(), version: None }]).await.unwrap();
    }

    async fn until(&self, good: impl Fn(&Client) -> bool) {
        let mut client = self.client.clone();
        let seen = async {
            while !good(&client) {
                client.changed().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), seen).await.is_ok(), "{:?}", self.client.view());
    }

    async fn get(&self, model: &str) -> Result<serde_json::Map<String, serde_json::Value>, CallError> {
        self.client.apply(Wanted::newest(model), "apply", &[("host", Some("yahoo.com"))]).await
    }
}

#[tokio::test]
async fn endpoints_are_pushed_and_stay_while_zookeeper_is_away() {
    let bed = Bed::make().await;
    let none = bed.get("dga").await.unwrap_err();
    assert_eq!(none.to_string(), "no live endpoint of dga in default");
    let (old, new) = (model(Manner::Good).await, model(Manner::Good).await);
    bed.publish("dga", "9.0", 1, &old.url).await;
    let newest = bed.publish("dga", "10.0", 2, &new.url).await;
    assert_eq!(bed.get("dga").await.unwrap()["is_malicious"], "legit");
    assert_eq!((old.asked.load(Ordering::SeqCst), new.asked.load(Ordering::SeqCst)), (0, 1));
    let asked = new.last.lock().unwrap().clone();
    assert!(asked.starts_with("GET /apply?host=yahoo.com HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("accept: application/json"), "{asked}");
    assert_eq!(bed.client.view().live_versions("default", "dga").collect::<Vec<_>>(), ["10.0", "9.0"]);

    bed.cluster.zookeeper().kill().unwrap();
    bed.until(Client::is_stale).await;
    bed.get("dga").await.unwrap();
    assert_eq!(new.asked.load(Ordering::SeqCst), 2, "the last known stay");
    bed.cluster.zookeeper().restart().await.unwrap();
    bed.until(|client| !client.is_stale()).await;
    bed.retire(&newest).await;
    bed.until(|client| client.view().live_versions("default", "dga").count() == 1).await;
    bed.get("dga").await.unwrap();
    assert_eq!(old.asked.load(Ordering::SeqCst), 1, "the older version, as no newer lives");
    let posted = bed.client.post(Wanted::newest("dga"), "apply", &json!({"host": "a"})).await.unwrap();
    assert_eq!(posted["is_malicious"], "legit");
    let asked = old.last.lock().unwrap().clone();
    assert!(asked.starts_with("POST /apply HTTP/1.1\r\n") && asked.ends_with("{\"host\":\"a\"}"), "{asked}");
}

#[tokio::test]
async fn what_answers_badly_is_named_and_beside_a_good_one_not_noticed() {
    let bed = Bed::make().await;
    for (number, (manner, says)) in (0..).zip([
        (Manner::Garbage, "gave no usable answer: it is no JSON"),
        (Manner::List, "gave no usable answer: it is no JSON object"),
        (Manner::Huge, "gave no usable answer: it is longer than 10000 bytes"),
        (Manner::Failing, r"answered 500: no\nidea"),
        (Manner::Half, "could not be asked"),
        (Manner::Elsewhere, "answered 302: "),
        (Manner::Refusing, "could not be asked"),
        (Manner::Silent, "did not answer within 2000 ms"),
    ]) {
        let name = format!("m{number}");
        let bad = model(manner).await;
        bed.publish(&name, "1.0", 1, &bad.url).await;
        let error = bed.get(&name).await.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(&bad.url), "{manner:?}: {error}");
        assert!(!error.contains('\u{1b}'), "{error}");
        // Neither a call that took all the time there is nor one that the caller is to blame for is repeated.
        if matches!(manner, Manner::Silent | Manner::Elsewhere) {
            continue;
        }
        let good = model(Manner::Good).await;
        bed.publish(&name, "1.0", 2, &good.url).await;
        for _ in 0..20 {
            bed.get(&name).await.unwrap();
        }
        let before = bed.client.metrics();
        let post = async || bed.client.post(Wanted::newest(&name), "apply", &json!({})).await;
        let mut posts = Vec::new();
        for _ in 0..20 {
            posts.push(post().await);
        }
        if manner == Manner::Refusing {
            assert!(posts.iter().all(Result::is_ok), "what was never sent may be repeated: {posts:?}");
        }
        // One that failed is left out, so that few calls notice.
        assert!(bed.client.metrics().repeated - before.repeated <= 5, "{manner:?}: {:?}", bed.client.metrics());
        assert!(bed.client.metrics().ejected > 0);
    }
    let gone = bed.client.endpoint(Wanted::newest("m0").version("7"));
    assert!(gone.is_none());
}

#[tokio::test]
async fn calls_do_not_fail_while_instances_come_and_go() {
    let bed = Bed::make().await;
    let mut live = Vec::new();
    for number in 0..3 {
        let one = model(Manner::Good).await;
        live.push(bed.publish("dga", "1.0", number, &one.url).await);
    }
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (client, stop) = (bed.client.clone(), stop.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(Ordering::SeqCst) {
                    client.apply(Wanted::newest("dga"), "apply", &[("host", Some("a"))]).await.unwrap();
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    // One that refuses stands for an instance that died before its endpoint went.
    for number in 3..30 {
        let one = model(if number % 3 == 0 { Manner::Refusing } else { Manner::Good }).await;
        live.push(bed.publish("dga", "1.0", number, &one.url).await);
        bed.retire(&live.remove(0)).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    assert!(calls > 0);
    assert_eq!(bed.client.metrics().failed, 0);
}

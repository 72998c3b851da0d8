//! What the library costs a caller: calls against a bare pooled hyper client on the same server, in turn, and how soon a
//! hundred clients know a new endpoint against as many bare watches. A line a figure, as in `docs/benchmarks.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use maas_client::{Client, Options, Wanted};
use maas_e2e::Cluster;
use maas_store::{Config, Endpoint, Op, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use zookeeper_client::AddWatchMode;

/// Slices of each side, in turn.
const SERIES: usize = 15;
const SLICE: Duration = Duration::from_millis(300);
const WATCHERS: usize = 100;
const TIMES: usize = 20;

/// A server that only answers, on threads of its own.
fn server() -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let (mut bytes, mut held) = ([0; 4096], 0);
                    while let Ok(read @ 1..) = stream.read(&mut bytes[held..]).await {
                        held += read;
                        if bytes[..held].ends_with(b"\r\n\r\n") {
                            held = 0;
                            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{\"is_malicious\": \"legit\"}";
                            if stream.write_all(answer).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
    });
    receiver.recv().unwrap()
}

/// Calls a second of so many callers for one slice; each call's microseconds are added.
async fn slice<F: Future<Output = ()> + Send>(
    callers: usize,
    took: &mut Vec<f64>,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> f64 {
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let call = call.clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                while began.elapsed() < SLICE {
                    let since = Instant::now();
                    call().await;
                    took.push(since.elapsed().as_secs_f64() * 1e6);
                }
                took
            })
        })
        .collect();
    let before = took.len();
    for task in tasks {
        took.extend(task.await.unwrap());
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let calls = (took.len() - before) as f64;
    calls / began.elapsed().as_secs_f64()
}

fn sorted(mut samples: Vec<f64>) -> Vec<f64> {
    samples.sort_by(f64::total_cmp);
    samples
}

fn p99(samples: Vec<f64>) -> (f64, f64) {
    let sorted = sorted(samples);
    (sorted[sorted.len() / 2], sorted[(sorted.len() * 99 / 100).min(sorted.len() - 1)])
}

async fn calls(client: &Client, url: &str) {
    let bare = {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Hyper::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector)
    };
    let uri: hyper::Uri = format!("{url}/apply?host=yahoo.com").parse().unwrap();
    let by_library = {
        let client = client.clone();
        move || {
            let client = client.clone();
            async move {
                let answer = client.apply(Wanted::newest("dga"), "apply", &[("host", Some("yahoo.com"))]).await;
                assert!(answer.is_ok(), "{answer:?}");
            }
        }
    };
    let by_hyper = move || {
        let (bare, uri) = (bare.clone(), uri.clone());
        async move {
            let body = bare.get(uri).await.unwrap().into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.len(), 25);
        }
    };
    for connections in [1, 16, 64] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for _ in 0..SERIES {
            ours.push(slice(connections, &mut our_times, by_library.clone()).await);
            theirs.push(slice(connections, &mut their_times, by_hyper.clone()).await);
        }
        let (ours, theirs) = (sorted(ours), sorted(theirs));
        let (median, reference) = (ours[SERIES / 2], theirs[SERIES / 2]);
        let ok = if median >= 0.95 * reference { "yes" } else { "no" };
        println!(
            "bench=calls_a_second_{connections} median={median:.0} worst={:.0} reference={reference:.0} ratio={:.2} must={:.0} ok={ok}",
            ours[0],
            median / reference,
            0.95 * reference
        );
        let ((median, worst), (_, reference)) = (p99(our_times), p99(their_times));
        let ok = if worst * 0.95 <= reference { "yes" } else { "no" };
        println!(
            "bench=call_p99_{connections}_us median={median:.1} worst={worst:.1} reference={reference:.1} ratio={:.2} must={:.1} ok={ok}",
            worst / reference,
            reference / 0.95
        );
    }
}

async fn publish(store: &Store, number: usize, url: &str) {
    let endpoint = Endpoint {
        url: url.to_owned(),
        functions: BTreeMap::from([("apply".to_owned(), "apply".to_owned())]),
        model: "dga".to_owned(),
        version: "1.0".to_owned(),
        revision: 1,
        container: "container".to_owned(),
        since_ms: 0,
    };
    let path = format!("/maas/endpoints/default/dga/1-{number}");
    store.commit(&[Op::Create { path, data: endpoint.encode(), ephemeral: false }]).await.unwrap();
}

/// When each of the watchers knew, in microseconds after the write began.
struct Watchers(tokio::sync::mpsc::UnboundedReceiver<Instant>);

impl Watchers {
    async fn all_since(&mut self, began: Instant, took: &mut Vec<f64>) {
        for _ in 0..WATCHERS {
            let seen = self.0.recv().await.unwrap();
            took.push(seen.saturating_duration_since(began).as_secs_f64() * 1e6);
        }
    }
}

async fn seen(quorum: &str, store: &Store, url: &str, published: usize) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut ours = Watchers(receiver);
    let wanted = Arc::new(AtomicUsize::new(published));
    for _ in 0..WATCHERS {
        let mut client = Client::open(Config::new(quorum), Options::default()).await.unwrap();
        let (sender, wanted) = (sender.clone(), wanted.clone());
        tokio::spawn(async move {
            loop {
                client.changed().await;
                if client.view().targets(Wanted::newest("dga")).len() == wanted.load(Ordering::SeqCst) {
                    let _ = sender.send(Instant::now());
                }
            }
        });
    }
    let mut our_times = Vec::new();
    for number in 0..TIMES {
        wanted.store(published + number, Ordering::SeqCst);
        let began = Instant::now();
        publish(store, published + number, url).await;
        ours.all_since(began, &mut our_times).await;
    }
    drop(ours);
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut bare = Watchers(receiver);
    for _ in 0..WATCHERS {
        let client = zookeeper_client::Client::connect(quorum).await.unwrap();
        let mut watcher = client.watch("/maas/bare", AddWatchMode::PersistentRecursive).await.unwrap();
        let sender = sender.clone();
        tokio::spawn(async move {
            let _session = client;
            loop {
                watcher.changed().await;
                let _ = sender.send(Instant::now());
            }
        });
    }
    let mut their_times = Vec::new();
    for number in 0..TIMES {
        let path = format!("/maas/bare/{number}");
        let began = Instant::now();
        store.commit(&[Op::Create { path, data: vec![b'x'; 150], ephemeral: false }]).await.unwrap();
        bare.all_since(began, &mut their_times).await;
    }
    let ((median, worst), (_, reference)) = (p99(our_times), p99(their_times));
    let ok = if worst <= 2.0 * reference { "yes" } else { "no" };
    println!(
        "bench=seen_by_100_clients_p99_us median={median:.0} worst={worst:.0} reference={reference:.0} ratio={:.2} must={:.0} ok={ok}",
        worst / reference,
        2.0 * reference
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let quorum = cluster.quorum();
    let store = Store::open(Config::new(&quorum)).await.unwrap();
    store.init().await.unwrap();
    for path in ["/maas/endpoints/default", "/maas/endpoints/default/dga", "/maas/bare"] {
        store.commit(&[Op::Create { path: path.to_owned(), data: Vec::new(), ephemeral: false }]).await.unwrap();
    }
    let url = server();
    publish(&store, 1, &url).await;
    let client = Client::open(Config::new(&quorum), Options::default()).await.unwrap();
    assert!(client.endpoint(Wanted::newest("dga")).is_some());
    calls(&client, &url).await;
    drop(client);
    seen(&quorum, &store, &url, 2).await;
}

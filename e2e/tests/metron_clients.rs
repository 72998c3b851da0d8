//! Metron's own clients, unmodified: Curator, Jackson and ZooKeeper's client in the versions that Metron pins, over what a
//! real service publishes and takes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use maas_runner::announce;
use maas_store::{Op, ServiceInstance, Store};
use support::{Maas, kill};

/// Generous: a Java process, containers and ZooKeeper share a busy machine.
const LONG: Duration = Duration::from_secs(90);

/// What a Java client knows of one endpoint.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    model: String,
    version: String,
    url: String,
    /// Curator's port is the URL's.
    ports_agree: bool,
    id: String,
    functions: BTreeMap<String, String>,
}

/// A Java process that does what Metron's do.
struct StockClient {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    view: Option<Vec<Seen>>,
    broken: Vec<String>,
}

impl Drop for StockClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl StockClient {
    async fn start(quorum: &str, service_root: &str, queue: &str) -> Self {
        let class_path = maas_e2e::fetch_metron_clients().await.unwrap();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/StockClient.java");
        let mut child = Command::new("java")
            .args(["-Xmx128m", "-cp", &class_path, program, quorum, service_root, queue])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let input = child.stdin.take().unwrap();
        Self { child, input, lines, view: None, broken: Vec::new() }
    }

    /// Hears one line.
    fn hear(&mut self, within: Duration) -> Option<String> {
        let line = self.lines.recv_timeout(within).ok()?;
        if let Some(json) = line.strip_prefix("view ") {
            let rows: Vec<Vec<String>> = serde_json::from_str(json).unwrap();
            let seen = |row: Vec<String>| Seen {
                model: row[0].clone(),
                version: row[1].clone(),
                url: row[2].clone(),
                ports_agree: row[5] == "true",
                id: row[6].clone(),
                functions: serde_json::from_str(&row[7]).unwrap(),
            };
            self.view = Some(rows.into_iter().map(seen).collect());
        } else if line.starts_with("broken ") {
            self.broken.push(line.clone());
        }
        Some(line)
    }

    fn until(&mut self, what: &str, good: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let end = Instant::now() + LONG;
        while !self.view.as_ref().is_some_and(|view| good(view)) {
            assert!(Instant::now() < end, "never {what}: {:?}, {:?}", self.view, self.broken);
            self.hear(Duration::from_millis(200));
        }
        self.view.clone().unwrap()
    }

    /// Offers an item, which is on the queue afterwards.
    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
        let end = Instant::now() + LONG;
        while self.hear(Duration::from_millis(200)).as_deref() != Some("offered") {
            assert!(Instant::now() < end, "{line} was not taken: {:?}", self.broken);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrons_own_clients_find_add_and_remove_models() {
    let maas = Maas::without_service(Cluster::builder().node_managers(2)).await;
    let quorum = maas.cluster.quorum();
    let path = maas.dga().await;
    let mut client = StockClient::start(&quorum, "/maas/service", "/maas/queue").await;
    client.until("nothing", <[Seen]>::is_empty);
    // Offered while nobody reads: it is told, and taken up by a service that does.
    client.say(&format!("offer ADD dga 1.0 2 256 {path}"));
    maas.ctl(&["service", "start", "--metron-queue"]).good();
    let both = client.until("two", |seen| seen.len() == 2);
    let mut urls: Vec<String> = both.iter().map(|one| one.url.clone()).collect();
    let mut ours: Vec<String> = maas.endpoints().into_iter().map(|(_, url)| url).collect();
    urls.sort();
    ours.sort();
    assert_eq!(urls, ours);
    let apply = BTreeMap::from([("apply".to_owned(), "apply".to_owned())]);
    let as_is = |one: &Seen| {
        (one.model.as_str(), one.version.as_str(), one.ports_agree) == ("dga", "1.0", true)
            && one.id.starts_with("container_")
            && one.functions == apply
    };
    assert!(both.iter().all(as_is), "{both:?}");

    // What would have ended Metron's master is set aside, and stops nothing behind it.
    let bad = [
        "raw {oops",
        "raw ",
        "raw {\"action\":\"LIST\"}",
        &format!("offer ADD dga 1.0 1 0 {path}"),
        &format!("offer ADD dga 1.0 1 512 {path}"),
        "offer ADD other 1.0 1 256 /no/such/directory",
    ];
    bad.iter().for_each(|line| client.say(line));
    client.say("null");
    client.say("offer REMOVE dga 1.0 1 0 -");
    client.until("one", |seen| seen.len() == 1);
    let events = maas.ctl(&["events"]).good();
    let aside: Vec<&str> = events.lines().filter(|line| line.contains("ItemSetAside")).collect();
    assert_eq!(aside.len(), bad.len(), "{events}");
    assert!(aside[0].contains("metron-queue/qn-0000000001") && aside[0].contains("{oops"), "{events}");
    assert!(aside[5].contains("/no/such/directory"), "{events}");
    let status = maas.ctl(&["service", "status"]).good();
    assert!(status.contains("/maas/queue is read; 6 set aside"), "{status}");

    // An operator that dies loses none of what comes meanwhile.
    kill(maas.pids("maas-operator")[0]);
    client.say(&format!("offer ADD dga 1.0 1 256 {path}/"));
    client.say("null");
    client.say(&format!("offer ADD dga 1.0 2 256 {path}"));
    client.until("four", |seen| seen.len() == 4);
    client.say("offer REMOVE dga 1.0 9 0 -");
    client.until("none", <[Seen]>::is_empty);
    client.say("offer REMOVE nothing 1.0 1 0 -");
    let empty = async || maas.store.queue_names("/maas/queue").await.unwrap().is_empty();
    let end = Instant::now() + LONG;
    while !empty().await {
        assert!(Instant::now() < end, "items are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The payload is the user's.
    let hdfs = maas_hdfs::Hdfs::open(&maas.cluster.conf_dir(), Some("root")).unwrap();
    assert_eq!(hdfs.list(&path, 10).await.unwrap().len(), 2);
    maas.ctl(&["service", "stop"]).good();
    // Two reads of Curator's are not one: what goes between them is told as such, and all is read again.
    client.broken.retain(|line| !line.contains("NoNodeException"));
    assert!(client.broken.is_empty(), "{:?}", client.broken);
    whatever_a_model_announces_can_be_read(&maas.store, &quorum).await;
}

/// Each announcement that the runner takes, as the runner publishes it. One record that Java can't read would hide them all.
async fn whatever_a_model_announces_can_be_read(store: &Store, quorum: &str) {
    let mut expected = BTreeMap::new();
    put(store, "/hostile", b"").await;
    put(store, "/hostile/service", b"").await;
    put(store, "/hostile/service/m.0-x_Y", b"").await;
    for (n, announced) in announcements().iter().enumerate() {
        let Ok(announcement) = announce::parse(announced) else { continue };
        for node in ["node-1.example.com", "fe80::1"] {
            let id = format!("container_e17_1795490254075_0001_01_{n:06}-{}", node.len());
            let url = announcement.url_on(node);
            let functions = announcement.functions.clone();
            let record = ServiceInstance::new("m.0-x_Y", "1.0-rc_1", &id, &url, functions.clone(), 1_795_490_254_075);
            put(store, &format!("/hostile/service/m.0-x_Y/{id}"), &record.encode()).await;
            expected.insert(id, (url, functions));
        }
    }
    assert!(expected.len() > 40, "{} are too few to tell anything", expected.len());
    let mut client = StockClient::start(quorum, "/hostile/service", "/hostile/queue").await;
    let seen = client.until("all", |seen| seen.len() == expected.len());
    assert!(client.broken.is_empty(), "{:?}", client.broken);
    for one in seen {
        let (url, functions) = &expected[&one.id];
        assert_eq!((&one.url, &one.functions, one.ports_agree), (url, functions, true), "{}", one.id);
    }
}

async fn put(store: &Store, path: &str, data: &[u8]) {
    store.commit(&[Op::Create { path: path.to_owned(), data: data.to_vec(), ephemeral: false }]).await.unwrap();
}

/// What models may write, sane or not: some by hand, the rest what fuzzing found.
fn announcements() -> Vec<Vec<u8>> {
    let url = "http://localhost:1500";
    let mut all = Vec::new();
    for url in [
        "http://0.0.0.0",
        "https://[::1]:65535/a/b?q=1&r=%20",
        "HTTP://LOCALHOST:1/",
        "http://localhost?x",
        "http://127.0.0.1:80//..//%00",
        "http://localhost:8080/a@b:c;d=e,f",
        "http://localhost:/",
    ] {
        all.push(serde_json::json!({ "url": url }));
    }
    for (alias, function) in [
        ("", ""),
        ("@class", "java.lang.Runtime"),
        ("@type", "x"),
        ("apply", "\u{0}\u{1}\u{7f}\u{1b}[31m"),
        ("приложить", "héllo wörld"),
        ("\u{1f600}", "\u{10ffff}\u{feff}\u{2028}"),
        ("quote\"back\\slash", "'\"/\\"),
        ("null", "null"),
        (" ", "\n\t\r"),
        ("{}", "[1]"),
    ] {
        all.push(serde_json::json!({ "url": url, "functions": { alias: function, "apply": "x" } }));
    }
    all.push(serde_json::json!({ "url": url, "functions": {} }));
    all.push(serde_json::json!({ "url": url, "enabled": true, "@class": "x", "functions": { "a": "b" } }));
    let many: BTreeMap<String, String> = (0..2_000).map(|n| (format!("f{n}"), format!("/p/{n}"))).collect();
    all.push(serde_json::json!({ "url": url, "functions": many }));
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/announcement");
    let found = std::fs::read_dir(corpus).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    all.into_iter().map(|json| json.to_string().into_bytes()).chain(found).collect()
}

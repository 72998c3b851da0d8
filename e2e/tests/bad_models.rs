//! Models and payloads that are wrong in every way at once, beside a good one that must not notice.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use serde_json::Value;
use support::{Maas, RUNNER, fresh, http, manifest, until};

/// The service runs as somebody whom HDFS may refuse; root it would not.
const SERVICE_USER: &str = "alice";

/// The model in a folder below its script's own, so that the script decides what is announced, and when.
const BELOW: &str =
    "mkdir below; cd below; python3 -I -S ../dga.py & cd ..; until [ -s below/endpoint.dat ]; do sleep 0.05; done";
/// A server that has no handler for SIGTERM.
const SERVER: &str = r#"import http.server as h, json, socketserver as s
server = s.ThreadingTCPServer(("0.0.0.0", 0), h.SimpleHTTPRequestHandler)
with open("endpoint.dat", "w") as file:
    json.dump({"url": f"http://0.0.0.0:{server.server_address[1]}"}, file)
server.serve_forever()
"#;

/// What a person must see of one deployment.
enum Seen {
    /// It is ready in the end, whatever was said on the way.
    Ready,
    /// It is ready in the end, and this reason was seen before.
    ReadyAfter(&'static str),
    /// A condition has had one of these reasons and a message with all these words, and it never was ready.
    Told(&'static [&'static str], &'static [&'static str]),
}

struct Case {
    name: &'static str,
    script: String,
    timeout: &'static str,
    seen: Seen,
}

fn case(name: &'static str, script: impl Into<String>, seen: Seen) -> Case {
    Case { name, script: format!("#!/bin/sh\n{}\n", script.into()), timeout: "3s", seen }
}

/// Deployments whose payload is the mock model with another script. None is executable in HDFS: every one that starts
/// shows that this does not matter.
fn scripts() -> Vec<Case> {
    let announces = |text: &str| format!("{text}\nsleep 1000");
    let rewritten = |sed: &str| format!("{BELOW}; sed '{sed}' below/endpoint.dat > endpoint.dat; wait");
    let mut cases = vec![
        case("exits-0", "exit 0", Seen::Told(&["CrashLoopBackOff"], &["code 0", "restarted"])),
        case(
            "exits-1",
            "echo the cause is here >&2; exit 1",
            Seen::Told(&["CrashLoopBackOff"], &["exited with code 1; restarted", "Its last words: the cause is here"]),
        ),
        case(
            "talkative",
            "head -c 10485760 /dev/zero | tr '\\0' x; head -c 10485760 /dev/zero | tr '\\0' y >&2; exec python3 -I -S dga.py",
            Seen::Ready,
        ),
        case("daemonises", format!("({BELOW}) >/dev/null 2>&1; cp below/endpoint.dat .; exit 0"), Seen::Ready),
        case(
            "deaf",
            format!("trap '' TERM; cat > server.py <<'END'\n{SERVER}END\npython3 -I -S server.py; sleep 1000"),
            Seen::Ready,
        ),
        case(
            "announces-nothing",
            "sleep 1000",
            Seen::Told(
                &["AnnouncementMissing"],
                &[
                    "not ready within 3 s",
                    "nothing announced yet: endpoint.dat is not there, or empty",
                    "spec.startup.timeout",
                ],
            ),
        ),
        case(
            "announces-blank",
            announces(": > endpoint.dat"),
            Seen::Told(&["AnnouncementMissing"], &["nothing announced"]),
        ),
        case(
            "announces-half",
            format!("{BELOW}; head -c 12 below/endpoint.dat > endpoint.dat; sleep 5; cp below/endpoint.dat .; wait"),
            Seen::ReadyAfter("AnnouncementInvalid"),
        ),
        case(
            "announces-garbage",
            announces("echo 'port 1500' > endpoint.dat"),
            Seen::Told(&["AnnouncementInvalid"], &["the announcement can't be used", "it should be {\"url\""]),
        ),
        case(
            "announces-much",
            announces("head -c 10000000 /dev/zero > endpoint.dat"),
            Seen::Told(&["AnnouncementInvalid"], &["larger than 64 KiB"]),
        ),
        case(
            "announces-other-host",
            rewritten("s/0.0.0.0/169.254.169.254/"),
            Seen::Told(&["AnnouncesOtherHost"], &["169.254.169.254", "announce localhost or 0.0.0.0"]),
        ),
        case(
            "announces-port-0",
            rewritten("s/0.0.0.0:[0-9]*/0.0.0.0:0/"),
            Seen::Told(&["AnnouncementInvalid"], &["port 0 means", "write the port that was bound"]),
        ),
        case("announces-localhost", rewritten("s/0.0.0.0/localhost/"), Seen::Ready),
        case(
            "announces-early",
            format!(
                "{BELOW}; port=$(sed 's/.*:\\([0-9]*\\)\".*/\\1/' below/endpoint.dat); kill $!; wait; cat > late.py <<'END'\nimport http.server as h, socketserver as s, sys, time\ntime.sleep(5)\ns.TCPServer.allow_reuse_address = True\ns.TCPServer((\"0.0.0.0\", int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()\nEND\ncp below/endpoint.dat .; exec python3 -I -S late.py $port"
            ),
            Seen::ReadyAfter("PortNotListening"),
        ),
    ];
    for case in &mut cases {
        if matches!(case.seen, Seen::ReadyAfter(_) | Seen::Ready) {
            case.timeout = "60s";
        }
    }
    cases.push(Case {
        name: "windows",
        script: "#!/bin/sh\r\nexec python3 -I -S dga.py\r\n".to_owned(),
        timeout: "3s",
        seen: Seen::Told(&["ScriptHasCRLF"], &["Windows line ends", "upload the payload again"]),
    });
    cases
}

/// Conditions of every deployment, as `maasctl get -o json` shows them.
fn look(maas: &Maas) -> BTreeMap<String, Value> {
    let all: Value = serde_json::from_str(&maas.ctl(&["get", "models", "-o", "json"]).good()).unwrap();
    let items = all["items"].as_array().unwrap();
    items.iter().map(|item| (item["metadata"]["name"].as_str().unwrap().to_owned(), item["status"].clone())).collect()
}

fn told(status: &Value, reasons: &[&str], words: &[&str]) -> bool {
    status["conditions"].as_array().into_iter().flatten().any(|condition| {
        let message = condition["message"].as_str().unwrap_or_default();
        reasons.iter().any(|reason| condition["reason"] == *reason) && words.iter().all(|word| message.contains(word))
    })
}

/// What is said of it most tellingly.
fn sentence(status: &Value) -> String {
    let conditions = || status["conditions"].as_array().into_iter().flatten();
    let failing = conditions().find(|condition| condition["type"] == "ReplicaFailure" && condition["status"] == "True");
    let told = failing.or_else(|| conditions().find(|condition| condition["type"] == "Progressing"));
    told.map_or(String::new(), |condition| format!("{}: {}", condition["reason"], condition["message"]))
}

fn is_ready(status: &Value) -> bool {
    status["readyReplicas"] == 1
}

/// WebHDFS, for what the client of this project does not do.
async fn webhdfs(maas: &Maas, path: &str, operation: &str) {
    let url = format!("{}/webhdfs/v1{path}?user.name=root&op={operation}", maas.cluster.name_node_http());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.put(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{operation} of {path}: {}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_model_is_said_and_harms_no_other() {
    // Of the model whose payload changes, one instance fits on a node beside all the small ones.
    let builder = Cluster::builder().node_managers(2).node_memory_mb(8192).node_vcores(64);
    let maas = Maas::without_service(builder).await;
    let hdfs = maas_hdfs::Hdfs::open(&maas.cluster.conf_dir(), Some("root")).unwrap();
    let home = format!("/user/{SERVICE_USER}");
    hdfs.mkdirs(&home).await.unwrap();
    webhdfs(&maas, &home, &format!("SETOWNER&owner={SERVICE_USER}")).await;
    let started =
        maas.command("maasctl", &["service", "start"]).env("HADOOP_USER_NAME", SERVICE_USER).output().unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));

    let good = maas.dga().await;
    maas.apply(&manifest("good", 1, "128Mi", &good, "")).good();
    maas.until_ready("good", "1/1");
    let endpoint = maas.endpoints();
    let changing = maas.dga().await;
    maas.apply(&manifest("changes", 1, "4200Mi", &changing, "")).good();

    let dga = std::fs::read_to_string(support::mock_dga().join("dga.py")).unwrap();
    let mut wanted: Vec<(&str, Seen)> = Vec::new();
    let mut all = String::new();
    for case in scripts() {
        let payload = maas.payload(&[("rest.sh", &case.script), ("dga.py", &dga)]).await;
        let more = format!("  startup: {{timeout: {}}}\n  terminationGracePeriod: 3s\n", case.timeout);
        all.push_str(&format!("---\n{}", manifest(case.name, 1, "128Mi", &payload, &more)));
        wanted.push((case.name, case.seen));
    }
    let closed = maas.dga().await;
    webhdfs(&maas, &closed, "SETPERMISSION&permission=000").await;
    let mute = maas.payload(&[("README", "no script")]).await;
    let double = maas.payload(&[("a.sh", "exit 0"), ("b.sh", "exit 0")]).await;
    let file = format!("{good}/dga.py");
    for (name, payload, reason, words) in [
        ("no-script", mute.as_str(), "InvalidPayload", &["holds no .sh script"][..]),
        ("two-scripts", double.as_str(), "InvalidPayload", &["a.sh, b.sh", "spec.startup.script"][..]),
        (
            "missing",
            "/user/root/nowhere",
            "PayloadMissing",
            &["spec.payload.path", "/user/root/nowhere does not exist"][..],
        ),
        ("a-file", file.as_str(), "InvalidPayload", &["dga.py is a file, not a directory"][..]),
        ("closed", closed.as_str(), "PayloadUnreadable", &["not allowed to list"][..]),
    ] {
        all.push_str(&format!("---\n{}", manifest(name, 1, "128Mi", payload, "")));
        wanted.push((name, Seen::Told(Box::leak(Box::new([reason])), words)));
    }
    maas.apply(&all).good();

    let began = Instant::now();
    let mut open: Vec<(&str, Seen)> = wanted;
    let mut passed = BTreeMap::new();
    while !open.is_empty() {
        let seen = look(&maas);
        assert!(is_ready(&seen["good"]), "the good model suffered: {}", seen["good"]);
        open = open
            .into_iter()
            .filter_map(|(name, wanted)| {
                let status = &seen[name];
                let next = match wanted {
                    Seen::Ready if is_ready(status) => None,
                    Seen::ReadyAfter(reason) if told(status, &[reason], &[]) => Some(Seen::Ready),
                    Seen::ReadyAfter(reason) => {
                        assert!(!is_ready(status), "{name} was ready and {reason} was never said");
                        Some(Seen::ReadyAfter(reason))
                    }
                    Seen::Told(reasons, words) => {
                        assert!(!is_ready(status), "{name} became ready");
                        (!told(status, reasons, words)).then_some(Seen::Told(reasons, words))
                    }
                    Seen::Ready => Some(Seen::Ready),
                };
                if next.is_none() {
                    passed.insert(name, (began.elapsed(), sentence(status)));
                }
                next.map(|next| (name, next))
            })
            .collect();
        if began.elapsed() > Duration::from_secs(90) {
            for (name, _) in &open {
                eprintln!("{}", maas.ctl(&["describe", "model", name]).out);
            }
            panic!("not as expected: {:?}", open.iter().map(|(name, _)| name).collect::<Vec<_>>());
        }
    }
    for (name, (after, sentence)) in &passed {
        println!("{name}: as expected after {after:.1?}: {sentence}");
    }

    // The people's view says the same.
    let described = maas.ctl(&["describe", "model", "announces-other-host"]).good();
    assert!(described.contains("AnnouncesOtherHost"), "{described}");
    let wide = maas.ctl(&["get", "instances", "announces-nothing", "-o", "wide"]).good();
    assert!(wide.contains("LACKS"), "{wide}");
    let described = maas.ctl(&["describe", "model", "missing"]).good();
    assert!(described.contains("PayloadMissing") && described.contains("does not exist"), "{described}");

    a_model_deaf_to_sigterm_ends_within_its_grace(&maas);
    a_changed_payload_is_never_taken_silently(&maas, &changing).await;

    let names: Vec<&str> = passed.keys().copied().collect();
    let mut delete = vec!["delete", "--wait", "--timeout", "60s", "changes"];
    delete.extend(names.iter().filter(|name| **name != "deaf"));
    maas.ctl(&delete).good();
    assert!(until(Duration::from_secs(20), || maas.pids(RUNNER).len() == 1), "only the good model's runner is left");
    assert!(maas.pids("sleep 1000").is_empty(), "no process of a removed model is left");
    assert_eq!(maas.endpoints(), endpoint, "the good model was neither restarted nor moved");
    let instances: Value = serde_json::from_str(&maas.ctl(&["get", "instances", "good", "-o", "json"]).good()).unwrap();
    assert_eq!(instances["items"][0]["runner"]["restarts"], 0, "{instances}");
    assert_eq!(http(&format!("{}/apply?host=yahoo.com", endpoint[0].1)).await.unwrap().0, 200);
}

fn a_model_deaf_to_sigterm_ends_within_its_grace(maas: &Maas) {
    assert_eq!(maas.pids("server.py").len(), 1);
    let began = Instant::now();
    maas.ctl(&["delete", "model", "deaf", "--wait", "--timeout", "30s"]).good();
    let took = began.elapsed();
    assert!(maas.pids("server.py").is_empty(), "it lives on");
    // Three seconds of grace, and two heartbeats until YARN tells of the container's end.
    assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(8), "{took:?}");
    println!("deaf: removed after {took:.1?}");
}

async fn a_changed_payload_is_never_taken_silently(maas: &Maas, payload: &str) {
    maas.until_ready("changes", "1/1");
    let endpoint = |maas: &Maas| -> Vec<(String, String)> {
        maas.endpoints().into_iter().filter(|(name, _)| name.starts_with("changes/")).collect()
    };
    let before = endpoint(maas);
    let other = maas.scratch.path().join(fresh());
    std::fs::write(&other, "#!/bin/sh\nexec python3 -I -S dga.py # changed\n").unwrap();
    let hdfs = maas_hdfs::Hdfs::open(&maas.cluster.conf_dir(), Some("root")).unwrap();
    hdfs.upload(&other, &format!("{payload}/rest.sh")).await.unwrap();
    maas.ctl(&["scale", "changes", "--replicas", "2"]).good();
    let said =
        until(Duration::from_secs(40), || told(&look(maas)["changes"], &["PayloadChanged"], &["spec.payload.path"]));
    assert!(said, "{}", maas.ctl(&["describe", "model", "changes"]).out);
    assert!(is_ready(&look(maas)["changes"]), "what runs is kept");
    assert_eq!(endpoint(maas), before);
    // What the message advises: the new files elsewhere.
    let new = maas.dga().await;
    maas.apply(&manifest("changes", 1, "4200Mi", &new, "")).good();
    let replaced = until(Duration::from_secs(40), || {
        let status = &look(maas)["changes"];
        is_ready(status) && status["updatedReplicas"] == 1 && status["replicas"] == 1
    });
    assert!(replaced, "{}", maas.ctl(&["describe", "model", "changes"]).out);
    assert_ne!(endpoint(maas), before);
    println!("changes: said, kept and replaced");
}

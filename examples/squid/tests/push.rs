//! `zk_load_configs.sh` and the following of configs, against a real ZooKeeper.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use maas_e2e::Cluster;
use maas_pipeline::config::{Kind, Place, Plan};
use maas_pipeline::follow::{Plans, follow};
use maas_pipeline::metrics::Metrics;
use maas_pipeline::tree::Patterns;
use maas_pipeline::{model, tree};
use maas_store::{Config, Op, Store};

const PARSER: &str = include_str!("../config/zookeeper/parsers/squid.json");

/// The script as a user has it, beside the program.
fn installed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for script in ["zk_load_configs.sh", "start_parser_topology.sh"] {
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("bin").join(script), dir.path().join(script)).unwrap();
    }
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_maas-pipeline"), dir.path().join("maas-pipeline")).unwrap();
    dir
}

struct Bed {
    cluster: Cluster,
    bin: tempfile::TempDir,
    work: tempfile::TempDir,
}

impl Bed {
    async fn make() -> Self {
        let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
        let work = tempfile::tempdir().unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/zookeeper");
        for file in ["global.json", "parsers/squid.json", "enrichments/squid.json"] {
            let to = work.path().join("config").join(file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(shipped.join(file), to).unwrap();
        }
        Self { cluster, bin: installed(), work }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.work.path().join("config").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn load(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.bin.path().join("zk_load_configs.sh"));
        command.env_remove("HADOOP_CONF_DIR").current_dir(self.work.path());
        command.args(arguments).args(["-z", &self.cluster.quorum()]).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.load(arguments);
        assert!(output.status.success(), "{output:#?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.load(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:#?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn configs_are_pushed_pulled_and_dumped_as_metrons() {
    let bed = Bed::make().await;
    let push = ["--mode", "PUSH", "-i", "config"];
    assert_eq!(bed.ok(&push), "global.json created\nparsers/squid.json created\nenrichments/squid.json created\n");
    assert_eq!(
        bed.ok(&push),
        "global.json unchanged\nparsers/squid.json unchanged\nenrichments/squid.json unchanged\n"
    );
    let store = Store::open(Config::new(bed.cluster.quorum())).await.unwrap();
    let (data, _) = store.get("/metron/topology/parsers/squid").await.unwrap().unwrap();
    assert_eq!(String::from_utf8(data).unwrap(), PARSER, "to the byte");

    // One bad file of several: nothing of the push is written.
    bed.write("global.json", r#"{"es.ip": "elsewhere"}"#);
    bed.write("parsers/squid.json", &PARSER.replace("URL_TO_HOST(url)", "URL_TO_HOST(url"));
    bed.write("enrichments/squid.json", r#"{"threatIntel": {"triageConfig": {"aggregator": "MOST"}}}"#);
    let error = bed.refused(&push);
    assert!(error.starts_with("error: nothing was pushed:\n"), "{error}");
    assert!(error.contains("parsers/squid.json: fieldTransformations[0].config.full_hostname: column"), "{error}");
    assert!(error.contains("enrichments/squid.json: line 1"), "{error}");
    let (data, stat) = store.get("/metron/topology/global").await.unwrap().unwrap();
    assert!(stat.version == 0 && String::from_utf8(data).unwrap().contains("9200"));
    // Of one sort and name, the others are not looked at.
    let one = ["-m", "push", "-i", "config", "-c", "GLOBAL"];
    assert_eq!(bed.ok(&one), "global.json changed\n");

    assert!(bed.ok(&["-m", "PULL", "-o", "pulled"]).contains("pulled/parsers/squid.json"));
    assert_eq!(std::fs::read_to_string(bed.work.path().join("pulled/parsers/squid.json")).unwrap(), PARSER);
    assert!(bed.refused(&["-m", "PULL", "-o", "pulled"]).contains("--force"));
    bed.ok(&["-m", "PULL", "-o", "pulled", "-f"]);
    let dump = bed.ok(&["-m", "DUMP", "-c", "PARSER", "-n", "squid"]);
    assert_eq!(dump, format!("PARSER Config: squid\n{PARSER}\n"));
    assert!(bed.ok(&["-m", "DUMP"]).contains("GLOBAL Config: global\n{\"es.ip\": \"elsewhere\"}"));

    for (arguments, expected) in [
        (vec!["-m", "PATCH", "-c", "GLOBAL", "-pm", "ADD", "-pk", "/a", "-pv", "1"], "PATCH is not supported: PULL"),
        (vec!["-m", "PUSH"], "needs --input_dir"),
        (vec!["-m", "PUSH", "-i", "nowhere"], "nowhere is no directory"),
        (vec!["-m", "PUSH", "-i", "."], "nothing to push"),
        (vec!["-m", "DUMP", "-c", "PROFILER"], "there is no profiler here"),
        (vec!["-m", "DUMP", "-n", "squid"], "needs --config_type"),
        (vec!["-m", "SHOW"], "--mode SHOW is none"),
    ] {
        let error = bed.refused(&arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    store.close().await;
}

/// Waits for a plan that is so.
async fn until(plans: &mut Plans, good: impl Fn(&Plan) -> bool) -> Arc<Plan> {
    let found = plans.wait_for(|plan| plan.as_ref().is_some_and(|plan| good(plan)));
    tokio::time::timeout(Duration::from_secs(60), found).await.expect("in time").unwrap().clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn configs_are_followed_and_a_bad_one_leaves_the_old_in_force() {
    let bed = Bed::make().await;
    let store = Store::open(Config::new(bed.cluster.quorum())).await.unwrap();
    let metrics = Arc::new(Metrics::default());
    let mut plans = follow(&store, "squid".to_owned(), Patterns::default(), model::unasked(), metrics.clone());
    // Nothing is there at first, not even Metron's folders.
    assert!(plans.borrow().is_none());
    let mut files = tree::read_directory(&bed.work.path().join("config")).unwrap();
    tree::write(&store, &files).await.unwrap();
    let plan = until(&mut plans, |_| true).await;
    assert_eq!((plan.topic.as_str(), plan.triage.rules.len()), ("squid", 1));

    let place = Place::of(Kind::Parser, "squid").unwrap();
    let other = |topic: &str| {
        PARSER.replace("\"sensorTopic\": \"squid\"", &format!("\"sensorTopic\": \"{topic}\"")).into_bytes()
    };
    files.insert(place.clone(), other("two"));
    tree::write(&store, &files).await.unwrap();
    until(&mut plans, |plan| plan.topic == "two").await;

    // By another way than the push, which would have refused it.
    let write = |data: Vec<u8>| {
        let ops = [Op::Set { path: place.node(), data, version: None }];
        let store = &store;
        async move { store.commit(&ops).await.unwrap() }
    };
    let refused = |count: u64| {
        let metrics = metrics.clone();
        async move {
            let seen = async {
                while metrics.configs_refused.load(Ordering::Relaxed) < count {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), seen).await.expect("refused in time");
        }
    };
    write(b"{".to_vec()).await;
    refused(1).await;
    write(String::from_utf8(other("three")).unwrap().replace("SQUID_DELIMITED", "NONE").into_bytes()).await;
    refused(2).await;
    assert_eq!(plans.borrow().as_ref().unwrap().topic, "two", "the old one stays");

    // ZooKeeper away and back: what comes then is seen.
    bed.cluster.zookeeper().restart().await.unwrap();
    let written = async {
        while tree::write(&store, &[(place.clone(), other("four"))].into()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), written).await.expect("written in time");
    until(&mut plans, |plan| plan.topic == "four").await;
    store.close().await;
}

#[test]
fn flags_of_metron_that_mean_nothing_here_are_refused_by_name() {
    let bin = installed();
    let run = |arguments: &[&str]| {
        let script = bin.path().join("start_parser_topology.sh");
        let output = Command::new(script).args(["-k", "a:1", "-z", "127.0.0.1:1"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:#?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&["-s", "squid", "-snt", "4"]).contains("-snt is not supported: there is no Storm here"));
    assert!(run(&["-s", "squid", "--kafka_security_protocol", "SASL"]).contains("without TLS and SASL"));
    assert!(run(&["-s", "squid", "-ot", "x"]).contains("outputTopic"));
    assert!(run(&["-s", "squid,bro"]).contains("one sensor a process"));
}

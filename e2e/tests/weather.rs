//! Parts that are away: each command says within seconds what was tried and what to do, and leaves nothing half done;
//! what runs goes on, and what waits starts by itself when the part is back.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use serde_json::Value;
use support::{Maas, Said, http, manifest, until};

/// A command that can't do its work gives up within this.
const SECONDS: Duration = Duration::from_secs(25);
/// Nobody listens there: the port is reserved.
const NOBODY: &str = "127.0.0.1:1";

fn run(maas: &Maas, program: &str, args: &[&str], set: &[(&str, &str)]) -> Said {
    let began = Instant::now();
    let output = maas.command(program, args).envs(set.iter().copied()).output().unwrap();
    let took = began.elapsed();
    let said = Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    println!("{took:.1?} {program} {}: {} {}", args.join(" "), said.code, said.err.trim());
    assert!(took < SECONDS, "{took:?}");
    said
}

/// The tree below `/`, without ZooKeeper's and YARN's own: paths, versions.
async fn tree(maas: &Maas) -> Vec<(String, i32)> {
    let mut all = Vec::new();
    for top in maas.store.children("/").await.unwrap().unwrap() {
        if top != "zookeeper" && top != "rmstore" {
            let nodes = maas.store.list(&format!("/{top}")).await.unwrap();
            all.extend(nodes.into_iter().map(|(path, _, stat)| (path, stat.version)));
        }
    }
    all
}

/// A copy of the client's configuration with one site file's text changed.
fn configuration(maas: &Maas, name: &str, file: &str, change: impl FnOnce(String) -> String) -> PathBuf {
    let dir = maas.scratch.path().join(name);
    std::fs::create_dir(&dir).unwrap();
    for entry in std::fs::read_dir(maas.cluster.conf_dir()).unwrap().flatten() {
        std::fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    let text = std::fs::read_to_string(dir.join(file)).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed);
    std::fs::write(dir.join(file), changed).unwrap();
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_away_is_named_and_nothing_is_left_half_done() {
    let maas = Maas::without_service(Cluster::builder().node_managers(2)).await;
    let payload = maas.dga().await;
    let wrong_rm =
        configuration(&maas, "no-rm", "yarn-site.xml", |text| text.replace(&maas.cluster.rm_address(), NOBODY));
    let name_node = maas.cluster.hdfs_url().replace("hdfs://", "");
    let wrong_nn = configuration(&maas, "no-nn", "core-site.xml", |text| text.replace(&name_node, NOBODY));
    std::fs::write(wrong_nn.join("hdfs-site.xml"), "<configuration/>").unwrap();

    let before = tree(&maas).await;
    an_empty_tree_is_no_error(&maas);
    no_zookeeper(&maas);
    no_resource_manager(&maas, &wrong_rm);
    no_hdfs(&maas, &wrong_nn).await;
    assert_eq!(tree(&maas).await, before, "nothing was begun");

    no_operator(&maas, &payload);
    a_standby_resource_manager_is_passed_over(&maas).await;
    let away = [("HADOOP_CONF_DIR", text(&wrong_rm))];
    run(&maas, "maasctl", &["service", "status"], &away).bad(&["ResourceManager", NOBODY, "is YARN running"]);
    run(&maas, "maasctl", &["service", "stop"], &away).bad(&["ResourceManager", NOBODY, "is YARN running"]);
    maas.until_ready("waits", "1/1");
    maas.until_ready("dga-1.0", "1/1");

    the_name_node_goes_and_comes_back(&maas, &payload).await;
    zookeeper_goes_and_comes_back(&maas).await;
    maas.ctl(&["delete", "--wait", "--timeout", "60s", "waits", "late", "dga-1.0"]).good();
    an_empty_tree_is_no_error(&maas);
}

fn an_empty_tree_is_no_error(maas: &Maas) {
    let said = maas.deploy(&["-mo", "LIST"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(said.err.contains("no model is live"), "{}", said.err);
    let said = maas.ctl(&["get", "models"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(said.err.contains("No resources found"), "{}", said.err);
    let said = maas.deploy(&["-mo", "REMOVE", "-n", "nobody", "-v", "1.0", "-ni", "1"]);
    assert!(said.code == 0 && said.err.contains("nothing to remove"), "{}", said.err);
}

fn no_zookeeper(maas: &Maas) {
    let list = ["get", "models"];
    for wrong in ["localhost:99999", "a b:2181", "zk1,,zk2", "zk1:2181/maas", "zk1:x"] {
        run(maas, "maasctl", &list, &[("MAAS_ZOOKEEPER", wrong)]).bad(&["--zookeeper", "expected host:port"]);
        run(maas, "maas_deploy.sh", &["-zq", wrong, "-mo", "LIST"], &[]).bad(&["expected host:port"]);
    }
    let unset = ("MAAS_ZOOKEEPER", "");
    run(maas, "maasctl", &list, &[unset, ("HADOOP_CONF_DIR", "")]).bad(&["no ZooKeeper is named", "MAAS_ZOOKEEPER"]);
    // Hadoop's own configuration names one.
    run(maas, "maasctl", &list, &[unset]).good();
    // A ResourceManager is no ZooKeeper.
    let other = maas.cluster.rm_address();
    let quorums = [NOBODY, "no-such-host.invalid:2181", &other];
    std::thread::scope(|scope| {
        for quorum in quorums {
            let words = ["no ZooKeeper answered at", quorum, "is it running"];
            scope.spawn(move || run(maas, "maasctl", &list, &[("MAAS_ZOOKEEPER", quorum)]).bad(&words));
        }
        let words = ["no ZooKeeper answered at", NOBODY, "is it running"];
        scope.spawn(move || run(maas, "maasctl", &["service", "start"], &[("MAAS_ZOOKEEPER", NOBODY)]).bad(&words));
        scope.spawn(move || run(maas, "maas_deploy.sh", &["-zq", NOBODY, "-mo", "LIST"], &[]).bad(&words));
        scope.spawn(move || run(maas, "maas_service.sh", &["-zq", NOBODY], &[]).bad(&words));
    });
}

fn no_resource_manager(maas: &Maas, wrong: &Path) {
    let words = ["ResourceManager", "is YARN running"];
    let addressed = [&words[..], &[NOBODY]].concat();
    run(maas, "maasctl", &["service", "start"], &[("HADOOP_CONF_DIR", text(wrong))]).bad(&addressed);
    let quorum = maas.cluster.quorum();
    run(maas, "maas_service.sh", &["-zq", &quorum], &[("HADOOP_CONF_DIR", text(wrong))]).bad(&addressed);
    // One that takes connections and says nothing.
    maas.cluster.resource_manager().pause().unwrap();
    let said = run(maas, "maasctl", &["service", "start"], &[]);
    maas.cluster.resource_manager().resume().unwrap();
    said.bad(&[&words[..], &[&maas.cluster.rm_address()]].concat());
    run(maas, "maasctl", &["service", "start"], &[("HADOOP_CONF_DIR", "/nowhere")])
        .bad(&["/nowhere", "HADOOP_CONF_DIR"]);
    let nothing = maas.scratch.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    run(maas, "maasctl", &["service", "start"], &[("HADOOP_CONF_DIR", text(&nothing))]).bad(&[]);
}

async fn no_hdfs(maas: &Maas, wrong: &Path) {
    let mock = support::mock_dga();
    let quorum = maas.cluster.quorum();
    let add = [
        "-zq",
        &quorum,
        "-mo",
        "ADD",
        "-n",
        "dga",
        "-v",
        "1.0",
        "-m",
        "128",
        "-ni",
        "1",
        "-hmp",
        "/user/root/models",
        "-lmp",
        text(&mock),
    ];
    let conf = ("HADOOP_CONF_DIR", text(wrong));
    run(maas, "maasctl", &["service", "start"], &[conf]).bad(&["HDFS", NOBODY, "is the NameNode running"]);
    run(maas, "maas_deploy.sh", &add, &[conf]).bad(&["HDFS", NOBODY, "is the NameNode running"]);
    // One that takes connections and says nothing.
    maas.cluster.name_node().pause().unwrap();
    let (start, added) = std::thread::scope(|scope| {
        let start = scope.spawn(|| run(maas, "maasctl", &["service", "start"], &[]));
        let added = run(maas, "maas_deploy.sh", &add, &[]);
        (start.join().unwrap(), added)
    });
    maas.cluster.name_node().resume().unwrap();
    start.bad(&["HDFS", "is the NameNode running?"]);
    added.bad(&["HDFS", "is the NameNode running?"]);
    let apps =
        http(&format!("{}/ws/v1/cluster/apps?states=NEW,SUBMITTED,ACCEPTED,RUNNING", maas.cluster.rm_http())).await;
    assert!(!apps.unwrap().1.contains("application_"), "nothing was submitted");
}

/// The edits stand, and say that nothing follows; waiting for it fails at once.
fn no_operator(maas: &Maas, payload: &str) {
    let warning = "no operator is running: the edit is kept";
    let said = maas.apply(&manifest("waits", 1, "128Mi", payload, ""));
    assert!(said.code == 0 && said.err.contains(warning) && said.err.contains("service start"), "{}", said.err);
    let mock = support::mock_dga();
    let add = [
        "-mo",
        "ADD",
        "-n",
        "dga",
        "-v",
        "1.0",
        "-m",
        "128",
        "-ni",
        "1",
        "-hmp",
        "/user/root/models",
        "-lmp",
        text(&mock),
    ];
    let said = maas.deploy(&add);
    assert!(said.code == 0 && said.err.contains(warning), "{}", said.err);
    let began = Instant::now();
    maas.ctl(&["scale", "waits", "--replicas", "1", "--wait"]).bad(&["no operator is running", "service start"]);
    maas.deploy(&[&add[..], &["--wait=60"]].concat()).bad(&["no operator is running"]);
    assert!(began.elapsed() < Duration::from_secs(10));
    let said = maas.deploy(&["-mo", "REMOVE", "-n", "dga", "-v", "1.0", "-ni", "1"]).good();
    assert!(said.contains("1 left"), "both were kept: {said}");
    assert_eq!(maas.ready("waits").as_deref(), Some("0/1"));
    let said = maas.ctl(&["service", "status"]);
    assert!(said.code == 1 && said.err.contains("no service is running"), "{}", said.err);
}

/// High availability, with nobody at the first of two addresses.
async fn a_standby_resource_manager_is_passed_over(maas: &Maas) {
    let (client, scheduler) = (maas.cluster.rm_address(), maas.cluster.rm_scheduler());
    let property =
        |name: &str, value: &str| format!("<property><name>{name}</name><value>{value}</value></property>\n");
    let more = [
        property("yarn.resourcemanager.ha.enabled", "true"),
        property("yarn.resourcemanager.ha.rm-ids", "rm1,rm2"),
        property("yarn.resourcemanager.address.rm1", NOBODY),
        property("yarn.resourcemanager.scheduler.address.rm1", NOBODY),
        property("yarn.resourcemanager.address.rm2", &client),
        property("yarn.resourcemanager.scheduler.address.rm2", &scheduler),
    ];
    let conf = configuration(maas, "ha", "yarn-site.xml", |text| {
        text.replace("</configuration>", &format!("{}</configuration>", more.concat()))
    });
    run(maas, "maasctl", &["service", "start"], &[("HADOOP_CONF_DIR", text(&conf))]).good();
    let said = run(maas, "maasctl", &["service", "start"], &[]).bad(&["runs the service of /maas already"]);
    assert!(said.contains("service stop"), "{said}");
}

fn reason_and_message(maas: &Maas, name: &str) -> String {
    let said = maas.ctl(&["get", "models", name, "-o", "json"]).good();
    let all: Value = serde_json::from_str(&said).unwrap();
    let conditions = all["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let failing = conditions.iter().find(|one| one["type"] == "ReplicaFailure" && one["status"] == "True");
    failing.map_or(String::new(), |one| format!("{}: {}", one["reason"], one["message"]))
}

async fn the_name_node_goes_and_comes_back(maas: &Maas, payload: &str) {
    let before = maas.endpoints();
    maas.cluster.name_node().kill().unwrap();
    maas.apply(&manifest("late", 1, "128Mi", payload, "")).good();
    let said = until(Duration::from_secs(30), || reason_and_message(maas, "late").contains("PayloadUnavailable"));
    assert!(said, "{}", maas.ctl(&["describe", "model", "late"]).out);
    println!("{}", reason_and_message(maas, "late"));
    assert_eq!(maas.endpoints(), before, "what runs goes on");
    for (_, url) in &before {
        assert_eq!(http(&format!("{url}/apply?host=yahoo.com")).await.unwrap().0, 200);
    }
    // Meanwhile an ADD says why it can't be, and other edits are followed.
    let specs = tree(maas).await.into_iter().filter(|(path, _)| path.starts_with("/maas/specs")).collect::<Vec<_>>();
    let add =
        ["-zq", &maas.cluster.quorum(), "-mo", "ADD", "-n", "new", "-v", "1", "-m", "128", "-ni", "1", "-hmp", payload];
    run(maas, "maas_deploy.sh", &add, &[]).bad(&["-hmp must name", "is the NameNode running"]);
    let now = tree(maas).await.into_iter().filter(|(path, _)| path.starts_with("/maas/specs")).collect::<Vec<_>>();
    assert_eq!(now, specs);
    maas.ctl(&["scale", "dga-1.0", "--replicas", "0", "--wait", "--timeout", "30s"]).good();
    maas.cluster.name_node().start().await.unwrap();
    maas.cluster.await_ready().await.unwrap();
    let back = Instant::now();
    maas.until_ready("late", "1/1");
    println!("ready {:.1?} after the NameNode was back", back.elapsed());
    maas.ctl(&["scale", "dga-1.0", "--replicas", "1", "--wait", "--timeout", "30s"]).good();
}

async fn zookeeper_goes_and_comes_back(maas: &Maas) {
    let (endpoints, pids) = (maas.endpoints(), maas.pids("dga.py"));
    let spec = maas.ctl(&["get", "models", "waits", "-o", "json"]).good();
    let spec: Value = serde_json::from_str(&spec).unwrap();
    // One that follows sees it go and come back.
    let mut follower = maas.command("maasctl", &["get", "models", "-w"]);
    let said = maas.scratch.path().join("follower");
    let both = std::fs::File::create(&said).unwrap();
    follower.stdout(both.try_clone().unwrap()).stderr(both);
    let mut follower = follower.spawn().unwrap();
    let follows = |word: &str| std::fs::read_to_string(&said).unwrap().contains(word);
    assert!(until(Duration::from_secs(10), || follows("waits")));

    maas.cluster.zookeeper().pause().unwrap();
    let quorum = maas.cluster.quorum();
    let words = ["no ZooKeeper answered at", quorum.as_str()];
    run(maas, "maasctl", &["get", "models"], &[]).bad(&words);
    maas.cluster.zookeeper().resume().unwrap();
    maas.cluster.zookeeper().kill().unwrap();
    run(maas, "maasctl", &["scale", "waits", "--replicas", "3"], &[]).bad(&words);
    assert!(follows("the connection to ZooKeeper is lost"));
    assert_eq!(maas.pids("dga.py"), pids, "the models run on");
    for (_, url) in &endpoints {
        assert_eq!(http(&format!("{url}/apply?host=yahoo.com")).await.unwrap().0, 200);
    }
    maas.cluster.zookeeper().start().await.unwrap();
    assert!(until(Duration::from_secs(40), || maas.ctl(&["service", "status"]).out.contains("of 3 instances ready")));
    let now: Value = serde_json::from_str(&maas.ctl(&["get", "models", "waits", "-o", "json"]).good()).unwrap();
    assert_eq!((&now["metadata"]["generation"], &now["spec"]), (&spec["metadata"]["generation"], &spec["spec"]));
    assert!(until(Duration::from_secs(40), || maas.endpoints() == endpoints), "{:?}", maas.endpoints());
    assert_eq!(maas.pids("dga.py"), pids, "no model was restarted");
    maas.ctl(&["scale", "waits", "--replicas", "2", "--wait", "--timeout", "60s"]).good();
    assert!(until(Duration::from_secs(10), || follows("2/2")), "it follows on");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

//! Metron's words on real daemons: ADD, LIST, REMOVE as its page has them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use support::{Maas, RUNNER, Said, http, mock_dga, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_words_do_what_its_page_says() {
    let maas = Maas::without_service(Cluster::builder().node_managers(2)).await;
    let quorum = maas.cluster.quorum();
    one_of_two_services_is_refused(&maas, &quorum);
    let local = mock_dga();
    let local = local.to_str().unwrap();
    let add_as = |version: &str, memory: &str, n: &str, more: &[&str]| {
        let words = ["-lmp", local, "-hmp", "/user/root/models", "-mo", "ADD", "-n", "dga"];
        let rest = ["-m", memory, "-v", version, "-ni", n];
        maas.deploy(&[&words[..], &rest, more].concat())
    };
    let add = |n: &str| add_as("1.0", "256", n, &["--wait"]);
    add("1").good();
    let list = maas.deploy(&["-mo", "LIST"]).good();
    let url = maas.endpoints()[0].1.clone();
    assert_eq!(list, format!("Model dga @ 1.0\ndga:1.0 @ {url} serving:\n\tapply=apply\n"));
    for (host, verdict) in [("yahoo.com", "legit"), ("amazon.com", "legit"), ("caseystella.com", "malicious")] {
        let (status, body) = http(&format!("{url}/apply?host={host}")).await.unwrap();
        assert_eq!((status, body.contains(verdict)), (200, true), "{host}: {body}");
    }
    // -e reached the model's environment.
    let pid = maas.pids("dga.py")[0];
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert!(environment.split(|b| *b == 0).any(|v| v == b"GREETING=hello"));

    // What Metron's own clients read: the record, at the full container id, by its own name.
    let record = maas.store.children("/maas/service/dga").await.unwrap().unwrap().remove(0);
    let (data, _) = maas.store.get(&format!("/maas/service/dga/{record}")).await.unwrap().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(
        (json["id"].as_str(), json["payload"]["endpoint"]["url"].as_str()),
        (Some(record.as_str()), Some(url.as_str()))
    );
    assert_eq!(json["payload"]["@class"], "org.apache.metron.maas.config.ModelEndpoint");

    // ADD adds; side by side none is lost.
    std::thread::scope(|scope| {
        let both = [scope.spawn(|| add("1")), scope.spawn(|| add("1"))];
        for one in both {
            one.join().unwrap().good();
        }
    });
    maas.until_ready("dga-1.0", "3/3");
    assert_eq!(maas.deploy(&["-mo", "LIST", "-n", "dga", "-v", "1.0"]).good().matches("apply=apply").count(), 3);
    assert_eq!(maas.deploy(&["-mo", "LIST", "-n", "other"]).good(), "");

    // Another size than it has is refused, and names the field.
    add_as("1.0", "512", "1", &[]).bad(&["memory"]);
    many_side_by_side(&maas, &add_as).await;

    let remove = |name: &str, n: &str| maas.deploy(&["-mo", "REMOVE", "-n", name, "-v", "1.0", "-ni", n, "--wait"]);
    remove("dga", "1").good();
    maas.until_ready("dga-1.0", "2/2");
    let more = remove("dga", "9").good();
    assert!(more.contains("2 instances of dga 1.0 removed, none left (9 were asked)"), "{more}");
    assert!(until(Duration::from_secs(30), || maas.deploy(&["-mo", "LIST"]).out.is_empty()));
    uploads_left(&maas, 0).await;
    // Removed and added again at once, at every point of the removal: the payload is there.
    for pause in (0..400).step_by(40) {
        add("1").good();
        maas.deploy(&["-mo", "REMOVE", "-n", "dga", "-v", "1.0", "-ni", "1"]).good();
        std::thread::sleep(Duration::from_millis(pause));
        add_as("1.0", "256", "1", &["--wait=20"]).good();
        remove("dga", "1").good();
    }
    let unknown = remove("nothing", "1");
    assert_eq!(unknown.code, 0);
    assert!(format!("{}{}", unknown.out, unknown.err).contains("nothing"), "{} {}", unknown.out, unknown.err);
    maas.ctl(&["service", "stop"]).good();
}

/// Two are asked for at once, so that neither client can see the other's: one serves, and the other's own operator
/// refuses, with the name of the one in its way.
fn one_of_two_services_is_refused(maas: &Maas, quorum: &str) {
    // -mm 10, the default, and -e: neither could work in Metron.
    let start = || maas.command("maas_service.sh", &["-zq", quorum, "-e", "GREETING=hello"]).output().unwrap();
    let both = std::thread::scope(|scope| {
        let both = [scope.spawn(start), scope.spawn(start)];
        both.map(|one| one.join().unwrap())
    });
    let (good, bad): (Vec<_>, Vec<_>) = both.iter().partition(|one| one.status.success());
    let words = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((good.len(), bad.len()), (1, 1), "{:?}", both.each_ref().map(words));
    let serves = String::from_utf8_lossy(&good[0].stdout).split(' ').next().unwrap().to_owned();
    let refused = words(bad[0]);
    let told = format!("{serves} reconciles the tree /maas already");
    assert!(serves.starts_with("application_") && refused.contains(&told), "{serves}: {refused}");
    assert!(refused.contains("maasctl service stop"), "{refused}");
    assert!(
        until(Duration::from_secs(10), || maas.pids("maas-operator").len() == 1),
        "{:?}",
        maas.pids("maas-operator")
    );
}

/// The uploads' directories.
async fn uploads(maas: &Maas) -> BTreeSet<String> {
    let hdfs = maas_hdfs::Hdfs::open(&maas.cluster.conf_dir(), Some("root")).unwrap();
    let files = hdfs.list("/user/root/models", 1000).await.unwrap();
    files.into_iter().map(|file| file.path.split('/').nth(4).unwrap().to_owned()).collect()
}

/// Each upload goes with the deployment that it was for, after all else of it.
async fn uploads_left(maas: &Maas, wanted: usize) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let left = uploads(maas).await;
        if left.len() == wanted {
            return;
        }
        assert!(Instant::now() < end, "{left:?} stay in HDFS");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Eight clients at a time, each with the same payload for one of two new versions: no ADD and no REMOVE is lost.
async fn many_side_by_side(maas: &Maas, add_as: &(impl Fn(&str, &str, &str, &[&str]) -> Said + Sync)) {
    let versions = ["9.0", "10.0"];
    std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..8).map(|n| scope.spawn(move || add_as(versions[n % 2], "128", "1", &["--wait"]).good())).collect();
        let said: Vec<String> = all.into_iter().map(|one| one.join().unwrap()).collect();
        let created = said.iter().filter(|one| one.contains("created")).count();
        assert_eq!(created, 2, "{said:?}");
    });
    // As people count: 9.0 before 10.0. Of one version by URL.
    let mut expected = String::new();
    for version in ["1.0", "9.0", "10.0"] {
        let mut urls = maas.endpoints();
        urls.retain(|(instance, _)| instance.contains(&format!("dga-{version}/")));
        urls.sort_by(|a, b| a.1.cmp(&b.1));
        expected += &format!("Model dga @ {version}\n");
        for (_, url) in urls {
            expected += &format!("dga:{version} @ {url} serving:\n\tapply=apply\n");
        }
    }
    assert_eq!(expected.matches("serving").count(), 11, "{expected}");
    assert_eq!(maas.deploy(&["-mo", "list"]).good(), expected);
    let kept = uploads(maas).await;
    assert_eq!(kept.len(), 3, "one for each version, and none of those whose ADD found it there: {kept:?}");
    let remove = |n: usize| {
        let words = ["-mo", "REMOVE", "-n", "dga", "-ni", "1", "-v", versions[n % 2]];
        maas.deploy(&words).good()
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|n| scope.spawn(move || remove(n))).collect();
        let said: Vec<String> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(said.iter().filter(|one| one.contains("none left")).count(), 2, "{said:?}");
    });
    assert!(until(Duration::from_secs(30), || maas.pids(RUNNER).len() == 3), "{:?}", maas.pids(RUNNER));
    assert_eq!(maas.ready("dga-9.0"), None);
    uploads_left(maas, 1).await;
}

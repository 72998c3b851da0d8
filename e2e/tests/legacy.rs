//! Metron's words on real daemons: ADD, LIST, REMOVE as its page has them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::Duration;

use maas_e2e::Cluster;
use support::{Maas, http, mock_dga, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_words_do_what_its_page_says() {
    let maas = Maas::without_service(Cluster::builder().node_managers(2)).await;
    let quorum = maas.cluster.quorum();
    // -mm 10, the default, and -e: neither could work in Metron.
    let start = maas.command("maas_service.sh", &["-zq", &quorum, "-e", "GREETING=hello"]).output().unwrap();
    assert!(start.status.success(), "{}", String::from_utf8_lossy(&start.stderr));
    let local = mock_dga();
    let local = local.to_str().unwrap();
    let add = |n: &str| {
        maas.deploy(&[
            "-lmp",
            local,
            "-hmp",
            "/user/root/models",
            "-mo",
            "ADD",
            "-m",
            "256",
            "-n",
            "dga",
            "-v",
            "1.0",
            "-ni",
            n,
            "--wait",
        ])
    };
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
    maas.deploy(&[
        "-lmp",
        local,
        "-hmp",
        "/user/root/models",
        "-mo",
        "ADD",
        "-m",
        "512",
        "-n",
        "dga",
        "-v",
        "1.0",
        "-ni",
        "1",
    ])
    .bad(&["memory"]);

    let remove = |name: &str, n: &str| maas.deploy(&["-mo", "REMOVE", "-n", name, "-v", "1.0", "-ni", n, "--wait"]);
    remove("dga", "1").good();
    maas.until_ready("dga-1.0", "2/2");
    let more = remove("dga", "9");
    assert_eq!(more.code, 0, "{}", more.err);
    assert!(until(Duration::from_secs(30), || maas.deploy(&["-mo", "LIST"]).out.is_empty()));
    let unknown = remove("nothing", "1");
    assert_eq!(unknown.code, 0);
    assert!(format!("{}{}", unknown.out, unknown.err).contains("nothing"), "{} {}", unknown.out, unknown.err);
    maas.ctl(&["service", "stop"]).good();
}

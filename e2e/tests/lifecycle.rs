//! The life of deployments on real daemons: declared, scaled, replaced, healed, removed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use support::{Maas, RUNNER, bin, http, kill, manifest, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_becomes_endpoints_and_goes_without_a_trace() {
    let maas = Maas::start().await;
    let payload = maas.dga().await;
    maas.apply(&manifest("dga", 2, "256Mi", &payload, "")).good();
    maas.until_ready("dga", "2/2");
    for (_, url) in maas.endpoints() {
        let (status, body) = http(&format!("{url}/apply?host=yahoo.com")).await.unwrap();
        assert_eq!((status, body.contains("legit")), (200, true));
    }

    // A model's own death is healed in place, a container's by another one.
    let before = maas.endpoints();
    kill(maas.pids("dga.py")[0]);
    assert!(until(std::time::Duration::from_secs(20), || maas.endpoints() != before));
    maas.until_ready("dga", "2/2");
    kill(maas.pids(RUNNER)[0]);
    assert!(until(std::time::Duration::from_secs(20), || maas.endpoints().iter().any(|(i, _)| i.ends_with("1-3"))));
    maas.until_ready("dga", "2/2");

    another_operator_comes_and_one_that_cannot_run_does_not(&maas);

    // Scaled to zero and back.
    maas.ctl(&["scale", "dga", "--replicas", "0", "--wait"]).good();
    assert!(until(std::time::Duration::from_secs(20), || maas.pids(RUNNER).is_empty()));
    maas.ctl(&["scale", "dga", "--replicas", "1", "--wait"]).good();

    maas.ctl(&["delete", "model", "dga", "--wait"]).good();
    assert!(until(std::time::Duration::from_secs(20), || maas.pids(RUNNER).is_empty()));
    for folder in [
        "specs/ModelDeployment/default",
        "status/ModelDeployment/default",
        "instances/default",
        "endpoints/default",
        "revisions/default",
        "events/default",
        "service",
    ] {
        let path = format!("/maas/{folder}");
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while maas.store.children(&path).await.unwrap().is_some_and(|left| !left.is_empty()) {
            assert!(std::time::Instant::now() < end, "something is left in {path}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    maas.ctl(&["service", "stop"]).good();
}

fn another_operator_comes_and_one_that_cannot_run_does_not(maas: &Maas) {
    let directory = maas.scratch.path().join("other");
    std::fs::create_dir(&directory).unwrap();
    std::fs::copy(bin().join("maas-runner"), directory.join("maas-runner")).unwrap();
    let mut program = std::fs::read(bin().join("maas-operator")).unwrap();
    program.extend(b"another build");
    std::fs::write(directory.join("maas-operator"), program).unwrap();
    let upgrade =
        |directory: &std::path::Path| maas.ctl(&["service", "upgrade", "--libexec", directory.to_str().unwrap()]);
    let running = || (maas.endpoints(), maas.pids(RUNNER), maas.pids("dga.py"));
    let before = running();
    let said = upgrade(&directory).good();
    assert!(said.contains("runs them"), "{said}");
    assert!(upgrade(&directory).good().contains("already"));

    let bad = maas.scratch.path().join("bad");
    std::fs::create_dir(&bad).unwrap();
    std::fs::copy(bin().join("maas-runner"), bad.join("maas-runner")).unwrap();
    std::fs::write(bad.join("maas-operator"), "#!/bin/sh\necho no such library >&2\nexit 7\n").unwrap();
    upgrade(&bad).bad(&["no such library", "goes on"]);
    let status = maas.ctl(&["service", "status"]);
    assert!(status.out.lines().any(|line| line.starts_with("Ready:") && line.ends_with("true")), "{}", status.out);
    assert!(status.err.contains("no such library"), "{}", status.err);
    assert!(upgrade(&directory).good().contains("already"), "the one before the bad one went on");
    assert!(upgrade(&bin()).good().contains("runs them"));
    assert_eq!(running(), before, "what serves was left alone");
}

//! Models of all kinds, well made and badly made, under the real runner and a real ZooKeeper.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use support::{Container, SERVE, Tree, eventually, lives, model_pid, number_in, shared};

async fn begun(files: &[(&str, &str)]) -> (Tree, Container) {
    let tree = Tree::new(shared().await).await;
    let container = Container::of(&tree, files);
    tree.intend(container.iid()).await;
    (tree, container)
}

#[tokio::test]
async fn a_model_is_published_with_the_nodes_name_and_the_announced_port() {
    let (tree, container) = begun(&[("rest.sh", SERVE)]).await;
    let running = container.start();
    let url = tree.published(running.iid()).await;
    assert!(url.starts_with("http://localhost:"), "{url}");
    let report = tree.reported(running.iid(), "ready", |report| report["phase"] == "Ready").await;
    assert_eq!(report["restarts"], 0);
    assert!(lives(model_pid(&url).await));
}

#[tokio::test]
async fn the_model_gets_the_manifests_environment_and_none_of_our_secrets() {
    let script = "env > environment.tmp; mv environment.tmp environment; exec perl model.pl";
    let (tree, container) = begun(&[("rest.sh", script)]).await;
    let running = container.env("THRESHOLD", "0.7 $(touch pwned) `touch pwned` ; touch pwned").start();
    tree.published(running.iid()).await;
    let model = running.container.model();
    let environment = std::fs::read_to_string(model.join("environment")).unwrap();
    assert!(environment.contains("THRESHOLD=0.7 $(touch pwned) `touch pwned` ; touch pwned\n"), "{environment}");
    assert!(environment.contains("MAAS_MODEL_NAME=m\n") && environment.contains("MAAS_MODEL_VERSION=1.0\n"));
    assert!(environment.contains(&format!("PWD={}\n", model.display())), "{environment}");
    assert!(!environment.contains("MAAS_LAUNCH") && !environment.contains("canary"), "{environment}");
    assert!(!model.join("pwned").exists());
}

#[tokio::test]
async fn a_script_that_exits_with_0_or_1_is_started_again_and_its_stderr_reported() {
    for code in [0, 1] {
        let script = format!("echo reason-{code} >&2; exit {code}");
        let (tree, container) = begun(&[("rest.sh", &script)]).await;
        let running = container.start();
        let report =
            tree.reported(running.iid(), "two restarts", |report| report["restarts"].as_u64() >= Some(2)).await;
        assert_eq!(report["lastExit"]["reason"], "ModelExited");
        assert_eq!(report["lastExit"]["code"], code);
        let tail = report["lastExit"]["stderrTail"].as_str().unwrap();
        assert_eq!(tail, format!("reason-{code}"));
        assert!(report["lastExit"]["message"].as_str().unwrap().contains(&format!("code {code}")), "{report}");
    }
}

#[tokio::test]
async fn a_script_that_is_not_executable_runs_all_the_same() {
    let (tree, container) = begun(&[("rest.sh", SERVE)]).await;
    let script = container.dir.path().join("cache/rest.sh");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o400)).unwrap();
    let running = container.start();
    tree.published(running.iid()).await;
}

#[tokio::test]
async fn payloads_that_can_never_start_end_the_container_with_the_reason() {
    let crlf = [("rest.sh", "#!/bin/sh\r\nexec perl model.pl\r\n")];
    let cases = [
        (&[("README", "")][..], "ScriptMissing", "README, model.pl"),
        (&[("a.sh", SERVE), ("b.sh", SERVE)], "ScriptAmbiguous", "a.sh, b.sh"),
        (&crlf, "ScriptHasCRLF", "Windows line ends"),
        (&[("rest.sh", "#!/nowhere/python9\n")], "InterpreterMissing", "not on this node"),
    ];
    for (files, reason, says) in cases {
        let (tree, container) = begun(files).await;
        let mut running = container.start();
        assert_eq!(running.exit_code().await, 1, "{reason}");
        let words = tree.last_words(running.iid()).await;
        assert_eq!(words["reason"], reason);
        assert!(words["message"].as_str().unwrap().contains(says), "{words}");
        assert_eq!(tree.report(running.iid()).await, None, "{reason}: the report goes with the runner");
    }
}

#[tokio::test]
async fn ten_megabytes_of_output_block_nothing_and_are_kept_in_rotated_files() {
    let script =
        "head -c 10485760 /dev/zero | tr '\\0' x; head -c 10485760 /dev/zero | tr '\\0' y >&2\nexec perl model.pl";
    let (tree, container) = begun(&[("rest.sh", script)]).await;
    let running = container.start();
    tree.published(running.iid()).await;
    for name in ["model.out", "model.err"] {
        let size = |name: &str| std::fs::metadata(running.container.log(name)).map_or(0, |meta| meta.len());
        let all = || size(name) + size(&format!("{name}.1")) + size(&format!("{name}.2"));
        eventually(name, async || (all() == 10 << 20).then_some(())).await;
        assert!(size(&format!("{name}.1")) <= (5 << 20) + 8192);
    }
}

#[tokio::test]
async fn a_daemon_left_behind_is_served_and_ended_with_the_container() {
    let script = "setsid perl model.pl & echo $! > started; exit 0";
    let (tree, container) = begun(&[("rest.sh", script)]).await;
    let mut running = container.start();
    let url = tree.published(running.iid()).await;
    let daemon = model_pid(&url).await;
    running.terminate();
    assert_eq!(running.exit_code().await, 143);
    assert!(!lives(daemon), "it had left the process group and is ended all the same");
}

#[tokio::test]
async fn a_daemon_that_dies_is_unpublished_and_started_again() {
    let script = "sleep 1000 & setsid perl model.pl & exit 0";
    let (tree, container) = begun(&[("rest.sh", script)]).await;
    let running = container.start();
    let first = model_pid(&tree.published(running.iid()).await).await;
    support::kill(first);
    let second = eventually("another", async || {
        let (endpoint, _) = tree.get(&tree.endpoint(running.iid())).await?;
        let pid = model_pid(endpoint["url"].as_str()?).await;
        (pid != first).then_some(pid)
    });
    tree.reported(running.iid(), "a restart", |report| report["restarts"] == 1).await;
    assert!(lives(second.await));
}

#[tokio::test]
async fn a_server_that_its_script_starts_again_by_itself_is_followed() {
    let script = "while true; do perl model.pl; done";
    let (tree, container) = begun(&[("rest.sh", script)]).await;
    let running = container.start();
    let url = tree.published(running.iid()).await;
    support::kill(model_pid(&url).await);
    let other = eventually("another address", async || {
        let (endpoint, _) = tree.get(&tree.endpoint(running.iid())).await?;
        (endpoint["url"] != url.as_str()).then_some(endpoint["url"].as_str()?.to_owned())
    });
    assert!(lives(model_pid(&other.await).await));
    let report = tree.reported(running.iid(), "ready", |report| report["phase"] == "Ready").await;
    assert_eq!(report["restarts"], 0, "the script never ended");
}

#[tokio::test]
async fn a_model_that_ignores_sigterm_is_killed_at_the_end_of_grace() {
    let script = "trap '' TERM; echo $$ > pid; sleep 1000";
    let (tree, container) = begun(&[("rest.sh", script)]).await;
    let mut running = container.start();
    let file = running.container.model().join("pid");
    let model = eventually("its pid", async || number_in(&file)).await;
    tree.reported(running.iid(), "a report", |_| true).await;
    let ordered = std::time::Instant::now();
    tree.revoke(running.iid(), Duration::from_secs(2)).await;
    assert_eq!(running.exit_code().await, 0);
    let took = ordered.elapsed();
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(8), "{took:?}");
    assert!(!lives(model));
    let words = tree.last_words(running.iid()).await;
    assert_eq!((&words["reason"], &words["signal"]), (&"Stopped".into(), &9.into()), "{words}");
}

#[tokio::test]
async fn a_model_that_never_announces_is_ended_after_its_time_and_counted() {
    let (tree, mut container) = begun(&[("rest.sh", "sleep 1000")]).await;
    container.launch.startup_timeout_ms = 300;
    let running = container.start();
    let report = tree.reported(running.iid(), "a restart", |report| report["restarts"].as_u64() >= Some(1)).await;
    assert_eq!(report["lastExit"]["reason"], "StartupTimeout");
    let message = report["lastExit"]["message"].as_str().unwrap();
    assert!(message.contains("AnnouncementMissing") && message.contains("spec.startup.timeout"), "{message}");
}

/// A script that announces `announcement` and then stays is said to lack `reason`, and is not published.
async fn refused(announcement: &str, reason: &str) {
    let script = format!("printf '%s' '{announcement}' > endpoint.dat\nsleep 1000");
    let (tree, container) = begun(&[("rest.sh", &script)]).await;
    let running = container.start();
    running.logged(reason).await;
    tree.reported(running.iid(), reason, |report| {
        report["phase"] == "Starting" && report["waiting"]["reason"] == reason
    })
    .await;
    assert!(tree.get(&tree.endpoint(running.iid())).await.is_none());
}

#[tokio::test]
async fn announcements_that_can_not_be_served_are_said_and_not_published() {
    refused(r#"{"url":"http://169.254.169.254:80/"}"#, "AnnouncesOtherHost").await;
    refused(r#"{"url":"http://localhost:0"}"#, "AnnouncementInvalid").await;
    refused(r#"{"url":"http://loc"#, "AnnouncementInvalid").await;
    refused(r#"{"url":"http://localhost:1"}"#, "PortNotListening").await;
}

#[tokio::test]
async fn a_huge_announcement_is_not_read() {
    let (_tree, container) = begun(&[("rest.sh", "head -c 10000000 /dev/zero > endpoint.dat\nsleep 1000")]).await;
    let running = container.start();
    let line = running.logged("AnnouncementInvalid").await;
    assert!(line.contains("64 KiB"), "{line}");
    assert!(running.resident_kib().await < 30_000);
}

#[tokio::test]
async fn a_port_squatted_by_a_stranger_is_never_published() {
    let squatter = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = squatter.local_addr().unwrap().port();
    refused(&format!(r#"{{"url":"http://localhost:{port}"}}"#), "PortHeldByAnother").await;
}

#[tokio::test]
async fn an_announcement_before_the_port_listens_or_in_two_halves_is_waited_for() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = format!(
        "printf '{{\"url\":\"http://loc' > endpoint.dat; sleep 0.2; printf 'alhost:{free}\"}}' >> endpoint.dat; sleep 0.2; exec perl model.pl"
    );
    let (tree, container) = begun(&[("rest.sh", &script)]).await;
    let running = container.env("PORT", &free.to_string()).env("ANNOUNCE_HOST", "127.0.0.1").start();
    assert_eq!(tree.published(running.iid()).await, format!("http://localhost:{free}"));
}

#[tokio::test]
async fn an_announcement_shipped_with_the_payload_does_not_count() {
    let squatter = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let stale = format!(r#"{{"url":"http://localhost:{}"}}"#, squatter.local_addr().unwrap().port());
    let (tree, container) = begun(&[("rest.sh", "sleep 0.3; exec perl model.pl"), ("endpoint.dat", &stale)]).await;
    let running = container.start();
    let url = tree.published(running.iid()).await;
    assert!(!stale.contains(&url), "{url}");
    let shipped = std::fs::read_to_string(running.container.dir.path().join("cache/endpoint.dat")).unwrap();
    assert_eq!(shipped, stale, "the payload itself is untouched");
}

#[tokio::test]
async fn a_model_bound_to_loopback_of_a_node_that_is_not_is_told_so() {
    // 127.0.0.2 stands for a node's address that the model's 127.0.0.1 does not cover.
    let (_tree, mut container) = begun(&[("rest.sh", SERVE)]).await;
    container.node = "127.0.0.2".to_owned();
    let running = container.env("BIND", "127.0.0.1").start();
    let line = running.logged("AddressNotReachable").await;
    assert!(line.contains("bind 0.0.0.0"), "{line}");
}

#[tokio::test]
async fn an_unready_model_is_unpublished_after_three_probes_and_comes_back_after_one() {
    let (tree, container) = begun(&[("rest.sh", "touch unhealthy; exec perl model.pl")]).await;
    let running = container.probed_at("/health", Duration::from_millis(100)).start();
    running.logged("NotReady").await;
    assert!(tree.get(&tree.endpoint(running.iid())).await.is_none());
    let file = running.container.model().join("unhealthy");
    std::fs::remove_file(&file).unwrap();
    let first = tree.published(running.iid()).await;
    std::fs::write(&file, "").unwrap();
    tree.withdrawn(running.iid()).await;
    tree.reported(running.iid(), "unready", |report| report["phase"] == "Unready").await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(tree.published(running.iid()).await, first);
    assert_eq!(tree.report(running.iid()).await.unwrap()["restarts"], 0);
}

#[tokio::test]
async fn a_payload_directory_that_is_shared_is_shown_through_private_links() {
    let (tree, container) = begun(&[("rest.sh", SERVE)]).await;
    std::fs::remove_dir_all(container.model()).unwrap();
    std::os::unix::fs::symlink(container.dir.path().join("cache"), container.model()).unwrap();
    let running = container.start();
    tree.published(running.iid()).await;
    assert!(!running.container.dir.path().join("cache/endpoint.dat").exists());
}

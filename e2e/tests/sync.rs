//! From a push to an instance that serves it, on real daemons.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Maas, WORD_MODEL, http, manifest};

const WITHIN: Duration = Duration::from_secs(120);

const SCRIPT: &str = "#!/bin/sh\nexec python3 -I -S model.py\n";

fn git(inside: &Path, args: &[&str]) {
    let who = [("GIT_AUTHOR_NAME", "ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com")];
    let as_whom = [("GIT_COMMITTER_NAME", "ann"), ("GIT_COMMITTER_EMAIL", "ann@example.com")];
    let mut command = Command::new("git");
    command.args(args).current_dir(inside).env("GIT_CONFIG_GLOBAL", "/dev/null").envs(who).envs(as_whom);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What the one model answers, if it does.
async fn answer(maas: &Maas) -> Option<String> {
    let endpoints = maas.endpoints();
    let [(_, url)] = endpoints.as_slice() else { return None };
    http(url).await.ok().map(|(_, body)| body)
}

async fn until_answered(maas: &Maas, word: Option<&str>) {
    let end = Instant::now() + WITHIN;
    loop {
        let said = answer(maas).await;
        let gone = word.is_none() && maas.endpoints().is_empty();
        if gone || (said.is_some() && said.as_deref() == word) {
            return;
        }
        let page = || {
            format!("{}\n{}", maas.ctl(&["describe", "sync", "fleet"]).out, maas.ctl(&["describe", "md", "echo"]).out)
        };
        assert!(Instant::now() < end, "{word:?} is not answered but {said:?}:\n{}", page());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_serves() {
    let maas = Maas::start().await;
    let payload = maas.payload(&[("rest.sh", SCRIPT), ("model.py", WORD_MODEL)]).await;
    let (scratch, work) = (maas.scratch.path(), maas.scratch.path().join("work"));
    git(scratch, &["init", "-q", "--bare", "-b", "main", "origin.git"]);
    git(scratch, &["clone", "-q", "origin.git", "work"]);
    git(&work, &["checkout", "-q", "-b", "main"]);
    let push = |message: &str| {
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-q", "-m", message]);
        git(&work, &["push", "-q", "origin", "main"]);
    };
    let write = |word: &str| {
        let more = format!("  env: {{WORD: {word}}}\n  terminationGracePeriod: 2s\n");
        std::fs::write(work.join("echo.yaml"), manifest("echo", 1, "128Mi", &payload, &more)).unwrap();
    };
    // Something else stays, so that a prune is no mistake.
    std::fs::write(work.join("idle.yaml"), manifest("idle", 0, "128Mi", &payload, "")).unwrap();
    write("one");
    push("one");
    let url = format!("file://{}", scratch.join("origin.git").display());
    let mut syncer = maas
        .command("maasctl", &["sync", &url, "--name", "fleet", "--branch", "main", "--prune", "--interval", "1s"])
        .env("XDG_CACHE_HOME", scratch.join("cache"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until_answered(&maas, Some("one")).await;
    write("two");
    push("two");
    until_answered(&maas, Some("two")).await;
    maas.ctl(&["wait", "sync/fleet", "--for=condition=Ready", "--timeout", "120s"]).good();
    maas.ctl(&["scale", "echo", "--replicas", "0"]).good();
    until_answered(&maas, Some("two")).await;
    std::fs::remove_file(work.join("echo.yaml")).unwrap();
    push("none");
    until_answered(&maas, None).await;
    syncer.kill().unwrap();
    syncer.wait().unwrap();
    maas.ctl(&["service", "stop"]).good();
}

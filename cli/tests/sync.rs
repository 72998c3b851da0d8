//! GitOps against a real ZooKeeper and real repositories: pushed, broken, pruned, reverted, edited by hand, killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{Ran, command};
use tree_support::Tree;

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

fn manifest(name: &str, more: &str) -> String {
    format!(
        "# {name}\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: {name}\nspec:\n  model: {{name: dga, version: \"1.0\"}}\n  payload: {{path: /models/dga}}\n{more}"
    )
}

/// A bare repository, a clone of it to push from, and a cache for mirrors.
struct Repository {
    directory: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { directory: tempfile::tempdir().unwrap() };
        repository.git(&["init", "-q", "--bare", "-b", "main", "origin.git"], ".");
        repository.git(&["clone", "-q", "origin.git", "work"], ".");
        repository.git(&["checkout", "-q", "-b", "main"], "work");
        repository
    }

    fn git(&self, args: &[&str], inside: &str) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.directory.path().join(inside))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com")])
            .envs([("GIT_COMMITTER_NAME", "ann"), ("GIT_COMMITTER_EMAIL", "ann@example.com")])
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn url(&self) -> String {
        format!("file://{}", self.directory.path().join("origin.git").display())
    }

    fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits all there is and pushes it; gives the commit.
    fn push(&self, message: &str) -> String {
        self.git(&["add", "-A"], "work");
        self.git(&["commit", "-q", "--allow-empty", "-m", message], "work");
        self.git(&["push", "-q", "origin", "main"], "work");
        self.git(&["rev-parse", "HEAD"], "work")
    }

    /// Makes `names` the only manifests, each with `more`.
    fn fleet(&self, names: &[String], more: &str) {
        let models = self.work().join("models");
        let _ = std::fs::remove_dir_all(&models);
        for name in names {
            self.write(&format!("models/{name}.yaml"), &manifest(name, more));
        }
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("m{number:02}")).collect()
}

/// A running syncer, ended with the test.
struct Syncer(Child);

impl Syncer {
    fn start(tree: &Tree, cache: &Path, words: &[&str]) -> Self {
        let mut all = vec!["-z", &tree.quorum, "--root", &tree.root, "sync"];
        all.extend(words);
        let child = command()
            .args(all)
            .env("XDG_CACHE_HOME", cache)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asked to end by SIGTERM; gives the exit code.
    fn end(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One round.
fn once(tree: &Tree, cache: &Path, words: &[&str]) -> Ran {
    let mut all = vec!["-z", &tree.quorum, "--root", &tree.root, "sync", "--once"];
    all.extend(words);
    command().args(all).env("XDG_CACHE_HOME", cache).stdin(Stdio::null()).output().unwrap().into()
}

#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        let why = match look() {
            Ok(found) => return found,
            Err(why) => why,
        };
        assert!(Instant::now() < end, "{what}: {why}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is(holds: bool, otherwise: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// The record of a sync.
fn record(tree: &Tree, name: &str) -> serde_json::Value {
    let data = tree.get(&format!("{}/syncs/default/{name}", tree.root)).unwrap_or_default();
    serde_json::from_slice(&data).unwrap_or_default()
}

/// Waits until the last round that came to its end was of this commit.
#[track_caller]
fn until_attempted(tree: &Tree, name: &str, commit: &str) -> serde_json::Value {
    until(&format!("sync {name} attempts {commit}"), || {
        let record = record(tree, name);
        let attempted = record["status"]["lastAttemptedRevision"].as_str().unwrap_or_default();
        is(attempted.ends_with(commit), record.to_string()).map(|()| record)
    })
}

fn reason(record: &serde_json::Value) -> &str {
    let conditions = record["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == "Ready").unwrap()["reason"].as_str().unwrap()
}

/// The names of all deployments.
fn listed(tree: &Tree) -> Vec<String> {
    tree.below(&format!("{}/specs/ModelDeployment/default", tree.root))
}

#[test]
fn a_repository_is_applied_healed_pruned_and_reverted() {
    let (tree, git) = (Tree::new(), Repository::new());
    let all = names(50);
    git.fleet(&all, "");
    git.write("README.md", "models of the team");
    git.write(".github/workflows/ci.yml", "on: push");
    let first = git.push("fifty");
    let url = git.url();
    let words =
        [url.as_str(), "--name", "fleet", "--branch", "main", "--path", "models", "--prune", "--interval", "1s"];
    let syncer = Syncer::start(&tree, &git.cache(), &words);
    let status = until_attempted(&tree, "fleet", &first);
    assert_eq!(listed(&tree), all);
    assert_eq!(status["status"]["lastAppliedRevision"], format!("main@sha1:{first}"));
    assert_eq!((reason(&status), &status["status"]["inventory"]["objects"]), ("Progressing", &50.into()));
    let spec = tree.spec("m07");
    assert!(
        spec.starts_with("# m07\n") && spec.contains(&first) && spec.contains("\"maas/applyset\": \"fleet\""),
        "{spec}"
    );

    // A change is applied; what it does not change keeps its commit.
    git.write("models/m07.yaml", &manifest("m07", "  env: {X: \"1\"}\n"));
    let second = git.push("change one");
    until_attempted(&tree, "fleet", &second);
    assert!(tree.spec("m07").contains(&second) && tree.spec("m07").contains("X: \"1\""));
    assert!(tree.spec("m08").contains(&first));

    // A broken file blocks itself alone, says where, and nothing is pruned for it.
    git.write("models/m08.yaml", &manifest("m08", "  replicas: many\n"));
    git.write("models/m09.yaml", &manifest("m09", "  env: {X: \"2\"}\n"));
    std::fs::remove_file(git.work().join("models/m10.yaml")).unwrap();
    let broken = git.push("break one, change one, delete one");
    let status = until_attempted(&tree, "fleet", &broken);
    assert_eq!((reason(&status), listed(&tree).len()), ("BuildFailed", 50));
    assert_eq!(status["status"]["lastAppliedRevision"], format!("main@sha1:{second}"));
    let fault = &status["status"]["faults"][0];
    assert_eq!((&fault["file"], &fault["line"], &fault["column"]), (&"models/m08.yaml".into(), &9.into(), &13.into()));
    assert!(tree.spec("m09").contains("X: \"2\"") && tree.spec("m08").contains(&first));

    // Mended, it is pruned.
    git.write("models/m08.yaml", &manifest("m08", ""));
    let mended = git.push("mend it");
    until_attempted(&tree, "fleet", &mended);
    assert!(!listed(&tree).contains(&"m10".to_owned()) && listed(&tree).len() == 49);

    // A hand's edit is healed, and told.
    let mended_spec = tree.spec("m09");
    let edited = mended_spec.replace("X: \"2\"", "X: \"3\"");
    tree.put(&format!("{}/specs/ModelDeployment/default/m09", tree.root), edited.as_bytes());
    until("the edit is healed", || is(tree.spec("m09") == mended_spec.replace(&broken, &mended), tree.spec("m09")));
    let drift = until("the drift is told", || {
        let drift = record(&tree, "fleet")["status"]["drift"].clone();
        is(drift.is_object(), "no drift").map(|()| drift)
    });
    assert_eq!((&drift["objects"][0], &drift["healed"]), (&"default/m09".into(), &true.into()));
    tree.ctl(&["delete", "md", "m11"]).ok();
    until("the deleted is back", || is(listed(&tree).len() == 49, "not yet"));

    // Reverted, it is back.
    git.git(&["revert", "--no-edit", &mended], "work");
    git.git(&["revert", "--no-edit", &broken], "work");
    let reverted = git.push("reverted");
    until_attempted(&tree, "fleet", &reverted);
    assert_eq!(listed(&tree), all);
    assert!(!tree.spec("m09").contains("X:"));

    // A repository that declares nothing deletes nothing.
    git.fleet(&[], "");
    git.write("models/.gitkeep", "");
    let empty = git.push("empty");
    let status = until_attempted(&tree, "fleet", &empty);
    assert_eq!((reason(&status), listed(&tree).len()), ("PruneFailed", 50));
    assert_eq!(syncer.end(), Some(0));
}

//! GitOps against a real ZooKeeper and real repositories: pushed, broken, pruned, reverted, edited by hand, killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

#[path = "support/repository.rs"]
mod repository;
mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use repository::{Repository, manifest};
use support::{Ran, command};
use tree_support::Tree;

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

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

#[test]
fn a_sync_is_seen_suspended_resumed_asked_and_deleted() {
    let (tree, git) = (Tree::new(), Repository::new());
    git.fleet(&names(2), "");
    let first = git.push("two");
    let url = git.url();
    let words = [url.as_str(), "--name", "fleet", "--interval", "1h"];
    let mut syncer = Syncer::start(&tree, &git.cache(), &words);
    until_attempted(&tree, "fleet", &first);

    // Seen as every resource is.
    let cells = |text: &str| {
        let split =
            |line: &str| line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
        text.lines().map(split).collect::<Vec<Vec<String>>>()
    };
    let short = format!("sha1:{}", &first[..12]);
    let rows = cells(&tree.ctl(&["get", "syncs"]).ok());
    assert_eq!(rows[0], ["NAME", "READY", "STATUS", "REVISION", "AGE"]);
    let message = format!("0 of 2 objects are ready: sha1:{first}");
    assert_eq!(rows[1][..4], ["fleet", "Unknown", &message, &short]);
    let wide = cells(&tree.ctl(&["get", "sync", "fleet", "-o", "wide", "--no-headers"]).ok());
    assert_eq!(wide[0][5..11], ["False", "0/2", "0", &url, "<none>", "<none>"]);
    let json: serde_json::Value =
        serde_json::from_str(&tree.ctl(&["get", "sync", "fleet", "-o", "json"]).ok()).unwrap();
    assert_eq!(
        (&json["kind"], &json["spec"]["source"], &json["owner"]["pid"]),
        (&"Sync".into(), &url.clone().into(), &syncer.0.id().into())
    );
    let page = tree.ctl(&["describe", "sync", "fleet"]).ok();
    assert!(
        page.contains(&format!("LastAppliedRevision:   sha1:{first}\n"))
            && page.contains("Faults:                <none>"),
        "{page}"
    );
    let missing = tree.ctl(&["get", "sync", "x"]).failed();
    assert!(missing.starts_with("Error from server (NotFound): syncs.maas \"x\" not found\n"), "{missing}");
    // Its objects become ready, and so does it.
    tree.plant_ready("m00", 1);
    tree.plant_ready("m01", 1);
    tree.ctl(&["wait", "sync/fleet", "--for=condition=Ready", "--timeout", "60s"]).ok();

    // A second one of its name is refused with the owner's name.
    let second = once(&tree, &git.cache(), &words).failed();
    let owner = format!("error: sync default/fleet is run by process {} on ", syncer.0.id());
    assert!(second.starts_with(&owner), "{second}");

    // Suspended it does nothing, and asked it says so; resumed it goes on.
    assert_eq!(tree.ctl(&["suspend", "sync", "fleet"]).ok(), "sync.maas/fleet suspended\n");
    git.fleet(&names(3), "");
    let third = git.push("three");
    let refused = tree.ctl(&["reconcile", "sync", "fleet"]).failed();
    assert!(
        refused.contains("sync default/fleet is suspended: `maasctl resume sync fleet -n default` first"),
        "{refused}"
    );
    let rows = cells(&tree.ctl(&["get", "syncs"]).ok());
    assert!(rows[1][2].starts_with("Suspended; ") && rows[1][3] == short, "{rows:?}");
    assert_eq!(listed(&tree).len(), 2);
    assert_eq!(tree.ctl(&["resume", "sync/fleet"]).ok(), "sync.maas/fleet resumed\n");
    until_attempted(&tree, "fleet", &third);

    // Asked, it looks at once, and its outcome is told.
    let asked = tree.ctl(&["reconcile", "sync", "fleet"]).ok();
    assert!(asked.starts_with("sync.maas/fleet reconciled: ") && asked.contains(&third), "{asked}");
    git.write("models/m00.yaml", "kind: [");
    git.push("broken");
    let told = tree.ctl(&["reconcile", "sync", "fleet"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("models/m00.yaml: line 1"), "{told:?}");

    // Deleted, its syncer ends well, and what it applied stays.
    assert_eq!(tree.ctl(&["delete", "sync", "fleet"]).ok(), "sync.maas \"fleet\" deleted from default namespace\n");
    assert_eq!(syncer.0.wait().unwrap().code(), Some(0));
    assert_eq!(listed(&tree).len(), 3);
    assert_eq!(
        tree.ctl(&["get", "syncs"]),
        Ran { code: Some(0), stdout: String::new(), stderr: "No resources found in default namespace.\n".into() }
    );
    let absent = "Error from server (NotFound): syncs.maas \"fleet\" not found\n";
    for verb in ["reconcile", "suspend", "resume", "delete", "get", "describe"] {
        let told = tree.ctl(&[verb, "sync", "fleet"]).failed();
        assert!(told.starts_with(absent) && told.contains("\nhint: "), "{verb}: {told}");
    }
}

#[test]
fn several_syncs_are_deleted_and_one_that_is_not_there_keeps_none_from_it() {
    let (tree, cache) = (Tree::new(), tempfile::tempdir().unwrap());
    std::fs::write(cache.path().join("m.yaml"), manifest("m", "")).unwrap();
    for name in ["one", "two", "three"] {
        std::fs::create_dir(cache.path().join(name)).unwrap();
        let text = manifest(&format!("of-{name}"), "");
        std::fs::write(cache.path().join(name).join("m.yaml"), text).unwrap();
        tree.ctl(&["sync", cache.path().join(name).to_str().unwrap(), "--once"]);
    }
    let line = |name: &str, how: &str| format!("sync.maas \"{name}\" deleted from default namespace{how}\n");
    for (mode, how) in [("client", " (dry run)"), ("server", " (server dry run)")] {
        let dry = format!("--dry-run={mode}");
        assert_eq!(tree.ctl(&["delete", "sync", "one", "two", &dry]).ok(), line("one", how) + &line("two", how));
    }
    // Beside a deployment, whose name is wrong; and the wait holds at once.
    tree.plant_leader("application_1_0001");
    let ran = tree.ctl(&["delete", "sync/one", "sync/tow", "md/of-one", "md/x", "--wait", "--timeout", "60s"]);
    let deleted = line("one", "") + "modeldeployment.maas \"of-one\" deleted from default namespace\n";
    assert_eq!((ran.code, ran.stdout), (Some(1), deleted), "{}", ran.stderr);
    assert!(ran.stderr.contains("syncs.maas \"tow\" not found\nhint: did you mean two?\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("modeldeployments.maas \"x\" not found\n"), "{}", ran.stderr);
    let ran = tree.ctl(&["suspend", "sync", "x", "two"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "sync.maas/two suspended\n"), "{}", ran.stderr);
    assert!(tree.ctl(&["delete", "sync", "two", "-l", "a=b"]).failed().contains("syncs have no labels"));
    assert_eq!(tree.ctl(&["delete", "syncs", "--all", "-o", "name"]).ok(), "sync.maas/three\nsync.maas/two\n");
    assert_eq!(tree.ctl(&["get", "syncs", "-o", "name"]).ok(), "");
    assert_eq!(tree.ctl(&["get", "md", "-o", "name"]).ok().lines().count(), 2, "what they applied stays");
}

#[test]
fn a_directory_is_followed_and_what_others_change_only_shown() {
    let (tree, cache) = (Tree::new(), tempfile::tempdir().unwrap());
    let models = cache.path().join("models");
    std::fs::create_dir_all(models.join("soc")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(models.join(name), text).unwrap();
    write("a.yaml", &manifest("a", "  replicas: 2\n"));
    write("soc/b.yaml", &manifest("b", "").replace('\n', "\r\n"));
    std::os::unix::fs::symlink("/etc", models.join("soc/out")).unwrap();
    let words = [models.to_str().unwrap(), "--interval", "1h", "--no-heal", "--prune"];
    let syncer = Syncer::start(&tree, cache.path(), &words);
    until("both are there", || is(listed(&tree) == ["a", "b"], format!("{:?}", listed(&tree))));
    write("a.yaml", &manifest("a", "  replicas: 3\n"));
    until("the change is there", || is(tree.spec("a").contains("replicas: 3"), tree.spec("a")));

    tree.ctl(&["scale", "a", "--replicas", "7"]).ok();
    until("the drift is shown", || {
        let drift = record(&tree, "models")["status"]["drift"].clone();
        is(drift["objects"][0] == "default/a" && drift["healed"] == false, drift.to_string())
    });
    assert!(tree.spec("a").contains("replicas: 7"));
    std::fs::remove_file(models.join("soc/b.yaml")).unwrap();
    until("the next change applies all", || is(tree.spec("a").contains("replicas: 3"), tree.spec("a")));
    until("and prunes", || is(listed(&tree) == ["a"], format!("{:?}", listed(&tree))));
    assert_eq!(syncer.end(), Some(0));
}

#[test]
fn two_syncs_that_claim_one_object_name_each_other_and_do_not_fight() {
    let (tree, cache) = (Tree::new(), tempfile::tempdir().unwrap());
    for (directory, more) in [("one", "  replicas: 1\n"), ("two", "  replicas: 2\n")] {
        let models = cache.path().join(directory);
        std::fs::create_dir_all(&models).unwrap();
        std::fs::write(models.join("a.yaml"), manifest("a", more)).unwrap();
        std::fs::write(models.join(format!("{directory}.yaml")), manifest(directory, "")).unwrap();
    }
    let run = |directory: &str| once(&tree, cache.path(), &[cache.path().join(directory).to_str().unwrap(), "--prune"]);
    run("one").ok();
    let before = tree.spec("a");
    for _ in 0..2 {
        let refused = run("two");
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let words = "a.yaml: line 1: it belongs to the applyset one, not to two";
        assert!(refused.stderr.contains(words) && refused.stderr.contains("maas/applyset-"), "{refused:?}");
        run("one").ok();
    }
    assert_eq!((tree.spec("a"), listed(&tree)), (before, ["a", "one", "two"].map(str::to_owned).to_vec()));
    assert_eq!(reason(&record(&tree, "two")), "ReconciliationFailed");
    // Taken out of the one, it is the other's.
    std::fs::remove_file(cache.path().join("one/a.yaml")).unwrap();
    assert_eq!(run("one").ok(), "modeldeployment.maas/a pruned\n");
    assert_eq!(run("two").ok(), "modeldeployment.maas/a created\n");
}

#[test]
fn a_killed_syncer_is_carried_on_by_the_next() {
    let (tree, git) = (Tree::new(), Repository::new());
    let url = git.url();
    let words = [url.as_str(), "--name", "fleet", "--prune", "--interval", "1s"];
    let mut last = String::new();
    for turn in 0..8 {
        // Every turn another twenty of thirty, each changed.
        let all: Vec<String> = (0..20).map(|number| format!("m{:02}", (number + turn * 3) % 30)).collect();
        git.fleet(&all, &format!("  env: {{TURN: \"{turn}\"}}\n"));
        last = git.push("turn");
        let syncer = Syncer::start(&tree, &git.cache(), &words);
        // Somewhere between its start and the end of its round.
        std::thread::sleep(Duration::from_millis(rand::random_range(0..700)));
        syncer.kill();
    }
    let syncer = Syncer::start(&tree, &git.cache(), &words);
    until_attempted(&tree, "fleet", &last);
    let mut wanted: Vec<String> = (0..20).map(|number| format!("m{:02}", (number + 21) % 30)).collect();
    wanted.sort();
    assert_eq!(listed(&tree), wanted);
    for name in wanted {
        let spec = tree.spec(&name);
        assert!(spec.contains("TURN: \"7\"") && spec.contains(&last), "{spec}");
        assert_eq!(spec.matches("maas/applyset").count(), 1, "{spec}");
    }
    // The last one killed may have been done already, so that this one may not even have begun.
    syncer.kill();
}

#[test]
fn edits_of_what_the_source_does_not_hold_are_never_lost() {
    let (tree, git) = (Tree::new(), Repository::new());
    git.fleet(&["m00".to_owned()], "");
    git.push("no number");
    let url = git.url();
    let syncer = Syncer::start(&tree, &git.cache(), &[&url, "--name", "fleet", "--interval", "1s"]);
    until("it is there", || is(listed(&tree).len() == 1, "not yet"));
    tree.ctl(&["scale", "m00", "--replicas", "100"]).ok();
    let words = tree.deploy(&["-mo", "REMOVE", "-n", "dga", "-v", "1.0", "-ni", "2"]);
    let spawn = |words: &[&str]| command().args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut editors = Vec::new();
    let mut last = String::new();
    for turn in 0..4 {
        editors.extend((0..2).map(|_| spawn(&words)));
        editors.extend((0..2).map(|hand| {
            let note = format!("hand-{turn}-{hand}=x");
            spawn(&["-z", &tree.quorum, "--root", &tree.root, "annotate", "md", "m00", &note])
        }));
        git.fleet(&["m00".to_owned()], &format!("  env: {{TURN: \"{turn}\"}}\n"));
        last = git.push("turn");
    }
    for mut editor in editors {
        assert!(editor.wait().unwrap().success());
    }
    until_attempted(&tree, "fleet", &last);
    let spec = tree.spec("m00");
    assert!(spec.contains("replicas: 84") && spec.contains("TURN: \"3\""), "{spec}");
    for (turn, hand) in (0..4).flat_map(|turn| [(turn, 0), (turn, 1)]) {
        assert!(spec.contains(&format!("hand-{turn}-{hand}")), "{turn} {hand}: {spec}");
    }
    assert_eq!(syncer.end(), Some(0));
}

#[test]
fn what_cannot_be_read_is_named_with_what_to_do() {
    let (tree, git) = (Tree::new(), Repository::new());
    let url = git.url();
    let run = |words: &[&str]| {
        let ran = once(&tree, &git.cache(), words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        ran.stderr
    };
    let marker = git.directory.path().join("ran");
    let helper = format!("ext::sh -c touch% {}", marker.display());
    assert!(run(&[&helper]).contains("ext:: would have git run a program"));
    assert!(run(&["--", "--upload-pack=touch"]).contains("does not begin with a dash"));
    assert!(run(&[&url]).contains("is empty: it has no commit yet"));
    git.fleet(&names(1), "");
    git.push("one");
    assert!(run(&[&url, "--branch", "nope"]).contains("has no branch nope"));
    assert!(run(&[&url, "--path", "nope"]).contains("nope is not in commit"));
    let nowhere = format!("{url}.nowhere");
    let said = run(&[&nowhere, "--name", "away"]);
    assert!(said.contains("git fetch failed") && said.contains("nowhere"), "{said}");
    let away = record(&tree, "away");
    assert_eq!((reason(&away), &away["status"]["failures"]), ("ArtifactFailed", &1.into()));
    assert!(!marker.exists());

    let without_git: Ran = command()
        .args(["-z", &tree.quorum, "--root", &tree.root, "sync", "--once", &url])
        .env("PATH", git.cache())
        .env("XDG_CACHE_HOME", git.cache())
        .output()
        .unwrap()
        .into();
    assert!(without_git.failed().contains("git is not installed, or not in PATH"));

    // A link of the repository's leads nowhere.
    std::os::unix::fs::symlink("/etc/passwd", git.work().join("models/link.yaml")).unwrap();
    git.push("a link");
    let ran = once(&tree, &git.cache(), &[&url, "--name", "links"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("models/link.yaml: a symbolic link, which is not followed"), "{ran:?}");
    assert_eq!(listed(&tree), names(1));
}

/// The recipe of docs/gitops.md, as it stands there.
#[test]
fn the_pre_receive_recipe_lets_good_manifests_in_and_no_others() {
    let (tree, git) = (Tree::new(), Repository::new());
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gitops.md")).unwrap();
    let (_, recipe) = page.split_once("```sh\n").unwrap();
    let recipe = recipe.split_once("```").unwrap().0.replace("zk1:2181,zk2:2181,zk3:2181", &tree.quorum);
    let program = Path::new(env!("CARGO_BIN_EXE_maasctl")).parent().unwrap();
    let recipe = recipe
        .replace("set -eu\n", &format!("set -eu\nexport PATH={}:$PATH MAAS_ROOT={}\n", program.display(), tree.root));
    let hook = git.directory.path().join("origin.git/hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    // Written by another process: one that forks beside it would keep it open for writing.
    let write = "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let written = Command::new("sh").args(["-c", write]).arg(&hook).arg(&recipe).status().unwrap();
    assert!(written.success());

    git.write("prod/a.yaml", &manifest("a", ""));
    let good = git.push("good");
    git.write("prod/a.yaml", &manifest("a", "  replicas: many\n"));
    git.git(&["commit", "-q", "-a", "-m", "bad"], "work");
    let push = Command::new("git").args(["push", "origin", "main"]).current_dir(git.work()).output().unwrap();
    let said = String::from_utf8_lossy(&push.stderr);
    assert!(!push.status.success() && said.contains("prod/a.yaml") && said.contains("replicas"), "{said}");
    assert_eq!(git.git(&["rev-parse", "main"], "origin.git"), good);
    assert_eq!(listed(&tree), Vec::<String>::new(), "nothing was applied");
}

#[test]
fn a_syncer_lives_through_a_restart_of_zookeeper() {
    let cluster = tree_support::runtime().block_on(maas_e2e::Cluster::builder().zookeeper_only().start()).unwrap();
    let (tree, git) = (Tree::at(&cluster.quorum(), "/maas"), Repository::new());
    git.fleet(&names(3), "");
    let first = git.push("three");
    let url = git.url();
    let syncer = Syncer::start(&tree, &git.cache(), &[&url, "--name", "fleet", "--interval", "1s"]);
    until_attempted(&tree, "fleet", &first);
    cluster.zookeeper().kill().unwrap();
    git.fleet(&names(4), "");
    let second = git.push("four");
    tree_support::runtime().block_on(cluster.zookeeper().restart()).unwrap();
    until("the next commit is applied", || {
        let said = tree.ctl(&["get", "sync", "fleet", "-o", "jsonpath={.status.lastAppliedRevision}"]);
        is(said.stdout.ends_with(&second), format!("{said:?}"))
    });
    until("the syncer is the owner still, or again", || {
        let said = tree.ctl(&["get", "sync", "fleet", "-o", "jsonpath={.owner.pid}"]);
        is(said.stdout == syncer.0.id().to_string(), format!("{said:?}"))
    });
    assert_eq!(listed(&tree), names(4));
    assert_eq!(syncer.end(), Some(0));
}

#[test]
fn the_systemd_unit_is_one() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    }
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/systemd/maas-sync@.service");
    let text = std::fs::read_to_string(unit).unwrap();
    assert!(text.contains("ExecStart=/usr/local/bin/maasctl sync "));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("maas-sync@models.service");
    std::fs::write(&path, text.replace("/usr/local/bin/maasctl", env!("CARGO_BIN_EXE_maasctl"))).unwrap();
    let said = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
    assert_eq!((said.status.code(), String::from_utf8(said.stderr).unwrap().as_str()), (Some(0), ""));
}

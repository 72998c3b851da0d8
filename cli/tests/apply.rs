//! `apply` against a real ZooKeeper.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use maas_e2e::{Protocol, Proxy, Weather};
use support::{Ran, maasctl};
use tree_support::{Tree, runtime};

fn manifest(name: &str) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: {name}\nspec:\n  model: {{name: {name}, version: \"1.0\"}}\n  payload: {{path: /models/{name}}}\n"
    )
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

fn said(stdout: &str, stderr: &str) -> Ran {
    Ran { code: Some(0), stdout: stdout.into(), stderr: stderr.into() }
}

#[test]
fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let tree = Tree::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.yaml");
    let file = file.to_str().unwrap();
    write(directory.path(), "a.yaml", &manifest("a"));
    // Nothing stands there yet, not even the tree's own folders.
    for mode in ["--dry-run", "--dry-run=client"] {
        assert_eq!(tree.ctl(&["apply", "-f", file, mode]), said("modeldeployment.maas/a created (dry run)\n", ""));
    }
    let server = said("modeldeployment.maas/a created (server dry run)\n", "");
    assert_eq!(tree.ctl(&["apply", "-f", file, "--dry-run=server"]), server);
    assert_eq!(tree.below(tree.root.rsplit_once('/').unwrap().0), [""; 0]);

    assert_eq!(tree.ctl(&["apply", "-f", file, "--dry-run=none"]).ok(), "modeldeployment.maas/a created\n");
    let before = tree.spec("a");
    assert_eq!(
        tree.ctl(&["apply", "-f", file, "--dry-run=server"]).ok(),
        "modeldeployment.maas/a unchanged (server dry run)\n"
    );
    write(directory.path(), "a.yaml", &manifest("a").replace("/models", "/new"));
    for (mode, words) in [("client", "(dry run)"), ("server", "(server dry run)")] {
        let ran = tree.ctl(&["apply", "-f", file, &format!("--dry-run={mode}")]);
        assert_eq!(ran, said(&format!("modeldeployment.maas/a configured {words}\n"), ""));
    }
    assert_eq!(tree.spec("a"), before);
}

#[test]
fn a_prune_deletes_the_sets_members_that_are_no_longer_declared() {
    let tree = Tree::new();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_str().unwrap();
    for name in ["a", "b", "c"] {
        write(directory.path(), &format!("{name}.yaml"), &manifest(name));
    }
    let opted_out = manifest("c").replace("  name: c\n", "  name: c\n  annotations: {maas/prune: disabled}\n");
    write(directory.path(), "c.yaml", &opted_out);
    tree.apply(&manifest("nobodys")).ok();
    let elsewhere = manifest("d").replace("  name: d\n", "  name: d\n  namespace: lab\n");
    write(directory.path(), "d.yaml", &elsewhere);
    assert_eq!(
        tree.ctl(&["apply", "-f", at, "--applyset", "soc"]).ok(),
        "modeldeployment.maas/a created\nmodeldeployment.maas/b created\nmodeldeployment.maas/c created\nmodeldeployment.maas/d created\n"
    );
    for name in ["b", "c", "d"] {
        std::fs::remove_file(directory.path().join(format!("{name}.yaml"))).unwrap();
    }
    const KEPT: &str = "modeldeployment.maas/c in default is kept: it is annotated maas/prune: disabled\n";
    let rest = |suffix: &str, first: &str| {
        format!(
            "modeldeployment.maas/a unchanged{first}\nmodeldeployment.maas/b pruned{suffix}\nmodeldeployment.maas/d pruned{suffix}\n"
        )
    };
    let prune = ["apply", "-f", at, "--applyset", "soc"];
    let with = |more: &[&'static str]| tree.ctl(&[&prune[..], more].concat());
    assert_eq!(with(&["--prune-dry-run"]), said(&rest(" (dry run)", ""), KEPT));
    let server = with(&["--prune", "--dry-run=server"]);
    assert_eq!(server, said(&rest(" (server dry run)", " (server dry run)"), KEPT));
    assert_eq!(tree.ctl(&["get", "md", "-A", "--no-headers"]).ok().lines().count(), 5);
    assert_eq!(with(&["--prune"]), said(&rest("", ""), KEPT));
    let left = tree.ctl(&["get", "md", "-A", "-o", "name"]).ok();
    assert_eq!(left, "modeldeployment.maas/a\nmodeldeployment.maas/c\nmodeldeployment.maas/nobodys\n");
}

#[test]
fn nothing_is_pruned_when_something_was_refused() {
    let tree = Tree::new();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_str().unwrap();
    for name in ["a", "b"] {
        write(directory.path(), &format!("{name}.yaml"), &manifest(name));
    }
    tree.ctl(&["apply", "-f", at, "--applyset", "soc"]).ok();
    let labs = directory.path().join("lab");
    std::fs::create_dir(&labs).unwrap();
    write(&labs, "a.yaml", &manifest("a"));
    write(&labs, "c.yaml", &manifest("c"));
    let ran = tree.ctl(&["apply", "-f", labs.to_str().unwrap(), "--applyset", "lab", "--prune"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "modeldeployment.maas/c created\n"));
    let words = "error: modeldeployment.maas/a in default: it belongs to the applyset soc, not to lab: ";
    assert!(ran.stderr.starts_with(words), "{}", ran.stderr);
    let end =
        "nothing was pruned, as not everything was applied\nerror: 1 of 2 were applied, 1 failed, as said above\n";
    assert!(ran.stderr.ends_with(end), "{}", ran.stderr);
    assert_eq!(tree.ctl(&["get", "md", "-o", "name"]).ok().lines().count(), 3);
}

#[test]
fn many_are_applied_in_the_order_of_their_files() {
    let tree = Tree::new();
    let names: Vec<String> = (0..100).map(|number| format!("m{:02}", 99 - number)).collect();
    let text: Vec<String> = names.iter().map(|name| manifest(name)).collect();
    let expected =
        |word: &str| names.iter().map(|name| format!("modeldeployment.maas/{name} {word}\n")).collect::<String>();
    assert_eq!(tree.apply(&text.join("---\n")).ok(), expected("created"));
    assert_eq!(tree.apply(&text.join("---\n")).ok(), expected("unchanged"));
}

#[test]
fn a_zookeeper_that_is_lost_on_the_way_hides_nothing_that_was_done() {
    let tree = Tree::new();
    let directory = tempfile::tempdir().unwrap();
    for number in 0..100 {
        write(directory.path(), &format!("m{number:02}.yaml"), &manifest(&format!("m{number:02}")));
    }
    let at = directory.path().to_str().unwrap();
    let server = tree.quorum.parse().unwrap();
    let proxy = runtime().block_on(Proxy::start(server, Protocol::ZooKeeper, |_| String::new())).unwrap();
    let through = Tree::at(&proxy.address().to_string(), &tree.root);
    // Slow enough that it is lost long before the end.
    proxy.set("", Weather::Delay(Duration::from_millis(20)));
    let mut child = through.spawn(&["apply", "-f", at]);
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    for _ in 0..10 {
        said.read_line(&mut first).unwrap();
    }
    proxy.set("", Weather::Cut);
    said.read_to_string(&mut first).unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{errors}");
    let done = first.lines().count();
    assert!((10..100).contains(&done) && first.lines().all(|line| line.ends_with(" created")), "{first}");
    assert!(errors.contains(&format!("error: {done} of 100 were applied, ")), "{errors}");
    assert!(
        errors.contains("as ZooKeeper was lost") && errors.contains("of these nobody knows: default/m"),
        "{errors}"
    );

    // Again, it does what is left.
    let second = tree.ctl(&["apply", "-f", at]).ok();
    assert_eq!(second.lines().count(), 100);
    assert!(second.lines().take(done).all(|line| line.ends_with(" unchanged")), "{second}");
    assert_eq!(tree.ctl(&["get", "md", "-o", "name"]).ok().lines().count(), 100);
}

#[test]
fn when_nobody_answers_any_more_the_rest_is_not_tried() {
    let tree = Tree::new();
    tree.apply(&["a", "b", "c"].map(manifest).join("---\n")).ok();
    let proxy = Proxy::start(tree.quorum.parse().unwrap(), Protocol::ZooKeeper, |_| String::new());
    let proxy = runtime().block_on(proxy).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("editor");
    // The first edit is written; at the second, ZooKeeper is gone when it is to be written.
    std::fs::write(
        &script,
        "sed -i 's/^spec:/spec:\\n  replicas: 7/' \"$1\"\nif grep -q 'name: b' \"$1\"; then touch \"$0.b\"; while [ -e \"$0.b\" ]; do sleep 0.05; done; fi\n",
    )
    .unwrap();
    let through = Tree::at(&proxy.address().to_string(), &tree.root);
    let mut command = through.command(&["edit", "a", "b", "c"]);
    command.env("MAAS_EDITOR", format!("sh {}", script.display()));
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mark = directory.path().join("editor.b");
    while !mark.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    proxy.set("", Weather::Cut);
    std::fs::remove_file(&mark).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "modeldeployment.maas/a edited\n"), "{ran:#?}");
    let told = "error: 1 of 3 are done; nobody knows of default/b, and 1 were not tried: ";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert!(tree.spec("a").contains("replicas: 7") && !tree.spec("c").contains("replicas"));
    for line in ran.stderr.lines().filter(|line| line.starts_with("A copy of your changes")) {
        std::fs::remove_file(line.split('"').nth(1).unwrap()).unwrap();
    }
}

#[test]
fn what_one_may_not_write_is_told_and_the_rest_is_done() {
    let tree = Tree::new();
    let all = ["a", "b", "c"].map(manifest).join("---\n");
    tree.apply(&all).ok();
    let client = runtime().block_on(zookeeper_client::Client::connect(&tree.quorum)).unwrap();
    let acl =
        |permission, scheme, id| zookeeper_client::Acl::new(permission, zookeeper_client::AuthId::new(scheme, id));
    let owners = [
        acl(zookeeper_client::Permission::READ, "world", "anyone"),
        acl(zookeeper_client::Permission::ALL, "digest", "soc:TQuu9ZVMyGg5hxXeV+YnV5OSzF4="),
    ];
    let path = format!("{}/specs/ModelDeployment/default/b", tree.root);
    runtime().block_on(client.set_acl(&path, &owners, None)).unwrap();
    let all = all.replace("/models/", "/new/");
    let refused = "error: modeldeployment.maas/b in default: ";
    for (words, suffix) in [(&["--dry-run=server"][..], " (server dry run)"), (&[][..], "")] {
        let ran = tree.ctl_with(&[&["apply", "-f", "-"][..], words].concat(), &all);
        let done = format!("modeldeployment.maas/a configured{suffix}\nmodeldeployment.maas/c configured{suffix}\n");
        assert_eq!((ran.code, ran.stdout), (Some(1), done));
        assert!(ran.stderr.starts_with(refused) && ran.stderr.contains(MAY_NOT_WRITE), "{}", ran.stderr);
        assert!(ran.stderr.ends_with("error: 2 of 3 were applied, 1 failed, as said above\n"), "{}", ran.stderr);
    }
    assert!(tree.spec("b").contains("/models/b") && tree.spec("c").contains("/new/c"));
    // Nor may it be read.
    let owner = [acl(zookeeper_client::Permission::ALL, "digest", "soc:TQuu9ZVMyGg5hxXeV+YnV5OSzF4=")];
    let path = format!("{}/specs/ModelDeployment/default/a", tree.root);
    runtime().block_on(client.set_acl(&path, &owner, None)).unwrap();
    let ran = tree.apply(&manifest("a"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains(&may_not_read(&path)), "{}", ran.stderr);
}

const MAY_NOT_WRITE: &str = "world:anyone, as whom ZooKeeper was asked, may not write there: let who administers it add the right w, or, to create or delete it, c or d on the node above";

fn may_not_read(path: &str) -> String {
    format!(
        "reading {path} failed: its access control list lets world:anyone, as whom ZooKeeper was asked, not read it: let who administers it add the right r (`setAcl {path} ...,world:anyone:r` in zkCli.sh)"
    )
}

#[test]
fn what_is_closed_is_told_with_who_asked_and_what_to_do() {
    let tree = Tree::new();
    tree.apply(&["a", "b"].map(manifest).join("---\n")).ok();
    let client = runtime().block_on(zookeeper_client::Client::connect(&tree.quorum)).unwrap();
    let folder = format!("{}/specs/ModelDeployment/default", tree.root);
    let path = format!("{folder}/a");
    let set = |path: &str, anyone: Option<zookeeper_client::Permission>| {
        let acl =
            |permission, scheme, id| zookeeper_client::Acl::new(permission, zookeeper_client::AuthId::new(scheme, id));
        let owner = acl(zookeeper_client::Permission::ALL, "digest", "soc:TQuu9ZVMyGg5hxXeV+YnV5OSzF4=");
        let anyone = anyone.map(|permission| acl(permission, "world", "anyone"));
        let list: Vec<_> = [owner].into_iter().chain(anyone).collect();
        runtime().block_on(client.set_acl(path, &list, None)).unwrap();
    };
    set(&path, None);
    // One that is closed hides no other in a list, and is told where it is asked for.
    let listed = tree.ctl(&["get", "md", "-o", "name"]);
    assert_eq!(listed.clone_ok(), "modeldeployment.maas/b\n");
    let left_out =
        format!("warning: {path} may not be read by world:anyone: left out; who administers it can add the right r\n");
    assert_eq!(listed.stderr, left_out);
    for words in [
        &["get", "md", "a"][..],
        &["describe", "a"],
        &["label", "a", "t=1"],
        &["scale", "a", "--replicas", "3"],
        &["delete", "a"],
        &["edit", "a"],
        &["rollout", "status", "a"],
        &["wait", "a"],
        &["get", "md", "a", "-w"],
    ] {
        let refused = tree.ctl(words).failed();
        assert!(refused.starts_with("error: ") && refused.contains(&may_not_read(&path)), "{words:?}: {refused}");
    }
    // Others are done beside it.
    let ran = tree.ctl(&["label", "a", "b", "t=1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "modeldeployment.maas/b labeled\n"), "{ran:#?}");
    assert!(ran.stderr.starts_with(&format!("error: modeldeployment.maas/a: {}", may_not_read(&path))), "{ran:#?}");
    // Read, and neither written in nor added to.
    set(&folder, Some(zookeeper_client::Permission::READ));
    for words in [&["delete", "b"][..], &["delete", "b", "--dry-run=server"]] {
        let refused = tree.ctl(words).failed();
        assert!(refused.contains(MAY_NOT_WRITE), "{words:?}: {refused}");
    }
    let created = tree.ctl_with(&["create", "-f", "-"], &manifest("c")).failed();
    assert!(created.contains(MAY_NOT_WRITE) && created.contains(&format!("{folder}/c")), "{created}");
    // And nothing of it is seen.
    set(&format!("{}/specs/ModelDeployment", tree.root), Some(zookeeper_client::Permission::CREATE));
    for words in [&["get", "md", "-A"][..], &["get", "md", "-A", "-w"], &["wait", "md", "--all", "-A", "--for=delete"]]
    {
        let refused = tree.ctl(words).failed();
        let path = format!("{}/specs/ModelDeployment", tree.root);
        assert!(refused.contains(&may_not_read(&path)), "{words:?}: {refused}");
    }
}

#[test]
fn a_diff_shows_what_an_apply_would_change() {
    let tree = Tree::new();
    let diff = |text: &str, more: &[&'static str]| tree.ctl_with(&[&["diff", "-f", "-"][..], more].concat(), text);
    let created = diff(&manifest("a"), &[]);
    assert_eq!((created.code, created.stderr.as_str()), (Some(1), ""));
    let lines: Vec<&str> = created.stdout.lines().collect();
    assert_eq!(
        lines[..2],
        ["--- LIVE/maas.v1.ModelDeployment.default.a", "+++ MERGED/maas.v1.ModelDeployment.default.a"]
    );
    assert!(lines[3..].iter().all(|line| line.starts_with('+')) && lines.contains(&"+  replicas: 1"), "{lines:#?}");

    tree.ctl_with(&["apply", "-f", "-", "--applyset", "soc"], &[manifest("a"), manifest("b")].join("---\n")).ok();
    // Another layout, a default written out, the notes of maas itself: nothing of it is a difference.
    let same = manifest("a").replace("kind:", "# ours\nkind:").replace("spec:", "spec:\n  resources: {memory: 512Mi}");
    assert_eq!(diff(&same, &[]), said("", ""));
    let other = diff(&same.replace("512Mi", "1Gi"), &[]);
    assert_eq!(other.code, Some(1));
    assert!(other.stdout.contains("-    memory: 512Mi\n+    memory: 1Gi\n"), "{}", other.stdout);
    assert!(
        diff(&same.replace("512Mi", "1Gi"), &["--color=always"])
            .stdout
            .contains("\u{1b}[32m+    memory: 1Gi\u{1b}[0m\n")
    );
    let pruned = diff(&same, &["--applyset", "soc", "--prune"]);
    assert!(
        pruned.code == Some(1) && pruned.stdout.contains("-  name: b\n") && !pruned.stdout.contains("\n+ "),
        "{pruned:#?}"
    );
    assert_eq!(tree.ctl(&["get", "md", "-o", "name"]).ok().lines().count(), 2, "nothing was changed");

    // What can't be told is neither 0 nor 1.
    for ran in [
        diff(&same.replace("512Mi", "x"), &[]),
        diff(&same, &["--applyset", "lab"]),
        diff(&same, &["--frob"]),
        maasctl(&["diff", "-f", "/nowhere.yaml", "-z", "127.0.0.1:1"]),
        maasctl(&["diff", "-f", "/nowhere.yaml"]),
    ] {
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stdout.is_empty() && ran.stderr.contains("error: "), "{ran:#?}");
    }
}

#[test]
fn a_program_of_the_users_shows_the_diff_and_says_whether_it_is_one() {
    let tree = Tree::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.yaml");
    write(directory.path(), "a.yaml", &manifest("a"));
    let with = |program: &str| -> Ran {
        let mut command = tree.command(&["diff", "-f", file.to_str().unwrap()]);
        command.env("MAAS_EXTERNAL_DIFF", program).stdin(std::process::Stdio::null()).output().unwrap().into()
    };
    let shown = with("diff -r -u -N");
    assert_eq!(shown.code, Some(1), "{shown:#?}");
    assert!(shown.stdout.contains("/LIVE-") && shown.stdout.contains("\n+  replicas: 1\n"), "{shown:#?}");
    assert_eq!(with("true"), said("", ""));
    let failed = with("/nowhere/diff");
    assert!(
        failed.code == Some(2) && failed.stderr.contains("MAAS_EXTERNAL_DIFF: /nowhere/diff could not be started"),
        "{failed:#?}"
    );
}

#[test]
fn the_examples_that_users_copy_can_be_applied() {
    let tree = Tree::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
    let mut seen = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let file = path.to_str().unwrap();
        let dry = tree.ctl(&["apply", "-f", file, "--dry-run=server"]).ok();
        assert!(!dry.is_empty() && dry.lines().all(|line| line.ends_with(" (server dry run)")), "{file}: {dry}");
        let applied = tree.ctl(&["apply", "-f", file, "--applyset", "soc", "--prune"]).ok();
        assert!(
            applied.lines().any(|line| line.ends_with(" created") || line.ends_with(" configured")),
            "{file}: {applied}"
        );
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
    // Whatever came before or after it, the one that no prune may take is there.
    assert_eq!(
        tree.ctl(&["get", "md", "beacon-2.0", "-n", "soc", "-o", "name"]).ok(),
        "modeldeployment.maas/beacon-2.0\n"
    );
}

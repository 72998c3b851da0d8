//! `apply` against a real ZooKeeper.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::path::Path;

use support::Ran;
use tree_support::Tree;

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

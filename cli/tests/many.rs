//! Several names, files and namespaces in one command: what fails is told, and the rest is done.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::path::{Path, PathBuf};

use support::Ran;
use tree_support::Tree;

fn manifest(name: &str, more: &str) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {{name: {name}{more}}}\nspec:\n  model: {{name: dga, version: \"1.0\"}}\n  replicas: 2\n  payload: {{path: /models/{name}}}\n"
    )
}

/// `a`, `b` and `c`, and an operator that follows them.
fn three() -> Tree {
    let tree = Tree::new();
    tree.apply(&["a", "b", "c"].map(|name| manifest(name, "")).join("---\n")).ok();
    tree.plant_leader("application_1_0001");
    tree
}

fn not_found(name: &str) -> String {
    format!("Error from server (NotFound): modeldeployments.maas \"{name}\" not found\n")
}

/// Some was done and told, some was not, and the code says so.
fn partly(ran: &Ran, stdout: &str, errors: &[&str]) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), stdout), "{ran:#?}");
    for error in errors {
        assert!(ran.stderr.contains(error), "{error}\nnot in\n{}", ran.stderr);
    }
}

fn each(names: &[&str], word: &str) -> String {
    names.iter().map(|name| format!("modeldeployment.maas/{name} {word}\n")).collect()
}

#[test]
fn one_name_that_fails_keeps_no_other_from_its_change() {
    let tree = three();
    let absent = [not_found("x"), not_found("y")];
    let absent: Vec<&str> = absent.iter().map(String::as_str).collect();
    for (words, word) in [(&["scale", "--replicas", "3"][..], "scaled"), (&["rollout", "restart"], "restarted")] {
        let ran = tree.ctl(&[words, &["md", "a", "x", "b", "y", "c"]].concat());
        partly(&ran, &each(&["a", "b", "c"], word), &absent);
    }
    let ran = tree.ctl(&["label", "md/a", "md/x", "md/b", "md/y", "t=1"]);
    partly(&ran, &each(&["a", "b"], "labeled"), &absent);
    partly(&tree.ctl(&["annotate", "a", "x", "y", "n=1"]), &each(&["a"], "annotated"), &absent);
    partly(
        &tree.ctl(&["set", "memory", "a", "x", "y", "b", "1Gi"]),
        &each(&["a", "b"], "resource requirements updated"),
        &absent,
    );
    partly(&tree.ctl(&["set", "env", "x", "y", "a", "--list"]), "# modeldeployments a\n", &absent);
    partly(&tree.ctl(&["get", "md", "a", "x", "y", "-o", "name"]), "modeldeployment.maas/a\n", &absent);
    let described = tree.ctl(&["describe", "md", "x", "a", "y"]);
    assert!(described.code == Some(1) && described.stdout.contains("Name:                  a\n"), "{described:#?}");
    partly(&described, &described.stdout.clone(), &absent);
    // Each for a reason of its own, which names it.
    tree.ctl(&["scale", "b", "--replicas", "5"]).ok();
    let ran = tree.ctl(&["scale", "a", "b", "c", "--current-replicas", "3", "--replicas", "4"]);
    partly(&ran, &each(&["a", "c"], "scaled"), &["error: modeldeployment.maas/b: Expected replicas to be 3, was 5"]);
    let ran = tree.ctl(&["label", "--all", "t=2"]);
    partly(
        &ran,
        &each(&["c"], "labeled"),
        &[
            "error: modeldeployment.maas/a: 't' already has a value (1), and --overwrite is false\n",
            "error: modeldeployment.maas/b: 't' already has a value (1), and --overwrite is false\n",
        ],
    );
    let editor = |words: &[&str]| -> Ran {
        tree.command(words).env("MAAS_EDITOR", "sed -i 's/replicas: .*/replicas: 7/'").output().unwrap().into()
    };
    partly(&editor(&["edit", "a", "x", "b"]), &each(&["a", "b"], "edited"), &absent[..1]);
    // An editor that fails is the way out of all of them.
    let ran: Ran = tree.command(&["edit", "a", "b"]).env("MAAS_EDITOR", "false").output().unwrap().into();
    assert_eq!(ran.failed().matches("problem with the editor").count(), 1);
    let deleted = |name: &str| format!("modeldeployment.maas \"{name}\" deleted from default namespace\n");
    let ran = tree.ctl(&["delete", "md", "a", "x", "b", "y", "--wait", "--timeout", "60s"]);
    partly(&ran, &(deleted("a") + &deleted("b")), &absent);
    assert_eq!(tree.ctl(&["get", "md", "-o", "name"]).ok(), "modeldeployment.maas/c\n");
}

#[test]
fn a_rollout_that_fails_keeps_no_other_from_being_watched() {
    let tree = three();
    for name in ["a", "c"] {
        tree.plant_ready(name, 2);
    }
    let done = |name: &str| format!("deployment \"{name}\" successfully rolled out\n");
    let ran = tree.ctl(&["rollout", "status", "a", "x", "c"]);
    partly(&ran, &(done("a") + &done("c")), &[&not_found("x")]);
    let ran = tree.ctl(&["rollout", "status", "b", "x", "--timeout", "1s"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    for name in ["b", "x"] {
        let told = format!("error: modeldeployment.maas/{name}: timed out waiting for the condition\n");
        assert!(ran.stderr.contains(&told) || name == "x" && ran.stderr.contains(&not_found("x")), "{ran:#?}");
    }
}

/// A directory of `a` in the default namespace, `b` in lab, and one that is nowhere.
fn files(tree: &Tree) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("a.yaml", &manifest("a", ""));
    write("b.yaml", &manifest("b", ", namespace: lab"));
    tree.ctl(&["apply", "-f", path(directory.path())]).ok();
    write("x.yaml", &manifest("x", ""));
    let at = directory.path().to_owned();
    (directory, at)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn files_name_what_every_verb_acts_on() {
    let tree = Tree::new();
    tree.plant_leader("application_1_0001");
    let (_directory, at) = files(&tree);
    let (all, a) = (path(&at), at.join("a.yaml"));
    let absent = not_found("x");
    let some = |words: &[&str]| tree.ctl(&[words, &["-f", all]].concat());
    let both = |word: &str| each(&["a", "b"], word);
    partly(&some(&["get", "-o", "name"]), "modeldeployment.maas/a\nmodeldeployment.maas/b\n", &[&absent]);
    let table = some(&["get", "--no-headers"]).stdout;
    let rows: Vec<&str> = table.lines().map(|row| row.split_whitespace().next().unwrap()).collect();
    assert_eq!(rows, ["default", "lab"], "the namespaces, as there are two");
    // One alone is that object, as by its name.
    assert_eq!(tree.ctl(&["get", "-f", path(&a), "-o", "jsonpath={.metadata.name}"]).ok(), "a");
    let described = some(&["describe"]);
    let names: Vec<&str> = described.stdout.lines().filter_map(|line| line.strip_prefix("Namespace: ")).collect();
    assert_eq!(names.iter().map(|name| name.trim()).collect::<Vec<_>>(), ["default", "lab"]);
    partly(&described, &described.stdout.clone(), &[&absent]);
    partly(&some(&["label", "team=soc"]), &both("labeled"), &[&absent]);
    partly(&some(&["annotate", "note=x"]), &both("annotated"), &[&absent]);
    partly(&some(&["scale", "--replicas", "4"]), &both("scaled"), &[&absent]);
    partly(&some(&["set", "replicas", "5"]), &both("scaled"), &[&absent]);
    partly(&some(&["rollout", "restart"]), &both("restarted"), &[&absent]);
    assert_eq!(tree.ctl(&["get", "md", "-A", "-o", "jsonpath={.items[*].spec.replicas}"]).ok(), "5 5");
    let edited = tree.command(&["edit", "-f", path(&a)]).env("MAAS_EDITOR", "true").output().unwrap();
    assert_eq!(Ran::from(edited).stderr, "Edit cancelled, no changes made.\n");
    tree.plant_ready("a", 5);
    assert_eq!(tree.ctl(&["rollout", "status", "-f", path(&a)]).ok(), "deployment \"a\" successfully rolled out\n");
    assert_eq!(tree.ctl(&["wait", "-f", path(&a), "--timeout", "60s"]).ok(), "modeldeployment.maas/a condition met\n");
    let ran = some(&["wait", "--for=create", "--timeout", "0s"]);
    partly(
        &ran,
        &both("condition met"),
        &["error: timed out waiting for the condition on modeldeployments/x in default: it does not exist"],
    );
    // From stdin, too; and a fault is told before anything is asked.
    assert_eq!(tree.ctl_with(&["get", "-o", "name", "-f", "-"], &manifest("a", "")).ok(), "modeldeployment.maas/a\n");
    let broken = tree.ctl_with(&["label", "t=1", "-f", "-"], &manifest("a", "").replace("payload", "paylod")).failed();
    assert!(broken.contains("spec.paylod: unknown field"), "{broken}");
    let deleted = "modeldeployment.maas \"a\" deleted from default namespace\nmodeldeployment.maas \"b\" deleted from lab namespace\n";
    partly(&some(&["delete"]), deleted, &[&absent]);
    for words in
        [&["get", "md"][..], &["describe", "a"], &["scale", "a", "--replicas", "1"], &["wait", "a"], &["delete", "a"]]
    {
        let refused = some(words).failed();
        assert!(refused.contains("you may not specify resource arguments as well"), "{words:?}: {refused}");
    }
    for words in [&["get", "-l", "a"][..], &["wait", "--all"], &["describe", "-A"], &["get", "-w"]] {
        some(words).failed();
    }
}

#[test]
fn a_wait_takes_all_of_every_namespace() {
    let tree = Tree::new();
    tree.plant_leader("application_1_0001");
    let (_directory, _) = files(&tree);
    let met = each(&["a", "b"], "condition met");
    assert_eq!(tree.ctl(&["wait", "md", "--all", "-A", "--for=create"]).ok(), met);
    assert_eq!(tree.ctl(&["wait", "md", "-l", "!team", "-A", "--for=jsonpath={.spec.replicas}=2"]).ok(), met);
    let late = tree.ctl(&["wait", "md", "--all", "-A", "--for=delete", "--timeout", "0s"]).failed();
    for place in ["modeldeployments/a in default: ", "modeldeployments/b in lab: "] {
        assert!(late.contains(&format!("timed out waiting for the condition on {place}")), "{late}");
    }
    tree.ctl(&["delete", "a"]).ok();
    tree.ctl(&["delete", "b", "-n", "lab"]).ok();
    assert_eq!(tree.ctl(&["wait", "md", "--all", "-A", "--for=delete", "--timeout", "60s"]).ok(), "");
    let refused = tree.ctl(&["wait", "a", "-A"]).failed();
    assert!(refused.contains("cannot be retrieved by name across all namespaces"), "{refused}");
}

#[test]
fn an_apply_waits_until_all_are_ready() {
    let tree = three();
    let text = ["a", "b"].map(|name| manifest(name, "")).join("---\n");
    tree.plant_ready("a", 2);
    let late = tree.ctl_with(&["apply", "-f", "-", "--wait", "--timeout", "0s"], &text);
    let errors = ["error: timed out waiting for the condition on modeldeployments/b: no operator has seen it\n"];
    partly(&late, &each(&["a", "b"], "unchanged"), &errors);
    tree.plant_ready("b", 2);
    let ran = tree.ctl_with(&["apply", "-f", "-", "--wait", "--timeout", "60s"], &text);
    assert_eq!(ran.ok(), each(&["a", "b"], "unchanged"));
}

#[test]
fn what_stays_behind_a_deployment_is_refused_with_what_to_do() {
    let tree = three();
    let refused = tree.ctl(&["delete", "a", "--cascade=orphan"]).failed();
    assert!(
        refused.starts_with("error: --cascade=orphan is refused: instances end with their deployment"),
        "{refused}"
    );
    assert!(refused.contains("`maasctl annotate NAME maas/prune=disabled`"), "{refused}");
    assert!(tree.spec("a").contains("name: a"));
}

//! The verbs that change one deployment after another, against a real ZooKeeper: their words, their exit codes, and
//! what stands in the tree afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use support::{Ran, maasctl, with_stdin};
use tree_support::Tree;

const DGA: &str = "# ours\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0\nspec:\n  model: {name: dga, version: \"1.0\"}\n  replicas: 2 # two\n  payload: {path: /models/dga}\n";
const NOBODY: &str =
    "warning: no operator is running: the edit is kept, and nothing will start or stop until `maasctl service start`\n";
const NOT_FOUND: &str = "Error from server (NotFound): modeldeployments.maas \"x\" not found\n";

fn said(stdout: &str, stderr: &str) -> Ran {
    Ran { code: Some(0), stdout: stdout.into(), stderr: stderr.into() }
}

fn dga() -> Tree {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    tree.plant_leader("application_1_0001");
    tree
}

/// Two more, of other teams.
fn teams() -> Tree {
    let tree = dga();
    for (name, team) in [("b", "soc"), ("c", "noc")] {
        tree.apply(&DGA.replace("name: dga-1.0", &format!("name: {name}\n  labels: {{team: {team}}}"))).ok();
    }
    tree
}

#[test]
fn create_makes_what_is_not_there() {
    let tree = Tree::new();
    let create = |how: &[&str], text: &str| tree.ctl_with(&[&["create", "-f", "-"], how].concat(), text);
    assert_eq!(create(&["--dry-run=server"], DGA), said("modeldeployment.maas/dga-1.0 created (server dry run)\n", ""));
    assert_eq!(tree.ctl(&["get", "md"]).ok(), "");
    assert_eq!(create(&[], DGA), said("modeldeployment.maas/dga-1.0 created\n", NOBODY));
    assert_eq!(tree.spec("dga-1.0"), DGA);
    let exists = "Error from server (AlreadyExists): modeldeployments.maas \"dga-1.0\" already exists\n";
    assert_eq!(create(&[], DGA).failed(), exists);
    assert_eq!(create(&["--dry-run=server"], DGA).failed(), exists);
    let both = create(&["-o", "name"], &format!("{DGA}---\n{}", DGA.replace("dga-1.0", "b")));
    assert_eq!((both.code, both.stdout.as_str()), (Some(1), "modeldeployment.maas/b\n"));
    assert!(both.stderr.starts_with(exists), "{}", both.stderr);
    // A client's dry run asks nobody.
    let words = ["-z", "127.0.0.1:1", "create", "-f", "-", "--dry-run=client"];
    assert_eq!(with_stdin(&words, DGA), said("modeldeployment.maas/dga-1.0 created (dry run)\n", ""));
    let yaml = with_stdin(&[&words[..], &["-o", "yaml"]].concat(), DGA).ok();
    assert!(yaml.contains("kind: ModelDeployment") && yaml.contains("memory: 512Mi"), "{yaml}");
}

#[test]
fn set_changes_one_field_and_keeps_the_text() {
    let tree = dga();
    let set = |words: &[&str]| tree.ctl(&[&["set"], words].concat());
    let line = |word: &str| said(&format!("modeldeployment.maas/dga-1.0 {word}\n"), "");
    assert_eq!(set(&["replicas", "dga-1.0", "3"]), line("scaled"));
    assert_eq!(set(&["memory", "md/dga-1.0", "1Gi"]), line("resource requirements updated"));
    assert_eq!(set(&["memory", "dga-1.0", "1024Mi"]), line("unchanged"));
    assert_eq!(set(&["vcores", "md", "dga-1.0", "2"]), line("resource requirements updated"));
    assert_eq!(set(&["payload", "dga-1.0", "/models/dga2"]), line("payload updated"));
    assert_eq!(set(&["script", "dga-1.0", "bin/rest.sh"]), line("script updated"));
    assert_eq!(set(&["env", "dga-1.0", "A=b=c", "B="]), line("env updated"));
    let text = tree.spec("dga-1.0");
    for part in ["# ours\n", "replicas: 3 # two\n", "1Gi", "vcores: 2", "{path: /models/dga2}", "bin/rest.sh"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(set(&["env", "dga-1.0", "--list"]), said("# modeldeployments dga-1.0\nA=b=c\nB=\n", ""));
    assert_eq!(set(&["env", "dga-1.0", "A-", "C=d", "--list"]), said("# modeldeployments dga-1.0\nB=\nC=d\n", ""));
    assert_eq!(set(&["env", "dga-1.0", "A-", "B-"]), line("env updated"));
    assert_eq!(set(&["script", "dga-1.0", "--unset"]), line("script updated"));
    assert!(!tree.spec("dga-1.0").contains("env:") && !tree.spec("dga-1.0").contains("startup"));
    // Nothing of this is written.
    let before = tree.spec("dga-1.0");
    assert_eq!(set(&["replicas", "dga-1.0", "9", "--dry-run=server"]), line("scaled (server dry run)"));
    let yaml = set(&["env", "dga-1.0", "A=b", "--dry-run=client", "-o", "yaml"]).ok();
    assert!(yaml.contains("env:\n    A: b\n"), "{yaml}");
    for (words, expect) in [
        (&["replicas", "dga-1.0", "1001"][..], "error: \"1001\": expected a whole number from 0 to 1000"),
        (&["vcores", "dga-1.0", "0"], "expected a whole number from 1 to 1024"),
        (&["memory", "dga-1.0", "512"], "error: 512 has no unit: write 512Mi"),
        (&["memory", "512Mi"], "error: expected NAME... VALUE: `maasctl set memory dga-1.0 1Gi`"),
        (&["payload", "dga-1.0", "m"], "error: spec.payload.path: must be hdfs://host:port/path"),
        (&["script", "dga-1.0", "x.py"], "error: spec.startup.script: must end in .sh"),
        (&["env", "dga-1.0", "MAAS_X=1"], "error: spec.env.MAAS_X: is reserved"),
        (&["env", "dga-1.0"], "error: at least one environment variable must be provided"),
        (&["env", "A=b"], "error: name the deployments to set, or give --filename, --selector or --all"),
        (&["env", "A=b", "dga-1.0"], "error: all resources must be specified before env changes: dga-1.0"),
        (&["env", "x", "A=b"], NOT_FOUND.trim_end()),
    ] {
        let message = set(words).failed();
        assert!(message.starts_with(expect) || message.contains(expect), "{words:?}: {message}");
    }
    assert_eq!(tree.spec("dga-1.0"), before);
}

#[test]
fn sixteen_editors_at_once_lose_no_edit() {
    let tree = dga();
    let edits: Vec<[String; 4]> = (0..16)
        .map(|n| match n % 2 {
            0 => ["set".into(), "env".into(), "dga-1.0".into(), format!("V{n}={n}")],
            _ => ["label".into(), "md".into(), "dga-1.0".into(), format!("l{n}=v{n}")],
        })
        .collect();
    let children: Vec<_> = edits
        .iter()
        .map(|words| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            tree.command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let text = tree.spec("dga-1.0");
    let manifest = maas_crd::parse_one(text.as_bytes()).unwrap().resource;
    assert_eq!((manifest.spec.template.env.len(), manifest.metadata.labels.len()), (8, 8), "{text}");
    assert!(text.starts_with("# ours\n") && text.contains("replicas: 2 # two\n"), "{text}");
}

#[test]
fn labels_and_annotations_are_set_listed_and_taken_out() {
    let tree = teams();
    let label = |words: &[&str]| tree.ctl(&[&["label"], words].concat());
    let line = |word: &str| said(&format!("modeldeployment.maas/dga-1.0 {word}\n"), "");
    assert_eq!(label(&["dga-1.0", "team=soc", "tier=gold"]), line("labeled"));
    assert_eq!(label(&["md", "dga-1.0", "team=soc"]), line("not labeled"));
    assert_eq!(label(&["dga-1.0", "--list"]), said("team=soc\ntier=gold\n", ""));
    let refused = "error: 'team' already has a value (soc), and --overwrite is false\n";
    assert_eq!(label(&["dga-1.0", "team=noc"]).failed(), refused);
    assert_eq!(label(&["dga-1.0", "team=noc", "--overwrite"]), line("labeled"));
    assert_eq!(label(&["dga-1.0", "tier-", "none-"]), line("unlabeled"));
    assert_eq!(
        label(&["-l", "team=noc", "on-call=yes", "-o", "name"]).ok(),
        "modeldeployment.maas/c\nmodeldeployment.maas/dga-1.0\n"
    );
    let all = "modeldeployment.maas/b labeled (server dry run)\nmodeldeployment.maas/c labeled (server dry run)\nmodeldeployment.maas/dga-1.0 labeled (server dry run)\n";
    assert_eq!(label(&["md", "--all", "x=y", "--dry-run=server"]), said(all, ""));
    assert_eq!(label(&["dga-1.0", "--list"]), said("on-call=yes\nteam=noc\n", ""));
    for (words, expect) in [
        (&["dga-1.0", "a b=c"][..], "error: \"a b\" is no key"),
        (&["dga-1.0", "a=b c"], "error: \"b c\" is no value of the label a"),
        (&["dga-1.0"], "error: at least one label update is required"),
        (&["x", "a=b"], NOT_FOUND),
        (&["dga-1.0", "--all", "a=b"], "error: name cannot be provided when a selector or --all is specified"),
        (&["-l", "team=none", "a=b"], "error: no deployments in default namespace to label"),
    ] {
        let message = label(words).failed();
        assert!(message.starts_with(expect), "{words:?}: {message}");
    }
    let annotate = |words: &[&str]| tree.ctl(&[&["annotate"], words].concat());
    assert_eq!(annotate(&["dga-1.0", "note=retrained in May"]), line("annotated"));
    assert_eq!(annotate(&["dga-1.0", "--list"]), said("note=retrained in May\n", ""));
    assert_eq!(annotate(&["dga-1.0", "note-"]), line("annotated"));
    assert!(!tree.spec("dga-1.0").contains("annotations"), "{}", tree.spec("dga-1.0"));
}

#[test]
fn scale_can_name_the_number_that_it_expects() {
    let tree = dga();
    let scale = |words: &[&str]| tree.ctl(&[&["scale", "dga-1.0"], words].concat());
    let done = said("modeldeployment.maas/dga-1.0 scaled\n", "");
    assert_eq!(scale(&["--current-replicas", "2", "--replicas", "5"]), done);
    let refused = "error: Expected replicas to be 2, was 5: dga-1.0 was not scaled\n";
    assert_eq!(scale(&["--current-replicas", "2", "--replicas", "6"]).failed(), refused);
    assert!(tree.spec("dga-1.0").contains("replicas: 5 # two"));
    assert_eq!(
        scale(&["--replicas", "4", "-o", "json", "--dry-run=client"]).ok().matches("\"replicas\": 4").count(),
        1
    );
    let selected = teams();
    assert_eq!(selected.ctl(&["scale", "-l", "team in (soc,noc)", "--replicas", "0"]).ok().lines().count(), 2);
    assert!(selected.spec("b").contains("replicas: 0") && selected.spec("dga-1.0").contains("replicas: 2"));
    assert!(selected.ctl(&["scale", "--replicas", "0"]).failed().starts_with("error: name the deployments to scale"));
}

#[test]
fn delete_takes_what_is_named_selected_or_in_files() {
    let tree = teams();
    let deleted =
        |name: &str, how: &str| format!("modeldeployment.maas \"{name}\" deleted from default namespace{how}\n");
    assert_eq!(
        tree.ctl(&["delete", "-l", "team", "--dry-run=client"]).ok(),
        deleted("b", " (dry run)") + &deleted("c", " (dry run)")
    );
    assert_eq!(tree.ctl(&["delete", "-l", "team=soc"]), said(&deleted("b", ""), ""));
    assert_eq!(tree.ctl(&["delete", "x", "dga-1.0", "-o", "name"]).stdout, "modeldeployment.maas/dga-1.0\n");
    assert_eq!(
        tree.ctl(&["delete", "md", "--all", "--cascade=foreground", "--timeout", "30s"]),
        said(&deleted("c", ""), "")
    );
    let refused = tree.ctl(&["delete", "md", "--all"]).failed();
    assert_eq!(refused, "error: no deployments in default namespace to delete\n");
    tree.apply(DGA).ok();
    assert!(tree.ctl(&["delete", "-l", ""]).failed().starts_with("error: --selector is empty"));
    assert_eq!(tree.ctl_with(&["delete", "-f", "-"], DGA), said(&deleted("dga-1.0", ""), ""));
    assert!(tree.ctl(&["delete"]).failed().starts_with("error: name the deployments to delete"));
    assert!(tree.ctl(&["delete", "x", "--cascade=orphan"]).failed().contains("orphan"));
    assert!(tree.ctl(&["delete", "x", "-o", "yaml"]).failed().contains("--output"));
}

fn edit(tree: &Tree, editor: &str) -> Ran {
    tree.command(&["edit", "dga-1.0"]).env("EDITOR", editor).output().unwrap().into()
}

#[test]
fn an_edit_writes_what_was_saved_and_nothing_else() {
    let tree = dga();
    assert_eq!(edit(&tree, "sed -i 's/: 2 # two/: 7 # seven/'"), said("modeldeployment.maas/dga-1.0 edited\n", ""));
    let edited = DGA.replace("2 # two", "7 # seven");
    assert_eq!(tree.spec("dga-1.0"), edited);
    assert_eq!(edit(&tree, "true"), said("", "Edit cancelled, no changes made.\n"));
    assert_eq!(edit(&tree, "truncate -s 0"), said("", "Edit cancelled, saved file was empty.\n"));
    let message = edit(&tree, "false").failed();
    assert!(message.starts_with("error: there was a problem with the editor \"false\""), "{message}");
    let both = tree.command(&["edit", "dga-1.0"]).env("EDITOR", "false").env("MAAS_EDITOR", "true").output().unwrap();
    assert_eq!(Ran::from(both), said("", "Edit cancelled, no changes made.\n"));
    assert!(tree.ctl(&["edit", "x"]).failed().starts_with(NOT_FOUND));
    assert_eq!(tree.spec("dga-1.0"), edited);
}

#[test]
fn an_edit_with_faults_is_opened_again_with_them() {
    let tree = dga();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    // First a fault; when it is told, the fault is mended, and what was seen is kept for us.
    std::fs::write(
        path("editor"),
        format!(
            "if grep -q 'was not valid' \"$1\"; then cp \"$1\" {}; sed -i 's/replicas: many/replicas: 4/' \"$1\"; else sed -i 's/replicas: 2/replicas: many/' \"$1\"; fi",
            path("seen")
        ),
    )
    .unwrap();
    assert_eq!(edit(&tree, &format!("sh {}", path("editor"))), said("modeldeployment.maas/dga-1.0 edited\n", ""));
    assert_eq!(tree.spec("dga-1.0"), DGA.replace("replicas: 2", "replicas: 4"));
    let seen = std::fs::read_to_string(path("seen")).unwrap();
    let line = seen.lines().position(|line| line.starts_with("  replicas: many")).unwrap() + 1;
    let fault = format!("# * line {line}, column 13: spec.replicas: many must be a whole number from 0 to 1000\n");
    assert!(seen.contains(&fault) && seen.starts_with("# Please edit the object below."), "{seen}");
    assert!(seen.contains("# modeldeployments.maas \"dga-1.0\" was not valid:\n"), "{seen}");
    // Saved again as it was: given up, and kept.
    let message = edit(&tree, "sed -i 's/^  name: dga-1.0/  name: other/'").failed();
    assert!(message.ends_with("error: Edit cancelled, no valid changes were saved.\n"), "{message}");
    let kept = kept(&message);
    assert!(std::fs::read_to_string(&kept).unwrap().contains("the manifest names default/other"));
    std::fs::remove_file(kept).unwrap();
}

/// The file that a message names.
fn kept(message: &str) -> String {
    let line = message.lines().find(|line| line.starts_with("A copy of your changes has been stored to ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn an_edit_that_came_late_is_refused_and_kept() {
    let tree = dga();
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("editor");
    let ctl = format!("{} -z {} --root {}", env!("CARGO_BIN_EXE_maasctl"), tree.quorum, tree.root);
    std::fs::write(&script, format!("{ctl} label dga-1.0 mine=no >&2 && sed -i 's/replicas: 2/replicas: 9/' \"$1\"\n"))
        .unwrap();
    let ran = edit(&tree, &format!("sh {}", script.display()));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    let conflict = "Error from server (Conflict): Operation cannot be fulfilled on modeldeployments.maas \"dga-1.0\": the object has been modified; please apply your changes to the latest version and try again\n";
    assert!(ran.stderr.ends_with(conflict), "{}", ran.stderr);
    let kept = kept(&ran.stderr);
    assert!(std::fs::read_to_string(&kept).unwrap().contains("replicas: 9 # two"));
    assert!(ran.stderr.contains(&format!("`maasctl apply -n default -f {kept}` writes it\n")), "{}", ran.stderr);
    assert_eq!(tree.ctl(&["apply", "-n", "default", "-f", &kept, "--dry-run=server"]).code, Some(0));
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(kept).unwrap();
    assert!(tree.spec("dga-1.0").contains("mine: \"no\"") && tree.spec("dga-1.0").contains("replicas: 2 # two"));
}

#[test]
fn a_manifest_that_was_broken_by_others_is_mended_in_the_editor() {
    let tree = dga();
    tree.put(
        &format!("{}/specs/ModelDeployment/default/dga-1.0", tree.root),
        DGA.replace(": 2 # two", ": two").as_bytes(),
    );
    let message = tree.ctl(&["set", "replicas", "dga-1.0", "3"]).failed();
    assert!(message.contains("mend it with `maasctl edit dga-1.0`"), "{message}");
    assert_eq!(
        edit(&tree, "sed -i 's/^  replicas: two/  replicas: 2/'"),
        said("modeldeployment.maas/dga-1.0 edited\n", "")
    );
    assert!(maas_crd::parse_one(tree.spec("dga-1.0").as_bytes()).is_ok());
}

#[test]
fn rollout_restart_makes_another_template_and_no_other_change() {
    let tree = dga();
    assert_eq!(tree.ctl(&["rollout", "restart", "md/dga-1.0"]), said("modeldeployment.maas/dga-1.0 restarted\n", ""));
    let first = tree.spec("dga-1.0");
    assert_eq!(tree.ctl(&["rollout", "restart", "dga-1.0"]), said("modeldeployment.maas/dga-1.0 restarted\n", ""));
    let second = tree.spec("dga-1.0");
    let rest = |text: &str| text.lines().filter(|line| !line.contains("restartedAt")).collect::<Vec<_>>().join("\n");
    assert_ne!(first, second);
    assert_eq!((rest(&first), rest(&second)), (rest(DGA), rest(DGA)));
    let dry = tree.ctl(&["rollout", "restart", "--all", "--dry-run=server"]);
    assert_eq!(dry, said("modeldeployment.maas/dga-1.0 restarted (server dry run)\n", ""));
    assert_eq!(tree.spec("dga-1.0"), second);
    let message = tree.ctl(&["rollout", "restart", "dga"]).failed();
    assert!(message.ends_with("not found\nhint: did you mean dga-1.0?\n"), "{message}");
}

#[test]
fn rollout_status_tells_each_step_once_until_it_is_done() {
    let tree = dga();
    let waiting = "Waiting for deployment \"dga-1.0\" rollout to finish: ";
    let unobserved = "Waiting for deployment spec update to be observed...";
    assert_eq!(tree.ctl(&["rollout", "status", "dga-1.0", "--watch=false"]), said(&format!("{unobserved}\n"), ""));
    let mut child = tree.spawn(&["rollout", "status", "md", "dga-1.0"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert_eq!(lines.next().unwrap(), unobserved);
    for (replicas, updated, available, step) in [
        (3, 1, 2, "1 out of 2 new replicas have been updated..."),
        (3, 2, 2, "1 old replicas are pending termination..."),
        (2, 2, 1, "1 of 2 updated replicas are available..."),
    ] {
        tree.plant_progress("dga-1.0", replicas, updated, available);
        assert_eq!(lines.next().unwrap(), format!("{waiting}{step}"));
    }
    tree.plant_ready("dga-1.0", 2);
    assert_eq!(lines.next().unwrap(), "deployment \"dga-1.0\" successfully rolled out");
    assert_eq!((lines.next(), child.wait().unwrap().code()), (None, Some(0)));
    assert_eq!(tree.ctl(&["rollout", "status", "dga-1.0"]).ok(), "deployment \"dga-1.0\" successfully rolled out\n");
    let message = tree.ctl(&["rollout", "status", "dga-1.0", "--revision", "7"]).failed();
    assert_eq!(message, "error: desired revision (7) is different from the running revision (1)\n");
}

#[test]
fn rollout_status_ends_when_time_is_up_or_the_object_is_gone() {
    let tree = Tree::new();
    assert!(tree.ctl(&["rollout", "status", "x"]).failed().starts_with(NOT_FOUND));
    tree.apply(DGA).ok();
    let message = tree.ctl(&["rollout", "status", "dga-1.0", "--timeout", "0s"]).failed();
    assert!(message.ends_with("error: timed out waiting for the condition\n"), "{message}");
    let mut child = tree.spawn(&["rollout", "status", "dga-1.0"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert_eq!(lines.next().unwrap(), "Waiting for deployment spec update to be observed...");
    tree.ctl(&["delete", "dga-1.0"]).ok();
    assert_eq!(lines.next(), None);
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("warning: no operator is running"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("error: object has been deleted\n"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_went_away_keeps_no_deployment_from_its_change() {
    let tree = teams();
    let mut child = tree.spawn(&["label", "--all", "seen=yes"]);
    drop(child.stdout.take());
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for name in ["b", "c", "dga-1.0"] {
        assert!(tree.spec(name).contains("seen"), "{name}: {}", tree.spec(name));
    }
}

#[test]
fn wrong_words_are_refused_before_anything_is_asked() {
    for words in [&["set"][..], &["rollout"], &["create"], &["edit"], &["label"], &["scale", "x"]] {
        assert!(maasctl(words).code == Some(1), "{words:?}");
    }
}

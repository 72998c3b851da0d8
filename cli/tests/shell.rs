//! What the binary explains, completes and says of itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::process::{Command, Stdio};

use support::{Ran, command, maasctl};
use tree_support::Tree;

const DGA: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload: {path: /models/dga}\n";

/// What the real bash offers behind a line that is being typed.
fn offered(line: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_maasctl"));
    // The code that `complete -F` has registered is called as bash calls it on the tab key.
    let script = r#"
        set -u
        source <(maasctl completion bash)
        read -ra COMP_WORDS <<<"$LINE"
        [[ "$LINE" == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_TYPE=9 COMP_KEY=9
        function=$(complete -p maasctl | sed -n 's/.*-F \([^ ]*\) .*/\1/p')
        current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
        COMPREPLY=()
        "$function" maasctl "$current" "$previous"
        printf '%s\n' "${COMPREPLY[@]:-}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", script]).stdin(Stdio::null()).env("LINE", line);
    for (name, value) in command().get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
    let path = std::env::var("PATH").unwrap();
    bash.env("PATH", format!("{}:{path}", binary.parent().unwrap().display())).envs(variables.iter().copied());
    let ran = Ran::from(bash.output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{line}: {ran:?}");
    ran.stdout.lines().filter(|word| !word.is_empty()).map(|word| word.trim_end().to_owned()).collect()
}

#[test]
fn bash_completes_commands_options_and_the_names_that_stand_in_the_tree() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    tree.apply(&DGA.replace("dga-1.0", "dga-2.0")).ok();
    tree.plant_instance("dga-1.0", 7, "dga", "1.0", "http://node1:2");
    let at = [("MAAS_ZOOKEEPER", tree.quorum.as_str()), ("MAAS_ROOT", tree.root.as_str())];
    assert_eq!(offered("maasctl expl", &[]), ["explain"]);
    assert!(offered("maasctl get --sho", &[]).iter().any(|word| word == "--show-labels"));
    assert_eq!(offered("maasctl describe dga-", &at), ["dga-1.0", "dga-2.0"]);
    assert_eq!(offered("maasctl scale dga-2", &at), ["dga-2.0"]);
    assert_eq!(offered("maasctl logs dga-1.0/", &at), ["dga-1.0/3-7"]);
    assert_eq!(offered("maasctl get md -n def", &at), ["default"]);
    assert_eq!(offered("maasctl call d", &at), ["dga", "dga:1.0"]);
    assert_eq!(
        offered("maasctl explain models.spec.resou", &[]).first().map(String::as_str),
        Some("models.spec.resources")
    );
    // The line itself says where to look.
    let line = format!("maasctl -z {} --root {} describe dga-", tree.quorum, tree.root);
    assert_eq!(offered(&line, &[]), ["dga-1.0", "dga-2.0"]);
}

/// What is offered behind these words by the protocol that a shell's own code speaks.
fn asked(shell: &str, words: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let mut asking = command();
    asking.env("COMPLETE", shell).arg("--").arg("maasctl").args(words).stdin(Stdio::null());
    // zsh says which word the cursor is in; fish gives the words up to it.
    asking.env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    let ran = Ran::from(asking.envs(variables.iter().copied()).output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{shell} {words:?}: {ran:?}");
    // Descriptions stand behind what is offered: `:` in zsh, a tab in fish.
    let cut = |line: &str| {
        line.split(if shell == "fish" { '\t' } else { ':' }).next().unwrap_or_default().trim_end().to_owned()
    };
    ran.stdout.lines().map(cut).filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_shell_is_offered_kinds_and_the_names_of_each() {
    let (tree, sync) = (Tree::new(), tempfile::tempdir().unwrap());
    tree.apply(DGA).ok();
    tree.plant_instance("dga-1.0", 7, "dga", "1.0", "http://node1:2");
    std::fs::write(sync.path().join("m.yaml"), DGA).unwrap();
    tree.ctl(&["sync", sync.path().to_str().unwrap(), "--name", "fleet", "--once"]);
    let at = [("MAAS_ZOOKEEPER", tree.quorum.as_str()), ("MAAS_ROOT", tree.root.as_str())];
    for shell in ["bash", "zsh", "fish"] {
        let offered = |words: &[&str]| asked(shell, words, &at);
        assert_eq!(offered(&["get", "inst"]), ["instances", "instance"], "{shell}");
        assert!(offered(&["get", ""]).contains(&"endpoints".to_owned()), "{shell}");
        assert!(!offered(&["get", ""]).contains(&"dga-1.0".to_owned()), "{shell}: a kind comes first");
        assert_eq!(offered(&["get", "md", "d"]), ["dga-1.0"], "{shell}");
        assert_eq!(offered(&["get", "md/dg"]), ["md/dga-1.0"], "{shell}");
        assert_eq!(offered(&["get", "instances", "dga-1.0/"]), ["dga-1.0/3-7"], "{shell}");
        assert_eq!(offered(&["get", "syncs", "fl"]), ["fleet"], "{shell}");
        assert_eq!(offered(&["describe", "dg"]), ["dga-1.0"], "{shell}");
        assert_eq!(offered(&["delete", "sync", "f"]), ["fleet"], "{shell}");
        assert_eq!(offered(&["suspend", "sync", "f"]), ["fleet"], "{shell}");
        assert_eq!(offered(&["top", "mod"]), ["models"], "{shell}");
    }
}

#[test]
fn completion_is_silent_where_nothing_answers() {
    assert_eq!(offered("maasctl describe x", &[("MAAS_ZOOKEEPER", "127.0.0.1:1")]), [""; 0]);
    assert_eq!(offered("maasctl describe x", &[]), [""; 0]);
}

#[test]
fn contexts_are_completed_from_their_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config");
    let text = "apiVersion: maas/v1\nkind: Config\ncontexts:\n- name: prod\n- name: test\n";
    std::fs::write(&file, text).unwrap();
    let at = [("MAASCONFIG", file.to_str().unwrap())];
    assert_eq!(offered("maasctl config use-context p", &at), ["prod"]);
    assert_eq!(offered("maasctl get md --context ", &at), ["prod", "test"]);
}

#[test]
fn every_shell_has_its_code() {
    for (shell, word) in [("bash", "complete"), ("zsh", "#compdef maasctl"), ("fish", "complete")] {
        let code = maasctl(&["completion", shell]).ok();
        assert!(code.contains(word) && code.contains("COMPLETE"), "{shell}: {code}");
    }
}

#[test]
fn fields_are_explained_as_kubectl_does() {
    let text = maasctl(&["explain", "models.spec.resources"]).ok();
    assert!(
        text.starts_with("GROUP:      maas\nKIND:       ModelDeployment\nVERSION:    v1\n\nFIELD: resources <"),
        "{text}"
    );
    let all = maasctl(&["explain", "md", "--recursive"]).ok();
    assert!(all.contains("\n  spec\t<Spec> -required-\n") && all.contains("\n    replicas\t<integer>"), "{all}");
    let wrong = maasctl(&["explain", "md.spec.replcas"]).failed();
    assert_eq!(wrong, "error: field \"replcas\" does not exist in models.spec: did you mean replicas?\n");
    assert!(maasctl(&["explain", "endpoints"]).failed().contains("have no schema"));
}

#[test]
fn versions_are_told_of_both_sides() {
    let client = format!("Client Version: v{}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(maasctl(&["version"]), Ran { code: Some(0), stdout: client.clone(), stderr: String::new() });
    let tree = Tree::new();
    let none = tree.ctl(&["version"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), client.as_str()));
    assert!(none.stderr.starts_with("no operator is running"), "{}", none.stderr);
    tree.plant_leader("application_1_0001");
    assert_eq!(tree.ctl(&["version"]).ok(), format!("{client}Operator Version: v0.1.0\n"));
    assert_eq!(maasctl(&["version", "--client", "-z", "127.0.0.1:1"]).ok(), client);
    let away = maasctl(&["version", "-z", "127.0.0.1:1"]);
    assert_eq!((away.code, away.stdout.as_str()), (Some(1), client.as_str()));
}

#[test]
fn top_says_why_it_knows_nothing() {
    let tree = Tree::new();
    tree.apply(DGA).ok();
    tree.plant_instance("dga-1.0", 7, "dga", "1.0", "http://node1:2");
    let top = tree.ctl(&["top", "instances", "--no-headers"]);
    assert_eq!(top.code, Some(1), "{top:?}");
    assert_eq!(top.stdout, "dga-1.0/3-7   <unknown>   <unknown>   <unknown>\n");
    assert!(top.stderr.starts_with("note: dga-1.0/3-7: cannot read http://127.0.0.1:1/"), "{}", top.stderr);
    assert!(tree.ctl(&["top", "nodes"]).failed().contains("resource type \"nodes\""));
    assert!(tree.ctl(&["top", "endpoints"]).failed().contains("maasctl top models"));
    assert!(tree.ctl(&["top", "models", "x"]).failed().starts_with("Error from server (NotFound)"));
}

//! Contexts and global options, by the binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::path::Path;
use std::process::Stdio;

use support::{Ran, command, maasctl};
use tree_support::Tree;

/// maasctl with this file of contexts and these variables.
fn with(file: &Path, variables: &[(&str, &str)], words: &[&str]) -> Ran {
    let mut command = command();
    command.env("MAASCONFIG", file).envs(variables.iter().copied()).args(words).stdin(Stdio::null());
    command.output().unwrap().into()
}

#[test]
fn contexts_are_made_chosen_shown_and_deleted_in_kubectls_words() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("maas/config");
    let config = |words: &[&str]| with(&file, &[], &[&["config"], words].concat());
    assert_eq!(config(&["current-context"]).failed(), "error: current-context is not set\n");
    let made = config(&["set-context", "prod", "-z", "zk1:2181,zk2", "-n", "soc", "--root", "/models"]).ok();
    assert_eq!(made, "Context \"prod\" created.\n");
    assert_eq!(config(&["set-context", "test", "-z", "localhost"]).ok(), "Context \"test\" created.\n");
    assert_eq!(config(&["use-context", "prod"]).ok(), "Switched to context \"prod\".\n");
    assert_eq!(config(&["current-context"]).ok(), "prod\n");
    let changed = config(&["set-context", "--current", "--namespace", "fraud", "--root", ""]).ok();
    assert_eq!(changed, "Context \"prod\" modified.\n");
    assert_eq!(
        config(&["get-contexts"]).ok(),
        "CURRENT   NAME   ZOOKEEPER      ROOT   NAMESPACE   CONF-DIR\n\
         *         prod   zk1:2181,zk2          fraud\n          \
         test   localhost\n"
    );
    assert_eq!(config(&["get-contexts", "-o", "name"]).ok(), "prod\ntest\n");
    let view = "apiVersion: maas/v1\nkind: Config\ncurrent-context: test\ncontexts:\n- name: test\n  context:\n    zookeeper: localhost\n";
    assert_eq!(config(&["view", "--minify", "--context", "test"]).ok(), view);
    assert_eq!(config(&["rename-context", "test", "lab"]).ok(), "Context \"test\" renamed to \"lab\".\n");
    assert!(config(&["rename-context", "test", "x"]).failed().contains("cannot rename the context \"test\": "));
    let taken = config(&["rename-context", "lab", "prod"]).failed();
    assert!(taken.contains("the context \"prod\" already exists"), "{taken}");
    // The current one stays so under its new name.
    assert_eq!(config(&["rename-context", "prod", "p"]).ok(), "Context \"prod\" renamed to \"p\".\n");
    assert_eq!(config(&["current-context"]).ok(), "p\n");
    config(&["rename-context", "p", "prod"]).ok();
    config(&["rename-context", "lab", "test"]).ok();
    let unknown = config(&["use-context", "tset"]).failed();
    assert!(unknown.contains("no context exists") && unknown.contains("did you mean \"test\"?"), "{unknown}");
    let wrong = config(&["set-context", "prod", "-z", "a:b"]).failed();
    assert!(wrong.contains("\"b\" is no port"), "{wrong}");
    let gone = config(&["delete-context", "prod"]);
    assert_eq!(gone.clone_ok(), format!("deleted context prod from {}\n", file.display()));
    assert!(gone.stderr.starts_with("warning: this removed your active context"), "{}", gone.stderr);
    assert!(config(&["delete-context", "prod"]).failed().contains("cannot delete context prod"));
}

#[test]
fn the_command_line_is_stronger_than_the_environment_and_that_than_the_current_context() {
    let (tree, other) = (Tree::new(), Tree::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config");
    for (name, tree) in [("one", &tree), ("two", &other)] {
        with(&file, &[], &["config", "set-context", name, "-z", &tree.quorum, "--root", &tree.root, "-n", name]).ok();
    }
    with(&file, &[], &["config", "use-context", "one"]).ok();
    // Each says what it found nothing in.
    let namespace = |variables: &[(&str, &str)], words: &[&str]| {
        let said = with(&file, variables, &[&["get", "md"], words].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.stderr.trim().trim_start_matches("No resources found in ").to_owned()
    };
    assert_eq!(namespace(&[], &[]), "one namespace.");
    assert_eq!(namespace(&[("MAAS_NAMESPACE", "env")], &[]), "env namespace.");
    assert_eq!(namespace(&[("MAAS_NAMESPACE", "env")], &["--context", "two"]), "two namespace.");
    assert_eq!(namespace(&[("MAAS_NAMESPACE", "env")], &["--context", "two", "-n", "flag"]), "flag namespace.");
    // The cluster's own ZooKeeper is the last resort.
    let conf = directory.path().join("conf");
    std::fs::create_dir(&conf).unwrap();
    let site = format!(
        "<configuration><property><name>hadoop.zk.address</name><value>{}</value></property></configuration>",
        tree.quorum
    );
    std::fs::write(conf.join("core-site.xml"), site).unwrap();
    let said = with(Path::new("/dev/null"), &[("HADOOP_CONF_DIR", conf.to_str().unwrap())], &["get", "md"]);
    assert_eq!(said.stderr, "No resources found in default namespace.\n");
}

#[test]
fn a_broken_file_of_contexts_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config");
    let text = "apiVersion: maas/v1\nkind: Config\ncontexts:\n- name: a\n  contxt: {}\n";
    std::fs::write(&file, text).unwrap();
    for words in [["get", "md"], ["config", "view"]] {
        let message = with(&file, &[], &words).failed();
        let begins = format!("error: {}: line 5, column 3: ", file.display());
        assert!(message.starts_with(&begins) && message.contains("contxt"), "{message}");
    }
    let message = with(&file, &[], &["config", "set-context", "b", "-z", "c:1"]).failed();
    assert!(message.contains("line 5"), "{message}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "what could not be read is not written over");
}

#[test]
fn each_call_is_told_with_v_and_only_then() {
    let tree = Tree::new();
    let said = tree.ctl(&["get", "md", "-v"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""));
    for line in ["zookeeper: connect ", "zookeeper: read /test"] {
        assert!(said.stderr.lines().any(|found| found.starts_with(line)), "{line} not in {}", said.stderr);
    }
    assert_eq!(tree.ctl(&["get", "md"]).stderr, "No resources found in default namespace.\n");
}

#[test]
fn the_bound_of_each_request_is_kept_and_said() {
    // Accepts, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let quorum = silent.local_addr().unwrap().to_string();
    let message = maasctl(&["get", "md", "-z", &quorum, "--request-timeout", "1s"]).failed();
    assert!(message.contains("within 1 s"), "{message}");
    assert!(maasctl(&["get", "md", "-z", &quorum, "--request-timeout", "0"]).failed().contains("--request-timeout"));
}

#[test]
fn help_is_coloured_only_where_that_is_wanted() {
    assert!(!maasctl(&["--help"]).ok().contains('\u{1b}'));
    assert!(maasctl(&["--color", "sometimes", "get", "md"]).failed().contains("always"));
}

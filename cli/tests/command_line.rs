//! What the binary says without any cluster.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;

use std::process::{Command, Stdio};

use support::{Ran, command, installed, maasctl};

const SERVICE_USAGE: &str = include_str!("../src/legacy/usage_service.txt");
const DEPLOY_USAGE: &str = include_str!("../src/legacy/usage_deploy.txt");

fn run(program: &std::path::Path, words: &[&str]) -> Ran {
    Command::new(program).args(words).output().unwrap().into()
}

#[test]
fn the_scripts_print_the_usage_text_and_nothing_else_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let (service, deploy) = installed(directory.path());
    assert_eq!(run(&service, &["-h"]), Ran { code: Some(0), stdout: SERVICE_USAGE.into(), stderr: String::new() });
    assert_eq!(run(&deploy, &["--help"]), Ran { code: Some(0), stdout: DEPLOY_USAGE.into(), stderr: String::new() });
}

#[test]
fn a_missing_quorum_is_an_error_with_the_usage_text() {
    let directory = tempfile::tempdir().unwrap();
    let (service, deploy) = installed(directory.path());
    assert_eq!(run(&service, &[]).failed(), format!("error: missing required option: zq\n{SERVICE_USAGE}"));
    assert_eq!(run(&deploy, &[]).failed(), format!("error: missing required options: zq, mo\n{DEPLOY_USAGE}"));
    assert!(run(&deploy, &["-mo", "LIST"]).failed().starts_with("error: missing required option: zq\n"));
}

#[test]
fn the_scripts_work_through_links_and_by_the_binarys_own_name() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let (service, _) = installed(directory.path());
    let link = elsewhere.path().join("start-maas");
    std::os::unix::fs::symlink(service, &link).unwrap();
    assert_eq!(run(&link, &["-h"]).ok(), SERVICE_USAGE);
    let renamed = elsewhere.path().join("maas_deploy.sh");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_maasctl"), &renamed).unwrap();
    assert_eq!(run(&renamed, &["-h"]).ok(), DEPLOY_USAGE);
}

#[test]
fn an_unknown_mode_is_refused() {
    let message = maasctl(&["legacy", "deploy", "-zq", "127.0.0.1:1", "-mo", "UPDATE"]).failed();
    assert!(message.starts_with("error: -mo \"UPDATE\": expected ADD, LIST or REMOVE\n"), "{message}");
}

#[test]
fn a_wrong_command_line_exits_with_one() {
    assert!(maasctl(&["get"]).failed().starts_with("error: "));
    assert!(maasctl(&["frobnicate"]).failed().contains("unrecognized subcommand"));
    for (typed, meant) in [("gte", "get"), ("descrieb", "describe"), ("wiat", "wait")] {
        let message = maasctl(&[typed]).failed();
        assert!(message.contains(&format!("'{meant}'")), "{message}");
    }
}

#[test]
fn what_only_kubectl_has_is_refused_with_what_to_do() {
    for (line, instead) in [
        ("rollout undo dga-1.0", "`git revert` there, then `maasctl apply -f`"),
        ("rollout history dga-1.0", "`maasctl describe` names the revisions"),
        ("rollout pause dga-1.0", "`maasctl suspend sync NAME`"),
        ("exec dga-1.0", "`maasctl logs` what it wrote"),
        ("patch md dga-1.0", "`maasctl edit` any"),
        ("config set-cluster x", "`maasctl config set-context NAME"),
        ("config unset x", "an empty value takes a setting out"),
        ("delete dga-1.0 --force", "`spec.terminationGracePeriod`"),
        ("delete dga-1.0 --now", "`spec.terminationGracePeriod`"),
        ("apply -f x --server-side", "--applyset names"),
        ("apply -f x --field-manager=me", "--applyset names"),
        ("apply -f x --validate=false", "every manifest is checked"),
        ("apply -k x", "`kustomize build DIR | maasctl apply -f -`"),
        ("get md --chunk-size=5", "a list is read whole"),
        ("get md --raw=/x", "-o json shows the status"),
        ("logs dga-1.0 -c model", "a container has one model"),
        ("logs dga-1.0 --limit-bytes=5", "--tail 100"),
        ("top models --sum", "sums what the instances of each use"),
        ("get md --kubeconfig=x", "--context"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let refused = maasctl(&words).failed();
        assert!(
            refused.contains("that is kubectl's and not maasctl's: ") && refused.contains(instead),
            "{line}: {refused}"
        );
    }
    // Which is another thing than a verb that was mistyped.
    assert!(!maasctl(&["aply"]).failed().contains("kubectl"));
}

#[test]
fn help_and_version_are_data() {
    assert!(maasctl(&["--help"]).ok().contains("apply"));
    assert!(maasctl(&["version"]).ok().starts_with("Client Version: v"));
}

#[test]
fn no_quorum_and_a_wrong_one_are_told_apart() {
    assert!(maasctl(&["get", "md"]).failed().contains("set MAAS_ZOOKEEPER"));
    assert!(maasctl(&["get", "md", "-z", "node1:port"]).failed().contains("\"port\" is no port"));
}

#[test]
fn a_zookeeper_that_is_not_there_is_named_within_seconds() {
    let begun = std::time::Instant::now();
    let message = maasctl(&["get", "md", "-z", "127.0.0.1:1"]).failed();
    assert!(message.starts_with("error: ") && message.contains("127.0.0.1:1"), "{message}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let mut child = command().arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

//! What `diff` and `edit` do on a terminal, in a real pseudo-terminal, on a real ZooKeeper.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/terminal.rs"]
mod terminal;
#[path = "support/tree.rs"]
mod tree_support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use terminal::Terminal;
use tree_support::Tree;

const RED: &str = "\u{1b}[31m";

fn manifest(replicas: u32) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {{name: dga}}\nspec:\n  model: {{name: dga, version: \"1.0\"}}\n  replicas: {replicas}\n  payload: {{path: /models/dga}}\n"
    )
}

/// A program of this text.
fn program(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_diff_is_coloured_and_goes_through_the_pager() {
    let (tree, directory) = (Tree::new(), tempfile::tempdir().unwrap());
    tree.apply(&manifest(2)).ok();
    let file = program(directory.path(), "dga.yaml", &manifest(3));
    let diff = |columns: u16, variables: &[(&str, &str)]| {
        let words = ["-z", &tree.quorum, "--root", &tree.root, "diff", "-f", file.to_str().unwrap()];
        let mut screen = Terminal::run(columns, 40, &words, variables);
        let (status, text) = screen.ended();
        assert_eq!(status.code(), Some(1), "{text}");
        (text, String::from_utf8(screen.raw()).unwrap())
    };
    let (text, raw) = diff(80, &[("PAGER", "sed 's/^/paged: /'")]);
    let line = |text: &str, wanted: &str| text.lines().any(|line| line.contains(wanted));
    assert!(line(&text, "paged:   replicas: 2") || line(&text, "paged: -  replicas: 2"), "{text}");
    assert!(line(&text, "+  replicas: 3") && raw.contains(RED), "{raw:?}");
    // MAAS_PAGER goes first; cat is none.
    let (text, raw) = diff(80, &[("PAGER", "false"), ("MAAS_PAGER", "cat")]);
    assert!(line(&text, "-  replicas: 2") && raw.contains(RED), "{raw:?}");
    let (text, raw) = diff(80, &[("PAGER", "sed 's/^/paged: /'"), ("NO_COLOR", "1")]);
    assert!(line(&text, "paged: -  replicas: 2") && !raw.contains('\u{1b}'), "{raw:?}");
    // A pager that is not there, and one that is left before the end.
    let (text, _) = diff(80, &[("PAGER", "/nowhere/pager")]);
    assert!(line(&text, "-  replicas: 2"), "{text}");
    diff(80, &[("PAGER", "true")]);
    // Elsewhere there is neither.
    let mut command = tree.command(&["diff", "-f", file.to_str().unwrap()]);
    let output = command.env("PAGER", "sed 's/^/paged: /'").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(line(&text, "-  replicas: 2") && !text.contains("paged") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn an_editor_has_the_terminal_and_its_faults_are_shown_in_it() {
    let (tree, directory) = (Tree::new(), tempfile::tempdir().unwrap());
    tree.plant_leader("application_1_0001");
    tree.apply(&manifest(2)).ok();
    // As an editor does: it fills the terminal, and reads keys of it.
    let text = "grep '^# \\*' \"$1\"\n\
                [ -t 0 ] && [ -t 1 ] && printf 'on a terminal, type a number: ' && read -r n\n\
                sed -i \"s/^  replicas: .*/  replicas: $n/\" \"$1\"\n";
    let editor = format!("sh {}", program(directory.path(), "editor", text).display());
    let words = ["-z", &tree.quorum, "--root", &tree.root, "edit", "dga"];
    let mut screen = Terminal::run(120, 40, &words, &[("MAAS_EDITOR", editor.as_str())]);
    screen.see(&["on a terminal, type a number: "]);
    screen.keys("-4\r");
    // Opened again, with what is wrong on top.
    screen.see(&["# * line", "spec.replicas: -4 must be"]);
    screen.keys("5\r");
    let (status, text) = screen.ended();
    assert!(status.success() && text.contains("modeldeployment.maas/dga edited"), "{text}");
    assert!(tree.spec("dga").contains("replicas: 5"));
    // Ctrl-C is the editor's: nothing is changed.
    let mut screen = Terminal::run(120, 40, &words, &[("MAAS_EDITOR", editor.as_str())]);
    screen.see(&["on a terminal, type a number: "]);
    screen.keys("\x03");
    assert!(!screen.ended().0.success());
    assert!(tree.spec("dga").contains("replicas: 5"));
}

#[test]
fn a_wait_tells_in_one_line_what_it_waits_for_and_since_when() {
    let tree = Tree::new();
    tree.plant_leader("application_1_0001");
    tree.apply(&manifest(2)).ok();
    let words = ["-z", &tree.quorum, "--root", &tree.root, "wait", "dga", "--timeout", "120s"];
    let mut screen = Terminal::run(80, 24, &words, &[]);
    screen.see(&["waiting for", "dga", "s)"]);
    let first = screen.text();
    // The same line, some seconds later: it is written over, and tells another time.
    let deadline = Instant::now() + Duration::from_secs(90);
    let other = loop {
        let now = screen.text();
        if now != first && now.contains("s)") {
            break now;
        }
        assert!(Instant::now() < deadline, "its time stands still\n{now}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(other.matches("waiting for").count(), 1, "{other}");
    tree.plant_ready("dga", 2);
    let (status, text) = screen.ended();
    assert!(status.success() && text.contains("condition met") && !text.contains("waiting for"), "{text}");
}

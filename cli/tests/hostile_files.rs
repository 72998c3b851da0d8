//! Files that nobody means well by: each is read, or refused with its place and what to do. One bad file keeps the
//! binary from looking for a ZooKeeper.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Ran, command, maasctl};
use tree_support::Tree;

const GOOD: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: NAME\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload: {path: /m}\n";

fn good(name: &str) -> String {
    GOOD.replace("NAME", name)
}

/// What apply says of a directory of these files.
fn refused(files: &[(&str, &[u8])]) -> String {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    refused_at(directory.path()).replace(&format!("{}/", directory.path().display()), "")
}

fn refused_at(path: &Path) -> String {
    let said = maasctl(&["apply", "-R", "-f", path.to_str().unwrap(), "-z", "127.0.0.1:1"]).failed();
    assert!(said.contains("error: nothing was changed: "), "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    said
}

#[test]
fn a_file_of_300_megabytes_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yaml");
    std::fs::File::create(&path).unwrap().set_len(300 << 20).unwrap();
    assert!(refused_at(&path).contains("it is larger than 8 MiB: that is no manifest"));
    // Nor is what tells no length.
    assert!(refused_at(Path::new("/dev/zero")).contains("it is larger than 8 MiB: that is no manifest"));
}

#[test]
fn what_is_no_text_is_shown_without_what_a_terminal_obeys() {
    let said = refused(&[("a.yaml", b"\x7fELF\xff\xfe\x1b[31m\n"), ("b.yaml", b"a: b\0\x1b[31m\n")]);
    assert!(said.contains("error: the input is not UTF-8 text\n --> a.yaml:1:5\n"), "{said}");
    assert!(said.contains("error: a NUL character\n --> b.yaml:1:5\n"), "{said}");
    assert!(
        said.ends_with(
            "nothing was changed: 2 faults in 2 of 2 files; mend what is said above and give the command again\n"
        ),
        "{said}"
    );
}

#[test]
fn anchors_cannot_multiply() {
    let mut bomb = "a: &a [lol, lol, lol]\n".to_owned();
    for depth in 0..20 {
        bomb += &format!("b{depth}: &b{depth} [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n");
    }
    let said = refused(&[("a.yaml", bomb.as_bytes())]);
    assert!(said.contains("anchors are not supported") && said.contains(" --> a.yaml:1:"), "{said}");
    assert!(said.len() < 100_000, "{}", said.len());
}

#[test]
fn tabs_twofold_keys_and_other_kinds_are_told_at_their_places() {
    let twofold = good("a").replace("  payload", "  model: {}\n  payload");
    let said = refused(&[
        ("a-tabs.yaml", good("a").replace("  payload", "\tpayload").as_bytes()),
        ("b-twofold.yaml", twofold.as_bytes()),
        ("c-mixed.yaml", format!("{}---\napiVersion: v1\nkind: Pod\n", good("c")).as_bytes()),
        ("d-version.yaml", good("d").replace("maas/v1", "maas/v2").as_bytes()),
        ("e-kind.yaml", good("e").replace("ModelDeployment", "ModelDeploymnet").as_bytes()),
        (
            "f-list.yaml",
            b"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: maas/v1, kind: ModelDeployment, spec: {}}\n",
        ),
    ]);
    for part in [
        " --> a-tabs.yaml:7:",
        "error: model stands here a second time\n --> b-twofold.yaml:7:3\n",
        "error: kind: \"Pod\" is not known\n  --> c-mixed.yaml:10:7\n",
        "error: apiVersion: \"maas/v2\" is not known\n --> d-version.yaml:1:13\n  |\n1 | apiVersion: maas/v2\n  |             ^^^^^^^\n  |\n  = help: write maas/v1\n",
        "= help: did you mean ModelDeployment?\n",
        "error: spec.model: is required\n --> f-list.yaml:4:",
    ] {
        assert!(said.contains(part), "{part}\nnot in\n{said}");
    }
}

#[test]
fn one_object_has_one_declaration() {
    let unnamed = |model: &str, version: &str| {
        GOOD.replace("metadata:\n  name: NAME\n", "")
            .replace("{name: dga, version: \"1.0\"}", &format!("{{name: {model}, version: \"{version}\"}}"))
    };
    let said = refused(&[
        ("a.yaml", good("a").as_bytes()),
        ("b.yaml", format!("{}---\n{}", good("b"), good("a")).as_bytes()),
        // Two models whose names come to the same.
        ("c.yaml", unnamed("x-1", "0").as_bytes()),
        ("d.yaml", unnamed("x", "1-0").as_bytes()),
    ]);
    assert!(said.contains("error: default/a is declared in a.yaml, line 1 already\n --> b.yaml:9:1\n"), "{said}");
    assert!(said.contains("error: default/x-1-0 is declared in c.yaml, line 1 already\n --> d.yaml:1:1\n"), "{said}");
}

#[test]
fn links_pipes_and_closed_directories_are_refused_where_nobody_named_them() {
    let (directory, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = directory.path();
    std::fs::write(at.join("a.yaml"), good("a")).unwrap();
    std::fs::write(outside.path().join("o.yaml"), good("o")).unwrap();
    symlink(".", at.join("loop")).unwrap();
    symlink("self.yaml", at.join("self.yaml")).unwrap();
    symlink(outside.path().join("o.yaml"), at.join("o.yaml")).unwrap();
    symlink("/dev/zero", at.join("zero.yaml")).unwrap();
    assert!(Command::new("mkfifo").arg(at.join("pipe.yaml")).status().unwrap().success());
    let said = refused_at(at);
    for (name, why) in [
        ("self.yaml", "the link leads nowhere"),
        ("o.yaml", "outside of the directory: name that with -f"),
        ("zero.yaml", "outside of the directory"),
        ("pipe.yaml", "it is no file"),
    ] {
        let place = format!("--> {}", at.join(name).display());
        let told =
            said.lines().collect::<Vec<_>>().windows(2).any(|pair| pair[1].ends_with(&place) && pair[0].contains(why));
        assert!(told, "{name}: {why}\nnot in\n{said}");
    }
    assert!(said.contains("4 faults in 4 of 5 files"), "{said}");
}

#[test]
fn a_directory_that_is_closed_is_told_with_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let closed = directory.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::write(directory.path().join("a.yaml"), good("a").replace("payload", "paylod")).unwrap();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(directory.path(), 0o755);
    mode(&closed, 0o000);
    let mut command = command();
    command.args(["apply", "-R", "-z", "127.0.0.1:1", "-f"]).arg(directory.path()).stdin(Stdio::null());
    if std::fs::read_dir(&closed).is_ok() {
        // Nothing is closed to root.
        std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    }
    let ran = command.output();
    mode(&closed, 0o755);
    let Ok(output) = ran else { return };
    let said = Ran::from(output).failed();
    assert!(said.contains("cannot be read: Permission denied") && said.contains("/closed\n"), "{said}");
    assert!(said.contains("spec.paylod: unknown field"), "{said}");
}

#[test]
fn what_other_systems_write_is_read() {
    let tree = Tree::new();
    let crlf = format!("\u{feff}{}", good("crlf")).replace('\n', "\r\n");
    assert_eq!(tree.apply(&crlf).ok(), "modeldeployment.maas/crlf created\n");
    assert!(tree.spec("crlf").contains("name: crlf\r\n"));
    let item = |name: &str| format!("- {}", good(name).trim_end().replace('\n', "\n  "));
    let list = |items: &str| format!("apiVersion: v1\nkind: List\nitems:\n{items}\n");
    let nested = list(&format!("{}\n- {}", item("a"), list(&item("b")).trim_end().replace('\n', "\n  ")));
    assert_eq!(tree.apply(&nested).ok(), "modeldeployment.maas/a created\nmodeldeployment.maas/b created\n");
    assert_eq!(tree.spec("b"), good("b"), "an item stands in the tree as its own text");
}

#[test]
fn a_pipe_that_a_user_names_is_read() {
    let tree = Tree::new();
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let child = tree.spawn(&["apply", "-f", pipe.to_str().unwrap()]);
    std::fs::write(&pipe, good("piped")).unwrap();
    assert_eq!(Ran::from(child.wait_with_output().unwrap()).ok(), "modeldeployment.maas/piped created\n");
}

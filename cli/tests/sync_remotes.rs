//! A sync of repositories behind ssh and http, with git's own transports, against a real ZooKeeper.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

#[path = "support/repository.rs"]
mod repository;
mod support;
#[path = "support/tree.rs"]
mod tree_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use repository::{Repository, manifest};
use support::{Ran, command};
use tree_support::Tree;

/// ann:secret
const ALLOWED: &str = "Basic YW5uOnNlY3JldA==";

/// One round; who asks a terminal for a password finds none.
fn once(tree: &Tree, git: &Repository, words: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut all = vec!["-z", &tree.quorum, "--root", &tree.root, "sync", "--once"];
    all.extend(words);
    let mut command = command();
    command.args(all).env("XDG_CACHE_HOME", git.cache()).env("HOME", git.directory.path()).env("no_proxy", "*");
    for name in ["GIT_ASKPASS", "GIT_SSH_COMMAND", "GIT_SSH"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap().into()
}

fn ready(tree: &Tree, name: &str) -> (String, String) {
    let data = tree.get(&format!("{}/syncs/default/{name}", tree.root)).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&data).unwrap();
    let conditions = record["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    let word = |field: &str| ready[field].as_str().unwrap().to_owned();
    (word("reason"), word("message"))
}

#[test]
fn over_ssh_what_is_pushed_is_applied() {
    let (tree, git) = (Tree::new(), Repository::new());
    git.write("models/a.yaml", &manifest("a", ""));
    let first = git.push("one");
    // As sshd does: the last word is the command to be run. Where it leads is written down.
    let ssh = git.directory.path().join("ssh");
    let log = git.directory.path().join("log");
    let text =
        format!("#!/bin/sh\necho \"$@\" >> {}\nwhile [ $# -gt 1 ]; do shift; done\nexec sh -c \"$1\"\n", log.display());
    std::fs::write(&ssh, text).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let url = format!("ssh://git@git.example.com:2222{}", git.directory.path().join("origin.git").display());
    let run = || once(&tree, &git, &[&url, "--name", "fleet"], &[("GIT_SSH_COMMAND", ssh.to_str().unwrap())]);
    assert_eq!(run().ok(), "modeldeployment.maas/a created\n");
    assert!(tree.spec("a").contains(&first), "the commit stands on what it changed");
    git.write("models/a.yaml", &manifest("a", "  env: {A: b}\n"));
    git.push("two");
    assert_eq!(run().ok(), "modeldeployment.maas/a configured\n");
    let asked = std::fs::read_to_string(&log).unwrap();
    assert!(asked.contains("-p 2222") && asked.contains("git@git.example.com git-upload-pack"), "{asked}");
}

#[test]
fn an_ssh_that_is_refused_says_so_and_asks_nobody() {
    let (tree, git) = (Tree::new(), Repository::new());
    let url = "ssh://git@127.0.0.1:1/models.git";
    if Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_err() {
        eprintln!("skipped: ssh is not installed");
        return;
    }
    let said = once(&tree, &git, &[url, "--name", "away"], &[]).failed();
    assert!(said.contains("git fetch failed") && said.contains("refused"), "{said}");
    let (reason, message) = ready(&tree, "away");
    assert!(reason == "ArtifactFailed" && message.contains("refused"), "{message}");
}

#[test]
fn over_http_what_is_pushed_is_applied_and_a_password_is_never_asked_for_nor_shown() {
    let (tree, git) = (Tree::new(), Repository::new());
    git.write("models/a.yaml", &manifest("a", ""));
    git.push("one");
    let address = serve(git.directory.path());
    let open = format!("http://{address}/open/origin.git");
    assert_eq!(once(&tree, &git, &[&open, "--name", "fleet"], &[]).ok(), "modeldeployment.maas/a created\n");
    git.write("models/b.yaml", &manifest("b", ""));
    git.push("two");
    assert_eq!(once(&tree, &git, &[&open, "--name", "fleet"], &[]).ok(), "modeldeployment.maas/b created\n");

    let closed = format!("http://{address}/closed/origin.git");
    let said = once(&tree, &git, &[&closed, "--name", "closed"], &[]).failed();
    assert!(said.contains("git fetch failed") && said.contains("could not read Username"), "{said}");
    assert_eq!(ready(&tree, "closed").0, "ArtifactFailed");
    let wrong = format!("http://ann:wrong1@{address}/closed/origin.git");
    let said = once(&tree, &git, &[&wrong, "--name", "wrong"], &[]).failed();
    assert!(said.contains("git fetch failed") && !said.contains("wrong1"), "{said}");
    let (_, message) = ready(&tree, "wrong");
    assert!(!message.contains("wrong1"), "{message}");
    let with = format!("http://ann:secret@{address}/closed/origin.git");
    // Another tree: there nothing of it is anybody's yet.
    let other = Tree::new();
    let created = "modeldeployment.maas/a created\nmodeldeployment.maas/b created\n";
    assert_eq!(once(&other, &git, &[&with, "--name", "with"], &[]).ok(), created);
    let record = other.get(&format!("{}/syncs/default/with", other.root)).unwrap();
    assert!(!String::from_utf8(record).unwrap().contains("secret"));
    assert!(!other.spec("a").contains("secret"));
}

/// Serves the repositories below a directory as git's own server program gives them: below /closed to ann alone.
fn serve(directory: &Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, directory) = (listener.local_addr().unwrap(), directory.to_owned());
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let directory = directory.clone();
            std::thread::spawn(move || answer(stream, &directory));
        }
    });
    address
}

/// One request through `git http-backend`, which speaks CGI (RFC 3875).
fn answer(mut stream: TcpStream, directory: &PathBuf) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let header = |name: &str| {
        let of = |line: &String| {
            line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned())
        };
        head.iter().skip(1).find_map(of).unwrap_or_default()
    };
    let mut words = head.first().map(String::as_str).unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (_, path) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
    if target.starts_with("/closed/") && header("Authorization") != ALLOWED {
        return stream.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    let mut body = vec![0; header("Content-Length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", directory)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", format!("/{path}"))
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("Content-Type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("Content-Encoding"))
        .env("GIT_PROTOCOL", header("Git-Protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().unwrap().write_all(&body)?;
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said)?;
    child.wait()?;
    let status = match said.strip_prefix(b"Status: ") {
        Some(rest) => {
            String::from_utf8_lossy(rest.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned()
        }
        None => "200 OK".to_owned(),
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes())?;
    stream.write_all(&said)
}

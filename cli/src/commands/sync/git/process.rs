//! One run of git: with a deadline, bounded output, and an end for all that it starts.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::GitError;

/// Most bytes of what git says on stderr.
const SAID_LIMIT: u64 = 64 * 1024;

/// Variables that would point git at another repository than ours; a hook's environment has them.
const LOCAL_VARIABLES: [&str; 14] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_CONFIG",
    "SSH_ASKPASS",
];

/// What a run gave.
pub(super) struct Output {
    pub(super) good: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

/// Runs git, which is ended with all that it started when its time is up or its future is dropped.
pub(super) async fn run(
    mut command: Command,
    what: &'static str,
    limit: Duration,
    stdin: &[u8],
    most: u64,
) -> Result<Output, GitError> {
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => GitError::Absent,
        _ => GitError::Start(error),
    })?;
    let group = Group(child.id());
    let work = async {
        let (mut input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut input) = input.take() {
                // Git may end before it has read all; its exit code tells.
                let _ = input.write_all(stdin).await;
            }
        };
        let ((), out, err) = tokio::join!(feed, drain(stdout, most), drain(stderr, SAID_LIMIT));
        Ok::<_, std::io::Error>((out?, err?, child.wait().await?))
    };
    match timeout(limit, work).await {
        Err(_) => Err(GitError::Deadline { what, limit }),
        Ok(Err(error)) => Err(GitError::Start(error)),
        Ok(Ok((stdout, stderr, status))) => {
            group.done();
            let stderr = String::from_utf8_lossy(&stderr).into_owned();
            Ok(Output { good: status.success(), stdout, stderr })
        }
    }
}

/// Git on a mirror, when that is there, with no configuration or variable that leads elsewhere. `ssh`: what ssh is to be
/// called as.
pub(super) fn command(mirror: &Path, ssh: Option<&str>, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    for option in
        ["core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.autoDetach=false", "maintenance.autoDetach=false"]
    {
        command.args(["-c", option]);
    }
    command.args(["-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=30"]);
    if mirror.is_dir() {
        command.arg("--git-dir").arg(mirror).current_dir(mirror);
    }
    command.args(args);
    for name in LOCAL_VARIABLES {
        command.env_remove(name);
    }
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh").env("LC_ALL", "C");
    if let Some(ssh) = ssh {
        command.env("GIT_SSH_COMMAND", ssh);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: what git starts is ended with it, and a Ctrl-C ends this program in its own order.
    command.process_group(0).kill_on_drop(true);
    command
}

/// A process group that is killed unless it is done.
struct Group(Option<u32>);

impl Group {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

async fn drain(from: Option<impl tokio::io::AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut held = Vec::new();
    if let Some(mut from) = from {
        (&mut from).take(most).read_to_end(&mut held).await?;
        // The rest is read and dropped, so that who writes it comes to an end.
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_ended_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 1000 & echo $! > pid.new && mv pid.new pid; wait"]).current_dir(&directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let running = run(command, "fetch", Duration::from_secs(1000), &[], 10);
        let started = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // Given up, as when the syncer ends; at the deadline the same is dropped.
        tokio::select! {
            _ = running => panic!("it ended"),
            () = started => {}
        }
        let pid = std::fs::read_to_string(&file).unwrap();
        let status = format!("/proc/{}/stat", pid.trim());
        // Nobody may have waited for it.
        let runs = || std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z "));
        let over = async {
            while runs() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(60), over).await.expect("it runs on");
    }

    #[tokio::test]
    async fn a_deadline_is_told_with_what_it_was_for() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec sleep 1000"]).stdin(Stdio::piped()).process_group(0).kill_on_drop(true);
        let said = run(command, "fetch", Duration::from_millis(50), &[], 10).await.err().unwrap().to_string();
        assert!(said.starts_with("git fetch was given up after 0 s: does the repository's host answer"), "{said}");
    }
}

//! The model's processes: start, reap, find, signal.
//!
//! The model stays in the container's process group, so that the NodeManager's kill of that group reaches it also when
//! the runner is gone. What leaves the group or daemonises is still found: this process is the subreaper, so every
//! orphan below it becomes its child, and the tree below it is empty exactly when it has no child.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};

use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper,
    set_dumpable_behavior, wait,
};

use crate::life::Exit;
use crate::script::Script;

/// Makes this process the one to which orphans below it fall, and shuts its memory and environment off from other
/// processes of its user, the model among them. Call once, before the first start.
///
/// # Errors
/// The kernel refuses, which no supported Linux does.
pub fn become_subreaper() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// A script that was just started.
#[derive(Debug)]
pub struct Started {
    /// Its process.
    pub pid: Pid,
    /// The reading end of its standard output.
    pub stdout: Option<ChildStdout>,
    /// The reading end of its standard error.
    pub stderr: Option<ChildStderr>,
}

/// Starts `script` in `directory` with exactly the environment `env`, in this process's group.
///
/// # Errors
/// What the kernel says of the fork or the exec; [`io::ErrorKind::NotFound`] means the interpreter, since the script
/// itself was found.
pub fn start(script: &Script, directory: &Path, env: &BTreeMap<OsString, OsString>) -> io::Result<Started> {
    let mut child = Command::new(&script.program)
        .args(&script.arguments)
        .current_dir(directory)
        .env_clear()
        .envs(env)
        .env("PWD", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    // Dropping the handle neither waits nor kills; `reap` alone waits, for this child as for any orphan.
    Ok(Started { pid, stdout: child.stdout.take(), stderr: child.stderr.take() })
}

/// What one round of waiting brought.
#[derive(Debug, Default)]
pub struct Reaped {
    /// The children that ended, orphans included.
    pub ended: Vec<(Pid, Exit)>,
    /// Is anything left alive below this process?
    pub alive: bool,
}

/// Reaps all children that have ended. To be called at each SIGCHLD, which stands for one or more of them.
pub fn reap() -> Reaped {
    let mut reaped = Reaped::default();
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                let exit = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => continue,
                };
                reaped.ended.push((pid, exit));
            }
            Ok(None) => {
                reaped.alive = true;
                return reaped;
            }
            Err(rustix::io::Errno::INTR) => {}
            // ECHILD: no child, so no descendant either, since all orphans fall to this process.
            Err(_) => return reaped,
        }
    }
}

// (parent, start time); the start time tells a process from a later one with the same number.
fn stat(pid: i32) -> Option<(i32, u64)> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

// proc(5): "pid (comm) state ppid ... starttime(22)"; comm may hold spaces and parentheses, so count from its end.
fn parse_stat(line: &str) -> Option<(i32, u64)> {
    let (_, after) = line.rsplit_once(')')?;
    let mut columns = after.split_ascii_whitespace();
    let parent = columns.nth(1)?.parse().ok()?;
    Some((parent, columns.nth(17)?.parse().ok()?))
}

/// All processes below this one, as of now: a fork during the look may be missed, so a kill looks again until
/// [`reap`] says that nothing is left.
pub fn descendants() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for pid in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if let Some((parent, _)) = stat(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut unvisited = vec![getpid().as_raw_pid()];
    while let Some(parent) = unvisited.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if found.insert(*child) {
                unvisited.push(*child);
            }
        }
    }
    found.into_iter().filter_map(Pid::from_raw).collect()
}

/// The same by the kernel's own lists of children (proc(5), `/proc/pid/task/tid/children`): a look at few processes
/// instead of all of the node's. A child may be missing when a sibling ends during the look, and all are on a kernel
/// without these lists; what is found is below this process.
pub(crate) fn descendants_in_short() -> Vec<Pid> {
    let mut found = BTreeSet::new();
    let mut unvisited = vec![getpid().as_raw_pid()];
    while let Some(parent) = unvisited.pop() {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        for child in lists.flat_map(|list| parse_children(&list)) {
            if found.insert(child) {
                unvisited.push(child);
            }
        }
    }
    found.into_iter().filter_map(Pid::from_raw).collect()
}

fn parse_children(list: &str) -> Vec<i32> {
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Sends `signal` to every process below this one.
pub fn signal_tree(signal: Signal) {
    for pid in descendants() {
        let before = stat(pid.as_raw_pid());
        // A number freed since the look may belong to a stranger: signal by handle, and only the process that was seen.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if before.is_some() && stat(pid.as_raw_pid()) == before {
            // Gone in between is as good as signalled.
            let _ = pidfd_send_signal(&handle, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_confuse() {
        let line = "42 (a) b (c) S 7 1 1 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 98765 1000 10 18446744073709551615";
        assert_eq!(parse_stat(line), Some((7, 98765)));
    }

    #[test]
    fn this_process_has_a_parent() {
        let own = getpid().as_raw_pid();
        assert!(stat(own).is_some_and(|(parent, _)| parent > 0));
    }

    #[test]
    fn both_looks_find_a_grandchild() {
        let mut child = Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let below = || {
            let all = descendants();
            (all.len() >= 2).then_some(all)
        };
        let all = std::iter::repeat_with(below).flatten().next().unwrap();
        // Other tests have children of their own, which come and go.
        let short = descendants_in_short();
        assert!(all.iter().filter(|pid| short.contains(pid)).count() >= 2, "{all:?} {short:?}");
        for pid in all {
            let parent = stat(pid.as_raw_pid()).map(|(parent, _)| parent);
            if parent == i32::try_from(child.id()).ok() {
                rustix::process::kill_process(pid, Signal::KILL).unwrap();
            }
        }
        child.wait().unwrap();
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[ -~é]{0,200}") {
            let _ = parse_stat(&line);
            let _ = parse_children(&line);
        }
    }
}

//! The cluster's own processes, as the kernel shows them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use maas_crd::Launch;
use rustix::process::{Pid, Signal, kill_process};

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Operator,
    Runner,
    Model,
}

/// A process in a container of the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) role: Role,
    pub(crate) cwd: PathBuf,
    /// A runner's deployment and instance.
    pub(crate) instance: Option<(String, String)>,
}

impl Process {
    /// The node's directory: `nm1`, `nm2`, …
    pub(crate) fn node(&self, dir: &Path) -> Option<String> {
        let below = self.cwd.strip_prefix(dir).ok()?;
        Some(below.components().next()?.as_os_str().to_string_lossy().into_owned())
    }

    /// The container whose directory it runs in.
    pub(crate) fn container(&self) -> Option<String> {
        let part = self.cwd.components().find(|part| part.as_os_str().to_string_lossy().starts_with("container_"))?;
        Some(part.as_os_str().to_string_lossy().into_owned())
    }
}

/// All processes of operators, runners and models below a directory.
pub(crate) fn scan(dir: &Path) -> Vec<Process> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    all.flatten().filter_map(|entry| look(&entry.path(), dir)).collect()
}

fn look(proc: &Path, dir: &Path) -> Option<Process> {
    let pid = proc.file_name()?.to_string_lossy().parse().ok()?;
    let cwd = std::fs::read_link(proc.join("cwd")).ok().filter(|cwd| cwd.starts_with(dir))?;
    let line = std::fs::read(proc.join("cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line);
    if line.starts_with("bash") || line.starts_with("/bin/bash") {
        return None;
    }
    let role = match () {
        () if line.contains("maas-operator") => Role::Operator,
        // What guards it has no argument.
        () if line.contains("maas-runner\0supervise") => Role::Runner,
        () if line.contains("dga.py") => Role::Model,
        () => return None,
    };
    let instance = if role == Role::Runner { instance(proc) } else { None };
    Some(Process { pid, role, cwd, instance })
}

fn instance(proc: &Path) -> Option<(String, String)> {
    let environment = std::fs::read(proc.join("environ")).ok()?;
    let value = environment.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(b"MAAS_LAUNCH="))?;
    let launch = Launch::decode(std::str::from_utf8(value).ok()?).ok()?;
    Some((launch.name.to_string(), launch.iid.to_string()))
}

/// Every process that runs in a container on that node, whatever it is.
pub(crate) fn on_node(dir: &Path, node: &str) -> Vec<u32> {
    let below = dir.join(node).join("local");
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let on = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_string_lossy().parse().ok()?;
        std::fs::read_link(entry.path().join("cwd")).ok().filter(|cwd| cwd.starts_with(&below)).map(|_| pid)
    };
    all.flatten().filter_map(on).collect()
}

/// Every process that runs in that container's directory.
pub(crate) fn in_container(container: &str) -> Vec<u32> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let inside = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_string_lossy().parse().ok()?;
        let cwd = std::fs::read_link(entry.path().join("cwd")).ok()?;
        cwd.to_string_lossy().contains(container).then_some(pid)
    };
    all.flatten().filter_map(inside).collect()
}

/// Sends a signal; a process that is gone is an error.
pub(crate) fn send(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no pid")?;
    kill_process(pid, signal).with_context(|| format!("signal {signal:?} to {pid:?}"))
}

/// Who of the cluster holds the near end of a connection: `operator:PID`, `runner:PID`, `self:PID` or `other:`.
pub(crate) fn who(peer: SocketAddr, dir: &Path) -> String {
    let Some(inode) = inode(peer) else { return "other:".to_owned() };
    let link = format!("socket:[{inode}]");
    let holds = |pid: u32| {
        let Ok(handles) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        handles
            .flatten()
            .any(|handle| std::fs::read_link(handle.path()).is_ok_and(|to| to.as_os_str() == link.as_str()))
    };
    let own = std::process::id();
    if holds(own) {
        return format!("self:{own}");
    }
    let holder = scan(dir).into_iter().find(|process| holds(process.pid));
    holder.map_or_else(
        || "other:".to_owned(),
        |process| {
            let role = if process.role == Role::Operator { "operator" } else { "runner" };
            format!("{role}:{}:", process.pid)
        },
    )
}

fn inode(peer: SocketAddr) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let SocketAddr::V4(v4) = peer else { return None };
    let near = format!("{:08X}:{:04X}", u32::from_ne_bytes(v4.ip().octets()), v4.port());
    let columns = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mine = columns.into_iter().find(|columns| columns.get(1).is_some_and(|local| **local == near))?;
    mine.get(9).map(|inode| (*inode).to_owned())
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

//! Who runs a sync: one process at a time, by an ephemeral node.

use std::time::Duration;

use anyhow::{Context, bail};
use maas_crd::{Name, Namespace};
use maas_store::{
    Stat, Store, SyncOwner, SyncRead, SyncRecord, SyncSpec, SyncStatus, create_sync, get_sync, get_sync_owner, own_sync,
};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tokio::time::{Instant, sleep};

use crate::output::{self, object::timestamp};

/// Wait between two looks at an owner whose session is running out.
const GLANCE: Duration = Duration::from_millis(100);

/// This process, as an owner.
pub(crate) fn this_process() -> SyncOwner {
    let pid = std::process::id();
    SyncOwner {
        host: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        pid,
        pid_space: pid_space(),
        started: stat(pid).as_deref().and_then(start_field).unwrap_or_default(),
        since_ms: output::now_ms(),
    }
}

/// One boot of one machine, and one space of pids on it.
fn pid_space() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{}/{}", boot.trim(), space.display())
}

/// What the kernel tells of a process.
fn stat(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// starttime is the 22nd field of proc(5)'s stat; the 2nd, in parentheses, may hold anything. A zombie runs no longer.
fn start_field(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace();
    let state = fields.next()?;
    fields.nth(18)?.parse().ok().filter(|_| !matches!(state, "Z" | "X"))
}

/// Whether an owner's process is known to be over, as against living or out of sight: the files of another user's
/// processes may be hidden.
fn is_over(owner: &SyncOwner) -> bool {
    if owner.pid_space != pid_space() {
        return false;
    }
    let pid = i32::try_from(owner.pid).ok().and_then(Pid::from_raw);
    if pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) {
        return true;
    }
    stat(owner.pid).is_some_and(|stat| start_field(&stat) != Some(owner.started))
}

/// Whether two records are of one process.
pub(crate) fn is_same(one: &SyncOwner, other: &SyncOwner) -> bool {
    (one.pid, one.started, &one.pid_space, &one.host) == (other.pid, other.started, &other.pid_space, &other.host)
}

/// Why this process does not own the sync.
#[derive(Debug, thiserror::Error)]
#[error(
    "sync {namespace}/{name} is run by process {pid} on {host} since {since}: end that first, or give this one another --name"
)]
pub(crate) struct OwnedError {
    namespace: Namespace,
    name: Name,
    host: String,
    pid: u32,
    since: String,
}

/// Makes this process the owner, and the record say `spec`; what users asked for (suspend, reconcile) is kept, and so
/// is the status.
///
/// The node of a process that is known to be over is replaced at once. One that may be over is waited for as long as
/// its session can last; after that it lives.
///
/// # Errors
/// Another process owns it; ZooKeeper did not answer.
pub(crate) async fn take(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    spec: &SyncSpec,
    me: &SyncOwner,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + store.session_timeout() + Duration::from_secs(2);
    let mut told = false;
    loop {
        let (read, owner) = read(store, namespace, name, spec).await?;
        let before = match &owner {
            Some((owner, stat)) if is_same(owner, me) && stat.ephemeral_owner == store.session_id() => return Ok(()),
            Some((owner, stat)) if is_same(owner, me) || is_over(owner) => Some(stat),
            Some((owner, _)) if owner.pid_space == me.pid_space || Instant::now() >= deadline => {
                return Err(OwnedError {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    host: owner.host.clone(),
                    pid: owner.pid,
                    since: timestamp(owner.since_ms),
                }
                .into());
            }
            Some((owner, _)) => {
                if !std::mem::replace(&mut told, true) {
                    output::note(&format!(
                        "note: process {} on {} owns sync {namespace}/{name}; waiting {} s for a session that may be over",
                        owner.pid,
                        owner.host,
                        store.session_timeout().as_secs()
                    ));
                }
                sleep(GLANCE).await;
                continue;
            }
            None => None,
        };
        let mut record = read.record.clone();
        record.spec =
            SyncSpec { suspended: record.spec.suspended, requested_at: record.spec.requested_at, ..spec.clone() };
        match own_sync(store, &read, &record, me, before).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_conflict() || error.may_have_happened() => sleep(GLANCE).await,
            Err(error) => return Err(error).context("the sync cannot be owned"),
        }
    }
}

/// The record, which is made when it is not there, and its owner.
async fn read(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    spec: &SyncSpec,
) -> anyhow::Result<(SyncRead, Option<(SyncOwner, Stat)>)> {
    for _ in 0..10 {
        if let Some(read) = get_sync(store, namespace, name).await? {
            return Ok((read, get_sync_owner(store, namespace, name).await?));
        }
        let record = SyncRecord { spec: spec.clone(), status: SyncStatus::default() };
        match create_sync(store, namespace, name, &record).await {
            Err(error) if !(error.is_conflict() || error.may_have_happened()) => return Err(error.into()),
            _ => {}
        }
    }
    bail!("sync {namespace}/{name} is deleted again and again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_by_its_start_and_its_space() {
        let me = this_process();
        assert!(!is_over(&me) && me.started > 0);
        assert!(is_over(&SyncOwner { started: me.started - 1, ..me.clone() }), "its pid was given to another");
        assert!(is_over(&SyncOwner { pid: i32::MAX.unsigned_abs(), ..me.clone() }), "nobody has that pid");
        assert!(!is_over(&SyncOwner { started: 1, pid_space: "elsewhere".into(), ..me.clone() }), "out of sight");
        assert!(is_same(&me, &SyncOwner { since_ms: 1, ..me.clone() }));
    }

    #[test]
    fn the_start_is_read_behind_any_name() {
        let stat =
            |name: &str, state: &str| format!("7 ({name}) {state} 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0");
        assert_eq!(start_field(&stat("a) b (c", "S")), Some(4711));
        assert_eq!(start_field(&stat("x", "Z")), None);
        assert_eq!(start_field("7 (x) S"), None);
    }
}

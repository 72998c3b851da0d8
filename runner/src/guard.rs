//! The container's first process: it starts the runner proper and outlives it. A runner that is killed leaves its model
//! behind; the NodeManager kills the container's process group then, but not always: it reads the group's number from a
//! file that it deletes itself at that moment (`ContainerLaunch.getContainerPid`, "Could not get pid for …"). This one is
//! small, does nothing, and ends all that is left below it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tracing::error;

use crate::life::Exit;
use crate::process;

/// The runner proper's first argument; the second is the guard's process.
pub const SUPERVISE: &str = "supervise";
/// Between two looks at what is still there after a kill.
const AGAIN: Duration = Duration::from_millis(10);

/// Starts the runner proper, hands signals on to it, and gives its exit code; 128 and the signal's number when it was killed.
/// When it returns, nothing is left below this process. [`process::become_subreaper`] comes first.
///
/// # Errors
/// The runner can't be started, or signals can't be listened for.
pub async fn run() -> io::Result<u8> {
    let mut children = signal(SignalKind::child())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let guard = getpid().as_raw_pid().to_string();
    // By the kernel's link: the file's name may be gone by now.
    let child = Command::new("/proc/self/exe").arg0("maas-runner").args([SUPERVISE, &guard]).spawn()?;
    let runner = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    let exit = loop {
        tokio::select! {
            // It may have gone at this moment.
            _ = terminate.recv() => drop(kill_process(runner, Signal::TERM)),
            _ = interrupt.recv() => drop(kill_process(runner, Signal::INT)),
            _ = children.recv() => {
                let reaped = process::reap();
                if let Some((_, exit)) = reaped.ended.iter().find(|(pid, _)| *pid == runner) {
                    break *exit;
                }
            }
        }
    };
    while process::reap().alive {
        process::signal_tree(Signal::KILL);
        tokio::time::sleep(AGAIN).await;
    }
    let code = match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => {
            error!("the runner was ended by signal {signal}, and what it had started with it");
            128_i32.saturating_add(signal)
        }
    };
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

/// In the runner proper: when the guard is killed it gets SIGTERM, as from the NodeManager, and drains.
///
/// # Errors
/// The guard is gone already.
pub fn watch(guard: &OsStr) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let parent = getppid().map(|parent| parent.as_raw_pid().to_string());
    if parent.is_none_or(|parent| guard != parent.as_str()) {
        return Err(io::Error::other("the process that started it is gone"));
    }
    Ok(())
}

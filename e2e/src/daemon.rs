//! One daemon: a process that can be killed, paused, ended and started again at the same place.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Error,
    guard::MARK,
    probe::{Probe, wait_for},
};

/// A daemon that serves later than this after its start is taken as broken. Long, since the machine may be busy.
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(120);
const END_DEADLINE: Duration = Duration::from_secs(30);
/// How long a signal may take to be taken by every thread.
const PAUSE_DEADLINE: Duration = Duration::from_secs(30);

/// What to run, and where it writes.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// As whom it runs, and that group; as its owner unless said.
    pub(crate) user: Option<u32>,
    /// The place's directory; it marks the process for the guard.
    pub(crate) dir: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) probe: Probe,
}

/// One daemon of a [`Cluster`](crate::Cluster), or one beside it, running or not. All calls may be repeated and used from several tasks.
#[derive(Debug)]
pub struct Daemon {
    launch: Launch,
    http: reqwest::Client,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    since: SystemTime,
}

impl Daemon {
    /// Starts the process and returns at once.
    pub(crate) fn spawn(launch: Launch, http: reqwest::Client) -> Result<Self, Error> {
        let daemon = Self { launch, http, running: Mutex::new(None) };
        daemon.run()?;
        Ok(daemon)
    }

    /// The name: `zookeeper`, `namenode`, `datanode`, `resourcemanager`, `nm1`, `nm2`, …, `kafka`, `opensearch`, …
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// The file with everything that the daemon has logged, over all its starts.
    pub fn log_path(&self) -> &Path {
        &self.launch.log
    }

    /// The process id, or `None` while the daemon is not running.
    pub fn pid(&self) -> Option<u32> {
        let mut slot = self.slot();
        let child = &mut slot.as_mut()?.child;
        matches!(child.try_wait(), Ok(None)).then(|| child.id())
    }

    /// When the running process was started, in milliseconds since 1970.
    pub(crate) fn started_ms(&self) -> Option<u64> {
        let since = self.slot().as_ref()?.since.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok()
    }

    /// Ends the process by SIGKILL and returns when it is gone. A daemon that does not run is left as it is.
    ///
    /// A killed NodeManager's containers run on, as on a real node.
    ///
    /// # Errors
    /// [`Error::Signal`] when the system refuses.
    pub fn kill(&self) -> Result<(), Error> {
        let Some(Running { mut child, .. }) = self.slot().take() else { return Ok(()) };
        let signal = |source| Error::Signal { daemon: self.launch.name.clone(), asked: "kill", source };
        child.kill().map_err(signal)?;
        child.wait().map_err(signal)?;
        Ok(())
    }

    /// Stops the process in its tracks (SIGSTOP) until [`Daemon::resume`]: its ports stay open and nobody answers.
    ///
    /// # Errors
    /// [`Error::State`] when it is not running, [`Error::Signal`] when the system refuses.
    pub fn pause(&self) -> Result<(), Error> {
        self.signal(Signal::STOP, "pause")?;
        // On a busy machine its threads run on until one of them has taken the signal.
        let pid = self.pid().unwrap_or_default();
        let end = Instant::now() + PAUSE_DEADLINE;
        while !is_stopped(pid) {
            if Instant::now() > end {
                return Err(Error::State { daemon: self.launch.name.clone(), state: "running on", asked: "pause" });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Lets a paused process go on (SIGCONT).
    ///
    /// # Errors
    /// As [`Daemon::pause`].
    pub fn resume(&self) -> Result<(), Error> {
        self.signal(Signal::CONT, "resume")
    }

    /// Asks the process to end (SIGTERM) and waits until it has. A NodeManager ends its containers and signs off.
    ///
    /// # Errors
    /// [`Error::State`] when it is not running, [`Error::Deadline`] when it still runs after 30 s.
    pub async fn terminate(&self) -> Result<(), Error> {
        self.signal(Signal::TERM, "terminate")?;
        let what = format!("end of {}", self.launch.name);
        wait_for(&what, END_DEADLINE, async || self.pid().map_or(Ok(()), |pid| Err(format!("pid {pid} runs")))).await
    }

    /// Starts the process, which must not be running, with the ports and data of before, and waits until it serves.
    ///
    /// Only this daemon is waited for; [`Cluster::await_ready`](crate::Cluster::await_ready) waits for them together.
    ///
    /// # Errors
    /// [`Error::State`] when it runs; [`Error::Ended`] and [`Error::Deadline`] when it does not come up.
    pub async fn start(&self) -> Result<(), Error> {
        self.run()?;
        self.serves().await
    }

    /// [`Daemon::kill`] and [`Daemon::start`].
    ///
    /// # Errors
    /// As those.
    pub async fn restart(&self) -> Result<(), Error> {
        self.kill()?;
        self.start().await
    }

    /// Waits until the daemon serves.
    pub(crate) async fn serves(&self) -> Result<(), Error> {
        let what = format!("readiness of {}", self.launch.name);
        let check = async || {
            if self.pid().is_none() {
                return Ok(false);
            }
            self.launch.probe.ask(&self.http).await.map(|()| true)
        };
        if wait_for(&what, START_DEADLINE, check).await? {
            tracing::debug!("{} serves", self.launch.name);
            return Ok(());
        }
        Err(Error::Ended {
            daemon: self.launch.name.clone(),
            log: self.launch.log.clone(),
            tail: tail(&self.launch.log),
        })
    }

    fn run(&self) -> Result<(), Error> {
        if self.pid().is_some() {
            return Err(Error::State { daemon: self.launch.name.clone(), state: "running", asked: "start" });
        }
        let Launch { program, arguments, user, dir, log, .. } = &self.launch;
        let output = File::options().create(true).append(true).open(log).map_err(Error::file("open", log))?;
        let errors = output.try_clone().map_err(Error::file("open", log))?;
        let mut command = Command::new(program);
        // Nothing of the caller's Hadoop settings may reach the daemons or, through them, their containers.
        command.env_clear();
        for kept in ["PATH", "HOME", "USER", "LANG"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        if let Some(user) = user {
            // Of root's further groups none is left.
            command.uid(*user).gid(*user);
        }
        let since = SystemTime::now();
        let child = command
            .args(arguments)
            .env(MARK, format!("{}/", dir.display()))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // A Ctrl-C must reach the owner alone, which then ends its daemons in order.
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Run { program: program.display().to_string(), source })?;
        *self.slot() = Some(Running { child, since });
        Ok(())
    }

    fn signal(&self, signal: Signal, asked: &'static str) -> Result<(), Error> {
        let name = || self.launch.name.clone();
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or_else(|| Error::State { daemon: name(), state: "not running", asked })?;
        kill_process(pid, signal).map_err(|e| Error::Signal { daemon: name(), asked, source: e.into() })
    }

    fn slot(&self) -> MutexGuard<'_, Option<Running>> {
        // The slot is replaced whole, so a panicking holder leaves it sound.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!("{}: {error}", self.launch.name);
        }
    }
}

/// Whether no thread of a process runs: state `T`, the first word behind the name in brackets (proc(5)).
fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['T', 't', 'Z', 'X']))
    })
}

/// The last lines of a log, for an error message.
pub(crate) fn tail(path: &Path) -> String {
    const LINES: usize = 25;
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
}

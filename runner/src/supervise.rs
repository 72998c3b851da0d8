//! Does what [`crate::life`] decides, and tells it what happened.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use rustix::process::{Pid, Signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::life::{Cause, Effect, Ending, Event, Life, Phase, Report, Stop, Times};
use crate::logs::{Logs, Tail};
use crate::registration::{Heard, Registration};
use crate::{payload, process, script, watch};

/// What one container is to run.
#[derive(Debug)]
pub struct Plan {
    /// The payload as the NodeManager has laid it out.
    pub payload: PathBuf,
    /// The script, if the manifest names one.
    pub script: Option<String>,
    /// The announcement's name in the payload's directory.
    pub announce_file: String,
    /// The model's whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Deadlines of the manifest.
    pub times: Times,
    /// How the model is looked at; the announcement's path is filled in here.
    pub watch: watch::Settings,
    /// Where the model's output goes.
    pub logs: Logs,
}

/// Runs the model until it is to end; gives the exit code. Not cancel safe: dropped, it leaves the model running.
///
/// # Errors
/// Signals can't be listened for, or the payload's directory can't be used: nothing was started.
pub async fn run(plan: Plan, mut registration: Registration) -> io::Result<u8> {
    let mut children = signal(SignalKind::child())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (looks, mut looked) = mpsc::channel(16);
    let began = Instant::now();
    let mut shell = Shell {
        life: Life::new(plan.times),
        plan,
        looks,
        began,
        model: None,
        watching: None,
        tail: None,
        last_tail: None,
        pending: VecDeque::new(),
    };
    shell.pending.push_back(Event::Tick);
    loop {
        while let Some(event) = shell.pending.pop_front() {
            let effects = shell.life.step(began.elapsed(), event);
            for effect in effects {
                if let Effect::Leave { code, ending } = effect {
                    shell.leave(&mut registration, ending).await;
                    return Ok(code);
                }
                shell.perform(&mut registration, effect);
            }
        }
        let wake = shell.life.wake();
        let due = async {
            match wake {
                Some(at) => sleep_until(began + at).await,
                None => std::future::pending().await,
            }
        };
        // Orders before ends: a signal to the whole group must not look like a crash of the model.
        tokio::select! {
            biased;
            _ = terminate.recv() => shell.pending.push_back(signalled("SIGTERM")),
            _ = interrupt.recv() => shell.pending.push_back(signalled("SIGINT")),
            _ = children.recv() => shell.reap(),
            heard = registration.heard() => shell.hear(heard),
            Some(event) = looked.recv() => shell.pending.push_back(event),
            () = due => shell.pending.push_back(Event::Tick),
        }
    }
}

fn signalled(name: &str) -> Event {
    Event::StopOrdered(Stop { cause: Cause::Signal, message: format!("the runner was ended by {name}"), grace: None })
}

struct Shell {
    life: Life,
    plan: Plan,
    looks: mpsc::Sender<Event>,
    began: Instant,
    /// The run whose tree may be alive; the pid is None once the script itself has ended.
    model: Option<Option<Pid>>,
    watching: Option<JoinHandle<()>>,
    /// Of the latest run, and of the run whose end is reported.
    tail: Option<Tail>,
    last_tail: Option<Tail>,
    pending: VecDeque<Event>,
}

impl Shell {
    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Withdrawn => self.pending.push_back(Event::Withdrawn),
            Heard::Stop(stop) => {
                info!("the model is to end: {}", stop.message);
                self.pending.push_back(Event::StopOrdered(stop));
            }
        }
    }

    fn perform(&mut self, registration: &mut Registration, effect: Effect) {
        match effect {
            Effect::Start { run } => match self.start(run) {
                Ok(()) => {}
                Err(event) => self.pending.push_back(event),
            },
            Effect::Publish { run, address } => {
                info!("ready at {} after {:?}", address.url, self.began.elapsed());
                registration.publish(run, address);
            }
            Effect::Withdraw => registration.withdraw(),
            Effect::Terminate => process::signal_tree(Signal::TERM),
            Effect::Kill => process::signal_tree(Signal::KILL),
            Effect::Report(report) => {
                log(&report);
                if matches!(report.phase, Phase::BackingOff | Phase::Stopping) {
                    self.last_tail.clone_from(&self.tail);
                }
                registration.report(report, self.last_tail.clone());
            }
            // Handled by the loop, which it ends.
            Effect::Leave { .. } => {}
        }
    }

    fn start(&mut self, run: u32) -> Result<(), Event> {
        let unstartable = |reason, message| Event::Unstartable(Ending { reason, message, exit: None });
        let directory = payload::own_directory(&self.plan.payload).map_err(|error| {
            unstartable("PayloadUnusable", format!("can't use {}: {error}", self.plan.payload.display()))
        })?;
        let script = script::find(&directory, self.plan.script.as_deref())
            .map_err(|refused| unstartable(refused.reason(), refused.to_string()))?;
        let announcement = directory.join(&self.plan.announce_file);
        payload::forget_announcement(&announcement).map_err(|error| {
            unstartable("PayloadUnusable", format!("can't remove the old {}: {error}", announcement.display()))
        })?;
        let failed = |error: io::Error| {
            let message = format!("can't start {}: {error}", script.program.display());
            Event::StartFailed(Ending { reason: "StartFailed", message, exit: None })
        };
        let started = match process::start(&script, &directory, &self.plan.env) {
            Ok(started) => started,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!(
                    "can't start {}: the interpreter in its first line, or its loader, is not on this node",
                    script.program.display()
                );
                return Err(unstartable("InterpreterMissing", message));
            }
            Err(error) => return Err(failed(error)),
        };
        info!("run {run}: started {} as process {}", script.program.display(), started.pid.as_raw_pid());
        self.model = Some(Some(started.pid));
        if let (Some(stdout), Some(stderr)) = (started.stdout, started.stderr) {
            match self.plan.logs.follow(stdout, stderr) {
                Ok(tail) => self.tail = Some(tail),
                Err(error) => {
                    // A pipe of it is closed, so it would fail at its first word anyway.
                    warn!("no thread for the model's output: {error}");
                    process::signal_tree(Signal::KILL);
                }
            }
        }
        let settings = watch::Settings { announcement, ..self.plan.watch.clone() };
        self.watching = Some(tokio::spawn(watch::watch(run, settings, self.looks.clone())));
        Ok(())
    }

    fn reap(&mut self) {
        let reaped = process::reap();
        let Some(script) = self.model else { return };
        let script_exit =
            script.and_then(|script| reaped.ended.iter().find(|(pid, _)| *pid == script).map(|(_, exit)| *exit));
        if script_exit.is_some() {
            self.model = Some(None);
        }
        if !reaped.alive {
            self.model = None;
            if let Some(watching) = self.watching.take() {
                watching.abort();
            }
        }
        match script_exit {
            Some(exit) => self.pending.push_back(Event::ScriptExited { exit, survivors: reaped.alive }),
            None if !reaped.alive => self.pending.push_back(Event::TreeEnded),
            None => {}
        }
    }

    async fn leave(&mut self, registration: &mut Registration, ending: Ending) {
        info!("leaving: {}: {}", ending.reason, ending.message);
        registration.last_words(ending, self.tail.clone()).await;
    }
}

fn log(report: &Report) {
    let missing = report.missing.as_ref().map(|(reason, message)| format!(", {reason}: {message}")).unwrap_or_default();
    let last =
        report.last.as_ref().map(|last| format!(", before: {}: {}", last.reason, last.message)).unwrap_or_default();
    info!("{:?}, {} restarts{missing}{last}", report.phase, report.restarts);
}

//! The words of a life: what may happen, what may be done, what is reported.

use std::collections::BTreeMap;
use std::time::Duration;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// How a run of the model ended, or why none could begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// One word for conditions and events, such as `ModelExited`.
    pub reason: &'static str,
    /// For people: what happened and what to do.
    pub message: String,
    /// Of the script, if it ran and ended by itself.
    pub exit: Option<Exit>,
}

/// Where a ready model may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The whole URL, on the node's name.
    pub url: String,
    /// Function alias to path.
    pub functions: BTreeMap<String, String>,
}

/// Who wants the model to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The instance's record is past version 0.
    RecordStopping,
    /// The instance's record is not there.
    RecordGone,
    /// SIGTERM.
    Signal,
}

/// An order to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Who wants it.
    pub cause: Cause,
    /// Why, for the last words.
    pub message: String,
    /// SIGKILL comes so long after the order; the manifest's grace if not said.
    pub grace: Option<Duration>,
}

/// What happened. `run` is that of [`Effect::Start`]; news of an earlier run are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed; due at [`Life::wake`](super::Life::wake).
    Tick,
    /// The start failed in a way that may mend (no memory, no process).
    StartFailed(Ending),
    /// No start can ever succeed here.
    Unstartable(Ending),
    /// Announced, held by our own tree, reachable and ready: all checks of one look have passed.
    Answered {
        /// The run that was looked at.
        run: u32,
        /// Where it serves.
        address: Address,
    },
    /// A check has failed.
    Unanswered {
        /// The run that was looked at.
        run: u32,
        /// Which check, in one word.
        reason: &'static str,
        /// What was seen.
        message: String,
    },
    /// No process of the tree holds the announced port any more.
    PortLost {
        /// The run that was looked at.
        run: u32,
    },
    /// The script's own process has ended.
    ScriptExited {
        /// How.
        exit: Exit,
        /// Whether something it started lives on.
        survivors: bool,
    },
    /// Nothing is left of the run.
    TreeEnded,
    /// The model is to end, and the runner with it.
    StopOrdered(Stop),
    /// The endpoint is certainly not there.
    Withdrawn,
}

/// What to do. Effects are done in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start the script and look at it until its tree has ended.
    Start {
        /// Number of this run, from 1.
        run: u32,
    },
    /// Let callers have this address.
    Publish {
        /// The run that serves there.
        run: u32,
        /// Where.
        address: Address,
    },
    /// Take the endpoint away at once; answer with [`Event::Withdrawn`].
    Withdraw,
    /// Send SIGTERM to the whole tree.
    Terminate,
    /// Send SIGKILL to the whole tree.
    Kill,
    /// Bring the report up to date.
    Report(Report),
    /// Leave the last words and exit.
    Leave {
        /// The process's exit code.
        code: u8,
        /// The last words.
        ending: Ending,
    },
}

/// The phases as reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The script runs, and was not ready yet.
    Starting,
    /// It may be called.
    Ready,
    /// It was ready and is not any more.
    Unready,
    /// No process; the next start is due later.
    BackingOff,
    /// On the way out.
    Stopping,
}

/// What the runner says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where the model stands.
    pub phase: Phase,
    /// How often it was started again.
    pub restarts: u32,
    /// Which check fails, and what was seen; none when ready.
    pub missing: Option<(&'static str, String)>,
    /// How a run ended, the latest that did.
    pub last: Option<Ending>,
    /// Which run that was; 0 for none.
    pub ended_run: u32,
}

/// What the manifest says of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// From the script's start to its first readiness.
    pub startup: Duration,
    /// From an order to end to SIGKILL.
    pub grace: Duration,
}

//! The life of a model: what to do next, decided without doing any of it.
//!
//! ```text
//!              Tick                Answered                3 × Unanswered, PortLost
//!   Waiting ─────────► Starting ─────────────► Ready ◄────────────────────────────► Unready
//!      ▲                  │                      │              Answered               │
//!      │                  │ timeout              │ exit                  exit, timeout │
//!      │                  ▼                      ▼                                     │
//!      └────────────── Clearing ◄──────────────────────────────────────────────────────┘
//!         TreeEnded
//!
//!   any of these ── StopOrdered ──► Withdrawing ── Withdrawn ──► Lingering ── Tick ──► Terminating ──► Left
//! ```
//!
//! Waiting: no process, a start is due at a time. Clearing: a run has failed and the rest of its tree is being ended.
//! A script that exits 0 and leaves something running has daemonised: the run goes on until nothing of it is left, or
//! until nothing of it listens.

mod words;

use std::time::Duration;

pub use words::{Address, Cause, Effect, Ending, Event, Exit, Phase, Report, Stop, Times};

/// Time since the runner's start, on a clock that never jumps.
pub type Moment = Duration;

/// The first restart comes at once, the second after this, each further one after twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// No restart waits longer.
const LONGEST_DELAY: Duration = Duration::from_secs(300);
/// Ready for so long, a run owes nothing to the crashes before it.
const HEALTHY_AFTER: Duration = Duration::from_secs(600);
/// Probes in a row that must fail before a ready model is taken as unready.
const FAILURES_UNTIL_UNREADY: u32 = 3;
/// What is left of a failed run has so long between SIGTERM and SIGKILL, or the grace if that is shorter.
const CLEARING_GRACE: Duration = Duration::from_secs(5);
/// The endpoint's removal is waited for so long when the operator asks for the stop.
const WITHDRAW_PATIENCE: Duration = Duration::from_secs(2);
/// And so long after a SIGTERM: the NodeManager sends SIGKILL after 250 ms
/// (yarn.nodemanager.sleep-delay-before-sigkill.ms).
const WITHDRAW_PATIENCE_SIGNAL: Duration = Duration::from_millis(150);
/// Clients get so long to hear of the removal before the model is told to end.
const LINGER: Duration = Duration::from_secs(1);
/// Between two rounds of SIGKILL, for what was forked during a round.
const KILL_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting { until: Moment },
    Starting { deadline: Moment },
    Ready { since: Moment, failures: u32, address: Address },
    Unready { deadline: Option<Moment> },
    Clearing { kill_at: Moment },
    Withdrawing { stop: Stop, until: Moment, kill_at: Moment },
    Lingering { stop: Stop, until: Moment, kill_at: Moment },
    Terminating { stop: Stop, kill_at: Moment },
    Left,
}

/// The state machine. It begins with a start due at moment 0: feed it a [`Event::Tick`].
#[derive(Debug, Clone)]
pub struct Life {
    times: Times,
    state: State,
    run: u32,
    crashes: u32,
    /// A process of the run may be alive.
    tree: bool,
    /// The script has exited 0 and left something behind.
    daemonised: bool,
    missing: Option<(&'static str, String)>,
    last: Option<Ending>,
    ended_run: u32,
}

impl Life {
    /// A life not yet begun.
    pub fn new(times: Times) -> Self {
        Self {
            times,
            state: State::Waiting { until: Moment::ZERO },
            run: 0,
            crashes: 0,
            tree: false,
            daemonised: false,
            missing: None,
            last: None,
            ended_run: 0,
        }
    }

    /// When the next [`Event::Tick`] is due, if nothing happens before.
    pub fn wake(&self) -> Option<Moment> {
        match &self.state {
            State::Waiting { until } | State::Withdrawing { until, .. } | State::Lingering { until, .. } => {
                Some(*until)
            }
            State::Starting { deadline } => Some(*deadline),
            State::Unready { deadline } => *deadline,
            State::Clearing { kill_at } | State::Terminating { kill_at, .. } => Some(*kill_at),
            State::Ready { .. } | State::Left => None,
        }
    }

    /// What the runner says of itself now.
    pub fn report(&self) -> Report {
        let phase = match self.state {
            // The very first start, and one that is due at once, are starts already.
            State::Waiting { .. } if self.run == 0 => Phase::Starting,
            State::Waiting { .. } | State::Clearing { .. } => Phase::BackingOff,
            State::Starting { .. } => Phase::Starting,
            State::Ready { .. } => Phase::Ready,
            State::Unready { .. } => Phase::Unready,
            State::Withdrawing { .. } | State::Lingering { .. } | State::Terminating { .. } | State::Left => {
                Phase::Stopping
            }
        };
        Report {
            phase,
            restarts: self.run.saturating_sub(1),
            missing: self.missing.clone(),
            last: self.last.clone(),
            ended_run: self.ended_run,
        }
    }

    /// Takes in what happened at `now` and says what to do.
    pub fn step(&mut self, now: Moment, event: Event) -> Vec<Effect> {
        match event {
            Event::Tick => self.tick(now),
            Event::StartFailed(ending) => {
                self.tree = false;
                self.run_ended(now, ending)
            }
            Event::Unstartable(ending) => self.unstartable(now, ending),
            Event::Answered { run, .. } | Event::Unanswered { run, .. } | Event::PortLost { run }
                if run != self.run =>
            {
                Vec::new()
            }
            Event::Answered { address, .. } => self.answered(now, address),
            Event::Unanswered { reason, message, .. } => self.unanswered(now, (reason, message)),
            Event::PortLost { .. } => self.port_lost(now),
            Event::ScriptExited { exit, survivors } => self.script_exited(now, exit, survivors),
            Event::TreeEnded => self.tree_ended(now),
            Event::StopOrdered(stop) => self.stop_ordered(now, stop),
            Event::Withdrawn => self.withdrawn(now),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Effect> {
        if self.wake().is_none_or(|due| now < due) {
            return Vec::new();
        }
        match &self.state {
            State::Waiting { .. } => {
                self.run += 1;
                self.tree = true;
                self.daemonised = false;
                self.missing = None;
                self.state = State::Starting { deadline: now + self.times.startup };
                vec![Effect::Start { run: self.run }, Effect::Report(self.report())]
            }
            State::Starting { .. } | State::Unready { .. } => {
                let (check, seen) = self.missing.clone().unwrap_or(("NotLookedAt", "no look was completed".to_owned()));
                let message = format!(
                    "not ready within {} s: {check}: {seen}; mend the model, or raise spec.startup.timeout",
                    self.times.startup.as_secs()
                );
                self.clear(now, Ending { reason: "StartupTimeout", message, exit: None })
            }
            State::Clearing { .. } => {
                self.state = State::Clearing { kill_at: now + KILL_AGAIN };
                vec![Effect::Kill]
            }
            State::Withdrawing { stop, kill_at, .. } => {
                let (stop, kill_at) = (stop.clone(), *kill_at);
                self.linger(now, stop, kill_at)
            }
            State::Lingering { stop, kill_at, .. } => {
                let (stop, kill_at) = (stop.clone(), *kill_at);
                self.terminate(stop, kill_at)
            }
            State::Terminating { stop, .. } => {
                self.state = State::Terminating { stop: stop.clone(), kill_at: now + KILL_AGAIN };
                vec![Effect::Kill]
            }
            State::Ready { .. } | State::Left => Vec::new(),
        }
    }

    fn answered(&mut self, now: Moment, address: Address) -> Vec<Effect> {
        match &mut self.state {
            State::Ready { failures, address: published, .. } if *published == address => {
                *failures = 0;
                Vec::new()
            }
            State::Starting { .. } | State::Unready { .. } | State::Ready { .. } => {
                self.missing = None;
                self.state = State::Ready { since: now, failures: 0, address: address.clone() };
                vec![Effect::Publish { run: self.run, address }, Effect::Report(self.report())]
            }
            State::Waiting { .. }
            | State::Clearing { .. }
            | State::Withdrawing { .. }
            | State::Lingering { .. }
            | State::Terminating { .. }
            | State::Left => Vec::new(),
        }
    }

    fn unanswered(&mut self, now: Moment, missing: (&'static str, String)) -> Vec<Effect> {
        match &mut self.state {
            State::Starting { .. } | State::Unready { .. } => {
                let new = self.missing.as_ref() != Some(&missing);
                self.missing = Some(missing);
                if new { vec![Effect::Report(self.report())] } else { Vec::new() }
            }
            State::Ready { failures, .. } => {
                *failures += 1;
                if *failures < FAILURES_UNTIL_UNREADY {
                    return Vec::new();
                }
                self.missing = Some(missing);
                self.credit_health(now);
                self.state = State::Unready { deadline: None };
                vec![Effect::Withdraw, Effect::Report(self.report())]
            }
            State::Waiting { .. }
            | State::Clearing { .. }
            | State::Withdrawing { .. }
            | State::Lingering { .. }
            | State::Terminating { .. }
            | State::Left => Vec::new(),
        }
    }

    fn port_lost(&mut self, now: Moment) -> Vec<Effect> {
        match self.state {
            State::Ready { .. } | State::Unready { deadline: None } => {
                let message = "no process of the model listens on its port any more";
                if self.daemonised {
                    let ending = Ending { reason: "ModelExited", message: message.to_owned(), exit: None };
                    return self.run_failed(now, ending);
                }
                // The script runs on and may start another server; it gets as long for it as for the first.
                self.missing = Some(("PortNotListening", message.to_owned()));
                self.credit_health(now);
                self.state = State::Unready { deadline: Some(now + self.times.startup) };
                vec![Effect::Withdraw, Effect::Report(self.report())]
            }
            State::Unready { deadline: Some(_) }
            | State::Starting { .. }
            | State::Waiting { .. }
            | State::Clearing { .. }
            | State::Withdrawing { .. }
            | State::Lingering { .. }
            | State::Terminating { .. }
            | State::Left => Vec::new(),
        }
    }

    fn script_exited(&mut self, now: Moment, exit: Exit, survivors: bool) -> Vec<Effect> {
        self.tree &= survivors;
        match self.state {
            State::Starting { .. } | State::Ready { .. } | State::Unready { .. } => {
                if survivors && exit == Exit::Code(0) {
                    self.daemonised = true;
                    return Vec::new();
                }
                self.run_failed(now, model_exited(exit))
            }
            State::Clearing { .. } if !survivors => self.tree_ended(now),
            State::Withdrawing { .. } | State::Lingering { .. } | State::Terminating { .. } if !survivors => {
                self.ended(model_exited(exit));
                self.tree_ended(now)
            }
            State::Withdrawing { .. } | State::Lingering { .. } | State::Terminating { .. } => {
                self.ended(model_exited(exit));
                Vec::new()
            }
            State::Waiting { .. } | State::Clearing { .. } | State::Left => Vec::new(),
        }
    }

    fn tree_ended(&mut self, now: Moment) -> Vec<Effect> {
        self.tree = false;
        match &self.state {
            State::Starting { .. } | State::Ready { .. } | State::Unready { .. } => {
                let message = "the script exited with code 0, and all that it had left running has ended too";
                let ending = Ending { reason: "ModelExited", message: message.to_owned(), exit: Some(Exit::Code(0)) };
                self.run_failed(now, ending)
            }
            State::Clearing { .. } => self.wait(now),
            State::Lingering { stop, .. } | State::Terminating { stop, .. } => {
                let stop = stop.clone();
                self.leave(&stop)
            }
            // The endpoint still stands; it is waited for first.
            State::Withdrawing { .. } | State::Waiting { .. } | State::Left => Vec::new(),
        }
    }

    /// A run that had begun has failed.
    fn run_failed(&mut self, now: Moment, ending: Ending) -> Vec<Effect> {
        if self.tree { self.clear(now, ending) } else { self.run_ended(now, ending) }
    }

    fn ended(&mut self, ending: Ending) {
        self.last = Some(ending);
        self.ended_run = self.run;
    }

    fn count_crash(&mut self, now: Moment) {
        self.credit_health(now);
        self.crashes = self.crashes.saturating_add(1);
    }

    /// To be called whenever Ready is left.
    fn credit_health(&mut self, now: Moment) {
        if let State::Ready { since, .. } = self.state
            && now.saturating_sub(since) >= HEALTHY_AFTER
        {
            self.crashes = 0;
        }
    }

    fn clear(&mut self, now: Moment, ending: Ending) -> Vec<Effect> {
        self.count_crash(now);
        self.ended(ending);
        self.state = State::Clearing { kill_at: now + self.times.grace.min(CLEARING_GRACE) };
        vec![Effect::Withdraw, Effect::Terminate, Effect::Report(self.report())]
    }

    fn run_ended(&mut self, now: Moment, ending: Ending) -> Vec<Effect> {
        match &self.state {
            State::Starting { .. } | State::Ready { .. } | State::Unready { .. } => {
                self.count_crash(now);
                self.ended(ending);
                let mut effects = vec![Effect::Withdraw];
                effects.extend(self.wait(now));
                effects
            }
            State::Lingering { stop, .. } | State::Terminating { stop, .. } => {
                let stop = stop.clone();
                self.leave(&stop)
            }
            State::Waiting { .. } | State::Clearing { .. } | State::Withdrawing { .. } | State::Left => Vec::new(),
        }
    }

    fn wait(&mut self, now: Moment) -> Vec<Effect> {
        self.missing = None;
        self.state = State::Waiting { until: now + delay(self.crashes) };
        vec![Effect::Report(self.report())]
    }

    fn unstartable(&mut self, now: Moment, ending: Ending) -> Vec<Effect> {
        self.tree = false;
        match self.state {
            State::Starting { .. } => {
                self.ended(ending.clone());
                self.state = State::Left;
                vec![Effect::Leave { code: 1, ending }]
            }
            State::Waiting { .. }
            | State::Ready { .. }
            | State::Unready { .. }
            | State::Clearing { .. }
            | State::Withdrawing { .. }
            | State::Lingering { .. }
            | State::Terminating { .. }
            | State::Left => self.run_ended(now, ending),
        }
    }

    fn stop_ordered(&mut self, now: Moment, stop: Stop) -> Vec<Effect> {
        let kill_at = now + stop.grace.unwrap_or(self.times.grace);
        let patience = match stop.cause {
            Cause::RecordStopping | Cause::RecordGone => WITHDRAW_PATIENCE,
            Cause::Signal => WITHDRAW_PATIENCE_SIGNAL,
        };
        match &mut self.state {
            State::Waiting { .. }
            | State::Starting { .. }
            | State::Ready { .. }
            | State::Unready { .. }
            | State::Clearing { .. } => {
                self.state = State::Withdrawing { stop, until: now + patience, kill_at };
                vec![Effect::Withdraw, Effect::Report(self.report())]
            }
            // A second order only ever shortens.
            State::Withdrawing { until, kill_at: before, .. } => {
                *until = (*until).min(now + patience);
                *before = (*before).min(kill_at);
                Vec::new()
            }
            State::Lingering { stop: first, kill_at: before, .. } => {
                let (first, kill_at) = (first.clone(), (*before).min(kill_at));
                match stop.cause {
                    Cause::Signal => self.terminate(first, kill_at),
                    Cause::RecordStopping | Cause::RecordGone => {
                        *before = kill_at;
                        Vec::new()
                    }
                }
            }
            State::Terminating { kill_at: before, .. } => {
                *before = (*before).min(kill_at);
                Vec::new()
            }
            State::Left => Vec::new(),
        }
    }

    fn withdrawn(&mut self, now: Moment) -> Vec<Effect> {
        match &self.state {
            State::Withdrawing { stop, kill_at, .. } => {
                let (stop, kill_at) = (stop.clone(), *kill_at);
                self.linger(now, stop, kill_at)
            }
            State::Waiting { .. }
            | State::Starting { .. }
            | State::Ready { .. }
            | State::Unready { .. }
            | State::Clearing { .. }
            | State::Lingering { .. }
            | State::Terminating { .. }
            | State::Left => Vec::new(),
        }
    }

    fn linger(&mut self, now: Moment, stop: Stop, kill_at: Moment) -> Vec<Effect> {
        if !self.tree {
            return self.leave(&stop);
        }
        match stop.cause {
            // The signal went to the model's whole group as well: there is nothing to wait for.
            Cause::Signal => self.terminate(stop, kill_at),
            Cause::RecordStopping | Cause::RecordGone => {
                // A short grace is shared between the clients and the model.
                let linger = LINGER.min(kill_at.saturating_sub(now) / 2);
                self.state = State::Lingering { stop, until: now + linger, kill_at };
                Vec::new()
            }
        }
    }

    fn terminate(&mut self, stop: Stop, kill_at: Moment) -> Vec<Effect> {
        self.state = State::Terminating { stop, kill_at };
        vec![Effect::Terminate]
    }

    fn leave(&mut self, stop: &Stop) -> Vec<Effect> {
        let (code, reason) = match stop.cause {
            Cause::RecordStopping => (0, "Stopped"),
            Cause::RecordGone => (0, "RecordGone"),
            // 128 + SIGTERM, which YARN knows as an ordered end (ContainerExecutor.ExitCode.TERMINATED).
            Cause::Signal => (143, "Terminated"),
        };
        self.state = State::Left;
        let exit = self.last.as_ref().and_then(|ending| ending.exit);
        vec![Effect::Leave { code, ending: Ending { reason, message: stop.message.clone(), exit } }]
    }
}

fn model_exited(exit: Exit) -> Ending {
    let message = match exit {
        Exit::Code(0) => {
            "the script exited with code 0 and left nothing running; it should run as long as it serves".to_owned()
        }
        Exit::Code(code) => format!("the script exited with code {code}"),
        Exit::Signal(signal) => format!("the script was ended by signal {signal}"),
    };
    Ending { reason: "ModelExited", message, exit: Some(exit) }
}

/// How long to wait before the start after the `crashes`-th crash in a row.
fn delay(crashes: u32) -> Duration {
    match crashes {
        0 | 1 => Duration::ZERO,
        more => FIRST_DELAY.saturating_mul(1 << (more - 2).min(16)).min(LONGEST_DELAY),
    }
}

#[cfg(test)]
mod tests;

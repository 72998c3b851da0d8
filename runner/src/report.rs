//! What the runner writes, in the words of the tree.

use std::time::{SystemTime, UNIX_EPOCH};

use maas_crd::Launch;
use maas_store::{Endpoint, Exit as ExitRecord, Phase as PhaseRecord, RunnerReport, ServiceInstance, Waiting};

use crate::life::{Address, Ending, Exit, Phase, Report};

/// Longest message, in characters.
const MESSAGE_LIMIT: usize = 1024;

/// Who writes.
#[derive(Debug, Clone)]
pub struct Author {
    /// What the operator wants of this container.
    pub launch: Launch,
    /// The full container id.
    pub container: String,
    /// The node's name, as clients know it.
    pub node: String,
    /// host:port of the NodeManager's web server.
    pub node_http: Option<String>,
}

/// Milliseconds since the epoch, by this node's clock.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A report with the moments that it speaks of, in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// What is said.
    pub report: Report,
    /// Since when the phase is so.
    pub since_ms: i64,
    /// When the last run ended.
    pub ended_ms: i64,
}

impl Dated {
    /// Dates a report; what it says as `before` keeps its moment.
    pub fn after(before: Option<&Self>, report: Report, now_ms: i64) -> Self {
        let kept = |same: bool, moment: Option<i64>| moment.filter(|_| same).unwrap_or(now_ms);
        let since_ms = kept(
            before.is_some_and(|before| before.report.phase == report.phase),
            before.map(|before| before.since_ms),
        );
        let same_end = |before: &Self| before.report.ended_run == report.ended_run;
        let ended_ms = kept(before.is_some_and(same_end), before.map(|before| before.ended_ms));
        Self { report, since_ms, ended_ms }
    }
}

impl Author {
    /// The endpoint of a model that serves at `address`.
    pub fn endpoint(&self, address: &Address, since_ms: i64) -> Endpoint {
        Endpoint {
            url: address.url.clone(),
            functions: address.functions.clone(),
            model: self.launch.model.name.as_str().to_owned(),
            version: self.launch.model.version.as_str().to_owned(),
            revision: self.launch.revision,
            container: self.container.clone(),
            since_ms,
        }
    }

    /// The same for Metron's clients.
    pub fn metron(&self, address: &Address, since_ms: i64) -> ServiceInstance {
        ServiceInstance::new(
            self.launch.model.name.as_str(),
            self.launch.model.version.as_str(),
            &self.container,
            &address.url,
            address.functions.clone(),
            since_ms,
        )
    }

    /// The report. `tail` is the end of the ended run's stderr.
    pub fn report(&self, dated: &Dated, tail: &str) -> RunnerReport {
        RunnerReport {
            container: self.container.clone(),
            node: self.node.clone(),
            node_http: self.node_http.clone(),
            phase: match dated.report.phase {
                Phase::Starting => PhaseRecord::Starting,
                Phase::Ready => PhaseRecord::Ready,
                Phase::Unready => PhaseRecord::Unready,
                Phase::BackingOff => PhaseRecord::BackingOff,
                Phase::Stopping => PhaseRecord::Stopping,
            },
            waiting: waiting(&dated.report),
            restarts: dated.report.restarts,
            last_exit: dated.report.last.as_ref().map(|last| exit(last, tail, dated.ended_ms)),
            since_ms: dated.since_ms,
        }
    }
}

/// What is lacking, while there is a process that may still come to it.
fn waiting(report: &Report) -> Option<Waiting> {
    let (reason, message) = report.missing.as_ref()?;
    let awaited = matches!(report.phase, Phase::Starting | Phase::Unready);
    awaited.then(|| Waiting { reason: (*reason).to_owned(), message: bounded(message) })
}

fn bounded(message: &str) -> String {
    message.chars().take(MESSAGE_LIMIT).collect()
}

/// How a run ended. `tail` is the end of its stderr.
pub fn exit(ending: &Ending, tail: &str, at_ms: i64) -> ExitRecord {
    let (code, signal) = match ending.exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(signal)) => (None, Some(signal)),
        None => (None, None),
    };
    let message = bounded(&ending.message);
    ExitRecord { code, signal, reason: ending.reason.to_owned(), message, stderr_tail: tail.to_owned(), at_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(phase: Phase, ended_run: u32) -> Report {
        let last = (ended_run > 0).then(|| Ending {
            reason: "ModelExited",
            message: "the script exited with code 1".to_owned(),
            exit: Some(Exit::Code(1)),
        });
        Report { phase, restarts: 0, ended_run, missing: None, last }
    }

    #[test]
    fn moments_are_kept_while_what_they_date_stays() {
        let first = Dated::after(None, report(Phase::Starting, 0), 1);
        let again = Dated::after(Some(&first), report(Phase::Starting, 0), 2);
        assert_eq!(again.since_ms, 1);
        let crashed = Dated::after(Some(&again), report(Phase::BackingOff, 1), 3);
        assert_eq!((crashed.since_ms, crashed.ended_ms), (3, 3));
        let started = Dated::after(Some(&crashed), report(Phase::Starting, 1), 4);
        assert_eq!((started.since_ms, started.ended_ms), (4, 3));
        let alike = Dated::after(Some(&started), report(Phase::BackingOff, 2), 5);
        assert_eq!(alike.ended_ms, 5);
    }

    #[test]
    fn an_end_is_told_with_its_message_and_the_end_of_stderr() {
        let ending = report(Phase::BackingOff, 1).last.unwrap();
        let record = exit(&ending, "Traceback", 7);
        assert_eq!(
            (record.message.as_str(), record.stderr_tail.as_str()),
            ("the script exited with code 1", "Traceback")
        );
        assert_eq!((record.code, record.signal, record.at_ms), (Some(1), None, 7));
    }

    #[test]
    fn what_is_lacking_is_told_while_it_may_still_come() {
        let lacking = |phase| Report { missing: Some(("NotReady", "x".repeat(5_000))), ..report(phase, 0) };
        let told = waiting(&lacking(Phase::Starting)).unwrap();
        assert_eq!((told.reason.as_str(), told.message.len()), ("NotReady", MESSAGE_LIMIT));
        assert!(waiting(&lacking(Phase::Unready)).is_some());
        assert_eq!(waiting(&lacking(Phase::BackingOff)), None);
        assert_eq!(waiting(&report(Phase::Starting, 0)), None);
    }
}

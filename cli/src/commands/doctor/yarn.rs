//! YARN: what the ResourceManager and the NodeManagers really run with.

mod capacity;
pub(super) mod look;
mod nodes;
mod settings;

use hadoop_rpc::Conf;
use serde_json::Value;

use super::clock::{self, Reading};
use super::finding::{Check, Finding, Group, all_need};
use super::http::version;
use nodes::NodeConf;

const REACHABLE: Check = Check::new(Group::Yarn, "rm-reachable");
const HTTP: Check = Check::new(Group::Yarn, "rm-http");
const STATE: Check = Check::new(Group::Yarn, "rm-state");
const VERSION: Check = Check::new(Group::Yarn, "rm-version");
const CLOCK: Check = Check::new(Group::Yarn, "rm-clock");

/// What everything was seen working with.
const TESTED: &str = "3.5.0";

/// One ResourceManager by its web server (`ClusterInfo`).
#[derive(Debug, Clone)]
struct Info {
    address: String,
    /// ACTIVE, STANDBY, …
    ha_state: String,
    version: String,
    clock: Option<Reading>,
}

/// What was seen of YARN.
#[derive(Debug)]
pub(super) struct Seen {
    /// Where clients ask.
    addresses: String,
    /// The ResourceManager answers clients, and has so many nodes.
    answers: Result<usize, String>,
    /// Each web server.
    infos: Vec<Result<Info, String>>,
    /// Of the active one.
    conf: Result<Conf, String>,
    scheduler: Result<Value, String>,
    nodes: Result<Vec<capacity::Node>, String>,
    /// Of the running NodeManagers, or of as many as are looked at.
    node_confs: Vec<(String, Result<NodeConf, String>)>,
    /// The local capacity-scheduler.xml, should there be one.
    local_scheduler: Option<Conf>,
}

/// What is asked of the queue.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) queue: String,
    /// An operator runs already, so that its container is not needed any more.
    pub(super) leads: bool,
}

/// Nothing can be looked at.
pub(super) fn unseen(other: Check) -> Vec<Finding> {
    [all_need(&[REACHABLE, HTTP], other), behind_http(other)].concat()
}

/// The look did not end in time.
pub(super) fn away(error: String) -> Vec<Finding> {
    let mut found = vec![unreachable(error), HTTP.needs(REACHABLE)];
    found.extend(behind_http(REACHABLE));
    found
}

fn unreachable(error: String) -> Finding {
    REACHABLE.error(
        error,
        "start YARN, and let yarn.resourcemanager.address (or .hostname) in yarn-site.xml name it",
        "no service can be started; one that runs keeps its models and waits for it",
    )
}

fn behind_http(other: Check) -> Vec<Finding> {
    let own = all_need(&[STATE, VERSION, CLOCK], other);
    let settings = all_need(&settings::ALL, other);
    [own, settings, all_need(&capacity::ALL, other), all_need(&nodes::ALL, other)].concat()
}

pub(super) fn judge(seen: &Seen, wanted: &Wanted) -> Vec<Finding> {
    let mut found = Vec::new();
    match &seen.answers {
        Ok(nodes) => found.push(REACHABLE.ok(format!("{} answers, with {nodes} nodes", seen.addresses))),
        Err(error) => found.push(unreachable(error.clone())),
    }
    let known: Vec<&Info> = seen.infos.iter().flatten().collect();
    let deaf: Vec<&str> = seen.infos.iter().filter_map(|info| info.as_ref().err()).map(String::as_str).collect();
    if known.is_empty() {
        if seen.answers.is_err() {
            found.push(HTTP.needs(REACHABLE));
            found.extend(behind_http(REACHABLE));
        } else {
            found.push(HTTP.error(
                deaf.join("; "),
                "let this host reach yarn.resourcemanager.webapp.address, or run maasctl where it is reached",
                "what the daemons run with is read there; `maasctl logs` needs the NodeManagers' likewise",
            ));
            found.extend(behind_http(HTTP));
        }
        return found;
    }
    found.push(http(&known, &deaf));
    found.push(state(&known));
    found.push(judge_version(&known));
    let clocks: Vec<(String, Reading)> =
        known.iter().filter_map(|info| Some((info.address.clone(), info.clock?))).collect();
    found.push(clock::judge(CLOCK, &clocks));
    match &seen.conf {
        Ok(conf) => found.extend(settings::judge(conf, seen.local_scheduler.as_ref(), &known)),
        Err(error) => found.extend(settings::ALL.iter().map(|check| check.skipped(error.clone()))),
    }
    found.extend(capacity::judge(&seen.nodes, &seen.scheduler, seen.conf.as_ref().ok(), wanted));
    found.extend(nodes::judge(&seen.node_confs));
    found
}

fn http(known: &[&Info], deaf: &[&str]) -> Finding {
    if deaf.is_empty() {
        let names: Vec<&str> = known.iter().map(|info| info.address.as_str()).collect();
        return HTTP.ok(format!("{} answers", names.join(", ")));
    }
    HTTP.warning(
        deaf.join("; "),
        "start the ResourceManager that is away",
        "while it is away nobody takes over from the other one",
    )
}

fn active<'a>(known: &[&'a Info]) -> Option<&'a Info> {
    known.iter().find(|info| info.ha_state == "ACTIVE").copied()
}

fn state(known: &[&Info]) -> Finding {
    let states: Vec<String> = known.iter().map(|info| format!("{} is {}", info.address, info.ha_state)).collect();
    if active(known).is_some() {
        return STATE.ok(states.join(", "));
    }
    STATE.error(
        states.join(", "),
        "wait some seconds if it has just been started; else see `yarn rmadmin -getAllServiceState`, and the ResourceManagers' logs",
        "a standby starts nothing",
    )
}

fn judge_version(known: &[&Info]) -> Finding {
    let Some(info) = known.iter().min_by_key(|info| version(&info.version)) else { return VERSION.needs(HTTP) };
    let text = &info.version;
    match version(text) {
        Some(found) if found < (3, 0, 0) => VERSION.error(
            text.clone(),
            "upgrade to Hadoop 3.5",
            "the operator finds its containers again by allocation request ids, which came with Hadoop 3",
        ),
        Some((3, 5, _)) => VERSION.ok(text.clone()),
        Some(_) => VERSION.note(format!("{text}; maas is tested with {TESTED}")),
        None => VERSION.note(format!("{text:?}: not a version that can be judged; maas is tested with {TESTED}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity::{self, Error, Info as Note, Ok as Fine, Skipped, Warning};
    use super::*;

    fn info(ha_state: &str, version: &str) -> Info {
        Info { address: "rm:8088".into(), ha_state: ha_state.into(), version: version.into(), clock: None }
    }

    fn seen(answers: Result<usize, String>, infos: Vec<Result<Info, String>>) -> Seen {
        let away = || "no".to_owned();
        Seen {
            addresses: "rm:8032".into(),
            answers,
            infos,
            conf: Err(away()),
            scheduler: Err(away()),
            nodes: Err(away()),
            node_confs: Vec::new(),
            local_scheduler: None,
        }
    }

    fn severities(seen: &Seen) -> Vec<(&'static str, Severity)> {
        let wanted = Wanted { queue: "default".into(), leads: false };
        judge(seen, &wanted).iter().map(|finding| (finding.id, finding.severity)).collect()
    }

    #[test]
    fn a_resource_manager_that_is_away_is_one_error() {
        let found = severities(&seen(Err("refused".into()), vec![Err("refused".into())]));
        assert_eq!(found[0], ("rm-reachable", Error));
        assert!(found[1..].iter().all(|(_, severity)| *severity == Skipped), "{found:?}");
        let count = found.len();
        assert_eq!(away("no answer".into()).len(), count);
        assert_eq!(unseen(REACHABLE).len(), count);
        assert_eq!(severities(&seen(Ok(1), vec![Ok(info("ACTIVE", "3.5.0"))])).len(), count, "each check is said");
    }

    #[test]
    fn a_web_server_that_is_away_is_one_error() {
        let found = severities(&seen(Ok(2), vec![Err("refused".into())]));
        assert_eq!(found[..3], [("rm-reachable", Fine), ("rm-http", Error), ("rm-state", Skipped)]);
    }

    #[test]
    fn one_of_two_is_active_or_nothing_starts() {
        let both = |one: &str, two: &str| {
            let found = severities(&seen(Ok(1), vec![Ok(info(one, "3.5.0")), Ok(info(two, "3.5.1"))]));
            (found[1].1, found[2].1, found[3].1)
        };
        assert_eq!(both("STANDBY", "ACTIVE"), (Fine, Fine, Fine));
        assert_eq!(both("STANDBY", "STANDBY"), (Fine, Error, Fine));
        let found = severities(&seen(Ok(1), vec![Ok(info("ACTIVE", "3.5.0")), Err("refused".into())]));
        assert_eq!(found[1], ("rm-http", Warning));
    }

    #[test]
    fn versions_before_3_are_refused_and_others_than_3_5_are_told() {
        let of = |version: &str| judge_version(&[&info("ACTIVE", version)]).severity;
        assert_eq!((of("2.10.2"), of("3.5.0"), of("3.4.2"), of("4.0.0"), of("?")), (Error, Fine, Note, Note, Note));
    }
}

//! ZooKeeper: who answers, what it is, and who may write.

pub(super) mod look;

use std::time::Duration;

use super::clock::{self, Reading};
use super::finding::{Check, Finding, Group, all_need};
use super::http::version;

pub(super) const REACHABLE: Check = Check::new(Group::ZooKeeper, "zk-reachable");
const VERSION: Check = Check::new(Group::ZooKeeper, "zk-version");
const ENSEMBLE: Check = Check::new(Group::ZooKeeper, "zk-ensemble");
const SESSION: Check = Check::new(Group::ZooKeeper, "zk-session");
const ACL: Check = Check::new(Group::ZooKeeper, "zk-acl");
const CLOCK: Check = Check::new(Group::ZooKeeper, "zk-clock");

/// Persistent recursive watches came with it.
const NEEDED: (u32, u32, u32) = (3, 6, 0);

/// What one server says of itself (`srvr`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Server {
    /// Nobody accepts connections there, or it hangs.
    Away(String),
    /// It answers, but not this question.
    Mute,
    /// Version, and standalone, leader, follower or observer.
    Says { version: String, mode: String },
}

/// What was seen of the ensemble.
#[derive(Debug)]
pub(super) struct Seen {
    /// By address, in the quorum's order.
    pub(super) servers: Vec<(String, Server)>,
    pub(super) session: Result<Session, String>,
}

/// What a session of ours saw.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) asked: Duration,
    pub(super) granted: Duration,
    /// Whether anyone may write the root of all; an error where that can't be read.
    pub(super) root_open: Result<bool, String>,
    pub(super) clock: Result<Reading, String>,
}

/// Reads the answer to `srvr`.
pub(super) fn srvr(text: &str) -> Server {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match (field("Zookeeper version:"), field("Mode:")) {
        (Some(version), Some(mode)) => Server::Says { version: version.to_owned(), mode: mode.to_owned() },
        _ => Server::Mute,
    }
}

pub(super) fn judge(seen: &Seen) -> Vec<Finding> {
    let session = match &seen.session {
        Ok(session) => session,
        Err(error) => {
            let change = "start ZooKeeper, or name its servers right (--zookeeper, MAAS_ZOOKEEPER)";
            let why = "specs, status and endpoints stand in ZooKeeper; models that run serve on without it";
            let mut found = vec![REACHABLE.error(error.clone(), change, why)];
            found.extend(all_need(&[VERSION, ENSEMBLE, SESSION, ACL, CLOCK], REACHABLE));
            return found;
        }
    };
    vec![
        reachable(&seen.servers),
        judge_version(&seen.servers),
        ensemble(&seen.servers),
        timeout(session.asked, session.granted),
        acl(&session.root_open),
        match &session.clock {
            Ok(reading) => clock::judge(CLOCK, &[("ZooKeeper".to_owned(), *reading)]),
            Err(error) => CLOCK.skipped(format!("no znode could be made to read the time from: {error}")),
        },
    ]
}

fn reachable(servers: &[(String, Server)]) -> Finding {
    let away: Vec<String> = servers
        .iter()
        .filter_map(|(address, server)| match server {
            Server::Away(why) => Some(format!("{address} ({why})")),
            Server::Mute | Server::Says { .. } => None,
        })
        .collect();
    if away.is_empty() {
        let names: Vec<&str> = servers.iter().map(|(address, _)| address.as_str()).collect();
        return REACHABLE.ok(format!("{} answers", names.join(", ")));
    }
    REACHABLE.warning(
        format!("a session stands, but these servers do not answer: {}", away.join(", ")),
        "start them, or name the ensemble's servers right",
        "the ensemble bears the loss of fewer servers than it should",
    )
}

fn judge_version(servers: &[(String, Server)]) -> Finding {
    let mut known: Vec<(&str, &str)> = servers
        .iter()
        .filter_map(|(address, server)| match server {
            Server::Says { version, .. } => Some((address.as_str(), version.split('-').next().unwrap_or(version))),
            Server::Away(_) | Server::Mute => None,
        })
        .collect();
    known.sort_by_key(|(_, text)| version(text));
    let Some((address, text)) = known.first() else {
        return VERSION.info(
            "unknown: no server answers the four-letter word srvr",
            "look at the version by hand; let srvr through where something stands before ZooKeeper",
            "3.9.5 or later is recommended, and 3.6 needed",
        );
    };
    let seen = format!("{text} at {address}");
    match version(text) {
        Some(found) if found < NEEDED => VERSION.error(
            seen,
            "upgrade to ZooKeeper 3.9.5 or later",
            "recursive watches came with 3.6: without them the operator does not see edits",
        ),
        // 3.8.6 has the same repairs.
        Some(found) if found >= (3, 9, 5) || ((3, 8, 6)..(3, 9, 0)).contains(&found) => VERSION.ok(seen),
        Some(_) => VERSION.warning(
            seen,
            "upgrade to ZooKeeper 3.9.5 or later",
            "earlier ones are open to CVE-2026-24281 and CVE-2026-24308",
        ),
        None => VERSION.note(format!("{seen}: not a version that can be judged")),
    }
}

fn ensemble(servers: &[(String, Server)]) -> Finding {
    let modes: Vec<&str> = servers
        .iter()
        .filter_map(|(_, server)| match server {
            Server::Says { mode, .. } => Some(mode.as_str()),
            Server::Away(_) | Server::Mute => None,
        })
        .collect();
    if modes.contains(&"standalone") || (servers.len() == 1 && modes.is_empty()) {
        return ENSEMBLE.warning(
            "one server",
            "run three or five servers, and name them all",
            "while the only one is away nothing is edited, started or replaced; its disk holds the only specs",
        );
    }
    match servers.len() {
        1 => ENSEMBLE.warning(
            format!("one server of several is named, a {}", modes.first().copied().unwrap_or("server")),
            "name all servers: --zookeeper host1:2181,host2:2181,host3:2181",
            "operator and runners connect to the named ones only",
        ),
        2 => ENSEMBLE.warning(
            "two servers",
            "run three, and name them all",
            "the loss of either one stops both: a majority of two is two",
        ),
        servers => ENSEMBLE.ok(format!("{servers} servers are named")),
    }
}

fn timeout(asked: Duration, granted: Duration) -> Finding {
    let seen = format!("session timeout {} ms", granted.as_millis());
    let change =
        "let minSessionTimeout and maxSessionTimeout of ZooKeeper include 6000 ms (stock: 2 to 20 ticks of 2000 ms)";
    if granted > asked {
        let why = "the endpoint of a host that dies silently is handed out for so long";
        SESSION.warning(format!("{seen}; {} ms were asked for", asked.as_millis()), change, why)
    } else if granted < asked {
        let why = "a pause of this length takes the endpoints of models that work away for a moment";
        SESSION.warning(format!("{seen}; {} ms were asked for", asked.as_millis()), change, why)
    } else {
        SESSION.ok(seen)
    }
}

fn acl(root_open: &Result<bool, String>) -> Finding {
    match root_open {
        Ok(false) => ACL.ok("the root is not open to world:anyone"),
        Ok(true) => ACL.warning(
            "anyone may write the root (world:anyone)",
            "let nobody reach ZooKeeper's port but the cluster's hosts; an ACL must let these in by address (scheme ip), since maas has no \
             identity at ZooKeeper yet",
            "who writes znodes can take any service of this ZooKeeper down",
        ),
        Err(error) => ACL.skipped(error.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity::{self, Error, Info, Ok as Fine, Skipped, Warning};
    use super::*;

    fn says(version: &str, mode: &str) -> Server {
        Server::Says { version: version.into(), mode: mode.into() }
    }

    fn servers(all: &[Server]) -> Vec<(String, Server)> {
        all.iter().enumerate().map(|(number, server)| (format!("zk{}:2181", number + 1), server.clone())).collect()
    }

    #[test]
    fn srvr_is_read_whatever_else_it_says() {
        let text = "Zookeeper version: 3.9.5-293c, built on 2026\nLatency min/avg/max: 0/1/11\nMode: standalone\nNode count: 3\n";
        assert_eq!(srvr(text), says("3.9.5-293c, built on 2026", "standalone"));
        assert_eq!(srvr("srvr is not executed because it is not in the whitelist."), Server::Mute);
        assert_eq!(srvr("This ZooKeeper instance is not currently serving requests\n"), Server::Mute);
    }

    #[test]
    fn versions_are_judged_by_the_oldest() {
        let judged = |all: &[&str]| {
            let all: Vec<Server> = all.iter().map(|version| says(version, "follower")).collect();
            judge_version(&servers(&all)).severity
        };
        let expect: [(&[&str], Severity); 7] = [
            (&["3.9.5-a"], Fine),
            (&["3.10.0"], Fine),
            (&["3.8.6"], Fine),
            (&["3.9.5", "3.9.4-b"], Warning),
            (&["3.8.5"], Warning),
            (&["3.5.9"], Error),
            (&[], Info),
        ];
        for (versions, severity) in expect {
            assert_eq!(judged(versions), severity, "{versions:?}");
        }
    }

    #[test]
    fn a_quorum_that_bears_no_loss_is_warned_of() {
        let severity = |all: &[Server]| ensemble(&servers(all)).severity;
        assert_eq!(severity(&[says("3.9.5", "standalone")]), Warning);
        assert_eq!(severity(&[says("3.9.5", "leader")]), Warning);
        assert_eq!(severity(&[Server::Mute]), Warning);
        assert_eq!(severity(&[Server::Mute, Server::Mute]), Warning);
        assert_eq!(severity(&[says("3.9.5", "leader"), Server::Mute, Server::Away("refused".into())]), Fine);
    }

    #[test]
    fn a_session_of_another_length_than_asked_is_told() {
        let of = |granted| timeout(Duration::from_secs(6), Duration::from_millis(granted)).severity;
        assert_eq!((of(6_000), of(4_000), of(10_000)), (Fine, Warning, Warning));
    }

    #[test]
    fn nothing_else_is_looked_at_where_no_session_stands() {
        let found = judge(&Seen { servers: Vec::new(), session: Err("no ZooKeeper answered".into()) });
        assert_eq!(found[0].severity, Error);
        assert!(found[1..].iter().all(|finding| finding.severity == Skipped && finding.seen == "needs zk-reachable"));
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn an_open_root_and_a_server_that_is_away_are_warned_of() {
        let session = Session {
            asked: Duration::from_secs(6),
            granted: Duration::from_secs(6),
            root_open: Ok(true),
            clock: Err("not allowed".into()),
        };
        let away = Server::Away("connection refused".into());
        let seen = Seen { servers: servers(&[says("3.9.5", "leader"), away, Server::Mute]), session: Ok(session) };
        let found: Vec<(&str, Severity)> = judge(&seen).iter().map(|finding| (finding.id, finding.severity)).collect();
        let expect = [
            ("zk-reachable", Warning),
            ("zk-version", Fine),
            ("zk-ensemble", Fine),
            ("zk-session", Fine),
            ("zk-acl", Warning),
            ("zk-clock", Skipped),
        ];
        assert_eq!(found, expect);
    }
}

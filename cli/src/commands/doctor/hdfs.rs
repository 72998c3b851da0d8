//! HDFS: where the operator's binaries and the payloads are.

pub(super) mod look;

use super::clock::{self, Reading};
use super::finding::{Check, Finding, Group, Severity, all_need};

pub(super) const REACHABLE: Check = Check::new(Group::Hdfs, "hdfs-reachable");
const SAFE_MODE: Check = Check::new(Group::Hdfs, "hdfs-safe-mode");
const HOME: Check = Check::new(Group::Hdfs, "hdfs-home");
const CLOCK: Check = Check::new(Group::Hdfs, "hdfs-clock");

const ALL: [Check; 4] = [REACHABLE, SAFE_MODE, HOME, CLOCK];

/// What the NameNode's web server says (`NameNodeInfo`).
#[derive(Debug, Clone)]
pub(super) struct NameNode {
    pub(super) version: String,
    /// Empty when it is not in safe mode, else its words.
    pub(super) safe_mode: String,
    pub(super) clock: Option<Reading>,
}

/// What was seen of HDFS.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) fs: String,
    /// The NameNode answers clients.
    pub(super) answers: Result<(), String>,
    /// Its web server answers.
    pub(super) name_node: Result<NameNode, String>,
    /// Where a small file was written and deleted.
    pub(super) written: Result<String, String>,
    /// The directory that binaries go to.
    pub(super) home: String,
}

/// Nothing can be looked at.
pub(super) fn unseen(other: Check) -> Vec<Finding> {
    all_need(&ALL, other)
}

/// The look did not end in time, or HDFS can't be asked at all.
pub(super) fn away(error: String) -> Vec<Finding> {
    let change = "start HDFS, and let fs.defaultFS in core-site.xml name it";
    let why = "the operator's binaries and the payloads are read from it; models that run serve on without it";
    let mut found = vec![REACHABLE.error(error, change, why)];
    found.extend(all_need(&[SAFE_MODE, HOME, CLOCK], REACHABLE));
    found
}

pub(super) fn judge(seen: &Seen) -> Vec<Finding> {
    if let Err(error) = &seen.answers {
        return away(error.clone());
    }
    let reachable = match &seen.name_node {
        Ok(name_node) => REACHABLE.ok(format!("{} answers, version {}", seen.fs, name_node.version)),
        Err(_) => REACHABLE.ok(format!("{} answers", seen.fs)),
    };
    let safe_mode = safe_mode(seen);
    let home = home(seen, &safe_mode);
    vec![reachable, safe_mode, home, clock(seen)]
}

fn safe_mode(seen: &Seen) -> Finding {
    let words = match &seen.name_node {
        Ok(name_node) => name_node.safe_mode.as_str(),
        // The NameNode names it when it refuses a write.
        Err(_) => seen.written.as_ref().err().filter(|error| error.contains("safe mode")).map_or("", String::as_str),
    };
    if !words.is_empty() {
        return SAFE_MODE.error(
            format!("on: {words}"),
            "wait until the DataNodes have reported, or end it: `hdfs dfsadmin -safemode leave`",
            "nothing can be written, so no service can be started and no payload uploaded",
        );
    }
    match (&seen.name_node, &seen.written) {
        (Ok(_), _) | (Err(_), Ok(_)) => SAFE_MODE.ok("off"),
        (Err(error), Err(_)) => SAFE_MODE.skipped(error.clone()),
    }
}

fn home(seen: &Seen, safe_mode: &Finding) -> Finding {
    if safe_mode.severity == Severity::Error {
        return HOME.needs(SAFE_MODE);
    }
    match &seen.written {
        Ok(place) if *place == seen.home => HOME.ok(format!("a file was written to {place}, and deleted")),
        Ok(place) => HOME.ok(format!("a file was written to {place}, and deleted; {} can be made there", seen.home)),
        Err(error) => HOME.error(
            format!("nothing can be written for {}: {error}", seen.home),
            "make the user's home directory in HDFS, owned by the user; see that DataNodes run and have room",
            "`maasctl service start` puts the operator, the runner and the configuration there",
        ),
    }
}

fn clock(seen: &Seen) -> Finding {
    match &seen.name_node {
        Ok(NameNode { clock: Some(reading), .. }) => clock::judge(CLOCK, &[("the NameNode".to_owned(), *reading)]),
        Ok(NameNode { clock: None, .. }) => clock::judge(CLOCK, &[]),
        Err(error) => CLOCK.skipped(error.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity::{Error, Ok as Fine, Skipped};
    use super::*;

    fn seen(safe_mode: &str, written: Result<&str, &str>) -> Seen {
        let now = Reading { before: 0, after: 10, least: 0, most: 999 };
        Seen {
            fs: "hdfs://nn:8020".into(),
            answers: Ok(()),
            name_node: Ok(NameNode { version: "3.5.0".into(), safe_mode: safe_mode.into(), clock: Some(now) }),
            written: written.map(str::to_owned).map_err(str::to_owned),
            home: "/user/u/.maas".into(),
        }
    }

    fn severities(seen: &Seen) -> Vec<Severity> {
        judge(seen).iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn a_hdfs_that_takes_files_is_well() {
        assert_eq!(severities(&seen("", Ok("/user/u/.maas"))), [Fine, Fine, Fine, Fine]);
        assert!(judge(&seen("", Ok("/user/u")))[2].seen.contains("/user/u/.maas can be made there"));
    }

    #[test]
    fn safe_mode_is_told_by_the_web_server_or_by_the_refused_write() {
        let refusal = Err("could not create: Name node is in safe mode.");
        assert_eq!(severities(&seen("Safe mode is ON.", refusal)), [Fine, Error, Skipped, Fine]);
        assert_eq!(severities(&seen("", Err("no room"))), [Fine, Fine, Error, Fine]);
        let mute = Seen { name_node: Err("cannot read http://nn:9870".into()), ..seen("", refusal) };
        assert_eq!(severities(&mute), [Fine, Error, Skipped, Skipped]);
        let mute = Seen { name_node: Err("cannot read http://nn:9870".into()), ..seen("", Ok("/user/u")) };
        assert_eq!(severities(&mute), [Fine, Fine, Fine, Skipped]);
    }

    #[test]
    fn a_name_node_that_is_away_is_one_error() {
        let away = Seen { answers: Err("refused".into()), ..seen("", Err("refused")) };
        assert_eq!(severities(&away), [Error, Skipped, Skipped, Skipped]);
    }
}

//! The local Hadoop configuration: the clients' side of the cluster.

use std::path::Path;

use hadoop_rpc::Conf;

use super::finding::{Check, Finding, Group};

pub(super) const HADOOP_CONF: Check = Check::new(Group::Maas, "hadoop-conf");

const NEEDED: [&str; 2] = ["core-site.xml", "yarn-site.xml"];
const CHANGE: &str =
    "set HADOOP_CONF_DIR, or give --conf-dir: the directory of core-site.xml, hdfs-site.xml and yarn-site.xml";
const WHY: &str = "the operator gets these files, and finds YARN and HDFS by them";

/// It can't be read at all.
pub(super) fn unreadable(error: &anyhow::Error) -> Finding {
    HADOOP_CONF.error(format!("{error:#}"), CHANGE, WHY)
}

/// Whether clients can work with it.
pub(super) fn judge(directory: &Path, conf: &Conf, present: &[&str]) -> Finding {
    let place = directory.display();
    let missing: Vec<&str> = NEEDED.iter().filter(|name| !present.contains(name)).copied().collect();
    if !missing.is_empty() {
        return HADOOP_CONF.error(format!("{place} holds no {}", missing.join(" and no ")), CHANGE, WHY);
    }
    if let Err(error) = hadoop_yarn::config::rm_addresses(conf) {
        let error = anyhow::Error::from(error);
        return HADOOP_CONF.error(format!("{place}: {error:#}"), "name the ResourceManager in yarn-site.xml", WHY);
    }
    let fs = conf.get("fs.defaultFS").unwrap_or_default();
    if !fs.starts_with("hdfs://") {
        return HADOOP_CONF.error(
            format!("{place}: fs.defaultFS is {fs:?}, not hdfs://…"),
            "set fs.defaultFS in core-site.xml to the HDFS of the cluster",
            "payloads and the operator's binaries are read from HDFS",
        );
    }
    if conf.get("hadoop.security.authentication").is_some_and(|kind| !kind.eq_ignore_ascii_case("simple")) {
        return HADOOP_CONF.error(
            format!("{place}: hadoop.security.authentication is kerberos"),
            "use a cluster without Kerberos",
            "Kerberos is not supported yet: no call to YARN or HDFS would be let in",
        );
    }
    HADOOP_CONF.ok(format!("{place}: {fs}"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn judged(pairs: &[(&str, &str)], present: &[&str]) -> (Severity, String) {
        let mut conf = Conf::default();
        pairs.iter().for_each(|(name, value)| conf.set(*name, *value));
        let found = judge(Path::new("/conf"), &conf, present);
        (found.severity, found.seen)
    }

    #[test]
    fn a_configuration_for_clients_names_yarn_and_hdfs() {
        let good = [("fs.defaultFS", "hdfs://nn:8020"), ("yarn.resourcemanager.hostname", "rm")];
        assert_eq!(judged(&good, &NEEDED), (Severity::Ok, "/conf: hdfs://nn:8020".to_owned()));
        assert_eq!(judged(&good, &["core-site.xml"]), (Severity::Error, "/conf holds no yarn-site.xml".to_owned()));
        let secure = [good[0], good[1], ("hadoop.security.authentication", "kerberos")];
        assert!(judged(&secure, &NEEDED).1.contains("kerberos"));
        for (pairs, expect) in [(&good[..1], "yarn.resourcemanager.hostname"), (&good[1..], "fs.defaultFS")] {
            let (severity, seen) = judged(pairs, &NEEDED);
            assert!(severity == Severity::Error && seen.contains(expect), "{seen}");
        }
    }
}

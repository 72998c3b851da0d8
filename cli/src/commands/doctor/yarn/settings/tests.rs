use super::super::super::finding::Severity::{self, Error, Info as Note, Ok as Fine, Skipped, Warning};
use super::*;

/// As Hadoop 3.5.0 has it by default, with recovery in ZooKeeper.
fn conf(changes: &[(&str, &str)]) -> Conf {
    let mut conf = Conf::default();
    let stock = [
        ("yarn.resourcemanager.recovery.enabled", "true"),
        ("yarn.resourcemanager.work-preserving-recovery.enabled", "true"),
        ("yarn.resourcemanager.store.class", "org.apache.hadoop.yarn.server.resourcemanager.recovery.ZKRMStateStore"),
        ("yarn.am.liveness-monitor.expiry-interval-ms", "900000"),
        ("yarn.nm.liveness-monitor.expiry-interval-ms", "600000"),
        ("yarn.resourcemanager.am.max-attempts", "2"),
        (
            "yarn.resourcemanager.scheduler.class",
            "org.apache.hadoop.yarn.server.resourcemanager.scheduler.capacity.CapacityScheduler",
        ),
        ("yarn.acl.enable", "false"),
        ("yarn.admin.acl", "*"),
        ("hadoop.http.authentication.type", "simple"),
        ("hadoop.http.authentication.simple.anonymous.allowed", "true"),
        ("hadoop.security.authentication", "simple"),
        ("yarn.log-aggregation-enable", "false"),
    ];
    stock.iter().chain(changes).for_each(|(name, value)| conf.set(*name, *value));
    conf
}

fn severities(changes: &[(&str, &str)]) -> Vec<(&'static str, Severity)> {
    let info = Info { address: "rm:8088".into(), ha_state: "ACTIVE".into(), version: "3.5.0".into(), clock: None };
    judge(&conf(changes), None, &[&info]).iter().map(|finding| (finding.id, finding.severity)).collect()
}

const STOCK: [(&str, Severity); 10] = [
    ("rm-recovery", Fine),
    ("rm-store", Fine),
    ("rm-am-expiry", Warning),
    ("rm-am-attempts", Fine),
    ("rm-nm-expiry", Note),
    ("rm-async-scheduling", Fine),
    ("yarn-acl", Warning),
    ("yarn-http-auth", Warning),
    ("yarn-security", Warning),
    ("yarn-log-aggregation", Note),
];

/// What these changes of the stock settings change in the findings.
#[track_caller]
fn check(changes: &[(&str, &str)], expect: &[(&str, Severity)]) {
    let found = severities(changes);
    let changed: Vec<_> = found.into_iter().filter(|one| !STOCK.contains(one)).collect();
    assert_eq!(changed, expect, "{changes:?}");
}

#[test]
fn stock_settings_are_judged() {
    assert_eq!(severities(&[]), STOCK);
}

#[test]
fn each_setting_changes_its_own_finding() {
    check(&[("yarn.resourcemanager.recovery.enabled", "false")], &[("rm-recovery", Warning), ("rm-store", Skipped)]);
    check(&[("yarn.resourcemanager.work-preserving-recovery.enabled", "false")], &[("rm-recovery", Warning)]);
    check(&[("yarn.resourcemanager.store.class", "a.MemoryRMStateStore")], &[("rm-store", Warning)]);
    check(&[("yarn.resourcemanager.store.class", "a.FileSystemRMStateStore")], &[("rm-store", Note)]);
    check(&[("yarn.am.liveness-monitor.expiry-interval-ms", "60000")], &[("rm-am-expiry", Fine)]);
    check(&[("yarn.am.liveness-monitor.expiry-interval-ms", "soon")], &[("rm-am-expiry", Skipped)]);
    check(&[("yarn.resourcemanager.am.max-attempts", "1")], &[("rm-am-attempts", Warning)]);
    check(&[("yarn.nm.liveness-monitor.expiry-interval-ms", "120000")], &[("rm-nm-expiry", Fine)]);
    check(&[("yarn.acl.enable", "TRUE")], &[]);
    check(&[("yarn.acl.enable", "true"), ("yarn.admin.acl", "yarn")], &[("yarn-acl", Fine)]);
    check(&[("hadoop.http.authentication.simple.anonymous.allowed", "false")], &[("yarn-http-auth", Fine)]);
    check(&[("hadoop.security.authentication", "kerberos")], &[("yarn-security", Error)]);
    check(&[("yarn.log-aggregation-enable", "true")], &[("yarn-log-aggregation", Fine)]);
    check(&[(ASYNC_KEY, "false")], &[("rm-async-scheduling", Note)]);
}

#[test]
fn the_global_limit_of_attempts_comes_first() {
    let of = |global: &str| am_attempts(&conf(&[("yarn.resourcemanager.am.global.max-attempts", global)])).severity;
    assert_eq!((of("1"), of("20")), (Warning, Fine));
}

#[test]
fn high_availability_wants_the_store_in_zookeeper() {
    let ha = ("yarn.resourcemanager.ha.enabled", "true");
    check(&[ha], &[]);
    check(&[ha, ("yarn.resourcemanager.store.class", "a.FileSystemRMStateStore")], &[("rm-store", Warning)]);
}

#[test]
fn asynchronous_scheduling_is_the_local_files_or_the_releases() {
    let of = |release: &str, local: Option<&str>| {
        let mut scheduler = Conf::default();
        local.into_iter().for_each(|value| scheduler.set(ASYNC_KEY, value));
        let found = asynchronous(&conf(&[]), Some(&scheduler), release);
        (found.severity, found.seen.contains("capacity-scheduler.xml"))
    };
    assert_eq!(of("3.5.0", None), (Fine, false));
    assert_eq!(of("3.4.2", None), (Note, false));
    assert_eq!(of("3.4.2", Some("true")), (Fine, true));
    assert_eq!(of("3.5.0", Some("false")), (Note, true));
    assert_eq!(of("", None).0, Skipped);
    let fair = conf(&[("yarn.resourcemanager.scheduler.class", "a.FairScheduler")]);
    assert_eq!(asynchronous(&fair, None, "3.5.0").severity, Skipped);
}

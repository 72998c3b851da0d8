//! What the ResourceManager runs with.

use hadoop_rpc::Conf;

use super::super::finding::{Check, Finding, Group};
use super::super::http::version;
use super::{Info, active};

const RECOVERY: Check = Check::new(Group::Yarn, "rm-recovery");
const STORE: Check = Check::new(Group::Yarn, "rm-store");
const AM_EXPIRY: Check = Check::new(Group::Yarn, "rm-am-expiry");
const AM_ATTEMPTS: Check = Check::new(Group::Yarn, "rm-am-attempts");
const NM_EXPIRY: Check = Check::new(Group::Yarn, "rm-nm-expiry");
const ASYNC: Check = Check::new(Group::Yarn, "rm-async-scheduling");
const ACL: Check = Check::new(Group::Yarn, "yarn-acl");
const HTTP_AUTH: Check = Check::new(Group::Yarn, "yarn-http-auth");
const SECURITY: Check = Check::new(Group::Yarn, "yarn-security");
const LOGS: Check = Check::new(Group::Yarn, "yarn-log-aggregation");

pub(super) const ALL: [Check; 10] =
    [RECOVERY, STORE, AM_EXPIRY, AM_ATTEMPTS, NM_EXPIRY, ASYNC, ACL, HTTP_AUTH, SECURITY, LOGS];

/// A hung operator shall be replaced within this.
const AM_EXPIRY_MS: u64 = 60_000;
/// A silent node's instances shall be replaced within this.
const NM_EXPIRY_MS: u64 = 120_000;
const ASYNC_KEY: &str = "yarn.scheduler.capacity.schedule-asynchronously.enable";

/// Whether a property is `true`; what is not set counts as `default`.
fn is_on(conf: &Conf, key: &str, default: bool) -> bool {
    conf.get(key).map_or(default, |value| value.eq_ignore_ascii_case("true"))
}

pub(super) fn judge(conf: &Conf, local_scheduler: Option<&Conf>, infos: &[&Info]) -> Vec<Finding> {
    vec![
        recovery(conf),
        store(conf),
        am_expiry(conf),
        am_attempts(conf),
        nm_expiry(conf),
        asynchronous(conf, local_scheduler, active(infos).map_or("", |info| info.version.as_str())),
        acl(conf),
        http_auth(conf),
        security(conf),
        logs(conf),
    ]
}

fn recovery(conf: &Conf) -> Finding {
    let why = "a restart of the ResourceManager ends the service and every model";
    if !is_on(conf, "yarn.resourcemanager.recovery.enabled", false) {
        let change =
            "set yarn.resourcemanager.recovery.enabled to true, choose a store, and restart the ResourceManager";
        return RECOVERY.warning("yarn.resourcemanager.recovery.enabled is false", change, why);
    }
    if !is_on(conf, "yarn.resourcemanager.work-preserving-recovery.enabled", true) {
        let change =
            "set yarn.resourcemanager.work-preserving-recovery.enabled to true, and restart the ResourceManager";
        return RECOVERY.warning("on, but not work-preserving", change, why);
    }
    RECOVERY.ok("on, work-preserving")
}

fn store(conf: &Conf) -> Finding {
    let class = conf.get("yarn.resourcemanager.store.class").unwrap_or_default();
    let name = class.rsplit('.').next().unwrap_or(&class).to_owned();
    if !is_on(conf, "yarn.resourcemanager.recovery.enabled", false) {
        return STORE.needs(RECOVERY);
    }
    let zookeeper = "set yarn.resourcemanager.store.class to org.apache.hadoop.yarn.server.resourcemanager.recovery.ZKRMStateStore \
                     and hadoop.zk.address to ZooKeeper's servers";
    if is_on(conf, "yarn.resourcemanager.ha.enabled", false) && name != "ZKRMStateStore" {
        let why = "with high availability only ZKRMStateStore keeps two ResourceManagers from writing at once";
        return STORE.warning(format!("{name}, with high availability"), zookeeper, why);
    }
    match name.as_str() {
        "ZKRMStateStore" => STORE.ok(name),
        "MemoryRMStateStore" | "NullRMStateStore" => {
            let why = "what it keeps is gone when the ResourceManager restarts: recovery finds nothing";
            STORE.warning(name, zookeeper, why)
        }
        "FileSystemRMStateStore" => match conf.get("yarn.resourcemanager.fs.state-store.uri") {
            Some(uri) => STORE.note(format!("{name} at {uri}: it must outlive the ResourceManager's host")),
            None => STORE.note(name),
        },
        _ => STORE.note(format!("{name}: it must outlive the ResourceManager's host")),
    }
}

fn milliseconds(conf: &Conf, key: &str) -> Option<u64> {
    conf.get(key)?.parse().ok()
}

fn am_expiry(conf: &Conf) -> Finding {
    let key = "yarn.am.liveness-monitor.expiry-interval-ms";
    match milliseconds(conf, key) {
        None => AM_EXPIRY.skipped(format!("{key} is no number")),
        Some(expiry) if expiry > AM_EXPIRY_MS => AM_EXPIRY.warning(
            format!("{} s", expiry / 1000),
            "set yarn.am.liveness-monitor.expiry-interval-ms to 60000, and restart the ResourceManager",
            "an operator that hangs is replaced only after it: until then no edit is followed (one that dies is replaced at once)",
        ),
        Some(expiry) => AM_EXPIRY.ok(format!("{} s", expiry / 1000)),
    }
}

fn am_attempts(conf: &Conf) -> Finding {
    // RMAppImpl: the global limit caps what an application asks for; without one the ordinary limit does.
    let key = "yarn.resourcemanager.am.max-attempts";
    let limit = conf.get("yarn.resourcemanager.am.global.max-attempts").or_else(|| conf.get(key));
    match limit.as_deref().map(str::parse::<u64>) {
        Some(Ok(limit)) if limit >= 2 => AM_ATTEMPTS.ok(format!("{limit} within a second")),
        Some(Ok(limit)) => AM_ATTEMPTS.warning(
            limit.to_string(),
            "set yarn.resourcemanager.am.max-attempts to 2 or more, and restart the ResourceManager",
            "the first failure of the operator ends the service and every model",
        ),
        _ => AM_ATTEMPTS.skipped(format!("{key} is no number")),
    }
}

fn nm_expiry(conf: &Conf) -> Finding {
    let key = "yarn.nm.liveness-monitor.expiry-interval-ms";
    match milliseconds(conf, key) {
        None => NM_EXPIRY.skipped(format!("{key} is no number")),
        Some(expiry) if expiry > NM_EXPIRY_MS => NM_EXPIRY.info(
            format!("{} s", expiry / 1000),
            "think of 60000 to 120000 for yarn.nm.liveness-monitor.expiry-interval-ms",
            "instances of a node that falls silent are replaced only after it; callers leave them after ZooKeeper's session timeout \
             already. A shorter time also ends the containers of nodes that are only cut off for a while",
        ),
        Some(expiry) => NM_EXPIRY.ok(format!("{} s", expiry / 1000)),
    }
}

/// The daemon does not show its capacity-scheduler.xml: the local one stands in for it, else the release's default.
fn asynchronous(conf: &Conf, local: Option<&Conf>, release: &str) -> Finding {
    if !conf.get("yarn.resourcemanager.scheduler.class").is_some_and(|class| class.ends_with(".CapacityScheduler")) {
        return ASYNC.skipped("another scheduler than the CapacityScheduler");
    }
    let set = conf.get(ASYNC_KEY).map(|value| (value, "as it runs"));
    let set = set.or_else(|| Some((local?.get(ASYNC_KEY)?, "by the local capacity-scheduler.xml")));
    let (on, source) = match (set, version(release)) {
        (Some((value, source)), _) => (value.eq_ignore_ascii_case("true"), source.to_owned()),
        // YARN-7327.
        (None, Some(found)) => {
            (found >= (3, 5, 0), format!("the default of {release}; the ResourceManager does not show it"))
        }
        (None, None) => return ASYNC.skipped("the ResourceManager does not show it"),
    };
    if on {
        return ASYNC.ok(format!("on, {source}"));
    }
    ASYNC.info(
        format!("off, {source}"),
        "set yarn.scheduler.capacity.schedule-asynchronously.enable to true in capacity-scheduler.xml, and restart the ResourceManager",
        "containers are given only at a NodeManager's heartbeat: each start takes up to a second longer",
    )
}

fn acl(conf: &Conf) -> Finding {
    let admins = conf.get("yarn.admin.acl").unwrap_or_default();
    let on = is_on(conf, "yarn.acl.enable", false);
    if on && admins != "*" {
        return ACL.ok(format!("on, administrators: {admins}"));
    }
    ACL.warning(
        if on { "on, and everyone is an administrator (yarn.admin.acl=*)" } else { "off (yarn.acl.enable=false)" },
        "set yarn.acl.enable to true and yarn.admin.acl to the administrators",
        "anyone may kill the service; and without authentication a name is all it takes",
    )
}

fn http_auth(conf: &Conf) -> Finding {
    let kind = conf.get("hadoop.http.authentication.type").unwrap_or_default();
    if kind.eq_ignore_ascii_case("simple") && is_on(conf, "hadoop.http.authentication.simple.anonymous.allowed", true) {
        return HTTP_AUTH.warning(
            "anonymous requests are served",
            "let nobody reach the ports of the web servers (8088, 8042) but the cluster's hosts and its users' gateway",
            "the REST interface starts any program as any user: worms look for open ports 8088",
        );
    }
    HTTP_AUTH.ok(kind)
}

fn security(conf: &Conf) -> Finding {
    let kind = conf.get("hadoop.security.authentication").unwrap_or_default();
    if kind.eq_ignore_ascii_case("simple") {
        return SECURITY.warning(
            "hadoop.security.authentication is simple",
            "let only trusted people reach the cluster's network",
            "whoever reaches YARN or HDFS is believed by name. maas does not support Kerberos yet",
        );
    }
    SECURITY.error(
        format!("hadoop.security.authentication is {kind}"),
        "use a cluster without Kerberos",
        "Kerberos is not supported yet: no call to YARN or HDFS would be let in",
    )
}

fn logs(conf: &Conf) -> Finding {
    if is_on(conf, "yarn.log-aggregation-enable", false) {
        return LOGS.ok("on");
    }
    let kept = milliseconds(conf, "yarn.nodemanager.log.retain-seconds").unwrap_or(10_800);
    LOGS.info(
        format!("off: logs stay on their node for {kept} s after the application ends"),
        "set yarn.log-aggregation-enable to true on the ResourceManager and the NodeManagers",
        "what an ended service said is lost with its nodes",
    )
}

#[cfg(test)]
mod tests;

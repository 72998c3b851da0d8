//! What the NodeManagers run with.

use hadoop_rpc::Conf;

use super::super::clock::{self, Reading};
use super::super::finding::{Check, Finding, Group};

const RECOVERY: Check = Check::new(Group::Yarn, "nm-recovery");
const EXECUTOR: Check = Check::new(Group::Yarn, "nm-executor");
const CLOCK: Check = Check::new(Group::Yarn, "nm-clock");

pub(super) const ALL: [Check; 3] = [RECOVERY, EXECUTOR, CLOCK];

/// Of one NodeManager.
#[derive(Debug, Clone)]
pub(super) struct NodeConf {
    recovery: bool,
    supervised: bool,
    /// The class's short name.
    executor: String,
    clock: Option<Reading>,
}

impl NodeConf {
    pub(super) fn of(conf: &Conf, clock: Option<Reading>) -> Self {
        let is_on = |key: &str| conf.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let class = conf.get("yarn.nodemanager.container-executor.class").unwrap_or_default();
        Self {
            recovery: is_on("yarn.nodemanager.recovery.enabled"),
            supervised: is_on("yarn.nodemanager.recovery.supervised"),
            executor: class.rsplit('.').next().unwrap_or(&class).to_owned(),
            clock,
        }
    }
}

pub(super) fn judge(nodes: &[(String, Result<NodeConf, String>)]) -> Vec<Finding> {
    let known: Vec<(&str, &NodeConf)> =
        nodes.iter().filter_map(|(name, node)| Some((name.as_str(), node.as_ref().ok()?))).collect();
    if known.is_empty() {
        let why = match nodes.iter().find_map(|(_, node)| node.as_ref().err()) {
            Some(error) => format!("no NodeManager tells its settings: {error}"),
            None => "no NodeManager runs".to_owned(),
        };
        return ALL.iter().map(|check| check.skipped(why.clone())).collect();
    }
    let clocks: Vec<(String, Reading)> =
        known.iter().filter_map(|(name, node)| Some(((*name).to_owned(), node.clock?))).collect();
    vec![recovery(&known, nodes.len()), executor(&known), clock::judge(CLOCK, &clocks)]
}

/// The names of those that are so.
fn which<'a>(known: &[(&'a str, &NodeConf)], is: impl Fn(&NodeConf) -> bool) -> Vec<&'a str> {
    known.iter().filter(|(_, node)| is(node)).map(|(name, _)| *name).collect()
}

fn named(names: &[&str]) -> String {
    const FEW: usize = 3;
    let few = names.iter().take(FEW).copied().collect::<Vec<_>>().join(", ");
    if names.len() > FEW { format!("{few} and {} more", names.len() - FEW) } else { few }
}

fn recovery(known: &[(&str, &NodeConf)], all: usize) -> Finding {
    let off = which(known, |node| !node.recovery);
    if !off.is_empty() {
        return RECOVERY.warning(
            format!("off on {} of {} nodes: {}", off.len(), known.len(), named(&off)),
            "set yarn.nodemanager.recovery.enabled to true and yarn.nodemanager.recovery.dir, fix the port in yarn.nodemanager.address, and restart the NodeManagers",
            "a restart of a NodeManager ends its models",
        );
    }
    let alone = which(known, |node| !node.supervised);
    let told = if known.len() < all { format!(" ({} of {all} nodes told)", known.len()) } else { String::new() };
    if !alone.is_empty() {
        return RECOVERY.info(
            format!("on; {} of {} nodes are not supervised{told}", alone.len(), known.len()),
            "set yarn.nodemanager.recovery.supervised to true where systemd or the like starts a NodeManager again",
            "a NodeManager that is killed keeps its models; one that is stopped in order ends them and signs off",
        );
    }
    RECOVERY.ok(format!("on and supervised on {} nodes{told}", known.len()))
}

fn executor(known: &[(&str, &NodeConf)]) -> Finding {
    let open = which(known, |node| node.executor == "DefaultContainerExecutor");
    if !open.is_empty() {
        return EXECUTOR.warning(
            format!("DefaultContainerExecutor on {} of {} nodes", open.len(), known.len()),
            "use LinuxContainerExecutor, with a user per tenant and cgroups",
            "every container runs as the NodeManager's own user: a model can read the files and tokens of all others, \
             and take memory and processor that it did not ask for",
        );
    }
    let mut names: Vec<&str> = known.iter().map(|(_, node)| node.executor.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    EXECUTOR.ok(names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Severity::{Info as Note, Ok as Fine, Skipped, Warning};
    use super::*;

    fn node(recovery: &str, supervised: &str, executor: &str) -> NodeConf {
        let mut conf = Conf::default();
        conf.set("yarn.nodemanager.recovery.enabled", recovery);
        conf.set("yarn.nodemanager.recovery.supervised", supervised);
        conf.set("yarn.nodemanager.container-executor.class", format!("org.apache.{executor}"));
        NodeConf::of(&conf, None)
    }

    fn judged(nodes: &[NodeConf]) -> Vec<Finding> {
        let nodes: Vec<_> =
            nodes.iter().enumerate().map(|(n, node)| (format!("n{n}:8042"), Ok(node.clone()))).collect();
        judge(&nodes)
    }

    #[test]
    fn one_node_without_recovery_is_named() {
        let found =
            judged(&[node("true", "true", "LinuxContainerExecutor"), node("false", "", "DefaultContainerExecutor")]);
        assert_eq!(found[0].seen, "off on 1 of 2 nodes: n1:8042");
        assert_eq!((found[0].severity, found[1].severity, found[2].severity), (Warning, Warning, Skipped));
    }

    #[test]
    fn recovery_without_supervision_is_told() {
        let severity = |node: NodeConf| judged(&[node])[0].severity;
        assert_eq!(severity(node("true", "false", "x")), Note);
        assert_eq!(severity(node("TRUE", "true", "x")), Fine);
        assert_eq!(judged(&[node("true", "true", "LinuxContainerExecutor")])[1].severity, Fine);
    }

    #[test]
    fn nodes_that_do_not_tell_are_no_trouble_of_their_own() {
        let found = judge(&[("n1".into(), Err("refused".into()))]);
        assert!(found.iter().all(|one| one.severity == Skipped && one.seen.contains("refused")));
        assert_eq!(judge(&[])[0].seen, "no NodeManager runs");
    }
}

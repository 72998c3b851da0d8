//! maas itself: the tree, the operator that leads it, the payloads it names.

use std::collections::BTreeMap;
use std::time::Duration;

use maas_hdfs::{Error as HdfsError, Hdfs};
use maas_store::{LeaderRecord, Node, Store};
use tokio::time::timeout;

use super::finding::{Check, Finding, Group, all_need};
use super::zookeeper::{REACHABLE as ZOOKEEPER, look::is_open};
use crate::commands::connection::{Part, load};
use crate::commands::metron_queue;
use crate::output::{age::age, object::timestamp};

pub(super) const TREE: Check = Check::new(Group::Maas, "maas-tree");
const ACL: Check = Check::new(Group::Maas, "maas-acl");
const OPERATOR: Check = Check::new(Group::Maas, "maas-operator");
const QUEUE: Check = Check::new(Group::Maas, "maas-metron-queue");
pub(super) const PAYLOADS: Check = Check::new(Group::Maas, "maas-payloads");

/// What runs of one application may differ in.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Payloads that are looked at; each takes some calls to the NameNode.
const MOST_PAYLOADS: usize = 100;
/// Files of a payload that the operator takes.
const MOST_FILES: usize = 256;
/// How long one payload may take.
const PAYLOAD: Duration = Duration::from_secs(8);

/// What was seen of the tree.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) root: String,
    pub(super) initialised: bool,
    /// Whether anyone may write the root; an error where that can't be read.
    pub(super) open: Option<Result<bool, String>>,
    /// Deployments, and those of them whose spec can't be read.
    pub(super) deployments: usize,
    pub(super) unreadable: Vec<String>,
    /// The operator's record, and since when its node stands.
    pub(super) leader: Option<(LeaderRecord, i64)>,
    /// Metron's queue.
    pub(super) queue: metron_queue::Seen,
    /// Which deployments name a payload.
    pub(super) payloads: BTreeMap<String, Vec<String>>,
}

/// Reads the tree.
pub(super) async fn look(store: &Store) -> anyhow::Result<Seen> {
    let mut seen = Seen { root: store.root().to_string(), ..Seen::default() };
    if !store.is_initialised().await? {
        seen.queue = metron_queue::look(store, None).await?;
        return Ok(seen);
    }
    seen.initialised = true;
    seen.open = Some(is_open(store, &seen.root).await);
    let leader = store.path(&Node::Leader);
    if let Some((data, stat)) = store.get(&leader).await? {
        seen.leader = Some((LeaderRecord::decode(&leader, &data)?, stat.ctime_ms));
    }
    seen.queue = metron_queue::look(store, seen.leader.as_ref().map(|(leader, _)| leader)).await?;
    for deployment in load(store, &[Part::Specs], None).await?.deployments(None) {
        seen.deployments += 1;
        let name = format!("{}/{}", deployment.namespace, deployment.name);
        match deployment.spec {
            Ok(manifest) => {
                let path = manifest.resource.spec.template.payload.path;
                seen.payloads.entry(path).or_default().push(name);
            }
            Err(_) => seen.unreadable.push(name),
        }
    }
    Ok(seen)
}

/// Nothing of the tree can be read.
pub(super) fn unseen() -> Vec<Finding> {
    all_need(&[TREE, ACL, OPERATOR, QUEUE, PAYLOADS], ZOOKEEPER)
}

/// All but the payloads.
pub(super) fn judge(seen: &Result<Seen, String>, now_ms: i64) -> Vec<Finding> {
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let change = "let this user read the tree, or name its root with --root";
            let mut found = vec![TREE.error(error.clone(), change, "specs, status and endpoints stand in it")];
            found.extend(all_need(&[ACL, OPERATOR, QUEUE], TREE));
            return found;
        }
    };
    vec![tree(seen), acl(seen), operator(seen, now_ms), queue(seen, now_ms)]
}

fn tree(seen: &Seen) -> Finding {
    if !seen.initialised {
        return TREE.note(format!("{} does not exist: `maasctl service start` or the first edit makes it", seen.root));
    }
    let counted = format!("{} holds {} deployments", seen.root, seen.deployments);
    if seen.unreadable.is_empty() {
        return TREE.ok(counted);
    }
    TREE.warning(
        format!("{counted}, of which these specs can't be read: {}", some(&seen.unreadable)),
        "see `maasctl describe md NAME` for line and column, and apply a right manifest",
        "what ran of them is kept as it was; nothing new of them is started",
    )
}

fn acl(seen: &Seen) -> Finding {
    match &seen.open {
        None => ACL.needs(TREE),
        Some(Ok(false)) => ACL.ok(format!("{} is not open to world:anyone", seen.root)),
        Some(Ok(true)) => ACL.warning(
            format!("anyone may write {} (world:anyone)", seen.root),
            "make the tree's parent with an ACL of scheme ip that lets the cluster's hosts in, before the first start: all below \
             takes it, and `maasctl service start --secure` refuses an open tree",
            "who writes a spec runs programs on the cluster",
        ),
        Some(Err(error)) => ACL.skipped(error.clone()),
    }
}

fn operator(seen: &Seen, now_ms: i64) -> Finding {
    let why = "edits are kept, and nothing is started, replaced or stopped until an operator leads";
    let Some((leader, since)) = &seen.leader else {
        let none = "none leads".to_owned();
        return match seen.deployments {
            0 => OPERATOR.info(none, "start one: `maasctl service start`", why),
            _ => OPERATOR.warning(none, "start one: `maasctl service start`", why),
        };
    };
    let said = format!(
        "{} attempt {} on {} leads since {} ({}), epoch {}, version {}",
        leader.application,
        leader.attempt,
        leader.host,
        timestamp(*since),
        age(*since, now_ms),
        leader.epoch,
        leader.version
    );
    if !leader.ready {
        let change = "wait some seconds and look again; then read operator.err in the container's logs";
        return OPERATOR.warning(format!("{said}, and is not ready"), change, why);
    }
    if leader.version != VERSION {
        return OPERATOR.info(
            format!("{said}; this maasctl is of version {VERSION}"),
            "upgrade the operator: `maasctl service stop`, then `maasctl service start`",
            "the running operator may not know what this maasctl lets specs say",
        );
    }
    OPERATOR.ok(said)
}

fn queue(seen: &Seen, now_ms: i64) -> Finding {
    let queue = &seen.queue;
    let Some(words) = queue.words(now_ms) else {
        return QUEUE.ok(format!("nothing lies on {}, and nobody needs to read it", queue.path));
    };
    match queue {
        metron_queue::Seen { is_read: false, items: 1.., .. } => QUEUE.warning(
            words,
            "`maasctl service stop`, then `maasctl service start --metron-queue`; or delete the items if none of Metron's clients \
             is to be heard",
            "one of Metron's own clients put them there, and what it asked for was not done",
        ),
        metron_queue::Seen { set_aside: 1.., .. } => QUEUE.info(
            words,
            "see `maasctl events` for what each held and what is wrong with it, and have a right one offered",
            "what they asked for was not done",
        ),
        _ => QUEUE.ok(words),
    }
}

/// What became of the look at one payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    Readable,
    Unusable(String),
    /// It was not told whether it is.
    Unknown(String),
}

/// Lists each payload, some at a time.
pub(super) async fn look_at_payloads(hdfs: &Hdfs, seen: &Seen) -> Vec<(String, Payload)> {
    let mut looks = tokio::task::JoinSet::new();
    for path in seen.payloads.keys().take(MOST_PAYLOADS).cloned() {
        let hdfs = hdfs.clone();
        looks.spawn(async move {
            let listed = timeout(PAYLOAD, hdfs.list(&path, MOST_FILES)).await;
            let payload = match listed {
                Ok(Ok(files)) if files.is_empty() => Payload::Unusable(format!("{path} is empty")),
                Ok(Ok(_)) => Payload::Readable,
                Ok(Err(error @ (HdfsError::Deadline { .. } | HdfsError::Failed { .. }))) => {
                    Payload::Unknown(error.to_string())
                }
                Ok(Err(error)) => Payload::Unusable(error.to_string()),
                Err(_) => Payload::Unknown(format!("{path}: no answer within {} s", PAYLOAD.as_secs())),
            };
            (path, payload)
        });
    }
    let mut found = Vec::new();
    while let Some(look) = looks.join_next().await {
        found.extend(look.ok());
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

pub(super) fn judge_payloads(seen: &Seen, looked: &[(String, Payload)]) -> Finding {
    if seen.payloads.is_empty() {
        return PAYLOADS.ok("no deployment names one");
    }
    let wrong: Vec<String> = looked
        .iter()
        .filter_map(|(path, payload)| match payload {
            Payload::Readable => None,
            Payload::Unusable(why) | Payload::Unknown(why) => {
                let of = seen.payloads.get(path).map(|names| some(names)).unwrap_or_default();
                Some(format!("{of}: {why}"))
            }
        })
        .collect();
    if wrong.is_empty() {
        let all = seen.payloads.len();
        let part = if looked.len() < all { format!("{} of {all}", looked.len()) } else { all.to_string() };
        return PAYLOADS.ok(format!("{part} can be listed"));
    }
    PAYLOADS.warning(
        some(&wrong),
        "put the files back, or name another directory in spec.payload.path",
        "what runs goes on; another instance of these can't be started",
    )
}

/// The first few, and how many more.
fn some(all: &[String]) -> String {
    const FEW: usize = 3;
    let named = all.iter().take(FEW).cloned().collect::<Vec<_>>().join("; ");
    if all.len() > FEW { format!("{named}; and {} more", all.len() - FEW) } else { named }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity::{self, Error, Info, Ok as Fine, Skipped, Warning};
    use super::*;

    fn leader(ready: bool, version: &str) -> Option<(LeaderRecord, i64)> {
        let record = LeaderRecord {
            epoch: 3,
            application: "application_1_0001".into(),
            attempt: 2,
            host: "node1".into(),
            ready,
            version: version.into(),
            build: maas_store::Build::default(),
            refused: None,
            metron_queue: None,
        };
        Some((record, 0))
    }

    fn made(deployments: usize, leader: Option<(LeaderRecord, i64)>) -> Seen {
        Seen { root: "/maas".into(), initialised: true, open: Some(Ok(true)), deployments, leader, ..Seen::default() }
    }

    fn severities(seen: Seen) -> Vec<(&'static str, Severity)> {
        judge(&Ok(seen), 90_000).iter().map(|finding| (finding.id, finding.severity)).collect()
    }

    #[test]
    fn a_new_cluster_has_no_tree_and_no_operator_yet() {
        let seen = Seen { root: "/maas".into(), ..Seen::default() };
        let queue = ("maas-metron-queue", Fine);
        assert_eq!(severities(seen), [("maas-tree", Info), ("maas-acl", Skipped), ("maas-operator", Info), queue]);
    }

    #[test]
    fn deployments_without_an_operator_are_warned_of() {
        let queue = ("maas-metron-queue", Fine);
        assert_eq!(
            severities(made(1, None)),
            [("maas-tree", Fine), ("maas-acl", Warning), ("maas-operator", Warning), queue]
        );
        assert_eq!(operator(&made(0, None), 0).severity, Info);
    }

    #[test]
    fn who_leads_is_said_with_since_when() {
        let found = operator(&made(1, leader(true, VERSION)), 90_000);
        assert_eq!(found.severity, Fine);
        assert!(
            found
                .seen
                .starts_with("application_1_0001 attempt 2 on node1 leads since 1970-01-01T00:00:00Z (90s), epoch 3")
        );
        assert_eq!(operator(&made(1, leader(false, VERSION)), 0).severity, Warning);
        assert_eq!(operator(&made(1, leader(true, "0.0.1")), 0).severity, Info);
    }

    #[test]
    fn a_tree_that_cannot_be_read_is_an_error() {
        let found = judge(&Err("not allowed".into()), 0);
        assert_eq!(found.iter().map(|one| one.severity).collect::<Vec<_>>(), [Error, Skipped, Skipped, Skipped]);
    }

    #[test]
    fn items_that_nobody_reads_are_warned_of() {
        let severity = |is_read, items, set_aside| {
            let seen = metron_queue::Seen { path: "/maas/queue".into(), is_read, items, set_aside, last_ms: 0 };
            queue(&Seen { queue: seen, ..made(1, None) }, 0).severity
        };
        assert_eq!([severity(false, 0, 0), severity(true, 0, 0), severity(true, 5, 0)], [Fine, Fine, Fine]);
        assert_eq!([severity(false, 1, 0), severity(true, 0, 1), severity(false, 0, 1)], [Warning, Info, Info]);
    }

    #[test]
    fn a_payload_that_cannot_be_used_names_its_deployments() {
        let mut seen = made(2, None);
        seen.payloads.insert("/models/a".into(), vec!["default/a".into(), "soc/a".into()]);
        let looked = |payload| judge_payloads(&seen, &[("/models/a".to_owned(), payload)]);
        assert_eq!(looked(Payload::Readable).seen, "1 can be listed");
        let wrong = looked(Payload::Unusable("hdfs://nn/models/a does not exist".into()));
        assert_eq!(wrong.seen, "default/a; soc/a: hdfs://nn/models/a does not exist");
        assert_eq!(wrong.severity, Warning);
        assert_eq!(judge_payloads(&made(0, None), &[]).severity, Fine);
    }

    #[test]
    fn specs_that_cannot_be_read_are_named() {
        let seen = Seen { unreadable: (1..6).map(|n| format!("default/m{n}")).collect(), ..made(6, None) };
        assert!(tree(&seen).seen.ends_with("default/m1; default/m2; default/m3; and 2 more"));
    }
}

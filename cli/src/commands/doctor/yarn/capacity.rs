//! Room: nodes, the largest container, the queue.

use hadoop_rpc::Conf;
use serde_json::Value;

use super::super::finding::{Check, Finding, Group};
use super::Wanted;

const NODES: Check = Check::new(Group::Yarn, "nm-nodes");
const CONTAINER: Check = Check::new(Group::Yarn, "rm-container-size");
const QUEUE: Check = Check::new(Group::Yarn, "rm-queue");

pub(super) const ALL: [Check; 3] = [NODES, CONTAINER, QUEUE];

/// What `service start` asks for, unless told otherwise.
const OPERATOR_MB: u64 = 256;

/// One node (`NodeInfo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) state: String,
    /// Its web server, `host:port`.
    pub(super) http: String,
    pub(super) health: String,
    /// In MiB, used or not.
    pub(super) memory_mb: u64,
}

impl Node {
    pub(super) fn runs(&self) -> bool {
        self.state == "RUNNING"
    }
}

/// Reads the answer of `/ws/v1/cluster/nodes`.
pub(super) fn nodes(answer: &Value) -> Vec<Node> {
    let rows = answer.pointer("/nodes/node").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |row: &Value, name: &str| row.get(name).and_then(Value::as_u64).unwrap_or(0);
    rows.iter()
        .map(|row| Node {
            id: text(row, "id"),
            state: text(row, "state"),
            http: text(row, "nodeHTTPAddress"),
            health: text(row, "healthReport"),
            memory_mb: number(row, "availMemoryMB") + number(row, "usedMemoryMB"),
        })
        .collect()
}

pub(super) fn judge(
    nodes: &Result<Vec<Node>, String>,
    scheduler: &Result<Value, String>,
    conf: Option<&Conf>,
    wanted: &Wanted,
) -> Vec<Finding> {
    let (seen, running) = match nodes {
        Ok(nodes) => (judge_nodes(nodes), nodes.iter().filter(|node| node.runs()).collect()),
        Err(error) => (NODES.skipped(error.clone()), Vec::new()),
    };
    let queue = match scheduler {
        Ok(answer) => queue(answer, &running, wanted),
        Err(error) => QUEUE.skipped(error.clone()),
    };
    vec![seen, container(conf, &running), queue]
}

fn judge_nodes(nodes: &[Node]) -> Finding {
    let of = |state: &str| nodes.iter().filter(|node| node.state == state).collect::<Vec<_>>();
    let (running, unhealthy) = (of("RUNNING"), of("UNHEALTHY"));
    let memory: u64 = running.iter().map(|node| node.memory_mb).sum();
    let away: usize = of("LOST").len() + of("SHUTDOWN").len();
    let counted =
        format!("{} running with {memory} MiB, {} unhealthy, {away} lost or shut down", running.len(), unhealthy.len());
    let change =
        "look at the NodeManagers' logs, their disks (yarn.nodemanager.disk-health-checker.*) and their host names";
    if running.is_empty() {
        return NODES.error(counted, change, "nothing can run");
    }
    if let Some(first) = unhealthy.first() {
        let seen = format!("{counted}: {} says {:?}", first.id, first.health.trim());
        return NODES.warning(seen, change, "nothing new is started on an unhealthy node");
    }
    if running.len() == 1 {
        return NODES.info(counted, "run at least two NodeManagers", "the loss of the only one takes every model away");
    }
    NODES.ok(counted)
}

fn container(conf: Option<&Conf>, running: &[&Node]) -> Finding {
    let key = "yarn.scheduler.maximum-allocation-mb";
    let most = conf.and_then(|conf| conf.get(key)).and_then(|text| text.parse::<u64>().ok());
    let (smallest, largest) =
        (running.iter().map(|node| node.memory_mb).min(), running.iter().map(|node| node.memory_mb).max());
    let (Some(most), Some(smallest), Some(largest)) = (most, smallest, largest) else {
        return CONTAINER.skipped("neither the largest container nor a node's memory is known");
    };
    let seen = format!("up to {most} MiB; nodes have {smallest} to {largest} MiB");
    if most > largest {
        return CONTAINER
            .note(format!("{seen}: an instance larger than every node waits, and says InsufficientCapacity"));
    }
    if most > smallest {
        return CONTAINER.note(format!("{seen}: not every node can hold the largest"));
    }
    CONTAINER.ok(seen)
}

fn queue(answer: &Value, running: &[&Node], wanted: &Wanted) -> Finding {
    let name = &wanted.queue;
    let top = answer.pointer("/scheduler/schedulerInfo").unwrap_or(&Value::Null);
    if top.get("type").and_then(Value::as_str) != Some("capacityScheduler") {
        return QUEUE.note("not the CapacityScheduler: its limits are not judged, and maas is not tested with it");
    }
    let Some(queue) = leaf(top, name) else {
        return QUEUE.error(
            format!("there is no leaf queue {name}"),
            "name another one with --queue, here and at `maasctl service start`, or make it in capacity-scheduler.xml",
            "YARN refuses applications of unknown queues",
        );
    };
    let number = |field: &str| queue.get(field).and_then(Value::as_f64).unwrap_or(0.0);
    let state = queue.get("state").and_then(Value::as_str).unwrap_or("RUNNING");
    if state != "RUNNING" {
        return QUEUE.error(
            format!("{name} is {state}"),
            "set yarn.scheduler.capacity.<queue path>.state to RUNNING, then `yarn rmadmin -refreshQueues`",
            "a stopped queue takes no application",
        );
    }
    let total: u64 = running.iter().map(|node| node.memory_mb).sum();
    let (share, most) = (number("absoluteCapacity"), number("absoluteMaxCapacity"));
    // One user gets so much of the queue's own share, whatever the queue itself may take.
    let own = (share * number("userLimitFactor")).min(most);
    let (limit, used) = (number("AMResourceLimit"), number("usedAMResource"));
    let (limit, used) =
        (memory(queue, "AMResourceLimit").unwrap_or(limit), memory(queue, "usedAMResource").unwrap_or(used));
    #[expect(clippy::cast_precision_loss, reason = "MiB of a cluster are far below 2^52")]
    let room = total as f64 * own / 100.0;
    let seen = format!(
        "{name}: {share:.0} % of the cluster, at most {most:.0} %, {own:.0} % for one user ({room:.0} MiB); \
         {used:.0} of {limit:.0} MiB for application masters taken"
    );
    // The first master of a queue is let in whatever the limit.
    if !wanted.leads && used > 0.0 && limit - used < OPERATOR_MB as f64 {
        return QUEUE.warning(
            seen,
            "raise yarn.scheduler.capacity.maximum-am-resource-percent (stock: 0.1), or name another queue with --queue",
            "the operator would wait in state ACCEPTED until another application ends",
        );
    }
    if own + 0.5 < most {
        return QUEUE.info(
            seen,
            "raise yarn.scheduler.capacity.<queue path>.user-limit-factor (stock: 1)",
            "all models run as one user: beyond its share they wait, and say InsufficientCapacity, though the queue could grow",
        );
    }
    QUEUE.ok(seen)
}

/// In older releases the amount is an object.
fn memory(queue: &Value, field: &str) -> Option<f64> {
    queue.get(field)?.get("memory")?.as_f64()
}

/// A leaf queue by its name or path.
fn leaf<'a>(queue: &'a Value, name: &str) -> Option<&'a Value> {
    let below = queue.pointer("/queues/queue").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if below.is_empty() {
        let is = |field: &str| queue.get(field).and_then(Value::as_str) == Some(name);
        return (is("queueName") || is("queuePath")).then_some(queue);
    }
    below.iter().find_map(|one| leaf(one, name))
}

#[cfg(test)]
mod tests;

use serde_json::json;

use super::super::super::finding::Severity::{Error, Info as Note, Ok as Fine, Skipped, Warning};
use super::*;

fn node(state: &str, memory_mb: u64) -> Node {
    let text = |text: &str| text.to_owned();
    Node {
        id: text("n1:45454"),
        state: text(state),
        http: text("n1:8042"),
        health: text("1/1 dirs are bad"),
        memory_mb,
    }
}

#[test]
fn the_list_of_nodes_is_read() {
    let answer = json!({"nodes": {"node": [{
        "id": "n1:45454", "state": "RUNNING", "nodeHTTPAddress": "n1:8042", "healthReport": "1/1 dirs are bad",
        "usedMemoryMB": 1024, "availMemoryMB": 3072
    }]}});
    assert_eq!(nodes(&answer), [node("RUNNING", 4096)]);
    assert_eq!(nodes(&json!({"nodes": null})), []);
}

#[test]
fn nodes_that_run_are_counted_and_others_named() {
    let of = |states: &[&str]| judge_nodes(&states.iter().map(|state| node(state, 4096)).collect::<Vec<_>>());
    assert_eq!(of(&["RUNNING", "RUNNING", "LOST"]).seen, "2 running with 8192 MiB, 0 unhealthy, 1 lost or shut down");
    assert_eq!(of(&["RUNNING", "RUNNING"]).severity, Fine);
    assert_eq!(of(&["RUNNING"]).severity, Note);
    assert_eq!(of(&["LOST"]).severity, Error);
    let found = of(&["RUNNING", "UNHEALTHY"]);
    assert!(found.severity == Warning && found.seen.contains("n1:45454 says \"1/1 dirs are bad\""), "{}", found.seen);
}

#[test]
fn the_largest_container_is_held_against_the_nodes() {
    let of = |most: &str, nodes: &[u64]| {
        let nodes: Vec<Node> = nodes.iter().map(|memory| node("RUNNING", *memory)).collect();
        let mut conf = Conf::default();
        conf.set("yarn.scheduler.maximum-allocation-mb", most);
        container(Some(&conf), &nodes.iter().collect::<Vec<_>>()).severity
    };
    assert_eq!(of("8192", &[8192, 16_384]), Fine);
    assert_eq!(of("8192", &[4096, 8192]), Note);
    assert_eq!(of("8192", &[4096]), Note);
    assert_eq!(of("8192", &[]), Skipped);
    assert_eq!(of("much", &[4096]), Skipped);
}

fn judged(change: (&str, Value), name: &str, leads: bool) -> Finding {
    let mut leaf = json!({
        "queueName": "default", "queuePath": "root.a.default", "state": "RUNNING", "absoluteCapacity": 50.0,
        "absoluteMaxCapacity": 50.0, "userLimitFactor": 1.0, "AMResourceLimit": 512, "usedAMResource": 0
    });
    leaf[change.0] = change.1;
    let parent = json!({"queueName": "a", "queues": {"queue": [leaf]}});
    let answer = json!({"scheduler": {"schedulerInfo": {"type": "capacityScheduler", "queues": {"queue": [parent]}}}});
    queue(&answer, &[&node("RUNNING", 4096)], &Wanted { queue: name.to_owned(), leads })
}

#[test]
fn a_queue_is_found_by_name_or_path_and_its_limits_are_told() {
    let nothing = || ("x", json!(0));
    let expect = "default: 50 % of the cluster, at most 50 %, 50 % for one user (2048 MiB); 0 of 512 MiB for application masters taken";
    assert_eq!(judged(nothing(), "default", false).seen, expect);
    assert_eq!(judged(nothing(), "default", false).severity, Fine);
    assert_eq!(judged(nothing(), "root.a.default", false).severity, Fine);
    assert_eq!(judged(nothing(), "a", false).severity, Error);
    assert_eq!(judged(("state", json!("STOPPED")), "default", false).severity, Error);
}

#[test]
fn a_queue_without_room_for_the_operator_is_warned_of_while_none_runs() {
    let full = || ("usedAMResource", json!(384));
    assert_eq!((judged(full(), "default", false).severity, judged(full(), "default", true).severity), (Warning, Fine));
    let older = ("usedAMResource", json!({"memory": 384, "vCores": 1}));
    assert_eq!(judged(older, "default", false).severity, Warning);
    assert_eq!(judged(("AMResourceLimit", json!(128)), "default", false).severity, Fine, "the first one is let in");
}

#[test]
fn a_user_who_cannot_use_the_whole_queue_is_told() {
    assert_eq!(judged(("absoluteMaxCapacity", json!(100.0)), "default", false).severity, Note);
}

#[test]
fn another_scheduler_is_not_judged() {
    let answer = json!({"scheduler": {"schedulerInfo": {"type": "fairScheduler"}}});
    let wanted = Wanted { queue: "default".into(), leads: false };
    assert_eq!(queue(&answer, &[], &wanted).severity, Note);
    assert_eq!(queue(&json!({}), &[], &wanted).severity, Note);
}

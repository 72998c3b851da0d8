//! Whole scenarios of the real core on virtual time.

use maas_sim::{World, manifest};
use maas_store::Op;

fn one(replicas: u32) -> World {
    let mut world = World::new(&[4096, 4096]);
    world.put_spec("dga", &manifest("dga", replicas, "256Mi", ""));
    world
}

#[test]
fn a_spec_becomes_instances() {
    let mut world = one(3);
    world.settled(&[("dga", 3)]);
    assert_eq!(world.condition("dga", "Available"), Some(("True".to_owned(), "MinimumReplicasAvailable".to_owned())));
}

#[test]
fn heartbeats_are_quick_only_while_a_container_is_awaited() {
    let mut world = one(1);
    world.settled(&[("dga", 1)]);
    world.run_for(20_000);
    world.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
    let before = world.steps.heartbeats;
    world.run_for(2_000);
    let during = world.steps.heartbeats - before;
    world.settled(&[("dga", 2)]);
    // What is granted within milliseconds leaves only its start to watch, each 100 ms.
    assert!(during < 40, "{during} heartbeats in the two seconds after a scale");
}

#[test]
fn scaling_goes_up_down_to_zero_and_back() {
    let mut world = one(3);
    world.settled(&[("dga", 3)]);
    for n in [5, 2, 0, 1] {
        world.put_spec("dga", &manifest("dga", n, "256Mi", ""));
        world.settled(&[("dga", n as usize)]);
    }
}

#[test]
fn a_changed_template_replaces_one_after_another_new_ready_first() {
    let mut world = one(3);
    world.settled(&[("dga", 3)]);
    world.watch.complete.insert("dga".to_owned(), 3);
    world.put_spec("dga", &manifest("dga", 3, "256Mi", "  env: {A: \"1\"}\n"));
    world.run_for(100);
    world.put_spec("dga", &manifest("dga", 3, "256Mi", ""));
    world.settled(&[("dga", 3)]);
    world.put_spec("dga", &manifest("dga", 3, "256Mi", "  env: {A: \"2\"}\n"));
    world.settled(&[("dga", 3)]);
    assert!(world.watch.fewest["dga"] >= 3, "{} ready at least", world.watch.fewest["dga"]);
    assert!(world.watch.most_live["dga"] <= 4, "{} live at most", world.watch.most_live["dga"]);
}

#[test]
fn writes_are_made_from_the_newest_that_is_known() {
    let mut world = one(3);
    world.settled(&[("dga", 3)]);
    world.put_spec("dga", &manifest("dga", 3, "256Mi", "  env: {A: \"1\"}\n"));
    world.settled(&[("dga", 3)]);
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    world.settled(&[("dga", 1)]);
    assert_eq!(world.watch.refused, 0, "{}", world.tail());
}

#[test]
fn of_many_revisions_the_last_ten_stay() {
    let mut world = one(1);
    for n in 0..13 {
        world.put_spec("dga", &manifest("dga", 1, "256Mi", &format!("  env: {{N: \"{n}\"}}\n")));
        world.run_for(3_000);
    }
    world.settled(&[("dga", 1)]);
    assert_eq!(world.count("revisions", "dga"), 10, "{}", world.show());
}

#[test]
fn a_smaller_ask_goes_before_larger_ones() {
    let mut world = World::new(&[4096]);
    world.put_spec("first", &manifest("first", 1, "3Gi", ""));
    world.settled(&[("first", 1)]);
    world.put_spec("larger", &manifest("larger", 2, "2Gi", ""));
    world.run_for(20);
    world.put_spec("small", &manifest("small", 1, "256Mi", ""));
    assert!(world.run_until(200, |w| w.endpoints("small") == 1), "{}", world.tail());
}

#[test]
fn a_removed_model_leaves_nothing() {
    let mut world = one(3);
    world.settled(&[("dga", 3)]);
    world.delete_spec("dga");
    world.settled(&[("dga", 0)]);
    world.without_trace("dga");
}

#[test]
fn metrons_directory_goes_with_what_a_killed_runner_left_there() {
    let mut world = one(1);
    world.settled(&[("dga", 1)]);
    // Published by a runner that nobody knows any more, whose session is not over yet.
    let left = "/maas/service/dga/container_1".to_owned();
    world.write(&[Op::Create { path: left.clone(), data: Vec::new(), ephemeral: true }]);
    world.delete_spec("dga");
    world.settled(&[("dga", 0)]);
    assert!(world.tree.get(&left).is_some());
    world.write(&[Op::Delete { path: left, version: None }]);
    world.without_trace("dga");
    world.settled(&[]);
}

#[test]
fn an_upload_of_ours_goes_with_the_last_that_uses_it() {
    let upload = format!("/models/{}", maas_crd::Payload::upload_name(&"a".repeat(64), 7));
    let mut world = World::new(&[4096]);
    let files = world.hdfs["/m"].clone();
    world.hdfs.insert(upload.clone(), files);
    let text = |name: &str| manifest(name, 1, "256Mi", "").replace("/m}", &format!("{upload}}}"));
    world.put_spec("dga", &text("dga"));
    // The same place, spelt otherwise.
    world.put_spec("other", &text("other").replace(&upload, &format!("hdfs://{upload}/")));
    let files = world.hdfs[&upload].clone();
    world.hdfs.insert(format!("hdfs://{upload}/"), files);
    world.settled(&[("dga", 1), ("other", 1)]);
    world.delete_spec("dga");
    world.settled(&[("dga", 0), ("other", 1)]);
    world.without_trace("dga");
    assert!(world.hdfs.contains_key(&upload), "another uses it");
    world.delete_spec("other");
    world.settled(&[("other", 0)]);
    world.without_trace("other");
    assert!(
        !world.hdfs.contains_key(&format!("hdfs://{upload}/")) && world.hdfs.contains_key("/m"),
        "ours goes, a user's stays"
    );
}

#[test]
fn a_model_deleted_while_it_starts_leaves_nothing() {
    for wait in (0..120).step_by(3) {
        let mut world = one(2);
        world.run_for(wait);
        world.delete_spec("dga");
        world.settled(&[("dga", 0)]);
        world.without_trace("dga");
    }
}

#[test]
fn a_model_deleted_and_made_again_at_once_is_the_new_one() {
    let mut world = one(2);
    world.settled(&[("dga", 2)]);
    world.delete_spec("dga");
    world.put_spec("dga", &manifest("dga", 1, "256Mi", "  env: {B: \"1\"}\n"));
    world.settled(&[("dga", 1)]);
    let (_, spec) = world.tree.get(&World::spec_path("dga")).unwrap();
    let instances = world.tree.list("/maas/instances/default/dga");
    assert!(
        instances
            .filter(|(p, _, _)| p.ends_with("-3"))
            .all(|(_, d, _)| String::from_utf8_lossy(d).contains(&spec.czxid.to_string()))
    );
}

#[test]
fn one_bad_spec_stops_only_itself() {
    let mut world = one(1);
    world.put_spec("bad", "garbage: [");
    world.put_spec("later", &manifest("later", 1, "256Mi", "").replace("maas/v1", "maas/v9"));
    let path = World::spec_path("large");
    world.write(&[Op::Create { path, data: vec![b'#'; 900 * 1024], ephemeral: false }]);
    world.settled(&[("dga", 1)]);
    for name in ["bad", "later", "large"] {
        assert_eq!(
            world.condition(name, "Progressing"),
            Some(("False".to_owned(), "InvalidSpec".to_owned())),
            "{name}"
        );
    }
    // One that turns bad keeps what it has, also over a new operator.
    world.put_spec("dga", "nonsense");
    world.run_for(1_000);
    let leader = world.leader();
    world.kill_operator(leader);
    world.settled(&[("dga", 1)]);
    assert_eq!(world.condition("dga", "Progressing"), Some(("False".to_owned(), "InvalidSpec".to_owned())));
}

#[test]
fn what_finds_no_room_says_so_and_never_blocks_another() {
    let mut world = World::new(&[1024, 1024]);
    world.put_spec("giant", &manifest("giant", 1, "2Gi", ""));
    world.put_spec("base", &manifest("base", 2, "640Mi", ""));
    assert!(world.run_until(2_000, |w| w.endpoints("base") == 2));
    // 384 MiB are free on each node: neither fits, both ask.
    world.put_spec("wide", &manifest("wide", 2, "512Mi", ""));
    world.run_for(10);
    world.put_spec("small", &manifest("small", 2, "256Mi", ""));
    assert!(world.run_until(2_000, |w| w.endpoints("small") == 2), "{}", world.tail());
    world.run_for(10_000);
    for name in ["giant", "wide"] {
        let failing = ("True".to_owned(), "InsufficientCapacity".to_owned());
        assert_eq!(world.condition(name, "ReplicaFailure"), Some(failing), "{name}");
    }
    world.delete_spec("base");
    assert!(world.run_until(10_000, |w| w.endpoints("wide") == 2), "{}", world.tail());
    world.delete_spec("giant");
    world.settled(&[("wide", 2), ("small", 2), ("giant", 0), ("base", 0)]);
}

#[test]
fn a_rollout_without_progress_says_so_until_there_is_some() {
    let mut world = World::new(&[4096]);
    world.model_start = 50_000;
    world.put_spec("dga", &manifest("dga", 2, "256Mi", "  progressDeadline: 30s\n"));
    world.run_for(25_000);
    let progressing = |world: &World| world.condition("dga", "Progressing").unwrap();
    assert_eq!(progressing(&world).0, "True");
    // Another operator takes over: the time goes on.
    let leader = world.leader();
    world.kill_operator(leader);
    world.run_for(15_000);
    assert_eq!(progressing(&world), ("False".to_owned(), "ProgressDeadlineExceeded".to_owned()), "{}", world.tail());
    world.settled(&[("dga", 2)]);
    assert_eq!(progressing(&world), ("True".to_owned(), "NewRevisionAvailable".to_owned()));
}

#[test]
fn lost_containers_and_nodes_are_replaced() {
    let mut world = one(4);
    world.settled(&[("dga", 4)]);
    let victim = *world.runners.keys().next().unwrap();
    world.end_container(victim, 137);
    world.settled(&[("dga", 4)]);
    world.lose_host(0);
    world.settled(&[("dga", 4)]);
}

#[test]
fn a_model_that_keeps_crashing_beside_a_ready_one_is_moved() {
    let mut world = one(2);
    world.settled(&[("dga", 2)]);
    let victim = world.tree.children("/maas/instances/default/dga").remove(0);
    let crash = |restarts| {
        let report = maas_store::RunnerReport {
            container: "c".to_owned(),
            node: "n".to_owned(),
            node_http: None,
            phase: maas_store::Phase::BackingOff,
            waiting: None,
            restarts,
            last_exit: None,
            since_ms: 0,
        };
        let path = format!("/maas/instances/default/dga/{victim}/runner");
        Op::Set { path, data: report.encode(), version: None }
    };
    let unpublish = Op::Delete { path: format!("/maas/endpoints/default/dga/{victim}"), version: None };
    world.write(&[crash(4), unpublish]);
    world.run_for(5_000);
    assert!(world.tree.children("/maas/instances/default/dga").contains(&victim), "in place until the fifth");
    world.write(&[crash(5)]);
    world.settled(&[("dga", 2)]);
    assert!(!world.tree.children("/maas/instances/default/dga").contains(&victim));
}

#[test]
fn a_killed_operator_loses_no_container() {
    let mut world = one(3);
    world.settled(&[("dga", 3)]);
    let before: Vec<_> = world.runners.keys().copied().collect();
    for _ in 0..4 {
        let leader = world.leader();
        world.kill_operator(leader);
        world.settled(&[("dga", 3)]);
        assert_eq!(world.runners.keys().copied().collect::<Vec<_>>(), before, "{}", world.tail());
    }
}

#[test]
fn a_superseded_operator_changes_nothing() {
    // Before and after its session has timed out; and each step of its work is tried by the sweep.
    for pause in [3_000, 20_000] {
        let mut world = one(2);
        world.settled(&[("dga", 2)]);
        world.put_spec("dga", &manifest("dga", 4, "256Mi", ""));
        world.run_for(12);
        world.supersede(0, pause);
        world.settled(&[("dga", 4)]);
        assert_eq!(world.slots[0].exit, Some(1), "{}", world.tail());
    }
}

#[test]
fn an_older_attempt_that_comes_late_takes_no_epoch() {
    let mut world = one(2);
    // Before it has read whose the epoch is.
    world.supersede(0, 3_000);
    world.settled(&[("dga", 2)]);
    assert_eq!(world.slots[0].exit, Some(1), "{}", world.tail());
}

#[test]
fn a_second_application_is_refused_while_the_first_lives() {
    let mut world = one(1);
    world.settled(&[("dga", 1)]);
    let second = world.boot_as("application_1_0002".to_owned(), 1, "z");
    world.run_for(20_000);
    assert_eq!(world.slots[second].finished, Some(false), "{}", world.tail());
    assert_eq!(world.slots[0].exit, None);
    world.settled(&[("dga", 1)]);
}

#[test]
fn a_long_loss_of_zookeeper_harms_nobody() {
    let mut world = one(3);
    world.settled(&[("dga", 3)]);
    let before: Vec<_> = world.runners.keys().copied().collect();
    world.lose_mirror(0, 20_000);
    world.run_for(5_000);
    world.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
    world.run_for(10_000);
    assert_eq!(world.runners.keys().copied().collect::<Vec<_>>(), before, "no view, no harm");
    world.settled(&[("dga", 2)]);
}

#[test]
fn a_payload_that_comes_late_is_found() {
    let mut world = World::new(&[4096]);
    let there = world.hdfs.remove("/m").unwrap();
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    world.run_for(10_000);
    assert_eq!(world.condition("dga", "ReplicaFailure"), Some(("True".to_owned(), "PayloadMissing".to_owned())));
    world.hdfs.insert("/m".to_owned(), Ok(Vec::new()));
    world.run_for(40_000);
    assert_eq!(world.condition("dga", "ReplicaFailure"), Some(("True".to_owned(), "InvalidPayload".to_owned())));
    world.hdfs.insert("/m".to_owned(), there);
    world.settled(&[("dga", 1)]);
}

#[test]
fn a_stopped_service_drains_everything_and_keeps_the_specs() {
    let mut world = one(3);
    world.settled(&[("dga", 3)]);
    let request = br#"{"application":"application_1_0001","requestedMs":1}"#.to_vec();
    world.write(&[Op::Create { path: "/maas/operator/stop".to_owned(), data: request, ephemeral: false }]);
    world.run_for(30_000);
    assert_eq!(world.slots[0].finished, Some(true), "{}", world.tail());
    assert_eq!((world.endpoints("dga"), world.count("instances", "dga"), world.runners.len()), (0, 0, 0));
    assert!(world.tree.get(&World::spec_path("dga")).is_some());
    assert!(world.tree.get("/maas/operator/leader").is_none());
}

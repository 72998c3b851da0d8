//! What the peers of an operator do to it: ZooKeeper, YARN, HDFS, runners, other operators, and hands in the tree.

use hadoop_yarn::{ApplicationId, ContainerId};
use maas_crd::RemoteFile;
use maas_sim::fault::Fault;
use maas_sim::runner::Runner;
use maas_sim::yarn::Yarn;
use maas_sim::{World, manifest, payload};
use maas_store::{Op, Programs, Revision, UpgradeRequest};

fn serving(replicas: u32) -> World {
    let mut world = World::new(&[4096, 4096]);
    world.put_spec("dga", &manifest("dga", replicas, "256Mi", ""));
    world.settled(&[("dga", replicas as usize)]);
    world
}

fn containers(world: &World) -> Vec<ContainerId> {
    world.runners.keys().copied().collect()
}

fn delete(path: &str) -> Op {
    Op::Delete { path: path.to_owned(), version: None }
}

fn create(path: &str) -> Op {
    Op::Create { path: path.to_owned(), data: b"?".to_vec(), ephemeral: false }
}

// --- YARN -----------------------------------------------------------------------------------------------------------

#[test]
fn clients_name_what_is_live_through_cuts_and_say_when_they_do_not_know() {
    let mut world = World::new(&[4096, 4096]);
    let client = world.open_client();
    world.put_spec("dga", &manifest("dga", 3, "256Mi", ""));
    world.settled(&[("dga", 3)]);
    for (cut, replicas) in [(1_000, 1), (20_000, 2)] {
        world.lose_client(client, cut);
        world.put_spec("dga", &manifest("dga", replicas, "256Mi", ""));
        world.run_for(500);
        assert!(world.clients[client].directory.view().is_stale());
        world.settled(&[("dga", replicas as usize)]);
        assert!(!world.clients[client].directory.view().is_stale());
    }
    // Connected all the while.
    world.put_spec("dga", &manifest("dga", 0, "256Mi", ""));
    world.settled(&[("dga", 0)]);
}

#[test]
fn an_operator_that_starts_during_a_decommission_learns_of_it() {
    let mut world = serving(2);
    world.yarn.decommission_untold(0);
    world.kill_leader();
    world.settled(&[("dga", 2)]);
    let there = world.yarn.containers.values().filter(|known| known.container.node == world.yarn.nodes[0].id).count();
    assert_eq!(there, 0, "{}", world.tail());
}

#[test]
fn an_end_that_nobody_is_left_to_tell_is_found_out() {
    let mut world = World::new(&[4096, 4096]);
    world.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
    world.settled(&[("dga", 2)]);
    let id = *world.runners.keys().next().unwrap();
    world.end_container_untold(id);
    world.settled(&[("dga", 2)]);
    assert!(!world.yarn.containers.contains_key(&id));
}

#[test]
fn a_silent_container_of_which_its_node_does_not_say_is_given_up_after_five_minutes() {
    let mut world = serving(2);
    let id = *world.runners.keys().next().unwrap();
    world.yarn.mute = true;
    world.end_container_untold(id);
    world.run_for(240_000);
    assert_eq!(world.endpoints("dga"), 1, "it may only be cut off");
    world.run_for(120_000);
    world.settled(&[("dga", 2)]);
}

#[test]
fn a_model_that_is_removed_after_an_untold_end_leaves_nothing() {
    let mut world = World::new(&[4096, 4096]);
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    world.settled(&[("dga", 1)]);
    let id = *world.runners.keys().next().unwrap();
    world.end_container_untold(id);
    world.delete_spec("dga");
    world.settled(&[("dga", 0)]);
    world.without_trace("dga");
}

#[test]
fn a_node_that_returns_gets_its_containers_taken_away() {
    let mut world = serving(4);
    world.deaf = true;
    world.lose_node(0);
    assert!(world.run_until(10_000, |w| w.yarn.containers.len() == 4), "{}", world.tail());
    world.node_returns(0);
    world.run_for(3_000);
    world.deaf = false;
    world.settled(&[("dga", 4)]);
}

/// A ResourceManager that restarted since takes the node's containers in again, which a runner that does not drain keeps.
#[test]
fn a_node_that_returns_to_a_restarted_resource_manager_gets_its_containers_taken_away() {
    let mut world = serving(4);
    world.deaf = true;
    world.lose_node(0);
    assert!(world.run_until(10_000, |w| w.yarn.containers.len() == 4), "{}", world.tail());
    world.yarn.restart();
    world.run_for(1_000);
    world.node_returns(0);
    world.run_for(3_000);
    assert_eq!(world.yarn.containers.len(), 4, "{}", world.tail());
    world.deaf = false;
    world.settled(&[("dga", 4)]);
}

#[test]
fn containers_on_a_lost_node_end_by_themselves() {
    let mut world = serving(4);
    world.lose_node(0);
    world.settled(&[("dga", 4)]);
    world.node_returns(0);
    world.settled(&[("dga", 4)]);
}

#[test]
fn a_restarted_resource_manager_is_told_everything_again() {
    let mut world = serving(2);
    let before = containers(&world);
    world.yarn.restart();
    world.settled(&[("dga", 2)]);
    assert_eq!(containers(&world), before);
    world.put_spec("dga", &manifest("dga", 5, "256Mi", ""));
    world.run_for(8);
    world.yarn.restart();
    assert!(world.run_until(1_000, |w| w.endpoints("dga") == 5), "{}", world.tail());
    world.settled(&[("dga", 5)]);
}

#[test]
fn a_host_that_dies_while_the_resource_manager_restarts_is_given_up_in_the_end() {
    let mut world = serving(4);
    world.lose_host_unseen(0);
    // Nobody tells of these ends; served they are no longer than their sessions last.
    world.run_for(10_000);
    assert_eq!(world.endpoints("dga"), 0, "{}", world.tail());
    world.run_for(600_000);
    world.settled(&[("dga", 4)]);
}

#[test]
fn nothing_is_decided_while_yarn_is_silent() {
    let mut world = serving(3);
    world.yarn.down = true;
    world.run_for(40_000);
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    world.run_for(5_000);
    assert_eq!(world.endpoints("dga"), 3, "{}", world.tail());
    world.yarn.down = false;
    world.settled(&[("dga", 1)]);
}

#[test]
fn what_the_platform_takes_is_replaced_at_once() {
    let mut world = serving(1);
    for _ in 0..8 {
        let id = containers(&world)[0];
        world.end_container(id, -102);
        let back = world.run_until(1_500, |w| w.endpoints("dga") == 1 && w.runners.values().any(Runner::is_ready));
        assert!(back, "{}", world.tail());
        world.run_for(200);
    }
    world.settled(&[("dga", 1)]);
}

#[test]
fn an_end_is_told_although_the_first_plan_after_it_is_refused() {
    let mut world = serving(2);
    world.run_for(5_000);
    world.faults.push(Fault::CommitUnsent(world.steps.commits));
    world.end_container(containers(&world)[0], -102);
    world.settled(&[("dga", 2)]);
    let (events, _) = world.tree.get("/maas/events/default/dga").unwrap();
    assert!(String::from_utf8_lossy(events).contains("was taken for another queue"), "{}", world.tail());
}

#[test]
fn what_is_to_be_preempted_is_drained_before_it_is_taken() {
    let mut world = serving(2);
    let id = containers(&world)[0];
    world.yarn.preempt(id);
    assert!(world.run_until(5_000, |w| !w.runners.contains_key(&id)), "{}", world.tail());
    world.settled(&[("dga", 2)]);
}

#[test]
fn instances_leave_a_node_that_is_decommissioned_without_a_gap() {
    let mut world = serving(4);
    world.watch.complete.insert("dga".to_owned(), 4);
    let home = world.yarn.containers.values().next().unwrap().container.node.clone();
    let n = world.yarn.nodes.iter().position(|node| node.id == home).unwrap();
    world.yarn.decommission(n, true);
    let gone = |w: &World| w.yarn.containers.values().all(|known| known.container.node != home);
    assert!(world.run_until(60_000, gone), "{}", world.tail());
    world.settled(&[("dga", 4)]);
    assert!(world.watch.fewest["dga"] >= 4, "{}", world.tail());
    // One that is kept after all keeps what is there.
    world.yarn.decommission(n, false);
    world.settled(&[("dga", 4)]);
    world.yarn.decommission(1 - n, true);
    world.run_for(50);
    world.yarn.decommission(1 - n, false);
    world.settled(&[("dga", 4)]);
}

#[test]
fn containers_that_fail_at_once_are_replaced_less_and_less_often() {
    let mut world = World::new(&[4096]);
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    for _ in 0..1_200 {
        world.run_for(50);
        for id in containers(&world) {
            world.end_container(id, 1);
        }
    }
    // 0, 0, 1, 2, 4, 8, 16 and 32 s after the one before.
    assert!((6..10).contains(&world.steps.starts), "{} starts in a minute", world.steps.starts);
    world.settled(&[("dga", 1)]);
}

#[test]
fn a_second_container_of_one_instance_is_given_back() {
    let mut world = serving(1);
    let mut second = world.yarn.containers.values().next().unwrap().clone();
    second.container.id.id += 100;
    world.yarn.containers.insert(second.container.id, second);
    world.kill_operator(0);
    world.settled(&[("dga", 1)]);
}

#[test]
fn containers_of_an_earlier_attempt_can_be_stopped() {
    for late in [false, true] {
        let text = |replicas| manifest("dga", replicas, "256Mi", "  terminationGracePeriod: 3s\n");
        let mut world = World::new(&[4096]);
        world.put_spec("dga", &text(2));
        world.settled(&[("dga", 2)]);
        world.yarn.late = late;
        world.kill_operator(0);
        world.run_for(5_000);
        world.deaf = true;
        world.put_spec("dga", &text(1));
        world.settled(&[("dga", 1)]);
    }
}

#[test]
fn a_resource_manager_that_does_not_answer_is_not_called_in_a_tight_loop() {
    let mut world = serving(1);
    world.yarn.down = true;
    for n in 2..12 {
        world.put_spec("dga", &manifest("dga", n, "256Mi", ""));
        world.run_for(2_000);
    }
    assert!(world.steps.heartbeats < 1_000, "{} heartbeats", world.steps.heartbeats);
    world.yarn.down = false;
    world.settled(&[("dga", 11)]);
}

#[test]
fn a_registration_whose_answer_is_lost_takes_nothing_away() {
    let mut world = World::new(&[4096, 4096]);
    world.faults = vec![Fault::RegisterAnswerLost(0)];
    world.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
    world.put_spec("giant", &manifest("giant", 1, "5Gi", ""));
    assert!(world.run_until(5_000, |w| w.endpoints("dga") == 2), "{}", world.tail());
    world.run_for(10_000);
    let failing = ("True".to_owned(), "InsufficientCapacity".to_owned());
    assert_eq!(world.condition("giant", "ReplicaFailure"), Some(failing), "{}", world.tail());
    world.delete_spec("giant");
    world.settled(&[("dga", 2), ("giant", 0)]);
    // Of a later attempt it also takes the containers that run: they are known by their runners.
    let before = containers(&world);
    world.faults = vec![Fault::RegisterAnswerLost(world.steps.registrations)];
    world.kill_operator(0);
    world.settled(&[("dga", 2)]);
    assert_eq!(containers(&world), before);
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    world.settled(&[("dga", 1)]);
    world.delete_spec("dga");
    world.settled(&[("dga", 0)]);
    world.without_trace("dga");
}

#[test]
fn containers_that_are_told_of_late_are_kept() {
    let mut world = serving(3);
    let before = containers(&world);
    world.yarn.late = true;
    world.kill_operator(0);
    world.settled(&[("dga", 3)]);
    assert_eq!(containers(&world), before);
}

// --- runners --------------------------------------------------------------------------------------------------------

#[test]
fn a_runner_whose_session_expires_publishes_again() {
    let mut world = serving(2);
    let before = containers(&world);
    world.expire_runner(before[0]);
    world.settled(&[("dga", 2)]);
    world.crash_model(before[1]);
    world.settled(&[("dga", 2)]);
    assert_eq!(containers(&world), before);
}

#[test]
fn a_runner_that_does_not_drain_is_stopped_when_its_grace_is_over() {
    let mut world = World::new(&[4096]);
    world.put_spec("dga", &manifest("dga", 2, "256Mi", "  terminationGracePeriod: 3s\n"));
    world.settled(&[("dga", 2)]);
    world.deaf = true;
    world.put_spec("dga", &manifest("dga", 0, "256Mi", "  terminationGracePeriod: 3s\n"));
    world.run_for(7_900);
    assert_eq!((world.runners.len(), world.endpoints("dga")), (2, 0), "{}", world.tail());
    world.settled(&[("dga", 0)]);
}

// --- ZooKeeper and hands in it --------------------------------------------------------------------------------------

#[test]
fn an_expired_session_and_a_cut_connection_harm_nobody() {
    let mut world = serving(3);
    let before = containers(&world);
    world.expire_operator(0);
    world.settled(&[("dga", 3)]);
    for how_long in [2_000, 20_000] {
        world.lose_zookeeper(0, how_long);
        world.settled(&[("dga", 3)]);
        assert!(world.tree.get("/maas/operator/leader").is_some(), "{}", world.tail());
    }
    assert_eq!(containers(&world), before);
    assert_eq!(world.slots.len(), 1, "the same operator all the time");
}

#[test]
fn a_leader_node_that_is_taken_away_comes_back() {
    let mut world = serving(1);
    world.write(&[delete("/maas/operator/leader")]);
    world.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
    world.expire_operator(0);
    world.settled(&[("dga", 2)]);
    assert!(world.tree.get("/maas/operator/leader").is_some(), "{}", world.tail());
}

#[test]
fn writes_that_fail_at_once_are_not_tried_in_a_tight_loop() {
    let mut world = serving(2);
    world.kill_operator(0);
    let taken = |w: &World| w.tree.get("/maas/operator/epoch").is_some_and(|(d, _)| d.starts_with(b"{\"epoch\":2"));
    while !taken(&world) {
        world.run_for(1);
    }
    world.unsent = true;
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    world.run_for(5_000);
    assert!(world.steps.commits < 500, "{} commits", world.steps.commits);
    world.unsent = false;
    world.settled(&[("dga", 1)]);
}

#[test]
fn an_epoch_that_was_only_touched_is_still_ours() {
    let mut world = serving(1);
    world.put_spec("dga", &manifest("dga", 3, "256Mi", ""));
    world.run_for(3);
    let (data, _) = world.tree.get("/maas/operator/epoch").unwrap();
    let data = data.to_vec();
    world.write(&[Op::Set { path: "/maas/operator/epoch".to_owned(), data, version: None }]);
    world.settled(&[("dga", 3)]);
    world.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
    world.settled(&[("dga", 2)]);
}

#[test]
fn an_epoch_that_was_taken_away_is_made_again_higher() {
    let mut world = serving(2);
    let before = containers(&world);
    world.write(&[delete("/maas/operator/epoch")]);
    world.put_spec("dga", &manifest("dga", 3, "256Mi", ""));
    world.settled(&[("dga", 3)]);
    assert!(containers(&world).starts_with(&before), "{}", world.tail());
}

#[test]
fn a_status_that_was_taken_away_is_written_again() {
    let mut world = serving(1);
    world.write(&[delete("/maas/status/ModelDeployment/default/dga")]);
    world.settled(&[("dga", 1)]);
}

#[test]
fn an_endpoint_without_a_record_is_taken_away() {
    let mut world = serving(1);
    world.write(&[create("/maas/endpoints/default/dga/7-7")]);
    assert!(world.run_until(1_000, |w| w.endpoints("dga") == 1), "{}", world.tail());
    world.settled(&[("dga", 1)]);
}

#[test]
fn a_tree_that_was_taken_away_is_not_obeyed() {
    let mut world = serving(2);
    world.deaf = true;
    world.kill_operator(0);
    let all: Vec<String> = world.tree.list("/maas").map(|(path, _, _)| path.to_owned()).collect();
    let below = |path: &&String| path.matches('/').count() > 2 && !path.starts_with("/maas/operator/");
    for path in all.iter().filter(below).rev() {
        world.write(&[delete(path)]);
    }
    world.run_for(60_000);
    assert_eq!((world.yarn.containers.len(), world.runners.len()), (2, 2), "{}", world.tail());
}

#[test]
fn foreign_znodes_keep_nothing_from_being_removed() {
    let mut world = serving(2);
    world.write(&[create("/maas/instances/default/dga/1-1/note")]);
    world.put_spec("dga", &manifest("dga", 0, "256Mi", ""));
    world.settled(&[("dga", 0)]);
    world.write(&[create("/maas/revisions/default/dga/note"), create("/maas/endpoints/default/dga/note")]);
    world.delete_spec("dga");
    world.settled(&[("dga", 0)]);
    world.without_trace("dga");
}

// --- HDFS -----------------------------------------------------------------------------------------------------------

#[test]
fn a_listing_that_comes_late_is_not_taken_for_another() {
    let mut world = World::new(&[4096]);
    world.hdfs.insert("/n".to_owned(), Ok(payload("other")));
    world.hdfs_takes = 5_000;
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    world.run_for(100);
    world.delete_spec("dga");
    world.without_trace("dga");
    world.put_spec("dga", &manifest("dga", 1, "256Mi", "").replace("/m}", "/n}"));
    world.settled(&[("dga", 1)]);
    let path = "/maas/revisions/default/dga/1";
    let revision = Revision::decode(path, world.tree.get(path).unwrap().0).unwrap();
    assert_eq!(revision.payload, Some(payload("other")), "{}", world.tail());
}

// --- other operators and the end ------------------------------------------------------------------------------------

#[test]
fn a_frozen_operator_does_not_start_again_what_it_had_started() {
    for pause in [3_000, 20_000] {
        let mut world = World::new(&[4096]);
        world.faults = vec![Fault::StartLost(0)];
        world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
        assert!(world.run_until(1_000, |w| w.steps.starts == 1));
        world.supersede(0, pause);
        world.settled(&[("dga", 1)]);
    }
}

#[test]
fn an_attempt_that_was_frozen_before_it_looked_leaves_again() {
    let mut world = World::new(&[4096]);
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    world.run_for(5);
    world.supersede(0, 3_000);
    world.settled(&[("dga", 1)]);
    assert_eq!(world.slots[0].exit, Some(1));
}

#[test]
fn an_application_takes_over_from_one_that_is_gone() {
    let mut world = serving(1);
    // Killed with its application: no next attempt, and YARN ends its containers.
    world.slots[0].alive = false;
    world.expire_operator(0);
    for id in containers(&world) {
        world.end_container(id, -107);
    }
    world.yarn = Yarn::new(ApplicationId { cluster_timestamp: 1, id: 2 }, &[4096]);
    let second = world.boot_as("application_1_0002".to_owned(), 1, "z");
    world.run_for(20_000);
    world.settled(&[("dga", 1)]);
    assert_eq!(world.slots[second].exit, None);
}

#[test]
fn a_service_that_is_stopped_ends_well_whatever_fails_once() {
    let stopped = |faults: Vec<Fault>| {
        let mut world = serving(2);
        world.faults = faults;
        let data = br#"{"application":"application_1_0001","requestedMs":1}"#.to_vec();
        world.write(&[Op::Create { path: "/maas/operator/stop".to_owned(), data, ephemeral: false }]);
        world.run_for(90_000);
        assert!(world.slots.iter().any(|s| s.finished == Some(true)), "{}", world.tail());
        assert!(world.slots.iter().all(|s| !s.alive), "{}", world.tail());
        assert_eq!((world.endpoints("dga"), world.count("instances", "dga"), world.runners.len()), (0, 0, 0));
        assert!(world.tree.get(&World::spec_path("dga")).is_some());
        world.steps.commits
    };
    let before = serving(2).steps.commits;
    for n in before..stopped(Vec::new()) {
        for fault in [Fault::CommitAnswerLost(n), Fault::CommitLost(n), Fault::CommitUnsent(n)] {
            stopped(vec![fault]);
        }
        for fault in [Fault::CrashBefore(n), Fault::CrashAfter(n), Fault::SessionExpired(n), Fault::MirrorLost(n)] {
            stopped(vec![fault]);
        }
    }
}

// --- another build ----------------------------------------------------------------------------------------------------

fn ask_for(world: &mut World, operator: &str, requested_ms: i64) {
    let file = |url: &str| RemoteFile { url: url.to_owned(), size: 1, mtime_ms: 1 };
    let request = UpgradeRequest {
        application: world.yarn.application.to_string(),
        programs: Programs { operator: file(operator), runner: file("hdfs://n/r") },
        before: None,
        requested_ms,
    };
    let (path, data) = ("/maas/operator/upgrade".to_owned(), request.encode());
    let is_there = world.tree.get(&path).is_some();
    world.write(&[if is_there {
        Op::Set { path, data, version: None }
    } else {
        Op::Create { path, data, ephemeral: false }
    }]);
}

#[test]
fn an_operator_makes_way_for_another_build_once_and_its_containers_serve_on() {
    let mut world = serving(2);
    let before = containers(&world);
    ask_for(&mut world, "hdfs://n/next", 1);
    world.run_for(5_000);
    world.settled(&[("dga", 2)]);
    assert_eq!(world.slots.iter().filter_map(|slot| slot.exit).collect::<Vec<_>>(), [3], "{}", world.tail());
    // The same again changes nothing; the first one again is a change.
    ask_for(&mut world, "hdfs://n/next", 2);
    world.run_for(5_000);
    assert_eq!(world.slots.len(), 2, "{}", world.tail());
    ask_for(&mut world, "hdfs://n/o", 3);
    world.run_for(5_000);
    world.settled(&[("dga", 2)]);
    assert_eq!(world.slots.iter().filter_map(|slot| slot.exit).collect::<Vec<_>>(), [3, 3], "{}", world.tail());
    assert_eq!(containers(&world), before);
}

//! Metron's queue under hands and faults. What every single fault at every step does to it: `sweep`.

use maas_sim::queue::{add, remove};
use maas_sim::{QUEUE, World, manifest};
use maas_store::{Op, StopRequest};

fn quiet(world: &mut World, edits: usize) {
    let empty = world.run_until(60_000, |w| w.tree.children(QUEUE).is_empty());
    assert!(empty, "items are left\n{}\n{}", world.tail(), world.show());
    world.run_for(5_000);
    world.all_taken(edits);
}

#[test]
fn items_become_edits_in_their_order() {
    let mut world = World::new(&[4096, 4096]);
    world.may_want("dga-1", 5);
    for item in [add("dga", 2, 256, "/m"), add("dga", 3, 256, "/m"), remove("dga", 1), "null".to_owned()] {
        world.offer(&item);
    }
    quiet(&mut world, 3);
    world.settled(&[("dga-1", 4)]);
    assert!(world.queue_events().is_empty(), "{:?}", world.queue_events());
    world.offer(&remove("dga", 9));
    world.settled(&[("dga-1", 0)]);
    world.without_trace("dga-1");
}

#[test]
fn what_can_not_be_applied_is_set_aside_and_stops_nothing() {
    let mut world = World::new(&[4096, 4096]);
    world.may_want("dga-1", 2);
    world.put_spec("taken-1", &manifest("other", 0, "256Mi", "").replace("{name: other}", "{name: taken-1}"));
    world.offer(&add("dga", 1, 256, "/m"));
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(100_000));
    let bad = [
        "",
        "not json",
        "[1]",
        "{}",
        huge.as_str(),
        &add("dga", 1, 0, "/m"),
        &add("dga", 0, 256, "/m"),
        &add("dga", 1, 512, "/m"),
        &add("dga", 1, 256, "/n"),
        &add("dga", 4_000_000_000, 256, "/m"),
        &add("../x", 1, 256, "/m"),
        &add("new", 1, 256, "/nowhere"),
        &add("new", 1, 256, "not/../there"),
        &add("new", 1, u32::MAX, "/m"),
        &add("taken", 1, 256, "/m"),
        &remove("dga", 0),
        &add("dga", 1, 256, "/m").replace("ADD", "LIST"),
        &add("dga", 1, 256, "/m").replace("\"path\"", "\"paths\""),
    ];
    for item in bad {
        world.offer(item);
    }
    world.offer(&remove("unknown", 1));
    world.offer(&add("dga", 1, 256, "/m"));
    quiet(&mut world, bad.len() + 3);
    let events = world.queue_events();
    let count = |reason: &str| events.iter().filter(|event| *event == reason).count();
    assert_eq!((count("ItemSetAside"), count("NothingToRemove")), (bad.len(), 1), "{events:?}");
    world.settled(&[("dga-1", 2)]);
}

#[test]
fn deployments_are_planned_while_the_queue_has_no_end() {
    let mut world = World::new(&[4096, 4096]);
    for _ in 0..600 {
        world.offer("null");
    }
    world.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
    assert!(world.run_until(10_000, |w| w.endpoints("dga") == 2), "{}", world.tail());
    assert!(world.tree.children(QUEUE).len() > 100, "the queue is over too early to tell");
    world.put_spec("dga", &manifest("dga", 3, "256Mi", ""));
    assert!(world.run_until(10_000, |w| w.endpoints("dga") == 3), "{}", world.tail());
}

#[test]
fn an_item_that_can_not_be_taken_away_is_passed_over() {
    let mut world = World::new(&[4096, 4096]);
    world.may_want("dga-1", 2);
    world.offer(&add("dga", 1, 256, "/m"));
    let below = format!("{QUEUE}/qn-0000000000/x");
    world.write(&[Op::Create { path: below, data: Vec::new(), ephemeral: false }]);
    world.watch.stuck.insert("qn-0000000000".to_owned());
    world.offer(&add("dga", 2, 256, "/m"));
    let served = world.run_until(300_000, |w| w.endpoints("dga-1") == 2);
    assert!(served, "{}\n{}", world.tail(), world.show());
    assert_eq!(world.tree.children(QUEUE).len(), 1);
}

#[test]
fn a_service_that_ends_leaves_the_queue_to_the_next_one() {
    let mut world = World::new(&[4096, 4096]);
    world.may_want("dga-1", 1);
    world.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
    world.settled(&[("dga", 1)]);
    let stop = StopRequest { application: world.yarn.application.to_string(), requested_ms: 0 };
    world.write(&[Op::Create { path: "/maas/operator/stop".to_owned(), data: stop.encode(), ephemeral: false }]);
    world.run_for(5);
    world.offer(&add("dga", 1, 256, "/m"));
    assert!(world.run_until(60_000, |w| w.slots[0].exit == Some(0)), "{}", world.tail());
    assert_eq!(world.tree.children(QUEUE).len(), 1, "{}", world.tail());
}

/// The decision is made again on what then stands.
#[test]
fn an_edit_that_a_user_was_faster_with_is_decided_again() {
    let mut world = World::new(&[4096, 4096]);
    world.may_want("dga-1", 6);
    world.offer(&add("dga", 1, 256, "/m"));
    world.settled(&[("dga-1", 1)]);
    world.offer(&add("dga", 2, 256, "/m"));
    // Its edit is on its way.
    world.run_for(6);
    assert_eq!(world.watch.refused, 0);
    let text = manifest("dga", 3, "256Mi", "").replace("metadata: {name: dga}", "metadata: {name: dga-1}");
    world.put_spec("dga-1", &text);
    world.settled(&[("dga-1", 5)]);
    world.all_taken(2);
    assert!(world.watch.refused > 0, "nobody was faster: {}", world.tail());
}

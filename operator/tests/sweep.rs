//! Every single fault at every step of several workloads, and random schedules of several faults.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod world;

use std::panic::catch_unwind;

use world::fault::Fault;
use world::{World, manifest};

/// A workload, and what must stand at its end.
type Workload = (&'static str, fn(&mut World), &'static [(&'static str, usize)]);

const WORKLOADS: [Workload; 6] = [
    ("create", |w| w.put_spec("dga", &manifest("dga", 2, "256Mi", "")), &[("dga", 2)]),
    (
        "scale",
        |w| {
            w.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
            w.run_for(400);
            w.put_spec("dga", &manifest("dga", 3, "256Mi", ""));
            w.run_for(400);
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
        },
        &[("dga", 2)],
    ),
    (
        "replace",
        |w| {
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
            w.run_for(400);
            w.put_spec("dga", &manifest("dga", 2, "256Mi", "  env: {A: b}\n"));
        },
        &[("dga", 2)],
    ),
    (
        "delete",
        |w| {
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
            w.run_for(400);
            w.delete_spec("dga");
        },
        &[("dga", 0)],
    ),
    (
        "recreate",
        |w| {
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
            w.run_for(60);
            w.delete_spec("dga");
            w.run_for(30);
            w.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
        },
        &[("dga", 1)],
    ),
    (
        "two on a full cluster",
        |w| {
            w.put_spec("dga", &manifest("dga", 7, "1Gi", ""));
            w.put_spec("other", &manifest("other", 2, "1Gi", ""));
            w.run_for(8_000);
            w.put_spec("dga", &manifest("dga", 6, "1Gi", ""));
        },
        &[("dga", 6), ("other", 2)],
    ),
];

fn play(workload: Workload, faults: Vec<Fault>, seed: u64) -> World {
    let (name, act, wanted) = workload;
    let mut world = World::seeded(&[4096, 4096], seed);
    world.faults = faults;
    world.note(format!("{name} under {:?}, seed {seed}", world.faults));
    act(&mut world);
    world.settled(wanted);
    for (name, n) in wanted {
        if *n == 0 {
            world.without_trace(name);
        }
    }
    world
}

fn sweep(n: usize) {
    let workload = WORKLOADS[n];
    let mut steps = play(workload, Vec::new(), 0).steps;
    // Heartbeats after the last commit meet a settled world: one kind of them is enough.
    steps.heartbeats = steps.heartbeats.min(60);
    let placements = steps.placements();
    let mut failed = Vec::new();
    for fault in &placements {
        // All that fail are named, the first is told whole.
        if let Err(why) = catch_unwind(|| drop(play(workload, vec![*fault], 0))) {
            let first = failed.is_empty();
            failed.push(*fault);
            if first {
                println!("{}", why.downcast_ref::<String>().map_or("", String::as_str));
            }
        }
    }
    println!("{}: {} single faults placed", workload.0, placements.len());
    assert!(failed.is_empty(), "{}: {failed:?} of {} faults end badly", workload.0, placements.len());
    assert!(placements.len() > 100, "{}", placements.len());
}

#[test]
fn every_single_fault_at_every_step_of_creating_ends_well() {
    sweep(0);
}

#[test]
fn every_single_fault_at_every_step_of_scaling_ends_well() {
    sweep(1);
}

#[test]
fn every_single_fault_at_every_step_of_replacing_ends_well() {
    sweep(2);
}

#[test]
fn every_single_fault_at_every_step_of_deleting_ends_well() {
    sweep(3);
}

#[test]
fn every_single_fault_at_every_step_of_recreating_ends_well() {
    sweep(4);
}

#[test]
fn every_single_fault_at_every_step_of_filling_ends_well() {
    sweep(5);
}

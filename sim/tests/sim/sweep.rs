//! Every single fault at every step of several workloads, and random schedules of several faults.

use std::panic::catch_unwind;

use maas_sim::fault::Fault;
use maas_sim::{World, manifest};

/// A workload, and what must stand at its end.
type Workload = (&'static str, fn(&mut World), &'static [(&'static str, usize)]);

pub(crate) const WORKLOADS: [Workload; 14] = [
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
    (
        "take over",
        |w| {
            w.put_spec("dga", &manifest("dga", 3, "256Mi", ""));
            w.run_for(700);
            w.yarn.late = true;
            w.kill_leader();
            w.put_spec("dga", &manifest("dga", 2, "256Mi", "  env: {A: b}\n"));
        },
        &[("dga", 2)],
    ),
    (
        "lose a node",
        |w| {
            w.put_spec("dga", &manifest("dga", 4, "1Gi", ""));
            w.run_for(700);
            w.lose_node(0);
            w.run_for(1_000);
            w.node_returns(0);
        },
        &[("dga", 4)],
    ),
    (
        "mend a spec and a payload",
        |w| {
            let there = w.hdfs.remove("/m").expect("a payload");
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
            w.run_for(1_500);
            w.put_spec("dga", "nonsense");
            w.hdfs.insert("/m".to_owned(), there);
            w.run_for(1_500);
            w.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
        },
        &[("dga", 1)],
    ),
    (
        "to zero and back",
        |w| {
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
            w.run_for(400);
            w.put_spec("dga", &manifest("dga", 0, "256Mi", ""));
            w.run_for(1_500);
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
        },
        &[("dga", 2)],
    ),
    (
        "change and change back half-way",
        |w| {
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
            w.run_for(400);
            w.put_spec("dga", &manifest("dga", 2, "256Mi", "  env: {A: b}\n"));
            w.run_for(150);
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
        },
        &[("dga", 2)],
    ),
    (
        "three on a full queue",
        |w| {
            w.put_spec("large", &manifest("large", 2, "3Gi", ""));
            w.put_spec("dga", &manifest("dga", 2, "1Gi", ""));
            w.put_spec("giant", &manifest("giant", 1, "4Gi", ""));
            w.run_for(6_000);
            w.delete_spec("large");
            w.run_for(8_000);
            w.delete_spec("giant");
        },
        &[("dga", 2), ("large", 0), ("giant", 0)],
    ),
    (
        "two editors",
        |w| {
            for n in 1..=4_u32 {
                w.put_spec("dga", &manifest("dga", n % 3 + 1, "256Mi", ""));
                w.run_for(30);
                w.put_spec("dga", &manifest("dga", 2, "256Mi", "  env: {BY: other}\n"));
                w.run_for(70);
            }
        },
        &[("dga", 2)],
    ),
    (
        "a bad one among good ones",
        |w| {
            w.put_spec("bad", "kind: [");
            w.put_spec("dga", &manifest("dga", 1, "256Mi", ""));
            w.put_spec("lost", &manifest("lost", 1, "256Mi", "").replace("/m}", "/nowhere}"));
            w.run_for(2_000);
            w.put_spec("dga", &manifest("dga", 2, "256Mi", ""));
            w.run_for(500);
            w.delete_spec("bad");
            w.delete_spec("lost");
        },
        &[("dga", 2), ("bad", 0), ("lost", 0)],
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

/// Several faults at random places of runs in which every wait differs.
fn schedules(seeds: std::ops::Range<u64>) {
    let mut failed = Vec::new();
    for seed in seeds.clone() {
        let workload = WORKLOADS[seed as usize % WORKLOADS.len()];
        let run = || {
            let mut quiet = play(workload, Vec::new(), seed);
            quiet.steps.heartbeats = quiet.steps.heartbeats.min(150);
            let placements = quiet.steps.placements();
            let faults = (0..2 + seed % 3).map(|_| placements[quiet.draw(placements.len() as u64) as usize]).collect();
            play(workload, faults, seed);
        };
        if let Err(why) = catch_unwind(run) {
            if failed.is_empty() {
                println!("{}", why.downcast_ref::<String>().map_or("", String::as_str));
            }
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?} of {seeds:?} end badly");
}

#[test]
fn random_schedules_of_several_faults_end_well() {
    // MAAS_SCHEDULES: how many; MAAS_SEED: from this one on.
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let first = number("MAAS_SEED").unwrap_or(1);
    schedules(first..first + number("MAAS_SCHEDULES").unwrap_or(200));
}

macro_rules! sweeps {
    ($($name:ident: $n:literal,)*) => {
        $(#[test]
        fn $name() {
            sweep($n);
        })*

        #[test]
        fn each_workload_is_swept() {
            assert_eq!([$($n),*], std::array::from_fn::<usize, { WORKLOADS.len() }, _>(|n| n));
        }
    };
}

// Every single fault, at every step of each.
sweeps! {
    creating_ends_well: 0,
    scaling_ends_well: 1,
    replacing_ends_well: 2,
    deleting_ends_well: 3,
    recreating_ends_well: 4,
    filling_ends_well: 5,
    taking_over_ends_well: 6,
    losing_a_node_ends_well: 7,
    mending_ends_well: 8,
    scaling_to_zero_and_back_ends_well: 9,
    changing_back_half_way_ends_well: 10,
    three_on_a_full_queue_end_well: 11,
    two_editors_end_well: 12,
    a_bad_one_among_good_ones_ends_well: 13,
}

//! Every single fault at every step of several workloads, and random schedules of several faults.

use std::panic::catch_unwind;

use maas_sim::workload::{WORKLOADS, play};

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
    the_queue_ends_well: 14,
}

//! What users do in a run, fixed or drawn from a seed.

use crate::fault::Fault;
use crate::{World, manifest, queue};

/// A name, what is done, and what must stand at the end.
pub type Workload = (&'static str, fn(&mut World), &'static [(&'static str, usize)]);

pub const WORKLOADS: [Workload; 15] = [
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
    (
        "metron's queue",
        |w| {
            // Each counts: any other order, and any that is lost or made twice, ends with other numbers.
            w.may_want("dga-1", 4);
            w.may_want("other-1", 2);
            for item in [
                &queue::add("dga", 2, 256, "/m"),
                "null",
                &queue::add("dga", 2, 256, "/m/"),
                "{\"action\":\"LIST\"}",
                &queue::remove("dga", 1),
                &queue::add("other", 1, 256, "/m"),
                &queue::add("third", 1, 256, "/nowhere"),
                &queue::remove("other", 9),
                &queue::add("other", 2, 256, "/m"),
            ] {
                w.offer(item);
                let wait = w.watch.offered as u64 * 37 % 90;
                w.run_for(wait);
            }
            w.run_for(1_500);
            w.offer(&queue::remove("dga", 1));
            w.offer(&queue::remove("other", 2));
            w.offer(&queue::remove("other", 2));
        },
        &[("dga-1", 2), ("other-1", 0), ("third-1", 0)],
    ),
];

/// Runs a workload to its end under faults; with another seed than 0 every wait differs.
///
/// # Panics
/// An oracle is not content: the message tells the story.
pub fn play(workload: Workload, faults: Vec<Fault>, seed: u64) -> World {
    let (name, act, wanted) = workload;
    let mut world = World::seeded(&[4096, 4096], seed);
    world.faults = faults;
    world.note(format!("{name} under {:?}, seed {seed}", world.faults));
    world.open_client();
    act(&mut world);
    world.settled(wanted);
    for (name, n) in wanted {
        if *n == 0 {
            world.without_trace(name);
        }
    }
    world
}

/// Names that random runs use.
const NAMES: [&str; 3] = ["dga", "other", "third"];

/// A run in which everything is drawn from the seed: what users do, what breaks and when.
///
/// # Panics
/// As [`play`].
pub fn wander(seed: u64, faults: &[Fault]) -> World {
    let mut world = World::seeded(&[4096, 4096], seed);
    world.faults = faults.to_vec();
    world.note(format!("wandering under {faults:?}, seed {seed}"));
    let there = world.hdfs["/m"].clone();
    let client = world.open_client();
    let mut wanted = [0_usize; 3];
    for _ in 0..4 + world.draw(12) {
        let n = world.draw(3) as usize;
        let name = NAMES[n];
        match world.draw(19) {
            0..=6 => {
                let replicas = world.draw(4) as u32;
                let env = world.draw(3);
                wanted[n] = replicas as usize;
                world.put_spec(name, &manifest(name, replicas, "512Mi", &format!("  env: {{A: \"{env}\"}}\n")));
            }
            7..=8 if world.tree.get(&World::spec_path(name)).is_some() => {
                wanted[n] = 0;
                world.delete_spec(name);
            }
            9 => world.kill_leader(),
            10 => {
                if let Some(id) = world.runners.keys().nth(n).copied() {
                    world.end_container(id, [137, -100, -102][n]);
                }
            }
            11 => {
                if let Some(id) = world.runners.keys().nth(n).copied() {
                    world.expire_runner(id);
                }
            }
            12 => {
                if let Some(id) = world.runners.keys().nth(n).copied() {
                    world.crash_model(id);
                }
            }
            13 => world.yarn.restart(),
            14 => {
                world.lose_node(0);
                let away = world.draw(12_000);
                world.run_for(away);
                world.node_returns(0);
            }
            15 => {
                if let Some(id) = world.runners.keys().nth(n).copied() {
                    world.yarn.preempt(id);
                }
            }
            17 => {
                let away = [300, 9_000][world.draw(2) as usize];
                world.lose_client(client, away);
            }
            16 => {
                world.yarn.decommission(1, true);
                let leaves = world.draw(12_000);
                world.run_for(leaves);
                world.yarn.decommission(1, false);
            }
            _ => {
                world.hdfs.remove("/m");
                let away = world.draw(3_000);
                world.run_for(away);
                world.hdfs.insert("/m".to_owned(), there.clone());
            }
        }
        let wait = [20, 200, 2_000, 9_000][world.draw(4) as usize];
        let wait = world.draw(wait);
        world.run_for(wait);
    }
    let all: Vec<(&str, usize)> = NAMES.into_iter().zip(wanted).collect();
    world.settled(&all);
    world
}

//! A full queue: what finds no room says so, never blocks another, and starts when room comes. On the real
//! CapacityScheduler, which by itself stops at the first ask that does not fit.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use support::{Maas, manifest, until};

fn says_no_room(maas: &Maas, name: &str) -> bool {
    let out = maas.ctl(&["get", "models", name, "-o", "yaml"]).out;
    out.contains("InsufficientCapacity")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_deployment_never_blocks_another() {
    // Two nodes of 1536 MiB, one of which holds the operator's 256 MiB.
    let maas = Maas::without_service(Cluster::builder().node_managers(2).node_memory_mb(1536)).await;
    maas.start_service();
    let payload = maas.dga().await;

    // Larger than any container, and larger than what is free anywhere: both wait and say so.
    maas.apply(&manifest("giant", 1, "100Gi", &payload, "")).good();
    // One of these on each node, which leaves 256 and 512 MiB.
    maas.apply(&manifest("base", 2, "1Gi", &payload, "")).good();
    maas.until_ready("base", "2/2");
    maas.apply(&manifest("wide", 1, "1Gi", &payload, "")).good();
    // Room enough in sum, on no single node: the scheduler reserves for it, which holds later asks back.
    maas.apply(&manifest("broad", 1, "640Mi", &payload, "")).good();
    // One that fits is served all the same, although it comes last.
    let since = Instant::now();
    maas.apply(&manifest("small", 2, "256Mi", &payload, "")).good();
    maas.until_ready("small", "2/2");
    let took = since.elapsed();
    println!("small ready after {} ms behind three that find no room", took.as_millis());
    assert!(until(Duration::from_secs(20), || ["giant", "wide", "broad"].iter().all(|n| says_no_room(&maas, n))));
    let giant = maas.ctl(&["describe", "model", "giant"]).good();
    assert!(giant.contains("102400 MiB") && giant.contains("Lower spec.resources"), "{giant}");
    let others = maas.ctl(&["get", "models", "base", "-o", "yaml"]).good();
    assert!(!others.contains("InsufficientCapacity"), "{others}");

    // Room comes: what waits starts by itself.
    maas.ctl(&["delete", "model", "base", "--wait"]).good();
    maas.until_ready("wide", "1/1");
    maas.until_ready("broad", "1/1");
    assert!(!says_no_room(&maas, "small"));
    maas.ctl(&["service", "stop"]).good();
}

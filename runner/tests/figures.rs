//! What the runner costs: memory, and time between a model's announcement and its endpoint. Prints its figures; name the
//! binary that is shipped in MAAS_RUNNER to hold it to its limits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::{Duration, Instant, UNIX_EPOCH};

use support::{Container, SERVE, Tree, eventually, kill, model_pid, shared};

const LIMIT_KIB: u64 = 4096;

#[tokio::test]
async fn the_runner_is_small_and_quick() {
    let tree = Tree::new(shared().await).await;
    let (mut starts, mut overheads, mut removals, mut resident) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for counter in 10..20 {
        let mut container = Container::of(&tree, &[("rest.sh", SERVE)]);
        container.launch.iid = maas_crd::Iid::new(1, counter);
        tree.intend(container.iid()).await;
        let began = Instant::now();
        let running = container.start();
        let url = tree.published(running.iid()).await;
        starts.push(began.elapsed());
        let (_, endpoint) = tree.get(&tree.endpoint(running.iid())).await.unwrap();
        let announced = std::fs::metadata(running.container.model().join("endpoint.dat")).unwrap().modified().unwrap();
        let announced_ms = announced.duration_since(UNIX_EPOCH).unwrap().as_millis();
        overheads.push(u128::try_from(endpoint.ctime).unwrap().saturating_sub(announced_ms));
        tree.reported(running.iid(), "ready", |report| report["phase"] == "Ready").await;
        resident.push(running.resident_kib().await);
        let (_, _, watch) = tree.client.get_and_watch_data(&tree.endpoint(running.iid())).await.unwrap();
        let model = model_pid(&url).await;
        let killed = Instant::now();
        kill(model);
        watch.changed().await;
        removals.push(killed.elapsed());
        eventually("it back", async || tree.get(&tree.endpoint(running.iid())).await).await;
    }
    for figures in [&mut starts, &mut removals] {
        figures.sort();
    }
    overheads.sort_unstable();
    resident.sort_unstable();
    println!("runner started -> published: {:?} median, {:?} max", starts[5], starts[9]);
    println!("announced -> published: {} ms median, {} ms max", overheads[5], overheads[9]);
    println!("model killed -> endpoint gone: {:?} median, {:?} max", removals[5], removals[9]);
    println!("resident: {} KiB median, {} KiB max", resident[5], resident[9]);
    assert!(removals[5] < Duration::from_millis(500), "{removals:?}");
    if std::env::var_os("MAAS_RUNNER").is_some() {
        assert!(resident[9] <= LIMIT_KIB, "{resident:?}");
    }
}

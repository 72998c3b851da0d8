//! How soon a change is seen. Prints its figures and asserts none: run it with `--ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::time::Instant;

use maas_e2e::Cluster;
use maas_store::{Change, Config, Op, Store, mirror};

#[tokio::test]
#[ignore = "measures"]
async fn set_to_seen() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let writer = Store::open(Config::new(cluster.quorum())).await.unwrap();
    writer.init().await.unwrap();
    let path = "/maas/specs/measured".to_owned();
    writer.commit(&[Op::Create { path: path.clone(), data: Vec::new(), ephemeral: false }]).await.unwrap();
    let reader = Store::open(Config::new(cluster.quorum())).await.unwrap();
    let mut mirror = mirror(&reader, vec!["/maas/specs".to_owned()]);
    while mirror.next().await != Change::Listed {}
    let (mut seen, mut acknowledged) = (Vec::new(), Vec::new());
    for n in 0..1_000_u32 {
        let since = Instant::now();
        let set = [Op::Set { path: path.clone(), data: n.to_be_bytes().to_vec(), version: None }];
        let both = async { while !matches!(mirror.next().await, Change::Put { .. }) {} };
        let ((), took) = tokio::join!(
            async {
                both.await;
                seen.push(since.elapsed());
            },
            async {
                writer.commit(&set).await.unwrap();
                since.elapsed()
            }
        );
        acknowledged.push(took);
    }
    for (what, figures) in [("set -> acknowledged", &mut acknowledged), ("set -> Put", &mut seen)] {
        figures.sort();
        println!("{what}: {:?} median, {:?} p99, {:?} max", figures[500], figures[990], figures[999]);
    }
}

//! ZooKeeper: the twin that the simulation and its mirrors stand on, against a server.

mod proxy;
mod run;
mod script;

use std::time::Duration;

use maas_e2e::Cluster;

use crate::shrink::{shrink, story};
use run::{Disagreement, Server};
use script::{Step, curated, random};

#[tokio::test(flavor = "multi_thread")]
async fn the_twin_and_a_server_answer_alike() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let server = Server::new(cluster.quorum());
    let (seed, count) = (crate::seed(), crate::setting("CONFORMANCE_OPS", 2_000));
    let mut script = curated();
    script.extend(random(seed, usize::try_from(count).unwrap()));
    match server.run(&script).await {
        Ok(played) => println!("zookeeper seed={seed} steps={} {played:?}", script.len()),
        Err(first) => {
            let failing = &script[..=first.step];
            let last = |script: &[Step], d: &Disagreement| (d.about(), format!("{:?}", script[d.step]));
            let alike = async |script: &[Step]| {
                server.run(script).await.is_err_and(|d| last(script, &d) == last(failing, &first))
            };
            let short = shrink(failing, Duration::from_secs(30), alike).await;
            let last = server.run(&short).await.err();
            let last = last.map_or_else(|| "not seen again".to_owned(), |d| d.to_string());
            panic!("seed {seed}: {first}\n\nThe shortest script that fails ({last}):\n{}", story(&short));
        }
    }
}

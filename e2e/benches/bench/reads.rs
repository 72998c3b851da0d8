//! LIST and get, beside the least that a client can do.

use std::time::Instant;

use maas_store::Node;

use crate::bed::Bed;
use crate::figure::{Judged, Samples, ms_since};

const READS: usize = 30;

/// With all models live.
pub(crate) async fn reads(bed: &Bed) -> anyhow::Result<()> {
    let quorum = bed.cluster.quorum();
    let (mut session, mut list, mut get) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..READS {
        let began = Instant::now();
        let store = bed.another_session().await?;
        store.get(&store.path(&Node::Leader)).await?;
        session.add(ms_since(began));
        store.close().await;
        let began = Instant::now();
        bed.run("maas_deploy.sh", &["-zq", &quorum, "-mo", "LIST"]).await?;
        list.add(ms_since(began));
        let began = Instant::now();
        bed.ctl(&["get", "models"]).await?;
        get.add(ms_since(began));
    }
    list.print("list_ms", Judged::Median, session.median(), 50.0);
    get.print("get_ms", Judged::Median, session.median(), 50.0);
    Ok(())
}

//! Twenty instances by one ADD.

use std::time::Instant;

use crate::bed::Bed;
use crate::figure::{Judged, Samples, ms_since};
use crate::hand::side_by_side;

const COUNT: usize = 20;
const REPEATS: usize = 10;

/// One ADD of twenty → all answer, in turn with the twenty scripts started side by side.
pub(crate) async fn twenty(bed: &Bed) -> anyhow::Result<()> {
    let quorum = bed.cluster.quorum();
    let (mut scripts, mut add) = (Samples::default(), Samples::default());
    for turn in 0..REPEATS {
        scripts.add(side_by_side(bed, COUNT).await?);
        let model = format!("crowd{turn}");
        let count = COUNT.to_string();
        let flags = ["-hmp", &bed.payload, "-mo", "ADD", "-m", "128", "-v", "1.0", "-ni", &count];
        let args = [&["-zq", &quorum, "-n", &model], &flags[..]].concat();
        let began = Instant::now();
        bed.run("maas_deploy.sh", &args).await?;
        for (_, endpoint) in bed.live(&format!("{model}-1.0"), COUNT).await? {
            bed.answers(&endpoint.url).await?;
        }
        add.add(ms_since(began));
        bed.clear().await?;
    }
    let reference = scripts.median();
    add.print("add_of_20_to_all_live_ms", Judged::Median, reference, 2.0 * reference + 1_000.0);
    Ok(())
}

//! From a spec to a model: its first instruction, its first answer, and both by the seed's command.

use std::time::{Duration, Instant};

use crate::bed::{Bed, between, manifest, mock_dga, stamp, wall};
use crate::figure::{Judged, Samples, TIMES, ms_since};
use crate::floor::Floor;
use crate::hand::side_by_side;

/// Its first act is to say when it began.
const SCRIPT: &str = "#!/bin/sh\ndate +%s%N >\"$STAMP\"\nexec sleep 600\n";

/// Spec written → the script's first instruction, in turn with the floor.
pub(crate) async fn first_instruction(bed: &Bed) -> anyhow::Result<()> {
    let local = bed.scratch.path().join("stamp");
    std::fs::create_dir(&local)?;
    std::fs::write(local.join("run.sh"), SCRIPT)?;
    let payload = "/user/root/bench/stamp";
    bed.upload(&local, payload).await?;
    let mut floor = Floor::submit(bed).await?;
    let (mut bare, mut maas) = (Samples::default(), Samples::default());
    // The first two of each see every node for the first time.
    for turn in 0..TIMES + 2 {
        let first = floor.sample(&bed.scratch.path().join(format!("floor-{turn}"))).await?;
        pause().await;
        let (name, file) = (format!("stamp-{turn}"), bed.scratch.path().join(format!("maas-{turn}")));
        let text = manifest(&name, 1, payload, &format!("  env: {{STAMP: {:?}}}\n", file.display().to_string()));
        let began = wall();
        bed.write(&name, &text).await?;
        let second = between(began, stamp(&file).await?);
        pause().await;
        if turn >= 2 {
            bare.add(first);
            maas.add(second);
        }
    }
    floor.end().await?;
    bed.clear().await?;
    bare.part("floor_bare_master_to_first_instruction_ms");
    maas.print("spec_to_first_instruction_ms", Judged::Median, bare.median(), 1.5 * bare.median());
    Ok(())
}

/// Spec or scale written → HTTP 200, in turn with the script started by hand.
pub(crate) async fn live(bed: &Bed) -> anyhow::Result<()> {
    let (mut own, mut own_again) = (Samples::default(), Samples::default());
    let (mut spec, mut endpoint, mut scale) = (Samples::default(), Samples::default(), Samples::default());
    for turn in 0..TIMES {
        own.add(side_by_side(bed, 1).await?);
        pause().await;
        let name = format!("live-{turn}");
        let began = Instant::now();
        bed.write(&name, &bed.dga(&name, 1)).await?;
        if let Some((_, found)) = bed.live(&name, 1).await?.first() {
            endpoint.add(ms_since(began));
            bed.answers(&found.url).await?;
            spec.add(ms_since(began));
        }
        pause().await;
    }
    bed.clear().await?;
    bed.write("scaled", &bed.dga("scaled", 1)).await?;
    let mut known = bed.live("scaled", 1).await?;
    for turn in 0..TIMES {
        pause().await;
        own_again.add(side_by_side(bed, 1).await?);
        pause().await;
        let replicas = turn + 2;
        let began = Instant::now();
        bed.write("scaled", &bed.dga("scaled", u32::try_from(replicas)?)).await?;
        let all = bed.live("scaled", replicas).await?;
        for (_, new) in all.iter().filter(|(path, _)| !known.iter().any(|(old, _)| old == path)) {
            bed.answers(&new.url).await?;
        }
        scale.add(ms_since(began));
        known = all;
    }
    bed.clear().await?;
    endpoint.part("spec_to_endpoint_seen_ms");
    spec.print("spec_to_http_200_ms", Judged::Median, own.median(), own.median() + 150.0);
    let own = own_again.median();
    scale.print("scale_to_http_200_ms", Judged::Median, own, own + 150.0);
    Ok(())
}

/// The seed's ADD with a payload that is nowhere yet → HTTP 200.
pub(crate) async fn add(bed: &Bed) -> anyhow::Result<()> {
    let quorum = bed.cluster.quorum();
    let mut own = Samples::default();
    let (mut all, mut written, mut upload) = (Samples::default(), Samples::default(), Samples::default());
    for turn in 0..TIMES {
        own.add(side_by_side(bed, 1).await?);
        let local = bed.scratch.path().join(format!("add-{turn}"));
        std::fs::create_dir(&local)?;
        for entry in std::fs::read_dir(mock_dga())? {
            let entry = entry?;
            let text = std::fs::read_to_string(entry.path())?;
            // Another content each time, so that it is uploaded and localised.
            std::fs::write(local.join(entry.file_name()), format!("{text}\n# {turn}\n"))?;
        }
        let began = Instant::now();
        bed.upload(&local, &format!("/user/root/bench/upload-{turn}")).await?;
        upload.add(ms_since(began));
        pause().await;
        let (model, local) = (format!("add{turn}"), local.display().to_string());
        let flags = ["-lmp", &local, "-hmp", "/user/root/models", "-mo", "ADD", "-m", "128", "-v", "1.0", "-ni", "1"];
        let args = [&["-zq", &quorum, "-n", &model], &flags[..]].concat();
        let name = format!("{model}-1.0");
        let spec = bed.path(&format!("specs/ModelDeployment/default/{name}"));
        let began = Instant::now();
        let mut child = bed.command("maas_deploy.sh", &args).stdout(std::process::Stdio::null()).spawn()?;
        bed.until("the spec", |view| view.get(&spec).map(drop)).await?;
        written.add(ms_since(began));
        if let Some((_, found)) = bed.live(&name, 1).await?.first() {
            bed.answers(&found.url).await?;
            all.add(ms_since(began));
        }
        child.wait().await?;
        pause().await;
    }
    bed.clear().await?;
    upload.part("upload_of_the_payload_alone_ms");
    written.part("add_command_to_spec_written_ms");
    all.print("add_with_upload_to_http_200_ms", Judged::Median, own.median(), own.median() + 600.0);
    Ok(())
}

/// What was started before is at rest.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(400)).await;
}

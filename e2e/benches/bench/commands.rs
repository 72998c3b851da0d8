//! The command line itself, beside a bare client that does the same in the same run.

use std::process::Stdio;
use std::time::Instant;

use anyhow::Context;
use maas_crd::{Name, Namespace};
use maas_store::create_spec;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::bed::Bed;
use crate::figure::{Judged, Samples, ms_since};
use crate::many::each;

const STARTS: usize = 30;
const CHANGES: u32 = 100;
const MANIFESTS: usize = 1_000;

/// `maasctl version`, beside a process that does nothing.
pub(crate) async fn start(bed: &Bed) -> anyhow::Result<()> {
    let (mut nothing, mut version) = (Samples::default(), Samples::default());
    for _ in 0..STARTS {
        let began = Instant::now();
        tokio::process::Command::new("true").status().await?;
        nothing.add(ms_since(began));
        let began = Instant::now();
        bed.ctl(&["version"]).await?;
        version.add(ms_since(began));
    }
    version.print("maasctl_start_ms", Judged::Median, nothing.median(), 20.0);
    Ok(())
}

/// A change written → its line of `get -w`, beside a client that follows the tree.
pub(crate) async fn watch(bed: &Bed) -> anyhow::Result<()> {
    bed.write("watched", &bed.dga("watched", 0)).await?;
    let mut child = bed.command("maasctl", &["get", "models", "-w", "-o", "json"]).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    let (mut bare, mut printed) = (Samples::default(), Samples::default());
    let path = bed.path("specs/ModelDeployment/default/watched");
    for change in 0..CHANGES {
        let mark = format!("change-{change}");
        let manifest = bed.dga("watched", 0) + &format!("  env: {{MARK: {mark}}}\n");
        let began = Instant::now();
        bed.write("watched", &manifest).await?;
        bed.until("the change", |view| {
            view.get(&path).is_some_and(|data| String::from_utf8_lossy(data).contains(&mark)).then_some(())
        })
        .await?;
        bare.add(ms_since(began));
        while !lines.next_line().await?.context("get -w ended")?.contains(&mark) {}
        printed.add(ms_since(began));
    }
    child.kill().await?;
    printed.print("written_to_shown_by_get_w_ms", Judged::Worst, bare.median(), 100.0);
    bed.clear().await
}

/// `apply -f` of a directory, beside one session that creates as many nodes.
pub(crate) async fn apply(bed: &Bed) -> anyhow::Result<()> {
    let (mut bare, mut applied) = (Samples::default(), Samples::default());
    for _ in 0..3 {
        let folder = tempfile::tempdir_in(bed.scratch.path())?;
        for number in 0..MANIFESTS {
            let name = format!("applied{number}");
            std::fs::write(folder.path().join(format!("{name}.yaml")), bed.dga(&name, 0))?;
        }
        let store = bed.another_session().await?;
        let began = Instant::now();
        each(MANIFESTS, |number| {
            let store = &store;
            async move {
                let name = format!("bare{number}");
                let manifest = bed.dga(&name, 0);
                Ok(create_spec(store, &Namespace::default(), &name.parse::<Name>()?, manifest.as_bytes()).await?)
            }
        })
        .await?;
        bare.add(ms_since(began));
        store.close().await;
        let began = Instant::now();
        bed.ctl(&["apply", "-f", folder.path().to_str().context("a path that is no text")?]).await?;
        applied.add(ms_since(began));
        bed.clear().await?;
    }
    applied.print(&format!("apply_of_{MANIFESTS}_manifests_ms"), Judged::Worst, bare.median(), 5_000.0);
    Ok(())
}

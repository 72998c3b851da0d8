//! The same scripts started by hand, in the environment that containers have: what a model's own start takes.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::bed::{Bed, mock_dga};
use crate::figure::ms_since;

/// Starts so many scripts side by side; from there to the last one's first answer, in ms.
pub(crate) async fn side_by_side(bed: &Bed, count: usize) -> anyhow::Result<f64> {
    let mut folders = Vec::new();
    for _ in 0..count {
        let folder = tempfile::tempdir_in(bed.scratch.path())?;
        for entry in std::fs::read_dir(mock_dga())? {
            let entry = entry?;
            std::fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
        }
        folders.push(folder);
    }
    let began = Instant::now();
    let mut starts = JoinSet::new();
    for folder in &folders {
        let child = Command::new("./rest.sh")
            .current_dir(folder.path())
            .env_clear()
            .envs(bed.model_env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start rest.sh")?;
        starts.spawn(answered(bed.http.clone(), folder.path().join("endpoint.dat"), child));
    }
    let mut children = Vec::new();
    while let Some(started) = starts.join_next().await {
        children.push(started??);
    }
    let took = ms_since(began);
    for mut child in children {
        child.kill().await?;
    }
    Ok(took)
}

async fn answered(http: reqwest::Client, announcement: impl AsRef<Path>, child: Child) -> anyhow::Result<Child> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let url = std::fs::read(announcement.as_ref())
            .ok()
            .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
            .and_then(|value| Some(value.get("url")?.as_str()?.replace("0.0.0.0", "127.0.0.1")));
        if let Some(url) = url
            && let Ok(answer) = http.get(format!("{url}/apply?host=yahoo.com")).send().await
            && answer.status().as_u16() == 200
        {
            return Ok(child);
        }
        if Instant::now() > end {
            bail!("the script did not start");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

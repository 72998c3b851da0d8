//! Another build of the operator in a running application. YARN starts every attempt with the program that was submitted;
//! that one looks for a request to upgrade first, fetches the program that it names, tries it, and becomes it.
//! The launch context can't be changed once an application is submitted (`ApplicationSubmissionContext`).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use maas_crd::RemoteFile;
use maas_hdfs::Hdfs;
use maas_store::{Config, Node, Programs, RefusedUpgrade, Store, UpgradeRequest};
use tokio::time::timeout;

use crate::settings::Settings;

/// Hold what the process is that another one became, and which request could not be followed.
const PROGRAMS: &str = "MAAS_PROGRAMS";
const REFUSED: &str = "MAAS_REFUSED";
/// With this argument a program only says whether it could run here.
pub const CHECK: &str = "--check";
/// ZooKeeper is asked for so long; the request is heard later too, by the core, which then leaves for it.
const LOOK: Duration = Duration::from_secs(5);
/// The program is fetched and tried within this.
const FETCH: Duration = Duration::from_secs(60);
const TRY: Duration = Duration::from_secs(10);
const PIECE: usize = 4 << 20;

/// Becomes the program that the tree asks for, or else the one that ran before it, if that is another than this one; returns
/// only if this one is to go on. `settings` say then what it is, and why it did not make way.
pub async fn become_newer(settings: &mut Settings, hdfs: &Hdfs) {
    match given() {
        Ok(Some((programs, refused))) => return settings.set_programs(programs, refused),
        Ok(None) => {}
        Err(error) => tracing::warn!("{error:#}"),
    }
    let request = match requested(settings).await {
        Ok(Some(request)) => request,
        Ok(None) => return,
        Err(error) => return tracing::warn!("could not read whether another build is asked for: {error:#}"),
    };
    let mut refused = None;
    for programs in [Some(request.programs), request.before].into_iter().flatten() {
        if programs.operator.url == settings.program {
            return settings.set_programs(programs, refused);
        }
        tracing::info!("to become {}", programs.operator.url);
        let Err(error) = replace(&programs, refused.as_ref(), hdfs).await;
        let why = format!("{error:#}");
        tracing::warn!("not {}: {why}", programs.operator.url);
        let (operator, requested_ms) = (programs.operator.url, request.requested_ms);
        refused.get_or_insert(RefusedUpgrade { operator, requested_ms, why });
    }
    settings.refused = refused;
}

/// What this process was made to be by the program that became it.
fn given() -> anyhow::Result<Option<(Programs, Option<RefusedUpgrade>)>> {
    let Some(programs) = std::env::var_os(PROGRAMS) else { return Ok(None) };
    let programs = Programs::decode(PROGRAMS, programs.as_encoded_bytes())?;
    let refused = std::env::var_os(REFUSED);
    let refused = refused.map(|refused| RefusedUpgrade::decode(REFUSED, refused.as_encoded_bytes())).transpose()?;
    Ok(Some((programs, refused)))
}

/// The request to upgrade that is meant for this application.
async fn requested(settings: &Settings) -> anyhow::Result<Option<UpgradeRequest>> {
    let mut config = Config::new(settings.quorum.clone());
    config.root = settings.root.clone();
    let look = async {
        let store = Store::open(config).await?;
        let path = store.path(&Node::Upgrade);
        let Some((data, _)) = store.get(&path).await? else { return Ok(None) };
        let request = UpgradeRequest::decode(&path, &data)?;
        Ok((request.application == settings.application).then_some(request))
    };
    timeout(LOOK, look).await.context("ZooKeeper did not answer in time")?
}

/// Ends this program by becoming the other.
async fn replace(
    programs: &Programs,
    refused: Option<&RefusedUpgrade>,
    hdfs: &Hdfs,
) -> anyhow::Result<std::convert::Infallible> {
    let file = &programs.operator;
    let program = std::env::current_dir()?.join("maas-operator.asked-for");
    timeout(FETCH, fetch(hdfs, file, &program))
        .await
        .with_context(|| format!("{} did not come within {} s", file.url, FETCH.as_secs()))??;
    try_out(&program).await?;
    let mut command = Command::new(&program);
    command.env(PROGRAMS, OsString::from_vec(programs.encode()));
    if let Some(refused) = refused {
        command.env(REFUSED, OsString::from_vec(refused.encode()));
    }
    Err(command.exec()).with_context(|| format!("{} cannot be started", file.url))
}

async fn fetch(hdfs: &Hdfs, file: &RemoteFile, to: &Path) -> anyhow::Result<()> {
    let reader = hdfs.reader(&file.url).await?;
    if reader.length() != file.size {
        bail!("{} has {} bytes, not the {} that were uploaded", file.url, reader.length(), file.size);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(file.size).unwrap_or_default().min(64 << 20));
    loop {
        let piece = reader.read(bytes.len() as u64, PIECE).await?;
        if piece.is_empty() {
            break;
        }
        bytes.extend_from_slice(&piece);
    }
    write(to, &bytes).with_context(|| format!("{} cannot be written", to.display()))
}

fn write(to: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::write(to, bytes)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))
}

/// Has the program say whether it could run here: with this machine, environment, configuration and tokens.
async fn try_out(program: &PathBuf) -> anyhow::Result<()> {
    let mut command = tokio::process::Command::new(program);
    command.arg(CHECK).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(TRY, command.output())
        .await
        .with_context(|| format!("it did not say within {} s that it can run here", TRY.as_secs()))?
        .context("it cannot be started here")?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("it cannot run here ({}): {}", output.status, words.lines().last().unwrap_or("no word of it"));
    }
    Ok(())
}

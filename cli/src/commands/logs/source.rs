//! Where a container's log files are read from: its NodeManager, else HDFS, where YARN puts them when the application
//! has ended.

use anyhow::{Context, bail};
use hadoop_rpc::Conf;
use hadoop_yarn::ContainerId;
use maas_hdfs::aggregated::{self, LogFile};

use super::Reading;
use super::containers::Container;
use super::written::{Part, Written, times};
use crate::commands::payload_path::open_hdfs;
use crate::commands::service::Rm;
use crate::node_http::{LogDirectory, MAX_PIECE};
use crate::node_logs::unwrap;
use crate::settings::{Settings, user};

/// How many old files of an output the runner may keep.
const MOST_OLD: u32 = 9;

/// The places that logs are read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    settings: &'a Settings,
}

impl<'a> Sources<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings }
    }

    /// The container's log directory at its NodeManager.
    pub(super) fn node(&self, container: &Container) -> anyhow::Result<LogDirectory> {
        LogDirectory::new(&container.node_http, &container.id, self.settings)
    }

    /// What the wanted file holds, its older parts first.
    pub(super) async fn read(&self, container: &Container, reading: &Reading) -> anyhow::Result<Written> {
        let of_node = from_node(&self.node(container)?, reading).await;
        match of_node {
            // A NodeManager that runs a container has its logs, or nobody has.
            Err(error) if !container.runs && !error.is::<NoSuchFile>() => {
                let collected = self.collected(container, reading).await;
                collected.with_context(|| {
                    format!(
                        "the logs of {}, where instance {} ran, are not at its node ({error:#})",
                        container.id, container.iid
                    )
                })
            }
            other => other,
        }
    }

    async fn collected(&self, container: &Container, reading: &Reading) -> anyhow::Result<Written> {
        let directory = self.settings.conf_dir().context("they may be in HDFS")?;
        let conf = Conf::load(&directory)
            .with_context(|| format!("they may be in HDFS; the Hadoop configuration in {}", directory.display()))?;
        let id: ContainerId = container.id.parse().with_context(|| format!("{:?}", container.id))?;
        let application = id.attempt.application;
        // The submitter's name is in the path; a ResourceManager that forgot the application can't tell it.
        let report = match Rm::of(self.settings) {
            Ok(rm) => rm.report(application).await.ok().flatten(),
            Err(_) => None,
        };
        let over = report.as_ref().is_none_or(|report| report.state.is_over());
        let user = match report {
            Some(report) => report.user,
            None => user()?,
        };
        let hdfs = open_hdfs(self.settings)?;
        let host = container.node_http.split(':').next().unwrap_or_default();
        let is_wanted = |name: &str| name.strip_suffix(".times").unwrap_or(name).starts_with(&reading.file);
        let places = aggregated::directories(&conf, &user, &application.to_string(), application.id.unsigned_abs());
        for place in &places {
            let files = hdfs.collected_logs(place, host, &container.id, &is_wanted, MAX_PIECE).await?;
            if !files.is_empty() {
                return assemble(&files, reading);
            }
        }
        let first = places.first().map_or("", String::as_str);
        if !aggregated::is_enabled(&conf) {
            bail!(
                "nor in HDFS: YARN does not collect logs on this cluster, so they were deleted with the application: set yarn.log-aggregation-enable to true in yarn-site.xml of the ResourceManager and of every NodeManager and restart them, to keep those of the future"
            );
        }
        if let Some(format) = aggregated::other_format(&conf) {
            bail!(
                "and YARN collects logs as {format} on this cluster, which maasctl does not read: `yarn logs -applicationId {application} -containerId {}` prints them. Put TFile first in yarn.log-aggregation.file-formats in yarn-site.xml of every NodeManager and restart them, to have those of the future read",
                container.id
            );
        }
        if !over {
            bail!("nor in HDFS yet: YARN collects them when {application} has ended");
        }
        bail!(
            "nor in HDFS ({first}): they are still being collected, or were deleted after yarn.log-aggregation.retain-seconds"
        )
    }
}

/// The directory is there, the file is not.
#[derive(Debug, thiserror::Error)]
#[error("there is no file {file}, only {}", there.join(", "))]
struct NoSuchFile {
    file: String,
    there: Vec<String>,
}

/// The names of an output's files that are there, the oldest first.
fn chain<'a>(reading: &Reading, there: impl Iterator<Item = &'a str> + Clone) -> Result<Vec<String>, NoSuchFile> {
    let has = |name: &str| there.clone().any(|other| other == name);
    if !has(&reading.file) {
        let there = there.filter(|name| !name.ends_with(".times")).map(str::to_owned).collect();
        return Err(NoSuchFile { file: reading.file.clone(), there });
    }
    let old = (1..=MOST_OLD).rev().map(|number| format!("{}.{number}", reading.file));
    let old = old.filter(|name| reading.is_output() && has(name));
    Ok(old.chain([reading.file.clone()]).collect())
}

/// From the NodeManager alone.
pub(super) async fn from_node(directory: &LogDirectory, reading: &Reading) -> anyhow::Result<Written> {
    let there = directory.files().await?;
    let names = there.iter().map(|file| file.name.as_str());
    let mut written = Written::default();
    for name in chain(reading, names.clone())? {
        let times_name = format!("{name}.times");
        // Times that were written after the bytes are of bytes that are not there yet, and do no harm.
        let of_times = match names.clone().any(|other| other == times_name) {
            true => Some(times(&whole(directory, &times_name).await?.0)),
            false => None,
        };
        let (bytes, length) = whole(directory, &name).await?;
        written.parts.push(Part { bytes, times: of_times });
        written.length = length;
    }
    Ok(written)
}

/// A file's bytes, the last ones of a long one, and its length.
async fn whole(directory: &LogDirectory, file: &str) -> anyhow::Result<(Vec<u8>, u64)> {
    let answer = directory.last(file, MAX_PIECE).await?;
    let piece = unwrap(&answer, MAX_PIECE).context("the NodeManager's answer has another shape than Hadoop 3's")?;
    Ok((piece.bytes.to_vec(), piece.length))
}

/// With rolling collection a file comes in parts, in order.
fn assemble(files: &[LogFile], reading: &Reading) -> anyhow::Result<Written> {
    let bytes = |name: &str| -> Vec<u8> {
        files.iter().filter(|file| file.name == name).flat_map(|file| file.bytes.iter().copied()).collect()
    };
    let names = files.iter().map(|file| file.name.as_str());
    let mut written = Written::default();
    for name in chain(reading, names.clone())? {
        let times_name = format!("{name}.times");
        let of_times = names.clone().any(|other| other == times_name).then(|| times(&bytes(&times_name)));
        written.parts.push(Part { bytes: bytes(&name), times: of_times });
    }
    Ok(written)
}

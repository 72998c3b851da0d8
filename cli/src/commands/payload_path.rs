//! Where an ADD's payload is in HDFS: there already, or to be put there from a local directory.

use std::path::Path;

use anyhow::Context;
use maas_hdfs::Hdfs;

use crate::output;
use crate::payload::{self, Payload};
use crate::settings::{Settings, user};

/// Far more than the operator links into a container.
const MOST_FILES: usize = 10_000;

/// A checked `-hmp`, and `-lmp` if given.
pub(super) struct Asked {
    /// The directory that `-hmp` names.
    directory: String,
    /// The local payload, and the directory for this upload alone.
    local: Option<(Payload, String)>,
}

impl Asked {
    /// Reads the local directory, if there is one, to name its upload by its digest.
    pub(super) fn check(hdfs_path: &str, local_path: Option<&Path>) -> anyhow::Result<Self> {
        let directory = maas_crd::metron::hdfs_path(hdfs_path, user)?;
        let local = local_path.map(payload::scan).transpose()?.map(|local| {
            let name = maas_crd::Payload::upload_name(&local.digest, rand::random());
            let upload = format!("{directory}/{name}");
            (local, upload)
        });
        Ok(Self { directory, local })
    }

    /// The path for a new deployment's `spec.payload.path`.
    pub(super) fn payload(&self) -> &str {
        self.local.as_ref().map_or(&self.directory, |(_, upload)| upload)
    }

    /// What is asked for, in the words of a deployment whose payload is `stored`: its own if it holds the same.
    pub(super) fn as_seen_by(&self, stored: &maas_crd::Payload) -> String {
        match &self.local {
            None => self.directory.clone(),
            Some((local, _)) if stored.uploaded() == Some((&self.directory, &local.digest)) => stored.path.clone(),
            Some((local, _)) => format!("other files (sha256 {}) below {}", local.digest, self.directory),
        }
    }

    /// Makes sure that HDFS answers, and that a payload that shall be there is. Nothing is changed.
    pub(super) async fn reach(&self, hdfs: &Hdfs) -> anyhow::Result<()> {
        if self.local.is_some() {
            hdfs.stat(&self.directory).await.context("nothing was uploaded or deployed")?;
            return Ok(());
        }
        let listed = hdfs.list(&self.directory, MOST_FILES).await;
        listed.map(drop).context("-hmp must name the model's directory in HDFS, or -lmp a local one to upload")
    }

    /// Uploads the local directory, if there is one.
    pub(super) async fn upload(&self, hdfs: &Hdfs) -> anyhow::Result<()> {
        let Some((local, upload)) = &self.local else { return Ok(()) };
        let size = output::upload::size(local.files.values().map(AsRef::as_ref));
        let (before, files) = (hdfs.sent(), local.files.len());
        let what = format!("the model ({files} {})", if files == 1 { "file" } else { "files" });
        let uploading = hdfs.upload_tree(&local.files, upload);
        let uploaded = output::upload::shown(&what, size, || hdfs.sent() - before, uploading).await;
        uploaded.context("the model was not uploaded, and nothing was deployed")
    }

    /// Deletes what [`Asked::upload`] put there, for no deployment names it.
    pub(super) async fn take_back(&self, hdfs: &Hdfs) -> anyhow::Result<()> {
        let Some((_, upload)) = &self.local else { return Ok(()) };
        let deleted = hdfs.delete(upload).await;
        deleted.map(drop).with_context(|| format!("{upload} was not needed, and stays: delete it by hand"))
    }
}

/// A client for the current user.
pub(crate) fn open_hdfs(settings: &Settings) -> anyhow::Result<Hdfs> {
    Ok(Hdfs::open_within(&settings.conf_dir()?, Some(&user()?), settings.deadline(maas_hdfs::DEADLINE))?)
}

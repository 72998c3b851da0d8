//! One source, read: git or a directory, each with its own way to tell that it has changed.

use std::path::PathBuf;

use super::directory::{self, Stamp};
use super::git::{self, Git, GitError};
use super::plan::error_chain;
use super::source::{Revision, Snapshot, Source};

/// What reads a source.
#[derive(Debug)]
pub(crate) enum Reader {
    Directory(PathBuf),
    Git {
        git: Git,
        /// The repository, where it stands on this machine.
        local: Option<PathBuf>,
    },
}

impl Reader {
    /// Makes ready; a repository is not asked yet. `key` tells its mirror apart.
    pub(crate) async fn open(source: Source, key: &str) -> Result<Self, GitError> {
        Ok(match source {
            Source::Directory(path) => Self::Directory(path),
            Source::Repository(repository) => {
                let local = repository.local().map(ToOwned::to_owned);
                Self::Git { git: Git::open(repository, key).await?, local }
            }
        })
    }

    /// What the source holds now; none when it is at `known` still. Why it could not be read, on one line.
    pub(crate) async fn read(&self, known: Option<&Revision>) -> Result<Option<Snapshot>, String> {
        let snapshot = match self {
            Self::Directory(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || directory::read(&path)).await;
                read.map_err(|error| error.to_string())?.map_err(|error| error_chain(&error))?
            }
            Self::Git { git, .. } => {
                let revision = git.fetch().await.map_err(|error| error_chain(&error))?;
                if known == Some(&revision) {
                    return Ok(None);
                }
                git.read(revision).await.map_err(|error| error_chain(&error))?
            }
        };
        Ok(Some(snapshot).filter(|snapshot| known != Some(&snapshot.revision)))
    }

    /// What differs from before once there is something new; none for a source that only asking tells about.
    pub(crate) async fn stamp(&self) -> Option<Stamp> {
        let look: Box<dyn FnOnce() -> Option<Stamp> + Send> = match self {
            Self::Directory(path) => {
                let path = path.clone();
                Box::new(move || directory::stamp(&path).ok())
            }
            Self::Git { local, .. } => {
                let local = local.clone()?;
                Box::new(move || Some(git::refs_stamp(&local)))
            }
        };
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }

    /// Whether [`Reader::stamp`] tells of changes.
    pub(crate) fn has_stamps(&self) -> bool {
        matches!(self, Self::Directory(_) | Self::Git { local: Some(_), .. })
    }
}

//! HDFS with deadlines: stat, list, upload, delete. hdfs-native does the work; what it lacks is here: a deadline on
//! every call, few failovers, errors that name path and file system in one line, and uploads that close quickly.

pub mod aggregated;
mod error;
mod read;
mod upload;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hadoop_rpc::Conf;
use hdfs_native::{Client, ClientBuilder};

pub use error::Error;
pub use read::Reader;

/// How long a call to the NameNode may take by default; hdfs-native has no deadline of its own.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Failovers before a NameNode counts as away. Each waits longer than the one before: two take about 2 s.
const FAILOVERS: &str = "2";

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its path in its file system.
    pub path: String,
    /// Its full URL, as YARN wants it.
    pub url: String,
    /// In bytes.
    pub size: u64,
    /// Modification time, milliseconds since the epoch.
    pub mtime_ms: i64,
    /// A directory.
    pub is_directory: bool,
    /// Permission bits.
    pub permission: u16,
}

/// A client of the cluster's file systems; clones share connections.
#[derive(Clone, Debug)]
pub struct Hdfs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    conf_dir: PathBuf,
    default_fs: String,
    user: Option<String>,
    deadline: Duration,
    clients: Mutex<BTreeMap<String, Client>>,
    sent: AtomicU64,
}

/// File system and path of a location.
#[derive(Debug)]
struct Place {
    fs: String,
    path: String,
}

impl Place {
    fn url(&self) -> String {
        format!("{}{}", self.fs, self.path)
    }
}

impl Hdfs {
    /// A client by the configuration of a directory (`core-site.xml`, `hdfs-site.xml`). Nothing is connected yet.
    ///
    /// # Errors
    /// The configuration can't be read or names no HDFS as `fs.defaultFS`.
    pub fn open(conf_dir: &Path, user: Option<&str>) -> Result<Self, Error> {
        Self::open_within(conf_dir, user, DEADLINE)
    }

    /// As [`Hdfs::open`], with another bound than [`DEADLINE`] on each call to the NameNode.
    ///
    /// # Errors
    /// As [`Hdfs::open`].
    pub fn open_within(conf_dir: &Path, user: Option<&str>, deadline: Duration) -> Result<Self, Error> {
        let conf = Conf::load(conf_dir).map_err(|source| Error::Configuration { source })?;
        let default_fs = conf.get("fs.defaultFS").unwrap_or_default().trim_end_matches('/').to_owned();
        if !default_fs.starts_with("hdfs://") || default_fs.len() <= "hdfs://".len() {
            return Err(Error::NoHdfs { conf_dir: conf_dir.to_owned(), found: default_fs });
        }
        let shared = Shared {
            conf_dir: conf_dir.to_owned(),
            default_fs,
            user: user.map(ToOwned::to_owned),
            deadline,
            clients: Mutex::default(),
            sent: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// `hdfs://host:port` of the default file system.
    #[must_use]
    pub fn default_fs(&self) -> &str {
        &self.shared.default_fs
    }

    /// Bytes that this client's uploads have sent so far, those of a file that is written again counted again.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// The full URL of a location: `/path`, `hdfs:///path` or `hdfs://host:port/path`.
    #[must_use]
    pub fn url(&self, location: &str) -> String {
        self.place(location).url()
    }

    fn place(&self, location: &str) -> Place {
        let default = || self.shared.default_fs.clone();
        let (fs, path) = match location.strip_prefix("hdfs://") {
            Some(rest) => match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
                Some(("", path)) => (default(), path),
                Some((authority, path)) => (format!("hdfs://{authority}"), path),
                None => (format!("hdfs://{rest}"), "/"),
            },
            None => (default(), location),
        };
        let trimmed = path.trim_end_matches('/');
        Place { fs, path: if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() } }
    }

    fn client(&self, place: &Place) -> Result<Client, Error> {
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&place.fs) {
            return Ok(client.clone());
        }
        let mut builder = ClientBuilder::new()
            .with_url(place.fs.as_str())
            .with_config_dir(self.shared.conf_dir.display().to_string())
            .with_config([("dfs.client.failover.max.attempts", FAILOVERS)]);
        if let Some(user) = &self.shared.user {
            builder = builder.with_user(user.as_str());
        }
        let client = builder.build().map_err(|source| Error::of(&place.url(), "open", &source))?;
        clients.insert(place.fs.clone(), client.clone());
        Ok(client)
    }

    async fn call<T>(
        &self,
        place: &Place,
        what: &'static str,
        request: impl Future<Output = hdfs_native::Result<T>>,
    ) -> Result<T, Error> {
        let begun = tokio::time::Instant::now();
        let answer = match tokio::time::timeout(self.shared.deadline, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(Error::of(&place.url(), what, &source)),
            Err(_) => Err(self.hung(place, what)),
        };
        tracing::debug!(
            target: "call",
            to = place.fs,
            what = format!("{what} {}", place.path),
            answer = answer.as_ref().err().map_or_else(|| "ok".to_owned(), ToString::to_string),
            took = ?begun.elapsed(),
        );
        answer
    }

    /// A call had no answer. Its connection may never have one again: the next call makes a new one.
    fn hung(&self, place: &Place, what: &'static str) -> Error {
        self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&place.fs);
        Error::Deadline { url: place.url(), what, seconds: self.shared.deadline.as_secs() }
    }

    /// What stands at a location; none when nothing does.
    ///
    /// # Errors
    /// HDFS refused or did not answer.
    pub async fn stat(&self, location: &str) -> Result<Option<FileInfo>, Error> {
        let place = self.place(location);
        let client = self.client(&place)?;
        match self.call(&place, "stat", client.get_file_info(&place.path)).await {
            Ok(status) => Ok(Some(info(&place.fs, &status))),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The files below a directory, sorted by path.
    ///
    /// # Errors
    /// It is missing, or a file; more than `most` files or directories below it; HDFS refused or did not answer.
    pub async fn list(&self, location: &str, most: usize) -> Result<Vec<FileInfo>, Error> {
        let place = self.place(location);
        match self.stat(location).await? {
            None => return Err(Error::Missing { url: place.url() }),
            Some(found) if !found.is_directory => return Err(Error::NotADirectory { url: place.url() }),
            Some(_) => {}
        }
        let client = self.client(&place)?;
        let listing = client.list_status_iter(&place.path, true);
        let (mut files, mut directories) = (Vec::new(), 0);
        while let Some(next) =
            tokio::time::timeout(self.shared.deadline, listing.next()).await.map_err(|_| self.hung(&place, "list"))?
        {
            let status = next.map_err(|source| Error::of(&place.url(), "list", &source))?;
            if status.isdir {
                directories += 1;
            } else {
                files.push(info(&place.fs, &status));
            }
            if files.len() > most || directories > most {
                return Err(Error::TooMany { url: place.url(), most });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Makes a directory and those above it. Safe to repeat.
    ///
    /// # Errors
    /// A file stands in the way; HDFS refused or did not answer.
    pub async fn mkdirs(&self, location: &str) -> Result<(), Error> {
        let place = self.place(location);
        let client = self.client(&place)?;
        self.call(&place, "make", client.mkdirs(&place.path, 0o755, true)).await
    }

    /// Deletes a file or a whole directory. Says whether anything was there.
    ///
    /// # Errors
    /// HDFS refused or did not answer.
    pub async fn delete(&self, location: &str) -> Result<bool, Error> {
        let place = self.place(location);
        let client = self.client(&place)?;
        match self.call(&place, "delete", client.delete(&place.path, true)).await {
            Err(Error::Missing { .. }) => Ok(false),
            other => other,
        }
    }
}

fn info(fs: &str, status: &hdfs_native::client::FileStatus) -> FileInfo {
    FileInfo {
        path: status.path.clone(),
        url: format!("{fs}{}", status.path),
        size: status.length as u64,
        mtime_ms: i64::try_from(status.modification_time).unwrap_or(i64::MAX),
        is_directory: status.isdir,
        permission: status.permission,
    }
}

//! Uploads. hdfs-native's `close` sleeps 500 ms when its first `complete` overtakes the DataNode's report; a second
//! `close`, after the first was cancelled, asks again at once. If the first was cancelled before its `complete` left,
//! the file can't be completed at all: so this is for small files only, whose data is over in a moment, and what it
//! fails on is written again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use hdfs_native::WriteOptions;
use hdfs_native::file::FileWriter;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::{Error, FileInfo, Hdfs, Place};

/// Largest file that is closed in two steps.
const SMALL: u64 = 4 << 20;
/// How long the first step may take: enough for a slow DataNode's complete to have left.
const FIRST_CLOSE: Duration = Duration::from_millis(100);
/// How long the second may take; it answers in milliseconds, or never well.
const SECOND_CLOSE: Duration = Duration::from_secs(2);
/// How long one piece may take.
const PIECE: Duration = Duration::from_secs(30);
const PIECE_BYTES: usize = 1 << 20;
/// Files of a tree that are under way at a time: nearly all of a small file's time is waiting.
const AT_ONCE: usize = 16;

impl Hdfs {
    /// Writes a local file to a location, over whatever file stands there. Parents are made.
    ///
    /// # Errors
    /// The file can't be read; HDFS refused or did not answer. What was written in part stays.
    pub async fn upload(&self, local: &Path, location: &str) -> Result<FileInfo, Error> {
        let place = self.place(location);
        let (mut writer, mut size) = self.send(local, &place).await?;
        if size <= SMALL {
            if self.close_small(&place, &mut writer).await?
                && let Some(info) = self.stat(location).await?.filter(|info| info.size == size)
            {
                return Ok(info);
            }
            tracing::debug!("{} was not closed in time and is written again", place.url());
            self.delete(location).await?;
            (writer, size) = self.send(local, &place).await?;
        }
        self.call(&place, "close", writer.close()).await?;
        match self.stat(location).await? {
            Some(info) if info.size == size => Ok(info),
            Some(info) => {
                let message = format!("{} of {size} bytes arrived", info.size);
                Err(Error::Failed { url: place.url(), what: "write", message })
            }
            None => Err(Error::Missing { url: place.url() }),
        }
    }

    /// Uploads a file to `directory/<sha256 of its content>/<its name>`, unless it is there already: a second upload
    /// can't change what containers use. Safe to repeat and to run side by side.
    ///
    /// # Errors
    /// As [`Hdfs::upload`].
    pub async fn upload_once(&self, local: &Path, directory: &str) -> Result<FileInfo, Error> {
        let (digest, size) = digest(local).await?;
        let name = local.file_name().map_or_else(|| "file".into(), |n| n.to_string_lossy());
        let location = format!("{}/{digest}/{name}", directory.trim_end_matches('/'));
        let place = self.place(&location);
        if let Some(found) = self.stat(&location).await?.filter(|found| found.size == size) {
            return Ok(found);
        }
        // Written under a name of our own first: nobody reads half a file.
        let part = Place { fs: place.fs.clone(), path: format!("{}.{:016x}", place.path, rand::random::<u64>()) };
        let named = async {
            self.upload(local, &part.url()).await?;
            let client = self.client(&place)?;
            self.call(&place, "name", client.rename(&part.path, &place.path, false)).await
        };
        let named = named.await;
        if named.is_err() {
            drop(self.delete(&part.url()).await);
        }
        // Someone else may have been faster with the same.
        match (named, self.stat(&location).await) {
            (_, Ok(Some(found))) if !found.is_directory && found.size == size => Ok(found),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(_)) => Err(Error::Missing { url: place.url() }),
        }
    }

    /// Uploads local files, by their paths below it, into a directory that nobody else writes or reads before this is
    /// over. What fails leaves nothing there, as far as HDFS answers.
    ///
    /// # Errors
    /// As [`Hdfs::upload`].
    pub async fn upload_tree(&self, files: &BTreeMap<String, PathBuf>, location: &str) -> Result<(), Error> {
        let url = self.url(location);
        let uploaded = async {
            // Also for a tree without files.
            self.mkdirs(&url).await?;
            self.upload_all(files, &url).await
        };
        let uploaded = uploaded.await;
        if uploaded.is_err() {
            drop(self.delete(&url).await);
        }
        uploaded
    }

    async fn upload_all(&self, files: &BTreeMap<String, PathBuf>, below: &str) -> Result<(), Error> {
        let failed = AtomicBool::new(false);
        let uploads =
            files.iter().map(|(name, local)| (format!("{below}/{name}"), local.clone())).map(|(to, local)| {
                let failed = &failed;
                async move {
                    // Those that have begun come to their end: one whose future was dropped may still create its file
                    // after all was deleted.
                    if failed.load(Relaxed) {
                        return Ok(());
                    }
                    let uploaded = self.upload(&local, &to).await.map(drop);
                    failed.fetch_or(uploaded.is_err(), Relaxed);
                    uploaded
                }
            });
        let results: Vec<_> = futures::stream::iter(uploads).buffer_unordered(AT_ONCE).collect().await;
        results.into_iter().collect()
    }

    /// Creates a file and sends all its data. Returns its open writer and size.
    async fn send(&self, local: &Path, place: &Place) -> Result<(FileWriter, u64), Error> {
        let client = self.client(place)?;
        let failed = |source| Error::Local { path: local.to_owned(), source };
        let mut file = tokio::fs::File::open(local).await.map_err(failed)?;
        let options = WriteOptions::default().overwrite(true).create_parent(true).permission(0o644);
        let mut writer = self.call(place, "create", client.create(&place.path, options)).await?;
        let mut size = 0;
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await.map_err(failed)?;
            if read == 0 {
                return Ok((writer, size));
            }
            size += read as u64;
            let deadline = || Error::Deadline { url: place.url(), what: "write", seconds: PIECE.as_secs() };
            let written = timeout(PIECE, writer.write_bytes(Bytes::from(piece))).await;
            written.map_err(|_| deadline())?.map_err(|source| Error::of(&place.url(), "write", &source))?;
            self.shared.sent.fetch_add(read as u64, Relaxed);
        }
    }

    /// Whether a file could be closed in two steps.
    async fn close_small(&self, place: &Place, writer: &mut FileWriter) -> Result<bool, Error> {
        if let Ok(closed) = timeout(FIRST_CLOSE, writer.close()).await {
            return closed.map(|()| true).map_err(|source| Error::of(&place.url(), "close", &source));
        }
        Ok(matches!(timeout(SECOND_CLOSE, writer.close()).await, Ok(Ok(()))))
    }
}

/// sha256 of a file in hex, and its size.
async fn digest(local: &Path) -> Result<(String, u64), Error> {
    let failed = |source| Error::Local { path: local.to_owned(), source };
    let mut file = tokio::fs::File::open(local).await.map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer).await.map_err(failed)?;
        let Some(piece) = buffer.get(..read).filter(|p| !p.is_empty()) else { break };
        hasher.update(piece);
        size += read as u64;
    }
    Ok((hasher.finalize().iter().map(|b| format!("{b:02x}")).collect(), size))
}

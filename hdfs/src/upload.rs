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
/// Most files of a tree.
const MOST_FILES: usize = 10_000;
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
        let part = self.part_of(&place);
        let named = async {
            self.upload(local, &part.url()).await?;
            self.name(&part, &place).await
        };
        let named = named.await;
        self.settle(named, &part, &place, |found| !found.is_directory && found.size == size).await
    }

    /// Uploads local files, by their paths below it, as a directory that is there whole or not at all, unless it is
    /// there already: its name should tell its content apart, by a digest. Of one that is there, a file that is missing or
    /// of another size is put back, and no other one is touched. Safe to repeat and to run side by side.
    ///
    /// # Errors
    /// As [`Hdfs::upload`].
    pub async fn upload_tree_once(&self, files: &BTreeMap<String, PathBuf>, location: &str) -> Result<FileInfo, Error> {
        let place = self.place(location);
        match self.stat(location).await? {
            Some(found) if found.is_directory => {
                let damaged = self.damaged(files, &place).await?;
                self.upload_all(&damaged, &place.url()).await?;
                return Ok(found);
            }
            Some(_) => return Err(Error::NotADirectory { url: place.url() }),
            None => {}
        }
        let part = self.part_of(&place);
        let named = async {
            let below = part.url();
            // Also for a tree without files.
            self.mkdirs(&below).await?;
            self.upload_all(files, &below).await?;
            self.name(&part, &place).await
        };
        let named = named.await;
        self.settle(named, &part, &place, |found| found.is_directory).await
    }

    /// Of local files, those that a directory does not hold in their size.
    async fn damaged(
        &self,
        files: &BTreeMap<String, PathBuf>,
        place: &Place,
    ) -> Result<BTreeMap<String, PathBuf>, Error> {
        let listed = self.list(&place.url(), MOST_FILES).await?;
        let there: BTreeMap<String, u64> = listed.into_iter().map(|file| (file.path, file.size)).collect();
        let whole = |name: &str, local: &Path| {
            // One that is not here any more can't be put back.
            let size = std::fs::metadata(local).map(|found| found.len()).ok();
            size.is_none() || there.get(&format!("{}/{name}", place.path)).copied() == size
        };
        let missing = files.iter().filter(|(name, local)| !whole(name, local));
        Ok(missing.map(|(name, local)| (name.clone(), local.clone())).collect())
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

    /// A place of our own beside another.
    fn part_of(&self, place: &Place) -> Place {
        Place { fs: place.fs.clone(), path: format!("{}.{:016x}", place.path, rand::random::<u64>()) }
    }

    /// Gives what was uploaded its name, if nothing has it.
    async fn name(&self, part: &Place, place: &Place) -> Result<(), Error> {
        let client = self.client(place)?;
        self.call(place, "name", client.rename(&part.path, &place.path, false)).await
    }

    /// What stands at a place after an upload to it, by us or by someone who was faster with the same.
    async fn settle(
        &self,
        named: Result<(), Error>,
        part: &Place,
        place: &Place,
        is_it: impl FnOnce(&FileInfo) -> bool,
    ) -> Result<FileInfo, Error> {
        if named.is_err() {
            drop(self.delete(&part.url()).await);
        }
        match (named, self.stat(&place.url()).await) {
            (_, Ok(Some(found))) if is_it(&found) => Ok(found),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(_)) => Err(Error::Missing { url: place.url() }),
        }
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

//! Uploads. hdfs-native's `close` sleeps 500 ms when its first `complete` overtakes the DataNode's report; a second
//! `close`, after the first was cancelled, asks again at once. The length is checked afterwards in any case.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hdfs_native::WriteOptions;
use hdfs_native::file::FileWriter;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use crate::{Error, FileInfo, Hdfs};

/// How long the first close may take: enough for a slow DataNode's complete to have left.
const FIRST_CLOSE: Duration = Duration::from_millis(100);
/// How long one piece may take.
const PIECE: Duration = Duration::from_secs(30);
const PIECE_BYTES: usize = 1 << 20;

impl Hdfs {
    /// Writes a local file to a location, over whatever file stands there. Parents are made.
    ///
    /// # Errors
    /// The file can't be read; HDFS refused or did not answer. What was written in part stays.
    pub async fn upload(&self, local: &Path, location: &str) -> Result<FileInfo, Error> {
        match self.write(local, location, true).await {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "uploading again");
                self.delete(location).await?;
                self.write(local, location, false).await
            }
            other => other,
        }
    }

    /// Uploads a file to `directory/<sha256 of its content>/<its name>`, unless it is there already: a second upload
    /// can't change what containers use. Side by side, the last one to finish names it.
    ///
    /// # Errors
    /// As [`Hdfs::upload`].
    pub async fn upload_once(&self, local: &Path, directory: &str) -> Result<FileInfo, Error> {
        let (digest, size) = digest(local).await?;
        let name = local.file_name().map_or_else(|| "file".into(), |n| n.to_string_lossy());
        let place = format!("{}/{digest}/{name}", directory.trim_end_matches('/'));
        if let Some(found) = self.stat(&place).await?
            && found.size == size
        {
            return Ok(found);
        }
        let part = format!("{place}.{:016x}", rand::random::<u64>());
        self.upload(local, &part).await?;
        let (from, to) = (self.place(&part), self.place(&place));
        let client = self.client(&from)?;
        match self.call(&to, "name", client.rename(&from.path, &to.path, false)).await {
            Ok(()) => {}
            // Someone else was faster with the same content.
            Err(_) if self.stat(&place).await?.is_some_and(|f| f.size == size) => drop(self.delete(&part).await?),
            Err(error) => return Err(error),
        }
        self.stat(&place).await?.ok_or_else(|| Error::Missing { url: to.url() })
    }

    async fn write(&self, local: &Path, location: &str, quick: bool) -> Result<FileInfo, Error> {
        let place = self.place(location);
        let client = self.client(&place)?;
        let failed = |source| Error::Local { path: local.to_owned(), source };
        let mut file = tokio::fs::File::open(local).await.map_err(failed)?;
        let options = WriteOptions::default().overwrite(true).create_parent(true).permission(0o644);
        let mut writer = self.call(&place, "create", client.create(&place.path, options)).await?;
        let mut size = 0;
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await.map_err(failed)?;
            if read == 0 {
                break;
            }
            size += read as u64;
            let deadline = || Error::Deadline { url: place.url(), what: "write", seconds: PIECE.as_secs() };
            let written = tokio::time::timeout(PIECE, writer.write_bytes(Bytes::from(piece))).await;
            written.map_err(|_| deadline())?.map_err(|source| Error::of(&place.url(), "write", &source))?;
        }
        self.close(&place, &mut writer, quick).await?;
        let info = self.stat(location).await?.ok_or_else(|| Error::Missing { url: place.url() })?;
        if info.size == size {
            Ok(info)
        } else {
            let message = format!("{} of {size} bytes arrived", info.size);
            Err(Error::Failed { url: place.url(), what: "write", message })
        }
    }

    async fn close(&self, place: &crate::Place, writer: &mut FileWriter, quick: bool) -> Result<(), Error> {
        if quick && let Ok(closed) = tokio::time::timeout(FIRST_CLOSE, writer.close()).await {
            return closed.map_err(|source| Error::of(&place.url(), "close", &source));
        }
        self.call(place, "close", writer.close()).await
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

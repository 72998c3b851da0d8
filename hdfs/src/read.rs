//! Reads of parts of files.

use bytes::Bytes;
use hdfs_native::file::FileReader;
use tokio::time::{Instant, timeout};

use crate::{Error, Hdfs, Place};

/// An open file. Its length is that of the time when it was opened.
pub struct Reader {
    hdfs: Hdfs,
    place: Place,
    file: FileReader,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("url", &self.place.url()).finish_non_exhaustive()
    }
}

impl Hdfs {
    /// Opens a file to read.
    ///
    /// # Errors
    /// It is missing; HDFS refused or did not answer.
    pub async fn reader(&self, location: &str) -> Result<Reader, Error> {
        let place = self.place(location);
        let client = self.client(&place)?;
        let file = self.call(&place, "open", client.read(&place.path)).await?;
        Ok(Reader { hdfs: self.clone(), place, file })
    }
}

impl Reader {
    /// Its full URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.place.url()
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.file.file_length() as u64
    }

    /// Up to `length` bytes from `offset` on; fewer at the file's end, none behind it. The DataNodes have the same bound
    /// as the NameNode: ask for a few MiB at a time.
    ///
    /// # Errors
    /// HDFS refused or did not answer.
    pub async fn read(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
        let left = self.length().saturating_sub(offset);
        // hdfs-native panics on a range that passes the end.
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(length);
        let (Ok(from), true) = (usize::try_from(offset), length > 0) else { return Ok(Bytes::new()) };
        let begun = Instant::now();
        let answer = match timeout(self.hdfs.shared.deadline, self.file.read_range(from, length)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(source)) => Err(Error::of(&self.place.url(), "read", &source)),
            Err(_) => Err(self.hdfs.hung(&self.place, "read")),
        };
        tracing::debug!(
            target: "call",
            to = self.place.fs,
            what = format!("read {} bytes of {} from {offset}", length, self.place.path),
            answer = answer.as_ref().err().map_or_else(|| "ok".to_owned(), ToString::to_string),
            took = ?begun.elapsed(),
        );
        answer
    }
}

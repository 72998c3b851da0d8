//! Frames: a big-endian 32-bit length, then that many bytes (`org.apache.hadoop.ipc.Server`).

use std::{io, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest frame that is sent or taken.
pub(crate) const MAX_FRAME: usize = 64 * 1024 * 1024;
const HEAD: usize = 4;
const CHUNK: usize = 16 * 1024;

/// A frame that cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection failed.
    #[error("reading failed")]
    Io(#[source] Arc<io::Error>),
    /// The peer closed the connection between two frames.
    #[error("the peer closed the connection")]
    Closed,
    /// The peer closed the connection within a frame.
    #[error("the peer closed the connection within a frame")]
    Cut,
    /// The peer announced more than 64 MiB, or a negative length.
    #[error("a frame of {length} bytes was announced, above the limit of 64 MiB")]
    TooLong {
        /// The announced length.
        length: u32,
    },
}

/// Reads frames. Its state survives a dropped [`next`](Self::next), so it may stand in a `select!`.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    input: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, buffer: BytesMut::new() }
    }

    /// The next frame. Memory grows with what arrives, never with what is announced.
    pub(crate) async fn next(&mut self) -> Result<Bytes, FrameError> {
        loop {
            if let Some(frame) = self.parse()? {
                return Ok(frame);
            }
            self.buffer.reserve(CHUNK);
            let count = self.input.read_buf(&mut self.buffer).await.map_err(|e| FrameError::Io(Arc::new(e)))?;
            if count == 0 {
                return Err(if self.buffer.is_empty() { FrameError::Closed } else { FrameError::Cut });
            }
        }
    }

    /// What comes before the first frame.
    #[cfg(feature = "testing")]
    pub(crate) fn raw(&mut self) -> &mut R {
        &mut self.input
    }

    fn parse(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<HEAD>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head);
        let size =
            usize::try_from(length).ok().filter(|size| *size <= MAX_FRAME).ok_or(FrameError::TooLong { length })?;
        if self.buffer.len() < HEAD + size {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(HEAD + size);
        Ok(Some(frame.split_off(HEAD).freeze()))
    }
}

/// One frame of several parts; `None` above [`MAX_FRAME`].
pub(crate) fn frame(parts: &[&[u8]]) -> Option<Bytes> {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    if size > MAX_FRAME {
        return None;
    }
    let mut out = BytesMut::with_capacity(HEAD + size);
    out.put_u32(u32::try_from(size).ok()?);
    for part in parts {
        out.put_slice(part);
    }
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_whole_however_they_are_cut() {
        let bytes = [frame(&[b"ab", b"c"]).unwrap(), frame(&[]).unwrap(), frame(&[b"xyz"]).unwrap()].concat();
        for cut in 0..bytes.len() {
            let input = AsyncReadExt::chain(&bytes[..cut], &bytes[cut..]);
            let mut reader = FrameReader::new(input);
            assert_eq!(reader.next().await.unwrap(), "abc");
            assert_eq!(reader.next().await.unwrap(), "");
            assert_eq!(reader.next().await.unwrap(), "xyz");
            assert!(matches!(reader.next().await, Err(FrameError::Closed)));
        }
    }

    #[tokio::test]
    async fn a_long_announcement_is_refused_before_memory_is_taken() {
        for length in [0x8000_0000_u32, u32::MAX, 64 * 1024 * 1024 + 1] {
            let bytes = length.to_be_bytes();
            let mut reader = FrameReader::new(bytes.as_slice());
            assert!(matches!(reader.next().await, Err(FrameError::TooLong { length: l }) if l == length));
        }
        let bytes = [&(60_u32 << 20).to_be_bytes()[..], b"few"].concat();
        let mut reader = FrameReader::new(bytes.as_slice());
        assert!(matches!(reader.next().await, Err(FrameError::Cut)));
        assert!(reader.buffer.capacity() < 1 << 20);
    }
}

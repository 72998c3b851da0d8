//! TFile, as far as collected logs need it. Source: `BCFile`, `TFile`, `Chunk`, `Utils` of
//! `org.apache.hadoop.io.file.tfile`, and `AggregatedLogFormat`, of 3.5.0.
//!
//! ```text
//! magic | data blocks | meta blocks | meta index | offset of the meta index, version, magic
//! data block: (key length, key, value in chunks)*
//! ```

use bytes::{Buf, Bytes, BytesMut};

use crate::{Error, Reader};

const MAGIC: [u8; 16] =
    [0xd1, 0x11, 0xd3, 0x68, 0x91, 0xb5, 0xd7, 0xb6, 0x39, 0xdf, 0x41, 0x40, 0x92, 0xba, 0xe1, 0x50];
/// Offset, version and magic at the end.
const TAIL: u64 = 8 + 4 + 16;
const DATA_INDEX: &str = "data:BCFile.index";
/// An index larger than this is none that a NodeManager writes.
const MOST_INDEX: u64 = 8 << 20;
/// A key is a container's name or one of three words.
const MOST_KEY: i64 = 4096;
/// Read at a time.
const PIECE: usize = 256 << 10;

/// A log file of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its name, as in the container's log directory.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its last bytes, all of them where it is not too long; none of one that was not asked for.
    pub bytes: Vec<u8>,
}

/// A place to read from.
pub(super) trait Bytewise {
    fn length(&self) -> u64;
    fn name(&self) -> String;
    fn at(&self, offset: u64, length: usize) -> impl Future<Output = Result<Bytes, Error>> + Send;
}

impl Bytewise for Reader {
    fn length(&self) -> u64 {
        Self::length(self)
    }

    fn name(&self) -> String {
        self.url()
    }

    async fn at(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
        self.read(offset, length).await
    }
}

/// The log files of one container, with their bytes where `wanted` says so; none when it is not in the file.
pub(super) async fn logs_of(
    file: &impl Bytewise,
    container: &str,
    wanted: &(impl Fn(&str) -> bool + Sync),
    most: u64,
) -> Result<Vec<LogFile>, Error> {
    for (offset, length) in blocks(file).await? {
        let mut block = Cursor { file, at: offset, end: offset.saturating_add(length), buffer: BytesMut::new() };
        while !block.is_over() {
            let key = block.vint().await?;
            if !(0..=MOST_KEY).contains(&key) {
                return Err(block.broken("a key's length"));
            }
            let key = block.take(usize::try_from(key).unwrap_or_default()).await?;
            // As DataOutput.writeUTF has it: two bytes of length before it.
            let mut value = Value { block: &mut block, left: 0, last: false };
            if key.get(2..) == Some(container.as_bytes()) {
                return value.files(wanted, most).await;
            }
            value.pass().await?;
        }
    }
    Ok(Vec::new())
}

/// Offset and length of each data block.
async fn blocks(file: &impl Bytewise) -> Result<Vec<(u64, u64)>, Error> {
    let broken = |what: &str| broken(file, what);
    let tail_at = file.length().checked_sub(TAIL).ok_or_else(|| broken("its end"))?;
    let mut tail = file.at(tail_at, usize::try_from(TAIL).unwrap_or_default()).await?;
    if tail.len() as u64 != TAIL || tail.get(12..) != Some(&MAGIC) {
        return Err(broken("its magic number"));
    }
    let meta_at = tail.get_u64();
    if tail.get_u16() != 1 {
        return Err(broken("its version"));
    }
    let length = tail_at.checked_sub(meta_at).filter(|length| *length <= MOST_INDEX);
    let length = length.ok_or_else(|| broken("the place of its index"))?;
    let mut index = file.at(meta_at, usize::try_from(length).unwrap_or_default()).await?;
    let mut place = None;
    for _ in 0..vint(&mut index).ok_or_else(|| broken("its index"))? {
        let (name, codec, region) = (text(&mut index), text(&mut index), region(&mut index));
        let (Some(name), Some(codec), Some(region)) = (name, codec, region) else { return Err(broken("its index")) };
        if name == DATA_INDEX {
            uncompressed(file, &codec)?;
            place = Some(region);
        }
    }
    let (offset, length) = place.ok_or_else(|| broken("its index of blocks"))?;
    let mut index = file.at(offset, usize::try_from(length.min(MOST_INDEX)).unwrap_or_default()).await?;
    let codec = text(&mut index).ok_or_else(|| broken("its index of blocks"))?;
    uncompressed(file, &codec)?;
    let mut blocks = Vec::new();
    for _ in 0..vint(&mut index).ok_or_else(|| broken("its index of blocks"))? {
        let (offset, length) = region(&mut index).ok_or_else(|| broken("its index of blocks"))?;
        if offset.checked_add(length).is_none_or(|end| end > file.length()) {
            return Err(broken("the place of a block"));
        }
        blocks.push((offset, length));
    }
    Ok(blocks)
}

fn broken(file: &impl Bytewise, what: &str) -> Error {
    Error::Failed { url: file.name(), what: "read", message: format!("{what} is not as a TFile's") }
}

fn uncompressed(file: &impl Bytewise, codec: &str) -> Result<(), Error> {
    if codec == "none" {
        return Ok(());
    }
    let message = format!(
        "it is compressed with {codec}, which is not supported: read it with `yarn logs`, or set yarn.nodemanager.log-aggregation.compression-type to none"
    );
    Err(Error::Failed { url: file.name(), what: "read", message })
}

/// How many bytes follow the first one of a number, and what the first one stands for; `Utils.readVLong`.
fn vint_shape(first: i8) -> (usize, i64) {
    let first = i64::from(first);
    match first {
        -32.. => (0, first),
        -72..-32 => (1, first + 52),
        -104..-72 => (2, first + 88),
        -120..-104 => (3, first + 112),
        _ => (usize::try_from(first + 129).unwrap_or_default(), 0),
    }
}

/// `high` are the bits of the first byte; without them (four bytes and more) the first of `rest` holds the sign.
fn vint_value(first: i8, high: i64, rest: &[u8]) -> i64 {
    let sign = if first < -120 { rest.first().map_or(0, |byte| i64::from(*byte as i8) >> 7) } else { high };
    rest.iter().fold(sign, |value, byte| (value << 8) | i64::from(*byte))
}

fn vint(bytes: &mut Bytes) -> Option<i64> {
    let first = bytes.try_get_i8().ok()?;
    let (more, high) = vint_shape(first);
    let rest = take(bytes, more)?;
    Some(vint_value(first, high, &rest))
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

fn text(bytes: &mut Bytes) -> Option<String> {
    let length = usize::try_from(vint(bytes)?).ok()?;
    String::from_utf8(take(bytes, length)?.to_vec()).ok()
}

/// Offset and length; the length without compression, which stands behind, is the same.
fn region(bytes: &mut Bytes) -> Option<(u64, u64)> {
    let (offset, length, _) = (vint(bytes)?, vint(bytes)?, vint(bytes)?);
    Some((u64::try_from(offset).ok()?, u64::try_from(length).ok()?))
}

/// Reads a block from its start to its end.
struct Cursor<'a, F> {
    file: &'a F,
    /// Of the first byte that is not in the buffer.
    at: u64,
    end: u64,
    buffer: BytesMut,
}

impl<F: Bytewise> Cursor<'_, F> {
    fn is_over(&self) -> bool {
        self.buffer.is_empty() && self.at >= self.end
    }

    fn broken(&self, what: &str) -> Error {
        broken(self.file, what)
    }

    async fn fill(&mut self, length: usize) -> Result<(), Error> {
        while self.buffer.len() < length {
            let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
            let bytes = self.file.at(self.at, left.min(PIECE)).await?;
            if bytes.is_empty() {
                return Err(self.broken("the length of what a block holds"));
            }
            self.at += bytes.len() as u64;
            self.buffer.extend_from_slice(&bytes);
        }
        Ok(())
    }

    async fn take(&mut self, length: usize) -> Result<Bytes, Error> {
        self.fill(length).await?;
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn skip(&mut self, length: u64) -> Result<(), Error> {
        let held = self.buffer.len() as u64;
        if length <= held {
            self.buffer.advance(usize::try_from(length).unwrap_or_default());
            return Ok(());
        }
        self.buffer.clear();
        self.at = self.at.saturating_add(length - held);
        if self.at > self.end { Err(self.broken("the length of what a block holds")) } else { Ok(()) }
    }

    async fn vint(&mut self) -> Result<i64, Error> {
        let first = self.take(1).await?.get_i8();
        let (more, high) = vint_shape(first);
        Ok(vint_value(first, high, &self.take(more).await?))
    }
}

/// A record's value: chunks, each with its length before it, which is negative for all but the last.
struct Value<'a, 'b, F> {
    block: &'a mut Cursor<'b, F>,
    /// Of the chunk.
    left: u64,
    last: bool,
}

impl<F: Bytewise> Value<'_, '_, F> {
    /// Makes sure that there is a byte to read; false at the value's end.
    async fn more(&mut self) -> Result<bool, Error> {
        while self.left == 0 && !self.last {
            let length = self.block.vint().await?;
            self.last = length >= 0;
            self.left = length.unsigned_abs();
        }
        Ok(self.left > 0)
    }

    async fn pass(&mut self) -> Result<(), Error> {
        while self.more().await? {
            self.block.skip(self.left).await?;
            self.left = 0;
        }
        Ok(())
    }

    async fn skip(&mut self, mut length: u64) -> Result<(), Error> {
        while length > 0 {
            if !self.more().await? {
                return Err(self.block.broken("a log's length"));
            }
            let step = length.min(self.left);
            self.block.skip(step).await?;
            self.left -= step;
            length -= step;
        }
        Ok(())
    }

    async fn take(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let mut taken = Vec::new();
        while (taken.len() as u64) < length {
            if !self.more().await? {
                return Err(self.block.broken("a log's length"));
            }
            let step = (length - taken.len() as u64).min(self.left).min(PIECE as u64);
            taken.extend_from_slice(&self.block.take(usize::try_from(step).unwrap_or_default()).await?);
            self.left -= step;
        }
        Ok(taken)
    }

    /// `DataInput.readUTF`, of names and numbers.
    async fn utf(&mut self) -> Result<String, Error> {
        let length = self.take(2).await?;
        let length = length.iter().fold(0, |length, byte| (length << 8) | u64::from(*byte));
        Ok(String::from_utf8_lossy(&self.take(length).await?).into_owned())
    }

    async fn files(&mut self, wanted: &impl Fn(&str) -> bool, most: u64) -> Result<Vec<LogFile>, Error> {
        let mut files = Vec::new();
        while self.more().await? {
            let name = self.utf().await?;
            let length = self.utf().await?;
            let length: u64 = length.parse().map_err(|_| self.block.broken("a log's length"))?;
            let kept = if wanted(&name) { length.min(most) } else { 0 };
            self.skip(length - kept).await?;
            let bytes = self.take(kept).await?;
            files.push(LogFile { name, length, bytes });
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Bytewise for Vec<u8> {
        fn length(&self) -> u64 {
            self.len() as u64
        }

        fn name(&self) -> String {
            "hdfs://nn/logs".to_owned()
        }

        async fn at(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
            let from = usize::try_from(offset).unwrap().min(self.len());
            Ok(Bytes::copy_from_slice(&self[from..self.len().min(from.saturating_add(length))]))
        }
    }

    /// `Utils.writeVLong`, with the widest form that the value allows for.
    fn put(out: &mut Vec<u8>, value: i64) {
        match value {
            -32..=127 => out.push(value as u8),
            -5120..=5119 => out.extend([((value >> 8) - 52) as u8, value as u8]),
            -1_048_576..=1_048_575 => out.extend([((value >> 16) - 88) as u8, (value >> 8) as u8, value as u8]),
            _ => {
                out.push((8_i64 - 129) as u8);
                out.extend(value.to_be_bytes());
            }
        }
    }

    fn put_text(out: &mut Vec<u8>, text: &str) {
        put(out, text.len() as i64);
        out.extend(text.as_bytes());
    }

    fn put_utf(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u16).to_be_bytes());
        out.extend(text.as_bytes());
    }

    /// A container's name and its files.
    type Written<'a> = (&'a str, &'a [(&'a str, &'a [u8])]);

    fn file(containers: &[Written<'_>], chunk: usize, codec: &str) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        let start = file.len();
        for (name, logs) in containers {
            let mut key = Vec::new();
            put_utf(&mut key, name);
            put(&mut file, key.len() as i64);
            file.extend(key);
            let mut value = Vec::new();
            for (name, bytes) in *logs {
                put_utf(&mut value, name);
                put_utf(&mut value, &bytes.len().to_string());
                value.extend(*bytes);
            }
            let mut rest = value.as_slice();
            while rest.len() > chunk {
                put(&mut file, -(chunk as i64));
                file.extend(&rest[..chunk]);
                rest = &rest[chunk..];
            }
            put(&mut file, rest.len() as i64);
            file.extend(rest);
        }
        let region = |out: &mut Vec<u8>, from: usize, length: usize| {
            put(out, from as i64);
            put(out, length as i64);
            put(out, length as i64);
        };
        let data = file.len() - start;
        let index_at = file.len();
        put_text(&mut file, codec);
        put(&mut file, 1);
        region(&mut file, start, data);
        let (meta_at, index) = (file.len(), file.len() - index_at);
        put(&mut file, 1);
        put_text(&mut file, DATA_INDEX);
        put_text(&mut file, "none");
        region(&mut file, index_at, index);
        file.extend((meta_at as u64).to_be_bytes());
        file.extend([0, 1, 0, 0]);
        file.extend(MAGIC);
        file
    }

    #[tokio::test]
    async fn a_containers_logs_are_found_over_chunks() {
        let long = vec![b'x'; 3000];
        let one: &[(&str, &[u8])] = &[("model.out", &long), ("model.err", b"why\n")];
        for chunk in [7, 40, 1000, 1 << 20] {
            let file = file(&[("VERSION", &[]), ("container_1", &[("a", b"b")]), ("container_2", one)], chunk, "none");
            let found = logs_of(&file, "container_2", &|_: &str| true, 1 << 20).await.unwrap();
            assert_eq!(found.len(), 2, "{chunk}");
            assert_eq!((found[0].bytes.len(), found[1].bytes.as_slice()), (3000, &b"why\n"[..]));
            let cut = logs_of(&file, "container_2", &|name: &str| name != "model.out", 2).await.unwrap();
            assert_eq!((cut[0].length, cut[0].bytes.len(), cut[1].bytes.as_slice()), (3000, 0, &b"y\n"[..]));
            assert_eq!(logs_of(&file, "container_3", &|_: &str| true, 10).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn another_codec_is_refused_by_name() {
        let error = logs_of(&file(&[], 10, "gz"), "c", &|_: &str| true, 10).await.unwrap_err().to_string();
        assert!(error.contains("compressed with gz") && error.contains("yarn logs"), "{error}");
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for value in
            [0, -1, 127, 128, -32, -33, 5119, -5120, 5120, 1_048_575, -1_048_576, 1 << 30, -(1 << 40), i64::MAX]
        {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(vint(&mut Bytes::from(bytes)), Some(value));
        }
        // Four bytes, as Hadoop writes numbers of that size.
        assert_eq!(vint(&mut Bytes::from(vec![(4_i64 - 129) as u8, 0xff, 0xff, 0xff, 0xfe])), Some(-2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
            meta in 0_u64..400,
            framed: bool,
        ) {
            if framed {
                bytes.extend(meta.to_be_bytes());
                bytes.extend([0, 1, 0, 0]);
                bytes.extend(MAGIC);
            }
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(logs_of(&bytes, "container_1", &|_: &str| true, 100));
        }

        #[test]
        fn a_broken_file_is_read_or_refused(at in 0_usize..400, byte: u8) {
            let mut file = file(&[("container_1", &[("a", b"bcd")]), ("container_2", &[("e", b"f")])], 3, "none");
            let length = file.len();
            file[at % length] = byte;
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(logs_of(&file, "container_2", &|_: &str| true, 100));
        }
    }
}

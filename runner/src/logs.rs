//! The model's output: always read, kept in rotated files, its end kept for the last words.
//!
//! Beside each file stands a second one, its name with `.times` behind, that says when what was written: a line
//! `RUN MILLISECONDS OFFSET` at the start of each run of the model and at the first write a second or later after the
//! line before. `maasctl logs --since` and `--previous` read it.
//!
//! A thread of its own for each stream, with blocking reads and writes: a stuck disk then holds up the model's output
//! and nothing else.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::report::now_ms;

/// Size at which a file is put aside.
const ROTATE_AT: u64 = 5 << 20;

/// Files kept for each stream: `model.out`, `model.out.1`, `model.out.2`.
const KEPT: u32 = 3;

/// Milliseconds between two lines of times.
const TIMES_EVERY: u64 = 1000;

/// How many bytes of output a line of times stands for when it is counted towards a file's limit: a model that writes
/// little, every second, must not fill the disk with times.
const TIMES_WEIGH: u64 = 32;

/// How much of the end of standard error goes into the last words.
const TAIL: usize = 2048;

/// Appends to a file, putting it aside when it is full. What can't be written (disk full) is dropped.
#[derive(Debug)]
struct Rotated {
    path: PathBuf,
    file: Option<File>,
    times: Option<File>,
    written: u64,
    /// Lines of times in this file.
    timed: u64,
    /// Of the last line of times; none when the next write needs one.
    timed_ms: Option<i64>,
    /// The model's run, from 1 on.
    run: u32,
    rotate_at: u64,
}

fn times_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".times");
    PathBuf::from(name)
}

impl Rotated {
    fn open(path: PathBuf, rotate_at: u64) -> Self {
        let append = |path: &Path| OpenOptions::new().create(true).append(true).open(path).ok();
        let (file, times) = (append(&path), append(&times_of(&path)));
        let written = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |meta| meta.len());
        Self { path, file, times, written, timed: 0, timed_ms: None, run: 0, rotate_at }
    }

    /// What is written from now on is another run's.
    fn begin_run(&mut self) {
        self.run += 1;
        self.timed_ms = None;
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.file.is_none() || self.written + self.timed * TIMES_WEIGH >= self.rotate_at {
            self.rotate();
        }
        self.time(now_ms());
        if let Some(file) = &mut self.file {
            // Counted even when it failed: a full disk is then asked for a new file now and then, not at each write.
            self.written += bytes.len() as u64;
            let _ = file.write_all(bytes);
        }
    }

    fn time(&mut self, now: i64) {
        if self.timed_ms.is_some_and(|before| now.abs_diff(before) < TIMES_EVERY) {
            return;
        }
        self.timed_ms = Some(now);
        self.timed += 1;
        if let Some(times) = &mut self.times {
            let _ = writeln!(times, "{} {now} {}", self.run, self.written);
        }
    }

    fn rotate(&mut self) {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            if number > 0 {
                name.push(format!(".{number}"));
            }
            PathBuf::from(name)
        };
        if self.written > 0 {
            for number in (1..KEPT).rev() {
                let (from, to) = (numbered(number - 1), numbered(number));
                let _ = std::fs::rename(&from, &to);
                let _ = std::fs::rename(times_of(&from), times_of(&to));
            }
        }
        *self = Self { run: self.run, ..Self::open(std::mem::take(&mut self.path), self.rotate_at) };
    }
}

/// Where the model's output goes.
#[derive(Debug)]
pub struct Logs {
    out: Arc<Mutex<Rotated>>,
    err: Arc<Mutex<Rotated>>,
}

/// The end of one run's standard error. Clones show the same.
#[derive(Debug, Clone)]
pub struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    open_streams: watch::Receiver<u32>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each critical section leaves its value whole, so a panic inside does no harm.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Logs {
    /// Opens `model.out` and `model.err` in `directory`. One that can't be opened is tried again at each write, and
    /// its output dropped meanwhile.
    pub fn open(directory: &Path) -> Self {
        Self::open_rotating_at(directory, ROTATE_AT)
    }

    fn open_rotating_at(directory: &Path, bytes: u64) -> Self {
        let open = |name: &str| Arc::new(Mutex::new(Rotated::open(directory.join(name), bytes)));
        Self { out: open("model.out"), err: open("model.err") }
    }

    /// Reads both streams of a new run until their last writer has closed them.
    ///
    /// # Errors
    /// No thread can be had: a stream is closed unread, and the run must be ended.
    pub fn follow(
        &self,
        stdout: impl Read + Send + 'static,
        stderr: impl Read + Send + 'static,
    ) -> std::io::Result<Tail> {
        locked(&self.out).begin_run();
        locked(&self.err).begin_run();
        let bytes = Arc::new(Mutex::new(VecDeque::new()));
        let (open, open_streams) = watch::channel(2);
        let open = Arc::new(open);
        copy("model-out", stdout, Arc::clone(&self.out), None, Arc::clone(&open))?;
        copy("model-err", stderr, Arc::clone(&self.err), Some(Arc::clone(&bytes)), open)?;
        Ok(Tail { bytes, open_streams })
    }
}

fn copy(
    name: &str,
    mut from: impl Read + Send + 'static,
    to: Arc<Mutex<Rotated>>,
    tail: Option<Arc<Mutex<VecDeque<u8>>>>,
    open_streams: Arc<watch::Sender<u32>>,
) -> std::io::Result<()> {
    let copy = move || {
        let mut buffer = [0; 8192];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    if let Some(tail) = &tail {
                        let mut kept = locked(tail);
                        kept.extend(bytes);
                        let excess = kept.len().saturating_sub(TAIL);
                        kept.drain(..excess);
                    }
                    locked(&to).write(bytes);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        open_streams.send_modify(|open| *open = open.saturating_sub(1));
    };
    std::thread::Builder::new().name(name.to_owned()).stack_size(128 << 10).spawn(copy).map(drop)
}

impl Tail {
    /// The end of standard error, 2 KiB at most, from a line's start where possible. Waits until the streams have been
    /// read to their end, but no longer than `patience`: a survivor may hold them open. Cancel safe.
    pub async fn read(&self, patience: Duration) -> String {
        let mut open = self.open_streams.clone();
        let _ = timeout(patience, open.wait_for(|open| *open == 0)).await;
        let bytes: Vec<u8> = locked(&self.bytes).iter().copied().collect();
        let cut = bytes.len() >= TAIL;
        let from = if cut { bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) } else { 0 };
        String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn files_rotate_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open_rotating_at(dir.path(), 10_000);
        let tail = logs.follow(Cursor::new(vec![b'x'; 100_000]), Cursor::new(Vec::new())).unwrap();
        tail.read(PATIENCE).await;
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let out = ["model.out", "model.out.1", "model.out.1.times", "model.out.2", "model.out.2.times"];
        assert_eq!(names, [&["model.err", "model.err.times"], &out[..], &["model.out.times"]].concat());
        let size = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().len();
        assert!(size("model.out.1") <= 10_000 + 8192, "a file passes its limit by one read at most");
    }

    #[tokio::test]
    async fn the_times_say_where_each_run_begins() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path());
        for text in ["one\n", "second\n"] {
            let tail = logs.follow(Cursor::new(text.as_bytes()), Cursor::new(Vec::new())).unwrap();
            tail.read(PATIENCE).await;
        }
        let times = std::fs::read_to_string(dir.path().join("model.out.times")).unwrap();
        let words: Vec<Vec<&str>> = times.lines().map(|line| line.split(' ').collect()).collect();
        assert_eq!(words.iter().map(|line| (line[0], line[2])).collect::<Vec<_>>(), [("1", "0"), ("2", "4")]);
        assert!(words[0][1] <= words[1][1] && words[0][1].parse::<u64>().unwrap() > 1_700_000_000_000, "{times}");
    }

    #[tokio::test]
    async fn the_tail_is_the_end_of_stderr_from_a_lines_start() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path());
        let text: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        let tail = logs.follow(Cursor::new(Vec::new()), Cursor::new(text.into_bytes())).unwrap();
        let tail = tail.read(PATIENCE).await;
        assert!(tail.starts_with("line ") && tail.ends_with("line 999"), "{tail}");
        assert!(tail.len() <= TAIL);
    }

    #[tokio::test]
    async fn output_is_read_though_the_directory_is_gone() {
        let logs = Logs::open(Path::new("/nowhere/at/all"));
        let tail = logs.follow(Cursor::new(vec![b'x'; 100_000]), Cursor::new(b"why\n".to_vec())).unwrap();
        assert_eq!(tail.read(PATIENCE).await, "why");
    }
}

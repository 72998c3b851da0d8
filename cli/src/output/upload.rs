//! How far an upload is: a bar on a terminal, elsewhere a line now and then.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, interval};

/// How often the bar is drawn.
const REFRESH: Duration = Duration::from_millis(100);
/// How often a long upload is mentioned where no terminal shows it.
const MENTION: Duration = Duration::from_secs(10);
const BAR: &str = "{msg} [{bar:30}] {bytes}/{total_bytes} ({bytes_per_sec}, {elapsed})";

/// Bytes of local files; of one that cannot be read, none: its upload says why.
pub(crate) fn size<'a>(files: impl IntoIterator<Item = &'a Path>) -> u64 {
    files.into_iter().filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.len()).sum()
}

/// Shows how far `upload` is until it ends. `sent` tells the bytes that it has sent of `total`; what need not be sent is
/// no part of it, so that the bar may end early.
pub(crate) async fn shown<T>(what: &str, total: u64, sent: impl Fn() -> u64, upload: impl Future<Output = T>) -> T {
    let terminal = std::io::stderr().is_terminal();
    shown_every(if terminal { REFRESH } else { MENTION }, terminal, what, total, sent, upload).await
}

async fn shown_every<T>(
    every: Duration,
    terminal: bool,
    what: &str,
    total: u64,
    sent: impl Fn() -> u64,
    upload: impl Future<Output = T>,
) -> T {
    let begun = Instant::now();
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total), target).with_message(format!("uploading {what}"));
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(style);
    }
    let mut ticks = interval(every);
    // The first tick comes at once.
    ticks.tick().await;
    tokio::pin!(upload);
    loop {
        tokio::select! {
            done = &mut upload => {
                bar.finish_and_clear();
                return done;
            }
            _ = ticks.tick() => {
                // What had to be written again was sent more than once.
                let sent = sent().min(total);
                bar.set_position(sent);
                if !terminal {
                    super::note(&line(what, sent, total, begun.elapsed()));
                }
            }
        }
    }
}

fn line(what: &str, sent: u64, total: u64, elapsed: Duration) -> String {
    format!("uploading {what}: {} of {} ({} s)", HumanBytes(sent), HumanBytes(total), elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_how_far_and_since_when() {
        let told = line("dga (3 files)", 5 << 20, 20 << 20, Duration::from_secs(12));
        assert_eq!(told, "uploading dga (3 files): 5.00 MiB of 20.00 MiB (12 s)");
    }

    #[test]
    fn the_bar_is_well_formed() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }

    /// An upload of which half is sent, until it was looked at three times; run by the tests below.
    #[tokio::test]
    #[ignore = "is run by other tests, in and out of a terminal"]
    async fn half_an_upload() {
        let looks = std::cell::Cell::new(0);
        let sent = || {
            looks.set(looks.get() + 1);
            10 << 20
        };
        let upload = async {
            while looks.get() < 3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let terminal = std::io::stderr().is_terminal();
        shown_every(REFRESH, terminal, "dga (3 files)", 20 << 20, sent, upload).await;
    }

    const HALF: [&str; 4] = ["output::upload::tests::half_an_upload", "--exact", "--ignored", "--nocapture"];

    #[test]
    fn on_a_terminal_there_is_a_bar_that_is_taken_away() {
        use std::io::Read;
        let (mut pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 100)).unwrap();
        let command = pty_process::blocking::Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(HALF).env("TERM", "xterm").spawn(pts).unwrap();
        let mut raw = Vec::new();
        // The system reports a program that has ended as an error.
        let _ = pty.read_to_end(&mut raw);
        assert!(child.wait().unwrap().success());
        let mut parser = vt100::Parser::new(24.try_into().unwrap(), 100.try_into().unwrap(), 0);
        let raw = String::from_utf8(raw).unwrap();
        assert!(raw.contains("uploading dga (3 files) [") && raw.contains("10.00 MiB/20.00 MiB"), "{raw:?}");
        parser.process(raw.as_bytes());
        assert!(!parser.screen().contents().contains("uploading"), "{}", parser.screen().contents());
    }

    #[test]
    fn elsewhere_there_is_a_line_now_and_then() {
        let output = std::process::Command::new(std::env::current_exe().unwrap()).args(HALF).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = stderr.lines().filter(|line| line.contains("uploading")).collect();
        assert!(lines.len() >= 3, "{stderr}");
        assert!(
            lines[0].starts_with("uploading dga (3 files): 10.00 MiB of 20.00 MiB (") && !stderr.contains('\u{1b}')
        );
    }

    #[tokio::test]
    async fn what_is_shown_is_what_came_of_it() {
        assert_eq!(shown("x", 0, || 7, async { 3 }).await, 3);
    }
}

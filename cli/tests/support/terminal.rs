//! A program in a real pseudo-terminal, and what its screen shows.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::blocking::{Command, Pty, open};
use rustix::termios::{LocalModes, tcgetattr};

/// What is waited for comes much sooner, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// What came from the program so far.
struct Shown {
    parser: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
}

/// The terminal and the program in it.
pub struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    shown: Arc<(Mutex<Shown>, Condvar)>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Terminal {
    /// Runs maasctl in a terminal of this many columns and lines.
    pub fn run(columns: u16, lines: u16, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(pty_process::Size::new(lines, columns)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_maasctl")).args(words).env("TERM", "xterm-256color");
        for name in crate::support::VARIABLES {
            command = command.env_remove(name);
        }
        command = command.env("MAASCONFIG", "/dev/null");
        let child = command.envs(variables.iter().copied()).spawn(pts).unwrap();
        let parser = vt100::Parser::new(NonZeroU16::new(lines).unwrap(), NonZeroU16::new(columns).unwrap(), 0);
        let shown = Arc::new((Mutex::new(Shown { parser, raw: Vec::new(), ended: false }), Condvar::new()));
        let pty = Arc::new(pty);
        let terminal = Self { pty: pty.clone(), child, shown: shown.clone() };
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                // The system reports a program that has ended as an error.
                let read = (&*pty).read(&mut bytes).unwrap_or(0);
                let mut state = shown.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                state.parser.process(&bytes[..read]);
                state.raw.extend_from_slice(&bytes[..read]);
                state.ended = read == 0;
                shown.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        terminal
    }

    fn until(&self, what: &str, good: impl Fn(&Shown) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shown.0.lock().unwrap();
        while !good(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            let why = if left.is_zero() { "too late" } else { "the program ended" };
            assert!(!left.is_zero() && !state.ended, "{why}, and never seen: {what}\n{}", framed(&state));
            state = self.shown.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until one line has all of these texts in it.
    pub fn see(&self, texts: &[&str]) {
        self.until(&format!("{texts:?}"), |shown| {
            shown.parser.screen().contents().lines().any(|line| texts.iter().all(|text| line.contains(text)))
        });
    }

    /// Waits until no line has this text in it, and one has the other.
    pub fn see_without(&self, text: &str, gone: &str) {
        self.until(&format!("{text:?} without {gone:?}"), |shown| {
            let contents = shown.parser.screen().contents();
            contents.contains(text) && !contents.contains(gone)
        });
    }

    /// Types these keys.
    pub fn keys(&self, keys: &str) {
        let mut pty: &Pty = &self.pty;
        pty.write_all(keys.as_bytes()).unwrap();
    }

    /// Makes the terminal another size.
    pub fn resize(&self, columns: u16, lines: u16) {
        let size = (NonZeroU16::new(lines).unwrap(), NonZeroU16::new(columns).unwrap());
        self.shown.0.lock().unwrap().parser.set_size(size.0, size.1);
        self.pty.resize(pty_process::Size::new(lines, columns)).unwrap();
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the program has ended and checks that it gave the terminal back; what it printed last is still there.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shown.0.lock().unwrap();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end\n{}", framed(&state));
            state = self.shown.1.wait_timeout(state, left).unwrap().0;
        }
        let screen = state.parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is still on\n{}", framed(&state));
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        let modes = tcgetattr(&*self.pty).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG), "{modes:?}");
        (self.child.wait().unwrap(), screen.contents())
    }

    /// Whether any letter on the screen has a colour.
    pub fn is_coloured(&self) -> bool {
        let state = self.shown.0.lock().unwrap();
        let (lines, columns) = state.parser.screen().size();
        let cells = (0..lines.get()).flat_map(|line| (0..columns.get()).map(move |column| (line, column)));
        let mut cells = cells.filter_map(|(line, column)| state.parser.screen().cell(line, column));
        cells.any(|cell| cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default)
    }

    /// Every byte that the program wrote.
    pub fn raw(&self) -> Vec<u8> {
        self.shown.0.lock().unwrap().raw.clone()
    }

    /// The screen's text.
    pub fn text(&self) -> String {
        let state = self.shown.0.lock().unwrap();
        let columns = state.parser.screen().size().1.get();
        state.parser.screen().rows(0, columns).map(|line| line.trim_end().to_owned() + "\n").collect()
    }
}

fn framed(state: &Shown) -> String {
    let screen = state.parser.screen();
    let (lines, columns) = screen.size();
    let mut text = format!("-- {columns} x {lines}\n");
    for line in screen.rows(0, columns.get()) {
        writeln!(text, "|{line}").unwrap();
    }
    text
}

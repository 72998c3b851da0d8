//! Whether to colour: decided once, here, for all output.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU8, Ordering};

use clap::ValueEnum;

/// What `--color` takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also in files and pipes
    Always,
    /// Nowhere
    Never,
}

/// The command line's word; set once, before anything is printed.
static ASKED: AtomicU8 = AtomicU8::new(0);

/// Keeps what the command line asks for.
pub(crate) fn ask(color: Color) {
    ASKED.store(color as u8, Ordering::Relaxed);
}

/// Whether stdout is to be coloured.
pub(crate) fn stdout() -> bool {
    now(std::io::stdout().is_terminal())
}

/// Whether stderr is to be coloured.
pub(crate) fn stderr() -> bool {
    now(std::io::stderr().is_terminal())
}

fn now(terminal: bool) -> bool {
    let asked = match ASKED.load(Ordering::Relaxed) {
        1 => Color::Always,
        2 => Color::Never,
        _ => Color::Auto,
    };
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    decide(asked, terminal, set("NO_COLOR") || dumb)
}

/// <https://no-color.org>: a command line that asks for colour is stronger than the variable.
fn decide(asked: Color, terminal: bool, plain: bool) -> bool {
    match asked {
        Color::Auto => terminal && !plain,
        Color::Always => true,
        Color::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_unless_asked_otherwise() {
        assert!(decide(Color::Auto, true, false) && decide(Color::Always, false, true));
        assert!(!decide(Color::Auto, false, false) && !decide(Color::Auto, true, true));
        assert!(!decide(Color::Never, true, false));
        let numbers = [Color::Auto as u8, Color::Always as u8, Color::Never as u8];
        assert_eq!(numbers, [0, 1, 2]);
    }
}

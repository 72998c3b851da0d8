//! The shell on a terminal: keys, history, completion.

use std::path::PathBuf;

use anyhow::Context as _;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::{PROMPT, Said, Session, is_open};
use crate::output;

/// Inputs that are kept.
const KEPT: usize = 1_000;
const MAGICS: [&str; 2] = ["%functions", "%vars"];

/// Reads and does one input after another, until the end.
pub(super) fn run(session: &mut Session) -> anyhow::Result<()> {
    let config = Config::builder().max_history_size(KEPT).context("cannot keep history")?;
    let config = config.completion_type(CompletionType::List).auto_add_history(true).build();
    let mut editor: Editor<Words, FileHistory> = Editor::with_config(config).context("cannot use the terminal")?;
    let file = history();
    if let Some(file) = &file {
        // It may not be there yet.
        let _ = editor.load_history(file);
    }
    output::note("Stellar: NAME := EXPRESSION keeps a value; %functions [TEXT], %vars, ?FUNCTION; quit or Ctrl-D ends");
    loop {
        editor.set_helper(Some(Words(words(session))));
        match editor.readline(PROMPT) {
            Ok(text) => {
                if session.take(&text)? == Said::Quit {
                    break;
                }
            }
            // The line is given up, as in any shell.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("cannot read the terminal"),
        }
    }
    if let Some(file) = &file
        && let Err(error) = editor.save_history(file)
    {
        output::note(&format!("warning: {} cannot be written, so the history is lost: {error}", file.display()));
    }
    Ok(())
}

/// Beside the contexts; none without a home, or before anything is kept there.
fn history() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("HOME").filter(|home| !home.is_empty())?).join(".maas");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("stellar_history"))
}

/// What can be completed: functions with their bracket, variables, magics.
fn words(session: &Session) -> Vec<String> {
    let functions = session.functions.names().into_iter().map(|name| format!("{name}("));
    let magics = MAGICS.iter().map(|magic| (*magic).to_owned());
    functions.chain(session.variables.keys().cloned()).chain(magics).collect()
}

struct Words(Vec<String>);

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(completed(&self.0, line.get(..position).unwrap_or(line)))
    }
}

/// Where the word before the cursor starts, and what it may become. Pure.
fn completed(words: &[String], before: &str) -> (usize, Vec<String>) {
    let of_word = |letter: char| letter.is_ascii_alphanumeric() || "_.:%$".contains(letter);
    let start = before.char_indices().rev().take_while(|(_, letter)| of_word(*letter)).last();
    let start = start.map_or(before.len(), |(at, _)| at);
    let (head, typed) = before.split_at_checked(start).unwrap_or((before, ""));
    let found = words.iter().filter(|word| word.starts_with(typed) || word.starts_with(&typed.to_uppercase()));
    // Help is of the function itself.
    let found = found.map(|word| if head.trim() == "?" { word.trim_end_matches('(').to_owned() } else { word.clone() });
    (start, if typed.is_empty() { Vec::new() } else { found.collect() })
}

impl Validator for Words {
    fn validate(&self, input: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_open(input.input()) { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_before_the_cursor_is_completed() {
        let words = ["TO_UPPER(", "TO_LOWER(", "url", "%vars"].map(str::to_owned);
        assert_eq!(completed(&words, "1 + TO_U"), (4, vec!["TO_UPPER(".to_owned()]));
        assert_eq!(completed(&words, "f(to_l"), (2, vec!["TO_LOWER(".to_owned()]));
        assert_eq!(completed(&words, "u"), (0, vec!["url".to_owned()]));
        assert_eq!(completed(&words, "%v"), (0, vec!["%vars".to_owned()]));
        assert_eq!(completed(&words, "?TO_U"), (1, vec!["TO_UPPER".to_owned()]));
        assert_eq!(completed(&words, "ü x"), (3, Vec::new()));
        assert_eq!(completed(&words, ""), (0, Vec::new()));
    }
}

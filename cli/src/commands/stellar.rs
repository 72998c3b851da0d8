//! `stellar`: expressions of Metron's configs, evaluated one by one, as its shell does.

mod shell;

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use maas_client::{Client, Options};
use maas_functions::{Maas, failures_of};
use maas_stellar::{Expression, Functions, Value};
use tokio::runtime::Runtime;

use crate::args::{Global, Stellar};
use crate::input::text_within;
use crate::output::{self, printable};
use crate::settings::Settings;

/// The longest file of fields, in bytes.
const MOST: u64 = 64 * 1024 * 1024;
const PROMPT: &str = "[Stellar]>>> ";

/// `stellar [-e EXPRESSION] [-f FILE]`.
pub(crate) fn stellar(global: &Global, args: &Stellar) -> anyhow::Result<ExitCode> {
    let mut session = Session::new(global.clone(), args.file.as_deref())?;
    if !args.expression.is_empty() {
        let good = args
            .expression
            .iter()
            .try_fold(true, |good, text| Ok::<_, anyhow::Error>(good && session.take(text)? != Said::Failed))?;
        return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if std::io::stdin().is_terminal() {
        return shell::run(&mut session).map(|()| ExitCode::SUCCESS);
    }
    let (mut text, mut failed) = (String::new(), false);
    for line in std::io::stdin().lock().lines() {
        text.push_str(&line.context("cannot read stdin")?);
        if is_open(&text) {
            text.push('\n');
            continue;
        }
        match session.take(&std::mem::take(&mut text))? {
            Said::Quit => break,
            Said::Failed => failed = true,
            Said::Good => {}
        }
    }
    if !text.is_empty() {
        failed |= session.take(&text)? == Said::Failed;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What came of one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Good,
    Failed,
    Quit,
}

/// What is known from one input to the next.
struct Session {
    global: Global,
    variables: BTreeMap<String, (Value, Option<String>)>,
    functions: Functions,
    /// Runs the calls of models, once one was asked for.
    runtime: Option<Runtime>,
}

impl Session {
    fn new(global: Global, file: Option<&Path>) -> anyhow::Result<Self> {
        let variables = file.map(fields).transpose()?.unwrap_or_default();
        // Until ZooKeeper is connected to, on their first use.
        let functions = maas_functions::HELP.iter().fold(Functions::standard(), |functions, (name, _)| {
            functions.with(name, |_, _| Err("there is no connection to ZooKeeper".to_owned()))
        });
        Ok(Self { global, variables, functions, runtime: None })
    }

    /// Does what one input says, and prints what comes of it.
    ///
    /// # Errors
    /// Only where nothing can be printed.
    fn take(&mut self, text: &str) -> anyhow::Result<Said> {
        let text = text.trim();
        match text {
            "" => return Ok(Said::Good),
            "quit" | "exit" | "%quit" => return Ok(Said::Quit),
            _ => {}
        }
        if text.starts_with("//") {
            return Ok(Said::Good);
        }
        if let Some(name) = text.strip_prefix('?') {
            return self.help(name.trim());
        }
        if let Some(magic) = text.strip_prefix('%') {
            return self.magic(magic);
        }
        let (name, expression) = match assigned(text) {
            Some((name, expression)) => (Some(name), expression),
            None => (None, text),
        };
        match self.evaluate(expression) {
            Ok(value) => {
                let shown = value.to_string();
                let shown = if std::io::stdout().is_terminal() { lines(&shown) } else { shown };
                if let Some(name) = name {
                    self.variables.insert(name.to_owned(), (value, Some(expression.to_owned())));
                }
                output::data(&format!("{shown}\n")).map(|()| Said::Good)
            }
            Err(error) => {
                output::note(&error);
                Ok(Said::Failed)
            }
        }
    }

    fn evaluate(&mut self, text: &str) -> Result<Value, String> {
        let parsed = Expression::parse(text).map_err(|error| marked(text, error.column, &error.reason))?;
        if self.runtime.is_none() && text.contains("MAAS_") {
            self.connect().map_err(|error| format!("error: {error:#}"))?;
        }
        let variables = |name: &str| self.variables.get(name).map(|(value, _)| value.clone());
        let (value, failures) = failures_of(|| parsed.evaluate(&variables, &self.functions));
        for failure in failures {
            output::note(&format!("warning: {}", printable(&failure.to_string())));
        }
        value.map_err(|error| marked(text, error.column, &error.reason))
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        let settings = Settings::resolve(&self.global)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.context("cannot start")?;
        let client = runtime.block_on(Client::open(settings.tree(), Options::default()))?;
        let maas = Maas::new(client, settings.namespace().as_str(), runtime.handle().clone());
        self.functions = maas.functions(std::mem::take(&mut self.functions));
        self.runtime = Some(runtime);
        Ok(())
    }

    fn help(&self, name: &str) -> anyhow::Result<Said> {
        let ours = maas_functions::HELP.iter().find(|(known, _)| *known == name).map(|(_, help)| (*help).to_owned());
        match ours.or_else(|| Functions::help(name)) {
            Some(help) => output::data(&format!("{help}\n")).map(|()| Said::Good),
            None => {
                output::note(&format!("error: there is no function {name:?}; %functions lists them"));
                Ok(Said::Failed)
            }
        }
    }

    fn magic(&self, magic: &str) -> anyhow::Result<Said> {
        let (word, rest) = magic.split_once(char::is_whitespace).unwrap_or((magic, ""));
        let text = match word {
            "functions" => {
                let wanted = rest.trim().to_uppercase();
                let names = self.functions.names();
                let names: Vec<&str> = names.into_iter().filter(|name| name.contains(&wanted)).collect();
                names.join(", ") + "\n"
            }
            "vars" => {
                let line = |(name, (value, from)): (&String, &(Value, Option<String>))| {
                    let from = from.as_ref().map(|from| format!(" via `{from}`")).unwrap_or_default();
                    format!("{name} = {}{from}\n", printable(&value.to_string()))
                };
                self.variables.iter().map(line).collect()
            }
            _ => {
                output::note(&format!("error: there is no %{word}: %functions [TEXT], %vars, ?FUNCTION, quit"));
                return Ok(Said::Failed);
            }
        };
        output::data(&text).map(|()| Said::Good)
    }
}

/// The fields of a message.
fn fields(path: &Path) -> anyhow::Result<BTreeMap<String, (Value, Option<String>)>> {
    let shown = path.display();
    let read = std::fs::File::open(path).and_then(|file| text_within(MOST, file));
    let Some(text) = read.with_context(|| format!("cannot read {shown}"))? else {
        bail!("{shown} is longer than {MOST} bytes");
    };
    let json: serde_json::Value = serde_json::from_str(&text).with_context(|| format!("{shown} is no JSON"))?;
    let serde_json::Value::Object(fields) = json else { bail!("{shown} is no message: a JSON object is expected") };
    Ok(fields.iter().map(|(name, value)| (name.clone(), (Value::from(value), None))).collect())
}

/// `NAME := EXPRESSION`.
fn assigned(text: &str) -> Option<(&str, &str)> {
    let (name, expression) = text.split_once(":=")?;
    let name = name.trim();
    let first = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    let rest = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.:".contains(letter));
    (first && rest).then(|| (name, expression.trim()))
}

/// Whether a bracket or a quote is still open, so that the expression goes on in the next line.
fn is_open(text: &str) -> bool {
    let (mut depth, mut quote, mut letters) = (0_i64, None, text.chars().peekable());
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(_), '\\') => drop(letters.next()),
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, '/') if letters.peek() == Some(&'/') => while letters.next().is_some_and(|letter| letter != '\n') {},
            (None, _) => {}
        }
    }
    quote.is_some() || depth > 0
}

/// The line of an expression that is wrong, with a caret at the place, and why.
fn marked(text: &str, column: usize, reason: &str) -> String {
    let before: String = text.chars().take(column.saturating_sub(1)).collect();
    let (number, start) = (before.matches('\n').count(), before.rsplit('\n').next().unwrap_or_default());
    let line = text.lines().nth(number).unwrap_or_default();
    // Long lines are shown around the place.
    let skipped = start.chars().count().saturating_sub(60);
    let shown: String = line.chars().skip(skipped).take(100).collect();
    let indent = " ".repeat(start.chars().count() - skipped);
    let place = if text.contains('\n') {
        format!("line {}, column {}", number + 1, start.chars().count() + 1)
    } else {
        format!("column {column}")
    };
    format!("error: {place}: {}\n  {}\n  {indent}^", printable(reason), printable(&shown))
}

fn lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_goes_on_while_something_is_open() {
        for open in ["f(", "[1,", "'a", "\"a'", "{'a': (1)", "f('\\'", "f( // )"] {
            assert!(is_open(open), "{open}");
        }
        for closed in ["", "1", "f('(')", "'\\''", "1 // (", "a)", "f(\n1)"] {
            assert!(!is_open(closed), "{closed}");
        }
    }

    #[test]
    fn an_assignment_is_a_name_and_an_expression() {
        assert_eq!(assigned("x := 1 + 1"), Some(("x", "1 + 1")));
        assert_eq!(assigned("a.b:=':='"), Some(("a.b", "':='")));
        for none in ["f(':=')", "1 := 2", "x = 1", ":= 1"] {
            assert_eq!(assigned(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_wrong_is_marked_in_its_line() {
        assert_eq!(marked("1 + foo bar", 9, "no"), "error: column 9: no\n  1 + foo bar\n          ^");
        assert_eq!(marked("f(\n 1 +)", 7, "no"), "error: line 2, column 4: no\n   1 +)\n     ^");
        assert_eq!(marked("", 1, "no"), "error: column 1: no\n  \n  ^");
        let long = marked(&"x".repeat(10_000), 5_000, "no");
        assert!(long.len() < 300, "{long}");
    }
}

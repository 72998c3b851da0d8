//! `maasctl`, and the verbs of `maas_service.sh` and `maas_deploy.sh`.
//!
//! A command line is read raw (`args`, `legacy`), checked into settings, and given to one function per command
//! (`commands`). Data goes to stdout, everything else to stderr.

mod annotation;
mod args;
mod awaited;
mod commands;
mod completion;
mod contexts;
mod edit;
mod field_selector;
mod http;
mod input;
mod jsonpath;
mod label;
mod legacy;
mod manifests;
mod manual;
mod node_http;
mod node_logs;
mod output;
mod payload;
mod reference;
mod resource;
mod selector;
mod settings;
mod trace;
mod tree;
mod unlike;
mod view;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

/// Runs one command line, the program's name first, and gives the process's exit code.
///
/// Errors are printed to stderr once, with their causes; a reader of stdout that went away is success.
pub fn run(words: Vec<OsString>) -> ExitCode {
    match dispatch(words) {
        Ok(code) => code,
        Err(error) if error.is::<output::StdoutClosed>() => ExitCode::SUCCESS,
        Err(error) => {
            commands::tell(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: Vec<OsString>) -> anyhow::Result<ExitCode> {
    if let Some(code) = completion::answer(&words)? {
        return Ok(code);
    }
    if let Some((verb, rest)) = legacy_verb(&words) {
        let rest = rest.iter().map(|word| word.to_str().map(str::to_owned)).collect::<Option<Vec<String>>>();
        let rest = rest.ok_or_else(|| anyhow::anyhow!("the command line is not UTF-8"))?;
        return commands::legacy(verb, &rest);
    }
    match args::Line::try_parse_from(&words) {
        Ok(line) => {
            let compares = commands::compares(&line);
            match commands::run(line) {
                // 1 says that something differs.
                Err(error) if compares && !error.is::<output::StdoutClosed>() => {
                    commands::tell(&error);
                    Ok(ExitCode::from(2))
                }
                ended => ended,
            }
        }
        Err(help) if !help.use_stderr() => output::help(&help.render()).map(|()| ExitCode::SUCCESS),
        Err(error) => {
            let text = unlike::explained(with_near_verb(error)).render();
            let text = if output::color::stderr() { text.ansi().to_string() } else { text.to_string() };
            output::note(text.trim_end());
            let line = args::Line::command();
            let verb = words.iter().skip(1).find(|word| line.get_subcommands().any(|verb| **word == *verb.get_name()));
            Ok(ExitCode::from(if verb.is_some_and(|verb| verb == "diff") { 2 } else { 1 }))
        }
    }
}

/// clap names a verb that is like the one typed, but none for two letters exchanged in a short one.
fn with_near_verb(mut error: clap::Error) -> clap::Error {
    let typed = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(typed))) => typed.clone(),
        _ => return error,
    };
    let of_maasctl = error.get(ContextKind::Usage).is_some_and(|usage| usage.to_string().contains("maasctl [OPTIONS]"));
    if of_maasctl && error.get(ContextKind::SuggestedSubcommand).is_none() {
        let verbs: Vec<String> =
            args::Line::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        if let Some(near) = commands::nearest(&typed, &verbs) {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![near.to_owned()]));
        }
    }
    error
}

/// The verb that the program's own name, or the hidden `legacy` entry, stands for, and its words.
fn legacy_verb(words: &[OsString]) -> Option<(legacy::Verb, &[OsString])> {
    let program = Path::new(words.first()?).file_stem()?.to_str()?;
    if let Some(verb) = legacy::Verb::of_program(program) {
        return Some((verb, words.get(1..)?));
    }
    match words {
        [_, entry, verb, rest @ ..] if entry == "legacy" => Some((legacy::Verb::of_entry(verb.to_str()?)?, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use legacy::Verb;

    #[test]
    fn the_verbs_are_reached_by_the_programs_name_and_by_the_hidden_entry() {
        let verb = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            legacy_verb(&words).map(|(verb, rest)| (verb, rest.len()))
        };
        assert_eq!(verb("/opt/bin/maas_service.sh -zq z"), Some((Verb::Service, 2)));
        assert_eq!(verb("maas_deploy -h"), Some((Verb::Deploy, 1)));
        assert_eq!(verb("maasctl legacy deploy -mo LIST"), Some((Verb::Deploy, 2)));
        assert_eq!(verb("maasctl get md"), None);
        assert_eq!(verb("maasctl legacy other"), None);
    }
}

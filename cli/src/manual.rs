//! The manual, written from the commands' own definition, so that it can't tell anything else than `--help` does.

use clap::{Arg, Command};

const HEAD: &str = "\
<!-- `make docs` writes this page from the commands' own definition. -->

# maasctl

Who comes from kubectl finds each verb's likeness in [kubectl.md](kubectl.md), who comes from Metron in
[from-metron.md](from-metron.md). `make man` writes the same as man pages.
";

/// Every command that is not hidden, as Markdown.
pub(crate) fn markdown(mut root: Command) -> String {
    root = root.disable_help_subcommand(true);
    root.build();
    let mut text = HEAD.to_owned();
    text.push_str("\n| command | what it does |\n| --- | --- |\n");
    for command in visible(&root) {
        let name = command.get_name();
        text.push_str(&format!(
            "| [{name}](#maasctl-{name}) | {} |\n",
            about(command).lines().next().unwrap_or_default()
        ));
    }
    text.push_str("\n## Options of every command\n\n");
    for option in root.get_arguments().filter(|option| option.is_global_set() && !option.is_hide_set()) {
        text.push_str(&argument(option));
    }
    for command in visible(&root) {
        section(&mut text, command, 2);
    }
    text
}

fn visible(of: &Command) -> impl Iterator<Item = &Command> {
    of.get_subcommands().filter(|command| !command.is_hide_set())
}

fn about(command: &Command) -> String {
    command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default()
}

fn section(text: &mut String, command: &Command, level: usize) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    text.push_str(&format!("\n{} {name}\n\n{}\n", "#".repeat(level), about(command).trim()));
    // The usage line needs a command of its own: rendering changes it.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim().trim_start_matches("Usage: ").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    text.push_str(&format!("\n```text\n{usage}\n```\n"));
    let own = |option: &&Arg| !option.is_global_set() && !option.is_hide_set() && !is_help(option);
    let mut arguments = command.get_arguments().filter(own).peekable();
    if arguments.peek().is_some() {
        text.push('\n');
    }
    for option in arguments {
        text.push_str(&argument(option));
    }
    if let Some(more) = command.get_after_long_help().or(command.get_after_help()) {
        let more = more.to_string();
        let examples = more.trim().trim_start_matches("Examples:").trim_matches('\n');
        let lines = examples.lines().map(|line| line.strip_prefix("  ").unwrap_or(line));
        text.push_str(&format!("\n```text\n{}\n```\n", lines.collect::<Vec<_>>().join("\n")));
    }
    for command in visible(command) {
        section(text, command, level + 1);
    }
}

fn is_help(option: &Arg) -> bool {
    matches!(option.get_id().as_str(), "help" | "version")
}

/// One argument as an item of a list.
fn argument(of: &Arg) -> String {
    let help = of.get_long_help().or(of.get_help()).map(ToString::to_string).unwrap_or_default();
    let help = help.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut notes = Vec::new();
    if of.is_required_set() {
        notes.push("required".to_owned());
    }
    if of.get_action().takes_values() && !of.is_hide_possible_values_set() {
        let possible: Vec<String> = of
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| match value.get_help() {
                Some(help) => format!("`{}` ({help})", value.get_name()),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        if !possible.is_empty() {
            notes.push(format!("one of {}", possible.join(", ")));
        }
    }
    if of.get_action().takes_values() && !of.is_hide_default_value_set() {
        let defaults: Vec<_> = of.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !defaults.is_empty() {
            notes.push(format!("default `{}`", defaults.join(",")));
        }
    }
    if let Some(variable) = of.get_env().filter(|_| !of.is_hide_env_set()) {
        notes.push(format!("or the variable `{}`", variable.to_string_lossy()));
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    let short = of.get_short().filter(|_| of.get_long().is_some()).map(|letter| format!("-{letter}, "));
    format!("- `{}{of}`: {}{notes}\n", short.unwrap_or_default(), escaped(&help))
}

/// Angle brackets outside of code would be taken as tags, and stars as emphasis.
fn escaped(text: &str) -> String {
    text.replace('<', "\\<").replace('*', "\\*")
}

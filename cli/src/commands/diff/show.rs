//! Differences on stdout: unified, coloured and paged on a terminal, or through a program of the user's.

use std::io::IsTerminal;
use std::process::Stdio;

use anyhow::{Context, bail};
use similar::TextDiff;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::Difference;
use crate::output;

const EXTERNAL: &str = "MAAS_EXTERNAL_DIFF";

/// Shows the differences; whether there are any, in the eyes of who looked.
pub(super) async fn show(differences: &[Difference]) -> anyhow::Result<bool> {
    if differences.is_empty() {
        return Ok(false);
    }
    if let Some(program) = std::env::var(EXTERNAL).ok().filter(|program| !program.trim().is_empty()) {
        return external(&program, differences).await;
    }
    let color = output::color::stdout();
    let text: String = differences.iter().map(|difference| unified(difference, color)).collect();
    match pager().filter(|_| std::io::stdout().is_terminal()) {
        Some(pager) => paged(&pager, &text).await?,
        None => output::data(&text)?,
    }
    Ok(true)
}

/// As `diff -u -N` prints it.
fn unified(difference: &Difference, color: bool) -> String {
    let file = difference.file();
    let diff = TextDiff::from_lines(difference.live.as_str(), difference.merged.as_str());
    let text =
        diff.unified_diff().context_radius(3).header(&format!("LIVE/{file}"), &format!("MERGED/{file}")).to_string();
    if !color {
        return text;
    }
    let painted = |line: &str| {
        let style = match line {
            _ if line.starts_with("---") || line.starts_with("+++") => "1",
            _ if line.starts_with("@@") => "36",
            _ if line.starts_with('+') => "32",
            _ if line.starts_with('-') => "31",
            _ => return format!("{line}\n"),
        };
        format!("\u{1b}[{style}m{line}\u{1b}[0m\n")
    };
    text.lines().map(painted).collect()
}

/// MAAS_PAGER, else PAGER, else less; none where it is empty or `cat`.
fn pager() -> Option<String> {
    let named = |name: &str| std::env::var(name).ok();
    let pager = named("MAAS_PAGER").or_else(|| named("PAGER")).unwrap_or_else(|| "less".to_owned());
    Some(pager).filter(|pager| !pager.trim().is_empty() && pager.trim() != "cat")
}

/// Without a pager that works, the text is printed as it is. One that is left before the end is no failure.
async fn paged(pager: &str, text: &str) -> anyhow::Result<()> {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(pager).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Colours as they are, no page where one screen is enough.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return output::data(text) };
    if let Some(mut stdin) = child.stdin.take() {
        let _left_early = stdin.write_all(text.as_bytes()).await;
    }
    let ended = child.wait().await.with_context(|| format!("the pager {pager:?}"))?;
    // The shell's words for a program that is not there, or is none.
    if matches!(ended.code(), Some(126 | 127)) { output::data(text) } else { Ok(()) }
}

/// Gives two directories, with a file for each object, to a program; its exit code says whether they differ.
async fn external(program: &str, differences: &[Difference]) -> anyhow::Result<bool> {
    let mut words = program.split_whitespace();
    let name = words.next().unwrap_or_default();
    let unwritten = "cannot write a temporary file";
    let live = directory("LIVE-", differences, |one| &one.live).context(unwritten)?;
    let merged = directory("MERGED-", differences, |one| &one.merged).context(unwritten)?;
    let ended = Command::new(name).args(words).arg(live.path()).arg(merged.path()).status().await;
    let next = format!("set {EXTERNAL} to a program that works here, or unset it");
    match ended.with_context(|| format!("{EXTERNAL}: {name} could not be started: {next}"))?.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        code => bail!(
            "{EXTERNAL}: {program} failed with {}: {next}",
            code.map_or("a signal".to_owned(), |code| code.to_string())
        ),
    }
}

/// A directory with this text of each object; where it has none, no file.
fn directory(
    prefix: &str,
    differences: &[Difference],
    text: fn(&Difference) -> &String,
) -> std::io::Result<tempfile::TempDir> {
    let directory = tempfile::Builder::new().prefix(prefix).tempdir()?;
    for difference in differences.iter().filter(|difference| !text(difference).is_empty()) {
        std::fs::write(directory.path().join(difference.file()), text(difference))?;
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_coloured_by_what_becomes_of_them() {
        let of = |live: &str, merged: &str| Difference {
            namespace: "soc".parse().unwrap(),
            name: "dga".parse().unwrap(),
            live: live.to_owned(),
            merged: merged.to_owned(),
        };
        let plain = "--- LIVE/maas.v1.ModelDeployment.soc.dga\n+++ MERGED/maas.v1.ModelDeployment.soc.dga\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n";
        assert_eq!(unified(&of("a\nb\n", "a\nc\n"), false), plain);
        let colored = unified(&of("a\nb\n", "a\nc\n"), true);
        assert!(
            colored.contains("\u{1b}[31m-b\u{1b}[0m\n\u{1b}[32m+c\u{1b}[0m\n") && colored.contains("\n a\n"),
            "{colored:?}"
        );
    }
}

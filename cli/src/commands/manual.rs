//! `manual`: the manual's pages, for who builds or packages maas.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::args::{Line, Manual};
use crate::manual::markdown;
use crate::output;

/// Writes what was asked for.
pub(crate) fn manual(asked: Manual) -> anyhow::Result<ExitCode> {
    match asked {
        Manual::Markdown => output::data(&markdown(Line::command()))?,
        Manual::Man { directory } => man_pages(&directory).with_context(|| format!("cannot write to {directory:?}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn man_pages(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Line::command(), directory)
}

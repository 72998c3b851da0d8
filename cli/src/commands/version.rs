//! `version`: this program's, and the living operator's.

use std::process::ExitCode;

use anyhow::Context;
use maas_store::{LeaderRecord, Node};

use super::connection::open;
use crate::args::{Global, Version};
use crate::output;
use crate::settings::{Settings, SettingsError};

/// Prints this program's version at once, and the operator's when there is a tree to look it up in.
pub(crate) fn version(global: &Global, args: &Version) -> anyhow::Result<ExitCode> {
    output::data(&format!("Client Version: v{}\n", env!("CARGO_PKG_VERSION")))?;
    if args.client {
        return Ok(ExitCode::SUCCESS);
    }
    let settings = match Settings::resolve(global) {
        Ok(settings) => settings,
        // Whoever has named no cluster asks for none.
        Err(error) if matches!(error.downcast_ref(), Some(SettingsError::NoQuorum)) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(error),
    };
    super::block_on(async {
        let store = open(&settings).await.context("the operator's version is not known")?;
        let path = store.path(&Node::Leader);
        match store.get(&path).await? {
            Some((data, _)) => {
                let operator = LeaderRecord::decode(&path, &data)?.version;
                output::data(&format!("Operator Version: v{operator}\n"))?;
                if operator != env!("CARGO_PKG_VERSION") {
                    output::note(
                        "warning: the operator is of another version: `maasctl service stop` and `maasctl service start` bring it to this one; models serve on after it is back",
                    );
                }
            }
            None => output::note("no operator is running: `maasctl service start` starts one"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

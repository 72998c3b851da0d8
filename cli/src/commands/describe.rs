//! `describe`: all there is to know of a deployment.

use std::process::ExitCode;

use super::NotFound;
use super::connection::{Part, load, open};
use super::wait::names;
use crate::args::Names;
use crate::output::{self, object, rows};
use crate::settings::Settings;

/// One block a name, an empty line between.
pub(crate) async fn describe(settings: &Settings, args: Names) -> anyhow::Result<ExitCode> {
    let names = names(&args.names)?;
    let namespace = settings.namespace();
    let store = open(settings).await?;
    let parts = [Part::Specs, Part::Status, Part::Instances, Part::Endpoints, Part::Events];
    let tree = load(&store, &parts, Some(&namespace)).await?;
    let mut blocks = Vec::new();
    for name in &names {
        let deployment = tree.deployment(&namespace, name).ok_or_else(|| NotFound(name.to_string()))?;
        let instances: Vec<_> =
            tree.instances(Some(&namespace)).into_iter().filter(|instance| instance.name == *name).collect();
        let events = rows::happened(&tree, Some(&namespace), &[name.to_string()]);
        blocks.push(object::describe(&deployment, &instances, &events, output::now_ms()));
    }
    output::data(&blocks.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

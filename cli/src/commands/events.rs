//! `events`: what happened, the oldest first.

use std::process::ExitCode;

use anyhow::bail;

use super::connection::open;
use super::get::{Look, missing, print, read};
use super::watch_rows::watch;
use crate::args::Events;
use crate::output;
use crate::output::format::Format;
use crate::reference::{Kind, Target, pairs};
use crate::resource::{About, Query};
use crate::settings::Settings;

/// `events [NAME...]`, `events --for KIND/NAME`.
pub(crate) async fn events(settings: &Settings, args: Events) -> anyhow::Result<ExitCode> {
    let about = args.about.as_deref().map(about).transpose()?;
    let names = about.as_ref().map_or(args.names, |about| vec![about.deployment.clone()]);
    if !names.is_empty() && args.all_namespaces {
        bail!("one deployment's events cannot be looked for across all namespaces: give -n, or name none");
    }
    let query = Query {
        namespace: (!args.all_namespaces).then(|| settings.namespace()),
        targets: vec![Target { kind: Kind::Event, names }],
        types: args.types,
        about,
        ..Query::default()
    };
    let look =
        Look { format: args.output, headers: !args.no_headers, namespace: args.all_namespaces, ..Look::default() };
    let store = open(settings).await?;
    if args.watch {
        return watch(&store, &query, &look, false).await;
    }
    let found = read(&store, &query).await?;
    if found.is_empty() && matches!(look.format, None | Some(Format::Wide)) {
        output::note(&match &query.namespace {
            Some(namespace) => format!("No events found in {namespace} namespace."),
            None => "No events found.".to_owned(),
        });
        // Nothing is known of what is not there; it may be a name that was mistyped.
        for words in missing(&store, &query, &found).await? {
            output::note(words.lines().last().unwrap_or_default());
        }
        return Ok(ExitCode::SUCCESS);
    }
    output::data(&print(found, &query.targets, &look)?)?;
    Ok(ExitCode::SUCCESS)
}

fn about(text: &str) -> anyhow::Result<About> {
    let targets = pairs(&[text.to_owned()])?;
    let [Target { kind, names }] = targets.as_slice() else { bail!("--for must be in resource/name form") };
    let name = names.first().map(String::as_str).unwrap_or_default();
    match (kind, name.split_once('/')) {
        (Kind::ModelDeployment, None) => Ok(About { deployment: name.to_owned(), instance: None }),
        (Kind::Instance, Some((deployment, instance))) => {
            Ok(About { deployment: deployment.to_owned(), instance: Some(instance.to_owned()) })
        }
        _ => bail!("--for {text}: events are of model/NAME or instance/NAME/INSTANCE"),
    }
}

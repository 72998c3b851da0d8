//! `describe`: all there is to know of deployments or instances.

use std::process::ExitCode;

use anyhow::bail;
use maas_crd::{Name, Namespace};
use maas_store::{Node, Store};

use super::chosen::{declared, queries};
use super::connection::{Part, load_paths, open};
use super::get::deployment_names;
use super::missing::{hint, no_sync, not_found};
use crate::args::Describe;
use crate::output::{self, describe as page, rows};
use crate::reference::{Kind, Target, targets_or_deployments};
use crate::resource::{Query, Resource, Scope};
use crate::settings::Settings;
use crate::tree::Tree;

/// One block each, an empty line between.
pub(crate) async fn describe(settings: &Settings, args: Describe) -> anyhow::Result<ExitCode> {
    let queries = asked(settings, &args)?;
    let named = queries.iter().flat_map(|query| &query.targets).any(|target| !target.names.is_empty());
    let store = open(settings).await?;
    let (mut blocks, mut absent) = (Vec::new(), Vec::new());
    for query in queries {
        look(&store, query, &mut blocks, &mut absent).await?;
    }
    output::data(&blocks.join("\n"))?;
    absent.iter().for_each(|words| output::note(words));
    if !named && blocks.is_empty() {
        output::note(&match args.all_namespaces {
            false => format!("No resources found in {} namespace.", settings.namespace()),
            true => "No resources found".to_owned(),
        });
    }
    Ok(if absent.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is asked for: what files declare, what is named, or what is selected.
fn asked(settings: &Settings, args: &Describe) -> anyhow::Result<Vec<Query>> {
    if !args.files.filename.is_empty() {
        if !args.selector.is_empty() || args.all_namespaces {
            bail!("--filename names deployments itself: leave --selector and --all-namespaces out");
        }
        return Ok(queries(declared(settings, &args.words, &args.files)?));
    }
    let targets = targets_or_deployments(&args.words)?;
    if let Some(other) = targets.iter().find(|target| matches!(target.kind, Kind::Endpoint | Kind::Event)) {
        let plural = other.kind.plural();
        bail!("{plural} are not described: maasctl get {plural} -o yaml shows all there is to know of them");
    }
    let named = targets.iter().any(|target| !target.names.is_empty());
    if named && !args.selector.is_empty() {
        bail!("name cannot be provided when a selector is specified: give one of them");
    }
    if named && args.all_namespaces {
        bail!("a resource cannot be retrieved by name across all namespaces: give -n, or no name");
    }
    let namespace = (!args.all_namespaces).then(|| settings.namespace());
    Ok(vec![Query { namespace, targets, selector: args.selector.clone(), ..Query::default() }])
}

/// Adds the blocks of what a query finds, and what is to be said of what is not there.
async fn look(
    store: &Store,
    mut query: Query,
    blocks: &mut Vec<String>,
    absent: &mut Vec<String>,
) -> anyhow::Result<()> {
    let tree = read(store, query.namespace.as_ref(), &mut query.targets).await?;
    let found = query.find(&tree, Scope::Within(query.namespace.as_ref()));
    blocks.extend(found.iter().filter_map(|found| match &found.resource {
        Resource::Deployment(deployment) => {
            let (namespace, name) = (&deployment.namespace, &deployment.name);
            let instances = tree.instances_of(namespace, name);
            Some(page::deployment(deployment, &instances, &events(&tree, namespace, name), output::now_ms()))
        }
        Resource::Instance(instance) => {
            let mut events = events(&tree, &instance.namespace, &instance.name);
            events.retain(|happened| happened.event.object == instance.iid.to_string());
            Some(page::instance(instance, &events, output::now_ms()))
        }
        Resource::Sync(sync) => Some(page::sync(sync)),
        Resource::Endpoint(_) | Resource::Event(_) => None,
    }));
    let Some(namespace) = &query.namespace else { return Ok(()) };
    for Target { kind, names } in &query.targets {
        for word in names {
            if found.iter().any(|one| one.resource.kind() == *kind && one.resource.is_named(word)) {
                continue;
            }
            if *kind == Kind::Sync {
                absent.push(no_sync(store, namespace, word).await);
                continue;
            }
            let deployment = word.split_once('/').map_or(word.as_str(), |(deployment, _)| deployment);
            let there = deployment.parse().is_ok_and(|name| tree.deployment(namespace, &name).is_some());
            let hint = if there {
                format!("hint: maasctl get instances {deployment} -n {namespace} lists what there is")
            } else {
                hint(store, namespace, deployment).await
            };
            absent.push(format!("{}\n{hint}", not_found(*kind, word)));
        }
    }
    Ok(())
}

fn events(tree: &Tree, namespace: &Namespace, name: &Name) -> Vec<rows::Happened> {
    let ring = tree.events_of(namespace, name).map(|ring| (namespace.clone(), name.clone(), ring));
    rows::happened(ring)
}

/// Reads all of the deployments that are named, or all of all. A name that is none, but with which others begin, becomes
/// those.
async fn read(store: &Store, of: Option<&Namespace>, targets: &mut [Target]) -> anyhow::Result<Tree> {
    const PARTS: [Part; 6] = [Part::Specs, Part::Status, Part::Instances, Part::Endpoints, Part::Events, Part::Syncs];
    let mut paths: Vec<String> = Vec::new();
    match of.filter(|_| targets.iter().all(|target| !target.names.is_empty())) {
        None => paths.extend(PARTS.map(|part| part.path(store, of))),
        Some(namespace) => {
            for target in targets.iter_mut() {
                if target.kind != Kind::Sync {
                    target.names = begun(store, namespace, &target.names).await?;
                }
                for word in &target.names {
                    let deployment = word.split_once('/').map_or(word.as_str(), |(deployment, _)| deployment);
                    let Ok(name) = deployment.parse::<Name>() else { continue };
                    paths.extend(PARTS.map(|part| store.path(&part.node(namespace.clone(), name.clone()))));
                }
            }
        }
    }
    load_paths(store, &paths).await
}

/// Names as they are, or those that begin as one that is not there.
async fn begun(store: &Store, namespace: &Namespace, words: &[String]) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for word in words {
        let exact = match word.parse::<Name>() {
            Ok(name) => {
                let spec = Node::Spec { namespace: namespace.clone(), name };
                store.get(&store.path(&spec)).await?.is_some()
            }
            // DEPLOYMENT/INSTANCE.
            Err(_) => true,
        };
        let others = if exact { Vec::new() } else { deployment_names(store, namespace).await? };
        let others: Vec<String> = others.into_iter().filter(|other| other.starts_with(word)).collect();
        if others.is_empty() { names.push(word.clone()) } else { names.extend(others) }
    }
    Ok(names)
}

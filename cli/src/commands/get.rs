//! `get` and `events`: what stands in the tree, once or as it changes.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use maas_crd::Namespace;
use maas_store::{Change, Mirror, Store, mirror};
use serde_json::Value;

use super::NotFound;
use super::connection::{Part, load, open};
use crate::args::{Events, Format, Get};
use crate::output::rows::{self, Columns};
use crate::output::table::{Table, Widths};
use crate::output::{self, object};
use crate::reference::Kind;
use crate::settings::Settings;
use crate::tree::Tree;

/// Changes that come together are printed together.
const TOGETHER: Duration = Duration::from_millis(20);

/// What is to be listed, and how.
struct Query {
    kind: Kind,
    /// None is every namespace.
    namespace: Option<Namespace>,
    names: Vec<String>,
    output: Option<Format>,
    headers: bool,
}

/// What was found: for each resource its key, its row and its whole.
struct Found {
    keys: Vec<String>,
    table: Table,
    objects: Vec<Value>,
}

/// `get KIND [NAME...]`.
pub(crate) async fn get(settings: &Settings, args: Get) -> anyhow::Result<ExitCode> {
    let mut names = args.names;
    let kind = match args.kind.split_once('/') {
        Some((kind, name)) => {
            names.insert(0, name.to_owned());
            Kind::parse(kind)?
        }
        None => Kind::parse(&args.kind)?,
    };
    let namespace = (!args.all_namespaces).then(|| settings.namespace());
    let query = Query { kind, namespace, names, output: args.output, headers: !args.no_headers };
    let store = open(settings).await?;
    if args.watch { watch(&store, &query).await } else { once(&store, &query).await }
}

/// `events [NAME...]`.
pub(crate) async fn events(settings: &Settings, args: Events) -> anyhow::Result<ExitCode> {
    let namespace = (!args.all_namespaces).then(|| settings.namespace());
    let query = Query { kind: Kind::Event, namespace, names: args.names, output: None, headers: !args.no_headers };
    let store = open(settings).await?;
    if args.watch { watch(&store, &query).await } else { once(&store, &query).await }
}

fn parts(kind: Kind) -> &'static [Part] {
    match kind {
        Kind::ModelDeployment => &[Part::Specs, Part::Status],
        Kind::Instance => &[Part::Instances, Part::Endpoints],
        Kind::Endpoint => &[Part::Endpoints],
        Kind::Event => &[Part::Events],
    }
}

async fn once(store: &Store, query: &Query) -> anyhow::Result<ExitCode> {
    let tree = load(store, parts(query.kind), query.namespace.as_ref()).await?;
    let found = find(&tree, query);
    let missing = missing(&tree, query);
    if found.keys.is_empty() && missing.is_empty() && !matches!(query.output, Some(Format::Json | Format::Yaml)) {
        output::note(&match &query.namespace {
            Some(namespace) => format!("No resources found in {namespace} namespace."),
            None => "No resources found".to_owned(),
        });
        return Ok(ExitCode::SUCCESS);
    }
    if !found.keys.is_empty() || missing.is_empty() {
        let text = match query.output {
            None | Some(Format::Wide) => found.table.render(query.headers),
            Some(Format::Name) => found.keys.iter().map(|key| format!("{}/{key}\n", prefix(query.kind))).collect(),
            Some(Format::Json) => object::json(&object::listed(found.objects, query.names.len() == 1))?,
            Some(Format::Yaml) => object::yaml(&object::listed(found.objects, query.names.len() == 1))?,
        };
        output::data(&text)?;
    }
    for name in &missing {
        output::note(&NotFound(name.clone()).to_string());
    }
    Ok(if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What `-o name` puts before a name.
fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::ModelDeployment => "modeldeployment.maas",
        Kind::Instance => "instance",
        Kind::Endpoint => "endpoint",
        Kind::Event => "event",
    }
}

/// Deployments asked for by name that are not there; parts of one may well be none.
fn missing(tree: &Tree, query: &Query) -> Vec<String> {
    let (Kind::ModelDeployment, Some(namespace)) = (query.kind, &query.namespace) else { return Vec::new() };
    let there = |name: &str| name.parse().is_ok_and(|name| tree.deployment(namespace, &name).is_some());
    query.names.iter().filter(|name| !there(name)).cloned().collect()
}

fn find(tree: &Tree, query: &Query) -> Found {
    let now = output::now_ms();
    let columns = Columns { wide: query.output == Some(Format::Wide), namespace: query.namespace.is_none() };
    let of = query.namespace.as_ref();
    // NAME or NAME/INSTANCE.
    let wanted = |name: &str, key: &str| {
        query.names.is_empty() || query.names.iter().any(|wanted| wanted == name || wanted == key)
    };
    match query.kind {
        Kind::ModelDeployment => {
            let mut all = tree.deployments(of);
            all.retain(|one| wanted(one.name.as_str(), one.name.as_str()));
            Found {
                keys: all.iter().map(|one| one.name.to_string()).collect(),
                table: rows::deployments(&all, columns, now),
                objects: all.iter().map(object::deployment).collect(),
            }
        }
        Kind::Instance => {
            let mut all = tree.instances(of);
            all.retain(|one| wanted(one.name.as_str(), &format!("{}/{}", one.name, one.iid)));
            Found {
                keys: all.iter().map(|one| format!("{}/{}", one.name, one.iid)).collect(),
                table: rows::instances(&all, columns, now),
                objects: all.iter().map(object::instance).collect(),
            }
        }
        Kind::Endpoint => {
            let mut all = tree.endpoints(of);
            all.retain(|one| wanted(one.1.as_str(), &format!("{}/{}", one.1, one.2)));
            Found {
                keys: all.iter().map(|one| format!("{}/{}", one.1, one.2)).collect(),
                table: rows::endpoints(&all, columns, now),
                objects: all.iter().map(object::endpoint).collect(),
            }
        }
        Kind::Event => {
            let all = rows::happened(tree, of, &query.names);
            let key = |one: &rows::Happened| {
                format!("{} {} {} {}", one.name, one.event.object, one.event.reason, one.event.message)
            };
            Found {
                keys: all.iter().map(key).collect(),
                table: rows::events(&all, columns, now),
                objects: all.iter().map(object::event).collect(),
            }
        }
    }
}

/// Prints everything, then whatever differs from what was printed, until the reader goes away. A resource that is
/// gone is not printed again.
async fn watch(store: &Store, query: &Query) -> anyhow::Result<ExitCode> {
    let namespace = query.namespace.as_ref();
    let mut changes = mirror(store, parts(query.kind).iter().map(|part| part.path(store, namespace)).collect());
    let mut tree = Tree::new(store.root().clone());
    let mut printed: BTreeMap<String, Value> = BTreeMap::new();
    let (mut widths, mut headers, mut whole) = (Widths::default(), query.headers, false);
    loop {
        let listed = take(&mut changes, &mut tree).await;
        whole |= listed;
        if !whole {
            continue;
        }
        let Found { keys, mut table, objects } = find(&tree, query);
        // Two namespaces may hold one name.
        let keys: Vec<String> = keys
            .into_iter()
            .zip(&objects)
            .map(|(key, object)| format!("{} {key}", object.pointer("/metadata/namespace").unwrap_or(&Value::Null)))
            .collect();
        let fresh: Vec<bool> =
            keys.iter().zip(&objects).map(|(key, object)| printed.get(key) != Some(object)).collect();
        let is_fresh = |number: usize| fresh.get(number).copied().unwrap_or_default();
        let mut text = String::new();
        match query.output {
            None | Some(Format::Wide) => {
                table.retain(is_fresh);
                if !table.is_empty() {
                    text = table.render_aligned(headers, &mut widths);
                    headers = false;
                }
            }
            Some(format) => {
                for (object, key) in
                    objects.iter().zip(&keys).enumerate().filter(|(number, _)| is_fresh(*number)).map(|(_, pair)| pair)
                {
                    text.push_str(&match format {
                        Format::Json => object::json(object)?,
                        Format::Yaml => format!("---\n{}", object::yaml(object)?),
                        Format::Name | Format::Wide => {
                            format!("{}/{}\n", prefix(query.kind), key.split_once(' ').map_or("", |(_, name)| name))
                        }
                    });
                }
            }
        }
        if !text.is_empty() {
            output::data(&text)?;
        }
        printed = keys.into_iter().zip(objects).collect();
    }
}

/// Takes the next change in, and those that come right after it. Whether a list became whole.
async fn take(changes: &mut Mirror, tree: &mut Tree) -> bool {
    let mut listed = fold(changes.next().await, tree);
    let until = tokio::time::Instant::now() + TOGETHER;
    while let Ok(change) = tokio::time::timeout_at(until, changes.next()).await {
        listed |= fold(change, tree);
    }
    listed
}

fn fold(change: Change, tree: &mut Tree) -> bool {
    match change {
        Change::Put { path, data, stat } => drop(tree.put(&path, data, stat)),
        Change::Gone { path } => drop(tree.remove(&path)),
        Change::Lost => output::note("note: the connection to ZooKeeper is lost; trying to get it back"),
        Change::Listed => return true,
        Change::Session { .. } | Change::Listing => {}
    }
    false
}

//! `get`: what stands in the tree, once or as it changes.

use std::process::ExitCode;

use anyhow::{Context, bail};
use maas_crd::{Name, Namespace};
use maas_store::{Node, Store, get_spec};
use serde_json::Value;

use super::chosen::{declared, queries};
use super::connection::{Part, load_paths, open};
use super::missing::{hint, no_sync, not_found};
use super::watch_rows::watch;
use crate::args::Get;
use crate::jsonpath::{self, Path};
use crate::output::format::Format;
use crate::output::order::place;
use crate::output::rows;
use crate::output::table::Table;
use crate::output::{self, object};
use crate::reference::{Kind, Target, targets};
use crate::resource::{Found, Query, Scope};
use crate::settings::Settings;

/// How what is found is printed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    pub(crate) format: Option<Format>,
    pub(crate) headers: bool,
    /// A column of all labels.
    pub(crate) labels: bool,
    /// A column for each of these labels.
    pub(crate) label_columns: Vec<String>,
    pub(crate) sort_by: Option<Path>,
    /// What the table's rows say they are: ADDED, MODIFIED, DELETED.
    pub(crate) events: bool,
    /// The namespace first.
    pub(crate) namespace: bool,
}

/// `get KIND [NAME...]`.
pub(crate) async fn get(settings: &Settings, args: Get) -> anyhow::Result<ExitCode> {
    let queries = asked(settings, &args)?;
    let watched = args.watch || args.watch_only;
    let named = queries.iter().flat_map(|query| &query.targets).any(|target| !target.names.is_empty());
    if args.output_watch_events && !watched {
        bail!("--output-watch-events option can only be used with --watch or --watch-only");
    }
    if watched && args.sort_by.is_some() {
        output::note("warning: --watch requested, --sort-by will be ignored");
    }
    let look = Look {
        format: args.output,
        headers: !args.no_headers,
        labels: args.show_labels,
        label_columns: args.label_columns,
        sort_by: args.sort_by,
        events: args.output_watch_events,
        // Files may declare one name in several.
        namespace: args.all_namespaces || queries.len() > 1,
    };
    let store = open(settings).await?;
    if watched {
        return match queries.as_slice() {
            [query] if query.targets.len() == 1 => watch(&store, query, &look, args.watch_only).await,
            [_] => bail!("you may only specify a single resource type with --watch"),
            _ => bail!("the files declare deployments of several namespaces: watch one at a time, or all with -A"),
        };
    }
    let (mut found, mut said) = (Vec::new(), Vec::new());
    for query in &queries {
        let of_query = read(&store, query).await?;
        if !args.ignore_not_found {
            said.extend(missing(&store, query, &of_query).await?);
        }
        found.extend(of_query);
    }
    let targets = whole(&queries);
    let tabled = matches!(look.format, None | Some(Format::Wide));
    if found.is_empty() && tabled {
        if said.is_empty() && !(args.ignore_not_found && named) {
            output::note(&match args.all_namespaces {
                false => format!("No resources found in {} namespace.", settings.namespace()),
                true => "No resources found".to_owned(),
            });
        }
    } else if !found.is_empty() || !named {
        output::data(&print(found, &targets, &look)?)?;
    }
    for words in &said {
        output::note(words);
    }
    Ok(if said.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is asked for: what files declare, what is named, or what is selected.
fn asked(settings: &Settings, args: &Get) -> anyhow::Result<Vec<Query>> {
    let selected = !(args.selector.is_empty() && args.field_selector.is_empty());
    if !args.files.filename.is_empty() {
        if selected || args.all_namespaces {
            bail!("--filename names deployments itself: leave selectors and --all-namespaces out");
        }
        let labels_shown = args.show_labels || !args.label_columns.is_empty();
        let queries = queries(declared(settings, &args.words, &args.files)?);
        return Ok(queries.into_iter().map(|query| Query { labels_shown, ..query }).collect());
    }
    let targets = targets(&args.words)?;
    let named = targets.iter().any(|target| !target.names.is_empty());
    if named && selected {
        bail!("name cannot be provided when a selector is specified: give one of them");
    }
    if named && args.all_namespaces {
        bail!("a resource cannot be retrieved by name across all namespaces: give -n, or no name");
    }
    Ok(vec![Query {
        namespace: (!args.all_namespaces).then(|| settings.namespace()),
        targets,
        selector: args.selector.clone(),
        fields: args.field_selector.clone(),
        labels_shown: args.show_labels || !args.label_columns.is_empty(),
        ..Query::default()
    }])
}

/// The targets of all queries, as one list is printed of them.
fn whole(queries: &[Query]) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for target in queries.iter().flat_map(|query| &query.targets) {
        match targets.iter_mut().find(|known| known.kind == target.kind) {
            Some(known) => known.names.extend(target.names.iter().cloned()),
            None => targets.push(target.clone()),
        }
    }
    targets
}

/// The parts of the tree that a query needs.
fn parts(query: &Query) -> Vec<Part> {
    let mut parts = Vec::new();
    for target in &query.targets {
        let own: &[Part] = match target.kind {
            Kind::ModelDeployment => &[Part::Specs, Part::Status],
            Kind::Instance => &[Part::Instances, Part::Endpoints],
            Kind::Endpoint => &[Part::Endpoints],
            Kind::Event => &[Part::Events],
            Kind::Sync => &[Part::Syncs],
        };
        parts.extend(own.iter().filter(|part| !parts.contains(*part)).copied().collect::<Vec<_>>());
    }
    if query.needs_labels() && !parts.contains(&Part::Specs) {
        parts.push(Part::Specs);
    }
    parts
}

/// The paths at and below which everything is that a query needs.
pub(crate) fn paths(store: &Store, query: &Query) -> Vec<String> {
    let names: Option<Vec<Name>> = query.targets.iter().try_fold(Vec::new(), |mut names, target| {
        // What cannot be a name is not there.
        let of_target = target.names.iter().filter_map(|word| deployment_part(word).parse().ok());
        names.extend(of_target);
        (!target.names.is_empty()).then_some(names)
    });
    let (Some(names), Some(namespace)) = (names, &query.namespace) else {
        return parts(query).into_iter().map(|part| part.path(store, query.namespace.as_ref())).collect();
    };
    let mut paths: Vec<String> = Vec::new();
    for name in names {
        for part in parts(query) {
            let path = store.path(&part.node(namespace.clone(), name.clone()));
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    paths
}

/// `dga-1.0` of `dga-1.0/3-17`.
fn deployment_part(word: &str) -> &str {
    word.split_once('/').map_or(word, |(deployment, _)| deployment)
}

/// Reads what a query needs, all of it at once, and finds what it looks for.
pub(crate) async fn read(store: &Store, query: &Query) -> anyhow::Result<Vec<Found>> {
    let paths = paths(store, query);
    let tree = load_paths(store, &paths).await?;
    Ok(query.find(&tree, Scope::Within(query.namespace.as_ref())))
}

/// What was asked for by name and is not there, in kubectl's words, each with what to do next. A deployment that is
/// there may well have no instances, endpoints or events.
pub(crate) async fn missing(store: &Store, query: &Query, found: &[Found]) -> anyhow::Result<Vec<String>> {
    let Some(namespace) = &query.namespace else { return Ok(Vec::new()) };
    let mut said = Vec::new();
    for Target { kind, names } in &query.targets {
        for word in names {
            if found.iter().any(|one| one.resource.kind() == *kind && one.resource.is_named(word)) {
                continue;
            }
            if *kind == Kind::Sync {
                said.push(no_sync(store, namespace, word).await);
                continue;
            }
            let deployment = deployment_part(word);
            let there = match (*kind != Kind::ModelDeployment, deployment.parse()) {
                (true, Ok(name)) => get_spec(store, namespace, &name).await?.is_some(),
                _ => false,
            };
            if there && deployment == word {
                continue;
            }
            let kind = if deployment == word { Kind::ModelDeployment } else { *kind };
            let hint = if there {
                format!("hint: maasctl get {} {deployment} -n {namespace} lists what there is", kind.plural())
            } else {
                hint(store, namespace, deployment).await
            };
            let words = format!("{}\n{hint}", not_found(kind, word));
            if !said.contains(&words) {
                said.push(words);
            }
        }
    }
    Ok(said)
}

/// Everything that was found, in the form that was asked for.
pub(crate) fn print(mut found: Vec<Found>, targets: &[Target], look: &Look) -> anyhow::Result<String> {
    if let Some(path) = &look.sort_by {
        found = sorted(found, path)?;
    }
    // By its own name, not by its deployment's, which names any number.
    let named = |one: &Found| targets.iter().all(|target| target.names == [one.resource.name()]);
    let alone = targets.len() == 1 && found.iter().all(named);
    let whole = |found: &[Found]| object::listed(found.iter().map(|one| one.resource.object()).collect(), alone);
    Ok(match &look.format {
        None | Some(Format::Wide) => tables(&found, targets, look),
        Some(Format::Name) => found.iter().map(|one| format!("{}\n", one.resource.reference())).collect(),
        Some(Format::Json) => object::json(&whole(&found))?,
        Some(Format::Yaml) => object::yaml(&whole(&found))?,
        Some(Format::JsonPath(template)) => template.render(&whole(&found)).context("error executing jsonpath")?,
        Some(Format::JsonPathAsJson(template)) => {
            let whole = whole(&found);
            let values = template.values(&whole).context("error executing jsonpath")?;
            object::json(&Value::Array(values.into_iter().cloned().collect()))?
        }
        Some(Format::Columns(columns)) => {
            let mut table = Table::new(columns.iter().map(|column| column.header.clone()));
            for one in &found {
                table.push(custom_row(&one.resource.object(), columns)?);
            }
            table.render(look.headers)
        }
    })
}

/// The cells of columns of one's own.
pub(crate) fn custom_row(object: &Value, columns: &[output::format::Column]) -> anyhow::Result<Vec<String>> {
    let cell = |column: &output::format::Column| {
        let values = column.path.values(object).with_context(|| format!("column {}", column.header))?;
        let values: Vec<String> = values.into_iter().filter(|value| !value.is_null()).map(jsonpath::text).collect();
        Ok(if values.is_empty() { "<none>".to_owned() } else { values.join(",") })
    };
    columns.iter().map(cell).collect()
}

fn sorted(found: Vec<Found>, path: &Path) -> anyhow::Result<Vec<Found>> {
    let mut placed = Vec::with_capacity(found.len());
    let mut any = found.is_empty();
    for one in found {
        let object = one.resource.object();
        let values = path.values(&object).context("--sort-by")?;
        any |= !values.is_empty();
        placed.push((place(values.first().copied()), one));
    }
    if !any {
        bail!("--sort-by: couldn't find any field with that path in the list of objects; -o json shows the fields");
    }
    placed.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(placed.into_iter().map(|(_, one)| one).collect())
}

/// One table a kind, an empty line between.
fn tables(found: &[Found], targets: &[Target], look: &Look) -> String {
    let several = targets.len() > 1;
    let now = output::now_ms();
    let mut tables = Vec::new();
    for target in targets {
        let mut table = Table::new(header(target.kind, look));
        for one in found.iter().filter(|one| one.resource.kind() == target.kind) {
            table.push(row(one, look, several, None, now));
        }
        if !table.is_empty() {
            tables.push(table.render(look.headers));
        }
    }
    tables.join("\n")
}

/// The columns of a kind's table.
pub(crate) fn header(kind: Kind, look: &Look) -> Vec<String> {
    let wide = look.format == Some(Format::Wide);
    let mut header = Vec::new();
    header.extend(look.events.then_some("EVENT").map(str::to_owned));
    header.extend(look.namespace.then_some("NAMESPACE").map(str::to_owned));
    header.extend(rows::header(kind, wide).into_iter().map(str::to_owned));
    let bare = |key: &String| key.rsplit_once('/').map_or(key.as_str(), |(_, name)| name).to_uppercase();
    header.extend(look.label_columns.iter().map(bare));
    header.extend(look.labels.then_some("LABELS").map(str::to_owned));
    header
}

/// The cells of a table's row. `prefixed` puts its kind before its name; `event` says what became of it.
pub(crate) fn row(one: &Found, look: &Look, prefixed: bool, event: Option<&str>, now_ms: i64) -> Vec<String> {
    let wide = look.format == Some(Format::Wide);
    let mut cells = one.resource.row(wide, now_ms);
    if let (true, Some(name)) = (prefixed && one.resource.kind() != Kind::Event, cells.first_mut()) {
        *name = one.resource.reference();
    }
    let mut row = Vec::new();
    row.extend(look.events.then(|| event.unwrap_or_default().to_owned()));
    row.extend(look.namespace.then(|| one.resource.namespace().to_string()));
    row.extend(cells);
    row.extend(look.label_columns.iter().map(|key| one.labels.get(key).cloned().unwrap_or_default()));
    row.extend(look.labels.then(|| {
        let pairs: Vec<String> = one.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
    }));
    row
}

/// The names of every deployment of a namespace.
pub(crate) async fn deployment_names(store: &Store, namespace: &Namespace) -> anyhow::Result<Vec<String>> {
    let folder = store.path(&Node::Folder(format!("specs/{}/{namespace}", maas_crd::KIND)));
    Ok(store.children(&folder).await?.unwrap_or_default())
}

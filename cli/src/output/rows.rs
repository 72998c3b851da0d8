//! Tables of what stands in the tree.

use maas_crd::{Name, Namespace};
use maas_store::{Event, EventKind, Phase};

use super::age::{age, human};
use super::table::Table;
use crate::tree::{Deployment, Instance, Tree};

/// Which columns to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    /// More of them.
    pub(crate) wide: bool,
    /// The namespace first.
    pub(crate) namespace: bool,
}

impl Columns {
    fn table(self, base: &[&'static str], wide: &[&'static str]) -> Table {
        let first = self.namespace.then_some("NAMESPACE");
        let more = if self.wide { wide } else { &[] };
        Table::new(first.into_iter().chain(base.iter().copied()).chain(more.iter().copied()).collect())
    }

    fn row(self, namespace: &Namespace, base: Vec<String>, wide: Vec<String>) -> Vec<String> {
        let first = self.namespace.then(|| namespace.to_string());
        let more = if self.wide { wide } else { Vec::new() };
        first.into_iter().chain(base).chain(more).collect()
    }
}

const NONE: &str = "<none>";

/// NAME READY UP-TO-DATE AVAILABLE AGE.
pub(crate) fn deployments(rows: &[Deployment], columns: Columns, now_ms: i64) -> Table {
    let mut table = columns
        .table(&["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"], &["MODEL", "VERSION", "REVISION", "PAYLOAD"]);
    for row in rows {
        let status = row.status.clone().unwrap_or_default();
        let wanted = row.replicas().map_or_else(|| "?".to_owned(), |wanted| wanted.to_string());
        let base = vec![
            row.name.to_string(),
            format!("{}/{wanted}", status.ready_replicas),
            status.updated_replicas.to_string(),
            status.available_replicas.to_string(),
            age(row.stat.ctime_ms, now_ms),
        ];
        let revision = status.update_revision.map_or_else(|| NONE.to_owned(), |number| number.to_string());
        let wide = match &row.spec {
            Ok(manifest) => {
                let template = &manifest.resource.spec.template;
                vec![
                    template.model.name.to_string(),
                    template.model.version.to_string(),
                    revision,
                    template.payload.path.clone(),
                ]
            }
            Err(_) => vec!["<invalid>".to_owned(), "<invalid>".to_owned(), revision, "<invalid>".to_owned()],
        };
        table.push(columns.row(&row.namespace, base, wide));
    }
    table
}

/// NAME READY STATUS RESTARTS AGE.
pub(crate) fn instances(rows: &[Instance], columns: Columns, now_ms: i64) -> Table {
    let mut table =
        columns.table(&["NAME", "READY", "STATUS", "RESTARTS", "AGE"], &["NODE", "CONTAINER", "URL", "LACKS"]);
    for row in rows {
        let base = vec![
            format!("{}/{}", row.name, row.iid),
            if row.endpoint.is_some() { "1/1" } else { "0/1" }.to_owned(),
            state(row).to_owned(),
            restarts(row, now_ms),
            age(row.stat.ctime_ms, now_ms),
        ];
        let of_runner =
            |field: fn(&maas_store::RunnerReport) -> &str| row.runner.as_ref().map_or(NONE, field).to_owned();
        let wide = vec![
            of_runner(|runner| &runner.node),
            of_runner(|runner| &runner.container),
            row.endpoint.as_ref().map_or(NONE, |endpoint| &endpoint.url).to_owned(),
            lacks(row).map_or(NONE, |lacks| &lacks.reason).to_owned(),
        ];
        table.push(columns.row(&row.namespace, base, wide));
    }
    table
}

/// What an instance lacks to be ready, as far as its runner tells.
pub(crate) fn lacks(instance: &Instance) -> Option<&maas_store::Waiting> {
    instance.runner.as_ref()?.waiting.as_ref()
}

/// An instance's state in one word.
pub(crate) fn state(instance: &Instance) -> &'static str {
    let stopping =
        instance.record.as_ref().is_some_and(|record| record.stopping.is_some()) || instance.stat.version > 0;
    let first = instance.runner.as_ref().is_some_and(|runner| runner.restarts == 0);
    match (stopping, instance.runner.as_ref().map(|runner| runner.phase)) {
        (true, _) | (false, Some(Phase::Stopping)) => "Terminating",
        (false, None) => "Pending",
        (false, Some(Phase::Starting)) => "Starting",
        (false, Some(Phase::Ready)) => "Running",
        (false, Some(Phase::Unready)) => "Unready",
        // It is restarted at once.
        (false, Some(Phase::BackingOff)) if first => "Restarting",
        (false, Some(Phase::BackingOff)) => "CrashLoopBackOff",
    }
}

fn restarts(instance: &Instance, now_ms: i64) -> String {
    match &instance.runner {
        Some(runner) => match &runner.last_exit {
            Some(exit) if runner.restarts > 0 => format!("{} ({} ago)", runner.restarts, age(exit.at_ms, now_ms)),
            _ => runner.restarts.to_string(),
        },
        None => "0".to_owned(),
    }
}

/// NAME MODEL VERSION URL AGE.
pub(crate) fn endpoints(
    rows: &[(Namespace, Name, maas_crd::Iid, maas_store::Endpoint)],
    columns: Columns,
    now_ms: i64,
) -> Table {
    let mut table = columns.table(&["NAME", "MODEL", "VERSION", "URL", "AGE"], &["FUNCTIONS", "REVISION", "CONTAINER"]);
    for (namespace, name, iid, endpoint) in rows {
        let functions: Vec<String> = endpoint.functions.iter().map(|(alias, path)| format!("{alias}={path}")).collect();
        let base = vec![
            format!("{name}/{iid}"),
            endpoint.model.clone(),
            endpoint.version.clone(),
            endpoint.url.clone(),
            age(endpoint.since_ms, now_ms),
        ];
        let wide = vec![functions.join(","), endpoint.revision.to_string(), endpoint.container.clone()];
        table.push(columns.row(namespace, base, wide));
    }
    table
}

/// One event and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happened {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
    pub(crate) event: Event,
}

/// The events of some deployments, the oldest first.
pub(crate) fn happened(tree: &Tree, of: Option<&Namespace>, names: &[String]) -> Vec<Happened> {
    let mut all: Vec<Happened> = tree
        .events(of)
        .into_iter()
        .filter(|(_, name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name.as_str()))
        .flat_map(|(namespace, name, ring)| {
            ring.0.into_iter().map(move |event| Happened { namespace: namespace.clone(), name: name.clone(), event })
        })
        .collect();
    all.sort_by_key(|happened| happened.event.last_ms);
    all
}

/// LAST SEEN TYPE REASON OBJECT MESSAGE.
pub(crate) fn events(rows: &[Happened], columns: Columns, now_ms: i64) -> Table {
    let mut table = columns.table(&["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], &[]);
    for Happened { namespace, name, event } in rows {
        let object = match event.object.as_str() {
            "" => format!("modeldeployment/{name}"),
            iid => format!("instance/{name}/{iid}"),
        };
        let base =
            vec![seen(event, now_ms), kind(event).to_owned(), event.reason.clone(), object, event.message.clone()];
        table.push(columns.row(namespace, base, Vec::new()));
    }
    table
}

/// `2m`, or `2m (x5 over 10m)` when it happened more than once.
pub(crate) fn seen(event: &Event, now_ms: i64) -> String {
    let last = age(event.last_ms, now_ms);
    if event.count < 2 {
        return last;
    }
    let over = now_ms.saturating_sub(event.first_ms).max(0).unsigned_abs() / 1000;
    format!("{last} (x{} over {})", event.count, human(over))
}

/// Normal or Warning.
pub(crate) fn kind(event: &Event) -> &'static str {
    match event.kind {
        EventKind::Normal => "Normal",
        EventKind::Warning => "Warning",
    }
}

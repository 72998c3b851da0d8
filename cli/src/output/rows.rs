//! Rows of what stands in the tree.

use maas_crd::{Iid, Name, Namespace};
use maas_store::{Endpoint, Event, EventKind, EventRing, Phase};
use sha2::{Digest, Sha256};

use super::age::{age, human};
use crate::reference::Kind;
use crate::tree::{Deployment, Instance};

const NONE: &str = "<none>";

/// The columns of a kind's table.
pub(crate) fn header(kind: Kind, wide: bool) -> Vec<&'static str> {
    let (base, more): (&[_], &[_]) = match kind {
        Kind::ModelDeployment => {
            (&["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"], &["MODEL", "VERSION", "REVISION", "PAYLOAD"])
        }
        Kind::Instance => (&["NAME", "READY", "STATUS", "RESTARTS", "AGE"], &["NODE", "CONTAINER", "URL", "LACKS"]),
        Kind::Endpoint => (&["NAME", "MODEL", "VERSION", "URL", "AGE"], &["FUNCTIONS", "REVISION", "CONTAINER"]),
        Kind::Sync => (&super::sync::COLUMNS, &super::sync::MORE_COLUMNS),
        Kind::Event => (&["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], &["FIRST SEEN", "COUNT"]),
    };
    base.iter().chain(if wide { more } else { &[] }).copied().collect()
}

/// A deployment's cells, those of the wide table too.
pub(crate) fn deployment(row: &Deployment, now_ms: i64) -> Vec<String> {
    let status = row.status.clone().unwrap_or_default();
    let wanted = row.replicas().map_or_else(|| "?".to_owned(), |wanted| wanted.to_string());
    let revision = status.update_revision.map_or_else(|| NONE.to_owned(), |number| number.to_string());
    let (model, version, payload) = match &row.spec {
        Ok(manifest) => {
            let template = &manifest.resource.spec.template;
            (template.model.name.to_string(), template.model.version.to_string(), template.payload.path.clone())
        }
        Err(_) => ("<invalid>".to_owned(), "<invalid>".to_owned(), "<invalid>".to_owned()),
    };
    vec![
        row.name.to_string(),
        format!("{}/{wanted}", status.ready_replicas),
        status.updated_replicas.to_string(),
        status.available_replicas.to_string(),
        age(row.stat.ctime_ms, now_ms),
        model,
        version,
        revision,
        payload,
    ]
}

/// An instance's cells, those of the wide table too.
pub(crate) fn instance(row: &Instance, now_ms: i64) -> Vec<String> {
    let of_runner = |field: fn(&maas_store::RunnerReport) -> &str| row.runner.as_ref().map_or(NONE, field).to_owned();
    vec![
        format!("{}/{}", row.name, row.iid),
        if row.endpoint.is_some() { "1/1" } else { "0/1" }.to_owned(),
        state(row).to_owned(),
        restarts(row, now_ms),
        age(row.stat.ctime_ms, now_ms),
        of_runner(|runner| &runner.node),
        of_runner(|runner| &runner.container),
        row.endpoint.as_ref().map_or(NONE, |endpoint| &endpoint.url).to_owned(),
        lacks(row).map_or(NONE, |lacks| &lacks.reason).to_owned(),
    ]
}

/// An endpoint's cells, those of the wide table too.
pub(crate) fn endpoint(name: &Name, iid: Iid, endpoint: &Endpoint, now_ms: i64) -> Vec<String> {
    let functions: Vec<String> = endpoint.functions.iter().map(|(alias, path)| format!("{alias}={path}")).collect();
    vec![
        format!("{name}/{iid}"),
        endpoint.model.clone(),
        endpoint.version.clone(),
        endpoint.url.clone(),
        age(endpoint.since_ms, now_ms),
        functions.join(","),
        endpoint.revision.to_string(),
        endpoint.container.clone(),
    ]
}

/// An event's cells, those of the wide table too.
pub(crate) fn event(happened: &Happened, now_ms: i64) -> Vec<String> {
    let event = &happened.event;
    vec![
        seen(event, now_ms),
        kind(event).to_owned(),
        event.reason.clone(),
        happened.object(),
        event.message.clone(),
        age(event.first_ms, now_ms),
        event.count.to_string(),
    ]
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

/// How often it was started again, and how long ago.
pub(crate) fn restarts(instance: &Instance, now_ms: i64) -> String {
    match &instance.runner {
        Some(runner) => match &runner.last_exit {
            Some(exit) if runner.restarts > 0 => format!("{} ({} ago)", runner.restarts, age(exit.at_ms, now_ms)),
            _ => runner.restarts.to_string(),
        },
        None => "0".to_owned(),
    }
}

/// One event and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happened {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
    pub(crate) event: Event,
}

impl Happened {
    /// The deployment's name, and 16 hex digits that tell its events apart.
    pub(crate) fn unique_name(&self) -> String {
        let Event { object, reason, message, .. } = &self.event;
        let digest = Sha256::digest(format!("{object}\n{reason}\n{message}"));
        let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{}.{digits}", self.name)
    }

    /// Whether it happened to an item of Metron's queue.
    pub(crate) fn is_of_queue(&self) -> bool {
        self.event.object.starts_with(maas_store::QUEUE_PREFIX)
    }

    /// What it happened to: `modeldeployment/NAME`, `instance/NAME/IID`, or `metron-queue/ITEM`.
    pub(crate) fn object(&self) -> String {
        match self.event.object.as_str() {
            "" => format!("{}/{}", Kind::ModelDeployment.info().singular, self.name),
            item if self.is_of_queue() => format!("{}/{item}", self.name),
            iid => format!("{}/{}/{iid}", Kind::Instance.info().singular, self.name),
        }
    }
}

/// The events of some deployments, the oldest first.
pub(crate) fn happened(rings: impl IntoIterator<Item = (Namespace, Name, EventRing)>) -> Vec<Happened> {
    let mut all: Vec<Happened> = rings
        .into_iter()
        .flat_map(|(namespace, name, ring)| {
            ring.0.into_iter().map(move |event| Happened { namespace: namespace.clone(), name: name.clone(), event })
        })
        .collect();
    all.sort_by_key(|happened| happened.event.last_ms);
    all
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

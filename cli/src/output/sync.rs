//! Syncs as `get` and `describe` show them.

use maas_crd::ConditionStatus;
use maas_store::SyncSpec;

use super::age::age;
use super::describe::Page;
use super::object::{rfc1123, timestamp};
use super::table::Table;
use crate::tree::Syncing;

pub(super) const COLUMNS: [&str; 5] = ["NAME", "READY", "STATUS", "REVISION", "AGE"];
pub(super) const MORE_COLUMNS: [&str; 7] = ["SUSPENDED", "OBJECTS", "DRIFT", "SOURCE", "BRANCH", "PATH", "OWNER"];

const NONE: &str = "<none>";
/// Letters of an id that tell it apart for a reader.
const SHORT: usize = 12;

/// A sync's cells, those of the wide table too.
pub(crate) fn row(of: &Syncing, now_ms: i64) -> Vec<String> {
    let owner = of.owner.as_ref().map_or(NONE.to_owned(), |owner| format!("{}/{}", owner.host, owner.pid));
    let Some(record) = &of.record else {
        let mut cells = vec!["<invalid>".to_owned(); COLUMNS.len() + MORE_COLUMNS.len()];
        for (cell, value) in cells.iter_mut().zip([of.name.to_string()]) {
            *cell = value;
        }
        return cells;
    };
    let (spec, status) = (&record.spec, &record.status);
    let ready = status.condition("Ready");
    let message = ready.map_or("no round has come to its end yet", |ready| ready.message.as_str());
    let message = if spec.suspended { format!("Suspended; {message}") } else { message.to_owned() };
    // What is only shown still stands; what was healed is over.
    let drift = status.drift.as_ref().filter(|drift| !drift.healed).map_or(0, |drift| drift.count);
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
    vec![
        of.name.to_string(),
        format!("{:?}", ready.map_or(ConditionStatus::Unknown, |ready| ready.status)),
        message,
        status.last_applied_revision.as_deref().map_or(NONE.to_owned(), short),
        age(of.stat.ctime_ms, now_ms),
        if spec.suspended { "True" } else { "False" }.to_owned(),
        format!("{}/{}", status.inventory.ready, status.inventory.objects),
        drift.to_string(),
        spec.source.clone(),
        or_none(&spec.branch),
        or_none(&spec.path),
        owner,
    ]
}

/// A revision without the most of its id.
fn short(revision: &str) -> String {
    let (before, id) = revision.rsplit_once(':').map_or(("", revision), |(before, id)| (before, id));
    let id: String = id.chars().take(SHORT).collect();
    if before.is_empty() { id } else { format!("{before}:{id}") }
}

/// A sync for people.
pub(crate) fn page(of: &Syncing) -> String {
    let mut page = Page::default();
    page.line("Name", of.name.as_str());
    page.line("Namespace", of.namespace.as_str());
    page.line("CreationTimestamp", &rfc1123(of.stat.ctime_ms));
    let owner = of.owner.as_ref().map_or_else(
        || "<none>: nothing runs it".to_owned(),
        |owner| format!("process {} on {} since {}", owner.pid, owner.host, timestamp(owner.since_ms)),
    );
    page.line("Owner", &owner);
    let Some(record) = &of.record else {
        page.line("Record", "<invalid>");
        return page.0;
    };
    wanted(&mut page, &record.spec);
    let status = &record.status;
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
    page.line("LastAppliedRevision", &or_none(&status.last_applied_revision));
    page.line("LastAttemptedRevision", &or_none(&status.last_attempted_revision));
    page.line("Failures", &status.failures.to_string());
    let counted = status.inventory;
    page.line(
        "Objects",
        &format!(
            "{} declared | {} ready | {} progressing | {} degraded",
            counted.objects, counted.ready, counted.progressing, counted.degraded
        ),
    );
    let drift = status.drift.as_ref().map(|drift| {
        let became = if drift.healed { "changed back" } else { "left so" };
        let names = drift.objects.join(", ");
        format!("{} changed by others, {became}, {}: {names}", drift.count, timestamp(drift.seen_at))
    });
    page.lines("Drift", drift);
    let mut table = Table::new(["Type", "Status", "Reason", "Message"]);
    for condition in &status.conditions {
        let status = format!("{:?}", condition.status);
        table.push(vec![condition.type_.clone(), status, condition.reason.clone(), condition.message.clone()]);
    }
    page.table("Conditions", &table);
    let more = (status.fault_count as usize).saturating_sub(status.faults.len());
    let faults = status.faults.iter().map(ToString::to_string);
    page.lines("Faults", faults.chain((more > 0).then(|| format!("and {more} more"))));
    page.0
}

fn wanted(page: &mut Page, spec: &SyncSpec) {
    page.line("Source", &spec.source);
    page.line("Branch", spec.branch.as_deref().unwrap_or(NONE));
    page.line("Path", spec.path.as_deref().unwrap_or(NONE));
    page.line("Interval", &format!("{}s", spec.interval_ms / 1000));
    page.line("Prune", if spec.prune { "yes" } else { "no" });
    page.line("Changes of others", if spec.heal { "changed back" } else { "only shown" });
    page.line("Suspended", if spec.suspended { "yes" } else { "no" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_shortened_behind_its_kind() {
        assert_eq!(short(&format!("main@sha1:{}", "ab".repeat(20))), "main@sha1:abababababab");
        assert_eq!(short("sha256:0123456789abcdef"), "sha256:0123456789ab");
        assert_eq!(short("x"), "x");
    }
}

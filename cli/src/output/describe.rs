//! `describe`: resources for people, in kubectl's order.

use std::collections::BTreeMap;

use maas_store::Exit;

use super::object::rfc1123;
use super::printable;
use super::rows::{Happened, kind, lacks, restarts, seen, state};
use super::table::Table;
use crate::tree::{Deployment, Instance};

pub(crate) use super::sync::page as sync;

/// Where values begin.
const WIDTH: usize = 22;
/// The ids of past edits are of no use to a reader.
const HIDDEN: &str = "maas/edits";

/// Lines of `Label: value` and sections below them.
#[derive(Default)]
pub(super) struct Page(pub(super) String);

impl Page {
    pub(super) fn line(&mut self, label: &str, value: &str) {
        self.0.push_str(&format!("{:<WIDTH$} {}\n", format!("{label}:"), printable(value)));
    }

    /// One value a line, below one another.
    pub(super) fn lines(&mut self, label: &str, values: impl IntoIterator<Item = String>) {
        let mut label = label;
        for value in values {
            if label.is_empty() {
                self.0.push_str(&format!("{:<WIDTH$} {}\n", "", printable(&value)));
            } else {
                self.line(label, &value);
            }
            label = "";
        }
        if !label.is_empty() {
            self.line(label, "<none>");
        }
    }

    pub(super) fn table(&mut self, title: &str, table: &Table) {
        if table.is_empty() {
            return self.line(title, "<none>");
        }
        self.0.push_str(&format!("{title}:\n"));
        for line in table.render(true).lines() {
            self.0.push_str(&format!("  {line}\n"));
        }
    }

    /// Text of a process, each of its lines below the title.
    fn text(&mut self, title: &str, text: &str) {
        if text.trim().is_empty() {
            return self.line(title, "<none>");
        }
        self.0.push_str(&format!("{title}:\n"));
        for line in text.lines() {
            self.0.push_str(&format!("  {}\n", printable(line)));
        }
    }
}

/// A deployment.
pub(crate) fn deployment(of: &Deployment, instances: &[Instance], events: &[Happened], now_ms: i64) -> String {
    let mut page = Page(String::new());
    page.line("Name", of.name.as_str());
    page.line("Namespace", of.namespace.as_str());
    page.line("CreationTimestamp", &rfc1123(of.stat.ctime_ms));
    match &of.spec {
        Err(faults) => page.line("Invalid manifest", &faults.to_string().replace('\n', "; ")),
        Ok(manifest) => wanted(&mut page, of, &manifest.resource),
    }
    let observed = match &of.status {
        None => "not by any operator".to_owned(),
        Some(status) if status.observed_generation == of.generation() => {
            format!("generation {}, the newest", status.observed_generation)
        }
        Some(status) => format!("generation {}, the newest is {}", status.observed_generation, of.generation()),
    };
    page.line("Observed", &observed);
    let mut table = Table::new(["Type", "Status", "Reason", "Message"]);
    let status = of.status.clone().unwrap_or_default();
    for condition in &status.conditions {
        table.push(vec![
            condition.type_.clone(),
            format!("{:?}", condition.status),
            condition.reason.clone(),
            condition.message.clone(),
        ]);
    }
    page.table("Conditions", &table);
    let number = |number: Option<u32>| number.map_or_else(|| "<none>".to_owned(), |number| number.to_string());
    page.line("CurrentRevision", &number(status.current_revision));
    page.line("UpdateRevision", &number(status.update_revision));
    let mut table = Table::new(["Name", "Ready", "Status", "Restarts", "Node", "URL", "Message"]);
    for instance in instances {
        table.push(vec![
            instance.iid.to_string(),
            ready(instance).into(),
            state(instance).into(),
            restarts(instance, now_ms),
            instance.runner.as_ref().map_or("<none>", |runner| &runner.node).to_owned(),
            instance.endpoint.as_ref().map_or("<none>", |endpoint| &endpoint.url).to_owned(),
            message(instance),
        ]);
    }
    page.table("Instances", &table);
    happened(&mut page, events, now_ms, true);
    page.0
}

fn wanted(page: &mut Page, of: &Deployment, resource: &maas_crd::ModelDeployment) {
    let (own, spec) = (&resource.metadata, &resource.spec);
    let status = of.status.clone().unwrap_or_default();
    let template = &spec.template;
    page.lines("Labels", pairs(&own.labels, "="));
    page.lines("Annotations", pairs(&own.annotations, ": "));
    page.line(
        "Replicas",
        &format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            spec.replicas,
            status.updated_replicas,
            status.replicas,
            status.available_replicas,
            status.unavailable_replicas
        ),
    );
    page.line("Model", &format!("{} @ {}", template.model.name, template.model.version));
    page.line("Payload", &template.payload.path);
    page.line("Memory", &template.resources.memory.to_string());
    page.line("Vcores", &template.resources.vcores.to_string());
    page.line("Script", template.startup.script.as_deref().unwrap_or("the payload's only .sh"));
    page.lines("Env", pairs(&template.env, "="));
    let probe = template.probes.as_ref().and_then(|probes| probes.readiness.as_ref());
    let probe = probe.map_or_else(
        || "its port is open".into(),
        |probe| format!("GET {} every {}s", probe.http.path, probe.period.as_secs()),
    );
    page.line("Ready when", &probe);
}

/// An instance.
pub(crate) fn instance(of: &Instance, events: &[Happened], now_ms: i64) -> String {
    let mut page = Page(String::new());
    let none = || "<none>".to_owned();
    page.line("Name", &format!("{}/{}", of.name, of.iid));
    page.line("Namespace", of.namespace.as_str());
    page.line("CreationTimestamp", &rfc1123(of.stat.ctime_ms));
    page.line("Controlled By", &format!("modeldeployment/{}", of.name));
    let record = of.record.as_ref();
    page.line("Revision", &record.map_or_else(|| "<unknown>".to_owned(), |record| record.revision.to_string()));
    page.line("Application", record.map_or("<unknown>", |record| &record.application));
    let status = match record.and_then(|record| record.stopping.as_ref()) {
        Some(stopping) => {
            format!("{} ({}, {} s until it is killed)", state(of), stopping.reason, stopping.grace_ms / 1000)
        }
        None => state(of).to_owned(),
    };
    page.line("Status", &status);
    page.line("Ready", ready(of));
    page.line("Lacks", &lacks(of).map_or_else(none, |lacks| format!("{}: {}", lacks.reason, lacks.message)));
    let runner = of.runner.as_ref();
    page.line("Node", runner.map_or("<none>", |runner| &runner.node));
    page.line("Container", runner.map_or("<none>", |runner| &runner.container));
    page.line("NodeManager", runner.and_then(|runner| runner.node_http.as_deref()).unwrap_or("<none>"));
    page.line("Since", &runner.map_or_else(none, |runner| rfc1123(runner.since_ms)));
    page.line("Restarts", &restarts(of, now_ms));
    let endpoint = of.endpoint.as_ref();
    page.line("URL", endpoint.map_or("<none>", |endpoint| &endpoint.url));
    page.lines("Functions", endpoint.map(|endpoint| pairs(&endpoint.functions, "=")).unwrap_or_default());
    // The last words are of the very end; before it the runner tells of the last crash.
    let exit = of.exit.as_ref().or_else(|| runner.and_then(|runner| runner.last_exit.as_ref()));
    page.line("Last Exit", &exit.map_or_else(none, ended));
    if let Some(exit) = exit {
        page.line("  Finished", &rfc1123(exit.at_ms));
        if !exit.message.is_empty() {
            page.line("  Message", &exit.message);
        }
        page.text("  Stderr, the end", &exit.stderr_tail);
    }
    happened(&mut page, events, now_ms, false);
    page.0
}

/// `Crashed, exit code 3`.
pub(crate) fn ended(exit: &Exit) -> String {
    match (exit.code, exit.signal) {
        (Some(code), _) => format!("{}, exit code {code}", exit.reason),
        (None, Some(signal)) => format!("{}, signal {signal}", exit.reason),
        (None, None) => exit.reason.clone(),
    }
}

/// What it lacks, else how it ended last.
fn message(instance: &Instance) -> String {
    let exit = || instance.runner.as_ref()?.last_exit.as_ref();
    match (lacks(instance), exit()) {
        (Some(lacks), _) => format!("{}: {}", lacks.reason, lacks.message),
        (None, Some(exit)) => format!("last exit: {}", ended(exit)),
        (None, None) => String::new(),
    }
}

fn ready(instance: &Instance) -> &'static str {
    if instance.endpoint.is_some() { "1/1" } else { "0/1" }
}

/// `of_each`: an instance's event bears the instance's id.
fn happened(page: &mut Page, events: &[Happened], now_ms: i64, of_each: bool) {
    let mut table = Table::new(["Type", "Reason", "Age", "From", "Message"]);
    for Happened { event, .. } in events {
        let message = if of_each && !event.object.is_empty() {
            format!("{}: {}", event.object, event.message)
        } else {
            event.message.clone()
        };
        let age = seen(event, now_ms);
        table.push(vec![kind(event).into(), event.reason.clone(), age, "maas-operator".into(), message]);
    }
    page.table("Events", &table);
}

fn pairs(map: &BTreeMap<String, String>, sign: &str) -> Vec<String> {
    map.iter().filter(|(key, _)| *key != HIDDEN).map(|(key, value)| format!("{key}{sign}{value}")).collect()
}

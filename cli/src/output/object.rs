//! Whole resources, as `-o yaml`, `-o json` and `describe` show them.

use anyhow::Context;
use maas_crd::{API_VERSION, Iid, KIND, Name, Namespace};
use maas_store::{Endpoint, Stat};
use serde::Serialize;
use serde_json::{Value, json};

use super::rows::{Happened, kind, lacks, seen};
use super::table::Table;
use crate::tree::{Deployment, Instance};

/// A time as resources show it.
pub(crate) fn timestamp(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn metadata(namespace: &Namespace, name: &str, stat: &Stat) -> Value {
    json!({
        "name": name,
        "namespace": namespace,
        "uid": stat.czxid.to_string(),
        "resourceVersion": stat.mzxid.to_string(),
        "generation": i64::from(stat.version) + 1,
        "creationTimestamp": timestamp(stat.ctime_ms),
    })
}

/// A deployment with its defaults, its status and what the server knows of it.
pub(crate) fn deployment(of: &Deployment) -> Value {
    let mut whole = json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata(&of.namespace, of.name.as_str(), &of.stat),
    });
    match &of.spec {
        Ok(manifest) => {
            let own = &manifest.resource.metadata;
            for (field, values) in [("labels", &own.labels), ("annotations", &own.annotations)] {
                if let (false, Some(metadata)) =
                    (values.is_empty(), whole.pointer_mut("/metadata").and_then(Value::as_object_mut))
                {
                    metadata.insert(field.to_owned(), json!(values));
                }
            }
            put(&mut whole, "spec", &manifest.resource.spec);
        }
        Err(faults) => put(&mut whole, "invalid", &faults.to_string()),
    }
    if let Some(status) = &of.status {
        put(&mut whole, "status", status);
    }
    whole
}

fn put(whole: &mut Value, field: &str, value: &impl Serialize) {
    if let (Some(map), Ok(value)) = (whole.as_object_mut(), serde_json::to_value(value)) {
        map.insert(field.to_owned(), value);
    }
}

/// An instance with its runner's report and its endpoint.
pub(crate) fn instance(of: &Instance) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "Instance",
        "metadata": metadata(&of.namespace, &format!("{}/{}", of.name, of.iid), &of.stat),
        "record": of.record,
        "runner": of.runner,
        "endpoint": of.endpoint,
    })
}

/// An endpoint.
pub(crate) fn endpoint((namespace, name, iid, endpoint): &(Namespace, Name, Iid, Endpoint)) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "Endpoint",
        "metadata": {"name": format!("{name}/{iid}"), "namespace": namespace},
        "endpoint": endpoint,
    })
}

/// An event.
pub(crate) fn event(of: &Happened) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "Event",
        "metadata": {"name": of.name, "namespace": of.namespace},
        "event": of.event,
    })
}

/// One resource alone if it was asked for by name, else a list of all.
pub(crate) fn listed(mut resources: Vec<Value>, alone: bool) -> Value {
    match resources.pop() {
        Some(only) if alone && resources.is_empty() => only,
        last => {
            resources.extend(last);
            json!({"apiVersion": API_VERSION, "kind": "List", "items": resources})
        }
    }
}

/// As YAML.
pub(crate) fn yaml(value: &Value) -> anyhow::Result<String> {
    serde_yaml::to_string(value).context("cannot write YAML")
}

/// As JSON, indented as kubectl does.
pub(crate) fn json(value: &Value) -> anyhow::Result<String> {
    let mut text = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut text, serde_json::ser::PrettyFormatter::with_indent(b"    "));
    value.serialize(&mut serializer).context("cannot write JSON")?;
    text.push(b'\n');
    String::from_utf8(text).context("cannot write JSON")
}

/// A deployment for people, in kubectl's order.
pub(crate) fn describe(of: &Deployment, instances: &[Instance], events: &[Happened], now_ms: i64) -> String {
    let mut lines: Vec<(String, String)> = vec![
        ("Name".into(), of.name.to_string()),
        ("Namespace".into(), of.namespace.to_string()),
        ("CreationTimestamp".into(), rfc1123(of.stat.ctime_ms)),
    ];
    match &of.spec {
        Err(faults) => lines.push(("Invalid manifest".into(), faults.to_string().replace('\n', "; "))),
        Ok(manifest) => {
            let (own, spec) = (&manifest.resource.metadata, &manifest.resource.spec);
            let status = of.status.clone().unwrap_or_default();
            let template = &spec.template;
            lines.push(("Labels".into(), pairs(&own.labels)));
            lines.push(("Annotations".into(), pairs(&own.annotations)));
            lines.push((
                "Replicas".into(),
                format!(
                    "{} desired | {} updated | {} total | {} available | {} unavailable",
                    spec.replicas,
                    status.updated_replicas,
                    status.replicas,
                    status.available_replicas,
                    status.unavailable_replicas
                ),
            ));
            lines.push(("Model".into(), format!("{} @ {}", template.model.name, template.model.version)));
            lines.push(("Payload".into(), template.payload.path.clone()));
            lines.push(("Memory".into(), template.resources.memory.to_string()));
            lines.push(("Vcores".into(), template.resources.vcores.to_string()));
            lines.push((
                "Script".into(),
                template.startup.script.clone().unwrap_or_else(|| "the payload's only .sh".into()),
            ));
            lines.push(("Env".into(), pairs(&template.env)));
            let probe = template.probes.as_ref().and_then(|probes| probes.readiness.as_ref());
            let probe = probe.map_or_else(
                || "its port is open".into(),
                |probe| format!("GET {} every {}s", probe.http.path, probe.period.as_secs()),
            );
            lines.push(("Ready when".into(), probe));
            let number = |number: Option<u32>| number.map_or_else(|| "<none>".to_owned(), |number| number.to_string());
            lines.push(("CurrentRevision".into(), number(status.current_revision)));
            lines.push(("UpdateRevision".into(), number(status.update_revision)));
        }
    }
    let observed = match &of.status {
        None => "not by any operator".to_owned(),
        Some(status) if status.observed_generation == of.generation() => {
            format!("generation {}, the newest", status.observed_generation)
        }
        Some(status) => format!("generation {}, the newest is {}", status.observed_generation, of.generation()),
    };
    lines.push(("Observed".into(), observed));
    let mut text: String = lines
        .iter()
        .map(|(label, value)| format!("{:<22} {}\n", format!("{label}:"), value.replace(char::is_control, " ")))
        .collect();
    section(
        &mut text,
        "Conditions",
        of.status.as_ref().map(|status| {
            let mut table = Table::new(vec!["Type", "Status", "Reason", "Message"]);
            for condition in &status.conditions {
                table.push(vec![
                    condition.type_.clone(),
                    format!("{:?}", condition.status),
                    condition.reason.clone(),
                    condition.message.clone(),
                ]);
            }
            table
        }),
    );
    let mut table = Table::new(vec!["Name", "Ready", "Status", "Node", "URL", "Message"]);
    for instance in instances {
        let node = instance.runner.as_ref().map_or("<none>", |runner| &runner.node);
        let url = instance.endpoint.as_ref().map_or("<none>", |endpoint| &endpoint.url);
        let ready = if instance.endpoint.is_some() { "1/1" } else { "0/1" };
        table.push(vec![
            instance.iid.to_string(),
            ready.into(),
            super::rows::state(instance).into(),
            node.to_owned(),
            url.to_owned(),
            lacks(instance).map_or(String::new(), |lacks| format!("{}: {}", lacks.reason, lacks.message)),
        ]);
    }
    section(&mut text, "Instances", Some(table));
    let mut table = Table::new(vec!["Type", "Reason", "Age", "From", "Message"]);
    for Happened { event, .. } in events {
        let message = if event.object.is_empty() {
            event.message.clone()
        } else {
            format!("{}: {}", event.object, event.message)
        };
        table.push(vec![
            kind(event).into(),
            event.reason.clone(),
            seen(event, now_ms),
            "maas-operator".into(),
            message,
        ]);
    }
    section(&mut text, "Events", Some(table));
    text
}

fn section(text: &mut String, title: &str, table: Option<Table>) {
    match table.filter(|table| !table.is_empty()) {
        None => text.push_str(&format!("{:<22} <none>\n", format!("{title}:"))),
        Some(table) => {
            text.push_str(&format!("{title}:\n"));
            for line in table.render(true).lines() {
                text.push_str(&format!("  {line}\n"));
            }
        }
    }
}

fn pairs(map: &std::collections::BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(", ") }
}

fn rfc1123(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

//! Whole resources, as `-o yaml` and `-o json` show them.

use anyhow::Context;
use maas_crd::{API_VERSION, KIND, Namespace};
use maas_store::Stat;
use serde::Serialize;
use serde_json::{Value, json};

use super::rows::Happened;
use crate::tree::{Deployment, Instance, Published, Syncing};

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
        let conditions = whole.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
        for time in conditions.into_iter().flatten().filter_map(|condition| condition.get_mut("lastTransitionTime")) {
            *time = json!(timestamp(time.as_i64().unwrap_or_default()));
        }
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
        "exit": of.exit,
        "endpoint": of.endpoint,
    })
}

/// An endpoint.
pub(crate) fn endpoint((namespace, name, iid, endpoint): &Published) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "Endpoint",
        "metadata": {
            "name": format!("{name}/{iid}"),
            "namespace": namespace,
            "creationTimestamp": timestamp(endpoint.since_ms),
        },
        "endpoint": endpoint,
    })
}

/// A sync with who runs it.
pub(crate) fn sync(of: &Syncing) -> Value {
    let mut whole = json!({
        "apiVersion": API_VERSION,
        "kind": "Sync",
        "metadata": metadata(&of.namespace, of.name.as_str(), &of.stat),
    });
    if let Some(record) = &of.record {
        put(&mut whole, "spec", &record.spec);
        put(&mut whole, "status", &record.status);
    }
    if let Some(owner) = &of.owner {
        put(&mut whole, "owner", owner);
    }
    whole
}

/// An event, in the shape of Kubernetes' own.
pub(crate) fn event(of: &Happened) -> Value {
    let event = &of.event;
    let (about, name) = match event.object.as_str() {
        "" => (KIND, of.name.to_string()),
        item if of.is_of_queue() => ("MetronQueueItem", item.to_owned()),
        iid => ("Instance", format!("{}/{iid}", of.name)),
    };
    json!({
        "apiVersion": API_VERSION,
        "kind": "Event",
        "metadata": {
            "name": of.unique_name(),
            "namespace": of.namespace,
            "creationTimestamp": timestamp(event.first_ms),
        },
        "involvedObject": {"apiVersion": API_VERSION, "kind": about, "namespace": of.namespace, "name": name},
        "type": super::rows::kind(event),
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "firstTimestamp": timestamp(event.first_ms),
        "lastTimestamp": timestamp(event.last_ms),
        "source": {"component": "maas-operator"},
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

/// A time as `describe` shows it.
pub(crate) fn rfc1123(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

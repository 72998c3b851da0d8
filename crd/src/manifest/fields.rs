//! The fields of a ModelDeployment: every one read and checked, every fault collected.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use super::tree::{Node, Value};
use super::{Fault, shown};
use crate::deployment::{
    API_VERSION, HttpGet, KIND, Metadata, ModelDeployment, ModelRef, Payload, Probes, REPLICAS_LIMIT, Readiness,
    Resources, Spec, Startup, Template, VCORES_LIMIT,
};
use crate::name::{NAME_LIMIT, Name, Namespace};
use crate::quantity::period;

/// What to say of fields that are known and not built yet.
const LATER: &str = "is not supported yet";
/// Longest path or script name, in bytes.
const PATH_LIMIT: usize = 4096;

/// Fields that a mapping may have.
pub(super) struct Known {
    pub(super) fields: &'static [&'static str],
    /// Known to the design, refused by name until they are built.
    pub(super) later: &'static [&'static str],
    /// Written by the server; tolerated, so that what `get -o yaml` prints can be applied.
    pub(super) servers: &'static [&'static str],
}

const DOCUMENT: Known = Known { fields: &["apiVersion", "kind", "metadata", "spec"], later: &[], servers: &["status"] };
const METADATA: Known = Known {
    fields: &["name", "namespace", "labels", "annotations"],
    later: &["finalizers", "ownerReferences", "generateName"],
    servers: &["uid", "generation", "resourceVersion", "creationTimestamp"],
};
const SPEC: Known = Known {
    fields: &[
        "model",
        "replicas",
        "payload",
        "resources",
        "env",
        "startup",
        "probes",
        "terminationGracePeriod",
        "progressDeadline",
        "restartedAt",
    ],
    later: &["strategy", "placement", "revisionHistoryLimit"],
    servers: &[],
};
const MODEL: Known = Known { fields: &["name", "version"], later: &[], servers: &[] };
const PAYLOAD: Known = Known { fields: &["path"], later: &["sha256"], servers: &[] };
const RESOURCES: Known =
    Known { fields: &["memory", "vcores"], later: &["yarn.io/gpu", "yarn.io/fpga", "gpu"], servers: &[] };
const STARTUP: Known = Known { fields: &["script", "announceFile", "timeout"], later: &[], servers: &[] };
const PROBES: Known = Known { fields: &["readiness"], later: &["liveness", "startup"], servers: &[] };
const READINESS: Known = Known {
    fields: &["http", "period"],
    later: &["tcp", "exec", "timeout", "failureThreshold", "successThreshold", "initialDelay"],
    servers: &[],
};
const HTTP: Known = Known { fields: &["path"], later: &["port", "scheme", "headers"], servers: &[] };

/// Collects faults.
#[derive(Default)]
pub(super) struct Reader {
    faults: Vec<Fault>,
}

/// Reads a document. The flag tells whether it names its replicas.
pub(super) fn read(root: &Node) -> Result<(ModelDeployment, bool), Vec<Fault>> {
    let mut reader = Reader::default();
    let resource = reader.document(root);
    match resource {
        Some(resource) if reader.faults.is_empty() => Ok(resource),
        _ => Err(reader.faults),
    }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// The nearest of the known words, if any is near.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > NAME_LIMIT {
        return None;
    }
    let word = word.to_ascii_lowercase();
    known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&word, &k.to_ascii_lowercase()), *k))
        .filter(|(distance, k)| *distance <= (k.len() / 3).max(1))
        .min()
        .map(|(_, k)| k)
}

impl Reader {
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    fn fault(&mut self, node: &Node, path: &str, message: impl Into<String>) {
        self.faults.push(node.fault(path, message));
    }

    fn helped(&mut self, node: &Node, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let mut fault = node.fault(path, message);
        fault.help = Some(help.into());
        self.faults.push(fault);
    }

    /// Whether the node is a mapping; its unknown and unsupported fields are reported.
    pub(super) fn map(&mut self, node: &Node, path: &str, known: &Known) -> bool {
        let Value::Map { entries, .. } = &node.value else {
            self.helped(node, path, "must be a mapping", format!("its fields are {}", known.fields.join(", ")));
            return false;
        };
        for (key, _) in entries {
            let Some((field, _)) = key.scalar() else { continue };
            let place = join(path, &shown(field));
            if known.fields.contains(&field) || known.servers.contains(&field) {
                continue;
            }
            // YARN's further resource types have names such as yarn.io/gpu.
            if known.later.contains(&field) || (path == "spec.resources" && field.contains('/')) {
                self.helped(key, &place, LATER, "leave it out");
            } else if let Some(near) = nearest(field, known.fields) {
                self.helped(key, &place, "unknown field", format!("did you mean {near}?"));
            } else {
                self.helped(key, &place, "unknown field", format!("known ones are {}", known.fields.join(", ")));
            }
        }
        true
    }

    /// A field's value; one that is null counts as absent.
    fn field<'a>(&self, node: &'a Node, field: &str) -> Option<&'a Node> {
        node.get(field).filter(|value| !value.is_null())
    }

    fn required<'a>(&mut self, node: &'a Node, path: &str, field: &str, example: &str) -> Option<&'a Node> {
        let found = self.field(node, field);
        if found.is_none() {
            self.helped(node, &join(path, field), "is required", format!("for example {example}"));
        }
        found
    }

    /// A text: quoted, or plain and not something else by its look.
    fn text(&mut self, node: &Node, path: &str) -> Option<String> {
        let Some((text, plain)) = node.scalar() else {
            self.fault(node, path, "must be a text");
            return None;
        };
        if plain && looks_like_another_type(text) {
            let shown = shown(text);
            if shown.is_empty() {
                self.helped(node, path, "has no value", "write \"\" for an empty one");
                return None;
            }
            self.helped(node, path, format!("{shown} is not a text"), format!("write \"{shown}\" in quotes"));
            return None;
        }
        Some(text.to_owned())
    }

    fn parsed<T: FromStr>(&mut self, node: &Node, path: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(node, path)?;
        text.parse().map_err(|error: T::Err| self.fault(node, path, error.to_string())).ok()
    }

    fn whole_number(&mut self, node: &Node, path: &str, least: u32, most: u32) -> Option<u32> {
        let range = format!("must be a whole number from {least} to {most}");
        let Some((text, true)) = node.scalar() else {
            self.fault(node, path, range);
            return None;
        };
        let decimal =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        match text.parse::<u32>() {
            Ok(number) if decimal && (least..=most).contains(&number) => Some(number),
            _ => {
                self.fault(node, path, format!("{} {range}", shown(text)));
                None
            }
        }
    }

    fn duration(&mut self, node: &Node, path: &str, least: Duration) -> Option<Duration> {
        let Some((text, _)) = node.scalar() else {
            self.fault(node, path, "must be a duration such as 30s");
            return None;
        };
        match period::parse(text) {
            Ok(duration) if duration >= least => Some(duration),
            Ok(_) => {
                self.fault(node, path, format!("must be at least {}", period::print(least)));
                None
            }
            Err(error) => {
                self.fault(node, path, error.to_string());
                None
            }
        }
    }

    fn time(&mut self, node: &Node, path: &str) -> Option<String> {
        let text = self.text(node, path)?;
        if is_time(&text) {
            return Some(text);
        }
        self.helped(node, path, format!("{} is no time", shown(&text)), "write for example 2026-01-31T12:00:00Z");
        None
    }

    fn document(&mut self, root: &Node) -> Option<(ModelDeployment, bool)> {
        let Value::Map { .. } = root.value else {
            self.helped(root, "", "this is no manifest", "it needs apiVersion, kind, metadata and spec");
            return None;
        };
        if !self.is_ours(root) {
            return None;
        }
        self.map(root, "", &DOCUMENT);
        let spec_node = self.required(root, "", "spec", "spec: {model: {name: dga, version: \"1.0\"}, …}");
        let spec = spec_node.and_then(|node| self.spec(node));
        let metadata = self.metadata(root, spec.as_ref().map(|(s, _)| &s.template.model));
        let ((spec, replicas_given), metadata) = spec.zip(metadata)?;
        Some((ModelDeployment { metadata, spec }, replicas_given))
    }

    /// Whether the document is of a version that is known, the first of which is ours.
    pub(super) fn version(&mut self, root: &Node, known: &[&str]) -> bool {
        let ours = known.first().copied().unwrap_or_default();
        let Some(node) = self.field(root, "apiVersion") else {
            self.helped(root, "apiVersion", "is required", format!("write apiVersion: {ours}"));
            return false;
        };
        let version = node.scalar().map_or("", |(text, _)| text);
        let is_known = known.contains(&version);
        if !is_known {
            self.helped(node, "apiVersion", format!("\"{}\" is not known", shown(version)), format!("write {ours}"));
        }
        is_known
    }

    /// Whether the document means to be of this kind: another kind's fields would all be unknown.
    fn is_ours(&mut self, root: &Node) -> bool {
        let this_version = self.version(root, &[API_VERSION]);
        let kind = self.field(root, "kind").map(|n| (n, n.scalar().map_or("", |(text, _)| text)));
        let only = format!("the only kind is {KIND}");
        match kind {
            Some((_, KIND)) => true,
            Some((node, "List")) => {
                let help = "put the item into a document of its own";
                self.helped(node, "kind", "List is not supported here", help);
                false
            }
            Some((node, "ModelRoute")) => {
                self.helped(node, "kind", format!("ModelRoute {LATER}"), only);
                false
            }
            Some((node, other)) => {
                let near = nearest(other, &[KIND]).is_some();
                let help = if near { format!("did you mean {KIND}?") } else { only };
                self.helped(node, "kind", format!("\"{}\" is not known", shown(other)), help);
                near && this_version
            }
            None => {
                self.helped(root, "kind", "is required", format!("write kind: {KIND}"));
                this_version
            }
        }
    }

    fn metadata(&mut self, root: &Node, model: Option<&ModelRef>) -> Option<Metadata> {
        let Some(node) = self.field(root, "metadata") else {
            let model = model?;
            let name = Name::of_model(&model.name, &model.version);
            return Some(Metadata {
                name,
                namespace: Namespace::default(),
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
            });
        };
        if !self.map(node, "metadata", &METADATA) {
            return None;
        }
        let name = match self.field(node, "name") {
            Some(name) => self.parsed(name, "metadata.name"),
            None => model.map(|m| Name::of_model(&m.name, &m.version)),
        };
        let namespace = match self.field(node, "namespace") {
            Some(namespace) => self.parsed(namespace, "metadata.namespace"),
            None => Some(Namespace::default()),
        };
        let labels = self.words(node, "metadata", "labels");
        let annotations = self.words(node, "metadata", "annotations");
        Some(Metadata { name: name?, namespace: namespace?, labels, annotations })
    }

    /// A mapping of texts.
    fn words(&mut self, node: &Node, path: &str, field: &str) -> BTreeMap<String, String> {
        let path = join(path, field);
        let mut words = BTreeMap::new();
        match self.field(node, field).map(|n| (n, &n.value)) {
            None => {}
            Some((_, Value::Map { entries, .. })) => {
                for (key, value) in entries {
                    let Some((name, _)) = key.scalar() else { continue };
                    if let Some(text) = self.text(value, &join(&path, &shown(name))) {
                        words.insert(name.to_owned(), text);
                    }
                }
            }
            Some((node, _)) => self.fault(node, &path, "must be a mapping of texts"),
        }
        words
    }

    fn spec(&mut self, node: &Node) -> Option<(Spec, bool)> {
        if !self.map(node, "spec", &SPEC) {
            return None;
        }
        let model = self.required(node, "spec", "model", "{name: dga, version: \"1.0\"}").and_then(|n| self.model(n));
        let replicas_node = self.field(node, "replicas");
        let replicas = match replicas_node {
            Some(replicas) => self.whole_number(replicas, "spec.replicas", 0, REPLICAS_LIMIT),
            None => Some(1),
        };
        let payload =
            self.required(node, "spec", "payload", "{path: /user/me/models/dga/1.0}").and_then(|n| self.payload(n));
        let resources = self.field(node, "resources").map(|n| self.resources(n)).unwrap_or_default();
        let env = self.env(node);
        let startup = self.field(node, "startup").map(|n| self.startup(n)).unwrap_or_default();
        let probes = self.field(node, "probes").and_then(|n| self.probes(n));
        let grace = match self.field(node, "terminationGracePeriod") {
            Some(grace) => self.duration(grace, "spec.terminationGracePeriod", Duration::ZERO),
            None => Some(Duration::from_secs(30)),
        };
        let deadline = match self.field(node, "progressDeadline") {
            Some(deadline) => self.duration(deadline, "spec.progressDeadline", Duration::from_secs(1)),
            None => Some(Duration::from_secs(600)),
        };
        let restarted_at = self.field(node, "restartedAt").and_then(|n| self.time(n, "spec.restartedAt"));
        let template = Template {
            model: model?,
            payload: payload?,
            resources,
            env,
            startup,
            probes,
            termination_grace_period: grace?,
            restarted_at,
        };
        Some((Spec { replicas: replicas?, progress_deadline: deadline?, template }, replicas_node.is_some()))
    }

    fn model(&mut self, node: &Node) -> Option<ModelRef> {
        if !self.map(node, "spec.model", &MODEL) {
            return None;
        }
        let name = self.required(node, "spec.model", "name", "dga").and_then(|n| self.parsed(n, "spec.model.name"));
        let version =
            self.required(node, "spec.model", "version", "\"1.0\"").and_then(|n| self.parsed(n, "spec.model.version"));
        Some(ModelRef { name: name?, version: version? })
    }

    fn payload(&mut self, node: &Node) -> Option<Payload> {
        if !self.map(node, "spec.payload", &PAYLOAD) {
            return None;
        }
        let at = self.required(node, "spec.payload", "path", "hdfs:///user/me/models/dga/1.0")?;
        let path = self.text(at, "spec.payload.path")?;
        let rest = path
            .strip_prefix("hdfs://")
            .map_or(path.as_str(), |rest| rest.find('/').map_or("", |i| rest.get(i..).unwrap_or("")));
        let fault = if path.len() > PATH_LIMIT {
            Some("is longer than 4096 bytes")
        } else if path.chars().any(|c| c.is_control()) {
            Some("must not hold control characters")
        } else if !rest.starts_with('/') {
            Some("must be hdfs://host:port/path, hdfs:///path or /path")
        } else if rest.split('/').any(|part| part == ".." || part == ".") {
            Some("must not hold . or .. as a part")
        } else if rest.trim_matches('/').is_empty() {
            Some("must name a directory, not the whole file system")
        } else {
            None
        };
        if let Some(fault) = fault {
            self.fault(at, "spec.payload.path", fault);
            return None;
        }
        Some(Payload { path })
    }

    /// With defaults in the place of what is wrong: its faults refuse the whole.
    fn resources(&mut self, node: &Node) -> Resources {
        let mut resources = Resources::default();
        if !self.map(node, "spec.resources", &RESOURCES) {
            return resources;
        }
        if let Some(memory) = self.field(node, "memory") {
            // Plain digits look like a number; the amount's own message says what to write.
            match memory.scalar().map(|(text, _)| text.parse()) {
                Some(Ok(amount)) => resources.memory = amount,
                Some(Err(error)) => self.fault(memory, "spec.resources.memory", format!("{error}")),
                None => self.fault(memory, "spec.resources.memory", "must be an amount such as 512Mi"),
            }
        }
        if let Some(vcores) = self.field(node, "vcores") {
            let number = self.whole_number(vcores, "spec.resources.vcores", 1, VCORES_LIMIT);
            resources.vcores = number.unwrap_or(resources.vcores);
        }
        resources
    }

    fn env(&mut self, node: &Node) -> BTreeMap<String, String> {
        let env = self.words(node, "spec", "env");
        let Some(Value::Map { entries, .. }) = self.field(node, "env").map(|n| &n.value) else { return env };
        for (key, value) in entries {
            let Some((name, _)) = key.scalar() else { continue };
            let path = join("spec.env", &shown(name));
            let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !word {
                self.fault(key, &path, "a variable's name is made of letters, digits and _, with no digit first");
            } else if name.starts_with("MAAS_") || name == "HADOOP_TOKEN_FILE_LOCATION" {
                self.fault(key, &path, "is reserved");
            }
            if env.get(name).is_some_and(|v| v.contains('\0')) {
                self.fault(value, &path, "must not hold a NUL character");
            }
        }
        env
    }

    /// With defaults in the place of what is wrong: its faults refuse the whole.
    fn startup(&mut self, node: &Node) -> Startup {
        let mut startup = Startup::default();
        if !self.map(node, "spec.startup", &STARTUP) {
            return startup;
        }
        if let Some(script) = self.field(node, "script") {
            startup.script = self.file(script, "spec.startup.script");
            if startup.script.as_ref().is_some_and(|name| !name.ends_with(".sh")) {
                self.fault(script, "spec.startup.script", "must end in .sh");
            }
        }
        if let Some(file) = self.field(node, "announceFile") {
            startup.announce_file = self.file(file, "spec.startup.announceFile").unwrap_or_default();
        }
        if let Some(timeout) = self.field(node, "timeout") {
            let timeout = self.duration(timeout, "spec.startup.timeout", Duration::from_secs(1));
            startup.timeout = timeout.unwrap_or_default();
        }
        startup
    }

    /// The path of a file within the payload.
    fn file(&mut self, node: &Node, path: &str) -> Option<String> {
        let name = self.text(node, path)?;
        let inside = !name.is_empty()
            && name.len() <= PATH_LIMIT
            && !name.starts_with('/')
            && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
            && !name.chars().any(char::is_control);
        if !inside {
            self.fault(node, path, "must be a path within the payload, without . and ..");
            return None;
        }
        Some(name)
    }

    /// Probes that hold none are as good as none: adding them changes no template.
    fn probes(&mut self, node: &Node) -> Option<Probes> {
        if !self.map(node, "spec.probes", &PROBES) {
            return None;
        }
        let readiness = self.field(node, "readiness")?;
        if !self.map(readiness, "spec.probes.readiness", &READINESS) {
            return None;
        }
        let period = match self.field(readiness, "period") {
            Some(period) => self.duration(period, "spec.probes.readiness.period", Duration::from_millis(100)),
            None => Some(Duration::from_secs(5)),
        };
        let http = self.required(readiness, "spec.probes.readiness", "http", "{path: /health}")?;
        if !self.map(http, "spec.probes.readiness.http", &HTTP) {
            return None;
        }
        let at = self.required(http, "spec.probes.readiness.http", "path", "/health")?;
        let path = self.text(at, "spec.probes.readiness.http.path")?;
        if !path.starts_with('/') || path.len() > PATH_LIMIT || path.bytes().any(|b| b <= b' ' || b == 0x7f) {
            self.fault(at, "spec.probes.readiness.http.path", "must start with / and hold no spaces");
        }
        Some(Probes { readiness: Some(Readiness { http: HttpGet { path }, period: period? }) })
    }
}

/// Whether this is a time as RFC 3339 writes it, such as `2026-01-31T12:00:00.5+01:00`; without leap seconds.
fn is_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    let Some(at) = time.find(['Z', '+', '-']) else { return false };
    let (clock, zone) = time.split_at(at);
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let fraction = fraction.is_none_or(|f| (1..=9).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()));
    let hour_and_minute = |text: &str| matches!(numbers(text, ':', &[2, 2]).as_deref(), Some([0..=23, 0..=59]));
    let zone = zone == "Z" || zone.strip_prefix(['+', '-']).is_some_and(hour_and_minute);
    let clock = matches!(numbers(clock, ':', &[2, 2, 2]).as_deref(), Some([0..=23, 0..=59, 0..=59]));
    let date = match numbers(date, '-', &[4, 2, 2]).as_deref() {
        Some([year, 2, 29]) => year % 4 == 0 && (year % 100 != 0 || year % 400 == 0),
        Some([_, 2, day]) => (1..=28).contains(day),
        Some([_, 4 | 6 | 9 | 11, day]) => (1..=30).contains(day),
        Some([_, 1..=12, day]) => (1..=31).contains(day),
        _ => false,
    };
    date && clock && fraction && zone
}

/// The numbers of a text that has this many digits in each part.
fn numbers(text: &str, between: char, digits: &[usize]) -> Option<Vec<u32>> {
    let parts: Vec<&str> = text.split(between).collect();
    let good = parts.len() == digits.len() && parts.iter().zip(digits).all(|(part, digits)| part.len() == *digits);
    let number = |part: &&str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten();
    good.then(|| parts.iter().map(number).collect()).flatten()
}

/// What YAML takes for a number, a truth value or nothing when it stands without quotes.
pub(crate) fn looks_like_another_type(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = text.parse::<f64>().is_ok() && text.bytes().any(|b| b.is_ascii_digit());
    let radix = ["0x", "0o", "0b"].iter().any(|r| digits.starts_with(r));
    let word = ["", "~", "null", "true", "false"].iter().any(|w| text.eq_ignore_ascii_case(w));
    let special = [".inf", ".nan"].iter().any(|w| digits.eq_ignore_ascii_case(w));
    number || radix || word || special
}

//! The tree as the mirror and our own accepted writes show it: parsed once, at arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use maas_crd::{Faults, Iid, Manifest, ModelName, Namespace, Status, Template};
use maas_store::{Done, Endpoint, EventRing, Exit, InstanceRecord, Node, Op, Revision, Root, RunnerReport, Stat};

use crate::key::Key;
use crate::plan::observed::{Container, Eviction, Instance, Observed, RevisionSeen, SpecSeen};
use crate::seeded::{Bug, seeded};

#[derive(Clone, Debug)]
enum Value {
    Spec(Arc<Result<Manifest, Faults>>),
    Status(Option<Status>),
    Revision(Option<Arc<Revision>>),
    Instance(Option<InstanceRecord>),
    Runner(Option<RunnerReport>),
    Exit(Option<Exit>),
    Endpoint(Option<Endpoint>),
    Events(Option<EventRing>),
    Other,
}

impl Value {
    /// Whether a tree that lacks all such was taken away as a whole.
    fn stands(&self) -> bool {
        matches!(self, Self::Spec(_) | Self::Revision(_) | Self::Instance(_))
    }

    /// The model that a spec or a revision names.
    fn model(&self) -> Option<&ModelName> {
        match self {
            Self::Spec(spec) => spec.as_ref().as_ref().ok().map(|manifest| &manifest.resource.spec.template.model.name),
            Self::Revision(revision) => revision.as_ref().map(|revision| &revision.template.model.name),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    stat: Stat,
    value: Value,
}

/// Znodes by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    entries: BTreeMap<String, Entry>,
    /// The deployment of every instance that has a record.
    owners: BTreeMap<Iid, Key>,
    /// How many specs, revisions and instances there are.
    standing: usize,
    /// Znodes of which only our own write has told, and how many lists had begun then. The mirror does not say that one is
    /// gone which it never knew, when the word of that was lost with a connection.
    unheard: BTreeMap<String, u64>,
    /// How many specs and revisions name each model.
    named: BTreeMap<ModelName, usize>,
    /// Models whose directory of Metron's may have become idle since that was looked at.
    doubtful: BTreeSet<ModelName>,
}

impl Cache {
    /// Takes in what the mirror tells of a znode; an older state than the one known is dropped. Returns the deployment it
    /// belongs to.
    pub(crate) fn put(&mut self, root: &Root, path: &str, data: &[u8], stat: Stat) -> Option<Key> {
        self.unheard.remove(path);
        self.take(root, path, data, stat)
    }

    fn take(&mut self, root: &Root, path: &str, data: &[u8], stat: Stat) -> Option<Key> {
        let older = self.entries.get(path).is_some_and(|known| known.stat.mzxid > stat.mzxid);
        if older && !seeded(Bug::OlderStateWins) {
            return None;
        }
        let node = Node::parse(root, path);
        let value = node.as_ref().map_or(Value::Other, |node| parse(node, path, data));
        self.count(&value);
        if let Some(before) = self.entries.insert(path.to_owned(), Entry { stat, value }) {
            self.discount(&before.value);
        }
        match &node {
            Some(Node::Instance { namespace, name, iid }) => {
                self.owners.insert(*iid, Key { namespace: namespace.clone(), name: name.clone() });
            }
            Some(Node::MetronModel { model }) => drop(self.doubtful.insert(model.clone())),
            _ => {}
        }
        node.as_ref().and_then(key_of)
    }

    /// Drops a znode. Returns the deployment it belonged to.
    pub(crate) fn gone(&mut self, root: &Root, path: &str) -> Option<Key> {
        if let Some(before) = self.entries.remove(path) {
            self.discount(&before.value);
        }
        self.unheard.remove(path);
        let node = Node::parse(root, path)?;
        match &node {
            Node::Instance { iid, .. } => drop(self.owners.remove(iid)),
            Node::MetronInstance { model, .. } => drop(self.doubtful.insert(model.clone())),
            _ => {}
        }
        key_of(&node)
    }

    fn count(&mut self, value: &Value) {
        self.standing += usize::from(value.stands());
        if let Some(model) = value.model() {
            *self.named.entry(model.clone()).or_default() += 1;
        }
    }

    fn discount(&mut self, value: &Value) {
        self.standing -= usize::from(value.stands());
        let Some(model) = value.model() else { return };
        if let Some(named) = self.named.get_mut(model) {
            *named -= 1;
            if *named == 0 {
                self.named.remove(model);
                self.doubtful.insert(model.clone());
            }
        }
    }

    /// Whether a directory of Metron's may have become idle.
    pub(crate) fn has_doubtful(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// The models that are in doubt and have an empty directory of Metron's which no spec and no revision needs; none is in
    /// doubt afterwards.
    pub(crate) fn take_idle(&mut self, root: &Root) -> Vec<ModelName> {
        let mut doubtful = std::mem::take(&mut self.doubtful);
        doubtful.retain(|model| !self.named.contains_key(model) && self.empty_directory(root, model).is_some());
        doubtful.into_iter().collect()
    }

    /// They could not be removed: they are in doubt again.
    pub(crate) fn doubt(&mut self, models: Vec<ModelName>) {
        self.doubtful.extend(models);
    }

    /// A list is whole, the last of so many that have begun: what only our own write has told of and two lists did not
    /// name, of which at least the second was read after the write, is gone. Returns the deployments that it belonged to.
    pub(crate) fn listed(&mut self, root: &Root, lists: u64) -> BTreeSet<Key> {
        let missed = self.unheard.iter().filter(|(_, then)| **then + 2 <= lists).map(|(path, _)| path.clone());
        let missed: Vec<String> = missed.collect();
        missed.iter().filter_map(|path| self.gone(root, path)).collect()
    }

    /// Takes an accepted multi of our own in, ahead of the mirror, when so many lists have begun.
    pub(crate) fn applied(&mut self, root: &Root, ops: &[Op], done: &[Done], lists: u64) {
        for (op, done) in ops.iter().zip(done) {
            if let (Op::Create { path, .. }, Done::Created(_)) = (op, done)
                && !self.entries.contains_key(path)
            {
                self.unheard.insert(path.clone(), lists);
            }
            match (op, done) {
                (Op::Create { path, data, .. } | Op::Set { path, data, .. }, Done::Created(stat) | Done::Set(stat)) => {
                    self.take(root, path, data, *stat);
                }
                (Op::Delete { path, .. }, _) => {
                    self.gone(root, path);
                }
                _ => {}
            }
        }
    }

    /// Every deployment that has anything in the tree.
    pub(crate) fn keys(&self, root: &Root) -> BTreeSet<Key> {
        self.entries.keys().filter_map(|path| Node::parse(root, path)).filter_map(|node| key_of(&node)).collect()
    }

    /// Whether nothing stands that a deployment leaves.
    pub(crate) fn is_bare(&self) -> bool {
        self.standing == 0
    }

    /// Whether no instance has a record.
    pub(crate) fn has_no_instances(&self) -> bool {
        self.owners.is_empty()
    }

    /// Whether a znode stands.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// The specs of a namespace that can be read, with their znodes' versions.
    pub(crate) fn specs(&self, root: &Root, namespace: &Namespace) -> Vec<(&Manifest, i32)> {
        let folder = Node::Folder(format!("specs/{}/{namespace}", maas_crd::KIND)).path(root);
        let specs = self.below(&folder).filter_map(|(_, entry)| match &entry.value {
            Value::Spec(spec) => Some((spec.as_ref().as_ref().ok()?, entry.stat.version)),
            _ => None,
        });
        specs.collect()
    }

    /// A ring of events and its znode's version; an empty one for one that can't be read.
    pub(crate) fn ring(&self, path: &str) -> Option<(EventRing, i32)> {
        let entry = self.entries.get(path)?;
        let ring = match &entry.value {
            Value::Events(Some(ring)) => ring.clone(),
            _ => EventRing::default(),
        };
        Some((ring, entry.stat.version))
    }

    /// The deployment of an instance that has a record.
    pub(crate) fn owner(&self, iid: Iid) -> Option<&Key> {
        self.owners.get(&iid)
    }

    /// The revision of one deployment, if it parses.
    pub(crate) fn revision(&self, root: &Root, key: &Key, number: u32) -> Option<Arc<Revision>> {
        let node = Node::Revision { namespace: key.namespace.clone(), name: key.name.clone(), number };
        match &self.entries.get(&node.path(root))?.value {
            Value::Revision(revision) => revision.clone(),
            _ => None,
        }
    }

    /// The record of one instance, if it parses.
    pub(crate) fn record(&self, root: &Root, key: &Key, iid: Iid) -> Option<&InstanceRecord> {
        let node = Node::Instance { namespace: key.namespace.clone(), name: key.name.clone(), iid };
        match &self.entries.get(&node.path(root))?.value {
            Value::Instance(record) => record.as_ref(),
            _ => None,
        }
    }

    /// One deployment as it stands; `container` says what YARN knows of each instance.
    pub(crate) fn observe<'a>(
        &self,
        root: &Root,
        key: &'a Key,
        container: impl Fn(Iid) -> (Container, Option<Eviction>),
    ) -> Observed<'a> {
        let (namespace, name) = (key.namespace.clone(), key.name.clone());
        let mut observed = Observed {
            key,
            spec: None,
            status: None,
            events: None,
            revisions: BTreeMap::new(),
            instances: BTreeMap::new(),
            directories: BTreeSet::new(),
            strays: BTreeSet::new(),
            foreign: BTreeSet::new(),
            idle_models: BTreeSet::new(),
            idle_uploads: BTreeMap::new(),
        };
        let single = [
            Node::Spec { namespace: namespace.clone(), name: name.clone() },
            Node::Status { namespace: namespace.clone(), name: name.clone() },
            Node::Events { namespace: namespace.clone(), name: name.clone() },
        ];
        for path in single.iter().map(|n| n.path(root)) {
            match self.entries.get(&path) {
                Some(Entry { stat, value: Value::Spec(manifest) }) => {
                    observed.spec = Some(SpecSeen { manifest: manifest.clone(), stat: *stat });
                }
                Some(Entry { stat, value: Value::Status(status) }) => {
                    observed.status = Some((status.clone(), stat.version));
                }
                Some(Entry { stat, value: Value::Events(ring) }) => {
                    observed.events = Some((ring.clone().unwrap_or_default(), stat.version));
                }
                _ => {}
            }
        }
        let folders = [
            Node::RevisionsOf { namespace: namespace.clone(), name: name.clone() },
            Node::InstancesOf { namespace: namespace.clone(), name: name.clone() },
            Node::EndpointsOf { namespace, name },
        ];
        for folder in &folders {
            for (path, entry) in self.below(&folder.path(root)) {
                let below = path.strip_prefix(folder.path(root).as_str()).unwrap_or_default();
                self.observe_one(root, path, below, entry, &mut observed, &container);
            }
        }
        self.observe_directories(root, &folders, &single, &mut observed);
        observed.idle_uploads = self.idle_uploads(root, &observed);
        if observed.spec.is_none() {
            observed.idle_models = self.idle_models(root, &observed);
        }
        observed
    }

    fn observe_one(
        &self,
        root: &Root,
        path: &str,
        below: &str,
        entry: &Entry,
        observed: &mut Observed<'_>,
        container: &impl Fn(Iid) -> (Container, Option<Eviction>),
    ) {
        match (Node::parse(root, path), &entry.value) {
            (Some(Node::Revision { number, .. }), Value::Revision(record)) => {
                let seen = RevisionSeen { record: record.clone(), version: entry.stat.version };
                observed.revisions.insert(number, seen);
            }
            (Some(Node::Instance { iid, .. }), Value::Instance(record)) => {
                let (container, eviction) = container(iid);
                let instance = Instance {
                    record: record.clone(),
                    version: entry.stat.version,
                    runner: None,
                    exit: None,
                    endpoint: None,
                    published: Vec::new(),
                    children: Vec::new(),
                    container,
                    eviction,
                };
                observed.instances.insert(iid, instance);
            }
            // Children sort after their record, and endpoints are walked after instances.
            (Some(Node::Runner { iid, .. } | Node::Exit { iid, .. }), value) => {
                if let Some(instance) = observed.instances.get_mut(&iid) {
                    instance.children.push(path.to_owned());
                    match value {
                        Value::Runner(report) => instance.runner = report.clone(),
                        Value::Exit(exit) => instance.exit = exit.clone(),
                        _ => {}
                    }
                }
            }
            (Some(Node::Endpoint { iid, .. }), Value::Endpoint(endpoint)) => {
                if let Some(instance) = observed.instances.get_mut(&iid) {
                    instance.published.push(path.to_owned());
                    instance.published.extend(endpoint.as_ref().and_then(|e| self.metron(root, e)));
                    instance.endpoint = endpoint.clone();
                } else {
                    observed.strays.insert(path.to_owned());
                }
            }
            _ => {
                let first = below.trim_start_matches('/').split('/').next();
                let iid = first.and_then(|first| first.parse().ok());
                match iid.and_then(|iid| observed.instances.get_mut(&iid)) {
                    Some(instance) => instance.children.push(path.to_owned()),
                    None => drop(observed.foreign.insert(path.to_owned())),
                }
            }
        }
    }

    /// Metron's record of an endpoint, where it exists.
    fn metron(&self, root: &Root, endpoint: &Endpoint) -> Option<String> {
        let model = endpoint.model.parse().ok()?;
        let path = Node::MetronInstance { model, container: endpoint.container.clone() }.path(root);
        self.entries.contains_key(&path).then_some(path)
    }

    fn observe_directories(&self, root: &Root, folders: &[Node], single: &[Node], observed: &mut Observed<'_>) {
        let mut wanted: Vec<Node> = folders.to_vec();
        wanted.extend(folders.iter().chain(single).flat_map(Node::parents));
        let models =
            observed.revisions.values().filter_map(|r| r.record.as_ref()).map(|r| r.template.model.name.clone());
        let spec = observed.spec.as_ref().and_then(|s| s.manifest.as_ref().as_ref().ok().map(|m| &m.resource));
        let models = models.chain(spec.map(|m| m.spec.template.model.name.clone()));
        wanted.extend(models.map(|model| Node::MetronModel { model }));
        let paths = wanted.iter().map(|n| n.path(root)).filter(|path| self.entries.contains_key(path));
        observed.directories = paths.collect();
    }

    /// Metron's directories of a deployment's models, if they are empty and no other deployment names the model. One that
    /// starts just then finds its parent gone, and its runner makes it again.
    fn idle_models(&self, root: &Root, observed: &Observed<'_>) -> BTreeSet<String> {
        let mut own: BTreeMap<&ModelName, usize> = BTreeMap::new();
        for revision in observed.revisions.values().filter_map(|seen| seen.record.as_ref()) {
            *own.entry(&revision.template.model.name).or_default() += 1;
        }
        let alone = own.into_iter().filter(|(model, count)| self.named.get(*model) == Some(count));
        alone.filter_map(|(model, _)| self.empty_directory(root, model)).collect()
    }

    /// Metron's directory of a model, if it stands and is empty.
    fn empty_directory(&self, root: &Root, model: &ModelName) -> Option<String> {
        let path = Node::MetronModel { model: model.clone() }.path(root);
        (self.entries.contains_key(&path) && self.below(&path).next().is_none()).then_some(path)
    }

    /// Uploads of ours that only one revision of this deployment names, which no spec wants any more. Of a removed
    /// deployment all revisions go together, so that they do not keep an upload from each other.
    fn idle_uploads(&self, root: &Root, observed: &Observed<'_>) -> BTreeMap<u32, String> {
        let uid = observed.spec.as_ref().map(|s| s.stat.czxid);
        let mut idle = BTreeMap::new();
        for (number, seen) in observed.past_revisions() {
            let Some(record) = seen.record.as_ref().filter(|r| r.template.payload.upload().is_some()) else { continue };
            let payload = &record.template.payload;
            let same = |other: &Template| other.payload.upload() == payload.upload();
            let used = |(at, entry): (&String, &Entry)| match &entry.value {
                // One that can't be read may name anything.
                Value::Spec(spec) => spec.as_ref().as_ref().map_or(true, |m| same(&m.resource.spec.template)),
                Value::Revision(Some(other)) if same(&other.template) => {
                    let own = Node::parse(root, at).as_ref().and_then(key_of).is_some_and(|key| key == *observed.key);
                    !own || (Some(other.uid) == uid && other.number != number)
                }
                _ => false,
            };
            if (!self.entries.iter().any(used) || seeded(Bug::UploadDeletedInUse)) && !seeded(Bug::UploadKept) {
                idle.insert(number, payload.path.clone());
            }
        }
        idle
    }

    fn below(&self, folder: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let start = format!("{folder}/");
        // '0' is the character after '/': everything below a folder sorts between the two.
        let end = format!("{folder}0");
        self.entries
            .range::<str, _>((Bound::Excluded(start.as_str()), Bound::Excluded(end.as_str())))
            .map(|(path, entry)| (path.as_str(), entry))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

fn parse(node: &Node, path: &str, data: &[u8]) -> Value {
    match node {
        Node::Spec { namespace, name } => {
            let parsed = maas_crd::parse_one(data).and_then(|manifest| manifest.named(namespace, name));
            Value::Spec(Arc::new(parsed))
        }
        Node::Status { .. } => Value::Status(maas_store::decode_status(path, data).ok()),
        Node::Revision { .. } => Value::Revision(Revision::decode(path, data).ok().map(Arc::new)),
        Node::Instance { .. } => Value::Instance(InstanceRecord::decode(path, data).ok()),
        Node::Runner { .. } => Value::Runner(RunnerReport::decode(path, data).ok()),
        Node::Exit { .. } => Value::Exit(Exit::decode(path, data).ok()),
        Node::Endpoint { .. } => Value::Endpoint(Endpoint::decode(path, data).ok()),
        Node::Events { .. } | Node::QueueEvents => Value::Events(EventRing::decode(path, data).ok()),
        _ => Value::Other,
    }
}

fn key_of(node: &Node) -> Option<Key> {
    match node {
        Node::Spec { namespace, name }
        | Node::Status { namespace, name }
        | Node::Events { namespace, name }
        | Node::Revision { namespace, name, .. }
        | Node::Instance { namespace, name, .. }
        | Node::Runner { namespace, name, .. }
        | Node::Exit { namespace, name, .. }
        | Node::Endpoint { namespace, name, .. }
        | Node::RevisionsOf { namespace, name }
        | Node::InstancesOf { namespace, name }
        | Node::EndpointsOf { namespace, name } => Some(Key { namespace: namespace.clone(), name: name.clone() }),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_metrons_is_idle_once_it_is_empty_and_no_spec_names_its_model() {
        let (root, mut cache) = (Root::default(), Cache::default());
        let spec = b"apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {name: dga}\nspec:\n  model: {name: dga, version: \"1\"}\n  replicas: 1\n  payload: {path: /m}\n  resources: {memory: 256Mi}\n";
        let [at, directory, child] =
            ["/maas/specs/ModelDeployment/default/dga", "/maas/service/dga", "/maas/service/dga/container_1"];
        cache.put(&root, directory, b"", Stat::default());
        cache.put(&root, at, spec, Stat::default());
        cache.put(&root, at, spec, Stat::default());
        cache.put(&root, child, b"", Stat::default());
        assert!(cache.take_idle(&root).is_empty());
        cache.gone(&root, at);
        assert!(cache.has_doubtful() && cache.take_idle(&root).is_empty(), "it has a child");
        cache.gone(&root, child);
        let idle = cache.take_idle(&root);
        assert_eq!(idle.iter().map(ModelName::as_str).collect::<Vec<_>>(), ["dga"]);
        assert!(!cache.has_doubtful());
        cache.doubt(idle);
        cache.gone(&root, directory);
        assert!(cache.take_idle(&root).is_empty(), "it went by another's hand");
    }

    #[test]
    fn what_only_our_own_write_told_goes_when_two_lists_do_not_name_it() {
        let (root, mut cache) = (Root::default(), Cache::default());
        let paths = ["/maas/revisions/default/dga", "/maas/instances/default/dga"].map(str::to_owned);
        let create = |path: &String| Op::Create { path: path.clone(), data: Vec::new(), ephemeral: false };
        let stat = Stat { mzxid: 7, ..Stat::default() };
        cache.applied(&root, &paths.each_ref().map(create), &[Done::Created(stat); 2], 3);
        cache.put(&root, &paths[1], b"", stat);
        // The fourth list may have been read before the write, and told after its answer.
        assert!(cache.listed(&root, 4).is_empty());
        assert!(cache.entries.contains_key(&paths[0]));
        assert_eq!(cache.listed(&root, 5).len(), 1);
        assert_eq!(cache.entries.keys().collect::<Vec<_>>(), [&paths[1]], "the mirror has told of this one");
        assert!(cache.listed(&root, 9).is_empty());
    }
}

//! One thing of the tree, of whichever kind: what every listing, wait and watch needs of it.

use std::collections::BTreeMap;

use maas_crd::{Name, Namespace};
use maas_store::EventKind;
use serde_json::Value;

use crate::field_selector::FieldSelector;
use crate::output::{object, rows, sync};
use crate::reference::{Kind, Target};
use crate::selector::Selector;
use crate::tree::{Deployment, Instance, Published, Syncing, Tree};

/// One thing.
#[derive(Debug)]
pub(crate) enum Resource {
    Deployment(Box<Deployment>),
    Instance(Box<Instance>),
    Endpoint(Box<Published>),
    Event(Box<rows::Happened>),
    Sync(Box<Syncing>),
}

/// Which part of the tree is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// One namespace, or all.
    Within(Option<&'a Namespace>),
    /// One deployment and what belongs to it.
    Of(&'a Namespace, &'a Name),
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    /// None is every namespace.
    pub(crate) namespace: Option<Namespace>,
    pub(crate) targets: Vec<Target>,
    pub(crate) selector: Selector,
    pub(crate) fields: FieldSelector,
    /// Only events of these types; none is of any.
    pub(crate) types: Vec<EventKind>,
    /// Only events of this: a deployment's own and its instances', or one instance's.
    pub(crate) about: Option<About>,
    /// Labels are shown, too.
    pub(crate) labels_shown: bool,
}

/// What events are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) deployment: String,
    pub(crate) instance: Option<String>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) resource: Resource,
    /// Its deployment's; empty unless the query needs them.
    pub(crate) labels: BTreeMap<String, String>,
}

impl Resource {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Deployment(_) => Kind::ModelDeployment,
            Self::Instance(_) => Kind::Instance,
            Self::Endpoint(_) => Kind::Endpoint,
            Self::Event(_) => Kind::Event,
            Self::Sync(_) => Kind::Sync,
        }
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        match self {
            Self::Deployment(of) => &of.namespace,
            Self::Instance(of) => &of.namespace,
            Self::Endpoint(of) => &of.0,
            Self::Event(of) => &of.namespace,
            Self::Sync(of) => &of.namespace,
        }
    }

    /// The deployment that it is, or belongs to; a sync's own name.
    pub(crate) fn deployment(&self) -> &Name {
        match self {
            Self::Deployment(of) => &of.name,
            Self::Instance(of) => &of.name,
            Self::Endpoint(of) => &of.1,
            Self::Event(of) => &of.name,
            Self::Sync(of) => &of.name,
        }
    }

    /// Its name: NAME, DEPLOYMENT/INSTANCE, or an event's.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Deployment(of) => of.name.to_string(),
            Self::Instance(of) => format!("{}/{}", of.name, of.iid),
            Self::Endpoint(of) => format!("{}/{}", of.1, of.2),
            Self::Event(of) => of.unique_name(),
            Self::Sync(of) => of.name.to_string(),
        }
    }

    /// KIND/NAME, as `-o name` and waits name it.
    pub(crate) fn reference(&self) -> String {
        format!("{}/{}", self.kind().prefix(), self.name())
    }

    /// Tells lives apart that bear one name.
    pub(crate) fn uid(&self) -> i64 {
        match self {
            Self::Deployment(of) => of.stat.czxid,
            Self::Instance(of) => of.stat.czxid,
            Self::Sync(of) => of.stat.czxid,
            Self::Endpoint(_) | Self::Event(_) => 0,
        }
    }

    /// When an event was last seen; of anything else nothing.
    pub(crate) fn last_ms(&self) -> i64 {
        match self {
            Self::Event(of) => of.event.last_ms,
            Self::Deployment(_) | Self::Instance(_) | Self::Endpoint(_) | Self::Sync(_) => 0,
        }
    }

    /// The whole of it.
    pub(crate) fn object(&self) -> Value {
        match self {
            Self::Deployment(of) => object::deployment(of),
            Self::Instance(of) => object::instance(of),
            Self::Endpoint(of) => object::endpoint(of),
            Self::Event(of) => object::event(of),
            Self::Sync(of) => object::sync(of),
        }
    }

    /// The cells of its row; of the wide table, or of the plain one.
    pub(crate) fn row(&self, wide: bool, now_ms: i64) -> Vec<String> {
        let mut cells = match self {
            Self::Deployment(of) => rows::deployment(of, now_ms),
            Self::Instance(of) => rows::instance(of, now_ms),
            Self::Endpoint(of) => rows::endpoint(&of.1, of.2, &of.3, now_ms),
            Self::Event(of) => rows::event(of, now_ms),
            Self::Sync(of) => sync::row(of, now_ms),
        };
        if !wide {
            cells.truncate(rows::header(self.kind(), false).len());
        }
        cells
    }

    /// Whether this word names it: its name, or its deployment's.
    pub(crate) fn is_named(&self, word: &str) -> bool {
        self.deployment().as_str() == word || self.name() == word
    }
}

impl Query {
    /// Whether the labels of deployments must be known.
    pub(crate) fn needs_labels(&self) -> bool {
        self.labels_shown || !self.selector.is_empty()
    }

    /// Everything in the scope that is looked for, kind by kind; events the oldest first.
    pub(crate) fn find(&self, tree: &Tree, scope: Scope<'_>) -> Vec<Found> {
        let mut found = Vec::new();
        for target in &self.targets {
            let mut last: Option<((Namespace, Name), BTreeMap<String, String>)> = None;
            for resource in list(tree, target.kind, scope) {
                if !self.is_wanted(&resource, target) {
                    continue;
                }
                let mut labels = BTreeMap::new();
                if self.needs_labels() {
                    // Those of one deployment stand beside one another.
                    let of = (resource.namespace().clone(), resource.deployment().clone());
                    labels = match last.take_if(|(known, _)| *known == of) {
                        Some((_, labels)) => labels,
                        None => match &resource {
                            Resource::Deployment(deployment) => deployment
                                .spec
                                .as_ref()
                                .map(|spec| spec.resource.metadata.labels.clone())
                                .unwrap_or_default(),
                            _ => tree.labels(&of.0, &of.1),
                        },
                    };
                    last = Some((of, labels.clone()));
                }
                let fields = self.fields.is_empty() || self.fields.matches(&resource.object());
                if fields && self.selector.matches(&labels) {
                    found.push(Found { resource, labels });
                }
            }
        }
        found
    }

    fn is_wanted(&self, resource: &Resource, target: &Target) -> bool {
        if self.namespace.as_ref().is_some_and(|namespace| namespace != resource.namespace()) {
            return false;
        }
        if !target.names.is_empty() && !target.names.iter().any(|word| resource.is_named(word)) {
            return false;
        }
        let Resource::Event(happened) = resource else { return true };
        let about = self.about.as_ref().is_none_or(|about| {
            happened.name.as_str() == about.deployment
                && about.instance.as_ref().is_none_or(|instance| happened.event.object == *instance)
        });
        about && (self.types.is_empty() || self.types.contains(&happened.event.kind))
    }
}

fn list(tree: &Tree, kind: Kind, scope: Scope<'_>) -> Vec<Resource> {
    match (kind, scope) {
        (Kind::ModelDeployment, Scope::Within(of)) => {
            tree.deployments(of).into_iter().map(Box::new).map(Resource::Deployment).collect()
        }
        (Kind::ModelDeployment, Scope::Of(namespace, name)) => {
            tree.deployment(namespace, name).into_iter().map(Box::new).map(Resource::Deployment).collect()
        }
        (Kind::Instance, Scope::Within(of)) => {
            tree.instances(of).into_iter().map(Box::new).map(Resource::Instance).collect()
        }
        (Kind::Instance, Scope::Of(namespace, name)) => {
            tree.instances_of(namespace, name).into_iter().map(Box::new).map(Resource::Instance).collect()
        }
        (Kind::Endpoint, Scope::Within(of)) => {
            tree.endpoints(of).into_iter().map(Box::new).map(Resource::Endpoint).collect()
        }
        (Kind::Endpoint, Scope::Of(namespace, name)) => {
            tree.endpoints_of(namespace, name).into_iter().map(Box::new).map(Resource::Endpoint).collect()
        }
        (Kind::Sync, Scope::Within(of)) => tree.syncs(of).into_iter().map(Box::new).map(Resource::Sync).collect(),
        (Kind::Sync, Scope::Of(namespace, name)) => {
            tree.sync(namespace, name).into_iter().map(Box::new).map(Resource::Sync).collect()
        }
        (Kind::Event, Scope::Within(of)) => {
            rows::happened(tree.events(of)).into_iter().map(Box::new).map(Resource::Event).collect()
        }
        (Kind::Event, Scope::Of(namespace, name)) => {
            let ring = tree.events_of(namespace, name).map(|ring| (namespace.clone(), name.clone(), ring));
            rows::happened(ring).into_iter().map(Box::new).map(Resource::Event).collect()
        }
    }
}

//! Waiting until something is so: pushed by the tree's changes, not by looking again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use maas_crd::Namespace;
use maas_store::{Node, Store};
use tokio::time::{Instant, sleep, sleep_until};

use super::chosen::{Place, declared, queries};
use super::connection::{has_leader, open};
use super::follow::Followed;
use super::get::paths;
use crate::args::Wait;
use crate::awaited::Awaited;
use crate::output;
use crate::output::waiting::{REFRESH, Waiting};
use crate::reference::{Kind, Target, targets_or_deployments};
use crate::resource::{Found, Query, Resource, Scope};
use crate::settings::Settings;
use crate::tree::Tree;

/// How long the first look at the tree may take, also when the time to wait is over before.
const FIRST_LOOK: Duration = Duration::from_secs(6);

/// `wait NAME --for=ready`.
pub(crate) async fn wait(settings: &Settings, args: Wait) -> anyhow::Result<ExitCode> {
    let queries = asked(settings, &args)?;
    for target in queries.iter().flat_map(|query| &query.targets) {
        args.condition.check(target.kind)?;
    }
    let store = open(settings).await?;
    let deadline = Instant::now() + args.timeout;
    until(&store, Progress::new(queries, args.condition), deadline, |resource| {
        output::data(&format!("{resource} condition met\n"))
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// What is waited for: what files declare, what is named, or what is selected.
fn asked(settings: &Settings, args: &Wait) -> anyhow::Result<Vec<Query>> {
    let chosen = args.all || !args.selector.is_empty();
    if !args.files.filename.is_empty() {
        if chosen || args.all_namespaces {
            bail!("--filename names deployments itself: leave --selector, --all and --all-namespaces out");
        }
        return Ok(queries(declared(settings, &args.words, &args.files)?));
    }
    let targets = targets_or_deployments(&args.words)?;
    for target in &targets {
        match target.names.is_empty() {
            true if !chosen => bail!(
                "resource(s) were provided, but no name was specified: give a name, --selector, or --all for all {}",
                target.kind.plural()
            ),
            false if chosen => bail!("names cannot be provided when a selector or --all is specified"),
            false if args.all_namespaces => {
                bail!("a resource cannot be retrieved by name across all namespaces: give -n, or no name")
            }
            _ => {}
        }
    }
    let namespace = (!args.all_namespaces).then(|| settings.namespace());
    Ok(vec![Query { namespace, targets, selector: args.selector.clone(), ..Query::default() }])
}

/// With `--wait` nobody should wait for an operator that is not there.
pub(crate) async fn require_operator(store: &Store) -> anyhow::Result<()> {
    if has_leader(store).await? {
        return Ok(());
    }
    bail!("no operator is running, so there is nothing to wait for: the edit is kept; run `maasctl service start`")
}

/// Until every instance of the newest spec of each is ready. A deployment need not exist yet.
pub(crate) async fn until_ready(
    store: &Store,
    of: impl IntoIterator<Item = &Place>,
    deadline: Instant,
) -> anyhow::Result<()> {
    until(store, Progress::new(queries(of.into_iter().cloned()), Awaited::Ready), deadline, |_| Ok(())).await
}

/// Until neither spec nor status nor instances nor endpoints of any are left.
pub(crate) async fn until_gone(
    store: &Store,
    of: impl IntoIterator<Item = &Place>,
    deadline: Instant,
) -> anyhow::Result<()> {
    until(store, Progress::new(queries(of.into_iter().cloned()), Awaited::Delete), deadline, |_| Ok(())).await
}

/// Until nothing is open. `met` is told of each resource as it becomes so.
async fn until(
    store: &Store,
    mut progress: Progress,
    deadline: Instant,
    mut met: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let first_look = deadline.max(Instant::now() + FIRST_LOOK);
    let mut followed = Followed::new(store, progress.paths(store));
    let mut waiting = Waiting::new();
    loop {
        let mut open = Vec::new();
        if followed.whole {
            let look = progress.look(&followed.tree)?;
            for reference in look.met {
                waiting.clear();
                met(&reference)?;
            }
            if look.open.is_empty() {
                return Ok(());
            }
            open = look.open;
        }
        if !followed.connected {
            for one in &mut open {
                one.lacks.push_str("; the connection to ZooKeeper is lost");
            }
        }
        let end = if followed.whole { deadline } else { first_look };
        if Instant::now() >= end {
            waiting.clear();
            return Err(progress.timed_out(&open));
        }
        match open.split_first() {
            Some((first, [])) => waiting.show(&first.to_string()),
            Some((first, others)) => waiting.show(&format!("{first} (and {} more)", others.len())),
            None => {}
        }
        tokio::select! {
            step = followed.step(|_, _, _| {}) => step?,
            () = sleep_until(end) => {}
            () = sleep(REFRESH), if waiting.is_refreshed() => {}
        }
    }
}

/// A kind, a namespace and a name.
type Key = (Kind, Namespace, String);

/// What is waited for of which resources, and which have been so: once is enough.
struct Progress {
    queries: Vec<Query>,
    awaited: Awaited,
    done: BTreeSet<Key>,
    /// That were there, and how messages name them.
    seen: BTreeMap<Key, String>,
}

/// One look at the tree.
struct Look {
    /// What became so.
    met: Vec<String>,
    open: Vec<Open>,
}

/// Something that is not so yet.
#[derive(Debug, PartialEq, Eq)]
struct Open {
    /// `modeldeployments/NAME`, and where that is not plain its namespace; the kind alone when nothing matches.
    what: String,
    lacks: String,
}

impl std::fmt::Display for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.lacks)
    }
}

const NONE_MATCHES: &str = "no matching resources found";

impl Progress {
    fn new(queries: Vec<Query>, awaited: Awaited) -> Self {
        Self { queries, awaited, done: BTreeSet::new(), seen: BTreeMap::new() }
    }

    /// What is to be followed.
    fn paths(&self, store: &Store) -> Vec<String> {
        let mut all = vec![store.path(&Node::Leader)];
        for query in &self.queries {
            let mut query = query.clone();
            if self.awaited == Awaited::Delete {
                // What is left of a deployment counts as it.
                let of_deployments = query.targets.iter().filter(|target| target.kind == Kind::ModelDeployment);
                let parts = of_deployments.map(|target| Target { kind: Kind::Instance, ..target.clone() });
                query.targets = query.targets.iter().cloned().chain(parts).collect();
            }
            all.extend(paths(store, &query));
        }
        all
    }

    fn look(&mut self, tree: &Tree) -> anyhow::Result<Look> {
        let mut look = Look { met: Vec::new(), open: Vec::new() };
        let found: Vec<Found> =
            self.queries.iter().flat_map(|query| query.find(tree, Scope::Within(query.namespace.as_ref()))).collect();
        let mut there = BTreeSet::new();
        for one in &found {
            let resource = &one.resource;
            let key = (resource.kind(), resource.namespace().clone(), resource.name());
            there.insert(key.clone());
            self.seen.entry(key.clone()).or_insert_with(|| resource.reference());
            if self.done.contains(&key) {
                continue;
            }
            match self.lacks(tree, resource)? {
                None => {
                    look.met.push(resource.reference());
                    self.done.insert(key);
                }
                Some(lacks) => look.open.push(self.unmet(&key, lacks)),
            }
        }
        if self.awaited == Awaited::Delete {
            self.look_for_remains(tree, &there, &mut look);
        } else {
            self.look_for_absent(tree, &there, &mut look);
        }
        Ok(look)
    }

    fn lacks(&self, tree: &Tree, resource: &Resource) -> anyhow::Result<Option<String>> {
        let lacks = self.awaited.lacks(resource)?;
        let lacks = match (&self.awaited, resource) {
            (Awaited::Delete, Resource::Deployment(_)) => Some("its spec is still there".to_owned()),
            _ => lacks,
        };
        Ok(lacks.map(|lacks| self.with_operator(tree, lacks)))
    }

    /// Nothing comes of most waits without one.
    fn with_operator(&self, tree: &Tree, lacks: String) -> String {
        if tree.leader().is_none() { format!("{lacks}; no operator is running") } else { lacks }
    }

    /// Names and sets of which nothing is there, nor was.
    fn look_for_absent(&self, tree: &Tree, there: &BTreeSet<Key>, look: &mut Look) {
        for query in &self.queries {
            let within = |namespace| query.namespace.as_ref().is_none_or(|of| of == namespace);
            for Target { kind, names } in &query.targets {
                let known = || there.iter().chain(&self.done).filter(|(of, place, _)| of == kind && within(place));
                if names.is_empty() && known().next().is_none() {
                    look.open.push(Open { what: kind.plural().to_owned(), lacks: NONE_MATCHES.to_owned() });
                }
                let Some(namespace) = &query.namespace else { continue };
                let is_known = |word: &str| {
                    known().any(|(.., name)| name.as_str() == word || name.split('/').next() == Some(word))
                };
                for name in names.iter().filter(|name| !is_known(name)) {
                    let lacks = self.with_operator(tree, "it does not exist".to_owned());
                    look.open.push(self.unmet(&(*kind, namespace.clone(), name.clone()), lacks));
                }
            }
        }
    }

    /// What went, and what is left of it.
    fn look_for_remains(&mut self, tree: &Tree, there: &BTreeSet<Key>, look: &mut Look) {
        for query in &self.queries {
            let Some(namespace) = &query.namespace else { continue };
            for Target { kind, names } in &query.targets {
                // Instances of a deployment are waited for one by one.
                for name in names.iter().filter(|name| *kind == Kind::ModelDeployment || name.contains('/')) {
                    let key = (*kind, namespace.clone(), name.clone());
                    self.seen.entry(key).or_insert_with(|| format!("{}/{name}", kind.prefix()));
                }
            }
        }
        for (key, reference) in &self.seen {
            if there.contains(key) || self.done.contains(key) {
                continue;
            }
            let left = match (key.0, key.2.parse()) {
                (Kind::ModelDeployment, Ok(name)) => tree.remains(&key.1, &name),
                _ => Vec::new(),
            };
            if left.is_empty() {
                look.met.push(reference.clone());
                self.done.insert(key.clone());
            } else {
                let lacks = format!("its {} are still there", left.join(" and "));
                look.open.push(self.unmet(key, self.with_operator(tree, lacks)));
            }
        }
    }

    /// With the namespace where there may be several.
    fn unmet(&self, (kind, namespace, name): &Key, lacks: String) -> Open {
        let one = matches!(self.queries.as_slice(), [query] if query.namespace.is_some());
        let place = if one { String::new() } else { format!(" in {namespace}") };
        Open { what: format!("{}/{name}{place}", kind.plural()), lacks }
    }

    fn timed_out(&self, open: &[Open]) -> anyhow::Error {
        if open.is_empty() {
            return anyhow!("timed out waiting for the condition: ZooKeeper did not answer");
        }
        let said: Vec<String> = open
            .iter()
            .map(|one| match one.lacks.as_str() {
                NONE_MATCHES => format!("{NONE_MATCHES}: {}", one.what),
                _ => format!("timed out waiting for the condition on {one}"),
            })
            .collect();
        anyhow!(said.join("\nerror: "))
    }
}

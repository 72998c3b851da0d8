//! `maas_deploy.sh`: ADD, REMOVE and LIST, as edits and reads of specs.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use maas_crd::metron::{self, Known, Removal};
use maas_crd::{Manifest, Memory, ModelRef, Name, Namespace};
use maas_store::{SpecRead, Store, get_spec, list_specs};
use tokio::time::Instant;

use super::connection::{Part, ensure_tree, load, open, warn_without_operator};
use super::payload_path;
use super::retry::{Decided, Write, settle};
use super::wait::{require_operator, until_gone, until_ready};
use crate::edit::EditId;
use crate::legacy::deploy::{Add, DeployRequest, Mode};
use crate::legacy::root::tree_root;
use crate::output::{self, counted};
use crate::settings::Settings;

/// Runs one request.
pub(crate) async fn deploy(request: DeployRequest) -> anyhow::Result<ExitCode> {
    for note in &request.notes {
        output::note(note);
    }
    // What the flags say wrong is told before anything is asked of the cluster.
    match request.mode {
        Mode::Add(add) => {
            let wanted = Wanted::check(add)?;
            let (settings, store) = open_tree(request.quorum, &request.config_path).await?;
            self::add(&settings, &store, wanted, request.wait).await
        }
        Mode::Remove { model, version, instances } => {
            let model = self::model(&model, &version)?;
            let (_, store) = open_tree(request.quorum, &request.config_path).await?;
            remove(&store, &model, instances, request.wait).await
        }
        Mode::List { model, version } => {
            let (_, store) = open_tree(request.quorum, &request.config_path).await?;
            list(&store, model.as_deref(), version.as_deref()).await
        }
    }
}

/// A session with the tree that Metron's config names.
pub(super) async fn open_tree(quorum: String, config_path: &str) -> anyhow::Result<(Settings, Store)> {
    if !config_path.starts_with('/') {
        bail!("-zr {config_path:?}: expected the path of a znode, such as {}", crate::legacy::DEFAULT_CONFIG_PATH);
    }
    let conf_dir = std::env::var_os("HADOOP_CONF_DIR").map(Into::into);
    let mut settings = Settings::check(Some(quorum), "/maas", None, conf_dir)?;
    let store = open(&settings).await?;
    let config = store.get(config_path).await?;
    let root = tree_root(config_path, config.as_ref().map(|(data, _)| data.as_slice()))?;
    if root == settings.root.to_string() {
        return Ok((settings, store));
    }
    settings.root = root.parse().with_context(|| format!("the config at {config_path}"))?;
    let store = open(&settings).await?;
    Ok((settings, store))
}

fn model(name: &str, version: &str) -> anyhow::Result<ModelRef> {
    Ok(ModelRef { name: name.parse().context("-n")?, version: version.parse().context("-v")? })
}

/// The one deployment of this model among all, whatever its name.
fn find(model: &ModelRef, all: &[SpecRead]) -> anyhow::Result<Option<(SpecRead, Manifest)>> {
    let found = all.iter().filter_map(|read| {
        // One that cannot be read is no deployment of any model; its status says so.
        let manifest = maas_crd::parse_one(&read.text).ok()?;
        let is_of_it = manifest.resource.spec.template.model == *model;
        is_of_it.then(|| (read.name.clone(), (read.clone(), manifest)))
    });
    Ok(metron::only(model, found.collect())?.map(|(_, found)| found))
}

/// An ADD whose flags are good.
struct Wanted {
    model: ModelRef,
    instances: u32,
    memory: Memory,
    path: payload_path::Asked,
}

impl Wanted {
    fn check(add: Add) -> anyhow::Result<Self> {
        let model = self::model(&add.model, &add.version)?;
        let memory = Memory::from_mib(add.memory_mib).with_context(|| format!("-m {}", add.memory_mib))?;
        let path = payload_path::Asked::check(&add.hdfs_path, add.local_path.as_deref())?;
        let wanted = Self { model, instances: add.instances, memory, path };
        wanted.manifest()?;
        Ok(wanted)
    }

    fn name(&self) -> Name {
        Name::of_model(&self.model.name, &self.model.version)
    }

    fn asked(&self, payload: String) -> Known {
        Known { replicas: self.instances, memory_mib: self.memory.mib(), payload }
    }

    /// What stands in the tree when this is the first of its model.
    fn manifest(&self) -> anyhow::Result<Manifest> {
        Ok(metron::manifest(&self.model, &self.asked(self.path.payload().to_owned()))?)
    }

    /// Beside a deployment of this model.
    fn known(&self, stored: &Manifest) -> Known {
        self.asked(self.path.as_seen_by(&stored.resource.spec.template.payload))
    }

    /// As it is told.
    fn words(&self) -> String {
        words(&self.model)
    }
}

fn words(model: &ModelRef) -> String {
    format!("{} {}", model.name, model.version)
}

async fn add(settings: &Settings, store: &Store, wanted: Wanted, wait: Option<Duration>) -> anyhow::Result<ExitCode> {
    let edit = EditId::random();
    // Refused before anything is uploaded, if it is to be refused.
    let first = decide_add(store, &wanted, &edit).await?;
    // The tree is made once HDFS has answered: what fails leaves nothing behind.
    let hdfs = payload_path::open_hdfs(settings)?;
    wanted.path.reach(&hdfs).await?;
    ensure_tree(store).await?;
    let mut uploaded = false;
    if creates(&first) {
        wanted.path.upload(&hdfs).await?;
        uploaded = true;
    }
    let (mut written, mut created) = (false, false);
    let settled = settle(store, async || {
        let decided = decide_add(store, &wanted, &edit).await?;
        if creates(&decided) && !uploaded {
            wanted.path.upload(&hdfs).await?;
            uploaded = true;
        }
        // What was tried last is what was done, if its answer was lost.
        if decided.write.is_some() {
            (written, created) = (true, creates(&decided));
        }
        Ok(decided)
    })
    .await;
    // After an error a write may still have been applied, and name it.
    let unused = if settled.is_ok() { !created } else { !written };
    if uploaded && unused {
        wanted.path.take_back(&hdfs).await.unwrap_or_else(|error| output::note(&format!("{error:#}")));
    }
    let (name, total) = settled?;
    let (count, model) = (counted(wanted.instances.into(), "instance"), wanted.words());
    if created {
        output::data(&format!("modeldeployment.maas/{name} created: {count} of {model}\n"))?;
    } else {
        output::data(&format!("modeldeployment.maas/{name} configured: {count} of {model} added, {total} in all\n"))?;
    }
    match wait {
        Some(wait) => {
            require_operator(store).await?;
            until_ready(store, &[(Namespace::default(), name)], Instant::now() + wait).await?;
        }
        None => warn_without_operator(store).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn creates<T>(decided: &Decided<T>) -> bool {
    matches!(decided.write, Some(Write::Create(..)))
}

async fn decide_add(store: &Store, wanted: &Wanted, edit: &EditId) -> anyhow::Result<Decided<(Name, u32)>> {
    let (namespace, model) = (Namespace::default(), &wanted.model);
    let all = list_specs(store, Some(&namespace)).await?;
    match find(model, &all)? {
        Some((read, stored)) if edit.is_in(&stored.resource) => {
            Ok(Decided::done((read.name, stored.resource.spec.replicas)))
        }
        Some((read, stored)) => {
            let total =
                metron::add(model.name.as_str(), model.version.as_str(), &Known::of(&stored), &wanted.known(&stored))?;
            let text = edit.note(&metron::counted(&stored, total)?, &stored.resource)?;
            let name = read.name.clone();
            Ok(Decided::after_once(Write::Update(read, text), (name, total)))
        }
        None => {
            let name = wanted.name();
            // In the same view: one that comes right after it is of this model, and a conflict.
            if all.iter().any(|read| read.name == name) {
                bail!(
                    "the name {name} is taken by a deployment of another model: look at it with `maasctl describe {name}`"
                );
            }
            let manifest = wanted.manifest()?;
            let text = edit.note(&manifest.text, &manifest.resource)?;
            Ok(Decided::after(Write::Create(namespace, name.clone(), text), (name, wanted.instances)))
        }
    }
}

/// What became of a REMOVE.
enum Removed {
    /// There is no such model.
    Unknown,
    /// This many are left.
    Lowered(Name, u32),
    /// Set to none, and now to be deleted: so many there were.
    Emptied(Name, i64, u32),
}

async fn remove(store: &Store, model: &ModelRef, instances: u32, wait: Option<Duration>) -> anyhow::Result<ExitCode> {
    let edit = EditId::random();
    let namespace = Namespace::default();
    let (asked, model) = (model, words(model));
    let mut attempted = None;
    let removed = settle(store, async || decide_remove(store, asked, instances, &edit, &mut attempted).await).await?;
    match removed {
        Removed::Unknown => {
            output::note(&format!("no model {model} is deployed: nothing to remove"));
            return Ok(ExitCode::SUCCESS);
        }
        Removed::Lowered(name, left) => {
            let count = counted(instances.into(), "instance");
            output::data(&format!(
                "modeldeployment.maas/{name} configured: {count} of {model} removed, {left} left\n"
            ))?;
            if let Some(wait) = wait {
                require_operator(store).await?;
                until_ready(store, &[(namespace, name)], Instant::now() + wait).await?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        Removed::Emptied(name, uid, had) => {
            delete_emptied(store, &name, uid, &edit).await?;
            let more = if had < instances { format!(" ({instances} were asked)") } else { String::new() };
            output::data(&format!(
                "modeldeployment.maas/{name} deleted: {} of {model} removed, none left{more}\n",
                counted(had.into(), "instance")
            ))?;
            if let Some(wait) = wait {
                require_operator(store).await?;
                until_gone(store, &[(namespace, name)], Instant::now() + wait).await?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    warn_without_operator(store).await?;
    Ok(ExitCode::SUCCESS)
}

/// The last instances go in two steps, to none and then away: a delete leaves nothing that could tell, after a lost
/// answer, whether it was this one.
async fn decide_remove(
    store: &Store,
    model: &ModelRef,
    instances: u32,
    edit: &EditId,
    attempted: &mut Option<(Name, i64, u32, Removal)>,
) -> anyhow::Result<Decided<Removed>> {
    let outcome = |(name, uid, had, removal): &(Name, i64, u32, Removal)| match removal {
        Removal::Lower(left) => Removed::Lowered(name.clone(), *left),
        Removal::Delete => Removed::Emptied(name.clone(), *uid, *had),
    };
    let found = find(model, &list_specs(store, Some(&Namespace::default())).await?)?;
    match (found, &attempted) {
        (Some((_, stored)), Some(attempt)) if edit.is_in(&stored.resource) => Ok(Decided::done(outcome(attempt))),
        (Some((read, stored)), _) => {
            let had = stored.resource.spec.replicas;
            let removal = metron::remove(had, instances);
            let left = match removal {
                Removal::Lower(left) => left,
                Removal::Delete => 0,
            };
            let text = edit.note(&maas_crd::set_replicas(&stored.text, left)?, &stored.resource)?;
            let attempt = (read.name.clone(), read.stat.czxid, had, removal);
            let outcome = outcome(&attempt);
            *attempted = Some(attempt);
            Ok(Decided::after_once(Write::Update(read, text), outcome))
        }
        // Someone else took the rest away between two tries.
        (None, _) => Ok(Decided::done(Removed::Unknown)),
    }
}

/// Deletes what this edit emptied, unless somebody has added to it or replaced it since.
async fn delete_emptied(store: &Store, name: &Name, uid: i64, edit: &EditId) -> anyhow::Result<()> {
    settle(store, async || {
        let Some(read) = get_spec(store, &Namespace::default(), name).await? else { return Ok(Decided::done(())) };
        let ours = maas_crd::parse_one(&read.text)
            .is_ok_and(|stored| stored.resource.spec.replicas == 0 && edit.is_in(&stored.resource));
        if read.stat.czxid != uid || !ours {
            return Ok(Decided::done(()));
        }
        Ok(Decided::after(Write::Delete(read), ()))
    })
    .await
}

async fn list(store: &Store, model: Option<&str>, version: Option<&str>) -> anyhow::Result<ExitCode> {
    let tree = load(store, &[Part::Endpoints], Some(&Namespace::default())).await?;
    let endpoints = tree.endpoints(None).into_iter().map(|(_, _, _, endpoint)| endpoint).collect();
    let text = output::list::list(endpoints, model, version);
    if text.is_empty() {
        output::note("no model is live");
    }
    output::data(&text)?;
    Ok(ExitCode::SUCCESS)
}

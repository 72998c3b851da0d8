//! What the verbs that change one deployment after another share: which, how, and what is said of each.

use anyhow::{Context, anyhow, bail};
use maas_crd::{Edit, Manifest, Name, Namespace};
use maas_store::{Store, get_spec, list_specs};
use serde_json::Value;

use super::NotFound;
use super::connection::load_one;
use super::missing::hint;
use super::retry::{Decided, Write, carry_out};
use super::wait::names;
use crate::args::{DryRun, How, Printed, Which};
use crate::output::{self, object};
use crate::reference::{self, ReferenceError};
use crate::settings::Settings;

/// The deployments that a command line means. Every name is looked for before any is changed.
pub(crate) async fn targets(
    store: &Store,
    settings: &Settings,
    words: &[String],
    which: &Which,
    verb: &str,
) -> anyhow::Result<Vec<Name>> {
    let namespace = settings.namespace();
    if !which.all && which.selector.is_none() {
        if words.is_empty() {
            bail!("name the deployments to {verb}, or give --selector or --all");
        }
        let names = names(words)?;
        for name in &names {
            if get_spec(store, &namespace, name).await?.is_none() {
                bail!(absent(store, &namespace, name).await);
            }
        }
        return Ok(names);
    }
    match reference::deployments(words) {
        Ok(names) if names.is_empty() => {}
        // A kind alone.
        Err(ReferenceError::NoName) => {}
        Ok(_) => bail!("name cannot be provided when a selector or --all is specified"),
        Err(error) => return Err(error.into()),
    }
    let found = list_specs(store, Some(&namespace)).await?;
    let found: Vec<Name> = match &which.selector {
        None => found.into_iter().map(|read| read.name).collect(),
        Some(selector) => {
            let selector: crate::selector::Selector = selector.parse()?;
            // As an unset variable of a script leaves it.
            if selector.is_empty() {
                bail!("--selector is empty, which selects everything: give --all if that is meant");
            }
            // What cannot be read has no labels.
            let labels = |text: &[u8]| maas_crd::parse_one(text).map(|stored| stored.resource.metadata.labels);
            let selected = |text: &[u8]| selector.matches(&labels(text).unwrap_or_default());
            found.into_iter().filter(|read| selected(&read.text)).map(|read| read.name).collect()
        }
    };
    if found.is_empty() {
        bail!("no deployments in {namespace} namespace to {verb}");
    }
    Ok(found)
}

/// That it is not there, and what may be meant.
pub(crate) async fn absent(store: &Store, namespace: &Namespace, name: &Name) -> String {
    format!("{}\n{}", NotFound(name.to_string()), hint(store, namespace, name.as_str()).await)
}

/// A deployment after its change.
pub(crate) struct Changed {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
    pub(crate) manifest: Manifest,
    /// Whether it is another one than before.
    pub(crate) differs: bool,
}

/// Changes one deployment's text, by reading, deciding and writing at the version read.
///
/// `decide` gives the whole new text. Called again on its own outcome, as after a lost answer, it must give the same.
pub(crate) async fn change(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    dry_run: DryRun,
    mut decide: impl FnMut(&Manifest) -> anyhow::Result<String>,
) -> anyhow::Result<Changed> {
    let mut tried = false;
    let read_and_decide = async || {
        let read = get_spec(store, namespace, name).await?.ok_or_else(|| NotFound(name.to_string()))?;
        let stored = stored(name, &read.text)?;
        let text = decide(&stored)?;
        let differs = text != stored.text;
        let manifest = if differs { maas_crd::parse_one(text.as_bytes())? } else { stored };
        let outcome = Changed { namespace: namespace.clone(), name: name.clone(), manifest, differs: differs || tried };
        tried |= differs;
        Ok(if differs { Decided::after(Write::Update(read, text), outcome) } else { Decided::done(outcome) })
    };
    carry_out(store, dry_run, &[], read_and_decide).await
}

/// A stored manifest that shall be changed.
pub(crate) fn stored(name: &Name, text: &[u8]) -> anyhow::Result<Manifest> {
    maas_crd::parse_one(text).with_context(|| {
        format!("the manifest of {name} cannot be read: mend it with `maasctl edit {name}` or apply a good one")
    })
}

/// The text after these edits; what a field may not have is told by field, as its line means nothing to who gave it here.
pub(crate) fn edited(stored: &Manifest, edits: &[Edit<'_>]) -> anyhow::Result<String> {
    maas_crd::edit(&stored.text, edits).map_err(|error| match error {
        maas_crd::EditError::Unfit(faults) => {
            let told = |fault: &maas_crd::Fault| {
                let path = if fault.path.is_empty() { String::new() } else { format!("{}: ", fault.path) };
                let help = fault.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
                format!("{path}{}{help}", fault.message)
            };
            anyhow!(faults.0.iter().map(told).collect::<Vec<_>>().join("\n"))
        }
        other => other.into(),
    })
}

/// Says what became of each deployment, in the format asked for.
pub(crate) struct Teller<'a> {
    how: &'a How,
    objects: Vec<Value>,
    /// Why stdout takes no more: all the same, every deployment that was named is changed.
    closed: Option<anyhow::Error>,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(how: &'a How) -> Self {
        Self { how, objects: Vec::new(), closed: None }
    }

    /// Prints a text at once.
    pub(crate) fn data(&mut self, text: &str) {
        if self.closed.is_none() {
            self.closed = output::data(text).err();
        }
    }

    /// Tells of one, at once where that needs no more than a line.
    pub(crate) async fn tell(&mut self, store: Option<&Store>, changed: &Changed, word: &str) -> anyhow::Result<()> {
        let name = &changed.name;
        match self.how.output {
            None => self.data(&format!("modeldeployment.maas/{name} {word}{}\n", self.how.rehearsal.dry_run.suffix())),
            Some(Printed::Name) => self.data(&format!("modeldeployment.maas/{name}\n")),
            Some(Printed::Yaml | Printed::Json) => {
                self.objects.push(whole(store.filter(|_| !self.how.rehearsal.dry_run.is_dry()), changed).await?);
            }
        }
        Ok(())
    }

    /// Prints the objects: one alone if only one was asked for, else a list.
    ///
    /// # Errors
    /// Stdout took not all that was to be told.
    pub(crate) fn end(mut self, alone: bool) -> anyhow::Result<()> {
        let objects = std::mem::take(&mut self.objects);
        match self.how.output {
            Some(Printed::Yaml) => self.data(&object::yaml(&object::listed(objects, alone))?),
            Some(Printed::Json) => self.data(&object::json(&object::listed(objects, alone))?),
            None | Some(Printed::Name) => {}
        }
        self.closed.map_or(Ok(()), Err)
    }
}

/// As it stands in the tree; or as it would, without what only the tree can tell.
async fn whole(store: Option<&Store>, changed: &Changed) -> anyhow::Result<Value> {
    if let Some(store) = store {
        let tree = load_one(store, &changed.namespace, &changed.name).await?;
        if let Some(deployment) = tree.deployment(&changed.namespace, &changed.name) {
            return Ok(object::deployment(&deployment));
        }
    }
    serde_yaml::from_str(&maas_crd::render(&changed.manifest.resource)).context("cannot write the resource")
}

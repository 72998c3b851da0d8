//! What the verbs that change one deployment after another share: which, how, and what is said of each.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use maas_crd::{Edit, Manifest, Name, Namespace};
use maas_store::{Store, get_spec};
use serde_json::Value;

use super::chosen::Place;
use super::connection::load_one;
use super::missing::hint;
use super::retry::{Decided, Write, carry_out, is_unanswered};
use super::{NotFound, tell};
use crate::args::{DryRun, How, Printed};
use crate::output::{self, StdoutClosed, object};

/// Changes one after another. One that fails is told, and the others are changed all the same, as kubectl does; when nobody
/// answers any more, the rest is not tried. Those that were changed.
///
/// # Errors
/// Nobody answered, or stdout can't be written; what was changed was told.
pub(crate) async fn each<'a>(
    store: &Store,
    places: &'a [Place],
    teller: &mut Teller<'_>,
    mut one: impl AsyncFnMut(&mut Teller<'_>, &Namespace, &Name) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<&'a Place>> {
    let mut done = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let (namespace, name) = place;
        match one(teller, namespace, name).await {
            Ok(()) => done.push(place),
            Err(error) if error.is::<StdoutClosed>() => return Err(error),
            Err(error) if is_unanswered(&error) => {
                teller.print(false)?;
                let (all, left) = (places.len(), places.len() - at - 1);
                if all == 1 {
                    return Err(error);
                }
                return Err(error.context(format!(
                    "{} of {all} are done; nobody knows of {namespace}/{name}, and {left} were not tried: give the command again when ZooKeeper answers",
                    done.len()
                )));
            }
            Err(error) => teller.failed(Some(store), place, error, places.len() > 1).await,
        }
    }
    Ok(done)
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
    /// Whether any could not be changed, which was told.
    failed: bool,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(how: &'a How) -> Self {
        Self { how, objects: Vec::new(), closed: None, failed: false }
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

    /// Says why one was not changed; among others, also which.
    pub(crate) async fn failed(
        &mut self,
        store: Option<&Store>,
        place: &Place,
        error: anyhow::Error,
        among_others: bool,
    ) {
        self.failed = true;
        let (namespace, name) = place;
        if let (Some(store), true) = (store, error.is::<NotFound>()) {
            return output::note(&absent(store, namespace, name).await);
        }
        // What the tree itself refuses names it.
        let named = !among_others || error.to_string().starts_with("Error from server");
        tell(&if named { error } else { error.context(format!("modeldeployment.maas/{name}")) });
    }

    /// Prints the objects: one alone if only one was asked for, else a list.
    pub(crate) fn print(&mut self, alone: bool) -> anyhow::Result<()> {
        let objects = std::mem::take(&mut self.objects);
        match self.how.output {
            // As kubectl, nothing where all failed.
            _ if objects.is_empty() && self.failed => {}
            Some(Printed::Yaml) => self.data(&object::yaml(&object::listed(objects, alone))?),
            Some(Printed::Json) => self.data(&object::json(&object::listed(objects, alone))?),
            None | Some(Printed::Name) => {}
        }
        Ok(())
    }

    /// Prints the objects, and gives the exit code: 1 when any failed.
    ///
    /// # Errors
    /// Stdout took not all that was to be told.
    pub(crate) fn end(mut self, alone: bool) -> anyhow::Result<ExitCode> {
        self.print(alone)?;
        match self.closed {
            _ if self.failed => Ok(ExitCode::FAILURE),
            Some(closed) => Err(closed),
            None => Ok(ExitCode::SUCCESS),
        }
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

//! What a command line means: by name, by what files declare, by label, or all of a namespace.

use std::collections::BTreeMap;

use anyhow::bail;
use maas_crd::{Name, Namespace};
use maas_store::{Store, list_specs};

use super::apply::{decide::key, read_declarations};
use crate::args::{Named, Which};
use crate::reference::{self, Kind, ReferenceError, Target};
use crate::resource::Query;
use crate::selector::Selector;
use crate::settings::Settings;

/// A deployment's place.
pub(crate) type Place = (Namespace, Name);

/// Which deployments.
pub(crate) enum Chosen {
    /// These, whether they are there or not.
    Named(Vec<Place>),
    /// Those of the namespace with these labels.
    Labelled(Namespace, Selector),
    /// All of the namespace.
    All(Namespace),
}

impl Chosen {
    /// What words and options say; reads the files.
    ///
    /// # Errors
    /// They say nothing, or two things at a time, or a file has a fault.
    pub(crate) fn read(settings: &Settings, words: &[String], which: &Which, verb: &str) -> anyhow::Result<Self> {
        let namespace = settings.namespace();
        if !which.files.filename.is_empty() {
            return Ok(Self::Named(declared(settings, words, &which.files)?));
        }
        if !which.all && which.selector.is_none() {
            if words.is_empty() {
                bail!("name the deployments to {verb}, or give --filename, --selector or --all");
            }
            return Ok(Self::Named(names(words)?.into_iter().map(|name| (namespace.clone(), name)).collect()));
        }
        match reference::deployments(words) {
            Ok(names) if names.is_empty() => {}
            // A kind alone.
            Err(ReferenceError::NoName) => {}
            Ok(_) => bail!("name cannot be provided when a selector or --all is specified"),
            Err(error) => return Err(error.into()),
        }
        let Some(selector) = &which.selector else { return Ok(Self::All(namespace)) };
        let selector: Selector = selector.parse()?;
        // As an unset variable of a script leaves it.
        if selector.is_empty() {
            bail!("--selector is empty, which selects everything: give --all if that is meant");
        }
        Ok(Self::Labelled(namespace, selector))
    }

    /// The places of those that were named, and of those that the tree has of what was selected.
    ///
    /// # Errors
    /// Nothing is selected; the tree could not be listed.
    pub(crate) async fn find(self, store: &Store, verb: &str) -> anyhow::Result<Vec<Place>> {
        let (namespace, selector) = match self {
            Self::Named(places) => return Ok(places),
            Self::Labelled(namespace, selector) => (namespace, Some(selector)),
            Self::All(namespace) => (namespace, None),
        };
        // What cannot be read has no labels.
        let labels = |text: &[u8]| maas_crd::parse_one(text).map(|stored| stored.resource.metadata.labels);
        let selected =
            |text: &[u8]| selector.as_ref().is_none_or(|selector| selector.matches(&labels(text).unwrap_or_default()));
        let found = list_specs(store, Some(&namespace)).await?.into_iter().filter(|read| selected(&read.text));
        let found: Vec<Place> = found.map(|read| (read.namespace, read.name)).collect();
        if found.is_empty() {
            bail!("no deployments in {namespace} namespace to {verb}");
        }
        Ok(found)
    }
}

/// What the files declare, where no word names anything.
pub(crate) fn declared(settings: &Settings, words: &[String], files: &Named) -> anyhow::Result<Vec<Place>> {
    if !words.is_empty() {
        bail!(
            "when files or stdin are provided as input, you may not specify resource arguments as well: leave {:?} or --filename out",
            words.join(" ")
        );
    }
    let declared = read_declarations(&files.filename, files.recursive, settings.namespace.as_ref())?;
    Ok(declared.good.iter().map(|declared| key(&declared.manifest.resource)).collect())
}

/// Queries for these deployments, one a namespace.
pub(crate) fn queries(places: impl IntoIterator<Item = Place>) -> Vec<Query> {
    let mut names: BTreeMap<Namespace, Vec<String>> = BTreeMap::new();
    for (namespace, name) in places {
        names.entry(namespace).or_default().push(name.to_string());
    }
    let query = |(namespace, names)| Query {
        namespace: Some(namespace),
        targets: vec![Target { kind: Kind::ModelDeployment, names }],
        ..Query::default()
    };
    names.into_iter().map(query).collect()
}

/// Deployments named on the command line, checked.
pub(crate) fn names(words: &[String]) -> anyhow::Result<Vec<Name>> {
    reference::deployments(words)?.iter().map(|name| Ok(name.parse()?)).collect()
}

//! `label` and `annotate`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::bail;
use maas_crd::{Edit, Manifest};

use super::change::{Teller, change, each, edited};
use super::chosen::Chosen;
use super::connection::open;
use crate::args::Mark;
use crate::label::{Pair, check_key, check_value, split};
use crate::settings::Settings;

/// Which notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notes {
    Labels,
    Annotations,
}

impl Notes {
    fn of(self, manifest: &Manifest) -> &BTreeMap<String, String> {
        let metadata = &manifest.resource.metadata;
        match self {
            Self::Labels => &metadata.labels,
            Self::Annotations => &metadata.annotations,
        }
    }

    fn edit<'a>(self, (key, value): &'a Pair) -> Edit<'a> {
        match self {
            Self::Labels => Edit::Label(key, value.as_deref()),
            Self::Annotations => Edit::Annotation(key, value.as_deref()),
        }
    }

    /// One of them, and the verb.
    fn word(self) -> (&'static str, &'static str) {
        match self {
            Self::Labels => ("label", "label"),
            Self::Annotations => ("annotation", "annotate"),
        }
    }
}

/// `label NAME... KEY=VALUE|KEY-` and `annotate`.
pub(crate) async fn mark(settings: &Settings, args: Mark, notes: Notes) -> anyhow::Result<ExitCode> {
    let (one, verb) = notes.word();
    let (names, pairs) = split(&args.words, one)?;
    for (key, value) in &pairs {
        check_key(key)?;
        if let (Notes::Labels, Some(value)) = (notes, value) {
            check_value(key, value)?;
        }
    }
    if pairs.is_empty() && !args.list {
        bail!("at least one {one} update is required: KEY=VALUE to set it, KEY- to take it out");
    }
    let edits: Vec<Edit<'_>> = pairs.iter().map(|pair| notes.edit(pair)).collect();
    let chosen = Chosen::read(settings, &names, &args.which, verb)?;
    let store = open(settings).await?;
    let places = chosen.find(&store, verb).await?;
    let (alone, mut teller) = (places.len() == 1, Teller::new(&args.how));
    each(&store, &places, &mut teller, async |teller, namespace, name| {
        let done = change(&store, namespace, name, args.how.rehearsal.dry_run, |stored| {
            if !args.overwrite {
                refuse_overwriting(notes.of(stored), &pairs)?;
            }
            edited(stored, &edits)
        });
        let done = done.await?;
        if !pairs.is_empty() {
            teller.tell(Some(&store), &done, said(notes, &pairs, done.differs)).await?;
        }
        if args.list {
            if !alone {
                teller.data(&format!("Listing {one}s for modeldeployment.maas/{name}:\n"));
            }
            let indent = if alone { "" } else { " " };
            let lines = notes.of(&done.manifest).iter().map(|(key, value)| format!("{indent}{key}={value}\n"));
            teller.data(&lines.collect::<String>());
        }
        Ok(())
    })
    .await?;
    teller.end(alone)
}

fn said(notes: Notes, pairs: &[Pair], differs: bool) -> &'static str {
    match notes {
        Notes::Annotations => "annotated",
        Notes::Labels if !differs => "not labeled",
        Notes::Labels if pairs.iter().all(|(_, value)| value.is_none()) => "unlabeled",
        Notes::Labels => "labeled",
    }
}

/// Every value that is there and would become another one.
fn refuse_overwriting(there: &BTreeMap<String, String>, pairs: &[Pair]) -> anyhow::Result<()> {
    let clashes = pairs.iter().filter_map(|(key, value)| {
        let (new, old) = (value.as_ref()?, there.get(key)?);
        (old != new).then(|| format!("'{key}' already has a value ({old}), and --overwrite is false"))
    });
    let clashes: Vec<String> = clashes.collect();
    if clashes.is_empty() {
        return Ok(());
    }
    bail!(clashes.join("; "))
}

//! `diff`: what an apply would change. Compared are meanings: defaults filled in, fields in one order, without the notes
//! that maas itself keeps in manifests.

mod show;

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::bail;
use futures::StreamExt;
use maas_crd::{Manifest, ModelDeployment, Name, Namespace, render};
use maas_store::{Store, get_spec, list_specs};

use super::apply::decide::{Marks, Members, Refusal, key, members, merge};
use super::apply::read_declarations;
use super::connection::open;
use crate::annotation::without_ours;
use crate::args::Diff;
use crate::output;
use crate::settings::Settings;

/// Objects that are read at a time.
const AT_ONCE: usize = 32;

/// One object that would be changed.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    namespace: Namespace,
    name: Name,
    /// As it is; empty where there is none.
    live: String,
    /// As it would be; empty where it would be deleted.
    merged: String,
}

impl Difference {
    /// The object as a file's name.
    fn file(&self) -> String {
        format!("maas.v1.{}.{}.{}", maas_crd::KIND, self.namespace, self.name)
    }
}

/// Shows what an apply of the files would change, and whether that is anything by the exit code.
pub(crate) async fn diff(settings: &Settings, args: Diff) -> anyhow::Result<ExitCode> {
    let declared = read_declarations(&args.files.filename, args.files.recursive, settings.namespace.as_ref())?;
    let store = open(settings).await?;
    let marks = Marks { applyset: args.applyset.as_ref().map(ToString::to_string), ..Marks::default() };
    let (store, marks) = (&store, &marks);
    let each = declared.good.iter().map(|declared| async move { one(store, &declared.manifest, marks).await });
    let mut under_way = futures::stream::iter(each).buffered(AT_ONCE);
    let (mut differences, mut refused) = (Vec::new(), 0);
    while let Some(compared) = under_way.next().await {
        match compared {
            Ok(difference) => differences.extend(difference),
            Err(error) if error.is::<Refusal>() => {
                output::note(&format!("error: {error:#}"));
                refused += 1;
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(applyset) = marks.applyset.as_deref().filter(|_| args.prune) {
        differences.extend(surplus(store, applyset, &declared.named).await?);
    }
    let differs = show::show(&differences).await?;
    if refused > 0 {
        bail!("{refused} of {} would be refused, as said above", declared.good.len());
    }
    Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn one(store: &Store, manifest: &Manifest, marks: &Marks) -> anyhow::Result<Option<Difference>> {
    let (namespace, name) = key(&manifest.resource);
    let read = get_spec(store, &namespace, &name).await?;
    Ok(compare(read.as_ref().map(|read| read.text.as_slice()), manifest, marks)?)
}

/// What `wanted` would change of what is stored under its name.
fn compare(stored: Option<&[u8]>, wanted: &Manifest, marks: &Marks) -> Result<Option<Difference>, Refusal> {
    let (namespace, name) = key(&wanted.resource);
    let known = stored.map(|text| maas_crd::parse_one(text).map(|manifest| manifest.resource).map_err(|_| text));
    let merged = merge(known.as_ref().and_then(|known| known.as_ref().ok()), wanted, marks)?;
    let live = match known {
        None => String::new(),
        Some(Ok(known)) => normal(&known),
        Some(Err(text)) => as_text(text),
    };
    let merged = normal(&merged.resource);
    Ok((live != merged).then_some(Difference { namespace, name, live, merged }))
}

/// A resource as every diff shows it.
fn normal(resource: &ModelDeployment) -> String {
    render(&without_ours(resource))
}

/// What is stored and no manifest, without what a terminal obeys.
fn as_text(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

/// The members of a set that a prune would delete; those that it would keep are told.
async fn surplus(
    store: &Store,
    applyset: &str,
    declared: &BTreeSet<(Namespace, Name)>,
) -> anyhow::Result<Vec<Difference>> {
    let Members { surplus, opted_out, unreadable } = members(list_specs(store, None).await?, applyset, declared);
    for (kept, why) in [(opted_out, "it is annotated maas/prune: disabled"), (unreadable, "its manifest can't be read")]
    {
        for read in kept {
            output::note(&format!("modeldeployment.maas/{} in {} is kept: {why}", read.name, read.namespace));
        }
    }
    let gone = surplus.into_iter().filter_map(|read| {
        let live = normal(&maas_crd::parse_one(&read.text).ok()?.resource);
        Some(Difference { namespace: read.namespace, name: read.name, live, merged: String::new() })
    });
    Ok(gone.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{APPLYSET, EDITS, REVISION};

    const DGA: &str = "# ours\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0\nspec:\n  model: {name: dga, version: \"1.0\"}\n  replicas: 2\n  payload: {path: /m}\n";

    fn compared(stored: Option<&str>, wanted: &str) -> Option<Difference> {
        let wanted = maas_crd::parse_one(wanted.as_bytes()).unwrap();
        compare(stored.map(str::as_bytes), &wanted, &Marks::default()).unwrap()
    }

    #[test]
    fn what_means_the_same_does_not_differ() {
        let other =
            DGA.replace("# ours", "# theirs").replace("  replicas: 2\n", "  resources: {vcores: 1, memory: 512Mi}\n");
        assert_eq!(compared(Some(DGA), &other), None);
        let live = [EDITS, APPLYSET, REVISION]
            .iter()
            .fold(DGA.to_owned(), |text, key| maas_crd::set_annotation(&text, key, "x").unwrap());
        assert_eq!(compared(Some(&live), DGA), None);
    }

    #[test]
    fn what_differs_is_shown_with_its_defaults() {
        let found = compared(Some(DGA), &DGA.replace("/m", "/n")).unwrap();
        assert_eq!(found.live.replace("path: /m", "path: /n"), found.merged);
        assert!(found.live.contains("memory: 512Mi"), "{}", found.live);
        assert_eq!(compared(None, DGA).unwrap().live, "");
        assert_eq!(compared(Some("kind: [\u{1b}\n"), DGA).unwrap().live, "kind: [\u{fffd}\n");
    }
}

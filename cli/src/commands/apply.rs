//! `apply`: makes the tree say what the files say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use maas_crd::{Manifest, Name, Namespace};
use maas_store::{Store, get_spec};
use tokio::time::Instant;

use super::connection::{ensure_tree, open, warn_without_operator};
use super::retry::{Decided, Write, settle};
use super::wait::{require_operator, until_ready};
use crate::args::Apply;
use crate::edit::keep_ids;
use crate::manifest_files::{Source, read_all};
use crate::output;
use crate::settings::Settings;

/// Checks every file whole before anything is written.
pub(crate) async fn apply(settings: &Settings, args: Apply) -> anyhow::Result<ExitCode> {
    let manifests = read_manifests(&args.filename, settings.namespace.as_ref())?;
    let store = open(settings).await?;
    if !args.dry_run {
        ensure_tree(&store).await?;
    }
    let suffix = if args.dry_run { " (dry run)" } else { "" };
    let mut changed = false;
    for manifest in &manifests {
        let word =
            if args.dry_run { decide(&store, manifest).await?.outcome } else { apply_one(&store, manifest).await? };
        changed |= word != UNCHANGED;
        output::data(&format!("modeldeployment.maas/{} {word}{suffix}\n", manifest.resource.metadata.name))?;
    }
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if args.wait {
        require_operator(&store).await?;
        let deadline = Instant::now() + args.timeout;
        for manifest in &manifests {
            let metadata = &manifest.resource.metadata;
            until_ready(&store, &metadata.namespace, &metadata.name, deadline).await?;
        }
    } else if changed {
        warn_without_operator(&store).await?;
    }
    Ok(ExitCode::SUCCESS)
}

const UNCHANGED: &str = "unchanged";

async fn apply_one(store: &Store, manifest: &Manifest) -> anyhow::Result<&'static str> {
    let mut attempted = None;
    settle(store, async || {
        let decided = decide(store, manifest).await?;
        // Found as wanted after a try of our own whose answer was lost: that try did it.
        let outcome = if decided.write.is_none() { attempted.unwrap_or(decided.outcome) } else { decided.outcome };
        attempted = Some(outcome);
        Ok(decided.of(outcome))
    })
    .await
}

async fn decide(store: &Store, manifest: &Manifest) -> anyhow::Result<Decided<&'static str>> {
    let metadata = &manifest.resource.metadata;
    let Some(read) = get_spec(store, &metadata.namespace, &metadata.name).await? else {
        let write = Write::Create(metadata.namespace.clone(), metadata.name.clone(), manifest.text.clone());
        return Ok(Decided::after(write, "created"));
    };
    let (mut new, mut text) = (manifest.resource.clone(), manifest.text.clone());
    // A stored manifest that cannot be read is what `apply` is there to mend.
    if let Ok(stored) = maas_crd::parse_one(&read.text) {
        if !manifest.replicas_given && new.spec.replicas != stored.resource.spec.replicas {
            new.spec.replicas = stored.resource.spec.replicas;
            text = maas_crd::set_replicas(&text, new.spec.replicas)?;
        }
        keep_ids(&stored.resource, &mut new, &mut text)?;
        if new == stored.resource {
            return Ok(Decided::done(UNCHANGED));
        }
    }
    Ok(Decided::after(Write::Update(read, text), "configured"))
}

/// The manifests of every file; every fault of every file at once.
pub(crate) fn read_manifests(files: &[PathBuf], namespace: Option<&Namespace>) -> anyhow::Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    let mut faults = Vec::new();
    let mut named: BTreeMap<(Namespace, Name), String> = BTreeMap::new();
    for source in read_all(files)?.into_iter().flat_map(items) {
        let found = match maas_crd::parse(source.text.as_bytes()) {
            Ok(found) => found,
            Err(bad) => {
                faults.extend(bad.0.iter().map(|fault| format!("{}: {fault}", source.name)));
                continue;
            }
        };
        if found.is_empty() {
            faults.push(format!("{}: no manifest in it", source.name));
        }
        for mut manifest in found {
            let place = format!("{}: line {}", source.name, manifest.line);
            if let Err(fault) = place_in(&mut manifest, namespace) {
                faults.push(format!("{place}: {fault}"));
            }
            let metadata = &manifest.resource.metadata;
            let key = (metadata.namespace.clone(), metadata.name.clone());
            match named.get(&key) {
                Some(first) => faults.push(format!("{place}: {}/{} is declared at {first} already", key.0, key.1)),
                None => drop(named.insert(key, place)),
            }
            manifests.push(manifest);
        }
    }
    if !faults.is_empty() {
        bail!("nothing was changed, as the manifests have faults:\n  {}", faults.join("\n  "));
    }
    Ok(manifests)
}

/// A `kind: List`, which `get -o yaml` prints, as one source for each of its items; anything else as it is.
fn items(source: Source) -> Vec<Source> {
    // Read twice only where it may be one.
    let list =
        source.text.contains("List").then(|| serde_yaml::from_str::<serde_yaml::Value>(&source.text).ok()).flatten();
    let list = list.filter(|document| document.get("kind").and_then(serde_yaml::Value::as_str) == Some("List"));
    match list.as_ref().and_then(|document| document.get("items")).and_then(serde_yaml::Value::as_sequence) {
        None => vec![source],
        Some(items) => items
            .iter()
            .enumerate()
            .map(|(number, item)| Source {
                name: format!("{}, item {}", source.name, number + 1),
                text: serde_yaml::to_string(item).unwrap_or_default(),
            })
            .collect(),
    }
}

/// `--namespace` places manifests that name none, and contradicts none that do.
fn place_in(manifest: &mut Manifest, namespace: Option<&Namespace>) -> Result<(), String> {
    let own = &manifest.resource.metadata.namespace;
    let Some(namespace) = namespace.filter(|namespace| *namespace != own) else { return Ok(()) };
    let document: serde_yaml::Value = serde_yaml::from_str(&manifest.text).unwrap_or_default();
    if document.get("metadata").and_then(|metadata| metadata.get("namespace")).is_some_and(|named| !named.is_null()) {
        return Err(format!(
            "the namespace of the manifest, {own}, does not match {namespace}: pass --namespace={own} to perform this operation"
        ));
    }
    manifest.resource.metadata.namespace = namespace.clone();
    manifest.text = maas_crd::render(&manifest.resource);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload: {path: /m}\n";

    fn read(files: &[(&str, &str)], namespace: Option<&str>) -> Result<Vec<Manifest>, String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let namespace = namespace.map(|namespace| namespace.parse().unwrap());
        read_manifests(&[directory.path().to_owned()], namespace.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_fault_of_every_file_is_told_with_its_place() {
        let bad = GOOD.replace("payload", "paylod");
        let message = read(&[("a.yaml", &bad), ("b.yaml", "kind: [\n"), ("c.yaml", GOOD)], None).unwrap_err();
        assert!(message.contains("a.yaml: line 5") && message.contains("b.yaml: line"), "{message}");
    }

    #[test]
    fn a_list_is_its_items() {
        let item = |name: &str| {
            format!(
                "- apiVersion: maas/v1\n  kind: ModelDeployment\n  metadata: {{name: {name}}}\n  spec:\n    model: {{name: dga, version: \"1.0\"}}\n    payload: {{path: /m}}\n"
            )
        };
        let list = format!("apiVersion: maas/v1\nkind: List\nitems:\n{}{}", item("a"), item("b"));
        let names: Vec<_> = read(&[("a.yaml", &list)], None)
            .unwrap()
            .into_iter()
            .map(|one| one.resource.metadata.name.to_string())
            .collect();
        assert_eq!(names, ["a", "b"]);
        let message = read(&[("a.yaml", &list.replace("/m}", "5}"))], None).unwrap_err();
        assert!(message.contains("a.yaml, item 1: line") && message.contains("a.yaml, item 2: line"), "{message}");
    }

    #[test]
    fn one_deployment_is_declared_once() {
        let message = read(&[("a.yaml", GOOD), ("b.yaml", GOOD)], None).unwrap_err();
        assert!(
            message.contains("b.yaml: line 1: default/dga-1.0 is declared at") && message.contains("a.yaml"),
            "{message}"
        );
    }

    #[test]
    fn the_namespace_option_places_what_names_none() {
        let placed = read(&[("a.yaml", GOOD)], Some("soc")).unwrap();
        assert_eq!(placed[0].resource.metadata.namespace.as_str(), "soc");
        assert_eq!(maas_crd::parse_one(placed[0].text.as_bytes()).unwrap().resource, placed[0].resource);
        let own = GOOD.replace("spec:", "metadata: {namespace: lab}\nspec:");
        assert!(read(&[("a.yaml", &own)], Some("soc")).unwrap_err().contains("pass --namespace=lab"));
        assert!(read(&[("a.yaml", &own)], None).is_ok());
    }
}

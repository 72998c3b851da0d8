//! Manifests as the command line takes them: where they come from, what they declare, and what is wrong with them.

pub(crate) mod excerpt;
pub(crate) mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use maas_crd::{Fault, Manifest, Name, Namespace};

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// What to call it in messages: the path, or `stdin`.
    pub(crate) name: String,
    /// What it holds, or why it could not be read.
    pub(crate) content: Result<Vec<u8>, String>,
}

/// A manifest and the input that it stands in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    pub(crate) source: String,
    pub(crate) manifest: Manifest,
}

/// One thing wrong with an input, and where; line 0 is the input as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) source: String,
    pub(crate) fault: Fault,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault.line {
            0 => write!(f, "{}: {}", self.source, self.fault.message),
            _ => write!(f, "{}: {}", self.source, self.fault),
        }
    }
}

/// What some inputs declare.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Declarations {
    /// What can be applied, in the order of the inputs.
    pub(crate) good: Vec<Declared>,
    /// What can't, and why. An input of which any document can't be read gives nothing to `good`.
    pub(crate) wrong: Vec<Wrong>,
    /// Every object that is named in what could be read, `good` or not. Where an input could not be read, there may be more.
    pub(crate) named: BTreeSet<(Namespace, Name)>,
}

/// Reads the inputs' documents. An object that is declared more than once is not in `good`: which one is meant is unknown.
///
/// `namespace` places manifests that name none, and contradicts none that do.
pub(crate) fn declarations(sources: &[Source], namespace: Option<&Namespace>) -> Declarations {
    let mut found = Declarations::default();
    let mut first: BTreeMap<(Namespace, Name), String> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for Source { name: source, content } in sources {
        let mut wrong = |fault| found.wrong.push(Wrong { source: source.clone(), fault });
        let parsed = match content {
            Ok(bytes) => maas_crd::parse(bytes).map_err(|faults| faults.0),
            Err(why) => Err(vec![Fault::at((0, 0), why)]),
        };
        let manifests = match parsed {
            Ok(manifests) => manifests,
            Err(faults) => {
                faults.into_iter().for_each(wrong);
                continue;
            }
        };
        if manifests.is_empty() {
            wrong(whole(1, "no manifest in it", "write one, or leave the file out"));
        }
        for mut manifest in manifests {
            if let Err(fault) = place_in(&mut manifest, namespace) {
                wrong(fault);
                continue;
            }
            let metadata = &manifest.resource.metadata;
            let key = (metadata.namespace.clone(), metadata.name.clone());
            let place = format!("{source}, line {}", manifest.line);
            match first.get(&key) {
                Some(first) => {
                    let message = format!("{}/{} is declared in {first} already", key.0, key.1);
                    wrong(whole(manifest.line, message, "give one of them another name, or take it out"));
                    twice.insert(key.clone());
                }
                None => drop(first.insert(key.clone(), place)),
            }
            found.named.insert(key);
            found.good.push(Declared { source: source.clone(), manifest });
        }
    }
    found.good.retain(|declared| {
        let metadata = &declared.manifest.resource.metadata;
        !twice.contains(&(metadata.namespace.clone(), metadata.name.clone()))
    });
    found
}

fn whole(line: u32, message: impl Into<String>, help: &str) -> Fault {
    Fault { help: Some(help.to_owned()), ..Fault::at((line, 1), message) }
}

fn place_in(manifest: &mut Manifest, namespace: Option<&Namespace>) -> Result<(), Fault> {
    let own = &manifest.resource.metadata.namespace;
    let Some(namespace) = namespace.filter(|namespace| *namespace != own) else { return Ok(()) };
    let document: serde_yaml::Value = serde_yaml::from_str(&manifest.text).unwrap_or_default();
    if document.get("metadata").and_then(|metadata| metadata.get("namespace")).is_some_and(|named| !named.is_null()) {
        return Err(whole(
            manifest.line,
            format!("the namespace of the manifest, {own}, does not match {namespace}"),
            &format!("pass --namespace={own} to perform this operation"),
        ));
    }
    manifest.resource.metadata.namespace = namespace.clone();
    manifest.text = maas_crd::render(&manifest.resource);
    Ok(())
}

#[cfg(test)]
mod tests;

//! What a source declares: every valid object of every file, and what is wrong with the others. Pure.

use std::collections::{BTreeMap, BTreeSet};

use maas_crd::Namespace;
use maas_store::SyncFault;

use super::source::{Revision, Snapshot};
use super::view::Key;
use crate::manifests::{Declared, Source, Wrong, declarations};

/// What a source declares at one revision.
#[derive(Debug, PartialEq)]
pub(crate) struct Declaration {
    pub(crate) revision: Revision,
    /// What can be applied, by namespace and name.
    pub(crate) objects: BTreeMap<Key, Declared>,
    /// Every object that is named, whether it can be applied or not.
    pub(crate) named: BTreeSet<Key>,
    /// What is wrong with the files. As long as there is anything, nobody knows what the source no longer declares.
    pub(crate) faults: Vec<SyncFault>,
}

/// Reads every file; a bad one blocks no other. `namespace` is that of manifests that name none, and contradicts none
/// that do.
pub(crate) fn declare(snapshot: Snapshot, namespace: Option<&Namespace>) -> Declaration {
    let sources: Vec<Source> =
        snapshot.files.into_iter().map(|file| Source { name: file.name, content: file.content }).collect();
    let found = declarations(&sources, namespace);
    let mut faults: Vec<SyncFault> = found.wrong.into_iter().map(fault).collect();
    faults.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let key = |declared: &Declared| {
        let metadata = &declared.manifest.resource.metadata;
        (metadata.namespace.clone(), metadata.name.clone())
    };
    let objects = found.good.into_iter().map(|declared| (key(&declared), declared)).collect();
    Declaration { revision: snapshot.revision, objects, named: found.named, faults }
}

fn fault(wrong: Wrong) -> SyncFault {
    let Wrong { source: file, fault } = wrong;
    let mut message = fault.message;
    if !fault.path.is_empty() {
        message = format!("{}: {message}", fault.path);
    }
    if let Some(help) = fault.help {
        message = format!("{message} ({help})");
    }
    SyncFault { file, line: fault.line, column: fault.column, message }
}

/// What is wrong with an object, at the place where it is declared.
pub(crate) fn fault_of(declared: &Declared, message: String) -> SyncFault {
    SyncFault { file: declared.source.clone(), line: declared.manifest.line, column: 0, message }
}

#[cfg(test)]
mod tests {
    use super::super::source::File;
    use super::*;

    const GOOD: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {name: NAME}\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload: {path: /m}\n";

    fn declared(files: &[(&str, Result<&[u8], &str>)]) -> Declaration {
        let files = files
            .iter()
            .map(|(name, content)| File {
                name: (*name).to_owned(),
                content: content.map(<[u8]>::to_vec).map_err(str::to_owned),
            })
            .collect();
        let revision = Revision { branch: None, id: "c1".to_owned() };
        declare(Snapshot { revision, files }, None)
    }

    #[test]
    fn one_bad_file_blocks_only_itself_and_says_where() {
        let good = |name: &str| GOOD.replace("NAME", name);
        let half = format!("{}---\n{}", good("c"), good("d").replace("payload", "paylod"));
        let found = declared(&[
            ("a.yaml", Ok(good("a").as_bytes())),
            ("b.yaml", Ok(b"\xff\xfe")),
            ("c.yaml", Ok(half.as_bytes())),
            ("d.yaml", Err("a symbolic link")),
        ]);
        assert_eq!(found.objects.keys().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["a"]);
        let faults: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
        assert!(faults[0].starts_with("b.yaml: line 1, column 1: the input is not UTF-8"), "{faults:#?}");
        assert!(
            faults.iter().any(|f| f.starts_with("c.yaml: line 13, column 3: spec.paylod: unknown field")),
            "{faults:#?}"
        );
        assert_eq!(faults.last().unwrap(), "d.yaml: a symbolic link");
    }
}

//! Contexts: named places to work in, kept in a file like kubeconfig.
//!
//! The file is `MAASCONFIG`, else `~/.maas/config`; one that is not there holds no contexts.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::input::text_within;

/// A file of contexts is some hundred bytes.
const MOST: u64 = 1024 * 1024;

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Contexts {
    #[serde(rename = "apiVersion")]
    api_version: ApiVersion,
    kind: Kind,
    /// The one that is used where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current_context: Option<String>,
    /// All of them, in the order in which they were made.
    #[serde(default)]
    pub(crate) contexts: Vec<Named>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ApiVersion {
    #[serde(rename = "maas/v1")]
    V1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Config,
}

/// A context and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) context: Context,
}

/// Where a tree and its cluster are. What is not said is looked for elsewhere (`settings`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Context {
    /// ZooKeeper's servers, `host:port,host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) zookeeper: Option<String>,
    /// Root of the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<String>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// Hadoop's client configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conf_dir: Option<PathBuf>,
}

impl Default for Contexts {
    fn default() -> Self {
        Self { api_version: ApiVersion::V1, kind: Kind::Config, current_context: None, contexts: Vec::new() }
    }
}

impl Contexts {
    /// The context of a name.
    pub(crate) fn find(&self, name: &str) -> Option<&Context> {
        self.contexts.iter().find(|one| one.name == name).map(|one| &one.context)
    }

    /// The context to work in: `named`, or the file's current one. `None` where neither is given.
    pub(crate) fn chosen(&self, named: Option<&str>, file: &Path) -> anyhow::Result<Option<&Context>> {
        let Some(name) = named.or(self.current_context.as_deref()) else { return Ok(None) };
        if let Some(context) = self.find(name) {
            return Ok(Some(context));
        }
        let who = if named.is_some() { "--context" } else { "current-context" };
        bail!("{who} {name:?}: {}", self.unknown(name, file))
    }

    /// What to say of a name that is none.
    pub(crate) fn unknown(&self, name: &str, file: &Path) -> String {
        let like = self.contexts.iter().map(|one| (strsim::jaro_winkler(&one.name, name), one.name.as_str()));
        let like = like.filter(|(likeness, _)| *likeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = match like {
            Some((_, like)) => format!("did you mean {like:?}?"),
            None => "`maasctl config get-contexts` lists them".to_owned(),
        };
        format!("no context exists with that name in {}: {hint}", file.display())
    }

    fn parse(text: &str, file: &Path) -> anyhow::Result<Self> {
        // An empty file is one that nobody has written yet.
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let found: Self = serde_yaml::from_str(text).map_err(|error| {
            let why = error.to_string();
            match error.location() {
                Some(place) => {
                    let why = why.split(" at line ").next().unwrap_or_default();
                    anyhow::anyhow!("{}: line {}, column {}: {why}", file.display(), place.line(), place.column())
                }
                None => anyhow::anyhow!("{}: {why}", file.display()),
            }
        })?;
        for (at, one) in found.contexts.iter().enumerate() {
            if one.name.is_empty() {
                bail!("{}: contexts[{at}].name is empty", file.display());
            }
            if found.contexts.iter().take(at).any(|earlier| earlier.name == one.name) {
                bail!("{}: two contexts are named {:?}: rename or delete one", file.display(), one.name);
            }
        }
        Ok(found)
    }
}

/// Where the file is: `MAASCONFIG`, else `~/.maas/config`; none without a home.
pub(crate) fn path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("MAASCONFIG").map(PathBuf::from).or_else(|| Some(PathBuf::from(set("HOME")?).join(".maas/config")))
}

/// The file's path, for commands that cannot do without.
pub(crate) fn required_path() -> anyhow::Result<PathBuf> {
    path().context("there is no place for contexts: set HOME, or MAASCONFIG to a file")
}

/// Reads the file; one that is not there reads as empty.
///
/// # Errors
/// It can't be read, or is no file of contexts: with line and column.
pub(crate) fn read(file: &Path) -> anyhow::Result<Contexts> {
    let read = match File::open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contexts::default()),
        opened => opened.and_then(|opened| text_within(MOST, opened)),
    };
    let Some(text) = read.with_context(|| format!("cannot read the contexts in {}", file.display()))? else {
        bail!("{} is no file of contexts: it has more than {MOST} bytes", file.display());
    };
    Contexts::parse(&text, file)
}

/// Reads the file, lets `change` work on it and writes it whole, for its owner alone; others who change it meanwhile
/// wait. Gives what `change` gives.
pub(crate) fn edit<T>(file: &Path, change: impl FnOnce(&mut Contexts) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let cannot = || format!("cannot write the contexts to {}", file.display());
    // What a link points to is written, not the link.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).with_context(cannot)?;
    let locked = File::open(directory).with_context(cannot)?;
    // Let go when the handle is closed, and when this process ends.
    rustix::fs::flock(&locked, FlockOperation::LockExclusive).with_context(cannot)?;
    let mut contexts = read(&file)?;
    let answer = change(&mut contexts)?;
    let text = serde_yaml::to_string(&contexts).with_context(cannot)?;
    // Made with mode 0600, and renamed once it is whole.
    let mut whole = tempfile::NamedTempFile::new_in(directory).with_context(cannot)?;
    whole.write_all(text.as_bytes()).and_then(|()| whole.as_file().sync_all()).with_context(cannot)?;
    whole.persist(&file).with_context(cannot)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: maas/v1\nkind: Config\ncurrent-context: prod\ncontexts:\n- name: prod\n  context:\n    zookeeper: a:1\n    conf-dir: /etc/hadoop\n- name: test\n";

    fn refused(text: &str) -> String {
        Contexts::parse(text, Path::new("/c")).unwrap_err().to_string()
    }

    #[test]
    fn the_current_context_is_used_unless_another_is_named() {
        let file = Path::new("/c");
        let contexts = Contexts::parse(GOOD, file).unwrap();
        assert_eq!(contexts.chosen(None, file).unwrap().unwrap().zookeeper.as_deref(), Some("a:1"));
        assert_eq!(contexts.chosen(Some("test"), file).unwrap(), Some(&Context::default()));
        let why = contexts.chosen(Some("pord"), file).unwrap_err().to_string();
        assert!(why.contains("--context \"pord\"") && why.contains("did you mean \"prod\"?"), "{why}");
        assert_eq!(Contexts::parse("\n", file).unwrap().chosen(None, file).unwrap(), None);
    }

    #[test]
    fn a_broken_file_is_refused_with_its_place() {
        assert!(refused(&GOOD.replace("zookeeper", "zookeper")).starts_with("/c: line 7, column 5: "));
        assert!(refused(&GOOD.replace("kind: Config", "kind: [")).starts_with("/c: line "));
        assert!(refused(&GOOD.replace("maas/v1", "v2")).contains("line 1, column 13"));
        assert!(refused(&GOOD.replace("name: test", "name: prod")).contains("two contexts are named \"prod\""));
        assert!(refused(&GOOD.replace("name: test", "name: ''")).contains("contexts[1].name is empty"));
    }

    #[test]
    fn an_edit_is_written_whole_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("new/config");
        let make = |contexts: &mut Contexts, name: &str| {
            contexts.contexts.push(Named { name: name.to_owned(), context: Context::default() });
            Ok(())
        };
        std::thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let file = &file;
                scope.spawn(move || edit(file, |contexts| make(contexts, name)).unwrap());
            }
        });
        let mut names: Vec<_> = read(&file).unwrap().contexts.into_iter().map(|one| one.name).collect();
        names.sort();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
    }
}

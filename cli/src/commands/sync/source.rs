//! Where a sync's manifests come from: a directory, or a repository of git's. Pure but for looking at the file system.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use maas_crd::Name;

/// A checked source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A directory that no repository holds: what its files say now.
    Directory(PathBuf),
    /// A repository: what its commits say.
    Repository(Repository),
}

/// A repository, and what of it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    /// As git takes it: a URL, `host:path`, or an absolute path.
    pub(crate) url: String,
    /// The branch; without one the repository's HEAD.
    pub(crate) branch: Option<String>,
    /// Only what stands at or below this path, which is relative and holds no `..`.
    pub(crate) path: Option<String>,
}

/// What was read of a source, by its name: a commit, or a digest of all that a directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The branch that was asked for.
    pub(crate) branch: Option<String>,
    /// The commit's id, or `sha256:…`.
    pub(crate) id: String,
}

impl fmt::Display for Revision {
    /// As Flux writes it: `main@sha1:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(branch) = &self.branch {
            write!(f, "{branch}@")?;
        }
        match self.id.len() {
            40 => write!(f, "sha1:{}", self.id),
            64 => write!(f, "sha256:{}", self.id),
            _ => f.write_str(&self.id),
        }
    }
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Its path in the source.
    pub(crate) name: String,
    /// What it holds, or why it was not read.
    pub(crate) content: Result<Vec<u8>, String>,
}

/// All files of a source that can be manifests, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) revision: Revision,
    pub(crate) files: Vec<File>,
}

/// Longest file that is read.
pub(crate) const FILE_LIMIT: u64 = 8 * 1024 * 1024;
/// Most bytes of all files together.
pub(crate) const TOTAL_LIMIT: u64 = 256 * 1024 * 1024;
/// Most files that are read.
pub(crate) const FILES_LIMIT: usize = 20_000;

/// Why a source was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SourceError {
    #[error("{0:?} is not a source: a repository's name does not begin with a dash")]
    Dash(String),
    #[error("{0:?} is not a source: {1}:: would have git run a program; name an https, ssh or file URL")]
    Helper(String, String),
    #[error("{0:?} is not a source: git is asked by https, http, ssh, git and file URLs alone")]
    Scheme(String),
    #[error("{0:?} is not a source: it holds control characters")]
    Control(String),
    #[error("{0} is not there: name a directory, a git work tree, or a repository's URL")]
    Missing(String),
    #[error("{0} is no directory: put the manifest into one, or use maasctl apply -f")]
    NotDirectory(String),
    #[error("--branch is for repositories, and no repository holds {0}")]
    BranchOfDirectory(String),
    #[error("--branch {0:?} cannot be a branch's name")]
    Branch(String),
    #[error("--path {0:?}: expected a path within the source, such as models or teams/soc")]
    Path(String),
    #[error("no name can be made of {0:?}: give --name")]
    Name(String),
}

impl Source {
    /// Reads `text`, and what `--branch` and `--path` add to it; looks at the file system, and runs nothing.
    pub(crate) fn find(text: &str, branch: Option<&str>, path: Option<&str>) -> Result<Self, SourceError> {
        let shown = || text.chars().take(200).collect::<String>();
        if text.starts_with('-') {
            return Err(SourceError::Dash(shown()));
        }
        if text.chars().any(char::is_control) {
            return Err(SourceError::Control(shown()));
        }
        let branch = branch.map(check_branch).transpose()?;
        let path = path.map(check_path).transpose()?.flatten();
        if let Some(helper) = helper(text) {
            return Err(SourceError::Helper(shown(), helper.to_owned()));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            if !["https", "http", "ssh", "git", "file"].contains(&scheme) {
                return Err(SourceError::Scheme(shown()));
            }
            return Ok(Self::Repository(Repository { url: text.to_owned(), branch, path }));
        }
        let Ok(found) = std::fs::canonicalize(text) else {
            // As git does: a colon before any slash makes it host:path.
            return match text.split_once(':') {
                Some((host, _)) if !host.is_empty() && !host.contains('/') => {
                    Ok(Self::Repository(Repository { url: text.to_owned(), branch, path }))
                }
                _ => Err(SourceError::Missing(shown())),
            };
        };
        if !found.is_dir() {
            return Err(SourceError::NotDirectory(shown()));
        }
        match holder(&found) {
            Some(top) => {
                let below = found.strip_prefix(top).map(|below| below.to_string_lossy().into_owned());
                let whole = match (below.unwrap_or_default(), path) {
                    (below, path) if below.is_empty() => path,
                    (below, None) => Some(below),
                    (below, Some(path)) => Some(format!("{below}/{path}")),
                };
                let url = top.to_string_lossy().into_owned();
                Ok(Self::Repository(Repository { url, branch, path: whole }))
            }
            None if branch.is_some() => Err(SourceError::BranchOfDirectory(shown())),
            None => {
                let directory = path.map_or_else(|| found.clone(), |path| found.join(path));
                // A link in it may lead out.
                match std::fs::canonicalize(&directory) {
                    Ok(inner) if inner.starts_with(&found) && inner.is_dir() => Ok(Self::Directory(inner)),
                    _ => Err(SourceError::Missing(directory.display().to_string())),
                }
            }
        }
    }

    /// What messages and the record call it: no password, and of https no user either, since that may be a token.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Directory(path) => path.display().to_string(),
            Self::Repository(repository) => repository.shown(),
        }
    }

    /// The name of a sync that was given none: the last part of the source.
    pub(crate) fn name(&self) -> Result<Name, SourceError> {
        let shown = self.shown();
        let last = shown.trim_end_matches('/').trim_end_matches("/.git").rsplit(['/', ':']).next().unwrap_or_default();
        last.trim_end_matches(".git").to_ascii_lowercase().parse().map_err(|_| SourceError::Name(shown.clone()))
    }
}

impl Repository {
    /// As [`Source::shown`].
    pub(crate) fn shown(&self) -> String {
        match self.user() {
            Some((scheme, _, rest)) if scheme.starts_with("http") => format!("{scheme}://{rest}"),
            Some((scheme, user, rest)) => {
                format!("{scheme}://{}@{rest}", user.split(':').next().unwrap_or_default())
            }
            None => self.url.clone(),
        }
    }

    /// `text`, which git wrote, without the user and password that the URL holds.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Some((scheme, user, _)) = self.user() {
            let secrets = if scheme.starts_with("http") { vec![user] } else { user.split(':').skip(1).collect() };
            for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
                text = text.replace(secret, "***");
            }
        }
        text
    }

    /// Scheme, user and password, and the rest of a URL that has them.
    fn user(&self) -> Option<(&str, &str, &str)> {
        let (scheme, rest) = self.url.split_once("://")?;
        let authority = rest.split('/').next()?;
        let (user, _) = authority.rsplit_once('@')?;
        Some((scheme, user, rest.get(user.len() + 1..)?))
    }

    /// The directory on this machine whose changes show that there is something to fetch; none for a remote one.
    pub(crate) fn local(&self) -> Option<&Path> {
        let path = self.url.strip_prefix("file://").unwrap_or(&self.url);
        path.starts_with('/').then(|| Path::new(path))
    }
}

/// The program that git would run for `NAME::rest`.
fn helper(text: &str) -> Option<&str> {
    let (name, _) = text.split_once("::")?;
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-_".contains(&b)).then_some(name)
}

/// The work tree or bare repository that a directory is or stands in.
fn holder(directory: &Path) -> Option<&Path> {
    let bare = |at: &Path| at.join("HEAD").is_file() && at.join("objects").is_dir() && at.join("refs").is_dir();
    directory.ancestors().find(|at| at.join(".git").exists() || bare(at))
}

/// What `git check-ref-format` allows, and no dash in front.
fn check_branch(text: &str) -> Result<String, SourceError> {
    let bad = text.is_empty()
        || text.len() > 250
        || text == "@"
        || text.starts_with(['-', '/', '.'])
        || text.ends_with(['/', '.'])
        || [".lock", "..", "@{", "//", "/."].iter().any(|bad| text.contains(bad))
        || text.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c));
    if bad { Err(SourceError::Branch(text.chars().take(80).collect())) } else { Ok(text.to_owned()) }
}

/// None for the source itself.
fn check_path(text: &str) -> Result<Option<String>, SourceError> {
    let refuse = || SourceError::Path(text.chars().take(80).collect());
    let mut parts = Vec::new();
    for part in Path::new(text).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(refuse)?),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(refuse()),
        }
    }
    if text.is_empty() || text.chars().any(char::is_control) || parts.contains(&".git") {
        return Err(refuse());
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// Whether a path names a manifest: by its ending, and nothing on the way to it is hidden.
pub(crate) fn is_manifest(path: &str) -> bool {
    let ends = path.rsplit_once('.').is_some_and(|(_, end)| ["yaml", "yml", "json"].contains(&end));
    ends && !path.split('/').any(|part| part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(text: &str) -> Repository {
        match Source::find(text, None, None) {
            Ok(Source::Repository(repository)) => repository,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_would_run_a_program_is_refused_by_name() {
        for text in ["-u", "--upload-pack=touch /tmp/x", "ext::sh -c id", "fd::7", "my-helper::x", "ftp://a/b", "a\nb"]
        {
            assert!(Source::find(text, None, None).is_err(), "{text}");
        }
        assert!(
            Source::find("ext::sh -c id", None, None).unwrap_err().to_string().contains("ext:: would have git run")
        );
        assert!(Source::find("/nowhere/at/all", None, None).unwrap_err().to_string().contains("is not there"));
        assert_eq!(repository("git@host:team/models.git").shown(), "git@host:team/models.git");
    }

    #[test]
    fn no_secret_of_a_url_is_shown() {
        let https = repository("https://user:s3cret@host:8443/team/models.git");
        assert_eq!(https.shown(), "https://host:8443/team/models.git");
        assert_eq!(
            https.redact("fatal: unable to access 'https://user:s3cret@host/'"),
            "fatal: unable to access 'https://***@host/'"
        );
        assert_eq!(repository("https://ghp_token@host/models").shown(), "https://host/models");
        assert_eq!(repository("ssh://git:pw@host/models").shown(), "ssh://git@host/models");
        assert_eq!(Source::Repository(https).name().unwrap().as_str(), "models");
    }

    #[test]
    fn branches_and_paths_cannot_lead_elsewhere() {
        for bad in ["", "-x", "a..b", "a b", "a:b", "refs/*", "x.lock", "a/", "/a", "@{1}", "a\u{7}"] {
            assert!(check_branch(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check_branch("release/1.0").unwrap(), "release/1.0");
        for bad in ["", "..", "a/../b", "/etc", "a\nb", ".git/x"] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check_path("./teams/soc/").unwrap().as_deref(), Some("teams/soc"));
        assert_eq!(check_path(".").unwrap(), None);
    }

    #[test]
    fn a_directory_in_a_work_tree_is_a_path_of_the_repository() {
        let temporary = tempfile::tempdir().unwrap();
        let top = std::fs::canonicalize(temporary.path()).unwrap();
        std::fs::create_dir_all(top.join("models/soc")).unwrap();
        let models = top.join("models");
        let find = |path: Option<&str>, branch| Source::find(models.to_str().unwrap(), branch, path);
        assert_eq!(find(Some("soc"), None), Ok(Source::Directory(models.join("soc"))));
        assert_eq!(find(None, None).unwrap().name().unwrap().as_str(), "models");
        assert!(matches!(find(None, Some("main")), Err(SourceError::BranchOfDirectory(_))));
        assert!(matches!(find(Some("no"), None), Err(SourceError::Missing(_))));
        std::os::unix::fs::symlink("/", models.join("out")).unwrap();
        assert!(matches!(find(Some("out"), None), Err(SourceError::Missing(_))));
        std::fs::create_dir(top.join(".git")).unwrap();
        let Ok(Source::Repository(repository)) = find(Some("soc"), Some("main")) else { panic!() };
        assert_eq!(repository.url, top.to_str().unwrap());
        assert_eq!((repository.path.as_deref(), repository.local()), (Some("models/soc"), Some(top.as_path())));
    }

    #[test]
    fn hidden_files_are_no_manifests() {
        assert!(is_manifest("a.yaml") && is_manifest("teams/soc/a.yml") && is_manifest("a.json"));
        assert!(!is_manifest(".github/workflows/ci.yml") && !is_manifest("README.md") && !is_manifest(".a.yaml"));
    }

    #[test]
    fn revisions_are_written_as_flux_does() {
        let revision = |branch: Option<&str>, id: &str| {
            Revision { branch: branch.map(str::to_owned), id: id.to_owned() }.to_string()
        };
        assert_eq!(revision(Some("main"), &"a".repeat(40)), format!("main@sha1:{}", "a".repeat(40)));
        assert_eq!(revision(None, "sha256:ab"), "sha256:ab");
    }
}

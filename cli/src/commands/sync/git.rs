//! Repositories, through git's own binary: fetched into a bare mirror, read from its objects. Nothing is checked out,
//! so no hook, filter or link of the repository's has any effect here.

mod answers;
mod process;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::answers::{Kind, entries, is_id, object};
use self::process::{Output, command, run};
use super::directory::Stamp;
use super::source::{FILE_LIMIT, FILES_LIMIT, File, Repository, Revision, Snapshot, TOTAL_LIMIT, is_manifest};

/// How long one fetch may take.
const FETCH: Duration = Duration::from_secs(120);
/// How long anything without a network may take.
const LOCAL: Duration = Duration::from_secs(30);
/// Most bytes of a list of files.
const LIST_LIMIT: u64 = 64 * 1024 * 1024;
/// Most bytes of an answer that is a line.
const LINE_LIMIT: u64 = 64 * 1024;
/// Where the mirror keeps what was fetched last.
const FETCHED: &str = "refs/sync/fetched";

/// Why git did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("git is not installed, or not in PATH: install it, or sync a directory that no repository holds")]
    Absent,
    #[error("git could not be started")]
    Start(#[source] std::io::Error),
    #[error("the cache {0} cannot be used: make it writable, or set XDG_CACHE_HOME")]
    Cache(String, #[source] std::io::Error),
    #[error("no place to keep a mirror: set HOME or XDG_CACHE_HOME")]
    NoCache,
    #[error("git {what} failed: {said}")]
    Failed { what: &'static str, said: String },
    #[error("git {what} was given up after {} s: does the repository's host answer, and without asking for a password?", .limit.as_secs())]
    Deadline { what: &'static str, limit: Duration },
    #[error("{url} has no branch {branch}")]
    NoBranch { url: String, branch: String },
    #[error("{0} is empty: it has no commit yet")]
    Empty(String),
    #[error("{path} is not in commit {commit} of {url}")]
    NoPath { path: String, commit: String, url: String },
    #[error(
        "{0} has more than {FILES_LIMIT} manifests, or more than {TOTAL_LIMIT} bytes of them: narrow it with --path"
    )]
    TooMany(String),
    #[error("git {0} gave an answer that is not understood")]
    Answer(&'static str),
}

/// One repository and its mirror.
#[derive(Debug)]
pub(crate) struct Git {
    repository: Repository,
    mirror: PathBuf,
    /// What ssh is to be called as, where the user has said nothing of it: never asking.
    ssh: Option<&'static str>,
}

impl Git {
    /// Looks whether git is there, and makes the mirror `key` below the cache's directory where it is missing.
    pub(crate) async fn open(repository: Repository, key: &str) -> Result<Self, GitError> {
        let mirror = cache()?.join(key);
        let mut git = Self { repository, mirror, ssh: None };
        git.run("version", &["version"], LOCAL, &[], LINE_LIMIT).await?;
        let configured = git.run("config", &["config", "--get", "core.sshCommand"], LOCAL, &[], LINE_LIMIT).await?;
        let said = ["GIT_SSH_COMMAND", "GIT_SSH"].iter().any(|name| std::env::var_os(name).is_some());
        git.ssh =
            (!configured.good && !said).then_some("ssh -o BatchMode=yes -o ConnectTimeout=15 -o ControlMaster=no");
        git.make_mirror().await?;
        Ok(git)
    }

    async fn make_mirror(&self) -> Result<(), GitError> {
        let failed = |error| GitError::Cache(self.mirror.display().to_string(), error);
        std::fs::create_dir_all(&self.mirror).map_err(failed)?;
        if self.mirror.join("objects").is_dir() && self.mirror.join("HEAD").is_file() {
            return Ok(());
        }
        // Without a template there are no hooks.
        self.good("init", &["init", "-q", "--bare", "--template="], LOCAL, &[], LINE_LIMIT).await.map(drop)
    }

    /// Fetches the newest commit. A mirror that a crash has left broken or locked is made anew.
    pub(crate) async fn fetch(&self) -> Result<Revision, GitError> {
        let fetched = match self.try_fetch().await {
            Err(GitError::Failed { said, .. }) if self.is_broken(&said) => {
                let failed = |error| GitError::Cache(self.mirror.display().to_string(), error);
                std::fs::remove_dir_all(&self.mirror).map_err(failed)?;
                self.make_mirror().await?;
                self.try_fetch().await
            }
            other => other,
        };
        fetched?;
        let reference = format!("{FETCHED}^{{commit}}");
        let id = self.good("rev-parse", &["rev-parse", "--verify", "-q", &reference], LOCAL, &[], LINE_LIMIT).await?;
        let id = String::from_utf8_lossy(&id).trim().to_owned();
        if !is_id(&id) {
            return Err(GitError::Answer("rev-parse"));
        }
        Ok(Revision { branch: self.repository.branch.clone(), id })
    }

    fn is_broken(&self, said: &str) -> bool {
        let mirror = self.mirror.to_string_lossy();
        said.contains(".lock") || said.contains("corrupt") || said.contains(mirror.as_ref())
    }

    async fn try_fetch(&self) -> Result<(), GitError> {
        let wanted = self.repository.branch.as_ref().map_or_else(|| "HEAD".to_owned(), |b| format!("refs/heads/{b}"));
        let refspec = format!("+{wanted}:{FETCHED}");
        let args =
            ["fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", &self.repository.url, &refspec];
        match self.good("fetch", &args, FETCH, &[], LINE_LIMIT).await {
            Err(GitError::Failed { said, .. }) if said.contains("couldn't find remote ref") => {
                let url = self.repository.shown();
                Err(match &self.repository.branch {
                    Some(branch) => GitError::NoBranch { url, branch: branch.clone() },
                    None => GitError::Empty(url),
                })
            }
            other => other.map(drop),
        }
    }

    /// The manifests of a commit that was fetched.
    pub(crate) async fn read(&self, revision: Revision) -> Result<Snapshot, GitError> {
        let mut args = vec!["--literal-pathspecs", "ls-tree", "-r", "-z", "-l", "--full-tree", &revision.id, "--"];
        args.extend(self.repository.path.as_deref());
        let list = self.good("ls-tree", &args, LOCAL, &[], LIST_LIMIT).await?;
        let entries = entries(&list).ok_or(GitError::Answer("ls-tree"))?;
        if let (true, Some(path)) = (entries.is_empty(), &self.repository.path) {
            let url = self.repository.shown();
            return Err(GitError::NoPath { path: path.clone(), commit: revision.id, url });
        }
        let mut files: Vec<File> = Vec::new();
        let mut wanted: Vec<(usize, &str)> = Vec::new();
        let mut total = 0;
        for entry in &entries {
            let content = match entry.kind {
                Kind::Submodule => Err("a submodule, which is not read: give it a sync of its own".to_owned()),
                _ if !is_manifest(&entry.name) => continue,
                Kind::Link => Err("a symbolic link, which is not followed: write the manifest itself".to_owned()),
                Kind::File { size } if size > FILE_LIMIT => {
                    Err(format!("{size} bytes are more than the {FILE_LIMIT} of a file of manifests"))
                }
                Kind::File { size } => {
                    total += size;
                    wanted.push((files.len(), entry.id));
                    Ok(Vec::new())
                }
            };
            files.push(File { name: entry.name.clone(), content });
        }
        if files.len() > FILES_LIMIT || total > TOTAL_LIMIT {
            return Err(GitError::TooMany(self.repository.shown()));
        }
        if !wanted.is_empty() {
            let asked: String = wanted.iter().map(|(_, id)| format!("{id}\n")).collect();
            // Each object's line and end besides its bytes.
            let most = total + 256 * wanted.len() as u64;
            let answer = self.good("cat-file", &["cat-file", "--batch"], LOCAL, asked.as_bytes(), most).await?;
            let mut rest = answer.as_slice();
            for (at, id) in wanted {
                let (content, after) = object(rest, id).ok_or(GitError::Answer("cat-file"))?;
                if let Some(file) = files.get_mut(at) {
                    file.content = Ok(content.to_vec());
                }
                rest = after;
            }
        }
        Ok(Snapshot { revision, files })
    }

    async fn run(
        &self,
        what: &'static str,
        args: &[&str],
        limit: Duration,
        stdin: &[u8],
        most: u64,
    ) -> Result<Output, GitError> {
        run(command(&self.mirror, self.ssh, args), what, limit, stdin, most).await
    }

    async fn good(
        &self,
        what: &'static str,
        args: &[&str],
        limit: Duration,
        stdin: &[u8],
        most: u64,
    ) -> Result<Vec<u8>, GitError> {
        let output = self.run(what, args, limit, stdin, most).await?;
        if output.good {
            return Ok(output.stdout);
        }
        let said: Vec<&str> = output.stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said = said.get(said.len().saturating_sub(5)..).unwrap_or_default().join("; ");
        let said = if said.is_empty() { "it said nothing".to_owned() } else { said };
        Err(GitError::Failed { what, said: self.repository.redact(&said).replace(char::is_control, " ") })
    }
}

/// Below systemd's cache directory, or the user's.
fn cache() -> Result<PathBuf, GitError> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = variable("CACHE_DIRECTORY")
        .or_else(|| variable("XDG_CACHE_HOME"))
        .or_else(|| variable("HOME").map(|home| home.join(".cache")));
    Ok(base.ok_or(GitError::NoCache)?.join("maasctl/sync"))
}

/// When HEAD and the branches of a repository on this machine were written last. Git is not asked, since this is
/// looked at every second.
pub(crate) fn refs_stamp(repository: &Path) -> Stamp {
    let git = if repository.join(".git").is_dir() { repository.join(".git") } else { repository.to_owned() };
    let mut found = Vec::new();
    let mut left = vec![git.join("HEAD"), git.join("packed-refs"), git.join("refs/heads"), git.join("reftable")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let inner = std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path());
            left.extend(inner.take(FILES_LIMIT.saturating_sub(found.len())));
        }
        found.push(path);
    }
    found.sort();
    Stamp::of(found)
}

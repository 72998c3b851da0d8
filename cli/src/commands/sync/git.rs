//! Repositories, through git's own binary: fetched into a bare mirror, read from its objects. Nothing is checked out,
//! so no hook, filter or link of the repository's has any effect here.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::directory::Stamp;
use super::source::{FILE_LIMIT, FILES_LIMIT, File, Repository, Revision, Snapshot, TOTAL_LIMIT, is_manifest};

/// How long one fetch may take.
const FETCH: Duration = Duration::from_secs(120);
/// How long anything without a network may take.
const LOCAL: Duration = Duration::from_secs(30);
/// Most bytes of a list of files.
const LIST_LIMIT: u64 = 64 * 1024 * 1024;
/// Most bytes of what git says on stderr.
const SAID_LIMIT: u64 = 64 * 1024;
/// Where the mirror keeps what was fetched last.
const FETCHED: &str = "refs/sync/fetched";

/// Variables that would point git at another repository than ours; a hook's environment has them.
const LOCAL_VARIABLES: [&str; 14] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_CONFIG",
    "SSH_ASKPASS",
];

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

/// What a run gave.
struct Output {
    good: bool,
    stdout: Vec<u8>,
    stderr: String,
}

impl Git {
    /// Looks whether git is there, and makes the mirror `key` below the cache's directory where it is missing.
    pub(crate) async fn open(repository: Repository, key: &str) -> Result<Self, GitError> {
        let mirror = cache()?.join(key);
        let mut git = Self { repository, mirror, ssh: None };
        git.run("version", &["version"], LOCAL, &[], SAID_LIMIT).await?;
        let configured = git.run("config", &["config", "--get", "core.sshCommand"], LOCAL, &[], SAID_LIMIT).await?;
        let said = ["GIT_SSH_COMMAND", "GIT_SSH"].iter().any(|name| std::env::var_os(name).is_some());
        git.ssh = (!configured.good && !said).then_some("ssh -o BatchMode=yes -o ConnectTimeout=15");
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
        self.good("init", &["init", "-q", "--bare", "--template="], LOCAL, &[], SAID_LIMIT).await.map(drop)
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
        let id = self.good("rev-parse", &["rev-parse", "--verify", "-q", &reference], LOCAL, &[], SAID_LIMIT).await?;
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
        match self.good("fetch", &args, FETCH, &[], SAID_LIMIT).await {
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

    /// One run of git, which is ended with all that it started when its time is up or its future is dropped.
    async fn run(
        &self,
        what: &'static str,
        args: &[&str],
        limit: Duration,
        stdin: &[u8],
        most: u64,
    ) -> Result<Output, GitError> {
        let mut child = self.command(args).spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => GitError::Absent,
            _ => GitError::Start(error),
        })?;
        let group = Group(child.id());
        let work = async {
            let (mut input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let feed = async {
                if let Some(mut input) = input.take() {
                    // Git may end before it has read all; its exit code tells.
                    let _ = input.write_all(stdin).await;
                }
            };
            let ((), out, err) = tokio::join!(feed, drain(stdout, most), drain(stderr, SAID_LIMIT));
            Ok::<_, std::io::Error>((out?, err?, child.wait().await?))
        };
        match timeout(limit, work).await {
            Err(_) => Err(GitError::Deadline { what, limit }),
            Ok(Err(error)) => Err(GitError::Start(error)),
            Ok(Ok((stdout, stderr, status))) => {
                group.done();
                let stderr = String::from_utf8_lossy(&stderr).into_owned();
                Ok(Output { good: status.success(), stdout, stderr })
            }
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        for option in
            ["core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.autoDetach=false", "maintenance.autoDetach=false"]
        {
            command.args(["-c", option]);
        }
        command.args(["-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=30"]);
        if self.mirror.is_dir() {
            command.arg("--git-dir").arg(&self.mirror).current_dir(&self.mirror);
        }
        command.args(args);
        for name in LOCAL_VARIABLES {
            command.env_remove(name);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh").env("LC_ALL", "C");
        if let Some(ssh) = self.ssh {
            command.env("GIT_SSH_COMMAND", ssh);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what git starts is ended with it, and a Ctrl-C ends this program in its own order.
        command.process_group(0).kill_on_drop(true);
        command
    }
}

/// A process group that is killed unless it is done.
struct Group(Option<u32>);

impl Group {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

async fn drain(from: Option<impl tokio::io::AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut held = Vec::new();
    if let Some(mut from) = from {
        (&mut from).take(most).read_to_end(&mut held).await?;
        // The rest is read and dropped, so that who writes it comes to an end.
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    }
    Ok(held)
}

/// Below systemd's cache directory, or the user's.
fn cache() -> Result<PathBuf, GitError> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = variable("CACHE_DIRECTORY")
        .or_else(|| variable("XDG_CACHE_HOME"))
        .or_else(|| variable("HOME").map(|home| home.join(".cache")));
    Ok(base.ok_or(GitError::NoCache)?.join("maasctl/sync"))
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    File { size: u64 },
    Link,
    Submodule,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    kind: Kind,
    id: &'a str,
    name: String,
}

/// What `ls-tree -r -z -l` lists: `MODE TYPE ID SIZE\tPATH\0` each.
fn entries(list: &[u8]) -> Option<Vec<Entry<'_>>> {
    let mut found = Vec::new();
    for line in list.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let name = String::from_utf8_lossy(line.get(tab + 1..)?).replace(char::is_control, "?");
        let mut fields = std::str::from_utf8(line.get(..tab)?).ok()?.split_ascii_whitespace();
        let (mode, _, id, size) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let kind = match mode {
            "160000" => Kind::Submodule,
            "120000" => Kind::Link,
            _ => Kind::File { size: size.parse().ok()? },
        };
        found.push(Entry { kind, id: Some(id).filter(|id| is_id(id))?, name });
    }
    Some(found)
}

/// The first object that `cat-file --batch` answers with, which must be `id`, and what follows it.
fn object<'a>(answer: &'a [u8], id: &str) -> Option<(&'a [u8], &'a [u8])> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let mut fields = std::str::from_utf8(answer.get(..end)?).ok()?.split(' ');
    let (own, kind, size) = (fields.next()?, fields.next()?, fields.next()?.parse::<usize>().ok()?);
    let start = end + 1;
    let stop = start.checked_add(size)?;
    (own == id && kind == "blob" && answer.get(stop) == Some(&b'\n')).then_some(())?;
    Some((answer.get(start..stop)?, answer.get(stop + 1..)?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn lists_and_objects_are_read() {
        let list = format!(
            "100644 blob {ID}      12\ta b.yaml\x00120000 blob {ID} 3\tlink.yaml\x00160000 commit {ID}       -\tsub\x00"
        );
        let found = entries(list.as_bytes()).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((&found[0].kind, found[0].name.as_str()), (&Kind::File { size: 12 }, "a b.yaml"));
        assert_eq!((&found[1].kind, &found[2].kind), (&Kind::Link, &Kind::Submodule));
        let answer = format!("{ID} blob 3\na\nb\n{ID} blob 0\n\n");
        let (first, rest) = object(answer.as_bytes(), ID).unwrap();
        assert_eq!(first, b"a\nb");
        assert_eq!(object(rest, ID).unwrap(), (&b""[..], &b""[..]));
        assert_eq!(object(format!("{ID} missing\n").as_bytes(), ID), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(answer in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = entries(&answer);
            let _ = object(&answer, ID);
            let mut headed = format!("{ID} blob 18446744073709551615\n").into_bytes();
            headed.extend(&answer);
            prop_assert_eq!(object(&headed, ID), None);
        }
    }
}

//! What is submitted: the operator's binary, configuration and instructions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use hadoop_yarn::{ApplicationId, LaunchContext, LocalResource, LogPatterns, Resource, Submission};
use maas_crd::{OperatorLaunch, RemoteFile};
use maas_hdfs::{FileInfo, Hdfs};

use crate::output;
use crate::settings::Settings;

/// A constant: everything else travels as data, since YARN pastes the command into a shell line.
const COMMAND: &str = "exec ./maas-operator 1><LOG_DIR>/operator.out 2><LOG_DIR>/operator.err";
const SESSION_TIMEOUT_MS: u64 = 6000;
/// YARN caps it by yarn.resourcemanager.am.max-attempts.
const MAX_ATTEMPTS: i32 = 100;
/// An operator that has worked this long does not count as failed.
const FAILURES_VALIDITY: Duration = Duration::from_secs(1);
/// Files that a runner has put aside; a file that is still written must not be taken away.
const PUT_ASIDE: &str = r"model\.(out|err)\.[0-9]+(\.times)?";
const CONFIGURATION: [&str; 3] = ["core-site.xml", "hdfs-site.xml", "yarn-site.xml"];

/// What was asked for.
pub(super) struct Wanted {
    pub(super) queue: String,
    pub(super) memory_mib: u64,
    pub(super) vcores: u32,
    pub(super) node_label: Option<String>,
    pub(super) name: String,
    /// The operator's environment.
    pub(super) env: BTreeMap<String, String>,
    /// Every model's environment.
    pub(super) model_env: BTreeMap<String, String>,
    /// Metron's queue, if it is to be read.
    pub(super) metron_queue: Option<String>,
}

/// Refuses what cannot be an environment; the operator's goes through a shell script that the NodeManager writes unescaped.
pub(super) fn check_env(wanted: &Wanted) -> anyhow::Result<()> {
    for key in wanted.env.keys().chain(wanted.model_env.keys()) {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.starts_with(|c: char| c.is_ascii_digit()) || !key.chars().all(word) {
            bail!("{key:?} cannot be the name of an environment variable: use letters, digits and '_'");
        }
    }
    for (key, value) in &wanted.env {
        if value.chars().any(|c| "\"$`\\{}<>".contains(c) || c.is_control()) {
            bail!("the value of {key} holds characters that YARN's launch script would not keep");
        }
    }
    if let Some((key, _)) = wanted.model_env.iter().find(|(_, value)| value.contains('\0')) {
        bail!("the value of {key} holds a NUL");
    }
    Ok(())
}

/// The programs that are uploaded.
pub(super) struct Binaries {
    operator: PathBuf,
    runner: PathBuf,
}

impl Binaries {
    /// In `libexec`, or beside this program.
    pub(super) fn find(libexec: Option<PathBuf>) -> anyhow::Result<Self> {
        let directory = match libexec {
            Some(directory) => directory,
            None => {
                let own = std::env::current_exe()
                    .context("cannot tell where maasctl itself is: name the directory with --libexec")?;
                own.parent().map(Path::to_owned).unwrap_or_default()
            }
        };
        let find = |name: &str| {
            let path = directory.join(name);
            if path.is_file() {
                return Ok(path);
            }
            bail!(
                "{name} is not in {}: install it beside maasctl, or name its directory with --libexec or MAAS_LIBEXEC",
                directory.display()
            )
        };
        Ok(Self { operator: find("maas-operator")?, runner: find("maas-runner")? })
    }
}

/// The files in HDFS.
pub(super) struct Files {
    operator: FileInfo,
    runner: FileInfo,
    /// By the link's name.
    configuration: BTreeMap<String, FileInfo>,
}

/// Uploads operator and runner, in this order, once per content: what running containers use is never overwritten.
pub(super) async fn upload_programs(
    hdfs: &Hdfs,
    binaries: &Binaries,
    user: &str,
) -> anyhow::Result<(FileInfo, FileInfo)> {
    let programs = format!("/user/{user}/.maas/bin");
    let size = output::upload::size([binaries.operator.as_path(), binaries.runner.as_path()]);
    let uploading = async {
        tokio::try_join!(hdfs.upload_once(&binaries.operator, &programs), hdfs.upload_once(&binaries.runner, &programs))
    };
    Ok(output::upload::shown("operator and runner", size, || hdfs.sent(), uploading).await?)
}

/// Uploads what a submission needs.
pub(super) async fn upload(hdfs: &Hdfs, settings: &Settings, binaries: &Binaries, user: &str) -> anyhow::Result<Files> {
    let (operator, runner) = upload_programs(hdfs, binaries, user).await?;
    let configurations = format!("/user/{user}/.maas/conf");
    let mut configuration = BTreeMap::new();
    for name in CONFIGURATION {
        let path = settings.conf_dir()?.join(name);
        if path.is_file() {
            configuration.insert(format!("conf/{name}"), hdfs.upload_once(&path, &configurations).await?);
        }
    }
    Ok(Files { operator, runner, configuration })
}

impl Wanted {
    /// The application to submit.
    pub(super) fn submission(
        &self,
        id: ApplicationId,
        settings: &Settings,
        user: &str,
        files: Files,
    ) -> anyhow::Result<Submission> {
        let launch = OperatorLaunch {
            operator: files.operator.url.clone(),
            quorum: settings.quorum.clone(),
            root: settings.root.to_string(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            runner: remote(files.runner),
            user: user.to_owned(),
            env: self.model_env.clone(),
            metron_queue: self.metron_queue.clone(),
        };
        let mut env = self.env.clone();
        env.insert("HADOOP_CONF_DIR".to_owned(), "./conf".to_owned());
        env.insert("HADOOP_USER_NAME".to_owned(), user.to_owned());
        env.insert("MAAS_OPERATOR".to_owned(), launch.encode());
        let operator = ("maas-operator".to_owned(), files.operator);
        let resources = files.configuration.into_iter().chain([operator]).map(|(link, file)| (link, local(file)));
        Ok(Submission {
            id,
            name: self.name.clone(),
            kind: "maas".to_owned(),
            queue: self.queue.clone(),
            resource: Resource::new(i64::try_from(self.memory_mib)?, i32::try_from(self.vcores)?),
            launch: LaunchContext { resources: resources.collect(), env, command: COMMAND.to_owned(), tokens: None },
            max_attempts: Some(MAX_ATTEMPTS),
            keep_containers: true,
            failures_validity: Some(FAILURES_VALIDITY),
            node_label: self.node_label.clone(),
            logs: Some(LogPatterns {
                include: Some(".*".to_owned()),
                rolled_include: Some(PUT_ASIDE.to_owned()),
                ..LogPatterns::default()
            }),
            ..Submission::default()
        })
    }
}

pub(super) fn remote(file: FileInfo) -> RemoteFile {
    RemoteFile { url: file.url, size: file.size, mtime_ms: file.mtime_ms }
}

fn local(file: FileInfo) -> LocalResource {
    LocalResource::private_file(file.url, file.size, file.mtime_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(env: &[(&str, &str)], model_env: &[(&str, &str)]) -> Wanted {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        Wanted {
            queue: "q".into(),
            memory_mib: 10,
            vcores: 1,
            node_label: None,
            name: "MaaS".into(),
            env: map(env),
            model_env: map(model_env),
            metron_queue: None,
        }
    }

    fn file(name: &str) -> FileInfo {
        let path = format!("/user/u/.maas/{name}");
        FileInfo {
            url: format!("hdfs://nn:1{path}"),
            path,
            size: 7,
            mtime_ms: 9,
            is_directory: false,
            permission: 0o644,
        }
    }

    #[test]
    fn the_operator_is_told_everything_as_data() {
        let settings = Settings::check(Some("z:1".into()), "/maas", None, None).unwrap();
        let files = Files {
            operator: file("maas-operator"),
            runner: file("maas-runner"),
            configuration: BTreeMap::from([("conf/core-site.xml".to_owned(), file("core-site.xml"))]),
        };
        let id = ApplicationId { cluster_timestamp: 1, id: 2 };
        let submission =
            wanted(&[("RUST_LOG", "debug")], &[("A", "x \"y\" $z")]).submission(id, &settings, "u", files).unwrap();
        assert_eq!(submission.launch.command, COMMAND);
        assert_eq!(submission.launch.resources.keys().collect::<Vec<_>>(), ["conf/core-site.xml", "maas-operator"]);
        let told = OperatorLaunch::decode(&submission.launch.env["MAAS_OPERATOR"]).unwrap();
        assert_eq!((told.quorum.as_str(), told.env["A"].as_str()), ("z:1", "x \"y\" $z"));
        assert_eq!(submission.resource, Resource::new(10, 1));
        assert!(submission.keep_containers);
    }

    #[test]
    fn an_environment_that_would_not_arrive_is_refused() {
        assert!(check_env(&wanted(&[("RUST_LOG", "maas=debug,info")], &[("A", "$HOME")])).is_ok());
        assert!(check_env(&wanted(&[("A", "$HOME")], &[])).is_err());
        assert!(check_env(&wanted(&[("A-B", "x")], &[])).is_err());
        assert!(check_env(&wanted(&[], &[("1A", "x")])).is_err());
    }
}

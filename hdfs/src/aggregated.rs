//! Logs that NodeManagers have collected into HDFS, in the format of `LogAggregationTFileController`, YARN's default.
//!
//! A file of a node holds the logs of the containers that ran there: a TFile (`org.apache.hadoop.io.file.tfile`) with a
//! container's name as key and, as value, for each log file its name, its length in digits and its bytes
//! (`AggregatedLogFormat.LogValue`). Only files without compression are read, which is YARN's default.

mod tfile;

use hadoop_rpc::Conf;

use crate::{Error, FileInfo, Hdfs};
pub use tfile::LogFile;

/// More node files than this of one application are not looked at.
const MOST_NODES: usize = 20_000;

/// Whether the cluster collects logs when an application ends, by its configuration.
#[must_use]
pub fn is_enabled(conf: &Conf) -> bool {
    conf.get("yarn.log-aggregation-enable").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
}

/// The format that NodeManagers collect in, when it is another than TFile: the first of the list that is configured. Source:
/// `LogAggregationFileControllerFactory`.
#[must_use]
pub fn other_format(conf: &Conf) -> Option<String> {
    let formats = conf.get("yarn.log-aggregation.file-formats").unwrap_or_default();
    let first = formats.split(',').map(str::trim).find(|format| !format.is_empty())?;
    (first != "TFile").then(|| first.to_owned())
}

/// Where the logs of an application of a user may stand, the layout of this release first. `number` is the last number
/// of its id. Source: `LogAggregationFileController`, `LogAggregationUtils` of 3.5.0.
#[must_use]
pub fn directories(conf: &Conf, user: &str, application: &str, number: u32) -> Vec<String> {
    let set = |name: &str| conf.get(name).filter(|text| !text.trim().is_empty());
    let root = set("yarn.log-aggregation.TFile.remote-app-log-dir")
        .or_else(|| set("yarn.nodemanager.remote-app-log-dir"))
        .unwrap_or_else(|| "/tmp/logs".to_owned());
    let root = root.trim_end_matches('/');
    let plain = set("yarn.nodemanager.remote-app-log-dir-suffix").unwrap_or_else(|| "logs".to_owned());
    let suffix =
        set("yarn.log-aggregation.TFile.remote-app-log-dir-suffix").unwrap_or_else(|| format!("{plain}-tfile"));
    let bucket = number % 10_000;
    vec![
        format!("{root}/{user}/bucket-{suffix}/{bucket:04}/{application}"),
        format!("{root}/{user}/{suffix}/{application}"),
        // As releases before 3.3 have it.
        format!("{root}/{user}/{plain}/{application}"),
    ]
}

impl Hdfs {
    /// The log files that were collected of a container, in the order in which they were; with a rolling collection a
    /// name may come several times, later parts later. Empty when there are none. `host` is the node's, whose files are
    /// looked at first. Only of the `wanted` names are the bytes read; a file longer than `most` bytes is given by its end.
    ///
    /// # Errors
    /// HDFS refused or did not answer; a file is compressed, or no TFile.
    pub async fn collected_logs(
        &self,
        directory: &str,
        host: &str,
        container: &str,
        wanted: &(impl Fn(&str) -> bool + Sync),
        most: u64,
    ) -> Result<Vec<LogFile>, Error> {
        let mut files = match self.list(directory, MOST_NODES).await {
            Ok(files) => files,
            Err(Error::Missing { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // A file still being written ends in .tmp.
        files.retain(|file| file.size > 0 && !file.path.ends_with(".tmp"));
        let is_hosts = |file: &FileInfo| {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            name.strip_prefix(host).is_some_and(|rest| rest.starts_with('_'))
        };
        let (own, others): (Vec<FileInfo>, Vec<FileInfo>) = files.into_iter().partition(is_hosts);
        for files in [own, others] {
            let mut found = Vec::new();
            // Rolling collection makes a file each time, in the order of their times.
            for file in files {
                let reader = self.reader(&file.url).await?;
                found.extend(tfile::logs_of(&reader, container, wanted, most).await?);
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_named_by_the_configuration() {
        let mut conf = Conf::default();
        let id = "application_1_12345";
        assert_eq!(
            directories(&conf, "u", id, 12345),
            [
                "/tmp/logs/u/bucket-logs-tfile/2345/application_1_12345",
                "/tmp/logs/u/logs-tfile/application_1_12345",
                "/tmp/logs/u/logs/application_1_12345"
            ]
        );
        conf.set("yarn.nodemanager.remote-app-log-dir", "/app-logs/");
        conf.set("yarn.nodemanager.remote-app-log-dir-suffix", "x");
        assert_eq!(directories(&conf, "u", id, 7)[0], "/app-logs/u/bucket-x-tfile/0007/application_1_12345");
        assert_eq!(other_format(&conf), None);
        conf.set("yarn.log-aggregation.file-formats", "TFile,IFile");
        assert_eq!(other_format(&conf), None);
        conf.set("yarn.log-aggregation.file-formats", " IFile, TFile");
        assert_eq!(other_format(&conf).as_deref(), Some("IFile"));
        assert!(!is_enabled(&conf));
        conf.set("yarn.log-aggregation-enable", "TRUE");
        assert!(is_enabled(&conf));
    }
}

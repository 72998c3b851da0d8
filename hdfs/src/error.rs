//! What can go wrong, in one line each.

use std::path::PathBuf;

use hadoop_rpc::conf::ConfError;
use hdfs_native::HdfsError;

/// Why something could not be done in HDFS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration can't be read.
    #[error("the Hadoop configuration can't be read: set HADOOP_CONF_DIR to the directory of core-site.xml")]
    Configuration {
        /// Why.
        #[source]
        source: ConfError,
    },
    /// The configuration names no HDFS.
    #[error("fs.defaultFS in {} is {found:?}, not hdfs://…", conf_dir.display())]
    NoHdfs {
        /// Where it was read.
        conf_dir: PathBuf,
        /// What it is.
        found: String,
    },
    /// Nothing stands there.
    #[error("{url} does not exist")]
    Missing {
        /// Where.
        url: String,
    },
    /// A file stands where a directory should.
    #[error("{url} is a file, not a directory")]
    NotADirectory {
        /// Where.
        url: String,
    },
    /// More files or directories than can be used.
    #[error("{url} holds more than {most} files or directories")]
    TooMany {
        /// Where.
        url: String,
        /// The limit.
        most: usize,
    },
    /// This user may not.
    #[error("not allowed to {what} {url}: {message}")]
    Denied {
        /// Where.
        url: String,
        /// What was tried.
        what: &'static str,
        /// In HDFS' words.
        message: String,
    },
    /// No answer in time.
    #[error("could not {what} {url}: HDFS did not answer within {seconds} s; is the NameNode running?")]
    Deadline {
        /// Where.
        url: String,
        /// What was tried.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// HDFS refused, or can't be reached.
    #[error("could not {what} {url}: {message}")]
    Failed {
        /// Where.
        url: String,
        /// What was tried.
        what: &'static str,
        /// Why, in one line.
        message: String,
    },
    /// A local file can't be read.
    #[error("could not read {}", path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// From what hdfs-native says: its texts carry whole stack traces.
    pub(crate) fn of(url: &str, what: &'static str, error: &HdfsError) -> Self {
        let url = url.to_owned();
        let text = error.to_string();
        let message: String = text.lines().next().unwrap_or_default().chars().take(500).collect();
        match error {
            HdfsError::FileNotFound(_) => Self::Missing { url },
            HdfsError::RPCError(class, _) if class.ends_with("FileNotFoundException") => Self::Missing { url },
            HdfsError::RPCError(class, _) if class.ends_with("AccessControlException") => {
                Self::Denied { url, what, message }
            }
            HdfsError::IOError(_) => Self::Failed {
                url,
                what,
                message: format!("{message}; is the NameNode running, and fs.defaultFS right?"),
            },
            _ => Self::Failed { url, what, message },
        }
    }

    /// Whether another try later may succeed without anyone doing anything about this path.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Deadline { .. } | Self::Failed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hdfs_says_is_told_in_one_line_and_by_kind() {
        let rpc =
            |class: &str| HdfsError::RPCError(class.to_owned(), "Permission denied: user=x\n\tat a.b.C".to_owned());
        let denied = Error::of("hdfs://nn/a", "make", &rpc("org.apache.hadoop.security.AccessControlException"));
        assert!(matches!(denied, Error::Denied { .. }) && !denied.is_transient());
        let text = denied.to_string();
        assert!(text.contains("hdfs://nn/a") && text.contains("user=x") && !text.contains('\n'), "{text}");
        let missing = Error::of("hdfs://nn/a", "stat", &rpc("java.io.FileNotFoundException"));
        assert!(matches!(missing, Error::Missing { .. }));
        let other = Error::of("hdfs://nn/a", "make", &rpc("org.apache.hadoop.hdfs.server.namenode.SafeModeException"));
        assert!(other.is_transient() && !other.to_string().contains('\n'), "{other}");
    }
}

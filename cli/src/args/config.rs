//! `config`.

use clap::{Subcommand, ValueEnum};

/// `config`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  maasctl config set-context prod --zookeeper zk1:2181,zk2:2181 --conf-dir /etc/hadoop/conf
  maasctl config use-context prod
  maasctl config get-contexts
  maasctl --context test get models

The file is ~/.maas/config, or the one that MAASCONFIG names.")]
pub(crate) enum Config {
    /// List the contexts
    GetContexts {
        /// Only this one
        name: Option<String>,
        /// Output format [default: a table]
        #[arg(short, long, value_enum)]
        output: Option<Output>,
        /// Leave the table's first line out
        #[arg(long)]
        no_headers: bool,
    },
    /// Print the current context's name
    CurrentContext,
    /// Make a context the current one
    UseContext {
        /// Its name
        name: String,
    },
    /// Make a context, or change one, by the global options --zookeeper, --root, --namespace and --conf-dir
    ///
    /// What is not given stays as it is; an empty value takes a setting out.
    SetContext {
        /// Its name
        #[arg(required_unless_present = "current")]
        name: Option<String>,
        /// Change the current context
        #[arg(long, conflicts_with = "name")]
        current: bool,
    },
    /// Delete a context
    DeleteContext {
        /// Its name
        name: String,
    },
    /// Give a context another name
    RenameContext {
        /// Its name
        name: String,
        /// What it shall be called
        new: String,
    },
    /// Print the file's content
    View {
        /// The context that is used, alone
        #[arg(long)]
        minify: bool,
    },
}

/// Output formats of `get-contexts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Names alone
    Name,
}

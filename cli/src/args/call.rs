//! Commands that ask models.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::duration;

/// `call`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl call dga host=yahoo.com                     GET /apply?host=yahoo.com of the newest version
  maasctl call dga:1.0 host=yahoo.com -v              of this one; says which instance was asked, and what it took
  maasctl call dga --function /health                 another function, by its published name or its path
  maasctl call dga -X POST host=yahoo.com             POST of {\"host\": \"yahoo.com\"}
  maasctl call dga -d @message.json --timeout 30s     POST of what stands in a file; @- is stdin")]
pub(crate) struct Call {
    /// The model, and its version [default: the newest that has a live instance]
    #[arg(value_name = "MODEL[:VERSION]")]
    pub(crate) model: String,
    /// Arguments; a key without = is sent without a value
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) arguments: Vec<String>,
    /// What is asked: a function that the model publishes, or a path
    #[arg(long, value_name = "NAME|PATH", default_value = "apply")]
    pub(crate) function: String,
    /// How it is asked [default: GET, or POST with -d]
    #[arg(short = 'X', long = "request", value_enum, ignore_case = true, value_name = "VERB")]
    pub(crate) verb: Option<Verb>,
    /// JSON to send by POST, as it stands here, in a file (@FILE) or on stdin (@-)
    #[arg(short, long, visible_alias = "json", value_name = "JSON|@FILE", conflicts_with = "arguments")]
    pub(crate) data: Option<String>,
    /// How long the answer may take, tries on another instance included
    #[arg(long, value_name = "DURATION", value_parser = some_time, default_value = "10s")]
    pub(crate) timeout: Duration,
    /// json: indented, keys sorted; raw: as it came
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "json")]
    pub(crate) output: CallOutput,
}

fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("no model answers in no time".to_owned()),
        other => Ok(other),
    }
}

/// Verbs of HTTP that models are asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verb {
    /// With a query; tried on another instance when one fails
    #[value(name = "GET")]
    Get,
    /// With JSON; tried on another instance only when it cannot have arrived
    #[value(name = "POST")]
    Post,
}

/// Formats of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CallOutput {
    /// Indented, keys sorted
    Json,
    /// As it came
    Raw,
}

/// `stellar`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl stellar                                               a shell
  maasctl stellar -e \"TO_UPPER('a')\"                            one expression
  maasctl stellar -f message.json -e 'URL_TO_HOST(url)'         with a message's fields as variables
  maasctl stellar -e \"MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('dga'), {'host': 'yahoo.com'})\"
  echo '1 + 1' | maasctl stellar                                each line of stdin")]
pub(crate) struct Stellar {
    /// Evaluate this and end; may be repeated
    #[arg(short, long, value_name = "EXPRESSION")]
    pub(crate) expression: Vec<String>,
    /// A JSON object whose fields are variables
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

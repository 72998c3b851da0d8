//! What the libraries tell, on stderr: warnings always, with `-v` each call to a daemon, its answer and its time.
//!
//! A call is an event of the target `call` with the fields `to` (whom), `what` (was asked), `took` and `answer`.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::output;

/// Begins to print. `verbose` is how often `-v` was given: once for calls, twice also for what our own libraries do on
/// the way, three times for everything.
pub(crate) fn begin(verbose: u8) {
    let ours = if verbose >= 2 { LevelFilter::DEBUG } else { LevelFilter::WARN };
    let mut targets = Targets::new().with_default(if verbose >= 3 { LevelFilter::TRACE } else { LevelFilter::OFF });
    for library in ["maas_store", "maas_client", "maas_functions", "maas_hdfs", "hadoop_rpc", "hadoop_yarn", "maasctl"]
    {
        targets = targets.with_target(library, if verbose >= 3 { LevelFilter::TRACE } else { ours });
    }
    targets = targets.with_target("call", if verbose >= 1 { LevelFilter::DEBUG } else { LevelFilter::OFF });
    // Only one command runs in a process; a second beginning would change nothing.
    let _ = tracing_subscriber::registry().with(Stderr.with_filter(targets)).try_init();
}

/// Prints each event as one line.
struct Stderr;

impl<S: Subscriber> Layer<S> for Stderr {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        output::note(&fields.line(event.metadata().target(), *event.metadata().level()));
    }
}

#[derive(Debug, Default)]
struct Fields {
    to: String,
    what: String,
    took: String,
    answer: String,
    message: String,
    /// Other fields, as ` name=value`.
    more: String,
}

impl Fields {
    fn line(&self, target: &str, level: Level) -> String {
        let text = if target == "call" {
            format!("{}: {}: {} ({})", self.to, self.what, self.answer, self.took)
        } else if level == Level::WARN || level == Level::ERROR {
            format!("warning: {}{}", self.message, self.more)
        } else {
            format!("{target}: {}{}", self.message, self.more)
        };
        // What a peer said may hold anything.
        output::printable(&text)
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let place = match field.name() {
            "to" => &mut self.to,
            "what" => &mut self.what,
            "took" => &mut self.took,
            "answer" => &mut self.answer,
            "message" => &mut self.message,
            name => {
                let _ = write!(self.more, " {name}={value:?}");
                return;
            }
        };
        let _ = write!(place, "{value:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_line_and_a_warning_says_so() {
        let fields = Fields {
            to: "zookeeper".into(),
            what: "get /maas".into(),
            took: "1.2ms".into(),
            answer: "12 bytes\n".into(),
            ..Fields::default()
        };
        assert_eq!(fields.line("call", Level::DEBUG), "zookeeper: get /maas: 12 bytes  (1.2ms)");
        let fields = Fields { message: "left out".into(), more: " path=/a".into(), ..Fields::default() };
        assert_eq!(fields.line("maas_store::read", Level::WARN), "warning: left out path=/a");
        assert_eq!(fields.line("maas_store::read", Level::DEBUG), "maas_store::read: left out path=/a");
    }
}

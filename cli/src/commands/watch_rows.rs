//! `get -w` and `events -w`: what is there, then each change as it comes. Nothing is kept of what was printed: what
//! was before a change is found in the tree just before it is taken in.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, bail};
use maas_crd::{Name, Namespace};
use maas_store::Store;
use serde_json::{Value, json};

use super::follow::Followed;
use super::get::{Look, custom_row, header, paths, row};
use super::missing::not_found;
use crate::output::format::Format;
use crate::output::table::{Table, Widths};
use crate::output::{self, object};
use crate::reference::Kind;
use crate::resource::{Found, Query, Scope};

/// What became of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Added,
    Modified,
    Deleted,
}

impl Event {
    fn word(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// Prints until the reader goes away. `only` leaves out what is there at the start.
pub(crate) async fn watch(store: &Store, query: &Query, look: &Look, only: bool) -> anyhow::Result<ExitCode> {
    let paths = paths(store, query);
    if paths.is_empty() {
        let words =
            query.targets.iter().flat_map(|target| target.names.iter().map(|name| not_found(target.kind, name)));
        bail!("{}: that can be no name", words.collect::<Vec<_>>().join("; "));
    }
    let mut followed = Followed::new(store, paths);
    let mut printer = Printer { look, widths: Widths::default(), headers: look.headers };
    while !followed.whole {
        let was_connected = followed.connected;
        followed.step(|_, _, _| {}).await?;
        tell_lost(was_connected, &followed);
    }
    let found = query.find(&followed.tree, Scope::Within(query.namespace.as_ref()));
    for name in query.targets.iter().flat_map(|target| &target.names) {
        if !found.iter().any(|one| one.resource.is_named(name)) {
            output::note(&format!("note: {name} is not there yet; waiting for it"));
        }
    }
    if !only {
        printer.print(found.into_iter().map(|one| (Event::Added, one)).collect())?;
    }
    loop {
        let was_connected = followed.connected;
        let mut before: BTreeMap<(Namespace, Name), Vec<Found>> = BTreeMap::new();
        followed
            .step(|tree, namespace, name| {
                let key = (namespace.clone(), name.clone());
                before.entry(key).or_insert_with(|| query.find(tree, Scope::Of(namespace, name)));
            })
            .await?;
        let mut changed = Vec::new();
        for ((namespace, name), before) in before {
            let after = query.find(&followed.tree, Scope::Of(&namespace, &name));
            changed.extend(differences(before, after));
        }
        // As they happened, over several deployments.
        if query.targets.iter().any(|target| target.kind == Kind::Event) {
            changed.sort_by_key(|(_, one)| one.resource.last_ms());
        }
        printer.print(changed)?;
        tell_lost(was_connected, &followed);
    }
}

/// Says that the connection was lost just now.
pub(super) fn tell_lost(was_connected: bool, followed: &Followed) {
    if was_connected && !followed.connected {
        output::note("note: the connection to ZooKeeper is lost; trying to get it back");
    }
}

/// What came, went and differs. An event that is forgotten did not go: it happened all the same.
fn differences(before: Vec<Found>, after: Vec<Found>) -> Vec<(Event, Found)> {
    let key = |one: &Found| (one.resource.kind(), one.resource.name(), one.resource.uid());
    let mut old: BTreeMap<_, _> = before.into_iter().map(|one| (key(&one), one)).collect();
    let mut changed = Vec::new();
    for one in after {
        match old.remove(&key(&one)) {
            None => changed.push((Event::Added, one)),
            Some(was) if differs(&was, &one) => changed.push((Event::Modified, one)),
            Some(_) => {}
        }
    }
    let gone = old.into_values().filter(|one| one.resource.kind() != Kind::Event);
    // What went, went before another came under its name.
    gone.map(|one| (Event::Deleted, one)).chain(changed).collect()
}

fn differs(a: &Found, b: &Found) -> bool {
    a.labels != b.labels || a.resource.object() != b.resource.object()
}

struct Printer<'a> {
    look: &'a Look,
    /// Kept, so that rows stay aligned.
    widths: Widths,
    /// Still to be printed.
    headers: bool,
}

impl Printer<'_> {
    fn print(&mut self, changed: Vec<(Event, Found)>) -> anyhow::Result<()> {
        let Some(first) = changed.first() else { return Ok(()) };
        let now = output::now_ms();
        let text = match &self.look.format {
            None | Some(Format::Wide) => {
                let mut table = Table::new(header(first.1.resource.kind(), self.look));
                for (event, one) in &changed {
                    table.push(row(one, self.look, false, Some(event.word()), now));
                }
                self.aligned(&table)
            }
            Some(Format::Columns(columns)) => {
                let event = self.look.events.then(|| "EVENT".to_owned());
                let mut table = Table::new(event.into_iter().chain(columns.iter().map(|column| column.header.clone())));
                for (event, one) in &changed {
                    let event = self.look.events.then(|| event.word().to_owned());
                    let cells = custom_row(&one.resource.object(), columns)?;
                    table.push(event.into_iter().chain(cells).collect());
                }
                self.aligned(&table)
            }
            Some(format) => {
                let mut text = String::new();
                for (event, one) in &changed {
                    text.push_str(&self.whole(format, *event, one)?);
                }
                text
            }
        };
        output::data(&text)
    }

    fn aligned(&mut self, table: &Table) -> String {
        let text = table.render_aligned(self.headers, &mut self.widths);
        self.headers = false;
        text
    }

    fn whole(&self, format: &Format, event: Event, one: &Found) -> anyhow::Result<String> {
        let object = || match self.look.events {
            true => json!({"type": event.word(), "object": one.resource.object()}),
            false => one.resource.object(),
        };
        Ok(match format {
            Format::Json => object::json(&object())?,
            Format::Yaml => format!("---\n{}", object::yaml(&object())?),
            Format::JsonPath(template) => template.render(&object()).context("error executing jsonpath")?,
            Format::JsonPathAsJson(template) => {
                let object = object();
                let values = template.values(&object).context("error executing jsonpath")?;
                object::json(&Value::Array(values.into_iter().cloned().collect()))?
            }
            Format::Name | Format::Wide | Format::Columns(_) => match self.look.events {
                true => format!("{:<8} {}\n", event.word(), one.resource.reference()),
                false => format!("{}\n", one.resource.reference()),
            },
        })
    }
}

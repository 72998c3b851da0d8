//! Pages of text that is scrolled.

use maas_crd::{Iid, Namespace};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::super::model::Place;
use super::super::state::{Page, State};
use super::super::text::wrap;
use super::{Look, titled};
use crate::output::table::Table;
use crate::output::{describe, printable, rows};
use crate::reference::Kind;

/// Lines that a page of text has, less header, title and footer.
pub(crate) fn page_height(state: &State) -> usize {
    usize::from(state.size.1.saturating_sub(3)).max(1)
}

/// How many lines the page's text has.
pub(crate) fn page_lines(state: &State) -> usize {
    lines(state, state.size.0, 0).len()
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, look: Look, now_ms: i64) {
    let text = lines(state, area.width, now_ms);
    let height = usize::from(area.height.saturating_sub(1));
    let below = text.len().saturating_sub(height);
    let scrolled = state.scrolled.min(below);
    let (first, at) = match &state.page {
        Page::Log(_) if scrolled == 0 => (below, "following".to_owned()),
        Page::Log(_) => (below - scrolled, format!("{scrolled} lines below")),
        _ if below > 0 => (scrolled, format!("{} of {} lines", (scrolled + height).min(text.len()), text.len())),
        _ => (scrolled, String::new()),
    };
    let title = match &state.page {
        Page::Models => String::new(),
        Page::Describe(of, None) => format!("Model {}", of.name),
        Page::Describe(of, Some(iid)) => format!("Instance {}/{iid}", of.name),
        Page::Events if state.filter.is_empty() => "Events, the newest first".to_owned(),
        Page::Events => format!("Events with \"{}\", the newest first", printable(&state.filter)),
        Page::Endpoints if state.filter.is_empty() => "Endpoints".to_owned(),
        Page::Endpoints => format!("Endpoints with \"{}\"", printable(&state.filter)),
        Page::Log(log) => format!("{} of {}/{}", log.file(), log.of.name, log.iid),
    };
    let title = if at.is_empty() { title } else { format!("{title} ({at})") };
    let inner = titled(frame, area, &title, look);
    let shown = text.into_iter().skip(first).take(height).map(Line::from).collect::<Vec<_>>();
    frame.render_widget(Paragraph::new(shown), inner);
}

/// The page's text, in lines that fit.
fn lines(state: &State, width: u16, now_ms: i64) -> Vec<String> {
    let text = match &state.page {
        Page::Models => String::new(),
        Page::Describe(of, iid) => described(state, of, *iid, now_ms),
        Page::Events => {
            let rows = state.events(None).into_iter().map(|one| {
                let cells = rows::event(&one, now_ms);
                (one.namespace, cells)
            });
            table(state, Kind::Event, rows).unwrap_or_else(|| "No events.".to_owned())
        }
        Page::Endpoints => {
            let all = state.tree().endpoints(state.scope.as_ref()).into_iter();
            let all = all.filter(|(namespace, name, _, endpoint)| {
                state.passes([namespace.as_str(), name.as_str(), &endpoint.url])
            });
            let rows = all.map(|(namespace, name, iid, endpoint)| {
                let cells = rows::endpoint(&name, iid, &endpoint, now_ms);
                (namespace, cells)
            });
            table(state, Kind::Endpoint, rows).unwrap_or_else(|| "No endpoints: nothing may be called.".to_owned())
        }
        Page::Log(log) => {
            let mut lines: Vec<String> = log.lines().iter().flat_map(|line| wrap(line, usize::from(width))).collect();
            match &log.trouble {
                Some(why) => lines.extend(wrap(&format!("-- {}", printable(why)), usize::from(width))),
                None if !log.begun => lines.push("-- reading ...".to_owned()),
                None if lines.is_empty() => lines.push("-- nothing was written yet".to_owned()),
                None => {}
            }
            return lines;
        }
    };
    text.lines().flat_map(|line| wrap(&printable(line), usize::from(width))).collect()
}

/// The table that `get` prints; none without a row.
fn table(state: &State, kind: Kind, rows: impl Iterator<Item = (Namespace, Vec<String>)>) -> Option<String> {
    let all = state.scope.is_none();
    let header = rows::header(kind, false);
    let mut table = Table::new(all.then_some("NAMESPACE").into_iter().chain(header));
    for (namespace, cells) in rows {
        table.push(all.then(|| namespace.to_string()).into_iter().chain(cells).collect());
    }
    (!table.is_empty()).then(|| table.render(true))
}

/// What `describe` prints, of a model or of one instance.
fn described(state: &State, of: &Place, iid: Option<Iid>, now_ms: i64) -> String {
    let instances = state.instances(of);
    let mut events = state.events(Some(of));
    events.reverse();
    if let Some(iid) = iid {
        events.retain(|happened| happened.event.object == iid.to_string());
        return match instances.iter().find(|instance| instance.iid == iid) {
            Some(instance) => describe::instance(instance, &events, now_ms),
            None => format!("{}/{iid} is no more.", of.name),
        };
    }
    match state.tree().deployment(&of.namespace, &of.name) {
        Some(deployment) => describe::deployment(&deployment, &instances, &events, now_ms),
        None if instances.is_empty() => format!("{} is no more.", of.name),
        None => format!("{} was deleted; {} of its instances are still there.", of.name, instances.len()),
    }
}

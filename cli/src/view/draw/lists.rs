//! The models, and of the chosen one its instances and events.

use maas_store::EventKind;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::model::{Health, Model, Place};
use super::super::state::State;
use super::super::text::window;
use super::{Look, titled};
use crate::output::age::age;
use crate::output::describe::ended;
use crate::output::printable;
use crate::output::rows::{Happened, lacks, restarts, seen, state as state_of};
use crate::tree::Instance;

/// First lines shown of the lists, kept between drawings so that they do not jump.
#[derive(Debug, Default)]
pub(crate) struct Tops {
    models: usize,
    instances: usize,
}

/// Least lines of a list with its title and its header.
const LEAST: u16 = 4;
/// Columns that a name is not cut below, and that are left to the last column.
const NAME_COLUMNS: usize = 12;
const LAST_COLUMNS: usize = 16;

/// Below so many columns these of a list are left out.
const NARROW: u16 = 64;
const SPARE: [&str; 4] = ["UP-TO-DATE", "AVAILABLE", "NODE", "TYPE"];

/// Stands before the chosen line, and before others.
const MARK: &str = "> ";
const NO_MARK: &str = "  ";

/// One line of a list: its cells, and how the last of them looks.
type Cells = (Vec<String>, Style);

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, tops: &mut Tops, look: Look, now_ms: i64) {
    let shown = state.shown();
    let chosen = state.chosen();
    let instances = chosen.map_or_else(Vec::new, |(_, place)| state.instances(place));
    let mut events = chosen.map_or_else(Vec::new, |(_, place)| state.events(Some(place)));
    let [above, middle, below] = heights(area.height, shown.len(), instances.len(), events.len());
    let areas = Layout::vertical([Constraint::Length(above), Constraint::Length(middle), Constraint::Length(below)]);
    let [above, middle, below] = areas.areas(area);

    let title = if state.filter.is_empty() {
        format!("Models ({})", shown.len())
    } else {
        format!("Models ({} of {} with \"{}\")", shown.len(), state.count(), printable(&state.filter))
    };
    let inner = titled(frame, above, &title, look);
    let Some((at, place)) = chosen else {
        frame.render_widget(Paragraph::new(nothing(state)), inner);
        return;
    };
    let (all, leader) = (state.scope.is_none(), state.tree().leader().is_some());
    let header = ["NAMESPACE", "NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONDITION"];
    let header = if all { header.as_slice() } else { header.get(1..).unwrap_or_default() };
    let visible = window(&mut tops.models, at, shown.len(), lines(inner));
    let rows = shown.get(visible.clone()).unwrap_or_default();
    let rows = rows.iter().map(|(place, model)| model_cells(place, model, all, leader, look, now_ms)).collect();
    let cursor = Some(at - visible.start);
    list(frame, inner, header, rows, cursor, !state.in_instances, look);
    if middle.height > 0 {
        let inner = titled(frame, middle, &format!("Instances of {} ({})", place.name, instances.len()), look);
        let header = ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "NODE", "ENDPOINT, OR WHAT IT LACKS"];
        let at = state.chosen_instance(&instances).map_or(0, |(at, _)| at);
        let visible = window(&mut tops.instances, at, instances.len(), lines(inner));
        let rows = instances.get(visible.clone()).unwrap_or_default();
        let rows = rows.iter().map(|instance| instance_cells(instance, look, now_ms)).collect();
        let cursor = state.in_instances.then_some(at - visible.start);
        list(frame, inner, &header, rows, cursor, state.in_instances, look);
    }
    if below.height > 0 {
        let inner = titled(frame, below, &format!("Events of {}, the newest first", place.name), look);
        events.truncate(lines(inner));
        let rows = events.iter().map(|one| event_cells(one, look, now_ms)).collect();
        list(frame, inner, &["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], rows, None, false, look);
    }
}

/// Lines for the models, the instances and the events; few lines are the models' alone.
fn heights(height: u16, models: usize, instances: usize, events: usize) -> [u16; 3] {
    let wanted = |rows: usize| u16::try_from(rows + 2).unwrap_or(u16::MAX).max(LEAST);
    if height < 2 * LEAST + 1 {
        return [height, 0, 0];
    }
    if height < 3 * LEAST + 2 {
        let above = wanted(models).min(height / 2);
        return [above, height - above, 0];
    }
    // What is below the models has its share; what one does not need is the next one's.
    let share = (height * 3 / 10).max(LEAST);
    let (middle, below) = (wanted(instances).min(share), wanted(events).min(share));
    let above = wanted(models).min(height - middle - below);
    let middle = wanted(instances).min(height - above - below);
    [above, middle, height - above - middle]
}

/// Rows of a list below its header.
fn lines(inner: Rect) -> usize {
    usize::from(inner.height.saturating_sub(1))
}

/// Why no model is listed.
fn nothing(state: &State) -> Vec<Line<'static>> {
    let text = match (&state.scope, state.loaded) {
        (_, false) => "Reading the tree ...".to_owned(),
        _ if state.count() > 0 => "None of them has the filter's text: / changes it, Esc shows all.".to_owned(),
        (Some(namespace), true) => format!("No resources found in {namespace} namespace. n looks at others."),
        (None, true) => "No resources found. `maasctl apply -f FILE` makes some.".to_owned(),
    };
    vec![Line::from(text)]
}

fn model_cells(place: &Place, model: &Model, all: bool, leader: bool, look: Look, now_ms: i64) -> Cells {
    let wanted = model.wanted.map_or_else(|| "?".to_owned(), |wanted| wanted.to_string());
    let (health, style) = match &model.health {
        Health::Good => (String::new(), Style::new()),
        Health::Moving(why) => (why.clone(), look.moving()),
        Health::Unseen if leader => ("the operator has not seen it yet".to_owned(), look.moving()),
        Health::Unseen => ("no operator is running".to_owned(), look.bad()),
        Health::Bad(why) => (why.clone(), look.bad()),
    };
    let mut cells = vec![
        place.name.to_string(),
        format!("{}/{wanted}", model.ready),
        model.updated.to_string(),
        model.available.to_string(),
        age(model.created_ms, now_ms),
        health,
    ];
    if all {
        cells.insert(0, place.namespace.to_string());
    }
    (cells, style)
}

fn instance_cells(instance: &Instance, look: Look, now_ms: i64) -> Cells {
    let runner = instance.runner.as_ref();
    let (last, style) = match (&instance.endpoint, lacks(instance), runner.and_then(|runner| runner.last_exit.as_ref()))
    {
        (Some(endpoint), ..) => (endpoint.url.clone(), look.good()),
        (None, Some(lacks), _) => (format!("{}: {}", lacks.reason, lacks.message), look.moving()),
        (None, None, Some(exit)) => (format!("{}: {}", ended(exit), exit.message), look.bad()),
        (None, None, None) => (String::new(), Style::new()),
    };
    let cells = vec![
        instance.iid.to_string(),
        if instance.endpoint.is_some() { "1/1" } else { "0/1" }.to_owned(),
        state_of(instance).to_owned(),
        restarts(instance, now_ms),
        age(instance.stat.ctime_ms, now_ms),
        runner.map_or("<none>", |runner| &runner.node).to_owned(),
        last,
    ];
    (cells, style)
}

fn event_cells(Happened { event, .. }: &Happened, look: Look, now_ms: i64) -> Cells {
    let style = if event.kind == EventKind::Warning { look.bad() } else { Style::new() };
    let kind = crate::output::rows::kind(event).to_owned();
    (vec![seen(event, now_ms), kind, event.reason.clone(), event.object.clone(), event.message.clone()], style)
}

/// A table whose last column takes what is left. What does not fit ends in an ellipsis.
fn list(
    frame: &mut Frame<'_>,
    area: Rect,
    header: &[&str],
    rows: Vec<Cells>,
    cursor: Option<usize>,
    focused: bool,
    look: Look,
) {
    let kept = |name: &str| area.width >= NARROW || !SPARE.contains(&name);
    let rows = rows.into_iter().map(|(cells, style)| {
        let cells = cells.iter().zip(header).filter(|(_, name)| kept(name));
        (cells.map(|(cell, _)| printable(cell)).collect(), style)
    });
    let rows: Vec<Cells> = rows.collect();
    let header: Vec<&str> = header.iter().copied().filter(|name| kept(name)).collect();
    let mut widths: Vec<usize> = header.iter().map(|name| name.width()).collect();
    for (cells, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.width());
        }
    }
    let gap = 2;
    let room = usize::from(area.width).saturating_sub(MARK.len() + gap * (header.len() - 1));
    let fixed: usize = widths.iter().rev().skip(1).sum();
    let mut excess = (fixed + LAST_COLUMNS).saturating_sub(room);
    // The widest columns give way first.
    while excess > 0 {
        let Some(widest) = widths.iter_mut().rev().skip(1).max_by_key(|width| **width) else { break };
        if *widest <= NAME_COLUMNS {
            break;
        }
        *widest -= 1;
        excess -= 1;
    }
    let fixed: usize = widths.iter().rev().skip(1).sum();
    if let Some(last) = widths.last_mut() {
        *last = room.saturating_sub(fixed);
    }
    let last = widths.len() - 1;
    let rows = rows.into_iter().enumerate().map(|(number, (cells, style))| {
        let here = cursor == Some(number);
        let cells = cells.into_iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let style = if column == last { style } else { Style::new() };
            let mark = match (column, here) {
                (0, true) => MARK,
                (0, false) => NO_MARK,
                _ => "",
            };
            Cell::new(Span::styled(format!("{mark}{}", cut(&cell, *width)), style))
        });
        let row = Row::new(cells);
        if here && focused { row.style(look.chosen()) } else { row }
    });
    let head =
        header.iter().enumerate().map(|(column, name)| format!("{}{name}", if column == 0 { NO_MARK } else { "" }));
    let wide = |(column, width): (usize, &usize)| if column == 0 { MARK.len() + width } else { *width };
    let columns = widths.iter().enumerate().map(wide).map(|width| Constraint::Length(to_u16(width)));
    let table = Table::new(rows, columns).header(Row::new(head).style(look.bold())).column_spacing(to_u16(gap));
    frame.render_widget(table, area);
}

fn to_u16(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

/// `text` within `width` columns.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 0);
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        kept.push(letter);
    }
    kept + "…"
}

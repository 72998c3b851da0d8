//! The screen, drawn from what is known. Every text of others passes [`printable`] on its way.

mod dialogs;
mod lists;
mod pages;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::state::{Dialog, Page, State};
use super::text::wrap;
use crate::output::age::age;
use crate::output::printable;

pub(crate) use lists::Tops;
pub(super) use pages::{page_height, page_lines};

/// The smallest terminal that shows something useful.
const SMALLEST: (u16, u16) = (40, 10);
/// Most lines that a word to the user takes.
const SAID_LINES: usize = 4;

/// How things look; without colour, bold and reversed letters say the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) colour: bool,
}

impl Look {
    fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn with(self, colour: Color, else_with: Modifier) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new().add_modifier(else_with) }
    }

    fn title(self) -> Style {
        self.with(Color::Cyan, Modifier::empty()).add_modifier(Modifier::BOLD)
    }

    fn bad(self) -> Style {
        self.with(Color::Red, Modifier::BOLD)
    }

    fn moving(self) -> Style {
        self.with(Color::Yellow, Modifier::empty())
    }

    fn good(self) -> Style {
        self.with(Color::Green, Modifier::empty())
    }

    fn faint(self) -> Style {
        self.with(Color::DarkGray, Modifier::DIM)
    }
}

/// Draws all of it.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &State, tops: &mut Tops, look: Look, now_ms: i64) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!(
            "maasctl watch needs {} columns and {} lines; this terminal has {} and {}. q quits.",
            SMALLEST.0, SMALLEST.1, area.width, area.height
        );
        let lines: Vec<Line<'_>> = wrap(&text, usize::from(area.width)).into_iter().map(Line::from).collect();
        frame.render_widget(Paragraph::new(lines), area);
        return;
    }
    let foot = footer(state, look, area.width);
    let foot_height = u16::try_from(foot.len()).unwrap_or(1);
    let parts = Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(foot_height)]);
    let [head, body, below] = parts.areas(area);
    frame.render_widget(Paragraph::new(header(state, look, now_ms)), head);
    match state.page {
        Page::Models => lists::draw(frame, body, state, tops, look, now_ms),
        _ => pages::draw(frame, body, state, look, now_ms),
    }
    frame.render_widget(Paragraph::new(foot), below);
    dialogs::draw(frame, body, below, state, look);
}

/// Where one is, who operates it, and whether what is shown is of now.
fn header(state: &State, look: Look, now_ms: i64) -> Line<'static> {
    let mut parts = vec![Span::styled("maas ", look.title())];
    if let Some(since) = state.stale_since {
        let time = jiff::Timestamp::from_millisecond(since).unwrap_or_default().strftime("%H:%M:%SZ");
        let text = format!(" STALE since {time} ({}): no ZooKeeper ", age(since, now_ms));
        parts.extend([Span::styled(text, look.bad().add_modifier(Modifier::REVERSED)), Span::raw(" ")]);
    }
    parts.push(Span::raw(match &state.scope {
        Some(namespace) => format!(" namespace {namespace} "),
        None => " all namespaces ".to_owned(),
    }));
    parts.push(match state.tree().leader() {
        Some(leader) if leader.ready => {
            Span::styled(format!(" operator {} (epoch {}) ", printable(&leader.host), leader.epoch), look.good())
        }
        Some(leader) => Span::styled(format!(" operator {} is starting ", printable(&leader.host)), look.moving()),
        None if state.loaded => Span::styled(" no operator is running ", look.bad()),
        None => Span::raw(""),
    });
    parts.push(Span::styled(format!(" {}{}", state.quorum, printable(&state.root.to_string())), look.faint()));
    Line::from(parts)
}

/// The last word, or what is being typed, or which keys there are.
fn footer(state: &State, look: Look, width: u16) -> Vec<Line<'static>> {
    if let Some(Dialog::Filter(_)) = &state.dialog {
        return vec![Line::from(format!("/{}", state.filter))];
    }
    if let Some(said) = &state.said {
        let style = if said.bad { look.bad() } else { look.bold() };
        let lines = wrap(&printable(&said.text), usize::from(width));
        return lines.into_iter().take(SAID_LINES).map(|line| Line::styled(line, style)).collect();
    }
    let keys: &[(&str, &str)] = match &state.page {
        Page::Models => &[
            ("q", "quit"),
            ("?", "help"),
            ("Enter", "describe"),
            ("l", "logs"),
            ("s", "scale"),
            ("r", "restart"),
            ("e", "events"),
            ("p", "endpoints"),
            ("/", "filter"),
            ("n", "namespace"),
            ("Tab", "instances"),
        ],
        Page::Log(_) => &[
            ("q", "back"),
            ("?", "help"),
            ("Tab", "next instance"),
            ("o", "output/error"),
            ("G", "follow"),
            ("Enter", "describe"),
        ],
        Page::Describe(..) => {
            &[("q", "back"), ("?", "help"), ("l", "logs"), ("s", "scale"), ("r", "restart"), ("e", "events")]
        }
        Page::Events | Page::Endpoints => &[("q", "back"), ("?", "help"), ("/", "filter"), ("n", "namespace")],
    };
    let (mut parts, mut used) = (Vec::new(), 0);
    for (key, what) in keys {
        used += key.len() + what.len() + 3;
        if used > usize::from(width) + 2 {
            break;
        }
        parts.extend([Span::styled(*key, look.bold()), Span::styled(format!(" {what}  "), look.faint())]);
    }
    vec![Line::from(parts)]
}

/// A part of the screen with a title above it; gives the rest.
fn titled(frame: &mut Frame<'_>, area: Rect, title: &str, look: Look) -> Rect {
    let block = Block::new().borders(Borders::TOP).border_style(look.faint());
    let block = block.title(Span::styled(format!(" {title} "), look.title()));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

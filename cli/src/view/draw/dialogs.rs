//! What stands over a page.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::super::state::{Dialog, State};
use super::super::text::{window, wrap};
use super::Look;
use crate::output::printable;

const KEYS: [(&str, &str); 17] = [
    ("Up Down k j", "choose, or scroll"),
    ("PgUp PgDn", "a page of them"),
    ("Home End g G", "the first, the last"),
    ("Tab", "models or instances; the next log"),
    ("Enter", "describe the chosen model or instance"),
    ("l", "output of the chosen instance"),
    ("o", "its standard error, and back"),
    ("s", "scale the chosen model"),
    ("r", "restart the chosen model"),
    ("e", "all events"),
    ("p", "all endpoints"),
    ("/", "show what has a text in it"),
    ("n", "another namespace, or all"),
    ("Ctrl-L", "draw everything anew"),
    ("Esc", "back; filter off; quit"),
    ("q", "back, quit"),
    ("Ctrl-C", "quit"),
];

pub(super) fn draw(frame: &mut Frame<'_>, body: Rect, below: Rect, state: &State, look: Look) {
    match &state.dialog {
        None => {}
        Some(Dialog::Filter(_)) => cursor(frame, below, &format!("/{}", state.filter), 0),
        Some(Dialog::Help) => {
            let lines: Vec<String> = KEYS.iter().map(|(keys, what)| format!("{keys:<13} {what}")).collect();
            popup(frame, body, "Keys", &lines, None, look);
        }
        Some(Dialog::Namespaces { all: None, .. }) => {
            popup(frame, body, "Namespace", &["reading ...".to_owned()], None, look);
        }
        Some(Dialog::Namespaces { all: Some(all), at }) => {
            let lines: Vec<String> =
                std::iter::once("(all)".to_owned()).chain(all.iter().map(ToString::to_string)).collect();
            popup(frame, body, "Namespace", &lines, Some(*at), look);
        }
        Some(Dialog::Scale { of, now, typed }) => {
            let asked = format!("Replicas, {now} until now: {typed}");
            let lines = [asked.clone(), "Enter goes on, Esc leaves it as it is".to_owned()];
            let inner = popup(frame, body, &format!("Scale {}", of.name), &lines, None, look);
            cursor(frame, inner, &asked, 0);
        }
        Some(Dialog::Confirm { question, .. }) => {
            let width = usize::from(body.width.saturating_sub(6));
            let mut lines = wrap(&printable(question), width);
            lines.push("y does it, n leaves it as it is".to_owned());
            popup(frame, body, "Sure?", &lines, None, look);
        }
    }
}

/// Puts the cursor behind a text.
fn cursor(frame: &mut Frame<'_>, area: Rect, text: &str, line: u16) {
    let column = u16::try_from(text.width()).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    frame.set_cursor_position((area.x + column, area.y + line));
}

/// A window in the middle with these lines, one of them chosen; gives its inside.
fn popup(frame: &mut Frame<'_>, body: Rect, title: &str, lines: &[String], chosen: Option<usize>, look: Look) -> Rect {
    let widest = lines.iter().map(|line| line.width()).max().unwrap_or(0).max(title.width() + 2);
    let width = u16::try_from(widest + 4).unwrap_or(u16::MAX).min(body.width);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(body.height);
    let area = Rect { x: body.x + (body.width - width) / 2, y: body.y + (body.height - height) / 2, width, height };
    let block = Block::bordered().title(format!(" {title} ")).title_style(look.title());
    let inner = block.inner(area);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    let mut top = 0;
    let visible = window(&mut top, chosen.unwrap_or(0), lines.len(), usize::from(inner.height));
    let shown = lines.iter().enumerate().skip(visible.start).take(visible.len());
    let shown: Vec<Line<'_>> = shown
        .map(|(number, line)| {
            let style = if Some(number) == chosen { look.chosen() } else { Default::default() };
            Line::styled(line.as_str(), style)
        })
        .collect();
    frame.render_widget(Paragraph::new(shown), inner);
    inner
}

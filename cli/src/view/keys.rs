//! What a key does.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use maas_crd::{Iid, Namespace, REPLICAS_LIMIT};

use super::draw::page_height;
use super::log::Log;
use super::model::Place;
use super::state::{Dialog, Page, State};

/// What is to be done outside of the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Give the terminal back.
    Quit,
    /// Draw everything anew, in case something else wrote to the terminal.
    Redraw,
    /// Look at this namespace, or at all.
    Follow(Option<Namespace>),
    /// Ask the server; the outcome is taken in later.
    Request(Request),
    /// Read an instance's output as it comes, until another page is shown.
    Log { of: Place, iid: Iid, file: &'static str },
}

/// What the server is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Which namespaces there are.
    Namespaces,
    /// Another number of instances.
    Scale { of: Place, replicas: u32 },
    /// New instances in place of all that there are.
    Restart { of: Place },
}

impl State {
    /// Takes a key in.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        self.said = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Some(Effect::Quit),
                KeyCode::Char('l') => Some(Effect::Redraw),
                _ => None,
            };
        }
        match self.dialog.take() {
            Some(dialog) => self.key_in_dialog(dialog, key.code),
            None => self.key_on_page(key.code),
        }
    }

    fn key_on_page(&mut self, key: KeyCode) -> Option<Effect> {
        let lists = matches!(self.page, Page::Models);
        match key {
            KeyCode::Char('q') | KeyCode::Esc if !lists => self.show(Page::Models),
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Char('q') | KeyCode::Esc => return Some(Effect::Quit),
            KeyCode::Char('?') | KeyCode::Char('h') | KeyCode::F(1) => self.dialog = Some(Dialog::Help),
            KeyCode::Char('/') => self.dialog = Some(Dialog::Filter(self.filter.clone())),
            KeyCode::Char('n') => {
                self.dialog = Some(Dialog::Namespaces { all: None, at: 0 });
                return Some(Effect::Request(Request::Namespaces));
            }
            KeyCode::Enter => {
                if let Some(of) = self.subject() {
                    let instance = match &self.page {
                        Page::Log(log) => Some(log.iid),
                        _ if self.in_instances => self.chosen_instance(&self.instances(&of)).map(|(_, iid)| iid),
                        _ => None,
                    };
                    self.show(Page::Describe(of, instance));
                }
            }
            KeyCode::Char('e') => self.show(Page::Events),
            KeyCode::Char('p') => self.show(Page::Endpoints),
            KeyCode::Char('l') => return self.open_log(false),
            KeyCode::Char('o') => return self.other_log(),
            KeyCode::Char('s') => self.ask_scale(),
            KeyCode::Char('r') => self.ask_restart(),
            KeyCode::Tab | KeyCode::BackTab if lists => self.in_instances = !self.in_instances,
            KeyCode::Tab => return self.next_log(),
            key if lists => {
                let page = self.list_height();
                self.choose(|at, length| moved(key, at, length, page).unwrap_or(at));
            }
            key => self.scroll(key),
        }
        None
    }

    fn show(&mut self, page: Page) {
        (self.page, self.scrolled) = (page, 0);
    }

    /// Lines that one press of a page key moves a list by.
    fn list_height(&self) -> usize {
        usize::from(self.size.1 / 3).max(1)
    }

    fn scroll(&mut self, key: KeyCode) {
        let height = page_height(self);
        let last = super::draw::page_lines(self).saturating_sub(height);
        let at = self.scrolled.min(last);
        // A log stands at its end, and is scrolled up from there.
        let key = match (&self.page, key) {
            (Page::Log(_), KeyCode::Up | KeyCode::Char('k')) => KeyCode::Down,
            (Page::Log(_), KeyCode::Down | KeyCode::Char('j')) => KeyCode::Up,
            (Page::Log(_), KeyCode::PageUp) => KeyCode::PageDown,
            (Page::Log(_), KeyCode::PageDown | KeyCode::Char(' ')) => KeyCode::PageUp,
            (Page::Log(_), KeyCode::Home | KeyCode::Char('g')) => KeyCode::End,
            (Page::Log(_), KeyCode::End | KeyCode::Char('G')) => KeyCode::Home,
            (_, key) => key,
        };
        self.scrolled = moved(key, at, last + 1, height).unwrap_or(at);
    }

    fn open_log(&mut self, stderr: bool) -> Option<Effect> {
        let of = self.subject()?;
        let instances = self.instances(&of);
        let chosen = self.chosen_instance(&instances).map(|(_, iid)| iid).filter(|_| self.in_instances);
        // Without a choice the first that can have written something.
        let first = instances.iter().find(|instance| instance.runner.is_some()).or(instances.first());
        let Some(iid) = chosen.or(first.map(|instance| instance.iid)) else {
            self.say(Err(format!("{} has no instance whose output could be read", of.name)));
            return None;
        };
        self.log(of, iid, stderr)
    }

    fn log(&mut self, of: Place, iid: Iid, stderr: bool) -> Option<Effect> {
        let log = Log::new(of.clone(), iid, stderr);
        let file = log.file();
        self.show(Page::Log(log));
        Some(Effect::Log { of, iid, file })
    }

    /// The other of the two files of the instance that is shown.
    fn other_log(&mut self) -> Option<Effect> {
        let Page::Log(Log { of, iid, stderr, .. }) = &self.page else { return None };
        self.log(of.clone(), *iid, !*stderr)
    }

    /// The same file of the next instance.
    fn next_log(&mut self) -> Option<Effect> {
        let Page::Log(Log { of, iid, stderr, .. }) = &self.page else { return None };
        let instances = self.instances(of);
        let next = instances.iter().find(|instance| instance.iid > *iid).or(instances.first())?.iid;
        self.log(of.clone(), next, *stderr)
    }

    fn ask_scale(&mut self) {
        if let Some((of, now)) = self.changeable() {
            self.dialog = Some(Dialog::Scale { of, now, typed: String::new() });
        }
    }

    fn ask_restart(&mut self) {
        if let Some((of, now)) = self.changeable() {
            let question = format!("Restart {}? Its {now} instances are replaced one after another.", of.name);
            self.dialog = Some(Dialog::Confirm { question, request: Request::Restart { of } });
        }
    }

    /// The model that the keys act on, if it can be changed, and how many instances of it are wanted.
    fn changeable(&mut self) -> Option<(Place, u32)> {
        let of = self.subject()?;
        let why = match self.model(&of).map(|model| model.wanted) {
            Some(Some(now)) => return Some((of, now)),
            Some(None) => format!("the manifest of {} cannot be read: apply a good one", of.name),
            None => format!("{} is no more", of.name),
        };
        self.say(Err(why));
        None
    }

    /// A dialog that is not put back is over.
    fn key_in_dialog(&mut self, dialog: Dialog, key: KeyCode) -> Option<Effect> {
        match dialog {
            Dialog::Help => None,
            Dialog::Filter(before) => {
                match key {
                    KeyCode::Enter => {
                        // What stands chosen now stays so when the filter goes.
                        self.choose(|at, _| at);
                        return None;
                    }
                    KeyCode::Esc => {
                        self.filter = before;
                        return None;
                    }
                    KeyCode::Backspace => {
                        self.filter.pop();
                    }
                    KeyCode::Char(letter) if self.filter.chars().count() < 64 => self.filter.push(letter),
                    _ => {}
                }
                self.scrolled = 0;
                self.dialog = Some(Dialog::Filter(before));
                None
            }
            Dialog::Namespaces { all: None, at } => {
                if !matches!(key, KeyCode::Esc | KeyCode::Char('q')) {
                    self.dialog = Some(Dialog::Namespaces { all: None, at });
                }
                None
            }
            Dialog::Namespaces { all: Some(all), at } => match key {
                KeyCode::Esc | KeyCode::Char('q') => None,
                KeyCode::Enter => Some(Effect::Follow(at.checked_sub(1).and_then(|at| all.get(at)).cloned())),
                key => {
                    let at = moved(key, at, all.len() + 1, 10).unwrap_or(at);
                    self.dialog = Some(Dialog::Namespaces { all: Some(all), at });
                    None
                }
            },
            Dialog::Scale { of, now, mut typed } => {
                match key {
                    KeyCode::Esc => return None,
                    KeyCode::Enter => {
                        self.confirm_scale(of, now, &typed);
                        return None;
                    }
                    KeyCode::Backspace => {
                        typed.pop();
                    }
                    KeyCode::Char(digit) if digit.is_ascii_digit() && typed.len() < 6 => typed.push(digit),
                    _ => {}
                }
                self.dialog = Some(Dialog::Scale { of, now, typed });
                None
            }
            Dialog::Confirm { question, request } => match key {
                KeyCode::Char('y' | 'Y') => Some(Effect::Request(request)),
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {
                    self.say(Ok("nothing was changed".to_owned()));
                    None
                }
                _ => {
                    self.dialog = Some(Dialog::Confirm { question, request });
                    None
                }
            },
        }
    }

    fn confirm_scale(&mut self, of: Place, now: u32, typed: &str) {
        let Some(replicas) = typed.parse().ok().filter(|replicas| *replicas <= REPLICAS_LIMIT) else {
            self.say(Err(format!("{typed:?}: expected a whole number from 0 to {REPLICAS_LIMIT}")));
            return;
        };
        if replicas == now {
            self.say(Ok(format!("{} has {now} replicas already", of.name)));
            return;
        }
        let none = if replicas == 0 { " Nothing will serve it any more." } else { "" };
        let question = format!("Scale {} from {now} to {replicas}?{none}", of.name);
        self.dialog = Some(Dialog::Confirm { question, request: Request::Scale { of, replicas } });
    }
}

/// Where a key leads among `length` lines, of which `page` are seen at a time.
fn moved(key: KeyCode, at: usize, length: usize, page: usize) -> Option<usize> {
    let to = match key {
        KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => at + 1,
        KeyCode::PageUp => at.saturating_sub(page),
        KeyCode::PageDown | KeyCode::Char(' ') => at + page,
        KeyCode::Home | KeyCode::Char('g') => 0,
        KeyCode::End | KeyCode::Char('G') => length,
        _ => return None,
    };
    Some(to.min(length.saturating_sub(1)))
}

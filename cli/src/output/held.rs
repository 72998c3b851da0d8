//! Notes that wait while the whole terminal is drawn on: they would tear the picture.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

/// Notes that are kept; older ones are forgotten.
const KEPT: usize = 1_000;

/// None while notes are written at once.
static HELD: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

/// From now on notes are kept, if they would go to a terminal.
pub(crate) fn begin() {
    if std::io::stderr().is_terminal() {
        *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(VecDeque::new());
    }
}

/// Writes what was kept, and everything from now on at once.
pub(crate) fn end() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
    for text in held.unwrap_or_default() {
        super::note(&text);
    }
}

/// Whether this note was kept.
pub(super) fn keep(text: &str) -> bool {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(held) = &mut *held else { return false };
    held.push_back(text.to_owned());
    if held.len() > KEPT {
        held.pop_front();
    }
    true
}

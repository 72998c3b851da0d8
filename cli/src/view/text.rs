//! Lines that fit a screen.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// `line` cut into pieces of at most `width` columns; an empty line is one empty piece.
pub(crate) fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for letter in line.chars() {
        let wide = letter.width().unwrap_or(0);
        if used + wide > width && used > 0 {
            pieces.push(String::new());
            used = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
        used += wide;
    }
    pieces
}

/// Which of `length` lines are shown on `height` of them so that `chosen` is among them. `top`, the first one shown
/// before, is moved only as far as it must be.
pub(crate) fn window(top: &mut usize, chosen: usize, length: usize, height: usize) -> Range<usize> {
    *top = (*top).min(chosen).max((chosen + 1).saturating_sub(height)).min(length.saturating_sub(height));
    *top..length.min(*top + height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_cut_by_columns_not_by_letters() {
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(wrap("模型模型", 5), ["模型", "模型"]);
        assert_eq!(wrap("e\u{301}e\u{301}", 1), ["e\u{301}", "e\u{301}"], "a mark stays with its letter");
        assert_eq!(wrap("模", 1), ["模"], "what fits nowhere is not lost");
    }

    #[test]
    fn a_list_moves_only_when_it_must() {
        let mut top = 0;
        assert_eq!(window(&mut top, 4, 10, 5), 0..5);
        assert_eq!(window(&mut top, 5, 10, 5), 1..6);
        assert_eq!(window(&mut top, 3, 10, 5), 1..6);
        assert_eq!(window(&mut top, 0, 10, 5), 0..5);
        assert_eq!(window(&mut top, 9, 10, 5), 5..10);
        assert_eq!(window(&mut top, 2, 3, 5), 0..3, "the list became short");
        assert_eq!(window(&mut top, 0, 0, 5), 0..0);
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_shown(mut top in 0usize..50, length in 1usize..50, at in 0usize..50, height in 1usize..20) {
            let chosen = at.min(length - 1);
            let shown = window(&mut top, chosen, length, height);
            prop_assert!(shown.contains(&chosen) && shown.len() == height.min(length) && shown.end <= length);
        }

        #[test]
        fn no_letter_is_lost(line in ".{0,60}", width in 2usize..20) {
            prop_assert_eq!(wrap(&line, width).concat(), line);
        }
    }
}

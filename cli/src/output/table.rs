//! Tables as kubectl prints them: left-aligned columns, three spaces between, none after the last.

use super::printable;

/// A table under construction; rows are padded or cut to the header's length.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Column widths that are kept between prints, so that a watched table stays aligned.
#[derive(Debug, Default)]
pub(crate) struct Widths(Vec<usize>);

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { header: header.into_iter().map(|name| printable(&name.into())).collect(), rows: Vec::new() }
    }

    /// Adds a row; line breaks and control characters in a cell become spaces.
    pub(crate) fn push(&mut self, mut cells: Vec<String>) {
        cells.resize(self.header.len(), String::new());
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, each line ended. `headers` false leaves the first line out.
    pub(crate) fn render(&self, headers: bool) -> String {
        self.render_aligned(headers, &mut Widths::default())
    }

    /// The text, its columns at least as wide as before.
    pub(crate) fn render_aligned(&self, headers: bool, widths: &mut Widths) -> String {
        let lines = || headers.then_some(&self.header).into_iter().chain(&self.rows);
        let widths = &mut widths.0;
        widths.resize(self.header.len(), 0);
        for line in lines() {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count() + 3);
            }
        }
        let mut text = String::new();
        for line in lines() {
            let row: String = widths.iter().zip(line).map(|(width, cell)| format!("{cell:<width$}")).collect();
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 3]]) -> Table {
        let mut table = Table::new(vec!["NAME", "READY", "AGE"]);
        for row in rows {
            table.push(row.map(str::to_owned).to_vec());
        }
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_three() {
        let table = table(&[["dga-1.0", "1/2", "5m30s"]]);
        assert_eq!(table.render(true), "NAME      READY   AGE\ndga-1.0   1/2     5m30s\n");
        assert_eq!(table.render(false), "dga-1.0   1/2   5m30s\n");
    }

    #[test]
    fn a_watched_table_stays_aligned() {
        let mut widths = Widths::default();
        table(&[["dga-1.0", "1/2", "5s"]]).render_aligned(true, &mut widths);
        assert_eq!(table(&[["a", "2/2", "6s"]]).render_aligned(false, &mut widths), "a         2/2     6s\n");
    }

    #[test]
    fn a_cell_cannot_break_its_line() {
        assert_eq!(table(&[["one\ntwo\u{1b}[31m", "", ""]]).render(false), "one two [31m\n");
        assert_eq!(table(&[["a\u{202e}b", "", ""]]).render(false), "a\u{fffd}b\n");
    }
}

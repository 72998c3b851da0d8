//! Tables as kubectl prints them: left-aligned columns, three spaces between, none after the last.

/// A table under construction; rows are padded or cut to the header's length.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new(header: Vec<&'static str>) -> Self {
        Self { header, rows: Vec::new() }
    }

    /// Adds a row; line breaks and control characters in a cell become spaces.
    pub(crate) fn push(&mut self, mut cells: Vec<String>) {
        cells.resize(self.header.len(), String::new());
        for cell in &mut cells {
            if cell.chars().any(char::is_control) {
                *cell = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            }
        }
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, each line ended. `headers` false leaves the first line out.
    pub(crate) fn render(&self, headers: bool) -> String {
        let header: Vec<String> = self.header.iter().map(|&name| name.to_owned()).collect();
        let lines = || headers.then_some(&header).into_iter().chain(&self.rows);
        let mut widths = vec![0; self.header.len()];
        for line in lines() {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count() + 3);
            }
        }
        let mut text = String::new();
        for line in lines() {
            let mut row = String::new();
            for (width, cell) in widths.iter().zip(line) {
                row.push_str(&format!("{cell:<width$}"));
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_three() {
        let mut table = Table::new(vec!["NAME", "READY", "AGE"]);
        table.push(vec!["dga-1.0".into(), "1/2".into(), "5m30s".into()]);
        assert_eq!(table.render(true), "NAME      READY   AGE\ndga-1.0   1/2     5m30s\n");
        assert_eq!(table.render(false), "dga-1.0   1/2   5m30s\n");
    }

    #[test]
    fn a_cell_cannot_break_its_line() {
        let mut table = Table::new(vec!["MESSAGE"]);
        table.push(vec!["one\ntwo\u{1b}[31m".into()]);
        assert_eq!(table.render(false), "one two [31m\n");
    }
}

//! A titled table that can be written as Markdown or as plain text for a terminal.

use std::fmt::Write;

/// Narrowest useful text table.
const MIN_WIDTH: usize = 60;
/// Width that the last column, which holds the sentences, keeps as long as others can give way.
const LAST_COLUMN: usize = 40;
/// Blanks between two columns.
const GAP: usize = 2;

/// A title, a paragraph and a table, each but the title possibly empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// What to know before reading the table.
    pub intro: String,
    /// Column headings.
    pub headings: &'static [&'static str],
    /// Rows with one cell per heading.
    pub rows: Vec<Vec<String>>,
    /// Columns whose cells are names (or lists of names with commas), written as code in Markdown.
    pub names: &'static [usize],
}

impl Section {
    /// The section as Markdown, under a heading of the second level.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("## {}\n", self.title);
        if !self.intro.is_empty() {
            let _ = write!(text, "\n{}\n", self.intro);
        }
        if !self.rows.is_empty() {
            text.push('\n');
            text.push_str(&self.markdown_table());
        }
        text
    }

    /// The table alone, as Markdown.
    #[must_use]
    pub fn markdown_table(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(self.headings.iter().map(|heading| (*heading).to_owned()).collect());
        let _ = writeln!(text, "|{}", "---|".repeat(self.headings.len()));
        for row in &self.rows {
            let cells = row.iter().enumerate();
            text.push_str(&line(cells.map(|(column, cell)| self.markdown_cell(column, cell)).collect()));
        }
        text
    }

    fn markdown_cell(&self, column: usize, cell: &str) -> String {
        if cell.is_empty() || !self.names.contains(&column) {
            return cell.replace('|', "\\|").replace('*', "\\*");
        }
        cell.split(", ").map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    /// The section as plain text whose lines are at most `width` characters, unless a single word is longer.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let width = width.max(MIN_WIDTH);
        let mut text = format!("{}\n", self.title.to_uppercase());
        for line in wrap(&self.intro, width) {
            let _ = writeln!(text, "{line}");
        }
        if self.rows.is_empty() {
            return text;
        }
        text.push('\n');
        let widths = self.widths(width);
        push_row(&mut text, &widths, self.headings.iter().copied());
        push_row(
            &mut text,
            &widths,
            widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().iter().map(String::as_str),
        );
        for row in &self.rows {
            push_row(&mut text, &widths, row.iter().map(String::as_str));
        }
        text
    }

    /// Width per column: what the cells need, and where that is too much, the widest column gives way.
    fn widths(&self, width: usize) -> Vec<usize> {
        let cells = |column: usize| {
            let heading = self.headings[column];
            self.rows.iter().map(move |row| row[column].as_str()).chain([heading])
        };
        let longest_word = |cell: &str| cell.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
        let columns = 0..self.headings.len();
        let mut widths: Vec<usize> =
            columns.clone().map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
        let mut floors: Vec<usize> = columns.map(|column| cells(column).map(longest_word).max().unwrap_or(0)).collect();
        if let Some(last) = floors.last_mut() {
            *last = (*last).max(LAST_COLUMN);
        }
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            let shrinkable = (0..widths.len()).filter(|column| widths[*column] > floors[*column]);
            let Some(widest) = shrinkable.max_by_key(|column| widths[*column]) else { break };
            widths[widest] -= 1;
        }
        widths
    }
}

fn push_row<'a>(text: &mut String, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
    let cells: Vec<Vec<String>> = cells.zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for number in 0..height {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let part = cell.get(number).map_or("", String::as_str);
            let _ = write!(line, "{part:<length$}", length = width + GAP);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// Breaks `text` at blanks into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section() -> Section {
        Section {
            title: "Fruit",
            intro: "What there is.".to_owned(),
            headings: &["name", "meaning"],
            rows: vec![
                vec!["apple, pear".to_owned(), "round | or so".to_owned()],
                vec!["fig".to_owned(), "a fruit that ".repeat(6)],
            ],
            names: &[0],
        }
    }

    #[test]
    fn markdown_escapes_cells_and_writes_names_as_code() {
        assert_eq!(
            section().to_markdown().lines().take(7).collect::<Vec<_>>().join("\n"),
            "## Fruit\n\nWhat there is.\n\n| name | meaning |\n|---|---|\n| `apple`, `pear` | round \\| or so |"
        );
    }

    #[test]
    fn text_wraps_the_last_column_under_itself() {
        let text = section().to_text(60);
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(text.contains("\nfig          a fruit that a fruit"), "{text}");
        assert!(text.contains("\n             that a fruit"), "{text}");
    }

    #[test]
    fn a_section_without_rows_is_its_paragraph() {
        let section = Section { title: "Codes", intro: "A B C".to_owned(), ..Section::default() };
        assert_eq!(section.to_text(80), "CODES\nA B C\n");
        assert_eq!(section.to_markdown(), "## Codes\n\nA B C\n");
    }
}

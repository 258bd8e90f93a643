//! Targets, and the document that keeps what became of them.

use std::fmt;
use std::path::Path;

use crate::{Outcome, machine};

/// What a figure must reach.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// The unit of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Ratio,
    Millis,
    Mebibytes,
    /// Millions of bytes.
    Megabytes,
    Count,
}

impl Bound {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(limit) => figure >= limit,
            Self::AtMost(limit) => figure <= limit,
        }
    }
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            Self::Ratio => format!("{figure:.2}"),
            Self::Millis => format!("{figure:.1} ms"),
            Self::Mebibytes => format!("{figure:.1} MiB"),
            Self::Megabytes => format!("{figure:.1} MB"),
            Self::Count => format!("{figure:.0}"),
        }
    }
}

/// A target and what was measured for it, if anything was.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) bound: Bound,
    pub(crate) unit: Unit,
    pub(crate) figure: Option<f64>,
}

/// A table in Markdown, which reads well in a terminal too.
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Targets beside figures.
    pub(crate) fn of_targets(lines: &[Line]) -> Self {
        let mut table = Self::new(&["what", "target", "measured", ""]);
        for line in lines {
            let target = match line.bound {
                Bound::AtLeast(limit) => format!(">= {}", line.unit.show(limit)),
                Bound::AtMost(limit) => format!("<= {}", line.unit.show(limit)),
            };
            let (figure, verdict) = match line.figure {
                Some(figure) if line.bound.holds(figure) => (line.unit.show(figure), "met"),
                Some(figure) => (line.unit.show(figure), "**missed**"),
                None => ("-".to_owned(), "not measured"),
            };
            table.push(vec![line.what.clone(), target, figure, verdict.to_owned()]);
        }
        table
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = std::iter::once(&self.head).chain(&self.rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let line = |f: &mut fmt::Formatter<'_>, row: &[String]| {
            for (column, cell) in row.iter().enumerate() {
                write!(f, "| {cell:<width$} ", width = width(column))?;
            }
            writeln!(f, "|")
        };
        line(f, &self.head)?;
        let rule: Vec<_> = (0..self.head.len()).map(|column| "-".repeat(width(column))).collect();
        line(f, &rule)?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

const PREAMBLE: &str = "# Performance

Written by `just bench`: do not edit. Everything in a section comes from one run on one machine, load generator
included. A ratio is the median of the ratios of the rounds, taken in turn; other figures are medians of rounds.
";

/// Replaces one section of the document, and leaves the others as they were measured.
pub(crate) fn publish(document: &Path, section: &str, title: &str, body: &str) -> Outcome<()> {
    let old = std::fs::read_to_string(document).unwrap_or_else(|_| PREAMBLE.to_owned());
    let mut table = Table::new(&["", title]);
    for (name, value) in machine::describe()? {
        table.push(vec![name.to_owned(), value]);
    }
    std::fs::write(document, replaced(&old, section, &format!("## {title}\n\n{table}\n{body}")))?;
    Ok(())
}

fn replaced(document: &str, section: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- begin {section} -->\n"), format!("<!-- end {section} -->\n"));
    let (before, after) = match document.split_once(&begin) {
        Some((before, rest)) => (before, rest.split_once(&end).map_or("", |(_, after)| after)),
        None => (document, ""),
    };
    let gap = if before.ends_with("\n\n") { "" } else { "\n" };
    format!("{before}{gap}{begin}\n{}\n\n{end}{after}", text.trim())
}

/// The middle one; the mean of the two in the middle of an even number.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<_> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn a_section_is_replaced_and_its_neighbours_stay() {
        let first = replaced(&replaced("# P\n", "a", "one"), "b", "two");
        let second = replaced(&first, "a", "three");
        assert_eq!(second, first.replace("one", "three"));
        assert!(second.contains("two"));
    }

    #[test]
    fn a_figure_on_its_bound_meets_it() {
        let line = |figure| Line { what: "w".to_owned(), bound: Bound::AtLeast(0.7), unit: Unit::Ratio, figure };
        assert!(Table::of_targets(&[line(Some(0.7))]).to_string().contains("| met"));
        assert!(Table::of_targets(&[line(Some(0.69))]).to_string().contains("**missed**"));
        assert!(Table::of_targets(&[line(None)]).to_string().contains("not measured"));
    }
}

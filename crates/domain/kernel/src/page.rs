//! Pages of lists.

/// Which part of a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<Key> {
    /// The most rows.
    pub limit: u32,
    /// How many of the newest rows are left out.
    pub offset: u32,
    /// The last row of the page before: rows that arrive meanwhile neither repeat nor hide one.
    pub after: Option<Key>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<Row> {
    /// The rows of this page.
    pub rows: Vec<Row>,
    /// How many rows there are in all.
    pub total: u64,
    /// Whether rows follow this page.
    pub has_more: bool,
}

//! What is held about a user, and what becomes of it.
//!
//! Each domain registers the tables in which it keeps anything of a user. A deletion erases them and an export shows
//! them; a test compares the register with the tables that there are, so that a new table cannot be forgotten.

/// A table that holds something of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Its name.
    pub table: &'static str,
    /// What the deletion of an account does to its rows.
    pub on_deletion: OnDeletion,
    /// Where the export shows its rows.
    pub in_export: InExport,
}

/// What the deletion of an account does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDeletion {
    /// No row is left.
    Erased,
    /// What says who it was is gone; the rest stays, for the reason given.
    Scrubbed(&'static str),
}

/// Where the export shows something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InExport {
    /// Under this name.
    Section(&'static str),
    /// Nowhere, for the reason given.
    Omitted(&'static str),
}

//! What the database says, in the words of the ports.

use diesel::result::{DatabaseErrorKind, Error};
use frontdesk_kernel::Unavailable;

/// The constraints whose violation says something to the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// The username belongs to somebody else.
    UsernameTaken,
}

/// The one place that knows constraints by name.
pub(crate) fn violation(error: &Error) -> Option<Violation> {
    let Error::DatabaseError(DatabaseErrorKind::UniqueViolation, information) = error else { return None };
    match information.constraint_name() {
        Some("profiles_username_key_unique") => Some(Violation::UsernameTaken),
        Some(_) | None => None,
    }
}

/// Tells whether the connection was lost, so that a read may be tried on another.
pub(crate) fn is_connection_lost(error: &Error) -> bool {
    let Error::DatabaseError(kind, information) = error else { return false };
    match kind {
        DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => true,
        // SQLSTATE 57P01, which diesel does not pass on.
        _ => information.message().starts_with("terminating connection"),
    }
}

/// Tells whether a session that may not write was asked to.
pub(crate) const fn is_read_only(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _))
}

/// A store that holds what no domain wrote.
pub(crate) fn corrupt(column: &str, found: &str) -> Unavailable {
    Unavailable::new(format!("{column} holds {found:?}, which this version does not know"))
}

/// A row that was locked a moment ago and is not there any more.
pub(crate) fn vanished(table: &str) -> Unavailable {
    Unavailable::new(format!("a locked row of {table} could not be updated"))
}

/// An error with its causes, on one line: tokio-postgres says only "db error" at its top.
pub(crate) fn shown(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}

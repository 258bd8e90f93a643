//! Merge semantics: absent keeps, `null` clears, a value sets.

/// What an update says about one field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// The field was absent: the stored value stays.
    #[default]
    Keep,
    /// The field was `null`: back to the default, or to nothing.
    Clear,
    /// The field had a value.
    Set(T),
}

impl<T> Patch<T> {
    /// The new value of a nullable field.
    pub fn over(self, stored: Option<T>) -> Option<T> {
        match self {
            Self::Keep => stored,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The new value of a field that has a default and is never null.
    pub fn over_or(self, stored: T, default: impl FnOnce() -> T) -> T {
        match self {
            Self::Keep => stored,
            Self::Clear => default(),
            Self::Set(value) => value,
        }
    }

    /// The value, if one was given: what a field says where there is nothing stored yet.
    pub fn value(self) -> Option<T> {
        self.over(None)
    }
}

//! Why there is no place for files.

use std::error::Error;
use std::path::{Path, PathBuf};

type Cause = Box<dyn Error + Send + Sync>;

/// The place that the configuration names is of no use.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory.
    #[error("the directory {} for avatars {rule}", .path.display())]
    Directory {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        rule: &'static str,
        /// What the system says.
        source: Cause,
    },
    /// The bucket.
    #[error("the bucket {bucket:?} for avatars {rule}")]
    Bucket {
        /// As it was given.
        bucket: String,
        /// What is wrong with its configuration.
        rule: &'static str,
        /// What the client says; never a secret.
        source: Option<Cause>,
    },
}

impl OpenError {
    pub(crate) fn directory(path: &Path, rule: &'static str, source: impl Into<Cause>) -> Self {
        Self::Directory { path: path.to_owned(), rule, source: source.into() }
    }
}

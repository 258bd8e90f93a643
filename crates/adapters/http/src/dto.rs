//! Wire types: what the facades answer with, and how their bodies are read.

pub(crate) mod change;
pub(crate) mod error;
pub(crate) mod export;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod view;

//! An error and its causes, for one line of a log or a terminal.

use std::error::Error;

/// Joins the causes. An error that already shows its cause does not show it twice.
pub(crate) fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        source = cause.source();
    }
    text.replace('\n', "; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<Told>>,
    }

    fn told(texts: &[&'static str]) -> Option<Box<Told>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Told { text, source: told(rest) }))
    }

    #[test]
    fn every_cause_is_told_once_and_on_one_line() {
        let error = told(&["no data: db error", "db error", "ERROR: no such role\nHINT: make it"]).unwrap();
        assert_eq!(describe(&error), "no data: db error: ERROR: no such role; HINT: make it");
    }
}

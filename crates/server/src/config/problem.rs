//! What is wrong with a configuration.

use std::fmt;

use super::variables::Variable;

/// One variable that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    variable: String,
    wrong: String,
    example: Option<&'static str>,
}

impl Problem {
    /// Says what is wrong with a variable; the words follow its name, and never hold a secret's value.
    pub fn new(variable: &Variable, wrong: impl Into<String>) -> Self {
        Self { variable: variable.name.to_owned(), wrong: wrong.into(), example: Some(variable.example) }
    }

    /// Says what is wrong with something that is no variable of ours.
    pub fn elsewhere(place: impl Into<String>, wrong: impl Into<String>) -> Self {
        Self { variable: place.into(), wrong: wrong.into(), example: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.wrong)?;
        match self.example {
            Some(example) => write!(f, " (for example {}={example})", self.variable),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

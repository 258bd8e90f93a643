//! Reads variables one by one and remembers what was wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::problem::{Problem, Problems};
use super::source::Variables;
use super::variables::{ALL, File, Variable};

/// Gives values, and collects problems.
pub(super) struct Reader<'a> {
    variables: &'a Variables,
    from_files: BTreeMap<&'static str, String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Reads the files that variables name.
    pub(super) fn new(variables: &'a Variables) -> Self {
        let mut reader = Self { variables, from_files: BTreeMap::new(), problems: Vec::new() };
        for variable in ALL {
            reader.read_file(variable);
        }
        reader
    }

    fn read_file(&mut self, variable: &Variable) {
        let Some(File { name: file, .. }) = variable.file else { return };
        let Some(path) = self.variables.get(file).filter(|path| !path.is_empty()) else { return };
        if self.has(variable.name) {
            return self.refuse(variable, format!("and {file} are both set: unset one of them"));
        }
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => self.refuse(variable, format!("comes from {file}, which is empty")),
            // Editors and `echo` end a file with a newline that belongs to nobody's secret.
            Ok(text) => {
                self.from_files.insert(variable.name, text.trim_end_matches(['\r', '\n']).to_owned());
            }
            Err(error) => self.refuse(variable, format!("comes from {file}, which cannot be read: {error}")),
        }
    }

    /// Tells whether a name has a value. Empty is the same as absent: compose files and shells cannot unset.
    pub(super) fn has(&self, name: &str) -> bool {
        self.variables.get(name).is_some_and(|text| !text.is_empty())
    }

    /// Tells whether a variable has a value, right or wrong, of its own or in a file.
    pub(super) fn is_set(&self, variable: &Variable) -> bool {
        self.has(variable.name) || variable.file.is_some_and(|file| self.has(file.name))
    }

    /// The text of a variable.
    pub(super) fn raw(&self, variable: &Variable) -> Option<&str> {
        let text = self.variables.get(variable.name).filter(|text| !text.is_empty());
        text.or_else(|| self.from_files.get(variable.name)).map(String::as_str)
    }

    /// The value of a variable; nothing where it is absent or wrong.
    pub(super) fn get<T>(&mut self, variable: &Variable, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.raw(variable)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                let wrong: Cow<'_, str> =
                    if variable.is_secret() { wrong.into() } else { format!("is {text:?}: {wrong}").into() };
                self.refuse(variable, wrong);
                None
            }
        }
    }

    /// Remembers what is wrong with a variable.
    pub(super) fn refuse(&mut self, variable: &Variable, wrong: impl Into<String>) {
        self.problems.push(Problem::new(variable, wrong));
    }

    /// Gives the value, if nothing was wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() { Ok(value) } else { Err(Problems(self.problems)) }
    }
}

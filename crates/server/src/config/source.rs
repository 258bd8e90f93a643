//! Where values come from: flags, then the environment, then `.env`. The only reader of the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::problem::{Problem, Problems};
use super::variables::{ALL, NOT_YET, Variable};

/// Raw text by name of variable.
pub type Variables = BTreeMap<String, String>;

/// Reads `.env` and, over it, the environment of the process.
pub fn of_process() -> Result<Variables, Problems> {
    let mut problems = Vec::new();
    let mut variables = Variables::new();
    read_dotenv(&mut variables, &mut problems);
    read_environment(std::env::vars_os(), &mut variables, &mut problems);
    if problems.is_empty() { Ok(variables) } else { Err(Problems(problems)) }
}

/// The process is never changed: setting its environment is unsound once there are threads, and a child would
/// inherit the secrets.
fn read_dotenv(variables: &mut Variables, problems: &mut Vec<Problem>) {
    let lines = match dotenvy::dotenv_iter() {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return,
        Err(error) => return problems.push(Problem::elsewhere(".env", dotenv_problem(&error))),
    };
    for line in lines {
        match line {
            // The first occurrence holds, as in dotenv.
            Ok((name, value)) => {
                variables.entry(name.trim_start_matches('\u{feff}').to_owned()).or_insert(value);
            }
            Err(error) => return problems.push(Problem::elsewhere(".env", dotenv_problem(&error))),
        }
    }
}

/// Says what is wrong without the line itself: it may hold a secret.
fn dotenv_problem(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(line, _) => {
            let name = line.split_once('=').map_or("?", |(name, _)| name.trim());
            format!("cannot be read at {name}: a line is NAME=value, and a value with spaces or quotes needs quotes")
        }
        other => format!("cannot be read: {other}"),
    }
}

fn read_environment(
    environment: impl Iterator<Item = (OsString, OsString)>,
    variables: &mut Variables,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
        match value.into_string() {
            Ok(value) => {
                variables.insert(name.to_owned(), value);
            }
            Err(_) => problems.push(Problem::elsewhere(name, "is not UTF-8")),
        }
    }
}

fn is_ours(name: &str) -> bool {
    let is_named = |variable: &Variable| variable.name == name || variable.file.is_some_and(|file| file.name == name);
    ALL.iter().any(is_named) || NOT_YET.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_not_shown() {
        let line = "JWT_SECRET_KEY='hunter2hunter2".to_owned();
        let told = dotenv_problem(&dotenvy::Error::LineParse(line, 15));
        assert!(told.contains("JWT_SECRET_KEY") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn the_environment_is_laid_over_what_is_there() {
        let mut variables = Variables::from([("PORT".to_owned(), "1".to_owned())]);
        let environment = [("PORT", "2"), ("HOME", "/root")].map(|(name, value)| (name.into(), value.into()));
        let mut problems = Vec::new();
        read_environment(environment.into_iter(), &mut variables, &mut problems);
        assert_eq!(variables, Variables::from([("PORT".to_owned(), "2".to_owned())]));
        assert_eq!(problems, []);
    }
}

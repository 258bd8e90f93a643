//! What the rounds gave.

use std::collections::BTreeMap;

use crate::load::Measured;
use crate::report::{Table, median};

/// What is measured once in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Hello,
    MemoryGet,
    MemoryPatch,
    PostgresGet,
    NoRlsGet,
    PgbenchGet,
    PostgresPatch,
    PgbenchPatch,
}

impl Subject {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "bare actix-web, constant JSON",
            Self::MemoryGet => "in memory, GET",
            Self::MemoryPatch => "in memory, PATCH",
            Self::PostgresGet => "Postgres with RLS, GET",
            Self::NoRlsGet => "Postgres, policies dropped, GET",
            Self::PgbenchGet => "pgbench, statements of GET",
            Self::PostgresPatch => "Postgres with RLS, PATCH",
            Self::PgbenchPatch => "pgbench, statements of PATCH",
        }
    }
}

/// All figures of a run.
#[derive(Default)]
pub(super) struct Figures {
    rounds: BTreeMap<Subject, Vec<Measured>>,
    pub(super) start_in_memory_ms: Option<f64>,
    pub(super) start_on_postgres_ms: Option<f64>,
    pub(super) idle_mib: Option<f64>,
}

impl Figures {
    pub(super) fn add(&mut self, subject: Subject, measured: Measured) {
        self.rounds.entry(subject).or_default().push(measured);
    }

    /// The median of the ratios of the rounds: what slows a whole round down drops out.
    pub(super) fn ratio(&self, of: Subject, to: Subject) -> Option<f64> {
        let (of, to) = (self.rounds.get(&of)?, self.rounds.get(&to)?);
        median(of.iter().zip(to).map(|(of, to)| of.rate / to.rate))
    }

    pub(super) fn p99_ms(&self, subject: Subject) -> Option<f64> {
        median(self.rounds.get(&subject)?.iter().filter_map(|measured| measured.p99_ms))
    }

    /// Every subject in absolute figures.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["subject", "requests/s", "mean ms", "p50 ms", "p99 ms"]);
        for (subject, measured) in &self.rounds {
            let figure = |get: fn(&Measured) -> Option<f64>, digits: usize| {
                let figure = median(measured.iter().filter_map(get));
                figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
            };
            table.push(vec![
                subject.name().to_owned(),
                figure(|measured| Some(measured.rate), 0),
                figure(|measured| Some(measured.mean_ms), 2),
                figure(|measured| measured.p50_ms, 2),
                figure(|measured| measured.p99_ms, 2),
            ]);
        }
        table
    }
}

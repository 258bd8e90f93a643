//! The targets of profiles, as data.

use super::figures::{Figures, Subject};
use crate::report::{Bound, Line, Table, Unit};

/// Which figure a target is about.
#[derive(Clone, Copy)]
enum Figure {
    Ratio(Subject, Subject),
    P99(Subject),
    StartInMemory,
    StartOnPostgres,
    IdleMemory,
}

struct Target {
    what: &'static str,
    figure: Figure,
    bound: Bound,
    unit: Unit,
}

const TARGETS: &[Target] = &[
    Target {
        what: "in memory, GET / bare actix-web",
        figure: Figure::Ratio(Subject::MemoryGet, Subject::Hello),
        bound: Bound::AtLeast(0.70),
        unit: Unit::Ratio,
    },
    Target {
        what: "Postgres with RLS, GET / policies dropped",
        figure: Figure::Ratio(Subject::PostgresGet, Subject::NoRlsGet),
        bound: Bound::AtLeast(0.90),
        unit: Unit::Ratio,
    },
    Target {
        what: "Postgres with RLS, GET / pgbench",
        figure: Figure::Ratio(Subject::PostgresGet, Subject::PgbenchGet),
        bound: Bound::AtLeast(0.65),
        unit: Unit::Ratio,
    },
    Target {
        what: "Postgres with RLS, PATCH / pgbench",
        figure: Figure::Ratio(Subject::PostgresPatch, Subject::PgbenchPatch),
        bound: Bound::AtLeast(0.80),
        unit: Unit::Ratio,
    },
    Target {
        what: "Postgres with RLS, PATCH, p99",
        figure: Figure::P99(Subject::PostgresPatch),
        bound: Bound::AtMost(25.0),
        unit: Unit::Millis,
    },
    Target {
        what: "in memory, start to the first 200",
        figure: Figure::StartInMemory,
        bound: Bound::AtMost(10.0),
        unit: Unit::Millis,
    },
    Target {
        what: "in memory, idle resident memory",
        figure: Figure::IdleMemory,
        bound: Bound::AtMost(15.0),
        unit: Unit::Mebibytes,
    },
    Target {
        what: "Postgres, nothing to migrate, start to the first 200",
        figure: Figure::StartOnPostgres,
        bound: Bound::AtMost(150.0),
        unit: Unit::Millis,
    },
];

/// Every target beside its figure.
pub(super) fn table(figures: &Figures) -> Table {
    let lines: Vec<_> = TARGETS
        .iter()
        .map(|target| Line {
            what: target.what.to_owned(),
            bound: target.bound,
            unit: target.unit,
            figure: match target.figure {
                Figure::Ratio(of, to) => figures.ratio(of, to),
                Figure::P99(subject) => figures.p99_ms(subject),
                Figure::StartInMemory => figures.start_in_memory_ms,
                Figure::StartOnPostgres => figures.start_on_postgres_ms,
                Figure::IdleMemory => figures.idle_mib,
            },
        })
        .collect();
    Table::of_targets(&lines)
}

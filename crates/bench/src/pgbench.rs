//! The limit: the same statements without a server in between.

use std::time::Duration;

use crate::Outcome;
use crate::cluster::Database;
use crate::load::Measured;
use crate::users::User;

/// The role the server works as.
const ROLE: &str = "frontdesk_app";

/// A script for pgbench, with the statements that the server sends for one request.
#[derive(Clone, Copy)]
pub(crate) struct Script(&'static str);

impl Script {
    /// `GET /api/v1/profile`: user, row, no user, in one flush.
    pub(crate) const GET: Self = Self(include_str!("../pgbench/profile_get.sql"));
    /// `PATCH /api/v1/profile`: one transaction with the row and its event.
    pub(crate) const PATCH: Self = Self(include_str!("../pgbench/profile_patch.sql"));
}

/// Gives the scripts a table of users to draw from: the ids of `users`, numbered from 1.
pub(crate) fn prepare(database: &Database<'_>, users: &[User]) -> Outcome<()> {
    let rows: Vec<_> = (1..).zip(users).map(|(number, user)| format!("({number}, '{}')", user.id)).collect();
    let rows = rows.join(",");
    database.sql(&format!(
        "CREATE SCHEMA bench;
         CREATE TABLE bench.users (number integer PRIMARY KEY, id uuid NOT NULL);
         INSERT INTO bench.users VALUES {rows};
         GRANT USAGE ON SCHEMA bench TO {ROLE};
         GRANT SELECT ON bench.users TO {ROLE};"
    ))?;
    database.sql("VACUUM (ANALYZE)")?;
    Ok(())
}

/// Runs a script with `clients` connections.
pub(crate) fn run(
    database: &Database<'_>,
    script: Script,
    users: usize,
    clients: u32,
    measure: Duration,
) -> Outcome<Measured> {
    let arguments = [
        format!("--client={clients}"),
        "--jobs=1".to_owned(),
        format!("--time={}", measure.as_secs().max(1)),
        format!("--define=users={users}"),
        "--define=due=0".to_owned(),
        format!("--define=run={}", std::process::id()),
    ];
    let report = database.pgbench(ROLE, &arguments, script.0)?;
    let failed = figure(&report, "number of failed transactions: ");
    if failed.is_some_and(|failed| failed > 0.0) {
        return Err(format!("pgbench: transactions failed: {report}").into());
    }
    let rate = figure(&report, "tps = ").ok_or_else(|| format!("pgbench told no tps: {report}"))?;
    let mean_ms = figure(&report, "latency average = ").unwrap_or_default();
    Ok(Measured { rate, mean_ms, p50_ms: None, p99_ms: None })
}

/// The number that follows `label`.
fn figure(report: &str, label: &str) -> Option<f64> {
    let (_, after) = report.split_once(label)?;
    after.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_a_report() {
        let report = "number of failed transactions: 0 (0.000%)\nlatency average = 1.5 ms\ntps = 12345.6 (without)";
        assert_eq!(figure(report, "tps = "), Some(12_345.6));
        assert_eq!(figure(report, "number of failed transactions: "), Some(0.0));
    }
}

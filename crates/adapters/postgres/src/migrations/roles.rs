//! The roles, which belong to the cluster and so to no migration.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{MigrateError, refusal};
use crate::connect::Target;

/// How often a role is made again when another database of the cluster makes it at the same moment.
const ROLE_ATTEMPTS: u32 = 20;

/// The settings take effect where somebody logs in as the role itself; a session under `SET ROLE` sets its own.
const CREATE_ROLE: &str = "
    CREATE ROLE {role} NOLOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    ALTER ROLE {role} SET search_path = app, pg_temp;
    ALTER ROLE {role} SET statement_timeout = '5s';
    ALTER ROLE {role} SET lock_timeout = '2s';
    ALTER ROLE {role} SET idle_in_transaction_session_timeout = '10s'";

pub(crate) const ROLES: [&str; 2] = ["frontdesk_app", "frontdesk_worker"];

/// Makes a role unless it is there, and makes the login a member unless it is one.
pub(super) async fn ensure_role(client: &Client, target: &Target, role: &str) -> Result<(), MigrateError> {
    let mut attempt = 0;
    while !role_exists(client, role).await? {
        attempt += 1;
        match client.batch_execute(&CREATE_ROLE.replace("{role}", role)).await {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return Err(refused(target, "may not create roles", true));
            }
            // Roles belong to the cluster, and the lock to one database of it: another may be at it too.
            Err(error) if attempt < ROLE_ATTEMPTS && is_race(&error) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(refusal(error)),
        }
    }
    ensure_membership(client, target, role).await
}

async fn role_exists(client: &Client, role: &str) -> Result<bool, MigrateError> {
    let sql = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = $1";
    let row = client.query_opt(sql, &[&role]).await.map_err(refusal)?;
    match row.map(|row| row.try_get::<_, bool>(0)).transpose().map_err(refusal)? {
        Some(true) => Err(MigrateError::RoleTooStrong(role.to_owned())),
        found => Ok(found.is_some()),
    }
}

async fn ensure_membership(client: &Client, target: &Target, role: &str) -> Result<(), MigrateError> {
    let mut attempt = 0;
    // Who makes a role is a member of it from Postgres 16 on, but not one who may act as it: only trying tells.
    while client.batch_execute(&format!("SET ROLE {role}; RESET ROLE")).await.is_err() {
        attempt += 1;
        match client.batch_execute(&format!("GRANT {role} TO CURRENT_USER")).await {
            Ok(()) if attempt < ROLE_ATTEMPTS => {}
            Err(error) if attempt < ROLE_ATTEMPTS && is_race(&error) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(()) | Err(_) => return Err(refused(target, &format!("may not act as {role}"), false)),
        }
    }
    Ok(())
}

fn is_race(error: &tokio_postgres::Error) -> bool {
    let code = error.code();
    let is_concurrent_update =
        error.as_db_error().is_some_and(|error| error.message().contains("concurrently updated"));
    code == Some(&SqlState::DUPLICATE_OBJECT) || code == Some(&SqlState::UNIQUE_VIOLATION) || is_concurrent_update
}

fn refused(target: &Target, what: &str, are_missing: bool) -> MigrateError {
    let reason = format!("the login {:?} {what}", target.login());
    MigrateError::Role { reason, sql: administrators_line(target, are_missing) }
}

/// What an administrator has to run so that the login may act as the roles.
pub(crate) fn administrators_line(target: &Target, are_missing: bool) -> String {
    let create = |role| format!("CREATE ROLE {role} NOLOGIN NOINHERIT; ");
    let creations = if are_missing { ROLES.map(create).concat() } else { String::new() };
    let login = target.login().replace('"', "\"\"");
    format!("{creations}GRANT {} TO \"{login}\";", ROLES.join(", "))
}

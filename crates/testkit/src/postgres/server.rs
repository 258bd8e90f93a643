//! A server to make databases on.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{cluster, environment};

/// How the databases of tests begin; a process id and a number follow.
pub(super) const TEST_PREFIX: &str = "frontdesk_test_";
const TEMPLATE_PREFIX: &str = "frontdesk_template_";

/// A server and the login that may make databases on it.
pub(super) struct Server {
    /// The URL without the name of a database: before it, and after it.
    before: String,
    after: String,
    maintenance: String,
    template: String,
}

impl Server {
    /// Finds or starts a server, and makes the template. One process at a time.
    pub(super) fn find(home: &Path) -> Result<Self, String> {
        fs::create_dir_all(home).map_err(|error| format!("{}: {error}", home.display()))?;
        let lock = File::create(home.join("lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        let url = match environment("TEST_DATABASE_URL") {
            Some(url) => url,
            None => cluster::ensure(home)?,
        };
        let server = Self::at(&url)?;
        server.drop_leftovers()?;
        server.ensure_template()?;
        Ok(server)
    }

    fn at(url: &str) -> Result<Self, String> {
        let malformed = || "TEST_DATABASE_URL must look like postgres://user:password@host:port/database".to_owned();
        let (base, parameters) =
            url.split_once('?').map_or((url, String::new()), |(base, rest)| (base, format!("?{rest}")));
        let (scheme, rest) = base.split_once("://").ok_or_else(malformed)?;
        let (authority, database) = rest.split_once('/').ok_or_else(malformed)?;
        Ok(Self {
            before: format!("{scheme}://{authority}/"),
            after: parameters,
            maintenance: database.to_owned(),
            template: format!("{TEMPLATE_PREFIX}{}", frontdesk_postgres::MIGRATIONS_FINGERPRINT),
        })
    }

    pub(super) fn url_of(&self, database: &str) -> String {
        format!("{}{database}{}", self.before, self.after)
    }

    pub(super) fn create_database(&self, name: &str) -> Result<(), String> {
        self.run(&format!("CREATE DATABASE {name}")).map(|_| ())
    }

    pub(super) fn copy_template(&self, name: &str) -> Result<(), String> {
        self.run(&format!("CREATE DATABASE {name} TEMPLATE {}", self.template)).map(|_| ())
    }

    pub(super) fn drop_database(&self, name: &str) -> Result<(), String> {
        self.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).map(|_| ())
    }

    /// Drops what dead processes left behind, and the templates of other versions of the schema.
    fn drop_leftovers(&self) -> Result<(), String> {
        let pattern = format!("datname LIKE '{TEST_PREFIX}%' OR datname LIKE '{TEMPLATE_PREFIX}%'");
        for name in self.run(&format!("SELECT datname FROM pg_database WHERE {pattern}"))? {
            let owner = name.strip_prefix(TEST_PREFIX).and_then(|rest| rest.split_once('_')).map(|(owner, _)| owner);
            if owner.is_some_and(|process| !cluster::is_alive(process)) || name.ends_with("_unfinished") {
                self.drop_database(&name)?;
            }
        }
        Ok(())
    }

    /// Migrates a database once for each set of migrations. It gets its name when it is complete.
    fn ensure_template(&self) -> Result<(), String> {
        let exists = format!("SELECT 1 FROM pg_database WHERE datname = '{}'", self.template);
        if !self.run(&exists)?.is_empty() {
            return Ok(());
        }
        let unfinished = format!("{}_unfinished", self.template);
        self.create_database(&unfinished)?;
        frontdesk_postgres::migrate_blocking(&self.url_of(&unfinished)).map_err(|error| error.to_string())?;
        let rename = format!("ALTER DATABASE {unfinished} RENAME TO {}", self.template);
        // The backend of the migrations needs a moment to leave.
        let give_up = Instant::now() + Duration::from_secs(5);
        loop {
            match self.run(&rename) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > give_up => return Err(error),
                Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
            }
        }
    }

    /// Runs a statement in the maintenance database and gives the first column of its rows.
    fn run(&self, sql: &str) -> Result<Vec<String>, String> {
        run(&self.url_of(&self.maintenance), sql)
    }
}

/// Runs a statement on a connection of its own, on a thread of its own: the caller may be inside any runtime.
pub(super) fn run(url: &str, sql: &str) -> Result<Vec<String>, String> {
    let work = async {
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(|error| explain(&error))?;
        tokio::spawn(connection);
        let messages = client.simple_query(sql).await.map_err(|error| explain(&error))?;
        let first = |message: &tokio_postgres::SimpleQueryMessage| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        Ok(messages.iter().filter_map(first).collect())
    };
    let on_thread = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(work)
    };
    std::thread::scope(|scope| scope.spawn(on_thread).join()).unwrap_or_else(|_| Err("a thread panicked".to_owned()))
}

fn explain(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

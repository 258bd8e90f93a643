//! The contracts of the ports, kept by Postgres in both ways of putting the user in scope.

#![expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::sync::Arc;

use frontdesk_postgres::{PgConfig, PgStores, RlsMode};
use frontdesk_testkit::contract::Stores;
use frontdesk_testkit::postgres::database;

async fn stores(rls_mode: RlsMode) -> Option<Stores> {
    let database = database().await?;
    let config = PgConfig { url: database.url(), worker_url: None, pool_size: 6, pools: 2, rls_mode };
    let PgStores { accounts, profiles, sessions, settings, pictures, rooms, idempotency, outbox, .. } =
        PgStores::connect(config).await.unwrap();
    let backend = Some(Arc::new(database) as _);
    Some(Stores { accounts, profiles, sessions, settings, pictures, rooms, idempotency, outbox, backend })
}

mod session {
    use super::*;

    frontdesk_testkit::account_deletion_contract!(stores(RlsMode::Session));
    frontdesk_testkit::account_provision_contract!(stores(RlsMode::Session));
    frontdesk_testkit::account_store_contract!(stores(RlsMode::Session));
    frontdesk_testkit::idempotency_store_contract!(stores(RlsMode::Session));
    frontdesk_testkit::outbox_contract!(stores(RlsMode::Session));
    frontdesk_testkit::picture_store_contract!(stores(RlsMode::Session));
    frontdesk_testkit::profile_store_contract!(stores(RlsMode::Session));
    frontdesk_testkit::room_lease_contract!(stores(RlsMode::Session));
    frontdesk_testkit::room_log_contract!(stores(RlsMode::Session));
    frontdesk_testkit::room_presence_contract!(stores(RlsMode::Session));
    frontdesk_testkit::room_replay_contract!(stores(RlsMode::Session));
    frontdesk_testkit::room_sockets_contract!(stores(RlsMode::Session));
    frontdesk_testkit::session_store_contract!(stores(RlsMode::Session));
    frontdesk_testkit::settings_store_contract!(stores(RlsMode::Session));
}

mod transaction {
    use super::*;

    frontdesk_testkit::account_deletion_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::account_provision_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::account_store_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::idempotency_store_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::outbox_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::picture_store_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::profile_store_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::room_lease_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::room_log_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::room_presence_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::room_replay_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::room_sockets_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::session_store_contract!(stores(RlsMode::Transaction));
    frontdesk_testkit::settings_store_contract!(stores(RlsMode::Transaction));
}

//! The in-memory stores keep the contract of every port.

use std::sync::Arc;

use frontdesk_kernel::gcra::Limiter;
use frontdesk_memory::{MemoryLimiter, MemoryStores};
use frontdesk_testkit::contract::Stores;

fn stores() -> Stores {
    let MemoryStores { accounts, profiles, sessions, settings, pictures, rooms, idempotency, outbox } =
        MemoryStores::new();
    Stores { accounts, profiles, sessions, settings, pictures, rooms, idempotency, outbox, backend: None }
}

fn limiter() -> Arc<dyn Limiter> {
    Arc::new(MemoryLimiter::new())
}

frontdesk_testkit::account_deletion_contract!(async { stores() });
frontdesk_testkit::account_provision_contract!(async { stores() });
frontdesk_testkit::account_store_contract!(async { stores() });
frontdesk_testkit::idempotency_store_contract!(async { stores() });
frontdesk_testkit::limiter_contract!(async { limiter() });
frontdesk_testkit::outbox_contract!(async { stores() });
frontdesk_testkit::picture_store_contract!(async { stores() });
frontdesk_testkit::profile_store_contract!(async { stores() });
frontdesk_testkit::room_lease_contract!(async { stores() });
frontdesk_testkit::room_log_contract!(async { stores() });
frontdesk_testkit::room_presence_contract!(async { stores() });
frontdesk_testkit::room_replay_contract!(async { stores() });
frontdesk_testkit::room_sockets_contract!(async { stores() });
frontdesk_testkit::session_store_contract!(async { stores() });
frontdesk_testkit::settings_store_contract!(async { stores() });

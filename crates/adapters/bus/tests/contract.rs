//! Every bus keeps the contract.

#![expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::sync::Arc;

use frontdesk_bus::{InProcessBus, PgBus};
use frontdesk_postgres::Listener;
use frontdesk_testkit::builders::SeededEntropy;
use frontdesk_testkit::contract::event_bus::{Ear, Node, Nodes};
use frontdesk_testkit::postgres::database;

mod in_process {
    use super::*;

    fn node() -> Nodes {
        let ear = Ear::new();
        let bus = Arc::new(InProcessBus::new(ear.clone()));
        Nodes { nodes: vec![Node { bus, ear }], backend: None }
    }

    frontdesk_testkit::event_bus_contract!(async { node() });
}

mod postgres {
    use super::*;

    async fn nodes() -> Option<Nodes> {
        let database = database().await?;
        let node = |seed| {
            let (ear, listener) = (Ear::new(), Listener::new(&database.url()).unwrap());
            let bus = PgBus::start(move || listener.open(), ear.clone(), Arc::new(SeededEntropy::new(seed)));
            Node { bus: Arc::new(bus), ear }
        };
        Some(Nodes { nodes: (0..3).map(node).collect(), backend: Some(Arc::new(database)) })
    }

    frontdesk_testkit::event_bus_contract!(nodes());
}

#[cfg(feature = "redis")]
mod redis {
    use frontdesk_bus::{RedisBus, RedisConfig, RedisUrl};
    use frontdesk_testkit::redis::{prefix, url};

    use super::*;

    async fn nodes() -> Option<Nodes> {
        let config = RedisConfig { url: RedisUrl::parse(&url().await?).unwrap(), prefix: prefix() };
        let node = |seed| {
            let ear = Ear::new();
            let bus = RedisBus::start(config.clone(), ear.clone(), Arc::new(SeededEntropy::new(seed)));
            Node { bus: Arc::new(bus), ear }
        };
        Some(Nodes { nodes: (0..3).map(node).collect(), backend: None })
    }

    frontdesk_testkit::event_bus_contract!(nodes());
}

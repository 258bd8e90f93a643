//! A password hasher that tells what it was asked for, and can be held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_auth::Argon2Hasher;
use frontdesk_cpu::CpuPool;
use frontdesk_kernel::Unavailable;
use frontdesk_profile::password::{Password, PasswordHash, PasswordHasher};
use tokio::sync::{Notify, RwLock, RwLockWriteGuard};

/// The real hasher, watched.
pub(crate) struct WatchedHasher {
    inner: Argon2Hasher,
    hashed: AtomicU32,
    verified: AtomicU32,
    begun: Notify,
    gate: RwLock<()>,
}

impl WatchedHasher {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Argon2Hasher::new(CpuPool::new(1, 64, Duration::from_mins(1))),
            hashed: AtomicU32::new(0),
            verified: AtomicU32::new(0),
            begun: Notify::new(),
            gate: RwLock::new(()),
        })
    }

    /// Lets no password be hashed until the guard is dropped.
    pub(crate) async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// Waits until somebody asks for a hash; one asked for before counts too.
    pub(crate) async fn begun(&self) {
        let asked = tokio::time::timeout(Duration::from_secs(20), self.begun.notified());
        asked.await.expect("nobody asked for a hash");
    }

    /// How many passwords were to be hashed.
    pub(crate) fn hashed(&self) -> u32 {
        self.hashed.load(Ordering::SeqCst)
    }

    /// How many passwords were to be compared, with a hash or with none.
    pub(crate) fn verified(&self) -> u32 {
        self.verified.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl PasswordHasher for WatchedHasher {
    async fn hash(&self, password: Password) -> Result<PasswordHash, Unavailable> {
        self.hashed.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_one();
        let _open = self.gate.read().await;
        self.inner.hash(password).await
    }

    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, Unavailable> {
        self.verified.fetch_add(1, Ordering::SeqCst);
        self.inner.verify(password, hash).await
    }
}

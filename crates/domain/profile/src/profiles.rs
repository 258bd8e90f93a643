//! Reading and changing profiles.

use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Clock, Entropy, EventId, Unavailable, UserId};

use crate::channels::ChannelsPatch;
use crate::profile::{Authority, Precondition, Profile, ProfileChange, ProfilePatch, UpdateError, View};

/// Keeps profiles.
///
/// # Contract
/// - `update` MUST lock the profile (and the channels, where the change names them), ask
///   [`decide`](crate::profile::decide), and store the whole decision, event included, together or not at all.
/// - `update` MUST lose no field of any number of concurrent changes.
/// - `update` on the authority of an unclaimed account MUST refuse when the account is not open at `change.now`.
/// - `update` MUST refuse a username that another user has, without regard to case, and MUST allow a user to change
///   the case of their own.
/// - `view` MUST give profile and channels of one moment.
/// - A method MUST NOT read or write another user's rows.
#[async_trait]
pub trait ProfileStore: Send + Sync + 'static {
    /// Reads a profile.
    async fn profile(&self, user: UserId) -> Result<Option<Arc<Profile>>, Unavailable>;

    /// Reads a profile and the channels.
    async fn view(&self, user: UserId) -> Result<Option<View>, Unavailable>;

    /// Changes a profile.
    async fn update(&self, change: &ProfileChange) -> Result<View, UpdateError>;
}

/// Reads and changes profiles, for all three facades.
#[derive(Clone)]
pub struct Profiles {
    store: Arc<dyn ProfileStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Profiles {
    /// Joins the ports.
    pub const fn new(store: Arc<dyn ProfileStore>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// Reads a profile.
    pub async fn profile(&self, user: UserId) -> Result<Option<Arc<Profile>>, Unavailable> {
        self.store.profile(user).await
    }

    /// Reads a profile and the channels.
    pub async fn view(&self, user: UserId) -> Result<Option<View>, Unavailable> {
        self.store.view(user).await
    }

    /// Changes a profile, and the channels where the facade shows them.
    pub async fn update(
        &self,
        user_id: UserId,
        authority: Authority,
        patch: ProfilePatch,
        channels: Option<ChannelsPatch>,
        precondition: Precondition,
    ) -> Result<View, UpdateError> {
        let now = self.clock.now();
        let event_id = || EventId::new(self.entropy.uuid_v7(now));
        let change = ProfileChange {
            user_id,
            authority,
            patch,
            channels,
            precondition,
            now,
            event_id: event_id(),
            picture_event_id: event_id(),
            upload: None,
        };
        self.store.update(&change).await
    }
}

//! The contract suites: what the `# Contract` of each port says, as tests that every store must pass.
//!
//! A suite is a module of plain `async fn`s whose names are the sentences, and one macro that lists them and turns
//! each into a test of one backend, as `frontdesk_testkit::profile_store_contract!(stores())`. Its argument is an
//! expression that gives a future of [`Stores`] (or of `Arc<dyn Limiter>`): a backend that is empty and that nobody
//! else uses. It may also give an `Option` of that; `None` ends the test, for machines without the backend, and
//! whatever gives it has to say loudly what is missing.

#![expect(
    missing_docs,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the name of each test is its sentence, and a failed expectation is how it fails"
)]

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use frontdesk_kernel::idempotency::IdempotencyStore;
use frontdesk_kernel::{Event, Outbox, UserId};
use frontdesk_profile::account::Account;
use frontdesk_profile::profile::View;
use frontdesk_profile::settings::Settings;
use frontdesk_profile::{AccountStore, Login, PictureStore, ProfileStore, Registered, SessionStore, SettingsStore};
use frontdesk_rooms::RoomStore;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

pub mod account_deletion;
pub mod account_provision;
pub mod account_store;
pub mod avatar_files;
pub mod event_bus;
pub mod idempotency_store;
pub mod limiter;
pub mod outbox;
pub mod picture_store;
pub mod profile_store;
pub mod room_lease;
pub mod room_log;
pub mod room_presence;
pub mod room_replay;
pub mod room_sockets;
mod rooms;
pub mod session_store;
pub mod settings_store;

/// The ports of one backend.
#[derive(Clone)]
pub struct Stores {
    pub accounts: Arc<dyn AccountStore>,
    pub profiles: Arc<dyn ProfileStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub settings: Arc<dyn SettingsStore>,
    pub pictures: Arc<dyn PictureStore>,
    pub rooms: Arc<dyn RoomStore>,
    pub idempotency: Arc<dyn IdempotencyStore>,
    pub outbox: Arc<dyn Outbox>,
    /// Whatever must outlive the ports, as a throwaway database; `None` where nothing must.
    pub backend: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// More events than any test makes.
const ALL: u32 = 10_000;

/// Everything that a backend holds of one user.
#[derive(Debug, PartialEq)]
struct Held {
    account: Option<Account>,
    login: Option<Login>,
    view: Option<View>,
    settings: Option<Settings>,
    events: Vec<Event>,
}

impl Stores {
    /// Stores an account that nothing speaks against.
    async fn given(&self, new: Registered) -> UserId {
        self.accounts.create(&new, None).await.unwrap();
        new.account.id
    }

    /// The pending events of a user, in the order in which they are pending.
    async fn events_of(&self, user: UserId) -> Vec<Event> {
        let mut events = self.outbox.pending(ALL).await.unwrap();
        events.retain(|event| event.user_id == user);
        events
    }

    async fn view(&self, user: UserId) -> View {
        self.profiles.view(user).await.unwrap().unwrap()
    }

    async fn login(&self, username_key: &str) -> Option<Login> {
        self.accounts.find_login(username_key).await.unwrap()
    }

    /// Everything there is of a user, to compare before and after.
    async fn held(&self, user: UserId) -> Held {
        let view = self.profiles.view(user).await.unwrap();
        let username = view.as_ref().and_then(|view| view.profile.username.as_ref());
        let login = match username {
            Some(username) => self.login(&username.key()).await,
            None => None,
        };
        Held {
            account: self.accounts.account(user).await.unwrap(),
            login,
            view,
            settings: self.settings.settings(user).await.unwrap(),
            events: self.events_of(user).await,
        }
    }
}

/// Runs the calls at once, none before all are ready, and gives what they gave, in their order.
async fn race<F, Fut, T>(calls: usize, call: F) -> Vec<T>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let start = Arc::new(Barrier::new(calls));
    let mut running = JoinSet::new();
    for index in 0..calls {
        let (start, call) = (Arc::clone(&start), call(index));
        running.spawn(async move {
            start.wait().await;
            (index, call.await)
        });
    }
    let mut given = running.join_all().await;
    given.sort_by_key(|(index, _)| *index);
    given.into_iter().map(|(_, value)| value).collect()
}

/// Turns a list of contract functions into tests, or into their names.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ([@names] $suite:ident: $($name:ident),+ $(,)?) => { [$(stringify!($name)),+] };
    ([$backend:expr] $suite:ident: $($name:ident),+ $(,)?) => {
        mod $suite {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    // A backend or an option of one: both turn into an option.
                    if let Some(backend) = ::std::convert::Into::<Option<_>>::into($backend.await) {
                        $crate::contract::$suite::$name(&backend).await;
                    }
                }
            )+
        }
    };
}

#[cfg(test)]
mod tests {
    /// The contract functions of a suite, as its source has them.
    fn written(source: &str) -> Vec<&str> {
        let after = source.lines().filter_map(|line| line.strip_prefix("pub async fn "));
        after.map(|line| line.split('(').next().unwrap()).collect()
    }

    macro_rules! lists_every_function {
        ($($suite:ident: $list:ident),+ $(,)?) => {
            $(
                #[test]
                fn $list() {
                    let source = include_str!(concat!("contract/", stringify!($suite), ".rs"));
                    assert_eq!($crate::$list!(@names).to_vec(), written(source));
                }
            )+

            #[test]
            fn every_suite_is_checked() {
                let declared = include_str!("contract.rs").lines().filter_map(|line| line.strip_prefix("pub mod "));
                let declared: Vec<_> = declared.map(|line| line.trim_end_matches(';')).collect();
                assert_eq!(vec![$(stringify!($suite)),+], declared);
            }
        };
    }

    lists_every_function! {
        account_deletion: account_deletion_contract,
        account_provision: account_provision_contract,
        account_store: account_store_contract,
        avatar_files: avatar_files_contract,
        event_bus: event_bus_contract,
        idempotency_store: idempotency_store_contract,
        limiter: limiter_contract,
        outbox: outbox_contract,
        picture_store: picture_store_contract,
        profile_store: profile_store_contract,
        room_lease: room_lease_contract,
        room_log: room_log_contract,
        room_presence: room_presence_contract,
        room_replay: room_replay_contract,
        room_sockets: room_sockets_contract,
        session_store: session_store_contract,
        settings_store: settings_store_contract,
    }
}

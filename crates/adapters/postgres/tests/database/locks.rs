//! Whether writers of one user, each of several tables, ever wait for each other in a circle.

use std::sync::Arc;

use crate::common::stores;
use frontdesk_kernel::Unavailable;
use frontdesk_postgres::PgStores;
use frontdesk_profile::channels::ChannelsPatch;
use frontdesk_profile::session::{Session, Which};
use frontdesk_profile::settings::SettingsPatch;
use frontdesk_profile::{
    AccountStore, DeleteError, OpenSessionError, PictureStore, ProfileStore, RESERVED_FOR, ReserveError, SessionStore,
    SettingsError, SettingsStore, StorePasswordError, UpdateError,
};
use frontdesk_testkit::builders::{
    change, change_with_channels, delete, end, first_password, noon, open, picture, provision, refresh, registered,
    reservation, session_at, settings_change, shows, shows_nothing, username,
};
use frontdesk_testkit::postgres::database;
use tokio::task::JoinSet;

/// Does one of the things that lock, whatever comes of it; only a store out of reach is a failure.
async fn one_of_all(stores: &PgStores, session: &Session, index: usize) -> Result<(), Unavailable> {
    let user = session.user_id;
    match index % 11 {
        0 => match stores.sessions.open(&open(&session_at(user, noon()))).await {
            Err(OpenSessionError::Unavailable(cause)) => Err(cause),
            Ok(_) | Err(OpenSessionError::Refused) => Ok(()),
        },
        1 => stores.sessions.refresh(&refresh(session)).await.map(|_| ()),
        2 => stores.sessions.end(&end(user, Which::All { bearer: session.id })).await.map(|_| ()),
        3 => match stores.accounts.set_password(&first_password(user, &index.to_string())).await {
            Err(StorePasswordError::Unavailable(cause)) => Err(cause),
            _ => Ok(()),
        },
        4 => {
            let command = change_with_channels(user, username(&format!("ada{index}")), ChannelsPatch::default());
            match stores.profiles.update(&command).await {
                Err(UpdateError::Unavailable(cause)) => Err(cause),
                _ => Ok(()),
            }
        }
        5 => match stores.settings.change(&settings_change(user, SettingsPatch::default())).await {
            Err(SettingsError::Unavailable(cause)) => Err(cause),
            _ => Ok(()),
        },
        6 => stores.accounts.provision(&provision(user, noon())).await.map(|_| ()),
        7 => match stores.pictures.reserve(&reservation(user, 1)).await {
            Err(ReserveError::Unavailable(cause)) => Err(cause),
            Ok(()) | Err(ReserveError::NotFound | ReserveError::BeingRemoved) => Ok(()),
        },
        8 => stores.pictures.claim(noon() + RESERVED_FOR, 10).await.map(|_| ()),
        9 => {
            let patch = if index.is_multiple_of(2) { shows_nothing() } else { shows(user, picture(1)) };
            match stores.profiles.update(&change(user, patch)).await {
                Err(UpdateError::Unavailable(cause)) => Err(cause),
                _ => Ok(()),
            }
        }
        _ if index < 54 => stores.accounts.close_claim(user).await,
        _ => match stores.accounts.delete(&delete(user)).await {
            Err(DeleteError::Unavailable(cause)) => Err(cause),
            Ok(_) | Err(DeleteError::NotFound) => Ok(()),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_writers_of_one_user_at_once_none_waits_for_another_in_a_circle() {
    let Some(database) = database().await else { return };
    let stores = Arc::new(stores(&database.url(), 8).await);
    for round in 0..4 {
        let mut new = registered(&format!("ada-{round}"));
        let session = session_at(new.account.id, noon());
        new.session = Some(session.clone());
        stores.accounts.create(&new, None).await.unwrap();
        let mut running = JoinSet::new();
        for index in 0..64 {
            let (stores, session) = (Arc::clone(&stores), session.clone());
            running.spawn(async move { one_of_all(&stores, &session, index).await });
        }
        for done in running.join_all().await {
            done.unwrap();
        }
    }
}

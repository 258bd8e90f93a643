//! How often each operation waits for the network, counted on the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::{given, stores};
use frontdesk_kernel::Page;
use frontdesk_kernel::idempotency::IdempotencyStore;
use frontdesk_profile::channels::ChannelsPatch;
use frontdesk_profile::session::{Refreshed, Session, Which};
use frontdesk_profile::{
    AccountStore, CLAIMED_FOR, PictureStore, ProfileStore, Provisioned, RELEASED_FOR, SessionStore, SettingsStore,
};
use frontdesk_rooms::RoomStore;
use frontdesk_rooms::store::{Broadcast, Sockets};
use frontdesk_testkit::builders::{
    change, change_with_channels, claim, completion, delete, display_name, end, entering, fingerprint, leaving, node,
    noon, open, picture, profile_updated, provision, refresh, registered, reservation, room, session_at, set_password,
    shows, ticket_id, user_id,
};
use frontdesk_testkit::postgres::database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A line to the database that counts how often the service speaks after the database has spoken.
async fn counting_line(url: &str) -> (String, Arc<AtomicU32>) {
    let (head, rest) = url.split_once('@').unwrap();
    let (upstream, path) = rest.split_once('/').unwrap();
    let upstream = upstream.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxied = format!("{head}@{}/{path}?sslmode=disable", listener.local_addr().unwrap());
    let trips = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&trips);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&upstream).await.unwrap();
            tokio::spawn(carry(near, far, Arc::clone(&counter)));
        }
    });
    (proxied, trips)
}

async fn carry(mut near: TcpStream, mut far: TcpStream, trips: Arc<AtomicU32>) {
    let (mut said, mut heard) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut is_listening = false;
    loop {
        tokio::select! {
            Ok(count) = near.read(&mut said) => {
                if count == 0 {
                    return;
                }
                if !is_listening {
                    trips.fetch_add(1, Ordering::Relaxed);
                }
                is_listening = true;
                far.write_all(&said[..count]).await.unwrap();
            }
            Ok(count) = far.read(&mut heard) => {
                if count == 0 {
                    return;
                }
                is_listening = false;
                near.write_all(&heard[..count]).await.unwrap();
            }
        }
    }
}

/// The round trips of an operation whose statements are prepared: of the best of a few, for a packet may be split.
macro_rules! round_trips {
    ($trips:expr, $operation:expr) => {{
        let mut best = u32::MAX;
        for _ in 0..4 {
            let before = $trips.load(Ordering::Relaxed);
            $operation;
            best = best.min($trips.load(Ordering::Relaxed) - before);
        }
        best
    }};
}

#[tokio::test]
async fn each_operation_waits_as_seldom_as_is_safe() {
    let Some(database) = database().await else { return };
    let (url, trips) = counting_line(&database.url()).await;
    let stores = stores(&url, 1).await;
    let (ada, _) = given(&stores, "ada").await;
    let mut number = 0;
    let mut next = || {
        number += 1;
        format!("name{number}")
    };
    let (accounts, profiles) = (&stores.accounts, &stores.profiles);

    assert_eq!(round_trips!(trips, profiles.profile(ada).await.unwrap().unwrap()), 1, "profile");
    assert_eq!(round_trips!(trips, profiles.view(ada).await.unwrap().unwrap()), 1, "view");
    assert_eq!(round_trips!(trips, stores.settings.settings(ada).await.unwrap().unwrap()), 1, "settings");
    assert_eq!(round_trips!(trips, accounts.account(ada).await.unwrap().unwrap()), 1, "account");
    assert_eq!(round_trips!(trips, accounts.find_login("ada").await.unwrap().unwrap()), 2, "find_login");
    let claimed =
        round_trips!(trips, stores.idempotency.claim(&claim(&next()), &fingerprint(1), noon()).await.unwrap());
    assert_eq!(claimed, 1, "claim");
    let update = round_trips!(trips, profiles.update(&change(ada, display_name(&next()))).await.unwrap());
    assert_eq!(update, 3, "update: lock, write, commit");
    let both = round_trips!(trips, {
        let command = change_with_channels(ada, display_name(&next()), ChannelsPatch::default());
        profiles.update(&command).await.unwrap()
    });
    assert_eq!(both, 3, "update with channels");
    let create = round_trips!(trips, {
        let claim = claim(&next());
        stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
        accounts.create(&registered(&next()), Some(&completion(&claim))).await.unwrap();
    });
    assert_eq!(create, 1 + 2, "claim; create: write, commit");
}

#[tokio::test]
async fn each_operation_on_a_session_waits_as_seldom_as_is_safe() {
    let Some(database) = database().await else { return };
    let (url, trips) = counting_line(&database.url()).await;
    let stores = stores(&url, 1).await;
    let (ada, _) = given(&stores, "ada").await;
    let sessions = &stores.sessions;
    let mut session = session_at(ada, noon());

    let opened = round_trips!(trips, {
        session = session_at(ada, noon());
        sessions.open(&open(&session)).await.unwrap();
    });
    assert_eq!(opened, 3, "open: lock, write, commit");
    let rotated = round_trips!(trips, session = rotated(sessions.refresh(&refresh(&session)).await.unwrap()));
    assert_eq!(rotated, 3, "refresh: lock, write, commit");
    let mut again = refresh(&session);
    again.presented = session.rotation.previous.unwrap().digest;
    again.now = session.rotation.rotated_at;
    let repeated = round_trips!(trips, sessions.refresh(&again).await.unwrap());
    assert_eq!(repeated, 2, "a refresh that is repeated: lock, commit");
    let page = Page { limit: 10, offset: 0, after: None };
    assert_eq!(round_trips!(trips, sessions.list(ada, page, noon()).await.unwrap()), 1, "list");
    assert_eq!(round_trips!(trips, sessions.revocations_of(ada, noon()).await.unwrap()), 1, "revocations_of");
    let ended = round_trips!(trips, {
        sessions.end(&end(ada, Which::Bearer(session.id))).await.unwrap().unwrap();
    });
    assert_eq!(ended, 3, "end: lock, write, commit");
}

#[tokio::test]
async fn each_operation_on_a_picture_waits_as_seldom_as_is_safe() {
    let Some(database) = database().await else { return };
    let (url, trips) = counting_line(&database.url()).await;
    let stores = stores(&url, 1).await;
    let (ada, _) = given(&stores, "ada").await;
    let pictures = &stores.pictures;
    let mut number = 0;

    let reserved = round_trips!(trips, {
        number += 1;
        pictures.reserve(&reservation(ada, number)).await.unwrap();
    });
    assert_eq!(reserved, 1, "reserve");
    let shown = round_trips!(trips, {
        let patch = shows(ada, picture(number.into()));
        number -= 1;
        stores.profiles.update(&change(ada, patch)).await.unwrap()
    });
    assert_eq!(shown, 4, "an update of the avatar: lock, write, tell what it counts, commit");
    assert_eq!(round_trips!(trips, pictures.pictures(ada).await.unwrap()), 1, "pictures");
    let mut claimed = vec![];
    let mut now = noon() + RELEASED_FOR * 2;
    let claim = round_trips!(trips, {
        claimed = pictures.claim(now, 10).await.unwrap();
        now = now + CLAIMED_FOR;
    });
    assert_eq!((claim, claimed.len()), (1, 3), "claim");
    assert_eq!(round_trips!(trips, pictures.purged(&claimed[0]).await.unwrap()), 1, "purged");
}

#[tokio::test]
async fn each_operation_on_a_room_waits_as_seldom_as_is_safe() {
    let Some(database) = database().await else { return };
    let (url, trips) = counting_line(&database.url()).await;
    let stores = stores(&url, 1).await;
    let (rooms, lobby, ada, node) = (&stores.rooms, room("lobby"), user_id(), node());

    let left = round_trips!(trips, rooms.leave(&leaving(&lobby, ada, node)).await.unwrap());
    assert_eq!(left, 2, "leave: write, commit");
    let entered = round_trips!(trips, rooms.enter(&entering(&lobby, ada, node)).await.unwrap());
    assert_eq!(entered, 2, "enter: write, commit");
    let position = rooms.enter(&entering(&lobby, ada, node)).await.unwrap().position;
    let post = async |user| {
        let event = profile_updated(user);
        rooms.post(std::slice::from_ref(&event), Broadcast::Members, noon()).await.unwrap();
        event.id
    };
    assert_eq!(round_trips!(trips, post(user_id()).await), 1, "post of whoever is in no room");
    assert_eq!(round_trips!(trips, post(ada).await), 3, "post: find, write, commit");
    let event = post(ada).await;
    assert_eq!(round_trips!(trips, rooms.posted(&[event]).await.unwrap()), 1, "posted");
    assert_eq!(round_trips!(trips, rooms.since(&lobby, position, u64::MAX, noon()).await.unwrap()), 1, "since");
    assert_eq!(round_trips!(trips, rooms.renew(node, noon(), noon()).await.unwrap()), 1, "renew");
    assert_eq!(round_trips!(trips, rooms.expired(noon()).await.unwrap()), 1, "expired");
    let counts = [(ada, Sockets { count: 1, serial: 2 })];
    assert_eq!(round_trips!(trips, rooms.set_sockets(node, &counts, noon()).await.unwrap()), 1, "set_sockets");
    assert_eq!(round_trips!(trips, rooms.redeem(ticket_id(), noon()).await.unwrap()), 1, "redeem");
}

fn rotated(refreshed: Refreshed) -> Session {
    let Refreshed::Rotated(session) = refreshed else { panic!("{refreshed:?}") };
    session
}

#[tokio::test]
async fn each_operation_on_a_whole_account_waits_as_seldom_as_is_safe() {
    let Some(database) = database().await else { return };
    let (url, trips) = counting_line(&database.url()).await;
    let stores = stores(&url, 1).await;
    let accounts = &stores.accounts;

    let mut user = user_id();
    let made = round_trips!(trips, {
        user = user_id();
        assert_eq!(accounts.provision(&provision(user, noon())).await.unwrap(), Provisioned::Made);
    });
    assert_eq!(made, 2, "provision: write, commit");
    let known = round_trips!(trips, accounts.provision(&provision(user, noon())).await.unwrap());
    assert_eq!(known, 2, "provision of a known user");
    assert_eq!(round_trips!(trips, accounts.identities(user).await.unwrap()), 1, "identities");
    let mut seen: Option<String> = None;
    let set = round_trips!(trips, {
        let hash = format!("after {seen:?}");
        accounts.set_password(&set_password(user, seen.as_deref(), &hash)).await.unwrap();
        seen = Some(hash);
    });
    assert_eq!(set, 3, "set_password: lock, write, commit");
    let mut best = u32::MAX;
    for _ in 0..4 {
        let user = user_id();
        accounts.provision(&provision(user, noon())).await.unwrap();
        let before = trips.load(Ordering::Relaxed);
        accounts.delete(&delete(user)).await.unwrap();
        best = best.min(trips.load(Ordering::Relaxed) - before);
    }
    assert_eq!(best, 3, "delete: lock, write, commit");
}

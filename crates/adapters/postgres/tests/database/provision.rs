//! How the account of a trusted issuer's user comes into being, as only the database can show it.

use std::time::Duration;

use crate::common::{ask, owner, stores};
use frontdesk_kernel::{Timestamp, UserId};
use frontdesk_postgres::PgStores;
use frontdesk_profile::{AccountStore, Provisioned};
use frontdesk_testkit::builders::{delete, noon, provision, user_id};
use frontdesk_testkit::postgres::database;
use tokio::task::JoinSet;

#[tokio::test]
async fn the_first_use_makes_every_row_in_one_statement() {
    let Some(database) = database().await else { return };
    let user = user_id();
    let made = stores(&database.url(), 1).await.accounts.provision(&provision(user, noon())).await.unwrap();
    assert_eq!(made, Provisioned::Made);
    // The transaction, and the statement within it, that made a row.
    let made_by = "
        SELECT 'users', xmin, cmin FROM app.users UNION ALL SELECT 'profiles', xmin, cmin FROM app.profiles
        UNION ALL SELECT 'user_settings', xmin, cmin FROM app.user_settings
        UNION ALL SELECT 'notification_preferences', xmin, cmin FROM app.notification_preferences
        UNION ALL SELECT 'identities', xmin, cmin FROM app.identities
        UNION ALL SELECT 'outbox', xmin, cmin FROM app.outbox";
    let rows = ask(&owner(&database.url()).await, made_by).await.unwrap();
    assert_eq!(rows.len(), 6, "{rows:?}");
    assert!(rows.iter().all(|row| row[1..] == rows[0][1..]), "{rows:?}");
}

/// What the calls of a race did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Done {
    made: usize,
    known: usize,
    stopped: usize,
    deleted: usize,
}

/// 64 at once: some delete the account, and the others come with a token of that moment.
async fn race(stores: &PgStores, user: UserId, deletions: usize, issued_at: Timestamp) -> Done {
    let mut running = JoinSet::new();
    for index in 0..64 {
        let accounts = stores.accounts.clone();
        // Spread among the others.
        let is_deletion = (index * deletions) / 64 != ((index + 1) * deletions) / 64;
        running.spawn(async move {
            let mut done = Done::default();
            if is_deletion {
                done.deleted = usize::from(accounts.delete(&delete(user)).await.is_ok());
            } else {
                match accounts.provision(&provision(user, issued_at)).await.unwrap() {
                    Provisioned::Made => done.made = 1,
                    Provisioned::Known => done.known = 1,
                    Provisioned::Deleted => done.stopped = 1,
                }
            }
            done
        });
    }
    running.join_all().await.into_iter().fold(Done::default(), |sum, one| Done {
        made: sum.made + one.made,
        known: sum.known + one.known,
        stopped: sum.stopped + one.stopped,
        deleted: sum.deleted + one.deleted,
    })
}

/// How many rows there are: accounts, tombstones, and what belongs to an account.
async fn rows(url: &str) -> Vec<String> {
    let count = "SELECT (SELECT count(*) FROM app.users WHERE deleted_at IS NULL),
        (SELECT count(*) FROM app.users WHERE deleted_at IS NOT NULL), (SELECT count(*) FROM app.profiles),
        (SELECT count(*) FROM app.user_settings), (SELECT count(*) FROM app.notification_preferences),
        (SELECT count(*) FROM app.identities)";
    ask(&owner(url).await, count).await.unwrap().concat()
}

const LIVING: [&str; 6] = ["1", "0", "1", "1", "1", "1"];
const DELETED: [&str; 6] = ["0", "1", "0", "0", "0", "0"];

/// A token from after every deletion of these tests.
fn newer() -> Timestamp {
    noon() + Duration::from_hours(2)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_first_uses_at_once_one_makes_the_account_and_all_others_know_it() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 8).await;
    let done = race(&stores, user_id(), 0, noon()).await;
    assert_eq!(done, Done { made: 1, known: 63, ..Done::default() });
    assert_eq!(rows(&database.url()).await, LIVING);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_newer_tokens_on_a_tombstone_one_makes_the_account_and_all_others_know_it() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 8).await;
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    stores.accounts.delete(&delete(user)).await.unwrap();
    let done = race(&stores, user, 0, newer()).await;
    assert_eq!(done, Done { made: 1, known: 63, ..Done::default() });
    assert_eq!(rows(&database.url()).await, LIVING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_stops_64_older_tokens_at_once() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 8).await;
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    stores.accounts.delete(&delete(user)).await.unwrap();
    let done = race(&stores, user, 0, noon()).await;
    assert_eq!(done, Done { stopped: 64, ..Done::default() });
    assert_eq!(rows(&database.url()).await, DELETED);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_tokens_that_come_during_a_deletion_find_the_account_or_the_tombstone_and_make_nothing() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 8).await;
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    let done = race(&stores, user, 8, noon()).await;
    assert_eq!((done.made, done.deleted, done.known + done.stopped), (0, 1, 56), "{done:?}");
    assert_eq!(rows(&database.url()).await, DELETED);
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_tokens_that_come_during_deletions_make_an_account_once_for_each() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 8).await;
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    let done = race(&stores, user, 8, newer()).await;
    assert_eq!(done.stopped, 0, "{done:?}");
    assert!(done.deleted >= 1 && [done.deleted, done.deleted - 1].contains(&done.made), "{done:?}");
    let expected = if done.made == done.deleted { LIVING } else { DELETED };
    assert_eq!(rows(&database.url()).await, expected, "{done:?}");
}

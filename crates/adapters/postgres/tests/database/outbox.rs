//! Events that another version wrote.

use crate::common::{given, owner, stores, touched};
use frontdesk_kernel::Outbox;
use frontdesk_testkit::postgres::database;

#[tokio::test]
async fn an_event_that_this_version_does_not_know_holds_nothing_up_and_waits_for_one_that_does() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 2).await, owner(&database.url()).await);
    for _ in 0..3 {
        let row = "INSERT INTO app.outbox (id, user_id, occurred_at, body)
            VALUES (gen_random_uuid(), gen_random_uuid(), now(), '{\"type\": \"moon_landed\"}')";
        touched(&client, row).await.unwrap();
    }
    let (ada, _) = given(&stores, "ada").await;
    let pending = stores.outbox.pending(2).await.unwrap();
    assert_eq!(pending.iter().map(|event| event.user_id).collect::<Vec<_>>(), [ada]);
    stores.outbox.told(&[pending[0].id]).await.unwrap();
    let waiting = "UPDATE app.outbox SET told_at = NULL WHERE told_at IS NULL";
    assert_eq!(touched(&client, waiting).await.unwrap(), 3);
}

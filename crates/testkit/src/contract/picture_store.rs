//! The contract of [`PictureStore`](frontdesk_profile::PictureStore), and of
//! [`ProfileStore`](frontdesk_profile::ProfileStore) where a profile begins or ceases to show a picture.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, Timestamp, UserId};
use frontdesk_profile::account::DeleteAccount;
use frontdesk_profile::avatar::PictureId;
use frontdesk_profile::profile::{Precondition, ProfileChange, ProfilePatch, SeenVersion};
use frontdesk_profile::{
    CLAIMED_FOR, ClaimedPicture, Picture, Provisioned, RELEASED_FOR, RESERVED_FOR, Reservation, ReserveError,
    UpdateError,
};

use super::{Stores, race};
use crate::builders::{
    change, delete, event_id, noon, picture, provision, registered, reservation, shows, shows_nothing, upload, user_id,
    username,
};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! picture_store_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] picture_store:
            a_reserved_picture_is_listed_and_may_go_from_then_on,
            pictures_are_listed_the_newest_first,
            a_picture_that_is_reserved_again_keeps_when_it_was_first_and_when_it_may_go,
            of_a_picture_that_is_reserved_again_the_last_bytes_count,
            reserve_for_a_user_who_is_not_there_is_not_found_and_stores_nothing,
            a_picture_is_claimed_only_after_its_reservation,
            the_last_reservation_of_a_picture_counts,
            a_picture_that_is_shown_is_never_claimed,
            a_picture_that_is_no_longer_shown_is_claimed_a_day_later,
            a_picture_that_is_shown_again_is_not_claimed,
            a_released_picture_that_is_reserved_again_waits_for_both,
            a_shown_picture_is_no_longer_reserved_unless_for_another_upload,
            a_claimed_picture_is_nobody_elses_until_the_claim_ends,
            a_claimed_picture_is_not_reserved_until_the_claim_ends,
            a_picture_that_was_purged_is_forgotten,
            purged_does_nothing_for_an_earlier_claim,
            claim_gives_the_oldest_first_and_no_more_than_asked,
            of_64_concurrent_claims_each_picture_is_given_to_one,
            of_a_claim_and_a_reservation_at_once_only_one_has_the_picture,
            of_64_concurrent_reservations_of_one_picture_all_succeed,
            an_avatar_is_told_after_the_profile_and_with_what_it_counts,
            only_the_bytes_of_what_is_shown_are_counted,
            an_update_of_other_fields_tells_of_no_avatar,
            a_refused_update_moves_nothing_and_tells_nothing,
            an_upload_of_what_is_shown_already_ends_its_reservation_and_tells_nothing,
            an_upload_that_is_gone_or_going_is_unavailable_and_changes_nothing,
            a_picture_that_is_shown_again_without_its_upload_stays_reserved,
            a_picture_that_is_gone_or_going_is_not_shown_again_and_the_refusal_changes_nothing,
            users_with_the_same_picture_do_not_touch_each_other,
            a_deletion_lets_every_picture_of_the_user_go_at_once,
            a_deletion_delays_no_picture_that_may_go_already,
            a_deletion_and_an_avatar_at_once_leave_nothing_behind,
            a_user_who_comes_back_may_show_the_same_picture,
        }
    };
}

const MICRO: Duration = Duration::from_micros(1);

/// The moment of every change that does not say otherwise.
fn changed_at() -> Timestamp {
    noon() + Duration::from_mins(1)
}

impl Stores {
    async fn reserve(&self, reservation: &Reservation) {
        self.pictures.reserve(reservation).await.unwrap();
    }

    async fn pictures(&self, user: UserId) -> Vec<Picture> {
        self.pictures.pictures(user).await.unwrap()
    }

    /// When a picture of a user may go; `None` while it is shown.
    async fn purge_after(&self, user: UserId, id: PictureId) -> Option<Timestamp> {
        self.pictures(user).await.into_iter().find(|picture| picture.id == id).unwrap().purge_after
    }

    async fn claimed(&self, now: Timestamp) -> Vec<ClaimedPicture> {
        self.pictures.claim(now, 100).await.unwrap()
    }

    async fn upload(&self, user: UserId, number: u128) {
        self.profiles.update(&upload(user, number)).await.unwrap();
    }

    async fn update(&self, user: UserId, patch: ProfilePatch) {
        self.profiles.update(&change(user, patch)).await.unwrap();
    }

    /// A user who shows picture 1.
    async fn showing(&self, name: &str) -> UserId {
        let user = self.given(registered(name)).await;
        self.reserve(&reservation(user, 1)).await;
        self.upload(user, 1).await;
        user
    }
}

fn ids(claimed: &[ClaimedPicture]) -> Vec<PictureId> {
    claimed.iter().map(|claim| claim.picture).collect()
}

/// The events of avatars, by how many bytes they tell.
fn storage_bytes(events: &[Event]) -> Vec<u64> {
    let bytes = |event: &Event| match event.body {
        EventBody::AvatarChanged { storage_bytes, .. } => Some(storage_bytes),
        _ => None,
    };
    events.iter().filter_map(bytes).collect()
}

pub async fn a_reserved_picture_is_listed_and_may_go_from_then_on(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.reserve(&Reservation { bytes: 5_000_000_000, ..reservation(user, 1) }).await;
    let expected = Picture { id: picture(1), bytes: 5_000_000_000, created_at: noon(), purge_after: Some(noon()) };
    assert_eq!(stores.pictures(user).await, [expected]);
    assert_eq!(stores.pictures(user_id()).await, []);
}

pub async fn pictures_are_listed_the_newest_first(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for (number, at) in [(2, noon()), (3, noon() + MICRO), (1, noon() + MICRO), (4, noon() - MICRO)] {
        stores.reserve(&Reservation { now: at, ..reservation(user, number) }).await;
    }
    let listed: Vec<_> = stores.pictures(user).await.iter().map(|picture| picture.id).collect();
    assert_eq!(listed, [3, 1, 2, 4].map(picture));
}

pub async fn a_picture_that_is_reserved_again_keeps_when_it_was_first_and_when_it_may_go(stores: &Stores) {
    let user = stores.showing("ada").await;
    stores.reserve(&reservation(user, 2)).await;
    let before = stores.pictures(user).await;
    for number in [1, 2] {
        stores.reserve(&Reservation { now: noon() + RESERVED_FOR * 2, ..reservation(user, number) }).await;
    }
    assert_eq!(stores.pictures(user).await, before);
}

pub async fn of_a_picture_that_is_reserved_again_the_last_bytes_count(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for bytes in [2_000, 1_000] {
        stores.reserve(&Reservation { bytes, ..reservation(user, 1) }).await;
    }
    assert_eq!(stores.pictures(user).await.iter().map(|picture| picture.bytes).collect::<Vec<_>>(), [1_000]);
}

pub async fn reserve_for_a_user_who_is_not_there_is_not_found_and_stores_nothing(stores: &Stores) {
    let deleted = stores.given(registered("ada")).await;
    stores.accounts.delete(&delete(deleted)).await.unwrap();
    for user in [deleted, user_id()] {
        let refused = stores.pictures.reserve(&reservation(user, 1)).await;
        assert!(matches!(refused, Err(ReserveError::NotFound)), "{refused:?}");
        assert_eq!(stores.pictures(user).await, []);
    }
}

pub async fn a_picture_is_claimed_only_after_its_reservation(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.reserve(&reservation(user, 1)).await;
    let end = noon() + RESERVED_FOR;
    assert_eq!(stores.claimed(end - MICRO).await, []);
    let expected = ClaimedPicture { user_id: user, picture: picture(1), claimed_until: end + CLAIMED_FOR };
    assert_eq!(stores.claimed(end).await, [expected]);
}

pub async fn the_last_reservation_of_a_picture_counts(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    // The clock of another node may be behind.
    for at in [noon(), noon() + MICRO, noon() - MICRO] {
        stores.reserve(&Reservation { now: at, ..reservation(user, 1) }).await;
    }
    assert_eq!(stores.claimed(noon() + RESERVED_FOR).await, []);
    assert_eq!(stores.claimed(noon() + RESERVED_FOR + MICRO).await.len(), 1);
}

pub async fn a_picture_that_is_shown_is_never_claimed(stores: &Stores) {
    let user = stores.showing("ada").await;
    assert_eq!(stores.purge_after(user, picture(1)).await, None);
    assert_eq!(stores.claimed(noon() + RELEASED_FOR * 1_000).await, []);
}

pub async fn a_picture_that_is_no_longer_shown_is_claimed_a_day_later(stores: &Stores) {
    let user = stores.showing("ada").await;
    stores.reserve(&reservation(user, 2)).await;
    stores.upload(user, 2).await;
    let goes_at = changed_at() + RELEASED_FOR;
    assert_eq!(stores.purge_after(user, picture(1)).await, Some(goes_at));
    assert_eq!(stores.claimed(goes_at - MICRO).await, []);
    assert_eq!(ids(&stores.claimed(goes_at).await), [picture(1)]);
}

pub async fn a_picture_that_is_shown_again_is_not_claimed(stores: &Stores) {
    let user = stores.showing("ada").await;
    stores.update(user, shows_nothing()).await;
    stores.update(user, shows(user, picture(1))).await;
    assert_eq!(stores.purge_after(user, picture(1)).await, None);
    assert_eq!(stores.claimed(noon() + RELEASED_FOR * 2).await, []);
}

pub async fn a_released_picture_that_is_reserved_again_waits_for_both(stores: &Stores) {
    let user = stores.showing("ada").await;
    stores.update(user, shows_nothing()).await;
    let goes_at = changed_at() + RELEASED_FOR;
    stores.reserve(&Reservation { now: goes_at - MICRO, ..reservation(user, 1) }).await;
    assert_eq!(stores.purge_after(user, picture(1)).await, Some(goes_at));
    assert_eq!(stores.claimed(goes_at).await, []);
    assert_eq!(stores.claimed(goes_at - MICRO + RESERVED_FOR).await.len(), 1);
}

pub async fn a_shown_picture_is_no_longer_reserved_unless_for_another_upload(stores: &Stores) {
    let (one, two) = (stores.given(registered("ada")).await, stores.given(registered("eve")).await);
    for user in [one, two, two] {
        stores.reserve(&reservation(user, 1)).await;
    }
    for user in [one, two] {
        stores.upload(user, 1).await;
        let deletion = DeleteAccount { now: changed_at(), ..delete(user) };
        stores.accounts.delete(&deletion).await.unwrap();
    }
    let claimed = stores.claimed(changed_at()).await;
    assert_eq!(claimed.iter().map(|claim| claim.user_id).collect::<Vec<_>>(), [one]);
    let claimed = stores.claimed(noon() + RESERVED_FOR).await;
    assert_eq!(claimed.iter().map(|claim| claim.user_id).collect::<Vec<_>>(), [two]);
}

pub async fn a_claimed_picture_is_nobody_elses_until_the_claim_ends(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.reserve(&reservation(user, 1)).await;
    let [first] = stores.claimed(noon() + RESERVED_FOR).await.try_into().unwrap();
    assert_eq!(stores.claimed(first.claimed_until - MICRO).await, []);
    let [second] = stores.claimed(first.claimed_until).await.try_into().unwrap();
    assert_eq!(second, ClaimedPicture { claimed_until: first.claimed_until + CLAIMED_FOR, ..first });
}

pub async fn a_claimed_picture_is_not_reserved_until_the_claim_ends(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.reserve(&reservation(user, 1)).await;
    let [claim] = stores.claimed(noon() + RESERVED_FOR).await.try_into().unwrap();
    let again = |now| Reservation { now, ..reservation(user, 1) };
    let refused = stores.pictures.reserve(&again(claim.claimed_until - MICRO)).await;
    assert!(matches!(refused, Err(ReserveError::BeingRemoved)), "{refused:?}");
    stores.reserve(&again(claim.claimed_until)).await;
    // Whoever comes late has lost the claim.
    stores.pictures.purged(&claim).await.unwrap();
    assert_eq!(stores.claimed(claim.claimed_until + RESERVED_FOR - MICRO).await, []);
    assert_eq!(stores.claimed(claim.claimed_until + RESERVED_FOR).await.len(), 1);
}

pub async fn a_picture_that_was_purged_is_forgotten(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for number in [1, 2] {
        stores.reserve(&reservation(user, number)).await;
    }
    let [one, two] = stores.claimed(noon() + RESERVED_FOR).await.try_into().unwrap();
    stores.pictures.purged(&one).await.unwrap();
    assert_eq!(stores.pictures(user).await.iter().map(|picture| picture.id).collect::<Vec<_>>(), [two.picture]);
    stores.pictures.purged(&two).await.unwrap();
    assert_eq!(stores.pictures(user).await, []);
    stores.reserve(&reservation(user, 1)).await;
    assert_eq!(stores.pictures(user).await.len(), 1);
}

pub async fn purged_does_nothing_for_an_earlier_claim(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.reserve(&reservation(user, 1)).await;
    let [first] = stores.claimed(noon() + RESERVED_FOR).await.try_into().unwrap();
    let [second] = stores.claimed(first.claimed_until).await.try_into().unwrap();
    for other in
        [first, ClaimedPicture { user_id: user_id(), ..second }, ClaimedPicture { picture: picture(2), ..second }]
    {
        stores.pictures.purged(&other).await.unwrap();
        assert_eq!(stores.pictures(user).await.len(), 1, "{other:?}");
    }
}

pub async fn claim_gives_the_oldest_first_and_no_more_than_asked(stores: &Stores) {
    let (ada, eve) = (stores.given(registered("ada")).await, stores.given(registered("eve")).await);
    for (user, number, after) in [(ada, 1, 3), (eve, 2, 1), (ada, 3, 2), (eve, 4, 0)] {
        stores.reserve(&Reservation { now: noon() + MICRO * after, ..reservation(user, number) }).await;
    }
    let now = noon() + RESERVED_FOR * 2;
    assert_eq!(stores.pictures.claim(now, 0).await.unwrap(), []);
    assert_eq!(ids(&stores.pictures.claim(now, 3).await.unwrap()), [4, 2, 3].map(picture));
    assert_eq!(ids(&stores.pictures.claim(now, 3).await.unwrap()), [picture(1)]);
}

pub async fn of_64_concurrent_claims_each_picture_is_given_to_one(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for number in 1..=40 {
        stores.reserve(&reservation(user, number)).await;
    }
    let now = noon() + RESERVED_FOR;
    let claims = race(64, |_| {
        let store = Arc::clone(&stores.pictures);
        async move { store.claim(now, 30).await.unwrap() }
    })
    .await;
    let rest = stores.claimed(now).await;
    let given: Vec<_> = claims.iter().flatten().chain(&rest).map(|claim| claim.picture).collect();
    assert_eq!(given.len(), 40);
    assert_eq!(given.into_iter().collect::<HashSet<_>>(), (1..=40).map(picture).collect());
}

pub async fn of_a_claim_and_a_reservation_at_once_only_one_has_the_picture(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let now = noon() + RESERVED_FOR;
    for number in 1..=16 {
        stores.reserve(&reservation(user, number)).await;
    }
    let had = race(32, |index| {
        let store = Arc::clone(&stores.pictures);
        let number = u16::try_from(index / 2 + 1).unwrap();
        async move {
            if index % 2 == 0 {
                return ids(&store.claim(now, 16).await.unwrap());
            }
            match store.reserve(&Reservation { now, ..reservation(user, number) }).await {
                Ok(()) => vec![picture(number.into())],
                Err(ReserveError::BeingRemoved) => vec![],
                Err(other) => panic!("{other:?}"),
            }
        }
    })
    .await;
    let had: Vec<_> = had.concat();
    assert_eq!((had.len(), had.iter().collect::<HashSet<_>>().len()), (16, 16));
}

pub async fn of_64_concurrent_reservations_of_one_picture_all_succeed(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    race(64, |_| {
        let store = Arc::clone(&stores.pictures);
        async move { store.reserve(&reservation(user, 1)).await.unwrap() }
    })
    .await;
    assert_eq!(stores.pictures(user).await.len(), 1);
}

pub async fn an_avatar_is_told_after_the_profile_and_with_what_it_counts(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.reserve(&reservation(user, 3)).await;
    let change = ProfileChange { picture_event_id: event_id(), ..upload(user, 3) };
    stores.profiles.update(&change).await.unwrap();
    let [_, updated, told] = stores.events_of(user).await.try_into().unwrap();
    assert!(matches!(updated.body, EventBody::ProfileUpdated { version: 2, .. }), "{updated:?}");
    let body = EventBody::AvatarChanged { images_processed: 1, storage_bytes: 3_000 };
    assert_eq!(told, Event { id: change.picture_event_id, user_id: user, occurred_at: change.now, body });
}

pub async fn only_the_bytes_of_what_is_shown_are_counted(stores: &Stores) {
    let user = stores.showing("ada").await;
    for number in [2, 5] {
        stores.reserve(&reservation(user, number)).await;
    }
    let mut both = shows(user, picture(2));
    both.avatar_url = shows(user, picture(1)).avatar_url;
    for patch in [shows(user, picture(2)), both, shows_nothing()] {
        stores.update(user, patch).await;
    }
    assert_eq!(storage_bytes(&stores.events_of(user).await), [1_000, 2_000, 3_000, 0]);
}

pub async fn an_update_of_other_fields_tells_of_no_avatar(stores: &Stores) {
    let user = stores.showing("ada").await;
    for patch in [username("Eve"), shows(user, picture(1))] {
        stores.update(user, patch).await;
    }
    assert_eq!(storage_bytes(&stores.events_of(user).await), [1_000]);
}

pub async fn a_refused_update_moves_nothing_and_tells_nothing(stores: &Stores) {
    let user = stores.showing("ada").await;
    stores.given(registered("eve")).await;
    stores.reserve(&reservation(user, 2)).await;
    let before = (stores.held(user).await, stores.pictures(user).await);
    let stale = Precondition::Seen(vec![SeenVersion { profile: 1, channels: None }]);
    let stale = ProfileChange { precondition: stale, ..upload(user, 2) };
    let refused = stores.profiles.update(&stale).await;
    assert!(matches!(refused, Err(UpdateError::PreconditionFailed(_))), "{refused:?}");
    let taken = ProfilePatch { username: username("Eve").username, ..shows(user, picture(2)) };
    let taken = ProfileChange { patch: taken, ..upload(user, 2) };
    let refused = stores.profiles.update(&taken).await;
    assert!(matches!(refused, Err(UpdateError::UsernameTaken)), "{refused:?}");
    assert_eq!((stores.held(user).await, stores.pictures(user).await), before);
}

pub async fn an_upload_of_what_is_shown_already_ends_its_reservation_and_tells_nothing(stores: &Stores) {
    let user = stores.showing("ada").await;
    stores.reserve(&reservation(user, 1)).await;
    let held = stores.held(user).await;
    stores.upload(user, 1).await;
    assert_eq!(stores.held(user).await, held);
    let deletion = DeleteAccount { now: changed_at(), ..delete(user) };
    stores.accounts.delete(&deletion).await.unwrap();
    assert_eq!(ids(&stores.claimed(changed_at()).await), [picture(1)]);
}

pub async fn an_upload_that_is_gone_or_going_is_unavailable_and_changes_nothing(stores: &Stores) {
    let user = stores.showing("ada").await;
    stores.reserve(&reservation(user, 2)).await;
    assert_eq!(ids(&stores.claimed(noon() + RESERVED_FOR).await), [picture(2)]);
    let before = (stores.held(user).await, stores.pictures(user).await);
    for number in [2, 3] {
        let refused = stores.profiles.update(&upload(user, number)).await;
        assert!(matches!(refused, Err(UpdateError::Unavailable(_))), "{refused:?}");
        assert_eq!((stores.held(user).await, stores.pictures(user).await), before);
    }
}

pub async fn a_picture_that_is_shown_again_without_its_upload_stays_reserved(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.reserve(&reservation(user, 1)).await;
    stores.update(user, shows(user, picture(1))).await;
    let deletion = DeleteAccount { now: changed_at(), ..delete(user) };
    stores.accounts.delete(&deletion).await.unwrap();
    assert_eq!(stores.claimed(noon() + RESERVED_FOR - MICRO).await, []);
    assert_eq!(stores.claimed(noon() + RESERVED_FOR).await.len(), 1);
}

pub async fn a_picture_that_is_gone_or_going_is_not_shown_again_and_the_refusal_changes_nothing(stores: &Stores) {
    let user = stores.showing("ada").await;
    stores.reserve(&reservation(user, 2)).await;
    stores.upload(user, 2).await;
    let goes_at = changed_at() + RELEASED_FOR;
    let [claim] = stores.claimed(goes_at).await.try_into().unwrap();
    let before = (stores.held(user).await, stores.pictures(user).await);
    for number in [1, 3] {
        let mut both = shows(user, picture(2));
        both.avatar_url = shows(user, picture(number)).avatar_url;
        for mut patch in [shows(user, picture(number)), both] {
            patch.username = username("Eve").username;
            let refused = stores.profiles.update(&change(user, patch)).await;
            assert!(matches!(refused, Err(UpdateError::Invalid { field: "avatar_url", .. })), "{refused:?}");
            assert_eq!((stores.held(user).await, stores.pictures(user).await), before);
        }
    }
    // The name is free.
    stores.given(registered("eve")).await;
    stores.pictures.purged(&claim).await.unwrap();
    assert_eq!(stores.pictures(user).await.iter().map(|picture| picture.id).collect::<Vec<_>>(), [picture(2)]);
}

pub async fn users_with_the_same_picture_do_not_touch_each_other(stores: &Stores) {
    let (ada, eve) = (stores.showing("ada").await, stores.showing("eve").await);
    let before = (stores.pictures(eve).await, stores.events_of(eve).await);
    stores.update(ada, shows_nothing()).await;
    let [claim] = stores.claimed(noon() + RELEASED_FOR * 2).await.try_into().unwrap();
    stores.pictures.purged(&claim).await.unwrap();
    // Nor is the picture of another one's own.
    stores.update(ada, shows(eve, picture(1))).await;
    stores.accounts.delete(&delete(ada)).await.unwrap();
    assert_eq!(stores.pictures(ada).await, []);
    assert_eq!((stores.pictures(eve).await, stores.events_of(eve).await), before);
}

pub async fn a_deletion_lets_every_picture_of_the_user_go_at_once(stores: &Stores) {
    let user = stores.showing("ada").await;
    stores.reserve(&reservation(user, 2)).await;
    stores.upload(user, 2).await;
    let deletion = delete(user);
    stores.accounts.delete(&deletion).await.unwrap();
    assert_eq!(
        stores.pictures(user).await.iter().map(|picture| picture.purge_after).collect::<Vec<_>>(),
        [Some(deletion.now), Some(deletion.now)]
    );
    assert_eq!(stores.claimed(deletion.now - MICRO).await, []);
    let claimed: HashSet<_> = ids(&stores.claimed(deletion.now).await).into_iter().collect();
    assert_eq!(claimed, [1, 2].map(picture).into());
}

pub async fn a_deletion_delays_no_picture_that_may_go_already(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.reserve(&reservation(user, 1)).await;
    stores.accounts.delete(&delete(user)).await.unwrap();
    assert_eq!(stores.purge_after(user, picture(1)).await, Some(noon()));
}

pub async fn a_deletion_and_an_avatar_at_once_leave_nothing_behind(stores: &Stores) {
    let user = stores.showing("ada").await;
    for number in 2..=8 {
        stores.reserve(&reservation(user, number)).await;
    }
    race(8, |index| {
        let stores = stores.clone();
        async move {
            if index == 4 {
                stores.accounts.delete(&delete(user)).await.map(|_| ()).unwrap();
            } else {
                let number = u128::try_from(index).unwrap() + 1;
                let updated = stores.profiles.update(&upload(user, number)).await;
                assert!(matches!(updated, Ok(_) | Err(UpdateError::NotFound)), "{updated:?}");
            }
        }
    })
    .await;
    assert_eq!(stores.claimed(noon() + Duration::from_hours(1)).await.len(), 8);
}

pub async fn a_user_who_comes_back_may_show_the_same_picture(stores: &Stores) {
    let user = stores.showing("ada").await;
    let deletion = delete(user);
    stores.accounts.delete(&deletion).await.unwrap();
    let later = deletion.now + Duration::from_mins(1);
    assert_eq!(stores.accounts.provision(&provision(user, later)).await.unwrap(), Provisioned::Made);
    stores.reserve(&Reservation { now: later, ..reservation(user, 1) }).await;
    assert_eq!(stores.claimed(later).await, []);
    stores.upload(user, 1).await;
    assert_eq!(stores.purge_after(user, picture(1)).await, None);
    assert_eq!(stores.claimed(later + RELEASED_FOR * 2).await, []);
    assert_eq!(storage_bytes(&stores.events_of(user).await), [1_000]);
}

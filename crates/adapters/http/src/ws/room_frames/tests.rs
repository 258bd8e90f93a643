use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use frontdesk_kernel::{Clock, Entropy, Event, EventId, Timestamp};
use frontdesk_profile::profile::{ProfileChange, UpdateError, View};
use frontdesk_profile::{Email, FieldText as _, Line, Paragraph, ProfileStore, Username};
use frontdesk_rooms::Position;
use serde_json::json;
use uuid::Uuid;

use super::super::frame::tests::said;
use super::super::frames::tests::{at, epoch, room};
use super::*;

/// Profiles in a map, and how often one was read.
#[derive(Default)]
struct Kept {
    profiles: Mutex<HashMap<UserId, Profile>>,
    reads: AtomicUsize,
}

#[async_trait]
impl ProfileStore for Kept {
    async fn profile(&self, user: UserId) -> Result<Option<Arc<Profile>>, Unavailable> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(self.profiles.lock().unwrap().get(&user).cloned().map(Arc::new))
    }

    async fn view(&self, _: UserId) -> Result<Option<View>, Unavailable> {
        Err(Unavailable::new("not asked here"))
    }

    async fn update(&self, _: &ProfileChange) -> Result<View, UpdateError> {
        Err(UpdateError::NotFound)
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        at(0)
    }
}

impl Entropy for Still {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

fn user(index: u128) -> UserId {
    UserId::new(Uuid::from_u128(index))
}

/// Ada (1), whose profile is public, and Bob (2), whose profile is not.
fn house() -> (Arc<Kept>, RoomFrames) {
    let kept = Arc::new(Kept::default());
    for (index, name, public_profile) in [(1, "ada", true), (2, "bob", false)] {
        let profile = Profile {
            email: Some(Email::parse("secret@example.com").unwrap()),
            bio: Some(Paragraph::parse("Hello").unwrap()),
            public_profile,
            ..Profile::new(user(index), Some(Username::parse(name).unwrap()), at(0))
        };
        kept.profiles.lock().unwrap().insert(user(index), profile);
    }
    let profiles = Profiles::new(Arc::<Kept>::clone(&kept), Arc::new(Still), Arc::new(Still));
    (kept, RoomFrames::new(profiles, PublicUrl::default()))
}

fn posted(index: u128, offset: u64, body: EventBody) -> Posted {
    let event = Event { id: EventId::new(Uuid::from_u128(50)), user_id: user(index), occurred_at: at(0), body };
    Posted { room: room(), entry: Entry { position: Position { epoch: epoch(), offset }, event } }
}

fn changed(index: u128, offset: u64, fields: &[&str]) -> Posted {
    let changed = fields.iter().map(|field| (*field).to_owned()).collect();
    posted(index, offset, EventBody::ProfileUpdated { version: 4, changed })
}

fn shown(frame: Option<&Frame>) -> Value {
    frame.map_or(Value::Null, |frame| said(&frame.bytes()))
}

#[tokio::test]
async fn others_hear_what_is_public_and_the_own_sockets_all() {
    let (_, frames) = house();
    let told = frames.updates(&[changed(1, 7, &["email", "bio"])]).await.unwrap().remove(0);
    let (peers, own) = (shown(told.peers.as_ref()), shown(told.own.as_ref()));
    assert_eq!((&peers["changed"], &own["changed"]), (&json!(["bio"]), &json!(["email", "bio"])));
    assert_eq!((&peers["offset"], &peers["version"]), (&json!(7), &json!(4)));
    assert_eq!((&peers["profile"]["bio"], &own["profile"]["email"]), (&json!("Hello"), &json!("secret@example.com")));
    assert!(!peers.to_string().contains("secret"));
}

#[tokio::test]
async fn a_change_of_what_is_private_is_told_to_the_own_sockets_alone() {
    let (_, frames) = house();
    let told = frames.updates(&[changed(1, 1, &["email"]), changed(2, 2, &["bio"])]).await.unwrap();
    assert!(told.iter().all(|told| told.peers.is_none() && told.own.is_some()));
}

#[tokio::test]
async fn each_profile_is_read_once_however_many_entries_tell_of_it() {
    let (kept, frames) = house();
    let entries = [changed(1, 1, &["bio"]), changed(2, 2, &["username"]), changed(1, 3, &["bio"])];
    let told = frames.updates(&entries).await.unwrap();
    let offsets: Vec<_> = told.iter().map(|told| told.own.as_ref().unwrap().position().unwrap().offset).collect();
    assert_eq!((offsets, kept.reads.load(Ordering::Relaxed)), (vec![1, 2, 3], 2));
}

#[tokio::test]
async fn of_who_is_gone_only_the_deletion_is_told() {
    let (_, frames) = house();
    let entries = [changed(3, 1, &["bio"]), posted(3, 2, EventBody::AccountDeleted { sessions: vec![] })];
    let told = frames.updates(&entries).await.unwrap();
    assert!(told[0].peers.is_none() && told[0].own.is_none() && told[1].own.is_none());
    assert_eq!(shown(told[1].peers.as_ref())["type"], "user_deleted");
}

#[tokio::test]
async fn members_are_read_once_and_those_who_are_gone_are_left_out() {
    let (kept, frames) = house();
    for _ in 0..2 {
        let members = frames.members(&[user(2), user(3), user(1)]).await.unwrap();
        let members: Vec<Value> = members.iter().map(|member| serde_json::from_str(member).unwrap()).collect();
        let member = |index, name| json!({ "user_id": user(index), "display_name": name, "avatar_url": null });
        assert_eq!(members, [member(2, "bob"), member(1, "ada")]);
    }
    // The one who is gone is looked for each time: the id may be registered.
    assert_eq!(kept.reads.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn what_is_outdated_is_read_again() {
    let (kept, frames) = house();
    frames.members(&[user(1)]).await.unwrap();
    kept.profiles.lock().unwrap().get_mut(&user(1)).unwrap().display_name = Some(Line::parse("Ada L.").unwrap());
    frames.outdated(Some(user(1)));
    assert!(frames.members(&[user(1)]).await.unwrap()[0].contains("Ada L."));
}

#[tokio::test]
async fn who_comes_is_shown_and_who_is_nobody_is_not() {
    let (_, frames) = house();
    let joined = frames.joined(&[(room(), user(2)), (room(), user(3)), (room(), user(1))]).await.unwrap();
    let expected = json!({ "type": "member_joined", "room_id": "lobby", "user_id": user(2), "display_name": "bob",
        "avatar_url": null });
    assert_eq!(shown(joined[0].as_ref()), expected);
    assert!(joined[1].is_none());
    assert_eq!(shown(joined[2].as_ref())["display_name"], "ada");
    let left = json!({ "type": "member_left", "room_id": "lobby", "user_id": user(2) });
    assert_eq!(shown(Some(&frames.left(&room(), user(2)))), left);
}

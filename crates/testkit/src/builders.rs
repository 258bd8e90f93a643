//! Builders: valid things in one word, to be overridden where a test cares.
//!
//! ```
//! use frontdesk_testkit::builders::{noon, registered};
//!
//! let mut ada = registered("ada");
//! ada.account.claim_open_until = Some(noon());
//! ```

#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::DateTime;
use frontdesk_kernel::gcra::Subject;
use frontdesk_kernel::idempotency::{Answer, Claim, Completion, Fingerprint, Scope};
use frontdesk_kernel::{Clock, Entropy, Event, EventBody, EventId, Patch, SessionId, Timestamp, UserId};
use frontdesk_profile::account::{Account, DeleteAccount, PasswordGround, SetPassword};
use frontdesk_profile::avatar::{AvatarSize, PictureFormat, PictureId, PicturePath};
use frontdesk_profile::channels::{Channels, ChannelsPatch};
use frontdesk_profile::password::PasswordHash;
use frontdesk_profile::preferences::PreferencesPatch;
use frontdesk_profile::profile::{Authority, AvatarUrls, Precondition, Profile, ProfileChange, ProfilePatch};
use frontdesk_profile::revocation::Remember;
use frontdesk_profile::session::{
    Client, EndSessions, IDLE_LIFETIME, Notice, OpenSession, Refresh, Rotation, Session, Which,
};
use frontdesk_profile::settings::{Settings, SettingsChange, SettingsPatch};
use frontdesk_profile::token::Identity;
use frontdesk_profile::{FieldText, Provision, Registered, Reservation};
use serde_json::Value;
use uuid::Uuid;

mod rooms;

pub use rooms::{account_deleted, entering, epoch, leaving, node, profile_updated, room, ticket_id};

/// 2026-11-20T12:00:00.123457Z: with microseconds that neither a float nor a millisecond can hold.
pub fn noon() -> Timestamp {
    Timestamp::new(DateTime::from_timestamp_micros(1_795_176_000_123_457).unwrap())
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    /// Stands at a moment.
    pub const fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves to a moment, backwards too.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = now;
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = *now + by;
    }
}

impl Default for TestClock {
    /// Stands at [`noon`].
    fn default() -> Self {
        Self::at(noon())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Bytes that look random, are the same in every run and never repeat within one. The `SplitMix64` generator.
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// Seeds of two tests that share a backend must differ.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut word = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

impl Default for SeededEntropy {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(self.next().to_le_bytes().split_at(chunk.len()).0);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests that happen to share a backend must not share an id")]
fn unique() -> Uuid {
    Uuid::now_v7()
}

/// A user that nobody else has.
pub fn user_id() -> UserId {
    UserId::new(unique())
}

/// An event id that nobody else has.
pub fn event_id() -> EventId {
    EventId::new(unique())
}

/// Reads text that is known to keep its rule.
#[track_caller]
pub fn parsed<T: FieldText>(typed: &str) -> T {
    T::parse(typed).unwrap()
}

/// A field set to text that is known to keep its rule.
#[track_caller]
pub fn set<T: FieldText>(typed: &str) -> Patch<T> {
    Patch::Set(parsed(typed))
}

/// An event that tells of a new account at [`noon`].
pub fn account_created(user_id: UserId) -> Event {
    Event { id: event_id(), user_id, occurred_at: noon(), body: EventBody::AccountCreated }
}

fn stored(username: Option<&str>) -> Registered {
    let id = user_id();
    Registered {
        account: Account { id, password: None, claim_open_until: None, created_at: noon() },
        profile: Profile::new(id, username.map(parsed), noon()),
        settings: Settings::new(noon()),
        channels: Channels::default(),
        session: None,
        event: account_created(id),
    }
}

/// An account made at [`noon`], closed to strangers, without a password.
pub fn registered(username: &str) -> Registered {
    stored(Some(username))
}

/// As [`registered`], for a user of a trusted issuer.
pub fn registered_without_username() -> Registered {
    stored(None)
}

/// As [`registered`], and open to whoever has its id until an hour after [`noon`].
pub fn unclaimed(username: &str) -> Registered {
    let mut new = registered(username);
    new.account.claim_open_until = Some(noon() + Duration::from_hours(1));
    new
}

/// As [`registered`], with a password.
pub fn with_password(username: &str, hash: &str) -> Registered {
    let mut new = registered(username);
    new.account.password = Some(PasswordHash::new(hash));
    new
}

/// A change of a profile by its owner, a minute after [`noon`].
pub fn change(user_id: UserId, patch: ProfilePatch) -> ProfileChange {
    ProfileChange {
        user_id,
        authority: Authority::Granted,
        patch,
        channels: None,
        precondition: Precondition::None,
        now: noon() + Duration::from_mins(1),
        event_id: event_id(),
        picture_event_id: event_id(),
        upload: None,
    }
}

/// A change of a profile through a facade that shows the channels too.
pub fn change_with_channels(user_id: UserId, patch: ProfilePatch, channels: ChannelsPatch) -> ProfileChange {
    ProfileChange { channels: Some(channels), ..change(user_id, patch) }
}

/// A patch of the display name alone.
pub fn display_name(typed: &str) -> ProfilePatch {
    ProfilePatch { display_name: set(typed), ..ProfilePatch::default() }
}

/// A patch of the username alone.
pub fn username(typed: &str) -> ProfilePatch {
    ProfilePatch { username: Some(parsed(typed)), ..ProfilePatch::default() }
}

/// A patch of the preferences alone, from a JSON object.
#[track_caller]
pub fn preferences(patch: Value) -> ProfilePatch {
    let Value::Object(map) = patch else { return ProfilePatch::default() };
    ProfilePatch { preferences: Patch::Set(PreferencesPatch::parse(map).unwrap()), ..ProfilePatch::default() }
}

/// A patch that sets every field to something that no new profile has. The username becomes `username`.
pub fn every_field(username: &str) -> ProfilePatch {
    let picture = |size: &str| Some(parsed(&format!("/avatars/x/{size}.jpg")));
    let document = serde_json::json!({ "voice_preference": "echo", "of the client": [1, "two", null] });
    let Value::Object(document) = document else { return ProfilePatch::default() };
    ProfilePatch {
        username: Some(parsed(username)),
        display_name: set("Ada, Countess of Lovelace"),
        first_name: set("Ada"),
        last_name: set("Lovelace"),
        email: set("ada@example.com"),
        phone: set("+4930123456"),
        bio: set("Notes:\n\tA to G"),
        company: set("Analytical Engines"),
        job_title: set("Countess"),
        location: set("London"),
        website: set("https://example.com/ada?x=1#y"),
        linkedin_username: set("ada-l"),
        github_username: set("ada_g"),
        twitter_username: set("ada.t"),
        avatar_url: set("https://example.com/ada.png"),
        avatar_urls: Patch::Set(AvatarUrls {
            thumbnail: picture("thumbnail"),
            small: picture("small"),
            medium: picture("medium"),
            large: picture("large"),
        }),
        timezone: set("Europe/London"),
        language: set("en-GB"),
        public_profile: Patch::Set(true),
        email_notifications: Patch::Set(false),
        marketing_emails: Patch::Set(true),
        preferences: Patch::Set(PreferencesPatch::parse(document).unwrap()),
    }
}

/// A picture by its number.
pub const fn picture(number: u128) -> PictureId {
    PictureId::new(number.to_be_bytes())
}

/// Announces the files of a picture at [`noon`]: a thousand bytes for each of its number.
pub fn reservation(user_id: UserId, number: u16) -> Reservation {
    let bytes = u64::from(number) * 1_000;
    Reservation { user_id, picture: picture(number.into()), bytes, now: noon() }
}

/// The end of an upload: its picture is shown in place of whatever was.
pub fn upload(user_id: UserId, number: u128) -> ProfileChange {
    let picture = picture(number);
    ProfileChange { upload: Some(picture), ..change(user_id, shows(user_id, picture)) }
}

/// A patch by which a user shows a picture of their own in place of whatever was shown.
pub fn shows(user_id: UserId, picture: PictureId) -> ProfilePatch {
    let url = |size| PicturePath { user_id, picture, size, format: PictureFormat::Jpeg }.into();
    ProfilePatch {
        avatar_url: Patch::Set(url(AvatarSize::Medium)),
        avatar_urls: Patch::Set(AvatarUrls {
            thumbnail: Some(url(AvatarSize::Thumbnail)),
            small: Some(url(AvatarSize::Small)),
            medium: Some(url(AvatarSize::Medium)),
            large: Some(url(AvatarSize::Large)),
        }),
        ..ProfilePatch::default()
    }
}

/// A patch of no avatar.
pub fn shows_nothing() -> ProfilePatch {
    ProfilePatch { avatar_url: Patch::Clear, avatar_urls: Patch::Clear, ..ProfilePatch::default() }
}

/// A patch that clears every field that can be cleared.
pub fn every_field_cleared() -> ProfilePatch {
    ProfilePatch {
        username: None,
        display_name: Patch::Clear,
        first_name: Patch::Clear,
        last_name: Patch::Clear,
        email: Patch::Clear,
        phone: Patch::Clear,
        bio: Patch::Clear,
        company: Patch::Clear,
        job_title: Patch::Clear,
        location: Patch::Clear,
        website: Patch::Clear,
        linkedin_username: Patch::Clear,
        github_username: Patch::Clear,
        twitter_username: Patch::Clear,
        avatar_url: Patch::Clear,
        avatar_urls: Patch::Clear,
        timezone: Patch::Clear,
        language: Patch::Clear,
        public_profile: Patch::Clear,
        email_notifications: Patch::Clear,
        marketing_emails: Patch::Clear,
        preferences: Patch::Clear,
    }
}

/// A change of settings, a minute after [`noon`].
pub fn settings_change(user_id: UserId, patch: SettingsPatch) -> SettingsChange {
    SettingsChange { user_id, patch, seen: None, now: noon() + Duration::from_mins(1) }
}

/// A new password by the owner, who has seen `seen`, a minute after [`noon`].
pub fn set_password(user_id: UserId, seen: Option<&str>, hash: &str) -> SetPassword {
    SetPassword {
        user_id,
        ground: PasswordGround::Owner,
        seen: seen.map(PasswordHash::new),
        hash: PasswordHash::new(hash),
        session: session_at(user_id, noon() + Duration::from_mins(1)),
        now: noon() + Duration::from_mins(1),
        event_id: event_id(),
        notice: notice(),
    }
}

/// A session id that nobody else has.
pub fn session_id() -> SessionId {
    SessionId::new(unique())
}

/// What has to be told of the end of a session; tokens live for a quarter of an hour.
pub fn notice() -> Notice {
    Notice {
        event_id: event_id(),
        remember: Remember { own: Duration::from_mins(15), foreign: Duration::from_mins(15) },
    }
}

/// A session that began at a moment. Its digests are those of no other session.
pub fn session_at(user_id: UserId, at: Timestamp) -> Session {
    Session {
        id: session_id(),
        user_id,
        client: Client { device: Some("Safari on iPhone".to_owned()), app_type: Some("mobile".to_owned()) },
        created_at: at,
        last_seen_at: at,
        authenticated_at: at,
        expires_at: at + IDLE_LIFETIME,
        rotation: Rotation {
            family: unique_digest(),
            current: unique_digest(),
            previous: None,
            rotated_at: at,
            access_token_id: unique(),
        },
    }
}

/// Opens a session of an account without a password.
pub fn open(session: &Session) -> OpenSession {
    OpenSession { session: session.clone(), seen: None, notice: notice() }
}

/// Refreshes a session with its present token, a minute after it began.
pub fn refresh(session: &Session) -> Refresh {
    let [.., number] = unique().into_bytes();
    Refresh {
        user_id: session.user_id,
        session_id: session.id,
        family: session.rotation.family,
        presented: session.rotation.current,
        next: unique_digest(),
        sealed: [number; 32],
        access_token_id: unique(),
        now: session.created_at + Duration::from_mins(1),
        notice: notice(),
    }
}

fn unique_digest() -> [u8; 32] {
    let half = unique().into_bytes();
    let mut digest = [0; 32];
    digest.iter_mut().zip(half.into_iter().cycle()).for_each(|(byte, of)| *byte = of);
    digest
}

/// Ends sessions, two minutes after [`noon`].
pub fn end(user_id: UserId, which: Which) -> EndSessions {
    EndSessions { user_id, which, now: noon() + Duration::from_mins(2), notice: notice() }
}

/// Deletes an account, an hour after [`noon`].
pub fn delete(user_id: UserId) -> DeleteAccount {
    DeleteAccount { user_id, receipt_id: unique(), now: noon() + Duration::from_hours(1), notice: notice() }
}

/// The first use of a token that a trusted issuer issued at a moment.
pub fn provision(user: UserId, issued_at: Timestamp) -> Provision {
    let mut new = registered_without_username();
    (new.account.id, new.profile.id, new.event.user_id) = (user, user, user);
    (new.profile.email, new.profile.email_verified) = (Some(parsed("ada@example.com")), true);
    let subject = format!("auth0|{user}");
    Provision { new, identity: Some(Identity { issuer: "https://issuer.example".to_owned(), subject }), issued_at }
}

/// The first password of an unclaimed account, by whoever has its id, a minute after [`noon`].
pub fn first_password(user_id: UserId, hash: &str) -> SetPassword {
    SetPassword { ground: PasswordGround::Unclaimed, ..set_password(user_id, None, hash) }
}

/// The scope of a registration with a key.
pub fn scope(key: &str) -> Scope {
    Scope { principal: "POST /users".to_owned(), route: "POST /users".to_owned(), key: key.to_owned() }
}

/// A claim on the scope of a registration; as there, each try has another user in mind.
pub fn claim(key: &str) -> Claim {
    Claim { scope: scope(key), token: unique(), user_id: user_id() }
}

/// The fingerprint of a request that is nothing but this byte.
pub const fn fingerprint(of: u8) -> Fingerprint {
    [of; 32]
}

/// Fulfils a claim with an answer of bytes that are no text.
pub fn completion(claim: &Claim) -> Completion {
    Completion { claim: claim.clone(), answer: Answer { status: 201, body: (0..=u8::MAX).collect() } }
}

/// A subject that nobody else has.
pub fn subject() -> Subject {
    Subject::User(user_id())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn seeded_bytes_are_the_same_in_every_run() {
        let (one, same) = (SeededEntropy::new(7), SeededEntropy::new(7));
        assert_eq!(one.uuid_v7(noon()), same.uuid_v7(noon()));
    }

    #[test]
    fn seeded_bytes_never_repeat_even_when_threads_draw_at_once() {
        let entropy = SeededEntropy::default();
        let draw = || (0..1_000).map(|_| entropy.uuid_v7(noon())).collect::<Vec<_>>();
        let drawn: HashSet<Uuid> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(drawn.len(), 4_000);
    }

    #[test]
    fn the_clock_moves_only_when_told() {
        let clock = TestClock::default();
        clock.advance(Duration::from_micros(1));
        assert_eq!(clock.now(), noon() + Duration::from_micros(1));
        clock.set(noon());
        assert_eq!(clock.now(), noon());
    }

    #[test]
    fn noon_is_noon() {
        assert_eq!(noon().to_string(), "2026-11-20T12:00:00.123457Z");
    }
}

use frontdesk_kernel::EventBody;
use serde_json::{Map, json};
use uuid::Uuid;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn ada() -> View {
    let username = Username::parse("ada").unwrap();
    View { profile: Profile::new(UserId::new(Uuid::from_u128(1)), Some(username), at(0)), channels: None }
}

fn change(patch: ProfilePatch) -> ProfileChange {
    ProfileChange {
        user_id: UserId::new(Uuid::from_u128(1)),
        authority: Authority::Granted,
        patch,
        channels: None,
        precondition: Precondition::None,
        now: at(60),
        event_id: EventId::new(Uuid::from_u128(2)),
    }
}

fn line<const MAX: usize>(text: &str) -> Line<MAX> {
    Line::parse(text).unwrap()
}

#[test]
fn a_change_bumps_the_version_and_tells_what_changed() {
    let patch = ProfilePatch {
        bio: Patch::Set(Paragraph::parse("Hello").unwrap()),
        display_name: Patch::Set(line("Ada")),
        ..ProfilePatch::default()
    };
    let decision = decide(&ada(), &change(patch)).unwrap();
    assert_eq!((decision.view.profile.version, decision.view.profile.updated_at), (2, at(60)));
    assert_eq!(
        decision.event.unwrap().body,
        EventBody::ProfileUpdated { version: 2, changed: vec!["display_name".into(), "bio".into()] }
    );
}

#[test]
fn an_update_that_changes_nothing_bumps_nothing_and_tells_nothing() {
    let patch = ProfilePatch { display_name: Patch::Clear, timezone: Patch::Clear, ..ProfilePatch::default() };
    let decision = decide(&ada(), &change(patch)).unwrap();
    assert_eq!(decision, Decision { view: ada(), event: None, channels_changed: false });
}

#[test]
fn clearing_goes_back_to_the_default_where_there_is_one() {
    let mut stored = ada();
    stored.profile.language = Language::parse("de").unwrap();
    stored.profile.email_notifications = false;
    stored.profile.bio = Some(Paragraph::parse("x").unwrap());
    let patch = ProfilePatch {
        language: Patch::Clear,
        email_notifications: Patch::Clear,
        bio: Patch::Clear,
        ..ProfilePatch::default()
    };
    let profile = decide(&stored, &change(patch)).unwrap().view.profile;
    assert_eq!((profile.language, profile.email_notifications, profile.bio), (Language::default(), true, None));
}

#[test]
fn another_address_is_unverified_and_the_same_one_stays_verified() {
    let mut stored = ada();
    stored.profile.email = Some(Email::parse("ada@example.com").unwrap());
    stored.profile.email_verified = true;
    let with =
        |email: &str| ProfilePatch { email: Patch::Set(Email::parse(email).unwrap()), ..ProfilePatch::default() };
    assert!(decide(&stored, &change(with("ada@example.com"))).unwrap().view.profile.email_verified);
    assert!(!decide(&stored, &change(with("eve@example.com"))).unwrap().view.profile.email_verified);
}

#[test]
fn a_stale_copy_is_refused_with_the_current_one() {
    let mut stale = change(ProfilePatch { display_name: Patch::Set(line("Ada")), ..ProfilePatch::default() });
    stale.precondition = Precondition::Seen(vec![SeenVersion { profile: 7, channels: None }]);
    let refused = decide(&ada(), &stale).unwrap_err();
    assert!(matches!(refused, UpdateError::PreconditionFailed(current) if *current == ada()));
}

#[test]
fn a_copy_with_channels_is_stale_when_either_part_is() {
    let mut stored = ada();
    stored.channels = Some(Channels { version: 3, ..Channels::default() });
    let mut seen = change(ProfilePatch::default());
    for (channels, fresh) in [(Some(3), true), (Some(2), false), (None, true)] {
        seen.precondition = Precondition::Seen(vec![SeenVersion { profile: 1, channels }]);
        assert_eq!(decide(&stored, &seen).is_ok(), fresh, "{channels:?}");
    }
}

#[test]
fn an_empty_set_of_pictures_is_none() {
    let patch = ProfilePatch { avatar_urls: Patch::Set(AvatarUrls::default()), ..ProfilePatch::default() };
    let decision = decide(&ada(), &change(patch)).unwrap();
    assert_eq!((decision.view.profile.avatar_urls, decision.event), (None, None));
}

#[test]
fn a_document_that_grew_too_large_names_its_field() {
    let big: Map<String, serde_json::Value> = std::iter::once(("x".to_owned(), json!("y".repeat(17_000)))).collect();
    let patch = PreferencesPatch::parse(big).unwrap();
    let patch = ProfilePatch { preferences: Patch::Set(patch), ..ProfilePatch::default() };
    let refused = decide(&ada(), &change(patch)).unwrap_err();
    assert!(matches!(refused, UpdateError::Invalid { field: "preferences", .. }));
}

#[test]
fn the_shown_name_falls_back_from_display_name_to_names_to_username() {
    let mut profile = ada().profile;
    assert_eq!(profile.shown_name().as_deref(), Some("ada"));
    profile.last_name = Some(line("Lovelace"));
    assert_eq!(profile.shown_name().as_deref(), Some("Lovelace"));
    profile.first_name = Some(line("Ada"));
    assert_eq!(profile.shown_name().as_deref(), Some("Ada Lovelace"));
    profile.display_name = Some(line("The Countess"));
    assert_eq!(profile.shown_name().as_deref(), Some("The Countess"));
}

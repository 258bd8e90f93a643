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
        picture_event_id: EventId::new(Uuid::from_u128(3)),
        upload: None,
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
    assert_eq!(decision, Decision { view: ada(), event: None, channels_changed: false, pictures: None });
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

const A: &str = "/avatars/00000000-0000-0000-0000-000000000001/0000000000000000000000000000000a/medium.jpg";
const B: &str = "/avatars/00000000-0000-0000-0000-000000000001/0000000000000000000000000000000b/large.png";
const OF_ANOTHER: &str = "/avatars/00000000-0000-0000-0000-000000000002/0000000000000000000000000000000c/medium.jpg";

fn avatar(url: &str) -> AvatarUrl {
    AvatarUrl::parse(url).unwrap()
}

fn moved(stored: &View, patch: ProfilePatch) -> Option<PictureMoves> {
    decide(stored, &change(patch)).unwrap().pictures
}

fn picture(digit: u128) -> PictureId {
    PictureId::new(digit.to_be_bytes())
}

#[test]
fn a_profile_takes_the_picture_it_shows_and_releases_the_one_before_a_day_later() {
    let mut stored = ada();
    stored.profile.avatar_url = Some(avatar(A));
    let urls = AvatarUrls { large: Some(avatar(B)), ..AvatarUrls::default() };
    let both =
        ProfilePatch { avatar_url: Patch::Set(avatar(B)), avatar_urls: Patch::Set(urls), ..ProfilePatch::default() };
    let moves = moved(&stored, both).unwrap();
    assert_eq!((&*moves.shown_again, &*moves.released), ([picture(0xb)].as_slice(), [picture(0xa)].as_slice()));
    assert_eq!(moves.purge_after, at(60 + 24 * 60 * 60));
    let body = EventBody::AvatarChanged { images_processed: 0, storage_bytes: 7 };
    assert_eq!(moves.event(7).unwrap().body, body);
}

#[test]
fn a_picture_that_another_field_still_shows_is_not_released() {
    let mut stored = ada();
    stored.profile.avatar_url = Some(avatar(A));
    stored.profile.avatar_urls = Some(AvatarUrls { small: Some(avatar(A)), ..AvatarUrls::default() });
    assert_eq!(moved(&stored, ProfilePatch { avatar_url: Patch::Clear, ..ProfilePatch::default() }), None);
    let both = ProfilePatch { avatar_url: Patch::Clear, avatar_urls: Patch::Clear, ..ProfilePatch::default() };
    assert_eq!(moved(&stored, both).unwrap().released, [picture(0xa)]);
}

#[test]
fn pictures_of_others_and_elsewhere_are_none_of_the_users() {
    for url in [OF_ANOTHER, "https://example.com/a.png"] {
        let patch = ProfilePatch { avatar_url: Patch::Set(avatar(url)), ..ProfilePatch::default() };
        assert_eq!(moved(&ada(), patch), None, "{url}");
    }
}

fn upload(digit: u128, url: &str) -> ProfileChange {
    let patch = ProfilePatch { avatar_url: Patch::Set(avatar(url)), ..ProfilePatch::default() };
    ProfileChange { upload: Some(picture(digit)), ..change(patch) }
}

#[test]
fn an_upload_is_told_apart_from_what_is_shown_again_and_counts_an_image() {
    let moves = decide(&ada(), &upload(0xa, A)).unwrap().pictures.unwrap();
    assert_eq!((moves.uploaded, &*moves.shown_again), (Some(picture(0xa)), [].as_slice()));
    let body = EventBody::AvatarChanged { images_processed: 1, storage_bytes: 7 };
    assert_eq!(moves.event(7).unwrap().body, body);
}

#[test]
fn an_upload_of_what_is_shown_already_is_to_be_stored_but_not_told() {
    let mut stored = ada();
    stored.profile.avatar_url = Some(avatar(A));
    let moves = decide(&stored, &upload(0xa, A)).unwrap().pictures.unwrap();
    assert_eq!((moves.uploaded, &*moves.released, moves.event(7)), (Some(picture(0xa)), [].as_slice(), None));
}

#[test]
fn a_picture_of_the_users_under_a_url_of_any_host_is_theirs() {
    for url in [format!("https://old.example{A}"), format!("http://a.test/id{A}?v=2#x")] {
        let patch = ProfilePatch { avatar_url: Patch::Set(avatar(&url)), ..ProfilePatch::default() };
        assert_eq!(moved(&ada(), patch).unwrap().shown_again, [picture(0xa)], "{url}");
    }
    let of_another = format!("https://old.example{OF_ANOTHER}");
    let patch = ProfilePatch { avatar_url: Patch::Set(avatar(&of_another)), ..ProfilePatch::default() };
    assert_eq!(moved(&ada(), patch), None);
}

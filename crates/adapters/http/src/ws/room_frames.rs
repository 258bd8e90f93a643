//! Makes the frames of what happened to whom.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{EventBody, Unavailable, UserId};
use frontdesk_profile::Profiles;
use frontdesk_profile::profile::{Profile, heard_by_others};
use frontdesk_rooms::store::{Entry, Posted};
use frontdesk_rooms::{Frames, RoomId, Told};
use futures_util::future::try_join_all;
use serde_json::Value;

use super::frame::Frame;
use super::frames::{Member, MemberJoined, MemberLeft, ProfileUpdated, UserDeleted};
use super::presented::Presented;
use crate::config::PublicUrl;
use crate::dto::view::{ProfileBody, PublicProfileBody, shown_picture};

/// How many profiles are read at a time, so that a full room leaves the pool to others.
const AT_A_TIME: usize = 16;

/// Makes frames out of what the profiles say now, and remembers what members look like.
pub struct RoomFrames {
    profiles: Profiles,
    public_url: PublicUrl,
    presented: Presented,
}

/// A profile, as both sides are told of it.
struct Rendered {
    profile: Arc<Profile>,
    own: Arc<Value>,
    public: Arc<Value>,
}

/// Nobody hears of it.
const SILENCE: Told<Frame> = Told { peers: None, own: None };

impl RoomFrames {
    /// Joins the profiles, and the URL that their own pictures are shown under.
    pub fn new(profiles: Profiles, public_url: PublicUrl) -> Self {
        Self { profiles, public_url, presented: Presented::new() }
    }

    /// What each of these looks like, in their order, as the JSON of [`Member`]. Who is gone is left out.
    pub(super) async fn members(&self, users: &[UserId]) -> Result<Vec<Arc<str>>, Unavailable> {
        let mut members = self.presented.known(users);
        let unknown: Vec<_> =
            members.iter().zip(users).filter(|(known, _)| known.is_none()).map(|(_, id)| *id).collect();
        if !unknown.is_empty() {
            let mut read = HashMap::with_capacity(unknown.len());
            for some in unknown.chunks(AT_A_TIME) {
                let found = try_join_all(some.iter().map(|user_id| self.read_member(*user_id))).await?;
                read.extend(some.iter().zip(found).filter_map(|(user_id, member)| Some((*user_id, member?))));
            }
            for (member, user_id) in members.iter_mut().zip(users).filter(|(member, _)| member.is_none()) {
                *member = read.get(user_id).cloned();
            }
        }
        Ok(members.into_iter().flatten().collect())
    }

    async fn read_member(&self, user_id: UserId) -> Result<Option<Arc<str>>, Unavailable> {
        let seen = self.presented.before_reading(user_id);
        let Some(profile) = self.profiles.profile(user_id).await? else { return Ok(None) };
        let name = profile.shown_name();
        let picture = shown_picture(&profile, &self.public_url);
        let member =
            Member { user_id: user_id.as_uuid(), display_name: name.as_deref(), avatar_url: picture.as_deref() };
        // As `frame::encode`.
        let member: Arc<str> = serde_json::to_string(&member).unwrap_or_default().into();
        self.presented.add(user_id, &member, seen);
        Ok(Some(member))
    }

    /// The profiles that these entries tell of, each read once.
    async fn rendered(&self, posted: &[Posted]) -> Result<HashMap<UserId, Rendered>, Unavailable> {
        let updated = |posted: &&Posted| matches!(posted.entry.event.body, EventBody::ProfileUpdated { .. });
        let users: BTreeSet<_> = posted.iter().filter(updated).map(|posted| posted.entry.event.user_id).collect();
        let users: Vec<_> = users.into_iter().collect();
        let mut rendered = HashMap::with_capacity(users.len());
        for some in users.chunks(AT_A_TIME) {
            let found = try_join_all(some.iter().map(|user_id| self.profiles.profile(*user_id))).await?;
            rendered
                .extend(some.iter().zip(found).filter_map(|(user_id, found)| Some((*user_id, self.render(found?)))));
        }
        Ok(rendered)
    }

    fn came(&self, room_id: &RoomId, profile: &Profile) -> Frame {
        let (name, picture) = (profile.shown_name(), shown_picture(profile, &self.public_url));
        let (display_name, avatar_url) = (name.as_deref(), picture.as_deref());
        Frame::presence(&MemberJoined { room_id, user_id: profile.id.as_uuid(), display_name, avatar_url })
    }

    fn render(&self, profile: Arc<Profile>) -> Rendered {
        // As `frame::encode`.
        let own = serde_json::to_value(ProfileBody::of(&profile, &self.public_url)).unwrap_or_default();
        let public = serde_json::to_value(PublicProfileBody::of(&profile, &self.public_url)).unwrap_or_default();
        Rendered { profile, own: Arc::new(own), public: Arc::new(public) }
    }
}

/// What is told of a change of a profile.
fn updated(room: &RoomId, entry: &Entry, version: i64, changed: &[String], rendered: &Rendered) -> Told<Frame> {
    let Entry { position, event } = entry;
    let heard = heard_by_others(&rendered.profile, changed);
    let update = |changed: Vec<String>, profile: &Arc<Value>| {
        Frame::updated(ProfileUpdated {
            event_id: event.id.as_uuid(),
            room_id: room.clone(),
            user_id: event.user_id.as_uuid(),
            version,
            epoch: position.epoch,
            offset: position.offset,
            occurred_at: event.occurred_at,
            changed,
            profile: Arc::clone(profile),
        })
    };
    let peers = (!heard.is_empty()).then(|| update(heard.into_iter().map(str::to_owned).collect(), &rendered.public));
    Told { peers, own: Some(update(changed.to_vec(), &rendered.own)) }
}

/// What others are told of an account that is gone. Its own sockets are told as they are closed.
fn deleted(room: &RoomId, entry: &Entry) -> Told<Frame> {
    Told { peers: Some(Frame::deleted(&UserDeleted::of(room, entry), entry.position)), own: None }
}

#[async_trait]
impl Frames<Frame> for RoomFrames {
    async fn updates(&self, posted: &[Posted]) -> Result<Vec<Told<Frame>>, Unavailable> {
        let rendered = self.rendered(posted).await?;
        let told = posted.iter().map(|Posted { room, entry }| match &entry.event.body {
            EventBody::ProfileUpdated { version, changed } => rendered
                .get(&entry.event.user_id)
                .map_or(SILENCE, |rendered| updated(room, entry, *version, changed, rendered)),
            EventBody::AccountDeleted { .. } => deleted(room, entry),
            EventBody::AccountCreated
            | EventBody::AvatarChanged { .. }
            | EventBody::PasswordChanged
            | EventBody::SessionsEnded { .. }
            | EventBody::RoomEntered { .. }
            | EventBody::RoomLeft { .. } => SILENCE,
        });
        Ok(told.collect())
    }

    async fn joined(&self, came: &[(RoomId, UserId)]) -> Result<Vec<Option<Frame>>, Unavailable> {
        let mut joined = Vec::with_capacity(came.len());
        for some in came.chunks(AT_A_TIME) {
            let found = try_join_all(some.iter().map(|(_, user_id)| self.profiles.profile(*user_id))).await?;
            joined.extend(some.iter().zip(found).map(|((room, _), found)| Some(self.came(room, &*found?))));
        }
        Ok(joined)
    }

    fn left(&self, room: &RoomId, user_id: UserId) -> Frame {
        Frame::presence(&MemberLeft { room_id: room, user_id: user_id.as_uuid() })
    }

    fn outdated(&self, user_id: Option<UserId>) {
        self.presented.outdate(user_id);
    }
}

#[cfg(test)]
mod tests;

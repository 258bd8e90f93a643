//! Setting, showing and purging avatars.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_kernel::{Clock, Entropy, EventId, Patch, Timestamp, Unavailable, UserId};

use crate::AvatarUrl;
use crate::avatar::{AvatarSize, BySize, Initials, Part, PictureId, PicturePath, RenderError, Rendered};
use crate::profile::{Authority, AvatarUrls, Precondition, Profile, ProfileChange, ProfilePatch, UpdateError, View};
use crate::profiles::ProfileStore;

/// How long the files of a picture stay after the profile has ceased to show it: pages that were loaded before still
/// name them.
pub const RELEASED_FOR: Duration = Duration::from_hours(24);
/// How long files may wait for the profile that shows them. An upload that takes longer has failed.
pub const RESERVED_FOR: Duration = Duration::from_mins(10);
/// How long whoever purges a picture has for it; then another may try.
pub const CLAIMED_FOR: Duration = Duration::from_mins(10);

/// How long one call of [`AvatarFiles`] may take.
pub const FILES_WITHIN: Duration = Duration::from_secs(10);
/// Pictures that are claimed at a time.
const PURGE_BATCH: u32 = 20;

/// Makes avatars of pictures.
///
/// # Contract
/// - `render` MUST tell what a part is by its content alone, and MUST refuse it by its header, before it decodes any
///   pixel, where it is over [`MAX_SIDE`](crate::avatar::MAX_SIDE) or [`MAX_PIXELS`](crate::avatar::MAX_PIXELS).
/// - `render` MUST make a square of every size, cropped around the centre: of the part that is meant for it, else of
///   the part with the longest shorter side; upright, in sRGB, and never larger than what it is made of.
/// - `render` MUST refuse an upload of which any part is broken.
/// - No byte of an upload MUST be copied into a file.
/// - The same upload MUST give the same files.
/// - No input MUST end the process, nor take more memory than the adapter's documentation says.
/// - `render` MUST answer `Unavailable` where more is asked for than it can work off soon.
#[async_trait]
pub trait AvatarRenderer: Send + Sync + 'static {
    /// Makes every size.
    async fn render(&self, parts: Vec<Part>) -> Result<Rendered, RenderError>;
}

/// Keeps the files of pictures.
///
/// # Contract
/// - `write` MUST have stored every file for good when it returns, and MUST NOT harm files that are there already.
/// - A file MUST be there whole or not at all, whatever ends the process.
/// - A `write` that fails MUST leave nothing that is not the whole file of its name.
/// - `read` MUST give what was written, and nothing where nothing was.
/// - `remove` MUST remove all files of this picture of this user and no other, and MUST succeed where there are none.
/// - Every call MUST come to its end within [`FILES_WITHIN`], with `Unavailable` where there is no other.
#[async_trait]
pub trait AvatarFiles: Send + Sync + 'static {
    /// Stores the files of a picture.
    async fn write(&self, user: UserId, picture: &Rendered) -> Result<(), Unavailable>;

    /// Reads a file.
    async fn read(&self, file: &PicturePath) -> Result<Option<Vec<u8>>, Unavailable>;

    /// Removes the files of a picture.
    async fn remove(&self, user: UserId, picture: PictureId) -> Result<(), Unavailable>;
}

/// A picture of which files are about to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub picture: PictureId,
    /// How many bytes its files have in all.
    pub bytes: u64,
    /// The moment.
    pub now: Timestamp,
}

/// Why a picture is not reserved.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// No such user.
    #[error("User not found")]
    NotFound,
    /// Its files from an earlier time are being removed at this moment.
    #[error("the picture is being removed; send it again in a moment")]
    BeingRemoved,
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A picture of which files may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Which.
    pub id: PictureId,
    /// How many bytes its files have in all.
    pub bytes: u64,
    /// When it was first reserved.
    pub created_at: Timestamp,
    /// From when on its files may go; none while the profile shows it.
    pub purge_after: Option<Timestamp>,
}

/// A picture whose files go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedPicture {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub picture: PictureId,
    /// Until when nobody else may claim it; tells this claim from a later one.
    pub claimed_until: Timestamp,
}

/// Knows every picture of which files may exist, so that none is ever left behind.
///
/// # Contract
/// - A picture that is reserved for the first time MUST be purgeable from then on, but for the reservation.
/// - `reserve` MUST keep a picture from being claimed until `now` + [`RESERVED_FOR`], or until every upload that it was
///   reserved for is shown; and MUST refuse one that is claimed.
/// - `reserve` MUST refuse a user who is not there.
/// - [`ProfileStore::update`] MUST apply [`PictureMoves`](crate::profile::PictureMoves) in its transaction: a picture that
///   the profile begins to show is not purgeable, one that it ceased to show is from [`RELEASED_FOR`] later on. It MUST
///   change nothing where one of these is not known or is claimed: it MUST be `Unavailable` where that is the one that was
///   uploaded, and [`UpdateError::picture_is_gone`] where it is one that is shown again.
/// - A deletion of the account MUST make every picture of the user purgeable at once.
/// - `claim` MUST give pictures that are purgeable at `now`, neither reserved nor claimed, each to one caller only, until
///   `now` + [`CLAIMED_FOR`].
/// - `purged` MUST forget a picture whose claim is this one, and MUST do nothing otherwise.
#[async_trait]
pub trait PictureStore: Send + Sync + 'static {
    /// Announces files.
    async fn reserve(&self, reservation: &Reservation) -> Result<(), ReserveError>;

    /// The pictures of a user, the newest first.
    async fn pictures(&self, user: UserId) -> Result<Vec<Picture>, Unavailable>;

    /// Takes pictures whose files are to go, `limit` at most, of any user.
    async fn claim(&self, now: Timestamp, limit: u32) -> Result<Vec<ClaimedPicture>, Unavailable>;

    /// The files of a picture are gone.
    async fn purged(&self, claimed: &ClaimedPicture) -> Result<(), Unavailable>;
}

impl From<ReserveError> for UpdateError {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::NotFound => Self::NotFound,
            // The same upload is welcome once the files are gone: in a moment, or where they cannot be removed, once the
            // claim has ended.
            ReserveError::BeingRemoved => Unavailable::new(error).into(),
            ReserveError::Unavailable(cause) => cause.into(),
        }
    }
}

/// What is shown for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A file of ours.
    Picture(PicturePath),
    /// There is no picture here: their initials.
    Initials(Initials),
}

/// The ports behind [`Avatars`].
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port its type names")]
pub struct AvatarsPorts {
    pub renderer: Arc<dyn AvatarRenderer>,
    pub files: Arc<dyn AvatarFiles>,
    pub pictures: Arc<dyn PictureStore>,
    pub profiles: Arc<dyn ProfileStore>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Sets, shows and purges avatars.
///
/// The order is what keeps a profile from ever showing a picture that is not there: the picture is reserved, its files
/// are written, then the profile changes and lets go of the old picture, and only a day later the old files go.
#[derive(Clone)]
pub struct Avatars {
    ports: AvatarsPorts,
}

fn url(path: &PicturePath) -> AvatarUrl {
    AvatarUrl::from(*path)
}

fn patch(paths: &BySize<PicturePath>) -> ProfilePatch {
    let BySize { thumbnail, small, medium, large } = paths;
    ProfilePatch {
        avatar_url: Patch::Set(url(medium)),
        avatar_urls: Patch::Set(AvatarUrls {
            thumbnail: Some(url(thumbnail)),
            small: Some(url(small)),
            medium: Some(url(medium)),
            large: Some(url(large)),
        }),
        ..ProfilePatch::default()
    }
}

impl Avatars {
    /// Joins the ports.
    pub const fn new(ports: AvatarsPorts) -> Self {
        Self { ports }
    }

    /// Makes an avatar of an upload. Nothing is stored: whoever gives up waiting leaves the line.
    pub async fn render(&self, parts: Vec<Part>) -> Result<Rendered, RenderError> {
        self.ports.renderer.render(parts).await
    }

    /// Stores an avatar and shows it. The same picture again changes nothing.
    pub async fn set(
        &self,
        user_id: UserId,
        authority: Authority,
        rendered: Rendered,
        precondition: Precondition,
    ) -> Result<View, UpdateError> {
        let AvatarsPorts { files, pictures, profiles, clock, .. } = &self.ports;
        let now = clock.now();
        let bytes = rendered.bytes();
        pictures.reserve(&Reservation { user_id, picture: rendered.id, bytes, now }).await?;
        let written = files.write(user_id, &rendered).await;
        let late = clock.now();
        if now + RESERVED_FOR <= late {
            // They may have been purged, and written after that: they have to be known, or they would stay for ever.
            pictures.reserve(&Reservation { user_id, picture: rendered.id, bytes, now: late }).await?;
            return Err(Unavailable::new("the files took longer to write than they are reserved for").into());
        }
        written?;
        let patch = patch(&rendered.paths(user_id));
        let change = self.change(user_id, authority, patch, precondition, Some(rendered.id));
        profiles.update(&change).await
    }

    /// Takes the avatar away, wherever it lies.
    pub async fn clear(
        &self,
        user_id: UserId,
        authority: Authority,
        precondition: Precondition,
    ) -> Result<View, UpdateError> {
        let patch = ProfilePatch { avatar_url: Patch::Clear, avatar_urls: Patch::Clear, ..ProfilePatch::default() };
        self.ports.profiles.update(&self.change(user_id, authority, patch, precondition, None)).await
    }

    fn change(
        &self,
        user_id: UserId,
        authority: Authority,
        patch: ProfilePatch,
        precondition: Precondition,
        upload: Option<PictureId>,
    ) -> ProfileChange {
        let now = self.ports.clock.now();
        let event_id = || EventId::new(self.ports.entropy.uuid_v7(now));
        ProfileChange {
            user_id,
            authority,
            patch,
            channels: None,
            precondition,
            now,
            event_id: event_id(),
            picture_event_id: event_id(),
            upload,
        }
    }

    /// Reads a file.
    pub async fn file(&self, path: &PicturePath) -> Result<Option<Vec<u8>>, Unavailable> {
        self.ports.files.read(path).await
    }

    /// What is to be seen of a user in a size; nothing where there is no such user.
    ///
    /// A picture that lies elsewhere is none here: whoever follows a path of ours must not be led to an address that a
    /// user chose.
    pub async fn shown(&self, user: UserId, size: AvatarSize) -> Result<Option<Shown>, Unavailable> {
        let profile = self.ports.profiles.profile(user).await?;
        Ok(profile.map(|profile| shown(&profile, size)))
    }

    /// The pictures of a user of which files may exist, the newest first.
    pub async fn pictures(&self, user: UserId) -> Result<Vec<Picture>, Unavailable> {
        self.ports.pictures.pictures(user).await
    }

    /// Removes the files that nothing shows any more; tells of how many pictures.
    ///
    /// What cannot be removed holds up nothing else, and is tried again once its claim has ended; the first failure is
    /// told. It ends where none of a batch can be removed.
    pub async fn purge(&self) -> Result<u64, Unavailable> {
        let AvatarsPorts { pictures, clock, .. } = &self.ports;
        let (mut purged, mut first_failure) = (0, None);
        loop {
            let claimed = pictures.claim(clock.now(), PURGE_BATCH).await?;
            let before = purged;
            for claim in &claimed {
                match self.purge_one(claim).await {
                    Ok(()) => purged += 1,
                    Err(cause) => _ = first_failure.get_or_insert(cause),
                }
            }
            if purged == before {
                return first_failure.map_or(Ok(purged), Err);
            }
        }
    }

    async fn purge_one(&self, claim: &ClaimedPicture) -> Result<(), Unavailable> {
        let AvatarsPorts { files, pictures, clock, .. } = &self.ports;
        // Behind the end of the claim the files may be somebody else's, who writes them again.
        if claim.claimed_until <= clock.now() + FILES_WITHIN {
            return Err(Unavailable::new("the files before it took too long to remove"));
        }
        files.remove(claim.user_id, claim.picture).await?;
        pictures.purged(claim).await
    }
}

fn shown(profile: &Profile, size: AvatarSize) -> Shown {
    let of_size = profile.avatar_urls.as_ref().and_then(|urls| urls.get(size));
    let own = of_size.into_iter().chain(&profile.avatar_url).find_map(|url| url.picture_of(profile.id));
    own.map_or_else(|| Shown::Initials(Initials::of(profile.id, profile.shown_name().as_deref())), Shown::Picture)
}

use async_trait::async_trait;
use frontdesk_blobs::BlobFiles;
use frontdesk_cpu::CpuPool;
use frontdesk_imaging::Renderer;
use frontdesk_kernel::UserId;
use frontdesk_kernel::idempotency::Claim;
use frontdesk_memory::MemoryStores;
use frontdesk_profile::avatar::{
    BySize, Part, PartName, PictureFormat, PictureId, PicturePath, Rendered, RenderedFile,
};
use frontdesk_profile::profile::{Authority, Precondition};
use frontdesk_profile::{
    AvatarFiles, AvatarsPorts, PictureStore, ProfileStore, RELEASED_FOR, RESERVED_FOR, UpdateError,
};
use frontdesk_testkit::builders::{
    SeededEntropy, TestClock, change, claim, delete, fingerprint, noon, picture, registered, reservation,
    shows_nothing, upload,
};

use super::*;

struct House {
    stores: MemoryStores,
    files: Arc<dyn AvatarFiles>,
    clock: Arc<TestClock>,
    deleted: Arc<Notify>,
    user: UserId,
}

fn rendered(number: u16) -> Rendered {
    let file = |_| RenderedFile { format: PictureFormat::Jpeg, bytes: number.to_le_bytes().to_vec() };
    Rendered { id: picture(number.into()), files: BySize::from_fn(file) }
}

impl House {
    /// A user, whose event was told, and one idempotency record, all of [`noon`].
    async fn new(files: Arc<dyn AvatarFiles>) -> Self {
        let stores = MemoryStores::new();
        let new = registered("ada");
        let user = new.account.id;
        stores.accounts.create(&new, None).await.unwrap();
        stores.outbox.told(&[new.event.id]).await.unwrap();
        let claim = Claim { user_id: user, ..claim("k") };
        stores.idempotency.claim(&claim, &fingerprint(0), noon()).await.unwrap();
        Self { stores, files, clock: Arc::default(), deleted: Arc::default(), user }
    }

    fn avatars(&self) -> Avatars {
        let MemoryStores { profiles, pictures, .. } = self.stores.clone();
        Avatars::new(AvatarsPorts {
            renderer: Arc::new(Renderer::new(CpuPool::new(1, 1, Duration::ZERO))),
            files: Arc::clone(&self.files),
            pictures,
            profiles,
            clock: Arc::<TestClock>::clone(&self.clock),
            entropy: Arc::new(SeededEntropy::default()),
        })
    }

    fn keeping(&self) -> Housekeeping {
        let MemoryStores { accounts, sessions, idempotency, outbox, rooms, .. } = self.stores.clone();
        let (clock, avatars): (Arc<dyn Clock>, _) = (Arc::<TestClock>::clone(&self.clock), self.avatars());
        let deleted = Arc::clone(&self.deleted);
        Housekeeping { idempotency, sessions, accounts, outbox, rooms, avatars, deleted, clock }
    }

    /// Reserves a picture at [`noon`] and writes its files.
    async fn written(&self, number: u16) -> PicturePath {
        self.stores.pictures.reserve(&reservation(self.user, number)).await.unwrap();
        self.files.write(self.user, &rendered(number)).await.unwrap();
        rendered(number).paths(self.user).medium
    }

    async fn shown(&self, number: u16) -> PicturePath {
        let path = self.written(number).await;
        self.stores.profiles.update(&upload(self.user, number.into())).await.unwrap();
        path
    }

    async fn is_there(&self, path: &PicturePath) -> bool {
        self.files.read(path).await.unwrap().is_some()
    }

    /// Waits until the files are gone, without letting any time pass.
    async fn is_gone(&self, path: &PicturePath) {
        while self.is_there(path).await {
            tokio::task::yield_now().await;
        }
    }
}

async fn left_after(age: Duration) -> (u64, u64) {
    let house = House::new(Arc::new(BlobFiles::memory())).await;
    house.clock.advance(age);
    house.keeping().round().await;
    let later = noon() + Duration::from_hours(48);
    (house.stores.outbox.purge(later).await.unwrap(), house.stores.idempotency.purge(later).await.unwrap())
}

#[tokio::test]
async fn events_go_after_10_minutes_and_answers_after_24_hours() {
    let second = Duration::from_secs(1);
    assert_eq!(left_after(EVENTS_KEPT_FOR).await, (1, 1));
    assert_eq!(left_after(EVENTS_KEPT_FOR + second).await, (0, 1));
    assert_eq!(left_after(KEPT_FOR).await, (0, 1));
    assert_eq!(left_after(KEPT_FOR + second).await, (0, 0));
}

#[tokio::test]
async fn files_go_a_day_after_the_profile_has_ceased_to_show_them() {
    let house = House::new(Arc::new(BlobFiles::memory())).await;
    let path = house.shown(1).await;
    let nothing = change(house.user, shows_nothing());
    house.stores.profiles.update(&nothing).await.unwrap();
    house.clock.set(nothing.now + RELEASED_FOR - Duration::from_micros(1));
    house.keeping().round_of_files().await;
    assert!(house.is_there(&path).await);
    house.clock.advance(Duration::from_micros(1));
    house.keeping().round_of_files().await;
    assert!(!house.is_there(&path).await);
    assert_eq!(house.stores.pictures.pictures(house.user).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn files_of_a_deleted_account_go_when_the_deletion_is_heard() {
    let house = House::new(Arc::new(BlobFiles::memory())).await;
    let (never_shown, shown) = (house.written(1).await, house.shown(2).await);
    house.clock.advance(RESERVED_FOR);
    let keeping = tokio::spawn(house.keeping().run());
    house.is_gone(&never_shown).await;
    assert!(house.is_there(&shown).await);
    let deletion = delete(house.user);
    house.stores.accounts.delete(&deletion).await.unwrap();
    house.clock.set(deletion.now);
    house.deleted.notify_one();
    house.is_gone(&shown).await;
    keeping.abort();
}

/// Files that no word comes back about.
struct Hanging;

#[async_trait]
impl AvatarFiles for Hanging {
    async fn write(&self, _: UserId, _: &Rendered) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn read(&self, _: &PicturePath) -> Result<Option<Vec<u8>>, Unavailable> {
        std::future::pending().await
    }

    async fn remove(&self, _: UserId, _: PictureId) -> Result<(), Unavailable> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_hang_are_given_up_and_kept_in_mind() {
    let house = House::new(Arc::new(Hanging)).await;
    house.written(1).await;
    house.clock.advance(RESERVED_FOR);
    house.keeping().round_of_files().await;
    assert_eq!(house.stores.pictures.pictures(house.user).await.unwrap().len(), 1);
}

/// Files in memory of which one picture's cannot be removed.
struct Stuck(BlobFiles, PictureId);

#[async_trait]
impl AvatarFiles for Stuck {
    async fn write(&self, user: UserId, picture: &Rendered) -> Result<(), Unavailable> {
        self.0.write(user, picture).await
    }

    async fn read(&self, file: &PicturePath) -> Result<Option<Vec<u8>>, Unavailable> {
        self.0.read(file).await
    }

    async fn remove(&self, user: UserId, picture: PictureId) -> Result<(), Unavailable> {
        if picture == self.1 { Err(Unavailable::new("stuck")) } else { self.0.remove(user, picture).await }
    }
}

#[tokio::test]
async fn files_that_cannot_be_removed_are_told_and_hold_up_no_others() {
    let house = House::new(Arc::new(Stuck(BlobFiles::memory(), picture(1)))).await;
    for number in 1..=30 {
        house.written(number).await;
    }
    house.clock.advance(RESERVED_FOR);
    house.avatars().purge().await.unwrap_err();
    let left: Vec<_> = house.stores.pictures.pictures(house.user).await.unwrap();
    assert_eq!(left.iter().map(|picture| picture.id).collect::<Vec<_>>(), [picture(1)]);
}

/// Files that take as long to write as they are reserved for.
struct Late(BlobFiles, Arc<TestClock>, MemoryStores);

#[async_trait]
impl AvatarFiles for Late {
    async fn write(&self, user: UserId, picture: &Rendered) -> Result<(), Unavailable> {
        self.1.advance(RESERVED_FOR);
        let [claim] = self.2.pictures.claim(self.1.now(), 9).await?.try_into().unwrap();
        self.2.pictures.purged(&claim).await?;
        self.0.write(user, picture).await
    }

    async fn read(&self, file: &PicturePath) -> Result<Option<Vec<u8>>, Unavailable> {
        self.0.read(file).await
    }

    async fn remove(&self, user: UserId, picture: PictureId) -> Result<(), Unavailable> {
        self.0.remove(user, picture).await
    }
}

#[tokio::test]
async fn files_that_were_written_too_late_are_not_shown_and_go_in_the_end() {
    const DOT: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    let mut house = House::new(Arc::new(BlobFiles::memory())).await;
    house.files = Arc::new(Late(BlobFiles::memory(), Arc::clone(&house.clock), house.stores.clone()));
    let dot = Part { name: PartName::File, bytes: DOT.to_vec() };
    let rendered = house.avatars().render(vec![dot]).await.unwrap();
    let refused = house.avatars().set(house.user, Authority::Granted, rendered, Precondition::None).await;
    assert!(matches!(refused, Err(UpdateError::Unavailable(_))), "{refused:?}");
    let profile = house.stores.profiles.profile(house.user).await.unwrap().unwrap();
    assert_eq!(profile.avatar_url, None);
    let [_] = house.stores.pictures.pictures(house.user).await.unwrap().try_into().unwrap();
    house.clock.advance(RESERVED_FOR);
    assert_eq!(house.avatars().purge().await.unwrap(), 1);
    assert_eq!(house.stores.pictures.pictures(house.user).await.unwrap(), []);
}

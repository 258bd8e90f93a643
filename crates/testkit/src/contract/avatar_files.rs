//! The contract of [`AvatarFiles`].

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use frontdesk_kernel::UserId;
use frontdesk_profile::AvatarFiles;
use frontdesk_profile::avatar::{AvatarSize, BySize, PictureFormat, PictureId, PicturePath, Rendered, RenderedFile};

use super::race;
use crate::builders::user_id;

/// Runs this contract against files: its argument gives a future of [`Files`].
#[macro_export]
macro_rules! avatar_files_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] avatar_files:
            read_gives_every_file_as_it_was_written,
            read_gives_nothing_where_nothing_was_written,
            read_tells_encodings_apart,
            write_takes_the_same_picture_again,
            write_keeps_the_other_pictures_of_the_user,
            write_keeps_users_with_the_same_picture_apart,
            a_file_of_one_mebibyte_is_read_as_it_was_written,
            of_64_concurrent_writes_of_as_many_pictures_every_file_is_there,
            of_64_concurrent_writes_of_one_picture_every_file_is_there_whole,
            a_read_beside_writes_of_the_same_picture_gives_a_whole_file,
            remove_removes_every_file_of_the_picture,
            remove_keeps_other_pictures_and_other_users,
            remove_succeeds_where_nothing_is,
            remove_succeeds_a_second_time,
            of_64_concurrent_removals_of_one_picture_all_succeed,
            a_picture_that_was_removed_can_be_written_again,
            writes_beside_removals_of_other_pictures_of_the_user_succeed,
        }
    };
}

/// The files of one backend.
#[derive(Clone)]
pub struct Files {
    pub files: Arc<dyn AvatarFiles>,
    /// Whatever must outlive the files, as a throwaway directory; `None` where nothing must.
    pub backend: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl Files {
    async fn given(&self, user: UserId, picture: &Rendered) {
        self.files.write(user, picture).await.unwrap();
    }

    async fn read(&self, path: &PicturePath) -> Option<Vec<u8>> {
        self.files.read(path).await.unwrap()
    }

    async fn remove(&self, user: UserId, picture: &Rendered) {
        self.files.remove(user, picture.id).await.unwrap();
    }

    /// Whether the files of a picture are there, each whole.
    async fn has(&self, user: UserId, picture: &Rendered) -> bool {
        let mut found = Vec::new();
        for (size, path) in picture.paths(user).iter() {
            let bytes = self.read(path).await;
            assert!(bytes.as_ref().is_none_or(|bytes| *bytes == picture.files.get(size).bytes), "{path} is another");
            found.push(bytes.is_some());
        }
        assert!(found.iter().all(|is_there| *is_there == found[0]), "some files are there and some are not: {found:?}");
        found[0]
    }
}

/// Files that no other picture of these tests has, in both encodings; each has bytes of every value.
pub fn picture(number: u8) -> Rendered {
    let files = BySize::from_fn(|size| {
        let format = if size == AvatarSize::Large { PictureFormat::Png } else { PictureFormat::Jpeg };
        let bytes = (0..=u8::MAX).cycle().skip(usize::from(number)).take(10 * size.side() as usize).collect();
        RenderedFile { format, bytes }
    });
    Rendered { id: PictureId::new([number; 16]), files }
}

pub async fn read_gives_every_file_as_it_was_written(files: &Files) {
    let (user, picture) = (user_id(), picture(1));
    files.given(user, &picture).await;
    for (size, path) in picture.paths(user).iter() {
        assert_eq!(files.read(path).await.as_ref(), Some(&picture.files.get(size).bytes), "{path}");
    }
}

pub async fn read_gives_nothing_where_nothing_was_written(files: &Files) {
    let (user, written) = (user_id(), picture(1));
    let path = written.paths(user).medium;
    assert_eq!(files.read(&path).await, None, "no such user");
    files.given(user, &written).await;
    assert_eq!(files.read(&PicturePath { picture: picture(2).id, ..path }).await, None, "no such picture");
    assert_eq!(files.read(&PicturePath { user_id: user_id(), ..path }).await, None, "of another user");
}

pub async fn read_tells_encodings_apart(files: &Files) {
    let (user, picture) = (user_id(), picture(1));
    files.given(user, &picture).await;
    let paths = picture.paths(user);
    assert_eq!(files.read(&PicturePath { format: PictureFormat::Png, ..paths.medium }).await, None);
    assert_eq!(files.read(&PicturePath { format: PictureFormat::Jpeg, ..paths.large }).await, None);
}

pub async fn write_takes_the_same_picture_again(files: &Files) {
    let (user, picture) = (user_id(), picture(1));
    files.given(user, &picture).await;
    files.given(user, &picture).await;
    assert!(files.has(user, &picture).await);
}

pub async fn write_keeps_the_other_pictures_of_the_user(files: &Files) {
    let (user, old, new) = (user_id(), picture(1), picture(2));
    files.given(user, &old).await;
    files.given(user, &new).await;
    assert!(files.has(user, &old).await);
    assert!(files.has(user, &new).await);
}

pub async fn write_keeps_users_with_the_same_picture_apart(files: &Files) {
    let (user, other, picture) = (user_id(), user_id(), picture(1));
    files.given(user, &picture).await;
    assert!(!files.has(other, &picture).await);
    files.given(other, &picture).await;
    assert!(files.has(user, &picture).await);
    assert!(files.has(other, &picture).await);
}

pub async fn a_file_of_one_mebibyte_is_read_as_it_was_written(files: &Files) {
    let (user, mut picture) = (user_id(), picture(1));
    picture.files.large.bytes = (0..=u8::MAX).cycle().take(1_024 * 1_024).collect();
    files.given(user, &picture).await;
    assert!(files.has(user, &picture).await);
}

pub async fn of_64_concurrent_writes_of_as_many_pictures_every_file_is_there(files: &Files) {
    let users = [user_id(), user_id()];
    race(64, |index| {
        let files = files.clone();
        async move { files.given(users[index % 2], &picture(u8::try_from(index / 2).unwrap())).await }
    })
    .await;
    for number in 0..32 {
        assert!(files.has(users[0], &picture(number)).await, "{number}");
        assert!(files.has(users[1], &picture(number)).await, "{number}");
    }
}

pub async fn of_64_concurrent_writes_of_one_picture_every_file_is_there_whole(files: &Files) {
    let user = user_id();
    race(64, |_| {
        let files = files.clone();
        async move { files.given(user, &picture(1)).await }
    })
    .await;
    assert!(files.has(user, &picture(1)).await);
}

pub async fn a_read_beside_writes_of_the_same_picture_gives_a_whole_file(files: &Files) {
    let user = user_id();
    files.given(user, &picture(1)).await;
    race(16, |index| {
        let files = files.clone();
        async move {
            if index % 2 == 0 {
                files.given(user, &picture(1)).await;
            } else {
                assert!(files.has(user, &picture(1)).await);
            }
        }
    })
    .await;
}

pub async fn remove_removes_every_file_of_the_picture(files: &Files) {
    let (user, picture) = (user_id(), picture(1));
    files.given(user, &picture).await;
    files.remove(user, &picture).await;
    assert!(!files.has(user, &picture).await);
}

pub async fn remove_keeps_other_pictures_and_other_users(files: &Files) {
    let (user, other) = (user_id(), user_id());
    files.given(user, &picture(1)).await;
    files.given(user, &picture(2)).await;
    files.given(other, &picture(1)).await;
    files.remove(user, &picture(1)).await;
    assert!(!files.has(user, &picture(1)).await);
    assert!(files.has(user, &picture(2)).await);
    assert!(files.has(other, &picture(1)).await);
}

pub async fn remove_succeeds_where_nothing_is(files: &Files) {
    let user = user_id();
    files.remove(user, &picture(1)).await;
    files.given(user, &picture(2)).await;
    files.remove(user, &picture(1)).await;
    assert!(files.has(user, &picture(2)).await);
}

pub async fn remove_succeeds_a_second_time(files: &Files) {
    let user = user_id();
    files.given(user, &picture(1)).await;
    files.remove(user, &picture(1)).await;
    files.remove(user, &picture(1)).await;
    assert!(!files.has(user, &picture(1)).await);
}

pub async fn of_64_concurrent_removals_of_one_picture_all_succeed(files: &Files) {
    let user = user_id();
    files.given(user, &picture(1)).await;
    race(64, |_| {
        let files = files.clone();
        async move { files.remove(user, &picture(1)).await }
    })
    .await;
    assert!(!files.has(user, &picture(1)).await);
}

pub async fn a_picture_that_was_removed_can_be_written_again(files: &Files) {
    let user = user_id();
    files.given(user, &picture(1)).await;
    files.remove(user, &picture(1)).await;
    files.given(user, &picture(1)).await;
    assert!(files.has(user, &picture(1)).await);
}

pub async fn writes_beside_removals_of_other_pictures_of_the_user_succeed(files: &Files) {
    let user = user_id();
    let turns = race(64, |index| {
        let files = files.clone();
        async move {
            let picture = picture(u8::try_from(index).unwrap());
            files.given(user, &picture).await;
            let was_there = files.has(user, &picture).await;
            files.remove(user, &picture).await;
            was_there && !files.has(user, &picture).await
        }
    })
    .await;
    assert!(turns.into_iter().all(|turn| turn));
}

//! Keeps the files of avatars: in memory, in a directory, in S3.
//!
//! A file lies at `{user}/{picture}/{size}.{extension}`; every part of that is a name of our making.

mod folder;
mod open;
mod s3;

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_kernel::{Unavailable, UserId};
use frontdesk_profile::avatar::{PictureId, PicturePath, Rendered};
use frontdesk_profile::{AvatarFiles, FILES_WITHIN};
use futures_util::TryStreamExt as _;
use futures_util::future::{join_all, try_join_all};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutPayload};

use folder::Folder;
pub use open::OpenError;
pub use s3::S3Config;

/// How long a call may take: enough for any disk, and for any store of objects nearby, retries and all.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
const _: () = assert!(DEADLINE.as_nanos() <= FILES_WITHIN.as_nanos());
/// How often a file is stored before that counts as failed.
const PUTS: u32 = 3;

/// The files of pictures, wherever they lie.
pub struct BlobFiles {
    objects: Arc<dyn ObjectStore>,
    /// Every key is below it.
    prefix: Key,
    /// Where the objects are files: what a store of objects does not know of.
    folder: Option<Folder>,
    /// How long a write, a read or a removal may take. What a hanging disk or network was asked for may still come to pass
    /// after it.
    deadline: Duration,
}

impl BlobFiles {
    /// Keeps the files in memory, until the process ends.
    pub fn memory() -> Self {
        Self { objects: Arc::new(InMemory::new()), prefix: Key::default(), folder: None, deadline: DEADLINE }
    }

    /// Keeps the files in a directory, which is made where it is absent and has to be writable.
    ///
    /// Whatever else is in the directory stays as it is. A link below the directory is never followed. Blocks while it
    /// opens.
    pub fn directory(path: &Path) -> Result<Self, OpenError> {
        let folder = Folder::open(path)?;
        let objects = LocalFileSystem::new_with_prefix(folder.root())
            .map_err(|cause| OpenError::directory(folder.root(), "cannot be opened", cause))?;
        let objects = Arc::new(objects.with_fsync(true));
        Ok(Self { objects, prefix: Key::default(), folder: Some(folder), deadline: DEADLINE })
    }

    /// Keeps the files in a bucket of S3, or of any store that speaks like it.
    ///
    /// Asks the store nothing yet: one that is out of reach makes every call `Unavailable`, and nothing more.
    pub fn s3(config: S3Config) -> Result<Self, OpenError> {
        let (prefix, deadline) = (config.key_prefix()?, config.deadline);
        Ok(Self { objects: Arc::new(config.connect()?), prefix, folder: None, deadline })
    }

    /// Removes what a killed process has left in the middle of writing more than an hour ago. Only a directory has such
    /// files; it looks into the folder of every picture, which takes about 25 ms for a thousand users.
    pub async fn sweep(&self) -> Result<(), Unavailable> {
        match &self.folder {
            Some(folder) => folder.sweep().await,
            None => Ok(()),
        }
    }

    /// Where the files of a picture lie.
    fn picture_key(&self, user: UserId, picture: PictureId) -> Key {
        self.prefix.clone().join(user.to_string()).join(picture.to_string())
    }

    fn key(&self, file: &PicturePath) -> Key {
        self.picture_key(file.user_id, file.picture).join(file.file_name())
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Unavailable>> + Send) -> Result<T, Unavailable> {
        tokio::time::timeout(self.deadline, work).await.map_err(Unavailable::new)?
    }

    async fn write_files(&self, user: UserId, picture: &Rendered) -> Result<(), Unavailable> {
        if let Some(folder) = &self.folder {
            folder.check(&self.picture_key(user, picture.id)).await?;
        }
        let paths = picture.paths(user);
        let puts = picture.files.iter().map(|(size, file)| {
            let (key, bytes) = (self.key(paths.get(size)), PutPayload::from(file.bytes.clone()));
            async move { self.put(&key, &bytes).await }
        });
        // All come to their end before the first failure is told: none goes on behind the caller's back.
        join_all(puts).await.into_iter().collect::<Result<(), Unavailable>>()?;
        match &self.folder {
            Some(folder) => folder.keep(user).await,
            None => Ok(()),
        }
    }

    async fn read_file(&self, file: &PicturePath) -> Result<Option<Vec<u8>>, Unavailable> {
        let key = self.key(file);
        if let Some(folder) = &self.folder {
            folder.check(&key).await?;
        }
        self.get(&key).await
    }

    async fn remove_files(&self, user: UserId, picture: PictureId) -> Result<(), Unavailable> {
        match &self.folder {
            Some(folder) => folder.remove(user, picture).await,
            None => self.remove_objects(&self.picture_key(user, picture)).await,
        }
    }

    /// Stores an object. Again where its folder went away meanwhile: the last picture of the same user was removed.
    async fn put(&self, key: &Key, bytes: &PutPayload) -> Result<(), Unavailable> {
        for _ in 1..PUTS {
            match self.objects.put(key, bytes.clone()).await {
                Err(error) if folder_went_away(&error) => {}
                done => return done.map(drop).map_err(Unavailable::new),
            }
        }
        self.objects.put(key, bytes.clone()).await.map(drop).map_err(Unavailable::new)
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Unavailable> {
        let found = match self.objects.get(key).await {
            Err(error) if is_absent(&error) => return Ok(None),
            found => found.map_err(Unavailable::new)?,
        };
        let size = found.meta.size;
        let bytes = found.bytes().await.map_err(Unavailable::new)?;
        if bytes.len() as u64 == size {
            Ok(Some(bytes.into()))
        } else {
            Err(Unavailable::new(format!("{key} must have {size} bytes, not {}", bytes.len())))
        }
    }

    async fn remove_objects(&self, below: &Key) -> Result<(), Unavailable> {
        let listed = self.objects.list(Some(below)).map_ok(|object| object.location);
        let keys: Vec<Key> = listed.try_collect().await.map_err(Unavailable::new)?;
        try_join_all(keys.iter().map(|key| async move {
            match self.objects.delete(key).await {
                Err(error) if is_absent(&error) => Ok(()),
                removed => removed.map_err(Unavailable::new),
            }
        }))
        .await
        .map(drop)
    }
}

/// The object is not there, although the place is where it would be.
fn is_absent(error: &Error) -> bool {
    match error {
        // S3 answers 404 also where it has no such bucket.
        Error::NotFound { source, .. } => !source.to_string().contains("NoSuchBucket"),
        _ => false,
    }
}

fn folder_went_away(error: &Error) -> bool {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound))
}

#[async_trait]
impl AvatarFiles for BlobFiles {
    async fn write(&self, user: UserId, picture: &Rendered) -> Result<(), Unavailable> {
        self.in_time(self.write_files(user, picture)).await
    }

    async fn read(&self, file: &PicturePath) -> Result<Option<Vec<u8>>, Unavailable> {
        self.in_time(self.read_file(file)).await
    }

    async fn remove(&self, user: UserId, picture: PictureId) -> Result<(), Unavailable> {
        self.in_time(self.remove_files(user, picture)).await
    }
}

impl fmt::Debug for BlobFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobFiles({}, {})", self.objects, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_is_waited_for_no_longer_than_the_deadline() {
        let place = tempfile::tempdir().unwrap();
        let opened = BlobFiles::directory(place.path()).unwrap();
        let files = BlobFiles { deadline: Duration::from_millis(50), ..opened };
        let path: PicturePath =
            "/avatars/00000000-0000-0000-0000-000000000001/0000000000000000000000000000000a/small.jpg".parse().unwrap();
        let file = files.key(&path).parts().fold(place.path().to_owned(), |path, name| path.join(name.as_ref()));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        // Whoever opens a pipe to read waits for somebody who writes.
        assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        files.read(&path).await.unwrap_err();
        drop(std::fs::OpenOptions::new().write(true).open(&file).unwrap());
    }
}

//! What has to be done to a directory that a store of objects does not do.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use frontdesk_kernel::{Unavailable, UserId};
use frontdesk_profile::avatar::{PictureId, PicturePath};
use object_store::path::Path as Key;

use crate::OpenError;

/// How old a staging file must be to be nobody's any more. Another process may be writing a younger one.
const STAGING_FOR: Duration = Duration::from_hours(1);

/// What is written to see whether anything can be; named as staging files are.
const PROBE: &str = ".probe";

/// A directory of files, below which no link is followed.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
    /// No later than it was, by the clock that the times of all files there are from.
    opened_at: SystemTime,
}

impl Folder {
    /// Makes the directory where it is absent, and sees whether it can be written to.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let wrong = |rule| move |cause: io::Error| OpenError::directory(path, rule, cause);
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => return Err(wrong("must be a directory")(ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => create(path).map_err(wrong("cannot be made"))?,
            found => found.map(drop).map_err(wrong("cannot be opened"))?,
        }
        let root = path.canonicalize().map_err(wrong("cannot be opened"))?;
        let opened_at = match probe(&root) {
            Ok(now) => now,
            // What was stored before can still be shown, and room be made.
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                tracing::warn!(%error, path = %root.display(), "the directory for avatars is full");
                fs::metadata(&root).and_then(|found| found.modified()).map_err(wrong("cannot be opened"))?
            }
            Err(error) => return Err(wrong("cannot be written to")(error)),
        };
        Ok(Self { root, opened_at })
    }

    /// Removes what earlier processes left in the middle of writing.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        let Self { root, opened_at } = self.clone();
        blocking(move || sweep(&root, opened_at)).await
    }

    /// Without links.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Checks that the directory is there, and that no link lies on the way to the key.
    pub(crate) async fn check(&self, key: &Key) -> Result<(), Unavailable> {
        let (root, names) = (self.root.clone(), key.parts().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>());
        blocking(move || check(&root, &names)).await
    }

    /// Makes the folders of a user last, whichever of several writers has made them.
    pub(crate) async fn keep(&self, user: UserId) -> Result<(), Unavailable> {
        let root = self.root.clone();
        blocking(move || {
            sync(&root.join(user.to_string()))?;
            sync(&root)
        })
        .await
    }

    /// Removes the folder of a picture, and that of its user once it is empty.
    pub(crate) async fn remove(&self, user: UserId, picture: PictureId) -> Result<(), Unavailable> {
        let root = self.root.clone();
        blocking(move || remove(&root, &user.to_string(), &picture.to_string())).await
    }
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), Unavailable> {
    tokio::task::spawn_blocking(work).await.map_err(Unavailable::new)?.map_err(Unavailable::new)
}

/// Where nothing is, nothing is to be done.
fn unless_absent<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

/// Makes the names in a folder last.
fn sync(folder: &Path) -> io::Result<()> {
    unless_absent(File::open(folder))?.map_or(Ok(()), |folder| folder.sync_all())
}

/// Makes a directory and those above it, so that they last.
fn create(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let made = path.ancestors().take_while(|folder| !folder.exists()).count();
    fs::create_dir_all(&path)?;
    path.ancestors().take(made + 1).try_for_each(sync)
}

fn check(root: &Path, names: &[String]) -> io::Result<()> {
    if !fs::metadata(root)?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    let mut path = root.to_owned();
    for name in names {
        path.push(name);
        match unless_absent(fs::symlink_metadata(&path))? {
            Some(found) if found.is_symlink() => {
                return Err(io::Error::other(format!("{} is a link, and must be none", path.display())));
            }
            Some(_) => {}
            None => break,
        }
    }
    Ok(())
}

fn remove(root: &Path, user: &str, picture: &str) -> io::Result<()> {
    check(root, &[user.to_owned()])?;
    let folder = root.join(user);
    unless_absent(fs::remove_dir_all(folder.join(picture)))?;
    match fs::remove_dir(&folder) {
        // Another picture.
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => sync(&folder),
        removed => {
            unless_absent(removed)?;
            sync(root)
        }
    }
}

/// The base of a staging file's name, as the store of objects names them: `base#1`.
fn staged(name: &str) -> Option<&str> {
    let (base, number) = name.split_once('#')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(base)
}

/// Writes and removes a file; tells when, by the clock that the times of all files there are from.
fn probe(root: &Path) -> io::Result<SystemTime> {
    for number in 1_u32.. {
        let path = root.join(format!("{PROBE}#{number}"));
        match File::create_new(&path) {
            // That of another process, or of one that was killed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            file => {
                let now = file?.metadata()?.modified();
                fs::remove_file(&path)?;
                return now;
            }
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// The entries of a folder whose names are text, as ours are.
fn entries(folder: &Path) -> io::Result<Vec<(String, fs::DirEntry)>> {
    let Some(entries) = unless_absent(fs::read_dir(folder))? else { return Ok(Vec::new()) };
    let named = |entry: fs::DirEntry| entry.file_name().into_string().ok().map(|name| (name, entry));
    entries.filter_map(|entry| entry.map(named).transpose()).collect()
}

/// The folders in a folder, links left out.
fn folders(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for (name, entry) in entries(folder)? {
        if entry.file_type()?.is_dir() {
            folders.push((name, entry.path()));
        }
    }
    Ok(folders)
}

/// Removes the staging files that a killed process has left. A folder that cannot be read is told, and holds up no other.
fn sweep(root: &Path, now: SystemTime) -> io::Result<()> {
    let mut swept = sweep_folder(root, now, |base| base == PROBE);
    for (user, folder) in folders(root)?.into_iter().filter(|(user, _)| user.parse::<UserId>().is_ok()) {
        swept = swept.and(sweep_user(&user, &folder, now));
    }
    swept
}

fn sweep_user(user: &str, folder: &Path, now: SystemTime) -> io::Result<()> {
    let mut swept = Ok(());
    for (picture, folder) in folders(folder)? {
        let is_ours = |base: &str| PicturePath::from_segments(user, &picture, base).is_ok();
        swept = swept.and(sweep_folder(&folder, now, is_ours));
    }
    swept
}

fn sweep_folder(folder: &Path, now: SystemTime, is_ours: impl Fn(&str) -> bool) -> io::Result<()> {
    for (name, entry) in entries(folder)? {
        if staged(&name).is_some_and(&is_ours) {
            let Some(written) = unless_absent(entry.metadata().and_then(|found| found.modified()))? else { continue };
            if now.duration_since(written).is_ok_and(|age| age > STAGING_FOR) {
                tracing::info!(path = %entry.path().display(), "removes what a killed process has left");
                unless_absent(fs::remove_file(entry.path()))?;
            }
        }
    }
    Ok(())
}

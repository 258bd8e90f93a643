//! A directory: what lies in it, what is left alone, and what becomes of calls when it goes bad.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use frontdesk_blobs::{BlobFiles, OpenError};
use frontdesk_kernel::UserId;
use frontdesk_profile::AvatarFiles;
use frontdesk_profile::avatar::Rendered;
use frontdesk_testkit::builders::user_id;
use frontdesk_testkit::contract::avatar_files::picture;
use tempfile::TempDir;

/// A directory, and the files that are kept in it.
struct Place {
    directory: TempDir,
    files: BlobFiles,
}

fn place() -> Place {
    let directory = TempDir::new().unwrap();
    let files = BlobFiles::directory(&directory.path().join("avatars")).unwrap();
    Place { directory, files }
}

impl Place {
    fn root(&self) -> PathBuf {
        self.directory.path().join("avatars")
    }

    fn folder(&self, user: UserId, picture: &Rendered) -> PathBuf {
        self.root().join(user.to_string()).join(picture.id.to_string())
    }

    fn reopen(&self) -> BlobFiles {
        BlobFiles::directory(&self.root()).unwrap()
    }

    async fn has(&self, user: UserId, picture: &Rendered) -> bool {
        has(&self.files, user, picture).await
    }

    async fn assert_unavailable(&self, user: UserId, picture: &Rendered) {
        self.files.write(user, picture).await.unwrap_err();
        self.files.read(&picture.paths(user).large).await.unwrap_err();
    }
}

/// Whether the largest file of a picture is there.
pub(crate) async fn has(files: &BlobFiles, user: UserId, picture: &Rendered) -> bool {
    files.read(&picture.paths(user).large).await.unwrap().as_ref() == Some(&picture.files.large.bytes)
}

/// The names of the files below a directory that are no avatars.
pub(crate) fn staged(root: &Path) -> Vec<String> {
    let mut staged = Vec::new();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            staged.extend(self::staged(&entry.path()));
        } else if entry.file_name().to_str().unwrap().contains('#') {
            staged.push(entry.file_name().into_string().unwrap());
        }
    }
    staged
}

/// Leaves a file as a killed process does, last written before this one by so much.
fn leave(path: &Path, age: Duration) {
    let file = File::create(path).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - age).unwrap();
}

const TWO_HOURS: Duration = Duration::from_hours(2);

#[tokio::test]
async fn a_file_lies_under_the_names_of_its_user_picture_and_size() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    place.files.write(user, &picture).await.unwrap();
    let folder = place.folder(user, &picture);
    assert_eq!(fs::read(folder.join("large.png")).unwrap(), picture.files.large.bytes);
    assert_eq!(fs::read(folder.join("thumbnail.jpg")).unwrap(), picture.files.thumbnail.bytes);
    assert_eq!(staged(&place.root()), [""; 0]);
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let (place, user) = (place(), user_id());
    place.files.write(user, &picture(1)).await.unwrap();
    assert!(has(&place.reopen(), user, &picture(1)).await);
}

#[tokio::test]
async fn a_directory_is_made_with_those_above_it_whatever_their_names() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("a b#1").join("%41?ä");
    let (files, user) = (BlobFiles::directory(&path).unwrap(), user_id());
    files.write(user, &picture(1)).await.unwrap();
    assert!(has(&files, user, &picture(1)).await);
    assert!(path.join(user.to_string()).is_dir());
}

#[test]
fn a_file_is_no_directory_and_has_none_below() {
    let parent = TempDir::new().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "of somebody else").unwrap();
    for path in [file.clone(), file.join("avatars")] {
        assert!(matches!(BlobFiles::directory(&path), Err(OpenError::Directory { .. })), "{}", path.display());
    }
    assert_eq!(fs::read(&file).unwrap(), b"of somebody else");
}

#[test]
fn a_refused_directory_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = BlobFiles::directory(file.path()).unwrap_err();
    assert_eq!(error.to_string(), format!("the directory {} for avatars must be a directory", file.path().display()));
}

#[tokio::test]
async fn the_folder_of_a_user_goes_with_the_last_picture() {
    let (place, user) = (place(), user_id());
    place.files.write(user, &picture(1)).await.unwrap();
    place.files.write(user, &picture(2)).await.unwrap();
    place.files.remove(user, picture(1).id).await.unwrap();
    assert!(!place.folder(user, &picture(1)).exists());
    assert!(place.has(user, &picture(2)).await);
    place.files.remove(user, picture(2).id).await.unwrap();
    assert_eq!(fs::read_dir(place.root()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_removal_takes_what_a_killed_process_has_left_of_the_picture() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    place.files.write(user, &picture).await.unwrap();
    leave(&place.folder(user, &picture).join("large.png#1"), Duration::ZERO);
    place.files.remove(user, picture.id).await.unwrap();
    assert!(!place.folder(user, &picture).exists());
}

#[tokio::test]
async fn a_sweep_removes_what_a_killed_process_has_left_more_than_an_hour_ago() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    place.files.write(user, &picture).await.unwrap();
    let folder = place.folder(user, &picture);
    leave(&folder.join("large.png#1"), TWO_HOURS);
    leave(&folder.join("small.jpg#12"), TWO_HOURS);
    leave(&place.root().join(".probe#1"), TWO_HOURS);
    let files = place.reopen();
    files.sweep().await.unwrap();
    assert_eq!(staged(&place.root()), [""; 0]);
    assert!(has(&files, user, &picture).await);
}

#[tokio::test]
async fn what_a_sweep_cannot_remove_is_told_and_holds_up_no_other() {
    let (place, user) = (place(), user_id());
    for number in 1..=6 {
        place.files.write(user, &picture(number)).await.unwrap();
        let left = place.folder(user, &picture(number)).join("large.png#1");
        if number % 2 == 0 {
            leave(&left, TWO_HOURS);
            continue;
        }
        fs::create_dir(&left).unwrap();
        let now = fs::metadata(&left).unwrap().modified().unwrap();
        File::open(&left).unwrap().set_modified(now - TWO_HOURS).unwrap();
    }
    place.reopen().sweep().await.unwrap_err();
    let is_there = |number| place.folder(user, &picture(number)).join("large.png#1").exists();
    assert_eq!([1, 2, 3, 4, 5, 6].map(is_there), [true, false, true, false, true, false]);
}

#[tokio::test]
async fn a_sweep_leaves_what_another_process_may_be_writing() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    place.files.write(user, &picture).await.unwrap();
    leave(&place.folder(user, &picture).join("large.png#1"), Duration::from_mins(59));
    place.reopen().sweep().await.unwrap();
    assert_eq!(staged(&place.root()), ["large.png#1"]);
}

#[tokio::test]
async fn a_write_succeeds_beside_what_a_killed_process_has_left() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    fs::create_dir_all(place.folder(user, &picture)).unwrap();
    leave(&place.folder(user, &picture).join("large.png#1"), Duration::ZERO);
    place.files.write(user, &picture).await.unwrap();
    assert!(place.has(user, &picture).await);
    assert_eq!(staged(&place.root()), ["large.png#1"]);
}

#[tokio::test]
async fn a_sweep_leaves_what_is_not_ours() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    place.files.write(user, &picture).await.unwrap();
    let folder = place.folder(user, &picture);
    let others = [
        place.root().join("large.png#1"),
        place.root().join(user.to_string()).join("large.png#1"),
        folder.join("notes#1"),
        folder.join("large.png#"),
        folder.join("large.png#a"),
    ];
    for path in &others {
        leave(path, TWO_HOURS);
    }
    place.reopen().sweep().await.unwrap();
    assert!(others.iter().all(|path| path.exists()));
}

#[tokio::test]
async fn a_directory_that_is_gone_makes_every_call_unavailable_and_is_not_made_anew() {
    let (place, user) = (place(), user_id());
    place.files.write(user, &picture(1)).await.unwrap();
    let elsewhere = place.directory.path().join("elsewhere");
    fs::rename(place.root(), &elsewhere).unwrap();
    place.assert_unavailable(user, &picture(1)).await;
    place.files.remove(user, picture(1).id).await.unwrap_err();
    assert!(!place.root().exists());
    fs::rename(&elsewhere, place.root()).unwrap();
    assert!(place.has(user, &picture(1)).await);
}

#[tokio::test]
async fn a_file_in_the_place_of_a_users_folder_makes_every_call_unavailable() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    fs::write(place.root().join(user.to_string()), "of somebody else").unwrap();
    place.assert_unavailable(user, &picture).await;
    place.files.remove(user, picture.id).await.unwrap_err();
    assert!(place.root().join(user.to_string()).exists());
}

#[tokio::test]
async fn a_write_that_fails_leaves_whole_files_only_and_the_old_picture() {
    let (place, user) = (place(), user_id());
    place.files.write(user, &picture(1)).await.unwrap();
    let folder = place.folder(user, &picture(2));
    // No file can take the name of a folder.
    fs::create_dir_all(folder.join("medium.jpg")).unwrap();
    place.files.write(user, &picture(2)).await.unwrap_err();
    assert_eq!(staged(&place.root()), [""; 0]);
    assert!(place.has(user, &picture(1)).await);
    assert_eq!(fs::read(folder.join("large.png")).unwrap(), picture(2).files.large.bytes);
}

/// Puts a link to a directory in the place of a part of the path; gives what is in that directory.
fn link(place: &Place, at: &Path) -> PathBuf {
    let outside = place.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    symlink(&outside, at).unwrap();
    outside
}

#[tokio::test]
async fn a_link_in_the_place_of_a_users_folder_is_not_followed() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    let outside = link(&place, &place.root().join(user.to_string())).join(picture.id.to_string());
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("large.png"), "of somebody else").unwrap();
    place.assert_unavailable(user, &picture).await;
    place.files.remove(user, picture.id).await.unwrap_err();
    assert_eq!(fs::read(outside.join("large.png")).unwrap(), b"of somebody else");
    assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
}

#[tokio::test]
async fn a_link_in_the_place_of_a_pictures_folder_is_removed_and_not_followed() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    let outside = link(&place, &place.folder(user, &picture));
    fs::write(outside.join("large.png"), "of somebody else").unwrap();
    place.assert_unavailable(user, &picture).await;
    place.files.remove(user, picture.id).await.unwrap();
    assert!(outside.join("large.png").exists());
    assert!(!place.folder(user, &picture).is_symlink());
}

#[tokio::test]
async fn a_link_in_the_place_of_a_file_is_not_read() {
    let (place, user, picture) = (place(), user_id(), picture(1));
    let secret = place.directory.path().join("secret");
    fs::write(&secret, "of somebody else").unwrap();
    fs::create_dir_all(place.folder(user, &picture)).unwrap();
    symlink(&secret, place.folder(user, &picture).join("large.png")).unwrap();
    place.files.read(&picture.paths(user).large).await.unwrap_err();
    // A write takes the name, not what it leads to.
    place.files.write(user, &picture).await.unwrap();
    assert!(place.has(user, &picture).await);
    assert_eq!(fs::read(&secret).unwrap(), b"of somebody else");
}

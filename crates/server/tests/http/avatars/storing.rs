//! Where files lie: what a restart, a deletion and a store that fails do to them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use frontdesk::compose::{Overrides, StartError, start};
use frontdesk::config::Config;

use crate::on_both_stores;
use crate::pictures::{GREEN, RED, png};
use crate::site::User;
use crate::{Site, Store};

async fn in_directory(store: &Store, path: &Path) -> Site {
    store.open_with(&[("AVATAR_DIR", path.to_str().unwrap())]).await
}

/// The directory of one picture, by the path that it is served under.
fn folder_of(root: &Path, served: &str) -> PathBuf {
    root.join(served.strip_prefix("/avatars/").unwrap()).parent().unwrap().to_owned()
}

async fn a_file_lies_where_its_path_says(store: Store) {
    let directory = tempfile::tempdir().unwrap();
    let site = in_directory(&store, directory.path()).await;
    let user = site.user().await;
    let paths = site.uploaded(&user, &png(99, 99, RED)).await;
    drop(site);
    let site = in_directory(&store, directory.path()).await;
    for path in paths {
        let file = directory.path().join(path.strip_prefix("/avatars/").unwrap());
        assert_eq!(site.get(&path).await.bytes, std::fs::read(file).unwrap(), "{path}");
    }
}

async fn a_deletion_takes_the_files_along(store: Store) {
    let directory = tempfile::tempdir().unwrap();
    let site = in_directory(&store, directory.path()).await;
    let (user, other) = (site.user().await, site.user().await);
    let old = site.uploaded(&user, &png(99, 99, RED)).await;
    let new = site.uploaded(&user, &png(99, 99, GREEN)).await;
    let others = site.uploaded(&other, &png(99, 99, RED)).await;
    assert_eq!(site.delete_as(&user, "/api/v1/account").await.status, 200);
    gone(&site, old.iter().chain(&new)).await;
    assert_eq!(site.get(&format!("/avatars/{}/small", user.id)).await.status, 404);
    assert_eq!(site.get(&others[0]).await.status, 200);
    assert!(!folder_of(directory.path(), &old[0]).exists());
}

/// Asks until all are gone.
async fn gone(site: &Site, paths: impl IntoIterator<Item = &String>) {
    let asking = async {
        for path in paths {
            while site.get(path).await.status != 404 {}
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("the files are still there");
}

async fn a_replaced_picture_is_gone_after_a_day(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let old = site.uploaded(&user, &png(99, 99, RED)).await;
    let new = site.uploaded(&user, &png(99, 99, GREEN)).await;
    // A deletion makes the server look for files that are to go: the user's own are among them only when a day is over.
    for wait in [Duration::from_hours(24) - Duration::from_secs(1), Duration::from_secs(1)] {
        assert_eq!(site.get(&old[0]).await.status, 200);
        site.clock.advance(wait);
        let other = site.user().await;
        let others = site.uploaded(&other, &png(99, 99, RED)).await;
        assert_eq!(site.delete_as(&other, "/api/v1/account").await.status, 200);
        gone(&site, &others).await;
    }
    gone(&site, &old).await;
    for path in &new {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
}

async fn fails(site: &Site, user: &User, colour: [u8; 4]) {
    let before = site.profile(user).await;
    let answer = site.upload(user, &[("file", &png(99, 99, colour))]).await;
    assert_eq!(answer.refusal(), (503, "unavailable"), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(site.profile(user).await, before);
}

async fn a_store_that_takes_nothing_leaves_all_as_it_was(store: Store) {
    let directory = tempfile::tempdir().unwrap();
    let site = in_directory(&store, directory.path()).await;
    let (user, other) = (site.user().await, site.user().await);
    let old = site.uploaded(&user, &png(99, 99, RED)).await;
    let theirs = site.uploaded(&other, &png(99, 99, GREEN)).await;
    // A file where the folder of the next picture would have to be: whoever runs the test, nothing can be written.
    let blocked = folder_of(directory.path(), &theirs[0].replace(&other.id, &user.id));
    std::fs::write(&blocked, b"").unwrap();
    fails(&site, &user, GREEN).await;
    for path in &old {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
    std::fs::remove_file(&blocked).unwrap();
    site.uploaded(&user, &png(99, 99, GREEN)).await;
}

async fn a_store_that_went_away_is_told_and_comes_back(store: Store) {
    let parent = tempfile::tempdir().unwrap();
    let (directory, elsewhere) = (parent.path().join("avatars"), parent.path().join("elsewhere"));
    let site = in_directory(&store, &directory).await;
    let user = site.user().await;
    let old = site.uploaded(&user, &png(99, 99, RED)).await;
    std::fs::rename(&directory, &elsewhere).unwrap();
    std::fs::write(&directory, b"").unwrap();
    fails(&site, &user, GREEN).await;
    assert_eq!(site.get(&old[0]).await.refusal(), (503, "unavailable"));
    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&elsewhere, &directory).unwrap();
    assert_eq!(site.get(&old[0]).await.status, 200);
    site.uploaded(&user, &png(99, 99, GREEN)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_directory_that_is_none_is_told_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let config = Config::of([("PORT", "0"), ("AVATAR_DIR", path)]).unwrap();
    let Err(error) = start(&config, Overrides::default()).await else { panic!("it runs") };
    assert!(error.is_configuration() && matches!(error, StartError::Avatars { .. }), "{error}");
    let told = error.to_string();
    assert!(told.starts_with("AVATAR_DIR cannot be used: ") && told.contains(path), "{told}");
}

on_both_stores! {
    a_file_lies_where_its_path_says,
    a_deletion_takes_the_files_along,
    a_replaced_picture_is_gone_after_a_day,
    a_store_that_takes_nothing_leaves_all_as_it_was,
    a_store_that_went_away_is_told_and_comes_back,
}

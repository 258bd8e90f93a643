//! A full and a read-only disk, in a process of their own: the limits and mounts of a process end with it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use frontdesk_blobs::{BlobFiles, OpenError};
use frontdesk_kernel::UserId;
use frontdesk_profile::AvatarFiles;
use frontdesk_profile::avatar::Rendered;
use frontdesk_testkit::contract::avatar_files::picture;
use tempfile::TempDir;
use uuid::Uuid;

use crate::directory::{has, staged};

/// Where the child keeps files, in the directory that it is started in.
const STORE: &str = "store";
const USER: UserId = UserId::new(Uuid::from_u128(7));

/// Larger than any limit or disk of these tests.
fn large() -> Rendered {
    let mut large = picture(2);
    large.files.large.bytes = vec![7; 1_024 * 1_024];
    large
}

/// Runs a test of this module in a child that a shell prepares. It runs nowhere else: only there is a [`STORE`].
fn child(shell: &[&str], preparation: &str, test: &str) -> Option<(TempDir, Output)> {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join(STORE)).unwrap();
    let (program, arguments) = shell.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).arg("-c").arg(format!("{preparation} && exec \"$0\" --exact \"$1\" --include-ignored"));
    command.arg(std::env::current_exe().unwrap()).arg(format!("faults::{test}"));
    let output = command.current_dir(directory.path()).output().ok()?;
    Some((directory, output))
}

fn assert_passed(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a test of this module with mounts of its own, or says that it cannot.
fn mounted(mount: &str, test: &str) {
    let shell = ["unshare", "--user", "--map-root-user", "--mount", "sh"];
    if child(&shell, mount, "nothing").is_none_or(|(_, output)| !output.status.success()) {
        // Not by `eprintln!`: the harness keeps to itself what a test that passes has printed.
        let why = "this machine lets nobody but root mount";
        let _ = writeln!(std::io::stderr(), "\nDISK FAULT NOT TESTED: {test} did NOT run, because {why}.\n");
        return;
    }
    assert_passed(&child(&shell, mount, test).unwrap().1);
}

#[test]
#[ignore = "run by others in a child"]
fn nothing() {}

#[tokio::test]
#[ignore = "run by others in a child"]
async fn a_write_finds_no_room() {
    if !Path::new(STORE).is_dir() {
        return;
    }
    let files = BlobFiles::directory(Path::new(STORE)).unwrap();
    files.write(USER, &picture(1)).await.unwrap();
    files.write(USER, &large()).await.unwrap_err();
    assert_eq!(staged(Path::new(STORE)), [""; 0]);
    assert!(has(&files, USER, &picture(1)).await);
    assert_eq!(files.read(&large().paths(USER).large).await.unwrap(), None);
    files.remove(USER, large().id).await.unwrap();
    files.write(USER, &picture(3)).await.unwrap();
    BlobFiles::directory(Path::new(STORE)).unwrap();
}

#[tokio::test]
#[ignore = "run by others in a child"]
async fn a_write_finds_the_disk_read_only() {
    if !Path::new(STORE).is_dir() {
        return;
    }
    let files = BlobFiles::directory(Path::new(STORE)).unwrap();
    files.write(USER, &picture(1)).await.unwrap();
    let remounted = Command::new("mount").args(["-o", "remount,ro", STORE]).status().unwrap();
    assert!(remounted.success());
    files.write(USER, &picture(2)).await.unwrap_err();
    files.remove(USER, picture(1).id).await.unwrap_err();
    assert_eq!(staged(Path::new(STORE)), [""; 0]);
    assert!(has(&files, USER, &picture(1)).await);
    let opened = BlobFiles::directory(Path::new(STORE));
    assert!(matches!(opened, Err(OpenError::Directory { rule: "cannot be written to", .. })), "{opened:?}");
}

/// A limit of files as of a full disk, for which nobody needs a privilege.
#[test]
fn a_write_beyond_the_largest_file_leaves_no_staging_file_and_the_old_picture() {
    let (directory, output) = child(&["sh"], "trap '' XFSZ && ulimit -f 64", "a_write_finds_no_room").unwrap();
    assert_passed(&output);
    assert_eq!(staged(&directory.path().join(STORE)), [""; 0]);
}

#[test]
fn a_write_to_a_full_disk_leaves_no_staging_file_and_the_old_picture() {
    mounted(&format!("mount -t tmpfs -o size=256k tmpfs {STORE}"), "a_write_finds_no_room");
}

#[test]
fn a_read_only_disk_fails_writes_and_keeps_the_old_picture() {
    mounted(&format!("mount -t tmpfs tmpfs {STORE}"), "a_write_finds_the_disk_read_only");
}

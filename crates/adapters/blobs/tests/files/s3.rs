//! A bucket: its keys, and what becomes of calls when it cannot be reached.

use frontdesk_blobs::{BlobFiles, OpenError, S3Config};
use frontdesk_profile::AvatarFiles;
use frontdesk_testkit::builders::user_id;
use frontdesk_testkit::contract::avatar_files::picture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::bucket::{Bucket, config, wrong_secret};

/// Every call fails, and says that another time may be better.
async fn assert_unavailable(files: &BlobFiles) {
    let (user, picture) = (user_id(), picture(1));
    files.write(user, &picture).await.unwrap_err();
    files.read(&picture.paths(user).medium).await.unwrap_err();
    files.remove(user, picture.id).await.unwrap_err();
}

/// A bucket of which every request gets this answer, and then the connection ends; its head promises more bytes.
async fn answering(status: &str, body: &str, missing: usize) -> BlobFiles {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let files = BlobFiles::s3(config(listener.local_addr().unwrap().port())).unwrap();
    let headers = "Last-Modified: Fri, 20 Nov 2026 12:00:00 GMT\r\nETag: \"1\"\r\nConnection: close";
    let answer = format!("HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {}\r\n\r\n{body}", body.len() + missing);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                // An answer to nothing would be none.
                let _ = socket.read_u8().await;
                let (mut request, mut response) = socket.split();
                let said = async {
                    response.write_all(answer.as_bytes()).await?;
                    response.shutdown().await
                };
                // Reads on, lest the client be cut off in the middle of its request.
                let mut rest = tokio::io::sink();
                let _ = tokio::join!(tokio::io::copy(&mut request, &mut rest), said);
            });
        }
    });
    files
}

#[tokio::test]
async fn an_object_lies_below_the_prefix_under_the_names_of_its_user_and_picture() {
    let bucket = Bucket::serve().await;
    let (user, picture) = (user_id(), picture(1));
    BlobFiles::s3(bucket.config()).unwrap().write(user, &picture).await.unwrap();
    let key = format!("frontdesk/avatars/{user}/{}/large.png", picture.id);
    assert_eq!(std::fs::read(bucket.object(&key)).unwrap(), picture.files.large.bytes);
}

#[tokio::test]
async fn without_a_prefix_an_object_lies_at_the_top() {
    let bucket = Bucket::serve().await;
    let (user, picture) = (user_id(), picture(1));
    let config = S3Config { prefix: String::new(), ..bucket.config() };
    BlobFiles::s3(config).unwrap().write(user, &picture).await.unwrap();
    assert!(bucket.object(&format!("{user}/{}/large.png", picture.id)).exists());
}

#[tokio::test]
async fn a_removal_leaves_what_others_keep_beside_the_picture() {
    let bucket = Bucket::serve().await;
    let (user, picture) = (user_id(), picture(1));
    let files = BlobFiles::s3(bucket.config()).unwrap();
    files.write(user, &picture).await.unwrap();
    let beside = bucket.object(&format!("frontdesk/avatars/{user}/{}0/large.png", picture.id));
    std::fs::create_dir_all(beside.parent().unwrap()).unwrap();
    std::fs::write(&beside, "of somebody else").unwrap();
    files.remove(user, picture.id).await.unwrap();
    assert!(beside.exists());
}

#[tokio::test]
async fn a_secret_that_the_store_does_not_know_makes_every_call_unavailable() {
    let bucket = Bucket::serve().await;
    let config = S3Config { secret_access_key: Some(wrong_secret()), ..bucket.config() };
    assert_unavailable(&BlobFiles::s3(config).unwrap()).await;
}

#[tokio::test]
async fn a_key_that_the_store_does_not_know_makes_every_call_unavailable() {
    let bucket = Bucket::serve().await;
    let config = S3Config { access_key_id: Some("AKIAUNKNOWN".into()), ..bucket.config() };
    assert_unavailable(&BlobFiles::s3(config).unwrap()).await;
}

#[tokio::test]
async fn a_store_that_is_gone_makes_every_call_unavailable() {
    let mut bucket = Bucket::serve().await;
    let files = BlobFiles::s3(S3Config { deadline: S3Config::DEADLINE, ..bucket.config() }).unwrap();
    bucket.stop().await;
    assert_unavailable(&files).await;
}

/// The clock of the runtime stands still, but for what it is waited for: nothing else can end a call here.
#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_waited_for_no_longer_than_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let files = BlobFiles::s3(config(silent.local_addr().unwrap().port())).unwrap();
    let (user, picture) = (user_id(), picture(1));
    let asked = Instant::now();
    files.write(user, &picture).await.unwrap_err();
    assert!(asked.elapsed() <= S3Config::DEADLINE);
}

#[tokio::test]
async fn a_key_that_is_not_there_is_no_file() {
    let files = answering("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>", 0).await;
    assert_eq!(files.read(&picture(1).paths(user_id()).medium).await.unwrap(), None);
}

/// A 404 as well: taken for the file's, it would make every picture vanish.
#[tokio::test]
async fn a_bucket_that_is_not_there_makes_every_call_unavailable() {
    let files = answering("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>", 0).await;
    assert_unavailable(&files).await;
}

#[tokio::test]
async fn a_read_that_ends_early_is_unavailable() {
    let files = answering("200 OK", "half of a file", 14).await;
    files.read(&picture(1).paths(user_id()).medium).await.unwrap_err();
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let wrong = [
        S3Config { bucket: String::new(), ..config(1) },
        S3Config { bucket: "a/b".to_owned(), ..config(1) },
        S3Config { prefix: "a//b".to_owned(), ..config(1) },
        S3Config { prefix: "../b".to_owned(), ..config(1) },
        S3Config { access_key_id: None, ..config(1) },
        S3Config { secret_access_key: None, ..config(1) },
        S3Config { access_key_id: None, secret_access_key: None, session_token: Some(wrong_secret()), ..config(1) },
        S3Config { allow_http: false, ..config(1) },
    ];
    for config in wrong {
        let shown = format!("{config:?}");
        assert!(matches!(BlobFiles::s3(config), Err(OpenError::Bucket { .. })), "{shown}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let config = S3Config { session_token: Some("token-of-a-session".into()), ..config(1) };
    let shown = format!("{config:?} {:?}", BlobFiles::s3(config.clone()).unwrap());
    for secret in ["wJalrXUtnFEMI", "AKIAIOSFODNN7EXAMPLE", "token-of-a-session"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

//! A bucket of a server that speaks S3, on loopback, in this process. It verifies every signature.

use std::path::PathBuf;
use std::time::Duration;

use frontdesk_blobs::S3Config;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// As AWS names it in its documentation.
const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NAME: &str = "avatars";

/// The server ends with this value.
pub(crate) struct Bucket {
    port: u16,
    objects: TempDir,
    server: JoinHandle<()>,
}

impl Bucket {
    pub(crate) async fn serve() -> Self {
        let objects = TempDir::new().unwrap();
        std::fs::create_dir(objects.path().join(NAME)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(objects.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, objects, server: tokio::spawn(accept(listener, service.build())) }
    }

    /// How it is reached. Patient: a machine under load is no failure of the contract.
    pub(crate) fn config(&self) -> S3Config {
        S3Config { deadline: Duration::from_mins(2), ..config(self.port) }
    }

    /// Where the server keeps the object of a key.
    pub(crate) fn object(&self, key: &str) -> PathBuf {
        self.objects.path().join(NAME).join(key)
    }

    /// Ends the server and every connection to it.
    pub(crate) async fn stop(&mut self) {
        self.server.abort();
        assert!((&mut self.server).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// How a bucket on a port of this machine is reached, as patiently as in production.
pub(crate) fn config(port: u16) -> S3Config {
    S3Config {
        bucket: NAME.to_owned(),
        prefix: "frontdesk/avatars".to_owned(),
        region: "eu-central-1".to_owned(),
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        access_key_id: Some(ACCESS_KEY_ID.into()),
        secret_access_key: Some(SECRET.into()),
        session_token: None,
        allow_http: true,
        deadline: S3Config::DEADLINE,
    }
}

/// Another key than the bucket knows.
pub(crate) fn wrong_secret() -> SecretString {
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEX".into()
}

/// Connections end with the task that accepts them.
async fn accept(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let service = service.clone();
        connections.spawn(async move {
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

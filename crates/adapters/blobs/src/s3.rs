//! A bucket, and how it is reached.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use secrecy::{ExposeSecret as _, SecretString};

use crate::OpenError;

/// A bucket, and how it is reached. Debugging shows no secret.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The name of the bucket.
    pub bucket: String,
    /// What every key begins with, as `a/b`; empty where the bucket is for avatars alone.
    pub prefix: String,
    /// The region, as `eu-central-1`. A store other than AWS may have a single one by any name.
    pub region: String,
    /// The URL of a store other than AWS. The bucket becomes the first segment of the path.
    pub endpoint: Option<String>,
    /// Which key signs; without one the client asks the metadata service of the AWS instance that it runs on.
    pub access_key_id: Option<SecretString>,
    /// The key.
    pub secret_access_key: Option<SecretString>,
    /// What temporary keys come with.
    pub session_token: Option<SecretString>,
    /// Whether the endpoint may be `http://`.
    pub allow_http: bool,
    /// How long a write, a read or a removal may take, retries and all; [`Self::DEADLINE`] suits any store nearby.
    pub deadline: Duration,
}

impl S3Config {
    /// 5 s.
    pub const DEADLINE: Duration = crate::DEADLINE;

    pub(crate) fn key_prefix(&self) -> Result<Key, OpenError> {
        Key::parse(&self.prefix).map_err(|cause| OpenError::Bucket {
            bucket: self.bucket.clone(),
            rule: "must have a prefix of plain names, with slashes between them",
            source: Some(cause.into()),
        })
    }

    fn check(&self) -> Result<(), OpenError> {
        let wrong = |rule| Err(OpenError::Bucket { bucket: self.bucket.clone(), rule, source: None });
        if self.bucket.is_empty() || self.bucket.contains(['/', '?', '#']) {
            return wrong("must have a name without slashes");
        }
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            return wrong("needs an access key id and a secret access key, or neither of them");
        }
        if self.session_token.is_some() && self.access_key_id.is_none() {
            return wrong("needs an access key beside its session token");
        }
        if !self.allow_http && self.endpoint.as_ref().is_some_and(|endpoint| !endpoint.starts_with("https://")) {
            return wrong("must have an endpoint that begins with https://, unless http:// is allowed");
        }
        Ok(())
    }

    /// One attempt takes less than the deadline, a refused one leaves time for another.
    fn retries(&self) -> RetryConfig {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_millis(500),
            ..BackoffConfig::default()
        };
        RetryConfig { backoff, max_retries: 2, retry_timeout: self.deadline / 2 }
    }

    pub(crate) fn connect(self) -> Result<AmazonS3, OpenError> {
        self.check()?;
        let options = ClientOptions::new()
            .with_allow_http(self.allow_http)
            .with_connect_timeout(self.deadline * 3 / 10)
            .with_timeout(self.deadline * 8 / 10)
            .with_content_type_for_suffix("jpg", "image/jpeg")
            .with_content_type_for_suffix("png", "image/png");
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_retry(self.retries())
            // A picture has four files, and not every store has the bulk removal.
            .with_disable_bulk_delete(true)
            .with_client_options(options);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(id) = &self.access_key_id {
            builder = builder.with_access_key_id(id.expose_secret());
        }
        if let Some(key) = &self.secret_access_key {
            builder = builder.with_secret_access_key(key.expose_secret());
        }
        if let Some(token) = &self.session_token {
            builder = builder.with_token(token.expose_secret());
        }
        builder.build().map_err(|cause| OpenError::Bucket {
            bucket: self.bucket,
            rule: "cannot be used as it is configured",
            source: Some(cause.into()),
        })
    }
}

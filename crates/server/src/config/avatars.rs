//! Where the files of avatars are kept.

use std::path::PathBuf;

use frontdesk_blobs::S3Config;
use secrecy::SecretString;
use url::Url;

use super::parse;
use super::reader::Reader;
use super::variables as v;

/// Where files are kept without a word about it, as soon as there is a database to keep beside.
const DEFAULT_DIRECTORY: &str = "./data/avatars";
/// What the tools of AWS take where nothing is said.
const DEFAULT_REGION: &str = "us-east-1";

/// Where the files of avatars are kept.
#[derive(Debug, Clone)]
pub enum AvatarPlace {
    /// In this process, gone when it ends.
    Memory,
    /// In a directory.
    Directory(PathBuf),
    /// In a bucket of S3, or of a store that speaks like it.
    Bucket(S3Config),
}

/// Reads the place. What is said to AWS is looked at only where a bucket is asked for: it is often set for others.
pub(super) fn read(reader: &mut Reader<'_>) -> AvatarPlace {
    let directory = reader.get(&v::AVATAR_DIR, parse::path);
    if !reader.is_set(&v::AVATAR_BUCKET_URL) {
        let has_database = reader.is_set(&v::DATABASE_URL);
        let directory = directory.or_else(|| has_database.then(|| DEFAULT_DIRECTORY.into()));
        return directory.map_or(AvatarPlace::Memory, AvatarPlace::Directory);
    }
    if reader.is_set(&v::AVATAR_DIR) {
        reader.refuse(&v::AVATAR_DIR, "and AVATAR_BUCKET_URL are both set: unset one of them");
    }
    let (bucket, prefix) = reader.get(&v::AVATAR_BUCKET_URL, bucket).unwrap_or_default();
    let endpoint = reader.get(&v::AWS_ENDPOINT_URL, endpoint);
    let default_region = reader.get(&v::AWS_DEFAULT_REGION, region);
    let access_key_id = reader.get(&v::AWS_ACCESS_KEY_ID, credential);
    let secret_access_key = reader.get(&v::AWS_SECRET_ACCESS_KEY, credential);
    let has = |variable| reader.is_set(variable);
    let wrong = match (has(&v::AWS_ACCESS_KEY_ID), has(&v::AWS_SECRET_ACCESS_KEY), has(&v::AWS_SESSION_TOKEN)) {
        (true, false, _) => Some("is set and AWS_SECRET_ACCESS_KEY is not: a key needs both"),
        (false, true, _) => Some("is not set and AWS_SECRET_ACCESS_KEY is: a key needs both"),
        (false, false, true) => Some("is not set and AWS_SESSION_TOKEN is: a token comes with a key"),
        (true, true, _) | (false, false, false) => None,
    };
    if let Some(wrong) = wrong {
        reader.refuse(&v::AWS_ACCESS_KEY_ID, wrong);
    }
    AvatarPlace::Bucket(S3Config {
        bucket,
        prefix,
        region: reader.get(&v::AWS_REGION, region).or(default_region).unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        // Whoever writes http:// means it.
        allow_http: endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")),
        endpoint,
        access_key_id,
        secret_access_key,
        session_token: reader.get(&v::AWS_SESSION_TOKEN, credential),
        deadline: S3Config::DEADLINE,
    })
}

/// Reads `s3://bucket` or `s3://bucket/prefix`.
fn bucket(text: &str) -> Result<(String, String), String> {
    let wrong = || "must be s3://bucket or s3://bucket/prefix".to_owned();
    let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    let prefix = prefix.trim_end_matches('/');
    let segments = || prefix.split('/').all(|part| is_plain(part) && !matches!(part, "" | "." | ".."));
    if (3..=63).contains(&bucket.len()) && is_plain(bucket) && (prefix.is_empty() || segments()) {
        Ok((bucket.to_owned(), prefix.to_owned()))
    } else {
        Err(wrong())
    }
}

fn endpoint(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("must be an http or https URL".to_owned()),
    }
}

fn region(text: &str) -> Result<String, String> {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        Ok(text.to_owned())
    } else {
        Err("must be the name of a region".to_owned())
    }
}

fn credential(text: &str) -> Result<SecretString, String> {
    if text.chars().all(|c| c.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err("is no key: it has blanks or other characters that no key has".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::{Config, Problems};

    const BUCKET: (&str, &str) = ("AVATAR_BUCKET_URL", "s3://pictures");

    fn bucket_of(pairs: &[(&str, &str)]) -> S3Config {
        match Config::of(pairs.iter().copied()).unwrap().avatars {
            AvatarPlace::Bucket(config) => config,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(pairs: &[(&str, &str)], start: &str) {
        let Problems(problems) = Config::of(pairs.iter().copied()).unwrap_err();
        assert!(problems.len() == 1 && problems[0].to_string().starts_with(start), "{problems:#?}");
    }

    #[test]
    fn files_are_kept_beside_the_data() {
        let place = |pairs: &[(&str, &str)]| Config::of(pairs.iter().copied()).unwrap().avatars;
        let database = ("DATABASE_URL", "postgres://localhost/frontdesk");
        assert!(matches!(place(&[]), AvatarPlace::Memory));
        for (pairs, expected) in [
            (vec![database], "./data/avatars"),
            (vec![database, ("AVATAR_DIR", "/srv/a b")], "/srv/a b"),
            (vec![("AVATAR_DIR", "pictures")], "pictures"),
        ] {
            assert!(matches!(place(&pairs), AvatarPlace::Directory(path) if path == *expected), "{pairs:?}");
        }
    }

    #[test]
    fn a_bucket_is_reached_as_the_usual_variables_say() {
        let config = bucket_of(&[
            ("AVATAR_BUCKET_URL", "s3://my.pictures/of/users/"),
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "hunter3"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", "http://minio:9000/"),
        ]);
        assert_eq!((config.bucket.as_str(), config.prefix.as_str()), ("my.pictures", "of/users"));
        assert_eq!((config.region.as_str(), config.allow_http), ("eu-central-1", true));
        assert_eq!(config.endpoint.as_deref(), Some("http://minio:9000"));
        assert_eq!(config.secret_access_key.as_ref().unwrap().expose_secret(), "hunter2");
        assert!(!format!("{config:?}").contains("hunter"), "{config:?}");
    }

    #[test]
    fn a_bucket_needs_no_more_than_its_name() {
        let config = bucket_of(&[BUCKET]);
        assert_eq!((config.region.as_str(), config.endpoint, config.allow_http), ("us-east-1", None, false));
        assert_eq!(bucket_of(&[BUCKET, ("AWS_DEFAULT_REGION", "eu-west-1")]).region, "eu-west-1");
    }

    #[test]
    fn what_is_no_bucket_is_refused() {
        for wrong in
            ["https://pictures", "pictures", "s3://", "s3://a", "s3://u@bucket", "s3://bucket/../x", "s3://b c"]
        {
            refused(&[("AVATAR_BUCKET_URL", wrong)], "AVATAR_BUCKET_URL is ");
        }
    }

    #[test]
    fn a_directory_and_a_bucket_are_one_too_many() {
        refused(&[BUCKET, ("AVATAR_DIR", "/srv")], "AVATAR_DIR and AVATAR_BUCKET_URL are both set");
    }

    #[test]
    fn half_a_key_is_refused_and_only_where_a_bucket_needs_one() {
        refused(&[BUCKET, ("AWS_ACCESS_KEY_ID", "AKIA")], "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
        refused(&[BUCKET, ("AWS_SECRET_ACCESS_KEY", "x")], "AWS_ACCESS_KEY_ID is not set");
        refused(&[BUCKET, ("AWS_SESSION_TOKEN", "x")], "AWS_ACCESS_KEY_ID is not set");
        assert!(Config::of([("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_REGION", "? ?")]).is_ok());
    }
}

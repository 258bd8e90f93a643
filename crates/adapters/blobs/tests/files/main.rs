//! The files of avatars in memory, in a directory and in S3.

#![expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

mod bucket;
mod contract;
mod directory;
mod faults;
mod s3;

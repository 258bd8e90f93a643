//! Every place of files keeps the contract of the port.

use std::sync::Arc;

use frontdesk_blobs::BlobFiles;
use frontdesk_testkit::contract::avatar_files::Files;
use tempfile::TempDir;

use crate::bucket::Bucket;

mod memory {
    use super::*;

    fn files() -> Files {
        Files { files: Arc::new(BlobFiles::memory()), backend: None }
    }

    frontdesk_testkit::avatar_files_contract!(async { files() });
}

mod directory {
    use super::*;

    fn files() -> Files {
        let directory = TempDir::new().unwrap();
        let files = BlobFiles::directory(&directory.path().join("avatars")).unwrap();
        Files { files: Arc::new(files), backend: Some(Arc::new(directory)) }
    }

    frontdesk_testkit::avatar_files_contract!(async { files() });
}

mod s3 {
    use super::*;

    async fn files() -> Files {
        let bucket = Bucket::serve().await;
        Files { files: Arc::new(BlobFiles::s3(bucket.config()).unwrap()), backend: Some(Arc::new(bucket)) }
    }

    frontdesk_testkit::avatar_files_contract!(files());
}

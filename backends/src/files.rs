//! Files under a name: in a folder, or in a bucket that speaks S3.

mod folder;
mod name;
#[cfg(feature = "s3")]
mod s3;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use kit::problem::Problem;

/// Stored files.
#[async_trait]
pub trait Files: Send + Sync {
    /// Stores `bytes` under `name`, durably and all or nothing; a file of that name is replaced.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error>;
    /// The whole file, or None.
    async fn get(&self, name: &str) -> Result<Option<Bytes>, Error>;
    /// Removes the file durably; answers whether there was one.
    async fn delete(&self, name: &str) -> Result<bool, Error>;
}

/// A failed file operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Names are 1 to 512 bytes of `[a-z0-9._-]` in segments joined by `/`; no segment is empty or begins with a dot.
    #[error("`{0}` is not a name for a file")]
    Name(String),
    /// No space left.
    #[error("the file store is full: {0}")]
    Full(#[source] std::io::Error),
    /// Any other failure of the store.
    #[error("the file store is unavailable: {0}")]
    Unavailable(#[source] std::io::Error),
    /// The configured address names no file store.
    #[error("{0}")]
    Configuration(String),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Error::Full(error)
            }
            _ => Error::Unavailable(error),
        }
    }
}

impl From<Error> for Problem {
    /// A malformed name is 404, like every malformed id; else 507 or 503.
    fn from(error: Error) -> Problem {
        match error {
            Error::Name(_) => Problem::not_found("file_not_found", "there is no such file"),
            Error::Full(_) => Problem::new(
                http::StatusCode::INSUFFICIENT_STORAGE,
                "storage_full",
                "the file store has no space left",
            )
            .retry_after(60)
            .cause(error),
            Error::Unavailable(_) => Problem::unavailable(
                "store_unavailable",
                "the file store cannot be reached at the moment",
            )
            .cause(error),
            Error::Configuration(_) => Problem::internal(error),
        }
    }
}

/// Opens `file:PATH`, whose folder is made if it is missing and belongs to one process, or
/// `s3://KEY:SECRET@BUCKET/FOLDER?endpoint=URL&region=REGION`.
pub fn open(url: &str) -> Result<Arc<dyn Files>, Error> {
    match url.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(Arc::new(folder::Folder::open(
            path.strip_prefix("//").unwrap_or(path),
        )?)),
        Some(("file", _)) => Err(Error::Configuration("file: needs a path".to_owned())),
        #[cfg(feature = "s3")]
        Some(("s3", _)) => Ok(Arc::new(s3::Bucket::open(url)?)),
        #[cfg(not(feature = "s3"))]
        Some(("s3", _)) => Err(Error::Configuration(
            "s3: this program was built without it; build it with --features servers".to_owned(),
        )),
        other => {
            let scheme = other.map_or("", |(scheme, _)| scheme);
            Err(Error::Configuration(format!(
                "unknown scheme `{scheme}:`; known: file:, s3:"
            )))
        }
    }
}

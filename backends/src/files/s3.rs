//! Files in a bucket that speaks S3.

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStoreExt, RetryConfig};
use std::io;
use std::time::Duration;
use url::Url;

use super::{Error, Files, name};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A bucket, or a folder in it.
#[derive(Debug)]
pub(super) struct Bucket {
    store: AmazonS3,
    prefix: String,
}

impl Bucket {
    /// `s3://KEY:SECRET@BUCKET[/PREFIX]?endpoint=http://HOST:PORT&region=REGION`. Nothing is asked of the server yet.
    pub(super) fn open(url: &str) -> Result<Bucket, Error> {
        let refused = |what: &str| {
            Error::Configuration(format!(
                "{what}; write s3://KEY:SECRET@BUCKET/FOLDER?endpoint=http://HOST:PORT&region=REGION"
            ))
        };
        let url =
            Url::parse(url).map_err(|_| refused("the address of the bucket cannot be read"))?;
        let bucket = url
            .host_str()
            .ok_or_else(|| refused("s3: names no bucket"))?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region("us-east-1")
            .with_client_options(
                ClientOptions::new()
                    .with_timeout(PATIENCE)
                    .with_connect_timeout(Duration::from_secs(3)),
            )
            .with_retry(RetryConfig {
                max_retries: 3,
                retry_timeout: PATIENCE,
                ..RetryConfig::default()
            });
        let secret = url.password().unwrap_or_default();
        if url.username().is_empty() || secret.is_empty() {
            return Err(refused("s3: needs a key and its secret"));
        }
        builder = builder
            .with_access_key_id(plain(url.username()))
            .with_secret_access_key(plain(secret));
        for (option, value) in url.query_pairs() {
            builder = match &*option {
                "endpoint" => builder
                    .with_allow_http(value.starts_with("http://"))
                    .with_endpoint(value),
                "region" => builder.with_region(value),
                other => {
                    return Err(refused(&format!(
                        "s3: knows endpoint and region, not `{other}`"
                    )));
                }
            };
        }
        let prefix = url.path().trim_matches('/');
        if !prefix.is_empty() {
            name::check(prefix)?;
        }
        Ok(Bucket {
            prefix: prefix.to_owned(),
            // The library's own words may quote the address with its secret.
            store: builder
                .build()
                .map_err(|_| refused("the address of the bucket cannot be used"))?,
        })
    }

    fn path(&self, name: &str) -> Result<Path, Error> {
        name::check(name)?;
        Ok(match self.prefix.as_str() {
            "" => Path::from(name),
            prefix => Path::from(format!("{prefix}/{name}")),
        })
    }
}

/// User information of an address, decoded.
fn plain(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

#[async_trait]
impl Files for Bucket {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let path = self.path(name)?;
        self.store.put(&path, bytes.into()).await.map_err(failed)?;
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, Error> {
        match self.store.get(&self.path(name)?).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(failed)?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn delete(&self, name: &str) -> Result<bool, Error> {
        let path = self.path(name)?;
        // S3 does not tell whether there was one
        match self.store.head(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(failed(error)),
            Ok(_) => {}
        }
        match self.store.delete(&path).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: object_store::Error) -> Error {
    Error::Unavailable(io::Error::other(error))
}

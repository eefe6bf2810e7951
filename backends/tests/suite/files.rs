use std::sync::Arc;

use backends::files::{self, Error, Files};
use bytes::Bytes;

/// A store with what must outlive it.
struct Place {
    _folder: Option<tempfile::TempDir>,
    files: Arc<dyn Files>,
}

fn folder() -> (tempfile::TempDir, Arc<dyn Files>) {
    let folder = tempfile::tempdir().unwrap();
    let files = files::open(&format!("file:{}", folder.path().join("a/b").display())).unwrap();
    (folder, files)
}

/// Every store there is: a folder of its own, and with the feature `s3-tests` a folder of the bucket's.
fn places() -> Vec<Place> {
    let (folder, files) = folder();
    let place = Place {
        _folder: Some(folder),
        files,
    };
    vec![
        place,
        #[cfg(feature = "s3-tests")]
        Place {
            _folder: None,
            files: bucket(),
        },
    ]
}

#[cfg(feature = "s3-tests")]
fn bucket() -> Arc<dyn Files> {
    let url = kit::testing::required_env("SCHOOLYARD_TEST_S3");
    let (base, options) = url.split_once('?').unwrap();
    let own = uuid::Uuid::from_u128(rand()).simple().to_string();
    files::open(&format!("{}/{own}?{options}", base.trim_end_matches('/'))).unwrap()
}

#[cfg(feature = "s3-tests")]
fn rand() -> u128 {
    kit::ids::RandomIds::shared(kit::SystemClock::shared())
        .uuid()
        .as_u128()
}

#[tokio::test]
async fn a_file_is_read_as_it_was_put_replaced_and_deleted() {
    for Place { files, .. } in places() {
        assert_eq!(files.get("x/y.txt").await.unwrap(), None);
        files
            .put("x/y.txt", Bytes::from_static(b"one"))
            .await
            .unwrap();
        files
            .put("x/y.txt", Bytes::from_static(b"two"))
            .await
            .unwrap();
        files.put("empty", Bytes::new()).await.unwrap();
        assert_eq!(files.get("x/y.txt").await.unwrap().unwrap(), "two");
        assert_eq!(files.get("empty").await.unwrap().unwrap(), "");
        assert!(files.delete("x/y.txt").await.unwrap());
        assert!(!files.delete("x/y.txt").await.unwrap());
        assert_eq!(files.get("x/y.txt").await.unwrap(), None);
    }
}

#[tokio::test]
async fn no_name_reaches_outside_the_folder() {
    let (folder, files) = folder();
    std::fs::write(folder.path().join("secret"), "s").unwrap();
    for name in [
        "../../secret",
        "/etc/passwd",
        "",
        ".tmp/x",
        "x/../../secret",
        "A",
        "x\0",
    ] {
        assert!(
            matches!(files.get(name).await, Err(Error::Name(_))),
            "{name:?}"
        );
        assert!(
            matches!(files.put(name, Bytes::new()).await, Err(Error::Name(_))),
            "{name:?}"
        );
        assert!(
            matches!(files.delete(name).await, Err(Error::Name(_))),
            "{name:?}"
        );
    }
    assert_eq!(
        kit::Problem::from(files.get("..").await.unwrap_err())
            .status()
            .as_u16(),
        404
    );
}

#[tokio::test]
async fn a_folder_asked_for_as_a_file_is_not_there() {
    for Place { files, .. } in places() {
        files.put("x/y", Bytes::new()).await.unwrap();
        assert_eq!(files.get("x").await.unwrap(), None);
        assert_eq!(files.get("x/y/z").await.unwrap(), None);
    }
}

#[tokio::test]
async fn half_written_files_of_a_crash_are_gone_after_the_next_start() {
    let (folder, files) = folder();
    files.put("kept", Bytes::from_static(b"k")).await.unwrap();
    let root = folder.path().join("a/b");
    std::fs::write(root.join(".tmp/1-0"), "half").unwrap();
    let again = files::open(&format!("file:{}", root.display())).unwrap();
    assert_eq!(std::fs::read_dir(root.join(".tmp")).unwrap().count(), 0);
    assert_eq!(again.get("kept").await.unwrap().unwrap(), "k");
}

#[tokio::test]
async fn sixty_four_writers_of_one_name_leave_one_whole_file() {
    for Place { files, .. } in places() {
        let writers: Vec<_> = (0..64_u8)
            .map(|n| {
                let files = Arc::clone(&files);
                tokio::spawn(async move { files.put("same", Bytes::from(vec![n; 10_000])).await })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        let bytes = files.get("same").await.unwrap().unwrap();
        assert!(bytes.len() == 10_000 && bytes.iter().all(|byte| *byte == bytes[0]));
    }
}

#[test]
fn an_unknown_scheme_lists_the_known_ones() {
    let error = files::open("ftp://bucket").err().unwrap().to_string();
    assert!(
        error.contains("`ftp:`") && error.contains("file:"),
        "{error}"
    );
}

#[cfg(feature = "s3")]
#[tokio::test]
async fn an_address_of_a_bucket_that_lacks_something_is_refused_without_its_secret() {
    for (url, what) in [
        ("s3://bucket", "secret"),
        ("s3://key@bucket", "secret"),
        ("s3://key:hidden@bucket?colour=red", "colour"),
        (
            "s3://key:hidden@bucket/../x?endpoint=http://127.0.0.1:1",
            "",
        ),
        (
            "s3://key:hidden@bucket/A?endpoint=http://127.0.0.1:1",
            "name",
        ),
    ] {
        match files::open(url) {
            Ok(_) => assert_eq!(what, "", "{url}"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(what) && !error.contains("hidden"), "{error}");
            }
        }
    }
}

#[cfg(feature = "s3")]
#[tokio::test]
async fn a_bucket_that_cannot_be_reached_is_unavailable() {
    let files = files::open("s3://key:hidden@bucket?endpoint=http://127.0.0.1:1").unwrap();
    let error = files.get("a").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_eq!(kit::Problem::from(error).code(), "store_unavailable");
}

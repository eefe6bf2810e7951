use std::sync::Arc;

use backends::files::{self, Error, Files};
use bytes::Bytes;

fn folder() -> (tempfile::TempDir, Arc<dyn Files>) {
    let folder = tempfile::tempdir().unwrap();
    let files = files::open(&format!("file:{}", folder.path().join("a/b").display())).unwrap();
    (folder, files)
}

#[tokio::test]
async fn a_file_is_read_as_it_was_put_replaced_and_deleted() {
    let (_folder, files) = folder();
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
    let (_folder, files) = folder();
    files.put("x/y", Bytes::new()).await.unwrap();
    assert_eq!(files.get("x").await.unwrap(), None);
    assert_eq!(files.get("x/y/z").await.unwrap(), None);
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
    let (_folder, files) = folder();
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

#[test]
fn an_unknown_scheme_lists_the_known_ones() {
    let error = files::open("s3://bucket").err().unwrap().to_string();
    assert!(
        error.contains("`s3:`") && error.contains("file:"),
        "{error}"
    );
}

//! Files in a folder of this machine.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Error, Files, name};

/// Half-written files lie here, on the same file system, until they are renamed. No file's name begins with a dot.
const TEMPORARY: &str = ".tmp";

/// Clones share the folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: Arc<PathBuf>,
    next: Arc<AtomicU64>,
}

impl Folder {
    /// Opens the folder and removes what a crash left half-written.
    pub(super) fn open(root: &str) -> Result<Folder, Error> {
        let root = PathBuf::from(root);
        let temporary = root.join(TEMPORARY);
        make_folders(&temporary)?;
        for leftover in fs::read_dir(&temporary)? {
            fs::remove_file(leftover?.path())?;
        }
        Ok(Folder {
            root: Arc::new(root),
            next: Arc::new(AtomicU64::new(0)),
        })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.root.join(name);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = self
            .root
            .join(TEMPORARY)
            .join(format!("{}-{number}", std::process::id()));
        let written = self.write_and_rename(&temporary, &target, bytes);
        if written.is_err() {
            // It may not exist; what matters is the first error.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// The order makes it all or nothing: the content is on disk before the name points to it, and the name before
    /// the caller is told.
    fn write_and_rename(&self, temporary: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .open(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        let folder = target.parent().unwrap_or(&self.root);
        make_folders(folder)?;
        fs::rename(temporary, target)?;
        sync_folder(folder)
    }

    fn remove(&self, name: &str) -> io::Result<bool> {
        let target = self.root.join(name);
        match fs::remove_file(&target) {
            Ok(()) => {
                sync_folder(target.parent().unwrap_or(&self.root))?;
                Ok(true)
            }
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    {
        let folder = self.clone();
        Ok(tokio::task::spawn_blocking(move || work(&folder))
            .await
            .map_err(io::Error::other)??)
    }
}

#[async_trait]
impl Files for Folder {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        name::check(name)?;
        let name = name.to_owned();
        self.blocking(move |folder| folder.write(&name, &bytes))
            .await
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, Error> {
        name::check(name)?;
        let path = self.root.join(name);
        self.blocking(move |_| match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<bool, Error> {
        name::check(name)?;
        let name = name.to_owned();
        self.blocking(move |folder| folder.remove(&name)).await
    }
}

/// No such file, or a name that asks for a folder as a file or a file as a folder.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

/// Makes the folder and its missing parents, each durably named in the one above.
fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder
        .parent()
        .filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make_folders(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder(above.unwrap_or(Path::new(".")))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

//! The data directory: everything one process keeps, in one folder that can be copied while the server is stopped.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder, locked for this process until dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds the lock; the kernel releases it with the process, however that ends.
    _lock: File,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process uses it (`data_dir_locked`).
    #[error(
        "data_dir_locked: {path} is in use by process {pid}; stop that server first, or set SCHOOLYARD_DATA to another folder"
    )]
    Locked {
        /// The folder.
        path: String,
        /// Who holds it, as far as it said.
        pid: String,
    },
    /// It cannot be made or opened.
    #[error(
        "the data directory {path} cannot be used: {cause}; set SCHOOLYARD_DATA to a folder this user may write"
    )]
    Unusable {
        /// The folder.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
}

impl DataDir {
    /// Makes the folder if need be (mode 0700) and locks it.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |cause| DataDirError::Unusable {
            path: path.display().to_string(),
            cause,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let mut lock = open_private(&path.join("lock"), false).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let read = lock.read_to_string(&mut pid);
                let known = read.is_ok() && !pid.trim().is_empty();
                let pid = if known {
                    pid.trim().to_owned()
                } else {
                    "unknown".to_owned()
                };
                return Err(DataDirError::Locked {
                    path: path.display().to_string(),
                    pid,
                });
            }
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The content of a secret file, made with mode 0600 by `make` if it is not there, and on disk when this returns.
    ///
    /// # Errors
    /// [`DataDirError::Unusable`].
    pub fn secret(
        &self,
        name: &str,
        make: impl FnOnce() -> String,
    ) -> Result<String, DataDirError> {
        let path = self.file(name);
        let unusable = |cause| DataDirError::Unusable {
            path: path.display().to_string(),
            cause,
        };
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(text.trim_end().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(error)),
        }
        let secret = make();
        // Written beside and renamed: a crash leaves no half secret behind.
        let fresh = self.file(&format!("{name}.new"));
        let mut file = open_private(&fresh, true).map_err(unusable)?;
        file.write_all(secret.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .map_err(unusable)?;
        file.sync_all().map_err(unusable)?;
        fs::rename(&fresh, &path).map_err(unusable)?;
        File::open(&self.path)
            .and_then(|folder| folder.sync_all())
            .map_err(unusable)?;
        Ok(secret)
    }
}

fn open_private(path: &Path, truncate: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(truncate)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_second_process_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::lock(folder.path()).unwrap();
        let second = DataDir::lock(folder.path()).unwrap_err().to_string();
        assert!(second.starts_with("data_dir_locked: "), "{second}");
        assert!(
            second.contains(&format!("process {}", std::process::id())),
            "{second}"
        );
        drop(first);
        assert!(DataDir::lock(folder.path()).is_ok());
    }

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::lock(folder.path()).unwrap();
        assert_eq!(data.secret("key", || "first".into()).unwrap(), "first");
        assert_eq!(data.secret("key", || "second".into()).unwrap(), "first");
        let mode = fs::metadata(data.file("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

//! A claim on a whole database that lasts as long as its process: for programs that must be alone on it, or must know that
//! nobody is who wants to be. Kept by the operating system (SQLite: a lock on a file beside the database) or by the server
//! (PostgreSQL: an advisory lock of a connection of its own). It writes nothing, and is gone when the process is, however it
//! ended.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::time::timeout;

use super::{Db, Error, engine::Engine};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who else may hold the same claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Nobody.
    Alone,
    /// Others who share it as well.
    Together,
}

/// A claim that is held; dropped, it is given up.
#[derive(Debug)]
pub struct Hold {
    on: On,
}

#[derive(Debug)]
enum On {
    File {
        _locked: File,
    },
    Server {
        pool: PgPool,
        name: String,
        share: Share,
        connection: Option<PgConnection>,
    },
}

impl Db {
    /// Claims the database under a name. `None`: somebody holds that claim and will not share it, or we would not.
    pub async fn hold(&self, name: &str, share: Share) -> Result<Option<Hold>, Error> {
        let on = match &self.inner.engine {
            Engine::Sqlite(lite) => {
                let Some(locked) = lock_file(&beside(&lite.path, name), share)? else {
                    return Ok(None);
                };
                On::File { _locked: locked }
            }
            Engine::Postgres(pool) => {
                let Some(connection) = lock_on_server(pool, name, share).await? else {
                    return Ok(None);
                };
                On::Server {
                    pool: pool.clone(),
                    name: name.to_owned(),
                    share,
                    connection: Some(connection),
                }
            }
        };
        Ok(Some(Hold { on }))
    }
}

impl Hold {
    /// Whether the claim is still held. One that ended with its connection is made again; false: somebody was faster.
    ///
    /// # Errors
    /// The server does not answer, so that it is not known.
    pub async fn check(&mut self) -> Result<bool, Error> {
        let On::Server {
            pool,
            name,
            share,
            connection,
        } = &mut self.on
        else {
            // nothing ends it but the end of this process
            return Ok(true);
        };
        if let Some(mut held) = connection.take()
            && let Ok(Ok(())) = timeout(PATIENCE, held.ping()).await
        {
            *connection = Some(held);
            return Ok(true);
        }
        *connection = lock_on_server(pool, name, *share).await?;
        Ok(connection.is_some())
    }
}

fn beside(database: &Path, name: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-");
    path.push(name);
    path.into()
}

fn lock_file(path: &Path, share: Share) -> Result<Option<File>, Error> {
    let failed = |error: std::io::Error| {
        Error::Unavailable(
            anyhow::Error::new(error).context(format!("{} cannot be locked", path.display())),
        )
    };
    // not the database itself: closing a second handle on it would end SQLite's own locks
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(failed)?;
    let locked = match share {
        Share::Alone => file.try_lock(),
        Share::Together => file.try_lock_shared(),
    };
    match locked {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

async fn lock_on_server(
    pool: &PgPool,
    name: &str,
    share: Share,
) -> Result<Option<PgConnection>, Error> {
    let locking = async {
        // none of the pool's: those come and go
        let mut connection = PgConnection::connect_with(&pool.connect_options()).await?;
        let sql = match share {
            Share::Alone => {
                "SELECT pg_try_advisory_lock(hashtextextended(COALESCE(current_schema(), '') || '.' || $1, 0))"
            }
            Share::Together => {
                "SELECT pg_try_advisory_lock_shared(hashtextextended(COALESCE(current_schema(), '') || '.' || $1, 0))"
            }
        };
        let (locked,): (bool,) = sqlx::query_as(sql)
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        Ok(locked.then_some(connection))
    };
    match timeout(PATIENCE, locking).await {
        Ok(locked) => locked.map_err(|error: sqlx::Error| error.into()),
        Err(_) => Err(Error::unavailable("the server does not answer")),
    }
}

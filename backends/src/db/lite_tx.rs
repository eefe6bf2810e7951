//! A transaction on SQLite, in as few commands to its thread as can be.
//!
//! sqlx runs SQLite on a thread of its own, and every command to it costs two switches of threads, which on a busy core is
//! more than the statement itself. So BEGIN goes along with the first statement, and what was put off
//! ([`Tx::later`](super::Tx::later)) goes along with the next statement or with COMMIT. BEGIN, COMMIT and ROLLBACK are plain
//! statements here: sqlx's own counting of transactions is not used.

use futures_util::FutureExt;
use sqlx::{
    SqlSafeStr, SqlStr,
    sqlite::{SqliteArguments, SqliteConnection},
};
use tokio::sync::OwnedMutexGuard;

use super::{Error, parameters::renumbered, sqlite::Slot, sync::Turn};

/// An open transaction: the writer, held until this is dropped.
#[derive(Debug)]
pub(super) struct LiteTx {
    guard: OwnedMutexGuard<Slot>,
    state: State,
    /// Statements that were put off, each with `; ` behind it.
    put_off: String,
    args: SqliteArguments,
    _turn: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was sent.
    Fresh,
    /// BEGIN was sent and may have failed, or what came with it.
    Unsure,
    /// Inside the transaction.
    Begun,
    /// A statement that was put off failed, or was never sent: only ROLLBACK is left.
    Broken,
    /// Nothing is left to be undone.
    Ended,
}

/// What goes to the connection in one command.
pub(super) struct Command<'c> {
    pub(super) sql: SqlStr,
    pub(super) conn: &'c mut SqliteConnection,
    state: &'c mut State,
}

impl Command<'_> {
    /// The command was answered without an error.
    pub(super) fn succeeded(self) {
        *self.state = State::Begun;
    }

    /// The command was a condition, and was answered; one that does not hold ends the transaction.
    pub(super) fn met(self, holds: bool) -> Result<(), Error> {
        if holds {
            self.succeeded();
            return Ok(());
        }
        *self.state = State::Broken;
        Err(Error::Unmet)
    }
}

impl LiteTx {
    pub(super) fn new(guard: OwnedMutexGuard<Slot>, turn: Turn) -> LiteTx {
        LiteTx {
            guard,
            state: State::Fresh,
            put_off: String::new(),
            args: SqliteArguments::default(),
            _turn: turn,
        }
    }

    /// The parameters of what was put off; the next statement adds its own behind them.
    pub(super) fn take_args(&mut self) -> SqliteArguments {
        std::mem::take(&mut self.args)
    }

    /// Puts a statement off whose parameters were added to those of [`take_args`](Self::take_args), of which there were `before`.
    pub(super) fn put_off(&mut self, sql: &str, before: usize, args: SqliteArguments) {
        self.put_off.push_str(&renumbered(sql, before));
        self.put_off.push_str("; ");
        self.args = args;
    }

    /// The command that runs `sql` after all that was put off; its parameters follow the `before` ones of those. Whoever
    /// drops it half-way, or does not say that it succeeded, leaves a transaction that cannot be committed if something
    /// was put off.
    pub(super) async fn command(
        &mut self,
        sql: SqlStr,
        before: usize,
    ) -> Result<Command<'_>, Error> {
        match self.state {
            State::Broken | State::Ended => {
                return Err(Error::other(
                    "an earlier statement of this transaction failed",
                ));
            }
            State::Unsure => self.begin_alone().await?,
            State::Fresh | State::Begun => {}
        }
        let begin = if self.state == State::Fresh {
            "BEGIN IMMEDIATE; "
        } else {
            ""
        };
        let sql = if begin.is_empty() && self.put_off.is_empty() {
            sql
        } else {
            let text = renumbered(sql.as_str(), before);
            sqlx::AssertSqlSafe(format!("{begin}{}{text}", self.put_off)).into_sql_str()
        };
        // until it is answered
        self.state = match self.state {
            _ if !self.put_off.is_empty() => State::Broken,
            State::Fresh => State::Unsure,
            other => other,
        };
        self.put_off.clear();
        let conn = self.guard.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok(Command {
            sql,
            conn,
            state: &mut self.state,
        })
    }

    /// After a command that failed together with BEGIN: it may have been the statement, and then a second BEGIN is refused.
    async fn begin_alone(&mut self) -> Result<(), Error> {
        // also where this is given up half-way
        self.state = State::Unsure;
        let conn = self.guard.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(conn).await;
        match begun {
            Ok(_) => {}
            Err(sqlx::Error::Database(refusal))
                if refusal.message().contains("within a transaction") => {}
            Err(error) => return Err(error.into()),
        }
        self.state = State::Begun;
        Ok(())
    }

    /// COMMIT, and hand the writer on. Durable only after a sync.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        if self.state == State::Fresh && self.put_off.is_empty() {
            self.state = State::Ended;
            return Ok(());
        }
        let args = self.take_args();
        let before = sqlx::Arguments::len(&args);
        let command = self.command("COMMIT".into_sql_str(), before).await?;
        sqlx::query_with(command.sql.clone(), args)
            .execute(&mut *command.conn)
            .await?;
        self.state = State::Ended;
        Ok(())
    }

    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        if self.state != State::Fresh {
            let conn = self.guard.as_mut().ok_or(sqlx::Error::PoolClosed)?;
            sqlx::query("ROLLBACK").execute(conn).await?;
        }
        self.state = State::Ended;
        Ok(())
    }
}

impl Drop for LiteTx {
    fn drop(&mut self) {
        if !matches!(self.state, State::Fresh | State::Ended)
            && let Some(conn) = self.guard.as_mut()
        {
            // Polled once it stands in the queue of the connection's thread, before the guard is handed on: the next BEGIN runs
            // after it. Where BEGIN failed or COMMIT went through it is refused, which changes nothing.
            let _ = sqlx::query("ROLLBACK").execute(conn).now_or_never();
        }
    }
}

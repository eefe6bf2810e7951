//! A transaction on SQLite, in as few commands to its thread as can be.
//!
//! sqlx runs SQLite on a thread of its own, and every command to it costs two switches of threads, which on a busy core is
//! more than the statement itself. So BEGIN goes along with the first statement, and what was put off
//! ([`Query::later`](super::Query::later)) goes along with the next statement or with COMMIT. BEGIN, COMMIT and ROLLBACK are plain
//! statements here: sqlx's own counting of transactions is not used.

use std::borrow::Cow;

use futures_util::FutureExt;
use sqlx::{
    SqlSafeStr, SqlStr,
    sqlite::{SqliteArguments, SqliteConnection},
};
use tokio::sync::OwnedMutexGuard;

use super::{Error, sqlite::Slot, sync::Turn};

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

/// The statement with every `$n` outside of quotes raised by `by`.
fn renumbered(sql: &str, by: usize) -> Cow<'_, str> {
    if by == 0 || !sql.contains('$') {
        return Cow::Borrowed(sql);
    }
    let mut out = String::with_capacity(sql.len() + 16);
    let (mut quote, mut rest) = (None, sql);
    while let Some(at) = rest.find(['$', '\'', '"']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let sign = from.as_bytes()[0];
        rest = &from[1..];
        out.push(char::from(sign));
        match quote {
            Some(open) if sign == open => quote = None,
            None if sign != b'$' => quote = Some(sign),
            None => {
                let end = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                if let Ok(number) = rest[..end].parse::<usize>() {
                    out.push_str(&(number + by).to_string());
                    rest = &rest[end..];
                }
            }
            Some(_) => {}
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::renumbered;

    #[test]
    fn parameters_are_raised_and_what_stands_in_quotes_is_not() {
        assert_eq!(
            renumbered(
                "INSERT INTO t VALUES ($1, '$2 it''s $3', $10, \"$4\", $2)",
                7
            ),
            "INSERT INTO t VALUES ($8, '$2 it''s $3', $17, \"$4\", $9)"
        );
        assert_eq!(renumbered("SELECT '$' || $1", 1), "SELECT '$' || $2");
    }

    proptest! {
        #[test]
        fn raising_twice_is_raising_by_the_sum(parts in prop::collection::vec(("[a-z ,()]{0,8}", 1usize..200), 0..12), a in 0usize..50, b in 0usize..50) {
            let sql: String = parts.iter().map(|(text, n)| format!("{text} ${n}")).collect();
            let expected: String = parts.iter().map(|(text, n)| format!("{text} ${}", n + a + b)).collect();
            let once = renumbered(&sql, a);
            prop_assert_eq!(renumbered(&once, b), expected);
        }
    }
}

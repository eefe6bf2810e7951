//! One SQL text, two databases, no macros at the call site.
//!
//! The trick: supertrait bounds on `Self` are implied, so two blanket-implemented marker traits ([`Bind`], [`Record`])
//! replace pages of `where` clauses.

use futures_util::TryStreamExt;
use sqlx::{
    Arguments, Encode, Executor, FromRow, Postgres, Sqlite, Type,
    error::BoxDynError,
    postgres::{PgArguments, PgPool, PgRow},
    sqlite::{SqliteArguments, SqliteConnection, SqlitePool, SqliteRow},
};

use super::{Error, lite_tx::LiteTx, pg_tx::PgTx};

/// Anything both databases take as a parameter.
pub trait Bind:
    Send + for<'q> Encode<'q, Postgres> + Type<Postgres> + for<'q> Encode<'q, Sqlite> + Type<Sqlite>
{
}
impl<T> Bind for T where
    T: Send
        + for<'q> Encode<'q, Postgres>
        + Type<Postgres>
        + for<'q> Encode<'q, Sqlite>
        + Type<Sqlite>
{
}

/// Anything both databases return as a row: a `#[derive(sqlx::FromRow)]` struct or a tuple.
pub trait Record:
    Send + Unpin + for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow>
{
}
impl<T> Record for T where
    T: Send + Unpin + for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow>
{
}

/// Where a query runs.
pub(super) enum On<'c> {
    PgPool(&'c PgPool),
    PgTx(&'c mut PgTx),
    /// To be put off.
    PgLater(&'c mut PgTx, Put),
    SqlitePool(&'c SqlitePool),
    SqliteTx(&'c mut LiteTx),
}

/// What is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// Anything whose outcome nobody waits for.
    Any,
    /// What has to change a row.
    Condition,
    /// An INSERT of one row whose number, in this column, is told to whom commits.
    Numbered(&'static str),
}

enum Args {
    Postgres(PgArguments),
    Sqlite(SqliteArguments),
}

/// A statement with its parameters, ready to run. The n-th [`Query::bind`] is `$n`.
#[must_use = "a query does nothing until it is run"]
pub struct Query<'c> {
    on: On<'c>,
    sql: sqlx::SqlStr,
    args: Result<Args, BoxDynError>,
    /// Parameters of statements that go along before this one.
    before: usize,
}

/// Runs the query on whatever executor it stands for; the only macro, private to this file.
macro_rules! run {
    ($self:ident, $make:ident, $method:ident) => {{
        let args = $self.args.map_err(sqlx::Error::Encode)?;
        let sql = $self.sql;
        match ($self.on, args) {
            (On::PgPool(pool), Args::Postgres(args)) => {
                sqlx::$make::<Postgres, _, _>(sql, args)
                    .$method(pool)
                    .await?
            }
            (On::PgTx(tx), Args::Postgres(args)) => {
                sqlx::$make::<Postgres, _, _>(sql, args)
                    .$method(tx.ready().await?)
                    .await?
            }
            (On::SqlitePool(pool), Args::Sqlite(args)) => {
                sqlx::$make::<Sqlite, _, _>(sql, args).$method(pool).await?
            }
            (On::SqliteTx(tx), Args::Sqlite(args)) => {
                let command = tx.command(sql, $self.before).await?;
                let found = sqlx::$make::<Sqlite, _, _>(command.sql.clone(), args)
                    .$method(&mut *command.conn)
                    .await;
                if matches!(found, Ok(_) | Err(sqlx::Error::RowNotFound)) {
                    command.succeeded();
                }
                found?
            }
            _ => unreachable!("arguments are made for the connection"),
        }
    }};
}

impl<'c> Query<'c> {
    pub(super) fn new(mut on: On<'c>, sql: impl sqlx::SqlSafeStr) -> Query<'c> {
        let mut before = 0;
        let sql = sql.into_sql_str();
        let args = match &mut on {
            On::PgLater(tx, put) => {
                let args = tx.args_before(sql.as_str(), *put);
                before = args.len();
                Args::Postgres(args)
            }
            On::PgPool(_) | On::PgTx(_) => Args::Postgres(PgArguments::default()),
            On::SqlitePool(_) => Args::Sqlite(SqliteArguments::default()),
            On::SqliteTx(tx) => {
                let args = tx.take_args();
                before = args.len();
                Args::Sqlite(args)
            }
        };
        Query {
            on,
            sql,
            args: Ok(args),
            before,
        }
    }

    /// Binds the next parameter.
    pub fn bind<T: Bind>(mut self, value: T) -> Self {
        if let Ok(args) = &mut self.args {
            let added = match args {
                Args::Postgres(args) => args.add(value),
                Args::Sqlite(args) => args.add(value),
            };
            if let Err(error) = added {
                self.args = Err(error);
            }
        }
        self
    }

    /// The first row; [`Error::Other`] if there is none.
    pub async fn one<T: Record>(self) -> Result<T, Error> {
        Ok(run!(self, query_as_with, fetch_one))
    }

    /// The first row, if there is one.
    pub async fn optional<T: Record>(self) -> Result<Option<T>, Error> {
        Ok(run!(self, query_as_with, fetch_optional))
    }

    /// Every row, in memory: put a LIMIT on what may grow.
    pub async fn all<T: Record>(self) -> Result<Vec<T>, Error> {
        Ok(run!(self, query_as_with, fetch_all))
    }

    /// The first column of the first row; [`Error::Other`] if there is none.
    pub async fn scalar<T>(self) -> Result<T, Error>
    where
        (T,): Record,
    {
        self.one::<(T,)>().await.map(|row| row.0)
    }

    /// Runs the statement; answers the number of rows affected. Only inside a transaction: on SQLite [`crate::Db::query`]
    /// runs on a read-only connection and a write fails.
    pub async fn execute(self) -> Result<u64, Error> {
        let args = self.args.map_err(sqlx::Error::Encode)?;
        let sql = self.sql;
        Ok(match (self.on, args) {
            (On::PgPool(pool), Args::Postgres(args)) => sqlx::query_with(sql, args)
                .execute(pool)
                .await?
                .rows_affected(),
            (On::PgTx(tx), Args::Postgres(args)) => sqlx::query_with(sql, args)
                .execute(tx.ready().await?)
                .await?
                .rows_affected(),
            (On::SqlitePool(pool), Args::Sqlite(args)) => sqlx::query_with(sql, args)
                .execute(pool)
                .await?
                .rows_affected(),
            (On::SqliteTx(tx), Args::Sqlite(args)) => {
                let command = tx.command(sql, self.before).await?;
                let affected = of_last(&mut *command.conn, command.sql.clone(), args).await?;
                command.succeeded();
                affected
            }
            _ => unreachable!("arguments are made for the connection"),
        })
    }
}

/// A statement that is put off, with its parameters; see [`Tx::later`](super::Tx::later) and
/// [`Tx::condition`](super::Tx::condition).
#[must_use = "it is put off by `put_off`"]
pub struct Later<'c> {
    query: Query<'c>,
    put: Put,
}

impl<'c> Later<'c> {
    pub(super) fn new(query: Query<'c>, put: Put) -> Later<'c> {
        Later { query, put }
    }

    /// Binds the next parameter.
    pub fn bind<T: Bind>(mut self, value: T) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// Puts it off. Answers what an earlier statement failed with that cannot wait for this one, and [`Error::Unmet`] where
    /// whether a condition holds is known at once.
    pub async fn put_off(self) -> Result<(), Error> {
        let put = self.put;
        let Query {
            on,
            sql,
            args,
            before,
        } = self.query;
        match (on, args.map_err(sqlx::Error::Encode)?) {
            (On::SqliteTx(tx), Args::Sqlite(args)) if put == Put::Condition => {
                let command = tx.command(sql, before).await?;
                let changed = of_last(&mut *command.conn, command.sql.clone(), args).await?;
                command.met(changed > 0)
            }
            (On::SqliteTx(tx), Args::Sqlite(args)) => {
                tx.put_off(sql.as_str(), before, args);
                Ok(())
            }
            (On::PgLater(tx, put), Args::Postgres(args)) => {
                tx.put_off(sql, put, before, args).await
            }
            _ => unreachable!("only statements of a transaction are put off"),
        }
    }
}

/// Runs a command of one or more statements; answers the number of rows that the last one affected.
async fn of_last(
    conn: &mut SqliteConnection,
    sql: sqlx::SqlStr,
    args: SqliteArguments,
) -> sqlx::Result<u64> {
    let mut answers = conn.fetch_many(sqlx::query_with(sql, args));
    let mut affected = 0;
    while let Some(answer) = answers.try_next().await? {
        if let sqlx::Either::Left(done) = answer {
            affected = done.rows_affected();
        }
    }
    Ok(affected)
}

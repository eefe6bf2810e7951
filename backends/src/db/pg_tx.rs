//! A transaction on PostgreSQL, in as few round trips as can be.
//!
//! BEGIN waits for the first statement whose outcome somebody waits for. What was put off ([`Tx::later`](super::Tx::later)) goes
//! as one statement before the next one or before COMMIT, as common table expressions; where nothing went before it, it is a
//! transaction by itself and needs neither BEGIN nor COMMIT. PostgreSQL runs such expressions in no order that it promises and
//! on one view of the data, so only plain statements, each about a table of its own, become one; their constraints, foreign keys
//! too, are judged when all of them are done.

use sqlx::{
    AssertSqlSafe, PgConnection, Postgres, Row,
    pool::PoolConnection,
    postgres::{PgArguments, PgPool},
};

use super::{Error, parameters::renumbered, query::Put};

/// What PostgreSQL says of a division by zero.
const DIVISION_BY_ZERO: &str = "22012";

const UPDATE: &str = "UPDATE ";
/// How plain statements begin.
const VERBS: [&str; 3] = ["INSERT INTO ", UPDATE, "DELETE FROM "];
/// What a statement has that looks at another table, or tells something.
const NOT_PLAIN: [&str; 5] = ["ON CONFLICT", "RETURNING", "SELECT", "FROM ", "USING "];

/// An open transaction.
#[derive(Debug)]
pub(super) struct PgTx {
    on: On,
    put_off: Vec<PutOff>,
    args: PgArguments,
    /// Its commit need not be on disk.
    relaxed: bool,
    /// What was put off failed, or was given up half-way.
    broken: bool,
    /// Of the rows that have numbers.
    numbers: Vec<i64>,
}

#[derive(Debug)]
enum On {
    /// Nothing was sent.
    Fresh(PoolConnection<Postgres>),
    Begun(sqlx::Transaction<'static, Postgres>),
    /// BEGIN failed, or was given up.
    Lost,
}

#[derive(Debug)]
struct PutOff {
    sql: String,
    kind: Put,
}

impl PutOff {
    fn table(&self) -> Option<&str> {
        self.kind.table_of(&self.sql)
    }

    fn is_numbered(&self) -> bool {
        matches!(self.kind, Put::Numbered(_))
    }
}

impl PgTx {
    pub(super) async fn begin(pool: &PgPool) -> Result<PgTx, Error> {
        Ok(PgTx {
            on: On::Fresh(pool.acquire().await?),
            put_off: Vec::new(),
            args: PgArguments::default(),
            relaxed: false,
            broken: false,
            numbers: Vec::new(),
        })
    }

    /// The parameters that those of this statement follow, if it can become one with what was put off.
    pub(super) fn args_before(&mut self, sql: &str, kind: Put) -> PgArguments {
        let of_another = |table| self.put_off.iter().all(|one| one.table() != Some(table));
        match kind.table_of(sql) {
            Some(table) if of_another(table) => std::mem::take(&mut self.args),
            _ => PgArguments::default(),
        }
    }

    /// Puts a statement off whose parameters were added to those of [`args_before`](Self::args_before), of which there were
    /// `before`. One that cannot be put off runs at once.
    pub(super) async fn put_off(
        &mut self,
        sql: sqlx::SqlStr,
        kind: Put,
        before: usize,
        args: PgArguments,
    ) -> Result<(), Error> {
        if before == 0 && !self.put_off.is_empty() {
            self.ready().await?;
        }
        if kind.table_of(sql.as_str()).is_none() {
            let conn = self.ready().await?;
            let done = sqlx::query_with(sql, args).execute(conn).await?;
            if kind == Put::Condition && done.rows_affected() == 0 {
                self.broken = true;
                return Err(Error::Unmet);
            }
            return Ok(());
        }
        let sql = renumbered(sql.as_str(), before).into_owned();
        self.put_off.push(PutOff { sql, kind });
        self.args = args;
        Ok(())
    }

    /// The connection, inside the transaction and with everything done that was put off.
    pub(super) async fn ready(&mut self) -> Result<&mut PgConnection, Error> {
        if let On::Fresh(_) = self.on
            && let On::Fresh(conn) = std::mem::replace(&mut self.on, On::Lost)
        {
            // the one way to begin on a connection that is owned
            self.on = On::Begun(sqlx::Transaction::begin(conn, None).await?);
        }
        self.run_what_was_put_off().await?;
        match &mut self.on {
            On::Begun(tx) => Ok(tx),
            On::Fresh(_) | On::Lost => Err(failed()),
        }
    }

    /// On a connection where nothing began it is a transaction by itself, so only what ends the transaction may call it there.
    async fn run_what_was_put_off(&mut self) -> Result<(), Error> {
        if self.broken {
            return Err(failed());
        }
        let put_off = std::mem::take(&mut self.put_off);
        if put_off.is_empty() {
            return Ok(());
        }
        // until it is answered
        self.broken = true;
        let args = std::mem::take(&mut self.args);
        let conditional = put_off.iter().any(|one| one.kind == Put::Condition);
        let conn: &mut PgConnection = match &mut self.on {
            On::Fresh(conn) => conn,
            On::Begun(tx) => tx,
            On::Lost => return Err(failed()),
        };
        let numbered = put_off.iter().filter(|one| one.is_numbered()).count();
        let query = sqlx::query_with(AssertSqlSafe(as_one(&put_off, self.relaxed)), args);
        let done = match numbered {
            0 => query.execute(conn).await.map(|_| None),
            _ => query.fetch_one(conn).await.map(Some),
        };
        match done {
            Ok(None) => {}
            Ok(Some(row)) => {
                // they are the last columns
                for column in row.len().saturating_sub(numbered)..row.len() {
                    self.numbers.push(row.try_get(column)?);
                }
            }
            Err(sqlx::Error::Database(refusal))
                if conditional && refusal.code().as_deref() == Some(DIVISION_BY_ZERO) =>
            {
                return Err(Error::Unmet);
            }
            Err(error) => return Err(error.into()),
        }
        self.broken = false;
        Ok(())
    }

    /// [`commit`](Self::commit) without waiting for the disk.
    pub(super) async fn commit_relaxed(mut self) -> Result<Vec<i64>, Error> {
        self.relaxed = true;
        if self.put_off.is_empty()
            && let On::Begun(tx) = &mut self.on
        {
            sqlx::query("SET LOCAL synchronous_commit = off")
                .execute(&mut **tx)
                .await?;
        }
        self.commit().await
    }

    /// COMMIT. Answers the numbers of the rows that have some, in the order they were put off in.
    pub(super) async fn commit(mut self) -> Result<Vec<i64>, Error> {
        self.run_what_was_put_off().await?;
        match self.on {
            // what was put off, if anything was, is a transaction by itself
            On::Fresh(_) => {}
            On::Begun(tx) => tx.commit().await?,
            On::Lost => return Err(failed()),
        }
        Ok(self.numbers)
    }

    pub(super) async fn rollback(self) -> Result<(), Error> {
        match self.on {
            On::Begun(tx) => Ok(tx.rollback().await?),
            On::Fresh(_) | On::Lost => Ok(()),
        }
    }
}

fn failed() -> Error {
    Error::other("an earlier statement of this transaction failed")
}

/// The statement that does all of these. A condition that changes no row divides by zero, which ends the statement and undoes
/// what it did.
fn as_one(put_off: &[PutOff], relaxed: bool) -> String {
    let (mut parts, mut answers, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    if relaxed {
        // SET LOCAL, as a part of the statement: it counts when the statement, or the transaction it is in, commits
        answers.push("set_config('synchronous_commit', 'off', true)".to_owned());
    }
    for (n, PutOff { sql, kind }) in put_off.iter().enumerate() {
        match kind {
            Put::Any => parts.push(format!("put_off_{n} AS ({sql})")),
            Put::Condition => {
                parts.push(format!("put_off_{n} AS ({sql} RETURNING 1)"));
                answers.push(format!("1 / (SELECT COUNT(*) FROM put_off_{n})"));
            }
            Put::Numbered(column) => {
                parts.push(format!("put_off_{n} AS ({sql} RETURNING {column})"));
                numbers.push(format!("(SELECT {column} FROM put_off_{n})"));
            }
        }
    }
    answers.append(&mut numbers);
    let last = match put_off.last() {
        Some(last) if answers.is_empty() => {
            parts.pop();
            last.sql.clone()
        }
        _ => format!("SELECT {}", answers.join(", ")),
    };
    if parts.is_empty() {
        return last;
    }
    format!("WITH {} {last}", parts.join(", "))
}

impl Put {
    /// The table that a statement of this kind changes, if it can become one with others.
    fn table_of(self, sql: &str) -> Option<&str> {
        let sql = sql.trim_start();
        let rest = match self {
            Put::Any | Put::Numbered(_) => VERBS.iter().find_map(|verb| sql.strip_prefix(verb)),
            Put::Condition => sql.strip_prefix(UPDATE),
        }?;
        let plain = !NOT_PLAIN.iter().any(|word| rest.contains(word));
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        plain.then(|| &rest[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::{Put, PutOff, as_one};

    #[test]
    fn only_plain_statements_about_one_table_become_one_with_others() {
        for (plain, table) in [
            ("INSERT INTO thing_keys (a) VALUES ($1)", "thing_keys"),
            ("UPDATE things SET a = $1 WHERE a < $1", "things"),
            ("DELETE FROM things WHERE a = $1", "things"),
            ("DELETE FROM things", "things"),
        ] {
            assert_eq!(Put::Any.table_of(plain), Some(table));
            let condition = plain.starts_with("UPDATE").then_some(table);
            assert_eq!(Put::Condition.table_of(plain), condition);
        }
        for other in [
            "INSERT INTO things (a) VALUES (1) ON CONFLICT DO NOTHING",
            "INSERT INTO things (a) VALUES (1) RETURNING a",
            "INSERT INTO things (a) SELECT b FROM c",
            "UPDATE things SET a = 1 RETURNING a",
            "UPDATE things SET a = b FROM c",
            "UPDATE things SET a = 1 WHERE b IN (SELECT c FROM d)",
            "DELETE FROM things USING others WHERE a = b",
            "SELECT 1",
        ] {
            assert_eq!(Put::Any.table_of(other), None, "{other}");
            assert_eq!(Put::Condition.table_of(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_put_off_is_one_statement() {
        let put = |kind, sql: &str| PutOff {
            sql: sql.to_owned(),
            kind,
        };
        let a = || put(Put::Any, "INSERT INTO a VALUES (1)");
        let b = || put(Put::Any, "INSERT INTO b VALUES (2)");
        let c = || put(Put::Condition, "UPDATE c SET d = 3 WHERE d < 3");
        let d = || put(Put::Numbered("e"), "INSERT INTO d VALUES (4)");
        for (statements, relaxed, one) in [
            (vec![a()], false, "INSERT INTO a VALUES (1)"),
            (
                vec![a(), b()],
                false,
                "WITH put_off_0 AS (INSERT INTO a VALUES (1)) INSERT INTO b VALUES (2)",
            ),
            (
                vec![c(), a()],
                false,
                "WITH put_off_0 AS (UPDATE c SET d = 3 WHERE d < 3 RETURNING 1), put_off_1 AS (INSERT INTO a VALUES (1)) \
                 SELECT 1 / (SELECT COUNT(*) FROM put_off_0)",
            ),
            (
                vec![c()],
                false,
                "WITH put_off_0 AS (UPDATE c SET d = 3 WHERE d < 3 RETURNING 1) SELECT 1 / (SELECT COUNT(*) FROM put_off_0)",
            ),
            (
                vec![d(), c()],
                false,
                "WITH put_off_0 AS (INSERT INTO d VALUES (4) RETURNING e), put_off_1 AS (UPDATE c SET d = 3 WHERE d < 3 RETURNING 1) \
                 SELECT 1 / (SELECT COUNT(*) FROM put_off_1), (SELECT e FROM put_off_0)",
            ),
            (
                vec![a()],
                true,
                "WITH put_off_0 AS (INSERT INTO a VALUES (1)) SELECT set_config('synchronous_commit', 'off', true)",
            ),
        ] {
            assert_eq!(as_one(&statements, relaxed), one);
        }
    }
}

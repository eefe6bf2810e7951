//! A transaction on PostgreSQL, in as few round trips as can be.
//!
//! What was put off ([`Tx::later`](super::Tx::later)) goes as one statement before the next one or before COMMIT: all but the last
//! as common table expressions. PostgreSQL runs those in no order that it promises and on one view of the data, so only plain
//! INSERTs into different tables become one; their constraints, foreign keys too, are judged when all of them are done.

use sqlx::{
    AssertSqlSafe, PgConnection, Postgres,
    postgres::{PgArguments, PgPool},
};

use super::{Error, parameters::renumbered};

/// An open transaction.
#[derive(Debug)]
pub(super) struct PgTx {
    tx: sqlx::Transaction<'static, Postgres>,
    put_off: Vec<String>,
    args: PgArguments,
    /// What was put off failed, or was given up half-way.
    broken: bool,
}

impl PgTx {
    pub(super) async fn begin(pool: &PgPool) -> Result<PgTx, Error> {
        Ok(PgTx {
            tx: pool.begin().await?,
            put_off: Vec::new(),
            args: PgArguments::default(),
            broken: false,
        })
    }

    /// The parameters that those of this statement follow, if it can become one with what was put off.
    pub(super) fn args_before(&mut self, sql: &str) -> PgArguments {
        match table_of(sql) {
            Some(table) if self.put_off.iter().all(|one| table_of(one) != Some(table)) => {
                std::mem::take(&mut self.args)
            }
            _ => PgArguments::default(),
        }
    }

    /// Puts a statement off whose parameters were added to those of [`args_before`](Self::args_before), of which there were
    /// `before`. One that cannot be put off runs at once.
    pub(super) async fn put_off(
        &mut self,
        sql: sqlx::SqlStr,
        before: usize,
        args: PgArguments,
    ) -> Result<(), Error> {
        if before == 0 {
            self.run_what_was_put_off().await?;
        }
        if table_of(sql.as_str()).is_none() {
            let conn = self.ready().await?;
            sqlx::query_with(sql, args).execute(conn).await?;
            return Ok(());
        }
        self.put_off
            .push(renumbered(sql.as_str(), before).into_owned());
        self.args = args;
        Ok(())
    }

    /// The connection, with everything done that was put off.
    pub(super) async fn ready(&mut self) -> Result<&mut PgConnection, Error> {
        self.run_what_was_put_off().await?;
        Ok(&mut self.tx)
    }

    async fn run_what_was_put_off(&mut self) -> Result<(), Error> {
        if self.broken {
            return Err(Error::other(
                "an earlier statement of this transaction failed",
            ));
        }
        let mut put_off = std::mem::take(&mut self.put_off);
        let Some(last) = put_off.pop() else {
            return Ok(());
        };
        // until it is answered
        self.broken = true;
        let sql = if put_off.is_empty() {
            last
        } else {
            let first: Vec<_> = put_off
                .iter()
                .enumerate()
                .map(|(n, one)| format!("put_off_{n} AS ({one})"))
                .collect();
            format!("WITH {} {last}", first.join(", "))
        };
        let args = std::mem::take(&mut self.args);
        sqlx::query_with(AssertSqlSafe(sql), args)
            .execute(&mut *self.tx)
            .await?;
        self.broken = false;
        Ok(())
    }

    pub(super) async fn commit(mut self) -> Result<(), Error> {
        self.ready().await?;
        Ok(self.tx.commit().await?)
    }

    pub(super) async fn rollback(self) -> Result<(), Error> {
        Ok(self.tx.rollback().await?)
    }
}

/// The table that a plain INSERT adds rows to; None for any other statement.
fn table_of(sql: &str) -> Option<&str> {
    let rest = sql.trim_start().strip_prefix("INSERT INTO ")?;
    let plain = !["ON CONFLICT", "RETURNING", "SELECT"]
        .iter()
        .any(|word| rest.contains(word));
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    plain.then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::table_of;

    #[test]
    fn only_plain_inserts_are_put_off() {
        assert_eq!(
            table_of("INSERT INTO thing_keys (a) VALUES ($1)"),
            Some("thing_keys")
        );
        for other in [
            "UPDATE things SET a = 1",
            "DELETE FROM things",
            "INSERT INTO things (a) VALUES (1) ON CONFLICT DO NOTHING",
            "INSERT INTO things (a) VALUES (1) RETURNING a",
            "INSERT INTO things (a) SELECT b FROM c",
        ] {
            assert_eq!(table_of(other), None, "{other}");
        }
    }
}

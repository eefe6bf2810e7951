//! What people are called.

use backends::db::Db;
use contracts::UserId;

use crate::error::Error;
use crate::model::shown_name;

/// Whose names somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    School,
    /// This person's alone.
    Only(UserId),
}

/// A name as others are told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Who.
    pub user_id: UserId,
    /// What they are called.
    pub display_name: String,
}

/// Key, own choice, first name, last name, the account's.
type Row = (i64, Option<String>, Option<String>, Option<String>, String);

pub(super) async fn shown(db: &Db, users: &[UserId], reach: Reach) -> Result<Vec<Shown>, Error> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let query = db
        .query(sqlx::AssertSqlSafe(sql(users.len())))
        .bind(reach == Reach::School)
        .bind(match reach {
            Reach::School => 0,
            Reach::Only(user) => user.0,
        });
    let rows: Vec<Row> = users
        .iter()
        .fold(query, |query, user| query.bind(user.0))
        .all()
        .await?;
    Ok(rows
        .into_iter()
        .map(|(user, own, first, last, account)| Shown {
            user_id: UserId(user),
            display_name: shown_name(own.as_deref(), first.as_deref(), last.as_deref(), &account),
        })
        .collect())
}

/// `$1`: whether everybody is in reach, `$2`: who is else, from `$3` on: who is asked for.
fn sql(count: usize) -> String {
    let list: Vec<_> = (0..count).map(|i| format!("${}", i + 3)).collect();
    format!(
        "SELECT user_id, display_name, first_name, last_name, account_name FROM profiles WHERE user_id IN ({}) AND ($1 OR user_id = $2) \
         AND standing <> 'deleted' AND NOT account_gone ORDER BY user_id",
        list.join(",")
    )
}

#[cfg(test)]
mod tests {
    use kit::clock::MockClock;
    use kit::ids::SeededIds;

    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn names_are_looked_up_by_their_key_and_nothing_is_scanned() {
        let (db, clock) = (backends::testing::sqlite().await, MockClock::default());
        let ids = SeededIds::shared(1, clock.shared());
        Store::open((*db).clone(), clock.shared(), ids)
            .await
            .unwrap();
        let explain = format!("EXPLAIN QUERY PLAN {}", sql(2));
        let query = db
            .query(sqlx::AssertSqlSafe(explain))
            .bind(true)
            .bind(0_i64);
        let plan: Vec<(i64, i64, i64, String)> = query.bind(1_i64).bind(2_i64).all().await.unwrap();
        let steps: Vec<_> = plan.iter().map(|step| step.3.as_str()).collect();
        assert_eq!(
            steps,
            ["SEARCH profiles USING INDEX sqlite_autoindex_profiles_1 (user_id=?)"]
        );
    }
}

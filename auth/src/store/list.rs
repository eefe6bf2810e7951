//! Accounts listed for administrators, and what they are searched by.

use backends::db::{Db, Error};
use contracts::Role;

use super::{
    Store,
    row::{AccountRow, select_account},
};
use crate::{error::Result, model::Account, search};

/// Which accounts a list is about. All of it holds of each.
#[derive(Debug, Clone)]
pub struct Listed {
    /// With an id above this one.
    pub after: i64,
    /// Holding one of these now; none: whatever they hold.
    pub roles: Option<[Role; 2]>,
    /// Active, or deactivated; none: both.
    pub active: Option<bool>,
    /// Words of what they are called, folded ([`crate::search`]).
    pub words: Vec<String>,
    /// How many at most.
    pub limit: i64,
}

/// The list's statement: the words are `$6` to `$10`.
pub(super) const LIST: &str = select_account!(
    "WHERE u.id > $1 AND ((u.active AND $2) OR (NOT u.active AND $3)) \
     AND ($4 = '' OR EXISTS (SELECT 1 FROM role_grants h WHERE h.user_id = u.id AND h.role IN ($4, $5) AND h.until_at IS NULL)) \
     AND u.search LIKE $6 ESCAPE '!' AND u.search LIKE $7 ESCAPE '!' AND u.search LIKE $8 ESCAPE '!' \
     AND u.search LIKE $9 ESCAPE '!' AND u.search LIKE $10 ESCAPE '!' \
     ORDER BY u.id LIMIT $11"
);

impl Store {
    /// The accounts of a list, by id: an account that is there all the while is in exactly one page, whatever changes.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, listed: &Listed) -> Result<Vec<Account>> {
        let [one, other] = listed.roles.map_or(["", ""], |roles| roles.map(Role::name));
        let mut query = self
            .db
            .query(LIST)
            .bind(listed.after)
            .bind(listed.active.is_none_or(|active| active))
            .bind(listed.active.is_none_or(|active| !active))
            .bind(one)
            .bind(other);
        for place in 0..search::MAX_WORDS {
            let word = listed.words.get(place).map_or("", String::as_str);
            query = query.bind(search::pattern(word));
        }
        let rows: Vec<AccountRow> = query.bind(listed.limit).all().await?;
        Ok(rows.into_iter().map(Account::from).collect())
    }
}

/// Fills in what is searched in, in rows from before there was a search.
pub async fn fill_search(db: &Db) -> std::result::Result<(), Error> {
    type Row = (i64, String, String, String, Option<String>);
    loop {
        let sql = "SELECT id, first_name, last_name, username, email FROM users WHERE search IS NULL LIMIT 500";
        let rows: Vec<Row> = db.query(sql).all().await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = db.begin().await?;
        for (id, first_name, last_name, username, email) in rows {
            tx.query("UPDATE users SET search = $1 WHERE id = $2")
                .bind(search::haystack(
                    &first_name,
                    &last_name,
                    &username,
                    email.as_deref(),
                ))
                .bind(id)
                .execute()
                .await?;
        }
        tx.commit().await?;
    }
}

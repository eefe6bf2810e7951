//! Who holds which role, and who is out for good.

use backends::db::Tx;
use chrono::{DateTime, Utc};
use contracts::{
    Role, UserId,
    events::{RevokeReason, UserEventKind},
};

use super::{Changed, NewRoles, Store, row, row::Ending, trail::Trace};
use crate::{
    error::{Error, Result},
    model::{Account, Origin},
};

impl Store {
    /// Gives an account exactly these roles.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::LastAdmin`].
    pub async fn set_roles(&self, new: NewRoles, origin: Origin) -> Result<Account> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            lock_admins(&mut tx).await?;
            let before = row::account(&mut tx, new.user)
                .await?
                .ok_or(Error::UserNotFound)?;
            if before.roles == new.roles {
                return Ok(before);
            }
            if before.is_active_admin() && !new.roles.contains(Role::Admin) {
                needs_another_admin(&mut tx, new.user).await?;
            }
            for role in Role::ALL.into_iter().filter(|role| *role != Role::Member) {
                match (before.roles.contains(role), new.roles.contains(role)) {
                    (true, false) => revoke(&mut tx, new.user, role, now).await?,
                    (false, true) => {
                        grant(&mut tx, new.user, role, &origin, Some(&new.reason), now).await?;
                    }
                    _ => {}
                }
            }
            let version = bump(&mut tx, new.user, true).await?;
            let after = Account {
                roles: new.roles,
                version,
                ..before.clone()
            };
            store
                .tell(&mut tx, UserEventKind::RolesChanged, &after, now)
                .await?;
            let trace = Trace::of("roles.changed", new.user)
                .changed(Some(&before), Some(&after))
                .because(new.reason);
            store.trace(&mut tx, &origin, now, trace).await?;
            store
                .commit(
                    tx,
                    Changed {
                        account: Some(after.clone()),
                        ..Changed::default()
                    },
                )
                .await?;
            Ok(after)
        })
        .await
    }

    /// Deactivates an account for good and ends its sessions; an inactive one stays as it is.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::LastAdmin`].
    pub async fn deactivate(&self, user: UserId, origin: Origin) -> Result<()> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            lock_admins(&mut tx).await?;
            let before = row::account(&mut tx, user)
                .await?
                .ok_or(Error::UserNotFound)?;
            if !before.active {
                return Ok(());
            }
            if before.is_active_admin() {
                needs_another_admin(&mut tx, user).await?;
            }
            tx.query("UPDATE users SET active = $1 WHERE id = $2")
                .bind(false)
                .bind(user.0)
                .execute()
                .await?;
            let version = bump(&mut tx, user, false).await?;
            let after = Account {
                active: false,
                version,
                ..before.clone()
            };
            let ended = row::end_sessions(
                &mut tx,
                Ending::AllOf(user),
                now,
                RevokeReason::Deactivated.name(),
            )
            .await?;
            store
                .tell(&mut tx, UserEventKind::Deleted, &after, now)
                .await?;
            store
                .tell_ended(&mut tx, &origin, &ended, RevokeReason::Deactivated, now)
                .await?;
            store
                .trace(
                    &mut tx,
                    &origin,
                    now,
                    Trace::of("user.deactivated", user).changed(Some(&before), Some(&after)),
                )
                .await?;
            store
                .commit(
                    tx,
                    Changed {
                        account: Some(after),
                        ended,
                        ..Changed::default()
                    },
                )
                .await
        })
        .await
    }
}

/// Orders all changes of who is an active administrator: two who remove each other at once would else both succeed.
pub(super) async fn lock_admins(tx: &mut Tx) -> Result<()> {
    tx.query("UPDATE counters SET next = next WHERE name = $1")
        .bind("users")
        .execute()
        .await?;
    Ok(())
}

/// How many active administrators there are, except this account.
pub(super) async fn other_admins(tx: &mut Tx, except: UserId) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM role_grants g JOIN users u ON u.id = g.user_id \
               WHERE g.role = $1 AND g.until_at IS NULL AND u.active AND u.id <> $2";
    Ok(tx
        .query(sql)
        .bind(Role::Admin.name())
        .bind(except.0)
        .scalar()
        .await?)
}

/// Refuses where nobody but this account could run the school: an administrator who may not log in cannot.
pub(super) async fn needs_another_admin(tx: &mut Tx, except: UserId) -> Result<()> {
    let sql = "SELECT COUNT(*) FROM role_grants g JOIN users u ON u.id = g.user_id \
               WHERE g.role = $1 AND g.until_at IS NULL AND u.active AND u.login_enabled AND u.id <> $2";
    let others: i64 = tx
        .query(sql)
        .bind(Role::Admin.name())
        .bind(except.0)
        .scalar()
        .await?;
    if others == 0 {
        Err(Error::LastAdmin)
    } else {
        Ok(())
    }
}

/// Writes that a role holds from now on.
pub(super) async fn grant(
    tx: &mut Tx,
    user: UserId,
    role: Role,
    origin: &Origin,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> Result<()> {
    // the same role twice within a microsecond: the later grant takes the row over
    tx.query(
        "INSERT INTO role_grants (user_id, role, granted_by, reason, from_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (user_id, role, from_at) DO UPDATE SET until_at = NULL, granted_by = $3, reason = $4",
    )
    .bind(user.0)
    .bind(role.name())
    .bind(origin.actor.map(|actor| actor.0))
    .bind(reason.map(str::to_owned))
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

async fn revoke(tx: &mut Tx, user: UserId, role: Role, now: DateTime<Utc>) -> Result<()> {
    let sql = "UPDATE role_grants SET until_at = $1 WHERE user_id = $2 AND role = $3 AND until_at IS NULL";
    tx.query(sql)
        .bind(now)
        .bind(user.0)
        .bind(role.name())
        .execute()
        .await?;
    Ok(())
}

async fn bump(tx: &mut Tx, user: UserId, roles: bool) -> Result<i64> {
    let sql = "UPDATE users SET version = version + 1, roles_version = roles_version + $1 WHERE id = $2 RETURNING version";
    Ok(tx
        .query(sql)
        .bind(i64::from(roles))
        .bind(user.0)
        .scalar()
        .await?)
}

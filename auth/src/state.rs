//! What every handler holds.

use std::{net::IpAddr, sync::Arc};

use contracts::{Role, UserId, Verified};
use kit::{Problem, SharedClock, SharedIds, token::KeyRing};

use crate::{
    config::Config,
    error::{Error, Result},
    limits::Limit,
    links::LinkKeys,
    memory::Known,
    password::{Hasher, PasswordRules},
    store::Store,
    tls::Authorities,
    turnstile::Turnstile,
    window::Counted,
};

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

/// Its parts.
pub struct Inner {
    /// Accounts and sessions.
    pub store: Store,
    /// Password hashes.
    pub hasher: Hasher,
    /// New passwords.
    pub rules: PasswordRules,
    /// Signs and verifies tokens.
    pub keys: KeyRing,
    /// The time.
    pub clock: SharedClock,
    /// Ids and secrets.
    pub ids: SharedIds,
    /// The settings.
    pub config: Config,
    /// Failed logins per address.
    pub failed_logins: Limit,
    /// Registrations per address.
    pub registers: Limit,
    /// What vouches for the internal TLS address.
    pub authorities: Authorities,
    /// Tokens of links.
    pub links: LinkKeys,
    /// One login at a time per name, one use at a time per link.
    pub turnstile: Turnstile,
    /// Where the setup token lies.
    pub setup_file: Option<std::path::PathBuf>,
}

impl std::ops::Deref for Auth {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

impl Auth {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Inner) -> Self {
        Self(Arc::new(parts))
    }

    /// The caller's account as committed now, whatever the token says: a direct call to the service's port sees the end of
    /// the session as well.
    ///
    /// # Errors
    /// 401 when the session or the account has ended; 503 when only the store knows and does not answer.
    pub async fn present(&self, who: &Verified) -> std::result::Result<Arc<Known>, Problem> {
        let (known, _) = match self.standing(who.session, who.user, self.clock.now()) {
            Some(standing) => standing?,
            None => self.ask(who.session, who.user).await?,
        };
        Ok(known)
    }

    /// The same for a caller who must be an administrator now.
    ///
    /// # Errors
    /// As above, and 403 when the role is gone.
    pub async fn present_admin(&self, who: &Verified) -> std::result::Result<UserId, Problem> {
        let known = self.present(who).await?;
        if known.account.roles.contains(Role::Admin) {
            Ok(known.account.id)
        } else {
            Err(Problem::forbidden(
                "forbidden",
                "Your account has not the role this needs",
            ))
        }
    }

    /// Takes a place of this minute for a registration from an address.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub async fn admit_register(&self, address: Option<IpAddr>) -> Result<()> {
        let Some(address) = address else {
            return Ok(());
        };
        let taken = self
            .registers
            .take(Counted::address(address), self.clock.now())
            .await;
        taken.map(|_| ()).map_err(Error::RateLimited)
    }

    /// Whom a failed login counts for: the address, or in networks that many people share, the account.
    #[must_use]
    pub fn counted(&self, address: Option<IpAddr>, account: Option<i64>) -> Option<Counted> {
        let address = address?.to_canonical();
        let shared = self
            .config
            .shared_networks
            .iter()
            .any(|network| network.contains(&address));
        Some(match account {
            Some(account) if shared => Counted::Account(account),
            _ => Counted::address(address),
        })
    }
}

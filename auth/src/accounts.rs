//! Accounts made by the operator: `schoolyard admin create`, and the people of the demo.

use contracts::{Role, Roles, events::User};
use kit::Problem;
use secrecy::SecretString;

use crate::{model::Origin, routes::Names, state::Auth};

/// A handle for whoever hosts the service. The operator has the machine, so no role is asked for.
#[derive(Debug, Clone)]
pub struct Accounts(Auth);

/// A person with a login.
#[derive(Debug, Clone)]
pub struct Person {
    /// The address, if there is one.
    pub email: Option<String>,
    /// The username.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Beside `member`.
    pub roles: Roles,
    /// The password; it must fit the rules as everybody's.
    pub password: SecretString,
}

impl Accounts {
    pub(crate) fn new(auth: Auth) -> Self {
        Self(auth)
    }

    /// What is behind it.
    #[cfg(test)]
    pub(crate) fn auth(&self) -> Auth {
        self.0.clone()
    }

    /// Makes an administrator.
    ///
    /// # Errors
    /// 422 with what is wrong, 409 `user_exists`, or the store's.
    pub async fn create_admin(
        &self,
        email: &str,
        username: &str,
        password: SecretString,
    ) -> Result<User, Problem> {
        self.create_person(Person {
            email: Some(email.to_owned()),
            username: username.to_owned(),
            first_name: String::new(),
            last_name: String::new(),
            roles: Roles::MEMBER.with(Role::Admin),
            password,
        })
        .await
    }

    /// Makes an account with a password. The first administrator makes the setup token useless, so its file goes.
    ///
    /// # Errors
    /// 422 with what is wrong, 409 `user_exists`, or the store's.
    pub async fn create_person(&self, person: Person) -> Result<User, Problem> {
        let names = Names {
            email: person.email,
            username: person.username,
            first_name: person.first_name,
            last_name: person.last_name,
        };
        let new = self
            .0
            .new_account(names, person.roles, Some(&person.password))
            .await?;
        let user = self.0.store.create(new, Origin::default(), None).await?;
        if person.roles.contains(Role::Admin) {
            self.0.remove_setup_file().await;
        }
        Ok(user)
    }

    /// Whether there is no account at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.store.memory().accounts() == 0
    }

    /// Whether an active administrator exists.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.0.store.memory().has_admin()
    }
}

//! What the command line and the demo may do with accounts, past the routes.

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use backends::Db;
use backends::db::DbOptions;
use contracts::{UserId, Verifier};
use kit::Json;
use kit::metrics::Metrics;
use kit::problem::Problem;

use super::{Host, Plan};
use crate::commands::admin::{MadeAdmin, NewAdmin};
use crate::data_dir::DataDir;
use crate::settings::{Settings, Target};

/// Accounts of the auth service that runs, or is open, in this process.
#[derive(Clone)]
pub struct Accounts(auth::Accounts);

impl Accounts {
    pub(super) fn new(accounts: auth::Accounts) -> Self {
        Self(accounts)
    }

    /// Makes an administrator.
    ///
    /// # Errors
    /// The problem a route would answer: `user_exists`, or what is wrong with the password or the address.
    pub async fn make_admin(&self, order: NewAdmin) -> Result<MadeAdmin, Problem> {
        let made = self
            .0
            .create_admin(&order.email, &order.username, order.password.into())
            .await?;
        Ok(MadeAdmin { id: made.id.0 })
    }

    /// Makes a person of the demo school.
    ///
    /// # Errors
    /// As [`make_admin`](Self::make_admin).
    pub async fn make_person(&self, person: auth::Person) -> Result<UserId, Problem> {
        Ok(self.0.create_person(person).await?.id)
    }

    /// Whether there is no account at all.
    #[must_use]
    pub fn none_yet(&self) -> bool {
        self.0.is_empty()
    }

    /// The orders of the control socket.
    pub fn orders(&self) -> Router {
        Router::new()
            .route("/admin", post(admin))
            .with_state(self.clone())
    }
}

async fn admin(
    State(accounts): State<Accounts>,
    Json(order): Json<NewAdmin>,
) -> Result<Json<MadeAdmin>, Problem> {
    accounts.make_admin(order).await.map(Json)
}

/// Opens the accounts without a control socket: the store itself, with its migrations, beside instances that use it or none.
///
/// # Errors
/// When the store cannot be opened.
pub async fn accounts(
    settings: &Settings,
    target: &Target,
    data: &DataDir,
) -> anyhow::Result<Accounts> {
    let plan = Plan::of(settings, target)?;
    let Host { clock, ids, .. } = Host::system();
    let url = plan
        .auth_store
        .as_ref()
        .context("auth.store: no store is named")?;
    let keys = plan.keys(Some(data), &*ids)?;
    let bus_url = plan.bus_url.as_ref().context("bus.url: no bus is named")?;
    let deps = auth::Deps {
        db: Db::open(url, DbOptions::default())
            .await
            .context("auth.store")?,
        bus: backends::bus::open(bus_url, clock.clone())
            .await
            .context("bus.url")?,
        verifier: Verifier::new(keys.clone(), clock.clone()),
        keys,
        clock,
        ids,
        metrics: Metrics::new(),
        data_dir: Some(data.path().to_owned()),
    };
    // What the outbox holds is sent by the next server, or by those that run.
    let accounts = auth::open(plan.auth.clone(), deps).await?;
    Ok(Accounts::new(accounts))
}

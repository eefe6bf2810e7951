//! The route table, and one file per resource.

mod ca;
mod caller;
mod health;
mod login;
mod logout;
mod me;
mod password;
mod people;
mod refresh;
mod register;
mod reset;
mod service_token;
mod sessions;
mod setup;
mod user_sessions;
mod users;
mod validate;
mod verify;

pub use register::Names;

use http::Method;
use kit::routes::{Access, Api, Endpoint, Rate, RouteError, RouteSet, Routes};

use crate::state::Auth;

/// The largest body of any route, bytes (spec/auth.md section 6).
const BODY: usize = 16 * 1024;

/// The routes with the service behind them.
///
/// # Errors
/// A mistake in the table.
pub fn routes(state: Auth) -> Result<RouteSet, RouteError> {
    table().build(state)
}

/// The routes as data, for a gateway whose auth runs elsewhere.
///
/// # Errors
/// A mistake in the table, which this crate's tests exclude.
pub fn api() -> Result<Api, RouteError> {
    table().describe()
}

/// Every route of the service. `/users/..` are the paths of the 001 system.
fn table() -> Routes<Auth> {
    use Access::{Authenticated, Internal, Public};
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    let (patch, delete) = (Method::PATCH, Method::DELETE);
    Table(Routes::new("auth"))
        .add(
            &post,
            "/auth/register",
            Public,
            register::register,
            "Register an account",
        )
        .add(
            &post,
            "/users/register",
            Public,
            register::register,
            "Register an account (001 path)",
        )
        .add(
            &post,
            "/auth/login",
            Public,
            login::login,
            "Log in with e-mail or username",
        )
        .add(
            &post,
            "/users/login",
            Public,
            login::login,
            "Log in (001 path)",
        )
        // public: signing out twice is fine, and the second time the session is gone
        .add(
            &post,
            "/auth/logout",
            Public,
            logout::logout,
            "End this session, or all",
        )
        .add(
            &post,
            "/users/logout",
            Public,
            logout::logout,
            "End this session (001 path)",
        )
        .add(
            &post,
            "/auth/refresh",
            Public,
            refresh::refresh,
            "Exchange a refresh token",
        )
        .add(
            &post,
            "/users/token/refresh",
            Public,
            refresh::refresh,
            "Exchange a refresh token (001 path)",
        )
        .add(
            &get,
            "/auth/verify",
            Public,
            verify::verify,
            "Say whose token this is",
        )
        .add(
            &get,
            "/users/validate-token",
            Public,
            verify::validate_token,
            "Say whose token this is (001 path)",
        )
        .add(
            &post,
            "/users/validate-token",
            Public,
            verify::validate_token,
            "Say whose token this is (001 path)",
        )
        .add(
            &get,
            "/users/health",
            Public,
            health::health,
            "Whether the service answers (001 path)",
        )
        .add(
            &get,
            "/auth/setup",
            Public,
            setup::needed,
            "Whether the school still needs its first administrator",
        )
        .add(
            &post,
            "/auth/setup",
            Public,
            setup::set_up,
            "Make the first administrator",
        )
        .add(
            &get,
            "/auth/me",
            Authenticated,
            me::read,
            "Read the own account",
        )
        .add(
            &put,
            "/auth/me",
            Authenticated,
            me::change,
            "Change the own names",
        )
        .add(
            &get,
            "/auth/sessions",
            Authenticated,
            sessions::list,
            "List the own sessions",
        )
        .add(
            &delete,
            "/auth/sessions/{id}",
            Authenticated,
            sessions::end,
            "End one of the own sessions",
        )
        .add(
            &post,
            "/auth/change-password",
            Authenticated,
            password::change,
            "Change the own password",
        )
        .add(
            &post,
            "/users/change-password",
            Authenticated,
            password::change,
            "Change the own password (001 path)",
        )
        .add(
            &post,
            "/auth/reset-password",
            Public,
            reset::reset,
            "Choose a new password by a link",
        )
        .add(
            &get,
            "/auth/users",
            Authenticated,
            people::list,
            "List accounts",
        )
        .add(
            &post,
            "/auth/users",
            Authenticated,
            users::create,
            "Make an account",
        )
        .add(
            &get,
            "/auth/users/{id}",
            Authenticated,
            people::read,
            "Read an account",
        )
        .add(
            &patch,
            "/auth/users/{id}",
            Authenticated,
            people::change,
            "Correct an account",
        )
        .add(
            &put,
            "/auth/users/{id}/roles",
            Authenticated,
            users::set_roles,
            "Give an account its roles",
        )
        .add(
            &delete,
            "/auth/users/{id}",
            Authenticated,
            users::deactivate,
            "Deactivate an account",
        )
        .add(
            &post,
            "/auth/users/{id}/reset-password",
            Authenticated,
            reset::make,
            "Make a link to choose a new password by",
        )
        .add(
            &get,
            "/auth/users/{id}/sessions",
            Authenticated,
            user_sessions::list,
            "List the sessions of a person",
        )
        .add(
            &delete,
            "/auth/users/{id}/sessions",
            Authenticated,
            user_sessions::end_all,
            "End every session of a person",
        )
        .add(
            &get,
            "/users/profile",
            Authenticated,
            me::read,
            "Read the own account (001 path)",
        )
        .add(
            &patch,
            "/users/profile",
            Authenticated,
            me::change_profile,
            "Change the own names (001 path)",
        )
        .add(
            &get,
            "/users/students",
            Authenticated,
            people::students,
            "List who are students (001 path)",
        )
        .add(
            &get,
            "/users/staff",
            Authenticated,
            people::staff,
            "List teachers and staff (001 path)",
        )
        .add(
            &get,
            "/users/admins",
            Authenticated,
            people::admins,
            "List administrators (001 path)",
        )
        .add(
            &get,
            "/users/user/{id}",
            Authenticated,
            people::read,
            "Read an account (001 path)",
        )
        .add(
            &post,
            "/internal/auth/service-token",
            Internal,
            service_token::issue,
            "Issue a service token",
        )
        .add(
            &get,
            "/internal/auth/ca",
            Internal,
            ca::read,
            "Read the certificates that vouch for the internal TLS address",
        )
        .validate()
}

/// The forward-auth decision alone.
///
/// # Errors
/// A mistake in the table, which this crate's tests exclude.
pub fn decision(state: Auth) -> Result<RouteSet, RouteError> {
    Table(Routes::new("auth")).validate().build(state)
}

/// The routes so far; each counts in the limit per address and has the same limit for its body.
struct Table(Routes<Auth>);

impl Table {
    fn add<H, T>(self, method: &Method, path: &str, access: Access, handler: H, says: &str) -> Self
    where
        H: Endpoint<T, Auth>,
        T: 'static,
    {
        Self(
            self.0
                .route(method.clone(), path, access, Rate::General, handler)
                .says(says)
                .body_limit(BODY),
        )
    }

    fn validate(self) -> Routes<Auth> {
        self.0
            .any(
                "/auth/validate",
                Access::Public,
                Rate::Exempt,
                validate::validate,
            )
            .says("Decide who is calling (forward-auth)")
            .body_limit(BODY)
            .quiet()
    }
}

#[cfg(test)]
mod tests;

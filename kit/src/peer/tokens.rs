//! What a service shows to its peers.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::ask::{Answered, Failure, told, whole};
use super::standing::Standing;
use super::{Pool, client};
use crate::clock::SharedClock;
use crate::problem::Problem;
use crate::server::hand_on;
use crate::service::{Check, CheckError};
use crate::trace::Span;

const PATH: &str = "/internal/auth/service-token";
/// A token is not used in its last seconds, so that it does not end under way.
const BEFORE_END: i64 = 30;

/// Gives the token that a service calls its peers with.
#[async_trait]
pub trait ServiceTokens: Send + Sync {
    /// A token that is good for some seconds more.
    ///
    /// # Errors
    /// 503 when none can be had at the moment.
    async fn bearer(&self) -> Result<String, Problem>;
}

/// Service tokens from the service that issues them, kept until 30 s before their end. However many ask at once, one
/// is fetched.
pub struct FetchedTokens {
    service: &'static str,
    secret: SecretString,
    issuer: Pool,
    http: reqwest::Client,
    clock: SharedClock,
    kept: Mutex<Option<(String, DateTime<Utc>)>>,
    standing: Standing,
    settings: Option<Settings>,
}

/// Where the issuer's address and what is shown to it are set.
#[derive(Debug, Clone, Copy)]
struct Settings {
    address: &'static str,
    credential: &'static str,
}

impl FetchedTokens {
    /// Tokens for `service`, which shows `secret` to the issuer at `auth_url` (`POST /internal/auth/service-token`
    /// with HTTP Basic).
    ///
    /// # Errors
    /// When the URL is none of http or https, or TLS cannot be set up.
    pub fn new(
        auth_url: &str,
        service: &'static str,
        secret: SecretString,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        Self::of(Pool::fixed("auth", auth_url)?, service, secret, clock)
    }

    /// As [`new`](Self::new), from the instances of a pool.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn of(
        issuer: Pool,
        service: &'static str,
        secret: SecretString,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            service,
            secret,
            issuer,
            http: client()?,
            clock,
            kept: Mutex::default(),
            standing: Standing::default(),
            settings: None,
        })
    }

    /// The same, with the settings that say where the issuer is and what is shown to it: readiness and the log name them.
    #[must_use]
    pub fn of_settings(self, address: &'static str, credential: &'static str) -> Self {
        Self {
            settings: Some(Settings {
                address,
                credential,
            }),
            ..self
        }
    }

    /// What `/health/ready` says of the issuer: how the last call went. Without it a service works as long as its token does.
    #[must_use]
    pub fn readiness(&self) -> Check {
        self.standing.readiness(self.issuer.name())
    }

    fn note(&self, answered: &Result<Answered<bytes::Bytes>, Failure>) {
        let issuer = self.issuer.name();
        let (error, setting) = match answered {
            Ok(answered) if answered.status.is_success() => return self.standing.well(issuer),
            Ok(answered)
                if matches!(
                    answered.status,
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
                ) =>
            {
                let detail = format!(
                    "{issuer} refuses the credential of `{}` ({}): it must be the one that {issuer} was told",
                    self.service, answered.status
                );
                let refused = CheckError::new("credential_refused", detail);
                (refused, self.settings.map(|settings| settings.credential))
            }
            Ok(answered) => {
                let detail = format!("it answered {}", answered.status);
                (
                    CheckError::new(format!("{issuer}_unavailable"), detail),
                    None,
                )
            }
            Err(failure) => (
                failure.told(issuer),
                self.settings.map(|settings| settings.address),
            ),
        };
        self.standing.trouble(issuer, error.of_setting(setting));
    }

    async fn fetch(&self) -> Result<(String, DateTime<Utc>), Problem> {
        let unavailable = |cause: anyhow::Error| {
            Problem::unavailable(
                "auth_unavailable",
                "no service token can be had at the moment",
            )
            .cause(cause.context("service token"))
        };
        let span = Span::client();
        let request = |base: &Url| {
            let url = base
                .join(PATH)
                .map_err(|error| Failure::Odd(error.into()))?;
            let mut headers = HeaderMap::new();
            hand_on(&mut headers, span.as_ref());
            Ok(self
                .http
                .post(url)
                .headers(headers)
                .basic_auth(self.service, Some(self.secret.expose_secret()))
                .json(&json!({})))
        };
        let asked_at = self.clock.now();
        // a token more than is used does no harm
        let answered = whole(&self.issuer, true, request).await;
        told(span, self.issuer.name(), &Method::POST, &answered);
        self.note(&answered);
        match answered {
            Ok(Answered { status, body, .. }) if status.is_success() => {
                let token: Issued =
                    serde_json::from_slice(&body).map_err(|error| unavailable(error.into()))?;
                let lasts =
                    Duration::seconds(token.expires_in.saturating_sub(BEFORE_END).clamp(0, 3_600));
                Ok((token.access_token, asked_at + lasts))
            }
            // the peer's 401 is about this service, never about who called it
            Ok(Answered { status, .. }) => {
                Err(unavailable(anyhow::anyhow!("the issuer answered {status}")))
            }
            Err(failure) => Err(failure.into_problem(self.issuer.name())),
        }
    }
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: i64,
}

#[async_trait]
impl ServiceTokens for FetchedTokens {
    async fn bearer(&self) -> Result<String, Problem> {
        let mut kept = self.kept.lock().await;
        if let Some((token, until)) = kept.as_ref()
            && self.clock.now() < *until
        {
            return Ok(token.clone());
        }
        let (token, until) = self.fetch().await?;
        *kept = Some((token.clone(), until));
        Ok(token)
    }
}

impl std::fmt::Debug for FetchedTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchedTokens")
            .field("service", &self.service)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

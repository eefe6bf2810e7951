//! What all clients of one address share: what the library says of its connections, and how a failure is put.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use super::{super::BusError, settings::Settings};

/// The setting to look at, before every failure.
const SETTING: &str = "bus.url: ";

/// One address, shared by its clients.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) settings: Arc<Settings>,
    /// Why a connection failed last, until something works again.
    heard: Arc<Mutex<Option<Heard>>>,
}

#[derive(Clone, Debug)]
struct Heard {
    refused: bool,
    reason: String,
}

impl Link {
    pub(super) fn new(settings: Settings) -> Link {
        Link {
            settings: Arc::new(settings),
            heard: Arc::default(),
        }
    }

    /// A broker has answered.
    pub(super) fn well(&self) {
        *self.heard.lock() = None;
    }

    /// A failure that may pass, with the setting to look at.
    pub(super) fn unavailable(&self, what: impl fmt::Display, error: &KafkaError) -> BusError {
        let heard = self.heard.lock().clone();
        let user = self.settings.user().unwrap_or("anonymous");
        let text = match (error.rdkafka_error_code(), heard) {
            (Some(Code::Authentication | Code::SaslAuthenticationFailed), heard) => {
                let reason = heard.map_or_else(|| error.to_string(), |heard| heard.reason);
                format!("the broker refuses user `{user}`: {reason}")
            }
            (_, Some(heard)) if heard.refused => {
                format!("the broker refuses user `{user}`: {}", heard.reason)
            }
            (Some(code), _) if is_forbidden(code) => {
                format!("{what}: user `{user}` has no right to it ({code})")
            }
            (Some(code), Some(heard)) if is_silence(code) => {
                format!(
                    "{what}: no answer from {}: {}",
                    self.settings.brokers, heard.reason
                )
            }
            (Some(code), None) if is_silence(code) => {
                format!("{what}: no answer from {} ({code})", self.settings.brokers)
            }
            _ => format!("{what}: {error}"),
        };
        BusError::Unavailable(anyhow::anyhow!("{SETTING}{text}"))
    }

    /// What a failure says, without the setting, to be said within another.
    pub(super) fn reason(error: &BusError) -> String {
        let text = match error {
            BusError::Unavailable(cause) => cause.to_string(),
            other => other.to_string(),
        };
        text.strip_prefix(SETTING)
            .map(str::to_owned)
            .unwrap_or(text)
    }

    /// A failure of our own making that may pass.
    pub(super) fn not_yet(&self, text: impl fmt::Display) -> BusError {
        BusError::Unavailable(anyhow::anyhow!("{SETTING}{text}"))
    }
}

/// The broker answers, and says no.
pub(super) fn is_forbidden(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
    )
}

/// Nobody answers.
fn is_silence(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::MessageTimedOut
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::WaitingForCoordinator
            | Code::NetworkException
    )
}

impl ClientContext for Link {
    /// The library repeats itself during an outage; what matters of it is said by whoever waits.
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        tracing::debug!(target: "librdkafka", ?level, fac, "{text}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        let Some(code) = error.rdkafka_error_code() else {
            return;
        };
        let refused = matches!(
            code,
            Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism
        );
        let mut heard = self.heard.lock();
        // "all brokers are down" follows every reason and says less
        if refused || (is_silence(code) && code != Code::AllBrokersDown) {
            // the name of the connection and its age in milliseconds are the library's own
            let reason = reason.split_once(": ").map_or(reason, |(_, reason)| reason);
            *heard = Some(Heard {
                refused,
                reason: reason.to_owned(),
            });
        }
    }
}

impl ConsumerContext for Link {}

use kit::problem::Problem;

use crate::db;

/// A failed bus operation.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The bus cannot be reached or cannot write; later may work.
    #[error("the bus is unavailable: {0}")]
    Unavailable(#[source] anyhow::Error),
    /// The topic was never ensured.
    #[error("the bus has no topic `{0}`")]
    UnknownTopic(String),
    /// The address or the store behind it is not usable as it is.
    #[error("{0}")]
    Configuration(String),
}

impl From<db::Error> for BusError {
    fn from(error: db::Error) -> BusError {
        match error {
            db::Error::Configuration(text) => BusError::Configuration(text),
            db::Error::NewerSchema { .. } => BusError::Configuration(error.to_string()),
            other => BusError::Unavailable(other.into()),
        }
    }
}

impl From<BusError> for Problem {
    /// 503 `bus_unavailable`, else 500.
    fn from(error: BusError) -> Problem {
        match error {
            BusError::Unavailable(_) => Problem::unavailable(
                "bus_unavailable",
                "the event log cannot be reached at the moment",
            )
            .cause(error),
            other => Problem::internal(other),
        }
    }
}

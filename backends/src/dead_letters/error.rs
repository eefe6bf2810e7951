use kit::problem::Problem;

use crate::bus::BusError;

/// Why dead letters cannot be listed, replayed or dropped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus has no such topic.
    #[error("there is no topic `{topic}`; there {}", those(known))]
    UnknownTopic {
        /// As it was asked for.
        topic: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// There never was such a letter.
    #[error("`{topic}` has no dead letter {offset}")]
    UnknownLetter {
        /// The topic.
        topic: String,
        /// As it was asked for.
        offset: i64,
    },
    /// The bus fails.
    #[error(transparent)]
    Bus(#[from] BusError),
}

fn those(known: &[String]) -> String {
    match known {
        [] => "is none yet".to_owned(),
        known => format!("are: {}", known.join(", ")),
    }
}

impl From<Error> for Problem {
    /// 404 `unknown_topic` or `unknown_dead_letter`; else as the bus says.
    fn from(error: Error) -> Problem {
        let detail = error.to_string();
        match error {
            Error::UnknownTopic { .. } => Problem::not_found("unknown_topic", detail),
            Error::UnknownLetter { .. } => Problem::not_found("unknown_dead_letter", detail),
            Error::Bus(error) => error.into(),
        }
    }
}

//! What a script answers: a word that says how it went, and then what belongs to it.

use backends::redis::{Error, Value};

use crate::store::StoreError;

/// What Redis has is not what was put there.
pub(super) fn strange(what: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "what redis answers is not {what}: are keys of the stream written by something else?"
    ))
}

pub(super) fn failed(error: &Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// A list that is taken apart from its beginning.
#[derive(Debug)]
pub(super) struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    pub(super) fn of(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Array(list) => Ok(Self(list.into_iter())),
            _ => Err(strange("a list")),
        }
    }

    pub(super) fn value(&mut self) -> Result<Value, StoreError> {
        self.0.next().ok_or_else(|| strange("a whole list"))
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        bytes(self.value()?)
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        String::from_utf8(self.bytes()?).map_err(|_| strange("a text"))
    }

    pub(super) fn int(&mut self) -> Result<i64, StoreError> {
        match self.value()? {
            Value::Int(number) => Ok(number),
            _ => Err(strange("a number")),
        }
    }

    /// A number that is not below zero.
    pub(super) fn count(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.int()?).map_err(|_| strange("a count"))
    }

    pub(super) fn size(&mut self) -> Result<usize, StoreError> {
        usize::try_from(self.int()?).map_err(|_| strange("a size"))
    }

    /// The number of a generation, which is sent as text.
    pub(super) fn generation(&mut self) -> Result<u64, StoreError> {
        self.text()?.parse().map_err(|_| strange("a generation"))
    }

    pub(super) fn list(&mut self) -> Result<Reply, StoreError> {
        Self::of(self.value()?)
    }

    /// What is left of it.
    pub(super) fn rest(self) -> impl Iterator<Item = Value> {
        self.0
    }

    /// A list of texts.
    pub(super) fn texts(&mut self) -> Result<Vec<String>, StoreError> {
        let list = self.list()?.rest();
        list.map(|value| String::from_utf8(bytes(value)?).map_err(|_| strange("a text")))
            .collect()
    }
}

pub(super) fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        _ => Err(strange("a text")),
    }
}

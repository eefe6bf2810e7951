//! What a handler may take after its access extractor.

use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, OriginalUri, RawQuery, Request, State};
use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Uri, Version};
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

use super::describe::Description;
use crate::extract::{Json, Path, Query};

/// An argument of a handler: what it means for the API document. An extractor of a crate's own implements it, with an
/// empty body when the document has nothing to say about it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known as an argument of a handler",
    note = "implement `kit::routes::Argument` for an extractor of your own"
)]
pub trait Argument {
    /// Adds what it takes to the description of the operation.
    fn describe(description: &mut Description) {
        let _ = description;
    }
}

impl<T: ToSchema + DeserializeOwned> Argument for Json<T> {
    fn describe(description: &mut Description) {
        description.json_body::<T>();
    }
}

impl<T: IntoParams> Argument for Query<T> {
    fn describe(description: &mut Description) {
        description.query::<T>();
    }
}

/// The names are those of the path template.
impl<T> Argument for Path<T> {}
impl<T> Argument for State<T> {}
impl<T> Argument for Extension<T> {}
impl<T> Argument for ConnectInfo<T> {}
impl Argument for HeaderMap {}
impl Argument for Method {}
impl Argument for Uri {}
impl Argument for OriginalUri {}
impl Argument for RawQuery {}
impl Argument for Version {}
impl Argument for Extensions {}

impl<T: Argument> Argument for Option<T> {
    fn describe(description: &mut Description) {
        T::describe(description);
    }
}

impl<T: Argument, E> Argument for Result<T, E> {
    fn describe(description: &mut Description) {
        T::describe(description);
    }
}

macro_rules! raw_body {
    ($($ty:ty),*) => {$(
        impl Argument for $ty {
            fn describe(description: &mut Description) {
                description.raw_body();
            }
        }
    )*};
}
raw_body!(Bytes, Body, Request, String);

//! What requests and answers say in headers.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use contracts::Verified;
use contracts::access::ClientAddress;
use http::header::{ETAG, HeaderName};
use http::{Extensions, HeaderValue};
use kit::conditional::etag;
use kit::extract::Json;

use super::bodies::PostBody;
use crate::model::Post;
use crate::store::Actor;

/// A post with its version as a strong tag.
pub type Tagged = ([(HeaderName, HeaderValue); 1], Json<PostBody>);

/// The answer with one post.
pub fn tagged(post: Post) -> Tagged {
    ([(ETAG, etag(post.version))], Json(post.into()))
}

/// Who does it and from where, for the audit.
pub fn actor(who: &Verified, extensions: &Extensions) -> Actor {
    let address = match extensions.get::<ClientAddress>() {
        Some(ClientAddress(address)) => *address,
        None => extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip()),
    };
    Actor {
        user: who.user,
        from: address.map(|address| address.to_string()),
        request_id: kit::server::request_id().and_then(|id| id.to_str().ok().map(str::to_owned)),
    }
}

//! What a client may try past the gateway, at a service's own port, and what must come of it.

use super::rows::{
    Row,
    Seen::{Because, Refused},
    own, row,
};

/// Rows at a service's own port, past the gateway: what the token says, or nothing.
pub fn direct() -> Vec<Row> {
    const OWN_POSTS: &str = "GET /api/activity-stream/user";
    vec![
        row(
            "an id without token",
            OWN_POSTS,
            "X-User-ID: 1\n",
            Because(401, "unauthorized"),
        ),
        row(
            "a whole identity without token",
            OWN_POSTS,
            "X-User-ID: 1\nX-User-Email: admin@school.example\nX-User-Roles: admin\n",
            Refused(401),
        ),
        row(
            "another id",
            OWN_POSTS,
            &own("X-User-ID: 1\n"),
            Because(401, "identity_mismatch"),
        ),
        row(
            "two ids, one of them right",
            OWN_POSTS,
            &own("X-User-ID: {id}\nX-User-ID: 1\n"),
            Because(401, "identity_mismatch"),
        ),
        row(
            "two ids, both right",
            OWN_POSTS,
            &own("X-User-ID: {id}\nX-User-ID: {id}\n"),
            Because(401, "identity_mismatch"),
        ),
        row(
            "own id, roles of an administrator",
            OWN_POSTS,
            &own("X-User-ID: {id}\nX-User-Roles: admin\n"),
            Because(401, "identity_mismatch"),
        ),
        row(
            "another address",
            OWN_POSTS,
            &own("X-User-Email: admin@school.example\n"),
            Because(401, "identity_mismatch"),
        ),
        row(
            "another session",
            OWN_POSTS,
            &own("X-Session-ID: 01953d0e-7c00-7000-8000-000000000001\n"),
            Because(401, "identity_mismatch"),
        ),
        row(
            "no algorithm",
            OWN_POSTS,
            "Authorization: Bearer {none}\n",
            Refused(401),
        ),
        row(
            "signed with another key",
            OWN_POSTS,
            "Authorization: Bearer {wrong_key}\n",
            Refused(401),
        ),
        row(
            "expired",
            OWN_POSTS,
            "Authorization: Bearer {expired}\n",
            Refused(401),
        ),
        row(
            "valid in the future only",
            OWN_POSTS,
            "Authorization: Bearer {not_yet}\n",
            Refused(401),
        ),
        row(
            "without end",
            OWN_POSTS,
            "Authorization: Bearer {endless}\n",
            Refused(401),
        ),
        row(
            "a service's token used as a person",
            OWN_POSTS,
            "Authorization: Bearer {service}\n",
            Because(401, "wrong_token_kind"),
        ),
        row(
            "two tokens",
            OWN_POSTS,
            "Authorization: Bearer {own}\nAuthorization: Bearer {own}\n",
            Refused(401),
        ),
        row(
            "a token in the query",
            "GET /api/activity-stream/user?access_token={own}",
            "",
            Refused(401),
        ),
        row(
            "an upgrade to cleartext HTTP/2",
            OWN_POSTS,
            "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\n",
            Refused(401),
        ),
    ]
}

//! What a client may try through the gateway, and what must come of it.

/// What must come of a row.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// The request is answered as the teacher who sent it, whatever else it claimed.
    Teacher,
    /// It is refused with this status.
    Refused(u16),
    /// It is refused with this status and code.
    Because(u16, &'static str),
}
use Seen::{Because, Refused, Teacher};

pub struct Row {
    pub name: &'static str,
    /// The request line's method and target.
    pub line: &'static str,
    /// Header lines; `{own}` and the others are replaced by tokens.
    pub headers: String,
    pub seen: Seen,
}

pub fn row(name: &'static str, line: &'static str, headers: &str, seen: Seen) -> Row {
    Row {
        name,
        line,
        headers: headers.to_owned(),
        seen,
    }
}

const ME: &str = "GET /api/auth/me";
const OWN: &str = "Authorization: Bearer {own}\n";

pub fn own(more: &str) -> String {
    format!("{OWN}{more}")
}

/// Rows that mean the same through the gateway in either topology.
pub fn through_the_gateway() -> Vec<Row> {
    vec![
        // no token
        row("no token", ME, "", Because(401, "unauthorized")),
        row("an id without token", ME, "X-User-ID: 1\n", Refused(401)),
        row(
            "a whole identity without token",
            ME,
            "X-User-ID: 1\nX-User-Email: admin@school.example\nX-User-Roles: admin\nX-Session-ID: 01953d0e-7c00-7000-8000-000000000001\n",
            Refused(401),
        ),
        row(
            "an id without token on an administrator's route",
            "GET /api/activity-stream/stats/detail",
            "X-User-ID: 1\nX-User-Roles: admin\n",
            Refused(401),
        ),
        row(
            "an id on an optional route",
            "GET /api/activity-stream",
            "X-User-ID: 1\n",
            Refused(401),
        ),
        // own token, foreign claims
        row("another id", ME, &own("X-User-ID: 1\n"), Teacher),
        row(
            "another id, lower case",
            ME,
            &own("x-user-id: 1\n"),
            Teacher,
        ),
        row("two ids", ME, &own("X-User-ID: 1\nX-User-ID: 2\n"), Teacher),
        row(
            "an id with underscores",
            ME,
            &own("X_User_ID: 1\n"),
            Teacher,
        ),
        row("an id with dots", ME, &own("X.User.ID: 1\n"), Teacher),
        row(
            "an id with mixed separators",
            ME,
            &own("X-User_ID: 1\n"),
            Teacher,
        ),
        row("an id with a tilde", ME, &own("X~User~ID: 1\n"), Teacher),
        row(
            "an id with an exclamation mark",
            ME,
            &own("X!User!ID: 1\n"),
            Teacher,
        ),
        row(
            "an id declared hop-by-hop",
            ME,
            &own("X-User-ID: 1\nConnection: close, X-User-ID\n"),
            Teacher,
        ),
        row(
            "the gateway's own headers declared hop-by-hop",
            ME,
            &own("Connection: close, X-User-ID, X-User-Roles, X-Session-ID\n"),
            Teacher,
        ),
        row(
            "another address",
            ME,
            &own("X-User-Email: admin@school.example\n"),
            Teacher,
        ),
        row(
            "another session",
            ME,
            &own("X-Session-ID: 01953d0e-7c00-7000-8000-000000000001\n"),
            Teacher,
        ),
        row(
            "roles in a header",
            "GET /api/activity-stream/stats/detail",
            &own("X-User-Roles: admin\n"),
            Because(403, "forbidden"),
        ),
        row(
            "roles in a look-alike header",
            "GET /api/activity-stream/stats/detail",
            &own("X_User_Roles: admin\nX.User.Roles: admin\n"),
            Because(403, "forbidden"),
        ),
        row(
            "a forwarded public path on a protected one",
            ME,
            "X-Forwarded-Uri: /health\nX-Forwarded-Method: GET\n",
            Refused(401),
        ),
        row(
            "an original path of a public route",
            ME,
            "X-Original-URL: /health\nX-Rewrite-URL: /health\n",
            Refused(401),
        ),
        row(
            "another method by header",
            "GET /api/auth/me",
            "X-HTTP-Method-Override: OPTIONS\n",
            Refused(401),
        ),
        row(
            "anonymous asked for by the client",
            "GET /api/auth/me?anonymous=1",
            "",
            Refused(401),
        ),
        // tokens
        row(
            "no algorithm",
            ME,
            "Authorization: Bearer {none}\n",
            Because(401, "unauthorized"),
        ),
        row(
            "no algorithm, own signature kept",
            ME,
            "Authorization: Bearer {none_signed}\n",
            Refused(401),
        ),
        row(
            "signed with another key",
            ME,
            "Authorization: Bearer {wrong_key}\n",
            Refused(401),
        ),
        row(
            "signed with an empty key",
            ME,
            "Authorization: Bearer {empty_key}\n",
            Refused(401),
        ),
        row(
            "another algorithm with the same key",
            ME,
            "Authorization: Bearer {hs512}\n",
            Refused(401),
        ),
        row(
            "an unknown key id",
            ME,
            "Authorization: Bearer {kid}\n",
            Refused(401),
        ),
        row(
            "expired",
            ME,
            "Authorization: Bearer {expired}\n",
            Refused(401),
        ),
        row(
            "valid in the future only",
            ME,
            "Authorization: Bearer {not_yet}\n",
            Refused(401),
        ),
        row(
            "issued in the future",
            ME,
            "Authorization: Bearer {issued_later}\n",
            Refused(401),
        ),
        row(
            "without end",
            ME,
            "Authorization: Bearer {endless}\n",
            Refused(401),
        ),
        row(
            "for another audience",
            ME,
            "Authorization: Bearer {audience}\n",
            Refused(401),
        ),
        row(
            "an integer subject",
            ME,
            "Authorization: Bearer {integer}\n",
            Refused(401),
        ),
        row(
            "a subject that is no account",
            ME,
            "Authorization: Bearer {nobody}\n",
            Refused(401),
        ),
        row(
            "another person with the own session",
            ME,
            "Authorization: Bearer {stolen_session}\n",
            Refused(401),
        ),
        row(
            "without a session",
            ME,
            "Authorization: Bearer {sessionless}\n",
            Refused(401),
        ),
        row(
            "roles written into the token",
            "GET /api/activity-stream/stats/detail",
            "Authorization: Bearer {raised}\n",
            Because(403, "forbidden"),
        ),
        row(
            "a service's token used as a person",
            ME,
            "Authorization: Bearer {service}\n",
            Refused(401),
        ),
        row(
            "a revoked session",
            ME,
            "Authorization: Bearer {revoked}\n",
            Refused(401),
        ),
        row(
            "the payload changed",
            ME,
            "Authorization: Bearer {tampered}\n",
            Refused(401),
        ),
        row(
            "no token at all after the scheme",
            ME,
            "Authorization: Bearer \n",
            Refused(401),
        ),
        row(
            "another scheme",
            ME,
            "Authorization: Basic YWRtaW46YWRtaW4=\n",
            Refused(401),
        ),
        row(
            "two tokens",
            ME,
            "Authorization: Bearer {own}\nAuthorization: Bearer {own}\n",
            Refused(401),
        ),
        row(
            "a good token after a bad one",
            ME,
            "Authorization: Bearer {none}\nAuthorization: Bearer {own}\n",
            Refused(401),
        ),
        row(
            "two tokens in one header",
            ME,
            "Authorization: Bearer {none}, Bearer {own}\n",
            Refused(401),
        ),
        row(
            "a token in the query",
            "GET /api/auth/me?access_token={own}&token={own}&authorization=Bearer%20{own}",
            "",
            Refused(401),
        ),
        row(
            "a bad token on an optional route",
            "GET /api/activity-stream",
            "Authorization: Bearer {none}\n",
            Refused(401),
        ),
        // paths
        row(
            "up and down again",
            "GET /api/auth/health/../me",
            OWN,
            Because(400, "bad_path"),
        ),
        row(
            "up without a token",
            "GET /api/posts/../auth/me",
            "",
            Refused(400),
        ),
        row(
            "encoded dots",
            "GET /api/auth/%2e%2e/auth/me",
            OWN,
            Refused(400),
        ),
        row("an encoded slash", "GET /api/auth%2fme", OWN, Refused(400)),
        row("a doubled slash", "GET //api/auth/me", OWN, Refused(400)),
        row(
            "a doubled slash inside",
            "GET /api//auth/me",
            OWN,
            Refused(400),
        ),
        row(
            "an encoded backslash",
            "GET /api/auth%5c..%5cme",
            OWN,
            Refused(400),
        ),
        row(
            "a NUL in the path",
            "GET /api/auth/me%00",
            OWN,
            Refused(400),
        ),
        row(
            "an internal route",
            "GET /internal/posts/export",
            "Authorization: Bearer {service}\n",
            Refused(404),
        ),
        row(
            "an internal route below the public prefix",
            "GET /api/internal/posts/export",
            "Authorization: Bearer {service}\n",
            Refused(404),
        ),
        row("the metrics", "GET /metrics", OWN, Refused(404)),
        // protocol
        row(
            "an upgrade to cleartext HTTP/2",
            ME,
            "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\n",
            Refused(401),
        ),
        row(
            "the target as a whole address",
            "GET http://evil.example/api/auth/me",
            "X-User-ID: 1\n",
            Refused(400),
        ),
    ]
}

/// The same through Traefik. It goes to where a path ends before anything is asked, so a path that climbs or has a slash too
/// many is judged there; and it takes whole addresses for what they are.
#[cfg(any(feature = "real-tests", feature = "deployed-tests"))]
pub fn through_traefik() -> Vec<Row> {
    let mut rows = through_the_gateway();
    for row in &mut rows {
        row.seen = match row.name {
            "up and down again" | "encoded dots" | "a doubled slash" | "a doubled slash inside" => {
                Teacher
            }
            "up without a token" | "the target as a whole address" => Refused(401),
            _ => continue,
        };
    }
    rows
}

//! The route table as a whole.

use super::api;

#[test]
fn who_may_call_what_is_as_written_here() {
    let lines: Vec<String> = api()
        .unwrap()
        .table
        .iter()
        .map(|route| {
            let method = route.method.as_ref().map_or("any", http::Method::as_str);
            assert_eq!(route.body_limit, Some(16 * 1024), "{}", route.path);
            assert!(!route.summary.is_empty(), "{}", route.path);
            format!(
                "{method} {} {:?} {} {:?}",
                route.path, route.access, route.guard, route.rate
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    POST /api/auth/register Public Anyone General
    POST /api/users/register Public Anyone General
    POST /api/auth/login Public Anyone General
    POST /api/users/login Public Anyone General
    POST /api/auth/logout Public Anyone General
    POST /api/users/logout Public Anyone General
    POST /api/auth/refresh Public Anyone General
    POST /api/users/token/refresh Public Anyone General
    GET /api/auth/verify Public Anyone General
    GET /api/users/validate-token Public Anyone General
    POST /api/users/validate-token Public Anyone General
    GET /api/users/health Public Anyone General
    GET /api/auth/setup Public Anyone General
    POST /api/auth/setup Public Anyone General
    GET /api/auth/me Authenticated Member General
    PUT /api/auth/me Authenticated Member General
    GET /api/auth/sessions Authenticated Member General
    DELETE /api/auth/sessions/{id} Authenticated Member General
    POST /api/auth/change-password Authenticated Member General
    POST /api/users/change-password Authenticated Member General
    POST /api/auth/reset-password Public Anyone General
    GET /api/auth/users Authenticated Admin General
    POST /api/auth/users Authenticated Admin General
    GET /api/auth/users/{id} Authenticated Admin General
    PATCH /api/auth/users/{id} Authenticated Admin General
    PUT /api/auth/users/{id}/roles Authenticated Admin General
    DELETE /api/auth/users/{id} Authenticated Admin General
    POST /api/auth/users/{id}/reset-password Authenticated Admin General
    GET /api/auth/users/{id}/sessions Authenticated Admin General
    DELETE /api/auth/users/{id}/sessions Authenticated Admin General
    GET /api/users/profile Authenticated Member General
    PATCH /api/users/profile Authenticated Member General
    GET /api/users/students Authenticated Admin General
    GET /api/users/staff Authenticated Admin General
    GET /api/users/admins Authenticated Admin General
    GET /api/users/user/{id} Authenticated Admin General
    POST /internal/auth/service-token Internal ServiceCredential General
    GET /internal/auth/ca Internal Service General
    any /api/auth/validate Public ForwardAuth Exempt
    ");
}

//! The one reading of the `Authorization` header.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use kit::problem::Problem;

/// The bearer token of a request, if a credential is presented at all.
///
/// # Errors
/// 401 when there is more than one `Authorization` header or it is not `Bearer <token>` (spec/auth.md rules 7 and 9). The
/// scheme's name is compared without case (RFC 9110 section 11.1).
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(invalid_format());
    }
    let text = value.to_str().map_err(|_| invalid_format())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(invalid_format)?;
    let plain = !token.is_empty() && token.bytes().all(|byte| TOKEN68[usize::from(byte)]);
    if !scheme.eq_ignore_ascii_case("bearer") || !plain {
        return Err(invalid_format());
    }
    Ok(Some(token))
}

/// The characters of a token (RFC 9110 section 11.2): a table, since every request with a credential is read with it.
const TOKEN68: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut other = 0;
    while other < 7 {
        table[b"-._~+/="[other] as usize] = true;
        other += 1;
    }
    table
};

/// 401: no credential where one is needed.
#[must_use]
pub fn no_credential() -> Problem {
    Problem::unauthorized("No authorization header")
}

fn invalid_format() -> Problem {
    Problem::unauthorized("Invalid authorization format")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(values: &[&'static str]) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        bearer(&headers)
            .map(|token| token.map(str::to_owned))
            .map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn two_authorization_headers_are_refused_even_when_equal() {
        assert_eq!(of(&["Bearer a.b.c"]), Ok(Some("a.b.c".into())));
        assert_eq!(of(&["bearer a.b.c"]), Ok(Some("a.b.c".into())));
        assert_eq!(of(&[]), Ok(None));
        for bad in [
            &["Bearer a", "Bearer a"][..],
            &["Basic YTpi"],
            &["Bearer"],
            &["Bearer "],
            &["Bearer a, Bearer b"],
            &["a.b.c"],
            &["Bearer  a"],
        ] {
            assert_eq!(
                of(bad),
                Err("Invalid authorization format".into()),
                "{bad:?}"
            );
        }
    }
}

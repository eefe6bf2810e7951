//! An agent of Consul, asked over HTTP.

mod answer;
mod catalog;
mod key_value;

use std::time::Duration;

use anyhow::{Context, ensure};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use self::answer::Answer;
use super::{ConsulError, Index};

const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");
const CONNECT: Duration = Duration::from_secs(1);
/// Of a question that does not wait.
const WHOLE: Duration = Duration::from_secs(5);
/// How long a blocking question waits. Short enough for the 30 s after which some releases cut connections, and for a
/// connection that died silently to be noticed.
const WAIT: Duration = Duration::from_secs(20);

/// An agent of Consul. Clones share their connections.
#[derive(Clone)]
pub struct Consul {
    base: Url,
    http: reqwest::Client,
}

impl Consul {
    /// The agent at `address`, for example `http://127.0.0.1:8500`, with a token, which may be empty. It is not asked
    /// anything yet.
    ///
    /// # Errors
    /// When the address is no URL of http or https, or the token cannot be sent; the error names the setting.
    pub fn new(address: &str, token: &SecretString) -> anyhow::Result<Self> {
        let base = base(address)?;
        let mut headers = HeaderMap::new();
        if !token.expose_secret().is_empty() {
            headers.insert(TOKEN, header(token)?);
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            // the agent is a neighbour
            .no_proxy()
            .user_agent(concat!("kit/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("consul.address: the HTTP client cannot be set up")?;
        Ok(Self { base, http })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &Url {
        &self.base
    }

    /// A request for `/v1/` and the path's parts, which are written as they must be.
    fn request<'a>(
        &self,
        method: Method,
        path: impl IntoIterator<Item = &'a str>,
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        self.http.request(method, url)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, ConsulError> {
        Answer::of(request.send().await).await
    }
}

/// Lets a question wait for a change after `after`.
fn waiting(request: RequestBuilder, after: Option<Index>) -> RequestBuilder {
    let Some(after) = after else { return request };
    let wait = format!("{}s", WAIT.as_secs());
    request
        .query(&[("index", after.to_string()), ("wait", wait)])
        .timeout(whole(WAIT))
}

/// What a question that waits may take: Consul adds up to a sixteenth by chance, and the answer takes its time.
fn whole(wait: Duration) -> Duration {
    wait + wait / 16 + WHOLE
}

fn base(address: &str) -> anyhow::Result<Url> {
    let said = "write for example http://127.0.0.1:8500";
    let url: Url = address
        .parse()
        .with_context(|| format!("consul.address: `{address}` is not a URL; {said}"))?;
    ensure!(
        matches!(url.scheme(), "http" | "https"),
        "consul.address: unknown scheme `{}:`; known: http:, https:; {said}",
        url.scheme()
    );
    ensure!(
        url.query().is_none() && url.fragment().is_none() && url.password().is_none(),
        "consul.address: must be scheme, host and port only; {said}, and the token as consul.token"
    );
    Ok(url)
}

fn header(token: &SecretString) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(token.expose_secret())
        .ok()
        .context("consul.token: holds characters that no token has, a line end perhaps")?;
    value.set_sensitive(true);
    Ok(value)
}

impl std::fmt::Debug for Consul {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Consul").field(&self.base.as_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, token: &str) -> String {
        Consul::new(address, &SecretString::from(token))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_address_that_cannot_be_one_is_refused_with_the_name_of_the_setting_and_an_example() {
        for address in [
            "",
            "consul",
            "consul:8500",
            "ftp://consul",
            "http://u:p@consul",
            "http://consul/?x=1",
        ] {
            let error = refused(address, "");
            assert!(
                error.starts_with("consul.address: ") && error.contains("http://127.0.0.1:8500"),
                "{address}: {error}"
            );
        }
    }

    #[test]
    fn a_token_with_a_line_end_is_refused_without_being_shown() {
        let error = refused("http://consul:8500", "geheim\n");
        assert!(
            error.starts_with("consul.token: ") && !error.contains("geheim"),
            "{error}"
        );
    }

    #[test]
    fn the_token_is_not_in_the_debug_text() {
        let consul = Consul::new("http://consul:8500", &SecretString::from("geheim")).unwrap();
        assert_eq!(format!("{consul:?}"), r#"Consul("http://consul:8500/")"#);
    }

    #[test]
    fn a_key_is_written_into_the_path_part_by_part() {
        let consul = Consul::new("http://consul:8500/behind", &SecretString::from("")).unwrap();
        let path = |key: &str| {
            let request = consul.request(Method::GET, key_value::path(key));
            let request = request.build().unwrap();
            request.url().path().to_owned()
        };
        assert_eq!(path("a b/ü?/"), "/behind/v1/kv/a%20b/%C3%BC%3F/");
        assert_eq!(path(""), "/behind/v1/kv/");
    }
}

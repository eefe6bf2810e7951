use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The number of its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
    /// Its body as JSON; `null` where it is none.
    pub body: Value,
}

impl Answer {
    /// Reads it.
    ///
    /// # Panics
    /// When the body breaks off or is not UTF-8.
    pub async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = super::text(response).await;
        Self {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// The value of a header, if it is there.
    ///
    /// # Panics
    /// When it is not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("a header is text"))
    }

    /// Status and `code` of a problem, as a test compares them.
    #[must_use]
    pub fn problem(&self) -> (u16, &str) {
        let code = self.body["code"].as_str();
        (self.status, code.unwrap_or("not a problem"))
    }

    /// The names of the fields that a problem speaks of.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        let fields = self.body["fields"].as_object();
        let names = fields.map(|fields| fields.keys().map(String::as_str).collect());
        names.unwrap_or_default()
    }

    /// A member of the body that is text.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn member(&self, name: &str) -> String {
        let member = self.body[name].as_str();
        let member = member.unwrap_or_else(|| panic!("no {name} in {}", self.text));
        member.to_owned()
    }
}

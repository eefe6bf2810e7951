//! Swagger UI, out of the binary: no file of it comes from elsewhere and it asks nobody else.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use utoipa_swagger_ui::{Config, SwaggerFile, Url, serve};

/// Where the page is.
const BASE: &str = "/api/docs";
/// What the page needs; what else the distribution holds is not served.
const FILES: [&str; 7] = [
    "swagger-ui.css",
    "index.css",
    "favicon-32x32.png",
    "favicon-16x16.png",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    INITIALIZER,
];
/// The one file that is made here: it names the documents.
const INITIALIZER: &str = "swagger-initializer.js";

/// A file of the page.
#[derive(Debug)]
pub struct Asset {
    /// Its content.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: String,
    /// Whether it stays as it is until the next upgrade.
    pub fixed: bool,
}

/// The page and its settings, written once at the start.
#[derive(Debug, Default)]
pub struct Page {
    index: Bytes,
    initializer: Bytes,
}

impl Page {
    /// The page that shows these documents and the merged one. Its addresses are written whole, because it answers
    /// under more than one.
    ///
    /// # Errors
    /// When the binary was built without Swagger UI.
    pub fn new(services: &[&str]) -> anyhow::Result<Self> {
        let addresses: Vec<String> = services
            .iter()
            .map(|name| format!("/api/schema/{name}"))
            .collect();
        let urls = services
            .iter()
            .zip(&addresses)
            .map(|(name, address)| Url::new(name, address));
        let config = config(urls);
        let mut html = String::from_utf8(read("index.html", &config)?.bytes.into_owned())?;
        for name in FILES {
            let version = if name == INITIALIZER {
                String::new()
            } else {
                format!("?v={}", kit::VERSION)
            };
            for written in [format!("\"./{name}\""), format!("\"{name}\"")] {
                html = html.replace(&written, &format!("\"{BASE}/{name}{version}\""));
            }
        }
        let html = html.replace("<title>Swagger UI</title>", "<title>schoolyard API</title>");
        Ok(Self {
            index: html.into(),
            initializer: read(INITIALIZER, &config)?.bytes.into_owned().into(),
        })
    }

    /// The page itself.
    #[must_use]
    pub fn index(&self) -> Asset {
        Asset {
            bytes: self.index.clone(),
            content_type: "text/html; charset=utf-8".to_owned(),
            fixed: false,
        }
    }

    /// A file the page refers to, by its name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Asset> {
        if !FILES.contains(&name) {
            return None;
        }
        let file = read(name, &config([])).ok()?;
        let bytes = match file.bytes {
            _ if name == INITIALIZER => self.initializer.clone(),
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        Some(Asset {
            bytes,
            content_type: file.content_type,
            fixed: name != INITIALIZER,
        })
    }
}

fn read<'a>(name: &str, config: &Config<'a>) -> anyhow::Result<SwaggerFile<'a>> {
    serve(name, Arc::new(config.clone()))
        .map_err(|error| anyhow!("{error}"))?
        .with_context(|| format!("this binary was built without the file {name} of Swagger UI"))
}

/// All services first, then each. The validator of swagger.io is never asked, and no token is kept in the browser: school
/// machines are shared.
fn config<'a>(services: impl IntoIterator<Item = Url<'a>>) -> Config<'a> {
    let all = Url::with_primary("all services", "/api/schema", true);
    Config::new(std::iter::once(all).chain(services))
        .validator_url("none")
        .deep_linking(true)
        .display_request_duration(true)
        .filter(true)
        .persist_authorization(false)
}

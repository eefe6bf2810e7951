//! The API documents: one for each service and one for all, written once at the start.

mod merge;
mod swagger;
mod yaml;

use std::collections::BTreeMap;

use bytes::Bytes;
use utoipa::openapi::OpenApi;

pub use swagger::{Asset, Page};

/// An OpenAPI document, ready to be sent.
#[derive(Clone, Debug, Default)]
pub struct Document(Bytes);

impl Document {
    /// The document as JSON.
    #[must_use]
    pub fn json(&self) -> Bytes {
        self.0.clone()
    }

    /// The document as YAML. Made when it is asked for: that is seldom.
    ///
    /// # Errors
    /// Never: the document was JSON before.
    pub fn yaml(&self) -> serde_json::Result<String> {
        serde_json::from_slice(&self.0).map(|value| yaml::write(&value))
    }
}

/// The documents of all services.
#[derive(Debug, Default)]
pub struct Documents {
    merged: Document,
    services: BTreeMap<&'static str, Document>,
    page: Page,
}

impl Documents {
    /// Writes the documents.
    ///
    /// # Errors
    /// When one cannot be written as JSON, or the page is missing: a mistake in the program, found at its start.
    pub fn new(services: &[(&'static str, &OpenApi)]) -> anyhow::Result<Self> {
        let mut merged = merge::Merged::new("schoolyard", kit::VERSION);
        let mut documents = BTreeMap::new();
        for (name, openapi) in services {
            let value = serde_json::to_value(openapi)?;
            documents.insert(*name, Document(serde_json::to_vec(&value)?.into()));
            merged.add(name, value);
        }
        let page = Page::new(&documents.keys().copied().collect::<Vec<_>>())?;
        Ok(Self {
            merged: Document(serde_json::to_vec(&merged.finish())?.into()),
            services: documents,
            page,
        })
    }

    /// The document of all services.
    #[must_use]
    pub fn merged(&self) -> &Document {
        &self.merged
    }

    /// The document of one service.
    #[must_use]
    pub fn of(&self, service: &str) -> Option<&Document> {
        self.services.get(service)
    }

    /// The page that shows them.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.page
    }
}

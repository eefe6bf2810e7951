//! A run directory of `tests/real` (its README says what is in one), and the scripts that make it. What they write there is
//! read here only.

use std::path::{Path, PathBuf};

use kit::testing::required_env;

/// A run directory.
pub struct Run(PathBuf);

impl Run {
    /// This folder, whether or not something runs there yet.
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The one that the stories on real servers are given.
    pub fn given() -> Self {
        Self(required_env("SCHOOLYARD_TEST_SERVERS").into())
    }

    /// Another one, in a folder of this.
    pub fn within(&self, name: &str) -> Self {
        Self(self.0.join(name))
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The port of a server.
    pub fn port(&self, server: &str) -> u16 {
        let port = self.text(&format!("{server}/port"));
        port.parse().expect("a port is a number")
    }

    /// Where a server listens.
    pub fn address(&self, server: &str) -> String {
        format!("127.0.0.1:{}", self.port(server))
    }

    /// The file of a secret, for those who are told of the file.
    pub fn secret_file(&self, name: &str) -> PathBuf {
        self.0.join("secrets").join(name)
    }

    pub fn secret(&self, name: &str) -> String {
        self.text(&format!("secrets/{name}"))
    }

    /// What a file says, without the end of its last line.
    pub fn text(&self, file: &str) -> String {
        let path = self.0.join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; tests/real/README.md says what is to run there",
                path.display()
            )
        });
        text.trim().to_owned()
    }
}

/// A script of `tests/real`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/real")
        .join(name)
}

//! A reader of server-sent events.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::Value;

/// How long a test waits for what must come; nothing waits this long that works.
const PATIENCE: Duration = Duration::from_secs(10);

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub event: String,
    pub data: Value,
}

pub struct Live {
    pub body: BodyDataStream,
    /// What has come and is not read.
    pub text: String,
    /// What a browser would send as `Last-Event-ID`.
    pub last_id: Option<String>,
    /// Comment lines so far.
    pub comments: usize,
}

impl Live {
    pub fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
            last_id: None,
            comments: 0,
        }
    }

    /// The next event; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Seen> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(seen) = self.read(&block) {
                    return Some(seen);
                }
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Waits for bytes; tells whether there are any.
    pub async fn more(&mut self) -> bool {
        let chunk = tokio::time::timeout(PATIENCE, self.body.next()).await;
        let Some(chunk) = chunk.expect("nothing came") else {
            return false;
        };
        self.text
            .push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        true
    }

    /// Takes note of a block; the event in it, if it is one.
    pub fn read(&mut self, block: &str) -> Option<Seen> {
        let (mut event, mut data) = (String::new(), String::new());
        for line in block.lines() {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("event", name) => event = name.to_owned(),
                ("data", text) => data = text.to_owned(),
                ("id", id) => self.last_id = Some(id.to_owned()),
                ("retry", _) => {}
                (":", "") => self.comments += 1,
                other => panic!("{other:?} is no field of an event"),
            }
        }
        (!data.is_empty()).then(|| Seen {
            event,
            data: serde_json::from_str(&data).unwrap(),
        })
    }
}

//! A live stream as a browser reads it.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

/// How long a story waits for what must come; nothing waits this long that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub event: String,
    pub data: Value,
}

impl Seen {
    /// The event and the title of its item.
    pub fn titled(&self) -> (&str, &str) {
        (&self.event, self.data["title"].as_str().unwrap_or_default())
    }
}

pub struct Live {
    answer: Response,
    text: String,
    /// What a browser would send as `Last-Event-ID`.
    pub last_id: Option<String>,
}

impl Live {
    pub fn of(answer: Response) -> Self {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self {
            answer,
            text: String::new(),
            last_id: None,
        }
    }

    /// The next event.
    pub async fn next(&mut self) -> Seen {
        self.until_end().await.expect("the stream goes on")
    }

    /// The next event; `None` at the end of the stream.
    pub async fn until_end(&mut self) -> Option<Seen> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(seen) = self.read(&block) {
                    return Some(seen);
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.answer.chunk()).await;
            let chunk = chunk
                .expect("nothing comes")
                .expect("the stream ends well")?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    fn read(&mut self, block: &str) -> Option<Seen> {
        let (mut event, mut data) = (String::new(), String::new());
        for line in block.lines() {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("event", name) => event = name.to_owned(),
                ("data", text) => data = text.to_owned(),
                ("id", id) => self.last_id = Some(id.to_owned()),
                _ => {}
            }
        }
        (!data.is_empty()).then(|| Seen {
            event,
            data: serde_json::from_str(&data).unwrap(),
        })
    }
}

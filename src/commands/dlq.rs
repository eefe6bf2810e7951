//! `dlq list|replay|drop`: through the control socket when a server runs, else on the bus itself.

mod show;

use backends::dead_letters::{Done, Listing, Which};
use kit::problem::Problem;
use serde::{Deserialize, Serialize};

use super::{Failure, say};
use crate::assembly::{self, Letters};
use crate::cli::{Chosen, Dlq};
use crate::control::Control;
use crate::data_dir::DataDir;
use crate::settings::{Settings, Target};

/// The order to list, as it travels over the control socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Only of this topic.
    pub topic: Option<String>,
    /// With the beginning of each payload.
    pub show: bool,
}

/// The order to replay or drop.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// What to do.
    pub verb: Verb,
    /// Of this topic.
    pub topic: String,
    /// Which of its dead letters.
    pub which: Which,
    /// Only count them.
    pub dry_run: bool,
}

/// What is done with a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Publish its record again.
    Replay,
    /// Let it go.
    Drop,
}

impl List {
    /// Where the control socket takes this order.
    pub const PATH: &str = "/dlq/list";
}

impl Settle {
    /// Where the control socket takes this order.
    pub const PATH: &str = "/dlq/settle";
}

/// Does what was asked.
///
/// # Errors
/// Exit code 2 for a topic there is not, 1 for a dead letter there never was and for everything else.
pub async fn run(command: Dlq, env: Vec<(String, String)>) -> Result<(), Failure> {
    let mut desk = Desk::open(env).await?;
    match command {
        Dlq::List { topic, json, show } => {
            let listing = desk.list(List { topic, show }).await?;
            say(if json {
                show::json(&listing)?
            } else {
                show::table(&listing)
            });
        }
        Dlq::Replay(chosen) => settle(&mut desk, Verb::Replay, chosen).await?,
        Dlq::Drop(chosen) => settle(&mut desk, Verb::Drop, chosen).await?,
    }
    Ok(())
}

async fn settle(desk: &mut Desk, verb: Verb, chosen: Chosen) -> Result<(), Failure> {
    let Chosen {
        topic,
        offset,
        all: _,
        dry_run,
    } = chosen;
    let which = offset.map_or(Which::All, Which::One);
    let done = desk
        .settle(Settle {
            verb,
            topic: topic.clone(),
            which,
            dry_run,
        })
        .await?;
    say(show::done(verb, &topic, which, done, dry_run));
    Ok(())
}

/// Who takes the orders.
enum Desk {
    Server(Control),
    /// No server runs: the bus itself, and what keeps servers away from it meanwhile.
    Alone {
        letters: Letters,
        _data: Option<DataDir>,
    },
}

impl Desk {
    async fn open(env: Vec<(String, String)>) -> Result<Self, Failure> {
        // Beside a service that runs alone there is no data directory, and its bus must be named.
        let alone = env
            .iter()
            .any(|(name, _)| name == "DATABASE_URL" || name == "DATABASE_URL_FILE");
        let target = if alone {
            Target::Only(vec!["posts".to_owned()])
        } else {
            Target::All
        };
        let settings = Settings::load(env, &target, false)?;
        if alone {
            return Ok(Self::Alone {
                letters: assembly::letters(&settings, &target).await?,
                _data: None,
            });
        }
        if let Some(control) = Control::connect(&settings.data)
            .await
            .map_err(Failure::Run)?
        {
            return Ok(Self::Server(control));
        }
        // Never made here: a school in a folder mistyped has no dead letters, and that would be believed.
        if !settings.data.is_dir() {
            let folder = settings.data.display();
            return Err(Failure::Run(anyhow::anyhow!(
                "there is no data directory {folder}; set SCHOOLYARD_DATA to the one of the school"
            )));
        }
        let data = DataDir::lock(&settings.data)?;
        Ok(Self::Alone {
            letters: assembly::letters(&settings, &target).await?,
            _data: Some(data),
        })
    }

    async fn list(&mut self, order: List) -> Result<Listing, Failure> {
        match self {
            Self::Server(control) => control.order(List::PATH, &order).await.map_err(failure),
            Self::Alone { letters, .. } => letters
                .list(order)
                .await
                .map_err(|problem| failure(problem.into())),
        }
    }

    async fn settle(&mut self, order: Settle) -> Result<Done, Failure> {
        match self {
            Self::Server(control) => control.order(Settle::PATH, &order).await.map_err(failure),
            Self::Alone { letters, .. } => letters
                .settle(order)
                .await
                .map_err(|problem| failure(problem.into())),
        }
    }
}

/// A topic there is not was mistyped: wrong use.
fn failure(error: anyhow::Error) -> Failure {
    match error.downcast_ref::<Problem>() {
        Some(problem) if problem.code() == "unknown_topic" => {
            Failure::Usage(anyhow::anyhow!("{}", problem.detail()))
        }
        _ => error.into(),
    }
}

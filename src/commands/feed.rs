//! `feed rebuild|verify`: through the control socket of the server that holds the stream.

mod show;

use std::time::Duration;

use feed::{Phase, Report, Verdict};
use serde::{Deserialize, Serialize};

use super::{Failure, say};
use crate::cli::Feed;
use crate::control::Control;
use crate::progress::Progress as Shown;
use crate::settings::{Settings, Target};

/// How often the server is asked how far it is.
const EVERY: Duration = Duration::from_millis(200);

/// The order to rebuild the stream, as it travels over the control socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebuild {}

/// The question how far it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {}

/// The order to compare the stream with the posts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {}

impl Rebuild {
    /// Where the control socket takes this order.
    pub const PATH: &str = "/feed/rebuild";
}

impl Progress {
    /// Where the control socket takes this question.
    pub const PATH: &str = "/feed/progress";
}

impl Verify {
    /// Where the control socket takes this order.
    pub const PATH: &str = "/feed/verify";
}

/// Does what was asked.
///
/// # Errors
/// Exit code 1 when no server runs, when the rebuild fails, and when the stream is not what it should be.
pub async fn run(command: &Feed, env: Vec<(String, String)>) -> Result<(), Failure> {
    let mut control = server(env).await?;
    match command {
        Feed::Rebuild => rebuild(&mut control).await,
        Feed::Verify { json } => verify(&mut control, *json).await,
    }
}

/// The server that holds the stream: nobody else can do anything with it.
async fn server(env: Vec<(String, String)>) -> Result<Control, Failure> {
    let settings = Settings::load(env, &Target::All, false)?;
    let control = Control::connect(&settings.data)
        .await
        .map_err(Failure::Run)?;
    control.ok_or_else(|| {
        let folder = settings.data.display();
        Failure::Run(anyhow::anyhow!(
            "no server runs in {folder}, and the stream is in its memory: it is built anew at every start, so `schoolyard serve` is all it takes\n\
             (a feed that runs alone is rebuilt by an administrator with POST /api/activity-stream/rebuild)"
        ))
    })
}

async fn rebuild(control: &mut Control) -> Result<(), Failure> {
    let mut report: Report = control.order(Rebuild::PATH, &Rebuild {}).await?;
    let job = report.job.clone();
    let mut shown = Shown::on_stderr();
    while report.ended_at.is_none() {
        shown.show(&show::stage(&report));
        tokio::time::sleep(EVERY).await;
        report = control.order(Progress::PATH, &Progress {}).await?;
        if report.job != job {
            shown.end();
            return Err(Failure::Run(anyhow::anyhow!(
                "another rebuild was begun; how this one went is in the log of the server"
            )));
        }
    }
    shown.end();
    if report.phase == Phase::Failed {
        return Err(Failure::Run(anyhow::anyhow!(
            "the stream could not be rebuilt and is as it was before: {}",
            report.error.unwrap_or_default()
        )));
    }
    say(show::rebuilt(&report));
    Ok(())
}

async fn verify(control: &mut Control, json: bool) -> Result<(), Failure> {
    let verdict: Verdict = control.order(Verify::PATH, &Verify {}).await?;
    say(if json {
        serde_json::to_string_pretty(&verdict).map_err(|error| Failure::Run(error.into()))?
    } else {
        show::verdict(&verdict)
    });
    match verdict.differences.len() {
        0 => Ok(()),
        windows => Err(Failure::Run(anyhow::anyhow!(
            "the stream is not what the posts are, in {windows} {}; `schoolyard feed rebuild` builds it anew",
            if windows == 1 { "window" } else { "windows" }
        ))),
    }
}

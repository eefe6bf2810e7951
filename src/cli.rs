//! The command line, as `--help` shows it.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

/// A school's everyday software on hardware the school owns.
#[derive(Debug, Parser)]
#[command(
    name = "schoolyard",
    version,
    max_term_width = 100,
    propagate_version = true
)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed while running, 2 wrong use or wrong settings.\n\
    Settings come from the defaults, then a TOML file (SCHOOLYARD_CONFIG), then SCHOOLYARD_<SECTION>__<KEY>.\n\
    Data lives in SCHOOLYARD_DATA (default: ./schoolyard-data)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the school: everything in one process, or only the named services.
    Serve(Serve),
    /// Make and keep administrators.
    #[command(subcommand)]
    Admin(Admin),
    /// Look at what could not be applied, give it a second chance, or let it go.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Look after the activity stream of the running server: build it anew, or compare it with the posts.
    #[command(subcommand)]
    Feed(Feed),
    /// Look at the settings, check them, or start a file with fresh secrets.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the `OpenAPI` document of all services, or of one.
    Openapi(Openapi),
    /// Ask a running server whether it is healthy; exit 0 or 1. For containers without a shell.
    Healthcheck(Healthcheck),
    /// Find out whether this machine can run the full stack: every check with its cure. Exit 1 only when it cannot.
    Preflight(Preflight),
}

/// `serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Run only these, each on its own stores (auth, posts, feed, gateway); without any: everything, on embedded stores.
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Fill an empty school with demo people and posts, allow registration, and print the logins.
    #[arg(long)]
    pub demo: bool,
    /// Which demo school: one number always makes the same one.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "demo")]
    pub seed: u64,
}

/// `admin`
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Make an administrator. Talks to the running server, or opens the data itself when none runs.
    ///
    /// The password is read from standard input (one line), so that it stands in no process list and no shell history.
    Create {
        /// The e-mail address to sign in with.
        #[arg(long)]
        email: String,
        /// The user name; the part of the address before the @ where it is left out.
        #[arg(long)]
        username: Option<String>,
        /// Say what would be made, and make nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// `dlq`
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List the dead letters: events that a service could not read, with the reason.
    List {
        /// Only of this topic.
        #[arg(long)]
        topic: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// With the beginning of each event's content, which may be personal data.
        #[arg(long)]
        show: bool,
    },
    /// Publish the events again, after the cause is gone; what fails again becomes a new dead letter.
    Replay(Chosen),
    /// Let the dead letters go, for good.
    Drop(Chosen),
}

/// Which dead letters.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["offset", "all"])))]
pub struct Chosen {
    /// The topic, as `dlq list` names it.
    pub topic: String,
    /// The one with this offset in `dlq list`.
    #[arg(long, value_name = "N")]
    pub offset: Option<i64>,
    /// All of the topic.
    #[arg(long)]
    pub all: bool,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `feed`
#[derive(Debug, Subcommand)]
pub enum Feed {
    /// Build the stream anew from the posts and the events, beside the one that is shown, and show it when it is whole.
    ///
    /// Readers notice nothing but a `reset` on their live streams. Shows how far it is; interrupted, the server goes on with it.
    Rebuild,
    /// Compare every window of the stream with the posts it is made of, and say what differs; exit code 1 if something does.
    ///
    /// Writes may go on meanwhile. No text of a post is printed.
    Verify {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting with its value and where it comes from; secrets are masked.
    Print,
    /// Check the settings and say what is wrong with them; for one service where it is named.
    Check {
        /// Check what `serve SERVICE` would need.
        #[arg(value_name = "SERVICE")]
        services: Vec<String>,
    },
    /// Print the environment file of the full stack with fresh secrets: `config init > .env`.
    Init {
        /// Print only what this file does not have yet, to be added to it: `config init --missing .env >> .env`. `-`: standard input.
        #[arg(long, value_name = "FILE")]
        missing: Option<PathBuf>,
    },
}

/// `openapi`
#[derive(Debug, Args)]
pub struct Openapi {
    /// Only this service.
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
}

/// `healthcheck`
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Where to ask; without it, the health of the server these settings describe.
    #[arg(value_name = "URL")]
    pub url: Option<String>,
}

/// `preflight`
#[derive(Debug, Args)]
pub struct Preflight {
    /// The environment file of the stack (default: .env, if it is there).
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Try this image instead of that of the environment file.
    #[arg(long)]
    pub image: Option<String>,
    /// The ports of docker-compose.yml, which publishes more than the Dockge file.
    #[arg(long)]
    pub local: bool,
}

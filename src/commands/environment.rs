//! The environment file of the full stack: every name that the compose files take from `.env`, in one table. `.env.example` is
//! this table with its secrets empty.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kit::ids::Ids;

/// How a name gets its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A fresh secret of 64 hex digits.
    Secret,
    /// A fresh secret that is a UUID, as Consul wants its tokens.
    Token,
    /// `NAME:HASH` of another name's value, as Traefik takes it.
    HashOf(&'static str),
    /// This, until the operator chooses something else.
    Choice(&'static str),
}

/// Names that belong together, with what to know about them.
#[derive(Debug)]
pub struct Group {
    /// Comment lines.
    pub says: &'static str,
    /// The names in their order.
    pub names: &'static [(&'static str, Kind)],
}

/// The image this program is in, as its own Dockerfile names it.
const IMAGE: &str = concat!("schoolyard:", env!("CARGO_PKG_VERSION"));

use Kind::{Choice, HashOf, Secret, Token};

/// Every name there is.
pub const GROUPS: &[Group] = &[
    Group {
        says: "The image of all services, and what else is started: `obs` for metrics, dashboards and logs.",
        names: &[
            ("SY_IMAGE", Choice(IMAGE)),
            ("COMPOSE_PROFILES", Choice("")),
        ],
    },
    Group {
        says: "Ports of this machine. The last four are published by docker-compose.yml only; the last three on 127.0.0.1.",
        names: &[
            ("SY_HTTP_PORT", Choice("80")),
            ("SY_HTTPS_PORT", Choice("443")),
            ("SY_DASHBOARD_PORT", Choice("8080")),
            ("SY_CONSUL_PORT", Choice("8500")),
            ("SY_GRAFANA_PORT", Choice("3000")),
        ],
    },
    Group {
        says: "Where people reach the school (https://school.example), who may make an account (open, invite, closed), whether clients\n\
               of the CivilDIY stack are to be served as by it, and what is logged (info; info,request=warn).",
        names: &[
            ("SY_PUBLIC_URL", Choice("")),
            ("SY_REGISTRATION", Choice("invite")),
            ("SY_CIVILDIY", Choice("false")),
            ("SY_LOG", Choice("info")),
        ],
    },
    Group {
        says: "A collector of traces (OTLP over HTTP), as the services reach it on their network: http://collector:4318. Empty: no traces.",
        names: &[("SY_OTLP_ENDPOINT", Choice(""))],
    },
    Group {
        says: "Paths of a certificate and its key in the volume `certificates` (/certificates/school.pem). Empty: Traefik signs its own.",
        names: &[
            ("SY_TLS_CERTIFICATE", Choice("")),
            ("SY_TLS_KEY", Choice("")),
        ],
    },
    Group {
        says: "Behind a reverse proxy of your own: its address or network as Traefik sees it (192.168.1.2/32), with commas between\n\
               several, and how many there are. SY_INSIDE is where Docker puts containers.",
        names: &[
            ("SY_TRUSTED_PROXIES", Choice("")),
            ("SY_PROXIES", Choice("0")),
            ("SY_INSIDE", Choice("172.16.0.0/12,192.168.0.0/16")),
        ],
    },
    Group {
        says: "Processors that one container may use; not more than the machine has.",
        names: &[("SY_CPUS", Choice("1"))],
    },
    Group {
        says: "Signs what people show and services check, and seals what auth keeps. Keep a copy beside every backup.",
        names: &[("SY_SECRET_KEY", Secret)],
    },
    Group {
        says: "What the feed and the gateway prove themselves to auth with.",
        names: &[
            ("SY_CREDENTIAL_FEED", Secret),
            ("SY_CREDENTIAL_GATEWAY", Secret),
        ],
    },
    Group {
        says: "Passwords of the servers inside. Those of services may be changed at any time, with a restart of all; those of\n\
               POSTGRES_ADMIN and MONGODB_ADMIN count at the first start only.",
        names: &[
            ("SY_POSTGRES_ADMIN", Secret),
            ("SY_POSTGRES_AUTH", Secret),
            ("SY_POSTGRES_PROFILE", Secret),
            ("SY_POSTGRES_POSTS", Secret),
            ("SY_MONGODB_ADMIN", Secret),
            ("SY_MONGODB_POSTS", Secret),
            ("SY_REDIS_ADMIN", Secret),
            ("SY_REDIS_AUTH", Secret),
            ("SY_REDIS_FEED", Secret),
            ("SY_KAFKA_ADMIN", Secret),
            ("SY_KAFKA_BROKER", Secret),
            ("SY_KAFKA_CONTROLLER", Secret),
            ("SY_KAFKA_OPERATOR", Secret),
            ("SY_KAFKA_AUTH", Secret),
            ("SY_KAFKA_PROFILE", Secret),
            ("SY_KAFKA_POSTS", Secret),
            ("SY_KAFKA_FEED", Secret),
        ],
    },
    Group {
        says: "Tokens of Consul, each a UUID. With the first one everything is allowed, also in its web page; it counts at the first\n\
               start only.",
        names: &[
            ("SY_CONSUL_BOOTSTRAP", Token),
            ("SY_CONSUL_AGENT", Token),
            ("SY_CONSUL_TRAEFIK", Token),
            ("SY_CONSUL_AUTH", Token),
            ("SY_CONSUL_PROFILE", Token),
            ("SY_CONSUL_POSTS", Token),
            ("SY_CONSUL_FEED", Token),
            ("SY_CONSUL_GATEWAY", Token),
            ("SY_CONSUL_PROMETHEUS", Token),
        ],
    },
    Group {
        says: "Traefik's dashboard and metrics: user `operator`, the password, and both as `htpasswd -nbs operator PASSWORD` prints them.",
        names: &[
            ("SY_DASHBOARD_PASSWORD", Secret),
            ("SY_DASHBOARD_USER", HashOf("SY_DASHBOARD_PASSWORD")),
        ],
    },
    Group {
        says: "Grafana: user `admin`. Counts at the first start only.",
        names: &[("SY_GRAFANA_PASSWORD", Secret)],
    },
];

const HEAD: &str = "# Settings and secrets of the full stack, for docker-compose.yml and dockge/schoolyard/compose.yaml.\n\
    # Readable by its owner only: chmod 600 .env. Docker reads it for these files and hands on what they name.\n";

/// A whole file with fresh secrets.
#[must_use]
pub fn fresh(ids: &dyn Ids) -> String {
    format!("{HEAD}{}", missing("", ids))
}

/// What a file gives: its names and their values, as compose reads them.
#[must_use]
pub fn read(file: &str) -> BTreeMap<String, String> {
    file.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| {
            let value = value.trim().trim_matches(['"', '\'']);
            (name.trim().to_owned(), value.to_owned())
        })
        .collect()
}

/// What this file does not have yet: after an update that brought something new.
#[must_use]
pub fn missing(file: &str, ids: &dyn Ids) -> String {
    let mut values = read(file);
    let mut text = String::new();
    for group in GROUPS {
        let new: Vec<_> = group
            .names
            .iter()
            .filter(|(name, _)| !values.contains_key(*name))
            .collect();
        if !new.is_empty() {
            comment(&mut text, group.says);
        }
        for (name, kind) in new {
            let value = match kind {
                Secret => hex::encode(ids.secret()),
                Token => token(ids),
                Choice(value) => (*value).to_owned(),
                HashOf(other) => operator(values.get(*other).map_or("", String::as_str)),
            };
            text.push_str(&format!("{name}={value}\n"));
            values.insert((*name).to_owned(), value);
        }
    }
    text
}

/// `.env.example`: every name, the secrets empty.
#[must_use]
pub fn example() -> String {
    let mut text = format!(
        "{HEAD}# `schoolyard config init > .env` writes it with fresh secrets; without the program: docker run --rm {IMAGE} config init\n\
         # By hand: every secret is `openssl rand -hex 32`, those of Consul are `cat /proc/sys/kernel/random/uuid`.\n"
    );
    for group in GROUPS {
        comment(&mut text, group.says);
        for (name, kind) in group.names {
            let value = match kind {
                Choice(value) => value,
                Secret | Token | HashOf(_) => "",
            };
            text.push_str(&format!("{name}={value}\n"));
        }
    }
    text
}

fn comment(text: &mut String, says: &str) {
    text.push('\n');
    for line in says.lines() {
        text.push_str(&format!("# {line}\n"));
    }
}

fn token(ids: &dyn Ids) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&ids.secret()[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// As `htpasswd -s` does: the password is random and long, so that a fast hash without salt tells nobody anything, and it has
/// no dollar, which Docker would take for a variable.
fn operator(password: &str) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    format!("operator:{{SHA}}{}", BASE64_STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kit::clock::SystemClock;
    use kit::ids::RandomIds;

    use super::*;

    fn secrets() -> impl Iterator<Item = (&'static str, Kind)> {
        GROUPS
            .iter()
            .flat_map(|group| group.names.iter().copied())
            .filter(|(_, kind)| !matches!(kind, Choice(_)))
    }

    #[test]
    fn every_secret_is_its_own_and_another_in_every_file() {
        let ids = RandomIds::shared(SystemClock::shared());
        let (one, two) = (read(&fresh(&*ids)), read(&fresh(&*ids)));
        let mut seen = BTreeSet::new();
        for (name, kind) in secrets() {
            for value in [&one[name], &two[name]] {
                assert!(seen.insert(value.clone()), "{name} is not new");
                let fits = match kind {
                    Secret => value.len() == 64 && hex::decode(value).is_ok(),
                    Token => value.len() == 36 && value.parse::<uuid::Uuid>().is_ok(),
                    HashOf(_) => value.starts_with("operator:{SHA}") && !value.contains('$'),
                    Choice(_) => false,
                };
                assert!(fits, "{name}={value}");
            }
        }
    }

    #[test]
    fn a_file_that_lacks_two_names_gets_these_two_and_keeps_what_it_has() {
        let ids = RandomIds::shared(SystemClock::shared());
        let whole = fresh(&*ids);
        let without: String = whole
            .lines()
            .filter(|line| {
                !line.starts_with("SY_REDIS_FEED=") && !line.starts_with("SY_DASHBOARD_USER=")
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let new = read(&missing(&without, &*ids));
        assert_eq!(
            new.keys().collect::<Vec<_>>(),
            ["SY_DASHBOARD_USER", "SY_REDIS_FEED"]
        );
        assert_eq!(new["SY_DASHBOARD_USER"], read(&whole)["SY_DASHBOARD_USER"]);
        assert_eq!(missing(&whole, &*ids), "");
    }

    #[test]
    fn the_operators_line_is_what_htpasswd_prints() {
        // htpasswd -nbs operator secret
        assert_eq!(
            operator("secret"),
            "operator:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
        );
    }

    #[test]
    fn the_example_shows_every_name_and_no_secret() {
        let example = read(&example());
        let ids = RandomIds::shared(SystemClock::shared());
        assert_eq!(
            example.keys().collect::<Vec<_>>(),
            read(&fresh(&*ids)).keys().collect::<Vec<_>>()
        );
        for (name, _) in secrets() {
            assert_eq!(example[name], "", "{name}");
        }
    }
}

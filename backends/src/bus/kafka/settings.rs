//! What `kafka://user:password@host:port,host2:port2?partitions=6` says, and the clients' settings that follow from it.

use std::fmt;

use rdkafka::ClientConfig;

use super::super::BusError;

/// Where a host without a port listens.
const PORT: u16 = 9092;
/// What the address may say after `?`.
const PARAMETERS: &str = "partitions, replication, prefix";
/// The largest record, with its headers. Topics of dead letters take it; the others take what their broker says (1 MB by
/// default), so that whatever fits there fits among the dead letters too, with what is noted about it.
pub(super) const LARGEST: usize = 2 * 1024 * 1024;

/// A Kafka address, taken apart.
#[derive(Clone)]
pub(super) struct Settings {
    /// `host:port`, separated by commas.
    pub(super) brokers: String,
    user: Option<(String, String)>,
    /// Partitions of a new topic; dead letters have one.
    pub(super) partitions: i32,
    /// Copies of each partition; none given: what the broker says.
    pub(super) replication: i32,
    /// Stands before the names of topics and groups, so that two installations can share a broker.
    pub(super) prefix: String,
}

impl Settings {
    /// Takes apart what follows `kafka:`.
    pub(super) fn parse(rest: &str) -> Result<Settings, BusError> {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.strip_suffix('/').unwrap_or(place);
        let (user, hosts) = match place.rsplit_once('@') {
            Some((user, hosts)) => (Some(credentials(user)?), hosts),
            None => (None, place),
        };
        let brokers = hosts
            .split(',')
            .map(broker)
            .collect::<Result<Vec<_>, _>>()?
            .join(",");
        let mut settings = Settings {
            brokers,
            user,
            partitions: 6,
            replication: -1,
            prefix: String::new(),
        };
        for parameter in query.split('&').filter(|text| !text.is_empty()) {
            settings.set(parameter)?;
        }
        Ok(settings)
    }

    fn set(&mut self, parameter: &str) -> Result<(), BusError> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let number = |most: i32| match value.parse::<i32>() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(wrong(format!(
                "`{name}={value}`: give a number from 1 to {most}"
            ))),
        };
        match name {
            "partitions" => self.partitions = number(1000)?,
            "replication" => self.replication = number(100)?,
            "prefix" => {
                let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                if value.len() > 60 || !value.chars().all(fits) {
                    return Err(wrong(format!(
                        "`prefix={value}`: at most 60 letters, digits and `._-`"
                    )));
                }
                value.clone_into(&mut self.prefix);
            }
            _ => {
                return Err(wrong(format!(
                    "unknown parameter `{name}`; known: {PARAMETERS}"
                )));
            }
        }
        Ok(())
    }

    /// Who the broker is told we are.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_ref().map(|(user, _)| user.as_str())
    }

    /// What every client has.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("socket.keepalive.enable", "true")
            // Every request is awaited: none waits for company.
            .set("socket.nagle.disable", "true")
            // After an outage of any length we are back within a second of the broker; the default is ten.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.connection.setup.timeout.ms", "5000")
            // A broker that hangs is not waited for for a minute.
            .set("socket.timeout.ms", "6000")
            // Partitions that were added are seen within this.
            .set("topic.metadata.refresh.interval.ms", "30000")
            // A topic that is gone is gone after this, and not after half a minute.
            .set("topic.metadata.propagation.max.ms", "2000")
            .set("enable.metrics.push", "false");
        if let Some((user, password)) = &self.user {
            config
                .set("security.protocol", "SASL_PLAINTEXT")
                .set("sasl.mechanism", "PLAIN")
                .set("sasl.username", user)
                .set("sasl.password", password);
        }
        config
    }

    /// What producers have beside.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Waiting for company would delay every record that is awaited.
            .set("linger.ms", "0")
            // Whoever publishes can wait and try again; nobody hangs.
            .set("message.timeout.ms", "5000")
            .set("request.timeout.ms", "4000")
            .set("message.max.bytes", LARGEST.to_string())
            .set("queue.buffering.max.kbytes", "65536")
            // As the Java and Python clients do it, so that a key has one partition whoever publishes.
            .set("partitioner", "murmur2_random");
        config
    }

    /// What consumers have beside.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", format!("{}{group}", self.prefix))
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            // A position is stored when its record is applied, never before; what is stored is committed beside the work.
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "500")
            // Only the partitions that move stop during a rebalance.
            .set("partition.assignment.strategy", "cooperative-sticky")
            // A member that was killed is missed after this, the least a broker allows; the default is 45 s. After an outage
            // that was longer the group waits once more so long, for the members it remembers.
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "1500")
            .set("max.poll.interval.ms", "60000")
            // How long the broker holds a fetch that has nothing to bring; it answers at once when there is something. So it
            // delays nobody but partitions that were just assigned, and 10 ms costs a real broker 5 % of a core per reader.
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "100")
            // Read ahead: memory, not throughput, is short.
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", "4096")
            .set("fetch.queue.backoff.ms", "20");
        config
    }
}

impl fmt::Debug for Settings {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("user", &self.user())
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn wrong(text: impl fmt::Display) -> BusError {
    BusError::Configuration(format!(
        "{text}; a Kafka address is kafka://user:password@host:port,host2:port2?partitions=6, with or without user and parameters"
    ))
}

/// `host:port` of what may be `host`.
fn broker(text: &str) -> Result<String, BusError> {
    let (host, port) = match text.rsplit_once(':') {
        // the colons of an address in brackets are its own
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (text, Some(PORT)),
    };
    let bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    let clean = !host.is_empty() && !host.contains(['/', '@', ' ']);
    match port {
        Some(port) if bare && clean && port > 0 => Ok(format!("{host}:{port}")),
        _ => Err(wrong(format!("`{text}` is not host:port"))),
    }
}

fn credentials(text: &str) -> Result<(String, String), BusError> {
    let decoded = text
        .split_once(':')
        .and_then(|(user, password)| Some((decode(user)?, decode(password)?)));
    match decoded {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok((user, password)),
        // the text itself holds the password
        _ => Err(wrong(
            "what stands before `@` is not user:password; `:`, `@`, `/`, `?` and `%` in them are written %3A, %40, %2F, %3F and %25",
        )),
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let hex = [rest.next()?, rest.next()?];
            hex::decode(hex).ok()?.pop()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        Settings::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_address_names_brokers_user_and_what_topics_are_like() {
        let full = Settings::parse(
            "//ann:p%40ss%3A@one,two:99,[::1]:7?partitions=3&replication=2&prefix=x-",
        )
        .unwrap();
        assert_eq!(full.brokers, "one:9092,two:99,[::1]:7");
        assert_eq!(full.user(), Some("ann"));
        assert_eq!(full.client().get("sasl.password"), Some("p@ss:"));
        assert_eq!((full.partitions, full.replication), (3, 2));
        assert_eq!(full.consumer("g").get("group.id"), Some("x-g"));
        let plain = Settings::parse("//h/").unwrap();
        assert_eq!((plain.brokers.as_str(), plain.user()), ("h:9092", None));
        assert_eq!(plain.client().get("security.protocol"), None);
    }

    #[test]
    fn a_mistake_is_named_and_a_password_never_shown() {
        for (address, names) in [
            ("//", "`` is not host:port"),
            ("//h:x", "`h:x`"),
            ("//h:0", "`h:0`"),
            ("//h,,i", "``"),
            ("//h/topic", "`h/topic`"),
            ("//::1:9092", "`::1:9092`"),
            ("//h?partitions=0", "`partitions=0`"),
            ("//h?prefix=a/b", "`prefix=a/b`"),
            (
                "//h?partition=3",
                "`partition`; known: partitions, replication, prefix",
            ),
            ("//secret@h", "not user:password"),
            ("//u:secret%4@h", "not user:password"),
        ] {
            let text = error(address);
            assert!(text.contains(names), "{address}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
        let shown = format!("{:?}", Settings::parse("//u:secret@h").unwrap());
        assert!(
            shown.contains("\"u\"") && !shown.contains("secret"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_decoded(text in "\\PC{1,20}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decode(&encoded), Some(text));
        }
    }
}

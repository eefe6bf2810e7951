//! A broker of one test's own, to be killed and started again.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// The Kafka of `tests/real/install`, on loopback.
pub(super) struct Broker {
    pub(super) port: u16,
    controller: u16,
    folder: TempDir,
    secured: bool,
    process: Option<Child>,
}

impl Broker {
    /// Not running yet; its port is known.
    pub(super) fn new() -> Broker {
        // both at once, so that they differ
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let (one, other) = (free(), free());
        Broker {
            port: port(&one),
            controller: port(&other),
            folder: tempfile::tempdir().unwrap(),
            secured: false,
            process: None,
        }
    }

    pub(super) async fn running() -> Broker {
        let mut broker = Broker::new();
        broker.start().await;
        broker
    }

    /// Everybody says who they are: `admin` may do everything, `ann` nothing; their passwords are `pass:` and their name.
    pub(super) async fn secured() -> Broker {
        let mut broker = Broker::new();
        broker.secured = true;
        broker.start().await;
        broker
    }

    pub(super) fn url(&self) -> String {
        format!("kafka://127.0.0.1:{}?partitions=3", self.port)
    }

    pub(super) async fn start(&mut self) {
        let config = self.folder.path().join("server.properties");
        let data = self.folder.path().join("data");
        fs::write(&config, self.config()).unwrap();
        if !data.exists() {
            let formatted = java()
                .args(["kafka.tools.StorageTool", "format", "-t"])
                .args(["c2Nob29seWFyZC1zZXJ2ZQ", "-c"])
                .arg(&config)
                .output()
                .unwrap();
            assert!(formatted.status.success(), "{formatted:?}");
        }
        let log = self.folder.path().join("log");
        let output = File::create(&log).unwrap();
        let started = java()
            .args(["kafka.Kafka"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn();
        self.process = Some(started.unwrap());
        for _ in 0..1200 {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("Kafka Server started") {
                return;
            }
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the broker has ended: {said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the broker does not start");
    }

    /// As a power cut.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Kills it and takes its data away.
    pub(super) fn lose_everything(&mut self) {
        self.kill();
        fs::remove_dir_all(self.folder.path().join("data")).unwrap();
    }

    /// It answers no more, and keeps its connections. Until the next `signal("CONT")`.
    pub(super) fn signal(&self, signal: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &process]).status();
        assert!(sent.unwrap().success());
    }

    fn config(&self) -> String {
        let (port, controller) = (self.port, self.controller);
        let data = self.folder.path().join("data");
        let protocol = if self.secured {
            "SASL_PLAINTEXT"
        } else {
            "PLAINTEXT"
        };
        let mut config = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=CLIENTS://127.0.0.1:{port}\n\
             listener.security.protocol.map=CLIENTS:{protocol},CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=CLIENTS\ncontroller.listener.names=CONTROLLER\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\nlog.dirs={}\nauto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            data.display()
        );
        if self.secured {
            config.push_str(
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                 super.users=User:admin;User:ANONYMOUS\nsasl.enabled.mechanisms=PLAIN\n\
                 sasl.mechanism.inter.broker.protocol=PLAIN\n\
                 listener.name.clients.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
                 required username=\"admin\" password=\"pass:admin\" user_admin=\"pass:admin\" user_ann=\"pass:ann\";\n",
            );
        }
        config
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn java() -> Command {
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    let said = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/real/servers/kafka/log4j2.xml"
    );
    java.arg(format!("-Dlog4j2.configurationFile={said}"));
    java.args(["-cp", &format!("{}/*", libraries().display())]);
    java
}

/// Where `tests/real/install` puts them.
fn libraries() -> PathBuf {
    let environment = kit::config::environment();
    let of = |name: &str| {
        let found = environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    let servers = of("SCHOOLYARD_SERVERS")
        .or_else(|| Some(format!("{}/.cache/schoolyard-servers", of("HOME")?)));
    let libraries = PathBuf::from(servers.unwrap()).join("kafka/libs");
    assert!(
        libraries.is_dir(),
        "there is no Kafka in {}: run tests/real/install",
        libraries.display()
    );
    libraries
}

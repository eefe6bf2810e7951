//! How long a record takes from `publish` to whoever waits for it, on a real Kafka, beside the bare library on the same broker:
//!
//! ```text
//! cargo run --release -p backends --features kafka --example bus_latency -- HOST:PORT [RECORDS [PID]]
//! ```
//!
//! One record at a time: the next one is sent when the last one is there and acknowledged. Then how many records a second are
//! appended in batches of 256 and read back, and what the bus costs in memory. With the process id of the broker also what that uses while nothing comes. The
//! topics are removed at the end.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::{Duration, Instant};

use anyhow::Context;
use backends::bus::{self, Bus, Record, Retention, Start, Subscription, TopicPolicy};
use kit::{clock::SystemClock, ids::RandomIds};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{Consumer, StreamConsumer},
    producer::{FutureProducer, FutureRecord},
};

const TOPIC: TopicPolicy = TopicPolicy {
    name: "latency",
    retention: Retention::Days(1),
};
/// What an event of ours weighs.
const PAYLOAD: [u8; 500] = [b'x'; 500];
/// Records that are not counted.
const WARM_UP: usize = 50;
const BATCH: usize = 256;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let broker = arguments.first().context("name the broker: HOST:PORT")?;
    let count = match arguments.get(1) {
        Some(count) => count.parse().context("how many records")?,
        None => 2000,
    };
    let server = arguments.get(2).map(String::as_str);
    let clock = SystemClock::shared();
    let prefix = format!("m{}-", RandomIds::shared(clock.clone()).uuid().simple());
    let url = format!("kafka://{broker}?partitions=1&prefix={prefix}");
    let before = memory()?;
    let bus = bus::open(&url, clock).await?;
    bus.ensure(&[TOPIC]).await?;
    bus.publish(vec![record()]).await?;
    let opened = memory()?;
    let from = Start::Committed;
    let mut first = bus.subscribe("first", &[TOPIC.name], from).await?;
    first.next().await?;
    println!(
        "memory: {before:.1} MB, with the bus {opened:.1}, with one reader {:.1}",
        memory()?
    );
    first.close().await?;

    println!("{count} records of {} bytes, one at a time", PAYLOAD.len());
    println!("{:<34} {:>8} {:>8} {:>8}  ms", "", "p50", "p99", "max");
    let name = format!("{prefix}{}", TOPIC.name);
    for wait in ["500", "100", "10"] {
        let bare = Bare::open(broker, &name, wait)?;
        let what = format!("bare library, fetch.wait.max.ms={wait}");
        show(&what, bare.latencies(&name, count).await?);
        at_rest(server).await?;
    }
    let mut reader = reader(&*bus, "latency").await?;
    show("bus", latencies(&*bus, &mut *reader, count).await?);
    at_rest(server).await?;
    reader.close().await?;

    let many = count * 10;
    println!("{many} records in batches of {BATCH}: appended, read from the beginning");
    let (appended, read) = Bare::open(broker, &name, "100")?.rates(&name, many).await?;
    println!(
        "{:<34} {appended:>8.0} {read:>8.0}  records/s",
        "bare library"
    );
    let (appended, read) = rates(&*bus, many).await?;
    println!("{:<34} {appended:>8.0} {read:>8.0}  records/s", "bus");

    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .create()?;
    let topics = [name.clone(), format!("{name}.dlq")];
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    admin.delete_topics(&topics, &AdminOptions::new()).await?;
    Ok(())
}

/// The library with the same promises: idempotent, acknowledged by all, committed records only.
struct Bare {
    producer: FutureProducer,
    consumer: StreamConsumer,
}

impl Bare {
    fn open(broker: &str, topic: &str, wait: &str) -> anyhow::Result<Bare> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker);
        let producer = config
            .clone()
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .create()?;
        let consumer: StreamConsumer = config
            .set("group.id", format!("{topic}-bare"))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", wait)
            .create()?;
        Ok(Bare { producer, consumer })
    }

    fn read_from(&self, topic: &str, place: rdkafka::Offset) -> anyhow::Result<()> {
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_offset(topic, 0, place)?;
        Ok(self.consumer.assign(&list)?)
    }

    async fn send(&self, topic: &str) -> anyhow::Result<()> {
        let record = FutureRecord::to(topic).key("k").payload(&PAYLOAD[..]);
        let sent = self.producer.send(record, Duration::from_secs(5)).await;
        sent.map(drop).map_err(|(error, _)| error.into())
    }

    async fn latencies(&self, topic: &str, count: usize) -> anyhow::Result<Vec<Duration>> {
        self.read_from(topic, rdkafka::Offset::End)?;
        // the first one only finds out that reading has begun
        while tokio::time::timeout(Duration::from_secs(1), self.consumer.recv())
            .await
            .is_err()
        {
            self.send(topic).await?;
        }
        while tokio::time::timeout(Duration::from_secs(1), self.consumer.recv())
            .await
            .is_ok()
        {}
        let mut taken = Vec::with_capacity(count);
        for n in 0..count + WARM_UP {
            let begun = Instant::now();
            let (sent, received) = tokio::join!(self.send(topic), async {
                let received = self.consumer.recv().await;
                received.map(|_| begun.elapsed())
            });
            sent?;
            let time = received?;
            if n >= WARM_UP {
                taken.push(time);
            }
        }
        Ok(taken)
    }

    async fn rates(&self, topic: &str, many: usize) -> anyhow::Result<(f64, f64)> {
        let begun = Instant::now();
        for _ in 0..many / BATCH {
            let batch = (0..BATCH).map(|_| self.send(topic));
            for sent in futures_util::future::join_all(batch).await {
                sent?;
            }
        }
        let appended = begun.elapsed();
        let begun = Instant::now();
        self.read_from(topic, rdkafka::Offset::Beginning)?;
        for _ in 0..many {
            self.consumer.recv().await?;
        }
        Ok((rate(many, appended), rate(many, begun.elapsed())))
    }
}

async fn reader(bus: &dyn Bus, group: &str) -> anyhow::Result<Box<dyn Subscription>> {
    let from = bus.ends(&[TOPIC.name]).await?;
    Ok(bus.subscribe(group, &[TOPIC.name], Start::At(from)).await?)
}

fn record() -> Record {
    Record {
        topic: TOPIC.name.to_owned(),
        key: Some("k".to_owned()),
        payload: PAYLOAD.to_vec().into(),
        headers: [("ce_type".to_owned(), "thing.made".to_owned())].into(),
        event_id: None,
    }
}

async fn latencies(
    bus: &dyn Bus,
    reader: &mut dyn Subscription,
    count: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut taken = Vec::with_capacity(count);
    for n in 0..count + WARM_UP {
        let begun = Instant::now();
        let (sent, received) = tokio::join!(bus.publish(vec![record()]), async {
            let delivered = reader.next().await;
            delivered.map(|delivered| (begun.elapsed(), delivered))
        });
        sent?;
        let (time, delivered) = received?;
        reader.commit(&delivered).await?;
        if n >= WARM_UP {
            taken.push(time);
        }
    }
    Ok(taken)
}

async fn rates(bus: &dyn Bus, many: usize) -> anyhow::Result<(f64, f64)> {
    let begun = Instant::now();
    for _ in 0..many / BATCH {
        bus.publish((0..BATCH).map(|_| record()).collect()).await?;
    }
    let appended = begun.elapsed();
    let begun = Instant::now();
    let mut reader = bus
        .subscribe("rates", &[TOPIC.name], Start::Earliest)
        .await?;
    for _ in 0..many {
        let delivered = reader.next().await?;
        reader.commit(&delivered).await?;
    }
    let read = begun.elapsed();
    reader.close().await?;
    Ok((rate(many, appended), rate(many, read)))
}

fn rate(many: usize, time: Duration) -> f64 {
    many as f64 / time.as_secs_f64()
}

/// What this process, and the broker's, use while nothing comes.
async fn at_rest(server: Option<&str>) -> anyhow::Result<()> {
    let time = Duration::from_secs(5);
    let processes = [Some("self"), server];
    let used = || processes.iter().flatten().map(|process| used(process));
    let before: Vec<u64> = used().collect::<anyhow::Result<_>>()?;
    tokio::time::sleep(time).await;
    for ((after, before), who) in used().zip(before).zip(["we", "the broker"]) {
        let share = (after? - before) as f64 / time.as_secs_f64();
        println!("  at rest {who}: {share:.1} % of a core");
    }
    Ok(())
}

/// What this process holds, in MB.
fn memory() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kilobytes.context("no VmRSS")?.parse::<f64>()? / 1024.0)
}

/// User and system time of a process, in hundredths of a second.
fn used(process: &str) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

fn show(what: &str, mut taken: Vec<Duration>) {
    taken.sort_unstable();
    let at = |part: f64| {
        let index = ((taken.len() - 1) as f64 * part).round() as usize;
        taken[index].as_secs_f64() * 1000.0
    };
    println!(
        "{what:<34} {:>8.2} {:>8.2} {:>8.2}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

use std::{sync::Arc, time::Duration};

use kit::{metrics::Metrics, service::Worker};

use crate::bus::{Bus, BusError, dead_letters, of_dead_letters};

const EVERY: Duration = Duration::from_secs(5);

/// The worker that counts the dead letters of every topic, at start and every 5 s; the process that owns the bus runs it
/// once. Metric: `dlq_depth{topic}` (gauge), the letters waiting for a decision.
pub fn meter(bus: Arc<dyn Bus>, metrics: Metrics) -> Worker {
    Worker::new("dead-letters", move |stop| async move {
        metrics.describe_gauge("dlq_depth", "dead letters waiting for a decision");
        let mut tick = tokio::time::interval(EVERY);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            match stop.run_until_cancelled(measure(&*bus, &metrics)).await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::debug!(%error, "the dead letters were not counted"),
                None => break,
            }
        }
        Ok(())
    })
}

async fn measure(bus: &dyn Bus, metrics: &Metrics) -> Result<(), BusError> {
    for topic in bus.topics().await? {
        if of_dead_letters(&topic).is_none() {
            let depth = bus.kept(&dead_letters(&topic)).await?;
            metrics
                .gauge("dlq_depth", &[("topic", &topic)])
                .set(depth as f64);
        }
    }
    Ok(())
}

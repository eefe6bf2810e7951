//! The instances of a service, kept fresh.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::standing::Standing;
use super::{Catalog, ConsulError, Following, Instance};
use crate::peer::Pool;

/// Time between two answers, so that a service that comes and goes quickly keeps nobody busy.
const PACE: Duration = Duration::from_millis(50);
/// How long instances are remembered that a Consul without its data does not know. Living ones are known again long before.
const REMEMBER: Duration = Duration::from_secs(60);

/// Tells the passing instances of a service, as soon as they are known and whenever they may have changed, and why they are not
/// known at the moment: until then they are those of before. Those that a Consul which lost its data does not know yet are among
/// them for a minute. Goes on until it is dropped.
pub async fn follow(
    catalog: &dyn Catalog,
    service: &str,
    mut tell: impl FnMut(Result<&[Instance], ConsulError>) + Send,
) {
    let mut following = Following::default();
    let mut known = Known::default();
    loop {
        let pause = match catalog.passing(service, following.after()).await {
            Ok(found) => {
                let lost = following.answered(found.index);
                tell(Ok(known.update(found.instances, lost, Instant::now())));
                PACE
            }
            Err(error) => {
                tell(Err(error));
                following.failed()
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Keeps a pool as Consul sees it. While Consul is away the pool stays as it is.
pub(super) async fn keep(
    catalog: Arc<dyn Catalog>,
    standing: Standing,
    pool: Pool,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let who = format!("discovery of {}", pool.name());
    let kept = follow(&*catalog, pool.name(), |answer| match answer {
        Ok(known) => {
            standing.well(&who);
            pool.replace(targets(known));
        }
        Err(error) => standing.trouble(&who, error),
    });
    stop.run_until_cancelled(kept).await;
    Ok(())
}

fn targets(instances: &[Instance]) -> impl Iterator<Item = (String, Url)> {
    instances.iter().filter_map(|instance| {
        let address = instance.base();
        match address.parse() {
            Ok(base) => Some((instance.id.clone(), base)),
            Err(error) => {
                tracing::warn!(target: "consul", id = instance.id, address, error = %error, "an instance has no usable address");
                None
            }
        }
    })
}

/// What is to be called: what Consul knows, and for a while what it knew before it lost its data.
#[derive(Debug, Default)]
struct Known {
    now: Vec<Instance>,
    lost: Vec<Instance>,
    until: Option<Instant>,
}

impl Known {
    fn update(&mut self, found: Vec<Instance>, data_lost: bool, now: Instant) -> &[Instance] {
        if data_lost {
            self.lost = std::mem::take(&mut self.now);
            self.until = Some(now + REMEMBER);
        }
        if self.until.is_none_or(|until| until <= now) {
            self.lost.clear();
        }
        // one that is known again may have moved, and another may answer at its place
        self.lost.retain(|lost| {
            let same = |found: &Instance| {
                found.id == lost.id || (&found.address, found.port) == (&lost.address, lost.port)
            };
            !found.iter().any(same)
        });
        self.now = found;
        self.now.extend_from_slice(&self.lost);
        &self.now
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn instance(id: &str, port: u16) -> Instance {
        Instance {
            id: id.to_owned(),
            address: "127.0.0.1".to_owned(),
            port,
            meta: BTreeMap::new(),
        }
    }

    fn ids(known: &[Instance]) -> Vec<&str> {
        known.iter().map(|instance| instance.id.as_str()).collect()
    }

    #[test]
    fn one_that_goes_is_gone_at_once() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.update(vec![instance("a", 1), instance("b", 2)], false, now);
        assert_eq!(ids(known.update(vec![instance("a", 1)], false, now)), ["a"]);
        assert!(known.update(vec![], false, now).is_empty());
    }

    #[test]
    fn what_a_consul_without_its_data_does_not_know_is_remembered_for_a_minute() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.update(vec![instance("a", 1), instance("b", 2)], false, now);
        assert_eq!(ids(known.update(vec![], true, now)), ["a", "b"]);
        let later = now + Duration::from_secs(59);
        assert_eq!(
            ids(known.update(vec![instance("b", 2)], false, later)),
            ["b", "a"]
        );
        let over = now + Duration::from_secs(60);
        assert_eq!(
            ids(known.update(vec![instance("b", 2)], false, over)),
            ["b"]
        );
    }

    #[test]
    fn one_that_came_back_elsewhere_or_whose_place_another_took_is_not_remembered() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.update(vec![instance("a", 1), instance("b", 2)], false, now);
        let found = vec![instance("a", 7), instance("c", 2)];
        assert_eq!(known.update(found.clone(), true, now), found);
    }

    #[test]
    fn one_that_leaves_after_it_came_back_is_gone() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.update(vec![instance("a", 1)], false, now);
        known.update(vec![], true, now);
        known.update(vec![instance("a", 1)], false, now);
        assert!(known.update(vec![], false, now).is_empty());
    }

    #[test]
    fn two_losses_in_a_row_forget_nobody_who_was_remembered() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.update(vec![instance("a", 1)], false, now);
        known.update(vec![], true, now);
        assert_eq!(ids(known.update(vec![], true, now)), ["a"]);
    }
}

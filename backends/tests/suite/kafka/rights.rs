//! Passwords and rights.

use std::sync::Arc;

use backends::bus::{self, Bus, BusError, Retention, Start, TopicPolicy};
use kit::clock::SystemClock;

use super::{Member, broker::Broker, record, records};

const A: TopicPolicy = TopicPolicy {
    name: "a",
    retention: Retention::Days(7),
};

async fn open(broker: &Broker, who: &str) -> Arc<dyn Bus> {
    let url = broker.url().replace("//", &format!("//{who}"));
    bus::open(&url, SystemClock::shared()).await.unwrap()
}

fn said(result: Result<(), BusError>) -> String {
    match result.unwrap_err() {
        error @ BusError::Unavailable(_) => error.to_string(),
        other => panic!("it may pass, and is said not to: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_is_told_the_setting_and_goes_on_asking() {
    let broker = Broker::secured().await;
    let admin = open(&broker, "admin:pass%3Aadmin@").await;
    admin.ensure(&[A]).await.unwrap();
    admin.check().await.unwrap();
    admin.publish(records("a", 0..3)).await.unwrap();
    let member = Member::start(&admin, "a");
    member.reached_the_end(&admin, "a").await;
    assert_eq!(member.stop().await.len(), 3);

    // a wrong password, and none at all: nothing stops, everything says why
    for (who, name) in [("ann:wrong@", "user `ann`"), ("", "no answer")] {
        let refused = open(&broker, who).await;
        refused.ensure(&[A]).await.unwrap();
        for text in [
            said(refused.check().await),
            said(refused.publish(vec![record("a", 9)]).await),
            said(refused.ends(&["a"]).await.map(drop)),
            said(
                refused
                    .subscribe("g", &["a"], Start::Committed)
                    .await
                    .map(drop),
            ),
        ] {
            assert!(
                text.contains("bus.url") && text.contains(name),
                "{who}: {text}"
            );
            assert!(!text.contains("wrong"), "{text}");
        }
    }

    // known, and without any right
    let ann = open(&broker, "ann:pass%3Aann@").await;
    ann.ensure(&[A]).await.unwrap();
    for text in [
        said(ann.check().await),
        said(ann.publish(vec![record("a", 9)]).await),
        said(ann.subscribe("g", &["a"], Start::Committed).await.map(drop)),
    ] {
        assert!(text.contains("user `ann` has no right"), "{text}");
    }
    assert_eq!(
        admin.kept("a").await.unwrap(),
        3,
        "nothing of all that came through"
    );
}

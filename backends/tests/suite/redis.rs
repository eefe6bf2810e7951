//! The Redis wrapper on a real server.

use std::time::Duration;

use backends::{
    redis::{Error, Heard, Redis, Script, Subscription, cmd, pipe},
    testing::{self, Cable},
};
use tokio::time::timeout;

/// Longer than anything here may take.
const SOON: Duration = Duration::from_secs(15);

async fn next(ear: &mut Subscription) -> Heard {
    timeout(SOON, ear.next()).await.expect("nothing was heard")
}

async fn said(ear: &mut Subscription) -> (String, String) {
    match next(ear).await {
        Heard::Message { channel, payload } => {
            (channel, String::from_utf8(payload.to_vec()).unwrap())
        }
        other => panic!("not a message: {other:?}"),
    }
}

async fn began(ear: &mut Subscription) {
    let heard = next(ear).await;
    assert!(matches!(heard, Heard::Began), "{heard:?}");
}

#[tokio::test]
async fn commands_pipelines_and_scripts_touch_only_keys_with_the_prefix() {
    let server = testing::redis();
    let redis = server.open();
    redis
        .run::<()>(cmd("SET").arg(redis.key("a")).arg(1))
        .await
        .unwrap();
    let mut both = pipe();
    both.atomic()
        .incr(redis.key("a"), 1)
        .incr(redis.key("a"), 1);
    assert_eq!(redis.pipeline::<(i64, i64)>(&both).await.unwrap(), (2, 3));
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for expected in [13, 23] {
        let mut call = script.key(redis.key("a"));
        call.arg(10);
        assert_eq!(redis.script::<i64>(&call).await.unwrap(), expected);
    }
    let bare = Redis::open("x", &format!("redis://{}", server.place())).unwrap();
    assert_eq!(
        bare.run::<Option<i64>>(cmd("GET").arg("a")).await.unwrap(),
        None
    );
    let other = testing::redis();
    let other = other.open();
    assert_eq!(
        other
            .run::<Option<i64>>(cmd("GET").arg(other.key("a")))
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_listener_hears_its_channels_in_order_and_no_others() {
    let server = testing::redis();
    let redis = server.open();
    let mut ear = redis.subscribe(&["one", "two"]);
    began(&mut ear).await;
    for n in 0..100 {
        let channel = ["one", "three", "two"][n % 3];
        let heard_by = redis
            .publish(channel, n.to_string().as_bytes())
            .await
            .unwrap();
        assert_eq!(heard_by, u64::from(channel != "three"));
    }
    for n in (0..100).filter(|n| n % 3 != 1) {
        let channel = ["one", "three", "two"][n % 3].to_owned();
        assert_eq!(said(&mut ear).await, (channel, n.to_string()));
    }
}

#[tokio::test]
async fn a_listener_whose_connection_ends_is_told_and_hears_again_after_it() {
    let server = testing::redis();
    let cable = Cable::to(&server.place()).await;
    let through = Redis::open("things.store", &server.url_at(&cable.place())).unwrap();
    let redis = server.open();
    let mut ear = through.subscribe(&["one"]);
    began(&mut ear).await;
    cable.cut();
    let lost = next(&mut ear).await;
    assert!(
        matches!(lost, Heard::Lost(Error::Unavailable { .. })),
        "{lost:?}"
    );
    let failed = through.check().await.unwrap_err().to_string();
    assert!(
        failed.starts_with(&format!(
            "things.store: redis at {} cannot be reached",
            cable.place()
        )),
        "{failed}"
    );
    assert_eq!(redis.publish("one", b"missed").await.unwrap(), 0);
    cable.mend();
    began(&mut ear).await;
    redis.publish("one", b"heard").await.unwrap();
    assert_eq!(said(&mut ear).await.1, "heard");
    until(async || through.check().await.is_ok()).await;
}

#[tokio::test]
async fn a_server_that_has_gone_without_a_word_is_noticed() {
    let server = testing::redis();
    let cable = Cable::to(&server.place()).await;
    let through = Redis::open("auth.redis", &server.url_at(&cable.place())).unwrap();
    let mut ear = through.subscribe(&["one"]);
    began(&mut ear).await;
    through.check().await.unwrap();
    cable.silence();
    let slow = through
        .within(Duration::from_millis(50))
        .check()
        .await
        .unwrap_err()
        .to_string();
    assert!(slow.ends_with("no answer in time"), "{slow}");
    let lost = next(&mut ear).await;
    assert!(
        matches!(lost, Heard::Lost(Error::Unavailable { .. })),
        "{lost:?}"
    );
    cable.mend();
    began(&mut ear).await;
    // a connection that was given up is not waited on
    until(async || through.check().await.is_ok()).await;
}

#[tokio::test]
async fn a_slow_listener_is_told_that_it_missed_something() {
    let server = testing::redis();
    let redis = server.open();
    let mut ear = redis.subscribe(&["one"]);
    began(&mut ear).await;
    // until it has hung up
    let mut said = 0;
    while redis.publish("one", b"something").await.unwrap() > 0 {
        said += 1;
    }
    let mut heard = 0;
    let told = loop {
        match next(&mut ear).await {
            Heard::Message { .. } => heard += 1,
            other => break other,
        }
    };
    assert!(matches!(told, Heard::Lost(_)), "{told:?}");
    assert!(0 < heard && heard < said, "{heard} of {said}");
    began(&mut ear).await;
}

#[tokio::test]
async fn a_wrong_password_names_the_setting_and_goes_on_once_it_is_right() {
    let server = testing::redis();
    let admin = server.open();
    let user = admin.key("user").replace(':', "");
    let url = format!("redis://{user}:geheim@{}?prefix=own:", server.place());
    let redis = Redis::open("auth.redis", &url).unwrap();
    let mut ear = redis.subscribe(&["one"]);
    let refused = redis.check().await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    let text = refused.to_string();
    assert!(
        text.starts_with("auth.redis: redis at ")
            && text.contains(&format!("`{user}`"))
            && !text.contains("geheim"),
        "{text}"
    );
    assert!(matches!(
        next(&mut ear).await,
        Heard::Lost(Error::Refused { .. })
    ));
    let mut made = cmd("ACL");
    made.arg("SETUSER").arg(&user).arg("on").arg(">geheim");
    made.arg("resetchannels").arg("~own:*").arg("&own:*");
    made.arg("+@all").arg("-@dangerous");
    admin.run::<()>(&made).await.unwrap();
    until(async || redis.check().await.is_ok()).await;
    began(&mut ear).await;
    let foreign = redis
        .run::<Option<String>>(cmd("GET").arg("other:a"))
        .await
        .unwrap_err();
    assert!(matches!(foreign, Error::Forbidden { .. }), "{foreign:?}");
    assert!(foreign.to_string().contains("auth.redis"), "{foreign}");
    admin
        .run::<u64>(cmd("ACL").arg("DELUSER").arg(&user))
        .await
        .unwrap();
}

/// Until it is so.
async fn until(so: impl AsyncFn() -> bool) {
    let trying = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, trying).await.expect("it never came to be so");
}

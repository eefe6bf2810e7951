//! Two instances as two processes would be: the whole service, one store, a real Redis between them.

use std::time::Duration;

use backends::{
    db::Db,
    testing::{self, Cable, TestDb, TestRedis},
};
use contracts::Role;
use futures_util::future::join_all;
use http::Method;
use kit::MockClock;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::school::{PASSWORD, School};

/// One of them.
struct Instance {
    school: School,
    stop: CancellationToken,
    running: Vec<JoinHandle<()>>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        for worker in &self.running {
            worker.abort();
        }
    }
}

impl Instance {
    async fn start(db: Db, clock: &MockClock, redis: String) -> Self {
        let set = |config: &mut auth::Config| {
            config.redis = redis;
            config.failed_logins_per_minute = 8;
        };
        let (school, workers) = School::with_workers(&db, clock.clone(), set).await;
        let stop = CancellationToken::new();
        let run = |worker: kit::service::Worker| {
            let stop = stop.clone();
            tokio::spawn(async move { worker.run(stop).await.unwrap() })
        };
        let running = workers.into_iter().map(run).collect();
        Self {
            school,
            stop,
            running,
        }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        for worker in self.running.drain(..) {
            worker.await.unwrap();
        }
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.school.metrics.render();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        line.map_or(0.0, |line| {
            line.rsplit(' ').next().unwrap().parse().unwrap()
        })
    }

    fn believes(&self) -> bool {
        self.metric("auth_copy_believed") > 0.0
    }

    async fn ready(&self) -> (u16, serde_json::Value) {
        let answer = self.school.send(kit::testing::get("/health/ready")).await;
        (answer.status, answer.body)
    }
}

struct Two {
    a: Instance,
    b: Instance,
    /// The cable of `b`.
    cable: Cable,
    redis: TestRedis,
}

async fn two(db: &TestDb) -> Two {
    let redis = testing::redis();
    let cable = Cable::to(&redis.place()).await;
    let clock = MockClock::default();
    let a = Instance::start(db.again().await, &clock, redis.url()).await;
    let b = Instance::start(db.again().await, &clock, redis.url_at(&cable.place())).await;
    until(async || a.believes() && b.believes()).await;
    Two { a, b, cable, redis }
}

async fn until(so: impl AsyncFn() -> bool) {
    let trying = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), trying)
        .await
        .expect("it never came to be so");
}

async fn log_out(school: &School, token: &str) {
    let answer = school
        .call(Method::POST, "/api/auth/logout", token, None)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

backends::on_every_database! {
    async fn who_logs_out_here_is_out_there_with_the_next_request(db: TestDb) {
        let Two { a, b, cable: _cable, redis: _redis } = two(&db).await;
        a.school.person("ines", &[]).await;
        let mut tokens = Vec::new();
        for _ in 0..64 {
            tokens.push(a.school.token("ines").await);
        }
        for token in &tokens {
            assert_eq!(b.school.validate(token).await.status, 200);
        }
        join_all(tokens.iter().map(async |token| {
            log_out(&a.school, token).await;
            assert_eq!(b.school.validate(token).await.status, 401);
        })).await;
    }

    async fn roles_deactivation_and_a_new_password_count_there_with_the_next_request(db: TestDb) {
        let Two { a, b, cable: _cable, redis: _redis } = two(&db).await;
        a.school.person("head", &[Role::Admin]).await;
        let ines = a.school.person("ines", &[]).await;
        let (head, token) = (b.school.token("head").await, a.school.token("ines").await);
        let roles = json!({"roles": ["teacher"], "reason": "a test"});
        assert_eq!(b.school.call(Method::PUT, &format!("/api/auth/users/{ines}/roles"), &head, Some(roles)).await.status, 200);
        assert_eq!(a.school.validate(&token).await.header("x-user-roles"), Some("member,teacher"));
        let other = b.school.token("ines").await;
        let change = json!({"old_password": PASSWORD, "new_password": "another good one"});
        assert_eq!(a.school.call(Method::POST, "/api/auth/change-password", &token, Some(change)).await.status, 204);
        assert_eq!((b.school.validate(&token).await.status, b.school.validate(&other).await.status), (200, 401));
        assert_eq!(a.school.call(Method::DELETE, &format!("/api/auth/users/{ines}"), &head, None).await.status, 204);
        assert_eq!(b.school.validate(&token).await.status, 401);
    }

    async fn while_redis_is_away_ended_sessions_stay_ended_and_others_go_on(db: TestDb) {
        let Two { a, b, cable, redis } = two(&db).await;
        a.school.person("ines", &[]).await;
        let [one, two, three] = [a.school.token("ines").await, b.school.token("ines").await, a.school.token("ines").await];
        log_out(&a.school, &one).await;
        cable.cut();
        until(async || !b.believes()).await;
        let (status, body) = b.ready().await;
        assert_eq!((status, &body["status"]), (200, &json!("degraded")), "{body}");
        assert!(body.to_string().contains("redis_unavailable"), "{body}");
        assert_eq!([b.school.validate(&one).await.status, b.school.validate(&two).await.status], [401, 200]);
        log_out(&b.school, &two).await;
        log_out(&a.school, &three).await;
        for token in [&one, &two, &three] {
            assert_eq!((a.school.validate(token).await.status, b.school.validate(token).await.status), (401, 401));
        }
        let new = b.school.token("ines").await;
        assert_eq!((a.school.validate(&new).await.status, b.school.validate(&new).await.status), (200, 200));
        // flushed meanwhile: nothing of it is missed
        let keys: Vec<String> = redis.open().run(backends::redis::cmd("KEYS").arg(redis.open().key("*"))).await.unwrap();
        if !keys.is_empty() {
            redis.open().run::<u64>(backends::redis::cmd("DEL").arg(keys)).await.unwrap();
        }
        cable.mend();
        until(async || b.believes()).await;
        // readiness is asked again after a second
        b.school.clock.advance(chrono::TimeDelta::seconds(1));
        let (_, body) = b.ready().await;
        assert_eq!(body["status"], "ready", "{body}");
        let asked = b.metric("auth_decisions_from_store_total");
        assert_eq!((b.school.validate(&one).await.status, b.school.validate(&new).await.status), (401, 200));
        assert_eq!(b.metric("auth_decisions_from_store_total"), asked);
    }

    async fn a_redis_that_has_gone_without_a_word_lets_nobody_in_who_is_out(db: TestDb) {
        let Two { a, b, cable, redis: _redis } = two(&db).await;
        a.school.person("ines", &[]).await;
        let token = a.school.token("ines").await;
        assert_eq!(b.school.validate(&token).await.status, 200);
        cable.silence();
        log_out(&a.school, &token).await;
        assert_eq!(b.school.validate(&token).await.status, 401);
        cable.mend();
        until(async || b.believes()).await;
        assert_eq!(b.school.validate(&token).await.status, 401);
    }

    async fn failed_logins_of_an_address_count_on_all_instances(db: TestDb) {
        let Two { a, b, cable: _cable, redis: _redis } = two(&db).await;
        let guess = async |instance: &Instance, n: usize| {
            let request = kit::testing::post("/api/auth/login", &json!({"username": format!("nobody{n}"), "password": "a guess"}))
                .extension(contracts::access::ClientAddress(Some("192.0.2.7".parse().unwrap())));
            instance.school.send(request).await.status
        };
        for n in 0..8 {
            assert_eq!(guess(if n % 2 == 0 { &a } else { &b }, n).await, 401);
        }
        assert_eq!((guess(&a, 8).await, guess(&b, 9).await), (429, 429));
    }

    async fn one_instance_after_the_other_starts_anew_and_nothing_is_refused_or_allowed_wrongly(db: TestDb) {
        let Two { mut a, mut b, redis, cable: _cable } = two(&db).await;
        a.school.person("ines", &[]).await;
        let (stays, goes) = (a.school.token("ines").await, b.school.token("ines").await);
        for round in 0..2 {
            let clock = a.school.clock.clone();
            let old = std::mem::replace(&mut a, Instance::start(db.again().await, &clock, redis.url()).await);
            old.stop().await;
            assert_eq!(a.school.validate(&stays).await.status, 200);
            if round == 1 {
                log_out(&b.school, &goes).await;
                assert_eq!(a.school.validate(&goes).await.status, 401);
            }
            std::mem::swap(&mut a, &mut b);
        }
    }
}

//! The store suite: it runs on every database.

use backends::testing::TestDb;
use chrono::TimeDelta;
use contracts::UserId;
use contracts::testing::outbox;
use futures_util::future::{join, join_all};
use kit::clock::MockClock;
use kit::ids::SeededIds;
use profile::store::{Actor, Reach, Store};
use profile::{Account, Error, Fields, Profile, Standing};
use serde_json::json;

pub async fn open(db: &TestDb) -> (Store, MockClock) {
    let clock = MockClock::default();
    let ids = SeededIds::shared(1, clock.shared());
    let store = Store::open((**db).clone(), clock.shared(), ids)
        .await
        .unwrap();
    (store, clock)
}

const WHO: UserId = UserId(7);

fn everything() -> Fields {
    Fields {
        first_name: Some("Ärger \"100%\" 'x'".to_owned()),
        last_name: Some("Roy".to_owned()),
        display_name: Some("é".to_owned()),
        pronouns: Some("they".to_owned()),
        dob: "2012-02-29".parse().ok(),
        address: Some("a\nb".to_owned()),
        city: Some("Lund".to_owned()),
        state: Some("Skåne".to_owned()),
        zip_code: Some("0221".to_owned()),
        country: Some("SE".to_owned()),
        phone: Some("+46".to_owned()),
        bio: Some("<b>".to_owned()),
        preferences: json!({"z": [1, 2.5, null], "a": {"ü": "'"}})
            .as_object()
            .cloned(),
        language: Some("sv-SE".to_owned()),
        time_zone: Some("Europe/Stockholm".to_owned()),
    }
}

fn called(name: &str) -> Fields {
    Fields {
        first_name: Some(name.to_owned()),
        ..Fields::default()
    }
}

pub fn account(name: &str, version: i64) -> Account {
    Account {
        name: name.to_owned(),
        version,
        gone: false,
    }
}

fn actor() -> Actor {
    Actor {
        user: WHO,
        from: Some("192.0.2.1".to_owned()),
        request_id: Some("r1".to_owned()),
    }
}

async fn own(store: &Store) -> Profile {
    store.own(WHO).await.unwrap().unwrap()
}

async fn name(store: &Store) -> Option<String> {
    let shown = store.shown(&[WHO], Reach::School).await.unwrap();
    shown.into_iter().next().map(|shown| shown.display_name)
}

/// Type, display name and version of every event.
async fn told(db: &TestDb) -> Vec<(String, String, i64)> {
    let events = outbox(db).await.into_iter().map(|(kind, data)| {
        let name = data["display_name"].as_str().unwrap_or_default().to_owned();
        (kind, name, data["version"].as_i64().unwrap())
    });
    events.collect()
}

fn updated(name: &str, version: i64) -> (String, String, i64) {
    ("profile.updated".to_owned(), name.to_owned(), version)
}

fn deleted(version: i64) -> (String, String, i64) {
    ("profile.deleted".to_owned(), String::new(), version)
}

backends::on_every_database! {
    async fn a_filled_profile_is_read_back_as_it_was_answered_and_its_event_says_no_more_than_others_may_know(db: TestDb) {
        let (store, _) = open(&db).await;
        let made = store.create(WHO, "ines", everything()).await.unwrap();
        assert_eq!((&made.fields, made.version, made.standing), (&everything(), 1, Standing::Filled));
        assert_eq!(own(&store).await, made);
        let events = outbox(&db).await;
        assert_eq!(events, [(
            "profile.updated".to_owned(),
            json!({"user_id": 7, "display_name": "é", "photo_url": null, "language": "sv-SE", "time_zone": "Europe/Stockholm", "version": 1}),
        )]);
    }

    async fn sixty_four_creations_give_one_profile(db: TestDb) {
        let (store, _) = open(&db).await;
        let all = join_all((0..64).map(|i| store.create(WHO, "ines", called(&format!("n{i}"))))).await;
        let (made, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (1, 63));
        assert!(refused.iter().all(|refused| matches!(refused, Err(Error::Exists))));
        assert_eq!(own(&store).await, *made[0].as_ref().unwrap());
        assert_eq!(outbox(&db).await.len(), 1);
    }

    async fn sixty_four_creations_fill_one_shell_once(db: TestDb) {
        let (store, _) = open(&db).await;
        store.account(WHO, account("Ines Roy", 1)).await.unwrap();
        let all = join_all((0..64).map(|i| store.create(WHO, "ines", called(&format!("n{i}"))))).await;
        assert_eq!(all.iter().filter(|made| made.is_ok()).count(), 1);
        assert!(all.iter().all(|made| matches!(made, Ok(_) | Err(Error::Exists))));
        assert_eq!((own(&store).await.version, outbox(&db).await.len()), (2, 2));
    }

    async fn a_shell_has_a_name_and_is_no_profile(db: TestDb) {
        let (store, _) = open(&db).await;
        store.account(WHO, account("Ines Roy", 1)).await.unwrap();
        assert_eq!((store.own(WHO).await.unwrap(), name(&store).await), (None, Some("Ines Roy".to_owned())));
        assert_eq!(told(&db).await, [updated("Ines Roy", 1)]);
    }

    async fn the_account_and_its_owner_end_in_one_row_in_either_order(db: TestDb) {
        let (store, _) = open(&db).await;
        let (one, other) = (UserId(1), UserId(2));
        store.account(one, account("Ines Roy", 1)).await.unwrap();
        store.create(one, "ines", Fields::default()).await.unwrap();
        store.create(other, "ines", Fields::default()).await.unwrap();
        store.account(other, account("Ines Roy", 1)).await.unwrap();
        let rows: Vec<Profile> = join_all([one, other].map(|who| store.own(who))).await.into_iter().map(|row| row.unwrap().unwrap()).collect();
        assert_eq!(rows[0], Profile { user_id: one, ..rows[1].clone() });
    }

    async fn the_account_and_its_owner_at_once_end_in_one_row(db: TestDb) {
        let (store, _) = open(&db).await;
        for who in (1..=32).map(UserId) {
            let (made, noted) = join(store.create(who, "ines", called("Ines")), store.account(who, account("Ines Roy", 1))).await;
            made.unwrap();
            noted.unwrap();
            let row = store.own(who).await.unwrap().unwrap();
            assert_eq!((row.display_name(), row.account), ("Ines".to_owned(), account("Ines Roy", 1)));
        }
    }

    async fn a_name_of_the_account_is_followed_while_it_is_what_is_shown(db: TestDb) {
        let (store, clock) = open(&db).await;
        store.account(WHO, account("a", 1)).await.unwrap();
        store.account(WHO, account("b", 3)).await.unwrap();
        store.account(WHO, account("c", 2)).await.unwrap();
        store.account(WHO, account("b", 3)).await.unwrap();
        assert_eq!(told(&db).await, [updated("a", 1), updated("b", 2)]);
        let filled = store.create(WHO, "x", called("Own")).await.unwrap();
        clock.advance(TimeDelta::seconds(1));
        store.account(WHO, account("d", 4)).await.unwrap();
        let kept = own(&store).await;
        assert_eq!(kept, Profile { account: account("d", 4), ..filled }, "nobody sees a difference");
        let cleared = store.change(&kept, Fields::default()).await.unwrap().unwrap();
        store.account(WHO, account("e", 5)).await.unwrap();
        assert_eq!((cleared.display_name(), name(&store).await), ("d".to_owned(), Some("e".to_owned())));
        assert_eq!(told(&db).await[2..], [updated("Own", 3), updated("d", 4), updated("e", 5)]);
    }

    async fn a_change_made_beside_a_new_name_of_the_account_does_not_bring_the_old_one_back(db: TestDb) {
        let (store, _) = open(&db).await;
        store.account(WHO, account("old", 1)).await.unwrap();
        let read = store.create(WHO, "x", called("Own")).await.unwrap();
        store.account(WHO, account("new", 2)).await.unwrap();
        assert_eq!(own(&store).await.version, read.version);
        assert_eq!(store.change(&read, Fields::default()).await.unwrap(), None);
        assert!(!store.remove(&read, actor()).await.unwrap());
        assert_eq!(told(&db).await.len(), 2);
    }

    async fn of_many_changes_of_one_version_one_is_made(db: TestDb) {
        let (store, _) = open(&db).await;
        let read = store.create(WHO, "ines", Fields::default()).await.unwrap();
        let changes = join_all((0..64).map(|i| store.change(&read, called(&format!("n{i}"))))).await;
        assert_eq!(changes.into_iter().filter_map(Result::unwrap).count(), 1);
        assert_eq!((own(&store).await.version, outbox(&db).await.len()), (2, 2));
    }

    async fn a_removed_profile_keeps_its_version_and_nothing_else(db: TestDb) {
        let (store, _) = open(&db).await;
        let read = store.create(WHO, "ines", everything()).await.unwrap();
        assert!(store.remove(&read, actor()).await.unwrap());
        assert!(!store.remove(&read, actor()).await.unwrap());
        assert_eq!(store.change(&read, called("x")).await.unwrap(), None);
        assert_eq!((store.own(WHO).await.unwrap(), name(&store).await), (None, None));
        store.account(WHO, account("new", 9)).await.unwrap();
        assert_eq!(name(&store).await, None, "an account makes no new shell of it");
        assert_eq!(told(&db).await, [updated("é", 1), deleted(2)]);
        let again = store.create(WHO, "ines", Fields::default()).await.unwrap();
        assert_eq!((again.version, again.display_name(), again.fields), (3, "new".to_owned(), Fields::default()));
        assert_eq!(told(&db).await[2..], [updated("new", 3)]);
    }

    async fn a_deactivated_account_is_told_to_nobody_and_comes_back_whole(db: TestDb) {
        let (store, _) = open(&db).await;
        store.account(WHO, account("ines", 1)).await.unwrap();
        store.create(WHO, "ines", called("Ines")).await.unwrap();
        store.account(WHO, Account { gone: true, ..account("ines", 2) }).await.unwrap();
        assert_eq!(name(&store).await, None);
        let read = own(&store).await;
        store.change(&read, called("Other")).await.unwrap().unwrap();
        assert_eq!(told(&db).await, [updated("ines", 1), updated("Ines", 2), deleted(3)]);
        store.account(WHO, account("ines", 3)).await.unwrap();
        assert_eq!(told(&db).await[3..], [updated("Other", 5)]);
    }

    async fn an_account_that_is_gone_before_it_is_heard_of_has_no_name_and_gets_no_profile(db: TestDb) {
        let (store, _) = open(&db).await;
        store.account(WHO, Account { gone: true, ..account("ines", 4) }).await.unwrap();
        store.account(WHO, account("ines", 1)).await.unwrap();
        assert_eq!(name(&store).await, None);
        assert!(matches!(store.create(WHO, "ines", called("x")).await, Err(Error::NotFound)));
        assert!(outbox(&db).await.is_empty());
    }

    async fn names_are_told_by_id_within_reach(db: TestDb) {
        let (store, _) = open(&db).await;
        for i in 1..=5 {
            store.account(UserId(i), account(&format!("n{i}"), 1)).await.unwrap();
        }
        let ids: Vec<_> = [5, 3, 9, 3, 1].map(UserId).to_vec();
        let names = async |reach| {
            let shown = store.shown(&ids, reach).await.unwrap();
            shown.into_iter().map(|shown| shown.display_name).collect::<Vec<_>>()
        };
        assert_eq!(names(Reach::School).await, ["n1", "n3", "n5"]);
        assert_eq!(names(Reach::Only(UserId(3))).await, ["n3"]);
        assert!(names(Reach::Only(UserId(2))).await.is_empty());
        assert!(store.shown(&[], Reach::School).await.unwrap().is_empty());
    }

    async fn a_clock_that_goes_back_takes_no_time_with_it(db: TestDb) {
        let (store, clock) = open(&db).await;
        let read = store.create(WHO, "ines", Fields::default()).await.unwrap();
        clock.set(kit::Clock::now(&clock) - TimeDelta::days(1));
        let changed = store.change(&read, called("x")).await.unwrap().unwrap();
        assert_eq!(changed.updated_at, read.updated_at);
    }

    async fn opening_a_store_twice_changes_nothing(db: TestDb) {
        let (store, _) = open(&db).await;
        let made = store.create(WHO, "ines", everything()).await.unwrap();
        let (again, _) = open(&db).await;
        assert_eq!(own(&again).await, made);
        again.check().await.unwrap();
    }
}

//! The pages of accounts against a naive model: made, renamed, given roles and deactivated before and between the pages.

use std::collections::BTreeSet;

use backends::testing::TestDb;
use contracts::Role;
use http::Method;
use kit::testing;
use proptest::prelude::*;
use serde_json::json;

use crate::school::School;

const NAMES: [&str; 12] = [
    "Zoë", "ZOE", "zo", "Weiß", "weiss", "Ünal", "50% off", "a_b", "axb", "!", "O'Neil", "",
];
const WORDS: [&str; 14] = [
    "", "zoe", "ZOË", "eiß", "SS", "unal", "%", "_", "a_b", "!", "o'n", "p1", "@x", "head",
];
const ROLES: [&[Role]; 5] = [
    &[],
    &[Role::Student],
    &[Role::Teacher],
    &[Role::Teacher, Role::Guardian],
    &[Role::Staff],
];
const PATHS: [(&str, &[Role]); 6] = [
    ("/api/auth/users?", &[]),
    ("/api/auth/users?role=member&", &[]),
    ("/api/auth/users?role=teacher&", &[Role::Teacher]),
    ("/api/v1/users/students/?", &[Role::Student]),
    ("/api/v1/users/staff/?", &[Role::Teacher, Role::Staff]),
    ("/api/v1/users/admins/?", &[Role::Admin]),
];

#[derive(Debug, Clone, Copy)]
enum Step {
    Make(usize, usize, usize),
    Rename(prop::sample::Index, usize),
    Give(prop::sample::Index, usize),
    Deactivate(prop::sample::Index),
}

#[derive(Debug, Clone, Copy)]
struct Look {
    path: usize,
    words: [usize; 2],
    active: Option<bool>,
    limit: usize,
}

fn step() -> impl Strategy<Value = Step> {
    let (name, roles) = (0..NAMES.len(), 0..ROLES.len());
    prop_oneof![
        4 => (name.clone(), name.clone(), roles.clone()).prop_map(|(a, b, c)| Step::Make(a, b, c)),
        1 => (any::<prop::sample::Index>(), name).prop_map(|(who, name)| Step::Rename(who, name)),
        1 => (any::<prop::sample::Index>(), roles).prop_map(|(who, roles)| Step::Give(who, roles)),
        1 => any::<prop::sample::Index>().prop_map(Step::Deactivate),
    ]
}

fn look() -> impl Strategy<Value = Look> {
    let words = [0..WORDS.len(), 0..WORDS.len()];
    (0..PATHS.len(), words, any::<Option<bool>>(), 1..6_usize).prop_map(
        |(path, words, active, limit)| Look {
            path,
            words,
            active,
            limit,
        },
    )
}

struct Person {
    id: i64,
    version: i64,
    called: [String; 4],
    roles: Vec<Role>,
    active: bool,
}

/// Folding by hand, for the letters above.
fn plain(text: &str) -> String {
    let table = [("ë", "e"), ("ü", "u"), ("ß", "ss")];
    table
        .into_iter()
        .fold(text.to_lowercase(), |text, (from, to)| {
            text.replace(from, to)
        })
}

impl Person {
    fn fits(&self, look: Look) -> bool {
        let (_, roles) = PATHS[look.path];
        let words = look.words.map(|word| plain(WORDS[word]));
        (roles.is_empty() || roles.iter().any(|role| self.roles.contains(role)))
            && look.active.is_none_or(|active| active == self.active)
            && words
                .iter()
                .all(|word| self.called.iter().any(|name| plain(name).contains(word)))
    }
}

struct World {
    school: School,
    head: String,
    people: Vec<Person>,
}

impl World {
    async fn open(db: &TestDb) -> Self {
        let school = School::open(db).await;
        school.person("head", &[Role::Admin]).await;
        let head = school.token("head").await;
        let called = ["head", "Roy", "head", "head@x.org"].map(str::to_owned);
        let people = vec![Person {
            id: 1,
            version: 1,
            called,
            roles: vec![Role::Admin],
            active: true,
        }];
        Self {
            school,
            head,
            people,
        }
    }

    async fn take(&mut self, step: Step) {
        let head = self.head.as_str();
        match step {
            Step::Make(first, last, roles) => {
                let username = format!("p{}", self.people.len());
                let email = format!("{username}@x.org");
                let body = json!({"username": username, "email": email, "first_name": NAMES[first], "last_name": NAMES[last], "roles": ROLES[roles]});
                let answer = self
                    .school
                    .call(Method::POST, "/api/auth/users", head, Some(body))
                    .await;
                self.people.push(Person {
                    id: answer.body["id"].as_i64().unwrap(),
                    version: 1,
                    called: [
                        NAMES[first].to_owned(),
                        NAMES[last].to_owned(),
                        username,
                        email,
                    ],
                    roles: ROLES[roles].to_vec(),
                    active: true,
                });
            }
            Step::Rename(who, name) => {
                let Some(person) = self.somebody(who).filter(|person| person.active) else {
                    return;
                };
                let changed = person.called[0] != NAMES[name];
                let request =
                    testing::request(Method::PATCH, &format!("/api/auth/users/{}", person.id))
                        .header("if-match", &format!("\"{}\"", person.version))
                        .json(&json!({"first_name": NAMES[name]}));
                person.called[0] = NAMES[name].to_owned();
                person.version += i64::from(changed);
                let answer = self.school.send(request.bearer(&self.head)).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            Step::Give(who, roles) => {
                let Some(person) = self.somebody(who) else {
                    return;
                };
                person.version += i64::from(person.roles != ROLES[roles]);
                person.roles = ROLES[roles].to_vec();
                let path = format!("/api/auth/users/{}/roles", person.id);
                let body = json!({"roles": ROLES[roles], "reason": "r"});
                let answer = self
                    .school
                    .call(Method::PUT, &path, &self.head, Some(body))
                    .await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            Step::Deactivate(who) => {
                let Some(person) = self.somebody(who) else {
                    return;
                };
                person.version += i64::from(person.active);
                person.active = false;
                let path = format!("/api/auth/users/{}", person.id);
                let answer = self
                    .school
                    .call(Method::DELETE, &path, &self.head, None)
                    .await;
                assert_eq!(answer.status, 204);
            }
        }
    }

    /// Anybody but the administrator.
    fn somebody(&mut self, who: prop::sample::Index) -> Option<&mut Person> {
        let others = &mut self.people[1..];
        (!others.is_empty()).then(|| who.get_mut(others))
    }

    fn shown(&self, look: Look) -> BTreeSet<i64> {
        let fitting = self.people.iter().filter(|person| person.fits(look));
        fitting.map(|person| person.id).collect()
    }

    /// The pages of a list from the first to the last, with a step after each.
    async fn walk(&mut self, look: Look, during: &[Step]) {
        let [one, two] = look.words.map(|word| {
            let encoded: String = WORDS[word].bytes().map(|b| format!("%{b:02X}")).collect();
            encoded
        });
        let active = look
            .active
            .map_or(String::new(), |active| active.to_string());
        let url = format!(
            "{}q={one}+{two}&active={active}&limit={}",
            PATHS[look.path].0, look.limit
        );
        let (mut always, mut ever) = (self.shown(look), self.shown(look));
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        let mut steps = during.iter();
        loop {
            let page = self
                .school
                .get(&format!("{url}&cursor={cursor}"), &self.head)
                .await;
            assert_eq!(page.status, 200, "{}", page.body);
            let items = page.body["items"].as_array().unwrap();
            seen.extend(items.iter().map(|user| user["id"].as_i64().unwrap()));
            match page.body["next_cursor"].as_str() {
                Some(next) => {
                    assert_eq!(
                        items.len(),
                        look.limit,
                        "a page that is not the last is full"
                    );
                    next.clone_into(&mut cursor);
                }
                None => break,
            }
            if let Some(step) = steps.next() {
                self.take(*step).await;
                let now = self.shown(look);
                always.retain(|id| now.contains(id));
                ever.extend(now);
            }
        }
        assert!(
            seen.windows(2).all(|pair| pair[0] < pair[1]),
            "no repeat: {seen:?}"
        );
        let seen: BTreeSet<i64> = seen.into_iter().collect();
        assert!(
            seen.is_superset(&always),
            "{look:?}: {seen:?} lacks some of {always:?}"
        );
        assert!(
            seen.is_subset(&ever),
            "{look:?}: {seen:?} has more than {ever:?}"
        );
    }
}

fn property(open: impl AsyncFn() -> TestDb) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let given = (
        prop::collection::vec(step(), 0..25),
        prop::collection::vec((look(), prop::collection::vec(step(), 0..4)), 1..12),
    );
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    };
    proptest::test_runner::TestRunner::new(config)
        .run(&given, |(before, walks)| {
            runtime.block_on(async {
                let db = open().await;
                let mut world = World::open(&db).await;
                for step in before {
                    world.take(step).await;
                }
                for (look, during) in walks {
                    world.walk(look, &during).await;
                }
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_pages_of_accounts_show_what_a_naive_model_shows_on_sqlite() {
    property(async || backends::testing::sqlite().await);
}

#[cfg(feature = "postgres-tests")]
#[test]
fn the_pages_of_accounts_show_what_a_naive_model_shows_on_postgres() {
    property(async || backends::testing::postgres().await);
}

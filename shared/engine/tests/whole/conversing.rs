//! A channel hears all of it, in order, whatever arrives and whatever fails.

use std::collections::BTreeMap;

use chat::settings::Says;
use chat::talk::Reach;
use domain::artefact::{Artefact, BuildFacts};
use domain::chain::{Hash, Sealed};
use domain::config::{Gate, ServiceConfig, SlackMay};
use domain::entry::{Actor, Drop, ENTRY_FORMAT, Entry, What};
use domain::file::{Home, ServiceFile};
use domain::pipeline::{Cause, Pipeline, WaitingOn};
use domain::{EntryId, Identity, Reason, Release, ReleaseNumber, SignedDuration, StageName};
use engine::follow::Told;
use engine::memory::contract::noon;

use crate::chatroom::{Book, Scene, Takes};

pub(crate) fn stage(name: &str) -> StageName {
    name.parse().unwrap()
}

pub(crate) fn id(seq: u64) -> EntryId {
    EntryId {
        service: "web".parse().unwrap(),
        seq,
    }
}

fn config() -> ServiceConfig {
    let file = serde_json::json!({
        "service": "web",
        "artefact": { "s3": { "bucket": "shop-artefacts", "prefix": "web/" } },
        "stages": [
            { "name": "test", "target": { "codedeploy": { "application": "web", "group": "test" } } },
            {
                "name": "production",
                "target": { "codedeploy": { "application": "web", "group": "production" } },
                "alarms": ["web-5xx"],
                "gate": { "approval": {
                    "approvers": ["arn:aws:iam::*:user/alice"], "from_slack": true
                } }
            }
        ]
    });
    let file: ServiceFile = serde_json::from_value(file).unwrap();
    let home = Home {
        account: "111122223333".parse().unwrap(),
        region: "ap-south-1".parse().unwrap(),
    };
    file.resolve(&home).unwrap()
}

pub(crate) fn release(number: u64) -> Release {
    Release {
        number: ReleaseNumber(number),
        artefact: Artefact::Object {
            bucket: "shop-artefacts".into(),
            key: format!("web/{number}.zip"),
            version: "v1".into(),
            sha256: None,
            bytes: 4096,
        },
        build: BuildFacts {
            version: Some(format!("1.{number}.0")),
            commit: Some(format!("{number:07}aaaaaaa")),
            author: Some("Ravi <ravi@shop.example>".into()),
            repository: Some("https://github.com/shop/web.git".into()),
            build_url: Some(format!("https://jenkins.example/job/web/{number}/")),
            ..BuildFacts::default()
        },
        recorded_at: noon(),
    }
}

fn pipeline() -> Pipeline {
    let mut pipeline = Pipeline::new("web".parse().unwrap());
    for number in [16, 17] {
        pipeline
            .releases
            .insert(ReleaseNumber(number), release(number).into());
    }
    let config = config();
    for stage in &config.stages {
        let mut state = domain::pipeline::Stage::default();
        state.good.push(ReleaseNumber(16));
        pipeline.stages.insert(stage.name.clone(), state);
    }
    pipeline.config = Some(config.into());
    pipeline
}

pub(crate) fn book(whats: Vec<What>) -> Book {
    let sealed = |(index, what): (usize, What)| {
        let seq = index as u64 + 1;
        let entry = Entry {
            format: ENTRY_FORMAT,
            seq,
            at: domain::due::after(
                noon(),
                SignedDuration::from_mins(i64::try_from(seq).unwrap()),
            ),
            actor: Actor::Clock,
            what,
            why: Reason::WayIsFree,
            request: None,
            before: Hash::ZERO,
        };
        Sealed {
            entry,
            stored: String::new(),
            hash: Hash::ZERO,
        }
    };
    Book {
        pipeline: pipeline(),
        entries: whats.into_iter().enumerate().map(sealed).collect(),
        forgotten: BTreeMap::new(),
    }
}

fn waits(name: &str, number: u64) -> What {
    What::Waits {
        stage: stage(name),
        deployment: id(1),
        release: ReleaseNumber(number),
        on: WaitingOn::Approval {
            missing: 1,
            expires_at: domain::due::after(noon(), SignedDuration::from_hours(24)),
        },
    }
}

fn approved(name: &str, number: u64) -> What {
    What::Approved {
        stage: stage(name),
        deployment: id(1),
        release: ReleaseNumber(number),
        by: Identity("arn:aws:iam::111122223333:user/alice".into()),
        reason: None,
    }
}

fn good(name: &str, number: u64) -> What {
    What::Succeeded {
        stage: stage(name),
        deployment: id(1),
        release: ReleaseNumber(number),
    }
}

fn voided(name: &str, number: u64) -> What {
    What::ApprovalsVoided {
        stage: stage(name),
        deployment: id(1),
        release: ReleaseNumber(number),
    }
}

pub(crate) fn order(name: &str, number: u64) -> Box<domain::entry::Order> {
    let config = config();
    let stage = config.stage(&stage(name)).unwrap();
    Box::new(domain::entry::Order {
        attempt: id(1),
        stage: stage.name.clone(),
        place: stage.place.clone(),
        target: stage.target.clone(),
        release: ReleaseNumber(number),
        artefact: release(number).artefact,
        alarms: domain::entry::AlarmsAtStart::Hold,
    })
}

/// From push to rollback: good on test, approved, deployed, an alarm, rolled back.
pub(crate) fn one_release() -> Vec<What> {
    vec![
        What::StartAsked {
            deployment: id(1),
            order: order("test", 17),
        },
        good("test", 17),
        waits("production", 17),
        approved("production", 17),
        What::StartAsked {
            deployment: id(1),
            order: order("production", 17),
        },
        What::ReturnAsked {
            deployment: id(1),
            release: ReleaseNumber(17),
            cause: Cause::Alarm {
                name: "web-5xx".into(),
            },
            order: order("production", 16),
        },
        What::RolledBack {
            stage: stage("production"),
            deployment: id(1),
            release: ReleaseNumber(17),
            to: Some(ReleaseNumber(16)),
            firing: Vec::new(),
        },
    ]
}

/// What the button that says yes is known by.
const BUTTON: &str = "lastgood_approve";

/// Whether this stands anywhere in the channel.
fn shows(scene: &Scene, text: &str) -> bool {
    let messages = serde_json::to_string(&*scene.room.messages.borrow()).unwrap();
    messages.contains(text)
}

/// What a person sees after each announcement.
#[tokio::test]
async fn one_release_from_push_to_rollback_makes_two_messages() {
    let whole = one_release();
    let mut scene = Scene::new(book(Vec::new()), Says::Outcomes);
    let mut seen = String::new();
    for end in 1..=whole.len() {
        scene.book = book(whole[..end].to_vec());
        assert_eq!(scene.hint(end as u64).await.unwrap(), Told::All);
        seen.push_str(&format!("--- after {end}\n"));
        for message in scene.room.messages.borrow().iter() {
            seen.push_str(&serde_json::to_string_pretty(message).unwrap());
            seen.push('\n');
        }
    }
    assert_eq!(scene.room.messages.borrow().len(), 2, "one for each stage");
    for (under, reply, reach) in scene.room.replies.borrow().iter() {
        seen.push_str(&format!("under {under}, {reach:?}: {}\n", reply.text));
    }
    insta::assert_snapshot!(seen);
}

#[tokio::test]
async fn an_announcement_that_comes_twice_or_late_says_nothing_new() {
    let scene = Scene::new(book(one_release()), Says::Outcomes);
    scene.hint(3).await.unwrap();
    let (messages, replies) = (
        scene.room.messages.borrow().clone(),
        scene.room.replies.borrow().clone(),
    );
    assert!(replies.len() > 1, "it was told to the newest entry");
    for seq in [7, 1, 3, 5, 7] {
        assert_eq!(scene.hint(seq).await.unwrap(), Told::All);
    }
    assert_eq!(*scene.room.messages.borrow(), messages);
    assert_eq!(*scene.room.replies.borrow(), replies);
}

#[tokio::test]
async fn the_question_goes_when_an_approved_release_waits_for_something_else() {
    let mut whole = vec![waits("production", 17), approved("production", 17)];
    let scene = Scene::new(book(whole.clone()), Says::Outcomes);
    scene.hint(1).await.unwrap();
    assert!(
        shows(&scene, BUTTON),
        "another approval may still be needed"
    );
    whole.push(What::Waits {
        stage: stage("production"),
        deployment: id(1),
        release: ReleaseNumber(17),
        on: WaitingOn::Window { opens_at: None },
    });
    whole.push(What::Quarantined {
        stage: stage("production"),
        release: ReleaseNumber(3),
    });
    let mut scene = scene;
    scene.book = book(whole);
    scene.hint(4).await.unwrap();
    assert!(!shows(&scene, BUTTON));
}

#[tokio::test]
async fn whatever_ends_a_question_leaves_a_stamp_in_place_of_its_buttons() {
    let alice = || Identity("arn:aws:iam::111122223333:user/alice".into());
    let (expired, reason) = (Drop::Expired, "not before the sale".to_owned());
    let rejected = Drop::Rejected {
        by: alice(),
        reason,
    };
    let superseded = Drop::Superseded {
        by: ReleaseNumber(18),
    };
    for (end, stamp) in [
        (expired, "*was not approved in time*"),
        (rejected, "*was rejected by alice*: not before the sale"),
        (superseded, "*was superseded by release 18*"),
    ] {
        let mut scene = Scene::new(book(vec![waits("production", 17)]), Says::Outcomes);
        scene.hint(1).await.unwrap();
        assert!(shows(&scene, BUTTON) && !shows(&scene, stamp));
        let dropped = What::Dropped {
            stage: stage("production"),
            deployment: id(1),
            release: ReleaseNumber(17),
            end,
        };
        scene.book = book(vec![waits("production", 17), dropped]);
        scene.hint(2).await.unwrap();
        assert!(!shows(&scene, BUTTON) && shows(&scene, stamp), "{stamp}");
        assert_eq!(
            scene.room.messages.borrow().len(),
            1,
            "it is the same message"
        );
    }
}

#[tokio::test]
async fn buttons_show_only_where_the_gate_takes_them_and_somebody_answers_them() {
    let asked = || book(vec![waits("production", 17)]);
    let mut unanswered = Scene::new(asked(), Says::Outcomes);
    unanswered.channel.answers = false;
    let mut closed = Scene::new(asked(), Says::Outcomes);
    let mut config = config();
    if let Gate::Approval(rule) = &mut config.stages[1].gate {
        rule.slack = SlackMay::NotDecide;
    }
    closed.book.pipeline.config = Some(config.into());
    for scene in [unanswered, closed] {
        scene.hint(1).await.unwrap();
        assert!(!shows(&scene, BUTTON) && shows(&scene, "lastgood approve web production 17"));
    }
}

#[tokio::test]
async fn a_channel_that_hears_nothing_of_a_service_costs_nothing() {
    let mut scene = Scene::new(book(one_release()), Says::Everything);
    scene.channel.services = vec!["shop".to_owned()];
    assert_eq!(scene.hint(3).await.unwrap(), Told::All);
    assert!(scene.room.messages.borrow().is_empty());
    assert!(scene.shelf.is_empty(), "and nothing is kept of it");
}

#[tokio::test]
async fn a_webhook_hears_fewer_messages_that_say_all_by_themselves() {
    let mut scene = Scene::new(book(one_release()), Says::Outcomes);
    scene.channel.updates = false;
    scene.hint(1).await.unwrap();
    let texts: Vec<String> = scene
        .room
        .messages
        .borrow()
        .iter()
        .map(|message| message.text.clone())
        .collect();
    assert!(scene.room.replies.borrow().is_empty());
    insta::assert_snapshot!(texts.join("\n---\n"));
}

#[tokio::test]
async fn a_chat_that_asks_for_patience_is_left_alone_for_as_long_as_it_said() {
    let scene = Scene::new(book(vec![waits("production", 17)]), Says::Everything);
    scene.room.luck.one_fails_of.set(1);
    assert!(scene.hint(1).await.is_err(), "it asks for a second");
    scene.room.luck.one_fails_of.set(0);
    for (seconds, told) in [(0, Told::NotYet), (1, Told::NotYet), (1, Told::All)] {
        scene.clock.jump(SignedDuration::from_secs(seconds));
        assert_eq!(scene.hint(1).await.unwrap(), told, "{seconds} s later");
    }
    assert_eq!(scene.room.messages.borrow().len(), 1);
}

#[tokio::test]
async fn what_a_chat_refuses_for_good_is_said_without_blocks_and_else_left() {
    for (takes, shown, calls) in [
        (Takes::Everything, vec![false], 1),
        (Takes::PlainText, vec![true], 2),
        (Takes::Nothing, vec![], 2),
    ] {
        let scene = Scene::new(book(vec![waits("production", 17)]), Says::Everything);
        scene.room.takes.set(takes);
        assert_eq!(scene.hint(1).await.unwrap(), Told::All, "{takes:?}");
        let messages = scene.room.messages.borrow();
        let plain = messages.iter().map(|message| message.blocks.is_empty());
        assert_eq!(plain.collect::<Vec<_>>(), shown, "{takes:?}");
        assert_eq!(scene.room.luck.calls.get(), calls, "{takes:?}");
    }
}

#[tokio::test]
async fn a_card_that_a_chat_no_longer_takes_is_redrawn_without_blocks() {
    let whole = [waits("production", 17), approved("production", 17)];
    let mut scene = Scene::new(book(whole[..1].to_vec()), Says::Everything);
    scene.hint(1).await.unwrap();
    scene.book = book(whole.to_vec());
    scene.room.takes.set(Takes::PlainText);
    assert_eq!(scene.hint(2).await.unwrap(), Told::All);
    let messages = scene.room.messages.borrow();
    assert_eq!(messages.len(), 1, "in its place");
    assert!(messages[0].blocks.is_empty());
}

#[tokio::test]
async fn ten_thousand_announcements_arrive_in_order_though_half_of_all_calls_fail() {
    const ANNOUNCEMENTS: u64 = 10_000;
    let whats = (0..ANNOUNCEMENTS).map(|index| {
        let (number, name) = (
            index / 40 * 2 + index % 2,
            ["test", "production"][index as usize % 2],
        );
        match index / 2 % 20 {
            0 => waits(name, number),
            19 => good(name, number),
            step if step % 2 == 1 => approved(name, number),
            _ => voided(name, number),
        }
    });
    let scene = Scene::new(book(whats.collect()), Says::Everything);
    scene.room.luck.one_fails_of.set(2);
    // They arrive in no order, some twice, and again while they were not told.
    let mut queue: std::collections::VecDeque<u64> = (0..ANNOUNCEMENTS)
        .map(|n| n * 7919 % ANNOUNCEMENTS + 1)
        .collect();
    queue.push_front(1);
    let mut failed = 0;
    while let Some(seq) = queue.pop_front() {
        match scene.hint(seq).await {
            Ok(Told::All) => {}
            Ok(Told::NotYet) | Err(_) => {
                failed += 1;
                scene.clock.jump(SignedDuration::from_secs(2));
                queue.push_back(seq);
            }
        }
    }
    assert!(failed > 1000, "half of all calls failed: {failed}");
    let replies = scene.room.replies.borrow();
    let mut last = BTreeMap::new();
    let mut heard = std::collections::BTreeSet::new();
    for (under, reply, _) in replies.iter() {
        let (_, id) = reply.text.rsplit_once("`web/").unwrap();
        let seq: u64 = id.trim_end_matches('`').parse().unwrap();
        let before = last.insert(*under, seq).unwrap_or_default();
        assert!(before <= seq, "{seq} was said after {before}");
        heard.insert(seq);
    }
    // The first of each release is its message; all others stand in the thread.
    let firsts = ANNOUNCEMENTS / 20;
    assert_eq!(heard.len() as u64, ANNOUNCEMENTS - firsts);
    let loud = replies
        .iter()
        .filter(|(_, _, reach)| *reach == Reach::Channel);
    assert!(loud.count() > 0, "approvals that were voided call somebody");
}

//! Rules at their borders: exactly at the limit, exactly at the minute, the other way round. Most
//! of these are here because a change of the rule went unnoticed without them.

use super::story::{ALICE, MIRA, RAVI, Story, config, release, stage};
use crate::alarm::AlarmState;
use crate::apply::Illegal;
use crate::config::Queue;
use crate::decide::{Recalled, decide};
use crate::entry::{AlarmsAtStart, Call, Purpose, What};
use crate::fact::{Answer, ArtefactFound, Asked, Despite, Fact, Progress, Proof, Request, Running};
use crate::name::ReleaseNumber;
use crate::pipeline::{How, Phase};
use crate::reason::{Reason, Verdict};

fn last_call(story: &Story) -> Option<Call> {
    let mut newest_first = story.ledger.iter().rev();
    newest_first.find_map(|sealed| match &sealed.entry.what {
        What::PersonCalled { call, .. } => Some(call.clone()),
        _ => None,
    })
}

fn how(story: &Story, name: &str) -> (How, u32) {
    match &story.active(name).unwrap().phase {
        Phase::RollingBack { how, tries, .. } => (*how, *tries),
        other => panic!("{other:?}"),
    }
}

/// Release 1 is good everywhere; release 2 is on its way to dev when the alarm fires.
fn stopping() -> Story {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    story.alarm("dev", AlarmState::Alarm);
    assert_eq!(how(&story, "dev"), (How::Stop, 1));
    story
}

/// The same, but release 2 bakes: it is deployed over.
fn returning() -> Story {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    story.finishes("dev");
    story.alarm("dev", AlarmState::Alarm);
    assert_eq!(how(&story, "dev"), (How::Return, 1));
    story
}

fn underway(story: &Story) -> Progress {
    Progress::Underway {
        platform_id: "d-1".into(),
        started_at: story.now,
    }
}

#[test]
fn a_stop_without_answer_is_asked_again_after_a_minute_five_times_in_all() {
    let mut story = stopping();
    for tries in 2..=5 {
        story.jump(1);
        let progress = underway(&story);
        story.observe("dev", progress, Running::Unknown);
        assert_eq!(how(&story, "dev"), (How::Stop, tries));
    }
    story.jump(1);
    let progress = underway(&story);
    story.observe("dev", progress, Running::Unknown);
    assert!(matches!(
        last_call(&story),
        Some(Call::RollbackFailed { .. })
    ));
}

#[test]
fn a_stop_that_turns_into_a_return_counts_from_one() {
    let mut story = stopping();
    story.jump(1);
    let progress = underway(&story);
    story.observe("dev", progress, Running::Unknown);
    assert_eq!(how(&story, "dev"), (How::Stop, 2));
    let left = story.content(2);
    story.succeeds_running("dev", Running::All(left));
    assert_eq!(how(&story, "dev"), (How::Return, 1));
}

#[test]
fn a_stop_that_finds_nothing_begun_holds_the_release_when_the_platform_can_tell() {
    let mut story = stopping();
    story.jump(1);
    let runs = story.content(1);
    story.observe("dev", Progress::NotFound, Running::All(runs));
    assert_eq!(story.wrote(), ["waits"]);
}

#[test]
fn a_stop_that_finds_nothing_waits_while_the_platform_cannot_tell() {
    let mut story = stopping();
    story.jump(1);
    story.observe("dev", Progress::NotFound, Running::Unknown);
    assert!(story.wrote().is_empty());
}

#[test]
fn a_start_and_a_return_without_answer_are_asked_again_after_exactly_a_minute() {
    let mut story = Story::new();
    story.upload(1);
    story.jump(1);
    story.observe("dev", Progress::NotFound, Running::Nothing);
    assert_eq!(story.wrote(), ["start_asked"]);
    let mut story = returning();
    story.jump(1);
    story.observe("dev", Progress::NotFound, Running::Unknown);
    assert_eq!(story.wrote(), ["return_asked"]);
}

#[test]
fn a_return_after_which_something_else_runs_has_failed() {
    let mut story = returning();
    story.begins("dev");
    let bad = story.content(2);
    story.succeeds_running("dev", Running::All(bad));
    assert!(story.wrote().contains(&"rollback_failed".to_owned()));
}

#[test]
fn who_is_called_is_told_what_is_wrong() {
    let mut story = Story::new();
    story.upload(1);
    story.begins("dev");
    story.alarm("dev", AlarmState::Alarm);
    let Some(Call::NothingToReturnTo { problem, .. }) = last_call(&story) else {
        panic!("a person is called");
    };
    assert_eq!(problem, "alarm web-dev-5xx fired");
}

#[test]
fn only_the_last_day_of_rollbacks_counts_and_it_ends_after_exactly_a_day() {
    let mut story = Story::released_everywhere(1);
    for (number, minutes) in [(2, 0), (3, 0), (4, 24 * 60)] {
        story.jump(minutes);
        story.upload(number);
        story.begins("dev");
        story.fails("dev", "it does not start");
        story.begins("dev");
        story.finishes("dev");
    }
    assert!(story.state("dev").freeze.is_none());
    assert_eq!(story.state("dev").rollbacks.len(), 1);
}

fn reject(story: &mut Story, by: &str) -> Reason {
    let request = Request::Reject {
        stage: stage("production"),
        release: release(1),
        reason: "not today".into(),
    };
    story.ask(by, request)
}

#[test]
fn who_may_approve_or_wrote_it_may_say_no_and_nobody_else() {
    for (by, may) in [
        (MIRA, true),
        (RAVI, true),
        ("arn:aws:iam::111122223333:user/eve", false),
    ] {
        let mut story = Story::new();
        story.upload_built(1, Story::build(1));
        story.becomes_good("dev");
        story.becomes_good("test");
        let reason = reject(&mut story, by);
        assert_eq!(reason == Reason::PersonAsked, may, "{by}: {reason:?}");
        assert_eq!(reason == Reason::NotAnApprover, !may, "{by}: {reason:?}");
    }
}

#[test]
fn a_yes_that_comes_too_late_says_so() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.becomes_good("dev");
    story.becomes_good("test");
    story.jump(60 * 24 * 7);
    assert_eq!(story.approve(ALICE, 2), Reason::ApprovalExpired);
}

#[test]
fn what_is_on_its_way_is_not_approved_again_and_what_does_not_wait_is_not_found() {
    let mut story = Story::released_everywhere(2);
    assert_eq!(story.approve(ALICE, 2), Reason::AlreadyThere);
    assert_eq!(
        story.approve(ALICE, 1),
        Reason::NotWaiting { instead: None }
    );
    story.upload(3);
    story.becomes_good("dev");
    story.becomes_good("test");
    story.approve(ALICE, 3);
    assert_eq!(story.approve(MIRA, 3), Reason::AlreadyThere);
    assert_eq!(story.approve(MIRA, 1), Reason::NotWaiting { instead: None });
}

/// Dev and test run release 2; release 1 is good on dev once more.
fn once_more_on_dev(story: &mut Story) {
    story.promote("dev", 1, Despite::default());
    story.becomes_good("dev");
}

#[test]
fn a_release_that_waits_is_done_or_runs_on_the_next_stage_is_not_offered_again() {
    let quiet = |story: &Story, how: &str| {
        let wrote = story.wrote();
        assert!(wrote.contains(&"succeeded".to_owned()), "{how}: {wrote:?}");
        let again = ["offered", "held_back"].map(|kind| wrote.contains(&kind.to_owned()));
        assert_eq!(again, [false, false], "{how}: {wrote:?}");
    };
    let mut story = Story::released_everywhere(2);
    let freeze = Request::Freeze {
        stage: Some(stage("test")),
        reason: "the sale".into(),
        until: None,
    };
    story.ask(ALICE, freeze);
    story.promote("test", 1, Despite::default());
    once_more_on_dev(&mut story);
    quiet(&story, "it waits");

    let mut story = Story::released_everywhere(2);
    story.promote("test", 1, Despite::default());
    once_more_on_dev(&mut story);
    quiet(&story, "it is under way");

    let mut story = Story::released_everywhere(2);
    story.promote("test", 1, Despite::default());
    story.becomes_good("test");
    once_more_on_dev(&mut story);
    quiet(&story, "it runs");
}

#[test]
fn what_failed_on_a_stage_comes_again_when_nothing_newer_did() {
    let mut story = Story::new();
    story.upload(1);
    story.becomes_good("dev");
    story.begins("test");
    story.fails("test", "it does not start");
    assert_eq!(story.state("test").newest, Some(release(1)));
    story.upload(2);
    story.becomes_good("dev");
    story.begins("test");
    story.fails("test", "it does not start");
    once_more_on_dev(&mut story);
    let wrote = story.wrote();
    assert!(
        wrote.contains(&"held_back".to_owned()),
        "2 was there: {wrote:?}"
    );
    story.promote("dev", 2, Despite::default());
    story.becomes_good("dev");
    let wrote = story.wrote();
    assert!(
        wrote.contains(&"offered".to_owned()),
        "2 comes again: {wrote:?}"
    );
}

#[test]
fn a_flood_is_more_than_the_limit_within_less_than_a_minute() {
    let mut story = Story::new();
    for number in 1..=20 {
        story.upload(number);
        assert!(!story.wrote().contains(&"flooded".to_owned()), "{number}");
    }
    story.jump(1);
    story.upload(21);
    assert!(
        !story.wrote().contains(&"flooded".to_owned()),
        "a minute later"
    );
    for number in 22..=41 {
        story.upload(number);
    }
    assert!(story.wrote().contains(&"flooded".to_owned()), "21 at once");
    story.jump(1);
    for number in 42..=62 {
        story.upload(number);
    }
    assert!(story.wrote().contains(&"flooded".to_owned()), "told again");
}

#[test]
fn what_became_of_a_fact_is_a_word_and_a_reason() {
    let mut story = Story::released_everywhere(1);
    let decide = |story: &Story, fact: &Fact| {
        decide(&story.pipeline, &Recalled::Nothing, fact, story.now).unwrap()
    };
    let nothing = decide(&story, &Fact::TimePassed);
    assert_eq!(nothing.verdict(), Verdict::Nothing);
    assert_eq!(nothing.reason, Reason::NothingDue);
    let asked = |request| {
        Fact::Asked(Asked {
            id: crate::fact::RequestId("request-x".into()),
            by: crate::Identity(ALICE.into()),
            request,
        })
    };
    let thaw = asked(Request::Thaw { stage: None });
    assert_eq!(decide(&story, &thaw).verdict(), Verdict::Refused);
    let freeze = asked(Request::Freeze {
        stage: None,
        reason: "the sale".into(),
        until: story
            .now
            .checked_add(jiff::SignedDuration::from_mins(9))
            .ok(),
    });
    assert_eq!(decide(&story, &freeze).verdict(), Verdict::Done);
    // When only something that was due is done, that is the reason.
    story.upload(2);
    story.becomes_good("dev");
    story.becomes_good("test");
    assert_eq!(story.time_passes(60 * 24 * 8), Reason::RequestExpired);
}

#[test]
fn a_rollback_that_is_refused_for_good_is_a_failed_one() {
    let mut story = returning();
    story.answer("dev", Answer::Refused("the artefact is gone".into()));
    assert!(story.wrote().contains(&"rollback_failed".to_owned()));
}

#[test]
fn what_the_platform_undid_is_rolled_back_only_where_last_good_or_nothing_runs() {
    let mut story = stopping();
    story.undone("dev", Running::All(story.content(2)));
    assert_eq!(how(&story, "dev"), (How::Return, 1), "we go back ourselves");
    let mut story = stopping();
    story.undone("dev", Running::Nothing);
    assert_eq!(story.wrote(), ["rolled_back", "quarantined"]);
}

#[test]
fn an_older_release_is_held_back_where_a_newer_one_waits() {
    let mut story = Story::released_everywhere(1);
    for number in [2, 3] {
        story.upload(number);
        story.becomes_good("dev");
        story.becomes_good("test");
    }
    story.promote("test", 2, Despite::default());
    story.becomes_good("test");
    assert_eq!(story.wrote(), ["succeeded", "held_back"]);
    let held = &story.ledger.last().unwrap().entry;
    assert_eq!(held.why, Reason::OlderThanStage { than: release(3) });
}

#[test]
fn an_alarm_that_clears_and_fires_anew_rolls_back_even_what_was_shipped_into_a_fire() {
    let mut story = Story::released_everywhere(1);
    story.alarm("dev", AlarmState::Alarm);
    story.upload(2);
    let despite = Despite {
        alarm: Some("this is the fix".into()),
        ..Despite::default()
    };
    story.promote("dev", 2, despite);
    story.begins("dev");
    story.alarm("dev", AlarmState::Ok);
    story.alarm("dev", AlarmState::Alarm);
    assert_eq!(story.wrote(), ["alarm_noted", "stop_asked"]);
}

#[test]
fn a_release_that_waits_does_not_stand_in_the_way_of_going_back() {
    let mut story = Story::released_everywhere(2);
    story.upload(3);
    story.becomes_good("dev");
    story.becomes_good("test");
    assert!(!story.state("production").waiting.is_empty());
    assert_eq!(story.roll_back("production", None), Reason::PersonAsked);
    assert_eq!(
        story.active("production").unwrap().offer.release,
        release(1)
    );
}

#[test]
fn a_start_that_is_asked_again_minds_alarms_as_it_did_and_a_rollback_never() {
    let mut story = Story::released_everywhere(2);
    story.upload(3);
    story.roll_back("production", None);
    for (name, alarms) in [
        ("dev", AlarmsAtStart::Hold),
        ("production", AlarmsAtStart::PassOver),
    ] {
        story.jump(1);
        story.observe(name, Progress::NotFound, Running::Unknown);
        let What::StartAsked { order, .. } = &story.ledger.last().unwrap().entry.what else {
            panic!("{:?}", story.wrote())
        };
        assert_eq!(order.alarms, alarms, "{name}");
    }
}

#[test]
fn what_comes_by_itself_takes_nothing_out_of_a_queue_in_which_all_have_their_turn() {
    let mut config = config();
    config.queue = Queue::All;
    let mut story = Story::with(config);
    for number in [1, 2] {
        story.upload_built(number, Story::build(number));
        story.becomes_good("dev");
        story.becomes_good("test");
    }
    let waiting = story.state("production").waiting.iter();
    let waiting: Vec<ReleaseNumber> = waiting.map(|offer| offer.release).collect();
    assert_eq!(waiting, [release(1), release(2)]);
}

#[test]
fn a_rollback_that_waits_for_its_target_gives_way_to_nothing() {
    let mut story = Story::new();
    for number in 1..=3 {
        story.upload_built(number, Story::build(number));
        story.becomes_good("dev");
    }
    story.roll_back("dev", Some(1));
    let by = "somebody else's".into();
    story.answer("dev", Answer::Occupied { by });
    story.promote("dev", 2, Despite::default());
    assert_eq!(story.wrote(), ["offered", "waits"]);
    let waiting = story.state("dev").waiting.iter();
    let waiting: Vec<Purpose> = waiting.map(|offer| offer.purpose).collect();
    assert_eq!(waiting, [Purpose::Rollback, Purpose::Release]);
}

#[test]
fn nothing_follows_the_largest_number_of_an_entry() {
    let story = Story::released_everywhere(1);
    let mut last = story.pipeline.clone();
    last.seq = u64::MAX;
    let decided = decide(&last, &Recalled::Nothing, &artefact(2), story.now);
    let (seq, last) = (u64::MAX, u64::MAX);
    assert_eq!(decided, Err(Illegal::Order { seq, last }));
}

#[test]
fn nothing_follows_the_largest_number_of_a_release() {
    let story = Story::released_everywhere(1);
    let mut last = story.pipeline.clone();
    last.last_release = u64::MAX;
    let decided = decide(&last, &Recalled::Nothing, &artefact(2), story.now);
    assert_eq!(
        decided,
        Err(Illegal::Release {
            seq: last.seq + 1,
            number: ReleaseNumber(u64::MAX),
            last: u64::MAX,
        })
    );
}

fn artefact(number: u64) -> Fact {
    Fact::Artefact(ArtefactFound {
        artefact: Story::artefact(number),
        build: Story::build(number),
        proof: Proof::Deployable,
    })
}

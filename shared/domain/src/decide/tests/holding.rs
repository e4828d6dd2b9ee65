//! Starts that are held after they were asked for: by a target that somebody else occupies, by an
//! alarm that fires right before, by a switch that cannot be read; and what they give way to.

use super::story::{Story, release};
use crate::alarm::AlarmState;
use crate::entry::Purpose;
use crate::fact::{Answer, Despite};
use crate::reason::Reason;

fn into_a_fire() -> Despite {
    Despite {
        alarm: Some("it has to go".into()),
        ..Despite::default()
    }
}

fn occupied() -> Answer {
    let by = "d-THEIRS".into();
    Answer::Occupied { by }
}

#[test]
fn a_target_that_somebody_else_occupies_is_asked_once_a_minute_whoever_waits_for_it() {
    let mut story = Story::released_everywhere(2);
    story.upload(3);
    story.answer("dev", occupied());
    // Another one waits now: it does not try in the first one's place.
    story.promote("dev", 1, into_a_fire());
    assert_eq!(story.wrote(), ["offered", "waits"]);
    assert!(story.active("dev").is_none());
    story.time_passes(1);
    story.answer("dev", occupied());
    assert!(
        story.active("dev").is_none(),
        "both wait for the next minute"
    );
}

#[test]
fn that_a_target_is_occupied_is_not_forgotten_over_an_alarm_that_fires() {
    let mut story = Story::new();
    for number in 1..=3 {
        story.upload(number);
    }
    story.promote("dev", 2, into_a_fire());
    // Release 1 gives way to release 3, which is tried at once.
    story.answer("dev", occupied());
    story.alarm("dev", AlarmState::Alarm);
    story.answer("dev", occupied());
    assert!(
        story.active("dev").is_none(),
        "release 2 would pass the alarm, and waits for the target"
    );
    story.time_passes(1);
    let active = story.active("dev").map(|active| active.offer.release);
    assert_eq!(active, Some(release(2)));
}

#[test]
fn a_rollback_of_a_person_asks_an_occupied_target_once_a_minute_too() {
    let mut story = Story::released_everywhere(2);
    story.roll_back("production", None);
    story.answer("production", occupied());
    assert_eq!(story.wrote(), ["waits"]);
    assert!(story.active("production").is_none());
    story.time_passes(1);
    assert_eq!(story.wrote(), ["start_asked"]);
}

#[test]
fn a_start_that_is_held_gives_way_to_a_newer_release_that_was_offered_meanwhile() {
    for held in ["occupied", "alarm"] {
        let mut story = Story::new();
        story.upload(1);
        story.upload(2);
        let answer = if held == "alarm" {
            Answer::Held(story.seen("dev", AlarmState::Alarm))
        } else {
            occupied()
        };
        story.answer("dev", answer);
        assert!(story.wrote().contains(&"dropped".to_owned()), "{held}");
        let state = story.state("dev");
        let held_on = state
            .waiting
            .iter()
            .chain(state.active.iter().map(|one| &one.offer));
        let numbers: Vec<_> = held_on.map(|offer| offer.release).collect();
        assert_eq!(numbers, [release(2)], "{held}");
    }
}

#[test]
fn a_release_a_person_chose_after_a_newer_one_does_not_give_way_to_it() {
    let mut story = Story::released_everywhere(2);
    story.alarm("dev", AlarmState::Alarm);
    story.upload(3);
    story.promote("dev", 1, into_a_fire());
    story.answer("dev", occupied());
    let waiting = &story.state("dev").waiting;
    let numbers: Vec<_> = waiting.iter().map(|offer| offer.release).collect();
    assert_eq!(numbers, [release(1), release(3)]);
}

#[test]
fn a_start_that_was_withheld_has_not_failed_however_often_it_was_tried() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    for _ in 0..12 {
        let reason = story.answer("dev", Answer::Withheld);
        assert_eq!(reason, Reason::SwitchUnreadable);
        assert_eq!(story.wrote(), ["waits"]);
        story.time_passes(4);
        assert!(story.active("dev").is_none(), "people hear of every try");
        story.time_passes(1);
        assert_eq!(story.wrote(), ["start_asked"]);
    }
    story.becomes_good("dev");
    assert_eq!(story.state("dev").last_good(), Some(release(2)));
}

#[test]
fn what_is_withheld_holds_the_other_releases_of_its_stage_and_no_rollback() {
    let mut story = Story::released_everywhere(2);
    story.upload(3);
    story.answer("dev", Answer::Withheld);
    story.promote("dev", 1, into_a_fire());
    assert!(story.active("dev").is_none());
    story.roll_back("dev", Some(1));
    let active = story.active("dev").map(|active| active.offer.purpose);
    assert_eq!(active, Some(Purpose::Rollback));
}

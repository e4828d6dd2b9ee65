//! A card as a message: what is known in one line, what an approver needs in fields, small print.

use domain::artefact::{BuildFacts, Release};
use domain::config::{Gate, SlackMay, StageConfig};
use domain::pipeline::{Pipeline, Stage};
use domain::question::{Choice, Question};
use domain::{ReleaseNumber, Timestamp};

use crate::block::{Block, Button, Message, Style};
use crate::card::{Card, Standing};
use crate::text::{code, escaped};

/// Longest of other people's words in one line, in characters: the thread has all of them.
const LINE_LENGTH_MAX: usize = 300;

/// What a card is drawn with besides itself.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The service as it is now.
    pub pipeline: &'a Pipeline,
    /// Since when the release is good on the stage before, when that was seen.
    pub good_before_since: Option<Timestamp>,
    /// Whom a question mentions, in Slack's markup.
    pub mention: Option<&'a str>,
    /// Whether buttons are answered.
    pub answers: bool,
}

/// Draws a card.
#[must_use]
pub fn draw(card: &Card, view: &View<'_>) -> Message {
    let release = view.pipeline.release(card.release);
    let (sign, words) = standing(card);
    let name = name(card.release, release);
    let subject = format!("{} {}", view.pipeline.service, card.stage);
    let mut line = format!("{sign} *{subject}* · {name} *{}*", first_word(&words));
    line.push_str(words.get(first_word(&words).len()..).unwrap_or_default());
    let mut blocks = Vec::new();
    let asks = if let Standing::Asks { .. } = &card.standing {
        view.pipeline.stage(&card.stage)
    } else {
        None
    };
    if let Some((config, state)) = asks {
        if let Some(mention) = view.mention {
            line = format!("{line} {mention}");
        }
        blocks.push(Block::with_fields(
            &line,
            &fields(card, view, config, state),
        ));
        blocks.extend(warnings(release, state));
        blocks.push(ways(card, view, config));
    } else {
        blocks.push(Block::section(&line));
        blocks.push(small_print(card, release));
    }
    let text = format!("{subject} release {} {words}", card.release);
    Message::new(&text, blocks)
}

/// The words of a card's standing after the release's name, and a sign that says the same without
/// colour.
fn standing(card: &Card) -> (&'static str, String) {
    let line = |text: &str| crate::text::cut(&escaped(text), LINE_LENGTH_MAX);
    let back =
        |to: &Option<ReleaseNumber>| to.map(|to| format!(" to release {to}")).unwrap_or_default();
    match &card.standing {
        Standing::Offered => (":inbox_tray:", "is next".to_owned()),
        Standing::Asks { missing: 1, .. } => (":raised_hand:", "waits for an approval".to_owned()),
        Standing::Asks { missing, .. } => {
            (":raised_hand:", format!("waits for {missing} approvals"))
        }
        Standing::Waits { on } => (":hourglass:", format!("waits {}", line(on))),
        Standing::HeldBack => (":zzz:", "is not offered by itself".to_owned()),
        Standing::Deploying => (":rocket:", "is being deployed".to_owned()),
        Standing::Baking { until } => (
            ":hourglass:",
            format!("is deployed, and bakes until {}", date(*until)),
        ),
        Standing::Good => (":white_check_mark:", "is good".to_owned()),
        Standing::Unproven => (
            ":grey_question:",
            "is deployed, and not proved good".to_owned(),
        ),
        Standing::Failed { problem } => (":x:", format!("failed: {}", line(problem))),
        Standing::RollingBack { to } => (":rewind:", format!("is being rolled back{}", back(to))),
        Standing::RolledBack { to } => (
            ":leftwards_arrow_with_hook:",
            format!(
                "was rolled back{}",
                to.map(|to| format!(": release {to} runs again"))
                    .unwrap_or_default()
            ),
        ),
        Standing::RollbackFailed { problem } => (
            ":rotating_light:",
            format!("could not be rolled back: {}", line(problem)),
        ),
        Standing::Ended { how } => (":no_entry_sign:", format!("was {}", line(how))),
    }
}

fn first_word(words: &str) -> &str {
    words.split([':', ',']).next().unwrap_or(words)
}

fn name(number: ReleaseNumber, release: Option<&Release>) -> String {
    let label = release.and_then(Release::label);
    let label = label.map(|label| format!(" ({})", escaped(&label)));
    format!("release {number}{}", label.unwrap_or_default())
}

/// A time as everybody's own clock shows it (docs.slack.dev, "Date formatting").
fn date(at: Timestamp) -> String {
    let seconds = at.as_second();
    format!("<!date^{seconds}^{{date_short_pretty}} {{time}}|{at:.0}>")
}

/// What an approver needs to decide.
fn fields(card: &Card, view: &View<'_>, config: &StageConfig, state: &Stage) -> Vec<String> {
    let release = |number| view.pipeline.release(number);
    let build = release(card.release).map(|release| &release.build);
    let before = state.last_good().and_then(release);
    let mut fields = Vec::new();
    if let Some(build) = build {
        fields.push(format!("*Changes*\n{}", changes(build, before)));
        if let Some(author) = &build.author {
            fields.push(format!("*Author*\n{}", escaped(author)));
        }
    }
    if let Some(since) = view.good_before_since {
        let stage = view.pipeline.config.as_ref();
        let stage = stage.and_then(|all| all.stage_before(&config.name));
        let stage = stage.map_or("the stage before", |stage| stage.name.as_str());
        fields.push(format!("*Good on {stage} since*\n{}", date(since)));
    }
    let firing = view.pipeline.firing(config);
    fields.push(match (config.alarms.len(), firing.as_slice()) {
        (0, _) => "*Alarms now*\nnone are watched".to_owned(),
        (count, []) => format!("*Alarms now*\nnone of {count} fires"),
        (_, firing) => format!("*Alarms now*\n:fire: {}", escaped(&firing.join(", "))),
    });
    fields.push(match state.last_good() {
        Some(good) => format!("*Last good*\n{}", name(good, before)),
        None => "*Last good*\nnone".to_owned(),
    });
    if !card.approved_by.is_empty() {
        let names = escaped(&card.approved_by.join(", "));
        fields.push(format!("*Approved so far by*\n{names}"));
    }
    if let Standing::Asks { expires_at, .. } = &card.standing {
        fields.push(format!("*Expires*\n{}", date(*expires_at)));
    }
    fields
}

/// The commits between last good and this, with a link where the repository has such a page.
fn changes(build: &BuildFacts, before: Option<&Release>) -> String {
    let short = |commit: &str| code(commit.get(..7).unwrap_or(commit));
    let base = before.and_then(|release| release.build.commit.as_deref());
    match (base, build.commit.as_deref()) {
        (Some(from), Some(to)) if from == to => format!("none: {} again", short(to)),
        (Some(from), Some(to)) => {
            let range = format!("{} … {}", short(from), short(to));
            let repository = build.repository.as_deref().and_then(address);
            match repository {
                Some(page) => {
                    let page = page.trim_end_matches('/').trim_end_matches(".git");
                    format!("{range} <{page}/compare/{from}...{to}|compare>")
                }
                None => range,
            }
        }
        (None, Some(to)) => format!("up to {}", short(to)),
        (_, None) => "the build names no commit".to_owned(),
    }
}

/// An address that cannot break out of a link.
fn address(url: &str) -> Option<&str> {
    let fits = url.starts_with("https://") && !url.contains(['<', '>', '|', ' ', '\n']);
    fits.then_some(url)
}

/// What cannot be undone, said before somebody decides.
fn warnings(release: Option<&Release>, state: &Stage) -> Option<Block> {
    let mut warnings = Vec::new();
    if state.last_good().is_none() {
        warnings.push(":warning: there is nothing good to go back to".to_owned());
    }
    if release.is_some_and(|release| release.build.irreversible) {
        let words = ":warning: marked as irreversible: an alarm will not roll it back by itself";
        warnings.push(words.to_owned());
    }
    (!warnings.is_empty()).then(|| Block::context(warnings))
}

/// How to answer: with buttons where the gate takes them, else with a command.
fn ways(card: &Card, view: &View<'_>, config: &StageConfig) -> Block {
    let service = &view.pipeline.service;
    let (stage, release) = (&card.stage, card.release);
    let takes_buttons = match &config.gate {
        Gate::Approval(rule) => view.answers && rule.slack == SlackMay::Decide,
        Gate::Automatic => false,
    };
    if let Standing::Asks { asked, .. } = &card.standing
        && takes_buttons
    {
        let question = Question {
            stage: stage.clone(),
            release,
            asked: asked.clone(),
        };
        let button = |says: &str, style, choice: Choice| {
            let asks = format!("{says} release {release} for {service} {stage}?");
            Button::new(says, style, choice.id(), question.to_string(), &asks)
        };
        return Block::Actions {
            elements: vec![
                button("Approve", Style::Primary, Choice::Approve),
                button("Reject", Style::Danger, Choice::Reject),
            ],
        };
    }
    let say = |verb: &str, more: &str| {
        code(&format!(
            "lastgood {verb} {service} {stage} {release}{more}"
        ))
    };
    Block::context([say("approve", ""), say("reject", " --reason …")])
}

/// Who, what and where of a release that needs nobody.
fn small_print(card: &Card, release: Option<&Release>) -> Block {
    let mut parts = Vec::new();
    if let Some(release) = release {
        let build = &release.build;
        if let Some(commit) = &build.commit {
            parts.push(code(commit.get(..7).unwrap_or(commit)));
        }
        if let Some(author) = &build.author {
            parts.push(escaped(author));
        }
        if let Some(page) = build.build_url.as_deref().and_then(address) {
            parts.push(format!("<{page}|build>"));
        }
    }
    if !card.approved_by.is_empty() {
        parts.push(format!(
            "approved by {}",
            escaped(&card.approved_by.join(", "))
        ));
    }
    parts.push(date(card.since));
    Block::context([parts.join(" · ")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(commit: &str) -> BuildFacts {
        BuildFacts {
            commit: Some(commit.to_owned()),
            ..BuildFacts::default()
        }
    }

    fn release(build: BuildFacts) -> Release {
        Release {
            number: ReleaseNumber(1),
            artefact: domain::Artefact::Object {
                bucket: "artefacts".into(),
                key: "web/1.zip".into(),
                version: "v1".into(),
                sha256: None,
                bytes: 4096,
            },
            build,
            recorded_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_same_commit_again_changes_nothing() {
        let before = release(built("aaaaaaaaaa"));
        let said = |commit: &str| changes(&built(commit), Some(&before));
        assert_eq!(said("aaaaaaaaaa"), "none: `aaaaaaa` again");
        assert_eq!(said("bbbbbbbbbb"), "`aaaaaaa` … `bbbbbbb`");
    }

    #[test]
    fn only_an_address_that_cannot_break_out_of_a_link_becomes_one() {
        assert!(address("https://jenkins.example/job/web/1/").is_some());
        for wrong in ["http://shop.example", "https://shop.example|<!here>", "x y"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_approver_is_warned_of_what_cannot_be_undone() {
        let irreversible = release(BuildFacts {
            irreversible: true,
            ..BuildFacts::default()
        });
        let plain = release(BuildFacts::default());
        let first = Stage::default();
        let mut later = Stage::default();
        later.good.push(ReleaseNumber(1));
        for (release, stage, warned) in [
            (&plain, &first, true),
            (&irreversible, &later, true),
            (&plain, &later, false),
        ] {
            assert_eq!(warnings(Some(release), stage).is_some(), warned);
        }
    }
}

//! A plan with everything a person wants to see before saying yes: what the rules would do, what
//! the target's definition would become, how the alarms are now, and the way back. The rules are
//! [`domain::decide::plan`]; what cannot be looked at is said, and is no failure.

use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::config::StageConfig;
use domain::decide::{self, Plan, Recalled, Wish};
use domain::entry::Purpose;
use domain::pipeline::{Pipeline, WaitingOn};
use domain::reason::Verdict;
use domain::{Release, ReleaseNumber, ServiceName, StageName};
use engine::{Ledger, Mention};
use serde::Serialize;

use crate::book;
use crate::difference;
use crate::failure::Failure;
use crate::screen::Paint;
use crate::session::Session;
use crate::times::Times;
use crate::words;

use self::look::{Looked, Sight};

mod look;
mod steps;

/// A plan, and what was looked at for it.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    /// The ledger as it is.
    pipeline: Pipeline,
    stage: StageName,
    looked: Looked,
}

/// A plan for scripts.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    service: ServiceName,
    stage: StageName,
    purpose: Purpose,
    from: Option<Release>,
    to: Option<Release>,
    differs: bool,
    verdict: Verdict,
    reason: String,
    /// What would be written, as sentences.
    entries: Vec<String>,
    /// What would still hold it.
    holds: Vec<WaitingOn>,
    /// What would be done to the target.
    steps: Vec<String>,
    alarms: Vec<AlarmView>,
    /// Why it cannot be deployed.
    obstacle: Option<String>,
    back_to: Option<ReleaseNumber>,
    back_obstacle: Option<String>,
    /// What a rollback does not bring back.
    not_restored: Vec<String>,
    /// The change of the task definition, as a unified difference.
    definition: Option<String>,
    /// What could not be looked at.
    unseen: Vec<String>,
}

/// An alarm now.
#[derive(Debug, Serialize)]
struct AlarmView {
    name: String,
    /// None when it does not exist.
    state: Option<AlarmState>,
    words: String,
}

/// What the rules say, before anything was looked at for it.
#[derive(Debug)]
pub(crate) struct Decided {
    plan: Plan,
    pipeline: Pipeline,
    recalled: Recalled,
    stage: StageName,
}

impl Decided {
    /// Decides on the ledger as it is.
    pub(crate) async fn make(
        session: &Session,
        ledger: &impl Ledger,
        service: &ServiceName,
        stage: &StageName,
        wish: &Wish,
    ) -> Result<Self, Failure> {
        let mention = match wish {
            Wish::Deploy { release, .. } => Mention::Release(*release),
            Wish::Return { .. } | Wish::Restore => Mention::Nothing,
        };
        let loaded = ledger
            .load(service, &mention)
            .await
            .map_err(book::failure)?;
        let (by, _) = session.who().await?;
        let (pipeline, recalled) = (loaded.pipeline, loaded.recalled);
        let plan = decide::plan(&pipeline, &recalled, (stage, wish), by, session.times.now)
            .map_err(|error| Failure::failed("the ledger contradicts itself").because(error))?;
        let stage = stage.clone();
        Ok(Self {
            plan,
            pipeline,
            recalled,
            stage,
        })
    }

    /// In a word, what it would come to.
    pub(crate) fn verdict(&self) -> Verdict {
        self.plan.decision.verdict()
    }

    /// Looks with the user's own rights.
    pub(crate) async fn look(self, session: &Session) -> Result<Planned, Failure> {
        let Self {
            plan,
            pipeline,
            recalled,
            stage,
        } = self;
        let platform = session.platform().await?;
        let looked = match pipeline.config.as_ref().and_then(|it| it.stage(&stage)) {
            Some(config) => Looked::at(&platform, &plan, config, &pipeline, &recalled).await,
            None => Looked::default(),
        };
        Ok(Planned {
            plan,
            pipeline,
            stage,
            looked,
        })
    }
}

impl Planned {
    /// Whether something would be another than it is: the release, or what it is deployed with.
    pub(crate) fn differs(&self) -> bool {
        self.plan.differs()
    }

    fn config(&self) -> Option<&StageConfig> {
        self.pipeline.config.as_ref()?.stage(&self.stage)
    }

    fn release(&self, number: ReleaseNumber) -> Option<&Release> {
        let after = &self.plan.decision.after;
        after.release(number).or(self.pipeline.release(number))
    }

    fn named(&self, number: ReleaseNumber) -> String {
        self.release(number)
            .map_or_else(|| number.to_string(), words::release)
    }

    /// Releases that are left behind and marked as irreversible.
    fn irreversible(&self) -> Vec<ReleaseNumber> {
        let left = match self.plan.purpose() {
            Purpose::Release => (self.plan.back_to, self.plan.release),
            Purpose::Rollback => (self.plan.release, self.plan.from),
        };
        let (Some(back), Some(left)) = left else {
            return Vec::new();
        };
        let releases = self.pipeline.releases.values();
        releases
            .filter(|it| it.number > back && it.number <= left && it.build.irreversible)
            .map(|it| it.number)
            .collect()
    }

    /// For scripts.
    pub(crate) fn view(&self, times: &Times) -> View {
        let plan = &self.plan;
        let release = |number: Option<ReleaseNumber>| number.and_then(|it| self.release(it));
        View {
            service: self.pipeline.service.clone(),
            stage: self.stage.clone(),
            purpose: plan.purpose(),
            from: release(plan.from).cloned(),
            to: release(plan.release).cloned(),
            differs: self.differs(),
            verdict: plan.decision.verdict(),
            reason: plan.decision.reason.to_string(),
            entries: self.entries(times),
            holds: plan.holds.clone(),
            steps: self.steps(),
            alarms: self.alarms(times),
            obstacle: self.looked.obstacle.clone(),
            back_to: plan.back_to,
            back_obstacle: self.looked.obstacle_back.clone(),
            not_restored: self.not_restored(),
            definition: self.definition().filter(|text| !text.is_empty()),
            unseen: self.looked.unseen.clone(),
        }
    }

    fn entries(&self, times: &Times) -> Vec<String> {
        let entries = self.plan.decision.entries.iter();
        entries
            .map(|sealed| words::what(&sealed.entry.what, times))
            .collect()
    }

    fn steps(&self) -> Vec<String> {
        let Some(config) = self.config() else {
            return Vec::new();
        };
        let running = self.looked.change.as_ref().map(|it| it.base.as_str());
        steps::of(&self.plan, config, running)
    }

    fn not_restored(&self) -> Vec<String> {
        let goes = match self.plan.purpose() {
            Purpose::Release => self.plan.back_to,
            Purpose::Rollback => self.plan.release,
        };
        let (Some(config), Some(_)) = (self.config(), goes) else {
            return Vec::new();
        };
        let mut lost: Vec<String> = self
            .irreversible()
            .into_iter()
            .map(|number| format!("what release {number} did: it is marked as irreversible"))
            .collect();
        lost.extend(steps::not_restored(&config.target).map(str::to_owned));
        lost
    }

    fn definition(&self) -> Option<String> {
        let change = self.looked.change.as_ref()?;
        let next = if change.base == change.running {
            "next".to_owned()
        } else {
            format!("next, from {}", change.base)
        };
        Some(difference::of_json(
            (&change.running, &change.before),
            (&next, &change.after),
        ))
    }

    fn alarms(&self, times: &Times) -> Vec<AlarmView> {
        let alarms = self.looked.alarms.iter();
        alarms
            .map(|(name, seen)| AlarmView {
                name: name.clone(),
                state: seen.as_ref().map(|seen| seen.state),
                words: seen
                    .as_ref()
                    .map_or_else(|| "does not exist".to_owned(), |it| alarm(it, times)),
            })
            .collect()
    }

    /// For people.
    pub(crate) fn text(&self, times: &Times, paint: Paint) -> String {
        let mut text = vec![paint.bold(&self.headline())];
        text.extend(self.about(times));
        let plan = &self.plan;
        let answer = match plan.decision.verdict() {
            Verdict::Refused => format!("it would be refused: {}", plan.decision.reason),
            Verdict::Nothing => format!("nothing would be done: {}", plan.decision.reason),
            Verdict::Done => "the ledger would write:".to_owned(),
        };
        section(&mut text, &answer, self.entries(times));
        let holds = plan.holds.iter().map(|on| words::waiting_on(on, times));
        section_if(&mut text, "it would still wait:", holds.collect());
        section_if(&mut text, "then:", self.steps());
        let alarms = self.alarms(times);
        let alarms = alarms.iter().map(|it| format!("{} {}", it.name, it.words));
        section_if(&mut text, "alarms now:", alarms.collect());
        section_if(&mut text, "the way back:", self.way_back());
        let title = "what going back does not bring back:";
        section_if(&mut text, title, self.not_restored());
        match self.definition() {
            Some(change) if change.is_empty() => {
                section(&mut text, "the task definition stays as it is", Vec::new());
            }
            Some(change) => {
                section(&mut text, "the task definition:", Vec::new());
                text.push(difference::painted(&change, paint));
            }
            None => {}
        }
        section_if(&mut text, "not looked at:", self.looked.unseen.clone());
        text.join("\n")
    }

    fn headline(&self) -> String {
        let (service, stage) = (&self.pipeline.service, &self.stage);
        let named = |number: Option<ReleaseNumber>, none: &str| {
            number.map_or_else(|| none.to_owned(), |it| self.named(it))
        };
        let verb = match self.plan.purpose() {
            Purpose::Release => "from",
            Purpose::Rollback => "back from",
        };
        format!(
            "{service} {stage}: {verb} {} to {}",
            named(self.plan.from, "nothing of ours"),
            named(self.plan.release, "nothing: there is no good release")
        )
    }

    /// Who wrote what goes there, and which commits lie between.
    fn about(&self, times: &Times) -> Vec<String> {
        let Some(to) = self.plan.release.and_then(|it| self.release(it)) else {
            return Vec::new();
        };
        let from = self.plan.from.and_then(|it| self.release(it));
        let mut lines = vec![format!("  artefact   {}", to.artefact)];
        if let Some(author) = &to.build.author {
            let at = to.build.committed_at;
            let at = at.map(|at| format!(", {}", times.at_and_ago(at)));
            lines.push(format!("  author     {author}{}", at.unwrap_or_default()));
        }
        if let Some(commit) = &to.build.commit {
            let from = from.and_then(|from| from.build.commit.as_deref());
            let from = from.map(|from| format!("{}..", short(from)));
            lines.push(format!(
                "  commits    {}{}",
                from.unwrap_or_default(),
                short(commit)
            ));
        }
        if let Some(url) = &to.build.build_url {
            lines.push(format!("  build      {url}"));
        }
        lines.push(match (&self.looked.obstacle, self.looked.artefact) {
            (Some(obstacle), _) => format!("  it cannot be deployed: {obstacle}"),
            (None, Sight::Seen) => "  it can be deployed".to_owned(),
            (None, Sight::NotSeen) => return lines,
        });
        lines
    }

    /// Where a rollback from it would lead. A rollback is never rolled back.
    fn way_back(&self) -> Vec<String> {
        if self.plan.purpose() == Purpose::Rollback {
            return Vec::new();
        }
        let Some(back) = self.plan.back_to else {
            return vec!["there is none: no other release was good here".to_owned()];
        };
        let named = self.named(back);
        vec![match (&self.looked.obstacle_back, self.looked.way_back) {
            (Some(why), _) => format!("release {named}, which cannot be deployed any more: {why}"),
            (None, Sight::Seen) => format!("release {named}, which can still be deployed"),
            (None, Sight::NotSeen) => format!("release {named}"),
        }]
    }
}

/// A commit as people write it.
fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

fn section(text: &mut Vec<String>, title: &str, lines: Vec<String>) {
    text.push(format!("\n{title}"));
    text.extend(lines.into_iter().map(|line| format!("  {line}")));
}

fn section_if(text: &mut Vec<String>, title: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        section(text, title, lines);
    }
}

fn alarm(seen: &AlarmSeen, times: &Times) -> String {
    let state = match seen.state {
        AlarmState::Ok => "is quiet",
        AlarmState::Alarm => "FIRES",
        AlarmState::InsufficientData => "has no data",
    };
    let muted = match seen.voice {
        Voice::Heard => "",
        Voice::Muted => ", muted",
    };
    format!("{state}{muted} since {}", times.at_and_ago(seen.changed_at))
}

#[cfg(test)]
mod tests {
    use aws::survey::DefinitionChange;
    use domain::Identity;
    use domain::decide::Recalled;
    use domain::fact::Despite;
    use serde_json::json;

    use super::*;
    use crate::testing::{Story, production};

    async fn planned(story: &Story, wish: &Wish, looked: Looked) -> Planned {
        let pipeline = story.pipeline().await;
        let by = Identity("arn:aws:iam::111122223333:user/alice".to_owned());
        let (stage, now) = (production(), story.times().now);
        let recalled = Recalled::Nothing;
        Planned {
            plan: decide::plan(&pipeline, &recalled, (&stage, wish), &by, now).unwrap(),
            pipeline,
            stage,
            looked,
        }
    }

    fn deploy(number: u64) -> Wish {
        Wish::Deploy {
            release: ReleaseNumber(number),
            despite: Despite::default(),
        }
    }

    fn seen(story: &Story) -> Looked {
        let alarm = "arn:aws:cloudwatch:ap-south-1:111122223333:alarm:web-5xx";
        Looked {
            alarms: vec![
                (
                    "web-5xx".to_owned(),
                    Some(AlarmSeen {
                        alarm: alarm.parse().unwrap(),
                        state: AlarmState::Ok,
                        voice: Voice::Heard,
                        changed_at: story.times().now,
                        reason: String::new(),
                    }),
                ),
                ("web-slow".to_owned(), None),
            ],
            way_back: Sight::Seen,
            artefact: Sight::Seen,
            change: Some(DefinitionChange {
                running: "web:7".into(),
                base: "web:7".into(),
                before: json!({ "image": "web@sha256:a", "cpu": 256 }),
                after: json!({ "image": "web@sha256:b", "cpu": 256 }),
            }),
            ..Looked::default()
        }
    }

    #[tokio::test]
    async fn a_plan_shows_what_would_be_done_and_the_way_back() {
        let story = Story::told().await;
        let planned = planned(&story, &deploy(3), seen(&story)).await;
        assert!(planned.differs());
        insta::assert_snapshot!(planned.text(&story.times(), Paint::Plain));
        insta::assert_json_snapshot!(planned.view(&story.times()));
    }

    #[tokio::test]
    async fn what_would_be_refused_says_why_and_what_was_not_seen() {
        let story = Story::told().await;
        let looked = Looked {
            unseen: vec!["the alarms: never: cloudwatch:DescribeAlarms: AccessDenied".to_owned()],
            obstacle_back: Some("it was deleted".to_owned()),
            ..Looked::default()
        };
        let planned = planned(&story, &deploy(2), looked).await;
        insta::assert_snapshot!(planned.text(&story.times(), Paint::Plain));
    }

    #[tokio::test]
    async fn a_rollback_says_from_what_to_what() {
        let story = Story::told().await;
        let wish = Wish::Return {
            to: None,
            reason: "it is slow".to_owned(),
        };
        let planned = planned(&story, &wish, Looked::default()).await;
        insta::assert_snapshot!(planned.text(&story.times(), Paint::Plain));
    }
}

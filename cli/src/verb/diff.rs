//! `lastgood diff`: what one stage has and another has not.

use std::ops::ControlFlow;

use clap::Args;
use domain::entry::What;
use domain::pipeline::Stage;
use domain::{Pipeline, Release, ReleaseNumber, ServiceName, StageName};
use engine::Ledger;
use serde::Serialize;

use crate::book;
use crate::commits::{self, Commit};
use crate::failure::{Exit, Failure};
use crate::screen::Report;
use crate::session::Session;
use crate::table;
use crate::table::Look;
use crate::times::Times;
use crate::words;

/// Most releases between two stages that are listed; the newest are.
const RELEASES_MAX: usize = 50;

/// Show the releases and commits that one stage has and the other has not
#[derive(Debug, Args)]
#[command(
    after_help = "Compared is what the two stages run. Where the build named its repository there is a link that
compares the two commits; inside a clone that has both, the commits themselves are listed.

Examples:
  lastgood diff web test production
  lastgood diff web test production --check && echo \"nothing to release\""
)]
pub(crate) struct Diff {
    /// The service
    service: ServiceName,
    /// One stage
    stage_a: StageName,
    /// The other stage
    stage_b: StageName,
    /// End with 7 when they differ
    #[arg(long)]
    check: bool,
}

/// What two stages run, and what lies between.
#[derive(Debug, Serialize)]
struct DiffView {
    service: ServiceName,
    a: SideView,
    b: SideView,
    /// The stage that has more; none when both run the same, or one of them runs nothing.
    ahead: Option<StageName>,
    /// The releases that it has more, the newest first.
    releases: Vec<Release>,
    /// The commits between, the newest first, where this folder's repository has them.
    commits: Vec<Commit>,
    /// Where the commits can be compared.
    compare_url: Option<String>,
}

#[derive(Debug, Serialize)]
struct SideView {
    stage: StageName,
    runs: Option<ReleaseNumber>,
    label: Option<String>,
}

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let ledger = session.ledger().await?;
        let look = Look::of_stdout(session.screen.out);
        self.told(&ledger, &session.times, look).await
    }

    async fn told(
        &self,
        ledger: &impl Ledger,
        times: &Times,
        look: Look,
    ) -> Result<Report, Failure> {
        let pipeline = book::pipeline(ledger, &self.service).await?;
        let a = self.side(ledger, &pipeline, &self.stage_a).await?;
        let b = self.side(ledger, &pipeline, &self.stage_b).await?;
        let sides = a.1.as_ref().zip(b.1.as_ref());
        let ordered = sides.and_then(|(one, other)| {
            use std::cmp::Ordering::{Equal, Greater, Less};
            match one.number.cmp(&other.number) {
                Less => Some((one, other, &self.stage_b)),
                Greater => Some((other, one, &self.stage_a)),
                Equal => None,
            }
        });
        let (ahead, releases, commits, compare_url) = match ordered {
            None => (None, Vec::new(), Vec::new(), None),
            Some((old, new, ahead)) => (
                Some(ahead.clone()),
                between(ledger, &pipeline, old.number, new.number).await?,
                commits::between(&old.build, &new.build),
                commits::compare_url(&old.build, &new.build),
            ),
        };
        let differ = a.1.as_ref().map(|a| a.number) != b.1.as_ref().map(|b| b.number);
        let view = DiffView {
            service: self.service.clone(),
            a: a.0,
            b: b.0,
            ahead,
            releases,
            commits,
            compare_url,
        };
        let exit = if self.check && differ {
            Exit::Differs
        } else {
            Exit::Done
        };
        Ok(Report::new(&view, view.text(times, look)).ending(exit))
    }

    async fn side(
        &self,
        ledger: &impl Ledger,
        pipeline: &Pipeline,
        name: &StageName,
    ) -> Result<(SideView, Option<Release>), Failure> {
        let (_, Stage { runs, .. }) = book::stage(pipeline, name)?;
        let release = match runs {
            Some(runs) => Some(book::release(ledger, pipeline, *runs).await?),
            None => None,
        };
        let view = SideView {
            stage: name.clone(),
            runs: *runs,
            label: release.as_ref().and_then(Release::label),
        };
        Ok((view, release))
    }
}

/// The releases with `old < number <= new`, the newest first, as they were recorded.
async fn between(
    ledger: &impl Ledger,
    pipeline: &Pipeline,
    old: ReleaseNumber,
    new: ReleaseNumber,
) -> Result<Vec<Release>, Failure> {
    let is_between = |number: ReleaseNumber| old < number && number <= new;
    let kept = pipeline.releases.values().rev();
    let mut found: Vec<Release> = kept
        .filter(|release| is_between(release.number))
        .map(|release| (**release).clone())
        .collect();
    let all = usize::try_from(new.0 - old.0).unwrap_or(usize::MAX);
    if found.len() < all.min(RELEASES_MAX) {
        // The snapshot has forgotten some; the entries have not.
        found.clear();
        book::back(ledger, &pipeline.service, pipeline.seq, |sealed| {
            if let What::Released { release } = &sealed.entry.what {
                if release.number <= old || found.len() == RELEASES_MAX {
                    return ControlFlow::Break(());
                }
                if is_between(release.number) {
                    found.push((**release).clone());
                }
            }
            ControlFlow::Continue(())
        })
        .await?;
    }
    found.truncate(RELEASES_MAX);
    Ok(found)
}

impl SideView {
    fn words(&self) -> String {
        match self.runs {
            Some(runs) => format!(
                "{} runs {}",
                self.stage,
                words::numbered(runs, self.label.as_deref())
            ),
            None => format!("{} runs nothing of ours", self.stage),
        }
    }
}

impl DiffView {
    fn text(&self, times: &Times, look: Look) -> String {
        let sides = format!("{}: {}, {}", self.service, self.a.words(), self.b.words());
        let Some(ahead) = &self.ahead else {
            return sides;
        };
        let count = self.apart();
        let more = if count == 1 { "release" } else { "releases" };
        let mut lines = vec![look.paint.bold(&sides)];
        lines.push(format!("{ahead} is {count} {more} ahead"));
        lines.push(String::new());
        let mut table = look.table(&["RELEASE", "RECORDED", "COMMIT", "AUTHOR", "BRANCH"]);
        for release in &self.releases {
            let build = &release.build;
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            let commit = build.commit.as_deref().map(commits::short);
            table.add_row([
                words::release(release),
                times.at_and_ago(release.recorded_at),
                commit.unwrap_or_default().to_owned(),
                text(&build.author),
                text(&build.branch),
            ]);
        }
        lines.push(table::text(&table));
        let hidden = count.saturating_sub(self.releases.len() as u64);
        if hidden > 0 {
            lines.push(format!("and {hidden} more"));
        }
        if !self.commits.is_empty() {
            let mut table = look.table(&["COMMIT", "WHEN", "AUTHOR", "SUBJECT"]);
            for commit in &self.commits {
                let when = commit.at.map(|at| times.ago(at)).unwrap_or_default();
                let hash = commits::short(&commit.hash).to_owned();
                table.add_row([hash, when, commit.author.clone(), commit.subject.clone()]);
            }
            lines.push(String::new());
            lines.push(table::text(&table));
        }
        if let Some(url) = &self.compare_url {
            lines.push(String::new());
            lines.push(look.paint.cyan(url));
        }
        lines.join("\n")
    }

    fn apart(&self) -> u64 {
        let number = |side: &SideView| side.runs.map_or(0, |runs| runs.0);
        number(&self.a).abs_diff(number(&self.b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LOOK, Story, production, web};

    fn diff(a: &str, b: &str) -> Diff {
        Diff {
            service: web(),
            stage_a: a.parse().unwrap(),
            stage_b: b.parse().unwrap(),
            check: true,
        }
    }

    async fn told(story: &Story, diff: &Diff) -> Report {
        diff.told(&story.ledger, &story.times(), LOOK)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_one_stage_has_more_is_listed_whichever_is_named_first() {
        let story = Story::told().await;
        let report = told(&story, &diff("dev", "production")).await;
        assert_eq!(report.exit, Exit::Differs);
        insta::assert_snapshot!(report.text);
        let other = told(&story, &diff("production", "dev")).await;
        assert_eq!(other.data["ahead"], "dev");
        assert_eq!(other.data["releases"], report.data["releases"]);
    }

    #[tokio::test]
    async fn the_same_is_no_difference() {
        let story = Story::told().await;
        let report = told(&story, &diff("dev", "dev")).await;
        assert_eq!(report.exit, Exit::Done);
        assert_eq!(report.text, "web: dev runs 3 (1.5.0), dev runs 3 (1.5.0)");
        let mut differs = diff("dev", "production");
        differs.check = false;
        assert_eq!(
            told(&story, &differs).await.exit,
            Exit::Done,
            "it only shows"
        );
    }

    #[tokio::test]
    async fn a_stage_that_runs_nothing_differs_from_one_that_does() {
        let story = Story::begin().await;
        assert_eq!(
            told(&story, &diff("dev", "production")).await.exit,
            Exit::Done
        );
        story.arrives("1.4.0").await;
        story.goes_well("dev").await;
        let report = told(&story, &diff("dev", "production")).await;
        assert_eq!(report.exit, Exit::Differs);
        assert_eq!(
            report.text,
            "web: dev runs 1 (1.4.0), production runs nothing of ours"
        );
    }

    #[tokio::test]
    async fn a_stage_that_is_none_is_said() {
        let story = Story::told().await;
        let wrong = diff("qa", production().as_str());
        let failure = wrong
            .told(&story.ledger, &story.times(), LOOK)
            .await
            .unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(
            failure.hint.as_deref(),
            Some("its stages are dev, production")
        );
    }
}

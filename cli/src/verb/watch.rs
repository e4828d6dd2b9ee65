//! `lastgood watch`: drawing what goes on, and ending with the verdict. One verb both draws and
//! tells, so that a person and a build server see the same.

use std::time::{Duration, Instant};

use clap::Args;
use domain::{Pipeline, ReleaseNumber, ServiceName, SignedDuration, StageName, Timestamp};
use engine::{Ledger, Onlooker};
use serde::Serialize;

use crate::board::ServiceView;
use crate::book;
use crate::canvas::Canvas;
use crate::failure::{Exit, Failure};
use crate::follow;
use crate::lookout::Lookout;
use crate::scene::{self, Frame};
use crate::screen::{Format, Report, Screen, Stream, Talk};
use crate::session::Session;
use crate::sight::{Aim, News, Sight, Verdict};
use crate::times::Times;
use crate::verb::freeze::duration;

/// The pause between two looks at the targets: CodeDeploy and ECS throttle who asks more often, and
/// what they say decides nothing.
const TARGETS_EVERY: Duration = Duration::from_secs(4);
/// How long the ledger may be out of reach before watching is given up.
const OUT_OF_REACH_FOR: Duration = Duration::from_secs(120);
/// How many lines of what happened are drawn.
const HAPPENED_MAX: usize = 8;

/// Watch a service or a release until it has settled, and end with the verdict
#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal it is drawn: stages, tasks or instances, elapsed and usual time, and why a
container or an instance died. Elsewhere a line is printed for each thing that happens, or with
--output jsonl a document.

Without a service it watches every one in which something goes on, and those that join meanwhile.
A service has settled when nothing moves by itself; a release when it is good on the last stage, or
on --stage, or will not get there without a person. Then the exit code is the verdict: 0 good,
1 failed, 3 rolled back, 5 waits for a person, 6 superseded. Tasks and instances are seen with your
own permissions (read only); without them the ledger alone is shown.

Examples:
  lastgood watch
  lastgood watch web
  lastgood watch web 17 --stage test --timeout 30m"
)]
pub(crate) struct Watch {
    /// The service [default: every service in which something goes on]
    service: Option<ServiceName>,
    /// The release's number [default: everything that moves]
    release: Option<ReleaseNumber>,
    /// Until it is settled on this stage [default: the last one, or all]
    #[arg(long, value_name = "STAGE", requires = "service")]
    stage: Option<StageName>,
    /// How long to watch at most, such as 90s, 30m or 2h; then it ends with 8
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<SignedDuration>,
}

/// The verdict, for scripts.
#[derive(Debug, Serialize)]
struct VerdictView {
    kind: &'static str,
    service: Option<ServiceName>,
    release: Option<ReleaseNumber>,
    verdict: &'static str,
    code: u8,
    words: String,
    status: serde_json::Value,
}

impl Watch {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let ledger = session.ledger().await?;
        let mut show = Show::on(&session.screen);
        let onlooker = session.onlooker();
        let zone = session.times.zone.clone();
        let now = || Times {
            now: Timestamp::now(),
            zone: zone.clone(),
        };
        let all = async || {
            let services = ledger.services().await.map_err(book::failure)?;
            ledger.pipelines(&services).await.map_err(book::failure)
        };
        let watched = self.watched(&ledger, &onlooker, &mut show, now, all);
        let Some(limit) = self.timeout else {
            return watched.await;
        };
        let what = match &self.service {
            Some(service) => service.to_string(),
            None => "what is under way".to_owned(),
        };
        let waits = Duration::try_from(limit).unwrap_or(Duration::MAX);
        tokio::time::timeout(waits, watched)
            .await
            .unwrap_or_else(|_| {
                Err(
                    Failure::unobserved(format!("{what} did not settle within {limit:#}"))
                        .because("what goes on goes on")
                        .hint("--timeout watches longer"),
                )
            })
    }

    async fn watched(
        &self,
        ledger: &impl Ledger,
        onlooker: &impl Onlooker,
        show: &mut Show,
        now: impl Fn() -> Times,
        all: impl AsyncFn() -> Result<Vec<Pipeline>, Failure>,
    ) -> Result<Report, Failure> {
        let mut lookout = match &self.service {
            Some(service) => {
                let pipeline = book::pipeline(ledger, service).await?;
                let aim = self.aim(ledger, &pipeline).await?;
                Lookout::on(Sight::begin(ledger, pipeline, aim).await?)
            }
            None => Lookout::everywhere(),
        };
        let mut targets_at: Option<Instant> = None;
        let mut lost_at: Option<Instant> = None;
        loop {
            let times = now();
            let is_due = targets_at.is_none_or(|at| at.elapsed() >= TARGETS_EVERY);
            let looked = async {
                if is_due && !lookout.is_of_one() {
                    lookout.join(ledger, all().await?).await?;
                }
                lookout.look(ledger, &times).await
            };
            match looked.await {
                Ok(news) => {
                    lost_at = None;
                    show.tell(&lookout, &news, &times)?;
                }
                Err(failure) => {
                    // A lost connection is not a failed release.
                    let since = *lost_at.get_or_insert_with(Instant::now);
                    if failure.exit != Exit::Unobserved || since.elapsed() > OUT_OF_REACH_FOR {
                        return Err(failure);
                    }
                    show.trouble(&failure.message, &times)?;
                    follow::pause().await;
                    continue;
                }
            }
            let verdict = lookout.verdict(&times);
            if is_due && verdict.is_none() {
                show.draw(&lookout, &times)?;
                let news = lookout.look_at_targets(onlooker, &times).await;
                show.tell(&lookout, &news, &times)?;
                targets_at = Some(Instant::now());
            }
            show.draw(&lookout, &times)?;
            if let Some(verdict) = verdict {
                return Ok(self.report(&lookout, &verdict, &times));
            }
            follow::pause().await;
        }
    }

    async fn aim(&self, ledger: &impl Ledger, pipeline: &Pipeline) -> Result<Aim, Failure> {
        if let Some(stage) = &self.stage {
            book::stage(pipeline, stage)?;
        }
        let Some(number) = self.release else {
            return Ok(Aim::Service(self.stage.clone()));
        };
        book::release(ledger, pipeline, number).await?;
        let last = pipeline.config.iter().flat_map(|config| &config.stages);
        let until = self
            .stage
            .clone()
            .or_else(|| last.last().map(|stage| stage.name.clone()));
        let until = until.ok_or_else(|| {
            Failure::usage(format!("{} is not configured", pipeline.service))
                .hint("lastgood apply its service file")
        })?;
        Ok(Aim::Release(number, until))
    }

    fn report(&self, lookout: &Lookout, verdict: &Verdict, times: &Times) -> Report {
        let status: Vec<ServiceView> = lookout
            .sights()
            .iter()
            .filter_map(|sight| ServiceView::of(&sight.pipeline, times.now))
            .collect();
        let next: Vec<String> = match verdict.exit {
            Exit::Waits => status
                .iter()
                .flat_map(|view| {
                    let stages = view.stages.iter();
                    stages.filter_map(|stage| stage.next(&view.service))
                })
                .collect(),
            Exit::Done
            | Exit::Failed
            | Exit::Usage
            | Exit::RolledBack
            | Exit::NotAllowed
            | Exit::Superseded
            | Exit::Differs
            | Exit::Unobserved
            | Exit::Interrupted => Vec::new(),
        };
        let status = if lookout.is_of_one() {
            serde_json::json!(status.first())
        } else {
            serde_json::json!(status)
        };
        let view = VerdictView {
            kind: "verdict",
            service: self.service.clone(),
            release: self.release,
            verdict: verdict.exit.word(),
            code: verdict.exit.code(),
            words: verdict.words.clone(),
            status,
        };
        let report = Report::new(&view, &verdict.words).ending(verdict.exit);
        next.into_iter().fold(report, Report::next)
    }
}

/// How what happens is shown.
#[derive(Debug)]
enum Show {
    /// Drawn on a terminal.
    Drawn {
        screen: Screen,
        canvas: Canvas,
        happened: Vec<String>,
    },
    /// A line for each thing, on change only.
    Lines(Screen),
    /// A document for each thing.
    Documents(Screen),
    /// Only the end is told.
    Silent,
}

impl Show {
    fn on(screen: &Screen) -> Self {
        match (screen.format, screen.talk, screen.stdout) {
            (Format::Json, _, _) | (Format::Table, Talk::Quiet, _) => Self::Silent,
            (Format::Jsonl, _, _) => Self::Documents(*screen),
            (Format::Table, Talk::Heard, Stream::Terminal) => Self::Drawn {
                screen: *screen,
                canvas: Canvas::default(),
                happened: Vec::new(),
            },
            (Format::Table, Talk::Heard, Stream::Elsewhere) => Self::Lines(*screen),
        }
    }

    fn tell(
        &mut self,
        lookout: &Lookout,
        news: &[(ServiceName, Vec<News>)],
        times: &Times,
    ) -> Result<(), Failure> {
        let each = news
            .iter()
            .flat_map(|(service, news)| news.iter().map(move |news| (service, news)));
        for (service, news) in each {
            match self {
                Self::Silent => {}
                Self::Documents(screen) => {
                    let mut document = serde_json::to_value(news).unwrap_or_default();
                    if let Some(fields) = document.as_object_mut() {
                        let at = serde_json::json!(times.now);
                        fields.entry("at").or_insert(at);
                        let service = serde_json::json!(service);
                        fields.entry("service").or_insert(service);
                    }
                    screen.print(&document.to_string()).map_err(gone)?;
                }
                Self::Lines(_) | Self::Drawn { .. } if lookout.is_of_one() => {
                    self.line(&news.words(), times)?;
                }
                Self::Lines(_) | Self::Drawn { .. } => {
                    self.line(&format!("{service} {}", news.words()), times)?;
                }
            }
        }
        Ok(())
    }

    /// Something that has to be said beside what happened, once for as long as it stays so.
    fn trouble(&mut self, words: &str, times: &Times) -> Result<(), Failure> {
        match self {
            Self::Silent | Self::Documents(_) | Self::Lines(_) => Ok(()),
            Self::Drawn { happened, .. } => {
                if happened.last().is_some_and(|last| last.ends_with(words)) {
                    return Ok(());
                }
                self.line(words, times)
            }
        }
    }

    fn line(&mut self, words: &str, times: &Times) -> Result<(), Failure> {
        let line = format!("{} {words}", times.clock());
        match self {
            Self::Silent | Self::Documents(_) => Ok(()),
            Self::Lines(screen) => screen.print(&line).map_err(gone),
            Self::Drawn { happened, .. } => {
                happened.push(line);
                let old = happened.len().saturating_sub(HAPPENED_MAX);
                happened.drain(..old);
                Ok(())
            }
        }
    }

    fn draw(&mut self, lookout: &Lookout, times: &Times) -> Result<(), Failure> {
        match self {
            Self::Drawn {
                screen,
                canvas,
                happened,
            } => {
                let frame = Frame {
                    paint: screen.out,
                    columns: Canvas::columns(),
                };
                let sights = lookout.sights().iter();
                let mut picture: Vec<String> = sights
                    .flat_map(|sight| scene::picture(sight, times, frame))
                    .collect();
                picture.extend(scene::happened(happened, screen.out));
                canvas.draw(&picture).map_err(gone)
            }
            Self::Lines(_) | Self::Documents(_) | Self::Silent => Ok(()),
        }
    }
}

/// Whoever read it reads no more: nothing is left to do.
fn gone(error: std::io::Error) -> Failure {
    Failure::failed("cannot write to stdout").because(error)
}

//! What `watch` knows: the snapshot, what the ledger wrote meanwhile, and the tasks or instances of
//! the stages that are being deployed to. The ledger alone says how it ends.

use std::collections::{BTreeMap, BTreeSet};

use domain::chain::Sealed;
use domain::pipeline::{Active, Offer, Phase, Stage, WaitingOn};
use domain::{Pipeline, ReleaseNumber, ServiceName, StageName, Timestamp};
use engine::{Ledger, Mention, Onlooker, PlatformError, UnitState, Units};
use serde::Serialize;

use crate::about;
use crate::book;
use crate::failure::{Exit, Failure};
use crate::follow::{self, End, Goal};
use crate::times::Times;
use crate::usual;
use crate::verb::history::EntryView;
use crate::words;

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Aim {
    /// One release, until it is good on a stage or will not get there.
    Release(ReleaseNumber, StageName),
    /// Everything that moves in the service, or on one of its stages.
    Service(Option<StageName>),
}

/// Something that happened while somebody watched.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum News {
    /// The ledger wrote an entry.
    Entry(Box<EntryView>),
    /// More or fewer tasks or instances run what they should.
    Target { stage: StageName, words: String },
    /// A task or an instance died, or the platform says why it cannot go on.
    Trouble {
        stage: StageName,
        unit: Option<String>,
        words: String,
    },
}

/// How it ended, for who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) exit: Exit,
    pub(crate) words: String,
}

/// Everything that is known.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) aim: Aim,
    pub(crate) pipeline: Pipeline,
    /// The newest entries, oldest first.
    pub(crate) history: Vec<Sealed>,
    /// The units of the stages that do something.
    pub(crate) units: BTreeMap<StageName, Units>,
    /// The end of the release that is aimed at, as far as it has one.
    end: Option<End>,
    /// What ended on each stage since the beginning.
    ends: BTreeMap<StageName, End>,
    /// What was said already, so that it is said once.
    said: BTreeSet<(StageName, String)>,
    /// Stages whose targets will never be seen with these credentials.
    blind: BTreeSet<StageName>,
}

impl Sight {
    /// The first look.
    pub(crate) async fn begin(
        ledger: &impl Ledger,
        pipeline: Pipeline,
        aim: Aim,
    ) -> Result<Self, Failure> {
        let service = pipeline.service.clone();
        let history = ledger
            .newest_entries(&service, usual::ENTRIES)
            .await
            .map_err(book::failure)?;
        let mut sight = Self {
            aim,
            pipeline,
            history,
            units: BTreeMap::new(),
            end: None,
            ends: BTreeMap::new(),
            said: BTreeSet::new(),
            blind: BTreeSet::new(),
        };
        if let Aim::Release(release, until) = sight.aim.clone() {
            let goal = Goal {
                service: &service,
                release,
                until: &until,
            };
            let mut way = Vec::new();
            book::about_release(ledger, &service, sight.pipeline.seq, release, |sealed| {
                way.push(sealed.entry.clone());
            })
            .await?;
            for entry in way.iter().rev() {
                goal.take_in(entry, &mut sight.end);
            }
        }
        Ok(sight)
    }

    pub(crate) fn service(&self) -> &ServiceName {
        &self.pipeline.service
    }

    /// Looks at the ledger again; says what was written about what is watched.
    pub(crate) async fn look(
        &mut self,
        ledger: &impl Ledger,
        times: &Times,
    ) -> Result<Vec<News>, Failure> {
        let service = self.service().clone();
        let loaded = ledger
            .load(&service, &Mention::Nothing)
            .await
            .map_err(book::failure)?;
        let mut news = Vec::new();
        while self.pipeline.seq < loaded.pipeline.seq {
            let from = self.pipeline.seq + 1;
            let fresh = follow::fresh(ledger, &service, from).await?;
            let Some(last) = fresh.last().map(|sealed| sealed.entry.seq) else {
                break;
            };
            for sealed in fresh {
                if self.is_about(&sealed) {
                    let view = EntryView::of(&service, &sealed, times);
                    news.push(News::Entry(Box::new(view)));
                    self.take_in(&sealed);
                }
                self.history.push(sealed);
            }
            self.pipeline.seq = last;
        }
        // Entries newer than the snapshot are taken in already; they are not read again.
        let read = self.pipeline.seq.max(loaded.pipeline.seq);
        self.pipeline = loaded.pipeline;
        self.pipeline.seq = read;
        Ok(news)
    }

    fn is_about(&self, sealed: &Sealed) -> bool {
        let what = &sealed.entry.what;
        match &self.aim {
            Aim::Release(release, _) => about::release_of(what) == Some(*release),
            Aim::Service(None) => true,
            Aim::Service(Some(stage)) => about::stage_of(what) == Some(stage),
        }
    }

    fn take_in(&mut self, sealed: &Sealed) {
        let service = self.service().clone();
        let entry = &sealed.entry;
        if let Aim::Release(release, until) = &self.aim {
            let goal = Goal {
                service: &service,
                release: *release,
                until,
            };
            goal.take_in(entry, &mut self.end);
        } else if let (Some(stage), Some(release)) =
            (about::stage_of(&entry.what), about::release_of(&entry.what))
        {
            let goal = Goal {
                service: &service,
                release,
                until: stage,
            };
            let mut end = None;
            goal.take_in(entry, &mut end);
            if let Some(end) = end {
                self.ends.insert(stage.clone(), end);
            }
        }
    }

    /// The stages that are watched, with what each does.
    fn active(&self) -> Vec<(StageName, Active)> {
        let only = match &self.aim {
            Aim::Release(..) | Aim::Service(None) => None,
            Aim::Service(Some(only)) => Some(only),
        };
        watched(&self.pipeline, only)
            .filter_map(|(name, stage)| Some((name.clone(), stage.active.clone()?)))
            .collect()
    }

    /// Looks at the targets of the stages that do something. What cannot be seen is said once, and
    /// never ends anything.
    pub(crate) async fn look_at_targets(&mut self, onlooker: &impl Onlooker) -> Vec<News> {
        let active = self.active();
        self.units
            .retain(|stage, _| active.iter().any(|(name, _)| name == stage));
        let mut news = Vec::new();
        for (stage, active) in active {
            let Some((config, _)) = self.pipeline.stage(&stage) else {
                continue;
            };
            if self.blind.contains(&stage) {
                continue;
            }
            let (place, target) = (&config.place, &config.target);
            let seen = onlooker
                .units(place, target, &active.attempt, since(&active))
                .await;
            match seen {
                Ok(units) => news.extend(self.see(&stage, &active, units)),
                // It is looked at again anyway.
                Err(PlatformError::Transient(_)) => {}
                Err(PlatformError::Terminal(words)) => {
                    self.blind.insert(stage.clone());
                    let words = format!("its tasks or instances cannot be seen: {words}");
                    news.push(News::Trouble {
                        stage,
                        unit: None,
                        words,
                    });
                }
            }
        }
        news
    }

    fn see(&mut self, stage: &StageName, active: &Active, units: Units) -> Vec<News> {
        let mut news = Vec::new();
        let died = units
            .all
            .iter()
            .filter(|unit| unit.state == UnitState::Died);
        let died = died.map(|unit| (Some(unit.name.clone()), unit.words.clone()));
        let notes = units.notes.iter().map(|note| (None, Some(note.clone())));
        for (unit, words) in died.chain(notes) {
            let words = words.unwrap_or_else(|| "no reason is given".to_owned());
            let key = format!("{}{words}", unit.as_deref().unwrap_or_default());
            if self.said.insert((stage.clone(), key)) {
                let stage = stage.clone();
                news.push(News::Trouble { stage, unit, words });
            }
        }
        let words = self.count(active, &units);
        let before = self
            .units
            .get(stage)
            .map(|before| self.count(active, before));
        if before.as_ref() != Some(&words) && units.wanted > 0 {
            let stage = stage.clone();
            news.push(News::Target { stage, words });
        }
        self.units.insert(stage.clone(), units);
        news
    }

    /// `3 of 4 run release 17, 1 starting`.
    pub(crate) fn count(&self, active: &Active, units: &Units) -> String {
        let release = brings(active);
        let run = self.running(active, units);
        let mut words = vec![format!("{run} of {} run release {release}", units.wanted)];
        let states = [
            (UnitState::Starting, "starting"),
            (UnitState::Waiting, "waiting"),
            (UnitState::Stopping, "stopping"),
            (UnitState::Died, "died"),
        ];
        for (state, word) in states {
            let count = units.all.iter().filter(|unit| unit.state == state).count();
            if count > 0 {
                words.push(format!("{count} {word}"));
            }
        }
        words.join(", ")
    }

    /// How many units run what the stage is to run.
    pub(crate) fn running(&self, active: &Active, units: &Units) -> usize {
        let content = self.pipeline.content(brings(active));
        let runs = units.all.iter().filter(|unit| {
            unit.state == UnitState::Running && unit.runs.is_some() && unit.runs == content
        });
        runs.count()
    }

    /// How it ended; `None` while something moves.
    pub(crate) fn verdict(&self, times: &Times) -> Option<Verdict> {
        match &self.aim {
            Aim::Release(release, until) => match &self.end {
                Some(end) => Some(Verdict {
                    exit: end.exit,
                    words: follow::told(end, times),
                }),
                None if self.is_on_its_way(*release) => None,
                None => Some(Verdict {
                    exit: Exit::Waits,
                    words: format!(
                        "waits: release {release} is offered to {until} when a person promotes it"
                    ),
                }),
            },
            Aim::Service(only) => self.service_verdict(only.as_ref(), times),
        }
    }

    fn is_on_its_way(&self, release: ReleaseNumber) -> bool {
        self.pipeline.stages.values().any(|stage| {
            let active = stage.active.as_ref();
            active.is_some_and(|active| active.offer.release == release)
                || stage.waiting.iter().any(|offer| offer.release == release)
        })
    }

    fn service_verdict(&self, only: Option<&StageName>, times: &Times) -> Option<Verdict> {
        if moves(&self.pipeline, only) {
            return None;
        }
        let offers = watched(&self.pipeline, only).flat_map(|(name, stage)| {
            let waiting = stage.waiting.iter();
            waiting.filter_map(move |offer| Some((name, offer.release, offer.on.as_ref()?)))
        });
        let waits = offers.last().map(|(name, release, on)| {
            let on = words::waiting_on(on, times);
            format!("waits: release {release} on {name} {on}")
        });
        // The worst that happened is the verdict.
        let ended = [Exit::Failed, Exit::RolledBack]
            .into_iter()
            .find_map(|exit| self.ends.values().find(|end| end.exit == exit));
        if let Some(end) = ended {
            return Some(Verdict {
                exit: end.exit,
                words: follow::told(end, times),
            });
        }
        Some(match waits {
            Some(words) => Verdict {
                exit: Exit::Waits,
                words,
            },
            None => Verdict {
                exit: Exit::Done,
                words: "done: nothing is under way".to_owned(),
            },
        })
    }
}

fn watched<'a>(
    pipeline: &'a Pipeline,
    only: Option<&'a StageName>,
) -> impl Iterator<Item = (&'a StageName, &'a Stage)> {
    let stages = pipeline.stages.iter();
    stages.filter(move |(name, _)| only.is_none_or(|only| only == *name))
}

/// Whether something goes on in a service, or on one of its stages, that needs no person.
pub(crate) fn moves(pipeline: &Pipeline, only: Option<&StageName>) -> bool {
    watched(pipeline, only).any(|(_, stage)| {
        let by_itself = |offer: &Offer| match &offer.on {
            Some(
                WaitingOn::Approval { .. }
                | WaitingOn::Drift { .. }
                | WaitingOn::Scan { problem: Some(_) }
                | WaitingOn::Freeze { until: None, .. },
            ) => false,
            Some(
                WaitingOn::Scan { problem: None }
                | WaitingOn::Freeze { .. }
                | WaitingOn::Window { .. }
                | WaitingOn::Alarm { .. }
                | WaitingOn::Stage { .. }
                | WaitingOn::Turn { .. }
                | WaitingOn::Target { .. }
                | WaitingOn::Switch { .. },
            )
            | None => true,
        };
        stage.active.is_some() || stage.waiting.iter().any(by_itself)
    })
}

/// The release that a stage is to run when what it does has ended well.
pub(crate) fn brings(active: &Active) -> ReleaseNumber {
    match &active.phase {
        Phase::RollingBack { to: Some(to), .. } => *to,
        Phase::RollingBack { to: None, .. }
        | Phase::Starting { .. }
        | Phase::InProgress { .. }
        | Phase::Baking { .. } => active.offer.release,
    }
}

/// Since when a stage does what it does.
pub(crate) fn since(active: &Active) -> Timestamp {
    match &active.phase {
        Phase::Starting { asked_at, .. } | Phase::RollingBack { asked_at, .. } => *asked_at,
        Phase::InProgress { started_at, .. } | Phase::Baking { started_at, .. } => *started_at,
    }
}

impl News {
    /// As a line for people.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Entry(view) => view.what.clone(),
            Self::Target { stage, words } => format!("{stage}: {words}"),
            Self::Trouble {
                stage,
                unit: Some(unit),
                words,
            } => format!("{stage}: {unit} died: {words}"),
            Self::Trouble {
                stage,
                unit: None,
                words,
            } => format!("{stage}: {words}"),
        }
    }
}

//! What people do, build servers, alarms, and those behind the ledger's back: each step of a plan,
//! and how people take the answers they get.

use std::collections::BTreeMap;

use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::artefact::{BuildFacts, Content};
use domain::fact::RequestId;
use domain::hint::Subject;
use domain::question::Choice;
use domain::{AlarmArn, Identity, ReleaseNumber, ServiceName, SignedDuration, StageName, due};
use engine::Catalogues as _;
use intake::wire::{Ask, Command};

use crate::adversary::Adversary;
use crate::audit::BY_COMMAND;
use crate::bus::{Delivery, Reply};
use crate::cloud::{Begin, Begun, Kind, Moved, Nature, Site, State, Stored};
use crate::functions::{Answered, Ended};
use crate::ledger::at_once;
use crate::point::Function;
use crate::render;
use crate::scenario::people::{Who, apply, turn};
use crate::scenario::services::object;
use crate::scenario::{Glance, Happens, Meddling, Planned, Pushed, Step};
use crate::world::{Event, World};

/// How often a person tries a request that was not answered; the same one, under the same id.
const TRIES_MAX: u32 = 4;

/// When alarms were made that are there from the beginning.
const ALARMS_MADE_BEFORE: SignedDuration = SignedDuration::from_hours(-24);

/// Requests under way, and what was pushed.
#[derive(Debug, Default)]
pub(crate) struct People {
    requests: BTreeMap<String, Request>,
    /// What was uploaded or pushed, to which service, and whether it makes a release.
    pub(crate) pushed: Vec<(ServiceName, Content, bool)>,
}

#[derive(Debug)]
struct Request {
    service: ServiceName,
    who: &'static str,
    tries: u32,
    answered: bool,
}

impl World {
    /// A service comes with its targets, and is described.
    pub(crate) fn settle_in(&mut self, planned: Planned) {
        let mut cloud = self.shared.cloud.borrow_mut();
        for (subject, habits, units) in planned.sites {
            let site = Site::new(subject.clone(), habits, units);
            cloud.sites.insert(subject, site);
        }
        for stored in planned.before {
            cloud.registry.put(stored);
        }
        for alarm in planned.alarms {
            cloud.alarm_made(AlarmSeen {
                alarm,
                state: AlarmState::Ok,
                voice: Voice::Heard,
                changed_at: due::after(self.shared.begin, ALARMS_MADE_BEFORE),
                reason: "threshold not crossed".into(),
            });
        }
        cloud.registry.put(Stored {
            artefact: object("theirs", "k.zip", "v1"),
            build: BuildFacts::default(),
            broken: None,
            gone: false,
        });
        drop(cloud);
        let service = planned.config.service;
        self.ask(service, Who::Alice, apply(&planned.file));
    }

    pub(crate) fn step(&mut self, step: Step) {
        let service = step.service;
        self.shared.here.set(None);
        match step.what {
            Happens::Push { pushed, stored } => self.push(service, &pushed, *stored),
            Happens::Vanish { content } => self.vanish(&content),
            Happens::Ask {
                stage,
                wish,
                who,
                release,
            } => {
                let release = release.unwrap_or_else(|| self.some_release(&service, &stage));
                let ask = wish.ask(stage, release, self.shared.now.get());
                self.ask(service, who, ask);
            }
            Happens::Switch { how, who } => {
                let ask = turn(how, self.shared.now.get());
                self.ask(service, who, ask);
            }
            Happens::Press {
                stage,
                who,
                choice,
                glance,
            } => self.look_and_press(&service, &stage, (who, choice, glance)),
            Happens::ThinkBetter => self.think_better(&service),
            Happens::ApproveAll => self.approve_all(&service),
            Happens::Alarm {
                alarm,
                state,
                voice,
            } => self.alarm(&alarm, state, voice),
            Happens::Meddle { subject, how } => {
                if self.shared.odds.about(Adversary::Meddle) {
                    self.meddle(&subject, how);
                }
            }
            Happens::MeddleWith { stage, how } => {
                if let Some(subject) = self.subject(&service, &stage) {
                    self.meddle(&subject, how);
                }
            }
            Happens::FailNext { stage, undoes } => {
                let subject = self.subject(&service, &stage);
                let mut cloud = self.shared.cloud.borrow_mut();
                if let Some(site) = subject.and_then(|one| cloud.sites.get_mut(&one)) {
                    site.fails_next = true;
                    site.habits.undoes = undoes;
                }
            }
            Happens::NextScan { outcome } => self.shared.next_scan.set(Some(outcome)),
            Happens::Strike { adversary, at } => {
                self.shared.told.borrow_mut().push((adversary, at));
            }
            Happens::Configure { file } => self.ask(service, Who::Alice, apply(&file)),
            Happens::RollOut { minutes } => {
                let until = due::after(self.shared.now.get(), SignedDuration::from_mins(minutes));
                if self.shared.odds.about(Adversary::OldFunction)
                    && self.shared.rollout.get().is_none()
                {
                    self.shared.rollout.set(Some(until));
                    self.shared
                        .say(|| "a newer version of Lastgood rolls out".to_owned());
                }
            }
        }
    }

    fn push(&mut self, service: ServiceName, pushed: &Pushed, stored: Stored) {
        self.shared
            .say(|| format!("{} arrives for {service}", stored.artefact));
        let function = match pushed {
            Pushed::Object { .. } => Function::ArtefactUploaded,
            Pushed::Image { .. } => Function::ImagePushed,
        };
        let wanted = match pushed {
            Pushed::Object { .. } => true,
            Pushed::Image { tag, .. } => tag.starts_with("main-"),
        };
        let content = stored.artefact.content();
        // The first look through a source finds nothing new: what came before is not found.
        let catalogue = at_once(self.shared.ledger.catalogue(&service));
        let looked = catalogue.is_ok_and(|one| one.is_some_and(|one| one.seen.is_some()));
        let image = (looked && wanted).then(|| content.clone());
        self.scan(&service, &stored.artefact);
        self.people.pushed.push((service, content, wanted));
        self.shared.cloud.borrow_mut().registry.put(stored);
        let bytes = render::pushed(pushed, self.shared.now.get());
        let mut delivery = Delivery::new(function, bytes);
        delivery.image = image;
        self.deliver(delivery);
    }

    fn vanish(&self, content: &Content) {
        let mut cloud = self.shared.cloud.borrow_mut();
        if let Some(stored) = cloud.registry.get_mut(content) {
            stored.gone = true;
            self.shared.unfound.borrow_mut().remove(content);
            self.shared.say(|| format!("{} vanishes", stored.artefact));
        }
    }

    fn alarm(&mut self, alarm: &AlarmArn, state: AlarmState, voice: Voice) {
        let now = self.shared.now.get();
        let known = self.shared.cloud.borrow().alarms.get(alarm).cloned();
        // CloudWatch tells of changes only.
        let same = |known: &AlarmSeen| known.state == state && known.voice == voice;
        if known.as_ref().is_some_and(same) {
            return;
        }
        // No two changes of an alarm are at one moment: its times tell which one is the newer.
        let moment = SignedDuration::from_millis(1);
        let changed_at = known.map_or(now, |known| now.max(due::after(known.changed_at, moment)));
        self.shared
            .say(|| format!("alarm {} becomes {state:?}, {voice:?}", alarm.name()));
        let seen = AlarmSeen {
            alarm: alarm.clone(),
            state,
            voice,
            changed_at,
            reason: "threshold crossed".into(),
        };
        let bytes = render::alarm(&seen, now);
        let temper = self.shared.temper();
        let shared = std::rc::Rc::clone(&self.shared);
        let mut rng = shared.rng.borrow_mut();
        let mut cloud = shared.cloud.borrow_mut();
        cloud.alarm_changed(seen, now, &mut rng, temper);
        drop((cloud, rng));
        self.deliver(Delivery::new(Function::AlarmChanged, bytes));
    }

    fn subject(&self, service: &ServiceName, stage: &StageName) -> Option<Subject> {
        let audit = self.shared.audit.borrow();
        let (config, _) = audit.books.get(service)?.pipeline.stage(stage)?;
        Some(config.subject())
    }

    fn meddle(&mut self, subject: &Subject, how: Meddling) {
        self.shared
            .say(|| format!("somebody meddles with {}: {how:?}", subject.key()));
        let begun = self.shared.on(subject, |site, moved| match how {
            Meddling::Deploy => {
                let content = object("theirs", "k.zip", "v1").content();
                let begin = Begin {
                    nature: Nature::Foreign,
                    content,
                    deaf: true,
                };
                site.meddled = true;
                Some(site.begin(begin, moved))
            }
            Meddling::Stop => {
                let open = site.open().filter(|open| open.state != State::Begun);
                if let Some(id) = open.map(|open| open.id.clone()) {
                    site.meddled = true;
                    site.stop(&id, "somebody stopped it", moved);
                }
                None
            }
            Meddling::ScaleAway => {
                if site.scaled_away.is_none() {
                    site.meddled = true;
                    site.scaled_away = Some(std::mem::take(&mut site.units));
                }
                None
            }
            Meddling::ScaleBack => {
                if let Some(units) = site.scaled_away.take() {
                    site.units = units;
                }
                None
            }
            Meddling::AutoScale => {
                scale_out(site, moved);
                None
            }
        });
        if let Some(Some(begun)) = begun {
            self.cloudtrail_tells(subject, &begun);
        }
    }

    /// Who called, and whether AWS did it. A second deployment on a group is refused.
    fn cloudtrail_tells(&mut self, subject: &Subject, begun: &Begun) {
        self.serial += 1;
        let refused = match begun {
            Begun::Yes(..) => false,
            Begun::Occupied(_) => true,
        };
        let bytes = render::called(subject, self.serial, refused, self.shared.now.get());
        self.deliver(Delivery::new(Function::ApiCallRecorded, bytes));
    }

    /// Mostly what waits on the stage, else any release.
    fn some_release(&self, service: &ServiceName, stage: &StageName) -> ReleaseNumber {
        let audit = self.shared.audit.borrow();
        let Some(book) = audit.books.get(service) else {
            return ReleaseNumber(1);
        };
        let state = book.pipeline.stages.get(stage);
        let waiting = state.and_then(|state| state.waiting.first());
        match waiting.filter(|_| !self.shared.chance(200)) {
            Some(offer) => offer.release,
            None => {
                let last = book.pipeline.last_release + 1;
                ReleaseNumber(self.shared.rng.borrow_mut().u64(1..=last))
            }
        }
    }

    /// The approvers approve all that waits for them.
    fn approve_all(&mut self, service: &ServiceName) {
        let mut waiting = Vec::new();
        if let Some(book) = self.shared.audit.borrow().books.get(service) {
            for (name, stage) in &book.pipeline.stages {
                let approvals = stage.waiting.iter().filter(|offer| {
                    let on = offer.on.as_ref();
                    on.is_some_and(|on| matches!(on, domain::pipeline::WaitingOn::Approval { .. }))
                });
                waiting.extend(approvals.map(|offer| (name.clone(), offer.release)));
            }
        }
        for (stage, release) in waiting {
            let in_chat = self.asks_in_chat(service, &stage);
            for who in [Who::Alice, Who::Bob] {
                if in_chat {
                    let how = (who, Choice::Approve, Glance::Newest);
                    self.look_and_press(service, &stage, how);
                    continue;
                }
                let (stage, reason) = (stage.clone(), None);
                let ask = Ask::Approve {
                    stage,
                    release,
                    reason,
                };
                self.ask(service.clone(), who, ask);
            }
        }
    }

    pub(crate) fn ask(&mut self, service: ServiceName, who: Who, ask: Ask) {
        self.serial += 1;
        let id = format!("{BY_COMMAND}{:06}", self.serial);
        self.shared
            .say(|| crate::story::asked(who.name(), &service, &ask));
        let command = Command {
            id: RequestId(id.clone()),
            service: service.clone(),
            ask,
        };
        let by: Option<Identity> = who.identity();
        let request = Request {
            service,
            who: who.name(),
            tries: 0,
            answered: false,
        };
        self.people.requests.insert(id.clone(), request);
        let bytes = render::request(&command, by.as_ref());
        let mut delivery = Delivery::new(Function::Command, bytes);
        delivery.to = Reply::Person(id);
        self.deliver(delivery);
    }

    /// A person hears the answer. What was said to be done has to be on record; what was not
    /// answered is asked for again, as the same request.
    pub(crate) fn person_hears(&mut self, delivery: Delivery, ended: Option<Ended>) {
        let Reply::Person(id) = &delivery.to else {
            return;
        };
        let Some(request) = self.people.requests.get_mut(id) else {
            return;
        };
        let response = match ended {
            Some(Ok(Answered::Response(response))) => Some(response),
            Some(
                Ok(Answered::Nothing | Answered::Batch(_) | Answered::Hook(_) | Answered::Call(_))
                | Err(_),
            )
            | None => None,
        };
        let who = request.who;
        self.shared.say(|| {
            format!(
                "    {who} hears: {}",
                crate::story::heard(response.as_ref())
            )
        });
        match response
            .as_ref()
            .map(intake::command::Response::status_code)
        {
            Some(200) => {
                let text = serde_json::to_string(&response).unwrap_or_default();
                let done = text.contains("\\\"verdict\\\":\\\"done\\\"");
                let (service, again) = (request.service.clone(), request.answered);
                request.answered = true;
                if again || request.tries > 0 {
                    self.shared.path("a request was repeated and done once");
                }
                let audit = self.shared.audit.borrow();
                let book = audit.books.get(&service);
                let known = book.is_some_and(|book| book.requests.contains(&RequestId(id.clone())));
                drop(audit);
                if done && !known {
                    let what = format!("{service}: 3: {id} was said to be done and is not");
                    self.shared.violated(what);
                }
            }
            Some(503 | 500) | None => {
                request.tries += 1;
                if request.tries < TRIES_MAX && !request.answered {
                    self.soon(60, Event::Begin(Box::new(delivery)));
                }
            }
            Some(_) => {
                request.answered = true;
                self.shared.path("a person was refused");
            }
        }
    }
}

/// Auto Scaling brings a new instance up to date.
fn scale_out(site: &mut Site, moved: &mut Moved<'_>) {
    let of_instances = site.habits.kind == Kind::Group && !site.units.is_empty();
    let content = site.completed.clone();
    let content = content.filter(|_| of_instances && site.open().is_none());
    if let Some(content) = content {
        site.units.push(None);
        let begin = Begin {
            nature: Nature::Scaling,
            content,
            deaf: true,
        };
        site.begin(begin, moved);
    }
}

//! What a step does to the small world: the shipped core decides, the model of the platform
//! answers, and every decision is held against the laws at once.

use domain::alarm::{AlarmSeen, AlarmState};
use domain::artefact::Content;
use domain::decide::Recalled;
use domain::due::{after, due_at};
use domain::entry::{AlarmsAtStart, Order, StopOrder};
use domain::fact::{Acted, Answer, Asked, Despite, Observed, Progress, Request, RequestId};
use domain::wanted::wanted;
use domain::{EntryId, Fact, Identity, Pipeline, SignedDuration, StageName, Timestamp, decide};

use super::law;
use super::model::{APPROVER, Acting, Is, Model, Ordered, State, artefact};
use super::step::{Step, Wish};

/// What following a step came to.
pub(crate) struct Followed {
    pub(crate) state: State,
    pub(crate) wrong: Vec<String>,
    /// How many decisions it took.
    pub(crate) decisions: u64,
}

/// A state that is being changed.
struct Turn<'a> {
    model: &'a Model,
    state: State,
    wrong: Vec<String>,
    decisions: u64,
}

impl Model {
    /// The first state: the service is configured.
    pub(crate) fn configured(&self) -> Followed {
        let mut turn = Turn::new(self, self.start());
        let request = Request::Configure {
            config: Box::new(self.config.clone()),
            found: Vec::new(),
        };
        turn.ask(request);
        turn.done()
    }

    /// What a step leads to, with everything that is wrong about it.
    pub(crate) fn follow(&self, state: &State, step: &Step) -> Followed {
        let mut turn = Turn::new(self, state.clone());
        turn.take(step);
        turn.done()
    }
}

impl<'a> Turn<'a> {
    fn new(model: &'a Model, state: State) -> Self {
        Self {
            model,
            state,
            wrong: Vec::new(),
            decisions: 0,
        }
    }

    fn done(mut self) -> Followed {
        self.forget();
        self.wrong.extend(law::of_state(self.model, &self.state));
        Followed {
            state: self.state,
            wrong: self.wrong,
            decisions: self.decisions,
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Upload => {
                self.state.uploaded += 1;
                let found = artefact(self.state.uploaded);
                self.decide(&Fact::Artefact(found));
            }
            Step::Minute => self.minute(),
            Step::Quarter => {
                self.state.now = after(self.state.now, SignedDuration::from_mins(15));
                self.look_at_all();
            }
            Step::Look(at) => {
                if let Some(fact) = self.see(*at) {
                    self.decide(&fact);
                }
            }
            Step::Glance(at) => self.state.looked = self.see(*at),
            Step::Decide => {
                if let Some(fact) = self.state.looked.take() {
                    self.decide(&fact);
                }
            }
            Step::CarryOut => self.carry_out(),
            Step::Check => {
                if self.check() {
                    self.state.acting = Some(Acting::Checked);
                }
            }
            Step::Act => self.act(),
            Step::Answer => self.answer(),
            Step::Die => self.state.acting = None,
            Step::Becomes(at, is) => {
                if let Some(site) = self.state.sites.get_mut(*at) {
                    site.become_(*is);
                }
            }
            Step::Meddle(at) => {
                let now = self.state.moment();
                if let Some(site) = self.state.sites.get_mut(*at) {
                    site.begin(None, Content("theirs".into()), now);
                }
            }
            Step::Flip => self.flip(),
            Step::Hear(at) => {
                let seen = self.state.changes.remove(*at);
                self.decide(&Fact::Alarm(seen));
            }
            Step::Ask(wish) => self.wish(wish),
        }
    }

    /// Decides on a fact, checks the decision against every law, and takes it over.
    fn decide(&mut self, fact: &Fact) {
        self.decisions += 1;
        let before = &self.state.pipeline;
        let recalled = recalled(before, fact);
        let decision = match decide(before, &recalled, fact, self.state.now) {
            Ok(decision) => decision,
            Err(illegal) => return self.wrong.push(format!("7: {illegal}")),
        };
        // Nothing was written: again it would be nothing.
        if decision.entries.is_empty() {
            return;
        }
        law::of_decision(
            before,
            &mut self.state.books,
            &decision.entries,
            &decision.after,
            &mut self.wrong,
        );
        // The artefact's place is in the ledger now.
        let recalled = match fact {
            Fact::Artefact(_) => Recalled::Artefact(None),
            Fact::Scanned(_)
            | Fact::Alarm(_)
            | Fact::Observed(_)
            | Fact::Acted(_)
            | Fact::Asked(_)
            | Fact::Switched(_)
            | Fact::AllTold { .. }
            | Fact::Called(_)
            | Fact::Compared(_)
            | Fact::Inspected(_)
            | Fact::TimePassed => recalled,
        };
        law::of_repetition(
            &decision.after,
            &recalled,
            fact,
            self.state.now,
            &mut self.wrong,
        );
        let orders = decision.entries.iter();
        let orders = orders.filter_map(|sealed| sealed.entry.what.action().map(Ordered::from));
        self.state.outbox.extend(orders);
        self.state.pipeline = decision.after;
    }

    /// Until the minute in which something is due, or the next one when that has passed.
    fn minute(&mut self) {
        let Some(due) = due_at(&self.state.pipeline) else {
            return;
        };
        let minute = |at: Timestamp| at.as_second().div_euclid(60);
        let minutes = (minute(due) - minute(self.state.now)).max(1);
        self.state.now = after(self.state.now, SignedDuration::from_mins(minutes));
        self.look_at_all();
    }

    /// What the reconciler does with a service that is overdue.
    fn look_at_all(&mut self) {
        let seen: Vec<Fact> = (0..self.state.sites.len())
            .filter_map(|at| self.see(at))
            .collect();
        for fact in seen.iter().chain([&Fact::TimePassed]) {
            self.decide(fact);
        }
    }

    /// What a look at a stage states.
    fn see(&self, at: usize) -> Option<Fact> {
        let config = self.model.stage(at)?;
        let active = self.model.active(&self.state, at)?;
        let site = self.state.sites.get(at)?;
        let alarms = if config.alarms.is_empty() {
            Vec::new()
        } else {
            vec![self.state.alarm.clone()]
        };
        Some(Fact::Observed(Observed {
            stage: config.name.clone(),
            attempt: active.attempt.clone(),
            progress: site.progress(&active.attempt),
            running: site.running.clone(),
            alarms,
        }))
    }

    fn carry_out(&mut self) {
        if self.check() {
            self.act();
            self.answer();
        }
    }

    /// Whether the next entry's action is wanted; if not, the entry is done with. What has landed
    /// all the same is told.
    fn check(&mut self) -> bool {
        let Some(ordered) = self.state.outbox.front() else {
            return false;
        };
        if wanted(&self.state.pipeline, ordered.action()).is_ok() {
            return true;
        }
        if let Some(Ordered::Deploy(order)) = self.state.outbox.pop_front()
            && let Some(landed) = self.landed(&order)
        {
            self.decide(&landed);
        }
        false
    }

    fn landed(&self, order: &Order) -> Option<Fact> {
        let at = self.model.at(&order.stage)?;
        if self.model.active(&self.state, at).is_some() {
            return None;
        }
        let Progress::Underway {
            platform_id,
            started_at,
        } = self.state.sites.get(at)?.progress(&order.attempt)
        else {
            return None;
        };
        let answer = Answer::Begun {
            platform_id,
            started_at,
        };
        Some(acted(&order.stage, &order.attempt, answer))
    }

    fn act(&mut self) {
        let Some(ordered) = self.state.outbox.front().cloned() else {
            return;
        };
        let fact = match ordered {
            Ordered::Deploy(order) => {
                let answer = self.deploy(&order);
                acted(&order.stage, &order.attempt, answer)
            }
            Ordered::Stop(order) => {
                let answer = self.stop(&order);
                acted(&order.stage, &order.attempt, answer)
            }
        };
        self.state.acting = Some(Acting::Acted(Box::new(fact)));
    }

    fn deploy(&mut self, order: &Order) -> Answer {
        let Some(at) = self.model.at(&order.stage) else {
            return Answer::Refused("no such stage".into());
        };
        let fires = self.model.stage(at).is_some_and(|config| {
            !config.alarms.is_empty() && self.state.alarm.fires(config.missing_data)
        });
        let Some(site) = self.state.sites.get(at) else {
            return Answer::Refused("no such target".into());
        };
        if let Some(found) = site.find(&order.attempt) {
            return Answer::Begun {
                platform_id: found.id(),
                started_at: found.started_at,
            };
        }
        if fires && order.alarms == AlarmsAtStart::Hold {
            return Answer::Held(self.state.alarm.clone());
        }
        if let Some(open) = site.attempts.iter().find(|one| one.is_open()) {
            return Answer::Occupied { by: open.id() };
        }
        let started_at = self.state.moment();
        let mark = Some(order.attempt.clone());
        if let Some(site) = self.state.sites.get_mut(at) {
            site.begin(mark, order.artefact.content(), started_at);
        }
        let platform_id = format!("d-{}", order.attempt);
        Answer::Begun {
            platform_id,
            started_at,
        }
    }

    fn stop(&mut self, order: &StopOrder) -> Answer {
        let site = self.model.at(&order.stage);
        let Some(site) = site.and_then(|at| self.state.sites.get_mut(at)) else {
            return Answer::NeverBegun;
        };
        if site.find(&order.attempt).is_none() {
            return Answer::NeverBegun;
        }
        let ours = site
            .open()
            .filter(|one| one.mark.as_ref() == Some(&order.attempt));
        if ours.is_some_and(|open| open.is == Is::Underway) {
            site.become_(Is::Undoing);
        }
        Answer::Stopping
    }

    fn answer(&mut self) {
        if let Some(Acting::Acted(fact)) = self.state.acting.take() {
            self.decide(&fact);
            self.state.outbox.pop_front();
        }
    }

    fn flip(&mut self) {
        let now = self.state.moment();
        let state = match self.state.alarm.state {
            AlarmState::Ok => AlarmState::Alarm,
            AlarmState::Alarm | AlarmState::InsufficientData => AlarmState::Ok,
        };
        let seen: AlarmSeen = self.model.alarm_at(state, now);
        self.state.alarm = seen.clone();
        self.state.changes.push(seen);
    }

    fn wish(&mut self, wish: &Wish) {
        let name = |at: usize| self.model.stage(at).map(|config| config.name.clone());
        let last = self.model.config.stages.last();
        let gated = last.map(|config| config.name.clone());
        let reason = || "a person says so".to_owned();
        let request = match wish {
            Wish::Approve(release) => gated.map(|stage| Request::Approve {
                stage,
                release: *release,
                reason: None,
            }),
            Wish::Reject(release) => gated.map(|stage| Request::Reject {
                stage,
                release: *release,
                reason: reason(),
            }),
            Wish::Promote(at, release) => name(*at).map(|stage| Request::Promote {
                stage,
                release: *release,
                despite: Despite {
                    quarantine: Some(reason()),
                    alarm: Some(reason()),
                    findings: None,
                    drift: None,
                },
            }),
            Wish::RollBack(at, to) => name(*at).map(|stage| Request::Rollback {
                stage,
                to: *to,
                reason: reason(),
            }),
            Wish::Freeze(at) => name(*at).map(|stage| Request::Freeze {
                stage: Some(stage),
                reason: reason(),
                until: None,
            }),
            Wish::Thaw(at) => name(*at).map(|stage| Request::Thaw { stage: Some(stage) }),
        };
        if let Some(request) = request {
            self.ask(request);
        }
    }

    fn ask(&mut self, request: Request) {
        self.state.asked += 1;
        let fact = Fact::Asked(Asked {
            id: RequestId(format!("request-{}", self.state.asked)),
            by: Identity(APPROVER.to_owned()),
            request,
        });
        self.decide(&fact);
    }

    /// Forgets deployments that nobody can ask for any more, and how long ago rollbacks were.
    fn forget(&mut self) {
        let state = &mut self.state;
        let orders = state.outbox.iter();
        let mut marks: Vec<EntryId> = orders.map(|one| one.attempt().clone()).collect();
        for stage in state.pipeline.stages.values_mut() {
            // A day never passes here.
            stage.rollbacks.fill(state.now);
            marks.extend(stage.active.iter().map(|active| active.attempt.clone()));
        }
        for site in &mut state.sites {
            site.attempts.retain(|one| {
                one.is_open() || one.mark.as_ref().is_some_and(|mark| marks.contains(mark))
            });
        }
    }
}

fn acted(stage: &StageName, attempt: &EntryId, answer: Answer) -> Fact {
    Fact::Acted(Acted {
        stage: stage.clone(),
        attempt: attempt.clone(),
        answer,
    })
}

fn recalled(pipeline: &Pipeline, fact: &Fact) -> Recalled {
    let Fact::Asked(Asked {
        request: Request::Promote { release, .. },
        ..
    }) = fact
    else {
        return Recalled::Nothing;
    };
    pipeline
        .releases
        .get(release)
        .map_or(Recalled::Nothing, |found| {
            Recalled::Release(Box::new((**found).clone()))
        })
}

//! What every handler of one world shares: time, chance, the ledger, the cloud, and what is noted
//! about them. How handlers are switched is in `world`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use domain::announce::Announcement;
use domain::artefact::Content;
use domain::hint::Subject;
use domain::{Commit, EntryId, SignedDuration, Timestamp, What};
use engine::memory::{Keep, MemoryLedger};
use fastrand::Rng;

use crate::adversary::{Adversary, Odds};
use crate::audit::Audit;
use crate::bug::Bug;
use crate::cloud::{Cloud, Moved, Site, Temper};
use crate::point::Point;
use crate::scanning::Outcome;
use crate::tally::Tally;

pub(crate) struct Shared {
    pub(crate) now: Cell<Timestamp>,
    pub(crate) begin: Timestamp,
    pub(crate) rng: RefCell<Rng>,
    /// Whether faults strike.
    pub(crate) foul: Cell<bool>,
    pub(crate) odds: Odds,
    /// Strikes that a scenario told, each for the first time it fits.
    pub(crate) told: RefCell<Vec<(Adversary, Option<Point>)>>,
    /// What a scenario told to become of the next scan.
    pub(crate) next_scan: Cell<Option<Outcome>>,
    pub(crate) bug: Option<Bug>,
    /// How long the handler that pauses now sleeps, and where it is.
    pub(crate) nap: Cell<SignedDuration>,
    pub(crate) here: Cell<Option<Point>>,
    /// Until when a new version rolls out, and some handlers are too old for what others write.
    pub(crate) rollout: Cell<Option<Timestamp>>,
    /// Whether all that is stored goes through its stored form.
    pub(crate) keep: Keep,
    pub(crate) ledger: MemoryLedger,
    pub(crate) cloud: RefCell<Cloud>,
    /// Whether the cloud may have something to say.
    pub(crate) cloud_moved: Cell<bool>,
    /// Commits the stream has not taken up yet.
    pub(crate) outbox: RefCell<Vec<Rc<Commit>>>,
    /// Calls that were given up and take effect all the same.
    pub(crate) late: RefCell<Vec<LateCall>>,
    /// Attempts that such a call began, and when.
    pub(crate) landed: RefCell<BTreeMap<EntryId, Timestamp>>,
    /// Images whose event was lost, and that have no place yet.
    pub(crate) unfound: RefCell<BTreeSet<Content>>,
    pub(crate) heard: RefCell<BTreeSet<EntryId>>,
    pub(crate) audit: RefCell<Audit>,
    pub(crate) tally: RefCell<Tally>,
    /// The history, when somebody wants to read it.
    pub(crate) story: Option<RefCell<Vec<String>>>,
}

/// A call that goes through after its caller gave it up.
pub(crate) type LateCall = Box<dyn FnOnce(&Shared)>;

impl Shared {
    /// A line of the history.
    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if let Some(story) = &self.story {
            let since = self.now.get().duration_since(self.begin).as_secs();
            let (hours, minutes, seconds) = (since / 3600, since / 60 % 60, since % 60);
            let line = format!("{hours:02}:{minutes:02}:{seconds:02}  {}", line());
            story.borrow_mut().push(line);
        }
    }

    /// Whether something of this likelihood, in a thousand, happens now.
    pub(crate) fn chance(&self, in_thousand: u32) -> bool {
        self.rng.borrow_mut().u32(0..1000) < in_thousand
    }

    /// Whether an adversary strikes now.
    pub(crate) fn strikes(&self, adversary: Adversary) -> bool {
        let odds = self.odds.of(adversary);
        let drawn = odds > 0 && self.foul.get() && self.chance(odds);
        let strikes = drawn || self.was_told(adversary);
        if strikes {
            self.tally.borrow_mut().struck(adversary, self.here.get());
        }
        strikes
    }

    fn was_told(&self, adversary: Adversary) -> bool {
        let (mut told, here) = (self.told.borrow_mut(), self.here.get());
        let at = told.iter().position(|one| *one == (adversary, here));
        at.is_some_and(|at| {
            told.remove(at);
            true
        })
    }

    pub(crate) fn between(&self, from: SignedDuration, to: SignedDuration) -> SignedDuration {
        let (from, to) = (millis(from), millis(to));
        SignedDuration::from_millis(self.rng.borrow_mut().i64(from..=to.max(from)))
    }

    /// How unkind the platform is now.
    pub(crate) fn temper(&self) -> Temper {
        let odds = |one| {
            if self.foul.get() {
                self.odds.of(one)
            } else {
                0
            }
        };
        self.cloud_moved.set(true);
        Temper {
            fails: odds(Adversary::Fail),
            endless: odds(Adversary::Endless),
        }
    }

    /// Does something on one target.
    pub(crate) fn on<T>(
        &self,
        subject: &Subject,
        act: impl FnOnce(&mut Site, &mut Moved<'_>) -> T,
    ) -> Option<T> {
        let (now, temper) = (self.now.get(), self.temper());
        let rng = &mut self.rng.borrow_mut();
        self.cloud.borrow_mut().on(subject, now, rng, temper, act)
    }

    /// A lifecycle hook's answer reaches CodeDeploy.
    pub(crate) fn hook_answered(&self, id: &str, goes_on: bool) {
        let cloud = self.cloud.borrow();
        let site = cloud.sites.values().find(|site| site.by_id(id).is_some());
        let Some(subject) = site.map(|site| site.subject.clone()) else {
            return;
        };
        drop(cloud);
        self.on(&subject, |site, moved| {
            site.hook_answered(id, goes_on, moved)
        });
        if !goes_on {
            self.path("a lifecycle hook undid a deployment");
        }
    }

    /// An artefact has its place. Nothing but a look through its source finds an image whose event
    /// was lost.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only artefacts have a place"
    )]
    pub(crate) fn found(&self, what: &What) {
        let content = match what {
            What::Released { release } => release.artefact.content(),
            What::ArtefactRejected { artefact, .. } => artefact.content(),
            _ => return,
        };
        if self.unfound.borrow_mut().remove(&content) {
            self.path("an image was found by looking through its source");
        }
    }

    /// People hear an announcement.
    pub(crate) fn hears(&self, announcement: &Announcement) {
        if self.heard.borrow_mut().insert(announcement.id.clone()) {
            let (id, subject) = (&announcement.id, &announcement.subject);
            self.say(|| format!("    people hear of {id}: {subject}"));
        }
    }

    /// A rare path was taken.
    pub(crate) fn path(&self, path: &'static str) {
        self.tally.borrow_mut().path(path);
    }

    pub(crate) fn violated(&self, what: String) {
        self.audit.borrow_mut().violations.push(what);
    }

    /// Lets the others go on for a while.
    pub(crate) async fn pause(&self, point: Point) {
        self.here.set(Some(point));
        let nap = if self.strikes(Adversary::Slow) {
            self.between(SignedDuration::from_secs(1), SignedDuration::from_secs(25))
        } else {
            let most = SignedDuration::from_millis(60);
            self.between(SignedDuration::from_millis(1), most)
        };
        self.sleep(nap).await;
        self.here.set(Some(point));
    }

    pub(crate) async fn sleep(&self, nap: SignedDuration) {
        self.nap.set(nap);
        Pause::default().await;
    }
}

fn millis(span: SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Pending once: the scheduler decides when, and whether, it goes on.
#[derive(Default)]
struct Pause {
    paused: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.paused {
            return Poll::Ready(());
        }
        self.paused = true;
        Poll::Pending
    }
}

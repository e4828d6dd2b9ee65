//! How events travel: EventBridge and Lambda's own queue, which lose, double, delay and retry; the
//! stream's mappings; and what comes back to people and to the platform.

use std::rc::Rc;

use domain::artefact::Content;
use domain::hint::Subject;
use domain::{SignedDuration, due};

use crate::adversary::Adversary;
use crate::bug::Bug;
use crate::buttons::Finger;
use crate::cloud::HookCall;
use crate::functions::{Answered, Ended};
use crate::point::Function;
use crate::render;
use crate::stream::{Batch, Came};
use crate::world::{Event, Work, World};

/// Lambda's tries of an asynchronous call: "2 more attempts (after 1 min, then 2 min)".
const TRIES_MAX: u32 = 3;

/// An event on its way to a function.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) function: Function,
    pub(crate) bytes: Rc<Vec<u8>>,
    pub(crate) tries: u32,
    pub(crate) to: Reply,
    /// The image that is told of, when a look through its source would find it too.
    pub(crate) image: Option<Content>,
}

/// Who waits for the answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Nobody,
    /// A person, who knows the request by this id.
    Person(String),
    /// Somebody whose finger is on a button.
    Finger(Box<Finger>),
    /// ECS, at this deployment.
    Ecs(Subject, String),
}

impl Delivery {
    pub(crate) fn new(function: Function, bytes: Vec<u8>) -> Self {
        Self {
            function,
            bytes: Rc::new(bytes),
            tries: 0,
            to: Reply::Nobody,
            image: None,
        }
    }
}

impl World {
    /// Sends an event on its way: late, twice, or, where its source is best effort, never.
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        // CodeDeploy, ECR and CloudTrail; ECS, S3 and CloudWatch are durable (EventBridge,
        // "event-delivery-level").
        let best_effort = match delivery.function {
            Function::DeploymentChanged => is_of(&delivery, "aws.codedeploy"),
            Function::ApiCallRecorded => true,
            Function::ImagePushed => {
                delivery.image.is_some() || is_of(&delivery, render::IMAGE_SCAN)
            }
            Function::ArtefactUploaded
            | Function::AlarmChanged
            | Function::LifecycleHook
            | Function::Command
            | Function::ButtonPressed
            | Function::Deployer
            | Function::Notifier
            | Function::Reconciler => false,
        };
        self.shared.here.set(None);
        if best_effort && self.shared.strikes(Adversary::Lose) {
            self.shared.say(|| "    an event is lost".to_owned());
            self.shared.unfound.borrow_mut().extend(delivery.image);
            return;
        }
        let times = if self.shared.strikes(Adversary::Double) {
            2
        } else {
            1
        };
        for _ in 0..times {
            let most = if self.shared.strikes(Adversary::Late) {
                900
            } else {
                2
            };
            self.soon(most, Event::Begin(Box::new(delivery.clone())));
        }
    }

    /// ECS calls its hooks itself and waits; CodeDeploy is answered by a call of its own.
    pub(crate) fn call_hook(&mut self, hook: HookCall) {
        let (arn, to) = match &hook.subject {
            Subject::EcsService(arn) => {
                let to = Reply::Ecs(hook.subject.clone(), hook.deployment.clone());
                (Some(arn.clone()), to)
            }
            Subject::Alarm(_)
            | Subject::Bucket(_)
            | Subject::Repository { .. }
            | Subject::OciRepository { .. }
            | Subject::DeploymentGroup { .. } => (None, Reply::Nobody),
        };
        let bytes = render::hook(arn.as_deref(), &hook.deployment, hook.back);
        let mut delivery = Delivery::new(Function::LifecycleHook, bytes);
        if !hook.back {
            delivery.to = to;
        }
        self.soon(2, Event::Begin(Box::new(delivery)));
    }

    /// What follows from a handler's end; `None` when it was killed.
    pub(crate) fn ended(&mut self, work: Work, ended: Option<Ended>) {
        match work {
            Work::Batch(batch) => self.batch_ended(&batch, ended),
            Work::Delivery(delivery) => self.delivery_ended(delivery, ended),
        }
    }

    fn batch_ended(&mut self, batch: &Batch, ended: Option<Ended>) {
        let came = match ended {
            None | Some(Err(_)) => Came::Failed,
            Some(Ok(Answered::Batch(answer))) => came(&answer),
            Some(Ok(
                Answered::Nothing | Answered::Response(_) | Answered::Hook(_) | Answered::Call(_),
            )) => Came::Done,
        };
        self.shared.here.set(None);
        let again = came == Came::Done && self.shared.strikes(Adversary::Repeat);
        let came = if again { Came::Again } else { came };
        let now = self.shared.now.get();
        let after = self.stream.came(batch, &came, now);
        if after.bisected {
            self.shared.path("a batch was bisected");
        }
        if let Some(commit) = after.given_up {
            let seq = commit.after.seq;
            self.shared
                .say(|| format!("    the commit up to {}/{seq} is given up", commit.service));
            self.shared
                .path("a record of the stream became a dead letter");
            if batch.reader == Function::Notifier {
                // Nobody else would tell: an operator sends it again.
                self.stream.push(commit, now);
            }
        }
        if after.pause > 0 {
            self.stream.hold(batch);
            let at = due::after(now, SignedDuration::from_secs(after.pause));
            self.at(at, Event::Read(batch.reader, batch.shard));
        }
    }

    fn delivery_ended(&mut self, delivery: Delivery, ended: Option<Ended>) {
        let failed = matches!(ended, None | Some(Err(_)));
        match delivery.function {
            // No retries: the next minute comes anyway.
            Function::Reconciler => {}
            Function::Command => self.person_hears(delivery, ended),
            Function::ButtonPressed => {
                if let Reply::Finger(finger) = &delivery.to {
                    self.nothing_came_of_it(finger, ended.as_ref());
                }
            }
            Function::LifecycleHook => self.hook_ended(delivery, ended),
            Function::Deployer | Function::Notifier => {}
            Function::ArtefactUploaded
            | Function::ImagePushed
            | Function::AlarmChanged
            | Function::DeploymentChanged
            | Function::ApiCallRecorded => {
                let lost = self.shared.bug == Some(Bug::LoseArtefact)
                    && delivery.function != Function::AlarmChanged;
                if failed && !lost {
                    self.try_again(delivery);
                }
            }
        }
    }

    fn try_again(&mut self, mut delivery: Delivery) {
        delivery.tries += 1;
        let now = self.shared.now.get();
        if delivery.tries < TRIES_MAX {
            let pause = SignedDuration::from_mins(i64::from(delivery.tries));
            self.at(due::after(now, pause), Event::Begin(Box::new(delivery)));
            return;
        }
        self.shared.path("an invocation became a dead letter");
        delivery.tries = 0;
        if self.shared.foul.get() && self.shared.chance(500) {
            self.dead.push(delivery);
        } else {
            // An operator looks, and sends it again.
            self.soon(3600, Event::Begin(Box::new(delivery)));
        }
    }

    fn hook_ended(&mut self, delivery: Delivery, ended: Option<Ended>) {
        let Reply::Ecs(subject, id) = &delivery.to else {
            if matches!(ended, None | Some(Err(_))) && delivery.tries < TRIES_MAX {
                self.try_again(delivery);
            }
            return;
        };
        let answer = match ended {
            Some(Ok(Answered::Hook(answer))) => serde_json::to_string(&answer).unwrap_or_default(),
            // "No/invalid hookStatus or function error => rollback".
            Some(
                Ok(
                    Answered::Nothing
                    | Answered::Batch(_)
                    | Answered::Response(_)
                    | Answered::Call(_),
                )
                | Err(_),
            )
            | None => String::new(),
        };
        if answer.contains("IN_PROGRESS") {
            self.soon(30, Event::Begin(Box::new(delivery)));
            return;
        }
        let goes_on = answer.contains("SUCCEEDED");
        let (subject, id) = (subject.clone(), id.clone());
        self.shared.on(&subject, |site, moved| {
            site.hook_answered(&id, goes_on, moved)
        });
        if !goes_on {
            self.shared.path("a lifecycle hook undid a deployment");
        }
    }
}

fn is_of(delivery: &Delivery, source: &str) -> bool {
    String::from_utf8_lossy(&delivery.bytes).contains(source)
}

/// What Lambda makes of a batch's answer: it starts again at the lowest number that is named.
fn came(answer: &intake::stream::BatchAnswer) -> Came {
    if *answer == intake::stream::BatchAnswer::again([]) {
        return Came::Done;
    }
    let answer = serde_json::to_value(answer).unwrap_or_default();
    let failures = answer
        .get("batchItemFailures")
        .and_then(|one| one.as_array());
    let numbers = failures.into_iter().flatten().filter_map(|one| {
        let number = one.get("itemIdentifier")?.as_str()?;
        number.trim_start_matches('0').parse::<u64>().ok()
    });
    match numbers.min() {
        Some(number) => Came::FailedAt(number),
        None => Came::Done,
    }
}

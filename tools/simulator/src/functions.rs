//! What each function does with the bytes that come, as its `main.rs` has it: `intake` decodes,
//! `engine` does the rest. Only the wiring is repeated here.

use std::rc::Rc;

use domain::entry::{Action, Actor};
use domain::fact::{Acted, Asked, Request};
use domain::file::Home;
use domain::hint::{Input, Subject};
use domain::hook::{Findings, HookVerdict, verdict};
use domain::{Commit, Entry, Fact, Hint, Reason, ServiceName, due};
use engine::carry_out::{CarriedOut, carry_out};
use engine::inspect::inspect;
use engine::receive::receive;
use engine::source::look_through;
use engine::tell::tell;
use engine::turn::{Turned, turn};
use engine::{
    Catalogues as _, Clock as _, EngineError, Ledger as _, LedgerError, Platform as _,
    PlatformError,
};
use intake::call::CallAnswer;
use intake::command::{Called, Response, Trouble};
use intake::hook::{Direction, HookAnswer, HookCall};
use intake::stream::{self, BatchAnswer, Held};
use intake::wire::{Answer, Desk, Errand, Failure};
use intake::{Decoded, Refusal};

use crate::bug::Bug;
use crate::buttons;
use crate::point::Function;
use crate::ports::Ports;
use crate::render::{self, ACCOUNT, REGION};
use crate::tally::name_of;

/// Most pipelines looked at in one run.
const PIPELINES_MAX: usize = 100;
/// Most sources looked through in one run.
const SOURCES_MAX: usize = 40;
/// Most services whose targets are compared in one run.
const COMPARED_MAX: usize = 20;
/// When ECS is to ask again after the stage could not be inspected, in seconds.
const AGAIN_IN: u32 = 30;

/// What a planted bug answers although nothing was done.
const PROMISE: Answer = Answer {
    verdict: domain::reason::Verdict::Done,
    reason: Reason::PersonAsked,
    entries: Vec::new(),
};

/// What a handler answers.
#[derive(Debug)]
pub(crate) enum Answered {
    Nothing,
    Batch(BatchAnswer),
    Response(Response),
    Hook(HookAnswer),
    Call(CallAnswer),
}

/// How a handler ends: an error has the event delivered again.
pub(crate) type Ended = Result<Answered, String>;

/// What a function is called with.
pub(crate) enum Event {
    /// The bytes that AWS delivers.
    Bytes(Rc<Vec<u8>>),
    /// Records of the stream, where nothing goes through its stored form.
    Records(Vec<(u64, Rc<Commit>)>),
}

/// Runs a function on an event.
pub(crate) async fn run(ports: Ports, event: Event) -> Ended {
    let bytes = match event {
        Event::Bytes(bytes) => bytes,
        Event::Records(records) => {
            let records = records.iter();
            let records = records.map(|(number, commit)| Record::shared(*number, commit));
            return read(&ports, records.collect()).await;
        }
    };
    let bytes = bytes.as_slice();
    match ports.function {
        Function::ArtefactUploaded => admit(&ports, intake::s3::decode(bytes)).await,
        Function::ImagePushed => admit(&ports, intake::ecr::decode(bytes)).await,
        Function::AlarmChanged => admit(&ports, intake::cloudwatch::decode(bytes)).await,
        Function::DeploymentChanged => admit(&ports, intake::deployment::decode(bytes)).await,
        Function::ApiCallRecorded => {
            admit(
                &ports,
                intake::cloudtrail::decode(bytes, &render::ourselves()),
            )
            .await
        }
        Function::LifecycleHook => hook(&ports, bytes).await,
        Function::Command => respond(&ports, bytes).await,
        Function::ButtonPressed => buttons::hear(&ports, bytes).await,
        Function::Deployer | Function::Notifier => {
            let records = records(&ports, bytes)?;
            read(&ports, records).await
        }
        Function::Reconciler => tick(&ports, bytes).await,
    }
}

pub(crate) async fn take(ports: &Ports, mut input: Input) -> Result<Vec<Turned>, EngineError> {
    if let (Some(bug), Input::Alarm(seen)) = (ports.shared.bug, &mut input) {
        match bug.hears(seen, ports.shared.now.get()) {
            Some(heard) => *seen = heard,
            None => return Ok(Vec::new()),
        }
    }
    let turned = receive(ports, ports, ports, input).await;
    match &turned {
        Ok(turned) => turned.iter().for_each(|one| {
            count(ports, one);
            let platform = Actor::Source("platform".to_owned());
            if ports.function == Function::Reconciler
                && one
                    .entries
                    .iter()
                    .any(|sealed| sealed.entry.actor == platform)
            {
                ports
                    .shared
                    .path("a lost event was made good by the reconciler");
            }
        }),
        Err(error) => ports.failed(error),
    }
    turned
}

fn count(ports: &Ports, turned: &Turned) {
    let mut tally = ports.shared.tally.borrow_mut();
    tally.facts += 1;
    *tally.reasons.entry(name_of(&turned.reason)).or_default() += 1;
}

async fn admit(ports: &Ports, decoded: Result<Decoded, Refusal>) -> Ended {
    match decoded {
        Ok(Decoded::Input(input)) => {
            take(ports, input)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(Decoded::Ignored(_)) => {}
        // The model sends nothing that may be refused.
        Err(refusal) => ports
            .shared
            .violated(format!("1: an event was refused: {refusal}")),
    }
    Ok(Answered::Nothing)
}

async fn respond(ports: &Ports, bytes: &[u8]) -> Ended {
    // Which desk somebody may come to is IAM's to say, and there is no IAM here.
    let decoded = match intake::command::decode(bytes, Desk::Command) {
        Err(Refusal::OtherDesk { .. }) => intake::command::decode(bytes, Desk::Approval),
        other => other,
    };
    let response = match decoded {
        Ok(called) => match answer(ports, called).await {
            Ok(answer) => Response::answer(&answer),
            Err(_) if ports.shared.bug == Some(Bug::PromiseTooMuch) => Response::answer(&PROMISE),
            Err((trouble, failure)) => Response::failure(trouble, &failure),
        },
        Err(refusal) => Response::refusal(&refusal),
    };
    response
        .map(Answered::Response)
        .map_err(|error| error.to_string())
}

async fn answer(ports: &Ports, called: Called) -> Result<Answer, (Trouble, Failure)> {
    let failure = |trouble, error: String, problems| (trouble, Failure { error, problems });
    let request = match called.command.ask.errand() {
        Errand::Decide(request) => request,
        Errand::Configure(file) => {
            let home = home().map_err(|error| failure(Trouble::Corrupt, error, Vec::new()))?;
            let config = file.resolve(&home).map_err(|problems| {
                failure(Trouble::Request, "the file cannot be used".into(), problems)
            })?;
            let (config, found) = (Box::new(config), Vec::new());
            Request::Configure { config, found }
        }
    };
    let asked = Asked {
        id: called.command.id,
        by: called.by,
        request,
    };
    let service = called.command.service;
    let turned = take(ports, Input::Asked { service, asked }).await;
    let turned = turned.map_err(|error| failure(trouble(&error), error.to_string(), Vec::new()))?;
    let nothing = || failure(Trouble::Corrupt, "nothing was decided".into(), Vec::new());
    let turned = turned.into_iter().next().ok_or_else(nothing)?;
    Ok(Answer {
        verdict: turned.verdict,
        reason: turned.reason,
        entries: turned.entries.into_iter().map(|one| one.entry).collect(),
    })
}

/// Where Lastgood lives.
pub(crate) fn home() -> Result<Home, String> {
    Ok(Home {
        account: ACCOUNT.parse().map_err(|error| format!("{error}"))?,
        region: REGION.parse().map_err(|error| format!("{error}"))?,
    })
}

fn trouble(error: &EngineError) -> Trouble {
    match error {
        EngineError::Ledger(LedgerError::Corrupt(_) | LedgerError::Newer { .. }) => {
            Trouble::Corrupt
        }
        EngineError::Ledger(LedgerError::Stale | LedgerError::Unavailable(_))
        | EngineError::Platform(PlatformError::Transient(_)) => Trouble::Unavailable,
        EngineError::Platform(PlatformError::Terminal(_)) => Trouble::Request,
    }
}

async fn tick(ports: &Ports, bytes: &[u8]) -> Ended {
    intake::schedule::decode(bytes).map_err(|refusal| refusal.to_string())?;
    let overdue = ports.overdue(ports.now(), PIPELINES_MAX).await;
    let mut trouble = Ok(Answered::Nothing);
    for service in overdue.map_err(|error| error.to_string())? {
        if let Err(error) = take(ports, Input::Hint(Hint::Due { service })).await {
            trouble = Err(error.to_string());
        }
    }
    let due = ports.sources_due(ports.now(), SOURCES_MAX).await;
    for service in due.map_err(|error| error.to_string())? {
        if let Err(error) = look_through(ports, ports, ports, &service).await {
            ports.failed(&error);
        }
    }
    let uncompared = ports.uncompared(ports.now(), COMPARED_MAX).await;
    for service in uncompared.map_err(|error| error.to_string())? {
        if let Err(error) = compare(ports, service).await {
            trouble = Err(error);
        }
    }
    trouble
}

async fn compare(ports: &Ports, service: ServiceName) -> Result<(), String> {
    let next = due::after(ports.now(), due::COMPARE_EVERY);
    let put_off = ports.compare_at(&service, next).await;
    put_off.map_err(|error| error.to_string())?;
    let taken = take(ports, Input::Hint(Hint::Compare { service })).await;
    taken.map(drop).map_err(|error| error.to_string())
}

/// A commit as it comes out of the stream.
struct Record {
    sequence: String,
    service: ServiceName,
    entries: Entries,
}

enum Entries {
    Read(Vec<Entry>),
    Shared(Rc<Commit>),
}

impl Record {
    fn shared(number: u64, commit: &Rc<Commit>) -> Self {
        Self {
            sequence: render::sequence(number),
            service: commit.service.clone(),
            entries: Entries::Shared(Rc::clone(commit)),
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let (read, shared) = match &self.entries {
            Entries::Read(read) => (read.as_slice(), None),
            Entries::Shared(commit) => (&[][..], Some(&commit.entries)),
        };
        let shared = shared.into_iter().flatten().map(|sealed| &sealed.entry);
        read.iter().chain(shared)
    }
}

fn records(ports: &Ports, bytes: &[u8]) -> Result<Vec<Record>, String> {
    let violated = |what: String| ports.shared.violated(format!("7: {what}"));
    let mut records = Vec::new();
    for record in stream::decode(bytes).map_err(|refusal| refusal.to_string())? {
        let commit = match record.held {
            Held::Commit(commit) => commit,
            Held::Ignored(_) => continue,
            Held::Refused(refusal) => {
                violated(format!("a record was refused: {refusal}"));
                continue;
            }
        };
        let read = commit.entries.iter().map(|one| serde_json::from_str(one));
        let read: Result<Vec<Entry>, _> = read.collect();
        let read = read
            .map_err(|error| error.to_string())
            .inspect_err(|error| {
                violated(format!("an entry cannot be read: {error}"));
            })?;
        records.push(Record {
            sequence: record.sequence,
            service: commit.service,
            entries: Entries::Read(read),
        });
    }
    Ok(records)
}

/// What deployer and notifier do with a batch: from the first record that failed it comes again.
async fn read(ports: &Ports, records: Vec<Record>) -> Ended {
    for record in records {
        let done = match ports.function {
            Function::Notifier => tell(ports, &record.service, record.entries()).await.is_ok(),
            Function::Deployer
            | Function::ArtefactUploaded
            | Function::ImagePushed
            | Function::AlarmChanged
            | Function::DeploymentChanged
            | Function::ApiCallRecorded
            | Function::LifecycleHook
            | Function::Command
            | Function::ButtonPressed
            | Function::Reconciler => deploy(ports, &record).await,
        };
        if !done {
            return Ok(Answered::Batch(BatchAnswer::again([record.sequence])));
        }
    }
    Ok(Answered::Batch(BatchAnswer::again([])))
}

async fn deploy(ports: &Ports, record: &Record) -> bool {
    if ports.shared.bug == Some(Bug::DropFence) && act_at_once(ports, record).await.is_ok() {
        return true;
    }
    carry_out_all(ports, record).await.is_ok()
}

/// What deployer would do without reading the ledger again.
async fn act_at_once(ports: &Ports, record: &Record) -> Result<(), String> {
    for entry in record.entries() {
        let Some(Action::Deploy(order)) = entry.what.action() else {
            continue;
        };
        let (stage, attempt) = (order.stage.clone(), order.attempt.clone());
        let answer = ports
            .deploy(order)
            .await
            .map_err(|error| error.to_string())?;
        let acted = Acted {
            stage,
            attempt,
            answer,
        };
        let done = turn(ports, ports, &record.service, &Fact::Acted(acted)).await;
        done.map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn carry_out_all(ports: &Ports, record: &Record) -> Result<(), String> {
    for entry in record.entries() {
        let done = carry_out(ports, ports, ports, &record.service, entry).await;
        match done {
            Ok(CarriedOut::NothingAsked) => {}
            Ok(CarriedOut::Dropped(_)) => {
                ports
                    .shared
                    .path("an action that was no longer wanted was dropped");
            }
            Ok(CarriedOut::Done(turned)) => {
                if turned.reason == Reason::SwitchUnreadable {
                    ports
                        .shared
                        .path("nothing was begun because the switch for all could not be read");
                }
                count(ports, &turned);
            }
            Err(error) => {
                ports.failed(&error);
                return Err(error.to_string());
            }
        }
    }
    Ok(())
}

async fn hook(ports: &Ports, bytes: &[u8]) -> Ended {
    let call = intake::hook::decode(bytes).map_err(|refusal| refusal.to_string())?;
    match call {
        HookCall::Ecs(hook) => {
            // A rollback calls the same hooks: nothing may stand in its way.
            if hook.direction() == Direction::Back {
                return Ok(Answered::Hook(HookAnswer::SUCCEEDED));
            }
            let subject = Subject::EcsService(hook.service_arn.clone());
            Ok(Answered::Hook(match judge(ports, &subject).await {
                Ok(HookVerdict::GoOn) => HookAnswer::SUCCEEDED,
                Ok(HookVerdict::Undo(_)) => HookAnswer::FAILED,
                Err(_) => HookAnswer::again_in(AGAIN_IN),
            }))
        }
        HookCall::CodeDeploy(hook) => {
            // What cannot be judged is undone: CodeDeploy cannot be told to ask again.
            let judged = match ports.hooked_group(&hook.deployment).await {
                Ok(group) => judge(ports, &group).await,
                Err(error) => Err(error.into()),
            };
            let goes_on = matches!(judged, Ok(HookVerdict::GoOn));
            let answered = ports.answer_hook(&hook.deployment, goes_on).await;
            answered.map_err(|error| error.to_string())?;
            Ok(Answered::Nothing)
        }
    }
}

async fn judge(ports: &Ports, target: &Subject) -> Result<HookVerdict, EngineError> {
    let inspected = inspect(ports, ports, target).await?;
    Ok(verdict(&Findings {
        firing: inspected.firing,
        failed_checks: Vec::new(),
    }))
}

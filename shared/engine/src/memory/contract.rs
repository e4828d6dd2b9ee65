//! What every ledger must do, in memory or on DynamoDB: one suite for all of them. Each part takes
//! a ledger that may hold anything, and works on services of its own.

#![expect(
    clippy::indexing_slicing,
    reason = "a suite for tests panics where the contract is broken"
)]

use domain::alarm::MissingData;
use domain::artefact::BuildFacts;
use domain::catalogue::{Catalogue, Mark};
use domain::chain::Hash;
use domain::commit::Watcher;
use domain::config::{Gate, Place, Queue, ServiceConfig, Source, StageConfig, Target};
use domain::decide::Recalled;
use domain::fact::{ArtefactFound, Asked, Proof, Request, RequestId};
use domain::hint::Subject;
use domain::{
    AlarmArn, Artefact, Commit, Fact, Identity, ReleaseNumber, ServiceName, SignedDuration,
    StageName, Timestamp, decide,
};

use crate::memory::MemoryClock;
use crate::ports::{Catalogues, Ledger, LedgerError, Mention};
use crate::turn::turn;

/// Runs the whole suite. `prefix` keeps the services of several runs apart.
///
/// # Panics
/// Where the ledger does not do what it must.
pub async fn ledger_keeps_its_contract(ledger: &impl Ledger, prefix: &str) {
    let name = |part: &str| format!("{prefix}-{part}");
    a_new_service_is_empty(ledger, &name("new")).await;
    a_commit_is_read_back(ledger, &name("back")).await;
    the_faster_commit_wins(ledger, &name("race")).await;
    a_lost_answer_is_no_harm(ledger, &name("lost")).await;
    an_artefact_is_claimed_once(ledger, &name("claim")).await;
    watches_follow_the_configuration(ledger, &name("watch")).await;
    history_reads_in_order(ledger, &name("history")).await;
    what_is_overdue_is_found(ledger, &name("due")).await;
    the_switch_for_all_comes_with_every_load(ledger, &name("switch")).await;
    comparing_has_a_due_time_of_its_own(ledger, &name("compare")).await;
}

/// Runs the suite of what keeps catalogues. `prefix` keeps the services of several runs apart.
///
/// # Panics
/// Where the ledger does not do what it must.
pub async fn catalogues_keep_their_contract(ledger: &(impl Ledger + Catalogues), prefix: &str) {
    let name = service(&format!("{prefix}-catalogue"));
    let ask = |tags: &str, request: &str| {
        let mut config = config(&name, "catalogue-5xx");
        config.source = Source::Oci {
            registry: parsed("docker.io"),
            repository: "shop/web".to_owned(),
            tags: vec![tags.to_owned()],
        };
        configure(config, request)
    };
    let kept = || async { sure(ledger.catalogue(&name).await) };
    let due = async |at| sure(ledger.sources_due(at, 1000).await).contains(&name);
    assert_eq!(kept().await, None, "a service nobody configured has none");
    take(ledger, &name, &ask("main-*", "request-1")).await;
    let begun = kept()
        .await
        .unwrap_or_else(|| panic!("a new source begins one"));
    assert_eq!(begun.seen, None);
    assert!(due(noon()).await, "a new source is looked through at once");

    let seen = Some([Mark(7), Mark(u64::MAX)].into());
    let first = Catalogue { seen, ..begun };
    let later = domain::due::after(noon(), SignedDuration::from_mins(5));
    sure(ledger.keep_catalogue(&name, &first, later).await);
    assert_eq!(kept().await.as_ref(), Some(&first));
    assert!(!due(noon()).await);
    assert!(due(later).await);

    take(ledger, &name, &arrived(&name, "v1")).await;
    assert_eq!(
        kept().await.as_ref(),
        Some(&first),
        "other commits leave it alone"
    );
    take(ledger, &name, &ask("*", "request-2")).await;
    let anew = kept()
        .await
        .unwrap_or_else(|| panic!("other tags begin another"));
    assert_eq!(anew.seen, None);
    sure(ledger.keep_catalogue(&name, &first, later).await);
    assert_eq!(kept().await, Some(anew), "one that came late is not kept");
    take(
        ledger,
        &name,
        &configure(config(&name, "catalogue-5xx"), "request-3"),
    )
    .await;
    assert_eq!(kept().await, None, "objects need none");
    assert!(!due(later).await);
}

fn sure<T>(done: Result<T, LedgerError>) -> T {
    done.unwrap_or_else(|error| panic!("{error}"))
}

fn service(name: &str) -> ServiceName {
    match name.parse() {
        Ok(name) => name,
        Err(error) => panic!("{error}"),
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Display,
{
    match text.parse() {
        Ok(value) => value,
        Err(error) => panic!("{text}: {error}"),
    }
}

/// A time every ledger starts at.
#[must_use]
pub fn noon() -> Timestamp {
    Timestamp::from_second(1_795_435_200).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A service with one stage and one alarm, for any suite.
#[must_use]
pub fn config(name: &ServiceName, alarm: &str) -> ServiceConfig {
    let (account, region) = (parsed("111122223333"), parsed("ap-south-1"));
    let alarm = match AlarmArn::of(&region, &account, alarm) {
        Ok(alarm) => alarm,
        Err(error) => panic!("{error}"),
    };
    ServiceConfig {
        service: name.clone(),
        source: Source::S3 {
            bucket: format!("{name}-artefacts"),
            prefix: "builds/".into(),
        },
        queue: Queue::Newest,
        flood_per_minute: 20,
        stages: vec![StageConfig {
            name: parsed::<StageName>("dev"),
            place: Place {
                account,
                region,
                role: None,
            },
            target: Target::CodeDeploy {
                application: name.to_string(),
                group: "dev".into(),
            },
            gate: Gate::Automatic,
            windows: Vec::new(),
            alarms: vec![alarm],
            missing_data: MissingData::Ignore,
            bake: SignedDuration::from_mins(5),
            timeout: SignedDuration::from_hours(1),
            rollbacks_per_day: 3,
            smoke: Vec::new(),
        }],
    }
}

/// A request to configure a service.
#[must_use]
pub fn configure(config: ServiceConfig, request: &str) -> Fact {
    Fact::Asked(Asked {
        id: RequestId(request.to_owned()),
        by: Identity("arn:aws:iam::111122223333:user/alice".into()),
        request: Request::Configure {
            config: Box::new(config),
            found: Vec::new(),
        },
    })
}

/// An artefact that arrived.
#[must_use]
pub fn arrived(name: &ServiceName, version: &str) -> Fact {
    Fact::Artefact(ArtefactFound {
        artefact: Artefact::Object {
            bucket: format!("{name}-artefacts"),
            key: "builds/app.zip".into(),
            version: version.into(),
            sha256: None,
            bytes: 4096,
        },
        build: BuildFacts::default(),
        proof: Proof::Deployable,
    })
}

async fn take(ledger: &impl Ledger, name: &ServiceName, fact: &Fact) -> crate::turn::Turned {
    match turn(ledger, &MemoryClock::new(noon()), name, fact).await {
        Ok(turned) => turned,
        Err(error) => panic!("{error}"),
    }
}

async fn commit_of(ledger: &impl Ledger, name: &ServiceName, fact: &Fact) -> Commit {
    let loaded = match ledger.load(name, &Mention::Nothing).await {
        Ok(loaded) => loaded,
        Err(error) => panic!("{error}"),
    };
    let decision = match decide(&loaded.pipeline, &loaded.recalled, fact, noon()) {
        Ok(decision) => decision,
        Err(error) => panic!("{error}"),
    };
    match Commit::of(&loaded.pipeline, decision) {
        Some(commit) => commit,
        None => panic!("the fact writes nothing"),
    }
}

async fn a_new_service_is_empty(ledger: &impl Ledger, name: &str) {
    let name = service(name);
    let loaded = ledger
        .load(&name, &Mention::Release(ReleaseNumber(1)))
        .await;
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        (loaded.pipeline.seq, &loaded.pipeline.head),
        (0, &Hash::ZERO)
    );
    assert_eq!(loaded.recalled, Recalled::Nothing);
    let none = ledger.release(&name, ReleaseNumber(1)).await;
    assert!(matches!(none, Ok(None)), "no release yet");
}

async fn a_commit_is_read_back(ledger: &impl Ledger, name: &str) {
    let name = service(name);
    take(
        ledger,
        &name,
        &configure(config(&name, "back-5xx"), "request-1"),
    )
    .await;
    let turned = take(ledger, &name, &arrived(&name, "v1")).await;
    let loaded = ledger
        .load(&name, &Mention::Release(ReleaseNumber(1)))
        .await;
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        loaded.pipeline, turned.after,
        "the snapshot is what was decided"
    );
    let Recalled::Release(release) = loaded.recalled else {
        panic!("release 1 is there")
    };
    assert_eq!(release.number, ReleaseNumber(1));
    let read = ledger.release(&name, ReleaseNumber(1)).await;
    assert_eq!(
        read.unwrap_or_else(|error| panic!("{error}")),
        Some(*release)
    );
}

async fn the_faster_commit_wins(ledger: &impl Ledger, name: &str) {
    let name = service(name);
    take(
        ledger,
        &name,
        &configure(config(&name, "race-5xx"), "request-1"),
    )
    .await;
    let slow = commit_of(ledger, &name, &arrived(&name, "slow")).await;
    take(ledger, &name, &arrived(&name, "fast")).await;
    let lost = ledger.commit(&slow).await;
    assert!(matches!(lost, Err(LedgerError::Stale)), "{lost:?}");
    let again = take(ledger, &name, &arrived(&name, "slow")).await;
    assert_eq!(
        again.after.last_release, 2,
        "decided again on what is there now"
    );
}

async fn a_lost_answer_is_no_harm(ledger: &impl Ledger, name: &str) {
    let name = service(name);
    let commit = commit_of(
        ledger,
        &name,
        &configure(config(&name, "lost-5xx"), "request-1"),
    )
    .await;
    for _ in 0..2 {
        let done = ledger.commit(&commit).await;
        assert!(done.is_ok(), "{done:?}");
    }
    let entries = ledger
        .entries(&name, 1, 100)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(entries.len(), commit.entries.len(), "written once");
}

async fn an_artefact_is_claimed_once(ledger: &impl Ledger, name: &str) {
    let name = service(name);
    take(
        ledger,
        &name,
        &configure(config(&name, "claim-5xx"), "request-1"),
    )
    .await;
    take(ledger, &name, &arrived(&name, "v1")).await;
    let fact = arrived(&name, "v1");
    let Fact::Artefact(found) = &fact else {
        panic!("an artefact")
    };
    let loaded = ledger
        .load(&name, &Mention::Artefact(found.artefact.id()))
        .await;
    let recalled = loaded.unwrap_or_else(|error| panic!("{error}")).recalled;
    assert_eq!(recalled, Recalled::Artefact(Some(ReleaseNumber(1))));
    let again = take(ledger, &name, &fact).await;
    assert!(
        again.entries.is_empty(),
        "the same artefact again changes nothing"
    );
}

async fn watches_follow_the_configuration(ledger: &impl Ledger, name: &str) {
    let name = service(name);
    let (before, after) = (format!("{name}-old"), format!("{name}-new"));
    let subject = |alarm: &str| Subject::Alarm(config(&name, alarm).stages[0].alarms[0].clone());
    take(
        ledger,
        &name,
        &configure(config(&name, &before), "request-1"),
    )
    .await;
    let watcher = Watcher::Stage {
        service: name.clone(),
        stage: parsed("dev"),
    };
    let watching = ledger.watchers(&subject(&before)).await;
    assert_eq!(
        watching.unwrap_or_else(|error| panic!("{error}")),
        std::slice::from_ref(&watcher)
    );
    take(
        ledger,
        &name,
        &configure(config(&name, &after), "request-2"),
    )
    .await;
    let gone = ledger.watchers(&subject(&before)).await;
    assert_eq!(gone.unwrap_or_else(|error| panic!("{error}")), []);
    let new = ledger.watchers(&subject(&after)).await;
    assert_eq!(new.unwrap_or_else(|error| panic!("{error}")), [watcher]);
    let bucket = Subject::Bucket(format!("{name}-artefacts"));
    let source = ledger
        .watchers(&bucket)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        source,
        [Watcher::Source {
            service: name,
            narrow: "builds/".into()
        }]
    );
}

async fn history_reads_in_order(ledger: &impl Ledger, name: &str) {
    let name = service(name);
    take(
        ledger,
        &name,
        &configure(config(&name, "history-5xx"), "request-1"),
    )
    .await;
    for version in ["v1", "v2", "v3"] {
        take(ledger, &name, &arrived(&name, version)).await;
    }
    let all = ledger
        .entries(&name, 1, 1000)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let numbers: Vec<u64> = all.iter().map(|sealed| sealed.entry.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let mut before = Hash::ZERO;
    for sealed in &all {
        assert_eq!(sealed.entry.before, before, "the chain holds");
        before = Hash::of(&sealed.stored);
    }
    let newest = ledger
        .newest_entries(&name, 2)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(
        newest.len() >= 2,
        "at least as many as asked for, in whole commits"
    );
    assert!(all.ends_with(&newest), "the newest, oldest first");
}

async fn what_is_overdue_is_found(ledger: &impl Ledger, name: &str) {
    let name = service(name);
    take(
        ledger,
        &name,
        &configure(config(&name, "due-5xx"), "request-1"),
    )
    .await;
    take(ledger, &name, &arrived(&name, "v1")).await;
    let later = domain::due::after(noon(), SignedDuration::from_hours(1));
    let early = ledger.overdue(Timestamp::UNIX_EPOCH, 1000).await;
    assert!(
        !early
            .unwrap_or_else(|error| panic!("{error}"))
            .contains(&name)
    );
    let due = ledger
        .overdue(later, 1000)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(due.contains(&name), "its deployment has started");
}

async fn the_switch_for_all_comes_with_every_load(ledger: &impl Ledger, name: &str) {
    let (described, new) = (service(name), service(&format!("{name}-new")));
    let fact = configure(config(&described, "switch-5xx"), "request-1");
    take(ledger, &described, &fact).await;
    let services = ledger.services().await;
    let services = services.unwrap_or_else(|error| panic!("{error}"));
    assert!(services.contains(&described) && !services.contains(&new));
    let everything = ServiceName::everything();
    assert!(!services.contains(&everything), "it is no service");
    let freeze = Request::Freeze {
        stage: None,
        reason: name.to_owned(),
        until: None,
    };
    for (on, request) in [(true, freeze), (false, Request::Thaw { stage: None })] {
        let fact = Fact::Asked(Asked {
            id: RequestId(format!("{name}-{on}")),
            by: Identity("arn:aws:iam::111122223333:user/alice".into()),
            request,
        });
        let turned = take(ledger, &everything, &fact).await;
        for service in [&described, &new, &everything] {
            let loaded = ledger.load(service, &Mention::Nothing).await;
            let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                loaded.switch.as_ref(),
                Some(&turned.after.switch),
                "{service}"
            );
            let freeze = turned.after.switch.freeze.as_ref();
            assert_eq!(
                freeze.map(|freeze| freeze.reason.as_str()),
                on.then_some(name)
            );
        }
    }
}

async fn comparing_has_a_due_time_of_its_own(ledger: &impl Ledger, name: &str) {
    let name = service(name);
    take(
        ledger,
        &name,
        &configure(config(&name, "compare-5xx"), "request-1"),
    )
    .await;
    let first = domain::due::after(noon(), domain::due::COMPARE_EVERY);
    let later = domain::due::after(first, SignedDuration::from_hours(1));
    let due = async |at| {
        let due = ledger.uncompared(at, 1000).await;
        due.unwrap_or_else(|error| panic!("{error}"))
            .contains(&name)
    };
    assert!(!due(noon()).await, "not at once");
    assert!(due(first).await, "it begins with the configuration");
    for _ in 0..2 {
        let done = ledger.compare_at(&name, later).await;
        assert!(done.is_ok(), "{done:?}");
    }
    assert!(!due(first).await && due(later).await, "and is put off");
    let seq = ledger.load(&name, &Mention::Nothing).await;
    let seq = seq.unwrap_or_else(|error| panic!("{error}")).pipeline.seq;
    take(ledger, &name, &arrived(&name, "v1")).await;
    assert!(!due(first).await && seq > 0, "other commits leave it alone");
}

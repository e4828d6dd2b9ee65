//! The invariants that are judged at the end, when faults are over and all has had its time.

use std::collections::{BTreeMap, BTreeSet};

use domain::announce::announcement;
use domain::artefact::Content;
use domain::config::StageConfig;
use domain::fact::Running;
use domain::name::UNCLAIMED;
use domain::pipeline::{Stage, WaitingOn};
use domain::scan::ScanFound;
use domain::{EntryId, ReleaseNumber, ServiceName, Timestamp, What};

use crate::audit::Book;
use crate::cloud::{Cloud, Nature, Registry, Site, State};
use crate::shared::Shared;

/// Everything that is wrong with a world that should have come to rest.
pub(crate) fn objections(shared: &Shared, pushed: &[(ServiceName, Content, bool)]) -> Vec<String> {
    let mut found = Vec::new();
    let audit = shared.audit.borrow();
    for book in audit.books.values() {
        let service = &book.pipeline.service;
        let mut wrong = Vec::new();
        stages(shared, book, &mut wrong);
        releases(book, &mut wrong);
        heard(shared, book, &mut wrong);
        found.extend(wrong.into_iter().map(|what| format!("{service}: {what}")));
    }
    found.extend(untold(&audit.books));
    let cloud = shared.cloud.borrow();
    for (service, content, wanted) in pushed.iter().filter(|(.., wanted)| *wanted) {
        let gone = cloud.registry.get(content).is_none_or(|stored| stored.gone);
        // What arrived before its service was described is nobody's.
        let mut books = audit.books.values().filter(|book| {
            let name = &book.pipeline.service;
            name == service || name.as_str() == UNCLAIMED
        });
        let placed = books.any(|book| has_place(book, content));
        // What vanished before anybody looked is no artefact any more.
        if *wanted && !gone && !placed {
            found.push(format!("1: {content} of {service} is lost"));
        }
    }
    found
}

/// In the end every service knows how the switch for all was turned last.
fn untold(books: &BTreeMap<ServiceName, Book>) -> Vec<String> {
    let Some(everything) = books.get(&ServiceName::everything()) else {
        return Vec::new();
    };
    let (switch, mut found) = (&everything.pipeline.switch, Vec::new());
    if everything.pipeline.telling_since.is_some() {
        found.push("liveness: not every service was told of the switch for all".to_owned());
    }
    let told = books.values().map(|book| &book.pipeline);
    for one in told.filter(|one| switch.is_news_to(one)) {
        let service = &one.service;
        found.push(format!(
            "liveness: {service} does not know of the switch for all"
        ));
    }
    found
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the books do not need is passed over"
)]
fn has_place(book: &Book, content: &Content) -> bool {
    book.entries.iter().any(|entry| match &entry.what {
        What::Released { release } => release.artefact.content() == *content,
        What::ArtefactRejected { artefact, .. } | What::Unclaimed { artefact } => {
            artefact.content() == *content
        }
        _ => false,
    })
}

fn stages(shared: &Shared, book: &Book, wrong: &mut Vec<String>) {
    let pipeline = &book.pipeline;
    let cloud = shared.cloud.borrow();
    for config in pipeline.config.iter().flat_map(|config| &config.stages) {
        let (name, Some(state)) = (&config.name, pipeline.stages.get(&config.name)) else {
            continue;
        };
        if let Some(active) = &state.active {
            let phase = crate::tally::name_of(&active.phase);
            wrong.push(format!("liveness: {name} is never done, and is {phase}"));
            continue;
        }
        let site = cloud.sites.get(&config.subject());
        // Somebody else's deployment may never end.
        let occupied = site.is_some_and(|site| site.open().is_some());
        if !occupied {
            let now = shared.now.get();
            waiting(book, config, state, (&cloud.registry, now), wrong);
        }
        for alarm in &config.alarms {
            let (believed, truth) = (pipeline.alarms.get(alarm), cloud.alarms.get(alarm));
            if let (Some(believed), Some(truth)) = (believed, truth)
                && (believed.state, believed.voice) != (truth.state, truth.voice)
            {
                let alarm = alarm.name();
                wrong.push(format!(
                    "liveness: {name} believes what is not true of {alarm}"
                ));
            }
        }
        if let Some(release) = state.runs {
            runs(&cloud, book, config, release, wrong);
        }
    }
}

fn waiting(
    book: &Book,
    config: &StageConfig,
    state: &Stage,
    (registry, now): (&Registry, Timestamp),
    wrong: &mut Vec<String>,
) {
    for offer in &state.waiting {
        let may_wait = match &offer.on {
            Some(WaitingOn::Approval { expires_at, .. }) => *expires_at > now,
            Some(WaitingOn::Freeze { until, .. }) => until.is_none_or(|until| until > now),
            Some(WaitingOn::Window { opens_at }) => opens_at.is_none_or(|opens| opens > now),
            Some(WaitingOn::Drift { .. }) => state.drift.is_some(),
            Some(WaitingOn::Alarm { .. }) => !book.pipeline.firing(config).is_empty(),
            // Until a person lets it in, for as long as nothing is known of it.
            Some(WaitingOn::Scan { .. }) => !is_scanned(book, registry, offer.release, now),
            // Behind one that waits for something else.
            Some(WaitingOn::Turn { .. }) => state.waiting.len() > 1,
            Some(WaitingOn::Stage { .. } | WaitingOn::Target { .. } | WaitingOn::Switch { .. })
            | None => false,
        };
        if !may_wait {
            let (name, release, on) = (&config.name, offer.release, &offer.on);
            wrong.push(format!("liveness: {name}: {release} waits on {on:?}"));
        }
    }
}

fn is_scanned(book: &Book, registry: &Registry, release: ReleaseNumber, now: Timestamp) -> bool {
    let release = book.pipeline.release(release);
    release.is_some_and(|one| matches!(registry.scan(&one.artefact, now), ScanFound::Complete(_)))
}

/// Whether something else than this runs, on all of a target or on some of it.
fn foreign(running: &Running, ours: Option<&Content>) -> bool {
    match running {
        Running::All(one) => Some(one) != ours,
        Running::Mixed(several) => several.iter().any(|one| Some(one) != ours),
        Running::Nothing | Running::Unknown => false,
    }
}

/// Whether an attempt landed after it was given up, and failed: of an instance that it left
/// half-way nobody can say what runs there, and CodeDeploy's event of it may be lost.
fn late_and_failed(site: &Site, book: &Book) -> bool {
    let begun = |id: &str| {
        let begins =
            |what: &What| matches!(what, What::Begun { platform_id, .. } if platform_id == id);
        book.entries.iter().any(|entry| begins(&entry.what))
    };
    site.deployments.iter().any(|one| {
        matches!(one.nature, Nature::Ours(_))
            && matches!(one.state, State::Failed(_) | State::Stopped(_))
            && !begun(&one.id)
    })
}

fn runs(
    cloud: &Cloud,
    book: &Book,
    config: &StageConfig,
    release: ReleaseNumber,
    wrong: &mut Vec<String>,
) {
    let site = cloud.sites.get(&config.subject());
    let Some(site) = site else { return };
    let running = site.running();
    let drifted = book
        .pipeline
        .stages
        .get(&config.name)
        .is_some_and(|stage| stage.drift.is_some());
    // What somebody else put there has to be known as drift, unless nothing of theirs runs now.
    if drifted || site.meddled && !foreign(&running, book.pipeline.content(release).as_ref()) {
        return;
    }
    let expected = book.pipeline.content(release).map(Running::All);
    if running == Running::Unknown && late_and_failed(site, book) {
        return;
    }
    if expected.as_ref() != Some(&running) && running != Running::Nothing {
        let name = &config.name;
        wrong.push(format!(
            "6: on {name} should run {release}, and what runs is {running:?}"
        ));
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the books do not need is passed over"
)]
fn releases(book: &Book, wrong: &mut Vec<String>) {
    let mut held: BTreeSet<&EntryId> = BTreeSet::new();
    for stage in book.pipeline.stages.values() {
        held.extend(stage.waiting.iter().map(|offer| &offer.id));
        held.extend(stage.active.iter().map(|active| &active.offer.id));
    }
    for (id, offer) in &book.offers {
        let held = u32::from(held.contains(id));
        if offer.ends + held != 1 {
            let (release, stage, ends) = (offer.release, &offer.stage, offer.ends);
            wrong.push(format!(
                "1: deployment {id} of {release} on {stage} ended {ends} times and is held {held}"
            ));
        }
    }
    let mut placed = BTreeSet::new();
    for entry in &book.entries {
        match &entry.what {
            What::Offered { release, .. }
            | What::HeldBack { release, .. }
            | What::Adopted { release, .. } => {
                placed.insert(*release);
            }
            _ => {}
        }
    }
    for entry in &book.entries {
        if let What::Released { release } = &entry.what
            && !placed.contains(&release.number)
        {
            wrong.push(format!("1: release {} has no place", release.number));
        }
    }
}

fn heard(shared: &Shared, book: &Book, wrong: &mut Vec<String>) {
    let heard = shared.heard.borrow();
    let told = book
        .entries
        .iter()
        .filter_map(|entry| announcement(&book.pipeline.service, entry));
    for one in told.filter(|one| !heard.contains(&one.id)) {
        wrong.push(format!("8: nobody heard of {}: {}", one.id, one.kind));
    }
}

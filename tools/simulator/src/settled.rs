//! The invariants that are judged at the end, when faults are over and all has had its time.

use domain::announce::announcement;
use domain::config::Target;
use domain::fact::Running;
use domain::pipeline::WaitingOn;
use domain::{EntryId, ReleaseNumber, What};

use crate::audit::Book;
use crate::shared::Shared;

/// Everything that is wrong with a world that should have come to rest.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the books do not need is passed over"
)]
pub(crate) fn objections(shared: &Shared, uploads: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let audit = shared.audit.borrow();
    if !shared.cloud.borrow().is_quiet() {
        found.push("liveness: a deployment never ends on the platform".to_owned());
    }
    for book in audit.books.values() {
        let service = &book.pipeline.service;
        let mut wrong = Vec::new();
        stages(shared, book, &mut wrong);
        releases(book, &mut wrong);
        heard(shared, book, &mut wrong);
        found.extend(wrong.into_iter().map(|what| format!("{service}: {what}")));
    }
    for version in uploads {
        let known = audit
            .books
            .values()
            .flat_map(|book| &book.entries)
            .any(|entry| {
                let artefact = match &entry.what {
                    What::Released { release } => &release.artefact,
                    What::ArtefactRejected { artefact, .. } | What::Unclaimed { artefact } => {
                        artefact
                    }
                    _ => return false,
                };
                artefact.content().0.ends_with(&format!("@{version}"))
            });
        if !known {
            found.push(format!("1: artefact {version} is lost"));
        }
    }
    found
}

fn stages(shared: &Shared, book: &Book, wrong: &mut Vec<String>) {
    let pipeline = &book.pipeline;
    let cloud = shared.cloud.borrow();
    for config in pipeline.config.iter().flat_map(|config| &config.stages) {
        let (name, Some(state)) = (&config.name, pipeline.stages.get(&config.name)) else {
            continue;
        };
        if let Some(active) = &state.active {
            wrong.push(format!(
                "liveness: {name} is never done with {:?}",
                active.phase
            ));
            continue;
        }
        for offer in &state.waiting {
            let may_wait = match &offer.on {
                Some(WaitingOn::Approval { .. } | WaitingOn::Freeze { until: None, .. }) => true,
                Some(WaitingOn::Alarm { .. }) => !pipeline.firing(config).is_empty(),
                // Behind one that waits for a person.
                Some(WaitingOn::Turn { .. }) => state.waiting.len() > 1,
                Some(
                    WaitingOn::Freeze { .. }
                    | WaitingOn::Window { .. }
                    | WaitingOn::Stage { .. }
                    | WaitingOn::Target { .. },
                )
                | None => false,
            };
            if !may_wait {
                let (release, on) = (offer.release, &offer.on);
                wrong.push(format!("liveness: {name}: {release} waits on {on:?}"));
            }
        }
        for alarm in &config.alarms {
            let (believed, truth) = (pipeline.alarms.get(alarm), cloud.alarms.get(alarm));
            if let (Some(believed), Some(truth)) = (believed, truth)
                && believed.state != truth.state
            {
                wrong.push(format!(
                    "liveness: {name} believes {:?} of {alarm}",
                    believed.state
                ));
            }
        }
        let Some(release) = state.runs else { continue };
        runs(&cloud, book, &config.target, release, wrong);
    }
}

fn runs(
    cloud: &crate::cloud::Cloud,
    book: &Book,
    target: &Target,
    release: ReleaseNumber,
    wrong: &mut Vec<String>,
) {
    let Some(site) = cloud.sites.get(target).filter(|site| !site.meddled) else {
        return;
    };
    let expected = book.pipeline.content(release).map(Running::All);
    if expected.as_ref() == Some(&site.running) {
        return;
    }
    let running = &site.running;
    wrong.push(format!(
        "6: the ledger says {release}, and what runs is {running:?}"
    ));
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the books do not need is passed over"
)]
fn releases(book: &Book, wrong: &mut Vec<String>) {
    let waiting = |id: &EntryId| {
        let mut stages = book.pipeline.stages.values();
        stages.any(|stage| {
            stage.waiting.iter().any(|offer| offer.id == *id)
                || stage
                    .active
                    .as_ref()
                    .is_some_and(|active| active.offer.id == *id)
        })
    };
    for (id, offer) in &book.offers {
        let held = u32::from(waiting(id));
        if offer.ends + held != 1 {
            let (release, stage, ends) = (offer.release, &offer.stage, offer.ends);
            wrong.push(format!(
                "1: deployment {id} of {release} on {stage} ended {ends} times and is held {held}"
            ));
        }
    }
    for entry in &book.entries {
        let What::Released { release } = &entry.what else {
            continue;
        };
        let placed = book.entries.iter().any(|other| match &other.what {
            What::Offered { release: one, .. }
            | What::HeldBack { release: one, .. }
            | What::Adopted { release: one, .. } => *one == release.number,
            _ => false,
        });
        if !placed {
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

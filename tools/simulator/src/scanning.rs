//! ECR scans what is pushed to a repository whose service asks for it, and says so when it is done.

use domain::artefact::Artefact;
use domain::config::Source;
use domain::scan::{Findings, ScanFound, Severity};
use domain::{ServiceName, SignedDuration, Timestamp, due};

use crate::adversary::Adversary;
use crate::bus::Delivery;
use crate::point::Function;
use crate::render;
use crate::shared::Shared;
use crate::world::{Event, World};

/// How much longer a scan takes that is late.
const LATE: SignedDuration = SignedDuration::from_mins(70);

impl World {
    /// An image was pushed.
    pub(crate) fn scan(&mut self, service: &ServiceName, artefact: &Artefact) {
        let Artefact::Image {
            repository, digest, ..
        } = artefact
        else {
            return;
        };
        if !self.asks_for_scans(service) {
            return;
        }
        let comes_to = comes_to(&self.shared);
        for (at, _) in &comes_to {
            let bytes = render::scanned(repository, digest, *at);
            let told = Delivery::new(Function::ImagePushed, bytes);
            self.at(*at, Event::Send(Box::new(told)));
        }
        let mut cloud = self.shared.cloud.borrow_mut();
        cloud.registry.begin_scan(artefact.content(), comes_to);
    }

    fn asks_for_scans(&self, service: &ServiceName) -> bool {
        let audit = self.shared.audit.borrow();
        let book = audit.books.get(service);
        let config = book.and_then(|book| book.pipeline.config.as_ref());
        config.is_some_and(|config| match &config.source {
            Source::Ecr { max_severity, .. } => max_severity.is_some(),
            Source::S3 { .. } | Source::Oci { .. } => false,
        })
    }
}

/// What becomes of the scan of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ends within a minute and finds little.
    Well,
    /// So it does, more than an hour later.
    Late,
    Never,
    Fails,
    /// It fails, and an hour later another one ends well.
    FailsFirst,
    /// It finds more than any source lets through.
    Findings,
    /// It finds that an hour later: what is known of vulnerabilities grows.
    FindingsLater,
}

/// How a scan may go wrong.
const TROUBLE: [Outcome; 6] = [
    Outcome::Late,
    Outcome::Never,
    Outcome::Fails,
    Outcome::FailsFirst,
    Outcome::Findings,
    Outcome::FindingsLater,
];

fn comes_to(shared: &Shared) -> Vec<(Timestamp, ScanFound)> {
    let (soon, minute) = (SignedDuration::from_secs(5), SignedDuration::from_mins(1));
    let first = due::after(shared.now.get(), shared.between(soon, minute));
    let late = due::after(first, LATE);
    let found = |severity| ScanFound::Complete(Findings::new([(severity, 2)].into(), Vec::new()));
    let failed = || ScanFound::Unclear("its operating system is not known".to_owned());
    match outcome(shared) {
        Outcome::Well => vec![(first, found(Severity::Low))],
        Outcome::Late => vec![(late, found(Severity::Low))],
        Outcome::Never => Vec::new(),
        Outcome::Fails => vec![(first, failed())],
        Outcome::FailsFirst => vec![(first, failed()), (late, found(Severity::High))],
        Outcome::Findings => vec![(first, found(Severity::Critical))],
        Outcome::FindingsLater => vec![
            (first, found(Severity::Medium)),
            (late, found(Severity::Critical)),
        ],
    }
}

/// What was told to become of it, or what is drawn.
fn outcome(shared: &Shared) -> Outcome {
    if let Some(told) = shared.next_scan.take() {
        return told;
    }
    let strikes = shared.strikes(Adversary::Scans);
    let drawn = strikes.then(|| shared.rng.borrow_mut().choice(TROUBLE));
    drawn.flatten().unwrap_or(Outcome::Well)
}

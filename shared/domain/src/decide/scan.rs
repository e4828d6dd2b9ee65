//! Scans: a source may let an image in only after its scan, and only when nothing worse was found
//! than the service file lets through. What runs already is left alone.

use jiff::Timestamp;

use super::Draft;
use crate::artefact::Artefact;
use crate::config::Source;
use crate::due::after;
use crate::entry::{Drop, Purpose, What};
use crate::name::{ReleaseNumber, StageName};
use crate::pipeline::{Offer, Pipeline, WaitingOn};
use crate::reason::Reason;
use crate::scan::{SCAN_PAUSE_MAX, SCAN_WITHIN, Scan, ScanFound, Scanned, Severity, TooBad};

pub(super) fn scanned(draft: &mut Draft, scanned: &Scanned) -> Reason {
    let pipeline = &draft.pipeline;
    let of = |artefact: &Artefact| artefact.id() == scanned.artefact;
    let mut releases = pipeline.releases.values();
    let Some(release) = releases.find(|release| of(&release.artefact)) else {
        return Reason::NothingNew;
    };
    let (number, recorded_at) = (release.number, release.recorded_at);
    if most(pipeline).is_none() {
        return Reason::NothingNew;
    }
    let known = pipeline.scans.get(&number);
    let again_at = again_at(recorded_at, draft.now);
    let scan = match &scanned.found {
        ScanFound::Complete(findings) => Scan::Complete(findings.clone()),
        // What was found holds until another scan has ended.
        ScanFound::Pending | ScanFound::Unclear(_) if matches!(known, Some(Scan::Complete(_))) => {
            return Reason::NothingNew;
        }
        ScanFound::Pending => Scan::Pending { again_at },
        ScanFound::Unclear(problem) => Scan::Unclear {
            problem: problem.clone(),
            again_at,
        },
    };
    if known.is_some_and(|known| says_the_same(known, &scan, draft.now)) {
        return Reason::NothingNew;
    }
    let what = What::Scanned {
        release: number,
        scan,
    };
    draft.write(what, Reason::PlatformReported);
    Reason::PlatformReported
}

/// The longer a scan takes, the more rarely it is asked for.
fn again_at(recorded_at: Timestamp, now: Timestamp) -> Timestamp {
    let age = now.duration_since(recorded_at);
    after(now, (age / 2).clamp(SCAN_WITHIN, SCAN_PAUSE_MAX))
}

/// Whether a scan is as it was known, and need not be asked for anew.
fn says_the_same(known: &Scan, scan: &Scan, now: Timestamp) -> bool {
    let rests = known.again_at().is_none_or(|again_at| again_at > now);
    rests
        && match (known, scan) {
            (Scan::Pending { .. }, Scan::Pending { .. }) => true,
            (Scan::Complete(known), Scan::Complete(found)) => known == found,
            (Scan::Unclear { problem: known, .. }, Scan::Unclear { problem, .. }) => {
                known == problem
            }
            (
                Scan::Pending { .. } | Scan::Complete(_) | Scan::Unclear { .. },
                Scan::Pending { .. } | Scan::Complete(_) | Scan::Unclear { .. },
            ) => false,
        }
}

/// The worst finding that the source lets through, when it asks for scans.
fn most(pipeline: &Pipeline) -> Option<Severity> {
    match &pipeline.config.as_ref()?.source {
        Source::Ecr { max_severity, .. } => *max_severity,
        Source::S3 { .. } | Source::Oci { .. } => None,
    }
}

/// What the scan of a release that waits still has to bring. What goes back is held by no scan: its
/// caller does not ask.
pub(super) fn hold(pipeline: &Pipeline, offer: &Offer) -> Option<WaitingOn> {
    most(pipeline)?;
    let release = pipeline.releases.get(&offer.release)?;
    let is_scanned = matches!(release.artefact, Artefact::Image { .. });
    if !is_scanned || offer.despite.findings.is_some() {
        return None;
    }
    match pipeline.scans.get(&offer.release) {
        None | Some(Scan::Pending { .. }) => Some(WaitingOn::Scan { problem: None }),
        Some(Scan::Unclear { problem, .. }) => Some(WaitingOn::Scan {
            problem: Some(problem.clone()),
        }),
        Some(Scan::Complete(_)) => None,
    }
}

/// What is worse in a release than its source lets through.
pub(super) fn too_bad(pipeline: &Pipeline, release: ReleaseNumber) -> Option<TooBad> {
    match pipeline.scans.get(&release)? {
        Scan::Complete(findings) => findings.above(most(pipeline)?),
        Scan::Pending { .. } | Scan::Unclear { .. } => None,
    }
}

/// Refuses what waits and turned out to be too bad.
pub(super) fn refuse_too_bad(draft: &mut Draft, name: &StageName) {
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    let refused: Vec<_> = stage
        .waiting
        .iter()
        .filter(|offer| offer.purpose == Purpose::Release && offer.despite.findings.is_none())
        .filter_map(|offer| {
            let too_bad = too_bad(&draft.pipeline, offer.release)?;
            Some((offer.id.clone(), offer.release, too_bad))
        })
        .collect();
    for (deployment, release, findings) in refused {
        let what = What::Dropped {
            stage: name.clone(),
            deployment,
            release,
            end: Drop::Vulnerable(findings),
        };
        draft.write(what, Reason::FindingsTooBad);
    }
}

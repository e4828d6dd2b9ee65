//! Invariants 2, 3 and 9: what may be offered, approved and begun.

use domain::config::{AuthorMay, Gate, Source, StageConfig};
use domain::entry::{Order, Purpose};
use domain::fact::Despite;
use domain::scan::Scan;
use domain::{
    Artefact, Entry, EntryId, Identity, ReleaseNumber, SignedDuration, StageName, Timestamp, due,
};

use super::buttons::{names, wrote};
use super::{Book, Offered, SKEW};

impl Book {
    pub(super) fn check_start(
        &self,
        deployment: &EntryId,
        order: &Order,
        now: Timestamp,
        object: &mut impl FnMut(&str),
    ) {
        let Some(offer) = self.offers.get(deployment) else {
            return object("3: a start without an offer");
        };
        let Some((config, stage)) = self.pipeline.stage(&order.stage) else {
            return object("3: a start on a stage that is not configured");
        };
        if offer.release != order.release || offer.stage != order.stage {
            object("3: what starts is not what was offered");
        }
        let released = self.pipeline.releases.get(&order.release);
        if released.is_none_or(|release| release.artefact != order.artefact) {
            object("3: what starts is not the release's artefact");
        }
        if config.target != order.target || config.place != order.place {
            object("3: what starts is not on the stage's target");
        }
        let other = stage.active.as_ref();
        if other.is_some_and(|active| active.offer.id != *deployment) {
            object("2: two deployments on a stage");
        }
        if offer.ends > 0 {
            object("2: a deployment starts that has ended");
        }
        // A start that is asked for again began before whatever would hold it now.
        if offer.purpose == Purpose::Release && other.is_none() {
            self.check_gate(offer, config, object);
            self.check_time(&order.stage, config, now, object);
            self.check_release(offer, order, object);
            self.check_scan(offer, object);
        }
    }

    fn check_gate(&self, offer: &Offered, config: &StageConfig, object: &mut impl FnMut(&str)) {
        let Gate::Approval(rule) = &config.gate else {
            return;
        };
        let runs = self
            .pipeline
            .stages
            .get(&offer.stage)
            .and_then(|one| one.runs);
        let valid = offer.approvals.values().filter(|over| **over == runs);
        if valid.count() < rule.count as usize {
            object("3: a start without its approvals");
        }
    }

    /// What its source asks for: a scan that has ended, and found nothing worse than it lets
    /// through; or a person who lets it in all the same.
    fn check_scan(&self, offer: &Offered, object: &mut impl FnMut(&str)) {
        let source = self.pipeline.config.as_ref().map(|config| &config.source);
        let Some(Source::Ecr {
            max_severity: Some(most),
            ..
        }) = source
        else {
            return;
        };
        // Whatever else was found running is no image that could be scanned.
        let release = self.pipeline.release(offer.release);
        if !release.is_some_and(|one| matches!(one.artefact, Artefact::Image { .. })) {
            return;
        }
        match self.scans.get(&offer.release) {
            _ if offer.despite_findings => {}
            Some(Scan::Complete(findings)) => {
                if findings.counts.keys().any(|found| found > most) {
                    object("3: a start although its scan found too much");
                }
            }
            Some(Scan::Pending { .. } | Scan::Unclear { .. }) | None => {
                object("3: a start before its image was scanned");
            }
        }
    }

    fn check_time(
        &self,
        stage: &StageName,
        config: &StageConfig,
        now: Timestamp,
        object: &mut impl FnMut(&str),
    ) {
        for of in [None, Some(stage.clone())] {
            let freeze = self.freezes.get(&of);
            let holds = freeze.is_some_and(|freeze| {
                freeze
                    .until
                    .is_none_or(|until| until > due::after(now, SKEW))
            });
            if holds {
                object("9: a start during a freeze");
            }
        }
        let moments =
            [-300, -150, 0, 150].map(|seconds| due::after(now, SignedDuration::from_secs(seconds)));
        let windows: Vec<String> = config.windows.iter().map(ToString::to_string).collect();
        let open = |text: &String| moments.iter().any(|at| is_open(text, *at));
        if !windows.is_empty() && !windows.iter().any(open) {
            object("9: a start outside the stage's windows");
        }
    }

    fn check_release(&self, offer: &Offered, order: &Order, object: &mut impl FnMut(&str)) {
        let (stage, release) = (&order.stage, order.release);
        if self.quarantined.contains(&(stage.clone(), release)) && !offer.by_hand {
            object("5: a quarantined release starts by itself");
        }
        if self.fires_on(stage) && order.alarms == domain::entry::AlarmsAtStart::Hold {
            object("4: a start although an alarm fires");
        }
        let build = |number| self.pipeline.releases.get(number).map(|one| &one.build);
        let Some(mine) = build(&release).filter(|_| !offer.by_hand) else {
            return;
        };
        let before = self.begun.get(stage).into_iter().flatten();
        let newer = before.filter(|one| **one != release).any(|one| {
            let older_build = build(one).is_some_and(|theirs| {
                mine.job.is_some()
                    && mine.job == theirs.job
                    && mine.build_number < theirs.build_number
            });
            *one > release || older_build
        });
        if newer {
            object("3: a stage goes backwards by itself");
        }
    }

    pub(super) fn check_offer(
        &self,
        stage: &StageName,
        release: ReleaseNumber,
        (purpose, despite): (Purpose, &Despite),
        object: &mut impl FnMut(&str),
    ) {
        let quarantined = self.quarantined.contains(&(stage.clone(), release));
        if quarantined && despite.quarantine.is_none() {
            object("5: a quarantined release is offered without a reason");
        }
        if purpose == Purpose::Rollback {
            if !self.is_good(stage, release) {
                object("5: a rollback to a release that is not good there");
            }
            return;
        }
        let config = self.pipeline.config.as_ref();
        let before = config.and_then(|config| config.stage_before(stage));
        if let Some(before) = before
            && !self.ever_good.contains(&(before.name.clone(), release))
        {
            object("3: offered without being good on the stage before");
        }
    }

    /// By somebody the rule names, who did not write it, in time, once.
    pub(super) fn check_approval(
        &self,
        entry: &Entry,
        stage: &StageName,
        deployment: &EntryId,
        by: &Identity,
        object: &mut impl FnMut(&str),
    ) {
        let config = self.pipeline.config.as_ref();
        let config = config.and_then(|config| config.stage(stage));
        let (Some(config), Some(offer)) = (config, self.offers.get(deployment)) else {
            return object("3: an approval of nothing");
        };
        let Gate::Approval(rule) = &config.gate else {
            return object("3: an approval where none is asked for");
        };
        if !names(rule, by) {
            object("3: approved by somebody the rule does not name");
        }
        let release = self.pipeline.releases.get(&offer.release);
        let author = release.and_then(|one| one.build.author.as_deref());
        let wrote = author.is_some_and(|author| wrote(by, author));
        if wrote && rule.author == AuthorMay::NotApprove {
            object("3: approved by its author");
        }
        if offer.approvals.contains_key(by) {
            object("3: approved twice by one person");
        }
        let expired = due::after(offer.offered_at, rule.expires_after) <= entry.at;
        if expired && offer.approvals.len() < rule.count as usize {
            object("3: approved after the request expired");
        }
    }
}

/// Whether a window is open, by a calendar of its own: `Mon-Fri 10:00-17:00 Asia/Kolkata`, in UTC
/// or in India, which know no summer time.
fn is_open(window: &str, at: Timestamp) -> bool {
    let mut parts = window.split_whitespace();
    let (Some(days), Some(hours), Some(zone)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let east = if zone == "Asia/Kolkata" { 330 } else { 0 };
    let minutes = at.as_second().div_euclid(60) + east;
    // 1 January 1970 was a Thursday.
    let weekday = (minutes.div_euclid(24 * 60) + 3).rem_euclid(7);
    let minute = minutes.rem_euclid(24 * 60);
    let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let index = |name: &str| {
        let at = names.iter().position(|one| *one == name);
        at.and_then(|at| i64::try_from(at).ok()).unwrap_or(7)
    };
    let day = days.split(',').any(|span| {
        let (from, to) = span.split_once('-').unwrap_or((span, span));
        (index(from)..=index(to)).contains(&weekday)
    });
    let clock = |text: &str| {
        let (hour, minute) = text.split_once(':').unwrap_or((text, "0"));
        let number = |text: &str| text.parse::<i64>().unwrap_or_default();
        number(hour) * 60 + number(minute)
    };
    let (from, to) = hours.split_once('-').unwrap_or((hours, hours));
    day && (clock(from)..clock(to)).contains(&minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_auditors_calendar_knows_days_hours_and_india() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // A Monday.
        let noon = at("2026-11-23T12:00:00Z");
        assert!(is_open("Mon-Fri 12:00-13:00 UTC", noon));
        assert!(!is_open("Mon-Fri 12:30-14:00 UTC", noon));
        assert!(is_open("Mon,Tue 17:00-19:30 Asia/Kolkata", noon));
        assert!(!is_open("Sat-Sun 00:00-24:00 UTC", noon));
        let sunday = at("2026-11-22T19:00:00Z");
        assert!(
            is_open("Mon 00:00-24:00 Asia/Kolkata", sunday),
            "it is Monday in India"
        );
        assert!(is_open("Sun 00:00-24:00 UTC", sunday));
    }
}

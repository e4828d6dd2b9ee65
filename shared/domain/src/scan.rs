//! Scans of images for known vulnerabilities: what a registry found, and what a source lets
//! through. When a scan is looked for and what follows from it is in [`mod@crate::decide`].

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::artefact::ArtefactId;

/// How long a registry may take to tell of a scan before it is asked: its events may be lost, and
/// may come before the release is recorded.
pub const SCAN_WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// Longest pause between two looks for a scan that does not come.
pub const SCAN_PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// Findings that are kept by name, the worst; of the others only the number.
pub const FINDINGS_NAMED_MAX: usize = 10;

/// How bad a finding is, as ECR's basic scanning and Inspector rate it alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "FindingSeverity"))]
pub enum Severity {
    /// Good to know.
    Informational,
    /// Hard to use, and little to gain.
    Low,
    /// Something in between.
    Medium,
    /// Can be used, with much to gain.
    High,
    /// Can be used from anywhere, by anybody.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [
        Self::Informational,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The word for it, as AWS writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "INFORMATIONAL",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }

    /// The severity with this word. None for `UNDEFINED` and `UNTRIAGED`: what nobody has rated is
    /// held against no release.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What people look it up by, such as `CVE-2026-12345`.
    pub name: String,
    /// The package it is in, when the scan tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            severity,
            name,
            package,
        } = self;
        write!(f, "{severity} {name}")?;
        match package {
            Some(package) => write!(f, " in {package}"),
            None => Ok(()),
        }
    }
}

/// What a complete scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How many of each severity; none of those that are not here.
    pub counts: BTreeMap<Severity, u32>,
    /// The worst by name, the worst first, [`FINDINGS_NAMED_MAX`] at most.
    pub worst: Vec<Finding>,
}

impl Findings {
    /// Puts the worst first and forgets the names of the others. What is worse than the registry's
    /// own counts say is counted all the same.
    #[must_use]
    pub fn new(mut counts: BTreeMap<Severity, u32>, mut named: Vec<Finding>) -> Self {
        named.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
        named.dedup();
        for severity in Severity::ALL {
            let there = named.iter().filter(|one| one.severity == severity).count();
            let there = u32::try_from(there).unwrap_or(u32::MAX);
            if there > 0 {
                let count = counts.entry(severity).or_default();
                *count = there.max(*count);
            }
        }
        counts.retain(|_, count| *count > 0);
        named.truncate(FINDINGS_NAMED_MAX);
        Self {
            counts,
            worst: named,
        }
    }

    /// What is worse than `most`; none when nothing is.
    #[must_use]
    pub fn above(&self, most: Severity) -> Option<TooBad> {
        let count = self
            .counts
            .iter()
            .filter(|(severity, _)| **severity > most)
            .fold(0_u32, |sum, (_, count)| sum.saturating_add(*count));
        let named = self.worst.iter().filter(|one| one.severity > most);
        (count > 0).then(|| TooBad {
            most,
            count,
            named: named.cloned().collect(),
        })
    }
}

/// How many of each severity, the worst first: `2 CRITICAL, 5 HIGH`.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.counts.is_empty() {
            return f.write_str("nothing");
        }
        for (at, (severity, count)) in self.counts.iter().rev().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {severity}")?;
        }
        Ok(())
    }
}

/// What a scan found that is worse than a source lets through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TooBad {
    /// The worst that would have been let through.
    pub most: Severity,
    /// How many findings are worse.
    pub count: u32,
    /// Some of them by name, the worst first.
    pub named: Vec<Finding>,
}

/// Such as `2 findings above HIGH: CRITICAL CVE-2026-1 in openssl, CRITICAL CVE-2026-2`.
impl fmt::Display for TooBad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { most, count, named } = self;
        let word = if *count == 1 { "finding" } else { "findings" };
        write!(f, "{count} {word} above {most}")?;
        for (at, finding) in named.iter().enumerate() {
            let mark = if at == 0 { ":" } else { "," };
            write!(f, "{mark} {finding}")?;
        }
        let unnamed = (*count as usize).saturating_sub(named.len());
        match (named.is_empty(), unnamed) {
            (true, _) | (false, 0) => Ok(()),
            (false, unnamed) => write!(f, " and {unnamed} more"),
        }
    }
}

/// What the ledger knows of a release's scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scan {
    /// It has not ended.
    Pending {
        /// When the registry is asked again.
        again_at: Timestamp,
    },
    /// It has ended. A later one takes its place.
    Complete(Findings),
    /// There is nothing to rely on.
    Unclear {
        /// Why not, for people.
        problem: String,
        /// When the registry is asked again.
        again_at: Timestamp,
    },
}

impl Scan {
    /// When the registry is asked again without anybody saying so.
    #[must_use]
    pub fn again_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { again_at } | Self::Unclear { again_at, .. } => Some(*again_at),
            Self::Complete(_) => None,
        }
    }
}

/// What a registry says of an image's scan now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanFound {
    /// It has not ended.
    Pending,
    /// It has ended.
    Complete(Findings),
    /// It failed, was never begun, or cannot be asked for; why, for people.
    Unclear(String),
}

/// An image's scan was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// The image.
    pub artefact: ArtefactId,
    /// What the registry says.
    pub found: ScanFound,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, name: &str) -> Finding {
        Finding {
            severity,
            name: name.to_owned(),
            package: None,
        }
    }

    #[test]
    fn the_worst_are_named_and_of_the_others_the_number_is_kept() {
        let lows = (0..20).map(|at| finding(Severity::Low, &format!("CVE-1-{at:02}")));
        let named = lows
            .chain([finding(Severity::Critical, "CVE-2-1")])
            .collect();
        let findings = Findings::new(BTreeMap::from([(Severity::Low, 40)]), named);
        assert_eq!(findings.to_string(), "1 CRITICAL, 40 LOW");
        assert_eq!(findings.worst.len(), FINDINGS_NAMED_MAX);
        assert_eq!(findings.worst[0].name, "CVE-2-1");
        assert_eq!(findings.worst[1].name, "CVE-1-00");
    }

    #[test]
    fn what_is_exactly_as_bad_as_is_let_through_is_let_through() {
        let findings = Findings::new(BTreeMap::from([(Severity::High, 2)]), Vec::new());
        assert_eq!(findings.above(Severity::High), None);
        let too_bad = findings.above(Severity::Medium).unwrap();
        assert_eq!(too_bad.to_string(), "2 findings above MEDIUM");
    }

    #[test]
    fn findings_are_named_and_what_has_no_name_is_counted() {
        let counts = BTreeMap::from([(Severity::Critical, 3), (Severity::High, 0)]);
        let named = vec![Finding {
            package: Some("openssl".to_owned()),
            ..finding(Severity::Critical, "CVE-2026-1")
        }];
        let too_bad = Findings::new(counts, named).above(Severity::High).unwrap();
        assert_eq!(
            too_bad.to_string(),
            "3 findings above HIGH: CRITICAL CVE-2026-1 in openssl and 2 more"
        );
    }

    #[test]
    fn what_nobody_rated_has_no_severity() {
        for severity in Severity::ALL {
            assert_eq!(Severity::of(severity.as_str()), Some(severity));
        }
        for word in ["UNDEFINED", "UNTRIAGED", "TOTAL", "high"] {
            assert_eq!(Severity::of(word), None);
        }
    }
}

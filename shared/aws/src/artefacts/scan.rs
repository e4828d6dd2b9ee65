//! What scans of images of ECR found: ECR's own (basic scanning) and Inspector's (enhanced
//! scanning), which answer to the same question in two shapes.

use std::collections::BTreeMap;

use aws_sdk_ecr::operation::describe_image_scan_findings::DescribeImageScanFindingsOutput as Page;
use aws_sdk_ecr::types::{
    EnhancedImageScanFinding, ImageIdentifier, ImageScanFinding, ImageScanFindings, ScanStatus,
};
use domain::scan::{Finding, Findings, ScanFound, Severity};
use engine::PlatformError;

use super::image::{Repository, fetch};
use crate::errors::{Trouble, cut};
use crate::places::Clients;

/// Findings of one answer (ECR API, DescribeImageScanFindings: 1000 at most).
const FINDINGS_PER_PAGE: i32 = 200;
/// Most answers that are read for the findings' names. How many there are, the first one tells.
const PAGES_MAX: usize = 10;
/// Most images of an index that are looked at.
const IMAGES_MAX: usize = 10;
/// The attribute of a basic finding that names the package.
const PACKAGE: &str = "package_name";
/// The status of an enhanced finding that counts: others are closed or suppressed.
const ACTIVE: &str = "ACTIVE";

/// Looks at an image's scan. Of a multi-architecture image only the parts are scanned (Amazon ECR
/// user guide, "Scan images"): it is as bad as all of them together, and complete when all are.
pub(super) async fn look(
    clients: &Clients,
    repository: Repository<'_>,
    digest: &str,
) -> Result<ScanFound, PlatformError> {
    let ecr = clients.ecr();
    let mut images = match fetch(ecr, repository, digest).await? {
        Ok(manifest) => manifest.images(),
        Err(why) => return Ok(ScanFound::Unclear(why)),
    };
    if images.is_empty() {
        images.push(digest.to_owned());
    }
    if images.len() > IMAGES_MAX {
        let problem = format!("it has more than {IMAGES_MAX} architectures");
        return Ok(ScanFound::Unclear(problem));
    }
    let mut all = Vec::new();
    for image in &images {
        all.push(look_at(ecr, repository, image).await?);
    }
    Ok(together(all))
}

/// What nothing can be relied on of comes first, then what has not ended.
fn together(all: Vec<ScanFound>) -> ScanFound {
    let (mut counts, mut named, mut pending) = (BTreeMap::new(), Vec::new(), false);
    for found in all {
        match found {
            ScanFound::Unclear(problem) => return ScanFound::Unclear(problem),
            ScanFound::Pending => pending = true,
            ScanFound::Complete(findings) => {
                for (severity, count) in findings.counts {
                    // The parts are the same software: what one has, the others mostly have too.
                    let most: &mut u32 = counts.entry(severity).or_default();
                    *most = count.max(*most);
                }
                named.extend(findings.worst);
            }
        }
    }
    if pending {
        ScanFound::Pending
    } else {
        ScanFound::Complete(Findings::new(counts, named))
    }
}

async fn look_at(
    ecr: &aws_sdk_ecr::Client,
    repository: Repository<'_>,
    digest: &str,
) -> Result<ScanFound, PlatformError> {
    let mut pages = ecr
        .describe_image_scan_findings()
        .registry_id(repository.account.as_str())
        .repository_name(repository.name)
        .image_id(ImageIdentifier::builder().image_digest(digest).build())
        .into_paginator()
        .page_size(FINDINGS_PER_PAGE)
        .send();
    let (mut counts, mut named) = (BTreeMap::new(), Vec::new());
    for at in 0..PAGES_MAX {
        let page = match pages.next().await {
            None => break,
            Some(Ok(page)) => page,
            Some(Err(error)) => {
                let trouble = Trouble::of("ecr:DescribeImageScanFindings", &error);
                return if trouble.is(&["ScanNotFoundException"]) {
                    let problem = "it was never scanned; is scanning on push turned on?";
                    Ok(ScanFound::Unclear(problem.to_owned()))
                } else {
                    Err(trouble.into())
                };
            }
        };
        if at == 0
            && let Some(otherwise) = unless_complete(&page)
        {
            return Ok(otherwise);
        }
        let Some(findings) = page.image_scan_findings else {
            break;
        };
        counts.extend(counted(&findings));
        let enhanced = findings.enhanced_findings.unwrap_or_default();
        let basic = findings.findings.unwrap_or_default();
        named.extend(basic.into_iter().filter_map(of_basic));
        named.extend(enhanced.into_iter().filter_map(of_enhanced));
        // Only the worst are kept, and the memory of a function is small.
        named = Findings::new(BTreeMap::new(), named).worst;
    }
    Ok(ScanFound::Complete(Findings::new(counts, named)))
}

/// What a scan comes to that has brought no findings. Enhanced scanning is `ACTIVE` from its
/// beginning on, and says only with the first result when that was.
fn unless_complete(page: &Page) -> Option<ScanFound> {
    let told = page.image_scan_status.as_ref();
    let status = told.and_then(|told| told.status.as_ref());
    let ended = page.image_scan_findings.as_ref();
    let ended = ended.is_some_and(|findings| findings.image_scan_completed_at.is_some());
    match status {
        Some(ScanStatus::Complete) => None,
        Some(ScanStatus::Active) if ended => None,
        Some(ScanStatus::Active | ScanStatus::InProgress | ScanStatus::Pending) => {
            Some(ScanFound::Pending)
        }
        other => {
            let status = other.map_or("no status", |status| status.as_str());
            let words = told.and_then(|told| told.description.as_deref());
            let words = words.map_or_else(String::new, |words| format!(": {words}"));
            Some(ScanFound::Unclear(cut(&format!("{status}{words}"))))
        }
    }
}

fn counted(findings: &ImageScanFindings) -> impl Iterator<Item = (Severity, u32)> {
    let counts = findings.finding_severity_counts.iter().flatten();
    counts.filter_map(|(severity, count)| {
        let count = u32::try_from(*count).unwrap_or_default();
        Some((Severity::of(severity.as_str())?, count))
    })
}

fn of_basic(finding: ImageScanFinding) -> Option<Finding> {
    let severity = Severity::of(finding.severity.as_ref()?.as_str())?;
    let attributes = finding.attributes.unwrap_or_default();
    let mut packages = attributes.into_iter().filter(|one| one.key == PACKAGE);
    Some(Finding {
        severity,
        name: cut(&finding.name?),
        package: packages.next().and_then(|one| one.value),
    })
}

fn of_enhanced(finding: EnhancedImageScanFinding) -> Option<Finding> {
    if finding
        .status
        .as_deref()
        .is_some_and(|status| status != ACTIVE)
    {
        return None;
    }
    let severity = Severity::of(finding.severity.as_deref()?)?;
    let details = finding.package_vulnerability_details;
    let (id, packages) = details.map_or((None, None), |details| {
        (details.vulnerability_id, details.vulnerable_packages)
    });
    let mut packages = packages.unwrap_or_default().into_iter();
    Some(Finding {
        severity,
        name: cut(&id.or(finding.title)?),
        package: packages.next().and_then(|package| package.name),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecr::primitives::DateTime;
    use aws_sdk_ecr::types::{
        Attribute, FindingSeverity, ImageScanStatus, PackageVulnerabilityDetails, VulnerablePackage,
    };

    use super::*;

    fn page(status: ScanStatus, ended: bool) -> Page {
        let ended = ended.then(|| DateTime::from_secs(1_764_000_000));
        let findings = ImageScanFindings::builder().set_image_scan_completed_at(ended);
        let status = ImageScanStatus::builder()
            .status(status)
            .description("in the registry's words");
        Page::builder()
            .image_scan_status(status.build())
            .image_scan_findings(findings.build())
            .build()
    }

    fn complete(counts: &[(Severity, u32)]) -> ScanFound {
        let counts = counts.iter().copied().collect();
        ScanFound::Complete(Findings::new(counts, Vec::new()))
    }

    #[test]
    fn a_scan_is_complete_when_it_says_so_or_has_brought_a_first_result() {
        assert_eq!(unless_complete(&page(ScanStatus::Complete, true)), None);
        assert_eq!(unless_complete(&page(ScanStatus::Active, true)), None);
        for status in [
            ScanStatus::Active,
            ScanStatus::Pending,
            ScanStatus::InProgress,
        ] {
            let found = unless_complete(&page(status, false));
            assert_eq!(found, Some(ScanFound::Pending));
        }
    }

    #[test]
    fn any_other_status_is_told_in_the_registrys_words() {
        for status in [
            ScanStatus::Failed,
            ScanStatus::UnsupportedImage,
            ScanStatus::ScanEligibilityExpired,
        ] {
            let expected = format!("{}: in the registry's words", status.as_str());
            let found = unless_complete(&page(status, true));
            assert_eq!(found, Some(ScanFound::Unclear(expected)));
        }
        let nothing = Page::builder().build();
        let unclear = ScanFound::Unclear("no status".to_owned());
        assert_eq!(unless_complete(&nothing), Some(unclear));
    }

    #[test]
    fn an_index_is_complete_when_all_its_images_are_and_as_bad_as_the_worst() {
        let one = || complete(&[(Severity::High, 2), (Severity::Low, 1)]);
        let other = || complete(&[(Severity::Critical, 1), (Severity::High, 1)]);
        let worst = &[
            (Severity::Critical, 1),
            (Severity::High, 2),
            (Severity::Low, 1),
        ];
        assert_eq!(together(vec![one(), other()]), complete(worst));
        let pending = together(vec![one(), ScanFound::Pending, other()]);
        assert_eq!(pending, ScanFound::Pending);
        let unclear = || ScanFound::Unclear("it failed".to_owned());
        let all = vec![ScanFound::Pending, one(), unclear()];
        assert_eq!(together(all), unclear());
    }

    #[test]
    fn findings_of_both_scanners_have_a_name_and_a_package() {
        let attribute = Attribute::builder().key(PACKAGE).value("openssl").build();
        let basic = ImageScanFinding::builder()
            .name("CVE-2026-1")
            .severity(FindingSeverity::Critical)
            .attributes(attribute.unwrap())
            .build();
        let enhanced = |severity: &str, status: &str| {
            let package = VulnerablePackage::builder().name("openssl").build();
            let details = PackageVulnerabilityDetails::builder()
                .vulnerability_id("CVE-2026-1")
                .vulnerable_packages(package)
                .build();
            EnhancedImageScanFinding::builder()
                .severity(severity)
                .status(status)
                .title("CVE-2026-1 - openssl")
                .package_vulnerability_details(details)
                .build()
        };
        let expected = Some(Finding {
            severity: Severity::Critical,
            name: "CVE-2026-1".to_owned(),
            package: Some("openssl".to_owned()),
        });
        assert_eq!(of_basic(basic), expected);
        assert_eq!(of_enhanced(enhanced("CRITICAL", "ACTIVE")), expected);
        assert_eq!(of_enhanced(enhanced("CRITICAL", "SUPPRESSED")), None);
        assert_eq!(of_enhanced(enhanced("UNTRIAGED", "ACTIVE")), None);
    }
}

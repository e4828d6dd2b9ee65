//! Images that go nowhere before they are scanned.

use crate::world::{PATIENCE, Service, Stage, build, on};

const DEV: Stage = Stage {
    name: "dev",
    count: 1,
    bake: "0s",
};

#[test]
fn an_image_is_deployed_after_its_scan_and_one_with_worse_findings_is_not() {
    on(async |world| {
        let source = "{ ecr: { repository: scanned, max_severity: HIGH } }";
        let service = Service::on_ecs_from(world, "scanned", &[DEV], source).await?;
        let mut clean = build("1.0.0", 1);
        clean.findings = Some("HIGH=2,LOW=4");
        service.push(&clean).await?;
        let first = service.released("1.0.0").await?;
        service.good("dev", first).await?;

        let mut bad = build("2.0.0", 2);
        bad.findings = Some("CRITICAL=1,LOW=4");
        service.push(&bad).await?;
        let second = service.released("2.0.0").await?;
        let refused = service
            .until("it is refused", |entry| entry.is("dropped", "dev", second))
            .await?;
        assert!(refused.what.contains("CVE-2026-10001"), "{}", refused.what);
        world
            .notices
            .until("people hear what was found", PATIENCE, |notice| {
                notice.is("scanned", "vulnerable", "dev", second)
                    && notice
                        .text
                        .contains("1 finding above HIGH: CRITICAL CVE-2026-10001")
            })
            .await?;

        // A person may, all the same.
        let number = second.to_string();
        let all_the_same = [
            "promote",
            "scanned",
            "dev",
            &number,
            "--despite-findings",
            "the package is not used",
        ];
        world.root.must(&all_the_same).await?;
        service.good("dev", second).await?;
        Ok(())
    });
}

//! Taking over what exists: a file drafted from it, checked against it and applied, and what runs
//! adopted as the first last good.

use std::fs;

use anyhow::{Context, Result, ensure};
use local::demo::{artefacts, lastgood::Lastgood, ledger::Ledger, targets};
use serde_json::Value;

use crate::world::{PATIENCE, Service, Stage, World, build, on};

/// A file that no earlier run left behind.
fn fresh(world: &World, name: &str) -> Result<String> {
    let path = world.folder.join(name);
    if path.exists() {
        fs::remove_file(&path)?;
    }
    Ok(path.to_str().context("a path of text")?.to_owned())
}

#[test]
fn a_running_service_is_drafted_checked_and_taken_over() {
    on(async |world| {
        let (account, root) = (&world.account, &world.root);
        artefacts::make_repository(account, "taken").await?;
        artefacts::push_image(account, "taken", "1.0.0", &build("1.0.0", 1)).await?;
        let image = artefacts::image_name(account, "taken", "1.0.0");
        targets::make_ecs_service(account, "taken-dev", "taken", 1, &image).await?;
        targets::steady(account, "taken-dev", "taken").await?;

        let path = fresh(world, "taken.yaml")?;
        let init = [
            "init",
            "taken",
            "--from-ecs",
            "dev=taken-dev/taken",
            "--file",
            &path,
        ];
        let drafted: Value = root.json(&init).await?;
        let runs = &drafted["stages"][0]["runs"]["image"];
        assert_eq!(runs["repository"], "taken", "{drafted}");
        let again = root.run(&init).await?;
        assert_eq!(again.code, Some(2), "a file that is there is left alone");

        let wrong = fs::read_to_string(&path)?.replace("bake: 5m", "bake: 1s");
        let wrong = wrong.replace("  missing_data", "  alarms: [taken-none]\n  missing_data");
        fs::write(&path, wrong)?;
        let checked = root.run(&["validate", &path, "--online"]).await?;
        assert_eq!(checked.code, Some(2), "{}", checked.err);
        ensure!(checked.err.contains("there is no alarm"), "{}", checked.err);
        ensure!(
            checked.err.contains("alarms: [taken-none]"),
            "its line: {}",
            checked.err
        );
        let right = fs::read_to_string(&path)?.replace("  alarms: [taken-none]\n", "");
        fs::write(&path, right)?;
        let checked: Value = root.json(&["validate", &path, "--online"]).await?;
        let warnings = checked[0]["warnings"].as_array().context("warnings")?;
        assert_eq!(warnings.len(), 1, "it has no alarm: {checked}");

        let shown = root.must(&["apply", &path, "--dry-run"]).await?;
        ensure!(
            shown.contains("which becomes its first last good"),
            "{shown}"
        );
        let applied = root.must(&["apply", &path]).await?;
        ensure!(
            applied.contains("which becomes its first last good"),
            "{applied}"
        );
        let unchanged = root.run(&["plan", "taken", "dev", "1", "--check"]).await?;
        assert_eq!(unchanged.code, Some(0), "{}", unchanged.err);

        goes_on(world).await
    });
}

/// The next release is planned like any other, with the definition it would be deployed with.
async fn goes_on(world: &World) -> Result<()> {
    let root = &world.root;
    root.must(&["freeze", "taken", "dev", "--reason", "to look first"])
        .await?;
    let digest =
        artefacts::push_image(&world.account, "taken", "2.0.0", &build("2.0.0", 2)).await?;
    let ledger = Ledger::new(root.clone(), "taken");
    ledger
        .until(
            "2.0.0 waits",
            PATIENCE,
            |_| (),
            |entry| entry.is("waits", "dev", 2),
        )
        .await?;
    let plan: Value = root.json(&["plan", "taken", "dev", "2"]).await?;
    assert_eq!(
        (&plan["from"]["number"], &plan["back_to"]),
        (&1.into(), &1.into())
    );
    ensure!(
        plan["holds"][0]["freeze"]["reason"] == "to look first",
        "{plan}"
    );
    assert_eq!(plan["unseen"], Value::Array(Vec::new()), "{plan}");
    assert_eq!(
        (&plan["obstacle"], &plan["back_obstacle"]),
        (&Value::Null, &Value::Null)
    );
    let change = plan["definition"].as_str().context("a change")?;
    let lines = |sign| change.lines().filter(move |line| line.starts_with(sign));
    assert_eq!(
        (lines("+ ").count(), lines("- ").count()),
        (1, 1),
        "{change}"
    );
    ensure!(change.contains(&digest), "the image changes: {change}");
    let check = root.run(&["plan", "taken", "dev", "2", "--check"]).await?;
    assert_eq!(check.code, Some(7), "{}", check.err);
    Ok(())
}

#[test]
fn a_group_is_drafted_with_where_its_archives_come_from() {
    on(async |world| {
        let stage = Stage {
            name: "dev",
            count: 1,
            bake: "1s",
        };
        let service = Service::on_instances(world, "drafted", &[stage]).await?;
        service.upload(&build("1.0.0", 1)).await?;
        let release = service.released("1.0.0").await?;
        service.good("dev", release).await?;
        let path = fresh(world, "drafted-again.yaml")?;
        let init = [
            "init",
            "drafted-again",
            "--from-codedeploy",
            "drafted/dev",
            "--file",
            &path,
        ];
        world.root.must(&init).await?;
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains("prefix: drafted/"), "{text}");
        ensure!(text.contains(&world.bucket), "{text}");
        let checked: Value = world.root.json(&["validate", &path, "--online"]).await?;
        assert_eq!(
            checked[0]["warnings"].as_array().map(Vec::len),
            Some(1),
            "{checked}"
        );

        // Nobody else looks whether what brings the traffic is still there.
        let named = [("Names.member.1", "drafted-dev")];
        let balancers = async |operation, named: &[(&str, &str)]| {
            let account = &world.account;
            account
                .query("elasticloadbalancing", operation, named)
                .await
        };
        let told = balancers("DescribeTargetGroups", &named).await?;
        let arn = gateway::xml_text(&told, "TargetGroupArn").context("its ARN")?;
        balancers("DeleteTargetGroup", &[("TargetGroupArn", &arn)]).await?;
        let checked_without = world.root.run(&["validate", &path, "--online"]).await?;
        ensure!(
            checked_without.code == Some(2)
                && checked_without
                    .err
                    .contains("there is no target group drafted-dev"),
            "{}",
            checked_without.err
        );
        let again = [("Name", "drafted-dev"), ("TargetType", "instance")];
        balancers("CreateTargetGroup", &again).await?;

        // Who may not see the bucket's settings is told so, and that is no failure.
        let ravi = Lastgood::of(&world.system, "ravi")?;
        let checked: Value = ravi.json(&["validate", &path, "--online"]).await?;
        let warnings = checked[0]["warnings"].to_string();
        ensure!(warnings.contains("was not looked at"), "{warnings}");
        Ok(())
    });
}

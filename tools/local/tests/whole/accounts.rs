//! Targets in another account and in another Region, through the template that is made there; and
//! machines of one's own.

use std::fs;

use anyhow::{Context, Result};
use gateway::Place;
use local::demo::{
    account::Account,
    artefacts::{self, Build},
    elsewhere::{make_cellar, target_stack},
    ledger::{Entry, Ledger},
    running::Target,
    targets,
};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, build, on};

const EXTERNAL_ID: &str = "k3Vw9pTq7LmZ2xRb";

/// The tools account lets another one's events in, as `TargetAccountIds` of its stack does:
/// MiniStack makes no `AWS::Events::EventBusPolicy`, so the stack is made without.
async fn let_events_in(world: &World, there: &Place) -> Result<()> {
    let permission = json!({
        "StatementId": format!("from-{}-{}", there.account, there.region),
        "Action": "events:PutEvents",
        "Principal": there.account,
    });
    world
        .account
        .events("PutPermission", permission)
        .await
        .map(drop)
}

/// The other account's instances may fetch archives, as the same parameter has it.
async fn let_read(world: &World, account: &str) -> Result<()> {
    let told = world.s3.get_bucket_policy().bucket(&world.bucket);
    let told = told.send().await?;
    let mut policy: Value = serde_json::from_str(told.policy().context("the bucket's policy")?)?;
    let statements = policy["Statement"].as_array_mut().context("statements")?;
    statements.push(json!({
        "Effect": "Allow",
        "Principal": { "AWS": account },
        "Action": ["s3:GetObject", "s3:GetObjectVersion"],
        "Resource": format!("arn:aws:s3:::{}/*", world.bucket),
    }));
    let put = world.s3.put_bucket_policy().bucket(&world.bucket);
    put.policy(policy.to_string()).send().await?;
    Ok(())
}

/// A service with one stage in another place, and its ledger.
async fn described(
    world: &World,
    name: &str,
    (source, target): (&str, &str),
    (there, role, external_id): (&Place, &str, &str),
    rest: &str,
) -> Result<Ledger> {
    let Place { account, region } = there;
    let file = format!(
        "service: {name}\nartefact: {source}\nstages:\n  - name: production\n    \
         account: \"{account}\"\n    region: {region}\n    role: {role}\n    \
         external_id: {external_id}\n    target: {target}\n    {rest}\n"
    );
    let path = world.folder.join(format!("{name}.yaml"));
    fs::write(&path, file)?;
    let path = path.display().to_string();
    let applied = world.root.run(&["apply", &path]).await?;
    anyhow::ensure!(applied.code == Some(0), "{}", applied.err);
    // Who cannot be let in is told so at once, in AWS's words and with one hint.
    let refused = external_id != EXTERNAL_ID;
    let words = format!("the role {role} cannot be assumed: sts:AssumeRole: AccessDenied");
    anyhow::ensure!(applied.out.contains(&words) == refused, "{}", applied.out);
    anyhow::ensure!(
        applied.err.contains("hint: production's role") == refused,
        "{}",
        applied.err
    );
    Ok(Ledger::new(world.root.clone(), name))
}

async fn until(ledger: &Ledger, kind: &str, release: u64) -> Result<Entry> {
    let what = format!("{kind} of release {release}");
    let wanted = |entry: &Entry| entry.is(kind, "production", release);
    ledger.until(&what, PATIENCE, |_| (), wanted).await
}

async fn fires(account: &Account, alarm: &str) -> Result<()> {
    let input = json!({ "AlarmName": alarm, "StateValue": "ALARM", "StateReason": "errors" });
    account.cloudwatch("SetAlarmState", input).await.map(drop)
}

#[test]
fn a_stage_in_another_account_is_deployed_to_as_the_role_that_its_owner_made() {
    on(async |world| {
        let [there, _] = local::neighbours();
        let neighbour = Account::at(&world.system.endpoint(), there.clone())?;
        for application in ["across", "private"] {
            targets::make_application(&neighbour, application).await?;
        }
        targets::make_group(&neighbour, "across", "production", 2).await?;
        targets::make_group(&neighbour, "private", "production", 1).await?;
        targets::make_group(&neighbour, "across", "staging", 1).await?;
        let named = [
            ("EcsClusters", "none"),
            ("CodeDeployApplications", "across"),
            ("CodeDeployGroups", "prod*"),
        ];
        let role = target_stack(&world.system, &there, EXTERNAL_ID, named).await?;
        let_events_in(world, &there).await?;
        let_read(world, &there.account).await?;

        // Its external id is asked for, and nothing but what its owner named may be deployed to.
        let tried = |name, application, group, id, good| {
            let tried = Tried {
                name,
                target: (application, group),
                way: (&there, role.as_str(), id),
                good,
            };
            tried.ends(world, &neighbour)
        };
        tokio::try_join!(
            tried(
                "stranger",
                "across",
                "production",
                "somebody-elses-id",
                false
            ),
            tried("curious", "private", "production", EXTERNAL_ID, false),
            tried("beside", "across", "staging", EXTERNAL_ID, false),
        )?;
        tried("across", "across", "production", EXTERNAL_ID, true).await
    });
}

/// A service that somebody tries to have deployed in another account.
struct Tried<'a> {
    name: &'static str,
    target: (&'static str, &'static str),
    way: (&'a Place, &'a str, &'static str),
    good: bool,
}

impl Tried<'_> {
    /// Publishes a release of it and looks what becomes of that.
    async fn ends(self, world: &World, neighbour: &Account) -> Result<()> {
        let Self { name, way, .. } = self;
        let (application, group) = self.target;
        let source = format!("{{ s3: {{ bucket: {}, prefix: {name}/ }} }}", world.bucket);
        let target = format!("{{ codedeploy: {{ application: {application}, group: {group} }} }}");
        let ledger = described(world, name, (&source, &target), way, "bake: 1s").await?;
        let key = format!("{name}/1.0.0.zip");
        let version = world.upload(&key, &build("1.0.0", 1)).await?;
        let target = Target::CodeDeploy {
            application: application.to_owned(),
            group: group.to_owned(),
        };
        if self.good {
            until(&ledger.without(&["failed"]), "succeeded", 1).await?;
            let content = format!("{}/{key}@{version}", world.bucket);
            assert_eq!(target.until(neighbour, &content, PATIENCE).await?, 2);
        } else {
            let refused = until(&ledger, "failed", 1).await?;
            let said = format!("{} {}", refused.what, refused.why);
            anyhow::ensure!(said.contains("AccessDenied"), "{name}: {said}");
            assert!(target.runs(neighbour).await?.is_empty(), "{name}");
        }
        Ok(())
    }
}

async fn push(world: &World, build: &Build<'_>) -> Result<String> {
    artefacts::push_image(&world.account, "far", build.version, build).await
}

#[test]
fn an_alarm_in_another_region_takes_the_release_there_back() {
    on(async |world| {
        let [_, far] = local::neighbours();
        let neighbour = Account::at(&world.system.endpoint(), far.clone())?;
        artefacts::make_repository(&world.account, "far").await?;
        let first = push(world, &build("1.0.0", 1)).await?;
        let image = artefacts::image_name(&world.account, "far", "1.0.0");
        let door = targets::make_ecs_service(&neighbour, "live", "far", 1, &image).await?;
        targets::make_alarm(&neighbour, "far-errors", &door).await?;
        targets::steady(&neighbour, "live", "far").await?;
        let named = [
            ("EcsClusters", "live"),
            ("CodeDeployApplications", "none"),
            ("CodeDeployGroups", "*"),
        ];
        let role = target_stack(&world.system, &far, EXTERNAL_ID, named).await?;
        let_events_in(world, &far).await?;

        // What runs there is seen and adopted, as at home.
        let ledger = described(
            world,
            "far",
            (
                "{ ecr: { repository: far } }",
                "{ ecs: { cluster: live, service: far, containers: [web] } }",
            ),
            (&far, &role, EXTERNAL_ID),
            "alarms: [far-errors]\n    bake: 10m",
        )
        .await?;
        until(&ledger, "adopted", 1).await?;

        // A deployment is begun and heard of there; that account's alarm comes over its own bus.
        let second = push(world, &build("2.0.0", 2)).await?;
        until(&ledger, "bake_begun", 2).await?;
        let target = Target::Ecs {
            cluster: "live".to_owned(),
            service: "far".to_owned(),
        };
        assert_eq!(target.until(&neighbour, &second, PATIENCE).await?, 1);
        fires(&neighbour, "far-errors").await?;
        let end = until(&ledger, "rolled_back", 2).await?;
        assert_eq!(end.field("/to").and_then(Value::as_u64), Some(1));
        assert_eq!(target.until(&neighbour, &first, PATIENCE).await?, 1);
        Ok(())
    });
}

#[test]
fn machines_of_ones_own_are_dev_and_test() {
    on(async |world| {
        let account = &world.account;
        targets::make_application(account, "cellar").await?;
        make_cellar(account, "dev", &["cellar-1"]).await?;
        make_cellar(account, "test", &["cellar-2", "cellar-3"]).await?;
        let stage = |name: &str| {
            let target = format!("{{ codedeploy: {{ application: cellar, group: {name} }} }}");
            format!("  - name: {name}\n    target: {target}\n    bake: 0s\n")
        };
        let file = format!(
            "service: cellar\nartefact: {{ s3: {{ bucket: {}, prefix: cellar/ }} }}\nstages:\n{}{}",
            world.bucket,
            stage("dev"),
            stage("test")
        );
        let path = world.folder.join("cellar.yaml");
        fs::write(&path, file)?;
        let path = path.display().to_string();
        world.root.must(&["apply", &path]).await?;
        let version = world.upload("cellar/1.0.0.zip", &build("1.0.0", 1)).await?;
        let ledger = Ledger::new(world.root.clone(), "cellar");
        for (stage, machines) in [("dev", 1), ("test", 2)] {
            let good = |entry: &Entry| entry.is("succeeded", stage, 1);
            let what = format!("it is good on {stage}");
            ledger.until(&what, PATIENCE, |_| (), good).await?;
            let target = Target::CodeDeploy {
                application: "cellar".to_owned(),
                group: stage.to_owned(),
            };
            let content = format!("{}/cellar/1.0.0.zip@{version}", world.bucket);
            assert_eq!(target.until(account, &content, PATIENCE).await?, machines);
        }
        Ok(())
    });
}

//! Images of Docker Hub: its webhook is a hint and no more, and one that is lost is made good by
//! looking through the repository.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use local::demo::artefacts;
use serde_json::{Value, json};

use crate::world::{PATIENCE, Service, Stage, World, build, on};

/// The repository; the one of the placeholder has its own.
const REPOSITORY: &str = "hub/web";
const DEV: Stage = Stage {
    name: "dev",
    count: 1,
    bake: "0s",
};

#[test]
fn docker_hub_hints_and_a_lost_webhook_costs_minutes_and_no_release() {
    on(async |world| {
        let source = "{ oci: { registry: docker.io, repository: hub/web, tags: [\"main-*\"] } }";
        let hub = Hub::of(world).await?;
        artefacts::make_repository(&world.account, REPOSITORY).await?;
        let service = Service::on_ecs_from(world, "hub", &[DEV], source).await?;
        hub.looked_through().await?;
        // What ran there when it was taken over.
        let before = service.count("released").await?;

        // Who only found the address, or lies about what was pushed, makes no release.
        hub.push("main-1").await?;
        let stranger = hub.calls(&"0".repeat(48), "main-1").await?;
        let liar = hub.calls(&hub.key, "main-9").await?;
        ensure!((stranger, liar) == (404, 200), "{stranger} {liar}");
        let released = service.count("released").await?;
        ensure!(released == before, "it is no more than a hint");

        ensure!(hub.calls(&hub.key, "main-1").await? == 200);
        service
            .good("dev", service.released("1.0.0").await?)
            .await?;

        // Nobody tells of this one. Five minutes are over at once.
        hub.push("main-2").await?;
        hub.is_due().await?;
        service
            .good("dev", service.released("2.0.0").await?)
            .await?;
        ensure!(
            service.count("released").await? == before + 2,
            "each is a release once"
        );
        Ok(())
    });
}

/// Docker Hub, which is played by the registry that plays ECR; what is pushed by its own protocol
/// tells no event.
struct Hub<'a> {
    world: &'a World,
    http: reqwest::Client,
    address: String,
    key: String,
}

impl<'a> Hub<'a> {
    async fn of(world: &'a World) -> Result<Self> {
        let outputs = world.system.outputs();
        let address = outputs.get("WebhookAddress")?;
        let address = gateway::plain_address(&world.system.endpoint(), address);
        // MiniStack's own has punctuation although the template wants none; a key that is replaced
        // holds at once.
        let key = "k3Vw9pTq7LmZ2xRb".repeat(3);
        let secret = json!({ "SecretId": outputs.get("WebhookKeyArn")?, "SecretString": key });
        world.account.secrets("PutSecretValue", secret).await?;
        Ok(Self {
            world,
            http: reqwest::Client::new(),
            address: format!("{}dockerhub/", address.context("a function URL")?),
            key,
        })
    }

    /// What Docker Hub sends; gives the status.
    async fn calls(&self, key: &str, tag: &str) -> Result<u16> {
        let body = json!({
            "callback_url": "https://registry.hub.docker.com/u/hub/web/hook/1/",
            "push_data": { "pushed_at": 1_795_428_929, "pusher": "jenkins", "tag": tag },
            "repository": { "name": "web", "namespace": "hub", "repo_name": REPOSITORY },
        });
        let call = self.http.post(format!("{}{key}", self.address));
        let call = call.header("content-type", "application/json");
        Ok(call.body(body.to_string()).send().await?.status().as_u16())
    }

    async fn push(&self, tag: &str) -> Result<()> {
        let (_, number) = tag.split_once('-').context("a number")?;
        let version = format!("{number}.0.0");
        let build = build(&version, number.parse()?);
        // The manifest makes the image, and goes by the protocol of registries.
        let manifest = artefacts::push_layers(&self.world.account, REPOSITORY, &build).await?;
        let endpoint = self.world.system.endpoint();
        let put = self
            .http
            .put(format!("{endpoint}/v2/{REPOSITORY}/manifests/{tag}"));
        let put = put
            .header("content-type", artefacts::MANIFEST)
            .body(manifest);
        let put = put.send().await?;
        ensure!(
            put.status() == 201,
            "{}: {}",
            put.status(),
            put.text().await?
        );
        Ok(())
    }

    fn source(&self) -> Result<Value> {
        let table = self.world.system.outputs().get("TableName")?;
        let key = json!({ "PK": { "S": "service#hub" }, "SK": { "S": "source" } });
        Ok(json!({ "TableName": table, "Key": key }))
    }

    /// Waits until the repository was looked through once: what lay there is no news.
    async fn looked_through(&self) -> Result<()> {
        let looks = async {
            loop {
                let item = self
                    .world
                    .account
                    .dynamodb("GetItem", self.source()?)
                    .await?;
                if item.pointer("/Item/seen").is_some() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looks)
            .await
            .context("the repository is not looked through")?
    }

    /// The next look is due.
    async fn is_due(&self) -> Result<()> {
        let mut update = self.source()?;
        let fields = update.as_object_mut().context("an object")?;
        fields.insert("UpdateExpression".into(), json!("SET due_at = :now"));
        fields.insert(
            "ExpressionAttributeValues".into(),
            json!({ ":now": { "N": "1" } }),
        );
        self.world
            .account
            .dynamodb("UpdateItem", update)
            .await
            .map(drop)
    }
}

//! The fleet as a whole: starting, dispatching calls, shutting down.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use crate::{
    alarms,
    api::{Api, Call, Options, Reply},
    codedeploy::CodeDeploy,
    ecs::Ecs,
    envelope::Place,
    metrics,
    unkind::{Chance, Fate, Unkind},
    world::World,
};

/// Why a fleet could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address of the rest of AWS is not one of plain HTTP.
    #[error("{0:?} is not an http:// address")]
    Endpoint(String),
}

/// Both control planes with everything they run.
pub struct Fleet {
    world: Arc<World>,
    ecs: Arc<Ecs>,
    codedeploy: Arc<CodeDeploy>,
    watchers: Vec<JoinHandle<()>>,
    chance: Chance,
}

impl Fleet {
    /// Starts an empty fleet: the control planes and what watches metrics and alarms.
    ///
    /// # Errors
    /// When `aws_endpoint` is not an `http://` address.
    #[expect(
        clippy::unused_async,
        reason = "must run on a runtime, which the signature says"
    )]
    pub async fn start(options: Options) -> Result<Arc<Self>, StartError> {
        if !options.aws_endpoint.starts_with("http://") {
            return Err(StartError::Endpoint(options.aws_endpoint));
        }
        let world = Arc::new(World::new(options));
        let ecs = Ecs::start(Arc::clone(&world));
        let codedeploy = CodeDeploy::start(Arc::clone(&world), Arc::clone(&ecs));
        let watchers = vec![
            tokio::spawn(metrics::report(Arc::clone(&world))),
            tokio::spawn(alarms::watch(Arc::clone(&world))),
        ];
        Ok(Arc::new(Self {
            world,
            ecs,
            codedeploy,
            watchers,
            chance: Chance::kind(),
        }))
    }

    /// Carries out one call. Every failure is a reply, by AWS's name of the error.
    pub async fn handle(&self, call: Call) -> Reply {
        self.world.saw(&call.caller.place());
        let fate = self.chance.draw(&call.caller);
        if let Fate::Refused(error) = fate {
            return Reply::from_result(Err(error));
        }
        let reply = match call.api {
            Api::Ecs => self.ecs.handle(call).await,
            Api::CodeDeploy => self.codedeploy.handle(call).await,
        };
        match fate {
            Fate::AnswerLost(error) => Reply::from_result(Err(error)),
            Fate::Straight | Fate::Refused(_) => reply,
        }
    }

    /// Changes what goes wrong on purpose, from now on.
    pub fn set_unkind(&self, unkind: Unkind) {
        self.chance.set(unkind);
    }

    /// Restarts the control planes: for so long functions find nobody there. What was stored is
    /// there again afterwards, and what runs goes on running, as on AWS.
    pub fn restart(&self, away: Duration) {
        self.chance.go_away(away);
    }

    /// Has the alarms of an account and Region watched before anybody calls from there.
    pub fn watch(&self, account: &str, region: &str) {
        self.world.saw(&Place {
            account: account.to_owned(),
            region: region.to_owned(),
        });
    }

    /// Stops everything that runs: watchers, control planes, tasks, instances and balancers.
    pub async fn shutdown(&self) {
        for watcher in &self.watchers {
            watcher.abort();
        }
        let both = async {
            self.codedeploy.shutdown().await;
            self.ecs.shutdown().await;
        };
        if tokio::time::timeout(SHUTDOWN_MAX, both).await.is_err() {
            tracing::warn!("the fleet did not stop in time; what still ran was dropped");
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for watcher in &self.watchers {
            watcher.abort();
        }
    }
}

/// The longest a shutdown waits for requests in flight.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

//! The whole system, started in this process: MiniStack as a child, gateway, delivery, fleet and
//! chat room as tasks, and the stack deployed. Used by the verbs, and as a library by
//! end-to-end tests.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chatroom::Chatroom;
use delivery::{Delivery, Unkind};
use fleet::{Fleet, Pace};
use gateway::{Emulator, Gateway, IamGuard, Place, plain_address};
use tokio::net::TcpListener;
use workshop::Workshop;

use crate::{
    environment::Environment,
    functions, github,
    instance::{self, Claim, Record},
    ministack::{self, MiniStack, ROOT_SECRET},
    paths::Paths,
    people::{self, PEOPLE, Person},
    screen::{Screen, Step},
    secrets::Secrets,
    slack,
    stack::{self, Outputs, Package},
    trouble::Trouble,
};

/// The port people get used to.
pub const PORT: u16 = 4577;
/// The account that the stack lives in; one of those AWS uses in its own examples.
const ACCOUNT: &str = "111122223333";
/// The account of targets elsewhere, and a Region of theirs.
const NEIGHBOUR: &str = "444455556666";
const FAR: &str = "ap-south-1";
const REGION: &str = "eu-west-1";

/// How a system is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its files are.
    pub paths: Paths,
    /// Where the gateway listens on loopback, and at the next port the chat room; 0 takes any that
    /// are free.
    pub port: u16,
    /// Names of the services that the channel in Slack hears of, with `*`.
    pub chat: String,
    /// How fast tasks and instances start, bake and drain.
    pub pace: Pace,
    /// How often a schedule of once a minute fires.
    pub tick: Duration,
    /// The first pause before a delivery is tried again.
    pub retry_base: Duration,
    /// What the delivery does wrong on purpose.
    pub unkind: Unkind,
    /// Where progress is shown.
    pub screen: Screen,
}

impl Options {
    /// For a person who watches: everything within seconds, nothing goes wrong on purpose.
    #[must_use]
    pub fn laptop(paths: Paths, screen: Screen) -> Self {
        Self {
            paths,
            port: PORT,
            chat: "*".to_owned(),
            pace: Pace::laptop(),
            tick: Duration::from_secs(5),
            retry_base: Duration::from_secs(1),
            unkind: Unkind::kind(),
            screen,
        }
    }
}

/// A system that runs. [`stop`](Self::stop) ends it in order; dropped, it ends too.
#[derive(Debug)]
pub struct System {
    home: Place,
    outputs: Outputs,
    environment: Environment,
    people: Vec<(Person, Environment)>,
    lastgood: PathBuf,
    scratch: PathBuf,
    running: Running,
    // Given back last.
    claim: Claim,
}

/// The parts.
struct Running {
    gateway: Gateway,
    chatroom: Chatroom,
    workshop: Workshop,
    fleet: Arc<Fleet>,
    delivery: Delivery,
    ministack: MiniStack,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Running")
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

/// The account and Region that the stack lives in.
#[must_use]
pub fn home() -> Place {
    Place {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
    }
}

/// Where else targets may live: another account, in the same Region and in another one.
#[must_use]
pub fn neighbours() -> [Place; 2] {
    [REGION, FAR].map(|region| Place {
        account: NEIGHBOUR.to_owned(),
        region: region.to_owned(),
    })
}

impl System {
    /// Starts everything, deploys the stack, makes the people and writes their environments.
    ///
    /// # Errors
    /// With a sentence for people, and mostly a hint ([`Trouble::report`]).
    pub async fn start(options: Options) -> Result<Self, Trouble> {
        let Options { paths, screen, .. } = &options;
        // Before the port, which then is in use by ourselves.
        if let Some(Record { pid, endpoint, .. }) = instance::running(paths.state())? {
            return Err(Trouble::AlreadyRunning { pid, endpoint });
        }
        let listener = listen(options.port).await?;
        let address = listener
            .local_addr()
            .map_err(Trouble::io("find our own address"))?;
        let endpoint = format!("http://{address}");
        let claim = Claim::take(paths.state(), endpoint.clone())?;
        let home = home();

        // The compiler and pip are the slow ones, and have nothing to do with each other.
        let (package, ministack) = tokio::try_join!(
            build(paths, screen.step("Functions")),
            emulator(paths, &endpoint, &home, screen.step("MiniStack")),
        )?;
        let running = wire(&options, listener, ministack, &home).await?;

        let step = screen.step("Stack");
        let (room, iam) = (&running.chatroom, Emulator::new(address, ROOT_SECRET));
        let secrets = Secrets {
            slack: slack::store(&iam, &home, room, &options.chat).await?,
            github: github::store(&iam, &home, &running.workshop).await?,
        };
        let outputs = package.deploy(&endpoint, &home, &secrets, &step).await?;
        if let Some(buttons) = plain_address(&endpoint, outputs.get("ButtonsUrl")?) {
            room.answers_to(&buttons);
        }
        step.done(&format!(
            "infra/template.yaml with {} functions",
            package.functions()
        ));

        let step = screen.step("Delivery");
        let adopted = running.delivery.adopt().await.map_err(part("delivery"))?;
        step.done(&format!(
            "{} rules, {} schedules, {} streams",
            adopted.rules, adopted.schedules, adopted.mappings
        ));

        let environment = Environment::of_root(&endpoint, &home, &outputs, package.command_line())?;
        environment.write(&paths.environment("local"))?;
        let mut people = Vec::new();
        for person in PEOPLE {
            let key = people::hire(&iam, &home, person, &outputs).await?;
            let own = environment.with_key(&key);
            own.write(&paths.environment(person.name))?;
            people.push((person, own));
        }
        Ok(Self {
            home,
            outputs,
            environment,
            people,
            lastgood: package.command_line().to_owned(),
            scratch: paths.scratch(),
            running,
            claim,
        })
    }

    /// Tells other processes that it can be used: after whatever else has to be made first.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn ready(&self) -> Result<(), Trouble> {
        self.claim.ready()
    }

    /// The gateway's address, for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.running.gateway.endpoint()
    }

    /// The account and the Region that the stack lives in.
    #[must_use]
    pub fn home(&self) -> &Place {
        &self.home
    }

    /// What the stack says of itself.
    #[must_use]
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// The environment of the account's root.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The people, with their environments.
    #[must_use]
    pub fn people(&self) -> &[(Person, Environment)] {
        &self.people
    }

    /// The binary of the command line, built with the functions.
    #[must_use]
    pub fn lastgood(&self) -> &Path {
        &self.lastgood
    }

    /// ECS, CodeDeploy and what they run.
    #[must_use]
    pub fn fleet(&self) -> &Arc<Fleet> {
        &self.running.fleet
    }

    /// The chat room that plays Slack.
    #[must_use]
    pub fn chatroom(&self) -> &Chatroom {
        &self.running.chatroom
    }

    /// The workshop that plays GitHub.
    #[must_use]
    pub fn workshop(&self) -> &Workshop {
        &self.running.workshop
    }

    /// What carries events, for those who watch it or make it unkind.
    #[must_use]
    pub fn delivery(&self) -> &Delivery {
        &self.running.delivery
    }

    /// Kills the processes of all functions in the middle of whatever they do, as AWS may; how many
    /// there were. What they were called for comes again.
    pub fn kill_functions(&self) -> usize {
        functions::kill(&self.scratch)
    }

    /// Resolves when MiniStack has ended, which it does not by itself.
    pub async fn broken(&mut self) {
        self.running.ministack.ended().await;
    }

    /// Ends everything, in the order in which nobody misses anybody.
    pub async fn stop(self) {
        let Self { running, claim, .. } = self;
        let Running {
            gateway,
            chatroom,
            workshop,
            fleet,
            delivery,
            ministack,
        } = running;
        delivery.shutdown().await;
        fleet.shutdown().await;
        gateway.shutdown().await;
        ministack.stop().await;
        drop(chatroom);
        drop(workshop);
        drop(claim);
    }
}

async fn listen(port: u16) -> Result<TcpListener, Trouble> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::AddrInUse {
                Trouble::PortInUse { port }
            } else {
                Trouble::io(format!("listen at 127.0.0.1:{port}"))(error)
            }
        })
}

async fn build(paths: &Paths, step: Step) -> Result<Package, Trouble> {
    let package = stack::package(paths, &step).await?;
    step.done(&format!("{} built", package.functions()));
    Ok(package)
}

async fn emulator(
    paths: &Paths,
    endpoint: &str,
    home: &Place,
    step: Step,
) -> Result<MiniStack, Trouble> {
    let python = ministack::install(paths, &step).await?;
    step.detail("starting");
    let ministack = MiniStack::start(paths, &python, endpoint, home).await?;
    step.done(&format!("listens at {}", ministack.address()));
    Ok(ministack)
}

/// Starts delivery, fleet and gateway around a MiniStack.
async fn wire(
    options: &Options,
    listener: TcpListener,
    ministack: MiniStack,
    home: &Place,
) -> Result<Running, Trouble> {
    let port = |further| match options.port {
        0 => 0,
        port => port.saturating_add(further),
    };
    let chatroom = slack::open(port(1)).await?;
    let workshop = github::open(port(2)).await?;
    let emulator = ministack.emulator();
    let direct = format!("http://{}", ministack.address());
    let delivery = Delivery::start(delivery::Options {
        endpoint: direct.clone(),
        accounts: std::iter::once(home)
            .chain(&neighbours())
            .map(|place| delivery::Place {
                account: place.account.clone(),
                region: place.region.clone(),
            })
            .collect(),
        tick: options.tick,
        unkind: options.unkind.clone(),
        retry_base: options.retry_base,
    })
    .await
    .map_err(part("delivery"))?;
    let guard = Arc::new(IamGuard::new(emulator.clone()));
    let fleet = Fleet::start(fleet::Options {
        aws_endpoint: direct,
        guard: Arc::clone(&guard) as Arc<dyn fleet::Guard>,
        events: delivery.emitter(),
        pace: options.pace,
    })
    .await
    .map_err(part("fleet"))?;
    let gateway = Gateway::start(gateway::Options {
        listener,
        emulator,
        home: home.clone(),
        guard,
        fleet: Arc::clone(&fleet),
        events: delivery.emitter(),
    })
    .map_err(part("gateway"))?;
    Ok(Running {
        gateway,
        chatroom,
        workshop,
        fleet,
        delivery,
        ministack,
    })
}

fn part<E: std::error::Error + Send + Sync + 'static>(
    part: &'static str,
) -> impl FnOnce(E) -> Trouble {
    move |source| Trouble::Part {
        part,
        source: Box::new(source),
    }
}

//! `cargo local up`: starts the system, in the foreground until Ctrl-C or detached.

use std::{
    fs::{self, File},
    path::Path,
    process::{ExitCode, Stdio},
    time::Duration,
};

use clap::Args;
use delivery::Unkind;
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

use crate::{
    demo::sample,
    instance::{self, Phase},
    paths::Paths,
    people::PEOPLE,
    screen::{self, Screen},
    system::{Options, PORT, System},
    trouble::Trouble,
};

/// Between two looks whether a detached system is ready.
const READY_POLL: Duration = Duration::from_millis(100);

/// Start the local system.
#[derive(Debug, Args)]
pub struct Up {
    /// Where it listens, on this machine only; 0 takes any free port.
    #[arg(long, default_value_t = PORT, env = "LASTGOOD_LOCAL_PORT")]
    port: u16,
    /// Leave it running in the background; end it with `cargo local down`.
    #[arg(long)]
    detach: bool,
    /// Deliver events as badly as AWS allows itself to: twice, late, out of order, some never. The
    /// same seed makes the same choices.
    #[arg(long, value_name = "SEED")]
    unkind: Option<u64>,
    /// Without the two sample services.
    #[arg(long)]
    bare: bool,
}

impl Up {
    pub(super) async fn run(self) -> Result<ExitCode, Trouble> {
        let paths = Paths::of_repository();
        fs::create_dir_all(paths.state()).map_err(Trouble::file("make", paths.state()))?;
        if self.detach {
            self.detached(&paths).await
        } else {
            self.foreground(paths).await
        }
    }

    async fn foreground(self, paths: Paths) -> Result<ExitCode, Trouble> {
        log_to(&paths.log())?;
        let screen = Screen::of_stderr();
        let options = Options {
            port: self.port,
            unkind: self.unkind.map_or(Unkind::kind(), unkind),
            ..Options::laptop(paths.clone(), screen)
        };
        let mut interrupted = std::pin::pin!(interrupted()?);
        let mut system = tokio::select! {
            system = System::start(options) => system?,
            () = &mut interrupted => {
                screen::line("ended before it was ready");
                return Ok(ExitCode::FAILURE);
            },
        };
        let sample = if self.bare {
            String::new()
        } else {
            let step = screen.step("Samples");
            let text = samples(&system, &paths).await?;
            step.done("shop on ECS, billing on CodeDeploy");
            text
        };
        system.ready()?;
        screen::line(&usage(&system, &paths, &sample));
        let broken = tokio::select! {
            () = &mut interrupted => false,
            () = system.broken() => true,
        };
        screen::line("ending …");
        system.stop().await;
        if broken {
            return Err(Trouble::EmulatorEnded {
                log: paths.emulator_log(),
            });
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Starts ourselves once more, in the background, and waits until that one is ready.
    async fn detached(self, paths: &Paths) -> Result<ExitCode, Trouble> {
        if let Some(record) = instance::running(paths.state())? {
            let instance::Record { pid, endpoint, .. } = record;
            return Err(Trouble::AlreadyRunning { pid, endpoint });
        }
        let ourselves = std::env::current_exe().map_err(Trouble::io("find our own program"))?;
        let path = paths.detached_log();
        let log = File::create(&path).map_err(Trouble::file("write", &path))?;
        let errors = log.try_clone().map_err(Trouble::file("write", &path))?;
        let mut child = Command::new(ourselves)
            .args(["up", "--port", &self.port.to_string()])
            .args(self.unkind.map(|seed| format!("--unkind={seed}")))
            .args(self.bare.then_some("--bare"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C in this terminal is not meant for it.
            .process_group(0)
            .spawn()
            .map_err(Trouble::io("start the local system"))?;
        let mut shown = 0;
        loop {
            shown = show(&path, shown);
            if child
                .try_wait()
                .map_err(Trouble::io("wait for the local system"))?
                .is_some()
            {
                show(&path, shown);
                return Ok(ExitCode::FAILURE);
            }
            if instance::running(paths.state())?.is_some_and(|record| record.phase == Phase::Ready)
            {
                break;
            }
            tokio::time::sleep(READY_POLL).await;
        }
        // How to use it is said right after it is ready.
        tokio::time::sleep(READY_POLL).await;
        show(&path, shown);
        Ok(ExitCode::SUCCESS)
    }
}

/// Everything that AWS's documents allow, often enough to be seen within minutes.
fn unkind(seed: u64) -> Unkind {
    Unkind {
        double: 0.2,
        delay: Some(Duration::ZERO..Duration::from_secs(3)),
        shuffle: 0.1,
        drop_best_effort: 0.1,
        seed,
    }
}

/// Shows the lines of a log from the `from`th on; gives how many there are.
fn show(log: &Path, from: usize) -> usize {
    let text = fs::read_to_string(log).unwrap_or_default();
    // Not the last line, as long as it is being written.
    let complete = text
        .rfind('\n')
        .and_then(|end| text.get(..end))
        .unwrap_or_default();
    complete.lines().skip(from).for_each(screen::line);
    complete.lines().count().max(from)
}

/// Makes the sample services; gives how to play with them.
async fn samples(system: &System, paths: &Paths) -> Result<String, Trouble> {
    let folder = paths.state().join("samples");
    let made = sample::make(system, &folder).await;
    let made = made.and_then(|made| Ok((made, sample::write_archives(&folder)?)));
    let (made, [good, bad]) = made.map_err(Trouble::Sample)?;
    Ok(format!(
        "
Two services are there, each with dev, test and production:

{doors}

  aws s3 cp {good} s3://$LASTGOOD_BUCKET/billing/1.zip   # a release of billing
  aws s3 cp {bad} s3://$LASTGOOD_BUCKET/billing/2.zip    # one that answers errors
  cargo local push 1.0.0                                 # an image of shop
  aws cloudwatch set-alarm-state --alarm-name billing-test-errors \\
      --state-value ALARM --state-reason trying          # an alarm fires
",
        doors = made.doors(),
        good = good.display(),
        bad = bad.display(),
    ))
}

fn usage(system: &System, paths: &Paths, samples: &str) -> String {
    let folder = paths.state().display();
    let people: Vec<String> = PEOPLE
        .iter()
        .map(|person| {
            format!(
                "  source {folder}/{}.env   # as {}, {}",
                person.name, person.name, person.role
            )
        })
        .collect();
    format!(
        "
The local system is ready at {endpoint}. In another terminal:

  source {folder}/local.env   # as the account's root
{people}
{samples}
See what happens:

  {lastgood} status
  {lastgood} history billing
  aws ecs list-clusters

What people hear in Slack, with buttons to approve: {chat}
What GitHub shows of where commits run: {code}
What functions say: {log}
To end it: `cargo local down`, or Ctrl-C where it runs.",
        endpoint = system.endpoint(),
        chat = system.chatroom().page(),
        code = system.workshop().page(),
        lastgood = system.lastgood().display(),
        people = people.join("\n"),
        log = paths.emulator_log().display(),
    )
}

/// Resolves when somebody wants the end: Ctrl-C, or `cargo local down`.
pub(super) fn interrupted() -> Result<impl Future<Output = ()>, Trouble> {
    let listen = |kind| signal(kind).map_err(Trouble::io("listen for signals"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {},
            _ = terminate.recv() => {},
            _ = hangup.recv() => {},
        }
    })
}

/// Sends what the system logs to a file, so that it does not disturb what is drawn.
pub(super) fn log_to(path: &Path) -> Result<(), Trouble> {
    let file = File::create(path).map_err(Trouble::file("write", path))?;
    tracing_subscriber::fmt()
        .with_writer(std::sync::Mutex::new(file))
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .init();
    Ok(())
}

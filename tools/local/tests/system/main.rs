//! The whole system, started as `cargo local up` starts it, on a free port and in a folder of its
//! own; and on it, the guides that people follow.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to panic")]

mod guides;
mod page;

use std::{fs, time::Duration};

use local::{Options, Paths, Screen, System, Trouble, instance};

#[tokio::test(flavor = "multi_thread")]
async fn a_system_starts_serves_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::of_repository().with_state(folder.path().to_owned());
    let options = Options {
        port: 0,
        tick: Duration::from_secs(2),
        ..Options::laptop(paths.clone(), Screen::Silent)
    };
    let system = match System::start(options.clone()).await {
        Ok(system) => system,
        Err(trouble) => panic!("{}", trouble.report()),
    };
    system.ready().unwrap();
    assert!(system.endpoint().starts_with("http://127.0.0.1:"));
    let record = instance::running(folder.path()).unwrap().unwrap();
    assert_eq!(record.phase, instance::Phase::Ready);
    assert!(matches!(
        System::start(options).await,
        Err(Trouble::AlreadyRunning { .. })
    ));

    the_function_urls_ask_for_a_signature(&system).await;
    everybody_has_an_environment(&system, &paths);
    let reader = tempfile::tempdir().unwrap();
    if let Err(error) = guides::follow(&system, reader.path()).await {
        panic!("{error:?}");
    }

    let scratch = paths.scratch().display().to_string();
    assert!(runs_in(&scratch), "MiniStack runs in its scratch folder");
    system.stop().await;
    assert_eq!(instance::running(folder.path()).unwrap(), None);
    // The kernel takes a moment to end what was killed.
    for _look in 0..50 {
        if cfg!(not(target_os = "linux")) || !runs_in(&scratch) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("something is left");
}

async fn the_function_urls_ask_for_a_signature(system: &System) {
    for variable in ["LASTGOOD_COMMAND_URL", "LASTGOOD_APPROVAL_URL"] {
        let url = system.environment().get(variable).unwrap();
        assert_eq!(reqwest::get(url).await.unwrap().status(), 403, "{variable}");
    }
}

fn everybody_has_an_environment(system: &System, paths: &Paths) {
    for (person, environment) in system.people() {
        let file = fs::read_to_string(paths.environment(person.name)).unwrap();
        assert_eq!(file, environment.render());
        assert!(
            environment
                .get("AWS_ACCESS_KEY_ID")
                .unwrap()
                .starts_with("AKIA")
        );
    }
    let root = fs::read_to_string(paths.environment("local")).unwrap();
    for (_, value) in system.environment().iter() {
        assert!(root.contains(value), "{value}");
    }
    for output in [
        "TableName",
        "ArtefactBucketName",
        "TopicArn",
        "LifecycleHookFunctionArn",
    ] {
        let value = system.outputs().get(output).unwrap();
        assert!(root.contains(value), "{output}");
    }
}

/// Whether a process has this in its environment. Only Linux tells.
fn runs_in(scratch: &str) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else {
        return true;
    };
    processes.flatten().any(|process| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(scratch)
    })
}

//! Words for why a person is called.

use domain::entry::Call;

pub(super) fn called(call: &Call) -> String {
    match call {
        Call::NothingToReturnTo { release, problem } => {
            format!("release {release} is bad ({problem}), and there is no good one to go back to")
        }
        Call::Irreversible { release, problem } => {
            format!(
                "release {release} is bad ({problem}) and marked as irreversible: it is not rolled back by itself"
            )
        }
        Call::RollbackFailed { to, problem } => format!("the rollback to {to} failed: {problem}"),
        Call::StillFiring { alarms } => format!("still firing: {}", alarms.join(", ")),
        Call::TooManyRollbacks { count } => {
            format!("{count} automatic rollbacks within a day, so it is frozen")
        }
        Call::ReturnedElsewhere { expected } => {
            format!("the platform went back to something else than release {expected}")
        }
        Call::RunsSomethingElse { release } => {
            format!("something else runs than release {release}")
        }
        Call::ActionRefused { release, problem } => {
            format!("the platform refuses release {release}: {problem}")
        }
        Call::LateAction { attempt } => {
            format!("{attempt} took effect although it was no longer wanted")
        }
    }
}

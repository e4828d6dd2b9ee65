//! Which instances a deployment may take on next, and when it is over: the rule of the minimum of
//! healthy hosts. Pure; what happens on an instance is not known here.
//!
//! Source: CodeDeploy user guide, "Deployment configurations on an EC2/on-premises compute
//! platform" and "Instance health".

use super::config::Minimum;

/// Where one instance stands in a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// Its turn has not come; what runs on it is well.
    WaitingWell,
    /// Its turn has not come; its last deployment failed.
    WaitingIll,
    /// It is being deployed to.
    Busy,
    /// It was deployed to.
    Done,
    /// Deploying to it failed.
    Failed,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Begin with these instances (by their place in the list); there may be none to begin with,
    /// while others are busy.
    Begin(Vec<usize>),
    /// All instances that had to were deployed to.
    Succeeded,
    /// Too few healthy instances are left.
    Failed,
}

/// Whether a deployment with this minimum can ever take an instance on.
pub(super) fn possible(minimum: Minimum, hosts: usize) -> bool {
    minimum.hosts(hosts) < hosts
}

/// What to do next.
pub(super) fn next(minimum: Minimum, hosts: &[Host]) -> Next {
    let least = minimum.hosts(hosts.len());
    let count = |wanted: Host| hosts.iter().filter(|host| **host == wanted).count();
    let [ill, busy, done] = [Host::WaitingIll, Host::Busy, Host::Done].map(count);
    let waiting = count(Host::WaitingWell) + ill;
    let mut well = count(Host::WaitingWell) + done;
    let mut room = hosts
        .len()
        .saturating_sub(least)
        .max(1)
        .saturating_sub(busy);
    let mut begin = Vec::new();
    // Once the minimum is out of reach nothing more is begun.
    if done + busy + waiting >= least {
        let turns = |wanted: Host| {
            hosts
                .iter()
                .enumerate()
                .filter(move |(_, host)| **host == wanted)
                .map(|(at, _)| at)
        };
        for at in turns(Host::WaitingIll).take(room) {
            begin.push(at);
            room -= 1;
        }
        for at in turns(Host::WaitingWell) {
            if room == 0 || well <= least {
                break;
            }
            begin.push(at);
            room -= 1;
            well -= 1;
        }
    }
    let over = begin.is_empty() && busy == 0;
    match over {
        false => Next::Begin(begin),
        true if waiting == 0 && done > 0 && done >= least => Next::Succeeded,
        true => Next::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Host::{Busy, Done, Failed, WaitingIll, WaitingWell};

    const ONE: Minimum = Minimum::MostConcurrency(1);
    const HALF: Minimum = Minimum::FleetPercent(50);
    const ALL: Minimum = Minimum::FleetPercent(0);

    #[test]
    fn one_at_a_time_takes_one_after_the_other() {
        assert_eq!(next(ONE, &[WaitingWell; 3]), Next::Begin(vec![0]));
        assert_eq!(
            next(ONE, &[Busy, WaitingWell, WaitingWell]),
            Next::Begin(vec![])
        );
        assert_eq!(
            next(ONE, &[Done, WaitingWell, WaitingWell]),
            Next::Begin(vec![1])
        );
        assert_eq!(next(ONE, &[Done; 3]), Next::Succeeded);
    }

    #[test]
    fn one_at_a_time_fails_with_any_but_the_last_instance() {
        assert_eq!(next(ONE, &[Failed, WaitingWell, WaitingWell]), Next::Failed);
        assert_eq!(next(ONE, &[Done, Failed, WaitingWell]), Next::Failed);
        assert_eq!(next(ONE, &[Done, Done, Failed]), Next::Succeeded);
        assert_eq!(next(ONE, &[Failed]), Next::Failed);
    }

    #[test]
    fn ill_instances_come_first_and_cost_nothing() {
        let mixed = [WaitingWell, WaitingIll, WaitingWell];
        assert_eq!(next(ONE, &mixed), Next::Begin(vec![1]));
        assert_eq!(next(ONE, &[WaitingIll; 3]), Next::Begin(vec![0]));
        assert_eq!(
            next(ONE, &[Done, WaitingIll, WaitingIll]),
            Next::Begin(vec![1])
        );
    }

    #[test]
    fn half_at_a_time_keeps_half_and_succeeds_with_half() {
        assert_eq!(next(HALF, &[WaitingWell; 5]), Next::Begin(vec![0, 1]));
        assert_eq!(
            next(HALF, &[Done, Done, WaitingWell, WaitingWell]),
            Next::Begin(vec![2, 3])
        );
        assert_eq!(
            next(HALF, &[Done, Failed, WaitingWell, WaitingWell]),
            Next::Begin(vec![2])
        );
        assert_eq!(next(HALF, &[Done, Failed, Done, Failed]), Next::Succeeded);
        assert_eq!(
            next(HALF, &[Failed, Failed, WaitingWell, WaitingWell]),
            Next::Failed
        );
    }

    #[test]
    fn all_at_once_succeeds_with_one() {
        assert_eq!(next(ALL, &[WaitingWell; 3]), Next::Begin(vec![0, 1, 2]));
        assert_eq!(next(ALL, &[Failed, Busy, Failed]), Next::Begin(vec![]));
        assert_eq!(next(ALL, &[Failed, Done, Failed]), Next::Succeeded);
        assert_eq!(next(ALL, &[Failed; 3]), Next::Failed);
    }

    #[test]
    fn a_minimum_of_all_hosts_is_impossible() {
        assert!(!possible(Minimum::HostCount(1), 1));
        assert!(possible(Minimum::HostCount(1), 2));
        assert!(possible(ONE, 1) && possible(HALF, 1) && possible(ALL, 1));
    }
}
